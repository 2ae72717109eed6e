//! Networks as a user trains them.

use crate::program::{Place, normal, stdout, text};
use serde_json::Value;

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn six_rules_train_a_network_and_its_test_error_is_that_of_samples_it_never_saw() {
    let place = Place::new();
    let assert = place
        .run(
            "run --problem mlp --data digits:n=3000 --layers 60 --optimizer \
             sgd,momentum,nesterov,adagrad,rmsprop,adam --batch 32 --epochs 3 --target 0.5 --threads 1,all \
             --device cpu --repeats 1 --quiet --out r",
        )
        .code(0);
    let table = stdout(&assert);
    assert!(
        table.contains("test error") && !table.contains("sine"),
        "{table}"
    );
    let records = place.records("r");
    // With one core the two are one case.
    assert!(records.len() == 12 || records.len() == 6);
    for record in &records {
        let case = text(record, "case");
        assert!(case.starts_with("mlp/digits:n=3000/60/"), "{case}");
        assert_eq!(
            text(record, "status"),
            "reached",
            "{case}: {}",
            record["reason"]
        );
        assert_eq!(
            (text(record, "problem"), text(record, "method")),
            ("mlp", "backpropagation")
        );
        assert_eq!(
            (&record["components"], &record["accuracy"]),
            (&Value::Null, &Value::Null)
        );
        let network = &record["network"];
        assert_eq!(network["layers"], serde_json::json!([60]));
        assert_eq!(network["parameters"], 785 * 60 + 61 * 10);
        assert_eq!(network["test_n"], 500);
        let end = number(&network["end"]["test_error"]);
        let curve = record["curve"].as_array().unwrap();
        // The device has f32, the host f64.
        assert!(
            (number(&curve[curve.len() - 1]["error"]) - end).abs() < 1e-6,
            "{case}"
        );
        assert!(number(&network["best"]["test_error"]) < end + 1e-6);
        assert!(number(&curve[0]["train_loss"]) > number(&curve[curve.len() - 1]["train_loss"]));
        assert_eq!(record["work"]["iterations"], 3 * 93);
        assert!(number(&record["optimizer"]["learning_rate"]) > 0.0);
    }
    assert!(place.path("r/report.html").is_file());
    let page = std::fs::read_to_string(place.path("r/report.html")).unwrap();
    assert!(page.contains("hidden layers 60") && page.contains("test error"));
    // The same again from the folder: nothing is left to do.
    place
        .run(
            "run --problem mlp --data digits:n=3000 --layers 60 --optimizer adam --batch 32 --epochs 3 --target 0.5 \
             --device cpu --repeats 1 --quiet --out r --resume",
        )
        .code(0);
    assert_eq!(place.records("r").len(), records.len());
}

#[test]
fn a_miss_is_a_miss_and_a_rule_that_diverges_is_a_result() {
    let place = Place::new();
    place
        .run(
            "run --problem mlp --data digits:n=600 --layers none --layers 20,10 --optimizer sgd --batch full --epochs 2 \
             --learning-rate 0.01,1e38 --device cpu --repeats 1 --quiet --out r",
        )
        .code(0);
    let records = place.records("r");
    assert_eq!(records.len(), 4);
    for record in &records {
        let diverged = text(record, "case").contains("eta1e38");
        let status = if diverged { "diverged" } else { "budget" };
        assert_eq!(text(record, "status"), status, "{record}");
        assert_eq!(record["batch"], "full");
        assert_eq!(record["network"]["end"].is_null(), diverged);
    }
}

#[test]
fn samples_of_a_file_are_split_and_their_labels_named() {
    let place = Place::new();
    let mut x = String::new();
    let mut y = String::from("label\n");
    for i in 0..240 {
        let (class, wobble) = (i % 3, f64::from(i * 37 % 100) / 200.0);
        x += &format!("{},{}\n", f64::from(class) + wobble, 1.0 - wobble);
        y += &format!("{class}\n");
    }
    std::fs::write(place.path("x.csv"), x).unwrap();
    std::fs::write(place.path("y.csv"), y).unwrap();
    let common = "run --problem mlp --data x.csv --layers 8 --optimizer adam --learning-rate 0.05 --batch 10 --epochs 30 \
                  --device cpu --quiet";
    place
        .run(&format!(
            "{common} --labels y.csv --test-fraction 0.25 --target 0.05 --repeats 1 --out r"
        ))
        .code(0);
    let record = &place.records("r")[0];
    assert_eq!(
        (&record["data"]["n"], &record["network"]["test_n"]),
        (&180.into(), &60.into())
    );
    assert_eq!(text(record, "status"), "reached", "{}", record["reason"]);
    place.refuses(common, &["x.csv", "labels", "--labels"]);
}

