//! `gradrace compare`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::error::{Error, Result};
use crate::race::axes::Axes;
use crate::record::Record;
use crate::record::read::read;
use crate::report::table::Style;
use crate::report::verdict::map::Map;
use crate::report::verdict::{self, Comparison, Finding, Terms};

use super::output::{End, print, tell};
use super::run::listen;

mod program;
mod rounds;
mod words;

use rounds::{Match, Rounds};

/// How the comparison is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for the terminal
    Table,
    /// One JSON object
    Json,
    /// A table in Markdown
    Markdown,
}

/// What makes the exit status 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Fail {
    /// A case is SLOWER in B
    Slower,
}

/// Say of every case whether B is as fast as A: SAME, FASTER, SLOWER or AMBIGUOUS.
///
/// `gradrace compare --run OLD NEW [SUITE]` races two gradrace programs in turn, round by round, until every case has its verdict:
/// the way to compare two builds. `gradrace compare A B` compares results that are there; every time that a folder has a case
/// again, from the same program, is a round of it.
///
/// Compared is the time to target: the ratio of B to A with a 95 % interval over rounds and their repeats. SLOWER and FASTER are
/// said where the whole interval lies beyond the threshold, SAME where it lies within, AMBIGUOUS else, with the rounds that would do.
/// With fewer than 4 rounds a side, 5 % a round are allowed for drift, and little is shown.
///
/// The machine is part of a case's key, unless A and B are one machine each and not the same: then machines are compared.
#[derive(Debug, Args)]
// `--time-limit` is how long the comparison may take; a case's own limit has another name here.
#[command(mut_arg("time_limit", |arg| arg.long("solve-limit")))]
pub struct Compare {
    /// Results folder or records.jsonl file: what was before; with --run a gradrace program
    a: PathBuf,
    /// Results folder or records.jsonl file: what is held against it; with --run a gradrace program
    b: PathBuf,
    /// With --run: suite by name or path; flags then narrow it, as in `gradrace run`
    #[arg(requires = "run")]
    suite: Option<String>,
    /// Race A and B, two programs, in turn: at least 8 rounds, looked at after 8, 16, 32 and 64
    #[arg(long)]
    run: bool,
    /// Ratio that matters, as a percentage or a share: 3%, 3 or 0.03
    #[arg(long, value_name = "SHARE", default_value = "3%")]
    threshold: String,
    /// Hold devices against each other, A's first: cuda:0=wgpu:0,cpu@1=cpu; A and B may be one folder
    #[arg(long, value_name = "A=B,..", conflicts_with = "run")]
    map: Option<String>,
    /// Exit with 1 when a case is SLOWER
    #[arg(long, value_enum, value_name = "VERDICT")]
    fail_on: Option<Fail>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    rounds: Rounds,
    #[command(flatten)]
    flags: Axes,
}

impl Compare {
    /// Reads both sides, or races them, and prints the verdicts.
    ///
    /// # Errors
    /// `Input` when a side cannot be read or has no records, and, after the cases of each side are printed, when no case
    /// is on both.
    pub fn run(self) -> Result<End> {
        let threshold = words::share("threshold", &self.threshold)?;
        if self.run {
            let interrupted = listen()?;
            let game = Match {
                programs: [self.a, self.b],
                suite: self.suite,
                flags: &self.flags,
                rounds: self.rounds,
                threshold,
            };
            let comparison = game.race(&interrupted)?;
            let end = finish(&comparison, self.format, self.fail_on);
            return match interrupted.load(std::sync::atomic::Ordering::SeqCst) {
                true => Ok(End::Interrupted),
                false => end,
            };
        }
        if self.flags != Axes::default() || !self.rounds.unnamed() {
            return Err(Error::input(
                "flags of cases and of racing go with --run: gradrace compare --run OLD NEW [SUITE]",
            ));
        }
        let maps = self.map.as_deref().map(Map::parse).transpose()?;
        let maps = maps.unwrap_or_default();
        let (a, b) = (records(self.a)?, records(self.b)?);
        maps.iter().try_for_each(|map| map.check(&a, &b))?;
        let terms = Terms {
            threshold,
            map: &maps,
            ..Terms::default()
        };
        finish(&verdict::compare(&a, &b, &terms), self.format, self.fail_on)
    }
}

/// Prints the comparison; how the program ends.
fn finish(comparison: &Comparison, format: Format, fail_on: Option<Fail>) -> Result<End> {
    print(&match format {
        Format::Table => verdict::text::terminal(comparison, Style::of_stdout().width),
        Format::Markdown => verdict::text::markdown(comparison),
        Format::Json => {
            serde_json::to_string_pretty(comparison).expect("plain values are JSON") + "\n"
        }
    })?;
    if comparison.cases.is_empty() {
        // With nothing compared, a check that passes would be a lie.
        return Err(Error::input(
            "no case is on both sides of the same machine: race the same suite for A and for B",
        ));
    }
    let slower = comparison.count(Finding::Slower) > 0;
    Ok(match fail_on {
        Some(Fail::Slower) if slower => End::CheckFailed,
        _ => End::Good,
    })
}

fn records(path: PathBuf) -> Result<Vec<Record>> {
    let results = read(std::slice::from_ref(&path))?;
    results
        .notes
        .iter()
        .for_each(|note| tell(&format!("note: {note}")));
    if results.records.is_empty() {
        let place = path.display();
        return Err(Error::input(format!(
            "no records in {place}: give the folder of a finished race"
        )));
    }
    Ok(results.records)
}
