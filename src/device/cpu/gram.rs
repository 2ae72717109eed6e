//! Gram matrices: `covariance` (d x d) and `dual` (n x n), formed once per solve.
//!
//! Bytes are summed exactly: `y = x - round(mean)` fits i16, two rows are interleaved, and one instruction multiplies
//! pairs and adds them into 32-bit sums, twice the rate of f32 and without rounding; the remainder of the mean is taken
//! out afterwards in f64 (at most half a unit: nothing cancels). 32-bit sums hold [`EXACT_ROWS`] rows. Floats are centred
//! into tiles and go to BLAS, in chunks that are summed in f64.

use std::ops::Range;

use super::Cpu;
use super::blas::{self, Matrix};
use super::product::{Sample, Scratch, Shared, centre};
use super::vector::{Vector, per_isa};

/// Rows whose products of centred bytes (at most 255^2 each) fit a signed 32-bit sum.
const EXACT_ROWS: usize = 33_024;
/// Rows of a packed block: two panels of it fit the first cache, all of d = 784 the second.
const BLOCK_ROWS: usize = 256;
/// Columns of the left factor in a register tile.
const LEFT: usize = 4;
/// Vectors of the right factor in a register tile: eight sums leave registers for the factors and the products. A tile of
/// twelve spills one of them, whose trip to memory and back then sets the pace.
const RIGHT: usize = 2;
/// Rows of f32 that one worker gives to BLAS before the sum goes into f64.
const CHUNK_ROWS: usize = 4096;
/// Columns of a panel of the dual.
const PANEL: usize = 4096;

/// One covariance: sizes and scalars.
#[derive(Clone, Copy)]
pub struct Covariance<'a> {
    pub n: usize,
    pub d: usize,
    pub beta: f32,
    /// `weight_in * weight_out`, both powers of two.
    pub weight: f64,
    /// `[2, d]`.
    pub mean: &'a [f32],
}

/// Sums over centred rows, before the remainder of the mean is taken out; exact for bytes.
pub struct Sums {
    /// Upper triangle of `sum_i y_i y_i'`, d x d.
    pub gram: Vec<f64>,
    /// `sum_i y_i`.
    pub columns: Vec<f64>,
    /// What the centring left over: `mean - round(mean)` for bytes.
    pub rest: Vec<f64>,
}

impl Sums {
    /// Sum of centred products of columns i <= j of n samples: nothing cancels, since the rest is under one half.
    pub fn centred(&self, n: usize, i: usize, j: usize) -> f64 {
        let (d, rest) = (self.columns.len(), &self.rest);
        self.gram[i * d + j] - self.columns[i] * rest[j] - rest[i] * self.columns[j]
            + n as f64 * rest[i] * rest[j]
    }
}

/// Covariance of bytes, exact up to the last division.
pub fn covariance_u8(cpu: &mut Cpu, covariance: &Covariance<'_>, x: &[u8], c: &mut [f32]) {
    let Covariance { n, d, mean, .. } = *covariance;
    assert!(x.len() >= n * d && mean.len() == 2 * d && c.len() == d * d);
    let mean: Vec<f64> = (0..d)
        .map(|j| f64::from(mean[j]) + f64::from(mean[d + j]))
        .collect();
    let sums = exact_sums(cpu, x, n, &mean);
    finish(cpu, covariance, &sums, c);
}

