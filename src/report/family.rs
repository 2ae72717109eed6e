//! Cases that differ by their seed alone, put together.

use super::name;
use crate::record::Record;
use std::collections::HashMap;

/// A competitor: cases that differ by their seed alone.
#[derive(Debug, Clone)]
pub struct Family<'a> {
    /// Name of the case within its group, without the seed.
    pub name: String,
    /// Its seeds, in the order of the group: by time to target, those that missed it last.
    pub rows: Vec<&'a Record>,
}

impl<'a> Family<'a> {
    /// A row that stands for all where one is needed.
    pub fn first(&self) -> &'a Record {
        self.rows[0]
    }

    /// Times to the target: of one seed its repeats, of several each one's median. A miss has none.
    pub fn times(&self) -> Vec<f64> {
        if let [row] = self.rows.as_slice() {
            let time = row.time.as_ref().filter(|_| row.to_target_s().is_some());
            return time
                .map(|time| time.to_target_s.clone())
                .unwrap_or_default();
        }
        self.rows
            .iter()
            .filter_map(|row| row.to_target_s())
            .collect()
    }

    /// How many seeds miss the target.
    pub fn missed(&self) -> usize {
        let missed = |row: &&&Record| row.to_target_s().is_none();
        self.rows.iter().filter(missed).count()
    }

    /// Median of the times; infinite when half of the seeds or more miss the target.
    pub fn middle_s(&self) -> f64 {
        middle(&self.rows)
    }
}

/// The competitors among these rows, by median time to target; equals stay in the order of the rows.
pub fn families<'a>(rows: &[&'a Record]) -> Vec<Family<'a>> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut families: Vec<Family> = Vec::new();
    for row in rows {
        let name = name::without_seed(row);
        match places.get(&name) {
            Some(&place) => families[place].rows.push(row),
            None => {
                places.insert(name.clone(), families.len());
                families.push(Family {
                    name,
                    rows: vec![row],
                });
            }
        }
    }
    families.sort_by(|a, b| a.middle_s().total_cmp(&b.middle_s()));
    families
}

/// Times to the target, a miss as infinity.
pub(super) fn times(rows: &[&Record]) -> Vec<f64> {
    let time = |row: &&Record| row.to_target_s().unwrap_or(f64::INFINITY);
    rows.iter().map(time).collect()
}

/// Median of the times; infinite when half of the seeds or more miss the target.
pub(super) fn middle(rows: &[&Record]) -> f64 {
    let mut times = times(rows);
    times.sort_by(f64::total_cmp);
    // Between two, the later one: what lies between a time and none is none.
    times.get(times.len() / 2).copied().unwrap_or(f64::INFINITY)
}
