//! Where samples come from: `mnist`, `digits`, `spectrum` and files.
//!
//! A spec string becomes [`Samples`]: row-major, `u8` kept as `u8`, with the statistics that every operator needs (f64
//! means, a power-of-two scale). This module knows no problem and no device.

use crate::error::Result;

/// Elements of the samples, row-major, n x d.
#[derive(Debug, Clone, PartialEq)]
pub enum Elements {
    /// Images and byte files, as they are.
    U8(Vec<u8>),
    /// Everything else. An f64 source is centred and scaled in f64 while it is narrowed, so its f32 values stand for
    /// `(x - offset_j) * 2^e`: see [`Samples::offset`] and [`Samples::source_scale`].
    F32(Vec<f32>),
}

/// The data matrix X with what is known about it.
///
/// The value of an element in the user's units is
/// `element / source_scale * unit + offset[j]` (`source_scale` a power of two, 1 but for narrowed f64 sources;
/// `unit` is 1/255 for images and 1 otherwise; `offset` is empty but for narrowed f64 sources).
#[derive(Debug, Clone)]
pub struct Samples {
    /// Number of samples (rows).
    pub n: usize,
    /// Dimension (columns).
    pub d: usize,
    /// The elements, row-major.
    pub elements: Elements,
    /// What one unit of an element is worth: 1/255 for images, 1 for everything else.
    pub unit: f64,
    /// Power of two by which a narrowed f64 source was multiplied; 1 otherwise.
    pub source_scale: f64,
    /// Mean removed in f64 from a narrowed f64 source, length d; empty otherwise.
    pub offset: Vec<f64>,
    /// Class labels, one per row, when there are any.
    pub labels: Option<Vec<u8>>,
    /// Side lengths (rows, columns) when a sample is an image.
    pub image: Option<(usize, usize)>,
    /// The spec for records: no folder, a file as its base name.
    pub spec: String,
    /// SHA-256, in hex, of the source elements as the file or generator gives them.
    pub sha256: String,
    /// Eigenpairs known by construction (`spectrum`).
    pub known: Option<KnownSpectrum>,
}

/// Eigenpairs known by construction, in the user's units, covariance with divisor n - 1.
#[derive(Debug, Clone)]
pub struct KnownSpectrum {
    /// All non-zero eigenvalues, largest first.
    pub eigenvalues: Vec<f64>,
    /// The Householder vectors (unit length, d each) whose product, applied to unit vector i, is eigenvector i.
    pub reflectors: Vec<Vec<f64>>,
}

/// Statistics of the samples in element units, computed in f64.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// Column means, length d.
    pub mean: Vec<f64>,
    /// Column variances, divisor n - 1, length d.
    pub variance: Vec<f64>,
    /// Largest |x - mean| over all elements.
    pub max_deviation: f64,
}

/// What `--data` and its companions ask for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The spec, for example `mnist`, `digits:n=2000,seed=3`, `x.npy`.
    pub spec: String,
    /// `--data-dir`.
    pub data_dir: Option<std::path::PathBuf>,
    /// `--labels`.
    pub labels: Option<std::path::PathBuf>,
    /// No progress bars.
    pub quiet: bool,
}

/// Loads what a spec names.
///
/// # Errors
/// `Error::Input` with one line: what, where, what to do next.
pub fn load(request: &Request) -> Result<Samples> {
    let _ = request;
    Err(crate::error::Error::input("not built yet"))
}
