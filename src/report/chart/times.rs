//! Time to target per case, with quartiles, fastest first.

use super::axis::Axis;
use super::{Chart, GRID, INK, MUTED, draw, px, rule_color, stroke, text, text_width};
use crate::error::Result;
use crate::record::statistics::Quartiles;
use crate::record::{Record, Status};
use crate::report::group::{Group, short_name, to_target_s, word};
use crate::report::quantity;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

// Layout in pixels.
const PLOT: f64 = 400.0;
const VALUES: f64 = 150.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 46.0;
const ROW: f64 = 20.0;

/// The chart of a group: a bar to the median with the quartiles on it, or why there is none. The axis is logarithmic
/// where times differ by more than a factor of 20, and bars then turn into lines with a dot: on such an axis length
/// means nothing.
///
/// # Errors
/// `Error::Failed` when the drawing library gives up.
pub fn chart(name: String, group: &Group) -> Result<Chart> {
    let caption = format!("{}: time to target", group.title);
    let names: Vec<String> = group.rows.iter().map(|row| short_name(row)).collect();
    let left = names
        .iter()
        .map(|name| text_width(name, 11.5))
        .fold(80.0, f64::max)
        + 16.0;
    let width = (left + PLOT + VALUES).max(16.0 + text_width(&caption, 13.0));
    let height = TOP + BOTTOM + ROW * names.len() as f64;

    let times: Vec<f64> = group
        .rows
        .iter()
        .flat_map(|row| samples(row))
        .copied()
        .collect();
    let low = times.iter().copied().fold(f64::INFINITY, f64::min);
    let high = times.iter().copied().fold(0.0, f64::max);
    let mut axis = Axis::suited(low, if high > 0.0 { high } else { 1.0 }, 20.0);
    if axis.is_log() {
        axis = Axis::log(low / 1.5, high);
    }
    let at = |time: f64| px(left + axis.place(time) * PLOT);

    let svg = draw((width, height), &caption, |area| {
        area.draw(&Text::new(
            caption.as_str(),
            (px(8.0), px(8.0)),
            text(13.0, INK, HPos::Left, VPos::Top),
        ))?;
        for &tick in axis.ticks.iter().filter(|_| high > 0.0) {
            let ends = [(at(tick), px(TOP)), (at(tick), px(height - BOTTOM))];
            area.draw(&PathElement::new(ends, stroke(GRID, 1.0)))?;
            let style = text(11.5, MUTED, HPos::Center, VPos::Top);
            let place = (at(tick), px(height - BOTTOM + 6.0));
            area.draw(&Text::new(quantity::tick_seconds(tick), place, style))?;
        }
        let scale = if axis.is_log() { ", logarithmic" } else { "" };
        area.draw(&Text::new(
            format!("median time to target, with quartiles{scale}"),
            (px(left + PLOT / 2.0), px(height - 20.0)),
            text(12.0, INK, HPos::Center, VPos::Top),
        ))?;
        for (index, (row, name)) in group.rows.iter().zip(&names).enumerate() {
            let middle = TOP + ROW * (index as f64 + 0.5);
            let style = text(11.5, INK, HPos::Right, VPos::Center);
            area.draw(&Text::new(
                name.as_str(),
                (px(left - 8.0), px(middle)),
                style,
            ))?;
            let Some(q) = Quartiles::of(samples(row)) else {
                let style = text(11.5, MUTED, HPos::Left, VPos::Center);
                area.draw(&Text::new(
                    missing(row),
                    (px(left + 6.0), px(middle)),
                    style,
                ))?;
                continue;
            };
            let color = rule_color(row);
            let half = if axis.is_log() { 1.0 } else { 5.5 };
            let bar = [
                (px(left), px(middle - half)),
                (at(q.median), px(middle + half)),
            ];
            area.draw(&Rectangle::new(bar, color.mix(0.45).filled()))?;
            let quartiles = [(at(q.q1), px(middle)), (at(q.q3), px(middle))];
            area.draw(&PathElement::new(quartiles, stroke(color, 6.0)))?;
            if axis.is_log() {
                area.draw(&Circle::new(
                    (at(q.median), px(middle)),
                    px(4.2),
                    color.filled(),
                ))?;
            } else {
                let ends = [
                    (at(q.median), px(middle - 6.5)),
                    (at(q.median), px(middle + 6.5)),
                ];
                area.draw(&PathElement::new(ends, stroke(color, 2.0)))?;
            }
            let style = text(11.5, INK, HPos::Left, VPos::Center);
            let ratio = group.slower(row).map(quantity::ratio).unwrap_or_default();
            let label = format!("{}  ({ratio})", quantity::seconds(q.median));
            area.draw(&Text::new(label, (at(q.q3) + px(9.0), px(middle)), style))?;
        }
        Ok(())
    })?;
    Ok(Chart { name, caption, svg })
}

fn samples(row: &Record) -> &[f64] {
    let times = row.time.as_ref().filter(|_| to_target_s(row).is_some());
    times
        .map(|time| time.to_target_s.as_slice())
        .unwrap_or_default()
}

/// Why a row has no time.
fn missing(row: &Record) -> String {
    let sine = row
        .accuracy
        .as_ref()
        .and_then(|accuracy| accuracy.subspace_sine);
    match (row.status, sine) {
        (Status::Skipped | Status::Failed, _) => word(row.status).to_string(),
        (status, Some(sine)) => format!(
            "not reached: {}, sine {}",
            word(status),
            quantity::error(sine)
        ),
        (status, None) => format!("not reached: {}", word(status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture;
    use crate::report::group::groups;

    #[test]
    fn every_case_has_its_row_and_those_without_a_time_say_why() {
        let records = fixture::race();
        let svg = chart("x".into(), &groups(&records).0[0]).unwrap().svg;
        for record in &records {
            assert!(svg.contains(&short_name(record)), "{}", record.case);
        }
        for text in [
            "not reached: stalled, sine 4.1e-3",
            "not reached: diverged",
            "skipped",
        ] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(svg.contains("logarithmic"));
    }

    #[test]
    fn a_group_that_never_reaches_its_target_is_still_drawn() {
        let mut records = fixture::race();
        records
            .iter_mut()
            .for_each(|record| record.status = Status::Stalled);
        let svg = chart("x".into(), &groups(&records).0[0]).unwrap().svg;
        assert!(!svg.contains("NaN") && !svg.contains("inf "));
    }
}
