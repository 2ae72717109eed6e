//! `gradrace compare` as a user runs it.

use crate::program::{Place, kept, stderr, stdout};
use serde_json::{Value, json};

/// Five quiet repeats of a second.
const QUIET: [f64; 5] = [1.0, 1.001, 1.002, 1.003, 1.004];

/// A kept record, under another name and with these times to target.
fn record(case: &str, machine: &str, times: &[f64]) -> Value {
    let mut record = kept::reached();
    // Of the first version, whose records say by their id what was asked for.
    record["schema"] = json!(1);
    record["case"] = json!(case);
    record["machine"] = json!(machine);
    record["time"]["to_target_s"] = json!(times);
    record["artifacts"] = json!({});
    record
}

/// Eight rounds of a case.
fn rounds(case: &str, factor: f64) -> Vec<Value> {
    let levels = [1.0, 1.002, 0.998, 1.001, 0.999, 1.002, 1.0, 0.998];
    let round = |level: f64| record(case, "m", &QUIET.map(|time| factor * level * time));
    levels.map(round).to_vec()
}

fn write(place: &Place, folder: &str, records: &[Value]) {
    std::fs::create_dir_all(place.path(folder)).expect("a folder");
    let lines: String = records.iter().map(|r| r.to_string() + "\n").collect();
    place.write(&format!("{folder}/records.jsonl"), lines.as_bytes());
}

fn json_of(place: &Place, arguments: &str) -> Value {
    let text = stdout(&place.run(&format!("{arguments} --format json")).code(0));
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn twenty_cases_against_themselves_are_the_same_and_slowed_by_a_tenth_they_are_slower() {
    let place = Place::new();
    let side = |factor: f64| -> Vec<Value> {
        (0..20)
            .flat_map(|index| rounds(&format!("pca/x/case{index}"), factor))
            .collect()
    };
    write(&place, "a", &side(1.0));
    write(&place, "b", &side(1.01));
    write(&place, "slow", &side(1.1));
    let text = stdout(&place.run("compare a b --fail-on slower").code(0));
    assert!(
        text.contains("0 SLOWER, 0 FASTER, 20 SAME, 0 AMBIGUOUS"),
        "{text}"
    );
    assert!(text.contains("same machine"), "{text}");
    let text = stdout(&place.run("compare a slow").code(0));
    assert!(text.contains("20 SLOWER"), "{text}");
    assert!(text.contains("1.100 ["), "{text}");
    place.run("compare a slow --fail-on slower").code(1);
    place.run("compare slow a --fail-on slower").code(0);
    place
        .run("compare a slow/records.jsonl --fail-on slower --format json")
        .code(1);
    // A tenth may be too little to matter.
    for threshold in ["20%", "20", "0.2"] {
        let arguments = format!("compare a slow --fail-on slower --threshold {threshold}");
        place.run(&arguments).code(0);
    }
}

#[test]
fn json_has_the_interval_and_what_it_had_before() {
    let place = Place::new();
    write(&place, "a", &rounds("pca/x/case", 1.0));
    write(&place, "b", &rounds("pca/x/case", 1.1));
    let value = json_of(&place, "compare a b --threshold 5%");
    assert_eq!(value["threshold"], json!(0.05));
    let case = &value["cases"][0];
    assert_eq!(case["verdict"], json!("SLOWER"));
    assert_eq!((&case["rounds"], &case["alpha"]), (&json!(8), &json!(0.05)));
    let number = |name: &str| case[name].as_f64().expect(name);
    let (low, ratio, high) = (number("low"), number("ratio"), number("high"));
    assert!(1.05 < low && low <= ratio && ratio <= high && high < 1.15);
    for name in [
        "machine", "program", "status", "repeats", "median_s", "min_s", "q3_s",
    ] {
        assert!(!case["b"][name].is_null(), "{name}");
    }
}

#[test]
fn cases_of_one_side_are_one_line_with_a_count_and_all_of_them_in_json() {
    let place = Place::new();
    let few = record("pca/x/few", "m", &QUIET[..2]);
    let mut a: Vec<Value> = (0..9)
        .map(|index| record(&format!("pca/x/old{index}"), "m", &QUIET))
        .collect();
    a.push(few.clone());
    write(&place, "a", &a);
    write(&place, "b", &[record("pca/x/new", "m", &QUIET), few]);
    for format in ["table", "markdown"] {
        let text = stdout(&place.run(&format!("compare a b --format {format}")).code(0));
        for words in [
            "9 cases are only in A, as pca/x/old0, pca/x/old1",
            "1 case is only in B: pca/x/new",
            "AMBIGUOUS",
            "compare --run",
        ] {
            let text = text.replace('\\', "").replace('\n', " ");
            assert!(text.contains(words), "{format}: {words} in {text}");
        }
        assert!(!text.contains("old2"), "{text}");
    }
    let value = json_of(&place, "compare a b");
    assert_eq!(value["only_a"].as_array().expect("a list").len(), 9);
    assert_eq!(value["only_b"], json!([["m", "pca/x/new"]]));
    let case = &value["cases"][0];
    assert_eq!(
        (&case["verdict"], &case["a"]["repeats"]),
        (&json!("AMBIGUOUS"), &json!(2))
    );
    assert!(case["rounds_needed"].as_u64() > Some(4), "{case}");
}

#[test]
fn no_line_is_wider_than_a_terminal() {
    let place = Place::new();
    let id = format!(
        "pca/{}/deflation/{}",
        "x".repeat(150),
        "covariance/".repeat(20)
    );
    write(&place, "a", &rounds(&id, 1.0));
    write(&place, "b", &rounds(&id, 1.01));
    let text = stdout(&place.run("compare a b").code(0));
    let widest = text.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(100), "{text}");
    assert!(text.contains('…') && text.contains("1 SAME"), "{text}");
}

