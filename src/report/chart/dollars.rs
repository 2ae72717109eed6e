//! Dollars against seconds to the target.

use super::axis::Axis;
use super::pen::{Pen, Subject};
use super::plot::{Line, Mark, NamedAxis, Plot};
use super::style::rule_color;
use super::svg::Chart;
use crate::error::Result;
use crate::report::cost::Prices;
use crate::report::family::Family;
use crate::report::group::Group;
use crate::report::quantity;

/// Competitors in a chart.
const MOST: usize = 20;

/// The chart of a task's costs, where prices are known.
///
/// # Errors
/// `Error::Failed` when the drawing library gives up.
pub fn draw(subject: Subject, pen: &mut Pen) -> Result<Vec<Chart>> {
    let name = pen.name_in(subject.group, "dollars");
    let chart = pen.draw_some(|| chart(name, subject.prices, subject.group))?;
    Ok(chart.into_iter().collect())
}

/// The chart of the cases with a price; `None` where fewer than two have one.
///
/// # Errors
/// `Error::Failed` when the drawing library gives up.
pub fn chart(name: String, prices: &Prices, group: &Group) -> Result<Option<Chart>> {
    let priced: Vec<(&Family, f64, f64)> = group
        .rows
        .iter()
        .filter_map(|row| Some((row, row.to_target_s()?, prices.to_target(row)?)))
        .filter(|(_, time, dollars)| *time > 0.0 && *dollars > 0.0)
        .collect();
    if priced.len() < 2 {
        return Ok(None);
    }
    let range = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, 0.0f64), |(l, h), v| (l.min(v), h.max(v)))
    };
    let (soon, late) = range(&mut priced.iter().map(|p| p.1));
    let (cheap, dear) = range(&mut priced.iter().map(|p| p.2));
    let line = |(row, time, dollars): &(&Family, f64, f64)| Line {
        marks: vec![Mark {
            at: (*time, *dollars),
            open: false,
            says: format!(
                "{}: {}, {}",
                row.name,
                quantity::seconds(*time),
                quantity::dollars(*dollars)
            ),
        }],
        ..Line::new(row.name.clone(), rule_color(row.median()))
    };
    let plot = Plot {
        name,
        caption: format!("{}: dollars to target", group.title),
        x: NamedAxis::new(
            Axis::log(soon / 1.2, late * 1.2),
            "time to target, logarithmic",
            quantity::tick_seconds,
        ),
        y: NamedAxis::new(
            Axis::log(cheap / 1.2, dear * 1.2),
            "USD to target, logarithmic",
            quantity::power,
        ),
        lines: priced.iter().take(MOST).map(line).collect(),
        levels: vec![],
        more: (priced.len() > MOST).then(|| format!("{} more in the table", priced.len() - MOST)),
    };
    plot.draw().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture;
    use crate::report::group::groups;

    #[test]
    fn dollars_are_drawn_where_two_cases_have_them() {
        let own = Prices::with(&["4f1c0a9e=3.6".to_string()]).unwrap();
        let records = fixture::race();
        let (groups, _) = groups(&records);
        let drawn = |prices| chart("x".into(), prices, &groups[0]).unwrap();
        let svg = drawn(&own).unwrap().svg;
        assert!(svg.contains("USD to target") && !svg.contains("NaN"));
        assert!(drawn(&Prices::default()).is_none());
    }
}
