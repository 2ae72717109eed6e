//! Samples on a device, as row blocks: no buffer passes the device's limits.

use std::sync::Arc;

use super::{Device, ROW_ALIGNMENT};
use crate::data::Samples;
use crate::error::Result;

/// One block of rows on a device.
pub struct Block<B> {
    /// First row.
    pub first: usize,
    /// Number of rows.
    pub n: usize,
    /// The rows, n x d.
    pub x: B,
}

impl<B> Block<B> {
    /// Puts samples on the device, as few blocks as its limits allow.
    ///
    /// # Errors
    /// `Failed` when they do not fit.
    pub fn upload<D: Device<Buffer = B>>(
        device: &mut D,
        samples: &Arc<Samples>,
    ) -> Result<Vec<Self>> {
        let Samples { n, d, .. } = **samples;
        let size = samples.bytes() / (n * d);
        let limit =
            device.info().max_buffer_bytes / (d.next_multiple_of(ROW_ALIGNMENT) * size) as u64;
        let height = usize::try_from(limit)
            .unwrap_or(usize::MAX)
            .min(device.info().max_rows)
            .clamp(1, n);
        let mut blocks = Vec::new();
        for first in (0..n).step_by(height) {
            let rows = height.min(n - first);
            let x = device.upload(samples, first * d..(first + rows) * d)?;
            blocks.push(Self { first, n: rows, x });
        }
        Ok(blocks)
    }
}
