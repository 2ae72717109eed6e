//! Rows of a multilayer perceptron, with their references: all of a step that is no matrix product and no update.
//!
//! Activations are b x h, row-major and not padded: operands of the matrix product. A batch that is too large for memory is
//! taken in chunks of b rows that begin at `offset`; `beta` is 0 in the first and 1 in the others, so that gradients and
//! losses add up to those of the batch.

use super::parameter::{CONTROL, CONTROL_RW, Stored, f32, samples, u32};
use super::reference::{frozen, keep, named, named_mut};
use super::{Access, Case, Fill, Kernel, Row, control as c};

use Access::{Read, Update};
use Fill::{Classes, Normal, Permutation};

/// Rows of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // Each is documented by its row.
pub enum Network {
    GatherF32,
    GatherU8,
    BiasRelu,
    SoftmaxLoss,
    ReluBackward,
    Score,
}

/// In the order of [`Network`].
pub(super) static ROWS: &[Row] = &[
    gather::<f32>(
        Network::GatherF32,
        "gather_f32",
        (&[60000, 784, 128, 128, 0, 0], &[1.0]),
    ),
    gather::<u8>(
        Network::GatherU8,
        "gather_u8",
        (&[60000, 784, 128, 128, 0, 0], &[1.0 / 255.0]),
    ),
    BIAS_RELU,
    SOFTMAX_LOSS,
    RELU_BACKWARD,
    SCORE,
];

const fn gather<T: Stored>(kernel: Network, name: &'static str, benchmark: Case) -> Row {
    Row {
        kernel: Kernel::Network(kernel),
        name,
        formula: "out_i = weight x[rows[BATCH batch + offset + i] - first], for those in first..first + n; other rows of out are left alone",
        sizes: &["n", "d", "b", "batch", "offset", "first"],
        scalars: &["weight"],
        buffers: const {
            &[
                CONTROL,
                samples::<T>("x", |s| s[0] * s[1], |s| s[1]),
                u32("rows", |s| s[0] + s[5], Permutation),
                f32("out", Update, |s| s[2] * s[1], Normal),
            ]
        },
        freezes: true,
        bytes: &|s| (T::BYTES + 4.0) * (s[2] * s[1]) as f64,
        flops: &|s| (s[2] * s[1]) as f64,
        tolerance: 1e-6,
        reference: &gathered,
        cases: &[
            (&[2, 1, 1, 1, 0, 0], &[1.0]),
            (&[64, 31, 13, 32, 7, 0], &[0.5]),
            (&[300, 784, 128, 128, 0, 0], &[0.25]),
            (&[100, 33, 40, 64, 24, 150], &[1.0]),
        ],
        benchmark,
    }
}

const BIAS_RELU: Row = Row {
    kernel: Kernel::Network(Network::BiasRelu),
    name: "bias_relu",
    formula: "z = max(0, z + bias), the bias added to every row",
    sizes: &["b", "h"],
    scalars: &[],
    buffers: &[
        f32("z", Update, |s| s[0] * s[1], Normal),
        f32("bias", Read, |s| s[1], Normal),
    ],
    freezes: false,
    bytes: &|s| 8.0 * (s[0] * s[1]) as f64,
    flops: &|s| 2.0 * (s[0] * s[1]) as f64,
    tolerance: 1e-6,
    reference: &bias_relu,
    cases: &[
        (&[1, 1], &[]),
        (&[31, 33], &[]),
        (&[128, 300], &[]),
        (&[257, 10], &[]),
    ],
    benchmark: (&[128, 300], &[]),
};

const SOFTMAX_LOSS: Row = Row {
    kernel: Kernel::Network(Network::SoftmaxLoss),
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
    freezes: true,
    bytes: &|s| 8.0 * (s[0] * s[1]) as f64 + 8.0 * s[0] as f64,
    flops: &|s| 8.0 * (s[0] * s[1]) as f64,
    tolerance: 1e-5,
    reference: &softmax_loss,
    cases: &[
        (&[1, 2, 1, 0, 4, 2], &[0.0]),
        (&[31, 3, 64, 33, 150, 2], &[1.0]),
        (&[128, 10, 128, 0, 300, 2], &[0.0]),
        (&[257, 33, 300, 43, 700, 2], &[1.0]),
        (&[5, 300, 5, 0, 20, 4], &[1.0]),
    ],
    benchmark: (&[128, 10, 128, 0, 60000, 468], &[0.0]),
};

const RELU_BACKWARD: Row = Row {
    kernel: Kernel::Network(Network::ReluBackward),
    name: "relu_backward",
    formula: "delta = delta where a > 0, else 0; dbias = beta dbias + sum of its rows",
    sizes: &["b", "h"],
    scalars: &["beta"],
    buffers: &[
        f32("a", Read, |s| s[0] * s[1], Normal),
        f32("delta", Update, |s| s[0] * s[1], Normal),
        f32("dbias", Update, |s| s[1], Normal),
    ],
    freezes: false,
    bytes: &|s| 12.0 * (s[0] * s[1]) as f64,
    flops: &|s| 2.0 * (s[0] * s[1]) as f64,
    tolerance: 1e-5,
    reference: &relu_backward,
    cases: &[
        (&[1, 1], &[0.0]),
        (&[31, 33], &[1.0]),
        (&[128, 300], &[0.0]),
        (&[1031, 10], &[1.0]),
        (&[257, 300], &[1.0]),
    ],
    benchmark: (&[128, 300], &[0.0]),
};

