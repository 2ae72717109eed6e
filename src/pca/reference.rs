//! The reference answer that a case is checked against: computed once per data set in f64 on the host, not timed.
//!
//! If the smaller Gram matrix is small enough, the reference is its eigendecomposition by LAPACK, or the singular
//! values of the samples if the Gram matrix loses a requested component to rounding. Otherwise it is the spectrum known
//! by construction. Without either, only the residuals are checked.

use std::ops::Range;
use std::sync::Arc;

use super::problem::in_user_units;
use super::{Basis, decomposition};
use crate::data::{Samples, Statistics};
use crate::device::Device;
use crate::device::cpu::Cpu;
use crate::error::{Error, Result};
use crate::kernel::{Arithmetic, resolution};
use crate::machine;
use crate::optimizer::Cost;

/// Relative gap below which neighbouring eigenvalues form one cluster: any rotation within a cluster is right.
pub(super) const CLUSTER_GAP: f64 = 1e-4;
/// Largest order of a Gram matrix to decompose: 8,000 takes LAPACK minutes on two cores.
const MAX_ORDER: usize = 8192;
/// Share of the memory that a dense decomposition may use.
const MEMORY_SHARE: f64 = 0.4;
/// Eigenvalues below this share of the largest are computed from the singular values of the samples instead of the Gram
/// matrix, whose rounding of some `u lambda_1` would exceed 1e-9 of the eigenvalue.
pub(super) const GRAM_SHARE: f64 = 1e-6;

/// Reference eigenpairs.
struct Pairs {
    /// All eigenvalues of the Gram matrix in the user's units, largest first.
    eigenvalues: Vec<f64>,
    /// Eigenvectors in sample space, m x d, where m >= k is the end of a cluster.
    vectors: Vec<f64>,
    /// Eigenvectors in the dual space, m x n, if the Gram matrix is n x n.
    dual: Vec<f64>,
    /// How the errors depend on the largest eigenvalue.
    precision: Precision,
}

/// Error model of computed eigenvalues.
#[derive(Clone, Copy)]
enum Precision {
    /// Of the Gram matrix in f64: the error is a few `u lambda_1`.
    Gram,
    /// Squares of singular values in f64: the error is a few `u sqrt(lambda_1 lambda)`.
    Singular,
    /// Of generated samples rounded to f32: as `Singular`, with the unit roundoff of f32.
    Made,
}

impl Precision {
    /// Error of the eigenvalue `lambda` if the largest is `top`.
    fn error(self, lambda: f64, top: f64) -> f64 {
        match self {
            Self::Gram => 8.0 * resolution::F64 * top,
            Self::Singular => 8.0 * resolution::F64 * (top * lambda).sqrt(),
            Self::Made => 2.0 * resolution::F32 * (top * lambda).sqrt(),
        }
    }
}

/// The reference of a data set: LAPACK's eigenpairs, a spectrum known by construction, or none.
pub struct Reference {
    pub(super) samples: Arc<Samples>,
    pub(super) statistics: Statistics,
    kind: &'static str,
    components: usize,
    pairs: Option<Pairs>,
    /// Gram matrix in element units if it is d x d: products with it are cheap.
    pub(super) gram: Option<Vec<f64>>,
}

/// Checks that a dense eigendecomposition of this order fits in memory and takes a reasonable time.
///
/// # Errors
/// `Unsupported` with an alternative; the case is then skipped.
pub(super) fn check_dense(order: usize, memory_bytes: u64) -> Result<()> {
    // The matrix, which the eigenvectors overwrite, and LAPACK's workspace.
    let bytes = 24.0 * (order as f64).powi(2);
    if order > MAX_ORDER || bytes > MEMORY_SHARE * memory_bytes as f64 {
        return Err(Error::unsupported(format!(
            "the dense decomposition of order {order} needs {:.1} GB and about {:.0} Gflop; \
             race --method deflation or subspace on samples",
            bytes / 1e9,
            1e-9 * 9.0 * (order as f64).powi(3)
        )));
    }
    Ok(())
}

