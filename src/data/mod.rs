//! Where samples come from: `mnist`, `digits`, `spectrum` and files.
//!
//! A spec string becomes [`Samples`]: row-major, `u8` kept as `u8`, beside it the [`Statistics`] that every operator
//! needs. The flow is spec -> source -> checked matrix -> samples:
//!
//! - [`spec`] reads the words; `file` recognises a file by its first bytes and hands it to `npy`, `csv` or `idx`;
//! - `mnist` and `folder` read the four MNIST files, `digits` and `spectrum` make their samples from a seed;
//! - `matrix` is the one gate through which every file passes: shape, finite values, not constant, f64 narrowed;
//! - [`standardize`] brings columns to zero mean and unit variance, where that is asked for.
//!
//! What is made from a seed is the same, byte for byte, on every machine and with any number of threads. This module
//! knows no problem and no device, and it prints nothing but the progress bar of a download.

mod csv;
pub mod digits;
mod file;
mod folder;
mod hash;
mod idx;
mod integers;
mod labels;
mod matrix;
pub mod mnist;
mod npy;
pub(crate) mod parallel;
pub mod spec;
pub mod spectrum;
pub mod split;
pub mod standardize;
mod statistics;

pub use spec::{Spec, split_list};
pub use spectrum::KnownSpectrum;
pub use standardize::Standardize;
pub use statistics::Statistics;

use crate::error::Result;
use crate::machine;

/// Elements of the samples, row-major, n x d.
#[derive(Debug, Clone, PartialEq)]
pub enum Elements {
    /// Images and byte files, as they are.
    U8(Vec<u8>),
    /// Everything else. An f64 source is centred and scaled in f64 while it is narrowed, so its f32 values stand for
    /// `(x - offset_j) * 2^e`: see [`Samples::offset`], [`Samples::source_scale`] and [`Samples::low`]. So is an f32
    /// source whose largest deviation from the mean lies outside 1e-20 .. 1e20, where sums in f32 overflow or vanish.
    F32(Vec<f32>),
}

/// The data matrix X with what is known about it.
///
/// The value of an element in the user's units is
/// `(element + low) / source_scale * unit + offset[j]` (`source_scale` a power of two, 1 but for narrowed sources;
/// `unit` is 1/255 for images and 1 otherwise; `offset` is empty but for narrowed sources; `low` is 0 where it is empty).
#[derive(Debug, Clone)]
pub struct Samples {
    /// Number of samples (rows), at least 2.
    pub n: usize,
    /// Dimension (columns), at least 1.
    pub d: usize,
    /// The elements, row-major.
    pub elements: Elements,
    /// What rounding to f32 took from each element of a narrowed source, row-major: `element + low` is the centred and
    /// scaled value to about 2^-48. Empty where nothing was taken: bytes, f32 sources, sources that f32 holds. Devices
    /// compute with the elements alone; what the host computes in f64 has the low parts too.
    pub low: Vec<f32>,
    /// What one unit of an element is worth: 1/255 for images, 1 for everything else.
    pub unit: f64,
    /// Power of two by which a narrowed source was multiplied; 1 otherwise.
    pub source_scale: f64,
    /// Mean removed in f64 from a narrowed source, length d; empty otherwise, and for standardized samples, whose values
    /// have no unit any more.
    pub offset: Vec<f64>,
    /// Class labels, one per row, when there are any.
    pub labels: Option<Vec<u8>>,
    /// Side lengths (rows, columns) when a sample is an image.
    pub image: Option<(usize, usize)>,
    /// The spec for records: no folder, a file as its base name.
    pub spec: String,
    /// SHA-256, in hex: of the (decompressed) file, or of the row-major elements of a generator and of mnist.
    pub sha256: String,
    /// Eigenpairs known by construction (`spectrum`).
    pub known: Option<KnownSpectrum>,
}

impl Samples {
    /// Bytes of the elements in memory, which are what a device gets; the low parts are not among them.
    pub fn bytes(&self) -> usize {
        match &self.elements {
            Elements::U8(elements) => elements.len(),
            Elements::F32(elements) => size_of_val(elements.as_slice()),
        }
    }

