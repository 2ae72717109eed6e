//! The frame that charts of lines and dots share: two axes, a legend beside the plot where it covers nothing, dashed levels.

mod dots;
mod simple;

use super::axis::Axis;
use super::style::{DASHES, GRID, INK, MUTED, PAPER, hex, px, shortened, stroke, text, text_width};
use super::svg::{Area, Chart, Painted, layer, series, whole};
use crate::error::Result;
use crate::report::markup::escape;
use dots::{dot, specks};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};
use simple::simplified;

/// One line of a chart.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its name in the legend.
    pub label: String,
    /// Its colour.
    pub color: RGBColor,
    /// The line itself.
    pub points: Vec<(f64, f64)>,
    /// A weak line of the same colour below it.
    pub faint: Vec<(f64, f64)>,
    /// The two edges of a band around it, both from left to right.
    pub band: [Vec<(f64, f64)>; 2],
    /// Dots on it.
    pub marks: Vec<Mark>,
    /// Many small dots that tell nothing one by one; the label is written at their middle.
    pub cloud: Vec<(f64, f64)>,
}

impl Line {
    /// A line with nothing on it yet.
    pub fn new(label: impl Into<String>, color: RGBColor) -> Self {
        Self {
            label: label.into(),
            color,
            points: Vec::new(),
            faint: Vec::new(),
            band: Default::default(),
            marks: Vec::new(),
            cloud: Vec::new(),
        }
    }
}

/// A dot.
#[derive(Debug, Clone)]
pub struct Mark {
    /// Where it stands.
    pub at: (f64, f64),
    /// Whether it is an open one: something that was not reached.
    pub open: bool,
    /// What a pointer on it is told.
    pub says: String,
}

/// A value that gets a dashed line across the plot.
#[derive(Debug, Clone)]
pub struct Level {
    /// The value.
    pub value: f64,
    /// Its name in the legend.
    pub label: String,
    /// The color of its line.
    pub color: RGBColor,
}

/// An axis with its words.
#[derive(Debug, Clone)]
pub struct NamedAxis {
    /// Range and ticks.
    pub axis: Axis,
    /// What it measures.
    pub name: String,
    /// A tick's label.
    pub tick: fn(f64) -> String,
}

impl NamedAxis {
    /// The axis with its name, its ticks labelled by `tick`.
    pub fn new(axis: Axis, name: impl Into<String>, tick: fn(f64) -> String) -> Self {
        Self {
            axis,
            name: name.into(),
            tick,
        }
    }
}

/// A chart to be drawn.
#[derive(Debug)]
pub struct Plot {
    /// File name without extension.
    pub name: String,
    /// What it shows.
    pub caption: String,
    /// To the right.
    pub x: NamedAxis,
    /// Upwards.
    pub y: NamedAxis,
    /// The lines, in the order of the legend.
    pub lines: Vec<Line>,
    /// Lines across.
    pub levels: Vec<Level>,
    /// A last line of the legend, for what is not drawn.
    pub more: Option<String>,
}

// Layout in pixels.
const WIDTH: f64 = 620.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 62.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 46.0;
const ROW: f64 = 19.0;
const RIGHT: f64 = WIDTH - 14.0;
/// Characters of a name in the legend.
const NAME: usize = 44;

impl Plot {
    /// Draws it.
    ///
    /// # Errors
    /// `Error::Failed` when the drawing library gives up.
    pub fn draw(self) -> Result<Chart> {
        let names = self.lines.iter().map(|line| &line.label);
        let names = names.chain(self.levels.iter().map(|level| &level.label));
        let legend = names
            .chain(&self.more)
            .map(|label| text_width(&shortened(label, NAME), 12.0))
            .fold(90.0, f64::max);
        let size = (
            (WIDTH + 34.0 + legend).max(LEFT + 10.0 + text_width(&self.caption, 13.0)),
            HEIGHT.max(TOP + BOTTOM + ROW * (self.lines.len() + self.levels.len() + 2) as f64),
        );
        let mut body = layer(size, &self.caption, |area| self.frame(area, size.1))?;
        for (index, level) in self.levels.iter().enumerate() {
            body += &self.level(size, index, level)?;
        }
        for (index, line) in self.lines.iter().enumerate() {
            body += &self.line(size, index, line)?;
        }
        for (index, line) in self.lines.iter().enumerate() {
            body += &self.cloud(size, index, line);
        }
        // Dots last, so that no line hides one.
        for (index, line) in self.lines.iter().enumerate() {
            body += &self.marks(size, index, line);
        }
        for line in self.lines.iter().filter(|line| !line.cloud.is_empty()) {
            body += &self.middle(size, line);
        }
        Ok(Chart {
            name: self.name,
            svg: whole(size, &self.caption, &body),
            caption: self.caption,
        })
    }

