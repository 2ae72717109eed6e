//! Rows of a multilayer perceptron: gather and widen, bias and ReLU, softmax with its loss and gradient, ReLU backwards,
//! score. Rows of a batch, or columns where they are summed, are split over the pool once that pays; a sum is made in
//! the order of the rows whatever the number of threads.

use super::product::Shared;
use super::vector::{Vector, per_isa};
use super::{Buffer, Cpu};
use crate::kernel::{Kernel, Network, control};
use crate::machine::Isa;

/// Elements under which a launch stays on the calling thread: waking the others costs about as much.
const SMALL: usize = 1 << 14;
/// The same for the backward ReLU, whose workers share the cache lines where their columns meet: two threads took 17 us for
/// 128 x 300, one takes 7.
const SMALL_COLUMNS: usize = 1 << 16;
/// Columns of a worker are a multiple of a cache line.
const LINE: usize = 16;

/// Runs a row of `kernel/network.rs`.
pub fn run(cpu: &mut Cpu, kernel: Kernel, sizes: &[usize], scalars: &[f32], b: &[&Buffer]) {
    match kernel {
        Kernel::Network(Network::GatherF32) => {
            let (rows, mut out) = (b[2].u32(), b[3].f32_mut());
            let gather = Gather::new(sizes, scalars[0], &b[0].f32(), &rows);
            gather.run(cpu, &b[1].f32(), &mut out, widen_f32);
        }
        Kernel::Network(Network::GatherU8) => {
            let (rows, mut out) = (b[2].u32(), b[3].f32_mut());
            let gather = Gather::new(sizes, scalars[0], &b[0].f32(), &rows);
            gather.run(cpu, &b[1].u8(), &mut out, widen_u8);
        }
        Kernel::Network(Network::BiasRelu) => {
            bias_relu(cpu, sizes, &mut b[0].f32_mut(), &b[1].f32())
        }
        Kernel::Network(Network::SoftmaxLoss) => {
            let (mut control, labels, rows) = (b[0].f32_mut(), b[1].u32(), b[2].u32());
            let batch = control[control::BATCH] as usize;
            let start = batch * sizes[2] + sizes[3];
            let chunk = Chunk {
                classes: sizes[1],
                labels: &labels,
                rows: &rows[start..start + sizes[0]],
                bias: &b[3].f32(),
            };
            let (mut z, mut sums) = (b[4].f32_mut(), b[5].f32_mut());
            let old = |x: f32| {
                if scalars[0] == 0.0 {
                    0.0
                } else {
                    scalars[0] * x
                }
            };
            sums.iter_mut().for_each(|sum| *sum = old(*sum));
            let loss = softmax_loss(&chunk, sizes[2], &mut z, &mut sums);
            let total = &mut b[6].f32_mut()[batch];
            *total = old(*total) + loss;
            if !total.is_finite() {
                control[control::STOP] = control::NOT_FINITE;
            }
        }
        Kernel::Network(Network::ReluBackward) => {
            let (a, mut delta, mut sums) = (b[0].f32(), b[1].f32_mut(), b[2].f32_mut());
            relu_backward(cpu, sizes, scalars[0], &a, &mut delta, &mut sums);
        }
        Kernel::Network(Network::Score) => {
            let (labels, rows) = (b[1].u32(), b[2].u32());
            let start = b[0].f32()[control::BATCH] as usize * sizes[0];
            let chunk = Chunk {
                classes: sizes[1],
                labels: &labels[..sizes[2]],
                rows: &rows[start..start + sizes[0]],
                bias: &b[3].f32(),
            };
            let [wrong, loss] = score(&chunk, &b[4].f32());
            let mut totals = b[5].f32_mut();
            totals[0] += wrong as f32;
            totals[1] += loss as f32;
        }
        _ => unreachable!("only rows of a network come here"),
    }
}

/// Splits `0..len` over the pool when `large`, else does all of it here.
fn split(
    cpu: &mut Cpu,
    large: bool,
    len: usize,
    grain: usize,
    job: &(dyn Fn(std::ops::Range<usize>) + Sync),
) {
    if large {
        cpu.pool.split(len, grain, &|_, range| job(range));
    } else {
        job(0..len);
    }
}

struct Gather<'a> {
    d: usize,
    first: usize,
    n: usize,
    weight: f32,
    rows: &'a [u32],
}

impl<'a> Gather<'a> {
    fn new(sizes: &[usize], weight: f32, control: &[f32], rows: &'a [u32]) -> Self {
        let start = control[control::BATCH] as usize * sizes[3] + sizes[4];
        Self {
            d: sizes[1],
            first: sizes[5],
            n: sizes[0],
            weight,
            rows: &rows[start..start + sizes[2]],
        }
    }

    fn run<T: Sync>(
        &self,
        cpu: &mut Cpu,
        x: &[T],
        out: &mut [f32],
        widen: unsafe fn(Isa, &[T], f32, &mut [f32]),
    ) {
        let (isa, d) = (cpu.isa, self.d);
        let out = Shared::new(out);
        let large = self.rows.len() * d >= SMALL;
        split(cpu, large, self.rows.len(), 1, &|range| {
            for i in range {
                let row = (self.rows[i] as usize).wrapping_sub(self.first);
                if row < self.n {
                    // SAFETY: each row of out is one worker's; the instruction set was checked when the device was
                    // opened.
                    unsafe {
                        let out = std::slice::from_raw_parts_mut(out.at(i * d), d);
                        widen(isa, &x[row * d..][..d], self.weight, out);
                    }
                }
            }
        });
    }
}

