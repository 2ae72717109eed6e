//! What is drawn of one competitor: the curve of its median repeat (of several seeds that of the median seed's), the band of
//! all repeats of all seeds, and the dot where the table says that the target was met.

use super::super::plot::{Line, Mark};
use super::super::style::rule_color;
use super::Against;
use crate::record::{CurvePoint, Record};
use crate::report::family::Family;
use crate::report::quantity;

/// Where a competitor met the target, or ended without it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dot {
    /// Iterations, passes or seconds; of seconds the table's time to target.
    pub at: f64,
    /// The error there.
    pub error: f64,
    /// Whether the target was met.
    pub met: bool,
}

/// The dot of a competitor: against seconds it stands at the table's time to target, whichever repeat the curve is of (before
/// schema 4 it was the first), elsewhere where the median seed's curve meets the target; at the end of that curve where the
/// target is missed. `None` without a curve.
pub fn dot(family: &Family, against: Against) -> Option<Dot> {
    let row = family.median();
    let target = row.limits.target;
    let end = row.curve.last()?;
    let Some(time_s) = family.to_target_s() else {
        return Some(Dot {
            at: against.value(end),
            error: end.error,
            met: false,
        });
    };
    let met = row.curve.iter().find(|point| point.error <= target);
    Some(Dot {
        at: match against {
            Against::Seconds => time_s,
            _ => against.value(met.unwrap_or(end)),
        },
        error: met.map_or(target, |point| point.error),
        met: true,
    })
}

/// The line of a competitor with its band and its dot, from the place `first` on.
pub(super) fn line(family: &Family, label: String, against: Against, first: f64) -> Line {
    let row = family.median();
    let mut line = Line::new(label, rule_color(row));
    line.points = curve(row, |point| (against.value(point), point.error));
    from(&mut line.points, first);
    let parts = |point: &CurvePoint| point.component_error != point.error;
    if !family.has_seeds() && row.curve.iter().any(parts) {
        line.faint = curve(row, |point| (against.value(point), point.component_error));
        line.faint.retain(|(at, _)| *at >= first);
    }
    line.band = band(family, against, first);
    line.marks = dot(family, against)
        .map(|dot| Mark {
            at: (dot.at, dot.error),
            open: !dot.met,
            says: format!(
                "{}: {} {}, error {}",
                line.label,
                match against {
                    Against::Seconds => quantity::seconds(dot.at),
                    _ => quantity::count(dot.at),
                },
                against.word(),
                quantity::error(dot.error)
            ),
        })
        .into_iter()
        .collect();
    line
}

fn curve(row: &Record, place: impl Fn(&CurvePoint) -> (f64, f64)) -> Vec<(f64, f64)> {
    row.curve.iter().map(place).collect()
}

/// Leaves out what lies before a place. A line that begins before it begins on it: where it passes, on logarithmic axes.
fn from(points: &mut Vec<(f64, f64)>, first: f64) {
    let after = points.iter().position(|(at, _)| *at >= first);
    let Some(before) = after.and_then(|after| after.checked_sub(1)) else {
        return;
    };
    let ((x0, y0), (x1, y1)) = (points[before], points[before + 1]);
    let share = (first / x0).ln() / (x1 / x0).ln();
    let error = y0 * (y1 / y0).powf(share);
    points.drain(..before);
    // From a point at 0 there is no straight way on such axes.
    points[0] = (first, if error.is_finite() { error } else { y0 });
}

/// The two edges of the band: of one seed its fastest and its slowest repeat, which have the same errors at other times; of
/// several the least and the greatest error of all their repeats at each place. Empty where there is one repeat of one seed.
fn band(family: &Family, against: Against, first: f64) -> [Vec<(f64, f64)>; 2] {
    let seconds = against == Against::Seconds;
    let edge = |row: &Record, slow: bool| {
        let at = |point: &CurvePoint| match point.band_s.filter(|_| seconds) {
            Some((_, most)) if slow => most,
            Some((least, _)) => least,
            None => against.value(point),
        };
        curve(row, |point| (at(point), point.error))
    };
    if !family.has_seeds() {
        let row = family.median();
        let banded = seconds && row.curve.iter().any(|point| point.band_s.is_some());
        let mut edges = match banded {
            true => [edge(row, false), edge(row, true)],
            false => Default::default(),
        };
        edges.iter_mut().for_each(|edge| from(edge, first));
        return edges;
    }
    let both = |row: &&Record| [edge(row, false), edge(row, true)];
    let curves: Vec<_> = family.rows.iter().flat_map(both).collect();
    let around = around(&curves, first);
    [
        around.iter().map(|&(at, low, _)| (at, low)).collect(),
        around.iter().map(|&(at, _, high)| (at, high)).collect(),
    ]
}

