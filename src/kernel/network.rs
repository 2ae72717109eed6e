//! Rows of a multilayer perceptron, with their references: all of a step that is no matrix product and no update.
//!
//! Activations are b x h, row-major and not padded: operands of the matrix product. A batch that is too large for memory is
//! taken in chunks of b rows that begin at `offset`; `beta` is 0 in the first and 1 in the others, so that gradients and
//! losses add up to those of the batch.

use super::control as c;
use super::rows::{CONTROL, CONTROL_RW, f32, rows, u8};
use super::{Access, Element, Family, Fill, Kernel, Parameter, Row};

use Access::{Read, Update};
use Fill::{Classes, Normal, Permutation};

const fn u32(name: &'static str, len: fn(&[usize]) -> usize, fill: Fill) -> Parameter {
    Parameter {
        name,
        access: Read,
        element: Element::U32,
        len,
        columns: None,
        fill,
    }
}

const GATHER: &[(&[usize], &[f32])] = &[
    (&[2, 1, 1, 1, 0, 0], &[1.0]),
    (&[64, 31, 13, 32, 7, 0], &[0.5]),
    (&[300, 784, 128, 128, 0, 0], &[0.25]),
    (&[100, 33, 40, 64, 24, 150], &[1.0]),
];
const GATHER_SIZES: &[&str] = &["n", "d", "b", "batch", "offset", "first"];
const GATHER_FORMULA: &str = "out_i = weight x[rows[BATCH batch + offset + i] - first], for those in first..first + n; other rows of out are left alone";

pub const GATHER_F32: Row = Row {
    kernel: Kernel::GatherF32,
    family: Family::Network,
    name: "gather_f32",
    formula: GATHER_FORMULA,
    sizes: GATHER_SIZES,
    scalars: &["weight"],
    buffers: &[
        CONTROL,
        rows("x", Read, |s| s[0] * s[1], |s| s[1], Normal),
        u32("rows", |s| s[0] + s[5], Permutation),
        f32("out", Update, |s| s[2] * s[1], Normal),
    ],
    bytes: |s| 8.0 * (s[2] * s[1]) as f64,
    flops: |s| (s[2] * s[1]) as f64,
    tolerance: 1e-6,
    reference: gather,
    cases: GATHER,
    benchmark: (&[60000, 784, 128, 128, 0, 0], &[1.0]),
};

pub const GATHER_U8: Row = Row {
    kernel: Kernel::GatherU8,
    family: Family::Network,
    name: "gather_u8",
    formula: GATHER_FORMULA,
    sizes: GATHER_SIZES,
    scalars: &["weight"],
    buffers: &[
        CONTROL,
        u8("x", |s| s[0] * s[1], |s| s[1]),
        u32("rows", |s| s[0] + s[5], Permutation),
        f32("out", Update, |s| s[2] * s[1], Normal),
    ],
    bytes: |s| 5.0 * (s[2] * s[1]) as f64,
    flops: |s| (s[2] * s[1]) as f64,
    tolerance: 1e-6,
    reference: gather,
    cases: GATHER,
    benchmark: (&[60000, 784, 128, 128, 0, 0], &[1.0 / 255.0]),
};

pub const BIAS_RELU: Row = Row {
    kernel: Kernel::BiasRelu,
    family: Family::Network,
    name: "bias_relu",
    formula: "z = max(0, z + bias), the bias added to every row",
    sizes: &["b", "h"],
    scalars: &[],
    buffers: &[
        f32("z", Update, |s| s[0] * s[1], Normal),
        f32("bias", Read, |s| s[1], Normal),
    ],
    bytes: |s| 8.0 * (s[0] * s[1]) as f64,
    flops: |s| 2.0 * (s[0] * s[1]) as f64,
    tolerance: 1e-6,
    reference: bias_relu,
    cases: &[
        (&[1, 1], &[]),
        (&[31, 33], &[]),
        (&[128, 300], &[]),
        (&[257, 10], &[]),
    ],
    benchmark: (&[128, 300], &[]),
};