    /// Element type in memory: `u8` or `f32`.
    pub fn dtype(&self) -> &'static str {
        match self.elements {
            Elements::U8(_) => "u8",
            Elements::F32(_) => "f32",
        }
    }

    /// What a difference of one in element units is worth in the user's units: an eigenvalue of the covariance of the
    /// elements, times this squared, is the eigenvalue of the data.
    pub fn element_value(&self) -> f64 {
        self.unit / self.source_scale
    }

    /// Element `index` (row-major) in element units, widened, its low part included.
    ///
    /// # Panics
    /// When `index >= n * d`.
    pub fn element_f64(&self, index: usize) -> f64 {
        let low = self.low.get(index).copied().unwrap_or_default();
        match &self.elements {
            Elements::U8(e) => e[index].into(),
            Elements::F32(e) => f64::from(e[index]) + f64::from(low),
        }
    }

    /// Row `row` in element units, widened, the low parts included, into `out` (length d).
    ///
    /// # Panics
    /// When `row >= n` or `out.len() != d`.
    pub fn row_f64(&self, row: usize, out: &mut [f64]) {
        assert_eq!(out.len(), self.d, "the buffer must hold one row");
        let range = row * self.d..(row + 1) * self.d;
        match &self.elements {
            Elements::U8(e) => out
                .iter_mut()
                .zip(&e[range.clone()])
                .for_each(|(o, &x)| *o = x.into()),
            Elements::F32(e) => out
                .iter_mut()
                .zip(&e[range.clone()])
                .for_each(|(o, &x)| *o = x.into()),
        }
        if let Some(low) = self.low.get(range) {
            out.iter_mut()
                .zip(low)
                .for_each(|(o, &low)| *o += f64::from(low));
        }
    }

    /// Row `row` in element units minus `mean` (length d), into `out` (length d).
    ///
    /// # Panics
    /// When `row >= n` or a length is not d.
    pub fn centred_row_f64(&self, row: usize, mean: &[f64], out: &mut [f64]) {
        assert_eq!(mean.len(), self.d, "one mean per column");
        self.row_f64(row, out);
        out.iter_mut().zip(mean).for_each(|(o, m)| *o -= m);
    }
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
    let samples = match Spec::parse(&request.spec)? {
        Spec::Mnist => mnist::load(request.data_dir.as_deref(), request.quiet)?,
        Spec::Digits(parameters) => digits::draw(parameters, machine::cores())?,
        Spec::Spectrum(parameters) => spectrum::make(&parameters, machine::cores())?,
        Spec::Path(path) => file::load(&path)?,
    };
    labels::attach(samples, request.labels.as_deref())
}

/// Loads the samples of a run that names none (the spec of the request is not read): mnist where it is or can be
/// fetched, else digits, and then the second value is the sentence that says so and why.
///
/// # Errors
/// `Error::Input` when mnist is there but damaged, or when `--labels` does not fit: a stand-in would hide it.
pub fn default_samples(request: &Request) -> Result<(Samples, Option<String>)> {
    let (samples, word) = match mnist::open(request.data_dir.as_deref(), request.quiet)? {
        mnist::Opened::Samples(samples) => (*samples, None),
        mnist::Opened::Absent(why) => {
            let digits = digits::draw(digits::Parameters::default(), machine::cores())?;
            let word = format!("digits, drawn by the program, stand in for mnist: {why}");
            (digits, Some(word))
        }
    };
    Ok((labels::attach(samples, request.labels.as_deref())?, word))
}

/// One kind of source, for `gradrace data list`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    /// The spec with its keys and their defaults.
    pub spec: &'static str,
    /// What it gives, in one line.
    pub what: &'static str,
}

/// Every kind of source.
pub fn list() -> &'static [Description] {
    &[
        Description {
            spec: "mnist",
            what: "60,000 handwritten digits, 28 x 28, ten classes: found, or fetched and checked",
        },
        Description {
            spec: digits::USAGE,
            what: "digits drawn by the program from a seed, 28 x 28, ten classes; any n",
        },
        Description {
            spec: spectrum::USAGE,
            what: "synthetic, eigenpairs known: decay is a ratio (0.8: eigenvalues 0.8^i), geometric (0.8) or power \
                   (1 / (i + 1)); every eigenvalue after the rank (at most 64 by default) is 0",
        },
        Description {
            spec: "PATH",
            what: ".npy, .csv or idx file (idx .gz or not), taken as it is; or a folder with four MNIST-format files",
        },
    ]
}
