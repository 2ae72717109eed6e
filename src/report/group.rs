//! Which records race against each other, in which order, and how a row is called.
//!
//! A group is one task on one machine: problem, samples, number of components or network, target. Within it every method, operator,
//! optimizer and device competes. Of a case measured again, the last measurement counts.

use super::quantity;
use super::seeds::{Family, families};
use crate::record::statistics;
use crate::record::{Record, Status, software_label};
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
            .map(|(key, rows)| Group::new(key, rows))
            .collect(),
        older,
    )
}

/// How the word of a case id begins that says what was done to the columns.
pub const STANDARDIZE: &str = "standardize-";

/// Machine, problem, samples, whether they are standardized, what is sought of them, target.
type Key<'a> = (&'a str, &'a str, &'a str, bool, String, u64);

fn key(record: &Record) -> Key<'_> {
    // The id names the samples even where they were never loaded.
    let data = record.case.split('/').nth(1).unwrap_or_default();
    let target = record.limits.target.to_bits();
    (
        &record.machine,
        &record.problem,
        data,
        standardized(record),
        sought(record),
        target,
    )
}

/// Whether the columns were brought to zero mean and unit variance. A file is always loaded, so that where there are no
/// samples the id says it.
fn standardized(record: &Record) -> bool {
    match &record.data {
        Some(data) => data.standardized,
        None => record
            .case
            .split('/')
            .any(|part| part.strip_prefix(STANDARDIZE) == Some("columns")),
    }
}

/// What is sought, as the id has it: `k10`, or the hidden layers of a network.
fn sought(record: &Record) -> String {
    match record.components {
        Some(k) => format!("k{k}"),
        None => record.case.split('/').nth(2).unwrap_or_default().into(),
    }
}

