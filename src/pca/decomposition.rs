//! Decompositions that resolve a small eigenvalue beside a large one.
//!
//! The eigenvalues of a Gram matrix have errors of a few `u lambda_1`, which hides small ones. The reference therefore
//! uses the singular values of the samples, and the last step of a solve uses Jacobi rotations of a small graded
//! matrix.

use ndarray::{Array2, Axis, concatenate, s};
use ndarray_linalg::{Eigh, JobSvd, QR, SVDDC, UPLO};

use crate::data::{Samples, Statistics};
use crate::error::{Error, Result};

/// Largest order decomposed this way: 1,024 takes seconds. Beyond it the Gram matrix is used.
pub(super) const MAX_ORDER: usize = 1024;
/// Rows of the tall factor that are stacked on the current triangle in each step.
const BLOCK_ROWS: usize = 4096;

/// Eigenvalues (ascending, in element units, not divided by n - 1) and eigenvectors (as rows) of the smaller Gram
/// matrix of the centred samples. The result has the form of [`crate::device::Device::eigh`], but the matrix is never
/// formed.
///
/// # Errors
/// `Failed` with LAPACK's message.
pub(super) fn singular(samples: &Samples, statistics: &Statistics) -> Result<(Vec<f64>, Vec<f64>)> {
    let failed = |e: ndarray_linalg::error::LinalgError| {
        Error::failed(format!("reference: LAPACK's QR or SVD failed: {e}"))
    };
    let Samples { n, d, .. } = *samples;
    let (tall, order) = (n.max(d), n.min(d));
    let mut triangle = Array2::<f64>::zeros((0, order));
    let height = BLOCK_ROWS.max(order);
    for start in (0..tall).step_by(height) {
        let range = start..tall.min(start + height);
        let block = match d <= n {
            true => rows(samples, statistics, range),
            false => columns(samples, statistics, range),
        };
        let stack = concatenate![Axis(0), triangle, block];
        // Fewer rows than columns (the first block of few samples) do not form a triangle yet.
        triangle = match stack.nrows() >= order {
            true => stack.qr().map_err(failed)?.1,
            false => stack,
        };
    }
    let (_, sizes, vectors) = triangle.svddc(JobSvd::Some).map_err(failed)?;
    let vectors = vectors.ok_or_else(|| Error::failed("reference: the SVD returned no vectors"))?;
    Ok((
        sizes.iter().rev().map(|x| x * x).collect(),
        vectors.slice(s![..;-1, ..]).iter().copied().collect(),
    ))
}

/// Sweeps after which [`graded`] stops in any case.
const SWEEPS: usize = 40;

/// Eigenvalues (largest first) and eigenvectors (as rows) of a small positive semidefinite matrix whose rows differ in
/// size. Cyclic Jacobi rotations until every off-diagonal entry is rounding relative to its own row and column give
/// each eigenvalue the accuracy of its own row (Demmel and Veselic 1992).
pub(super) fn graded(mut a: Array2<f64>) -> (Vec<f64>, Array2<f64>) {
    fn turn(a: &mut Array2<f64>, i: usize, j: usize, (c, s): (f64, f64)) {
        for l in 0..a.ncols() {
            let (x, y) = (a[[i, l]], a[[j, l]]);
            (a[[i, l]], a[[j, l]]) = (c * x - s * y, s * x + c * y);
        }
    }
    let k = a.nrows();
    let mut vectors = Array2::eye(k);
    for _ in 0..SWEEPS {
        let mut turned = false;
        for (i, j) in (0..k).flat_map(|i| (i + 1..k).map(move |j| (i, j))) {
            let (p, q, r) = (a[[i, i]], a[[j, j]], 0.5 * (a[[i, j]] + a[[j, i]]));
            if r.abs() <= f64::EPSILON * (p * q).abs().sqrt() || r == 0.0 {
                continue;
            }
            turned = true;
            let zeta = (q - p) / (2.0 * r);
            let t = zeta.signum() / (zeta.abs() + (1.0 + zeta * zeta).sqrt());
            let c = 1.0 / (1.0 + t * t).sqrt();
            turn(&mut a, i, j, (c, c * t));
            a.swap_axes(0, 1);
            turn(&mut a, i, j, (c, c * t));
            a.swap_axes(0, 1);
            (a[[i, j]], a[[j, i]]) = (0.0, 0.0);
            turn(&mut vectors, i, j, (c, c * t));
        }
        if !turned {
            break;
        }
    }
    let mut order: Vec<usize> = (0..k).collect();
    order.sort_by(|i, j| a[[*j, *j]].total_cmp(&a[[*i, *i]]));
    let values = order.iter().map(|i| a[[*i, *i]]).collect();
    (values, vectors.select(Axis(0), &order))
}

/// Rows of the centred samples.
fn rows(samples: &Samples, statistics: &Statistics, range: std::ops::Range<usize>) -> Array2<f64> {
    let mut block = Array2::zeros((range.len(), samples.d));
    for (i, mut row) in range.zip(block.rows_mut()) {
        let row = row.as_slice_mut().expect("rows lie one after the other");
        samples.centred_row_f64(i, &statistics.mean, row);
    }
    block
}

