//! Samples on a device, as row blocks, with what the operators need to know about them.

use std::sync::Arc;

use crate::data::{Samples, Statistics};
use crate::device::{Block, Device, Element, Slice};
use crate::error::Result;

/// Samples on a device, as row blocks, with their statistics.
pub struct Problem<D: Device> {
    pub(super) samples: Arc<Samples>,
    pub(super) statistics: Statistics,
    pub(super) blocks: Vec<Block<D::Buffer>>,
    /// `[2, d]`: the mean as a pair of f32.
    pub(super) mean: D::Buffer,
    /// Power of two that scales the largest deviation from the mean to 0.5..1.
    pub(super) scale: f64,
}

impl<D: Device> Problem<D> {
    /// Uploads the samples to the device (counted as transfer, not as solve).
    ///
    /// # Errors
    /// `Failed` if they do not fit.
    pub fn upload(device: &mut D, samples: &Arc<Samples>, statistics: &Statistics) -> Result<Self> {
        let d = samples.d;
        let blocks = Block::upload(device, samples)?;
        let high: Vec<f32> = statistics.mean.iter().map(|x| *x as f32).collect();
        let low = statistics
            .mean
            .iter()
            .zip(&high)
            .map(|(x, h)| (x - f64::from(*h)) as f32);
        let pair: Vec<f32> = high.iter().copied().chain(low).collect();
        let mean = device.alloc_rows(Element::F32, 2, d)?;
        device.write(&mean, 0, Slice::F32(&pair))?;
        Ok(Self {
            samples: Arc::clone(samples),
            statistics: statistics.clone(),
            blocks,
            mean,
            scale: power_of_two(statistics.max_deviation),
        })
    }

    /// Converts an eigenvalue of the scaled operator (not divided by n - 1) to the user's units (divisor n - 1).
    pub(super) fn unscale(&self, lambda: f64) -> f64 {
        in_user_units(&self.samples, lambda / (self.scale * self.scale))
    }
}

/// Converts an eigenvalue of `sum y y'` in element units to one of the covariance in the user's units.
pub(super) fn in_user_units(samples: &Samples, lambda: f64) -> f64 {
    let unit = samples.unit / samples.source_scale;
    lambda / (samples.n - 1) as f64 * unit * unit
}

/// The inverse of [`in_user_units`].
pub(super) fn in_element_units(samples: &Samples, lambda: f64) -> f64 {
    lambda / in_user_units(samples, 1.0)
}

/// The power of two that scales `size` to 0.5..1, limited so that f32 has room for sums of squares.
fn power_of_two(size: f64) -> f64 {
    if size > 0.0 && size.is_finite() {
        (-(size.log2().floor() + 1.0)).clamp(-120.0, 120.0).exp2()
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::power_of_two;

    #[test]
    fn the_scale_is_a_power_of_two_that_brings_the_size_below_one() {
        for size in [1e-20, 0.3, 0.5, 1.0, 255.0, 1e20] {
            let scaled = size * power_of_two(size);
            assert!((0.5..1.0).contains(&scaled), "{size} became {scaled}");
            assert_eq!(power_of_two(size).log2().fract(), 0.0);
        }
        assert_eq!(power_of_two(0.0), 1.0);
    }
}
