//! Which records race against each other, and in which order.
//!
//! A group is one task on one machine: problem, samples, number of components or network, target. Within it every method, operator,
//! rule and device competes. Seeds are samples of one competitor; limits, tolerances, epochs and repeats are conditions. Of a
//! competitor the last program counts, and of each of its seeds the last measurement.

use super::conditions::conditions;
use super::family::Family;
use super::name;
use crate::record::{Record, Status};
use std::collections::HashMap;

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
    pub rows: Vec<Family<'a>>,
    /// What was measured of these competitors under other conditions before: in no row.
    pub elsewhere: Vec<&'a Record>,
}

/// The groups of some records, in the order in which each first appears, and how many older measurements of the same
/// competitors under the same conditions are left out.
pub fn groups(records: &[Record]) -> (Vec<Group<'_>>, usize) {
    let mut places: HashMap<Key, usize> = HashMap::new();
    let mut tasks: Vec<Vec<Vec<&Record>>> = Vec::new();
    let mut competitors: HashMap<(usize, String), usize> = HashMap::new();
    for record in records {
        let place = *places.entry(key(record)).or_insert_with(|| {
            tasks.push(Vec::new());
            tasks.len() - 1
        });
        let task = &mut tasks[place];
        let name = (place, name::competitor(record));
        let competitor = *competitors.entry(name).or_insert_with(|| {
            task.push(Vec::new());
            task.len() - 1
        });
        task[competitor].push(record);
    }
    let groups: Vec<Group> = tasks.into_iter().map(Group::new).collect();
    let kept = |group: &Group| group.records().count() + group.elsewhere.len();
    let older = records.len() - groups.iter().map(kept).sum::<usize>();
    (groups, older)
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

/// Of everything that was measured of a competitor, in its order: what counts, one record a seed, and what was measured by the
/// same program under other conditions. What another program measured before is neither.
fn settle(measured: Vec<&Record>) -> (Vec<&Record>, Vec<&Record>) {
    let (mut rows, mut elsewhere): (Vec<&Record>, Vec<&Record>) = (Vec::new(), Vec::new());
    let program = measured.last().map(|record| &record.program);
    let measured = measured.iter().rev();
    for record in measured.filter(|record| Some(&record.program) == program) {
        let twin = |other: &&Record| other.seed == record.seed;
        let same = |other: &&Record| twin(other) && conditions(other) == conditions(record);
        if !rows.iter().any(twin) {
            rows.push(record);
        } else if !rows.iter().chain(&elsewhere).any(same) {
            elsewhere.push(record);
        }
    }
    (rows, elsewhere)
}

impl<'a> Group<'a> {
    fn new(competitors: Vec<Vec<&'a Record>>) -> Self {
        let mut elsewhere = Vec::new();
        let family = |measured| {
            let (mut rows, others) = settle(measured);
            elsewhere.extend(others);
            rows.sort_by(|a, b| by_order(&order(a), &order(b)));
            Family::new(rows)
        };
        let mut rows: Vec<Family> = competitors.into_iter().map(family).collect();
        rows.sort_by(|a, b| by_order(&order(a.median()), &order(b.median())));
        let records = || rows.iter().flat_map(|family| family.rows.iter().copied());
        let first = rows[0].median();
        let loaded = records().find(|row| row.data.is_some());
        Self {
            title: name::title(first, loaded),
            id: name::task(first),
            machine: &first.machine,
            rows,
            elsewhere,
        }
    }

    /// What was measured of its competitors, every seed, in the order of the rows.
    pub fn records(&self) -> impl Iterator<Item = &'a Record> {
        self.rows
            .iter()
            .flat_map(|family| family.rows.iter().copied())
    }

    /// Whether its rows are networks, judged by their test errors.
    pub fn classifies(&self) -> bool {
        self.records().any(|row| row.classifies())
    }

    /// Time to target of the fastest, in seconds.
    pub fn fastest_s(&self) -> Option<f64> {
        self.rows.first().and_then(Family::to_target_s)
    }

    /// How many times longer than the fastest a row takes to the target; `None` when it does not get there.
    pub fn slower(&self, row: &Family) -> Option<f64> {
        Some(row.to_target_s()? / self.fastest_s()?)
    }

    /// Every group of competitors that shares a chart of curves: one method, operator, device and precision, one line a
    /// rule, in the order of the rows. With it the chart's name, `deflation/covariance/cpu@1`.
    pub fn curves(&self) -> Vec<(String, Vec<&Family<'a>>)> {
        let mut charts: Vec<(String, Vec<&Family>)> = Vec::new();
        let drawn = |row: &&Family| row.median().curve.len() > 1;
        for row in self.rows.iter().filter(drawn) {
            let name = name::curves(row.median());
            match charts.iter_mut().find(|(other, _)| *other == name) {
                Some((_, rows)) => rows.push(row),
                None => charts.push((name, vec![row])),
            }
        }
        charts
    }
}

