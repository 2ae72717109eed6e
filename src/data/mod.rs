//! Where samples come from: `mnist`, `digits`, `spectrum` and files.
//!
//! A spec string is loaded into [`Samples`]: a row-major matrix in which `u8` data stay `u8`. Every operator also needs
//! its [`Statistics`]. The flow is spec -> source -> checked matrix -> samples:
//!
//! - [`spec`] parses the spec; `file` recognises a file by its first bytes and hands it to `npy`, `csv` or `idx`;
//! - `mnist` and `folder` read the four MNIST files, `digits` and `spectrum` generate samples from a seed;
//! - `matrix` checks every file (shape, finite values, not constant) and narrows f64 to f32;
//! - [`standardize`] scales columns to zero mean and unit variance on request.
//!
//! Generated samples are identical, byte for byte, on every machine and with any number of threads. This module knows
//! no problem and no device, and it prints nothing but the progress bar of a download.

mod csv;
pub mod digits;
mod file;
mod folder;
pub mod generator;
mod hash;
mod idx;
mod integers;
mod keys;
mod labels;
mod matrix;
pub mod mnist;
mod npy;
pub(crate) mod parallel;
mod path;
mod samples;
pub mod spec;
pub mod spectrum;
pub mod split;
pub mod standardize;
mod statistics;

pub use samples::{Elements, Samples};
pub use spec::{Spec, split_list};
pub use spectrum::KnownSpectrum;
pub use standardize::Standardize;
pub use statistics::Statistics;

use crate::error::Result;
use crate::machine;

/// The arguments of `--data` and of the options that go with it.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The spec, for example `mnist`, `digits:n=2000,seed=3`, `x.npy`.
    pub spec: String,
    /// `--data-dir`.
    pub data_dir: Option<std::path::PathBuf>,
    /// `--labels`.
    pub labels: Option<std::path::PathBuf>,
    /// Hides progress bars.
    pub quiet: bool,
}

/// Loads the samples that a spec describes.
///
/// # Errors
/// `Error::Input` with one line: what, where, what to do next.
pub fn load(request: &Request) -> Result<Samples> {
    let samples = match Spec::parse(&request.spec)? {
        Spec::Mnist => mnist::load(request.data_dir.as_deref(), request.quiet)?,
        Spec::Made(made) => made.make(machine::cores())?,
        Spec::Path(path) => file::load(&path)?,
    };
    labels::attach(samples, request.labels.as_deref())
}

/// Loads the default samples of a run without `--data`; ignores `request.spec`.
///
/// Uses mnist if it is present or can be fetched, otherwise digits. In that case the second value is a sentence that
/// says so and why.
///
/// # Errors
/// `Error::Input` if mnist is present but damaged, or if `--labels` does not fit: falling back to digits would hide the
/// fault.
pub fn default_samples(request: &Request) -> Result<(Samples, Option<String>)> {
    let (samples, word) = match mnist::open(request.data_dir.as_deref(), request.quiet)? {
        mnist::Opened::Samples(samples) => (*samples, None),
        mnist::Opened::Absent(why) => {
            let digits = digits::draw(digits::Parameters::default(), machine::cores())?;
            let word = format!("using generated digits instead of mnist: {why}");
            (digits, Some(word))
        }
    };
    Ok((labels::attach(samples, request.labels.as_deref())?, word))
}

/// One kind of source, as `gradrace data list` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    /// The spec with its keys and their defaults.
    pub spec: &'static str,
    /// What the source provides, in one line.
    pub what: &'static str,
}

/// Every kind of source.
pub fn list() -> impl Iterator<Item = Description> {
    let mnist = Description {
        spec: "mnist",
        what: "60,000 handwritten digits, 28 x 28, ten classes: read from disk or fetched, and verified by SHA-256",
    };
    let path = Description {
        spec: "PATH",
        what: ".npy, .csv or idx file (idx .gz or not), taken as it is; or a folder with four MNIST-format files",
    };
    let generators = generator::KINDS.iter().map(|kind| Description {
        spec: kind.usage,
        what: kind.what,
    });
    [mnist].into_iter().chain(generators).chain([path])
}
