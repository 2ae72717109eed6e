//! Sums over floats: centred tiles through BLAS, each worker its rows, chunks summed in f64.

use super::sums::{BLOCK_ROWS, Covariance, Sums, add_upper, finish};
use crate::device::cpu::cores::Cores;
use crate::device::cpu::gemm::blas;
use crate::device::cpu::sample::{Sample, centre};
use crate::device::cpu::scratch::Scratch;
use crate::device::cpu::vector::{Vector, per_isa};
use crate::machine::Isa;

/// Rows of f32 that one worker gives to BLAS before the sum goes into f64.
const CHUNK_ROWS: usize = 4096;

/// Covariance of floats: centred tiles through BLAS, each worker its rows, chunks summed in f64.
pub fn covariance(cores: &mut Cores, covariance: &Covariance<'_>, x: &[f32], c: &mut [f32]) {
    let Covariance {
        n, d, mean, weight, ..
    } = *covariance;
    assert!(x.len() >= n * d && mean.len() == 2 * d && c.len() == d * d);
    // Centred samples are scaled before they are squared: 1e20 squared is beyond f32.
    let scale = weight.sqrt();
    let isa = cores.isa;
    let threads = cores.pool.threads();
    let mut sum = vec![0.0f64; d * d];
    let mut column_sum = vec![0.0f64; d];
    for chunk in x[..n * d].chunks(CHUNK_ROWS * threads * d) {
        let scratch = &cores.scratch;
        scratch.all().for_each(|mut worker| worker.local.clear());
        cores.pool.split(chunk.len() / d, 1, &|worker, range| {
            let rows = &chunk[range.start * d..range.end * d];
            sum_rows(isa, rows, mean, d, scale as f32, &mut scratch.of(worker));
        });
        let workers: Vec<_> = scratch.all().filter(|w| !w.local.is_empty()).collect();
        for worker in &workers {
            for (sum, total) in column_sum.iter_mut().zip(&worker.total) {
                *sum += total;
            }
        }
        let locals: Vec<&[f32]> = workers.iter().map(|w| &w.local[..]).collect();
        add_upper(&mut cores.pool, d, &mut sum, |i, j| {
            locals.iter().map(|l| f64::from(l[i * d + j])).sum()
        });
    }
    let sums = Sums {
        gram: sum,
        columns: column_sum,
        rest: mean[d..].iter().map(|x| f64::from(*x) * scale).collect(),
    };
    let scaled = Covariance {
        weight: 1.0,
        ..*covariance
    };
    finish(cores, &scaled, &sums, c);
}

/// Sums `y y'` of a worker's rows into `local`, and `y` into `total`.
fn sum_rows(isa: Isa, x: &[f32], mean: &[f32], d: usize, scale: f32, scratch: &mut Scratch) {
    let Scratch {
        tile, local, total, ..
    } = scratch;
    local.resize(d * d, 0.0);
    tile.resize(tile.len().max(BLOCK_ROWS * d), 0.0);
    total.clear();
    total.resize(d, 0.0);
    for rows in x.chunks(BLOCK_ROWS * d) {
        // SAFETY: the tile has room for BLOCK_ROWS rows of d; the instruction set was checked when the device was opened.
        unsafe { centre_rows(isa, rows, mean, d, scale, tile) };
        for row in tile[..rows.len()].chunks_exact(d) {
            for (total, y) in total.iter_mut().zip(row) {
                *total += f64::from(*y);
            }
        }
        blas::syrk(tile, rows.len() / d, d, d, local);
    }
}

per_isa! {
    /// `tile = (x - mean_hi) scale`, row by row.
    unsafe fn centre_rows<T: Sample>(x: &[T], mean: &[f32], d: usize, scale: f32, tile: &mut [f32]) = centre_rows_body;
}

#[inline(always)]
unsafe fn centre_rows_body<V: Vector, T: Sample>(
    x: &[T],
    mean: &[f32],
    d: usize,
    scale: f32,
    tile: &mut [f32],
) {
    for (row, out) in x.chunks_exact(d).zip(tile.chunks_exact_mut(d)) {
        // SAFETY: both have d elements.
        unsafe { centre::<V, T>(row.as_ptr(), mean, d, out.as_mut_ptr()) };
        out.iter_mut().for_each(|y| *y *= scale);
    }
}