/// Work of the dense way: half of an n x d by d x n product, and the tridiagonal reduction (Golub and Van Loan, 8.3).
pub(super) fn dense_cost(samples: &Samples, arithmetic: Arithmetic) -> Cost {
    let order = samples.n.min(samples.d) as f64;
    let half = samples.n as f64 * samples.d as f64 * (order + 1.0);
    let gram = (samples.bytes() as f64, half);
    let reduction = (8.0 * order * order, 4.0 / 3.0 * order.powi(3));
    let mut cost = Cost::default();
    cost.add_other("dense gram", 1.0, gram, arithmetic);
    cost.add_other("eigensolver", 1.0, reduction, Arithmetic::F64);
    cost
}

/// The top `m` eigenvectors in sample space, m x d, from the rows of `vectors` (order x order, ascending). Vectors of
/// the dual are lifted: `Y' u / |Y' u|`.
pub(super) fn top_rows(
    samples: &Samples,
    statistics: &Statistics,
    vectors: &[f64],
    values: &[f64],
    order: usize,
    m: usize,
) -> Vec<f64> {
    let Samples { n, d, .. } = *samples;
    let row = |i: usize| &vectors[(order - 1 - i) * order..][..order];
    if d <= n {
        return (0..m).flat_map(|i| row(i).iter().copied()).collect();
    }
    let top = values.last().copied().unwrap_or(0.0);
    let mut lifted = vec![0.0; m * d];
    let mut y = vec![0.0; d];
    for sample in 0..n {
        samples.centred_row_f64(sample, &statistics.mean, &mut y);
        for (i, out) in lifted.chunks_exact_mut(d).enumerate() {
            let u = row(i)[sample];
            out.iter_mut().zip(&y).for_each(|(out, y)| *out += u * y);
        }
    }
    for (i, out) in lifted.chunks_exact_mut(d).enumerate() {
        let length = out.iter().map(|x| x * x).sum::<f64>().sqrt();
        // An eigenvalue of zero has no vector here; its row stays zero and is excluded from every comparison.
        let null = values[order - 1 - i] <= top * order as f64 * f64::EPSILON;
        let factor = if null { 0.0 } else { 1.0 / length };
        out.iter_mut().for_each(|x| *x *= factor);
    }
    lifted
}

impl Reference {
    /// Computes the reference for the top `components` of the samples (not timed, all cores).
    ///
    /// # Errors
    /// `Failed` with LAPACK's error code.
    pub fn new(samples: &Arc<Samples>, statistics: &Statistics, components: usize) -> Result<Self> {
        let Samples { n, d, .. } = **samples;
        let order = n.min(d);
        let mut reference = Self::without_pairs(samples, statistics, components);
        let mut cpu = Cpu::open(machine::cores())
            .map_err(|e| Error::failed(format!("reference: {}", e.why)))?;
        if check_dense(order, cpu.info().max_buffer_bytes).is_ok() {
            let gram = cpu.gram(samples, statistics)?;
            let mut vectors = gram.clone();
            let mut values = cpu.eigh(&mut vectors, order)?;
            let mut precision = Precision::Gram;
            let last = values[order - components.min(order)];
            if last < GRAM_SHARE * values[order - 1] && order <= decomposition::MAX_ORDER {
                (values, vectors) = decomposition::singular(samples, statistics)?;
                precision = Precision::Singular;
            }
            let eigenvalues: Vec<f64> = values
                .iter()
                .rev()
                .map(|x| in_user_units(samples, x.max(0.0)))
                .collect();
            let m = cluster_end(&eigenvalues, precision, components.min(order));
            reference.kind = "lapack";
            reference.pairs = Some(Pairs {
                vectors: top_rows(samples, statistics, &vectors, &values, order, m),
                dual: if d <= n {
                    Vec::new()
                } else {
                    (0..m)
                        .flat_map(|i| vectors[(order - 1 - i) * order..][..order].iter().copied())
                        .collect()
                },
                eigenvalues,
                precision,
            });
            reference.gram = (d <= n).then_some(gram);
        } else if let Some(known) = &samples.known {
            let mut eigenvalues = known.eigenvalues.clone();
            let asked = components.min(eigenvalues.len());
            let vectors = cluster_end(&eigenvalues, Precision::Made, asked);
            let rows = (0..vectors).flat_map(|i| known.eigenvector(i)).collect();
            eigenvalues.resize(order.min(eigenvalues.len().max(components)), 0.0);
            reference.kind = "spectrum";
            reference.pairs = Some(Pairs {
                eigenvalues,
                vectors: rows,
                dual: Vec::new(),
                precision: Precision::Made,
            });
        }
        Ok(reference)
    }

