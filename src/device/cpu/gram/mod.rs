//! Gram matrices: `covariance` (d x d) and `dual` (n x n), formed once per solve.
//!
//! Bytes are summed exactly: `y = x - round(mean)` fits i16, two rows are interleaved, and one instruction multiplies
//! pairs and adds them into 32-bit sums, twice the rate of f32 and without rounding; the remainder of the mean is taken
//! out afterwards in f64 (at most half a unit: nothing cancels). 32-bit sums hold [`exact::EXACT_ROWS`] rows. Floats are centred
//! into tiles and go to BLAS, in chunks that are summed in f64.

use super::pool::Pool;
use super::sample::Sample;
use super::scratch::Shared;
use super::vector::accumulate;
use super::{Buffer, Cpu};
use crate::device::Launch;
use crate::kernel::{Gram, named};

mod dense;
mod dual;
mod exact;
mod floats;

pub use dense::gram as dense;

/// Rows of a packed block: two panels of it fit the first cache, all of d = 784 the second.
const BLOCK_ROWS: usize = 256;

/// Runs a row.
pub fn run(cpu: &mut Cpu, kernel: Gram, launch: &Launch<'_, Buffer>) {
    match kernel {
        Gram::CovarianceF32 => covariance(cpu, launch, floats::covariance),
        Gram::CovarianceU8 => covariance(cpu, launch, exact::covariance),
        Gram::DualF32 => dual::run::<f32>(cpu, launch),
        Gram::DualU8 => dual::run::<u8>(cpu, launch),
    }
}

fn covariance<T: Sample>(
    cpu: &mut Cpu,
    launch: &Launch<'_, Buffer>,
    of: fn(&mut Cpu, &Covariance<'_>, &[T], &mut [f32]),
) {
    let [n, d] = named(launch.sizes);
    let [beta, weight_in, weight_out] = named(launch.scalars);
    let [x, mean, c] = named(launch.buffers);
    let covariance = Covariance {
        n,
        d,
        beta,
        weight: f64::from(weight_in) * f64::from(weight_out),
        mean: &mean.f32(),
    };
    of(cpu, &covariance, &T::of(x), &mut c.f32_mut());
}

/// One covariance: sizes and scalars.
#[derive(Clone, Copy)]
struct Covariance<'a> {
    n: usize,
    d: usize,
    beta: f32,
    /// `weight_in * weight_out`, both powers of two.
    weight: f64,
    /// `[2, d]`.
    mean: &'a [f32],
}

/// Sums over centred rows, before the remainder of the mean is taken out; exact for bytes.
struct Sums {
    /// Upper triangle of `sum_i y_i y_i'`, d x d.
    gram: Vec<f64>,
    /// `sum_i y_i`.
    columns: Vec<f64>,
    /// What the centring left over: `mean - round(mean)` for bytes.
    rest: Vec<f64>,
}

impl Sums {
    /// Sum of centred products of columns i <= j of n samples: nothing cancels, since the rest is under one half.
    fn centred(&self, n: usize, i: usize, j: usize) -> f64 {
        let (d, rest) = (self.columns.len(), &self.rest);
        self.gram[i * d + j] - self.columns[i] * rest[j] - rest[i] * self.columns[j]
            + n as f64 * rest[i] * rest[j]
    }
}

/// Adds `total(i, j)` to the upper triangle of `sum` (d x d), rows split over the pool.
fn add_upper(
    pool: &mut Pool,
    d: usize,
    sum: &mut [f64],
    total: impl Fn(usize, usize) -> f64 + Sync,
) {
    let out = Shared::new(sum);
    pool.split(d, 16, &|_, rows| {
        for i in rows {
            for j in i..d {
                // SAFETY: each row of the upper triangle is written by one worker.
                unsafe { *out.at(i * d + j) += total(i, j) };
            }
        }
    });
}

/// `C = beta C + w (S - s r' - r s' + n r r')`: S and s are sums of y, r what the centring left over.
fn finish(cpu: &mut Cpu, covariance: &Covariance<'_>, sums: &Sums, c: &mut [f32]) {
    let Covariance { n, d, weight, .. } = *covariance;
    let beta = f64::from(covariance.beta);
    let c = Shared::new(c);
    cpu.pool.split(d, 16, &|_, rows| {
        for i in rows {
            for j in i..d {
                let value = weight * sums.centred(n, i, j);
                let mirrored = [c.at(i * d + j), c.at(j * d + i)];
                for at in mirrored.into_iter().take(if i == j { 1 } else { 2 }) {
                    // SAFETY: the worker of the smaller index writes both mirror images.
                    accumulate(unsafe { &mut *at }, beta, value);
                }
            }
        }
    });
}
