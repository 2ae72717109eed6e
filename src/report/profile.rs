//! Over all tasks: the performance profile of Dolan and More, and the geometric mean beside it.
//!
//! A task is a group of cases on one device; what competes is the method, the operator and the rule. A miss counts as a time
//! without end. Only who took part in every task that counts is compared, or a share of an easy half would pass for one of
//! the whole; and a task counts where that leaves the most to compare, so that a race of two does not end the profile.

use super::family::Family;
use super::group::Group;
use super::name;
use crate::record::Record;
use std::collections::{BTreeMap, BTreeSet};

/// A competitor over all tasks.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing<'a> {
    /// Method, operator and rule.
    pub name: String,
    /// One of its records.
    pub record: &'a Record,
    /// Time against the best of each task, infinite where it missed the target, sorted.
    pub ratios: Vec<f64>,
}

impl Standing<'_> {
    /// How many tasks it solved.
    pub fn solved(&self) -> usize {
        let finite = |ratio: &&f64| ratio.is_finite();
        self.ratios.iter().filter(finite).count()
    }

    /// In how many tasks it was first.
    pub fn first(&self) -> usize {
        self.ratios.iter().filter(|ratio| **ratio == 1.0).count()
    }

    /// Geometric mean of the ratios of the tasks that it solved.
    pub fn mean(&self) -> Option<f64> {
        let logs = self.ratios.iter().filter(|r| r.is_finite()).map(|r| r.ln());
        let solved = self.solved();
        (solved > 0).then(|| (logs.sum::<f64>() / solved as f64).exp())
    }
}

/// The standings of one problem.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile<'a> {
    /// The problem.
    pub problem: &'a str,
    /// Number of tasks that count.
    pub tasks: usize,
    /// Number of the others.
    pub other_tasks: usize,
    /// Competitors, by tasks solved and then by mean.
    pub standings: Vec<Standing<'a>>,
    /// Competitors that did not take part in every task that counts.
    pub left_out: Vec<String>,
}

/// The best time of every competitor in a task, by name, with its record; infinite for a miss.
type Task<'a> = BTreeMap<String, (f64, &'a Record)>;

/// A profile for each problem with at least two tasks that at least two competitors share.
pub fn profiles<'a>(groups: &[&Group<'a>]) -> Vec<Profile<'a>> {
    let mut problems: BTreeMap<&str, Vec<Task>> = BTreeMap::new();
    for group in groups {
        let mut devices: BTreeMap<&str, Vec<&Family<'a>>> = BTreeMap::new();
        for row in &group.rows {
            let device = &row.median().device.label;
            devices.entry(device).or_default().push(row);
        }
        for rows in devices.into_values() {
            let problem = rows[0].median().problem.as_str();
            let mut task: Task = BTreeMap::new();
            for row in rows {
                // An adapter and a card of one label are one device here: the better one stands for it.
                let entry = (row.middle_s(), row.median());
                let best = task.entry(name::algorithm(row.median())).or_insert(entry);
                if entry.0 < best.0 {
                    *best = entry;
                }
            }
            let solved = task.values().any(|(time, _)| time.is_finite());
            if task.len() > 1 && solved {
                problems.entry(problem).or_default().push(task);
            }
        }
    }
    let profile = |(problem, tasks)| profile(problem, tasks);
    problems.into_iter().filter_map(profile).collect()
}

fn profile<'a>(problem: &'a str, tasks: Vec<Task<'a>>) -> Option<Profile<'a>> {
    let all: BTreeSet<String> = tasks.iter().flat_map(|task| task.keys().cloned()).collect();
    let (tasks, common, other_tasks) = comparable(tasks)?;
    let left_out = all.into_iter().filter(|name| !common.contains(name));
    let best = |task: &Task| {
        let times = common.iter().map(|name| task[name].0);
        times.fold(f64::INFINITY, f64::min)
    };
    let mut standings: Vec<Standing> = common
        .iter()
        .map(|name| {
            let ratio = |task| -> f64 {
                let task: &Task = task;
                let (time, best) = (task[name].0, best(task));
                if time.is_finite() {
                    time / best
                } else {
                    f64::INFINITY
                }
            };
            let mut ratios: Vec<f64> = tasks.iter().map(ratio).collect();
            ratios.sort_by(f64::total_cmp);
            Standing {
                name: name.clone(),
                record: tasks[0][name].1,
                ratios,
            }
        })
        .collect();
    standings.sort_by(|a, b| {
        let mean = |s: &Standing| s.mean().unwrap_or(f64::INFINITY);
        (b.solved().cmp(&a.solved())).then(mean(a).total_cmp(&mean(b)))
    });
    Some(Profile {
        problem,
        tasks: tasks.len(),
        other_tasks,
        left_out: left_out.collect(),
        standings,
    })
}

