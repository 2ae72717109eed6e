//! Two programs race in turn, round by round, until every case has its verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use clap::Args;

use super::program::{Ended, Program};
use super::words;
use crate::cli::output::tell;
use crate::cli::run::{now_s, stamp};
use crate::error::{Error, Result};
use crate::race::axes::Axes;
use crate::race::clock::Stopwatch;
use crate::race::size::seconds_word;
use crate::race::suite::write::{self, Block};
use crate::race::suite::{self, Suite};
use crate::record::Record;
use crate::report::verdict::effect::FEWEST;
use crate::report::verdict::looks::{self, LOOKS};
use crate::report::verdict::{Comparison, Finding, Pair, Terms, compare};

use super::super::report::LOCAL;

/// Seconds of repeats of a case in a round. More would sharpen a round's median, which is not what is uncertain: rounds differ by
/// more than repeats do.
const ROUND_S: f64 = 0.2;
/// The fewest repeats of a round and the most.
const REPEATS: (f64, f64) = (2.0, 25.0);
/// Seconds of a solve from which a round has one repeat: the solve that draws the curve, which has warmed up by itself.
const LONG_S: f64 = 1.5;

/// What a comparison by rounds takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Racing in turn (with --run)")]
pub struct Rounds {
    /// End after this time, with what was measured by then: seconds, or 90s, 20m, 1h
    #[arg(long = "time-limit", value_name = "TIME", default_value = "20m")]
    end: String,
    /// Leave out cases whose solve lasts longer than this in the first round
    #[arg(long, value_name = "TIME")]
    under: Option<String>,
    /// Where the records go, into its folders a and b; by default results/local/compare-<UTC stamp>
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where mnist is looked for first
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl Rounds {
    /// Whether none of them was named.
    pub fn unnamed(&self) -> bool {
        let Self {
            under,
            out,
            data_dir,
            ..
        } = self;
        under.is_none() && out.is_none() && data_dir.is_none()
    }
}

/// What is raced, and by whom.
pub struct Match<'a> {
    pub programs: [PathBuf; 2],
    pub suite: Option<String>,
    pub flags: &'a Axes,
    pub rounds: Rounds,
    pub threshold: f64,
}

/// The records of both sides so far.
type Sides = [Vec<Record>; 2];

/// A case that has no verdict yet.
struct Open {
    id: String,
    flags: Block,
}

