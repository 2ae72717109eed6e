//! The dense way, in f64: the smaller Gram matrix of the centred samples by cuBLAS, its eigenpairs by cuSOLVER.
//!
//! Samples are centred in f64 on the host, low parts included, in blocks, as the CPU device does it; the card's memory
//! holds one block at a time, whatever the samples' size.

use std::rc::Rc;

use cudarc::cusolver::result::{self, CusolverError};
use cudarc::cusolver::sys;
use cudarc::cusolver::sys::{cublasFillMode_t as Fill, cusolverEigMode_t as Mode};

use super::blas::int;
use super::card::Cudarc;
use super::context::{Context, Memory};
use super::driver::Driver;
use crate::data::{Samples, Statistics};
use crate::error::{Error, Result};

/// Elements of a block in f64: 32 MiB.
const BLOCK: usize = 4 << 20;

/// cuSOLVER on the device's stream.
pub(super) struct Dense {
    handle: sys::cusolverDnHandle_t,
    context: Rc<Context>,
}

impl Dense {
    pub fn new(context: &Rc<Context>) -> Result<Self> {
        context.bind()?;
        let dense = Self {
            handle: told(context, "starting cuSOLVER", result::dn_create())?,
            context: Rc::clone(context),
        };
        // SAFETY: handle and stream live as long as this.
        let ready = unsafe { result::dn_set_stream(dense.handle, context.stream.cast()) };
        told(context, "starting cuSOLVER", ready)?;
        Ok(dense)
    }
}

impl Drop for Dense {
    fn drop(&mut self) {
        let _ = self.context.synchronise();
        // SAFETY: made by `new` and destroyed here alone.
        let _ = unsafe { result::dn_destroy(self.handle) };
    }
}

fn told<T>(
    context: &Context,
    what: &str,
    result: std::result::Result<T, CusolverError>,
) -> Result<T> {
    result.map_err(|error| Error::failed(format!("{}: {what} failed: {error}", context.card)))
}

/// See [`crate::device::Device::gram`].
pub(super) fn gram(
    card: &mut Cudarc,
    samples: &Samples,
    statistics: &Statistics,
) -> Result<Vec<f64>> {
    let (n, d) = (samples.n, samples.d);
    let order = n.min(d);
    let mut gram = vec![0.0f64; order * order];
    let on_card = card.alloc(size_of_val(&gram[..]))?;
    let block = card.alloc(8 * BLOCK.max(n.max(d)))?;
    let mut first = true;
    panels(samples, &statistics.mean, |inner, centred| {
        card.write(&block, 0, bytemuck::cast_slice(centred))?;
        card.blas()
            .dsyrk(&block, [order, inner], d <= n, first, &on_card)?;
        first = false;
        Ok(())
    })?;
    card.read(&on_card, 0, bytemuck::cast_slice_mut(&mut gram))?;
    for i in 0..order {
        for j in 0..i {
            gram[i * order + j] = gram[j * order + i];
        }
    }
    Ok(gram)
}

/// Hands out the centred samples in f64: blocks of rows where d <= n, else panels of columns; with each, how many.
fn panels(
    samples: &Samples,
    mean: &[f64],
    mut give: impl FnMut(usize, &[f64]) -> Result<()>,
) -> Result<()> {
    let (n, d) = (samples.n, samples.d);
    let x = |i: usize| samples.element_f64(i);
    let (sums, across) = if d <= n { (n, d) } else { (d, n) };
    let height = (BLOCK / across).max(1);
    let mut block = Vec::with_capacity(height.min(sums) * across);
    for start in (0..sums).step_by(height) {
        let inner = height.min(sums - start);
        block.clear();
        if d <= n {
            for i in start..start + inner {
                block.extend((0..d).map(|j| x(i * d + j) - mean[j]));
            }
        } else {
            for i in 0..n {
                block.extend((start..start + inner).map(|j| x(i * d + j) - mean[j]));
            }
        }
        give(inner, &block)?;
    }
    Ok(())
}

/// See [`crate::device::Device::square_f64`].
pub(super) fn square(card: &mut Cudarc, order: usize, times: usize) -> Result<()> {
    let zeros = vec![0.0f64; order * order];
    let (b, c) = (
        card.alloc(size_of_val(&zeros[..]))?,
        card.alloc(size_of_val(&zeros[..]))?,
    );
    card.write(&b, 0, bytemuck::cast_slice(&zeros))?;
    for _ in 0..times {
        card.blas().dsyrk(&b, [order, order], false, true, &c)?;
    }
    Ok(())
}