/// Time to target, infinite for a miss; how it ended; the error that is left; the id.
type Order<'a> = (f64, u8, f64, &'a str);

/// By time to target; then by how it ended; then by the error that is left.
fn order(record: &Record) -> Order<'_> {
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

fn by_order(a: &Order, b: &Order) -> std::cmp::Ordering {
    a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture::{self, networks};

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
        let times: Vec<f64> = rows.iter().filter_map(Family::to_target_s).collect();
        assert!(times.is_sorted() && times.len() == rows.len() - 5);
        let ends = rows[times.len()..].iter();
        let ends: Vec<Status> = ends.map(|row| row.median().status).collect();
        assert_eq!(
            ends[2..],
            [Status::Diverged, Status::Failed, Status::Skipped]
        );
        assert_eq!(groups[0].slower(&rows[0]), Some(1.0));
        assert_eq!(groups[0].slower(&rows[rows.len() - 1]), None);
    }

    #[test]
    fn the_last_measurement_of_a_case_counts_and_another_machine_is_another_group() {
        let mut records = fixture::race();
        let mut again = records[0].clone();
        again.program = "newer".into();
        records.push(again.clone());
        again.machine = "other".into();
        records.push(again);
        let (groups, older) = groups(&records);
        assert_eq!((groups.len(), older), (2, 1));
        let mut rows = groups[0].records();
        let row = rows.find(|row| row.case == records[0].case).unwrap();
        assert_eq!(row.program, "newer");
    }

    #[test]
    fn seeds_are_one_row_and_those_of_an_older_program_are_no_samples_of_it() {
        let mut records = networks();
        let mut again = records[1].clone();
        again.program = "newer".into();
        records.push(again);
        let (groups, older) = groups(&records);
        let names: Vec<&str> = groups[0].rows.iter().map(|row| &*row.name).collect();
        assert_eq!(names, ["adam/cpu", "sgd/cpu"]);
        let counts: Vec<usize> = groups[0].rows.iter().map(|row| row.rows.len()).collect();
        assert_eq!((counts, older), (vec![1, 3], 3));
    }

    #[test]
    fn conditions_make_no_rivals_and_the_last_ones_count() {
        let mut record = fixture::race().remove(0);
        record.limits.time_limit_s = 60.0;
        let id = record.case.clone() + "/limit60";
        fixture::rename(&mut record, id);
        let mut records = vec![fixture::race().remove(0), fixture::race().remove(0), record];
        let (first, older) = groups(&records);
        assert_eq!((first.len(), first[0].rows.len(), older), (1, 1, 1));
        assert_eq!(first[0].rows[0].median().limits.time_limit_s, 60.0);
        assert_eq!(first[0].elsewhere.len(), 1);
        records.rotate_right(1);
        let (second, _) = groups(&records);
        assert_eq!(second[0].rows[0].median().limits.time_limit_s, 120.0);
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
        let (groups, _) = groups(&records);
        let charts = groups[0].curves();
        let six = |name: &str| charts.iter().any(|(n, rows)| n == name && rows.len() == 6);
        assert!(six("deflation/covariance/cpu@1") && six("subspace/covariance/cpu"));
        assert!(charts.iter().all(|(name, _)| !name.starts_with("direct")));
    }
}