impl Match<'_> {
    /// Races until every case has its verdict, the time is up, or Ctrl-C; then compares. One line a round goes to standard error.
    ///
    /// # Errors
    /// Bad usage, and what a program said that could not finish its first round.
    pub fn race(self, interrupted: &AtomicBool) -> Result<Comparison> {
        let end_s = words::seconds("time-limit", &self.rounds.end)?;
        let under = self.rounds.under.as_deref();
        let under_s = under
            .map(|text| words::seconds("under", text))
            .transpose()?;
        let sources = sources(self.flags, self.suite.as_deref())?;
        let out = self.rounds.out.clone();
        let out =
            out.unwrap_or_else(|| Path::new(LOCAL).join(format!("compare-{}", stamp(now_s()))));
        let [a, b] = self.programs.clone();
        let programs = [
            Program::new(a, out.join("a"))?,
            Program::new(b, out.join("b"))?,
        ];
        let mut clock = Stopwatch::default();
        clock.start();
        let mut elapsed = || {
            clock.stop();
            clock.start();
            clock.seconds()
        };
        let (mut sides, mut open): (Sides, Vec<Open>) = Default::default();
        let mut settled: BTreeMap<String, f64> = BTreeMap::new();
        let (mut total, mut rounds) = (0, 0);
        for round in 1..=looks::MOST {
            let began_s = elapsed();
            let suite = match round {
                1 => None,
                _ => Some(suite_of(&open, &sides)?),
            };
            let path = suite.as_ref().map(|file| file.path());
            if !self.round(round, path, &programs, &mut sides, interrupted)? {
                break;
            }
            rounds = round;
            if round == 1 {
                leave_out(&mut sides, under_s);
                let found = self.look(&sides, &settled, Some(1));
                open = decidable(&found, &sides[0], &sources)?;
                total = found.cases.len();
            }
            if let Some(error) = looks::error(round) {
                let found = self.look(&sides, &settled, Some(round));
                let decided = found
                    .cases
                    .iter()
                    .filter(|p| p.verdict != Finding::Ambiguous);
                let decided: BTreeSet<&str> = decided.map(|pair| &*pair.case).collect();
                let (done, still): (Vec<Open>, Vec<Open>) = open
                    .into_iter()
                    .partition(|case| decided.contains(&*case.id));
                settled.extend(done.into_iter().map(|case| (case.id, error)));
                open = still;
            }
            let now_s = elapsed();
            tell(&format!(
                "round {round}: {} of {total} cases open, {}",
                open.len(),
                seconds_word(now_s)
            ));
            // The next round takes about as long as this one; the first has its own number of repeats.
            let next_s = if round == 1 { 0.0 } else { now_s - began_s };
            if open.is_empty() || now_s + next_s > end_s {
                break;
            }
        }
        let mut found = self.look(&sides, &settled, None);
        found.measured = Some(sentence(rounds, elapsed(), &out));
        Ok(found)
    }

    /// One round of both programs, in turn; whether it came to its end.
    fn round(
        &self,
        round: usize,
        suite: Option<&Path>,
        programs: &[Program; 2],
        sides: &mut Sides,
        interrupted: &AtomicBool,
    ) -> Result<bool> {
        let arguments = self.arguments(suite);
        // Who comes second finds a warmer machine: they take turns at that.
        let order = if round % 2 == 1 { [0, 1] } else { [1, 0] };
        for place in order {
            let (ended, records) = programs[place].race(&arguments, interrupted)?;
            sides[place].extend(records);
            match ended {
                Ended::Good => {}
                Ended::Interrupted => return Ok(false),
                Ended::Failed(error) if round == 1 => return Err(error),
                Ended::Failed(error) => {
                    tell(&format!("note: stopped in round {round}: {error}"));
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// The arguments of `gradrace run`.
    fn arguments(&self, suite: Option<&Path>) -> Vec<String> {
        let mut arguments = match suite {
            // The cases' own flags are in the file.
            Some(path) => vec![path.display().to_string()],
            None => self
                .suite
                .iter()
                .cloned()
                .chain(write::flags(self.flags))
                .collect(),
        };
        if let Some(folder) = &self.rounds.data_dir {
            arguments.push(format!("--data-dir={}", folder.display()));
        }
        if suite.is_some() {
            let repeats = Axes {
                repeats: self.flags.repeats.clone(),
                ..Axes::default()
            };
            arguments.extend(write::flags(&repeats));
        }
        arguments
    }

    /// Compares what was measured: settled cases with the error of the look that settled them, the others with that of this look,
    /// or of the last one.
    fn look(
        &self,
        sides: &Sides,
        settled: &BTreeMap<String, f64>,
        round: Option<usize>,
    ) -> Comparison {
        let alpha = |case: &str, rounds: usize| {
            let own = round.and_then(looks::error);
            let known = settled.get(case).copied();
            known.or(own).unwrap_or_else(|| looks::rest(rounds))
        };
        let terms = Terms {
            threshold: self.threshold,
            alpha: &alpha,
            // With fewer rounds, the spread between rounds is unknown; the user can always run more.
            fewest: FEWEST,
            ..Terms::default()
        };
        let [a, b] = even(sides);
        compare(&a, &b, &terms)
    }
}

/// The samples that the flags and the suite name: a record knows a file by its last name only.
fn sources(flags: &Axes, suite: Option<&str>) -> Result<Vec<String>> {
    let flags = flags.clone().from_flags()?;
    let mut sources = flags.data.clone();
    if suite.is_some() || !flags.describe_cases() {
        let blocks = Suite::find(suite.unwrap_or(suite::DEFAULT))?.cases;
        sources.extend(blocks.into_iter().flat_map(|block| block.data));
    }
    Ok(sources)
}

/// The rounds that both sides have of a case, and all that one has of a case that the other has not. Both ran here, under
/// whatever name each program has for this machine.
fn even(sides: &Sides) -> Sides {
    let counts = sides.each_ref().map(|records| {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for record in records {
            *counts.entry(&record.case).or_default() += 1;
        }
        counts
    });
    let machine = sides
        .iter()
        .flatten()
        .next()
        .map(|record| record.machine.clone());
    let machine = machine.unwrap_or_default();
    let kept = |records: &Vec<Record>, others: &BTreeMap<&str, usize>| {
        let mut had: BTreeMap<&str, usize> = BTreeMap::new();
        let mut kept = Vec::new();
        for record in records {
            let count = had.entry(&record.case).or_default();
            *count += 1;
            if others.get(&*record.case).is_none_or(|most| *count <= *most) {
                kept.push(Record {
                    machine: machine.clone(),
                    ..record.clone()
                });
            }
        }
        kept
    };
    [kept(&sides[0], &counts[1]), kept(&sides[1], &counts[0])]
}

/// Takes away the cases that are longer than the user waits for.
fn leave_out(sides: &mut Sides, under_s: Option<f64>) {
    let Some(under_s) = under_s else { return };
    let long = sides
        .iter()
        .flatten()
        .filter(|record| record.solve_s() > Some(under_s));
    let long: BTreeSet<String> = long.map(|record| record.case.clone()).collect();
    for records in sides {
        records.retain(|record| !long.contains(&record.case));
    }
    if !long.is_empty() {
        let count = long.len();
        tell(&format!(
            "left out {count} cases whose solve lasts over {under_s} s (--under)"
        ));
    }
}

/// The cases that more rounds can decide: those with a time on both sides, on the same samples.
fn decidable(found: &Comparison, records: &[Record], sources: &[String]) -> Result<Vec<Open>> {
    let same = |pair: &&Pair| pair.ratio.is_some();
    let mut open = Vec::new();
    for pair in found.cases.iter().filter(same) {
        let record = records.iter().find(|record| record.case == pair.case);
        let Some(record) = record else { continue };
        let mut flags = record.asked.flags().clone();
        if let Some(name) = flags.get_mut("data") {
            *name = source(name, sources)?;
        }
        open.push(Open {
            id: pair.case.clone(),
            flags,
        });
    }
    // In the order of the suite, which keeps together what is measured in turn.
    let place = |id: &str| records.iter().position(|record| record.case == id);
    open.sort_by_key(|case| place(&case.id));
    Ok(open)
}

/// The samples of a record as they were given.
fn source(name: &str, sources: &[String]) -> Result<String> {
    let paths = sources.iter().filter(|source| {
        let path = Path::new(source.as_str());
        path.file_name().is_some_and(|last| last == name)
    });
    let paths: BTreeSet<&String> = paths.collect();
    let mut paths = paths.into_iter();
    match (paths.next(), paths.next()) {
        (Some(_), Some(_)) => Err(Error::input(format!(
            "two of the files are named {name}: give one of them another name, so that rounds can tell them apart"
        ))),
        (Some(path), None) => Ok(path.clone()),
        (None, _) => Ok(name.into()),
    }
}

/// The open cases as a suite, each with its repeats.
fn suite_of(open: &[Open], sides: &Sides) -> Result<tempfile::NamedTempFile> {
    let block = |case: &Open| {
        let mut flags = case.flags.clone();
        let solves = sides.iter().filter_map(|records| {
            let mut rounds = records.iter().filter(|record| record.case == case.id);
            rounds.next()?.solve_s()
        });
        let longest = solves.fold(0.0, f64::max);
        flags.insert("repeats".into(), repeats(longest).to_string());
        flags
    };
    let blocks: Vec<Block> = open.iter().map(block).collect();
    let text = write::text("Cases that have no verdict yet.", &blocks);
    let lost = |e| {
        Error::input(format!(
            "no temporary file: {e}: set TMPDIR to a folder that can be written"
        ))
    };
    let file = tempfile::Builder::new()
        .suffix(".toml")
        .tempfile()
        .map_err(lost)?;
    std::fs::write(file.path(), text).map_err(lost)?;
    Ok(file)
}

/// Repeats of a case in a round, from the seconds of a solve.
fn repeats(solve_s: f64) -> usize {
    if solve_s >= LONG_S {
        return 1;
    }
    let (least, most) = REPEATS;
    (ROUND_S / solve_s).round().clamp(least, most) as usize
}

/// How it was measured, and how the error is spent.
fn sentence(rounds: usize, seconds: f64, out: &Path) -> String {
    let spent = LOOKS.map(|look| {
        let error = looks::error(look).unwrap_or_default();
        format!("{:.1} % after {look}", 100.0 * error)
    });
    format!(
        "raced in turn: {rounds} rounds in {}, records in {}; of the {:.0} % error the looks spend {} rounds (Lan and DeMets), and the \
         end what is left",
        seconds_word(seconds),
        out.display(),
        100.0 * looks::ERROR,
        spent.join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture;

    #[test]
    fn repeats_fill_a_fifth_of_a_second_within_their_bounds() {
        assert_eq!(
            [1e-4, 0.01, 0.02, 0.5, 3.0].map(repeats),
            [25, 20, 10, 2, 1]
        );
    }

    #[test]
    fn a_round_that_one_side_has_not_finished_does_not_count() {
        let records = fixture::race();
        let (one, other) = (records[0].clone(), records[1].clone());
        let sides = [
            vec![one.clone(), other.clone(), one.clone()],
            vec![one.clone()],
        ];
        let [a, b] = even(&sides);
        let cases = |records: &[Record]| records.iter().map(|r| r.case.clone()).collect::<Vec<_>>();
        assert_eq!(cases(&a), [one.case.clone(), other.case.clone()]);
        assert_eq!(cases(&b), [one.case]);
    }

    #[test]
    fn samples_are_found_by_their_last_name_and_two_of_one_name_are_refused() {
        let sources = ["mnist", "there/x.npy", "here/y.npy"].map(String::from);
        assert_eq!(source("x.npy", &sources).unwrap(), "there/x.npy");
        assert_eq!(source("mnist", &sources).unwrap(), "mnist");
        assert_eq!(source("spectrum:n=9", &sources).unwrap(), "spectrum:n=9");
        let two = ["a/x.npy", "b/x.npy"].map(String::from);
        let error = source("x.npy", &two).unwrap_err().to_string();
        assert!(error.contains("x.npy"), "{error}");
    }

    #[test]
    fn cases_over_the_limit_are_left_out_on_both_sides() {
        let records = fixture::race();
        let solved = records
            .iter()
            .find(|record| record.solve_s().is_some())
            .unwrap();
        let mut slow = solved.clone();
        slow.time.as_mut().unwrap().solve_s = vec![9.0];
        let mut sides = [vec![solved.clone()], vec![slow]];
        leave_out(&mut sides, Some(10.0));
        assert_eq!(sides.each_ref().map(Vec::len), [1, 1]);
        leave_out(&mut sides, Some(5.0));
        assert_eq!(sides.each_ref().map(Vec::len), [0, 0]);
    }
}
