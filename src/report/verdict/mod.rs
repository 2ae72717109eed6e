//! Verdicts between two sets of records: is a case as fast as it was, or as fast as elsewhere?
//!
//! What is compared is the time to target, by the interval from the least of the raw samples to their third quartile (as
//! nvbench does): noise of a busy machine lies on the slow side, so that the least sample is the steadiest. The machine is
//! part of the key, and is left out only where each side is one machine and they differ: then machines are compared.

pub mod text;

use crate::record::Record;
use crate::record::statistics::Quartiles;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Medians within this share of one another are the same, however quiet the samples are.
pub const CLOSE: f64 = 0.03;
/// Repeats under which there is no verdict.
pub const REPEATS: usize = 5;

/// What is found of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Finding {
    /// B takes longer.
    Slower,
    /// B takes less time.
    Faster,
    /// The intervals overlap, or the medians are within [`CLOSE`].
    Same,
    /// There is too little to say it.
    Ambiguous,
}

impl Finding {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Slower => "SLOWER",
            Self::Faster => "FASTER",
            Self::Same => "SAME",
            Self::Ambiguous => "AMBIGUOUS",
        }
    }
}

/// One side of a case.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Side {
    /// Fingerprint of the machine.
    pub machine: String,
    /// Version of the program.
    pub program: String,
    /// How the case ended.
    pub status: &'static str,
    /// Number of repeats that reached the target.
    pub repeats: usize,
    /// Median time to target in seconds; null when the target was not reached. The same holds for the next two.
    pub median_s: Option<f64>,
    /// The least of the samples.
    pub min_s: Option<f64>,
    /// Their third quartile.
    pub q3_s: Option<f64>,
}

/// A case that is on both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pair {
    /// The case's id.
    pub case: String,
    /// What is found of B against A.
    pub verdict: Finding,
    /// Median of B over that of A; null when one misses the target.
    pub ratio: Option<f64>,
    /// The first side.
    pub a: Side,
    /// The second side.
    pub b: Side,
    /// Why there is no verdict, or none by time, and what to do next; null when the times say it all.
    pub next: Option<String>,
}

/// Two sets of records, compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Whether the sides are two machines, which are then what is compared.
    pub between_machines: bool,
    /// Machines of the first side.
    pub machines_a: BTreeSet<String>,
    /// Machines of the second side.
    pub machines_b: BTreeSet<String>,
    /// Cases on both sides: slower ones first, then in the order of their ids.
    pub cases: Vec<Pair>,
    /// Cases on the first side only: machine and id.
    pub only_a: Vec<(String, String)>,
    /// Cases on the second side only: machine and id.
    pub only_b: Vec<(String, String)>,
}

impl Comparison {
    /// How many cases have this verdict.
    pub fn count(&self, verdict: Finding) -> usize {
        let same = |pair: &&Pair| pair.verdict == verdict;
        self.cases.iter().filter(same).count()
    }

    /// The verdicts counted, in a line: `1 SLOWER, 0 FASTER, 19 SAME, 0 AMBIGUOUS`.
    pub fn counts(&self) -> String {
        let all = [
            Finding::Slower,
            Finding::Faster,
            Finding::Same,
            Finding::Ambiguous,
        ];
        let count = |verdict: Finding| format!("{} {}", self.count(verdict), verdict.word());
        all.map(count).join(", ")
    }

    /// What is compared with what, in a sentence.
    pub fn sentence(&self) -> String {
        let list = |machines: &BTreeSet<String>| {
            let names: Vec<&str> = machines.iter().map(String::as_str).collect();
            names.join(", ")
        };
        if self.between_machines {
            return format!(
                "compares machines: A is {}, B is {}; SLOWER and FASTER say how B does against A",
                list(&self.machines_a),
                list(&self.machines_b)
            );
        }
        format!(
            "compares runs of the same machine ({}); SLOWER and FASTER say how B does against A",
            list(&self.machines_b)
        )
    }
}

/// Measurements of one case on one machine, in their order.
type Measurements<'a> = BTreeMap<(String, String), Vec<&'a Record>>;

/// Compares B against A. What one program measured again of a case on one machine counts together, so that a machine whose
/// speed drifts from minute to minute has it in its interval; of several programs the last counts alone.
pub fn compare(a: &[Record], b: &[Record]) -> Comparison {
    let machines = |records: &[Record]| -> BTreeSet<String> {
        records.iter().map(|r| r.machine.clone()).collect()
    };
    let (machines_a, machines_b) = (machines(a), machines(b));
    let between_machines =
        machines_a.len() == 1 && machines_b.len() == 1 && machines_a != machines_b;
    let left = measurements(a, between_machines);
    let right = measurements(b, between_machines);
    let both = left
        .iter()
        .filter_map(|(key, a)| Some(pair(a, right.get(key)?)));
    let mut cases: Vec<Pair> = both.collect();
    cases.sort_by(|x, y| (x.verdict, &x.case).cmp(&(y.verdict, &y.case)));
    let alone = |these: &Measurements, others: &Measurements| {
        let alone = these.iter().filter(|(key, _)| !others.contains_key(*key));
        alone
            .map(|(_, records)| (records[0].machine.clone(), records[0].case.clone()))
            .collect()
    };
    Comparison {
        between_machines,
        machines_a,
        machines_b,
        cases,
        only_a: alone(&left, &right),
        only_b: alone(&right, &left),
    }
}