/// See [`crate::device::Device::eigh`]. cuSOLVER leaves the eigenvectors as columns by columns, which are rows by rows.
pub(super) fn eigh(card: &mut Cudarc, a: &mut [f64], order: usize) -> Result<Vec<f64>> {
    let context = Rc::clone(card.context());
    let matrix = card.alloc(size_of_val(a))?;
    let mut values = vec![0.0f64; order];
    let found = card.alloc(size_of_val(&values[..]))?;
    let info = card.alloc(size_of::<i32>())?;
    card.write(&matrix, 0, bytemuck::cast_slice(a))?;
    let Some(dense) = card.dense() else {
        return Err(Error::failed(format!(
            "{}: cuSOLVER is not open",
            context.card
        )));
    };
    let solver = Solver {
        handle: dense.handle,
        order: int(order)?,
        matrix: &matrix,
        found: &found,
    };
    let length = solver.work_length(&context)?;
    let work = card.alloc(8 * usize::try_from(length).unwrap_or(0).max(1))?;
    solver.solve(&context, &work, length, &info)?;
    let mut code = [0i32];
    card.read(&info, 0, bytemuck::cast_slice_mut(&mut code))?;
    if code[0] != 0 {
        return Err(Error::failed(format!(
            "{}: syevd of order {order} ended with info {}",
            context.card, code[0]
        )));
    }
    card.read(&found, 0, bytemuck::cast_slice_mut(&mut values))?;
    card.read(&matrix, 0, bytemuck::cast_slice_mut(a))?;
    Ok(values)
}

/// cuSOLVER's syevd on a matrix, whose eigenvectors take its place, and memory for as many eigenvalues.
struct Solver<'a> {
    handle: sys::cusolverDnHandle_t,
    order: i32,
    matrix: &'a Memory,
    found: &'a Memory,
}

impl Solver<'_> {
    /// f64s of work memory that it wants.
    fn work_length(&self, context: &Context) -> Result<i32> {
        let mut length = 0;
        // SAFETY: the handle is alive, the matrices are as large as the order says, and the pointer is to a live integer.
        let asked = unsafe {
            sys::cusolverDnDsyevd_bufferSize(
                self.handle,
                MODE,
                FILL,
                self.order,
                floats(self.matrix),
                self.order,
                floats(self.found),
                &raw mut length,
            )
        };
        told(context, "syevd", asked.result())?;
        Ok(length)
    }

    /// Starts it, with that much work memory and an integer for what it says of the outcome.
    fn solve(&self, context: &Context, work: &Memory, length: i32, info: &Memory) -> Result<()> {
        // SAFETY: as in `work_length`; the work memory is as large as cuSOLVER asked for.
        let done = unsafe {
            sys::cusolverDnDsyevd(
                self.handle,
                MODE,
                FILL,
                self.order,
                floats(self.matrix),
                self.order,
                floats(self.found),
                floats(work),
                length,
                info.address as *mut i32,
            )
        };
        told(context, "syevd", done.result())
    }
}

/// Eigenvectors too.
const MODE: Mode = Mode::CUSOLVER_EIG_MODE_VECTOR;
/// Half of a symmetric matrix is read.
const FILL: Fill = Fill::CUBLAS_FILL_MODE_LOWER;

fn floats(memory: &Memory) -> *mut f64 {
    memory.address as *mut f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Elements, Request, load};

    #[test]
    fn panels_hold_every_centred_sample_once() {
        for spec in ["spectrum:n=40,d=7,decay=0.7", "spectrum:n=7,d=40,decay=0.7"] {
            let request = Request {
                spec: spec.into(),
                quiet: true,
                ..Request::default()
            };
            let samples = load(&request).expect("it needs no file");
            let statistics = Statistics::of(&samples, 1);
            let (mut total, mut squares) = (0, 0.0);
            panels(&samples, &statistics.mean, |inner, block| {
                assert_eq!(block.len(), inner * 7);
                total += inner;
                squares += block.iter().map(|x| x * x).sum::<f64>();
                Ok(())
            })
            .unwrap();
            let Elements::F32(x) = &samples.elements else {
                panic!("a spectrum is floats");
            };
            let want: f64 = x
                .iter()
                .enumerate()
                .map(|(i, x)| (f64::from(*x) - statistics.mean[i % samples.d]).powi(2))
                .sum();
            assert_eq!(total, 40);
            assert!((squares - want).abs() < 1e-9 * want, "{squares} {want}");
        }
    }
}
