//! Products of the samples, or of a symmetric matrix, with a block of vectors.

use super::parameter::{CONTROL, Parameter, Stored, f32, rows, samples, u32};
use super::reference::{centred, dot, frozen, keep, named, named_mut};
use super::{Access, Fill, Kernel, Row, control as c};

use Access::{Read, Update, Write};
use Fill::{Mean, Normal, Permutation, Symmetric};

/// Rows of products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // Each is documented by its row.
pub enum Product {
    SamplesF32,
    SamplesU8,
    BatchF32,
    BatchU8,
    Symmetric,
    LiftF32,
    LiftU8,
}

/// In the order of [`Product`].
pub(super) static ROWS: &[Row] = &[
    samples_product::<f32>(Product::SamplesF32, "samples_product_f32"),
    samples_product::<u8>(Product::SamplesU8, "samples_product_u8"),
    batch_product::<f32>(Product::BatchF32, "batch_product_f32"),
    batch_product::<u8>(Product::BatchU8, "batch_product_u8"),
    SYMMETRIC,
    lift::<f32>(Product::LiftF32, "lift_f32"),
    lift::<u8>(Product::LiftU8, "lift_u8"),
];

/// `[2, d]`, d the row's second size.
const MEAN: Parameter = rows("mean", Read, |s| 2 * s[1], |s| s[1], Mean);

const fn samples_product<T: Stored>(kernel: Product, name: &'static str) -> Row {
    Row {
        kernel: Kernel::Product(kernel),
        name,
        formula: "g = beta g + w_out sum_i w_in (y_i . v) y_i, for each row of v",
        sizes: &["n", "d", "m"],
        scalars: &["beta", "weight_in", "weight_out"],
        buffers: const {
            &[
                CONTROL,
                samples::<T>("x", |s| s[0] * s[1], |s| s[1]),
                MEAN,
                f32("v", Read, |s| s[2] * s[1], Normal),
                f32("g", Update, |s| s[2] * s[1], Normal),
            ]
        },
        freezes: true,
        bytes: &|s| T::BYTES * (s[0] * s[1]) as f64 + 12.0 * (s[1] * s[2]) as f64,
        flops: &|s| 4.0 * (s[0] * s[1] * s[2]) as f64 + (s[0] * s[1]) as f64,
        tolerance: 1e-5,
        reference: &all_rows,
        // Single elements, odd lengths, every remainder of the register tiles, more rows than one flush of the f32 sums,
        // rows too long for a cache (column panels), and sums so long that a software adapter would end their loops.
        cases: &[
            (&[1, 1, 1], &[0.0, 1.0, 1.0]),
            (&[2, 31, 1], &[0.0, 1.0, 0.5]),
            (&[33, 33, 2], &[1.0, 0.25, 1.0]),
            (&[257, 31, 3], &[0.0, 1.0, 1.0]),
            (&[1031, 257, 1], &[1.0, 1.0, 0.125]),
            (&[500, 784, 1], &[0.0, 1.0, 1.0]),
            (&[45, 3001, 1], &[1.0, 1.0, 1.0]),
            (&[97, 784, 16], &[0.0, 1.0, 1.0]),
            (&[50, 65, 35], &[0.0, 1.0, 0.5]),
            (&[40, 785, 11], &[1.0, 1.0, 1.0]),
            (&[7, 40001, 1], &[0.0, 1.0, 1.0]),
            (&[5, 33001, 5], &[1.0, 1.0, 1.0]),
            (&[300001, 3, 1], &[0.0, 1.0, 1.0]),
        ],
        benchmark: (&[60000, 784, 1], &[0.0, 1.0, 1.0]),
    }
}

fn all_rows(sizes: &[usize], scalars: &[f64], buffers: &mut [Vec<f64>]) {
    let [n, d, m] = named(sizes);
    let [control, x, mean, v, g] = named_mut(buffers);
    if !frozen(control) {
        let terms = Terms { d, m, x, mean, v };
        terms.add(0..n, named(scalars), g);
    }
}

/// What the sums of [`all_rows`] and [`listed_rows`] are made of.
struct Terms<'a> {
    d: usize,
    m: usize,
    x: &'a [f64],
    mean: &'a [f64],
    v: &'a [f64],
}

impl Terms<'_> {
    fn add(
        &self,
        rows: impl Iterator<Item = usize>,
        [beta, weight_in, weight_out]: [f64; 3],
        g: &mut [f64],
    ) {
        let Self { d, m, x, mean, v } = *self;
        keep(beta, g);
        for i in rows {
            let y: Vec<f64> = centred(x, mean, d, i).collect();
            for a in 0..m {
                let u = weight_in * dot(&y, &v[a * d..][..d]);
                for j in 0..d {
                    g[a * d + j] += weight_out * u * y[j];
                }
            }
        }
    }
}

