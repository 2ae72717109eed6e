//! One column: groups of rows are centred into a tile that stays in the first cache while their projections are summed,
//! then the tile is added to g: a byte is widened once, a row read from memory once.

use std::ops::Range;

use super::task::{FLUSH_ROWS, Task, flush};
use super::tiles::tile_stride;
use crate::device::cpu::sample::Sample;
use crate::device::cpu::scratch::Scratch;
use crate::device::cpu::vector::{Vector, per_isa};

/// Rows of a group with one column: floats are centred twice, eight rows in registers; bytes, dearer to widen, are centred
/// once into a tile of four rows.
const GROUP_F32: usize = 8;
const GROUP_U8: usize = 4;
/// Rows of a worker are a multiple of this.
pub const GRAIN: usize = GROUP_F32;

per_isa! {
    /// Sums the rows of `range` into `scratch`.
    pub unsafe fn sum<T: Sample>(task: &Task<'_>, x: &[T], range: Range<usize>, offset: f32, scratch: &mut Scratch) = sum_body;
}

#[inline(always)]
unsafe fn sum_body<V: Vector, T: Sample>(
    task: &Task<'_>,
    x: &[T],
    range: Range<usize>,
    offset: f32,
    scratch: &mut Scratch,
) {
    // SAFETY: the caller's promise.
    unsafe {
        if T::TILED {
            groups::<V, T, GROUP_U8>(task, x, range, offset, scratch);
        } else {
            groups::<V, T, GROUP_F32>(task, x, range, offset, scratch);
        }
    }
}

#[inline(always)]
unsafe fn groups<V: Vector, T: Sample, const R: usize>(
    task: &Task<'_>,
    x: &[T],
    range: Range<usize>,
    offset: f32,
    scratch: &mut Scratch,
) {
    let Task {
        rows,
        d,
        mean,
        v,
        weight_in,
        ..
    } = *task;
    let Scratch {
        tile,
        local,
        sum,
        total,
        ..
    } = scratch;
    let stride = tile_stride(d);
    if tile.len() < R * stride {
        tile.resize(R * stride, 0.0);
    }
    let one = One {
        d,
        mean,
        v,
        offset,
        weight_in,
        stride,
    };
    let mut positions = range.filter_map(|position| rows.row(x.as_ptr(), d, position));
    let mut since_flush = 0;
    let (mut group, mut filled) = next_group::<T, R>(&mut positions, x.as_ptr());
    while filled == R {
        let (next, next_filled) = next_group::<T, R>(&mut positions, x.as_ptr());
        // SAFETY: every row has d elements, the tile R strides, v, mean and local d.
        total[0] += unsafe { group_product::<V, T, R>(&one, group, next, tile, local) };
        (group, filled) = (next, next_filled);
        since_flush += R;
        if since_flush >= FLUSH_ROWS {
            flush(local, sum);
            since_flush = 0;
        }
    }
    for &row in &group[..filled] {
        // SAFETY: as above.
        total[0] += unsafe { group_product::<V, T, 1>(&one, [row], [row], tile, local) };
    }
    flush(local, sum);
}

#[inline(always)]
fn next_group<T, const R: usize>(
    rows: &mut impl Iterator<Item = *const T>,
    none: *const T,
) -> ([*const T; R], usize) {
    let mut group = [none; R];
    let mut filled = 0;
    while filled < R {
        let Some(row) = rows.next() else { break };
        group[filled] = row;
        filled += 1;
    }
    (group, filled)
}

/// What all groups of a product with one column share.
struct One<'a> {
    d: usize,
    mean: &'a [f32],
    v: &'a [f32],
    offset: f32,
    weight_in: f32,
    stride: usize,
}

/// R rows: projects the centred rows on v and adds them to g, while the rows of the next group are fetched: the processor
/// does not foresee several short streams, and without this the product runs at half the memory's rate. Returns the sum
/// of the projections.
#[inline(always)]
unsafe fn group_product<V: Vector, T: Sample, const R: usize>(
    one: &One<'_>,
    rows: [*const T; R],
    next: [*const T; R],
    tile: &mut [f32],
    g: &mut [f32],
) -> f64 {
    // SAFETY: the caller's promise: d elements everywhere, R strides in the tile.
    unsafe {
        let u = project::<V, T, R>(one, rows, next, tile.as_mut_ptr());
        add::<V, T, R>(one, rows, tile.as_ptr(), u, g.as_mut_ptr());
        let mut total = 0.0f64;
        for u in u {
            total += f64::from(u);
        }
        total
    }
}

/// Projections of R rows, which go into the tile where it is used.
#[inline(always)]
unsafe fn project<V: Vector, T: Sample, const R: usize>(
    one: &One<'_>,
    rows: [*const T; R],
    next: [*const T; R],
    tile: *mut f32,
) -> [f32; R] {
    let One { d, stride, .. } = *one;
    // SAFETY: the caller's promise.
    unsafe {
        let (mean, v) = (one.mean.as_ptr(), one.v.as_ptr());
        let whole = d - d % V::LANES;
        let mut acc = [V::splat(0.0); R];
        let mut j = 0;
        while j < whole {
            let mu = V::load(mean.add(j));
            let along = V::load(v.add(j));
            for r in 0..R {
                let y = V::sub(T::load::<V>(rows[r].add(j)), mu);
                if T::TILED {
                    V::store(tile.add(r * stride + j), y);
                }
                acc[r] = V::fma(y, along, acc[r]);
                V::prefetch(next[r].wrapping_add(j));
            }
            j += V::LANES;
        }
        let mut u = [0.0f32; R];
        for r in 0..R {
            let mut rest = 0.0;
            for j in whole..d {
                rest += ((*rows[r].add(j)).to_f32() - *mean.add(j)) * *v.add(j);
            }
            u[r] = (V::sum(acc[r]) + rest - one.offset) * one.weight_in;
        }
        u
    }
}

/// `g += sum_r u_r y_r`, the centred rows out of the tile where it is used.
#[inline(always)]
unsafe fn add<V: Vector, T: Sample, const R: usize>(
    one: &One<'_>,
    rows: [*const T; R],
    tile: *const f32,
    u: [f32; R],
    g: *mut f32,
) {
    let One { d, stride, .. } = *one;
    // SAFETY: the caller's promise.
    unsafe {
        let mean = one.mean.as_ptr();
        let whole = d - d % V::LANES;
        let mut factors = [V::splat(0.0); R];
        for r in 0..R {
            factors[r] = V::splat(u[r]);
        }
        let mut j = 0;
        while j < whole {
            let mu = V::load(mean.add(j));
            let mut sum = V::load(g.add(j));
            for r in 0..R {
                let y = if T::TILED {
                    V::load(tile.add(r * stride + j))
                } else {
                    V::sub(T::load::<V>(rows[r].add(j)), mu)
                };
                sum = V::fma(factors[r], y, sum);
            }
            V::store(g.add(j), sum);
            j += V::LANES;
        }
        for j in whole..d {
            for r in 0..R {
                *g.add(j) += u[r] * ((*rows[r].add(j)).to_f32() - *mean.add(j));
            }
        }
    }
}
