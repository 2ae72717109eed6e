//! `gradrace report`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::error::{Error, Result};
use crate::record::read::read;
use crate::report;
use crate::report::chart::png::Painter;
use crate::report::cost::Prices;

use super::output::{End, print, tell};

/// Where runs leave their results when no folder is named.
pub const LOCAL: &str = "results/local";

/// What `gradrace report` makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The page
    Html,
    /// The table, to standard output
    Markdown,
}

/// Make one self-contained page from any number of results folders and record files.
#[derive(Debug, Args)]
pub struct Report {
    /// Results folders and records.jsonl files, of any number of machines, and Criterion's folder (target/criterion); by
    /// default the newest in results/local
    #[arg(value_name = "DIR|FILE")]
    paths: Vec<PathBuf>,
    /// The page
    #[arg(short, long, value_name = "OUT.html", default_value = "report.html")]
    output: PathBuf,
    /// The charts too, as SVG files in this folder
    #[arg(long, value_name = "DIR")]
    charts: Option<PathBuf>,
    /// The charts as PNG files beside the SVG ones
    #[arg(long, requires = "charts")]
    png: bool,
    /// Dollars an hour of a device (by its name, or a word of it) or a machine (by its fingerprint, or the type it is
    /// rented as), over the table of prices; may be repeated
    #[arg(long, value_name = "NAME=X")]
    usd_per_hour: Vec<String>,
    /// The page, or the table in Markdown to standard output
    #[arg(long, value_enum, default_value_t = Format::Html)]
    format: Format,
}

impl Report {
    /// Reads and writes.
    ///
    /// # Errors
    /// `Input` when there is nothing to read, or the page cannot be written.
    pub fn run(mut self) -> Result<End> {
        if self.paths.is_empty() {
            self.paths.push(newest(Path::new(LOCAL))?);
        }
        let prices = Prices::with(&self.usd_per_hour)?;
        let results = read(&self.paths)?;
        if results.records.is_empty() {
            let what = "no records in what was given: give the folder of a finished race";
            return Err(Error::input(what));
        }
        results
            .notes
            .iter()
            .for_each(|note| tell(&format!("note: {note}")));
        if self.format == Format::Markdown {
            print(&report::table::markdown(&results.records))?;
            return Ok(End::Good);
        }
        let painter = self.png.then(Painter::new).transpose()?;
        let page = report::Report::new(&results, &prices)?;
        std::fs::write(&self.output, report::page::render(&page)).map_err(|e| {
            let place = self.output.display();
            Error::input(format!(
                "cannot write {place}: {e}: choose another place with -o"
            ))
        })?;
        if let Some(folder) = &self.charts {
            report::write_charts(&page, folder, painter.as_ref())?;
        }
        print(&format!("{}\n", self.output.display()))?;
        Ok(End::Good)
    }
}

/// The folder in `parent` whose name (a time stamp) is last.
fn newest(parent: &Path) -> Result<PathBuf> {
    let folders = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let last = folders
        .filter(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .starts_with(|c: char| c.is_ascii_digit())
        })
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .max();
    last.ok_or_else(|| {
        let place = parent.display();
        Error::input(format!(
            "no results in {place}: give a results folder, or race first"
        ))
    })
}
