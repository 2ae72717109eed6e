//! Standard output, standard error and the exit status. A reader that closes its pipe early ends nothing.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use crate::error::{Error, Result};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Everything ran and no check failed.
    Good,
    /// A check failed or a case crashed.
    CheckFailed,
    /// Bad usage or bad input.
    BadInput,
    /// Ctrl-C.
    Interrupted,
}

impl End {
    /// The exit status.
    pub const fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::CheckFailed => 1,
            Self::BadInput => 2,
            Self::Interrupted => 130,
        }
    }
}

impl From<End> for ExitCode {
    fn from(end: End) -> Self {
        ExitCode::from(end.code())
    }
}

/// How the program ends with an error.
pub fn status(error: &Error) -> End {
    match error {
        Error::Input(_) => End::BadInput,
        Error::Unsupported(_) | Error::Failed(_) => End::CheckFailed,
    }
}

/// Writes to standard output; a closed pipe takes what it wants and no more.
///
/// # Errors
/// `Input` when standard output cannot be written for another reason (a full disk).
pub fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(Error::input(format!(
            "cannot write to standard output: {e}"
        ))),
        _ => Ok(()),
    }
}

/// Writes a line to standard error, if anybody listens.
pub fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
