//! `g = beta g + w_out sum_i w_in (y_i . v) y_i`: the product of the operator `samples`, reading X once.
//!
//! Three shapes of the same sum:
//! - one column: groups of rows are centred into a tile that stays in the first cache while their projections are
//!   summed, then the tile is added to g: a byte is widened once, a row read from memory once;
//! - many columns: tiles of [`tiles::TILE_ROWS`] rows in the second cache, then two small matrix products in register tiles;
//! - rows longer than [`panels::LONG_ROW`]: two passes over panels of columns, since no block of rows fits a cache.
//!
//! Sums over rows run in f32 for at most [`task::FLUSH_ROWS`] rows, then go into f64: an f32 sum over 60,000 rows would put the
//! floor of the residual at several 1e-6.

use super::buffer::Buffer;
use super::cores::Cores;
use super::sample::Sample;
use super::vector::accumulate;
use crate::device::Launch;
use crate::kernel::{Product, control, named};

mod columns;
mod lift;
mod one_column;
mod panels;
mod symmetric;
mod task;
mod tiles;

use task::{Rows, Task};

/// Runs a row.
pub fn run(cores: &mut Cores, kernel: Product, launch: &Launch<'_, Buffer>) {
    match kernel {
        Product::SamplesF32 => all_rows::<f32>(cores, launch),
        Product::SamplesU8 => all_rows::<u8>(cores, launch),
        Product::BatchF32 => listed_rows::<f32>(cores, launch),
        Product::BatchU8 => listed_rows::<u8>(cores, launch),
        Product::Symmetric => symmetric::run(cores, launch),
        Product::LiftF32 => lift::run::<f32>(cores, launch),
        Product::LiftU8 => lift::run::<u8>(cores, launch),
    }
}

fn all_rows<T: Sample>(cores: &mut Cores, launch: &Launch<'_, Buffer>) {
    let [n, d, m] = named(launch.sizes);
    let [beta, weight_in, weight_out] = named(launch.scalars);
    let [_control, x, mean, v, g] = named(launch.buffers);
    let task = Task {
        rows: Rows::All(n),
        d,
        m,
        beta,
        weight_in,
        weight_out,
        mean: &mean.f32(),
        v: &v.f32(),
    };
    product(cores, &task, &T::of(x), &mut g.f32_mut());
}

fn listed_rows<T: Sample>(cores: &mut Cores, launch: &Launch<'_, Buffer>) {
    let [n, d, m, batch, first] = named(launch.sizes);
    let [beta, weight_in, weight_out] = named(launch.scalars);
    let [control, x, mean, rows, v, g] = named(launch.buffers);
    let start = control.f32()[control::BATCH] as usize * batch;
    let task = Task {
        rows: Rows::Listed {
            list: &rows.u32()[start..start + batch],
            first,
            n,
        },
        d,
        m,
        beta,
        weight_in,
        weight_out,
        mean: &mean.f32(),
        v: &v.f32(),
    };
    product(cores, &task, &T::of(x), &mut g.f32_mut());
}

/// Runs the product on the elements of one row block, into `g` (`[m, d]`).
fn product<T: Sample>(cores: &mut Cores, task: &Task<'_>, x: &[T], g: &mut [f32]) {
    let Task { d, m, .. } = *task;
    assert!(task.mean.len() == 2 * d && task.v.len() == m * d && g.len() == m * d);
    if let Rows::All(n) = task.rows {
        assert!(x.len() >= n * d);
    }
    let lo = &task.mean[d..];
    let offsets: Vec<f32> = task
        .v
        .chunks_exact(d)
        .map(|v| dot_f64(lo, v) as f32)
        .collect();
    if d > panels::LONG_ROW {
        panels::product(cores, task, x, &offsets, g);
    } else {
        sum(cores, task, x, &offsets);
        gather(cores, task, g);
    }
}

/// Sums into the workers' scratch, rows split over them; `offsets` are the projections of the mean's low part.
fn sum<T: Sample>(cores: &mut Cores, task: &Task<'_>, x: &[T], offsets: &[f32]) {
    let Task { d, m, .. } = *task;
    let isa = cores.isa;
    let scratch = &cores.scratch;
    let grain = if m == 1 {
        one_column::GRAIN
    } else {
        tiles::TILE_ROWS
    };
    scratch.all().for_each(|mut worker| worker.sum.clear());
    cores.pool.split(task.rows.len(), grain, &|worker, range| {
        let mut scratch = scratch.of(worker);
        scratch.sum.resize(m * d, 0.0);
        scratch.total.clear();
        scratch.total.resize(m, 0.0);
        scratch.local.clear();
        scratch.local.resize(m * d, 0.0);
        // SAFETY: the lengths were asserted in `product`; listed rows are checked against the block.
        unsafe {
            if m == 1 {
                one_column::sum(isa, task, x, range, offsets[0], &mut scratch);
            } else {
                columns::sum(isa, task, x, range, offsets, &mut scratch);
            }
        }
    });
}

/// Adds the workers' sums into `g`, and takes out the mean's low part.
fn gather(cores: &Cores, task: &Task<'_>, g: &mut [f32]) {
    let Task { d, m, .. } = *task;
    let lo = &task.mean[d..];
    let beta = f64::from(task.beta);
    let scale = f64::from(task.weight_out);
    let workers: Vec<_> = cores.scratch.all().collect();
    for a in 0..m {
        let total: f64 = workers
            .iter()
            .filter(|w| !w.sum.is_empty())
            .map(|w| w.total[a])
            .sum();
        for j in 0..d {
            let sum: f64 = workers
                .iter()
                .filter(|w| !w.sum.is_empty())
                .map(|w| w.sum[a * d + j])
                .sum();
            let new = scale * (sum - total * f64::from(lo[j]));
            accumulate(&mut g[a * d + j], beta, new);
        }
    }
}

/// A dot product in f64: for what is done once per launch.
fn dot_f64(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| f64::from(*a) * f64::from(*b))
        .sum()
}
