//! The crate's error type. A message says in one line what is wrong, where, and what to do next.
//!
//! Errors are for what the caller cannot foresee. A diverging rule, a missed target or a device that a suite names and
//! this machine lacks is a result (`record::Status`), not an error; a caller's bug is an assertion.

/// An error, classified by how the program reacts to it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Bad usage or bad input: exit status 2. The text is the whole message.
    #[error("{0}")]
    Input(String),
    /// The device lacks this operation: the runner records `skipped` with the reason.
    #[error("{0}")]
    Unsupported(String),
    /// A case could not be carried out (an allocation over the limit, a lost device, an error code of LAPACK): the
    /// runner records `failed` with the reason and continues.
    #[error("{0}")]
    Failed(String),
}

impl Error {
    /// Bad usage or bad input, with the complete message.
    pub fn input(message: impl Into<String>) -> Self {
        Self::Input(message.into())
    }

    /// A case that could not be carried out, with the complete message.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    /// An operation that the device lacks, with the complete message.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::Unsupported(message.into())
    }
}

/// Result with the crate's [`enum@Error`].
pub type Result<T> = std::result::Result<T, Error>;
