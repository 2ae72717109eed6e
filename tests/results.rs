//! The reference results in `results/` follow the public format, and what is drawn and said of them holds.

#[path = "cli/program/mod.rs"]
mod program;

use gradrace::record::MOST_SHARE;
use gradrace::record::Record;
use gradrace::record::read::{Results, read};
use gradrace::record::statistics::median;
use gradrace::report::chart::curves::{Against, dot};
use gradrace::report::family::Family;
use gradrace::report::group::groups;
use gradrace::report::quantity;
use gradrace::report::table::cells;
use program::kept::{files, records};
use program::{Place, stderr, stdout};
use serde_json::Value;

/// The first schema whose curves are those of the median repeat.
const CURVES: u64 = 4;

/// Every file of records as the report reads it, with what stands beside it.
fn kept() -> Vec<(String, Results)> {
    let name = |file: &std::path::PathBuf| file.display().to_string();
    let files = files("records.jsonl").into_iter();
    files
        .map(|file| (name(&file), read(&[file]).expect("records")))
        .collect()
}

fn schema(place: &Place) -> Value {
    serde_json::from_str(&stdout(&place.run("schema").code(0))).expect("JSON")
}

#[test]
fn every_record_in_results_follows_the_schema_that_the_program_prints() {
    let validator = jsonschema::validator_for(&schema(&Place::new())).expect("a schema");
    let mut records = 0;
    for file in files("records.jsonl") {
        let text = std::fs::read_to_string(&file).expect("text");
        for (index, line) in text.lines().enumerate() {
            let record: Value = serde_json::from_str(line).expect("JSON");
            let fault = validator.iter_errors(&record).next();
            let place = format!("{}, line {}", file.display(), index + 1);
            assert!(fault.is_none(), "{place}: {}", fault.expect("a fault"));
            records += 1;
        }
    }
    assert!(records > 0, "results/ has records");
}

#[test]
fn every_machine_in_results_follows_its_part_of_the_schema() {
    let mut schema = schema(&Place::new());
    let definitions = schema["$defs"].take();
    let machine = serde_json::json!({"$ref": "#/$defs/Machine", "$defs": definitions});
    let validator = jsonschema::validator_for(&machine).expect("a schema");
    let files = files("machine.json");
    assert!(!files.is_empty());
    for file in files {
        let text = std::fs::read_to_string(&file).expect("text");
        let facts = serde_json::from_str(&text).expect("JSON");
        assert!(validator.is_valid(&facts), "{}", file.display());
    }
}

/// Median time to target over the raw repeats of a record.
fn to_target_s(times: &Value) -> Option<f64> {
    let times = times.as_array().into_iter().flatten();
    median(&times.filter_map(Value::as_f64).collect::<Vec<f64>>())
}

#[test]
fn a_curve_meets_its_target_at_the_median_time_to_target() {
    for file in files("records.jsonl") {
        for record in records(&file) {
            let reached =
                record["status"] == "reached" && record["schema"].as_u64() >= Some(CURVES);
            let Some(time_s) = to_target_s(&record["time"]["to_target_s"]).filter(|_| reached)
            else {
                continue;
            };
            let target = record["limits"]["target"].as_f64().expect("a target");
            let points = record["curve"].as_array().expect("a curve");
            let under = |point: &&Value| point["error"].as_f64().is_some_and(|e| e <= target);
            // The dense solver has no curve.
            let Some(met) = points.iter().find(under) else {
                assert!(points.is_empty(), "{}", record["case"]);
                continue;
            };
            let met_s = met["time_s"].as_f64().expect("a time");
            assert!(
                (met_s - time_s).abs() <= 1e-9 * time_s,
                "{}, {}: the curve says {met_s} s, the repeats {time_s} s",
                file.display(),
                record["case"]
            );
        }
    }
}

/// The table's number of a competitor, by the raw repeats of its seeds: a miss counts as endless.
fn table_s(family: &Family) -> Option<f64> {
    let seed = |record: &&Record| {
        let reached = record.status.word() == "reached";
        let times = record.time.as_ref().filter(|_| reached);
        let time_s = times.and_then(|time| median(&time.to_target_s));
        time_s.unwrap_or(f64::INFINITY)
    };
    let mut times: Vec<f64> = family.rows.iter().map(seed).collect();
    times.sort_by(f64::total_cmp);
    Some(times[times.len() / 2]).filter(|time| time.is_finite())
}

#[test]
fn every_dot_of_a_chart_stands_at_the_tables_number() {
    let mut dots = 0;
    for (file, results) in kept() {
        let (groups, _) = groups(&results.records);
        let curves = groups.iter().flat_map(|group| group.curves());
        for family in curves.flat_map(|(_, families)| families) {
            let dot = dot(family, Against::Seconds).expect("a curve");
            let number = table_s(family);
            assert_eq!(dot.met, number.is_some(), "{file}: {}", family.name);
            let Some(number) = number else { continue };
            assert_eq!(dot.at, number, "{file}: {}", family.name);
            let cell = cells::to_target(family);
            let words = quantity::seconds(dot.at);
            assert!(cell.starts_with(&words), "{file}: {}: {cell}", family.name);
            dots += 1;
        }
    }
    assert!(dots > 0, "results/ has curves that meet their targets");
}

#[test]
fn no_share_passes_its_roofs() {
    for (file, results) in kept() {
        let cases = results.records.iter();
        let cases = cases.filter_map(|r| Some((&r.case, r.rate.as_ref()?.share_of_peak?)));
        let kernels = results.machines.iter().flat_map(|machine| &machine.kernels);
        let kernels = kernels.filter_map(|k| Some((&k.kernel, k.rate.share_of_peak?)));
        for (name, share) in cases.chain(kernels) {
            assert!(
                share <= MOST_SHARE,
                "{file}: {name} reaches {share} of its roofs: the roof, the work or the clock is wrong"
            );
        }
    }
}

#[test]
fn a_record_of_a_newer_format_is_refused_in_a_line_that_says_so() {
    let place = Place::new();
    std::fs::create_dir(place.path("r")).expect("a folder");
    place.write("r/records.jsonl", b"{\"schema\": 99, \"all\": \"new\"}\n");
    for command in ["report r", "compare r r"] {
        let error = stderr(&place.run(command).code(2).stdout(""));
        assert_eq!(error.lines().count(), 1, "{error}");
        for words in ["records.jsonl, line 1", "version 99", "newer"] {
            assert!(error.contains(words), "{words}: {error}");
        }
    }
}