impl<'a> Group<'a> {
    fn new(
        (machine, problem, data, standardized, sought, target): Key<'a>,
        mut rows: Vec<&'a Record>,
    ) -> Self {
        rows.sort_by(|a, b| {
            order(a)
                .partial_cmp(&order(b))
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        let size = rows.iter().find_map(|row| row.data.as_ref());
        let (word, place) = match standardized {
            true => (", standardized", "/standardized"),
            false => ("", ""),
        };
        let size = size
            .map(|d| format!(" ({} x {}, {}{word})", d.n, d.d, d.dtype))
            .unwrap_or_default();
        let target = quantity::round(f64::from_bits(target));
        Self {
            title: match sought.strip_prefix('k') {
                Some(k) => format!("{problem} of {data}{size}, k = {k}, target {target}"),
                None => {
                    format!("{problem} of {data}{size}, hidden layers {sought}, target {target}")
                }
            },
            id: format!("{problem}/{data}{place}/{sought}"),
            machine,
            rows,
        }
    }

    /// Whether its rows are networks, judged by their test errors.
    pub fn classifies(&self) -> bool {
        self.rows.iter().any(|row| row.network.is_some())
    }

    /// Time to target of the fastest, in seconds.
    pub fn fastest_s(&self) -> Option<f64> {
        self.rows.first().and_then(|row| to_target_s(row))
    }

    /// How many times longer than the fastest a row takes to the target; `None` when it does not get there.
    pub fn slower(&self, row: &Record) -> Option<f64> {
        Some(to_target_s(row)? / self.fastest_s()?)
    }

    /// Every group of competitors that shares a chart of curves: one method, operator, device and precision, one line a
    /// rule. With it the chart's name, `deflation/covariance/cpu@1`.
    pub fn curves(&self) -> Vec<(String, Vec<Family<'a>>)> {
        let mut charts: Vec<(String, Vec<&Record>)> = Vec::new();
        for row in self.rows.iter().filter(|row| row.curve.len() > 1) {
            let mut name = row.method.clone();
            for part in row.operator.as_deref().into_iter().chain([device(row)]) {
                name = name + "/" + part;
            }
            if row.precision != "f32" {
                name = name + "/" + &row.precision;
            }
            match charts.iter_mut().find(|(other, _)| *other == name) {
                Some((_, rows)) => rows.push(row),
                None => charts.push((name, vec![row])),
            }
        }
        let charts = charts.into_iter();
        charts.map(|(name, rows)| (name, families(&rows))).collect()
    }

    /// What is worth a word below the table: how and why rows ended that did not reach the target, and counts of
    /// iterations that differ between devices.
    pub fn notes(&self) -> Vec<String> {
        let mut endings: Vec<(Status, &str, Vec<String>)> = Vec::new();
        for row in self.rows.iter().filter(|row| row.status != Status::Reached) {
            let reason = row.reason.as_deref().unwrap_or("no reason recorded");
            let ending = endings
                .iter_mut()
                .find(|(s, r, _)| (*s, *r) == (row.status, reason));
            match ending {
                Some((_, _, names)) => names.push(short_name(row)),
                None => endings.push((row.status, reason, vec![short_name(row)])),
            }
        }
        let mut notes: Vec<String> = endings
            .into_iter()
            .map(|(status, reason, names)| {
                let more = match names.len() {
                    1 => String::new(),
                    n => format!(" and {} more", n - 1),
                };
                format!("{} {}{more}: {reason}", word(status), names[0])
            })
            .collect();
        notes.extend(self.different_counts());
        notes.extend(self.rows.iter().filter_map(|row| throttled(row)));
        notes
    }

    /// The same mathematics takes the same steps everywhere: more than 5 % off the CPU's count is flagged, not praised.
    fn different_counts(&self) -> Vec<String> {
        let others = |record: &Record| -> String {
            let parts = record.case.split('/');
            let parts = parts.filter(|part| *part != device(record));
            parts.collect::<Vec<_>>().join("/")
        };
        let counted = |row: &Record| {
            let work = row.work.as_ref();
            work.filter(|_| row.status == Status::Reached)
                .map(|work| work.iterations)
        };
        let mut cpu: HashMap<String, u64> = HashMap::new();
        for row in self.rows.iter().filter(|row| device(row) == "cpu") {
            cpu.extend(counted(row).map(|count| (others(row), count)));
        }
        let flagged = |row: &&Record| {
            let (here, there) = (counted(row)?, *cpu.get(&others(row))?);
            let off = (here as f64 - there as f64) / (there as f64).max(1.0);
            (off.abs() > 0.05).then(|| {
                let name = short_name(row);
                format!(
                    "flagged {name}: {here} iterations where the CPU takes {there} ({:+.0} %)",
                    100.0 * off
                )
            })
        };
        self.rows.iter().filter_map(flagged).collect()
    }
}

/// A word about repeats that ran at a lowered clock.
fn throttled(row: &Record) -> Option<String> {
    let energy = row.energy.as_ref().filter(|e| e.throttled_repeats > 0)?;
    Some(format!(
        "throttled {}: the clock was lowered after {} repeats ({})",
        short_name(row),
        energy.throttled_repeats,
        energy.throttle.join(", ")
    ))
}

/// Median time to the target in seconds; `None` when it was not reached.
pub fn to_target_s(record: &Record) -> Option<f64> {
    let reached = record.status == Status::Reached;
    statistics::median(&record.time.as_ref().filter(|_| reached)?.to_target_s)
}

/// The device as the case id has it: `cpu@1`, `cuda:0`.
pub fn device(record: &Record) -> &str {
    let kind = record.device.kind.as_str();
    record
        .case
        .split('/')
        .skip(2)
        .find(|part| {
            part.strip_prefix(kind)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['@', ':']))
        })
        .unwrap_or(kind)
}

/// A case within its group as a person reads it: [`short_id`], and the word `software` for an emulated device.
pub fn short_name(record: &Record) -> String {
    short_id(record) + software_label(record.device.software)
}

/// A case within its group: the id without what the group shares and without the default precision.
pub fn short_id(record: &Record) -> String {
    let sought = sought(record);
    let parts = record.case.split('/').skip(2);
    let parts: Vec<&str> = parts
        .filter(|part| *part != sought && *part != "f32" && !part.starts_with(STANDARDIZE))
        .collect();
    parts.join("/")
}

/// The error of the final answer: the sine of the largest principal angle, or the test error of a network.
pub fn error(record: &Record) -> Option<f64> {
    let sine = record.accuracy.as_ref().and_then(|a| a.subspace_sine);
    let network = record.network.as_ref();
    sine.or(network.and_then(|network| Some(network.end?.test_error)))
}