    fn at(&self, height: f64, (x, y): (f64, f64)) -> (i32, i32) {
        (
            px(LEFT + self.x.axis.place(x) * (RIGHT - LEFT)),
            px(height - BOTTOM - self.y.axis.place(y) * (height - BOTTOM - TOP)),
        )
    }

    fn frame(&self, area: &Area, height: f64) -> Painted {
        area.draw(&Text::new(
            self.caption.as_str(),
            (px(LEFT), px(8.0)),
            text(13.0, INK, HPos::Left, VPos::Top),
        ))?;
        for &tick in &self.y.axis.ticks {
            let (left, level) = self.at(height, (f64::MIN, tick));
            let ends = [(left, level), (px(RIGHT), level)];
            area.draw(&PathElement::new(ends, stroke(GRID, 1.0)))?;
            let style = text(11.5, MUTED, HPos::Right, VPos::Center);
            let place = (px(LEFT - 7.0), level);
            area.draw(&Text::new((self.y.tick)(tick), place, style))?;
        }
        for &tick in &self.x.axis.ticks {
            let (place, bottom) = self.at(height, (tick, f64::MIN));
            let ends = [(place, px(TOP)), (place, bottom)];
            area.draw(&PathElement::new(ends, stroke(GRID, 1.0)))?;
            let style = text(11.5, MUTED, HPos::Center, VPos::Top);
            let place = (place, px(height - BOTTOM + 7.0));
            area.draw(&Text::new((self.x.tick)(tick), place, style))?;
        }
        area.draw(&Text::new(
            self.x.name.as_str(),
            (px((LEFT + RIGHT) / 2.0), px(height - 19.0)),
            text(12.0, INK, HPos::Center, VPos::Top),
        ))?;
        area.draw(&Text::new(
            self.y.name.as_str(),
            (px(14.0), px((TOP + height - BOTTOM) / 2.0)),
            text(12.0, INK, HPos::Center, VPos::Center).transform(FontTransform::Rotate270),
        ))?;
        if let Some(more) = &self.more {
            let row = self.lines.len() + self.levels.len();
            let place = (px(RIGHT + 16.0), px(entry(row) + 6.0));
            let style = text(12.0, MUTED, HPos::Left, VPos::Center);
            area.draw(&Text::new(more.as_str(), place, style))?;
        }
        Ok(())
    }

    fn level(&self, size: (f64, f64), index: usize, level: &Level) -> Result<String> {
        let body = layer(size, &self.caption, |area| {
            let across = self.at(size.1, (f64::MIN, level.value)).1;
            let ends = [(px(LEFT), across), (px(RIGHT), across)];
            area.draw(&PathElement::new(ends, stroke(level.color, 1.2)))?;
            self.key(
                area,
                self.lines.len() + index,
                &level.label,
                stroke(level.color, 1.2),
            )
        })?;
        Ok(format!("<g stroke-dasharray=\"40 32\">{body}</g>\n"))
    }

    /// A row of the legend.
    fn key(&self, area: &Area, row: usize, label: &str, style: ShapeStyle) -> Painted {
        let (left, level) = (RIGHT + 16.0, px(entry(row)));
        let ends = [(px(left), level), (px(left + 18.0), level)];
        area.draw(&PathElement::new(ends, style))?;
        let words = text(12.0, INK, HPos::Left, VPos::Center);
        let place = (px(left + 24.0), level);
        area.draw(&Text::new(shortened(label, NAME), place, words))?;
        Ok(())
    }