    /// A reference without eigenpairs: only the residuals of an answer are checked.
    pub(crate) fn without_pairs(
        samples: &Arc<Samples>,
        statistics: &Statistics,
        components: usize,
    ) -> Self {
        Self {
            samples: Arc::clone(samples),
            statistics: statistics.clone(),
            kind: "residual",
            components,
            pairs: None,
            gram: None,
        }
    }

    /// `lapack`, `spectrum` or `residual`.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Top k eigenvalues in the user's units, largest first; empty if only residuals are checked.
    pub fn eigenvalues(&self) -> &[f64] {
        self.pairs.as_ref().map_or(&[], |p| {
            &p.eigenvalues[..self.components.min(p.eigenvalues.len())]
        })
    }

    /// All known eigenvalues, largest first.
    pub(super) fn all_eigenvalues(&self) -> Option<&[f64]> {
        self.pairs.as_ref().map(|p| &p.eigenvalues[..])
    }

    /// Number of requested components that f64 resolves; the others have no well-defined answer. All of them if only
    /// residuals are checked.
    pub(super) fn resolved(&self) -> usize {
        let Some(pairs) = &self.pairs else {
            return self.components;
        };
        let asked = pairs.eigenvalues.iter().take(self.components);
        asked
            .take_while(|x| resolution::resolves(resolution::F64, **x, pairs.eigenvalues[0]))
            .count()
    }

    /// Relative error of the reference's own eigenvalue at the last resolved component.
    pub(super) fn own_error(&self) -> Option<f64> {
        let pairs = self.pairs.as_ref()?;
        let last = pairs.eigenvalues.get(self.resolved().checked_sub(1)?)?;
        Some(pairs.precision.error(*last, pairs.eigenvalues[0]) / last)
    }

    /// Errors of a snapshot: first of the component being sought, or of the span if all move together; second of the whole
    /// k-subspace (1 while rows < k). `None` if only residuals are checked.
    pub fn snapshot_errors(&self, snapshot: &Basis, components: usize) -> Option<(f64, f64)> {
        let order = snapshot.order;
        let pairs = self.pairs.as_ref()?;
        let basis = if order == self.samples.d {
            &pairs.vectors
        } else {
            &pairs.dual
        };
        if basis.is_empty() {
            return None;
        }
        let rows = snapshot.rows.len() / order;
        let wide: Vec<f64> = snapshot.rows.iter().map(|x| f64::from(*x)).collect();
        let significant = self.resolved();
        if rows == components {
            let end = cluster_end(&pairs.eigenvalues, pairs.precision, significant);
            let error = sine(&basis[..end * order], &wide[..significant * order], order);
            let last = rows - 1;
            let own = if last < significant {
                self.component_error(pairs, basis, &wide[last * order..], order, last)
            } else {
                error
            };
            return Some((own, error));
        }
        let last = rows.saturating_sub(1);
        if last >= significant {
            return Some((0.0, 1.0));
        }
        Some((
            self.component_error(pairs, basis, &wide[last * order..], order, last),
            1.0,
        ))
    }

    fn component_error(
        &self,
        pairs: &Pairs,
        basis: &[f64],
        row: &[f64],
        order: usize,
        index: usize,
    ) -> f64 {
        let cluster = cluster_around(&pairs.eigenvalues, pairs.precision, index);
        let end = cluster.end.min(basis.len() / order);
        sine(&basis[cluster.start * order..end * order], row, order)
    }

    /// Sine of the largest principal angle of the resolved components (k x d); `None` if only residuals are checked.
    pub(super) fn subspace_sine(&self, components: &[f64]) -> Option<f64> {
        let pairs = self.pairs.as_ref()?;
        let (d, resolved) = (self.samples.d, self.resolved());
        let end =
            cluster_end(&pairs.eigenvalues, pairs.precision, resolved).min(pairs.vectors.len() / d);
        Some(sine(
            &pairs.vectors[..end * d],
            &components[..resolved * d],
            d,
        ))
    }

