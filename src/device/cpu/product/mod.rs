//! `g = beta g + w_out sum_i w_in (y_i . v) y_i`: the product of the operator `samples`, reading X once.
//!
//! Three shapes of the same sum:
//! - one column: groups of rows are centred into a tile that stays in the first cache while their projections are
//!   summed, then the tile is added to g: a byte is widened once, a row read from memory once;
//! - many columns: tiles of [`tiles::TILE_ROWS`] rows in the second cache, then two small matrix products in register tiles;
//! - rows longer than [`panels::LONG_ROW`]: two passes over panels of columns, since no block of rows fits a cache.
//!
//! Sums over rows run in f32 for at most [`FLUSH_ROWS`] rows, then go into f64: an f32 sum over 60,000 rows would put the
//! floor of the residual at several 1e-6.

use super::sample::Sample;
use super::vector::accumulate;
use super::{Buffer, Cpu};
use crate::device::Launch;
use crate::kernel::{Product, control, named};

mod columns;
mod lift;
mod one_column;
mod panels;
mod symmetric;
mod tiles;

/// Rows summed in f32 before they go into f64.
const FLUSH_ROWS: usize = 256;

/// Runs a row.
pub fn run(cpu: &mut Cpu, kernel: Product, launch: &Launch<'_, Buffer>) {
    match kernel {
        Product::SamplesF32 => all_rows::<f32>(cpu, launch),
        Product::SamplesU8 => all_rows::<u8>(cpu, launch),
        Product::BatchF32 => listed_rows::<f32>(cpu, launch),
        Product::BatchU8 => listed_rows::<u8>(cpu, launch),
        Product::Symmetric => symmetric::run(cpu, launch),
        Product::LiftF32 => lift::run::<f32>(cpu, launch),
        Product::LiftU8 => lift::run::<u8>(cpu, launch),
    }
}

fn all_rows<T: Sample>(cpu: &mut Cpu, launch: &Launch<'_, Buffer>) {
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
    task.run(cpu, &T::of(x), &mut g.f32_mut());
}

fn listed_rows<T: Sample>(cpu: &mut Cpu, launch: &Launch<'_, Buffer>) {
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
    task.run(cpu, &T::of(x), &mut g.f32_mut());
}

/// The rows that a product runs over.
#[derive(Clone, Copy)]
enum Rows<'a> {
    /// All of them: so many.
    All(usize),
    /// Those of the list that lie in `first..first + n`, the rows of this block.
    Listed {
        list: &'a [u32],
        first: usize,
        n: usize,
    },
}

impl Rows<'_> {
    fn len(&self) -> usize {
        match self {
            Rows::All(n) => *n,
            Rows::Listed { list, .. } => list.len(),
        }
    }

    /// The row at a position, `None` where the list names one of another block.
    #[inline(always)]
    fn row<T>(&self, x: *const T, d: usize, position: usize) -> Option<*const T> {
        let row = match self {
            Rows::All(_) => position,
            Rows::Listed { list, first, n } => {
                let row = list[position] as usize;
                if row < *first || row >= first + n {
                    return None;
                }
                row - first
            }
        };
        Some(x.wrapping_add(row * d))
    }
}

/// One product: sizes, scalars, and what it reads beside the samples.
#[derive(Clone, Copy)]
struct Task<'a> {
    rows: Rows<'a>,
    d: usize,
    m: usize,
    beta: f32,
    weight_in: f32,
    weight_out: f32,
    /// `[2, d]`.
    mean: &'a [f32],
    /// `[m, d]`.
    v: &'a [f32],
}

impl Task<'_> {
    /// Runs the product on the elements of one row block, into `g` (`[m, d]`).
    fn run<T: Sample>(&self, cpu: &mut Cpu, x: &[T], g: &mut [f32]) {
        let Self { d, m, .. } = *self;
        assert!(self.mean.len() == 2 * d && self.v.len() == m * d && g.len() == m * d);
        if let Rows::All(n) = self.rows {
            assert!(x.len() >= n * d);
        }
        let lo = &self.mean[d..];
        let offsets: Vec<f32> = self
            .v
            .chunks_exact(d)
            .map(|v| dot_f64(lo, v) as f32)
            .collect();
        if d > panels::LONG_ROW {
            panels::product(cpu, self, x, &offsets, g);
        } else {
            self.sum(cpu, x, &offsets);
            self.gather(cpu, g);
        }
    }

    /// Sums into the workers' scratch, rows split over them; `offsets` are the projections of the mean's low part.
    fn sum<T: Sample>(&self, cpu: &mut Cpu, x: &[T], offsets: &[f32]) {
        let Self { d, m, .. } = *self;
        let isa = cpu.isa;
        let scratch = &cpu.scratch;
        let grain = if m == 1 {
            one_column::GRAIN
        } else {
            tiles::TILE_ROWS
        };
        scratch.all().for_each(|mut worker| worker.sum.clear());
        cpu.pool.split(self.rows.len(), grain, &|worker, range| {
            let mut scratch = scratch.of(worker);
            scratch.sum.resize(m * d, 0.0);
            scratch.total.clear();
            scratch.total.resize(m, 0.0);
            scratch.local.clear();
            scratch.local.resize(m * d, 0.0);
            // SAFETY: the lengths were asserted in `run`; listed rows are checked against the block.
            unsafe {
                if m == 1 {
                    one_column::sum(isa, self, x, range, offsets[0], &mut scratch);
                } else {
                    columns::sum(isa, self, x, range, offsets, &mut scratch);
                }
            }
        });
    }

    /// Adds the workers' sums into `g`, and takes out the mean's low part.
    fn gather(&self, cpu: &Cpu, g: &mut [f32]) {
        let Self { d, m, .. } = *self;
        let lo = &self.mean[d..];
        let beta = f64::from(self.beta);
        let scale = f64::from(self.weight_out);
        let workers: Vec<_> = cpu.scratch.all().collect();
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
}

/// A dot product in f64: for what is done once per launch.
fn dot_f64(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| f64::from(*a) * f64::from(*b))
        .sum()
}

fn flush(local: &mut [f32], sum: &mut [f64]) {
    for (sum, local) in sum.iter_mut().zip(local) {
        *sum += f64::from(*local);
        *local = 0.0;
    }
}