    fn line(&self, size: (f64, f64), index: usize, line: &Line) -> Result<String> {
        let dash = DASHES[self.same(index) % DASHES.len()];
        let path = |points: &[(f64, f64)]| -> Vec<(i32, i32)> {
            simplified(points.iter().map(|p| self.at(size.1, *p)).collect())
        };
        let body = layer(size, &self.caption, |area| {
            if line.faint.len() > 1 {
                let faint = ShapeStyle {
                    color: line.color.mix(0.35),
                    ..stroke(line.color, 1.0)
                };
                area.draw(&PathElement::new(path(&line.faint), faint))?;
            }
            let [one, other] = &line.band;
            if one.len() > 1 {
                let around = path(one).into_iter().chain(path(other).into_iter().rev());
                let shade = line.color.mix(0.18).filled();
                area.draw(&Polygon::new(around.collect::<Vec<_>>(), shade))?;
            }
            if line.points.len() > 1 {
                area.draw(&PathElement::new(
                    path(&line.points),
                    stroke(line.color, 2.0),
                ))?;
            }
            Ok(())
        })?;
        let dashed = match body.trim() {
            "" => String::new(),
            body => series(&line.label, &line.label, dash, body),
        };
        Ok(dashed + &self.legend(size, index, line, dash)?)
    }

    /// A line's row of the legend.
    fn legend(&self, size: (f64, f64), index: usize, line: &Line, dash: &str) -> Result<String> {
        let mut body = layer(size, &self.caption, |area| {
            if line.points.len() > 1 {
                return self.key(area, index, &line.label, stroke(line.color, 2.4));
            }
            let level = px(entry(index));
            let words = text(12.0, INK, HPos::Left, VPos::Center);
            let place = (px(RIGHT + 40.0), level);
            area.draw(&Text::new(shortened(&line.label, NAME), place, words))?;
            Ok(())
        })?;
        if line.points.len() < 2 {
            let place = (px(RIGHT + 25.0), px(entry(index)));
            body += &match line.cloud.is_empty() {
                true => dot(self.same(index), place, line.color, false, ""),
                false => specks(self.same(index), [place].into_iter(), line.color, 2.0),
            };
        }
        let dash = match dash {
            "" => String::new(),
            dash => format!(" stroke-dasharray=\"{dash}\""),
        };
        let name = escape(&line.label);
        // Letters alone are hard to hit.
        let hit = format!(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" pointer-events=\"all\"/>",
            px(RIGHT + 12.0),
            px(entry(index) - ROW / 2.0),
            px(size.0 - RIGHT - 14.0),
            px(ROW)
        );
        Ok(format!(
            "<g class=\"k\" data-s=\"{name}\"{dash}>{hit}{body}</g>\n"
        ))
    }

    /// How many lines of the same colour come before a line: dashes and the shapes of dots tell them apart.
    fn same(&self, index: usize) -> usize {
        let color = self.lines[index].color;
        let before = self.lines[..index].iter();
        before.filter(|other| other.color == color).count()
    }

    fn cloud(&self, size: (f64, f64), index: usize, line: &Line) -> String {
        if line.cloud.is_empty() {
            return String::new();
        }
        let places = line.cloud.iter().map(|&at| self.at(size.1, at));
        let body = specks(self.same(index), places, line.color, 1.0);
        series(&line.label, &line.label, "", &body)
    }

    /// The label of a cloud where its middle is, with a rim that keeps it legible.
    fn middle(&self, size: (f64, f64), line: &Line) -> String {
        let median = |of: fn(&(f64, f64)) -> f64| {
            let mut values: Vec<f64> = line.cloud.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let (x, y) = self.at(size.1, (median(|at| at.0), median(|at| at.1)));
        let words = |paint: String| {
            format!(
                "<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" font-family=\"sans-serif\" font-weight=\"bold\" \
                 font-size=\"{}\" {paint}>{}</text>",
                y + px(5.0),
                px(15.0),
                escape(&shortened(&line.label, 12))
            )
        };
        let rim = format!(
            "fill=\"{0}\" stroke=\"{0}\" stroke-width=\"{1}\" stroke-linejoin=\"round\"",
            hex(PAPER),
            px(4.0)
        );
        let body = words(rim) + &words(format!("fill=\"{}\"", hex(INK)));
        series(&line.label, &line.label, "", &body)
    }

    fn marks(&self, size: (f64, f64), index: usize, line: &Line) -> String {
        let mut dots = String::new();
        for mark in &line.marks {
            let says = escape(&mark.says);
            let place = self.at(size.1, mark.at);
            dots += &dot(self.same(index), place, line.color, mark.open, &says);
        }
        match dots.as_str() {
            "" => dots,
            dots => series(&line.label, &line.label, "", dots),
        }
    }
}

/// Middle of a row of the legend.
fn entry(row: usize) -> f64 {
    TOP + 8.0 + ROW * row as f64
}

#[cfg(test)]
mod tests;
