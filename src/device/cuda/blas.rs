//! cuBLAS on the device's stream: f32 products in f32, never in TF32, with memory of its own, so that it can be captured.

use std::rc::Rc;

use cudarc::cublas::result::{self, CublasError};
use cudarc::cublas::sys;
use cudarc::cublas::sys::{
    cublasFillMode_t as Fill, cublasMath_t as Math, cublasOperation_t as Operation,
};

use super::super::Gemm;
use super::context::{Context, Memory};
use crate::error::{Error, Result};

/// What cuBLAS works in: NVIDIA's advice for Hopper, and more than other cards need.
const WORKSPACE: usize = 32 << 20;

pub(super) struct Blas {
    handle: sys::cublasHandle_t,
    context: Rc<Context>,
    /// Held for the handle.
    _workspace: Rc<Memory>,
}

/// A size as cuBLAS takes it.
pub(super) fn int(x: usize) -> Result<i32> {
    i32::try_from(x).map_err(|_| {
        Error::failed(format!(
            "a matrix of {x} rows or columns is beyond cuBLAS's and cuSOLVER's 32-bit sizes: race fewer"
        ))
    })
}

fn operation(transposed: bool) -> Operation {
    if transposed {
        Operation::CUBLAS_OP_T
    } else {
        Operation::CUBLAS_OP_N
    }
}

impl Blas {
    pub fn new(context: &Rc<Context>) -> Result<Self> {
        context.bind()?;
        let workspace = Memory::new(context, WORKSPACE)?;
        let handle = result::create_handle();
        let blas = Self {
            handle: told(context, "starting cuBLAS", handle)?,
            context: Rc::clone(context),
            _workspace: Rc::clone(&workspace),
        };
        // A new stream puts the workspace back to cuBLAS's own: it comes after.
        // SAFETY: handle, stream and workspace live as long as this.
        let ready = unsafe {
            result::set_stream(blas.handle, context.stream.cast()).and_then(|()| {
                let at = workspace.address as *mut _;
                sys::cublasSetWorkspace_v2(blas.handle, at, WORKSPACE).result()?;
                sys::cublasSetMathMode(blas.handle, Math::CUBLAS_DEFAULT_MATH).result()
            })
        };
        told(context, "starting cuBLAS", ready)?;
        Ok(blas)
    }

    /// Row-major: cuBLAS reads columns, and sees every matrix transposed, so that the factors change places.
    pub fn gemm(&self, gemm: &Gemm, a: &Memory, b: &Memory, c: &Memory) -> Result<()> {
        let Gemm { m, n, k, .. } = *gemm;
        if m == 0 || n == 0 {
            return Ok(());
        }
        let lda = if gemm.transpose_a { m } else { k };
        let ldb = if gemm.transpose_b { k } else { n };
        // SAFETY: the device asserted that the matrices are as large as the sizes say; the factors are live numbers, read
        // before the call returns.
        let done = unsafe {
            result::sgemm(
                self.handle,
                operation(gemm.transpose_b),
                operation(gemm.transpose_a),
                int(n)?,
                int(m)?,
                int(k)?,
                &raw const gemm.alpha,
                b.address as *const f32,
                int(ldb.max(1))?,
                a.address as *const f32,
                int(lda.max(1))?,
                &raw const gemm.beta,
                c.address as *mut f32,
                int(n)?,
            )
        };
        told(&self.context, "sgemm", done)
    }

    /// `c (order x order) += b b'` (b order x inner) or `b' b` (`transposed`, b inner x order) in f64, row-major, into the
    /// upper triangle; with `first`, c is not read.
    pub fn dsyrk(
        &self,
        b: &Memory,
        [order, inner]: [usize; 2],
        transposed: bool,
        first: bool,
        c: &Memory,
    ) -> Result<()> {
        let (alpha, beta) = (1.0f64, if first { 0.0 } else { 1.0 });
        let (operation, stride) = if transposed {
            (Operation::CUBLAS_OP_N, order)
        } else {
            (Operation::CUBLAS_OP_T, inner)
        };
        // The upper triangle by rows is the lower one by columns.
        // SAFETY: the caller's matrices are as large as the sizes say; the factors are live numbers, read before the call
        // returns.
        let done = unsafe {
            sys::cublasDsyrk_v2(
                self.handle,
                Fill::CUBLAS_FILL_MODE_LOWER,
                operation,
                int(order)?,
                int(inner)?,
                &raw const alpha,
                b.address as *const f64,
                int(stride)?,
                &raw const beta,
                c.address as *mut f64,
                int(order)?,
            )
        };
        told(&self.context, "dsyrk", done.result())
    }
}

fn told<T>(
    context: &Context,
    what: &str,
    result: std::result::Result<T, CublasError>,
) -> Result<T> {
    result.map_err(|error| Error::failed(format!("{}: {what} failed: {error}", context.card)))
}

impl Drop for Blas {
    fn drop(&mut self) {
        let _ = self.context.synchronise();
        // SAFETY: made by `new` and destroyed here alone.
        let _ = unsafe { result::destroy_handle(self.handle) };
    }
}
