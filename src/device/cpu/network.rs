//! Rows of a multilayer perceptron: gather and widen, bias and ReLU, softmax with its loss and gradient, ReLU backwards,
//! score. Rows of a batch, or columns where they are summed, are split over the pool once that pays; a sum is made in
//! the order of the rows whatever the number of threads.

use super::buffer::Buffer;
use super::cores::Cores;
use super::sample::Sample;
use super::scratch::Shared;
use super::vector::{Vector, per_isa};
use crate::device::Launch;
use crate::kernel::{Network, control as c, named};

/// Elements under which a launch stays on the calling thread: waking the others costs about as much.
const SMALL: usize = 1 << 14;
/// The same for the backward ReLU, whose workers share the cache lines where their columns meet: two threads took 17 us for
/// 128 x 300, one takes 7.
const SMALL_COLUMNS: usize = 1 << 16;
/// Columns of a worker are a multiple of a cache line.
const LINE: usize = 16;

/// Runs a row.
pub fn run(cores: &mut Cores, kernel: Network, launch: &Launch<'_, Buffer>) {
    match kernel {
        Network::GatherF32 => gather::<f32>(cores, launch),
        Network::GatherU8 => gather::<u8>(cores, launch),
        Network::BiasRelu => bias_relu(cores, launch),
        Network::SoftmaxLoss => softmax_loss(launch),
        Network::ReluBackward => relu_backward(cores, launch),
        Network::Score => score(launch),
    }
}

/// Splits `0..len` over the pool when `large`, else does all of it here.
fn split(
    cores: &mut Cores,
    large: bool,
    len: usize,
    grain: usize,
    job: &(dyn Fn(std::ops::Range<usize>) + Sync),
) {
    if large {
        cores.pool.split(len, grain, &|_, range| job(range));
    } else {
        job(0..len);
    }
}

fn gather<T: Sample>(cores: &mut Cores, launch: &Launch<'_, Buffer>) {
    let [n, d, b, batch, offset, first] = named(launch.sizes);
    let [weight] = named(launch.scalars);
    let [control, x, rows, out] = named(launch.buffers);
    let start = control.f32()[c::BATCH] as usize * batch + offset;
    let (x, rows) = (T::of(x), rows.u32());
    let (x, rows) = (&*x, &rows[start..start + b]);
    let mut out = out.f32_mut();
    let (isa, out) = (cores.isa, Shared::new(&mut out));
    split(cores, b * d >= SMALL, b, 1, &|range| {
        for i in range {
            let row = (rows[i] as usize).wrapping_sub(first);
            if row < n {
                // SAFETY: each row of out is one worker's; the instruction set was checked when the device was opened.
                unsafe {
                    let out = std::slice::from_raw_parts_mut(out.at(i * d), d);
                    widen(isa, &x[row * d..][..d], weight, out);
                }
            }
        }
    });
}

per_isa! {
    unsafe fn widen<T: Sample>(x: &[T], weight: f32, out: &mut [f32]) = widen_body;
}

#[inline(always)]
unsafe fn widen_body<V: Vector, T: Sample>(x: &[T], weight: f32, out: &mut [f32]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = weight * x.to_f32();
    }
}

