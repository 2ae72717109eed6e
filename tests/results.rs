//! The reference results in `results/` follow the public format.

mod program;

use program::kept::files;
use program::{Place, stderr, stdout};
use serde_json::Value;

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
