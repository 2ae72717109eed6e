//! `gradrace compare` as a user runs it.

mod program;

use program::{Place, kept, stderr, stdout};
use serde_json::{Value, json};

/// Five quiet repeats of a second.
const QUIET: [f64; 5] = [1.0, 1.001, 1.002, 1.003, 1.004];

/// A kept record, under another name and with these times to target.
fn record(case: &str, machine: &str, times: &[f64]) -> Value {
    let mut record = kept::reached();
    record["case"] = json!(case);
    record["machine"] = json!(machine);
    record["time"]["to_target_s"] = json!(times);
    record["artifacts"] = json!({});
    record
}

fn write(place: &Place, folder: &str, records: &[Value]) {
    std::fs::create_dir_all(place.path(folder)).expect("a folder");
    let lines: String = records.iter().map(|r| r.to_string() + "\n").collect();
    place.write(&format!("{folder}/records.jsonl"), lines.as_bytes());
}

#[test]
fn twenty_cases_against_themselves_are_the_same_and_slowed_by_a_fifth_they_are_slower() {
    let place = Place::new();
    let side = |factor: f64| -> Vec<Value> {
        let times = QUIET.map(|time| factor * time);
        (0..20)
            .map(|index| record(&format!("pca/x/case{index}"), "m", &times))
            .collect()
    };
    write(&place, "a", &side(1.0));
    write(&place, "b", &side(1.01));
    write(&place, "slow", &side(1.2));
    let text = stdout(&place.run("compare a b --fail-on slower").code(0));
    assert!(
        text.contains("0 SLOWER, 0 FASTER, 20 SAME, 0 AMBIGUOUS"),
        "{text}"
    );
    assert!(text.contains("same machine"), "{text}");
    let text = stdout(&place.run("compare a slow").code(0));
    assert!(text.contains("20 SLOWER"), "{text}");
    assert!(
        text.contains("1.200") && text.contains("1.00 s ["),
        "{text}"
    );
    place.run("compare a slow --fail-on slower").code(1);
    place.run("compare slow a --fail-on slower").code(0);
    place
        .run("compare a slow/records.jsonl --fail-on slower --format json")
        .code(1);
}

#[test]
fn cases_of_one_side_and_what_to_do_next_are_listed_in_every_format() {
    let place = Place::new();
    let few = record("pca/x/few", "m", &QUIET[..2]);
    write(
        &place,
        "a",
        &[record("pca/x/old", "m", &QUIET), few.clone()],
    );
    write(&place, "b", &[record("pca/x/new", "m", &QUIET), few]);
    for format in ["table", "markdown"] {
        let text = stdout(&place.run(&format!("compare a b --format {format}")).code(0));
        for words in [
            "pca/x/old",
            "pca/x/new",
            "only in A",
            "only in B",
            "AMBIGUOUS",
        ] {
            assert!(text.contains(words), "{format}: {words} in {text}");
        }
        assert!(text.replace('\\', "").contains("--repeats 10"), "{text}");
    }
    let text = stdout(&place.run("compare a b --format json").code(0));
    let value: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["only_a"], json!([["m", "pca/x/old"]]));
    assert_eq!(value["only_b"], json!([["m", "pca/x/new"]]));
    let case = &value["cases"][0];
    assert_eq!(
        (&case["verdict"], &case["a"]["repeats"]),
        (&json!("AMBIGUOUS"), &json!(2))
    );
    assert_eq!(case["b"]["machine"], json!("m"));
}

#[test]
fn two_machines_are_compared_only_where_each_side_is_one() {
    let place = Place::new();
    let on = |machine| record("pca/x/case", machine, &QUIET);
    write(&place, "a", &[on("one")]);
    write(&place, "b", &[on("two")]);
    write(&place, "both", &[on("one"), on("two")]);
    let text = stdout(&place.run("compare a b").code(0));
    assert!(
        text.contains("compares machines: A is one, B is two"),
        "{text}"
    );
    let text = stdout(&place.run("compare both b").code(0));
    assert!(text.contains("only in A: pca/x/case (one)"), "{text}");
    assert!(text.contains("1 SAME"), "{text}");
}

#[test]
fn nothing_in_common_and_nothing_to_read_are_errors_and_never_a_pass() {
    let place = Place::new();
    write(&place, "a", &[record("pca/x/one", "m", &QUIET)]);
    write(&place, "b", &[record("pca/x/two", "m", &QUIET)]);
    write(&place, "empty", &[]);
    let assert = place.run("compare a b --fail-on slower").code(2);
    assert!(stdout(&assert).contains("only in A: pca/x/one"));
    assert!(stderr(&assert).starts_with("error: no case is on both sides"));
    for arguments in ["compare a nowhere", "compare a empty"] {
        let assert = place.run(arguments).code(2).stdout("");
        assert_eq!(stderr(&assert).lines().count(), 1);
    }
    place.run("compare a").code(2);
}

#[test]
fn a_real_race_is_the_same_as_itself() {
    let place = Place::new();
    let flags = "--data digits:n=300 --components 2 --repeats 5 --method direct --quiet";
    place.run(&format!("run {flags} --out r")).code(0);
    let text = stdout(&place.run("compare r r --fail-on slower").code(0));
    assert!(text.contains("1 SAME"), "{text}");
}
