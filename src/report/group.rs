//! Which records race against each other, and in which order.
//!
//! A group is one task on one machine: problem, samples, number of components or network, target. Within it every method, operator,
//! optimizer and device competes. Of a case measured again, the last measurement counts.

use super::family::{Family, families};
use super::name;
use crate::record::{Record, Status};
use std::collections::{BTreeMap, HashMap};

/// One task with all its competitors.
#[derive(Debug)]
pub struct Group<'a> {
    /// `pca/mnist/k10`: what the ids have in common.
    pub id: String,
    /// The task in words.
    pub title: String,
    /// Fingerprint of the machine.
    pub machine: &'a str,
    /// Competitors: by time to target, then those that did not get there, by how they ended.
    pub rows: Vec<&'a Record>,
}

/// The groups of some records, in the order in which each first appears, and how many older measurements of the same
/// cases are left out.
pub fn groups(records: &[Record]) -> (Vec<Group<'_>>, usize) {
    let mut last = BTreeMap::new();
    for (index, record) in records.iter().enumerate() {
        last.insert((&record.machine, &record.case), index);
    }
    let mut places: HashMap<Key, usize> = HashMap::new();
    let mut groups: Vec<(Key, Vec<&Record>)> = Vec::new();
    for (index, record) in records.iter().enumerate() {
        if last[&(&record.machine, &record.case)] != index {
            continue;
        }
        let key = key(record);
        match places.get(&key) {
            Some(&place) => groups[place].1.push(record),
            None => {
                places.insert(key.clone(), groups.len());
                groups.push((key, vec![record]));
            }
        }
    }
    let older = records.len() - last.len();
    (
        groups
            .into_iter()
            .map(|(_, rows)| Group::new(rows))
            .collect(),
        older,
    )
}

/// Machine, problem, samples, whether they are standardized, what is sought of them, target.
type Key<'a> = (&'a str, &'a str, &'a str, bool, String, u64);

fn key(record: &Record) -> Key<'_> {
    (
        &record.machine,
        &record.problem,
        &record.samples,
        record.standardized(),
        name::sought(record),
        record.limits.target.to_bits(),
    )
}

impl<'a> Group<'a> {
    fn new(mut rows: Vec<&'a Record>) -> Self {
        rows.sort_by(|a, b| {
            order(a)
                .partial_cmp(&order(b))
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        let loaded = rows.iter().copied().find(|row| row.data.is_some());
        Self {
            title: name::title(rows[0], loaded),
            id: name::task(rows[0]),
            machine: &rows[0].machine,
            rows,
        }
    }

    /// Whether its rows are networks, judged by their test errors.
    pub fn classifies(&self) -> bool {
        self.rows.iter().any(|row| row.classifies())
    }

    /// Time to target of the fastest, in seconds.
    pub fn fastest_s(&self) -> Option<f64> {
        self.rows.first().and_then(|row| row.to_target_s())
    }

    /// How many times longer than the fastest a row takes to the target; `None` when it does not get there.
    pub fn slower(&self, row: &Record) -> Option<f64> {
        Some(row.to_target_s()? / self.fastest_s()?)
    }

    /// Every group of competitors that shares a chart of curves: one method, operator, device and precision, one line a
    /// rule. With it the chart's name, `deflation/covariance/cpu@1`.
    pub fn curves(&self) -> Vec<(String, Vec<Family<'a>>)> {
        let mut charts: Vec<(String, Vec<&Record>)> = Vec::new();
        for row in self.rows.iter().filter(|row| row.curve.len() > 1) {
            let name = name::curves(row);
            match charts.iter_mut().find(|(other, _)| *other == name) {
                Some((_, rows)) => rows.push(row),
                None => charts.push((name, vec![row])),
            }
        }
        let charts = charts.into_iter();
        charts.map(|(name, rows)| (name, families(&rows))).collect()
    }
}

/// By time to target; then by how it ended; then by the error that is left.
fn order(record: &Record) -> (f64, u8, f64, &str) {
    let ended = match record.status {
        Status::Reached => 0,
        Status::Stalled | Status::Budget | Status::Unresolved => 1,
        Status::Diverged => 2,
        Status::Failed => 3,
        Status::Skipped => 4,
    };
    let left = record.error().unwrap_or(1.0);
    (
        record.to_target_s().unwrap_or(f64::INFINITY),
        ended,
        left,
        &record.case,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture;

    #[test]
    fn rows_are_sorted_by_time_to_target_and_then_by_how_they_ended() {
        let records = fixture::race();
        let (groups, older) = groups(&records);
        assert_eq!((groups.len(), older), (1, 0));
        assert_eq!(
            groups[0].title,
            "pca of mnist (60000 x 784, u8), k = 10, target 1e-3"
        );
        let rows = &groups[0].rows;
        assert_eq!(rows.len(), records.len());
        let times: Vec<f64> = rows.iter().filter_map(|row| row.to_target_s()).collect();
        assert!(times.is_sorted() && times.len() == rows.len() - 5);
        let ends: Vec<Status> = rows[times.len()..].iter().map(|row| row.status).collect();
        assert_eq!(
            ends[2..],
            [Status::Diverged, Status::Failed, Status::Skipped]
        );
        assert_eq!(groups[0].slower(rows[0]), Some(1.0));
        assert_eq!(groups[0].slower(rows[rows.len() - 1]), None);
    }

    #[test]
    fn the_last_measurement_of_a_case_counts_and_another_machine_is_another_group() {
        let mut records = fixture::race();
        let mut again = records[0].clone();
        again.seed = 7;
        records.push(again.clone());
        again.machine = "other".into();
        records.push(again);
        let (groups, older) = groups(&records);
        assert_eq!((groups.len(), older), (2, 1));
        let row = groups[0]
            .rows
            .iter()
            .find(|row| row.case == records[0].case)
            .unwrap();
        assert_eq!(row.seed, 7);
    }

    #[test]
    fn standardized_samples_are_a_task_of_their_own() {
        let mut records = fixture::race();
        records.truncate(1);
        let mut columns = records[0].clone();
        columns.data.as_mut().unwrap().standardized = true;
        let id = columns.case.clone() + "/standardize-columns";
        fixture::rename(&mut columns, id);
        records.push(columns);
        let (groups, _) = groups(&records);
        assert_eq!(groups.len(), 2);
        assert_eq!(
            groups[1].title,
            "pca of mnist (60000 x 784, u8, standardized), k = 10, target 1e-3"
        );
        assert_eq!(groups[1].id, "pca/mnist/standardized/k10");
        assert_eq!(name::competitor(&records[0]), name::competitor(&records[1]));
    }

    #[test]
    fn a_chart_of_curves_has_one_method_operator_and_device() {
        let records = fixture::race();
        let charts = groups(&records).0[0].curves();
        let six = |name: &str| charts.iter().any(|(n, rows)| n == name && rows.len() == 6);
        assert!(six("deflation/covariance/cpu@1") && six("subspace/covariance/cpu"));
        assert!(charts.iter().all(|(name, _)| !name.starts_with("direct")));
    }
}
