//! Tests that stand where a record's command and the command line are both in sight.

use clap::Parser;
use proptest::prelude::*;

use crate::record::fixture;
use crate::record::read::read;
use crate::record::{Asked, Record};
use crate::report::command::command;

use super::{Cli, Command};

/// The cases of a command line with their ids, on samples of this name and spec.
fn cases(line: &str, (samples, spec): (&str, &str)) -> Vec<(Asked, String)> {
    let cli = Cli::try_parse_from(line.split_whitespace()).expect("a command line");
    let Command::Run(run) = cli.command else {
        panic!("{line} is no race")
    };
    let (entries, _) = run.entries().expect("cases");
    let mut cases = Vec::new();
    for entry in entries {
        cases.push((entry.case.asked(spec), entry.case.id(samples)));
    }
    cases
}

/// A flag with one of some values, or none.
fn flag(
    name: &'static str,
    value: impl Strategy<Value = String>,
) -> impl Strategy<Value = Option<String>> {
    proptest::option::of(value.prop_map(move |value| format!("--{name} {value}")))
}

fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::sample::select(words).prop_map(String::from)
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        (1u32..2000).prop_map(|value| format!("{}", f64::from(value) / 1000.0)),
        (1e-12..1e9).prop_map(|value: f64| value.to_string()),
    ]
}

fn whole() -> impl Strategy<Value = String> {
    prop_oneof![1u32..100, 1u32..16_777_217].prop_map(|value| value.to_string())
}

/// Command lines of one case each, with the flags that records of old cannot have.
fn lines() -> impl Strategy<Value = String> {
    let schedules = one_of(&["auto", "constant", "1/sqrt(t)", "decay:root"]);
    let warm_up = prop_oneof![one_of(&["0", "2.5%"]), whole()];
    let newer = (flag("schedule", schedules), flag("warm-up", warm_up));
    (lines_of_old(), newer).prop_map(|(line, newer)| {
        let newer = [newer.0, newer.1].into_iter().flatten();
        newer.fold(line, |line, flag| line + " " + &flag)
    })
}

/// Command lines of one case each, whatever flags they name.
fn lines_of_old() -> impl Strategy<Value = String> {
    let names = (
        flag("problem", one_of(&["pca", "mlp"])),
        flag("standardize", one_of(&["auto", "none", "columns"])),
        flag("method", one_of(&["deflation", "subspace", "direct"])),
        flag("operator", one_of(&["samples", "covariance"])),
        flag("optimizer", one_of(&["sgd", "nesterov", "adam"])),
        flag("gradient", one_of(&["plain", "projected"])),
        flag("layers", one_of(&["none", "300", "300,100", "9,8,7"])),
        flag("precision", one_of(&["f32", "f64", "tf32"])),
        flag("threads", one_of(&["all", "1", "3"])),
        prop_oneof![Just("--device cpu"), Just("--device cuda:1")],
    );
    let numbers = (
        flag("components", whole()),
        flag("batch", prop_oneof![one_of(&["full", "128"]), whole()]),
        flag("learning-rate", prop_oneof![one_of(&["auto"]), number()]),
        flag("weight-decay", prop_oneof![one_of(&["0"]), number()]),
        flag("target", number()),
        flag("tolerance", number()),
        flag("time-limit", number()),
        flag("max-iterations", whole()),
        flag("epochs", whole()),
        flag("seed", whole()),
    );
    (names, numbers).prop_map(|(n, m)| {
        let flags = [n.0, n.1, n.2, n.3, n.4, n.5, n.6, n.7, n.8];
        let more = [m.0, m.1, m.2, m.3, m.4, m.5, m.6, m.7, m.8, m.9];
        let flags: Vec<String> = flags.into_iter().chain(more).flatten().collect();
        format!("gradrace run --data mnist {} {}", n.9, flags.join(" "))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_command_of_a_record_gives_its_case_and_no_other(line in lines()) {
        let samples = ("mnist", "mnist");
        for (asked, id) in cases(&line, samples) {
            let mut record = fixture::race().remove(0);
            (record.case, record.asked) = (id.clone(), asked.clone());
            prop_assert_eq!(cases(&command(&record), samples), [(asked, id)]);
        }
    }

    #[test]
    fn the_id_of_a_case_of_old_says_what_was_asked_for(line in lines_of_old()) {
        for (asked, id) in cases(&line, ("mnist", "mnist")) {
            let mut record = fixture::race().remove(0);
            let field = |flag| asked.get(flag).unwrap_or_default().to_string();
            (record.problem, record.precision) = (field("problem"), field("precision"));
            record.device.kind = field("device").split(':').next().unwrap_or_default().into();
            fixture::rename(&mut record, id);
            prop_assert_eq!(record.asked, asked);
        }
    }
}

/// Every kept record.
fn kept() -> Vec<Record> {
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("results")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            match path.is_dir() {
                // What was measured here by the way is not kept.
                true if path.ends_with("results/local") => {}
                true => folders.push(path),
                false if path.ends_with("records.jsonl") => files.push(path),
                false => {}
            }
        }
    }
    read(&files).expect("records").records
}

#[test]
fn the_command_of_every_kept_record_gives_its_case() {
    let records = kept();
    assert!(!records.is_empty());
    for record in records {
        assert_eq!(record.asked.id(&record.samples), record.case);
        let spec = record.asked.get("data").expect("its samples");
        let again = cases(&command(&record), (&record.samples, spec));
        assert_eq!(again, [(record.asked.clone(), record.case.clone())]);
    }
}