#[test]
fn what_cannot_be_trained_is_refused_in_one_line() {
    let place = Place::new();
    let common = "run --problem mlp --device cpu --quiet";
    for (arguments, words) in [
        ("--data digits:n=100 --layers 0", &["layers", "from 1"][..]),
        ("--data digits:n=100 --layers 30,x", &["layers"]),
        ("--data digits:n=100 --batch 101", &["batch 101", "100"]),
        ("--data digits:n=100 --weight-decay nan", &["weight-decay"]),
        (
            "--data digits:n=100 --test-fraction 0.5",
            &["--test-fraction"],
        ),
        ("--data spectrum:n=50,d=4", &["labels"]),
    ] {
        place.refuses(&format!("{common} {arguments}"), words);
    }
}

#[test]
fn tuning_gives_every_rule_a_rate_and_keeps_what_was_there() {
    let place = Place::new();
    let tune = "tune --data digits:n=600 --epochs 1 --batch 32 --out rates.toml";
    place.run(&format!("{tune} --layers none")).code(0);
    place.run(&format!("{tune} --layers 12")).code(0);
    let rates = std::fs::read_to_string(place.path("rates.toml")).unwrap();
    assert_eq!(rates.matches("[[tuned]]").count(), 2, "{rates}");
    for rule in ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"] {
        assert_eq!(rates.matches(&format!("\"{rule}\"")).count(), 2, "{rates}");
    }
    place.run("tune --data digits:n=600 --layers 0").code(2);
}

#[test]
fn the_same_numbers_in_any_type_of_file_train_alike() {
    let place = Place::new();
    let noise = normal(300, &[0.4], 12);
    let x = normal(300, &[10.0; 5], 11).mapv(|x| (100.0 + x).round());
    let label = |i: usize| {
        let sum: f64 = x
            .row(i)
            .iter()
            .zip([1.0, -2.0, 0.5, 0.0, 1.5])
            .map(|(x, w)| (x - 100.0) / 10.0 * w)
            .sum();
        format!("{}\n", u8::from(sum + noise[[i, 0]] > 0.0))
    };
    place.write("y.csv", (0..300).map(label).collect::<String>().as_bytes());
    place.npy("f8.npy", &x);
    ndarray_npy::write_npy(place.path("f4.npy"), &x.mapv(|x| x as f32)).unwrap();
    ndarray_npy::write_npy(place.path("i4.npy"), &x.mapv(|x| x as i32)).unwrap();
    ndarray_npy::write_npy(place.path("u1.npy"), &x.mapv(|x| x as u8)).unwrap();
    let line = |row: ndarray::ArrayView1<f64>| {
        let words: Vec<String> = row.iter().map(f64::to_string).collect();
        words.join(",") + "\n"
    };
    let lines: String = x.outer_iter().map(line).collect();
    place.write("text.csv", lines.as_bytes());
    let trained = |flags: &str, out: &str| {
        place
            .run(&format!(
                "run --problem mlp --labels y.csv --layers none --device cpu --threads 1 --repeats 1 --quiet --out {out} \
                 {flags}"
            ))
            .code(0);
        place.records(out).remove(0)
    };
    let mut errors = Vec::new();
    for file in ["f8.npy", "f4.npy", "i4.npy", "u1.npy", "text.csv"] {
        let record = trained(&format!("--data {file}"), &format!("{file}.r"));
        assert_eq!(record["data"]["standardized"], true, "{file}");
        assert_eq!(record["network"]["test_n"], 50);
        let case = text(&record, "case");
        assert!(!case.contains("standardize"), "{case}");
        errors.push(number(&record["network"]["end"]["test_error"]));
    }
    // One test sample of 50.
    assert!(
        errors
            .iter()
            .all(|e| (e - errors[0]).abs() < 0.0201 && *e <= 0.15),
        "{errors:?}"
    );
    let record = trained("--data u1.npy --standardize none", "none");
    assert_eq!(record["data"]["standardized"], false);
    assert!(text(&record, "case").ends_with("/standardize-none"));
    // Pixels stay as they are.
    place
        .run("run --problem mlp --data digits:n=300 --standardize auto,none --layers none --epochs 1 --device cpu \
              --threads 1 --repeats 1 --quiet --out digits")
        .code(0);
    let records = place.records("digits");
    assert_eq!(
        (records.len(), &records[0]["data"]["standardized"]),
        (1, &false.into())
    );
    assert_eq!(
        text(&records[0], "case"),
        "mlp/digits:n=300/none/sgd/cpu@1/f32/epochs1"
    );
}
