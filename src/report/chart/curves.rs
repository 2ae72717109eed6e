//! Error against iterations or seconds, one line a rule, with the target.

use super::axis::Axis;
use super::{Chart, GRID, INK, MUTED, PALETTE, draw, px, rule_color, stroke, text, text_width};
use crate::error::Result;
use crate::record::{CurvePoint, Record, Status};
use crate::report::group::{short_name, word};
use crate::report::quantity;
use crate::report::seeds::without_seed;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};
use std::collections::BTreeSet;

/// Errors below this are drawn here: f32 answers have no digits left under it.
const FLOOR: f64 = 1e-8;

/// What a curve is drawn against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// Steps over all components.
    Iterations,
    /// Seconds of solving.
    Seconds,
}

impl Against {
    /// The word for file names and captions.
    pub fn word(self) -> &'static str {
        match self {
            Self::Iterations => "iterations",
            Self::Seconds => "seconds",
        }
    }

    fn value(self, point: &CurvePoint) -> f64 {
        match self {
            Self::Iterations => point.iteration as f64,
            Self::Seconds => point.time_s,
        }
    }

    fn label(self, value: f64) -> String {
        match self {
            Self::Iterations => quantity::count(value),
            Self::Seconds => quantity::tick_seconds(value),
        }
    }
}

// Layout in pixels. The legend stands to the right of the plot, where it covers no line.
const WIDTH: f64 = 620.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 62.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 46.0;
const ROW: f64 = 19.0;