#[test]
fn two_machines_are_compared_only_where_each_side_is_one() {
    let place = Place::new();
    let on = |machine: &str| -> Vec<Value> {
        let mut records = rounds("pca/x/case", 1.0);
        records
            .iter_mut()
            .for_each(|r| r["machine"] = json!(machine));
        records
    };
    write(&place, "a", &on("one"));
    write(&place, "b", &on("two"));
    write(&place, "both", &[on("one"), on("two")].concat());
    let text = stdout(&place.run("compare a b").code(0));
    assert!(
        text.contains("compares machines: A is one, B is two"),
        "{text}"
    );
    let text = stdout(&place.run("compare both b").code(0));
    assert!(text.contains("1 case is only in A: pca/x/case"), "{text}");
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
fn devices_of_one_folder_are_held_against_each_other() {
    let place = Place::new();
    let on = |device: &str, factor: f64| {
        let id = format!("pca/mnist/subspace/covariance/sgd/k10/{device}/f32");
        rounds(&id, factor)
    };
    write(&place, "r", &[on("cpu@1", 1.0), on("cpu", 0.5)].concat());
    let value = json_of(&place, "compare r r --map cpu@1=cpu");
    let case = &value["cases"][0];
    assert_eq!(case["verdict"], json!("FASTER"));
    assert!(case["case"].as_str().expect("an id").contains("cpu@1=cpu"));
    assert_eq!(value["map"], json!(["cpu@1=cpu"]));
    let refused = |map: &str| {
        let assert = place
            .run(&format!("compare r r --map {map}"))
            .code(2)
            .stdout("");
        let error = stderr(&assert);
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    };
    assert!(refused("cpu@1=cuda:0").contains("it has cpu, cpu@1"));
    assert!(refused("cpu").contains("cuda:0=wgpu:0"));
}

#[test]
fn flags_that_make_no_sense_are_refused_in_a_line() {
    let place = Place::new();
    write(&place, "a", &rounds("pca/x/case", 1.0));
    for (arguments, word) in [
        ("compare a a --threshold x", "--threshold"),
        ("compare a a --threshold 0", "over 0 %"),
        ("compare a a --method direct", "--run"),
        ("compare a a --under 3", "--run"),
        ("compare --run a a --time-limit soon", "--time-limit"),
        ("compare --run a a nosuite", "unknown suite"),
        ("compare --run ./nothing ./nothing quick", "cannot start"),
    ] {
        let assert = place.run(arguments).code(2).stdout("");
        let error = stderr(&assert);
        assert_eq!(error.lines().count(), 1, "{arguments}: {error}");
        assert!(error.contains(word), "{arguments}: {error}");
    }
    place.run("compare a a quick").code(2);
    place.run("compare --run a a --map cpu=cpu@1").code(2);
}

/// Two cases of a few milliseconds.
const TINY: &str = r#"
shows = "Two small cases."
[[cases]]
data = "spectrum:n=200,d=12"
components = 2
method = ["direct", "subspace"]
device = "cpu"
threads = "1"
"#;

#[test]
fn two_programs_race_in_turn_until_each_case_has_its_verdict() {
    let place = Place::new();
    place.write("tiny.toml", TINY.as_bytes());
    let this = env!("CARGO_BIN_EXE_gradrace");
    let arguments =
        format!("compare --run {this} {this} tiny.toml --threshold 50% --time-limit 3m --out o");
    let assert = place.run(&format!("{arguments} --format json")).code(0);
    let value: Value = serde_json::from_str(&stdout(&assert)).expect("JSON");
    let cases = value["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 2);
    for case in cases {
        // Of the eight or more, those count that other tests did not disturb throughout; at least four do.
        assert!(case["rounds"].as_u64() >= Some(4), "{case}");
        assert!(case["paired"] == json!(true), "{case}");
    }
    assert!(
        value["measured"]
            .as_str()
            .expect("words")
            .contains("raced in turn: ")
    );
    let lines = stderr(&assert);
    assert!(lines.contains("round 8: "), "{lines}");
    for side in ["o/a", "o/b"] {
        let records = place.records(side);
        assert!(records.len() >= 16, "{side}: {}", records.len());
        // From the second round on, repeats are counted.
        assert_eq!(records[2]["time"]["stopped"], json!("repeats"));
    }
    // The folders compare as any others do.
    assert_eq!(
        json_of(&place, "compare o/a o/b")["cases"]
            .as_array()
            .expect("cases")
            .len(),
        2
    );
    let error = stderr(&place.run(&arguments).code(2).stdout(""));
    assert!(error.contains("another comparison"), "{error}");
}

#[test]
fn a_time_that_is_up_ends_after_the_round_with_a_last_look() {
    let place = Place::new();
    place.write("tiny.toml", TINY.as_bytes());
    let this = env!("CARGO_BIN_EXE_gradrace");
    let flags = "--method direct --time-limit 0.001 --out o --format json";
    let assert = place
        .run(&format!("compare --run {this} {this} tiny.toml {flags}"))
        .code(0);
    let value: Value = serde_json::from_str(&stdout(&assert)).expect("JSON");
    let cases = value["cases"].as_array().expect("cases");
    // The flags narrow the suite.
    assert_eq!(cases.len(), 1);
    assert_eq!(cases[0]["verdict"], json!("AMBIGUOUS"));
    assert_eq!(
        (&cases[0]["rounds"], &cases[0]["alpha"]),
        (&json!(1), &json!(0.05))
    );
    assert_eq!(place.records("o/a").len(), 1);
}

#[test]
fn what_a_program_said_that_cannot_race_is_the_error() {
    let place = Place::new();
    let this = env!("CARGO_BIN_EXE_gradrace");
    let flags = "--data nowhere.npy --device cpu --out o";
    let error = stderr(
        &place
            .run(&format!("compare --run {this} {this} {flags}"))
            .code(2)
            .stdout(""),
    );
    assert!(
        error.contains("nowhere.npy") && error.contains("exit status: 2"),
        "{error}"
    );
    let error = stderr(
        &place
            .run("compare --run /bin/true /bin/true --method direct --out o")
            .code(2),
    );
    assert!(error.contains("wrote no records"), "{error}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_the_child_and_prints_what_was_measured() {
    use std::process::Stdio;
    use std::time::{Duration, Instant};

    let place = Place::new();
    place.write("tiny.toml", TINY.as_bytes());
    let this = env!("CARGO_BIN_EXE_gradrace");
    let child = std::process::Command::new(this)
        .args([
            "compare",
            "--run",
            this,
            this,
            "tiny.toml",
            "--out",
            "o",
            "--threshold",
            "0.1%",
        ])
        .current_dir(place.path(""))
        .envs(crate::program::NO_GPU)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program");
    let end = Instant::now() + Duration::from_secs(120);
    let second = place.path("o/b/records.jsonl");
    while !second.is_file() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(1));
    }
    // SAFETY: a plain system call, on a child that has not been waited for.
    let sent = unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) };
    assert_eq!(sent, 0);
    let output = child.wait_with_output().expect("its end");
    assert_eq!(output.status.code(), Some(130));
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(
        text.contains("pca/spectrum") && text.contains("raced in turn"),
        "{text}"
    );
}
