//! `gradrace data`.

use std::path::PathBuf;

use clap::Subcommand;

use crate::data::{self, Request, Samples, Statistics, mnist};
use crate::error::{Error, Result};
use crate::machine;

use super::output::{End, print};

/// List, fetch or look at samples.
#[derive(Debug, Subcommand)]
pub enum Data {
    /// List what --data takes, and where mnist is
    List {
        /// Where mnist is looked for first
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
    /// Fetch mnist from a mirror and check it
    Fetch {
        /// What to fetch: mnist
        name: String,
        /// Where to put it; by default the user's cache folder
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        /// No progress bar
        #[arg(long)]
        quiet: bool,
    },
    /// Load samples and say what they are
    Info {
        /// As for --data: mnist, digits:n=2000, spectrum:d=100, or a path
        spec: String,
        /// Where mnist is looked for first
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        /// File with one label a row
        #[arg(long, value_name = "FILE")]
        labels: Option<PathBuf>,
        /// No progress bar
        #[arg(long)]
        quiet: bool,
    },
}

impl Data {
    /// Runs the command.
    ///
    /// # Errors
    /// `Input` when samples cannot be had, with what to do next.
    pub fn run(self) -> Result<End> {
        match self {
            Self::List { data_dir } => {
                for source in data::list() {
                    print(&format!("{}\n    {}\n", source.spec, source.what))?;
                }
                let place = mnist::find(data_dir.as_deref());
                print(&match place {
                    Some(folder) => format!("mnist is in {}\n", folder.display()),
                    None => "mnist is not here: gradrace data fetch mnist\n".to_string(),
                })?;
            }
            Self::Fetch {
                name,
                data_dir,
                quiet,
            } => {
                if name != "mnist" {
                    let what = format!("{name} cannot be fetched: gradrace data fetch mnist");
                    return Err(Error::input(what));
                }
                let folder = mnist::fetch(data_dir.as_deref(), quiet)?;
                print(&format!("mnist is in {}\n", folder.display()))?;
            }
            Self::Info {
                spec,
                data_dir,
                labels,
                quiet,
            } => {
                let samples = data::load(&Request {
                    spec,
                    data_dir,
                    labels,
                    quiet,
                })?;
                print(&info(&samples))?;
            }
        }
        Ok(End::Good)
    }
}

/// What samples are, one fact a line.
fn info(samples: &Samples) -> String {
    let Samples { n, d, .. } = *samples;
    let statistics = Statistics::of(samples, machine::cores());
    let value = samples.element_value();
    let variance: f64 = statistics.variance.iter().sum::<f64>() * value * value;
    let constant = statistics.variance.iter().filter(|x| **x == 0.0).count();
    let classes = samples.labels.as_ref().map(|labels| {
        let distinct: std::collections::BTreeSet<_> = labels.iter().collect();
        distinct.len()
    });
    let facts = [
        ("samples", samples.spec.clone()),
        ("size", format!("{n} x {d}")),
        (
            "elements",
            format!(
                "{}, {:.1} MB",
                samples.dtype(),
                samples.bytes() as f64 / 1e6
            ),
        ),
        (
            "image",
            samples
                .image
                .map_or("no".into(), |(r, c)| format!("{r} x {c}, pixels / 255")),
        ),
        (
            "classes",
            classes.map_or("no labels".into(), |classes| classes.to_string()),
        ),
        (
            "variance",
            format!("{variance:.6e}, summed over the columns"),
        ),
        (
            "deviation",
            format!("{:.6e}, the largest", statistics.max_deviation * value),
        ),
        ("constant", format!("{constant} of {d} columns")),
        (
            "spectrum",
            if samples.known.is_some() {
                "known"
            } else {
                "unknown"
            }
            .to_string(),
        ),
        ("sha256", samples.sha256.clone()),
    ];
    facts
        .iter()
        .map(|(name, fact)| format!("{name:<10} {fact}\n"))
        .collect()
}