/// One chart of the records' curves; `title` names what they share, `name` is the file's.
///
/// The strong line is the error of the whole subspace: 1 until a deflation has its last component. The faint one is the
/// error of the component being sought.
///
/// # Errors
/// `Error::Failed` when the drawing library gives up.
pub fn chart(name: String, title: &str, rows: &[&Record], against: Against) -> Result<Chart> {
    let caption = format!("{title}: error against {}", against.word());
    let labels = labels(rows);
    let colors = colors(rows);
    let classifies = rows.iter().any(|row| row.network.is_some());
    let points = || rows.iter().flat_map(|row| &row.curve);
    let target = rows
        .iter()
        .map(|row| row.limits.target)
        .next()
        .unwrap_or(1e-3);

    let ends = rows
        .iter()
        .filter_map(|row| row.curve.last())
        .map(|point| against.value(point));
    let (soonest, latest) = ends.fold((f64::INFINITY, 0.0f64), |(low, high), end| {
        (low.min(end), high.max(end))
    });
    // Rules that are far apart share a chart on a logarithmic axis only. It begins where the soonest still has most of
    // its way to go: the first steps of all would take half the chart and show nothing.
    let first = points()
        .map(|p| against.value(p))
        .filter(|v| *v > 0.0)
        .fold(latest, f64::min);
    let first = first.max(soonest / 30.0);
    let x = if latest / soonest > 8.0 {
        Axis::log(first, latest * 1.08)
    } else {
        Axis::linear(if latest > 0.0 { latest * 1.02 } else { 1.0 })
    };
    // A line begins at the edge: with its last point before it.
    let shown = |row: &Record| {
        let inside = row.curve.iter().position(|p| against.value(p) >= first);
        if x.is_log() {
            inside.unwrap_or(0).saturating_sub(1)
        } else {
            0
        }
    };
    let low = points()
        .map(|p| p.error.min(p.component_error))
        .fold(target, f64::min);
    let low = 10f64
        .powf((low / 1.5).max(FLOOR).log10().floor())
        .max(FLOOR);
    let y = Axis::log(low, 1.0);

    let legend = labels
        .iter()
        .map(|label| text_width(label, 12.0))
        .fold(90.0, f64::max);
    let right = WIDTH - 14.0;
    let width = (WIDTH + 34.0 + legend).max(LEFT + text_width(&caption, 13.0));
    let height = HEIGHT.max(TOP + BOTTOM + ROW * (rows.len() + 2) as f64);
    let at = |h: f64, v: f64| {
        (
            px(LEFT + x.place(h) * (right - LEFT)),
            px(height - BOTTOM - y.place(v) * (height - BOTTOM - TOP)),
        )
    };

    let svg = draw((width, height), &caption, |area| {
        area.draw(&Text::new(
            caption.as_str(),
            (px(LEFT), px(8.0)),
            text(13.0, INK, HPos::Left, VPos::Top),
        ))?;
        for &tick in &y.ticks {
            let (left, level) = at(f64::MIN, tick);
            area.draw(&PathElement::new(
                [(left, level), (px(right), level)],
                stroke(GRID, 1.0),
            ))?;
            let style = text(11.5, MUTED, HPos::Right, VPos::Center);
            area.draw(&Text::new(
                format!("{tick:e}").replace("1e0", "1"),
                (px(LEFT - 7.0), level),
                style,
            ))?;
        }
        for &tick in &x.ticks {
            let (place, bottom) = at(tick, 0.0);
            area.draw(&PathElement::new(
                [(place, px(TOP)), (place, bottom)],
                stroke(GRID, 1.0),
            ))?;
            let style = text(11.5, MUTED, HPos::Center, VPos::Top);
            let label = against.label(tick);
            area.draw(&Text::new(label, (place, px(height - BOTTOM + 7.0)), style))?;
        }
        let x_name = match against {
            Against::Iterations if classifies => "steps",
            Against::Iterations => "iterations, over all components",
            Against::Seconds => "time of solving",
        };
        area.draw(&Text::new(
            x_name,
            (px((LEFT + right) / 2.0), px(height - 19.0)),
            text(12.0, INK, HPos::Center, VPos::Top),
        ))?;
        area.draw(&Text::new(
            if classifies {
                "test error"
            } else {
                "sine of the largest angle"
            },
            (px(14.0), px((TOP + height - BOTTOM) / 2.0)),
            text(12.0, INK, HPos::Center, VPos::Center).transform(FontTransform::Rotate270),
        ))?;

        let level = at(0.0, target).1;
        let dashes = |from: f64, to: f64, level: i32| {
            let ends = [(px(from), level), (px(to), level)];
            DashedPathElement::new(ends, px(5.0), px(4.0), stroke(INK, 1.2))
        };
        area.draw(&dashes(LEFT, right, level))?;

        for (row, color) in rows.iter().zip(&colors) {
            if row
                .curve
                .iter()
                .any(|point| point.component_error != point.error)
            {
                let path = row.curve[shown(row)..]
                    .iter()
                    .map(|p| at(against.value(p), p.component_error));
                let faint = ShapeStyle {
                    color: color.mix(0.35),
                    ..stroke(*color, 1.0)
                };
                area.draw(&PathElement::new(path.collect::<Vec<_>>(), faint))?;
            }
        }
        for (row, color) in rows.iter().zip(&colors) {
            let path = row.curve[shown(row)..]
                .iter()
                .map(|p| at(against.value(p), p.error));
            area.draw(&PathElement::new(
                path.collect::<Vec<_>>(),
                stroke(*color, 2.0),
            ))?;
        }
        // Dots last: where a line meets the target, or else where it ends.
        for (row, color) in rows.iter().zip(&colors) {
            let met = row.curve.iter().find(|p| p.error <= target);
            if let Some(point) = met.or(row.curve.last()) {
                let place = at(against.value(point), point.error);
                let style = if met.is_some() {
                    color.filled()
                } else {
                    stroke(*color, 1.6)
                };
                area.draw(&Circle::new(place, px(3.6), style))?;
            }
        }

        let left = right + 16.0;
        for (index, (label, color)) in labels.iter().zip(&colors).enumerate() {
            let level = px(TOP + 8.0 + ROW * index as f64);
            let ends = [(px(left), level), (px(left + 18.0), level)];
            area.draw(&PathElement::new(ends, stroke(*color, 2.4)))?;
            let style = text(12.0, INK, HPos::Left, VPos::Center);
            area.draw(&Text::new(label.as_str(), (px(left + 24.0), level), style))?;
        }
        let level = px(TOP + 8.0 + ROW * (rows.len() as f64 + 0.4));
        area.draw(&dashes(left, left + 18.0, level))?;
        let style = text(12.0, INK, HPos::Left, VPos::Center);
        let label = format!("target {}", quantity::round(target));
        area.draw(&Text::new(label, (px(left + 24.0), level), style))?;
        Ok(())
    })?;
    Ok(Chart { name, caption, svg })
}

