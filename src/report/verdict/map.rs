//! Devices that are held against each other: what A measured on one against what B measured on another.

use crate::error::{Error, Result};
use crate::record::Record;
use std::collections::BTreeSet;

/// Which side of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// What was before.
    A,
    /// What is held against it.
    B,
}

/// A device of A, and the device of B that is held against it, as ids name them: `cpu@1`, `cuda:0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    a: String,
    b: String,
}

impl Map {
    /// Reads a comma-separated list of `LEFT=RIGHT`.
    ///
    /// # Errors
    /// `Input` for anything else.
    pub fn parse(text: &str) -> Result<Vec<Self>> {
        let one = |pair: &str| match pair.trim().split_once('=') {
            Some((a, b)) if !a.is_empty() && !b.is_empty() && !b.contains('=') => Ok(Self {
                a: a.into(),
                b: b.into(),
            }),
            _ => Err(Error::input(format!(
                "--map `{pair}`: write a device of A, =, and a device of B: cuda:0=wgpu:0"
            ))),
        };
        text.split(',').map(one).collect()
    }

    /// That both sides have the devices.
    ///
    /// # Errors
    /// `Input` with the devices that are there.
    pub fn check(&self, a: &[Record], b: &[Record]) -> Result<()> {
        for (which, side, records) in [(Which::A, "A", a), (Which::B, "B", b)] {
            let (asked, there) = (self.device(which), devices(records));
            if !there.contains(asked) {
                let there: Vec<&str> = there.into_iter().collect();
                return Err(Error::input(format!(
                    "--map {}={}: {side} has no records of {asked}; it has {}",
                    self.a,
                    self.b,
                    there.join(", ")
                )));
            }
        }
        Ok(())
    }

    fn device(&self, which: Which) -> &str {
        match which {
            Which::A => &self.a,
            Which::B => &self.b,
        }
    }

    /// The id of a case with both devices in its device's place; `None` where the record is of another device.
    pub(super) fn id(&self, record: &Record, which: Which) -> Option<String> {
        if record.device.label != self.device(which) {
            return None;
        }
        let both = self.to_string();
        let words = record.asked.words().into_iter();
        let mut parts: Vec<String> = words
            .map(|word| match word.flag {
                "device" => both.clone(),
                _ => word.text,
            })
            .collect();
        parts.insert(parts.len().min(1), record.samples.clone());
        Some(parts.join("/"))
    }
}

impl std::fmt::Display for Map {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}", self.a, self.b)
    }
}

fn devices(records: &[Record]) -> BTreeSet<&str> {
    let labels = records.iter().map(|record| record.device.label.as_str());
    labels.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture;

    #[test]
    fn a_list_of_pairs_is_read_and_anything_else_is_refused() {
        let maps = Map::parse("cuda:0=wgpu:0, cpu@1=cpu").unwrap();
        let text: Vec<String> = maps.iter().map(Map::to_string).collect();
        assert_eq!(text, ["cuda:0=wgpu:0", "cpu@1=cpu"]);
        for bad in ["", "cpu", "cpu=", "=cpu", "a=b=c", "a=b,"] {
            assert!(Map::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_device_that_is_not_there_is_refused_with_those_that_are() {
        let records = fixture::race();
        let map = Map::parse("cpu@1=cuda:7").unwrap().remove(0);
        let error = map.check(&records, &records).unwrap_err().to_string();
        assert!(
            error.contains("B has no records of cuda:7; it has cpu, cpu@1"),
            "{error}"
        );
    }

    #[test]
    fn an_id_has_both_devices_in_the_place_of_one() {
        let mut record = fixture::race().remove(0);
        fixture::rename(
            &mut record,
            "pca/mnist/deflation/samples/sgd/k10/cpu@1/f32/seed2",
        );
        let map = Map::parse("cpu@1=cpu").unwrap().remove(0);
        let id = "pca/mnist/deflation/samples/sgd/k10/cpu@1=cpu/f32/seed2";
        assert_eq!(map.id(&record, Which::A).as_deref(), Some(id));
        assert_eq!(map.id(&record, Which::B), None);
    }
}
