//! Samples that the program generates from a seed: the trait of a generator, and the list of all.
//!
//! A generator is a module with a [`Kind`]; an entry in `KINDS` makes it available to `--data`.

use std::fmt;
use std::sync::Arc;

use super::keys::Keys;
use super::{Samples, digits, spectrum};
use crate::error::Result;

/// Every kind of generator.
pub(super) const KINDS: [&Kind; 2] = [&digits::KIND, &spectrum::KIND];

/// A kind of generator, and how its spec is read.
#[derive(Debug)]
pub struct Kind {
    /// Its name in `--data`.
    pub name: &'static str,
    /// The spec with its keys and their defaults.
    pub usage: &'static str,
    /// What it makes, in one line.
    pub what: &'static str,
    /// The keys that it takes.
    pub(super) keys: &'static [&'static str],
    /// The generator that the keys describe.
    pub(super) parse: fn(&Keys<'_>) -> Result<Arc<dyn Generator>>,
}

/// Makes samples: the same, byte for byte, on every machine and with any number of threads.
pub trait Generator: fmt::Debug + Send + Sync {
    /// The keys that are not the default, as `key=value`, in a fixed order.
    fn keys(&self) -> Vec<String>;

    /// Rows, columns and bytes of a value in memory.
    fn size(&self) -> (usize, usize, usize);

    /// Whether the eigenpairs of the samples are known by construction.
    fn knows_eigenpairs(&self) -> bool;

    /// Makes the samples, on at most `threads` threads.
    ///
    /// # Errors
    /// `Error::Input` when they do not fit in memory.
    fn make(&self, threads: usize) -> Result<Samples>;

    /// Makes the test set that belongs to the samples, if there is one, on at most `threads` threads.
    ///
    /// # Errors
    /// As [`Generator::make`].
    fn make_test(&self, threads: usize) -> Option<Result<Samples>>;
}

/// A spec that names a generator.
#[derive(Debug, Clone)]
pub struct Made {
    kind: &'static Kind,
    generator: Arc<dyn Generator>,
}

impl Made {
    /// Reads the keys that follow the name of a generator in `spec`; `None` when no generator has that name.
    ///
    /// # Errors
    /// `Error::Input` when a key is unknown, given twice, or has a value that it cannot have.
    pub(super) fn parse(spec: &str, name: &str, keys: Option<&str>) -> Option<Result<Self>> {
        let kind = *KINDS.iter().find(|kind| kind.name == name)?;
        let keys = Keys::parse(spec, keys, kind.usage, kind.keys);
        let generator = keys.and_then(|keys| (kind.parse)(&keys));
        Some(generator.map(|generator| Self { kind, generator }))
    }
}

impl std::ops::Deref for Made {
    type Target = dyn Generator;

    fn deref(&self) -> &Self::Target {
        &*self.generator
    }
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&spec(self.kind.name, &self.generator.keys()))
    }
}

/// Equal specs make equal samples.
impl PartialEq for Made {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

/// The spec of a generator with these keys.
pub(super) fn spec(name: &str, keys: &[String]) -> String {
    match keys {
        [] => name.to_string(),
        keys => format!("{name}:{}", keys.join(",")),
    }
}
