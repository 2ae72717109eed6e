//! The few calls that go to BLAS and LAPACK: OpenBLAS on the system, Accelerate on a Mac.
//!
//! The library is kept at one thread, and the pool calls it from several: two pools on the same cores leave workers
//! spinning and multiply the time of everything. Only LAPACK's eigensolver, which cannot be split from outside, is given
//! the threads for the length of one call.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use cblas_sys::{CBLAS_LAYOUT, CBLAS_TRANSPOSE, CBLAS_UPLO, cblas_dsyrk, cblas_sgemm, cblas_ssyrk};
use ndarray::ArrayViewMut2;
use ndarray_linalg::{EighInplace, UPLO};

use crate::error::{Error, Result};

#[cfg(target_os = "macos")]
use accelerate_src as _;

#[cfg(not(target_os = "macos"))]
unsafe extern "C" {
    fn openblas_set_num_threads(threads: std::ffi::c_int);
}

/// Held by whoever calls the library: with one thread by many at a time, or with several by one alone. The number of threads is
/// the process's, and changes the order of a sum.
static CALLERS: RwLock<()> = RwLock::new(());

/// While it lives, the library has one thread.
pub struct Single {
    _held: RwLockReadGuard<'static, ()>,
}

impl Default for Single {
    /// Waits until nobody has the library with several threads.
    fn default() -> Self {
        let held = CALLERS.read().unwrap_or_else(PoisonError::into_inner);
        set_threads(1);
        Self { _held: held }
    }
}

/// While it lives, the library has several threads, and belongs to the caller alone.
pub struct Several {
    _held: RwLockWriteGuard<'static, ()>,
}

impl Several {
    /// Waits until nobody else has the library.
    pub fn new(threads: usize) -> Self {
        let held = CALLERS.write().unwrap_or_else(PoisonError::into_inner);
        set_threads(threads);
        Self { _held: held }
    }
}

impl Drop for Several {
    fn drop(&mut self) {
        set_threads(1);
    }
}

/// Sets the number of threads of the library itself.
fn set_threads(threads: usize) {
    #[cfg(not(target_os = "macos"))]
    // SAFETY: a plain setter; called while no BLAS call runs.
    unsafe {
        openblas_set_num_threads(threads.min(1 << 10) as std::ffi::c_int);
    }
    // Accelerate has no such call; it hands work to the system's own queues.
    #[cfg(target_os = "macos")]
    let _ = threads;
}

fn int(x: usize) -> i32 {
    i32::try_from(x).expect("the device refuses sizes beyond BLAS's 32-bit integers")
}

/// `c (d x d, upper) += tile' tile` for a tile of `rows` rows with the given stride.
pub fn syrk(tile: &[f32], rows: usize, stride: usize, d: usize, c: &mut [f32]) {
    assert!(tile.len() >= rows * stride && c.len() >= d * d && stride >= d);
    // SAFETY: the shapes were asserted.
    unsafe {
        cblas_ssyrk(
            CBLAS_LAYOUT::CblasRowMajor,
            CBLAS_UPLO::CblasUpper,
            CBLAS_TRANSPOSE::CblasTrans,
            int(d),
            int(rows),
            1.0,
            tile.as_ptr(),
            int(stride),
            1.0,
            c.as_mut_ptr(),
            int(d),
        );
    }
}

/// `c (order x order, upper) += b b'` (`transposed` false, b order x inner) or `b' b` (true, b inner x order), in f64 and
/// with the library's own threads: for the dense way alone.
pub fn dsyrk(b: &[f64], order: usize, inner: usize, transposed: bool, c: &mut [f64]) {
    assert!(b.len() >= order * inner && c.len() >= order * order);
    // SAFETY: the shapes were asserted.
    unsafe {
        cblas_dsyrk(
            CBLAS_LAYOUT::CblasRowMajor,
            CBLAS_UPLO::CblasUpper,
            if transposed {
                CBLAS_TRANSPOSE::CblasTrans
            } else {
                CBLAS_TRANSPOSE::CblasNoTrans
            },
            int(order),
            int(inner),
            1.0,
            b.as_ptr(),
            int(if transposed { order } else { inner }),
            1.0,
            c.as_mut_ptr(),
            int(order),
        );
    }
}

/// A matrix with its stride and whether it is transposed.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    pub data: &'a [f32],
    pub stride: usize,
    pub transposed: bool,
}

/// `c <- alpha op(a) op(b) + beta c`; `c` is m x n with the given stride.
///
/// # Safety
/// `c` points to m rows of n elements, `stride` apart, that nobody else touches; a and b hold what m, n, k ask for.
#[allow(clippy::too_many_arguments)]
pub unsafe fn gemm(
    (m, n, k): (usize, usize, usize),
    alpha: f32,
    a: Matrix<'_>,
    b: Matrix<'_>,
    beta: f32,
    c: *mut f32,
    stride: usize,
) {
    let transpose = |t| {
        if t {
            CBLAS_TRANSPOSE::CblasTrans
        } else {
            CBLAS_TRANSPOSE::CblasNoTrans
        }
    };
    // SAFETY: the caller's promise.
    unsafe {
        cblas_sgemm(
            CBLAS_LAYOUT::CblasRowMajor,
            transpose(a.transposed),
            transpose(b.transposed),
            int(m),
            int(n),
            int(k),
            alpha,
            a.data.as_ptr(),
            int(a.stride),
            b.data.as_ptr(),
            int(b.stride),
            beta,
            c,
            int(stride),
        );
    }
}

/// All eigenpairs of a symmetric f64 matrix (order x order): eigenvalues ascending, eigenvectors as rows of `a`.
///
/// # Errors
/// `Failed` with LAPACK's info code.
pub fn eigh(a: &mut [f64], order: usize, threads: usize) -> Result<Vec<f64>> {
    let _several = Several::new(threads);
    let mut matrix = ArrayViewMut2::from_shape((order, order), a)
        .map_err(|e| Error::failed(format!("eigensolver: {e}")))?;
    let result = matrix
        .eigh_inplace(UPLO::Upper)
        .map(|(values, _)| values.to_vec());
    // ndarray-linalg swaps the axes of the view, not the memory: there, LAPACK's columns are rows.
    result.map_err(|e| {
        Error::failed(format!(
            "LAPACK's symmetric eigensolver failed at order {order}: {e}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigh_returns_ascending_values_and_their_vectors_as_rows() {
        let a = [4.0, 1.0, -2.0, 1.0, 2.0, 0.5, -2.0, 0.5, 3.0];
        let mut vectors = a;
        let values = eigh(&mut vectors, 3, 1).unwrap();
        assert!(values.is_sorted());
        for (lambda, v) in values.iter().zip(vectors.chunks_exact(3)) {
            for (row, x) in a.chunks_exact(3).zip(v) {
                let image: f64 = row.iter().zip(v).map(|(a, v)| a * v).sum();
                assert!(
                    (image - lambda * x).abs() < 1e-12,
                    "{v:?} is no eigenvector"
                );
            }
        }
    }
}
