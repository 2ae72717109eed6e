//! The cells of a competitor's row, in words: the same in the terminal, in Markdown and on the page.
//!
//! Of several seeds, times and errors are medians with quartiles over them; what is one run's (iterations, rates) is that of
//! the median seed.

use crate::record::statistics::{Quartiles, median};
use crate::record::{Accuracy, Record, Status};
use crate::report::family::Family;
use crate::report::group::Group;
use crate::report::quantity;

/// The time to the target, or how the case ended without it.
pub fn to_target(row: &Family) -> String {
    match (row.to_target(), row.median().status) {
        (Some(q), _) if row.has_seeds() => quantity::spread(&q),
        (Some(q), _) => quantity::seconds(q.median),
        (None, Status::Reached) => "reached".into(),
        (None, status) => status.word().into(),
    }
}

/// How many seeds there are, and how many of them missed the target; empty for one.
pub fn seeds(row: &Family) -> String {
    match (row.rows.len(), row.missed()) {
        (1, _) => String::new(),
        (seeds, 0) => seeds.to_string(),
        (seeds, missed) => format!("{seeds}, {missed} missed"),
    }
}

/// How many times longer than the fastest.
pub fn slower(group: &Group, row: &Family) -> String {
    group.slower(row).map(quantity::ratio).unwrap_or_default()
}

/// The median time of solving, with its quartiles.
pub fn solve(row: &Family) -> String {
    quantity::quartiles(&row.solves_s())
}

/// The median of what the device computed by its own clock.
pub fn device(row: &Family) -> String {
    let time = row.median().time.as_ref();
    time.and_then(|time| median(time.device_s.as_ref()?))
        .map(quantity::seconds)
        .unwrap_or_default()
}

/// Steps, over all components.
pub fn iterations(row: &Family) -> String {
    // A dense eigensolver has no steps of its own to count.
    let row = row.median();
    let work = row.work.as_ref().filter(|_| row.optimizer.is_some());
    work.map(|work| work.iterations.to_string())
        .unwrap_or_default()
}

/// Training samples of a network per second of solving.
pub fn images(row: &Family) -> String {
    let rate = |row: &Record| {
        let rows = match row.batch.as_deref()? {
            "full" => row.data.as_ref()?.n,
            rows => rows.parse().ok()?,
        };
        let steps = row.work.as_ref().filter(|_| row.classifies())?.iterations;
        Some(steps as f64 * rows as f64 / row.solve_s()?)
    };
    row.over_seeds(rate)
        .map(|rates| quantity::count(rates.median))
        .unwrap_or_default()
}

/// The sine of the span, or the bound that residuals give where there is no reference; with the components that were checked
/// where others were asked for: `8.4e-6 (7 of 8)`.
pub fn sine(row: &Family) -> String {
    let known = |value: fn(&Accuracy) -> Option<f64>| {
        row.over_seeds(|record| record.accuracy.as_ref().and_then(value))
    };
    let (sine, bound) = (known(|of| of.subspace_sine), known(|of| of.component_sine));
    let sine = match (sine, bound) {
        (Some(sine), _) => over_seeds(row, sine, quantity::error),
        (None, Some(bound)) => format!("< {}", over_seeds(row, bound, quantity::error)),
        (None, None) => String::new(),
    };
    let record = row.median();
    let checked = record
        .accuracy
        .as_ref()
        .and_then(|of| of.checked_components);
    match checked.zip(record.components) {
        Some((checked, asked)) if checked < asked => format!("{sine} ({checked} of {asked})"),
        _ => sine,
    }
}

/// The test error of a network at the end of training.
pub fn test_error(row: &Family) -> String {
    let ends = row.over_seeds(|row| Some(row.network.as_ref()?.end?.test_error));
    ends.map(|ends| over_seeds(row, ends, quantity::percent))
        .unwrap_or_default()
}

/// The least test error of its curve.
pub fn best_error(row: &Family) -> String {
    let best = row.over_seeds(|row| Some(row.network.as_ref()?.best?.test_error));
    best.map(|best| quantity::percent(best.median))
        .unwrap_or_default()
}

/// The residual, computed anew in f64.
pub fn residual(row: &Family) -> String {
    row.over_seeds(|row| Some(row.accuracy.as_ref()?.residual))
        .map(|residuals| quantity::error(residuals.median))
        .unwrap_or_default()
}

/// The rate that binds, and which share of what the roofs allow that is.
pub fn rate(row: &Family) -> String {
    let rate = row.median().rate.as_ref();
    rate.map(quantity::rate).unwrap_or_default()
}

/// The same, with the rate of a dense way beside it where zeros saved work.
pub fn rate_with_zeros(row: &Family) -> String {
    let rate = row.median().rate.as_ref();
    rate.map(quantity::rate_with_zeros).unwrap_or_default()
}

/// The same with the roof's name beside the share.
pub fn rate_with_roof(row: &Family) -> String {
    let rate = row.median().rate.as_ref();
    rate.map(quantity::rate_with_roof).unwrap_or_default()
}

/// Setup, upload and the median solve: what a user waits for in all.
pub fn end_to_end(row: &Family) -> String {
    let total = |row: &Record| {
        let time = row.time.as_ref()?;
        Some(time.setup_s + time.upload_s + row.solve_s()?)
    };
    row.over_seeds(total)
        .map(|total| quantity::seconds(total.median))
        .unwrap_or_default()
}

/// Of one seed its value, of several the median with quartiles.
fn over_seeds(row: &Family, values: Quartiles, words: fn(f64) -> String) -> String {
    let middle = words(values.median);
    if !row.has_seeds() {
        return middle;
    }
    let [low, high] = [values.q1, values.q3].map(words);
    // The unit stands once.
    let unit = middle.split(' ').nth(1).unwrap_or_default();
    let bare = |text: String| text.trim_end_matches(unit).trim_end().to_string();
    format!("{middle} [{}, {}]", bare(low), bare(high))
}
