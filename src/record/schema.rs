//! The JSON Schema of the public format, derived from the types and their documentation.

use super::{Machine, Record};
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// The schema (draft 2020-12) of one line of `records.jsonl`; `#/$defs/Machine` in it is that of `machine.json`.
pub fn document() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    generator.subschema_for::<Machine>();
    let mut schema = generator.into_root_schema_for::<Record>();
    schema.insert(
        "title".into(),
        "gradrace: one line of records.jsonl; machine.json is #/$defs/Machine".into(),
    );
    schema.to_value()
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn accepts(schema: &Value, value: &Value) -> bool {
        jsonschema::validator_for(schema).unwrap().is_valid(value)
    }

    fn machine_schema() -> Value {
        let mut schema = document();
        let definitions = schema["$defs"].take();
        serde_json::json!({"$ref": "#/$defs/Machine", "$defs": definitions})
    }

    #[test]
    fn every_sample_record_is_valid() {
        let schema = document();
        for record in fixture::race() {
            let value = serde_json::to_value(&record).unwrap();
            assert!(accepts(&schema, &value), "{value}");
        }
    }

    #[test]
    fn the_sample_machine_is_valid_and_no_record() {
        let value = serde_json::to_value(fixture::machine()).unwrap();
        assert!(accepts(&machine_schema(), &value));
        assert!(!accepts(&document(), &value));
    }

    #[test]
    fn broken_records_are_rejected() {
        let good = serde_json::to_value(&fixture::race()[0]).unwrap();
        let broken = [
            ("status", Value::from("won")),
            ("case", Value::Null),
            ("components", Value::from(-1)),
            ("curve", Value::from("none")),
        ];
        for (field, value) in broken {
            let mut record = good.clone();
            record[field] = value;
            assert!(!accepts(&document(), &record), "{field}");
        }
        let mut missing = good;
        missing.as_object_mut().unwrap().remove("limits");
        assert!(!accepts(&document(), &missing));
    }

    #[test]
    fn every_field_is_described() {
        let schema = document();
        let definitions = schema["$defs"].as_object().unwrap().values();
        for object in definitions.chain([&schema]) {
            for (field, facts) in object["properties"].as_object().into_iter().flatten() {
                assert!(facts["description"].is_string(), "{field}");
            }
        }
    }
}
