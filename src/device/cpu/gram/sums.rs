//! Sums over centred rows, and the covariance made of them.

use crate::device::cpu::cores::Cores;
use crate::device::cpu::pool::Pool;
use crate::device::cpu::scratch::Shared;
use crate::device::cpu::vector::accumulate;

/// Rows of a packed block: two panels of it fit the first cache, all of d = 784 the second.
pub const BLOCK_ROWS: usize = 256;

/// One covariance: sizes and scalars.
#[derive(Clone, Copy)]
pub struct Covariance<'a> {
    pub n: usize,
    pub d: usize,
    pub beta: f32,
    /// `weight_in * weight_out`, both powers of two.
    pub weight: f64,
    /// `[2, d]`.
    pub mean: &'a [f32],
}

/// Sums over centred rows, before the remainder of the mean is taken out; exact for bytes.
pub struct Sums {
    /// Upper triangle of `sum_i y_i y_i'`, d x d.
    pub gram: Vec<f64>,
    /// `sum_i y_i`.
    pub columns: Vec<f64>,
    /// What the centring left over: `mean - round(mean)` for bytes.
    pub rest: Vec<f64>,
}

impl Sums {
    /// Sum of centred products of columns i <= j of n samples: nothing cancels, since the rest is under one half.
    pub fn centred(&self, n: usize, i: usize, j: usize) -> f64 {
        let (d, rest) = (self.columns.len(), &self.rest);
        self.gram[i * d + j] - self.columns[i] * rest[j] - rest[i] * self.columns[j]
            + n as f64 * rest[i] * rest[j]
    }
}

/// Adds `total(i, j)` to the upper triangle of `sum` (d x d), rows split over the pool.
pub fn add_upper(
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
pub fn finish(cores: &mut Cores, covariance: &Covariance<'_>, sums: &Sums, c: &mut [f32]) {
    let Covariance { n, d, weight, .. } = *covariance;
    let beta = f64::from(covariance.beta);
    let c = Shared::new(c);
    cores.pool.split(d, 16, &|_, rows| {
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
