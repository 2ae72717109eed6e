//! The two small matrix products of a tile of centred rows, in register tiles.
//!
//! Three rows by four columns, or four columns by three vectors: twelve sums in registers, seven loads for twelve
//! multiply-adds. A tile's rows lie an odd number of cache lines apart, so that a column of the tile does not fall into
//! one set of the cache when d is a power of two.

#![allow(clippy::needless_range_loop)] // The indices are those of the register tile, unrolled.

use crate::device::cpu::vector::Vector;

/// Rows of a tile: 100 KiB at d = 784, which the second cache holds beside v and g.
pub const TILE_ROWS: usize = 30;

/// Elements between the rows of a tile.
pub fn tile_stride(d: usize) -> usize {
    let lines = d.div_ceil(16);
    (lines + (lines + 1) % 2) * 16
}

/// `u[r, a] = tile[r] . v[a]` for `rows` rows and m columns; u is row-major with m columns.
///
/// # Safety
/// `tile` holds `rows` rows of at least d elements, `v` m x d, `u` at least rows x m.
#[inline(always)]
pub unsafe fn project<V: Vector>(
    tile: &[f32],
    stride: usize,
    rows: usize,
    v: &[f32],
    d: usize,
    m: usize,
    u: &mut [f32],
) {
    debug_assert!(tile.len() >= rows * stride && v.len() >= m * d && u.len() >= rows * m);
    let mut a = 0;
    while a < m {
        let columns = (m - a).min(4);
        let mut r = 0;
        while r < rows {
            let block = (rows - r).min(3);
            // SAFETY: the block lies within tile, v and u.
            unsafe {
                let t = tile.as_ptr().add(r * stride);
                let w = v.as_ptr().add(a * d);
                let out = u.as_mut_ptr().add(r * m + a);
                match (block, columns) {
                    (3, 4) => dots::<V, 3, 4>(t, stride, w, d, out, m),
                    (3, 3) => dots::<V, 3, 3>(t, stride, w, d, out, m),
                    (3, 2) => dots::<V, 3, 2>(t, stride, w, d, out, m),
                    (3, _) => dots::<V, 3, 1>(t, stride, w, d, out, m),
                    _ => {
                        for i in 0..block {
                            for e in 0..columns {
                                dots::<V, 1, 1>(
                                    t.add(i * stride),
                                    stride,
                                    w.add(e * d),
                                    d,
                                    out.add(i * m + e),
                                    m,
                                );
                            }
                        }
                    }
                }
            }
            r += block;
        }
        a += columns;
    }
}

#[inline(always)]
unsafe fn dots<V: Vector, const R: usize, const C: usize>(
    tile: *const f32,
    stride: usize,
    v: *const f32,
    d: usize,
    out: *mut f32,
    m: usize,
) {
    // SAFETY: the caller's promise: R rows of the tile and C rows of v with d elements.
    unsafe {
        let mut acc = [[V::splat(0.0); C]; R];
        let whole = d - d % V::LANES;
        let mut j = 0;
        while j < whole {
            let mut y = [V::splat(0.0); R];
            for r in 0..R {
                y[r] = V::load(tile.add(r * stride + j));
            }
            for c in 0..C {
                let w = V::load(v.add(c * d + j));
                for r in 0..R {
                    acc[r][c] = V::fma(y[r], w, acc[r][c]);
                }
            }
            j += V::LANES;
        }
        for r in 0..R {
            for c in 0..C {
                let mut sum = V::sum(acc[r][c]);
                for j in whole..d {
                    sum += *tile.add(r * stride + j) * *v.add(c * d + j);
                }
                *out.add(r * m + c) = sum;
            }
        }
    }
}

/// `g[a] += sum_r u[r, a] tile[r]` for m columns.
///
/// # Safety
/// As [`project`], with g m x d.
#[inline(always)]
pub unsafe fn update<V: Vector>(
    tile: &[f32],
    stride: usize,
    rows: usize,
    u: &[f32],
    d: usize,
    m: usize,
    g: &mut [f32],
) {
    debug_assert!(tile.len() >= rows * stride && g.len() >= m * d && u.len() >= rows * m);
    let (t, u, g) = (tile.as_ptr(), u.as_ptr(), g.as_mut_ptr());
    let mut j = 0;
    // SAFETY: j + 3 LANES <= d, then j + LANES <= d, then single elements; columns stay under m.
    unsafe {
        while j + 3 * V::LANES <= d {
            let mut a = 0;
            while a + 4 <= m {
                sums::<V, 4, 3>(t.add(j), stride, rows, u.add(a), m, g.add(a * d + j), d);
                a += 4;
            }
            while a < m {
                sums::<V, 1, 3>(t.add(j), stride, rows, u.add(a), m, g.add(a * d + j), d);
                a += 1;
            }
            j += 3 * V::LANES;
        }
        while j + V::LANES <= d {
            let mut a = 0;
            while a + 4 <= m {
                sums::<V, 4, 1>(t.add(j), stride, rows, u.add(a), m, g.add(a * d + j), d);
                a += 4;
            }
            while a < m {
                sums::<V, 1, 1>(t.add(j), stride, rows, u.add(a), m, g.add(a * d + j), d);
                a += 1;
            }
            j += V::LANES;
        }
        while j < d {
            for a in 0..m {
                let mut sum = *g.add(a * d + j);
                for r in 0..rows {
                    sum += *u.add(r * m + a) * *t.add(r * stride + j);
                }
                *g.add(a * d + j) = sum;
            }
            j += 1;
        }
    }
}

#[inline(always)]
unsafe fn sums<V: Vector, const C: usize, const J: usize>(
    tile: *const f32,
    stride: usize,
    rows: usize,
    u: *const f32,
    m: usize,
    g: *mut f32,
    d: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut acc = [[V::splat(0.0); J]; C];
        for c in 0..C {
            for (j, acc) in acc[c].iter_mut().enumerate() {
                *acc = V::load(g.add(c * d + j * V::LANES));
            }
        }
        for r in 0..rows {
            let mut y = [V::splat(0.0); J];
            for (j, y) in y.iter_mut().enumerate() {
                *y = V::load(tile.add(r * stride + j * V::LANES));
            }
            for c in 0..C {
                let factor = V::splat(*u.add(r * m + c));
                for j in 0..J {
                    acc[c][j] = V::fma(factor, y[j], acc[c][j]);
                }
            }
        }
        for c in 0..C {
            for (j, acc) in acc[c].iter().enumerate() {
                V::store(g.add(c * d + j * V::LANES), *acc);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_tile_lie_an_odd_number_of_lines_apart() {
        for d in [1, 16, 17, 784, 1024, 4096] {
            let stride = tile_stride(d);
            assert!(
                stride >= d && stride.is_multiple_of(16) && (stride / 16) % 2 == 1,
                "{d}: {stride}"
            );
        }
    }
}
