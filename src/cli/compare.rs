//! `gradrace compare`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::error::{Error, Result};
use crate::record::Record;
use crate::record::read::read;
use crate::report::verdict::{self, Finding};

use super::output::{End, print, tell};

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
/// Compared is the time to target. SLOWER and FASTER need intervals [min, q3] of the raw samples that do not overlap and
/// medians more than 3 % apart; fewer than 5 repeats, or no time at all, are AMBIGUOUS, with what to do next. The machine is
/// part of a case's key, unless A and B are one machine each and not the same: then machines are compared.
///
/// Where a machine's speed drifts, race A and B in turn, several times, into the same two folders: what one program measured
/// of a case counts together.
#[derive(Debug, Args)]
pub struct Compare {
    /// Results folder or records.jsonl file: what was before
    a: PathBuf,
    /// Results folder or records.jsonl file: what is held against it
    b: PathBuf,
    /// Exit with 1 when a case is SLOWER
    #[arg(long, value_enum, value_name = "VERDICT")]
    fail_on: Option<Fail>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

impl Compare {
    /// Reads both sides, prints the verdicts.
    ///
    /// # Errors
    /// `Input` when a side cannot be read or has no records, and, after the cases of each side are printed, when no case
    /// is on both.
    pub fn run(self) -> Result<End> {
        let (a, b) = (records(self.a)?, records(self.b)?);
        let comparison = verdict::compare(&a, &b, &verdict::Terms::default());
        print(&match self.format {
            Format::Table => {
                verdict::text::terminal(&comparison, crate::report::table::Style::of_stdout().width)
            }
            Format::Markdown => verdict::text::markdown(&comparison),
            Format::Json => {
                serde_json::to_string_pretty(&comparison).expect("plain values are JSON") + "\n"
            }
        })?;
        if comparison.cases.is_empty() {
            // With nothing compared, a check that passes would be a lie.
            return Err(Error::input(
                "no case is on both sides of the same machine: race the same suite for A and for B",
            ));
        }
        let slower = comparison.count(Finding::Slower) > 0;
        Ok(match self.fail_on {
            Some(Fail::Slower) if slower => End::CheckFailed,
            _ => End::Good,
        })
    }
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
