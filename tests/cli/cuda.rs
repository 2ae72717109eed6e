//! CUDA cards as a user meets them. Without one, the program says what is missing and nothing else changes; with one, it
//! takes the same steps as the CPU.

use crate::program::{Place, stdout, text};

#[test]
fn without_a_card_the_program_starts_says_why_and_everything_else_is_as_before() {
    let place = Place::new();
    let devices = stdout(&place.run("devices").code(0));
    let line = devices.lines().find(|line| line.starts_with("cuda:0"));
    let line = line.expect("what is missing has a line");
    // What is missing, and what to do about it.
    assert!(line.contains("missing: "), "{line}");
    assert!(line.matches(": ").count() >= 2, "{line}");
    place.refuses(
        "run --data digits:n=50 --device cuda:1",
        &["cuda:1", "CUDA"],
    );
    let cases = stdout(&place.run("run quick --dry-run").code(0));
    assert!(!cases.contains("cuda"), "{cases}");
    let verdict = stdout(&place.run("data list").code(0));
    assert!(!verdict.contains("cuda"), "{verdict}");
}

mod needs_cuda {
    use gradrace::device::cuda::{Card, cards};
    use serde_json::Value;

    use super::*;

    fn first() -> &'static Card {
        cards().expect("a card").first().expect("a card")
    }

    #[test]
    #[ignore = "needs cuda: an NVIDIA card"]
    fn a_card_is_listed_by_name_with_its_peaks_and_the_versions_of_what_drives_it() {
        let card = first();
        let devices = stdout(&Place::new().with_gpus("devices").assert().code(0));
        let mut lines = devices
            .lines()
            .skip_while(|line| !line.starts_with("cuda:0"));
        let (peaks, name) = (lines.next().unwrap(), lines.next().unwrap());
        assert!(peaks.contains("GB/s") && peaks.contains("GiB"), "{devices}");
        assert!(name.contains(&card.name), "{devices}");
        assert!(
            name.contains("NVRTC") && !name.contains("software"),
            "{devices}"
        );
    }

    #[test]
    #[ignore = "needs cuda: an NVIDIA card"]
    fn every_method_operator_and_rule_takes_the_same_steps_to_the_same_answer_as_on_the_cpu() {
        let card = first();
        let place = Place::new();
        place
            .with_gpus(
                "run --data digits:n=2000 --components 3 --device cpu,cuda:0 --method deflation,subspace --operator \
                 samples,covariance --optimizer sgd,momentum,nesterov,adagrad,rmsprop,adam --repeats 1 --quiet --out r",
            )
            .assert()
            .code(0);
        let records = place.records("r");
        assert_eq!(records.len(), 2 * 2 * 6 * 2);
        let on = |kind: &'static str| {
            let kind = move |record: &&Value| record["device"]["kind"] == kind;
            records.iter().filter(kind)
        };
        for row in on("cuda") {
            let case = text(row, "case");
            assert_eq!(text(row, "status"), "reached", "{case}: {}", row["reason"]);
            assert_eq!(text(&row["device"], "name"), card.name);
            let cpu_row = on("cpu")
                .find(|row| text(row, "case") == case.replace("cuda:0", "cpu"))
                .expect("the cpu runs beside it");
            let steps = |row: &Value| row["work"]["iterations"].as_f64().unwrap();
            let (here, there) = (steps(row), steps(cpu_row));
            assert!(
                (here - there).abs() <= 0.05 * there,
                "{case}: {here} iterations, {there} on the cpu"
            );
            let device_s = row["time"]["device_s"].as_array().expect("events tell it");
            assert!(device_s.iter().all(|s| s.as_f64().is_some_and(|s| s > 0.0)));
        }
        let machine = std::fs::read_to_string(place.path("r/machine.json")).unwrap();
        let machine: Value = serde_json::from_str(&machine).unwrap();
        let mut peaks = machine["peaks"].as_array().unwrap().iter();
        let peak = peaks.find(|peak| peak["device"] == "cuda:0").unwrap();
        assert_eq!(text(peak, "name"), card.name);
        assert_eq!(text(peak, "driver"), card.driver);
    }
}
