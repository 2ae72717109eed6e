//! Speed-up against size, and where a device begins to win: every other device against the CPU with all its threads, by
//! solving alone and from end to end.

use super::family::Family;
use super::group::Group;
use super::{name, quantity};
use crate::record::{Record, Status};
use std::collections::BTreeMap;

/// Which side of the samples grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Growing {
    /// Number of samples, the dimension fixed.
    Samples,
    /// Dimension, the number of samples fixed.
    Dimension,
}

/// What an end-to-end time takes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// The median solve.
    Solve,
    /// Setup and transfer too.
    EndToEnd,
}

impl Span {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Solve => "solve",
            Self::EndToEnd => "end to end",
        }
    }

    /// The time of an answer that passed its checks and reached the target.
    pub fn time_s(self, record: &Record) -> Option<f64> {
        let time = record.time.as_ref();
        let time = time.filter(|_| record.status == Status::Reached)?;
        let solve_s = record.solve_s()?;
        Some(match self {
            Self::Solve => solve_s,
            Self::EndToEnd => time.setup_s + time.upload_s + solve_s,
        })
    }
}

/// A device against the CPU over sizes.
#[derive(Debug, Clone)]
pub struct Growth<'a> {
    /// Its record at the least size.
    pub record: &'a Record,
    /// What is measured.
    pub span: Span,
    /// Size and speed-up, by size.
    pub points: Vec<(f64, f64)>,
}

impl Growth<'_> {
    /// The size from which the device wins up to the largest size measured: between the last size at which it loses and
    /// the next, on a line in the logarithms; `None` when it does not win at the largest.
    pub fn crossover(&self) -> Option<f64> {
        let last = self.points.last().filter(|(_, speedup)| *speedup > 1.0)?;
        let Some(lost) = self.points.iter().rposition(|(_, s)| *s <= 1.0) else {
            return self.points.first().map(|(size, _)| *size);
        };
        let ((x0, y0), (x1, y1)) = (
            self.points[lost],
            *self.points.get(lost + 1).unwrap_or(last),
        );
        let share = -y0.ln() / (y1.ln() - y0.ln());
        Some(x0 * (x1 / x0).powf(share))
    }
}

/// One chart: an algorithm on one machine, with one side of the samples growing.
#[derive(Debug, Clone)]
pub struct Growths<'a> {
    /// The algorithm, and the side that is fixed.
    pub title: String,
    /// Which side grows.
    pub side: Growing,
    /// Every other device by solving and from end to end.
    pub lines: Vec<Growth<'a>>,
}

/// Machine, algorithm, the side that grows and the size of the other one.
type Key = (String, String, Growing, usize);

/// Competitors by device and size.
type Devices<'f, 'a> = BTreeMap<&'a str, BTreeMap<usize, &'f Family<'a>>>;

/// Every algorithm that ran at two sizes or more on the CPU and elsewhere.
pub fn growths<'a>(groups: &[&Group<'a>]) -> Vec<Growths<'a>> {
    let mut found: BTreeMap<Key, Devices<'_, 'a>> = BTreeMap::new();
    for family in groups.iter().flat_map(|group| &group.rows) {
        let row = family.median();
        let Some(data) = &row.data else { continue };
        let k = row.components.map(|k| format!(", k = {k}"));
        let standardized = if data.standardized {
            ", standardized"
        } else {
            ""
        };
        let algorithm = format!(
            "{} {}{}{standardized}",
            row.problem,
            name::algorithm(row),
            k.unwrap_or_default()
        );
        for (side, grows, fixed) in [
            (Growing::Samples, data.n, data.d),
            (Growing::Dimension, data.d, data.n),
        ] {
            let key = (row.machine.clone(), algorithm.clone(), side, fixed);
            let devices = found.entry(key).or_default();
            devices
                .entry(&*row.device.label)
                .or_default()
                .insert(grows, family);
        }
    }
    let growths = found
        .into_iter()
        .filter_map(|((_, name, side, fixed), devices)| {
            let lines = against_cpu(&devices)?;
            let fixed = match side {
                Growing::Samples => format!("{name}, d = {fixed}"),
                Growing::Dimension => format!("{name}, n = {fixed}"),
            };
            (!lines.is_empty()).then_some(Growths {
                title: fixed,
                side,
                lines,
            })
        });
    growths.collect()
}

