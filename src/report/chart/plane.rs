//! Samples in the plane of the first two components, coloured by label.

use super::axis::Axis;
use super::pen::{Pen, Subject};
use super::plot::{Line, NamedAxis, Plot};
use super::style::{GREY, PALETTE};
use super::svg::Chart;
use crate::error::Result;
use crate::record::{Record, Status};
use crate::report::{name as names, quantity};
use ndarray::ArrayView2;
use std::collections::BTreeMap;

/// Classes that are told apart: each colour as dots and as crosses.
const MOST: usize = 2 * PALETTE.len();

/// Samples in the plane that the fastest right answer found, where it kept them.
///
/// # Errors
/// `Error::Failed` when the drawing library gives up.
pub fn draw(subject: Subject, pen: &mut Pen) -> Result<Vec<Chart>> {
    let placed = subject.group.records().find_map(|row| {
        let samples = subject.artifacts.projections_of(row)?;
        (row.status == Status::Reached).then_some((row, samples))
    });
    let Some((row, samples)) = placed else {
        return Ok(Vec::new());
    };
    let what = format!("{}/plane", names::plain_competitor(row));
    let name = pen.name_in(subject.group, &what);
    let chart = pen.draw_some(|| chart(name, row, samples.view()))?;
    Ok(chart.into_iter().collect())
}

/// The chart of one record's projections (one row a sample: two coordinates and a label); `None` where they are no such
/// rows, or too few to make a plane.
///
/// # Errors
/// `Error::Failed` when the drawing library gives up.
pub fn chart(name: String, record: &Record, samples: ArrayView2<f32>) -> Result<Option<Chart>> {
    let finite = samples.iter().all(|value| value.is_finite());
    if samples.ncols() != 3 || samples.nrows() < 3 || !finite {
        return Ok(None);
    }
    let mut classes: BTreeMap<u8, Vec<(f64, f64)>> = BTreeMap::new();
    for sample in samples.outer_iter() {
        let at = (f64::from(sample[0]), f64::from(sample[1]));
        classes.entry(sample[2] as u8).or_default().push(at);
    }
    let axis = |column: usize| {
        let values = samples.column(column);
        let values = values.iter().map(|value| f64::from(*value));
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
            (l.min(v), h.max(v))
        });
        let rim = (high - low) * 0.03;
        (rim > 0.0).then(|| Axis::between(low - rim, high + rim))
    };
    let (Some(x), Some(y)) = (axis(0), axis(1)) else {
        return Ok(None);
    };
    let many = classes.len() > MOST;
    let lines: Vec<Line> = match many {
        true => vec![Line {
            cloud: classes.values().flatten().copied().collect(),
            ..Line::new(format!("{} classes", classes.len()), GREY)
        }],
        false => classes
            .into_iter()
            .enumerate()
            .map(|(index, (class, cloud))| Line {
                cloud,
                ..Line::new(class.to_string(), PALETTE[index % PALETTE.len()])
            })
            .collect(),
    };
    let scale = |axis, nth| NamedAxis {
        axis,
        name: format!("coordinate on the {nth} component"),
        tick: quantity::tick,
    };
    Plot {
        name,
        caption: format!(
            "{}: {} samples in the plane of the first two components, by label",
            names::competitor(record),
            samples.nrows()
        ),
        x: scale(x, "first"),
        y: scale(y, "second"),
        lines,
        levels: vec![],
        more: None,
    }
    .draw()
    .map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture;
    use ndarray::Array2;

    fn samples(classes: usize) -> Array2<f32> {
        let angle = |i: usize| i as f32 * 0.7;
        Array2::from_shape_fn((120, 3), |(i, column)| match column {
            0 => angle(i).cos() * (i % classes) as f32,
            1 => angle(i).sin() * (i % classes) as f32,
            _ => (i % classes) as f32,
        })
    }

    #[test]
    fn every_class_has_a_colour_or_a_shape_of_its_own_and_its_name_at_its_middle() {
        let record = &fixture::race()[0];
        let svg = |classes| {
            let chart = chart("x".into(), record, samples(classes).view());
            chart.unwrap().unwrap().svg
        };
        let ten = svg(10);
        // A class: its cloud, its label at the middle, its row in the legend.
        assert_eq!(ten.matches("class=\"s\"").count(), 20);
        assert_eq!(ten.matches("class=\"k\"").count(), 10);
        assert_eq!(ten.matches(">9</text>").count(), 2);
        assert!(ten.len() < 40_000, "{}", ten.len());
        assert!(svg(40).contains("40 classes"));
    }

    #[test]
    fn what_is_no_plane_is_not_drawn() {
        let record = &fixture::race()[0];
        let none =
            |samples: Array2<f32>| chart("x".into(), record, samples.view()).unwrap().is_none();
        assert!(none(Array2::zeros((10, 3))));
        assert!(none(Array2::ones((10, 2))));
        assert!(none(Array2::from_elem((10, 3), f32::NAN)));
        assert!(none(samples(3).slice(ndarray::s![..2, ..]).to_owned()));
    }
}
