//! The data matrix X.

use super::spectrum::KnownSpectrum;

/// Elements of the samples, row-major, n x d.
#[derive(Debug, Clone, PartialEq)]
pub enum Elements {
    /// Images and byte files, unchanged.
    U8(Vec<u8>),
    /// Everything else. A narrowed source holds `(x - offset_j) * 2^e`: see [`Samples::offset`],
    /// [`Samples::source_scale`] and [`Samples::low`]. The narrowed sources are f64 sources, which are centred and
    /// scaled in f64 first, and f32 sources whose largest deviation from the mean is outside 1e-20 .. 1e20, where sums
    /// in f32 overflow or underflow.
    F32(Vec<f32>),
}

/// The data matrix X and what is known about it.
///
/// The value of an element in the user's units is `(element + low) / source_scale * unit + offset[j]`. `source_scale`
/// is a power of two, and 1 unless the source was narrowed; `unit` is 1/255 for images and 1 otherwise; `offset` is
/// empty unless the source was narrowed; an empty `low` counts as 0.
#[derive(Debug, Clone)]
pub struct Samples {
    /// Number of samples (rows), at least 2.
    pub n: usize,
    /// Dimension (columns), at least 1.
    pub d: usize,
    /// The elements, row-major.
    pub elements: Elements,
    /// Rounding errors of the narrowing to f32, row-major: `element + low` is the centred and scaled value to about
    /// 2^-48. Empty if nothing was lost: bytes, f32 sources, and sources that f32 represents exactly. Devices compute
    /// with the elements only; f64 computations on the host include the low parts.
    pub low: Vec<f32>,
    /// Value of one element unit in the user's units: 1/255 for images, 1 for everything else.
    pub unit: f64,
    /// Power of two by which a narrowed source was multiplied; 1 otherwise.
    pub source_scale: f64,
    /// Mean subtracted in f64 from a narrowed source, length d. Empty otherwise, and for standardized samples, whose
    /// values no longer have a unit.
    pub offset: Vec<f64>,
    /// Class labels, one per row, if there are any.
    pub labels: Option<Vec<u8>>,
    /// Side lengths (rows, columns) if samples are images.
    pub image: Option<(usize, usize)>,
    /// The spec for records: without folders, a file as its base name.
    pub spec: String,
    /// SHA-256 in hex: of the (decompressed) file, or of the row-major elements for generators and mnist.
    pub sha256: String,
    /// Eigenpairs known by construction (`spectrum`).
    pub known: Option<KnownSpectrum>,
}

impl Samples {
    /// Bytes of the elements in memory, which is what a device receives; excludes the low parts.
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

    /// Value of one element unit in the user's units. An eigenvalue of the covariance of the elements times the square
    /// of this is the eigenvalue of the data.
    pub fn element_value(&self) -> f64 {
        self.unit / self.source_scale
    }

    /// Element `index` (row-major) in element units as f64, including its low part.
    ///
    /// # Panics
    /// If `index >= n * d`.
    pub fn element_f64(&self, index: usize) -> f64 {
        let low = self.low.get(index).copied().unwrap_or_default();
        match &self.elements {
            Elements::U8(e) => e[index].into(),
            Elements::F32(e) => f64::from(e[index]) + f64::from(low),
        }
    }

    /// Writes row `row` in element units as f64, including the low parts, to `out` (length d).
    ///
    /// # Panics
    /// If `row >= n` or `out.len() != d`.
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

    /// Writes row `row` in element units minus `mean` (length d) to `out` (length d).
    ///
    /// # Panics
    /// If `row >= n` or a length is not d.
    pub fn centred_row_f64(&self, row: usize, mean: &[f64], out: &mut [f64]) {
        assert_eq!(mean.len(), self.d, "one mean per column");
        self.row_f64(row, out);
        out.iter_mut().zip(mean).for_each(|(o, m)| *o -= m);
    }
}