/// The exact sums over n rows of bytes.
pub fn exact_sums(cpu: &mut Cpu, x: &[u8], n: usize, mean: &[f64]) -> Sums {
    let d = mean.len();
    assert!(x.len() >= n * d);
    let centre: Vec<i16> = mean.iter().map(|mean| mean.round() as i16).collect();
    let lanes = match cpu.isa {
        crate::machine::Isa::Avx512 => 16,
        _ => 8,
    };
    let padded = d.next_multiple_of(RIGHT * lanes);
    let mut sum = vec![0.0f64; d * d];
    let mut column_sum = vec![0i64; d];
    let isa = cpu.isa;
    let threads = cpu.pool.threads();
    for start in (0..n).step_by(EXACT_ROWS * threads) {
        let rows = (n - start).min(EXACT_ROWS * threads);
        for worker in &cpu.scratch {
            worker
                .lock()
                .expect("no worker panics while it holds its scratch")
                .exact
                .clear();
        }
        let scratch = &cpu.scratch;
        cpu.pool.split(rows, 2, &|worker, range| {
            let mut scratch = scratch[worker].lock().expect("one worker, one scratch");
            scratch.exact.resize(padded * (padded + 1), 0);
            let range = start + range.start..start + range.end;
            // SAFETY: x holds n rows of d bytes; exact is padded x padded and a row of column sums.
            unsafe { sum_exact(isa, x, d, range, &centre, padded, &mut scratch) };
        });
        let workers: Vec<_> = cpu
            .scratch
            .iter()
            .map(|s| s.lock().expect("the workers are done"))
            .collect();
        for exact in workers.iter().map(|w| &w.exact).filter(|e| !e.is_empty()) {
            for j in 0..d {
                column_sum[j] += i64::from(exact[padded * padded + j]);
            }
        }
        let exact: Vec<&[i32]> = workers
            .iter()
            .map(|w| &w.exact[..])
            .filter(|e| !e.is_empty())
            .collect();
        let out = Shared::new(&mut sum);
        cpu.pool.split(d, 16, &|_, rows| {
            for i in rows {
                for j in i..d {
                    let total: i64 = exact.iter().map(|e| i64::from(e[i * padded + j])).sum();
                    // SAFETY: each row of the upper triangle is written by one worker.
                    unsafe { *out.at(i * d + j) += total as f64 };
                }
            }
        });
    }
    Sums {
        gram: sum,
        columns: column_sum.iter().map(|s| *s as f64).collect(),
        rest: mean
            .iter()
            .zip(&centre)
            .map(|(mean, c)| mean - f64::from(*c))
            .collect(),
    }
}

/// `C = beta C + w (S - s r' - r s' + n r r')`: S and s are sums of y, r what the centring left over.
fn finish(cpu: &mut Cpu, covariance: &Covariance<'_>, sums: &Sums, c: &mut [f32]) {
    let Covariance {
        n, d, beta, weight, ..
    } = *covariance;
    let c = Shared::new(c);
    cpu.pool.split(d, 16, &|_, rows| {
        for i in rows {
            for j in i..d {
                let value = weight * sums.centred(n, i, j);
                for at in [c.at(i * d + j), c.at(j * d + i)]
                    .iter()
                    .take(if i == j { 1 } else { 2 })
                {
                    // SAFETY: the worker of the smaller index writes both mirror images.
                    unsafe {
                        **at = if beta == 0.0 {
                            value as f32
                        } else {
                            (f64::from(beta) * f64::from(**at) + value) as f32
                        };
                    }
                }
            }
        }
    });
}

per_isa! {
    /// Adds `y y'` of the rows to the upper triangle of `scratch.exact`, and `y` to its last row.
    unsafe fn sum_exact(x: &[u8], d: usize, rows: Range<usize>, centre: &[i16], padded: usize, scratch: &mut Scratch) = sum_exact_body;
}