/// Every other device against the CPU; `None` where that did not run.
fn against_cpu<'a>(devices: &Devices<'_, 'a>) -> Option<Vec<Growth<'a>>> {
    let base = devices.get("cpu")?;
    let mut lines = Vec::new();
    for (_, rows) in devices.iter().filter(|(device, _)| **device != "cpu") {
        for span in [Span::Solve, Span::EndToEnd] {
            let time_s = |row: &Family| row.middle_of(|seed| span.time_s(seed));
            let point = |(size, row): (&usize, &&Family)| {
                let (cpu_s, here_s) = (time_s(base.get(size)?)?, time_s(row)?);
                Some((*size as f64, cpu_s / here_s))
            };
            let points: Vec<(f64, f64)> = rows.iter().filter_map(point).collect();
            if points.len() > 1 {
                let record = rows.values().next()?.median();
                lines.push(Growth {
                    record,
                    span,
                    points,
                });
            }
        }
    }
    Some(lines)
}

impl Growths<'_> {
    /// What the chart shows, in sentences: where each device begins to win.
    pub fn sentences(&self) -> Vec<String> {
        let letter = match self.side {
            Growing::Samples => 'n',
            Growing::Dimension => 'd',
        };
        let sentence = |line: &Growth| {
            let name = name::device(line.record);
            let (title, span) = (&self.title, line.span.word());
            match line.crossover() {
                Some(size) => format!(
                    "{title}: {name} is faster than the CPU with all threads from about {letter} = {} on ({span})",
                    quantity::count(size)
                ),
                None => format!(
                    "{title}: {name} is not faster than the CPU with all threads at the largest size ({span})"
                ),
            }
        };
        self.lines.iter().map(sentence).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::record::fixture;
    use crate::report::group::groups;

    /// A CPU whose time grows with n and a card with a constant part: it wins from somewhere between 1,000 and 10,000.
    pub(crate) fn sizes() -> Vec<Record> {
        let base = fixture::race().remove(13);
        let mut records = Vec::new();
        for n in [100usize, 1000, 10_000, 100_000] {
            for (name, solve_s) in [("cpu", n as f64 * 1e-5), ("cuda:0", 0.02 + n as f64 * 1e-6)] {
                let mut record = base.clone();
                record.data.as_mut().unwrap().n = n;
                record.data.as_mut().unwrap().d = 64;
                record.device.kind = name.split(':').next().unwrap().into();
                let id = format!("pca/spectrum:n={n},d=64/direct/k10/{name}/f32");
                fixture::rename(&mut record, id);
                record.status = Status::Reached;
                let time = record.time.as_mut().unwrap();
                (time.solve_s, time.setup_s, time.upload_s) = (vec![solve_s], 0.0, solve_s);
                time.to_target_s = vec![solve_s];
                records.push(record);
            }
        }
        records
    }

    #[test]
    fn a_device_is_held_against_the_cpu_and_its_crossover_lies_between_two_sizes() {
        let records = sizes();
        let (groups, _) = groups(&records);
        let growths = growths(&groups.iter().collect::<Vec<_>>());
        assert_eq!(growths.len(), 1);
        let [solve, whole] = growths[0].lines.as_slice() else {
            panic!("by solving and from end to end")
        };
        assert_eq!((solve.points.len(), whole.span), (4, Span::EndToEnd));
        let from = solve.crossover().unwrap();
        assert!((1000.0..10_000.0).contains(&from), "{from}");
        assert!(growths[0].sentences()[0].contains("cuda:0 is faster than the CPU"));
    }

    #[test]
    fn a_device_that_never_wins_or_always_does_has_no_crossing_inside() {
        let records = sizes();
        let line = |points: &[(f64, f64)]| Growth {
            record: &records[0],
            span: Span::Solve,
            points: points.to_vec(),
        };
        assert_eq!(line(&[(1.0, 0.1), (10.0, 0.9)]).crossover(), None);
        assert_eq!(line(&[(1.0, 2.0), (10.0, 0.9)]).crossover(), None);
        assert_eq!(line(&[(1.0, 2.0), (10.0, 3.0)]).crossover(), Some(1.0));
        let half = line(&[(1.0, 0.5), (100.0, 2.0)]).crossover().unwrap();
        assert!((half - 10.0).abs() < 1e-9);
    }

    #[test]
    fn an_answer_that_failed_its_check_has_no_speed() {
        let mut records = sizes();
        for record in records.iter_mut().filter(|r| r.device.kind == "cuda") {
            record.status = Status::Failed;
        }
        let (groups, _) = groups(&records);
        assert!(growths(&groups.iter().collect::<Vec<_>>()).is_empty());
    }
}