    /// Sine of each resolved component (k x d) to the cluster of its own eigenvalue; `None` if only residuals are
    /// checked.
    pub(super) fn component_sines(&self, components: &[f64]) -> Option<Vec<f64>> {
        let pairs = self.pairs.as_ref()?;
        let d = self.samples.d;
        let rows = components.chunks_exact(d).take(self.resolved());
        Some(
            rows.enumerate()
                .map(|(i, row)| self.component_error(pairs, &pairs.vectors, row, d, i))
                .collect(),
        )
    }

    /// Largest relative error among the resolved eigenvalues.
    pub(super) fn eigenvalue_error(&self, eigenvalues: &[f64]) -> Option<f64> {
        let pairs = self.pairs.as_ref()?;
        let error = |(a, b): (&f64, &f64)| (a - b).abs() / b.max(f64::MIN_POSITIVE);
        Some(
            eigenvalues
                .iter()
                .zip(&pairs.eigenvalues)
                .take(self.resolved())
                .map(error)
                .fold(0.0, f64::max),
        )
    }
}

/// Whether eigenvalue `i` (in descending order) is in the same cluster as the one before it: their gap is below
/// [`CLUSTER_GAP`] or below the error of the reference.
fn joined(eigenvalues: &[f64], precision: Precision, i: usize) -> bool {
    let (larger, smaller) = (eigenvalues[i - 1], eigenvalues[i]);
    let blur = 2.0 * precision.error(larger, eigenvalues[0]);
    larger - smaller <= CLUSTER_GAP * larger + blur
}

/// The first index at or after `k` at which a cluster of descending eigenvalues ends.
fn cluster_end(eigenvalues: &[f64], precision: Precision, k: usize) -> usize {
    let mut end = k;
    while end > 0 && end < eigenvalues.len() && joined(eigenvalues, precision, end) {
        end += 1;
    }
    end
}

/// The cluster that holds `index`.
fn cluster_around(eigenvalues: &[f64], precision: Precision, index: usize) -> Range<usize> {
    let mut start = index;
    while start > 0 && joined(eigenvalues, precision, start) {
        start -= 1;
    }
    start..cluster_end(eigenvalues, precision, index + 1)
}

/// `|(I - U'U) V'|_2`, the sine of the largest principal angle between the rows of V (normalised) and the span of the
/// orthonormal rows of U.
fn sine(u: &[f64], v: &[f64], order: usize) -> f64 {
    let rows = v.len() / order;
    let mut outside = v.to_vec();
    for row in outside.chunks_exact_mut(order) {
        let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        row.iter_mut().for_each(|x| *x /= length);
        // Twice, because the first subtraction leaves rounding proportional to what it removed.
        for _ in 0..2 {
            for u in u.chunks_exact(order) {
                let along: f64 = u.iter().zip(&*row).map(|(u, x)| u * x).sum();
                row.iter_mut().zip(u).for_each(|(x, u)| *x -= along * u);
            }
        }
    }
    decomposition::spectral_norm(&outside, rows, order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_ends_where_the_relative_gap_opens() {
        let eigenvalues = [5.0, 3.0, 3.0, 2.99999, 1.0];
        let (end, around) = (
            |k| cluster_end(&eigenvalues, Precision::Gram, k),
            |i| cluster_around(&eigenvalues, Precision::Gram, i),
        );
        assert_eq!([end(1), end(2)], [1, 4]);
        assert_eq!([around(2), around(4)], [1..4, 4..5]);
        // A gap of a tenth that the Gram matrix loses and the singular values resolve.
        let small = [1.0, 1e-14, 0.9e-14];
        assert_eq!(cluster_around(&small, Precision::Gram, 1), 1..3);
        assert_eq!(cluster_around(&small, Precision::Singular, 1), 1..2);
    }

    #[test]
    fn the_sine_is_that_of_the_largest_angle_and_ignores_rotation_and_sign() {
        let u = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        let root = 0.5f64.sqrt();
        assert!(sine(&u, &[root, root, 0.0, root, -root, 0.0], 3) < 1e-15);
        let angle = 1e-5f64;
        let tilted = [1.0, 0.0, 0.0, 0.0, angle.cos(), angle.sin()];
        assert!((sine(&u, &tilted, 3) / angle - 1.0).abs() < 1e-8);
        assert!((sine(&u[..3], &[0.0, 0.0, 2.0], 3) - 1.0).abs() < 1e-15);
    }
}