/// What each line is called: what its name does not share with the others, and how it ended if not at the target.
fn labels(rows: &[&Record]) -> Vec<String> {
    // Of a network's seeds the middle one stands for all.
    let name = |row: &&Record| match &row.network {
        Some(_) => without_seed(row),
        None => short_name(row),
    };
    let names: Vec<String> = rows.iter().map(name).collect();
    let shared: BTreeSet<&str> = names[0]
        .split('/')
        .filter(|part| {
            names
                .iter()
                .all(|name| name.split('/').any(|other| other == *part))
        })
        .collect();
    rows.iter()
        .zip(&names)
        .map(|(row, name)| {
            let own: Vec<&str> = name
                .split('/')
                .filter(|part| !shared.contains(part))
                .collect();
            let rule = row
                .optimizer
                .as_ref()
                .map_or(row.method.as_str(), |o| o.name.as_str());
            let label = if own.is_empty() {
                rule.to_string()
            } else {
                own.join(" ")
            };
            match row.status {
                Status::Reached => label,
                status => format!("{label}, {}", word(status)),
            }
        })
        .collect()
}

/// The colours of the rules; where a rule has several lines, the palette in order instead.
fn colors(rows: &[&Record]) -> Vec<RGBColor> {
    let own: Vec<RGBColor> = rows.iter().map(|row| rule_color(row)).collect();
    let distinct: BTreeSet<_> = own
        .iter()
        .map(|color| (color.0, color.1, color.2))
        .collect();
    if distinct.len() == own.len() {
        return own;
    }
    (0..rows.len())
        .map(|index| PALETTE[index % PALETTE.len()])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture;
    use crate::report::group::groups;

    fn draw_first(change: impl Fn(&mut Record)) -> String {
        let mut records = fixture::race();
        records.iter_mut().for_each(change);
        let (groups, _) = groups(&records);
        let (title, rows) = groups[0].curves().remove(0);
        chart("x".into(), &title, &rows, Against::Seconds)
            .unwrap()
            .svg
    }

    #[test]
    fn every_rule_has_its_own_colour_and_a_place_in_the_legend() {
        let svg = draw_first(|_| ());
        for rule in ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"] {
            assert!(svg.contains(rule), "{rule}");
        }
        for color in PALETTE {
            let hex = format!("#{:02X}{:02X}{:02X}", color.0, color.1, color.2);
            assert!(svg.contains(&hex), "{hex}");
        }
        assert!(svg.contains("target 1e-3"));
    }

    #[test]
    fn several_lines_of_one_rule_are_told_apart() {
        let records = fixture::race();
        let mut pair = [records[0].clone(), records[0].clone()];
        pair[1].case = pair[0].case.replace("/sgd/", "/sgd/lr0.5/");
        let rows = [&pair[0], &pair[1]];
        assert_eq!(labels(&rows), ["sgd", "lr0.5"]);
        assert_ne!(colors(&rows)[0], colors(&rows)[1]);
    }

    #[test]
    fn errors_of_zero_and_times_of_zero_are_drawn_inside() {
        let svg = draw_first(|record| {
            for point in &mut record.curve {
                point.error = 0.0;
                point.time_s = 0.0;
            }
        });
        assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains("-2147483648"));
    }
}
