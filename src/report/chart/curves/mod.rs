//! Error against iterations, passes or seconds, one line a competitor, with the target, in the order of the table.

mod shape;

use super::axis::Axis;
use super::pen::{Pen, Subject};
use super::plot::{Level, Line, NamedAxis, Plot};
use super::style::{INK, MUTED, PALETTE};
use super::svg::Chart;
use crate::error::Result;
use crate::record::{CurvePoint, Status, Word, software_label};
use crate::report::family::Family;
use crate::report::{lecun, name as names, quantity};
pub use shape::{Dot, dot};

/// Errors below this are drawn here: f32 answers have no digits left under it.
const FLOOR: f64 = 1e-8;
/// Lines in a chart: more are not told apart.
const MOST: usize = 12;

/// What a curve is drawn against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// Steps over all components.
    Iterations,
    /// Passes over what the operator reads: the samples, or the covariance; for networks epochs.
    Passes,
    /// Seconds of solving.
    Seconds,
}

impl Against {
    /// All, in the order of the page.
    pub const ALL: [Self; 3] = [Self::Iterations, Self::Passes, Self::Seconds];

    /// The word for file names and captions.
    pub fn word(self) -> &'static str {
        match self {
            Self::Iterations => "iterations",
            Self::Passes => "passes",
            Self::Seconds => "seconds",
        }
    }

    fn value(self, point: &CurvePoint) -> f64 {
        match self {
            Self::Iterations => point.iteration as f64,
            Self::Passes => point.passes,
            Self::Seconds => point.time_s,
        }
    }

    fn titled(self, axis: Axis, classifies: bool) -> NamedAxis {
        let (name, tick): (_, fn(f64) -> String) = match self {
            Self::Iterations if classifies => ("steps", quantity::count),
            Self::Iterations => ("iterations, over all components", quantity::count),
            Self::Passes if classifies => ("epochs", quantity::tick),
            Self::Passes => ("passes", quantity::tick),
            Self::Seconds => ("time of solving", quantity::tick_seconds),
        };
        NamedAxis {
            axis,
            name: format!("{name}, logarithmic"),
            tick,
        }
    }
}

/// Three charts for every method, operator and device of a task; none of them where there is no room for all three.
///
/// # Errors
/// `Error::Failed` when the drawing library gives up.
pub fn draw(subject: Subject, pen: &mut Pen) -> Result<Vec<Chart>> {
    let mut charts = Vec::new();
    for (id, families) in subject.group.curves() {
        let title = id.clone() + software_label(families[0].median().device.software);
        let mut drawn = Vec::new();
        for against in Against::ALL {
            let name = pen.name_in(subject.group, &format!("{id}/{}", against.word()));
            drawn.extend(pen.draw(|| chart(name, &title, &families, against))?);
        }
        if drawn.len() == Against::ALL.len() {
            charts.extend(drawn);
        }
    }
    Ok(charts)
}

/// One chart of the competitors' curves; `title` names what they share, `name` is the file's.
///
/// The strong line is the error of the whole subspace: 1 until a deflation has its last component. The faint one is the
/// error of the component being sought. The band is that of all repeats. Both axes are logarithmic.
///
/// # Errors
/// `Error::Failed` when the drawing library gives up.
pub fn chart(name: String, title: &str, families: &[&Family], against: Against) -> Result<Chart> {
    let caption = format!("{title}: error against {}", against.word());
    let shown = &families[..families.len().min(MOST)];
    let rows = || shown.iter().flat_map(|family| &family.rows);
    let classifies = rows().any(|row| row.classifies());
    let target = rows()
        .map(|row| row.limits.target)
        .next()
        .unwrap_or_default();
    let mut levels = vec![Level {
        value: target,
        label: format!("target {}", quantity::round(target)),
        color: INK,
    }];
    levels.extend(rows().find_map(|row| lecun::row_of(row)).map(|row| Level {
        value: row.error,
        label: format!("LeCun's table, {}", row.network),
        color: MUTED,
    }));

    let (first, latest) = reach(shown, against);
    let x = Axis::log(first, (latest * 1.03).max(first));
    let labels = labels(shown);
    let lines = shown.iter().zip(labels);
    let lines = lines.map(|(family, label)| shape::line(family, label, against, first));
    let mut lines: Vec<Line> = lines.collect();
    // Lines of a single rule would all have its colour: each gets its own.
    let is_one = lines.windows(2).all(|pair| pair[0].color == pair[1].color);
    if is_one && (2..=PALETTE.len()).contains(&lines.len()) {
        let colored = lines.iter_mut().zip(PALETTE);
        colored.for_each(|(line, color)| line.color = color);
    }
    Plot {
        name,
        caption,
        x: against.titled(x, classifies),
        y: errors(shown, &levels, target),
        lines,
        levels,
        more: (families.len() > MOST)
            .then(|| format!("{} more in the table", families.len() - MOST)),
    }
    .draw()
}

