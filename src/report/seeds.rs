//! Cases that differ by their seed alone, put together: the median, and how far the seeds lie apart.

use super::group::{Group, short_name, to_target_s};
use super::quantity;
use crate::record::Record;
use crate::record::statistics::{Quartiles, median};
use std::collections::HashMap;

/// Heads of the columns of [`summary`].
pub const HEADS: [&str; 7] = [
    "case",
    "seeds",
    "reached",
    "to target [q1, q3]",
    "test error [q1, q3]",
    "best",
    "images/s",
];

/// One row for every case of a group of networks, over its seeds, in the order of the group; `None` where no case has
/// more than one.
pub fn summary(group: &Group) -> Option<Vec<[String; 7]>> {
    if !group.classifies() {
        return None;
    }
    let families = families(&group.rows);
    if families.iter().all(|family| family.rows.len() == 1) {
        return None;
    }
    let rows = families.iter().map(|f| line(&f.name, &f.rows));
    Some(rows.collect())
}

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
            let time = row.time.as_ref().filter(|_| to_target_s(row).is_some());
            return time
                .map(|time| time.to_target_s.clone())
                .unwrap_or_default();
        }
        self.rows
            .iter()
            .filter_map(|row| to_target_s(row))
            .collect()
    }

    /// How many seeds miss the target.
    pub fn missed(&self) -> usize {
        let missed = |row: &&&Record| to_target_s(row).is_none();
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
        let name = without_seed(row);
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

/// Name of a case within its group, without its seed.
pub fn without_seed(row: &Record) -> String {
    let is_seed = |part: &str| {
        part.strip_prefix("seed")
            .is_some_and(|digits| digits.parse::<u64>().is_ok())
    };
    let name = short_name(row);
    // The word for a software adapter stands behind the last part.
    let (id, label) = name.split_once(' ').unwrap_or((&name, ""));
    let parts: Vec<&str> = id.split('/').filter(|part| !is_seed(part)).collect();
    [parts.join("/"), label.to_string()]
        .join(" ")
        .trim()
        .to_string()
}

/// Times to the target, a miss as infinity.
fn times(rows: &[&Record]) -> Vec<f64> {
    let time = |row: &&Record| to_target_s(row).unwrap_or(f64::INFINITY);
    rows.iter().map(time).collect()
}

/// Median of the times; infinite when half of the seeds or more miss the target.
fn middle(rows: &[&Record]) -> f64 {
    let mut times = times(rows);
    times.sort_by(f64::total_cmp);
    // Between two, the later one: what lies between a time and none is none.
    times.get(times.len() / 2).copied().unwrap_or(f64::INFINITY)
}

fn line(name: &str, rows: &[&Record]) -> [String; 7] {
    let times = times(rows);
    let reached = times.iter().filter(|time| time.is_finite()).count();
    let to_target = match middle(rows) {
        time if time.is_infinite() => "missed".into(),
        _ if reached == times.len() => quantity::quartiles(&times),
        time => quantity::seconds(time),
    };
    let scores = |best: bool| -> Vec<f64> {
        let networks = rows.iter().filter_map(|row| row.network.as_ref());
        let score = networks.filter_map(|n| if best { n.best } else { n.end });
        score.map(|score| score.test_error).collect()
    };
    let errors = Quartiles::of(&scores(false)).map(|q| {
        let [q1, q3] = [q.q1, q.q3].map(|x| format!("{:.2}", 100.0 * x));
        format!("{} [{q1}, {q3}]", quantity::percent(q.median))
    });
    let rates: Vec<f64> = rows.iter().filter_map(|row| images_per_s(row)).collect();
    [
        name.to_string(),
        rows.len().to_string(),
        reached.to_string(),
        to_target,
        errors.unwrap_or_default(),
        median(&scores(true))
            .map(quantity::percent)
            .unwrap_or_default(),
        median(&rates).map(quantity::count).unwrap_or_default(),
    ]
}

/// Training samples per second of the median solve.
fn images_per_s(row: &Record) -> Option<f64> {
    let batch = match row.batch.as_deref()? {
        "full" => row.data.as_ref()?.n,
        rows => rows.parse().ok()?,
    };
    let solve_s = median(&row.time.as_ref()?.solve_s)?;
    Some(row.work.as_ref()?.iterations as f64 * batch as f64 / solve_s)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::record::{Network, Score, Status, fixture};
    use crate::report::group::groups;

    pub(crate) fn networks() -> Vec<Record> {
        let mut records = Vec::new();
        for (rule, seed, error, time_s) in [
            ("sgd", 1, 0.031, None),
            ("adam", 1, 0.021, Some(2.0)),
            ("adam", 2, 0.025, Some(4.0)),
            ("adam", 3, 0.023, Some(3.0)),
            ("sgd", 2, 0.029, Some(9.0)),
            ("sgd", 3, 0.033, None),
        ] {
            let mut record = fixture::race().remove(0);
            let tail = if seed == 1 {
                String::new()
            } else {
                format!("/seed{seed}")
            };
            record.case = format!("mlp/mnist/300/{rule}/cpu/f32{tail}");
            (record.problem, record.components) = ("mlp".into(), None);
            record.batch = Some("128".into());
            record.accuracy = None;
            let score = Score {
                epoch: 20.0,
                test_error: error,
                test_loss: 0.1,
                train_loss: 0.01,
            };
            record.network = Some(Network {
                layers: vec![300],
                parameters: Some(238_510),
                weight_decay: 0.0,
                epochs: 20,
                test_n: 10_000,
                end: Some(score),
                best: Some(score),
            });
            record.status = if time_s.is_some() {
                Status::Reached
            } else {
                Status::Budget
            };
            if let Some(time) = &mut record.time {
                time.to_target_s = time_s.into_iter().collect();
            }
            records.push(record);
        }
        records
    }

    #[test]
    fn seeds_of_a_case_are_one_row_and_a_median_of_misses_is_a_miss() {
        let records = networks();
        let (groups, _) = groups(&records);
        let rows = summary(&groups[0]).expect("three seeds each");
        assert_eq!(rows.len(), 2);
        let [adam, sgd] = [&rows[0], &rows[1]];
        assert_eq!(adam[..3], ["adam/cpu", "3", "3"].map(String::from));
        assert_eq!(adam[3], "3.00 s [2.50, 3.50]");
        assert_eq!(adam[4], "2.30 % [2.20, 2.40]");
        assert_eq!(sgd[..4], ["sgd/cpu", "3", "1", "missed"].map(String::from));
        let families = families(&groups[0].rows);
        let names: Vec<&str> = families.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["adam/cpu", "sgd/cpu"]);
        assert_eq!(families[0].times(), [2.0, 3.0, 4.0]);
        assert_eq!((families[1].missed(), families[1].times()), (2, vec![9.0]));
        assert!(families[1].middle_s().is_infinite());
    }

    #[test]
    fn one_seed_and_principal_components_have_no_summary() {
        let records = fixture::race();
        assert_eq!(summary(&groups(&records).0[0]), None);
        let records = networks().split_off(5);
        assert_eq!(summary(&groups(&records).0[0]), None);
    }
}
