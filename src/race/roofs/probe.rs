//! The pace of the processor right now, by a short piece of arithmetic.
//!
//! A virtual machine's cores may be two halves of one, shared with another guest, or clocked down, and no counter of the system
//! says so: the same work then takes up to twice as long. A small matrix product, timed before and after every repeat, shows it.

use crate::device::{Device, Element, Gemm, Slice};
use crate::error::Result;
use crate::race::clock::timed;

/// Order of the matrices: long enough to be split over the threads, some 30 microseconds, and small enough for every second
/// cache.
const ORDER: usize = 128;
/// Products of a look, of which the fastest counts: some 5 ms in all, so that threads that slept, on whatever core, are awake and
/// apart before the end.
const TIMES: usize = 150;

/// The matrices of the product, on a device.
pub struct Probe<D: Device> {
    matrices: [D::Buffer; 3],
}

impl<D: Device> Probe<D> {
    /// Makes them.
    ///
    /// # Errors
    /// As the device says.
    pub fn new(device: &mut D) -> Result<Self> {
        let mut matrix = || {
            let matrix = device.alloc(Element::F32, ORDER * ORDER)?;
            device.write(&matrix, 0, Slice::F32(&[0.5; ORDER * ORDER]))?;
            Ok(matrix)
        };
        let matrices = [matrix()?, matrix()?, matrix()?];
        let probe = Self { matrices };
        probe.seconds(device)?;
        Ok(probe)
    }

    /// Seconds that a product takes now.
    ///
    /// # Errors
    /// As the device says.
    pub fn seconds(&self, device: &mut D) -> Result<f64> {
        let gemm = Gemm {
            m: ORDER,
            n: ORDER,
            k: ORDER,
            transpose_a: false,
            transpose_b: false,
            alpha: 1.0,
            beta: 0.0,
        };
        let [a, b, c] = &self.matrices;
        let mut best = f64::INFINITY;
        for _ in 0..TIMES {
            let (done, seconds) = timed(|| {
                device
                    .gemm(&gemm, a, b, c)
                    .and_then(|()| device.synchronise())
            });
            done?;
            best = best.min(seconds);
        }
        Ok(best)
    }
}