#[inline(always)]
unsafe fn sum_exact_body<V: Vector>(
    x: &[u8],
    d: usize,
    rows: Range<usize>,
    centre: &[i16],
    padded: usize,
    scratch: &mut Scratch,
) {
    let width = RIGHT * V::LANES;
    let pairs = BLOCK_ROWS / 2;
    let Scratch {
        pairs: packed,
        exact,
        ..
    } = scratch;
    packed.resize(packed.len().max(padded * BLOCK_ROWS), 0);
    let (exact, column_sum) = exact.split_at_mut(padded * padded);
    for start in rows.clone().step_by(BLOCK_ROWS) {
        let count = (rows.end - start).min(BLOCK_ROWS);
        let block = &x[start * d..(start + count) * d];
        pack(block, d, count, centre, width, padded, packed, column_sum);
        for right in (0..padded).step_by(width) {
            // Panels to the right of the left one, and the diagonal: the upper triangle.
            for left in (0..=right).step_by(width) {
                for i in (0..width).step_by(LEFT) {
                    // SAFETY: a panel holds width x BLOCK_ROWS i16; exact is padded x padded.
                    unsafe {
                        let a = packed.as_ptr().add(left * BLOCK_ROWS + i * 2);
                        let b = packed.as_ptr().add(right * BLOCK_ROWS);
                        let out = exact.as_mut_ptr().add((left + i) * padded + right);
                        tile::<V>(a, b, width, pairs.min(count.div_ceil(2)), out, padded);
                    }
                }
            }
        }
    }
}

/// Panels of `width` columns: for each pair of rows, `width` pairs of centred i16. Missing rows and columns are 0.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
fn pack(
    block: &[u8],
    d: usize,
    count: usize,
    centre: &[i16],
    width: usize,
    padded: usize,
    packed: &mut [i16],
    column_sum: &mut [i32],
) {
    let empty = [];
    for pair in 0..count.div_ceil(2) {
        let first = &block[2 * pair * d..][..d];
        let second = if 2 * pair + 1 < count {
            &block[(2 * pair + 1) * d..][..d]
        } else {
            &empty[..]
        };
        for panel in (0..padded).step_by(width) {
            let out = &mut packed[panel * BLOCK_ROWS + pair * width * 2..][..width * 2];
            let columns = d.saturating_sub(panel).min(width);
            let centre = &centre[panel..][..columns];
            let sums = &mut column_sum[panel..][..columns];
            let first = &first[panel..][..columns];
            out[2 * columns..].fill(0);
            if second.is_empty() {
                for j in 0..columns {
                    let a = i16::from(first[j]) - centre[j];
                    (out[2 * j], out[2 * j + 1]) = (a, 0);
                    sums[j] += i32::from(a);
                }
            } else {
                let second = &second[panel..][..columns];
                for j in 0..columns {
                    let a = i16::from(first[j]) - centre[j];
                    let b = i16::from(second[j]) - centre[j];
                    (out[2 * j], out[2 * j + 1]) = (a, b);
                    sums[j] += i32::from(a) + i32::from(b);
                }
            }
        }
    }
}

/// LEFT x (RIGHT vectors) sums over `pairs` pairs of rows, added to `out`.
#[inline(always)]
unsafe fn tile<V: Vector>(
    a: *const i16,
    b: *const i16,
    width: usize,
    pairs: usize,
    out: *mut i32,
    stride: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut acc = [[V::zero_i(); RIGHT]; LEFT];
        for pair in 0..pairs {
            let mut right = [V::zero_i(); RIGHT];
            for (r, right) in right.iter_mut().enumerate() {
                *right = V::load_i16(b.add((pair * width + r * V::LANES) * 2));
            }
            for (l, acc) in acc.iter_mut().enumerate() {
                let left =
                    V::splat_pair(a.add((pair * width + l) * 2).cast::<i32>().read_unaligned());
                for r in 0..RIGHT {
                    acc[r] = V::pairs(acc[r], left, right[r]);
                }
            }
        }
        for (l, acc) in acc.iter().enumerate() {
            for (r, acc) in acc.iter().enumerate() {
                V::add_i32(out.add(l * stride + r * V::LANES), *acc);
            }
        }
    }
}

