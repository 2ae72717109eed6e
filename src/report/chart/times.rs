//! Time to target per competitor, with quartiles, fastest first.

use super::axis::Axis;
use super::pen::{Pen, Subject};
use super::style::{GRID, INK, MUTED, px, rule_color, shortened, stroke, text, text_width};
use super::svg::{Area, Chart, Painted, layer, series, whole};
use crate::error::Result;
use crate::record::statistics::Quartiles;
use crate::record::{Record, Status};
use crate::report::family::Family;
use crate::report::group::Group;
use crate::report::quantity;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

// Layout in pixels.
const PLOT: f64 = 400.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 46.0;
const ROW: f64 = 20.0;
/// Rows of a chart; the table has all.
const MOST: usize = 60;
/// Characters of a name.
const NAME: usize = 72;

/// A competitor as it is drawn.
struct Bar<'a> {
    family: &'a Family<'a>,
    /// Quartiles of the times to target; `None` when it does not get there.
    times: Option<Quartiles>,
    /// When it ended without the target: the limit that it came to.
    ended_s: Option<f64>,
    /// What stands to the right.
    label: String,
}

/// The chart of a task's times.
///
/// # Errors
/// `Error::Failed` when the drawing library gives up.
pub fn draw(subject: Subject, pen: &mut Pen) -> Result<Vec<Chart>> {
    let name = pen.name_in(subject.group, "times");
    let chart = pen.draw(|| chart(name, subject.group))?;
    Ok(chart.into_iter().collect())
}

/// The chart of a group: for each competitor a bar to the median over its repeats, or over its seeds where it has several,
/// with the quartiles on it, up to the plot's end where the third is a miss; for one that misses the target an open mark at the time at which its limit ended it. The
/// axis is logarithmic where times differ by more than a factor of 20, and bars then turn into lines with a dot: on such
/// an axis length means nothing. The bars of software adapters are hatched.
///
/// # Errors
/// `Error::Failed` when the drawing library gives up.
pub fn chart(name: String, group: &Group) -> Result<Chart> {
    let caption = format!("{}: time to target", group.title);
    let more = group.rows.len().saturating_sub(MOST);
    let rows = group.rows.iter().take(MOST);
    let bars: Vec<Bar> = rows.map(|row| Bar::new(row, group)).collect();

    let widest = |texts: &mut dyn Iterator<Item = &str>, least: f64| {
        texts
            .map(|text| text_width(&shortened(text, NAME), 11.5))
            .fold(least, f64::max)
    };
    let left = widest(&mut bars.iter().map(|b| b.family.name.as_str()), 80.0) + 16.0;
    let values = widest(&mut bars.iter().map(|b| b.label.as_str()), 60.0) + 24.0;
    let width = (left + PLOT + values).max(16.0 + text_width(&caption, 13.0));
    let rows = bars.len() + usize::from(more > 0);
    let size = (width, TOP + BOTTOM + ROW * rows as f64);

    let axis = axis_of(&bars);
    let mut body = layer(size, &caption, |area| {
        let style = text(13.0, INK, HPos::Left, VPos::Top);
        area.draw(&Text::new(caption.as_str(), (px(8.0), px(8.0)), style))?;
        scale(area, (left, size.1), &axis, &bars)?;
        if more > 0 {
            let place = (px(left), px(TOP + ROW * (bars.len() as f64 + 0.5)));
            let style = text(11.5, MUTED, HPos::Left, VPos::Center);
            area.draw(&Text::new(
                format!("{more} more in the table"),
                place,
                style,
            ))?;
        }
        Ok(())
    })?;
    for (index, bar) in bars.iter().enumerate() {
        let middle = TOP + ROW * (index as f64 + 0.5);
        let drawn = layer(size, &caption, |area| bar.draw(area, left, middle, &axis))?;
        let says = format!("{}: {}", bar.family.name, bar.label);
        body += &series(&bar.family.name, &says, "", &drawn);
    }
    Ok(Chart {
        name,
        svg: whole(size, &caption, &body),
        caption,
    })
}

