//! Components drawn as the images they are made of.

use super::pen::{Pen, Subject};
use super::style::{INK, MUTED, PAPER, hex, text_width};
use super::svg::{Chart, open};
use crate::error::Result;
use crate::record::{Record, Status};
use crate::report::markup::escape;
use crate::report::{name as names, quantity};
use ndarray::{ArrayView1, ArrayView2};
use plotters::style::RGBColor;
use std::fmt::Write;

/// Steps of the palette on each side of zero. Equal neighbours in a row become one stroke, which keeps ten images of
/// 28 x 28 near 100 kB; the eye does not tell more steps apart.
const STEPS: i32 = 12;

const IMAGES_A_ROW: usize = 10;
const GAP: usize = 10;
const TOP: usize = 34;
const LABEL: usize = 20;

/// The answer of `direct` and that of the fastest other case, where they are known.
///
/// # Errors
/// None: it draws without the library.
pub fn draw(subject: Subject, pen: &mut Pen) -> Result<Vec<Chart>> {
    let Subject {
        group, artifacts, ..
    } = subject;
    let known = |row: &&Record| {
        let wrong = matches!(row.status, Status::Diverged | Status::Failed);
        artifacts.components_of(row).is_some() && !wrong
    };
    let direct = |row: &&Record| row.method == "direct";
    let solver = group.records().filter(direct).find(known);
    let other = group.records().filter(|row| !direct(row)).find(known);
    let mut charts = Vec::new();
    for row in solver.into_iter().chain(other) {
        let image = row.data.as_ref().and_then(|data| data.image);
        let Some((values, image)) = artifacts.components_of(row).zip(image) else {
            continue;
        };
        if image.0 * image.1 != values.ncols() {
            continue;
        }
        let what = format!("{}/components", names::plain_competitor(row));
        let name = pen.name_in(group, &what);
        let title = names::competitor(row);
        let draw = || chart(name, &title, values.view(), image, &row.eigenvalues);
        charts.extend(pen.draw(|| Ok(draw()))?);
    }
    Ok(charts)
}

/// Draws the components (k x d, one row a component, d = rows * columns of `image`), each on its own scale: blue below
/// zero, white at zero, orange above. The sign of a component is free; it is chosen so that the largest entry is above.
/// `eigenvalues` label them where there are any.
pub fn chart(
    name: String,
    title: &str,
    components: ArrayView2<f32>,
    image: (usize, usize),
    eigenvalues: &[f64],
) -> Chart {
    let (rows, columns) = image;
    // Small images are drawn larger; a column is at least wide enough for its label.
    let zoom = (84 / columns.max(1)).max(1);
    let (cell_x, cell_y) = (columns * zoom + GAP, rows * zoom + GAP + LABEL);
    let across = components.nrows().min(IMAGES_A_ROW);
    let height = TOP + components.nrows().div_ceil(IMAGES_A_ROW) * cell_y;
    let caption = format!("{title}: components, with eigenvalues");
    let width = (across * cell_x + GAP).max(2 * GAP + text_width(&caption, 13.0) as usize);

    let size = (width as i32, height as i32);
    let mut svg = open(width as f64, height as f64, size, &caption);
    let _ = write!(
        svg,
        "<rect width=\"{width}\" height=\"{height}\" fill=\"{}\"/>\
         <text x=\"{GAP}\" y=\"20\" font-family=\"sans-serif\" font-size=\"13\" fill=\"{}\">{}</text>",
        hex(PAPER),
        hex(INK),
        escape(&caption)
    );
    for (index, component) in components.outer_iter().enumerate() {
        let x = GAP + index % IMAGES_A_ROW * cell_x;
        let y = TOP + index / IMAGES_A_ROW * cell_y;
        let value = eigenvalues
            .get(index)
            .map(|value| format!(": {}", short(*value)));
        let _ = write!(
            svg,
            "<g transform=\"translate({x} {y}) scale({zoom})\" shape-rendering=\"crispEdges\">{}</g>\
             <text x=\"{x}\" y=\"{}\" font-family=\"sans-serif\" font-size=\"11.5\" fill=\"{}\">{}{}</text>",
            pixels(component, columns),
            y + rows * zoom + 15,
            hex(MUTED),
            index + 1,
            value.unwrap_or_default()
        );
    }
    svg += "</svg>\n";
    Chart { name, caption, svg }
}