fn measurements(records: &[Record], between_machines: bool) -> Measurements<'_> {
    let mut measurements = Measurements::new();
    for record in records {
        let key = match between_machines {
            true => (String::new(), record.case.clone()),
            false => (record.machine.clone(), record.case.clone()),
        };
        let before = measurements.entry(key).or_default();
        // The last one says what the case is: another program's, or one that ended otherwise, is of the past.
        let like = |other: &Record| {
            (&other.program, other.status, samples(other))
                == (&record.program, record.status, samples(record))
        };
        before.retain(|other| like(other));
        before.push(record);
    }
    measurements
}

/// The file, and whether it was standardized: networks took files as they are before schema 2.
fn samples(record: &Record) -> Option<(&str, bool)> {
    let data = record.data.as_ref()?;
    Some((data.sha256.as_str(), data.standardized))
}

fn side(records: &[&Record]) -> (Side, Option<Quartiles>) {
    let last = records[records.len() - 1];
    let samples: Vec<f64> = records
        .iter()
        .filter(|record| record.to_target_s().is_some())
        .filter_map(|record| record.time.as_ref())
        .flat_map(|time| time.to_target_s.iter().copied())
        .collect();
    let quartiles = Quartiles::of(&samples);
    let side = Side {
        machine: last.machine.clone(),
        program: last.program.clone(),
        status: last.status.word(),
        repeats: samples.len(),
        median_s: quartiles.map(|q| q.median),
        min_s: samples.iter().copied().reduce(f64::min),
        q3_s: quartiles.map(|q| q.q3),
    };
    (side, quartiles)
}

fn pair(a: &[&Record], b: &[&Record]) -> Pair {
    let ((left, qa), (right, qb)) = (side(a), side(b));
    let (a, b) = (a[a.len() - 1], b[b.len() - 1]);
    let (verdict, next) = verdict(a, b, (&left, qa), (&right, qb));
    Pair {
        case: a.case.clone(),
        verdict,
        ratio: qa
            .zip(qb)
            .map(|(a, b)| b.median / a.median)
            .filter(|ratio| ratio.is_finite()),
        a: left,
        b: right,
        next,
    }
}

fn verdict(
    a: &Record,
    b: &Record,
    (left, qa): (&Side, Option<Quartiles>),
    (right, qb): (&Side, Option<Quartiles>),
) -> (Finding, Option<String>) {
    if let (Some(a), Some(b)) = (samples(a), samples(b))
        && a != b
    {
        let next = match a.0 == b.0 {
            true => "the samples of one are standardized: race both with the same --standardize",
            false => "the samples differ (SHA-256): race both on the same file",
        };
        return (Finding::Ambiguous, Some(next.into()));
    }
    let (qa, qb) = match (qa, qb) {
        (Some(qa), Some(qb)) => (qa, qb),
        (Some(_), None) => {
            let next = format!("B does not reach the target: {}", ending(b));
            return (Finding::Slower, Some(next));
        }
        (None, Some(_)) => {
            let next = format!("A does not reach the target: {}", ending(a));
            return (Finding::Faster, Some(next));
        }
        (None, None) => {
            let next = format!(
                "neither reaches the target (A {}, B {}): raise --max-iterations, --time-limit or --target",
                left.status, right.status
            );
            return (Finding::Ambiguous, Some(next));
        }
    };
    let fewest = left.repeats.min(right.repeats);
    if fewest < REPEATS {
        let next = format!(
            "fewer than {REPEATS} repeats: race it again with --repeats {}",
            2 * REPEATS
        );
        return (Finding::Ambiguous, Some(next));
    }
    let (min_a, min_b) = (left.min_s.unwrap_or(qa.q1), right.min_s.unwrap_or(qb.q1));
    let close = (qb.median - qa.median).abs() <= CLOSE * qa.median.min(qb.median);
    let overlap = min_a <= qb.q3 && min_b <= qa.q3;
    let verdict = match (close || overlap, qb.median > qa.median) {
        (true, _) => Finding::Same,
        (false, true) => Finding::Slower,
        (false, false) => Finding::Faster,
    };
    (verdict, None)
}

/// How a case ended, with its reason where there is one.
fn ending(record: &Record) -> String {
    let reason = record.reason.as_deref();
    let reason = reason.map(|reason| format!(", {reason}"));
    record.status.to_string() + &reason.unwrap_or_default()
}

#[cfg(test)]
mod tests;