/// Where the curves begin and where the last of them ends, with its band and its dot.
fn reach(families: &[&Family], against: Against) -> (f64, f64) {
    let rows = || families.iter().flat_map(|family| &family.rows);
    let ends = rows().filter_map(|row| row.curve.last());
    let (soonest, latest) = ends
        .map(|point| against.value(point))
        .fold((f64::INFINITY, 0.0f64), |(low, high), end| {
            (low.min(end), high.max(end))
        });
    let slowest = |point: &CurvePoint| match (against, point.band_s) {
        (Against::Seconds, Some((_, most))) => most,
        _ => against.value(point),
    };
    let slowest = rows().flat_map(|row| &row.curve).map(slowest);
    let dots = families.iter().filter_map(|family| dot(family, against));
    let latest = slowest.chain(dots.map(|dot| dot.at)).fold(latest, f64::max);
    let first = rows()
        .flat_map(|row| &row.curve)
        .map(|p| against.value(p))
        .filter(|v| *v > 0.0)
        .fold(f64::INFINITY, f64::min);
    // They begin where the soonest still has most of its way to go: the first steps of all would take half the chart.
    match latest > 0.0 {
        true => (first.max(soonest / 100.0).min(latest), latest),
        false => (1.0, latest),
    }
}

/// The axis of the errors, which holds every level too.
fn errors(families: &[&Family], levels: &[Level], target: f64) -> NamedAxis {
    let rows = || families.iter().flat_map(|family| &family.rows);
    let points = rows().flat_map(|row| &row.curve);
    let values = points.flat_map(|p| [p.error, p.component_error]);
    let values = values.chain(levels.iter().map(|level| level.value));
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((target.max(FLOOR), 0.0f64), |(low, high), value| {
            (low.min(value.max(FLOOR)), high.max(value))
        });
    if rows().any(|row| row.classifies()) {
        let axis = Axis::log(low / 1.15, high.min(1.0) * 1.1);
        return NamedAxis::new(axis, "test error", quantity::share);
    }
    let low = 10f64.powf((low / 1.5).max(FLOOR).log10().floor());
    let axis = Axis::log(low.max(FLOOR), 1.0);
    NamedAxis::new(axis, "sine of the largest angle", quantity::power)
}

