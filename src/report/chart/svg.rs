//! A chart as an SVG document, put together from layers. What belongs to one competitor is one `<g class="s">` with its
//! name: a script may hide it.

use super::style::{PAPER, hex, px};
use crate::error::{Error, Result};
use crate::report::markup::escape;
use plotters::coord::Shift;
use plotters::prelude::*;

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

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Painted = std::result::Result<(), Box<dyn std::error::Error>>;

/// Paints into the elements of an SVG, without its outer tag.
pub(super) fn layer(
    (width, height): (f64, f64),
    label: &str,
    paint: impl FnOnce(&Area) -> Painted,
) -> Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (px(width) as u32, px(height) as u32))
            .into_drawing_area();
        paint(&area)
            .and_then(|()| area.present().map_err(Into::into))
            .map_err(|e: Box<dyn std::error::Error>| {
                Error::failed(format!("cannot draw the chart \"{label}\": {e}"))
            })?;
    }
    let body = svg.split_once('>').map_or("", |(_, body)| body);
    let body = body.trim_end().trim_end_matches("</svg>");
    Ok(body.replace(" opacity=\"1\"", ""))
}

/// What belongs to one competitor, with its name, which is also what a pointer is told; `dash` as SVG has it.
pub(super) fn series(name: &str, says: &str, dash: &str, body: &str) -> String {
    let dash = match dash {
        "" => String::new(),
        dash => format!(" stroke-dasharray=\"{dash}\""),
    };
    let [name, says] = [name, says].map(escape);
    format!("<g class=\"s\" data-s=\"{name}\"{dash}><title>{says}</title>{body}</g>\n")
}

/// A whole chart from its elements, on paper.
pub(super) fn whole((width, height): (f64, f64), label: &str, body: &str) -> String {
    let (units_x, units_y) = (px(width), px(height));
    let paper = hex(PAPER);
    format!(
        "{}<rect width=\"{units_x}\" height=\"{units_y}\" fill=\"{paper}\"/>\n{body}</svg>\n",
        open(width, height, (units_x, units_y), label)
    )
}

/// The opening tag of a chart: its size in pixels, its inner units, its text for those who cannot see it.
pub(super) fn open(width: f64, height: f64, (units_x, units_y): (i32, i32), label: &str) -> String {
    format!(
        "<svg class=\"chart\" xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {units_x} {units_y}\" role=\"img\" aria-label=\"{}\">",
        escape(label)
    )
}
