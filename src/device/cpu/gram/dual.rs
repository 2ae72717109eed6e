//! The dual: products of samples with samples.

use std::ops::Range;

use crate::device::Launch;
use crate::device::cpu::buffer::Buffer;
use crate::device::cpu::cores::Cores;
use crate::device::cpu::gemm::blas::{self, Matrix};
use crate::device::cpu::sample::{Sample, centre};
use crate::device::cpu::scratch::Scratch;
use crate::device::cpu::vector::{Vector, per_isa};
use crate::kernel::named;
use crate::machine::Isa;

/// Columns of a panel of the dual.
const PANEL: usize = 4096;

/// `K[first_a + i, first_b + j] = w ya_i . yb_j`; workers share the columns, panels are summed in f64.
pub fn run<T: Sample>(cores: &mut Cores, launch: &Launch<'_, Buffer>) {
    let [na, nb, d, n, first_a, first_b] = named(launch.sizes);
    let [weight_in, weight_out] = named(launch.scalars);
    let [xa, xb, mean, k] = named(launch.buffers);
    let (xa, xb, mean, mut k) = (T::of(xa), T::of(xb), mean.f32(), k.f32_mut());
    assert!(xa.len() >= na * d && xb.len() >= nb * d && k.len() == n * n && mean.len() == 2 * d);
    let weight = f64::from(weight_in) * f64::from(weight_out);
    let factors = Factors {
        x: [&xa[..na * d], &xb[..nb * d]],
        d,
        mean: &mean,
        scale: weight.sqrt() as f32,
    };
    let (isa, scratch) = (cores.isa, &cores.scratch);
    scratch.all().for_each(|mut worker| worker.sum.clear());
    let grain = PANEL.min(d.div_ceil(cores.pool.threads()));
    cores.pool.split(d, grain, &|worker, columns| {
        let mut scratch = scratch.of(worker);
        scratch.sum.resize(na * nb, 0.0);
        for start in columns.clone().step_by(PANEL) {
            factors.add_panel(isa, start..columns.end.min(start + PANEL), &mut scratch);
        }
    });
    let workers: Vec<_> = scratch.all().filter(|w| !w.sum.is_empty()).collect();
    for i in 0..na {
        for j in 0..nb {
            let value: f64 = workers.iter().map(|w| w.sum[i * nb + j]).sum();
            k[(first_a + i) * n + first_b + j] = value as f32;
        }
    }
}

/// What a block of the dual is made of.
struct Factors<'a, T> {
    /// na x d and nb x d.
    x: [&'a [T]; 2],
    d: usize,
    /// `[2, d]`.
    mean: &'a [f32],
    scale: f32,
}

impl<T: Sample> Factors<'_, T> {
    /// Adds the products over these columns to the worker's sum.
    fn add_panel(&self, isa: Isa, columns: Range<usize>, scratch: &mut Scratch) {
        let Self { d, mean, scale, .. } = *self;
        let [na, nb] = self.x.map(|x| x.len() / d);
        let (start, width) = (columns.start, columns.len());
        let Scratch {
            tile, local, sum, ..
        } = scratch;
        local.resize(local.len().max(na * nb), 0.0);
        tile.resize(tile.len().max((na + nb) * width), 0.0);
        let (ta, tb) = tile.split_at_mut(na * width);
        for (x, out) in self.x.into_iter().zip([&mut *ta, &mut *tb]) {
            for (row, out) in x.chunks_exact(d).zip(out.chunks_exact_mut(width)) {
                let (row, out) = (row[start..].as_ptr(), out.as_mut_ptr());
                // SAFETY: the panel lies within the row; out has `width` elements; the instruction set was checked when the
                // device was opened.
                unsafe { centre_panel(isa, row, mean, d, start, width, scale, out) };
            }
        }
        let factor = |data, transposed| Matrix {
            data,
            stride: width,
            transposed,
        };
        let (a, b) = (factor(&*ta, false), factor(&*tb, true));
        // SAFETY: local holds na x nb.
        unsafe { blas::gemm((na, nb, width), 1.0, a, b, 0.0, local.as_mut_ptr(), nb) };
        for (sum, local) in sum.iter_mut().zip(&local[..na * nb]) {
            *sum += f64::from(*local);
        }
    }
}

per_isa! {
    /// `out = ((x - mean_hi) - mean_lo) scale` for columns `start..start + width` of one row (`x` points at `start`).
    unsafe fn centre_panel<T: Sample>(x: *const T, mean: &[f32], d: usize, start: usize, width: usize, scale: f32, out: *mut f32) = centre_panel_body;
}

#[allow(clippy::too_many_arguments)]
#[inline(always)]
unsafe fn centre_panel_body<V: Vector, T: Sample>(
    x: *const T,
    mean: &[f32],
    d: usize,
    start: usize,
    width: usize,
    scale: f32,
    out: *mut f32,
) {
    // SAFETY: the caller's promise.
    let out = unsafe {
        centre::<V, T>(x, &mean[start..], width, out);
        std::slice::from_raw_parts_mut(out, width)
    };
    for (y, lo) in out.iter_mut().zip(&mean[d + start..]) {
        *y = (*y - lo) * scale;
    }
}