/// What each line is called: what its name does not share with the others, and how it ended if not at the target.
fn labels(families: &[&Family]) -> Vec<String> {
    let words = families.iter().map(|family| family.median().own_words());
    let mut all: Vec<Vec<Word>> = words.collect();
    let has_batch = |words: &[Word]| words.iter().any(|word| word.flag == "batch");
    if all.iter().any(|words| has_batch(words)) {
        // The default batch is no part of an id; beside other batches its line needs a name.
        for (family, words) in families.iter().zip(&mut all) {
            let batch = family.median().batch.as_ref().filter(|_| !has_batch(words));
            words.extend(batch.map(|batch| Word {
                flag: "batch",
                text: format!("batch{batch}"),
            }));
        }
    }
    let shared = |word: &Word| all.iter().all(|words| words.contains(word));
    let label = |(family, words): (&&Family, &Vec<Word>)| {
        let own = words.iter().filter(|word| !shared(word));
        let own: Vec<&str> = own.map(|word| word.text.as_str()).collect();
        let row = family.median();
        let label = match own.as_slice() {
            [] => names::rule(row).to_string(),
            own => own.join(" "),
        };
        let seeds = family.rows.len();
        match (seeds, family.missed(), row.status) {
            (1, _, Status::Reached) => label,
            (1, _, status) => format!("{label}, {status}"),
            (_, 0, _) => format!("{label}, {seeds} seeds"),
            (_, missed, _) => format!("{label}, {missed} of {seeds} seeds missed"),
        }
    };
    families.iter().zip(&all).map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::super::style::hex;
    use super::*;
    use crate::record::Record;
    use crate::record::fixture::{self, networks};
    use crate::report::group::groups;

    fn draw_first(change: impl Fn(&mut Record)) -> String {
        let mut records = fixture::race();
        records.iter_mut().for_each(change);
        let (groups, _) = groups(&records);
        let (title, families) = groups[0].curves().remove(0);
        chart("x".into(), &title, &families, Against::Seconds)
            .unwrap()
            .svg
    }

    #[test]
    fn every_rule_has_its_own_colour_and_a_place_in_the_legend() {
        let svg = draw_first(|_| ());
        for rule in ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"] {
            assert!(
                svg.contains(&format!("class=\"k\" data-s=\"{rule}")),
                "{rule}"
            );
        }
        for color in PALETTE {
            assert!(svg.contains(&hex(color)), "{color:?}");
        }
        assert!(svg.contains("target 1e-3"));
    }

    #[test]
    fn lines_of_one_rule_keep_its_colour_and_are_told_apart_by_name() {
        let records = fixture::race();
        let mut pair = [records[0].clone(), records[0].clone()];
        let id = pair[0].case.replace("/sgd/", "/sgd/eta0.5/");
        fixture::rename(&mut pair[1], id);
        let (groups, _) = groups(&pair);
        assert_eq!(labels(&groups[0].curves()[0].1), ["eta0.5", "sgd"]);
    }

    #[test]
    fn batches_of_one_rule_have_colours_of_their_own_and_the_usual_batch_is_named() {
        let mut pair = [networks()[1].clone(), networks()[1].clone()];
        let id = pair[0].case.replace("/adam/", "/adam/batch32/");
        fixture::rename(&mut pair[1], id);
        let (groups, _) = groups(&pair);
        let (title, families) = groups[0].curves().remove(0);
        let usual = families[0].median().batch.clone().expect("a network");
        let svg = chart("x".into(), &title, &families, Against::Passes)
            .unwrap()
            .svg;
        for words in [format!("batch{usual}"), "batch32".into()] {
            assert!(svg.contains(&format!("data-s=\"{words}")), "{words}: {svg}");
        }
        assert!(svg.contains(&hex(PALETTE[0])) && svg.contains(&hex(PALETTE[1])));
    }

    #[test]
    fn seeds_are_one_line_with_a_band_in_the_order_of_the_table() {
        let mut records = networks();
        for record in &mut records {
            record.data.as_mut().unwrap().spec = "mnist".into();
        }
        let (groups, _) = groups(&records);
        let (title, families) = groups[0].curves().remove(0);
        let svg = chart("x".into(), &title, &families, Against::Passes)
            .unwrap()
            .svg;
        assert_eq!(svg.matches("<polygon").count(), 2);
        let place = |words| svg.find(words).expect(words);
        assert!(place("data-s=\"adam, 3 seeds") < place("data-s=\"sgd, 2 of 3 seeds missed"));
        assert!(svg.contains("s table, 300 hidden"));
    }

    #[test]
    fn more_lines_than_can_be_told_apart_are_counted() {
        let many = fixture::at_rates(20);
        let (groups, _) = groups(&many);
        let (_, families) = groups[0].curves().remove(0);
        let svg = chart("x".into(), "t", &families, Against::Iterations)
            .unwrap()
            .svg;
        assert!(svg.contains("8 more in the table"));
    }

    #[test]
    fn errors_of_zero_and_times_of_zero_are_drawn_inside() {
        let svg = draw_first(|record| {
            for point in &mut record.curve {
                point.error = 0.0;
                point.time_s = 0.0;
            }
        });
        assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains("-2147483648"));
    }
}