/// One path a colour: strokes of one pixel's height along the rows.
fn pixels(component: ArrayView1<f32>, columns: usize) -> String {
    let largest = component.iter().copied().filter(|value| value.is_finite());
    let largest = largest.fold(0.0f32, |a, b| if b.abs() > a.abs() { b } else { a });
    let scale = if largest == 0.0 {
        0.0
    } else {
        STEPS as f32 / largest
    };
    let level = |value: &f32| (value * scale).round() as i32;
    let mut paths = vec![String::new(); 2 * STEPS as usize + 1];
    for (y, row) in component
        .as_standard_layout()
        .exact_chunks(columns)
        .into_iter()
        .enumerate()
    {
        let levels: Vec<i32> = row.iter().map(level).collect();
        let mut x = 0;
        for run in levels.chunk_by(|a, b| a == b) {
            let path = &mut paths[(run[0].clamp(-STEPS, STEPS) + STEPS) as usize];
            let _ = write!(path, "M{x} {y}h{}v1h-{}z", run.len(), run.len());
            x += run.len();
        }
    }
    let mut svg = String::new();
    for (index, path) in paths
        .iter()
        .enumerate()
        .filter(|(_, path)| !path.is_empty())
    {
        let color = diverging((index as i32 - STEPS) as f64 / f64::from(STEPS));
        let _ = write!(svg, "<path fill=\"{}\" d=\"{path}\"/>", hex(color));
    }
    svg
}

/// Blue at -1, near white at 0, orange at 1: the palette's own two hues, darkened at the ends.
fn diverging(value: f64) -> RGBColor {
    let end = if value < 0.0 {
        [0x00, 0x4C, 0x85]
    } else {
        [0xB3, 0x45, 0x00]
    };
    let mix = |end: i32| (247.0 + (f64::from(end) - 247.0) * value.abs().powf(0.8)).round() as u8;
    RGBColor(mix(end[0]), mix(end[1]), mix(end[2]))
}

/// An eigenvalue, short enough to stand under its image.
fn short(value: f64) -> String {
    if (0.01..1e4).contains(&value.abs()) {
        format!("{value:.3}")
    } else {
        quantity::error(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture;
    use ndarray::{Array2, array};

    #[test]
    fn every_component_is_drawn_in_little_space() {
        let components = fixture::components();
        let chart = chart(
            "x".into(),
            "direct",
            components.view(),
            (28, 28),
            &[5.1169, 1e-7],
        );
        assert_eq!(chart.svg.matches("<g ").count(), 10);
        assert!(chart.svg.contains(">1: 5.117<") && chart.svg.contains(">2: 1.0e-7<"));
        assert!(chart.svg.contains(">10<"));
        assert!(chart.svg.len() < 150_000, "{}", chart.svg.len());
    }

    #[test]
    fn the_sign_does_not_change_the_picture() {
        let components = fixture::components();
        let negative = components.mapv(|value| -value);
        assert_eq!(pixels(components.row(3), 28), pixels(negative.row(3), 28));
    }

    #[test]
    fn runs_of_one_colour_are_one_stroke_and_cover_every_pixel() {
        let svg = pixels(array![1.0f32, 1.0, 0.0, -1.0, -1.0, -1.0].view(), 3);
        assert_eq!(svg.matches('M').count(), 3);
        assert!(svg.contains("M0 0h2v1h-2z") && svg.contains("M2 0h1v1h-1z"));
        assert!(svg.contains("M0 1h3v1h-3z"));
    }

    #[test]
    fn empty_and_broken_components_are_drawn_as_nothing() {
        let flat = Array2::<f32>::zeros((1, 4));
        assert!(pixels(flat.row(0), 2).contains(&hex(diverging(0.0))));
        assert!(!pixels(array![f32::NAN, 1.0].view(), 2).contains("NaN"));
    }
}