/// Columns of the centred samples, one per row of the result.
fn columns(
    samples: &Samples,
    statistics: &Statistics,
    range: std::ops::Range<usize>,
) -> Array2<f64> {
    let Samples { n, d, .. } = *samples;
    Array2::from_shape_fn((range.len(), n), |(j, i)| {
        let column = range.start + j;
        samples.element_f64(i * d + column) - statistics.mean[column]
    })
}

/// Largest singular value of a small matrix, rows x columns.
pub(super) fn spectral_norm(a: &[f64], rows: usize, columns: usize) -> f64 {
    let row = |i: usize| &a[i * columns..][..columns];
    let gram = Array2::from_shape_fn((rows, rows), |(i, j)| {
        row(i).iter().zip(row(j)).map(|(x, y)| x * y).sum::<f64>()
    });
    match gram.eigh(UPLO::Upper) {
        Ok((values, _)) => values.iter().copied().fold(0.0, f64::max).sqrt(),
        // The Frobenius norm is an upper bound: a failure of LAPACK must not make an error look small.
        Err(_) => a.iter().map(|x| x * x).sum::<f64>().sqrt(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Elements, Request, load};

    #[test]
    fn singular_values_resolve_what_the_gram_matrix_loses() {
        // Two columns of size 1 that differ only by 2^-20: the small eigenvalue is known in closed form.
        let request = Request {
            spec: "spectrum:n=4,d=2".into(),
            quiet: true,
            ..Request::default()
        };
        let mut samples = load(&request).expect("generated samples");
        let e = 2f32.powi(-20);
        samples.elements = Elements::F32(vec![
            1.0,
            1.0 + e,
            -1.0,
            -1.0 + e,
            1.0,
            1.0 - e,
            -1.0,
            -1.0 - e,
        ]);
        samples.known = None;
        let statistics = Statistics::of(&samples, 1);
        let (values, vectors) = singular(&samples, &statistics).expect("LAPACK");
        // A = [[4, 4], [4, 4 + 4 e^2]] has eigenvalues with product 16 e^2.
        let product = 16.0 * f64::from(e).powi(2);
        assert!(
            (values[0] * values[1] / product - 1.0).abs() < 1e-9,
            "{values:?}"
        );
        assert!((vectors[2].abs() - 0.5f64.sqrt()).abs() < 1e-9);
    }

    #[test]
    fn a_graded_matrix_keeps_its_small_eigenvalues() {
        // S B S with a well-conditioned B: the eigenvalues differ widely in size and follow from the leading minors.
        let sizes = [1.0, 1e-4, 1e-9];
        let b = [[1.0, 0.3, 0.2], [0.3, 1.0, 0.4], [0.2, 0.4, 1.0]];
        let a = Array2::from_shape_fn((3, 3), |(i, j)| sizes[i] * b[i][j] * sizes[j]);
        let (values, vectors) = graded(a.clone());
        let corner2 = 1.0 - 0.09;
        let corner3 = 1.0 + 2.0 * 0.3 * 0.2 * 0.4 - 0.09 - 0.04 - 0.16;
        let expected = [1.0, corner2 * 1e-8, corner3 / corner2 * 1e-18];
        for (value, expected) in values.iter().zip(expected) {
            assert!((value / expected - 1.0).abs() < 1e-6, "{values:?}");
        }
        let identity = vectors.dot(&vectors.t()) - Array2::<f64>::eye(3);
        assert!(identity.iter().all(|x| x.abs() < 1e-14));
        let (values, vectors) = graded(Array2::from_diag(&ndarray::arr1(&[1.0, 3.0, 0.0])));
        assert_eq!((values, vectors[[0, 1]]), (vec![3.0, 1.0, 0.0], 1.0));
    }

    #[test]
    fn wide_and_tall_samples_agree_with_the_eigenvalues_of_the_gram_matrix() {
        use crate::device::{Device, cpu::Cpu};
        for spec in [
            "spectrum:n=40,d=9",
            "spectrum:n=9,d=40",
            "digits:n=20",
            "spectrum:n=5000,d=7",
        ] {
            let request = Request {
                spec: spec.into(),
                quiet: true,
                ..Request::default()
            };
            let samples = load(&request).expect("generated samples");
            let statistics = Statistics::of(&samples, 1);
            let mut cpu = Cpu::open(1).expect("one thread is always there");
            let mut gram = cpu.gram(&samples, &statistics).expect("it fits");
            let order = samples.n.min(samples.d);
            let expected = cpu.eigh(&mut gram, order).expect("LAPACK");
            let (values, _) = singular(&samples, &statistics).expect("LAPACK");
            let top = expected[order - 1];
            assert_eq!(values.len(), order);
            for (a, b) in values.iter().zip(&expected) {
                assert!((a - b).abs() < 1e-13 * top, "{spec}: {a} {b}");
            }
        }
    }

    #[test]
    fn the_spectral_norm_is_the_largest_singular_value() {
        assert!((spectral_norm(&[3.0, 0.0, 0.0, 4.0], 2, 2) - 4.0).abs() < 1e-14);
        assert!((spectral_norm(&[1.0, 1.0, 1.0, 1.0], 2, 2) - 2.0).abs() < 1e-14);
    }
}
