//! The conditions of a table: tolerance, limits, epochs, repeats. They tell no competitors apart: where all rows agree they
//! stand once under the title, where they do not a note names the rows that differ.

use super::group::Group;
use super::{name, quantity};
use crate::record::{MOST_REPEATS, Record};
use std::collections::BTreeMap;

/// Names in a note; more are counted.
const NAMED: usize = 3;
/// What a race does that no number of repeats was asked of.
const UNTIL_QUIET: &str = "repeats until the noise is low";

/// The conditions of a record in words, each in its place; `None` where a condition is none of its own: a dense eigensolver
/// has no steps to limit, and what did not run was not repeated.
pub(super) fn conditions(record: &Record) -> [Option<String>; 5] {
    let steps = record.has_steps();
    let limits = &record.limits;
    let tolerance = limits.tolerance.filter(|_| steps);
    let iterations = limits.max_iterations.filter(|_| steps);
    let epochs = match &record.network {
        Some(network) => Some(network.epochs.to_string()),
        None => record.asked.get("epochs").map(String::from),
    };
    let repeats = record.time.as_ref().map(|time| {
        let asked = time.stopped == "repeats" && time.solve_s.len() < MOST_REPEATS;
        match (asked, time.solve_s.len()) {
            (false, _) => UNTIL_QUIET.into(),
            (true, 1) => "1 repeat".into(),
            (true, repeats) => format!("{repeats} repeats"),
        }
    });
    [
        tolerance.map(|tolerance| format!("tolerance {}", quantity::round(tolerance))),
        iterations.map(|most| format!("at most {most} iterations a component")),
        epochs.map(|epochs| format!("{epochs} epochs")),
        steps.then(|| format!("{} s of solving", limits.time_limit_s)),
        repeats,
    ]
}

/// Names with how many of a competitor's seeds are meant, where not all are; the first few, and how many more.
pub(super) fn names(group: &Group, records: &[&Record]) -> String {
    let mut names: Vec<String> = Vec::new();
    for row in &group.rows {
        let meant = |record: &&&Record| row.rows.iter().any(|seed| std::ptr::eq(*seed, **record));
        let of = records.iter().filter(meant).count();
        match row.rows.len() {
            _ if of == 0 => {}
            seeds if of == seeds => names.push(row.name.clone()),
            seeds => names.push(format!("{} ({of} of {seeds} seeds)", row.name)),
        }
    }
    shortened(names)
}