per_isa! {
    unsafe fn widen_u8(x: &[u8], weight: f32, out: &mut [f32]) = widen_u8_body;
}
per_isa! {
    unsafe fn widen_f32(x: &[f32], weight: f32, out: &mut [f32]) = widen_f32_body;
}

#[inline(always)]
unsafe fn widen_u8_body<V: Vector>(x: &[u8], weight: f32, out: &mut [f32]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = weight * f32::from(*x);
    }
}

#[inline(always)]
unsafe fn widen_f32_body<V: Vector>(x: &[f32], weight: f32, out: &mut [f32]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = weight * x;
    }
}

fn bias_relu(cpu: &mut Cpu, sizes: &[usize], z: &mut [f32], bias: &[f32]) {
    let (isa, h) = (cpu.isa, sizes[1]);
    let z = Shared::new(z);
    split(cpu, sizes[0] * h >= SMALL, sizes[0], 1, &|range| {
        for i in range {
            // SAFETY: each row is one worker's; the instruction set was checked when the device was opened.
            unsafe {
                let row = std::slice::from_raw_parts_mut(z.at(i * h), h);
                rectify(isa, row, &bias[..h]);
            }
        }
    });
}

per_isa! {
    unsafe fn rectify(z: &mut [f32], bias: &[f32]) = rectify_body;
}

#[inline(always)]
unsafe fn rectify_body<V: Vector>(z: &mut [f32], bias: &[f32]) {
    for (z, bias) in z.iter_mut().zip(bias) {
        let sum = *z + bias;
        // What is not a number stays so, and shows in the loss.
        *z = if sum < 0.0 { 0.0 } else { sum };
    }
}

fn relu_backward(
    cpu: &mut Cpu,
    sizes: &[usize],
    beta: f32,
    a: &[f32],
    delta: &mut [f32],
    sums: &mut [f32],
) {
    let (isa, rows, h) = (cpu.isa, sizes[0], sizes[1]);
    let (delta, sums) = (Shared::new(delta), Shared::new(sums));
    split(cpu, rows * h >= SMALL_COLUMNS, h, LINE, &|range| {
        // SAFETY: each column is one worker's; the instruction set was checked when the device was opened.
        unsafe {
            let sums = std::slice::from_raw_parts_mut(sums.at(range.start), range.len());
            for sum in sums.iter_mut() {
                *sum = if beta == 0.0 { 0.0 } else { beta * *sum };
            }
            for i in 0..rows {
                let at = i * h + range.start;
                let delta = std::slice::from_raw_parts_mut(delta.at(at), range.len());
                mask(isa, &a[at..][..range.len()], delta, sums);
            }
        }
    });
}

per_isa! {
    unsafe fn mask(a: &[f32], delta: &mut [f32], sums: &mut [f32]) = mask_body;
}

#[inline(always)]
unsafe fn mask_body<V: Vector>(a: &[f32], delta: &mut [f32], sums: &mut [f32]) {
    for ((a, delta), sum) in a.iter().zip(delta).zip(sums) {
        // A choice between delta and 0 is compiled to a masked store, which AMD's processors run in microcode: three times
        // slower.
        *delta *= if *a > 0.0 { 1.0 } else { 0.0 };
        *sum += *delta;
    }
}

/// Rows of a batch at the last layer.
struct Chunk<'a> {
    classes: usize,
    labels: &'a [u32],
    /// Samples of the rows.
    rows: &'a [u32],
    bias: &'a [f32],
}

impl Chunk<'_> {
    /// The largest of `z + bias`.
    fn top(&self, z: &[f32]) -> f32 {
        let sums = z.iter().zip(self.bias).map(|(z, bias)| z + bias);
        sums.fold(f32::NEG_INFINITY, f32::max)
    }
}

/// z becomes the gradient of the mean loss over `batch` rows, whose column sums go to `sums`; returns the part of the loss.
fn softmax_loss(chunk: &Chunk<'_>, batch: usize, z: &mut [f32], sums: &mut [f32]) -> f32 {
    let scale = 1.0 / batch as f32;
    let mut loss = 0.0f64;
    for (row, z) in chunk.rows.iter().zip(z.chunks_exact_mut(chunk.classes)) {
        let label = chunk.labels[*row as usize] as usize;
        let top = chunk.top(z);
        let hit = z[label] + chunk.bias[label] - top;
        let mut total = 0.0f32;
        for (z, bias) in z.iter_mut().zip(chunk.bias) {
            *z = (*z + bias - top).exp();
            total += *z;
        }
        loss += f64::from(total.ln() - hit);
        for (j, (z, sum)) in z.iter_mut().zip(&mut *sums).enumerate() {
            let hit = if j == label { 1.0 } else { 0.0 };
            *z = scale * (*z / total - hit);
            *sum += *z;
        }
    }
    (loss / batch as f64) as f32
}

/// Samples that are classified wrongly, and the sum of their losses.
fn score(chunk: &Chunk<'_>, z: &[f32]) -> [f64; 2] {
    let (mut wrong, mut loss) = (0.0, 0.0);
    for (row, z) in chunk.rows.iter().zip(z.chunks_exact(chunk.classes)) {
        let Some(label) = chunk.labels.get(*row as usize) else {
            continue;
        };
        let label = *label as usize;
        let top = chunk.top(z);
        let own = z[label] + chunk.bias[label];
        let terms = z.iter().zip(chunk.bias).map(|(z, bias)| z + bias);
        let total: f32 = terms.clone().map(|z| (z - top).exp()).sum();
        loss += f64::from(total.ln() + top - own);
        let right = terms.enumerate().all(|(j, z)| j == label || z < own);
        wrong += f64::from(u8::from(!right));
    }
    [wrong, loss]
}
