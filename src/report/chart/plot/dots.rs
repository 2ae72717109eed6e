//! Dots of charts, as elements of SVG.

use super::super::style::{hex, px};
use plotters::style::RGBColor;

/// Small dots: round for the first line of a colour, crosses for the second; strokes of one path, which take a fifth of the
/// bytes of elements.
pub(super) fn specks(
    shape: usize,
    places: impl Iterator<Item = (i32, i32)>,
    color: RGBColor,
    zoom: f64,
) -> String {
    let r = px(2.2 * zoom);
    let (width, path): (_, String) = match shape % 2 {
        0 => (3.4, places.map(|(x, y)| format!("M{x} {y}h0")).collect()),
        _ => {
            let cross =
                |(x, y): (i32, i32)| format!("M{} {y}h{}m-{r} -{r}v{}", x - r, 2 * r, 2 * r);
            (1.1, places.map(cross).collect())
        }
    };
    format!(
        "<path d=\"{path}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" stroke-dasharray=\"none\" \
         stroke-linecap=\"round\" stroke-opacity=\"0.8\"/>",
        hex(color),
        px(width * zoom)
    )
}

/// A dot: round for the first line of a colour, then square, a rhombus, a triangle.
pub(super) fn dot(
    shape: usize,
    (x, y): (i32, i32),
    color: RGBColor,
    open: bool,
    says: &str,
) -> String {
    let (fill, width) = match open {
        true => ("none".to_string(), px(1.6)),
        false => (hex(color), px(0.8)),
    };
    let r = px(3.6);
    let form = match shape % 4 {
        0 => format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"{r}\""),
        1 => {
            let (left, top, side) = (x - r, y - r, 2 * r);
            format!("<path d=\"M{left} {top}h{side}v{side}h-{side}z\"")
        }
        2 => {
            let r = r * 5 / 4;
            let (left, top) = (x - r, y);
            format!("<path d=\"M{left} {top}l{r} -{r}l{r} {r}l-{r} {r}z\"")
        }
        _ => {
            let (left, low, side) = (x - r * 9 / 8, y + r, r * 9 / 8);
            let height = 2 * r;
            format!("<path d=\"M{left} {low}l{side} -{height}l{side} {height}z\"")
        }
    };
    let title = match says {
        "" => String::new(),
        says => format!("<title>{says}</title>"),
    };
    let stroke = hex(color);
    let tag = form.split([' ', '<']).nth(1).unwrap_or("path");
    format!(
        "{form} fill=\"{fill}\" stroke=\"{stroke}\" stroke-width=\"{width}\" stroke-dasharray=\"none\">{title}</{tag}>"
    )
}