/// Covariance of floats: centred tiles through BLAS, each worker its rows, chunks summed in f64.
pub fn covariance_f32(cpu: &mut Cpu, covariance: &Covariance<'_>, x: &[f32], c: &mut [f32]) {
    let Covariance {
        n, d, mean, weight, ..
    } = *covariance;
    assert!(x.len() >= n * d && mean.len() == 2 * d && c.len() == d * d);
    // Centred samples are scaled before they are squared: 1e20 squared is beyond f32.
    let scale = weight.sqrt();
    let isa = cpu.isa;
    let threads = cpu.pool.threads();
    let mut sum = vec![0.0f64; d * d];
    let mut column_sum = vec![0.0f64; d];
    for start in (0..n).step_by(CHUNK_ROWS * threads) {
        let rows = (n - start).min(CHUNK_ROWS * threads);
        for worker in &cpu.scratch {
            let mut worker = worker
                .lock()
                .expect("no worker panics while it holds its scratch");
            worker.local.clear();
        }
        let scratch = &cpu.scratch;
        cpu.pool.split(rows, 1, &|worker, range| {
            let mut scratch = scratch[worker].lock().expect("one worker, one scratch");
            let Scratch {
                tile, local, total, ..
            } = &mut *scratch;
            local.resize(d * d, 0.0);
            tile.resize(tile.len().max(BLOCK_ROWS * d), 0.0);
            total.clear();
            total.resize(d, 0.0);
            for first in range.clone().step_by(BLOCK_ROWS) {
                let count = (range.end - first).min(BLOCK_ROWS);
                let rows = &x[(start + first) * d..(start + first + count) * d];
                // SAFETY: rows and tile hold `count` rows of d.
                unsafe { centre_rows(isa, rows, mean, d, scale as f32, tile) };
                for row in tile[..count * d].chunks_exact(d) {
                    for (total, y) in total.iter_mut().zip(row) {
                        *total += f64::from(*y);
                    }
                }
                blas::syrk(tile, count, d, d, local);
            }
        });
        let workers: Vec<_> = cpu
            .scratch
            .iter()
            .map(|s| s.lock().expect("the workers are done"))
            .collect();
        let locals: Vec<&[f32]> = workers
            .iter()
            .map(|w| &w.local[..])
            .filter(|l| !l.is_empty())
            .collect();
        for worker in workers.iter().filter(|w| !w.local.is_empty()) {
            for (sum, total) in column_sum.iter_mut().zip(&worker.total) {
                *sum += total;
            }
        }
        let out = Shared::new(&mut sum);
        cpu.pool.split(d, 16, &|_, rows| {
            for i in rows {
                for j in i..d {
                    let total: f64 = locals.iter().map(|l| f64::from(l[i * d + j])).sum();
                    // SAFETY: each row of the upper triangle is written by one worker.
                    unsafe { *out.at(i * d + j) += total };
                }
            }
        });
    }
    let rest = mean[d..].iter().map(|x| f64::from(*x) * scale).collect();
    let sums = Sums {
        gram: sum,
        columns: column_sum,
        rest,
    };
    finish(
        cpu,
        &Covariance {
            weight: 1.0,
            ..*covariance
        },
        &sums,
        c,
    );
}

per_isa! {
    /// `tile = (x - mean_hi) scale`, row by row.
    unsafe fn centre_rows<T: Sample>(x: &[T], mean: &[f32], d: usize, scale: f32, tile: &mut [f32]) = centre_rows_body;
}

#[inline(always)]
unsafe fn centre_rows_body<V: Vector, T: Sample>(
    x: &[T],
    mean: &[f32],
    d: usize,
    scale: f32,
    tile: &mut [f32],
) {
    for (row, out) in x.chunks_exact(d).zip(tile.chunks_exact_mut(d)) {
        // SAFETY: both have d elements.
        unsafe { centre::<V, T>(row.as_ptr(), mean, d, out.as_mut_ptr()) };
        out.iter_mut().for_each(|y| *y *= scale);
    }
}

/// One block of the dual: sizes and scalars.
#[derive(Clone, Copy)]
pub struct Dual<'a> {
    pub na: usize,
    pub nb: usize,
    pub d: usize,
    pub n: usize,
    pub first_a: usize,
    pub first_b: usize,
    pub weight: f64,
    pub mean: &'a [f32],
}

