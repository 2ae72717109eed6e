//! What holds of every record.

use super::file::{json, safe_name};
use super::*;
use proptest::prelude::*;
use serde_json::Value;

/// What the leaves of a record are replaced by, in turn.
#[derive(Debug)]
struct Leaves {
    texts: Vec<String>,
    numbers: Vec<f64>,
    counts: Vec<u32>,
    at: usize,
}

impl Leaves {
    /// Replaces every text and number of a record's JSON by another one of its type.
    fn replace(&mut self, key: &str, value: &mut Value) {
        self.at += 1;
        match value {
            Value::String(text) if key != "status" => {
                *text = self.texts[self.at % self.texts.len()].clone();
            }
            Value::Number(number) if number.is_f64() => {
                *value = self.numbers[self.at % self.numbers.len()].into();
            }
            Value::Number(_) if key != "schema" => {
                *value = self.counts[self.at % self.counts.len()].into();
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.replace(key, item)),
            Value::Object(fields) => {
                for (key, value) in fields {
                    self.replace(key, value);
                }
            }
            _ => {}
        }
    }
}

fn leaves() -> impl Strategy<Value = Leaves> {
    let some = 1..9usize;
    let texts = proptest::collection::vec(any::<String>(), some.clone());
    let numbers = proptest::collection::vec(
        proptest::num::f64::NORMAL | proptest::num::f64::ZERO | proptest::num::f64::SUBNORMAL,
        some.clone(),
    );
    let counts = proptest::collection::vec(0..u32::MAX, some);
    (texts, numbers, counts).prop_map(|(texts, numbers, counts)| Leaves {
        texts,
        numbers,
        counts,
        at: 0,
    })
}

/// Records of every kind.
fn kinds() -> Vec<Record> {
    let mut records = fixture::race();
    records.extend(fixture::networks());
    records[0].energy = Some(Energy {
        source: "nvml".into(),
        joules: 9.0,
        watts: 300.0,
        solves: 7,
        clock_mhz: Some(1980),
        temperature_c: Some(40),
        throttled_repeats: 1,
        throttle: vec!["thermal".into()],
    });
    records
}

proptest! {
    #[test]
    fn a_record_comes_back_from_its_line_as_it_was(
        mut leaves in leaves(),
        which in any::<proptest::sample::Index>(),
    ) {
        let kinds = kinds();
        let mut value = serde_json::to_value(which.get(&kinds)).unwrap();
        leaves.replace("", &mut value);
        let record: Record = serde_json::from_value(value).unwrap();
        let line = json(&record);
        prop_assert!(!line.contains('\n'));
        prop_assert_eq!(serde_json::from_str::<Record>(&line).unwrap(), record);
    }

    #[test]
    fn two_ids_never_share_a_file_name(
        ids in proptest::collection::btree_set("[ab/_:@=. \u{e9}-]{0,6}|[a-z]{119,123}[/_]?", 2..20),
    ) {
        let names: std::collections::BTreeSet<String> = ids.iter().map(|id| safe_name(id)).collect();
        prop_assert_eq!(names.len(), ids.len());
    }

    #[test]
    fn a_name_that_looks_hashed_is_hashed(id in "[ab]{1,5}_") {
        let hashed = safe_name(&id);
        let twin = hashed.replace('_', "/").replace('-', ":");
        prop_assert!(safe_name(&twin) != hashed, "{} and {}", id, twin);
    }
}
