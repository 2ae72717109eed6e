//! `gradrace run`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};

use crate::data::Request;
use crate::error::{Error, Result};
use crate::race::axes::Axes;
use crate::race::device::present;
use crate::race::run::{Planned, Race};
use crate::race::size::{bytes_word, seconds_word};
use crate::race::suite::{self, Suite};
use crate::race::task::AnyEntry;
use crate::record::file::RECORDS;
use crate::record::read::read;
use crate::report::{self, table};

use super::output::{End, print, tell};
use super::progress::Bar;
use super::report::LOCAL;

/// Race a suite, or the cases that the flags describe.
///
/// Every flag of a case takes a comma-separated list, crossed with the others; with a suite the flags narrow it. A race
/// leaves records.jsonl, machine.json, report.html and charts in its folder.
#[derive(Debug, Args)]
#[command(after_help = suites())]
pub struct Run {
    /// Suite by name (below) or path of a TOML file; flags then narrow it
    suite: Option<String>,
    #[command(flatten)]
    flags: Axes,
    /// Where mnist is looked for first
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// File with one label a row
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// mlp: share of a file's rows that the network is judged by; default 1/6. MNIST-format data bring their own test set
    #[arg(long, value_name = "SHARE")]
    test_fraction: Option<f64>,
    /// Results folder; by default results/local/<UTC stamp>
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write the components in f64, k x d, largest eigenvalue first, the largest entry of each positive; needs exactly one case
    #[arg(long, value_name = "FILE.npy", conflicts_with = "resume")]
    save_components: Option<PathBuf>,
    /// Print the ids of the cases, with estimates of their memory and time, and stop
    #[arg(long)]
    dry_run: bool,
    /// Leave out cases that the folder has already, measured by this program version
    #[arg(long, requires = "out")]
    resume: bool,
    /// What is printed at the end
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// No progress bar
    #[arg(long)]
    quiet: bool,
}

/// What is printed at the end of a race.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for the terminal.
    Table,
    /// The records, as a JSON array.
    Json,
}

impl Run {
    /// Races, writes the report, prints the table.
    ///
    /// # Errors
    /// `Input` for bad usage and bad input, before anything is written.
    pub fn run(self) -> Result<End> {
        let (entries, shows) = self.entries()?;
        if let Some(path) = &self.save_components {
            check_save(path, entries.len())?;
        }
        let out = self
            .out
            .clone()
            .unwrap_or_else(|| Path::new(LOCAL).join(stamp(now_s())));
        let race = Race {
            entries,
            request: Request {
                spec: String::new(),
                data_dir: self.data_dir,
                labels: self.labels,
                quiet: self.quiet,
            },
            test_fraction: self.test_fraction,
            out: out.clone(),
            resume: self.resume,
            skip_large: self.suite.is_some(),
            save_components: self.save_components,
        };
        if self.dry_run {
            let (planned, word) = race.plan()?;
            if let Some(word) = word {
                tell(&format!("note: {word}"));
            }
            print(&listing(&planned))?;
            return Ok(End::Good);
        }
        let interrupted = listen()?;
        let mut bar = Bar::new(self.quiet);
        let summary = race.run(&interrupted, &mut bar);
        bar.finish();
        let summary = summary?;
        // Ctrl-C may have come before there was anything.
        let written = out.join(RECORDS).is_file();
        if written {
            let results = read(std::slice::from_ref(&out))?;
            report::write(&results, &out)?;
        }
        match self.format {
            Format::Table if summary.records.is_empty() => {}
            Format::Table => {
                print(&shows.unwrap_or_default())?;
                let style = table::Style::of_stdout();
                print(&table::terminal(&summary.records, style))?;
            }
            Format::Json => print(&table::json(&summary.records))?,
        }
        if !self.quiet && written {
            tell(&format!("report: {}", out.join("report.html").display()));
        }
        Ok(match (summary.interrupted, summary.failed()) {
            (true, _) => End::Interrupted,
            (false, true) => End::CheckFailed,
            (false, false) => End::Good,
        })
    }

    /// The cases, and what their suite is meant to show.
    pub(super) fn entries(&self) -> Result<(Vec<AnyEntry>, Option<String>)> {
        let flags = self.flags.clone().from_flags()?;
        let name = match &self.suite {
            Some(name) => name,
            None if flags.describe_cases() => return Ok((flags.entries(true, &present)?, None)),
            None => suite::DEFAULT,
        };
        let suite = Suite::find(name)?;
        let entries = suite.entries(&flags, &present)?;
        Ok((entries, Some(format!("{name}: {}\n\n", suite.shows))))
    }
}

/// The cases of a dry run, with what they may take.
fn listing(planned: &[Planned]) -> String {
    let line = |case: &Planned| {
        let (bytes, seconds) = (bytes_word(case.bytes), seconds_word(case.seconds));
        format!("{}\t{bytes}, about {seconds}\n", case.id)
    };
    let mut text: String = planned.iter().map(line).collect();
    let most = planned.iter().map(|case| case.bytes).fold(0.0, f64::max);
    let all: f64 = planned.iter().map(|case| case.seconds).sum();
    text += &format!(
        "about {} in all, the largest case {}; estimates\n",
        seconds_word(all),
        bytes_word(most)
    );
    text + &match planned.len() {
        1 => "1 case\n".to_string(),
        count => format!("{count} cases\n"),
    }
}

/// The suites, for the help.
fn suites() -> String {
    let lines = Suite::list().map(|(name, suite)| format!("\n  {name:<12} {}", suite.shows));
    format!("Suites:{}", lines.collect::<String>())
}

/// A flag that the first Ctrl-C sets; the second ends the program at once.
pub(super) fn listen() -> Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::SeqCst) {
            std::process::exit(End::Interrupted.code().into());
        }
        tell("stopping after the current step; Ctrl-C again stops at once");
    })
    .map_err(|e| Error::failed(format!("cannot listen for Ctrl-C: {e}")))?;
    Ok(interrupted)
}

fn check_save(path: &Path, cases: usize) -> Result<()> {
    if cases != 1 {
        return Err(Error::input(format!(
            "--save-components needs exactly one case and here are {cases}: narrow them, --dry-run lists them"
        )));
    }
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if path.is_dir() || parent.is_some_and(|parent| !parent.is_dir()) {
        let place = path.display();
        return Err(Error::input(format!(
            "--save-components {place}: not a file in a folder that is there: choose another"
        )));
    }
    Ok(())
}

pub(super) fn now_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Seconds since 1970 as `20261123T211500Z`: names that sort by time and suit every file system. The calendar is
/// Hinnant's (days from civil), in years that begin in March.
pub(super) fn stamp(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = 400 * era + year + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_the_time_in_utc() {
        // date -u -d @N
        for (seconds, text) in [
            (0, "19700101T000000Z"),
            (951_782_400, "20000229T000000Z"),
            (1_709_251_199, "20240229T235959Z"),
            (1_767_225_600, "20260101T000000Z"),
        ] {
            assert_eq!(stamp(seconds), text);
        }
    }
}