/// The least and the greatest of curves of (place, error) at every place of one of them; between its points a curve is
/// straight, before its first and after its last it counts for nothing.
fn around(curves: &[Vec<(f64, f64)>], first: f64) -> Vec<(f64, f64, f64)> {
    let places = curves.iter().flatten().map(|(at, _)| *at);
    let mut places: Vec<f64> = places.filter(|at| *at >= first).collect();
    places.push(first);
    places.sort_by(f64::total_cmp);
    places.dedup();
    let held = |curve: &Vec<(f64, f64)>, at: f64| {
        let after = curve.partition_point(|(place, _)| *place <= at);
        let (place, error) = *curve.get(after.checked_sub(1)?)?;
        match curve.get(after) {
            Some(next) => Some(error + (at - place) / (next.0 - place) * (next.1 - error)),
            None => (place == at).then_some(error),
        }
    };
    let extremes = |at: f64| {
        let errors = curves.iter().filter_map(|curve| held(curve, at));
        let none = (f64::INFINITY, f64::NEG_INFINITY);
        let (low, high) = errors.fold(none, |(low, high), e| (low.min(e), high.max(e)));
        (low <= high).then_some((at, low, high))
    };
    places.into_iter().filter_map(extremes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture::{self, networks};
    use crate::report::group::groups;

    /// A race whose first record's repeats differ: the median one is slower than the first.
    fn banded() -> Vec<Record> {
        let mut records = fixture::race();
        records.truncate(1);
        for point in &mut records[0].curve {
            point.band_s = Some((0.5 * point.time_s, 2.0 * point.time_s));
        }
        records
    }

    #[test]
    fn the_band_of_one_seed_lies_between_its_fastest_and_its_slowest_repeat() {
        let records = banded();
        let family = &groups(&records).0[0].rows[0];
        let line = |against| line(family, "x".into(), against, 0.0);
        let seconds = line(Against::Seconds);
        let end = seconds.points.last().unwrap();
        let [fast, slow] = [0, 1].map(|edge| *seconds.band[edge].last().unwrap());
        assert_eq!((fast, slow), ((0.5 * end.0, end.1), (2.0 * end.0, end.1)));
        assert!(line(Against::Iterations).band[0].is_empty());
    }

    #[test]
    fn the_dot_stands_at_the_tables_time_whichever_repeat_the_curve_is_of() {
        let mut records = banded();
        let time = records[0].time.as_mut().unwrap();
        time.to_target_s = vec![0.304, 0.166, 0.189];
        let family = &groups(&records).0[0].rows[0];
        let seconds = dot(family, Against::Seconds).unwrap();
        assert_eq!((seconds.at, seconds.met), (0.189, true));
        let met = records[0].curve.iter().find(|point| point.error <= 1e-3);
        let iterations = dot(family, Against::Iterations).unwrap();
        assert_eq!(iterations.at, met.unwrap().iteration as f64);
    }

    #[test]
    fn of_several_seeds_the_curve_is_the_median_seeds_and_the_band_spans_all() {
        let mut records = networks();
        for record in &mut records {
            let seed = record.seed as f64;
            record.curve.iter_mut().for_each(|p| p.error *= seed);
        }
        let group = groups(&records).0.remove(0);
        let [adam, sgd] = group.rows.as_slice() else {
            panic!("two rules")
        };
        let of = |family| line(family, "x".into(), Against::Passes, 0.0);
        let drawn = of(adam);
        // Of seeds 1 to 3 with 2, 4 and 3 seconds the third stands in the middle.
        let end = adam.median().curve.last().unwrap().error;
        let [low, high] = [0, 1].map(|edge| drawn.band[edge].last().unwrap().1);
        assert_eq!(drawn.points.last().unwrap().1, end);
        assert!((low - end / 3.0).abs() < 1e-12 && (high - end).abs() < 1e-12);
        assert_eq!(dot(adam, Against::Seconds).unwrap().at, 3.0);
        // Two of three seeds miss: the curve may meet the target, the competitor does not.
        assert!(!dot(sgd, Against::Seconds).unwrap().met);
        assert!(of(sgd).marks[0].open);
    }

    #[test]
    fn a_band_is_of_those_that_run_and_a_curve_that_ends_early_widens_it_no_more() {
        let curves = [
            vec![(1.0, 0.5), (10.0, 0.1)],
            vec![(1.0, 0.7), (10.0, 0.3), (1000.0, 0.2)],
        ];
        let found = around(&curves, 0.5);
        let expected = [(1.0, 0.5, 0.7), (10.0, 0.1, 0.3), (1000.0, 0.2, 0.2)];
        assert_eq!(found, expected);
        let (_, low, high) = around(&curves, 5.5)[0];
        assert!((low - 0.3).abs() < 1e-12 && (high - 0.5).abs() < 1e-12);
    }

    #[test]
    fn a_line_begins_where_it_passes_the_edge() {
        let mut points = vec![(1.0, 1.0), (10.0, 0.1), (1000.0, 1e-3)];
        from(&mut points, 100.0);
        assert!((points[0].1 - 1e-2).abs() < 1e-12 && points.len() == 2);
        let mut points = vec![(0.0, 0.5), (10.0, 0.1)];
        from(&mut points, 1.0);
        assert_eq!(points, [(1.0, 0.5), (10.0, 0.1)]);
    }
}
