//! Verdicts between two sets of records: is a case as fast as it was, or as fast as elsewhere?
//!
//! What is compared is the time to target. The k-th record of a case on a side is its round k; [`effect`] makes of the rounds the
//! ratio of B to A and its interval, [`judge`] a verdict of the interval and a threshold, and [`looks`] says how often a comparison
//! that goes on may be looked at. The machine is part of the key, and is left out only where each side is one machine and they
//! differ: then machines are compared. With a [`map`], so are devices.

pub mod effect;
mod fold;
pub mod judge;
pub mod looks;
pub mod map;
mod quiet;
mod student;
pub mod text;

use crate::record::Record;
use crate::record::statistics::Quartiles;
use map::{Map, Which};
use quiet::{clean, disturbance, repeats, share};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The share by which a case must differ, where none is named.
pub const THRESHOLD: f64 = 0.03;

/// What is found of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Finding {
    /// B takes longer, by more than the threshold.
    Slower,
    /// B takes less time, by more than the threshold.
    Faster,
    /// Shown to differ by less than the threshold.
    Same,
    /// None of them is shown.
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
    /// Number of repeats that reached the target and count, over all rounds.
    pub repeats: usize,
    /// Number of rounds that they come from.
    pub rounds: usize,
    /// Median time to target in seconds over all repeats; null when the target was not reached. The same holds for the next two.
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
    /// Time of B over that of A (see [`effect`]); null when one misses the target, or the samples differ.
    /// The same holds for the next two.
    pub ratio: Option<f64>,
    /// Lower end of the ratio's interval.
    pub low: Option<f64>,
    /// Upper end of the ratio's interval.
    pub high: Option<f64>,
    /// Rounds of the side that has fewer.
    pub rounds: usize,
    /// Whether rounds were paired by their order.
    pub paired: bool,
    /// Probability with which the interval misses: 0.05, or what the looks of a comparison by rounds spend.
    pub alpha: f64,
    /// For `AMBIGUOUS`, rounds a side that would do if the ratio stays what it is; null where no number would, and else.
    pub rounds_needed: Option<usize>,
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
    /// The devices that are held against each other, `cuda:0=wgpu:0`; empty where each is held against itself.
    pub map: Vec<String>,
    /// Machines of the first side.
    pub machines_a: BTreeSet<String>,
    /// Machines of the second side.
    pub machines_b: BTreeSet<String>,
    /// The share by which a case must differ to be SLOWER or FASTER, and within which it is SAME.
    pub threshold: f64,
    /// How it was measured, in a sentence, where this program had both sides race in turn.
    pub measured: Option<String>,
    /// Share of the repeats that other programs disturbed; null where the records do not say.
    pub disturbed: Option<f64>,
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
}

/// How to compare.
pub struct Terms<'a> {
    /// The share by which a case must differ.
    pub threshold: f64,
    /// Devices that are held against each other; each against itself where there are none.
    pub map: &'a [Map],
    /// Probability with which the interval of a case with so many rounds may miss.
    pub alpha: &'a dyn Fn(&str, usize) -> f64,
    /// Rounds under which there is no verdict from times.
    pub fewest: usize,
}

impl Default for Terms<'_> {
    fn default() -> Self {
        Self {
            threshold: THRESHOLD,
            map: &[],
            alpha: &|_, _| looks::ERROR,
            fewest: 1,
        }
    }
}

/// Measurements of one case on one machine, in their order: the rounds.
type Measurements<'a> = BTreeMap<(String, String), Vec<&'a Record>>;

