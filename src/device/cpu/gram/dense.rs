//! The dense way, in f64: the smaller Gram matrix of the centred samples. Bytes with d <= n are summed exactly in
//! integers; everything else is centred in f64 in blocks, low parts included, and goes to BLAS with the library's own threads.

use super::exact;
use crate::data::{Elements, Samples, Statistics};
use crate::device::cpu::cores::Cores;
use crate::device::cpu::gemm::blas;
use crate::error::Result;

/// Elements of a block in f64: 8 MiB.
const BLOCK: usize = 1 << 20;

/// Whether the sums are made in integers.
pub fn exact(samples: &Samples) -> bool {
    matches!(samples.elements, Elements::U8(_)) && samples.d <= samples.n
}

/// See [`crate::device::Device::gram`].
pub fn gram(cores: &mut Cores, samples: &Samples, statistics: &Statistics) -> Result<Vec<f64>> {
    let Samples { n, d, .. } = *samples;
    let mut c = match &samples.elements {
        Elements::U8(x) if exact(samples) => {
            let mut sums = exact::sums(cores, x, n, &statistics.mean);
            for i in 0..d {
                for j in i..d {
                    sums.gram[i * d + j] = sums.centred(n, i, j);
                }
            }
            sums.gram
        }
        Elements::U8(x) => blocks(cores, n, d, &statistics.mean, |i| f64::from(x[i])),
        Elements::F32(x) if samples.low.is_empty() => {
            blocks(cores, n, d, &statistics.mean, |i| f64::from(x[i]))
        }
        Elements::F32(x) => {
            let low = &samples.low[..x.len()];
            let whole = |i: usize| f64::from(x[i]) + f64::from(low[i]);
            blocks(cores, n, d, &statistics.mean, whole)
        }
    };
    let order = n.min(d);
    for i in 0..order {
        for j in 0..i {
            c[i * order + j] = c[j * order + i];
        }
    }
    Ok(c)
}

fn blocks(cores: &Cores, n: usize, d: usize, mean: &[f64], x: impl Fn(usize) -> f64) -> Vec<f64> {
    let order = n.min(d);
    let mut c = vec![0.0; order * order];
    let mut block = Vec::new();
    let _several = blas::Several::new(cores.pool.threads());
    if d <= n {
        let height = (BLOCK / d).max(1);
        for start in (0..n).step_by(height) {
            let rows = height.min(n - start);
            block.clear();
            for i in start..start + rows {
                block.extend((0..d).map(|j| x(i * d + j) - mean[j]));
            }
            blas::dsyrk(&block, d, rows, true, &mut c);
        }
    } else {
        let width = (BLOCK / n).max(1);
        for start in (0..d).step_by(width) {
            let columns = width.min(d - start);
            block.clear();
            for i in 0..n {
                block.extend((start..start + columns).map(|j| x(i * d + j) - mean[j]));
            }
            blas::dsyrk(&block, n, columns, false, &mut c);
        }
    }
    c
}
