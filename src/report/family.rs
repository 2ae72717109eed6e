//! A competitor with its seeds, which are samples of it: one row everywhere.
//!
//! The median of several seeds is that of a seed that was measured, of an even number the later of the two in the middle, so
//! that the table's number, the dot of a chart and the curve that it stands on are one seed's. A miss counts as a time without
//! end: where half of the seeds or more miss, so does the competitor.

use super::name;
use crate::record::Record;
use crate::record::statistics::Quartiles;

/// A competitor: what was measured of it, one record a seed.
#[derive(Debug, Clone)]
pub struct Family<'a> {
    /// Its name within the group.
    pub name: String,
    /// Its seeds: by time to target, then those that missed it, by how they ended. Never empty.
    pub rows: Vec<&'a Record>,
}

impl<'a> Family<'a> {
    /// A competitor of these rows, at least one, in their order.
    pub(super) fn new(rows: Vec<&'a Record>) -> Self {
        Self {
            name: name::competitor(rows[0]),
            rows,
        }
    }

    /// The row in the middle, which stands for all.
    pub fn median(&self) -> &'a Record {
        self.rows[self.rows.len() / 2]
    }

    /// Whether it has several seeds.
    pub fn has_seeds(&self) -> bool {
        self.rows.len() > 1
    }

    /// How many seeds miss the target.
    pub fn missed(&self) -> usize {
        let missed = |row: &&&Record| row.to_target_s().is_none();
        self.rows.iter().filter(missed).count()
    }

    /// Median time to target in seconds; `None` when half of the seeds or more miss it.
    pub fn to_target_s(&self) -> Option<f64> {
        self.median().to_target_s()
    }

    /// The same with a miss as infinity.
    pub fn middle_s(&self) -> f64 {
        self.to_target_s().unwrap_or(f64::INFINITY)
    }

    /// That median with quartiles, of one seed over its repeats, of several over them; the third is infinite where too many
    /// seeds miss the target.
    pub fn to_target(&self) -> Option<Quartiles> {
        let median = self.to_target_s()?;
        let times: Vec<f64> = match self.rows.as_slice() {
            [row] => row.time.as_ref()?.to_target_s.clone(),
            rows => rows.iter().filter_map(|row| row.to_target_s()).collect(),
        };
        let quartiles = Quartiles::of(&times)?;
        // The order statistics that the third quartile lies between are missed or reached.
        let upper = (3 * (self.rows.len() - 1)).div_ceil(4);
        let q3 = match upper + self.missed() < self.rows.len() {
            true => quartiles.q3.max(median),
            false => f64::INFINITY,
        };
        Some(Quartiles {
            q1: quartiles.q1.min(median),
            median,
            q3,
        })
    }

    /// Times of solving in seconds: of one seed its repeats, of several each one's median.
    pub fn solves_s(&self) -> Vec<f64> {
        match self.rows.as_slice() {
            [row] => row.time.as_ref().map(|time| time.solve_s.clone()),
            rows => Some(rows.iter().filter_map(|row| row.solve_s()).collect()),
        }
        .unwrap_or_default()
    }

    /// Median and quartiles over the seeds of what is read off a record; `None` where none has it.
    pub fn over_seeds(&self, value: impl Fn(&Record) -> Option<f64>) -> Option<Quartiles> {
        let values: Vec<f64> = self.rows.iter().filter_map(|row| value(row)).collect();
        Quartiles::of(&values)
    }

    /// The median over the seeds of a cost, where one that has none counts as an endless one: as with times to target.
    pub fn middle_of(&self, cost: impl Fn(&Record) -> Option<f64>) -> Option<f64> {
        let costs = self.rows.iter().map(|row| cost(row));
        let mut costs: Vec<f64> = costs.map(|cost| cost.unwrap_or(f64::INFINITY)).collect();
        costs.sort_by(f64::total_cmp);
        Some(costs[costs.len() / 2]).filter(|cost| cost.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture::networks;
    use crate::report::group::groups;

    /// Of networks of two rules with three seeds each.
    fn with_two(look: impl Fn(&Family, &Family)) {
        let records = networks();
        let (groups, _) = groups(&records);
        let [adam, sgd] = groups[0].rows.as_slice() else {
            panic!("two competitors")
        };
        look(adam, sgd);
    }

    #[test]
    fn the_median_seed_stands_for_all_and_a_median_of_misses_is_a_miss() {
        with_two(|adam, sgd| {
            assert_eq!((adam.name.as_str(), adam.rows.len()), ("adam/cpu", 3));
            assert_eq!((adam.to_target_s(), adam.median().seed), (Some(3.0), 3));
            assert_eq!((sgd.to_target_s(), sgd.missed()), (None, 2));
            let q = adam.to_target().unwrap();
            assert_eq!((q.q1, q.median, q.q3), (2.5, 3.0, 3.5));
        });
    }

    #[test]
    fn of_two_seeds_the_later_one_counts_and_one_that_misses_makes_a_miss() {
        with_two(|adam, sgd| {
            let pair = |rows: Vec<_>| Family::new(rows).to_target_s();
            assert_eq!(pair(vec![adam.rows[0], adam.rows[1]]), Some(3.0));
            assert_eq!(pair(vec![sgd.rows[0], sgd.rows[1]]), None);
        });
    }

    #[test]
    fn a_third_quartile_of_misses_is_endless() {
        with_two(|adam, sgd| {
            let mut rows = adam.rows.clone();
            rows[2] = sgd.rows[2];
            let q = Family::new(rows.clone()).to_target().unwrap();
            assert_eq!((q.median, q.q3), (3.0, f64::INFINITY));
            // Of five the one at three quarters is the fourth.
            rows = vec![
                adam.rows[0],
                adam.rows[1],
                adam.rows[2],
                adam.rows[2],
                sgd.rows[2],
            ];
            assert_eq!(Family::new(rows).to_target().unwrap().q3, 4.0);
        });
    }

    #[test]
    fn a_cost_that_a_seed_does_not_have_counts_as_endless() {
        with_two(|adam, sgd| {
            assert_eq!(adam.middle_of(Record::to_target_s), Some(3.0));
            assert_eq!(sgd.middle_of(Record::to_target_s), None);
            assert_eq!(sgd.over_seeds(Record::error).unwrap().median, 0.031);
        });
    }
}