const SCORE: Row = Row {
    kernel: Kernel::Network(Network::Score),
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
    freezes: true,
    bytes: &|s| 4.0 * (s[0] * s[1]) as f64 + 8.0 * s[0] as f64,
    flops: &|s| 5.0 * (s[0] * s[1]) as f64,
    tolerance: 1e-5,
    reference: &score,
    cases: &[
        (&[1, 2, 2, 2], &[]),
        (&[31, 3, 60, 62], &[]),
        (&[500, 10, 900, 1000], &[]),
        (&[33, 300, 70, 99], &[]),
    ],
    benchmark: (&[1000, 10, 10000, 10000], &[]),
};

/// Places of a mini-batch in the order of the epoch: chunk `offset..` of mini-batch BATCH, `batch` samples long.
fn chunk<'a>(control: &[f64], rows: &'a [f64], batch: usize, offset: usize) -> &'a [f64] {
    &rows[control[c::BATCH] as usize * batch + offset..]
}

fn gathered(sizes: &[usize], scalars: &[f64], buffers: &mut [Vec<f64>]) {
    let [n, d, b, batch, offset, first] = named(sizes);
    let [weight] = named(scalars);
    let [control, x, rows, out] = named_mut(buffers);
    if frozen(control) {
        return;
    }
    let rows = chunk(control, rows, batch, offset);
    for (row, out) in rows.iter().zip(out.chunks_exact_mut(d)).take(b) {
        let row = *row as usize;
        if (first..first + n).contains(&row) {
            for (out, x) in out.iter_mut().zip(&x[(row - first) * d..]) {
                *out = weight * x;
            }
        }
    }
}

fn bias_relu(sizes: &[usize], _: &[f64], buffers: &mut [Vec<f64>]) {
    let [b, h] = named(sizes);
    let [z, bias] = named_mut(buffers);
    for i in 0..b {
        for j in 0..h {
            z[i * h + j] = (z[i * h + j] + bias[j]).max(0.0);
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

fn softmax_loss(sizes: &[usize], scalars: &[f64], buffers: &mut [Vec<f64>]) {
    let [b, classes, batch, offset, _n, _batches] = named(sizes);
    let [beta] = named(scalars);
    let [control, labels, rows, bias, z, dbias, losses] = named_mut(buffers);
    if frozen(control) {
        return;
    }
    let mut loss = 0.0;
    let mut sums = vec![0.0; classes];
    let rows = chunk(control, rows, batch, offset);
    for (row, z) in rows.iter().zip(z.chunks_exact_mut(classes)).take(b) {
        let label = labels[*row as usize] as usize;
        let logs = log_softmax(z, bias);
        loss -= logs[label] / batch as f64;
        for j in 0..classes {
            let hit = if j == label { 1.0 } else { 0.0 };
            z[j] = (logs[j].exp() - hit) / batch as f64;
            sums[j] += z[j];
        }
    }
    keep(beta, dbias);
    for (sum, to) in sums.iter().zip(dbias) {
        *to += sum;
    }
    let total = &mut losses[control[c::BATCH] as usize..][..1];
    keep(beta, total);
    total[0] += loss;
    if !total[0].is_finite() {
        control[c::STOP] = f64::from(c::NOT_FINITE);
    }
}

fn relu_backward(sizes: &[usize], scalars: &[f64], buffers: &mut [Vec<f64>]) {
    let [b, h] = named(sizes);
    let [beta] = named(scalars);
    let [a, delta, dbias] = named_mut(buffers);
    keep(beta, dbias);
    for (j, sum) in dbias.iter_mut().enumerate() {
        for i in 0..b {
            let at = i * h + j;
            if a[at] <= 0.0 {
                delta[at] = 0.0;
            }
            *sum += delta[at];
        }
    }
}

fn score(sizes: &[usize], _: &[f64], buffers: &mut [Vec<f64>]) {
    let [b, classes, n, _len] = named(sizes);
    let [control, labels, rows, bias, z, totals] = named_mut(buffers);
    if frozen(control) {
        return;
    }
    let rows = chunk(control, rows, b, 0);
    for (row, z) in rows.iter().zip(z.chunks_exact(classes)).take(b) {
        let sample = *row as usize;
        if sample < n {
            let label = labels[sample] as usize;
            let logs = log_softmax(z, bias);
            let beaten = (0..classes).any(|j| j != label && logs[j] >= logs[label]);
            totals[0] += f64::from(u8::from(beaten));
            totals[1] -= logs[label];
        }
    }
}