/// A status as it stands in the records.
pub fn word(status: Status) -> &'static str {
    match status {
        Status::Reached => "reached",
        Status::Budget => "budget",
        Status::Stalled => "stalled",
        Status::Unresolved => "unresolved",
        Status::Diverged => "diverged",
        Status::Failed => "failed",
        Status::Skipped => "skipped",
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
    let left = error(record).unwrap_or(1.0);
    (
        to_target_s(record).unwrap_or(f64::INFINITY),
        ended,
        left,
        &record.case,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Energy, fixture};

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
        let times: Vec<f64> = rows.iter().filter_map(|row| to_target_s(row)).collect();
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
        columns.case += "/standardize-columns";
        columns.data.as_mut().unwrap().standardized = true;
        records.push(columns);
        let (groups, _) = groups(&records);
        assert_eq!(groups.len(), 2);
        assert_eq!(
            groups[1].title,
            "pca of mnist (60000 x 784, u8, standardized), k = 10, target 1e-3"
        );
        assert_eq!(groups[1].id, "pca/mnist/standardized/k10");
        assert_eq!(short_name(&records[0]), short_name(&records[1]));
    }

    #[test]
    fn a_time_never_counts_for_a_case_that_failed_its_check() {
        let mut record = fixture::race().remove(0);
        assert!(to_target_s(&record).is_some());
        record.status = Status::Failed;
        assert_eq!(to_target_s(&record), None);
    }

    #[test]
    fn names_keep_what_is_not_shared() {
        let mut record = fixture::race().remove(0);
        record.case = "pca/mnist/deflation/samples/adam/lr0.5/k10/cpu@1/f32/seed2".into();
        assert_eq!(
            short_name(&record),
            "deflation/samples/adam/lr0.5/cpu@1/seed2"
        );
        assert_eq!(device(&record), "cpu@1");
        record.case = "pca/cpu.npy-0123abcd/direct/k10/cpu/f64".into();
        record.device.software = true;
        assert_eq!(short_name(&record), "direct/cpu/f64 (software)");
        assert_eq!(device(&record), "cpu");
    }

    #[test]
    fn notes_give_every_ending_once_and_flag_other_counts() {
        let mut records = fixture::race();
        let mut second = records[records.len() - 2].clone();
        second.case = second.case.replace("sgd", "adam");
        records.push(second);
        let work = records[0].work.as_mut().unwrap();
        work.iterations = work.iterations * 11 / 10;
        let notes = groups(&records).0[0].notes();
        assert!(
            notes
                .iter()
                .any(|n| n.contains("and 1 more: no CUDA driver")),
            "{notes:?}"
        );
        assert!(
            notes
                .iter()
                .any(|n| n.starts_with("diverged subspace/covariance/rmsprop/cpu@1"))
        );
        let flagged: Vec<_> = notes.iter().filter(|n| n.starts_with("flagged")).collect();
        assert_eq!(flagged.len(), 1, "{notes:?}");
        assert!(
            flagged[0].contains("deflation/covariance/sgd/cpu@1"),
            "{flagged:?}"
        );
    }

    #[test]
    fn repeats_at_a_lowered_clock_are_told() {
        let mut records = fixture::race();
        records[0].energy = Some(Energy {
            source: "nvml".into(),
            joules: 12.0,
            watts: 300.0,
            solves: 5,
            clock_mhz: None,
            temperature_c: None,
            throttled_repeats: 2,
            throttle: vec!["thermal".into()],
        });
        let notes = groups(&records).0[0].notes();
        let told = |note: &String| {
            note.starts_with("throttled deflation") && note.ends_with("2 repeats (thermal)")
        };
        assert!(notes.iter().any(told), "{notes:?}");
    }

    #[test]
    fn counts_of_an_adapter_are_held_against_those_of_the_cpu() {
        let cpu = fixture::race()
            .into_iter()
            .find(|r| r.case == "pca/mnist/subspace/covariance/sgd/k10/cpu/f32")
            .unwrap();
        let flags = |factor: f64| {
            let mut adapter = cpu.clone();
            adapter.case = cpu.case.replace("/cpu/", "/wgpu:0/") + "/limit5";
            adapter.device.kind = "wgpu".into();
            adapter.device.software = true;
            let work = adapter.work.as_mut().unwrap();
            work.iterations = (work.iterations as f64 * factor) as u64;
            let mut cpu = cpu.clone();
            cpu.case += "/limit5";
            groups(&[cpu, adapter]).0[0].notes()
        };
        assert_eq!(flags(1.04), Vec::<String>::new());
        let flagged = flags(0.9);
        assert_eq!(flagged.len(), 1, "{flagged:?}");
        let words = "flagged subspace/covariance/sgd/wgpu:0/limit5 (software)";
        assert!(flagged[0].starts_with(words), "{flagged:?}");
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
