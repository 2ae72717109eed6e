//! Products of the samples with themselves: covariance (d x d) and dual (n x n).

use super::parameter::{Stored, rows, samples};
use super::reference::{centred, dot, keep, named, named_mut};
use super::{Access, Fill, Kernel, Row};

use Access::{Read, Update};
use Fill::{Mean, Normal, Symmetric};

/// Rows of Gram matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // Each is documented by its row.
pub enum Gram {
    CovarianceF32,
    CovarianceU8,
    DualF32,
    DualU8,
}

/// In the order of [`Gram`].
pub(super) static ROWS: &[Row] = &[
    covariance::<f32>(Gram::CovarianceF32, "covariance_f32"),
    covariance::<u8>(Gram::CovarianceU8, "covariance_u8"),
    dual::<f32>(Gram::DualF32, "dual_f32"),
    dual::<u8>(Gram::DualU8, "dual_u8"),
];

const fn covariance<T: Stored>(kernel: Gram, name: &'static str) -> Row {
    Row {
        kernel: Kernel::Gram(kernel),
        name,
        formula: "C = beta C + w_out w_in sum_i y_i y_i'",
        sizes: &["n", "d"],
        scalars: &["beta", "weight_in", "weight_out"],
        buffers: const {
            &[
                samples::<T>("x", |s| s[0] * s[1], |s| s[1]),
                rows("mean", Read, |s| 2 * s[1], |s| s[1], Mean),
                rows("c", Update, |s| s[1] * s[1], |s| s[1], Symmetric),
            ]
        },
        freezes: false,
        bytes: &|s| T::BYTES * (s[0] * s[1]) as f64 + 4.0 * (s[1] * s[1]) as f64,
        flops: &|s| (s[0] * s[1] * (s[1] + 1)) as f64,
        tolerance: 1e-5,
        reference: &columns,
        cases: &[
            (&[2, 1], &[0.0, 1.0, 1.0]),
            (&[33, 31], &[0.0, 1.0, 0.5]),
            (&[257, 33], &[1.0, 0.25, 1.0]),
            (&[1031, 100], &[0.0, 1.0, 1.0]),
            (&[600, 257], &[1.0, 1.0, 1.0]),
            (&[70001, 7], &[1.0, 1.0, 1.0]),
        ],
        benchmark: (&[60000, 784], &[0.0, 1.0, 1.0]),
    }
}

fn columns(sizes: &[usize], scalars: &[f64], buffers: &mut [Vec<f64>]) {
    let [n, d] = named(sizes);
    let [beta, weight_in, weight_out] = named(scalars);
    let [x, mean, c] = named_mut(buffers);
    keep(beta, c);
    for i in 0..n {
        let y: Vec<f64> = centred(x, mean, d, i).collect();
        for j in 0..d {
            for l in 0..d {
                c[j * d + l] += weight_in * weight_out * y[j] * y[l];
            }
        }
    }
}

const fn dual<T: Stored>(kernel: Gram, name: &'static str) -> Row {
    Row {
        kernel: Kernel::Gram(kernel),
        name,
        formula: "K[first_a + i, first_b + j] = w_out w_in ya_i . yb_j; the rest of K is left alone",
        sizes: &["na", "nb", "d", "n", "first_a", "first_b"],
        scalars: &["weight_in", "weight_out"],
        buffers: const {
            &[
                samples::<T>("xa", |s| s[0] * s[2], |s| s[2]),
                samples::<T>("xb", |s| s[1] * s[2], |s| s[2]),
                rows("mean", Read, |s| 2 * s[2], |s| s[2], Mean),
                rows("k", Update, |s| s[3] * s[3], |s| s[3], Normal),
            ]
        },
        freezes: false,
        bytes: &|s| T::BYTES * ((s[0] + s[1]) * s[2]) as f64 + 4.0 * (s[0] * s[1]) as f64,
        flops: &|s| 2.0 * (s[0] * s[1] * s[2]) as f64,
        tolerance: 1e-5,
        reference: &samples_by_samples,
        cases: &[
            (&[1, 1, 1, 1, 0, 0], &[1.0, 1.0]),
            (&[31, 31, 33, 31, 0, 0], &[1.0, 0.5]),
            (&[10, 17, 257, 40, 3, 20], &[0.25, 1.0]),
            (&[33, 33, 9001, 33, 0, 0], &[1.0, 1.0]),
            (&[2, 3, 70001, 6, 0, 3], &[1.0, 1.0]),
        ],
        benchmark: (&[500, 500, 20000, 500, 0, 0], &[1.0, 1.0]),
    }
}

fn samples_by_samples(sizes: &[usize], scalars: &[f64], buffers: &mut [Vec<f64>]) {
    let [na, nb, d, n, first_a, first_b] = named(sizes);
    let [weight_in, weight_out] = named(scalars);
    let [xa, xb, mean, k] = named_mut(buffers);
    for i in 0..na {
        let ya: Vec<f64> = centred(xa, mean, d, i).collect();
        for j in 0..nb {
            let yb: Vec<f64> = centred(xb, mean, d, j).collect();
            k[(first_a + i) * n + first_b + j] = weight_in * weight_out * dot(&ya, &yb);
        }
    }
}