/// Every place in time that a bar takes.
fn places(bars: &[Bar]) -> Vec<f64> {
    let quartiles = bars.iter().filter_map(|bar| bar.times);
    quartiles
        .flat_map(|q| [q.q1, q.median, q.q3])
        .chain(bars.iter().filter_map(|bar| bar.ended_s))
        .filter(|time| time.is_finite())
        .collect()
}

/// The axis that holds every bar.
fn axis_of(bars: &[Bar]) -> Axis {
    let places = places(bars);
    let low = places.iter().copied().fold(f64::INFINITY, f64::min);
    let high = places.iter().copied().fold(0.0, f64::max);
    let axis = Axis::suited(low, if high > 0.0 { high } else { 1.0 }, 20.0);
    match axis.is_log() {
        true => Axis::log(low / 1.5, high),
        false => axis,
    }
}

/// Draws the axis with its name, in a chart of this height; ticks only where a bar has a time.
fn scale(area: &Area, (left, height): (f64, f64), axis: &Axis, bars: &[Bar]) -> Painted {
    let at = |time: f64| px(left + axis.place(time) * PLOT);
    let timed = places(bars).into_iter().any(|time| time > 0.0);
    for &tick in axis.ticks.iter().filter(|_| timed) {
        let ends = [(at(tick), px(TOP)), (at(tick), px(height - BOTTOM))];
        area.draw(&PathElement::new(ends, stroke(GRID, 1.0)))?;
        let style = text(11.5, MUTED, HPos::Center, VPos::Top);
        let place = (at(tick), px(height - BOTTOM + 6.0));
        area.draw(&Text::new(quantity::tick_seconds(tick), place, style))?;
    }
    let seeds = bars.iter().any(|bar| bar.family.has_seeds());
    let over = if seeds { ", over seeds" } else { "" };
    let logarithmic = if axis.is_log() { ", logarithmic" } else { "" };
    area.draw(&Text::new(
        format!("median time to target, with quartiles{over}{logarithmic}"),
        (px(left + PLOT / 2.0), px(height - 20.0)),
        text(12.0, INK, HPos::Center, VPos::Top),
    ))?;
    Ok(())
}

impl<'a> Bar<'a> {
    fn new(family: &'a Family<'a>, group: &Group) -> Self {
        let times = family.to_target();
        let ended = family.over_seeds(Record::solve_s);
        let ended_s = ended.filter(|_| times.is_none()).map(|ended| ended.median);
        let missed = match (family.missed(), family.rows.len()) {
            (0, _) | (_, 1) => String::new(),
            (missed, seeds) => format!(", {missed} of {seeds} seeds missed"),
        };
        let label = match times.zip(group.slower(family)) {
            Some((q, slower)) => {
                let (time, ratio) = (quantity::seconds(q.median), quantity::ratio(slower));
                format!("{time}  ({ratio}){missed}")
            }
            None => missing(family.median()) + &missed,
        };
        Self {
            family,
            times,
            ended_s,
            label,
        }
    }

