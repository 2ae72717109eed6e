//! Cases that differ by their seed alone, put together: the median, and how far the seeds lie apart.

use super::family::{families, middle, times};
use super::group::Group;
use super::quantity;
use crate::record::Record;
use crate::record::statistics::{Quartiles, median};

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
mod tests {
    use super::*;
    use crate::record::fixture::{self, networks};
    use crate::report::group::groups;

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
