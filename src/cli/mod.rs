//! The command line as types; one file per command. Nothing here computes.

use clap::{Parser, Subcommand};

use crate::error::Result;

#[cfg(test)]
mod again;
mod compare;
mod data;
mod devices;
pub mod output;
mod progress;
mod report;
mod rules;
mod run;
mod schema;
mod tune;
mod verify;

use output::End;

/// Races gradient methods across devices: gradient-descent PCA, every answer checked against LAPACK.
#[derive(Debug, Parser)]
#[command(
    name = "gradrace",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Race a suite, or the cases that the flags describe; with no argument the quick suite
    Run(Box<run::Run>),
    /// Show every device found with its measured peaks, and every device missing with the remedy
    Devices(devices::Devices),
    /// Check kernels and methods against their f64 references on every device found
    Verify(verify::Verify),
    /// List, fetch or look at samples
    #[command(subcommand)]
    Data(data::Data),
    /// Make one self-contained page from any number of results folders and record files
    Report(report::Report),
    /// Say of every case whether B is as fast as A: SAME, FASTER, SLOWER or AMBIGUOUS
    Compare(Box<compare::Compare>),
    /// Find a network's learning rates: the same budget for every rule
    Tune(tune::Tune),
    /// List the update rules with their formulas, or show one as Rust, CUDA or WGSL
    Rules(rules::Rules),
    /// Print the JSON Schema of the records
    Schema(schema::Schema),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// What a command could not do; [`output::status`] has the exit status.
    pub fn run(self) -> Result<End> {
        match self.command {
            Command::Run(run) => run.run(),
            Command::Devices(devices) => devices.run(),
            Command::Verify(verify) => verify.run(),
            Command::Data(data) => data.run(),
            Command::Report(report) => report.run(),
            Command::Compare(compare) => compare.run(),
            Command::Tune(tune) => tune.run(),
            Command::Rules(rules) => rules.run(),
            Command::Schema(schema) => schema.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