pub const SOFTMAX_LOSS: Row = Row {
    kernel: Kernel::SoftmaxLoss,
    family: Family::Network,
    name: "softmax_loss",
    formula: "s = softmax(z + bias); losses[BATCH] = beta losses[BATCH] - sum_i ln s[i, label_i] / batch; z = (s - onehot(label)) / batch; \
              dbias = beta dbias + sum_i z_i; label_i = labels[rows[BATCH batch + offset + i]]; a loss that is not finite stops",
    sizes: &["b", "c", "batch", "offset", "n", "batches"],
    scalars: &["beta"],
    buffers: &[
        CONTROL_RW,
        u32("labels", |s| s[4], Classes),
        u32("rows", |s| s[4], Permutation),
        f32("bias", Read, |s| s[1], Normal),
        f32("z", Update, |s| s[0] * s[1], Normal),
        f32("dbias", Update, |s| s[1], Normal),
        f32("losses", Update, |s| s[5], Normal),
    ],
    bytes: |s| 8.0 * (s[0] * s[1]) as f64 + 8.0 * s[0] as f64,
    flops: |s| 8.0 * (s[0] * s[1]) as f64,
    tolerance: 1e-5,
    reference: softmax_loss,
    cases: &[
        (&[1, 2, 1, 0, 4, 2], &[0.0]),
        (&[31, 3, 64, 33, 150, 2], &[1.0]),
        (&[128, 10, 128, 0, 300, 2], &[0.0]),
        (&[257, 33, 300, 43, 700, 2], &[1.0]),
        (&[5, 300, 5, 0, 20, 4], &[1.0]),
    ],
    benchmark: (&[128, 10, 128, 0, 60000, 468], &[0.0]),
};

pub const RELU_BACKWARD: Row = Row {
    kernel: Kernel::ReluBackward,
    family: Family::Network,
    name: "relu_backward",
    formula: "delta = delta where a > 0, else 0; dbias = beta dbias + sum of its rows",
    sizes: &["b", "h"],
    scalars: &["beta"],
    buffers: &[
        f32("a", Read, |s| s[0] * s[1], Normal),
        f32("delta", Update, |s| s[0] * s[1], Normal),
        f32("dbias", Update, |s| s[1], Normal),
    ],
    bytes: |s| 12.0 * (s[0] * s[1]) as f64,
    flops: |s| 2.0 * (s[0] * s[1]) as f64,
    tolerance: 1e-5,
    reference: relu_backward,
    cases: &[
        (&[1, 1], &[0.0]),
        (&[31, 33], &[1.0]),
        (&[128, 300], &[0.0]),
        (&[1031, 10], &[1.0]),
        (&[257, 300], &[1.0]),
    ],
    benchmark: (&[128, 300], &[0.0]),
};

pub const SCORE: Row = Row {
    kernel: Kernel::Score,
    family: Family::Network,
    name: "score",
    formula: "totals += [samples whose largest z + bias is not their label's, sum_i -ln softmax(z + bias)[i, label_i]], sample i being \
              rows[BATCH b + i]; numbers from n on are no samples",
    sizes: &["b", "c", "n", "len"],
    scalars: &[],
    buffers: &[
        CONTROL,
        u32("labels", |s| s[2], Classes),
        u32("rows", |s| s[3], Permutation),
        f32("bias", Read, |s| s[1], Normal),
        f32("z", Read, |s| s[0] * s[1], Normal),
        f32("totals", Update, |_| 2, Normal),
    ],
    bytes: |s| 4.0 * (s[0] * s[1]) as f64 + 8.0 * s[0] as f64,
    flops: |s| 5.0 * (s[0] * s[1]) as f64,
    tolerance: 1e-5,
    reference: score,
    cases: &[
        (&[1, 2, 2, 2], &[]),
        (&[31, 3, 60, 62], &[]),
        (&[500, 10, 900, 1000], &[]),
        (&[33, 300, 70, 99], &[]),
    ],
    benchmark: (&[1000, 10, 10000, 10000], &[]),
};

