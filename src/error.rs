//! The one error type. A message says what is wrong, where, and what to do next, on one line.
//!
//! An error here is what the caller cannot foresee. A rule that diverges, a missed target or a device that a suite
//! names and this machine lacks are results (`record::Status`), not errors; a caller's bug is an assertion.

/// What went wrong, sorted by what the program does about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Bad usage or bad input: exit status 2. The text is complete: what, where, what to do next.
    #[error("{0}")]
    Input(String),
    /// A device lacks this operation: the runner records `skipped` with the reason.
    #[error("{0}")]
    Unsupported(String),
    /// A case could not be carried out (an allocation over the limit, a lost device, LAPACK's info code): the runner
    /// records `failed` with the reason and goes on.
    #[error("{0}")]
    Failed(String),
}

impl Error {
    /// Bad usage or bad input, with the whole message.
    pub fn input(message: impl Into<String>) -> Self {
        // What the user gave may have line breaks.
        Self::Input(message.into().replace(['\n', '\r'], " "))
    }

    /// A case that could not be carried out, with the whole message.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    /// An operation that a device lacks, with the whole message.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::Unsupported(message.into())
    }
}

/// The nearest of the names that are known, when it is near enough to have been meant: at most a third of its letters are other
/// ones, missing, too many or swapped.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let distance = |known: &&str| strsim::damerau_levenshtein(&word.to_lowercase(), known);
    let near = known.iter().copied().min_by_key(|name| distance(name))?;
    (distance(&near) <= near.len().div_ceil(3) && distance(&near) < near.len()).then_some(near)
}

/// Result with the crate's [`enum@Error`].
pub type Result<T> = std::result::Result<T, Error>;
