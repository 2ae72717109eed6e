//! Singular values of the samples in f64, by QR and SVD: what the reference takes where the Gram matrix, whose error is some
//! `u lambda_1`, loses a small eigenvalue. A singular value loses as much of its own size squared less.

use ndarray::{Array2, Axis, concatenate, s};
use ndarray_linalg::{JobSvd, QR, SVDDC};

use crate::data::{Samples, Statistics};
use crate::error::{Error, Result};

/// Largest order that is decomposed so: 1,024 takes seconds, and beyond it the Gram matrix has to do.
pub(super) const MAX_ORDER: usize = 1024;
/// Rows of a block of the tall factor, beside the triangle so far.
const BLOCK_ROWS: usize = 4096;

/// Eigenvalues of the smaller Gram matrix of the centred samples, ascending, in units of the elements and undivided, and its
/// eigenvectors as rows: as [`crate::device::Device::eigh`] gives them, without forming the matrix.
///
/// # Errors
/// `Failed` with LAPACK's words.
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
        // Fewer rows than columns (the first block of few samples) have no triangle yet.
        triangle = match stack.nrows() >= order {
            true => stack.qr().map_err(failed)?.1,
            false => stack,
        };
    }
    let (_, sizes, vectors) = triangle.svddc(JobSvd::Some).map_err(failed)?;
    let vectors = vectors.ok_or_else(|| Error::failed("reference: SVD gave no vectors"))?;
    Ok((
        sizes.iter().rev().map(|x| x * x).collect(),
        vectors.slice(s![..;-1, ..]).iter().copied().collect(),
    ))
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

/// Columns of the centred samples, one a row.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Elements, Request, load};

    #[test]
    fn singular_values_keep_what_the_gram_matrix_loses() {
        // Two columns of the size 1 that differ by 2^-20 alone: the small eigenvalue is known in closed form.
        let request = Request {
            spec: "spectrum:n=4,d=2".into(),
            quiet: true,
            ..Request::default()
        };
        let mut samples = load(&request).expect("it needs no file");
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
        // A = [[4, 4], [4, 4 + 4 e^2]]: the product of its eigenvalues is 16 e^2.
        let product = 16.0 * f64::from(e).powi(2);
        assert!(
            (values[0] * values[1] / product - 1.0).abs() < 1e-9,
            "{values:?}"
        );
        assert!((vectors[2].abs() - 0.5f64.sqrt()).abs() < 1e-9);
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
            let samples = load(&request).expect("it needs no file");
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
}
