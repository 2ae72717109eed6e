//! Matrix products on a device against plain loops in f64.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::difference;
use crate::device::{Device, Element, Gemm, Slice, SliceMut};
use crate::error::Result;

/// The product of an m x k and a k x n matrix, with alpha 0.5.
pub(super) const fn product(
    m: usize,
    n: usize,
    k: usize,
    transpose_a: bool,
    transpose_b: bool,
    beta: f32,
) -> Gemm {
    Gemm {
        m,
        n,
        k,
        transpose_a,
        transpose_b,
        alpha: 0.5,
        beta,
    }
}

/// Products, and the share of A that is 0: a device may skip it.
pub(super) const GEMM: &[(Gemm, f64)] = &[
    (product(1, 1, 1, false, false, 0.0), 0.0),
    (product(31, 33, 257, false, false, 0.0), 0.0),
    (product(33, 31, 64, true, false, 1.0), 0.0),
    (product(10, 10, 784, false, true, 0.0), 0.0),
    (product(65, 17, 33, true, true, 0.25), 0.0),
    (product(257, 129, 65, false, true, 1.0), 0.0),
    (product(145, 260, 1028, false, false, 0.25), 0.0),
    (product(68, 132, 1032, true, false, 0.25), 0.0),
    (product(37, 140, 64, false, true, 1.0), 0.0),
    (product(3, 5, 70001, false, true, 0.25), 0.0),
    (product(145, 260, 1028, false, false, 0.25), 0.9),
    (product(68, 132, 1032, true, false, 0.0), 0.9),
];

/// The relative error of one product with fresh random inputs.
///
/// # Errors
/// As the device says, and when the error is over the tolerance.
pub(super) fn compare<D: Device>(
    device: &mut D,
    gemm: &Gemm,
    zeros: f64,
    random: &mut ChaCha8Rng,
) -> Result<f64> {
    let Gemm {
        m,
        n,
        k,
        transpose_a,
        transpose_b,
        alpha,
        beta,
    } = *gemm;
    let mut matrix =
        |len: usize| -> Vec<f32> { (0..len).map(|_| StandardNormal.sample(random)).collect() };
    let (mut a, b, c) = (matrix(m * k), matrix(k * n), matrix(m * n));
    a.iter_mut()
        .filter(|_| random.random_bool(zeros))
        .for_each(|x| *x = 0.0);
    let mut expected = vec![0.0; m * n];
    for i in 0..m {
        for j in 0..n {
            let sum: f64 = (0..k)
                .map(|l| {
                    let x = if transpose_a {
                        a[l * m + i]
                    } else {
                        a[i * k + l]
                    };
                    let y = if transpose_b {
                        b[j * k + l]
                    } else {
                        b[l * n + j]
                    };
                    f64::from(x) * f64::from(y)
                })
                .sum();
            let old = if beta == 0.0 {
                0.0
            } else {
                f64::from(beta) * f64::from(c[i * n + j])
            };
            expected[i * n + j] = f64::from(alpha) * sum + old;
        }
    }
    // With beta 0 the old content is not read: NaN there must vanish.
    let old = if beta == 0.0 {
        vec![f32::NAN; m * n]
    } else {
        c
    };
    let mut buffers = Vec::new();
    for x in [&a, &b, &old] {
        let buffer = device.alloc(Element::F32, x.len())?;
        device.write(&buffer, 0, Slice::F32(x))?;
        buffers.push(buffer);
    }
    device.gemm(gemm, &buffers[0], &buffers[1], &buffers[2])?;
    device.synchronise()?;
    let mut got = vec![0.0; m * n];
    device.read(&buffers[2], 0, SliceMut::F32(&mut got))?;
    difference("c", &got, &expected, 1e-5)
}
