//! Samples on a device, as row blocks.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::data::{Samples, Statistics};
use crate::device::Device;
use crate::error::Result;

/// Samples on a device, as row blocks, with their statistics.
pub struct Problem<D: Device> {
    device: PhantomData<D>,
}

impl<D: Device> Problem<D> {
    /// Puts the samples on the device (transfer, not solve).
    ///
    /// # Errors
    /// `Failed` when they do not fit.
    pub fn upload(device: &mut D, samples: &Arc<Samples>, statistics: &Statistics) -> Result<Self> {
        let _ = (device, samples, statistics);
        Ok(Self { device: PhantomData })
    }
}
