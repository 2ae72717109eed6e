//! Matrix products: BLAS's, split over the pool; those whose A has zeros enough (images) skip them.

use std::ops::Range;

use super::cores::Cores;
use super::scratch::Shared;
use crate::device::Gemm;

pub mod blas;
pub mod sparse;

use blas::Matrix;

/// Matrix products under this many operations stay on the calling thread.
const SMALL: usize = 1 << 20;

/// `C = alpha op(A) op(B) + beta C`.
pub fn multiply(cores: &mut Cores, gemm: &Gemm, a: &[f32], b: &[f32], c: &mut [f32]) {
    let Gemm {
        m,
        n,
        k,
        transpose_a,
        transpose_b,
        alpha,
        beta,
    } = *gemm;
    assert!(
        a.len() >= m * k && b.len() >= k * n && c.len() >= m * n,
        "gemm: a buffer is too short"
    );
    if m * n * k >= SMALL && sparse::pays(gemm, a) {
        return sparse::multiply(cores, gemm, a, b, c);
    }
    let c = Shared::new(c);
    let (stride_a, stride_b) = (
        if transpose_a { m } else { k },
        if transpose_b { k } else { n },
    );
    let job = |_: usize, rows: Range<usize>| {
        let a = if transpose_a {
            &a[rows.start..]
        } else {
            &a[rows.start * k..]
        };
        let a = Matrix {
            data: a,
            stride: stride_a,
            transposed: transpose_a,
        };
        let b = Matrix {
            data: b,
            stride: stride_b,
            transposed: transpose_b,
        };
        // SAFETY: each worker writes its own rows of C; the shapes were asserted.
        unsafe {
            blas::gemm(
                (rows.len(), n, k),
                alpha,
                a,
                b,
                beta,
                c.at(rows.start * n),
                n,
            )
        };
    };
    if m * n * k < SMALL {
        job(0, 0..m)
    } else {
        cores.pool.split(m, 1, &job)
    }
}
