//! Many columns: tiles of [`TILE_ROWS`] rows in the second cache, then two small matrix products.

use std::ops::Range;

use super::task::{FLUSH_ROWS, Task, flush};
use super::tiles::{TILE_ROWS, project, tile_stride, update};
use crate::device::cpu::sample::{Sample, centre};
use crate::device::cpu::scratch::Scratch;
use crate::device::cpu::vector::{Vector, per_isa};

per_isa! {
    /// Sums the rows of `range` into `scratch`.
    pub unsafe fn sum<T: Sample>(task: &Task<'_>, x: &[T], range: Range<usize>, offsets: &[f32], scratch: &mut Scratch) = sum_body;
}

#[inline(always)]
unsafe fn sum_body<V: Vector, T: Sample>(
    task: &Task<'_>,
    x: &[T],
    range: Range<usize>,
    offsets: &[f32],
    scratch: &mut Scratch,
) {
    // Copies: read through the reference, the loop is not split by the kind of rows.
    let Task { rows, d, m, .. } = *task;
    let (mean, v, weight) = (task.mean, task.v, task.weight_in);
    let Scratch {
        tile,
        u,
        local,
        sum,
        total,
        ..
    } = scratch;
    let stride = tile_stride(d);
    if tile.len() < TILE_ROWS * stride {
        tile.resize(TILE_ROWS * stride, 0.0);
    }
    u.clear();
    u.resize(TILE_ROWS * m, 0.0);
    let mut filled = 0;
    let mut since_flush = 0;
    let last = range.end;
    for position in range {
        if let Some(row) = rows.row(x.as_ptr(), d, position) {
            // SAFETY: the row has d elements, the tile's row at least as many.
            unsafe { centre::<V, T>(row, mean, d, tile.as_mut_ptr().add(filled * stride)) };
            filled += 1;
        }
        if filled == TILE_ROWS || (position + 1 == last && filled > 0) {
            // SAFETY: `filled` rows of the tile are written; v and local are m x d, u TILE_ROWS x m.
            unsafe {
                project::<V>(tile, stride, filled, v, d, m, u);
                for r in 0..filled {
                    for a in 0..m {
                        let projection = (u[r * m + a] - offsets[a]) * weight;
                        u[r * m + a] = projection;
                        total[a] += f64::from(projection);
                    }
                }
                update::<V>(tile, stride, filled, u, d, m, local);
            }
            since_flush += filled;
            filled = 0;
            if since_flush >= FLUSH_ROWS {
                flush(local, sum);
                since_flush = 0;
            }
        }
    }
    flush(local, sum);
}