fn bias_relu(cores: &mut Cores, launch: &Launch<'_, Buffer>) {
    let [b, h] = named(launch.sizes);
    let [z, bias] = named(launch.buffers);
    let (mut z, bias) = (z.f32_mut(), bias.f32());
    let (isa, z, bias) = (cores.isa, Shared::new(&mut z), &bias[..h]);
    split(cores, b * h >= SMALL, b, 1, &|range| {
        for i in range {
            // SAFETY: each row is one worker's; the instruction set was checked when the device was opened.
            unsafe {
                let row = std::slice::from_raw_parts_mut(z.at(i * h), h);
                rectify(isa, row, bias);
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

fn relu_backward(cores: &mut Cores, launch: &Launch<'_, Buffer>) {
    let [b, h] = named(launch.sizes);
    let [beta] = named(launch.scalars);
    let [a, delta, sums] = named(launch.buffers);
    let (a, mut delta, mut sums) = (a.f32(), delta.f32_mut(), sums.f32_mut());
    let (isa, a) = (cores.isa, &*a);
    let (delta, sums) = (Shared::new(&mut delta), Shared::new(&mut sums));
    split(cores, b * h >= SMALL_COLUMNS, h, LINE, &|range| {
        // SAFETY: each column is one worker's; the instruction set was checked when the device was opened.
        unsafe {
            let sums = std::slice::from_raw_parts_mut(sums.at(range.start), range.len());
            for sum in sums.iter_mut() {
                *sum = kept(beta, *sum);
            }
            for i in 0..b {
                let at = i * h + range.start;
                let delta = std::slice::from_raw_parts_mut(delta.at(at), range.len());
                mask(isa, &a[at..][..range.len()], delta, sums);
            }
        }
    });
}

/// What `beta` leaves of an old value: with 0 it is not read.
fn kept(beta: f32, old: f32) -> f32 {
    if beta == 0.0 { 0.0 } else { beta * old }
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

    /// z becomes the gradient of the mean loss over `batch` rows, whose column sums go to `sums`; returns the part of the loss.
    fn loss(&self, batch: usize, z: &mut [f32], sums: &mut [f32]) -> f32 {
        let scale = 1.0 / batch as f32;
        let mut loss = 0.0f64;
        for (row, z) in self.rows.iter().zip(z.chunks_exact_mut(self.classes)) {
            let label = self.labels[*row as usize] as usize;
            let top = self.top(z);
            let hit = z[label] + self.bias[label] - top;
            let mut total = 0.0f32;
            for (z, bias) in z.iter_mut().zip(self.bias) {
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
    fn score(&self, z: &[f32]) -> [f64; 2] {
        let (mut wrong, mut loss) = (0.0, 0.0);
        for (row, z) in self.rows.iter().zip(z.chunks_exact(self.classes)) {
            let Some(label) = self.labels.get(*row as usize) else {
                continue;
            };
            let label = *label as usize;
            let top = self.top(z);
            let own = z[label] + self.bias[label];
            let terms = z.iter().zip(self.bias).map(|(z, bias)| z + bias);
            let total: f32 = terms.clone().map(|z| (z - top).exp()).sum();
            loss += f64::from(total.ln() + top - own);
            let right = terms.enumerate().all(|(j, z)| j == label || z < own);
            wrong += f64::from(u8::from(!right));
        }
        [wrong, loss]
    }
}

fn softmax_loss(launch: &Launch<'_, Buffer>) {
    let [b, classes, batch, offset, _n, _batches] = named(launch.sizes);
    let [beta] = named(launch.scalars);
    let [control, labels, rows, bias, z, sums, losses] = named(launch.buffers);
    let mut control = control.f32_mut();
    let place = control[c::BATCH] as usize;
    let start = place * batch + offset;
    let chunk = Chunk {
        classes,
        labels: &labels.u32(),
        rows: &rows.u32()[start..start + b],
        bias: &bias.f32(),
    };
    let (mut z, mut sums) = (z.f32_mut(), sums.f32_mut());
    sums.iter_mut().for_each(|sum| *sum = kept(beta, *sum));
    let loss = chunk.loss(batch, &mut z, &mut sums);
    let total = &mut losses.f32_mut()[place];
    *total = kept(beta, *total) + loss;
    if !total.is_finite() {
        control[c::STOP] = c::NOT_FINITE;
    }
}

fn score(launch: &Launch<'_, Buffer>) {
    let [b, classes, n, _len] = named(launch.sizes);
    let [control, labels, rows, bias, z, totals] = named(launch.buffers);
    let start = control.f32()[c::BATCH] as usize * b;
    let chunk = Chunk {
        classes,
        labels: &labels.u32()[..n],
        rows: &rows.u32()[start..start + b],
        bias: &bias.f32(),
    };
    let [wrong, loss] = chunk.score(&z.f32());
    let mut totals = totals.f32_mut();
    totals[0] += wrong as f32;
    totals[1] += loss as f32;
}
