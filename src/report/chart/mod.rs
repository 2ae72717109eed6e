//! Charts as SVG: [`curves`] of the error, [`times`] to the target, [`images`] of components.
//!
//! Colours are those of Okabe and Ito, told apart by every kind of colour vision. Ink, grid and paper are the constants
//! below and nothing else, so that a page can turn exactly these dark.

pub mod axis;
pub mod curves;
pub mod images;
pub mod times;

use crate::error::{Error, Result};
use crate::record::Record;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Text and axes.
pub const INK: RGBColor = RGBColor(0x24, 0x29, 0x2F);
/// Lesser text.
pub const MUTED: RGBColor = RGBColor(0x57, 0x60, 0x6A);
/// Grid lines.
pub const GRID: RGBColor = RGBColor(0xD8, 0xDE, 0xE4);
/// Background.
pub const PAPER: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);

/// A finished chart.
#[derive(Debug, Clone)]
pub struct Chart {
    /// File name without extension: stable and safe.
    pub name: String,
    /// What it shows, in a sentence; also its text for those who cannot see it.
    pub caption: String,
    /// The SVG document, from `<svg` on.
    pub svg: String,
}

/// Lines of a chart when the rules do not tell them apart: the palette without its yellow and its black.
const PALETTE: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x56, 0xB4, 0xE9),
];

/// The colour of a record's rule, the same in every chart; grey without a rule.
fn rule_color(record: &Record) -> RGBColor {
    let rules = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"];
    let name = record
        .optimizer
        .as_ref()
        .map(|optimizer| optimizer.name.as_str());
    let index = rules.iter().position(|rule| Some(*rule) == name);
    index.map_or(RGBColor(0x8C, 0x95, 0x9F), |index| PALETTE[index])
}

/// Units of the drawing per pixel: the SVG backend rounds to whole units, and curves need finer ones.
const UNITS: f64 = 8.0;

/// Pixels to units.
fn px(pixels: f64) -> i32 {
    (pixels * UNITS).round() as i32
}

/// A text style: size in pixels, anchored as said.
fn text(size: f64, color: RGBColor, h: HPos, v: VPos) -> TextStyle<'static> {
    // The backend divides sizes by 1.24.
    ("sans-serif", size * UNITS * 1.24)
        .into_font()
        .color(&color)
        .pos(Pos::new(h, v))
}

/// A line of so many pixels.
fn stroke(color: RGBColor, width: f64) -> ShapeStyle {
    ShapeStyle {
        color: color.to_rgba(),
        filled: false,
        stroke_width: px(width) as u32,
    }
}

/// Width in pixels that a text takes at a size, generously: the viewer's font is not known here.
fn text_width(text: &str, size: f64) -> f64 {
    0.58 * size * text.chars().count() as f64
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Runs a drawing of so many pixels and gives its SVG.
fn draw(
    (width, height): (f64, f64),
    label: &str,
    paint: impl FnOnce(&Area) -> std::result::Result<(), Box<dyn std::error::Error>>,
) -> Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (px(width) as u32, px(height) as u32))
            .into_drawing_area();
        area.fill(&PAPER)
            .map_err(|e| e.into())
            .and_then(|()| paint(&area))
            .and_then(|()| area.present().map_err(Into::into))
            .map_err(|e: Box<dyn std::error::Error>| {
                Error::failed(format!("cannot draw the chart \"{label}\": {e}"))
            })?;
    }
    let body = svg.split_once('>').map_or("", |(_, body)| body);
    Ok(open(width, height, (px(width), px(height)), label) + body)
}

/// The opening tag of a chart: its size in pixels, its inner units, its text for those who cannot see it.
fn open(width: f64, height: f64, (units_x, units_y): (i32, i32), label: &str) -> String {
    format!(
        "<svg class=\"chart\" xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {units_x} {units_y}\" role=\"img\" aria-label=\"{}\">",
        super::page::escape(label)
    )
}
