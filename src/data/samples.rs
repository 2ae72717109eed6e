//! The data matrix X.

use super::spectrum::KnownSpectrum;

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
