//! Adapters of wgpu as a user meets them.

use crate::program::{Place, stdout, text};

// Elsewhere the system has an interface of its own, which cannot be told to show no adapter.
#[cfg(target_os = "linux")]
#[test]
fn without_a_driver_an_adapter_asked_for_by_name_is_refused_and_all_is_the_cpu_alone() {
    let place = Place::new();
    place.refuses(
        "run --device wgpu:0",
        &["wgpu:0", "not there", "install", "libvulkan1"],
    );
    let dry = |arguments: &str| stdout(&place.run(arguments).code(0));
    let cases = dry("run --data digits:n=200 --device all --dry-run");
    assert!(
        cases.ends_with("\n1 case\n") && cases.contains("/cpu/"),
        "{cases}"
    );
    let quick = dry("run quick --dry-run");
    assert!(
        !quick.contains("wgpu") && !quick.contains("digits:") && !quick.contains("spectrum:"),
        "{quick}"
    );
    place
        .run("run --data digits:n=200 --components 3 --device all --repeats 1 --quiet --out r")
        .code(0);
    let records = place.records("r");
    assert_eq!(records.len(), 1);
    assert_eq!(text(&records[0]["device"], "kind"), "cpu");
}

mod needs_wgpu {
    use gradrace::device::wgpu::adapters;
    use serde_json::Value;

    use super::*;

    #[test]
    #[ignore = "needs wgpu: scripts/setup installs a software adapter"]
    fn an_adapter_is_listed_by_name_with_its_peaks_and_labelled_when_it_is_software() {
        let adapter = adapters().first().expect("an adapter");
        let assert = Place::new().with_gpus("devices").assert().code(0);
        let text = stdout(&assert);
        let mut lines = text.lines().skip_while(|line| !line.starts_with("wgpu:0"));
        let (peaks, name) = (lines.next().unwrap(), lines.next().unwrap());
        assert!(peaks.contains("GB/s") && peaks.contains("GiB"), "{text}");
        assert!(name.contains(&adapter.name), "{text}");
        for line in [peaks, name] {
            assert_eq!(line.contains("software"), adapter.software, "{text}");
        }
        assert!(!text.contains("wgpu:0   missing"), "{text}");
    }

    #[test]
    #[ignore = "needs wgpu: scripts/setup installs a software adapter"]
    fn every_method_operator_and_rule_takes_the_same_steps_to_the_same_answer_as_on_the_cpu() {
        let adapter = adapters().first().expect("an adapter");
        let place = Place::new();
        // Steps over the samples are slow on a software adapter: two rules are enough there.
        let mut table = String::new();
        for lists in [
            "--operator covariance --optimizer sgd,momentum,nesterov,adagrad,rmsprop,adam",
            "--operator samples --optimizer sgd,momentum",
        ] {
            let arguments = format!(
                "run --data digits:n=200 --components 3 --method deflation,subspace {lists} --device cpu,wgpu:0 \
                 --repeats 1 --quiet --out r"
            );
            table += &stdout(&place.with_gpus(&arguments).assert().code(0));
        }
        let records = place.records("r");
        assert_eq!(records.len(), 2 * (6 + 2) * 2);
        for record in &records {
            let case = text(record, "case");
            assert_eq!(
                text(record, "status"),
                "reached",
                "{case}: {}",
                record["reason"]
            );
        }
        let on = |kind: &'static str| {
            let kind = move |record: &&Value| record["device"]["kind"] == kind;
            records.iter().filter(kind)
        };
        for adapter_row in on("wgpu") {
            let case = text(adapter_row, "case");
            assert_eq!(
                adapter_row["device"]["software"], adapter.software,
                "{case}"
            );
            assert_eq!(text(&adapter_row["device"], "name"), adapter.name);
            let cpu_row = on("cpu")
                .find(|row| text(row, "case") == case.replace("wgpu:0", "cpu"))
                .expect("the cpu runs beside it");
            assert_eq!(cpu_row["time"]["device_s"], Value::Null);
            let steps = |row: &Value| row["work"]["iterations"].as_f64().unwrap();
            let (here, there) = (steps(adapter_row), steps(cpu_row));
            assert!(
                (here - there).abs() <= 0.05 * there,
                "{case}: {here} iterations, {there} on the cpu"
            );
            if let Some(device_s) = adapter_row["time"]["device_s"].as_array() {
                let solve_s = adapter_row["time"]["solve_s"].as_array().unwrap();
                assert_eq!(device_s.len(), solve_s.len(), "{case}");
                let positive = |value: &Value| value.as_f64().is_some_and(|s| s > 0.0);
                assert!(device_s.iter().all(positive), "{case}: {device_s:?}");
            }
        }
        assert!(!table.contains("flagged"), "{table}");
        if adapter.software {
            let page = std::fs::read_to_string(place.path("r/report.html")).unwrap();
            for text in [&table, &page] {
                assert!(text.contains("wgpu:0 (software)"), "{text}");
            }
            let machine = std::fs::read_to_string(place.path("r/machine.json")).unwrap();
            let machine: Value = serde_json::from_str(&machine).unwrap();
            let mut peaks = machine["peaks"].as_array().unwrap().iter();
            let peak = peaks.find(|peak| peak["device"] == "wgpu:0").unwrap();
            assert_eq!(peak["software"], true);
        }
    }
}