/// Compares B against A. What one program measured again of a case on one machine are rounds of it; of several programs the
/// last counts alone.
pub fn compare(a: &[Record], b: &[Record], terms: &Terms) -> Comparison {
    let machines = |records: &[Record]| -> BTreeSet<String> {
        records.iter().map(|r| r.machine.clone()).collect()
    };
    let (machines_a, machines_b) = (machines(a), machines(b));
    let between_machines =
        machines_a.len() == 1 && machines_b.len() == 1 && machines_a != machines_b;
    let left = measurements(a, between_machines, terms.map, Which::A);
    let right = measurements(b, between_machines, terms.map, Which::B);
    let both = left
        .iter()
        .filter_map(|(key, a)| Some(pair(&key.1, a, right.get(key)?, terms)));
    let mut cases: Vec<Pair> = both.collect();
    cases.sort_by(|x, y| (x.verdict, &x.case).cmp(&(y.verdict, &y.case)));
    let alone = |these: &Measurements, others: &Measurements| {
        let alone = these.iter().filter(|(key, _)| !others.contains_key(*key));
        alone
            .map(|((_, case), records)| (records[0].machine.clone(), case.clone()))
            .collect()
    };
    let compared = |(key, records): (_, &Vec<&'_ Record>), others: &Measurements| {
        let records = records.iter().copied().map(disturbance);
        others
            .contains_key(key)
            .then(|| records.collect::<Vec<_>>())
    };
    let of_a = left.iter().filter_map(|side| compared(side, &right));
    let of_b = right.iter().filter_map(|side| compared(side, &left));
    Comparison {
        between_machines,
        map: terms.map.iter().map(Map::to_string).collect(),
        machines_a,
        machines_b,
        threshold: terms.threshold,
        measured: None,
        disturbed: share(of_a.chain(of_b).flatten().flatten()),
        cases,
        only_a: alone(&left, &right),
        only_b: alone(&right, &left),
    }
}

fn measurements<'a>(
    records: &'a [Record],
    between_machines: bool,
    maps: &[Map],
    which: Which,
) -> Measurements<'a> {
    let mut measurements = Measurements::new();
    for record in records {
        let machine = match between_machines {
            true => String::new(),
            false => record.machine.clone(),
        };
        let cases: Vec<String> = match maps {
            [] => vec![record.case.clone()],
            maps => maps
                .iter()
                .filter_map(|map| map.id(record, which))
                .collect(),
        };
        for case in cases {
            let before = measurements.entry((machine.clone(), case)).or_default();
            // The last one says what the case is: another program's, or one that ended otherwise, is of the past.
            let like = |other: &Record| {
                (&other.program, other.status, samples(other))
                    == (&record.program, record.status, samples(record))
            };
            before.retain(|other| like(other));
            before.push(record);
        }
    }
    measurements
}

/// The file, and whether it was standardized: networks took files as they are before schema 2.
fn samples(record: &Record) -> Option<(&str, bool)> {
    let data = record.data.as_ref()?;
    Some((data.sha256.as_str(), data.standardized))
}

fn side(records: &[&Record]) -> (Side, Vec<Vec<f64>>) {
    let last = records[records.len() - 1];
    let rounds: Vec<Vec<f64>> = records.iter().filter_map(|r| repeats(r)).collect();
    let samples = rounds.concat();
    let quartiles = Quartiles::of(&samples);
    let side = Side {
        machine: last.machine.clone(),
        program: last.program.clone(),
        status: last.status.word(),
        repeats: samples.len(),
        rounds: rounds.len(),
        median_s: quartiles.map(|q| q.median),
        min_s: samples.iter().copied().reduce(f64::min),
        q3_s: quartiles.map(|q| q.q3),
    };
    (side, rounds)
}