    fn draw(&self, area: &Area, left: f64, middle: f64, axis: &Axis) -> Painted {
        let at = |time: f64| px(left + axis.place(time) * PLOT);
        let row = self.family.median();
        let color = rule_color(row);
        let style = text(11.5, INK, HPos::Right, VPos::Center);
        let name = shortened(&self.family.name, NAME);
        area.draw(&Text::new(name, (px(left - 8.0), px(middle)), style))?;
        let Some(q) = self.times else {
            let end = self.ended_s.map_or(px(left), at);
            if self.ended_s.is_some() {
                let mark = Circle::new((end, px(middle)), px(4.2), stroke(color, 1.6));
                area.draw(&mark)?;
            }
            // What would leave the plot stands before the mark.
            let style = text(11.5, MUTED, HPos::Left, VPos::Center);
            let place = (end + px(9.0), px(middle));
            area.draw(&Text::new(self.label.as_str(), place, style))?;
            return Ok(());
        };
        let half = match (axis.is_log(), row.device.software) {
            (true, false) => 1.0,
            (true, true) => 3.0,
            (false, _) => 5.5,
        };
        let (start, end) = (px(left), at(q.median));
        let bar = [(start, px(middle - half)), (end, px(middle + half))];
        if row.device.software {
            area.draw(&Rectangle::new(bar, stroke(color, 0.8)))?;
            // Hatching, from below to above.
            let (slant, step) = (px(2.0 * half), px(6.0).max((end - start) / 80));
            for from in (start..(end - slant).max(start)).step_by(step as usize) {
                let ends = [(from, px(middle + half)), (from + slant, px(middle - half))];
                area.draw(&PathElement::new(ends, stroke(color, 0.8)))?;
            }
        } else {
            area.draw(&Rectangle::new(bar, color.mix(0.45).filled()))?;
        }
        let quartiles = [(at(q.q1), px(middle)), (at(q.q3), px(middle))];
        area.draw(&PathElement::new(quartiles, stroke(color, 6.0)))?;
        if axis.is_log() {
            let dot = Circle::new((end, px(middle)), px(4.2), color.filled());
            area.draw(&dot)?;
        } else {
            let ends = [(end, px(middle - 6.5)), (end, px(middle + 6.5))];
            area.draw(&PathElement::new(ends, stroke(color, 2.0)))?;
        }
        let style = text(11.5, INK, HPos::Left, VPos::Center);
        let place = (at(q.q3) + px(9.0), px(middle));
        area.draw(&Text::new(self.label.as_str(), place, style))?;
        Ok(())
    }
}

/// Why a row has no time.
fn missing(row: &Record) -> String {
    match (row.status, row.error()) {
        (Status::Skipped | Status::Failed, _) => row.status.to_string(),
        (status, Some(error)) => {
            let kind = match row.network {
                Some(_) => format!("test error {}", quantity::percent(error)),
                None => format!("sine {}", quantity::error(error)),
            };
            format!("not reached: {}, {kind}", status)
        }
        (status, None) => format!("not reached: {}", status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture::{self, networks};
    use crate::report::group::groups;
    use crate::report::name;

    #[test]
    fn every_case_has_its_row_and_those_without_a_time_say_why() {
        let records = fixture::race();
        let svg = chart("x".into(), &groups(&records).0[0]).unwrap().svg;
        for record in &records {
            assert!(svg.contains(&name::competitor(record)), "{}", record.case);
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
    fn seeds_of_a_competitor_are_one_row() {
        let records = networks();
        let (groups, _) = groups(&records);
        let svg = chart("x".into(), &groups[0]).unwrap().svg;
        assert_eq!(svg.matches("class=\"s\"").count(), 2);
        assert!(svg.contains("3.00 s  (1.00x)") && svg.contains("2 of 3 seeds missed"));
        assert!(svg.contains("over seeds") && !svg.contains("seed2"));
    }

    #[test]
    fn the_margin_is_as_wide_as_the_longest_label() {
        let mut records = networks();
        let long = "m".repeat(60);
        for record in &mut records {
            let id = record.case.replace("/adam/", &format!("/{long}/"));
            fixture::rename(record, id);
        }
        let (groups, _) = groups(&records);
        let svg = chart("x".into(), &groups[0]).unwrap().svg;
        let label = svg.find(&format!("\n{long}/cpu")).expect("its label");
        let tag = &svg[svg[..label].rfind("<text").unwrap()..label];
        let x = tag.split("x=\"").nth(1).unwrap().split('"').next().unwrap();
        let room = x.parse::<f64>().unwrap() / crate::report::chart::style::UNITS;
        assert!(room >= text_width(&format!("{long}/cpu"), 11.5), "{room}");
    }

    #[test]
    fn bars_of_a_software_adapter_are_hatched() {
        let mut records = fixture::race();
        records.truncate(2);
        let lines = |records: &[Record]| {
            let svg = chart("x".into(), &groups(records).0[0]).unwrap().svg;
            svg.matches("<polyline").count()
        };
        let plain = lines(&records);
        records[0].device.software = true;
        assert!(lines(&records) > plain + 10);
    }

    #[test]
    fn more_rows_than_a_chart_holds_are_counted() {
        let many = fixture::at_rates(MOST + 7);
        let svg = chart("x".into(), &groups(&many).0[0]).unwrap().svg;
        assert!(svg.contains("7 more in the table"));
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