/// The first few names, and how many more.
pub(super) fn shortened(mut names: Vec<String>) -> String {
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    match more {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

impl Group<'_> {
    /// The values of every condition with the records under it, the most common first.
    fn values(&self) -> Vec<Vec<(String, Vec<&Record>)>> {
        let mut places: [BTreeMap<String, Vec<&Record>>; 5] = Default::default();
        for record in self.records() {
            for (place, value) in places.iter_mut().zip(conditions(record)) {
                if let Some(value) = value {
                    place.entry(value).or_default().push(record);
                }
            }
        }
        let sorted = |place: BTreeMap<String, Vec<_>>| {
            let mut values: Vec<(String, Vec<_>)> = place.into_iter().collect();
            values.sort_by_key(|(_, records)| std::cmp::Reverse(records.len()));
            values
        };
        places.into_iter().map(sorted).collect()
    }

    /// What all its rows were measured under, `conditions: tolerance 1e-6, 120 s of solving`; `None` where they agree on
    /// nothing that was asked for.
    pub fn conditions(&self) -> Option<String> {
        let agreed = self.values().into_iter().filter(|values| values.len() == 1);
        let mut words: Vec<String> = agreed.flatten().map(|(value, _)| value).collect();
        words.retain(|word| word != UNTIL_QUIET);
        (!words.is_empty()).then(|| format!("conditions: {}", words.join(", ")))
    }

    /// Which rows were measured under other conditions than most, which competitors were measured under others before, and
    /// which have fewer seeds than the others.
    pub(super) fn different_conditions(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for values in self.values().iter().filter(|values| values.len() > 1) {
            let (most, others) = (&values[0].0, &values[1..]);
            let other = |(value, records): &(String, Vec<&Record>)| {
                format!("{value} for {}", names(self, records))
            };
            let others: Vec<String> = others.iter().map(other).collect();
            notes.push(format!(
                "conditions differ: {}; {most} for the others",
                others.join("; ")
            ));
        }
        notes.extend(self.measured_before());
        notes.extend(self.fewer_seeds());
        notes
    }

    /// The conditions under which competitors of this table were measured before.
    fn measured_before(&self) -> Vec<String> {
        let mut before: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for record in &self.elsewhere {
            let name = name::competitor(record);
            let twin = |row: &&Record| row.seed == record.seed && name::competitor(row) == name;
            let Some(row) = self.records().find(twin) else {
                continue;
            };
            let words = conditions(record).into_iter().zip(conditions(row));
            let words = words.filter(|(there, here)| there != here);
            let words: Vec<String> = words.filter_map(|(there, _)| there).collect();
            let names = before.entry(words.join(", ")).or_default();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let note = |(words, names): (String, Vec<String>)| {
            format!(
                "measured under several conditions, the last counts: {} (before with {words})",
                shortened(names)
            )
        };
        before.into_iter().map(note).collect()
    }

    /// Competitors with fewer seeds than the others, which chance moves more.
    fn fewer_seeds(&self) -> Option<String> {
        let seeded = || self.rows.iter().filter(|row| row.median().has_steps());
        let seeds = |row: &super::family::Family| row.rows.len();
        let most = seeded().max_by_key(|row| seeds(row))?;
        let fewer = seeded().filter(|row| seeds(row) < seeds(most));
        let fewer: Vec<String> = fewer
            .map(|row| format!("{} ({})", row.name, seeds(row)))
            .collect();
        let mut all: Vec<u64> = most.rows.iter().map(|row| row.seed).collect();
        all.sort_unstable();
        let all: Vec<String> = all.iter().map(u64::to_string).collect();
        (!fewer.is_empty()).then(|| {
            format!(
                "fewer seeds than the others' {}: {}; race them with --seed {}",
                seeds(most),
                shortened(fewer),
                all.join(",")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::group::groups;
    use super::*;
    use crate::record::fixture::{self, networks};

    #[test]
    fn what_all_rows_share_is_said_once_and_a_dense_solver_shares_no_limit() {
        let mut records = fixture::race();
        let words =
            "conditions: tolerance 1e-6, at most 20000 iterations a component, 120 s of solving";
        let told = |records: &[Record]| {
            let group = groups(records).0.remove(0);
            (group.conditions(), group.different_conditions())
        };
        assert_eq!(told(&records), (Some(words.into()), vec![]));
        let direct = records.iter_mut().find(|row| row.method == "direct");
        direct.unwrap().limits.time_limit_s = 5.0;
        assert_eq!(told(&records), (Some(words.into()), vec![]));
        records.iter_mut().for_each(|row| {
            if let Some(time) = &mut row.time {
                time.stopped = "repeats".into();
            }
        });
        assert_eq!(told(&records).0, Some(format!("{words}, 5 repeats")));
    }

    #[test]
    fn rows_under_other_conditions_are_named_with_what_differs() {
        let mut records = fixture::race();
        let at = |name: &str| format!("pca/mnist/deflation/covariance/{name}/k10/cpu@1/f32");
        for (name, seconds) in [("sgd", 30.0), ("adam", 30.0), ("momentum", 5.0)] {
            let row = records.iter_mut().find(|row| row.case == at(name)).unwrap();
            row.limits.time_limit_s = seconds;
        }
        let group = groups(&records).0.remove(0);
        assert!(!group.conditions().unwrap().contains("s of solving"));
        let notes = group.different_conditions();
        assert_eq!(notes.len(), 1, "{notes:?}");
        for words in [
            "30 s of solving for deflation/covariance/sgd/cpu@1, deflation/covariance/adam/cpu@1",
            "5 s of solving for deflation/covariance/momentum/cpu@1",
            "120 s of solving for the others",
        ] {
            assert!(notes[0].contains(words), "{words}: {notes:?}");
        }
    }

    #[test]
    fn a_competitor_under_several_conditions_is_named_with_the_others() {
        let mut records: Vec<Record> = fixture::race().into_iter().take(2).collect();
        let mut again = records[0].clone();
        again.limits.time_limit_s = 7.0;
        records.insert(0, again);
        let notes = groups(&records).0[0].different_conditions();
        assert_eq!(
            notes,
            [
                "measured under several conditions, the last counts: deflation/covariance/sgd/cpu@1 \
              (before with 7 s of solving)"
            ]
        );
    }

    #[test]
    fn a_competitor_with_fewer_seeds_is_told_which_to_race() {
        let mut records = networks();
        let told = |records: &[Record]| groups(records).0[0].different_conditions();
        assert_eq!(told(&records), Vec::<String>::new());
        records.truncate(5);
        assert_eq!(
            told(&records),
            ["fewer seeds than the others' 3: sgd/cpu (2); race them with --seed 1,2,3"]
        );
    }

    #[test]
    fn some_seeds_of_a_competitor_are_counted() {
        let mut records = networks();
        records[1].network.as_mut().unwrap().epochs = 5;
        let notes = groups(&records).0[0].different_conditions();
        assert_eq!(
            notes,
            ["conditions differ: 5 epochs for adam/cpu (1 of 3 seeds); 20 epochs for the others"]
        );
    }
}