fn pair(case: &str, a: &[&Record], b: &[&Record], terms: &Terms) -> Pair {
    let [a, b] = &clean(a, b);
    let ((left, rounds_a), (right, rounds_b)) = (side(a), side(b));
    let (a, b) = (a[a.len() - 1], b[b.len() - 1]);
    let rounds = left.rounds.min(right.rounds);
    let alpha = (terms.alpha)(case, rounds);
    let mut pair = Pair {
        case: case.into(),
        verdict: Finding::Ambiguous,
        ratio: None,
        low: None,
        high: None,
        rounds,
        paired: false,
        alpha,
        rounds_needed: None,
        a: left,
        b: right,
        next: None,
    };
    let other = samples(a).zip(samples(b)).filter(|(a, b)| a != b);
    let effect = match other {
        Some(_) => None,
        None => effect::effect(&rounds_a, &rounds_b, alpha, seed(case)),
    };
    if let Some(effect) = effect {
        pair.ratio = Some(effect.middle.exp());
        pair.low = Some((effect.middle - effect.half).exp());
        pair.high = Some((effect.middle + effect.half).exp());
        pair.paired = effect.paired;
    }
    let (verdict, next) = match (other, effect) {
        (Some((a, b)), _) => (Finding::Ambiguous, Some(other_samples(a.0 == b.0))),
        (None, None) => by_ending(a, b, &pair),
        (None, Some(effect)) => {
            let found = match rounds < terms.fewest {
                true => Finding::Ambiguous,
                false => judge::finding(&effect, terms.threshold),
            };
            let open = found == Finding::Ambiguous;
            if open {
                pair.rounds_needed = judge::rounds_needed(&effect, rounds, terms.threshold);
            }
            (
                found,
                open.then(|| more_rounds(&pair, terms.map.is_empty())),
            )
        }
    };
    (pair.verdict, pair.next) = (verdict, next);
    pair
}

fn other_samples(same_file: bool) -> String {
    let next = match same_file {
        true => "the samples of one are standardized: race both with the same --standardize",
        false => "the samples differ (SHA-256): race both on the same file",
    };
    next.into()
}

/// The verdict where there are not two times.
fn by_ending(a: &Record, b: &Record, pair: &Pair) -> (Finding, Option<String>) {
    match (pair.a.median_s, pair.b.median_s) {
        (Some(_), None) => {
            let next = format!("B does not reach the target: {}", ending(b));
            (Finding::Slower, Some(next))
        }
        (None, Some(_)) => {
            let next = format!("A does not reach the target: {}", ending(a));
            (Finding::Faster, Some(next))
        }
        (None, None) => {
            let next = format!(
                "neither reaches the target (A {}, B {}): raise --max-iterations, --time-limit or --target",
                pair.a.status, pair.b.status
            );
            (Finding::Ambiguous, Some(next))
        }
        (Some(_), Some(_)) => {
            let next = "a time to target is 0 s: race it on more samples".into();
            (Finding::Ambiguous, Some(next))
        }
    }
}

/// What to do about an interval that reaches over the threshold.
fn more_rounds(pair: &Pair, one_device: bool) -> String {
    let in_turn = one_device && pair.a.machine == pair.b.machine;
    if pair.rounds < effect::FEWEST {
        let how = match in_turn {
            true => "gradrace compare --run OLD NEW races two programs in turn",
            false => "race each side again, several times, into its folder",
        };
        return format!(
            "under {} rounds a side, {:.0} % a round are allowed for drift: {how}",
            effect::FEWEST,
            100.0 * effect::ALLOWANCE
        );
    }
    let how = match (pair.rounds_needed, in_turn) {
        (Some(..=looks::MOST), true) => {
            "race more rounds (gradrace compare --run with a longer --time-limit)"
        }
        (Some(_), false) => "race each side more often into its folder",
        (Some(_), true) => {
            "too wide for the rounds of --run: quieten the machine, or name a higher --threshold"
        }
        (None, _) => "the ratio lies at the threshold itself: name another --threshold",
    };
    format!("the interval reaches over the threshold: {how}")
}

/// How a case ended, with its reason where there is one.
fn ending(record: &Record) -> String {
    let reason = record.reason.as_deref();
    let reason = reason.map(|reason| format!(", {reason}"));
    record.status.to_string() + &reason.unwrap_or_default()
}

/// What chance a case's interval comes from (FNV-1a of its id), so that the same records give the same interval.
fn seed(case: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    case.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests;
