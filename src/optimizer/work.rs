//! Helpers for runs on a device: launches whose work is counted, shuffled sample orders, and reads.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::device::{Device, Gemm, Launch, SliceMut};
use crate::error::Result;
use crate::kernel::{Arithmetic, Kernel};
use crate::record::{self, Part, Work};

/// What did some work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worker {
    /// A row of the kernel table, by its name.
    Row(&'static str),
    /// A matrix product of that shape (m, n, k).
    Gemm([usize; 3]),
    /// Anything else.
    Other(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Share {
    worker: Worker,
    launches: f64,
    bytes: f64,
    flops: f64,
    arithmetic: Arithmetic,
    updates: bool,
}

/// Work done, according to the kernel table, by what did it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cost {
    shares: Vec<Share>,
    skipped_flops: f64,
}

impl Cost {
    /// Adds the work of one launch.
    pub fn add(&mut self, kernel: Kernel, sizes: &[usize]) {
        let row = kernel.row();
        self.put(Share {
            worker: Worker::Row(row.name),
            launches: 1.0,
            bytes: (row.bytes)(sizes),
            flops: (row.flops)(sizes),
            arithmetic: row.arithmetic(),
            updates: row.updates(sizes),
        });
    }

    /// Adds one matrix product: each factor is read once and the product written once.
    pub fn add_gemm(&mut self, gemm: &Gemm) {
        let Gemm { m, n, k, .. } = *gemm;
        self.put(Share {
            worker: Worker::Gemm([m, n, k]),
            launches: 1.0,
            bytes: 4.0 * (m * k + k * n + m * n) as f64,
            flops: 2.0 * (m * n * k) as f64,
            arithmetic: Arithmetic::F32,
            updates: false,
        });
    }

    /// Adds work that no kernel of the table did: so many bytes and operations in `launches` pieces.
    pub fn add_other(
        &mut self,
        name: &'static str,
        launches: f64,
        (bytes, flops): (f64, f64),
        arithmetic: Arithmetic,
    ) {
        self.put(Share {
            worker: Worker::Other(name),
            launches,
            bytes,
            flops,
            arithmetic,
            updates: false,
        });
    }

    /// Adds `times` times `other`.
    pub fn add_times(&mut self, other: &Cost, times: u64) {
        let times = times as f64;
        for share in &other.shares {
            self.put(Share {
                launches: share.launches * times,
                bytes: share.bytes * times,
                flops: share.flops * times,
                ..*share
            });
        }
        self.skipped_flops += other.skipped_flops * times;
    }

    /// Takes out operations that matrix products skipped because a factor was 0.
    pub fn skip(&mut self, flops: f64) {
        self.skipped_flops += flops;
    }

    /// Fewest bytes moved.
    pub fn bytes(&self) -> f64 {
        self.shares.iter().map(|share| share.bytes).sum()
    }

    /// As a record holds it: without steps and passes.
    pub fn work(&self) -> Work {
        let flops: f64 = self.shares.iter().map(|share| share.flops).sum();
        let part = |share: &Share| Part {
            kernel: match share.worker {
                Worker::Row(name) | Worker::Other(name) => name.into(),
                Worker::Gemm([m, n, k]) => format!("gemm {m}x{n}x{k}"),
            },
            launches: share.launches,
            bytes: share.bytes,
            flops: share.flops,
            arithmetic: match share.arithmetic {
                Arithmetic::F32 => record::Arithmetic::F32,
                Arithmetic::F64 => record::Arithmetic::F64,
                Arithmetic::Integer => record::Arithmetic::Integer,
            },
            updates: share.updates,
        };
        Work {
            bytes: self.bytes(),
            flops: flops - self.skipped_flops,
            skipped_flops: self.skipped_flops,
            parts: self.shares.iter().map(part).collect(),
            ..Work::default()
        }
    }

    fn put(&mut self, share: Share) {
        match self.shares.iter_mut().find(|s| s.worker == share.worker) {
            Some(before) => {
                before.launches += share.launches;
                before.bytes += share.bytes;
                before.flops += share.flops;
            }
            None => self.shares.push(share),
        }
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
