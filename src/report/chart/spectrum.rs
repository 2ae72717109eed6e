//! The eigenvalues found, against the reference's.

use super::axis::Axis;
use super::pen::{Pen, Subject};
use super::plot::{Line, Mark, NamedAxis, Plot};
use super::style::{GREY, rule_color};
use super::svg::Chart;
use crate::error::Result;
use crate::record::{Record, Status};
use crate::report::{name as names, quantity};

/// The spectrum of a task's fastest case that has one.
///
/// # Errors
/// `Error::Failed` when the drawing library gives up.
pub fn draw(subject: Subject, pen: &mut Pen) -> Result<Vec<Chart>> {
    let shown = subject.group.records().find(|row| {
        row.status == Status::Reached
            && row.eigenvalues.len() > 1
            && row.reference_eigenvalues.len() > 1
    });
    let Some(row) = shown else {
        return Ok(Vec::new());
    };
    let what = format!("{}/spectrum", names::plain_competitor(row));
    let name = pen.name_in(subject.group, &what);
    let chart = pen.draw_some(|| chart(name, row))?;
    Ok(chart.into_iter().collect())
}

/// The chart of one record: the reference as a line, what was found as dots; `None` where either is missing.
///
/// # Errors
/// `Error::Failed` when the drawing library gives up.
pub fn chart(name: String, record: &Record) -> Result<Option<Chart>> {
    let places = |values: &[f64]| -> Vec<(f64, f64)> {
        let places = values.iter().enumerate();
        places
            .map(|(index, value)| ((index + 1) as f64, *value))
            .filter(|(_, value)| value.is_finite() && *value > 0.0)
            .collect()
    };
    let found = places(&record.eigenvalues);
    let reference = places(&record.reference_eigenvalues);
    if found.len() < 2 || reference.len() < 2 {
        return Ok(None);
    }
    let both = || found.iter().chain(&reference);
    let low = both().map(|p| p.1).fold(f64::INFINITY, f64::min);
    let high = both().map(|p| p.1).fold(0.0, f64::max);
    let count = both().map(|p| p.0).fold(0.0, f64::max);
    let source = record.accuracy.as_ref().map(|a| a.reference.clone());
    let plot = Plot {
        name,
        caption: format!(
            "{}: eigenvalues against the reference's",
            names::competitor(record)
        ),
        x: NamedAxis::new(Axis::linear(count + 0.5), "component", quantity::tick),
        y: NamedAxis::new(
            Axis::log(low / 1.2, high * 1.2),
            "eigenvalue, logarithmic",
            quantity::tick,
        ),
        lines: vec![
            Line {
                points: reference.clone(),
                ..Line::new(format!("reference: {}", source.unwrap_or_default()), GREY)
            },
            Line {
                marks: found.iter().map(|&at| mark(at, &reference)).collect(),
                ..Line::new("found", rule_color(record))
            },
        ],
        levels: vec![],
        more: None,
    };
    plot.draw().map(Some)
}

/// The dot of an eigenvalue, which tells a pointer how far it is off the reference's.
fn mark(at: (f64, f64), reference: &[(f64, f64)]) -> Mark {
    let there = reference.iter().find(|(index, _)| *index == at.0);
    let off = there.map(|(_, value)| {
        let error = quantity::error((at.1 - value).abs() / value);
        format!(", relative error {error}")
    });
    Mark {
        at,
        open: false,
        says: format!(
            "eigenvalue {}: {:.6}{}",
            at.0,
            at.1,
            off.unwrap_or_default()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture;

    #[test]
    fn every_eigenvalue_is_a_dot_with_its_error_and_the_reference_a_line() {
        let record = fixture::race().remove(0);
        let chart = chart("x".into(), &record).unwrap().unwrap();
        assert_eq!(chart.svg.matches("relative error 3.0e-7").count(), 10);
        assert!(chart.svg.contains("reference: lapack"));
    }

    #[test]
    fn without_a_reference_there_is_no_chart() {
        let mut record = fixture::race().remove(0);
        record.reference_eigenvalues.clear();
        assert!(chart("x".into(), &record).unwrap().is_none());
    }
}