/// The tasks that count, the competitors in all of them, and the number of other tasks: of the tasks with the most
/// competitors so many that (tasks - 1) (competitors - 1) is greatest, since one of either compares nothing. `None` where
/// nothing compares.
fn comparable(mut tasks: Vec<Task>) -> Option<(Vec<Task>, BTreeSet<String>, usize)> {
    tasks.sort_by_key(|task| std::cmp::Reverse(task.len()));
    let mut common: BTreeSet<String> = tasks.first()?.keys().cloned().collect();
    let mut best: Option<(usize, usize, BTreeSet<String>)> = None;
    for (before, task) in tasks.iter().enumerate() {
        common.retain(|name| task.contains_key(name));
        let worth = before * common.len().saturating_sub(1);
        if worth > 0 && best.as_ref().is_none_or(|best| worth >= best.0) {
            best = Some((worth, before + 1, common.clone()));
        }
    }
    let (_, count, common) = best?;
    let others = tasks.split_off(count).len();
    Some((tasks, common, others))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Status, fixture};
    use crate::report::group::groups;

    #[test]
    fn who_takes_part_in_every_task_is_ranked_and_a_miss_never_counts_as_a_time() {
        let records = fixture::race();
        let (groups, _) = groups(&records);
        let profiles = profiles(&groups.iter().collect::<Vec<_>>());
        assert_eq!(profiles.len(), 1);
        let pca = &profiles[0];
        // One thread and all; the absent devices have one case each and are no race.
        assert_eq!((pca.problem, pca.tasks), ("pca", 2));
        assert_eq!(pca.standings[0].name, "subspace/covariance/nesterov");
        assert_eq!(pca.standings[0].first(), 2);
        assert_eq!(pca.standings[0].mean(), Some(1.0));
        let missed = |name: &str| pca.standings.iter().find(|s| s.name == name).unwrap();
        assert_eq!(missed("deflation/covariance/adam").solved(), 1);
    }

    #[test]
    fn one_task_is_no_profile_and_who_missed_one_is_left_out() {
        let mut records = fixture::race();
        records.retain(|record| record.device.threads == Some(8));
        let found = |records: &[Record]| {
            let (groups, _) = groups(records);
            let groups: Vec<&Group> = groups.iter().collect();
            profiles(&groups).first().map(|p| p.left_out.clone())
        };
        assert_eq!(found(&records), None);
        let mut records = fixture::race();
        let at = records
            .iter()
            .position(|r| r.case.contains("direct"))
            .unwrap();
        records.remove(at);
        assert_eq!(found(&records).unwrap(), ["direct/f64"]);
    }

    #[test]
    fn a_task_of_few_competitors_does_not_end_the_profile_of_the_many() {
        let mut records = fixture::race();
        let mut few: Vec<Record> = records.iter().take(2).cloned().collect();
        for record in &mut few {
            record.components = Some(3);
            let id = record.case.replace("/k10/", "/k3/");
            fixture::rename(record, id.replace("/covariance/", "/samples/"));
        }
        records.extend(few);
        let (groups, _) = groups(&records);
        let profiles = profiles(&groups.iter().collect::<Vec<_>>());
        let pca = &profiles[0];
        assert_eq!(pca.tasks, 2);
        assert!(pca.standings.len() > 10, "{}", pca.standings.len());
    }

    #[test]
    fn a_group_that_nobody_solved_is_no_task() {
        let mut records = fixture::race();
        records.iter_mut().for_each(|r| r.status = Status::Budget);
        let (groups, _) = groups(&records);
        assert!(profiles(&groups.iter().collect::<Vec<_>>()).is_empty());
    }
}
