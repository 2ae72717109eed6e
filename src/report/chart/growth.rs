//! Speed-up against size, with the crossover as an open mark on the line of 1.

use super::axis::Axis;
use super::plot::{Level, Line, Mark, NamedAxis, Plot};
use super::style::{INK, rule_color};
use super::svg::Chart;
use crate::error::Result;
use crate::report::speedup::{Growing, Growths};
use crate::report::{name as names, quantity};

/// The chart of one algorithm on one machine.
///
/// # Errors
/// `Error::Failed` when the drawing library gives up.
pub fn chart(name: String, growths: &Growths) -> Result<Chart> {
    let all = || growths.lines.iter().flat_map(|line| &line.points);
    let range = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, 0.0f64), |(low, high), v| {
            (low.min(v), high.max(v))
        })
    };
    let (small, large) = range(&mut all().map(|p| p.0));
    let (low, high) = range(&mut all().map(|p| p.1).chain([1.0]));
    let lines = growths.lines.iter().map(|line| {
        let label = format!("{}, {}", names::device(line.record), line.span.word());
        let mark = |&at: &(f64, f64)| Mark {
            at,
            open: false,
            says: format!(
                "{label}: {} at {}",
                quantity::ratio(at.1),
                quantity::count(at.0)
            ),
        };
        let mut marks: Vec<Mark> = line.points.iter().map(mark).collect();
        marks.extend(line.crossover().map(|size| Mark {
            at: (size, 1.0),
            open: true,
            says: format!("{label}: begins to win at {}", quantity::count(size)),
        }));
        Line {
            points: line.points.clone(),
            marks,
            ..Line::new(label, rule_color(line.record))
        }
    });
    Plot {
        name,
        caption: format!("{}: speed-up over the CPU with all threads", growths.title),
        x: NamedAxis {
            axis: Axis::log(small / 1.1, large * 1.1),
            name: match growths.side {
                Growing::Samples => "number of samples n, logarithmic".into(),
                Growing::Dimension => "dimension d, logarithmic".into(),
            },
            tick: quantity::tick,
        },
        y: NamedAxis::new(
            Axis::log(low / 1.2, high * 1.2),
            "speed-up, logarithmic",
            quantity::tick,
        ),
        lines: lines.collect(),
        levels: vec![Level {
            value: 1.0,
            label: "as fast as the CPU".into(),
            color: INK,
        }],
        more: None,
    }
    .draw()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::group::{Group, groups};
    use crate::report::speedup::growths;
    use crate::report::speedup::tests::sizes;

    #[test]
    fn the_size_from_which_a_device_wins_is_an_open_mark() {
        let records = sizes();
        let (groups, _) = groups(&records);
        let growths = growths(&groups.iter().collect::<Vec<&Group>>());
        let chart = chart("x".into(), &growths[0]).unwrap();
        assert!(chart.svg.contains("begins to win at") && chart.svg.contains("fill=\"none\""));
    }
}