/// `K[first_a + i, first_b + j] = w ya_i . yb_j`; workers share the columns, panels are summed in f64.
pub fn dual<T: Sample>(cpu: &mut Cpu, dual: &Dual<'_>, xa: &[T], xb: &[T], k: &mut [f32]) {
    let Dual {
        na,
        nb,
        d,
        n,
        first_a,
        first_b,
        weight,
        mean,
    } = *dual;
    assert!(xa.len() >= na * d && xb.len() >= nb * d && k.len() == n * n && mean.len() == 2 * d);
    let scale = weight.sqrt();
    let isa = cpu.isa;
    for worker in &cpu.scratch {
        worker
            .lock()
            .expect("no worker panics while it holds its scratch")
            .sum
            .clear();
    }
    let scratch = &cpu.scratch;
    cpu.pool.split(
        d,
        PANEL.min(d.div_ceil(scratch.len())),
        &|worker, columns| {
            let mut scratch = scratch[worker].lock().expect("one worker, one scratch");
            let Scratch {
                tile, local, sum, ..
            } = &mut *scratch;
            sum.resize(na * nb, 0.0);
            local.resize(local.len().max(na * nb), 0.0);
            for start in columns.clone().step_by(PANEL) {
                let width = (columns.end - start).min(PANEL);
                tile.resize(tile.len().max((na + nb) * width), 0.0);
                let (ta, tb) = tile.split_at_mut(na * width);
                for (x, rows, out) in [(xa, na, &mut *ta), (xb, nb, &mut *tb)] {
                    for i in 0..rows {
                        // SAFETY: the panel lies within row i; out has `width` elements a row.
                        unsafe {
                            let out = out[i * width..].as_mut_ptr();
                            centre_panel(
                                isa,
                                x[i * d + start..].as_ptr(),
                                mean,
                                d,
                                start,
                                width,
                                scale as f32,
                                out,
                            );
                        }
                    }
                }
                let a = Matrix {
                    data: ta,
                    stride: width,
                    transposed: false,
                };
                let b = Matrix {
                    data: tb,
                    stride: width,
                    transposed: true,
                };
                // SAFETY: local holds na x nb.
                unsafe { blas::gemm((na, nb, width), 1.0, a, b, 0.0, local.as_mut_ptr(), nb) };
                for (sum, local) in sum.iter_mut().zip(&local[..na * nb]) {
                    *sum += f64::from(*local);
                }
            }
        },
    );
    let workers: Vec<_> = cpu
        .scratch
        .iter()
        .map(|s| s.lock().expect("the workers are done"))
        .collect();
    for i in 0..na {
        for j in 0..nb {
            let value: f64 = workers
                .iter()
                .filter(|w| !w.sum.is_empty())
                .map(|w| w.sum[i * nb + j])
                .sum();
            k[(first_a + i) * n + first_b + j] = value as f32;
        }
    }
}

per_isa! {
    /// `out = ((x - mean_hi) - mean_lo) scale` for columns `start..start + width` of one row (`x` points at `start`).
    unsafe fn centre_panel<T: Sample>(x: *const T, mean: &[f32], d: usize, start: usize, width: usize, scale: f32, out: *mut f32) = centre_panel_body;
}

#[allow(clippy::too_many_arguments)]
#[inline(always)]
unsafe fn centre_panel_body<V: Vector, T: Sample>(
    x: *const T,
    mean: &[f32],
    d: usize,
    start: usize,
    width: usize,
    scale: f32,
    out: *mut f32,
) {
    // SAFETY: the caller's promise.
    let out = unsafe {
        centre::<V, T>(x, &mean[start..], width, out);
        std::slice::from_raw_parts_mut(out, width)
    };
    for (y, lo) in out.iter_mut().zip(&mean[d + start..]) {
        *y = (*y - lo) * scale;
    }
}
