//! Helpers for runs on a device: launches whose work is counted, shuffled sample orders, and reads.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::device::{Device, Gemm, Launch, SliceMut};
use crate::error::Result;
use crate::kernel::Kernel;

/// Work done, according to the kernel table.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// Fewest bytes moved.
    pub bytes: f64,
    /// Floating-point operations.
    pub flops: f64,
}

impl Cost {
    /// Adds the work of one launch.
    pub fn add(&mut self, kernel: Kernel, sizes: &[usize]) {
        let row = kernel.row();
        self.bytes += (row.bytes)(sizes);
        self.flops += (row.flops)(sizes);
    }

    /// Adds one matrix product: each factor is read once and the product written once.
    pub fn add_gemm(&mut self, gemm: &Gemm) {
        let Gemm { m, n, k, .. } = *gemm;
        self.bytes += 4.0 * (m * k + k * n + m * n) as f64;
        self.flops += 2.0 * (m * n * k) as f64;
    }

    /// Adds `times` times `other`.
    pub fn add_times(&mut self, other: Cost, times: u64) {
        self.bytes += other.bytes * times as f64;
        self.flops += other.flops * times as f64;
    }
}

/// Launches a kernel and adds its work to `cost`.
///
/// # Errors
/// As [`Device::launch`].
pub fn launch<D: Device>(
    device: &mut D,
    cost: &mut Cost,
    kernel: Kernel,
    sizes: &[usize],
    scalars: &[f32],
    buffers: &[&D::Buffer],
) -> Result<()> {
    cost.add(kernel, sizes);
    device.launch(&Launch {
        kernel,
        sizes,
        scalars,
        buffers,
    })
}

/// Reads `len` elements from the start of a buffer.
///
/// # Errors
/// As [`Device::read`].
pub fn read<D: Device>(device: &mut D, buffer: &D::Buffer, len: usize) -> Result<Vec<f32>> {
    let mut values = vec![0.0; len];
    device.read(buffer, 0, SliceMut::F32(&mut values))?;
    Ok(values)
}

/// The random order of the samples in an epoch, determined by the seed.
pub fn shuffled(n: usize, seed: u64, epoch: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n as u32).collect();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(epoch + 1);
    order.shuffle(&mut random);
    order
}
