//! Sums over bytes, without rounding.
//!
//! `y = x - round(mean)` fits i16, two rows are interleaved, and one instruction multiplies pairs and adds them into 32-bit
//! sums, twice the rate of f32; they hold [`ROWS`] rows.

use std::ops::Range;

use super::sums::{BLOCK_ROWS, Covariance, Sums, add_upper, finish};
use crate::device::cpu::cores::Cores;
use crate::device::cpu::scratch::Scratch;
use crate::device::cpu::vector::{Vector, per_isa};

/// Rows whose products of centred bytes (at most 255^2 each) fit a signed 32-bit sum.
pub const ROWS: usize = 33_024;
/// Columns of the left factor in a register tile.
const LEFT: usize = 4;
/// Vectors of the right factor in a register tile: eight sums leave registers for the factors and the products. A tile of
/// twelve spills one of them, whose trip to memory and back then sets the pace.
const RIGHT: usize = 2;

/// Covariance of bytes, exact up to the last division.
pub fn covariance(cores: &mut Cores, covariance: &Covariance<'_>, x: &[u8], c: &mut [f32]) {
    let Covariance { n, d, mean, .. } = *covariance;
    assert!(x.len() >= n * d && mean.len() == 2 * d && c.len() == d * d);
    let mean: Vec<f64> = (0..d)
        .map(|j| f64::from(mean[j]) + f64::from(mean[d + j]))
        .collect();
    let sums = sums(cores, x, n, &mean);
    finish(cores, covariance, &sums, c);
}

/// The exact sums over n rows of bytes.
pub fn sums(cores: &mut Cores, x: &[u8], n: usize, mean: &[f64]) -> Sums {
    let d = mean.len();
    assert!(x.len() >= n * d);
    let centre: Vec<i16> = mean.iter().map(|mean| mean.round() as i16).collect();
    let lanes = match cores.isa {
        crate::machine::Isa::Avx512 => 16,
        _ => 8,
    };
    let padded = d.next_multiple_of(RIGHT * lanes);
    let mut sum = vec![0.0f64; d * d];
    let mut column_sum = vec![0i64; d];
    let isa = cores.isa;
    let threads = cores.pool.threads();
    for start in (0..n).step_by(ROWS * threads) {
        let rows = (n - start).min(ROWS * threads);
        let scratch = &cores.scratch;
        scratch.all().for_each(|mut worker| worker.exact.clear());
        cores.pool.split(rows, 2, &|worker, range| {
            let mut scratch = scratch.of(worker);
            scratch.exact.resize(padded * (padded + 1), 0);
            let range = start + range.start..start + range.end;
            // SAFETY: x holds n rows of d bytes; exact is padded x padded and a row of column sums.
            unsafe { sum_exact(isa, x, d, range, &centre, padded, &mut scratch) };
        });
        let workers: Vec<_> = scratch.all().collect();
        let exact: Vec<&[i32]> = workers
            .iter()
            .map(|w| &w.exact[..])
            .filter(|e| !e.is_empty())
            .collect();
        for exact in &exact {
            for (sum, column) in column_sum.iter_mut().zip(&exact[padded * padded..]) {
                *sum += i64::from(*column);
            }
        }
        add_upper(&mut cores.pool, d, &mut sum, |i, j| {
            let total: i64 = exact.iter().map(|e| i64::from(e[i * padded + j])).sum();
            total as f64
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
