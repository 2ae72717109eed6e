//! The program: parse, dispatch, one-line errors, exit status.

use std::process::ExitCode;

use clap::Parser;
use gradrace::cli::{Cli, output};

fn main() -> ExitCode {
    // Mesa's layer that picks a default adapter asks a desktop that may not be there, and its complaint would stand among
    // our errors. We order adapters ourselves.
    // SAFETY: no other thread runs yet.
    unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    match Cli::parse().run() {
        Ok(end) => end.into(),
        Err(error) => {
            output::tell(&format!("error: {error}"));
            output::status(&error).into()
        }
    }
}