/// Sample of place `i` of a chunk.
fn place(b: &[Vec<f64>], rows: usize, batch: usize, offset: usize, i: usize) -> usize {
    b[rows][b[0][c::BATCH] as usize * batch + offset + i] as usize
}

fn gather(s: &[usize], w: &[f64], b: &mut [Vec<f64>]) {
    let [n, d, rows, batch, offset, first] = [s[0], s[1], s[2], s[3], s[4], s[5]];
    if b[0][c::STOP] != 0.0 {
        return;
    }
    for i in 0..rows {
        let row = place(b, 2, batch, offset, i);
        if (first..first + n).contains(&row) {
            for j in 0..d {
                b[3][i * d + j] = w[0] * b[1][(row - first) * d + j];
            }
        }
    }
}

fn bias_relu(s: &[usize], _: &[f64], b: &mut [Vec<f64>]) {
    for i in 0..s[0] {
        for j in 0..s[1] {
            b[0][i * s[1] + j] = (b[0][i * s[1] + j] + b[1][j]).max(0.0);
        }
    }
}

/// Logarithms of the softmax of `z + bias`.
fn log_softmax(z: &[f64], bias: &[f64]) -> Vec<f64> {
    let z: Vec<f64> = z.iter().zip(bias).map(|(z, b)| z + b).collect();
    let top = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = z.iter().map(|z| (z - top).exp()).sum();
    z.iter().map(|z| z - top - sum.ln()).collect()
}

fn softmax_loss(s: &[usize], w: &[f64], b: &mut [Vec<f64>]) {
    let [rows, classes, batch, offset] = [s[0], s[1], s[2], s[3]];
    if b[0][c::STOP] != 0.0 {
        return;
    }
    let old = |x: f64| if w[0] == 0.0 { 0.0 } else { w[0] * x };
    let mut loss = 0.0;
    let mut sums = vec![0.0; classes];
    for i in 0..rows {
        let label = b[1][place(b, 2, batch, offset, i)] as usize;
        let logs = log_softmax(&b[4][i * classes..][..classes], &b[3]);
        loss -= logs[label] / batch as f64;
        for j in 0..classes {
            let hit = if j == label { 1.0 } else { 0.0 };
            let delta = (logs[j].exp() - hit) / batch as f64;
            b[4][i * classes + j] = delta;
            sums[j] += delta;
        }
    }
    for (sum, to) in sums.iter().zip(&mut b[5]) {
        *to = old(*to) + sum;
    }
    let place = b[0][c::BATCH] as usize;
    b[6][place] = old(b[6][place]) + loss;
    if !b[6][place].is_finite() {
        b[0][c::STOP] = f64::from(c::NOT_FINITE);
    }
}

fn relu_backward(s: &[usize], w: &[f64], b: &mut [Vec<f64>]) {
    for j in 0..s[1] {
        let mut sum = if w[0] == 0.0 { 0.0 } else { w[0] * b[2][j] };
        for i in 0..s[0] {
            let at = i * s[1] + j;
            if b[0][at] <= 0.0 {
                b[1][at] = 0.0;
            }
            sum += b[1][at];
        }
        b[2][j] = sum;
    }
}

fn score(s: &[usize], _: &[f64], b: &mut [Vec<f64>]) {
    let [rows, classes, n] = [s[0], s[1], s[2]];
    if b[0][c::STOP] != 0.0 {
        return;
    }
    for i in 0..rows {
        let sample = place(b, 2, rows, 0, i);
        if sample < n {
            let label = b[1][sample] as usize;
            let logs = log_softmax(&b[4][i * classes..][..classes], &b[3]);
            let beaten = (0..classes).any(|j| j != label && logs[j] >= logs[label]);
            b[5][0] += f64::from(u8::from(beaten));
            b[5][1] -= logs[label];
        }
    }
}
