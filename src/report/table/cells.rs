//! The cells of a record's row, in words: the same in the terminal, in Markdown and on the page.

use crate::record::{Record, Status, statistics};
use crate::report::group::Group;
use crate::report::quantity;

/// The time to the target, or how the case ended without it.
pub fn to_target(row: &Record) -> String {
    match row.to_target_s() {
        Some(time) => quantity::seconds(time),
        None if row.status == Status::Reached => "reached".into(),
        None => row.status.word().into(),
    }
}

/// How many times longer than the fastest.
pub fn slower(group: &Group, row: &Record) -> String {
    group.slower(row).map(quantity::ratio).unwrap_or_default()
}

/// The median time of solving, with its quartiles.
pub fn solve(row: &Record) -> String {
    row.time
        .as_ref()
        .map(|time| quantity::quartiles(&time.solve_s))
        .unwrap_or_default()
}

/// The median of what the device computed by its own clock.
pub fn device(row: &Record) -> String {
    let time = row.time.as_ref();
    time.and_then(|time| statistics::median(time.device_s.as_ref()?))
        .map(quantity::seconds)
        .unwrap_or_default()
}

/// Steps, over all components.
pub fn iterations(row: &Record) -> String {
    // A dense eigensolver has no steps of its own to count.
    let work = row.work.as_ref().filter(|_| row.optimizer.is_some());
    work.map(|work| work.iterations.to_string())
        .unwrap_or_default()
}

/// The sine of the span, or the bound that residuals give where there is no reference; with the components that were checked
/// where others were asked for: `8.4e-6 (7 of 8)`.
pub fn sine(row: &Record) -> String {
    let Some(accuracy) = &row.accuracy else {
        return String::new();
    };
    let sine = match (accuracy.subspace_sine, accuracy.component_sine) {
        (Some(sine), _) => quantity::error(sine),
        (None, Some(bound)) => format!("< {}", quantity::error(bound)),
        (None, None) => String::new(),
    };
    match accuracy.checked_components.zip(row.components) {
        Some((checked, asked)) if checked < asked => format!("{sine} ({checked} of {asked})"),
        _ => sine,
    }
}

/// The test error of a network at the end of training.
pub fn test_error(row: &Record) -> String {
    let end = row.network.as_ref().and_then(|network| network.end);
    end.map(|score| quantity::percent(score.test_error))
        .unwrap_or_default()
}

/// The least test error of its curve.
pub fn best_error(row: &Record) -> String {
    let best = row.network.as_ref().and_then(|network| network.best);
    best.map(|score| quantity::percent(score.test_error))
        .unwrap_or_default()
}

/// The residual, computed anew in f64.
pub fn residual(row: &Record) -> String {
    row.accuracy
        .as_ref()
        .map(|a| quantity::error(a.residual))
        .unwrap_or_default()
}

/// The rate, and which share of the peak that is.
pub fn rate(row: &Record) -> String {
    row.rate.as_ref().map(quantity::rate).unwrap_or_default()
}

/// Setup, upload and the median solve: what a user waits for in all.
pub fn end_to_end(row: &Record) -> String {
    let total = row
        .time
        .as_ref()
        .and_then(|time| Some(time.setup_s + time.upload_s + statistics::median(&time.solve_s)?));
    total.map(quantity::seconds).unwrap_or_default()
}
