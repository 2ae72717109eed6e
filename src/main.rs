//! The program: parse, dispatch, one-line errors, exit status.

use std::process::ExitCode;

use clap::Parser;
use gradrace::cli::{Cli, output};

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(end) => end.into(),
        Err(error) => {
            output::tell(&format!("error: {error}"));
            output::status(&error).into()
        }
    }
}
