//! Verdicts between two sets of records: is a case as fast as it was, or as fast as elsewhere?
//!
//! What is compared is the time to target, by the interval from the least of the raw samples to their third quartile (as
//! nvbench does): noise of a busy machine lies on the slow side, so that the least sample is the steadiest. The machine is
//! part of the key, and is left out only where each side is one machine and they differ: then machines are compared.

use super::group::{to_target_s, word};
use super::quantity;
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
pub enum Verdict {
    /// B takes longer.
    Slower,
    /// B takes less time.
    Faster,
    /// The intervals overlap, or the medians are within [`CLOSE`].
    Same,
    /// There is too little to say it.
    Ambiguous,
}

impl Verdict {
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
    pub verdict: Verdict,
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
    pub fn count(&self, verdict: Verdict) -> usize {
        let same = |pair: &&Pair| pair.verdict == verdict;
        self.cases.iter().filter(same).count()
    }

    /// The verdicts counted, in a line: `1 SLOWER, 0 FASTER, 19 SAME, 0 AMBIGUOUS`.
    pub fn counts(&self) -> String {
        let all = [
            Verdict::Slower,
            Verdict::Faster,
            Verdict::Same,
            Verdict::Ambiguous,
        ];
        let count = |verdict: Verdict| format!("{} {}", self.count(verdict), verdict.word());
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
        .filter(|record| to_target_s(record).is_some())
        .filter_map(|record| record.time.as_ref())
        .flat_map(|time| time.to_target_s.iter().copied())
        .collect();
    let quartiles = Quartiles::of(&samples);
    let side = Side {
        machine: last.machine.clone(),
        program: last.program.clone(),
        status: word(last.status),
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
) -> (Verdict, Option<String>) {
    if let (Some(a), Some(b)) = (samples(a), samples(b))
        && a != b
    {
        let next = match a.0 == b.0 {
            true => "the samples of one are standardized: race both with the same --standardize",
            false => "the samples differ (SHA-256): race both on the same file",
        };
        return (Verdict::Ambiguous, Some(next.into()));
    }
    let (qa, qb) = match (qa, qb) {
        (Some(qa), Some(qb)) => (qa, qb),
        (Some(_), None) => {
            let next = format!("B does not reach the target: {}", ending(b));
            return (Verdict::Slower, Some(next));
        }
        (None, Some(_)) => {
            let next = format!("A does not reach the target: {}", ending(a));
            return (Verdict::Faster, Some(next));
        }
        (None, None) => {
            let next = format!(
                "neither reaches the target (A {}, B {}): raise --max-iterations, --time-limit or --target",
                left.status, right.status
            );
            return (Verdict::Ambiguous, Some(next));
        }
    };
    let fewest = left.repeats.min(right.repeats);
    if fewest < REPEATS {
        let next = format!(
            "fewer than {REPEATS} repeats: race it again with --repeats {}",
            2 * REPEATS
        );
        return (Verdict::Ambiguous, Some(next));
    }
    let (min_a, min_b) = (left.min_s.unwrap_or(qa.q1), right.min_s.unwrap_or(qb.q1));
    let close = (qb.median - qa.median).abs() <= CLOSE * qa.median.min(qb.median);
    let overlap = min_a <= qb.q3 && min_b <= qa.q3;
    let verdict = match (close || overlap, qb.median > qa.median) {
        (true, _) => Verdict::Same,
        (false, true) => Verdict::Slower,
        (false, false) => Verdict::Faster,
    };
    (verdict, None)
}

/// How a case ended, with its reason where there is one.
fn ending(record: &Record) -> String {
    let reason = record.reason.as_deref();
    let reason = reason.map(|reason| format!(", {reason}"));
    word(record.status).to_string() + &reason.unwrap_or_default()
}

/// A side's median with its interval, `412 ms [409, 415]`, or how it ended.
fn interval(side: &Side) -> String {
    match (side.median_s, side.min_s, side.q3_s) {
        (Some(median), Some(min), Some(q3)) => quantity::interval(median, min, q3),
        _ => side.status.into(),
    }
}

/// Heads of the columns of `rows`.
pub const HEADS: [&str; 6] = [
    "verdict",
    "case",
    "A [min, q3]",
    "B [min, q3]",
    "B / A",
    "repeats",
];

/// The cases on both sides as a table's rows; with the last, what to do about one.
fn rows(comparison: &Comparison) -> Vec<[String; 6]> {
    let several = !comparison.between_machines && comparison.machines_b.len() > 1;
    let row = |pair: &Pair| {
        let machine = match several {
            true => format!("{}: ", pair.a.machine),
            false => String::new(),
        };
        [
            pair.verdict.word().to_string(),
            machine + &pair.case,
            interval(&pair.a),
            interval(&pair.b),
            pair.ratio.map(|r| format!("{r:.3}")).unwrap_or_default(),
            format!("{}, {}", pair.a.repeats, pair.b.repeats),
        ]
    };
    comparison.cases.iter().map(row).collect()
}

/// What is worth a line below the table: next steps, each once with the cases it is for, and cases on one side only.
fn notes(comparison: &Comparison) -> Vec<String> {
    let mut steps: Vec<(String, Vec<&str>)> = Vec::new();
    for pair in &comparison.cases {
        let Some(next) = &pair.next else { continue };
        let step = format!("{}: {next}", pair.verdict.word());
        match steps.iter_mut().find(|(other, _)| *other == step) {
            Some((_, cases)) => cases.push(&pair.case),
            None => steps.push((step, vec![&pair.case])),
        }
    }
    let mut notes: Vec<String> = steps
        .into_iter()
        .map(|(step, cases)| match cases.len() {
            1 => format!("{step} ({})", cases[0]),
            n => format!("{step} ({} and {} more)", cases[0], n - 1),
        })
        .collect();
    for (side, alone) in [("A", &comparison.only_a), ("B", &comparison.only_b)] {
        let line =
            |(machine, case): &(String, String)| format!("only in {side}: {case} ({machine})");
        notes.extend(alone.iter().map(line));
    }
    notes
}

/// The comparison for the terminal; ends with a newline.
pub fn terminal(comparison: &Comparison) -> String {
    let mut text = format!("{}\n\n", comparison.sentence());
    if !comparison.cases.is_empty() {
        text += &super::table::plain(&HEADS, &rows(comparison), 2);
        text.push('\n');
    }
    for note in notes(comparison) {
        text += &format!("{note}\n");
    }
    text + &comparison.counts() + "\n"
}

/// The comparison in Markdown; ends with a newline.
pub fn markdown(comparison: &Comparison) -> String {
    let escape = super::table::escape_markdown;
    let mut text = format!("{}\n\n", escape(&comparison.sentence()));
    text += &format!("| {} |\n|:--|:--|--:|--:|--:|--:|\n", HEADS.join(" | "));
    for [verdict, case, rest @ ..] in rows(comparison) {
        let case = case.replace('|', "\\|").replace('`', "'");
        text += &format!("| **{verdict}** | `{case}` | {} |\n", rest.join(" | "));
    }
    text.push('\n');
    for note in notes(comparison) {
        text += &format!("- {}\n", escape(&note));
    }
    text + "\n" + &comparison.counts() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Status, fixture};

    fn timed(samples: &[f64]) -> Record {
        let mut record = fixture::race().remove(0);
        record.time.as_mut().unwrap().to_target_s = samples.to_vec();
        record
    }

    fn found(a: &[f64], b: &[f64]) -> (Verdict, Option<String>) {
        let mut found = compare(&[timed(a)], &[timed(b)]);
        let pair = found.cases.remove(0);
        (pair.verdict, pair.next)
    }

    const A: [f64; 5] = [1.00, 1.01, 1.02, 1.03, 1.30];

    #[test]
    fn disjoint_intervals_with_medians_apart_are_a_verdict_and_everything_else_is_the_same() {
        let scaled = |factor: f64| A.map(|time| time * factor);
        assert_eq!(found(&A, &scaled(1.2)).0, Verdict::Slower);
        assert_eq!(found(&scaled(1.2), &A).0, Verdict::Faster);
        assert_eq!(found(&A, &A).0, Verdict::Same);
        // Disjoint, but within 3 %.
        let quiet = [1.0, 1.0, 1.0, 1.0, 1.0];
        assert_eq!(found(&quiet, &quiet.map(|t| t * 1.029)).0, Verdict::Same);
        assert_eq!(found(&quiet, &quiet.map(|t| t * 1.031)).0, Verdict::Slower);
        // Medians 10 % apart, but the intervals overlap.
        let wide = [0.9, 1.0, 1.12, 1.3, 1.4];
        assert_eq!(found(&A, &wide).0, Verdict::Same);
    }

    #[test]
    fn the_slow_tail_of_a_side_does_not_make_an_overlap() {
        // The largest sample of A lies among those of B; its third quartile does not.
        let b = [1.10, 1.11, 1.12, 1.13, 1.14];
        assert_eq!(found(&A, &b).0, Verdict::Slower);
    }

    #[test]
    fn too_few_repeats_are_ambiguous_with_what_to_do_next() {
        let (verdict, next) = found(&A[..4], &A);
        assert_eq!(verdict, Verdict::Ambiguous);
        let next = next.unwrap();
        assert!(
            next.contains("fewer than 5 repeats") && next.contains("--repeats 10"),
            "{next}"
        );
    }

    #[test]
    fn a_target_that_only_one_side_reaches_decides_and_one_that_none_does_is_ambiguous() {
        let mut missed = timed(&[]);
        missed.status = Status::Stalled;
        missed.reason = Some("no improvement".into());
        let verdict = |a: &Record, b: &Record| {
            let found = compare(std::slice::from_ref(a), std::slice::from_ref(b));
            (found.cases[0].verdict, found.cases[0].next.clone().unwrap())
        };
        let (slower, next) = verdict(&timed(&A), &missed);
        assert_eq!(slower, Verdict::Slower);
        assert!(next.contains("stalled, no improvement"), "{next}");
        assert_eq!(verdict(&missed, &timed(&A)).0, Verdict::Faster);
        let (none, next) = verdict(&missed, &missed);
        assert_eq!(none, Verdict::Ambiguous);
        assert!(next.contains("--max-iterations"), "{next}");
    }

    #[test]
    fn the_machine_is_part_of_the_key_unless_each_side_is_one_of_two() {
        let here = timed(&A);
        let there = Record {
            machine: "other".into(),
            ..here.clone()
        };
        let between = compare(std::slice::from_ref(&here), std::slice::from_ref(&there));
        assert!(between.between_machines && between.cases.len() == 1);
        assert!(
            between
                .sentence()
                .contains("compares machines: A is 4f1c0a9e, B is other")
        );
        let same = compare(&[here.clone(), there.clone()], std::slice::from_ref(&there));
        assert!(!same.between_machines);
        assert_eq!(same.cases.len(), 1);
        assert_eq!(same.cases[0].a.machine, "other");
        assert_eq!(same.only_a, [("4f1c0a9e".to_string(), here.case.clone())]);
        assert!(terminal(&same).contains("only in A: pca/mnist"));
    }

    #[test]
    fn other_samples_under_the_same_name_are_not_compared() {
        let mut other = timed(&A);
        other.data.as_mut().unwrap().sha256 = "another".into();
        let found = compare(&[timed(&A)], &[other]);
        assert_eq!(found.cases[0].verdict, Verdict::Ambiguous);
    }

    #[test]
    fn measurements_by_one_program_count_together_and_those_of_the_one_before_do_not() {
        let slow = timed(&A.map(|time| 1.1 * time));
        let older = Record {
            program: "0.0.0+older".into(),
            ..slow.clone()
        };
        let found = compare(&[older, timed(&A)], &[timed(&A)]);
        assert_eq!(found.cases[0].a.repeats, A.len());
        assert_eq!(found.counts(), "0 SLOWER, 0 FASTER, 1 SAME, 0 AMBIGUOUS");
        // A machine that drifts: each side alone would be another.
        let (a, b) = (timed(&A), slow);
        assert_eq!(
            compare(std::slice::from_ref(&a), std::slice::from_ref(&b)).count(Verdict::Slower),
            1
        );
        let found = compare(&[a.clone(), b.clone()], &[b, a]);
        assert_eq!(found.cases[0].a.repeats, 2 * A.len());
        assert_eq!(found.counts(), "0 SLOWER, 0 FASTER, 1 SAME, 0 AMBIGUOUS");
    }

    #[test]
    fn a_case_that_ended_otherwise_the_last_time_is_judged_by_that() {
        let missed = Record {
            status: Status::Budget,
            ..timed(&A)
        };
        let found = compare(&[timed(&A)], &[timed(&A), missed]);
        assert_eq!(found.cases[0].verdict, Verdict::Slower);
        assert_eq!(found.cases[0].b.repeats, 0);
    }

    #[test]
    fn a_whole_race_against_itself_is_the_same_and_slowed_it_is_slower() {
        let records = fixture::race();
        let mut slowed = records.clone();
        for time in slowed.iter_mut().filter_map(|record| record.time.as_mut()) {
            time.to_target_s.iter_mut().for_each(|time| *time *= 1.2);
        }
        let reached = records.iter().filter(|r| to_target_s(r).is_some()).count();
        assert_eq!(compare(&records, &records).count(Verdict::Same), reached);
        assert_eq!(compare(&records, &slowed).count(Verdict::Slower), reached);
        assert_eq!(compare(&slowed, &records).count(Verdict::Faster), reached);
    }

    #[test]
    fn markdown_keeps_its_cells_whatever_a_case_is_called() {
        let mut record = timed(&A);
        record.case = "pca/a|b`c/k1".into();
        let text = markdown(&compare(&[record.clone()], &[record]));
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
        let cells = |row: &&str| row.replace("\\|", "").matches('|').count() == 7;
        assert!(rows.len() == 3 && rows.iter().all(cells), "{text}");
    }
}
