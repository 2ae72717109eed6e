//! Gram matrices: `covariance` (d x d) and `dual` (n x n), formed once per solve.
//!
//! Bytes are summed exactly: `y = x - round(mean)` fits i16, two rows are interleaved, and one instruction multiplies
//! pairs and adds them into 32-bit sums, twice the rate of f32 and without rounding; the remainder of the mean is taken
//! out afterwards in f64 (at most half a unit: nothing cancels). 32-bit sums hold [`exact::ROWS`] rows. Floats are centred
//! into tiles and go to BLAS, in chunks that are summed in f64.

use super::buffer::Buffer;
use super::cores::Cores;
use super::sample::Sample;
use crate::device::Launch;
use crate::kernel::{Gram, named};

pub mod dense;
mod dual;
mod exact;
mod floats;
mod sums;

use sums::Covariance;

/// Runs a row.
pub fn run(cores: &mut Cores, kernel: Gram, launch: &Launch<'_, Buffer>) {
    match kernel {
        Gram::CovarianceF32 => covariance(cores, launch, floats::covariance),
        Gram::CovarianceU8 => covariance(cores, launch, exact::covariance),
        Gram::DualF32 => dual::run::<f32>(cores, launch),
        Gram::DualU8 => dual::run::<u8>(cores, launch),
    }
}

fn covariance<T: Sample>(
    cores: &mut Cores,
    launch: &Launch<'_, Buffer>,
    of: fn(&mut Cores, &Covariance<'_>, &[T], &mut [f32]),
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
    of(cores, &covariance, &T::of(x), &mut c.f32_mut());
}