const fn batch_product<T: Stored>(kernel: Product, name: &'static str) -> Row {
    Row {
        kernel: Kernel::Product(kernel),
        name,
        formula: "as samples_product, over those rows of mini-batch BATCH (rows[BATCH b ..][..b]) that lie in first..first + n",
        sizes: &["n", "d", "m", "b", "first"],
        scalars: &["beta", "weight_in", "weight_out"],
        buffers: const {
            &[
                CONTROL,
                samples::<T>("x", |s| s[0] * s[1], |s| s[1]),
                MEAN,
                u32("rows", |s| s[0] + s[4], Permutation),
                f32("v", Read, |s| s[2] * s[1], Normal),
                f32("g", Update, |s| s[2] * s[1], Normal),
            ]
        },
        freezes: true,
        bytes: &|s| T::BYTES * (s[3] * s[1]) as f64 + 12.0 * (s[1] * s[2]) as f64,
        flops: &|s| 4.0 * (s[3] * s[1] * s[2]) as f64 + (s[3] * s[1]) as f64,
        tolerance: 1e-5,
        reference: &listed_rows,
        cases: &[
            (&[2, 1, 1, 1, 0], &[0.0, 1.0, 1.0]),
            (&[64, 31, 1, 32, 0], &[0.0, 1.0, 0.5]),
            (&[257, 33, 5, 33, 0], &[1.0, 1.0, 1.0]),
            (&[300, 784, 16, 128, 0], &[0.0, 1.0, 1.0]),
            (&[400, 784, 1, 150, 20], &[1.0, 1.0, 1.0]),
            (&[100, 33, 2, 64, 150], &[1.0, 1.0, 1.0]),
            (&[9, 40001, 2, 4, 0], &[0.0, 1.0, 1.0]),
        ],
        benchmark: (&[60000, 784, 1, 256, 0], &[0.0, 1.0, 1.0]),
    }
}

fn listed_rows(sizes: &[usize], scalars: &[f64], buffers: &mut [Vec<f64>]) {
    let [n, d, m, batch, first] = named(sizes);
    let [control, x, mean, rows, v, g] = named_mut(buffers);
    if !frozen(control) {
        let start = control[c::BATCH] as usize * batch;
        let rows = rows[start..start + batch]
            .iter()
            .map(|&row| row as usize)
            .filter(|row| (first..first + n).contains(row))
            .map(|row| row - first);
        let terms = Terms { d, m, x, mean, v };
        terms.add(rows, named(scalars), g);
    }
}

const SYMMETRIC: Row = Row {
    kernel: Kernel::Product(Product::Symmetric),
    name: "symmetric_product",
    formula: "g = C v, for each row of v; C symmetric",
    sizes: &["p", "m"],
    scalars: &[],
    buffers: &[
        CONTROL,
        rows("c", Read, |s| s[0] * s[0], |s| s[0], Symmetric),
        f32("v", Read, |s| s[1] * s[0], Normal),
        f32("g", Write, |s| s[1] * s[0], Normal),
    ],
    freezes: true,
    bytes: &|s| 4.0 * (s[0] * s[0] + 2 * s[0] * s[1]) as f64,
    flops: &|s| 2.0 * (s[0] * s[0] * s[1]) as f64,
    tolerance: 1e-5,
    reference: &symmetric,
    cases: &[
        (&[1, 1], &[]),
        (&[31, 2], &[]),
        (&[33, 3], &[]),
        (&[257, 1], &[]),
        (&[257, 11], &[]),
        (&[784, 1], &[]),
        (&[784, 16], &[]),
    ],
    benchmark: (&[784, 1], &[]),
};

fn symmetric(sizes: &[usize], _: &[f64], buffers: &mut [Vec<f64>]) {
    let [p, m] = named(sizes);
    let [control, c, v, g] = named_mut(buffers);
    if !frozen(control) {
        for a in 0..m {
            for i in 0..p {
                g[a * p + i] = dot(&c[i * p..][..p], &v[a * p..][..p]);
            }
        }
    }
}

const fn lift<T: Stored>(kernel: Product, name: &'static str) -> Row {
    Row {
        kernel: Kernel::Product(kernel),
        name,
        formula: "out = beta out + w sum_i u[:, first + i] y_i: eigenvectors of the dual back to samples",
        sizes: &["n", "d", "m", "total", "first"],
        scalars: &["beta", "weight"],
        buffers: const {
            &[
                samples::<T>("x", |s| s[0] * s[1], |s| s[1]),
                MEAN,
                f32("u", Read, |s| s[2] * s[3], Normal),
                f32("out", Update, |s| s[2] * s[1], Normal),
            ]
        },
        freezes: false,
        bytes: &|s| T::BYTES * (s[0] * s[1]) as f64 + 4.0 * (s[2] * (s[0] + s[1])) as f64,
        flops: &|s| 2.0 * (s[0] * s[1] * s[2]) as f64,
        tolerance: 1e-5,
        reference: &lifted,
        cases: &[
            (&[1, 1, 1, 1, 0], &[0.0, 1.0]),
            (&[31, 33, 2, 40, 5], &[1.0, 0.5]),
            (&[50, 1023, 5, 50, 0], &[0.0, 1.0]),
            (&[9, 40001, 3, 9, 0], &[0.0, 1.0]),
        ],
        benchmark: (&[500, 20000, 10, 500, 0], &[0.0, 1.0]),
    }
}

fn lifted(sizes: &[usize], scalars: &[f64], buffers: &mut [Vec<f64>]) {
    let [n, d, m, total, first] = named(sizes);
    let [beta, weight] = named(scalars);
    let [x, mean, u, out] = named_mut(buffers);
    keep(beta, out);
    for i in 0..n {
        let y: Vec<f64> = centred(x, mean, d, i).collect();
        for a in 0..m {
            let u = weight * u[a * total + first + i];
            for j in 0..d {
                out[a * d + j] += u * y[j];
            }
        }
    }
}
