//! Share of the tasks solved within a factor of the best.

use super::axis::Axis;
use super::plot::{Line, NamedAxis, Plot};
use super::style::rule_color;
use super::svg::Chart;
use crate::error::Result;
use crate::report::profile::Profile;
use crate::report::quantity;

/// The chart of one problem's standings.
///
/// # Errors
/// `Error::Failed` when the drawing library gives up.
pub fn chart(name: String, profile: &Profile) -> Result<Chart> {
    let ratios = profile.standings.iter().flat_map(|s| &s.ratios);
    let worst = ratios
        .filter(|r| r.is_finite())
        .fold(1.0f64, |a, b| a.max(*b));
    let end = (worst * 1.1).max(2.0);
    let lines = profile.standings.iter().map(|standing| {
        let share = |solved: usize| solved as f64 / profile.tasks as f64;
        let mut points = vec![(1.0, 0.0)];
        for (index, ratio) in standing.ratios.iter().enumerate() {
            if ratio.is_finite() {
                points.push((*ratio, share(index)));
                points.push((*ratio, share(index + 1)));
            }
        }
        points.push((end, share(standing.solved())));
        Line {
            points,
            ..Line::new(&standing.name, rule_color(standing.record))
        }
    });
    Plot {
        name,
        caption: format!(
            "{}: share of {} tasks solved within a factor of the best time (Dolan-More)",
            profile.problem, profile.tasks
        ),
        x: NamedAxis::new(
            Axis::log(1.0, end),
            "time against the best of each task, logarithmic",
            quantity::tick,
        ),
        y: NamedAxis::new(Axis::linear(1.04), "share of the tasks", quantity::share),
        lines: lines.collect(),
        levels: vec![],
        more: None,
    }
    .draw()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture;
    use crate::report::group::{Group, groups};
    use crate::report::profile::profiles;

    #[test]
    fn every_competitor_is_drawn_and_a_miss_is_no_place() {
        let records = fixture::race();
        let (groups, _) = groups(&records);
        let profiles = profiles(&groups.iter().collect::<Vec<&Group>>());
        let chart = chart("x".into(), &profiles[0]).unwrap();
        assert!(chart.svg.contains("subspace/covariance/nesterov") && !chart.svg.contains("inf"));
    }
}
