//! Eigenpairs of generated samples.

use super::cosine;

/// Eigenpairs known by construction, in the user's units, for the covariance with divisor n - 1.
#[derive(Debug, Clone)]
pub struct KnownSpectrum {
    /// All non-zero eigenvalues, largest first.
    pub eigenvalues: Vec<f64>,
    /// Frequency g_i of eigenvector i in the cosine transform, one per eigenvalue.
    pub(super) frequencies: Vec<usize>,
    /// Sign of every coordinate, +1 or -1, length d.
    pub(super) signs: Vec<f64>,
}

impl KnownSpectrum {
    /// The unit eigenvector of eigenvalue `i`, length d, exact to rounding.
    ///
    /// # Panics
    /// If `i` is not less than the number of non-zero eigenvalues.
    pub fn eigenvector(&self, i: usize) -> Vec<f64> {
        let d = self.signs.len();
        let mut v = vec![0.0; d];
        cosine::column(d, self.frequencies[i], 0, &mut v);
        v.iter_mut()
            .zip(&self.signs)
            .for_each(|(v, sign)| *v *= sign);
        v
    }
}
