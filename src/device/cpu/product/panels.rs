//! Rows longer than [`LONG_ROW`]: two passes over panels of columns, since no block of rows fits a cache. Projections first
//! (workers share the rows), then the sums (workers share the columns).

use std::ops::Range;

use super::task::{FLUSH_ROWS, Task, flush};
use crate::device::cpu::cores::Cores;
use crate::device::cpu::sample::{Sample, centre};
use crate::device::cpu::scratch::{Scratch, Shared};
use crate::device::cpu::vector::{Vector, accumulate, axpy, per_isa};

/// Rows beyond this many elements take the panel path.
pub const LONG_ROW: usize = 16_384;
/// Columns of a panel in that path: 16 KiB of v, which the first cache holds.
const PANEL: usize = 4096;

/// `g = beta g + w_out sum_i w_in (y_i . v) y_i`; `offsets` are the projections of the mean's low part.
pub fn product<T: Sample>(
    cores: &mut Cores,
    task: &Task<'_>,
    x: &[T],
    offsets: &[f32],
    g: &mut [f32],
) {
    let Task { rows, d, m, .. } = *task;
    let isa = cores.isa;
    let positions = rows.len();
    let mut projections = std::mem::take(&mut cores.projections);
    projections.clear();
    projections.resize(positions * m, 0.0);
    let out = Shared::new(&mut projections);
    cores.pool.split(positions, 1, &|_, range| {
        for position in range {
            if let Some(row) = rows.row(x.as_ptr(), d, position) {
                // SAFETY: the row has d elements; each position is written by one worker.
                unsafe { project_long(isa, task, row, offsets, out.at(position * m)) };
            }
        }
    });
    sums(cores, task, x, &projections, g);
    cores.projections = projections;
}

/// `g = beta g + w_out sum_i u_i (y_i - lo)`: workers share the columns.
pub fn sums<T: Sample>(
    cores: &mut Cores,
    task: &Task<'_>,
    x: &[T],
    projections: &[f32],
    g: &mut [f32],
) {
    let Task { d, m, .. } = *task;
    let isa = cores.isa;
    let totals: Vec<f64> = (0..m)
        .map(|a| {
            projections
                .iter()
                .skip(a)
                .step_by(m)
                .map(|u| f64::from(*u))
                .sum()
        })
        .collect();
    let g = Shared::new(g);
    let scratch = &cores.scratch;
    cores.pool.split(d, PANEL, &|worker, columns| {
        let mut scratch = scratch.of(worker);
        for start in columns.clone().step_by(PANEL) {
            let panel = start..(start + PANEL).min(columns.end);
            // SAFETY: rows have d elements; each column of g is written by one worker.
            unsafe { sum_panel(isa, task, x, projections, &totals, panel, &mut scratch, g) };
        }
    });
}

per_isa! {
    unsafe fn project_long<T: Sample>(task: &Task<'_>, row: *const T, offsets: &[f32], out: *mut f32) = project_long_body;
}

#[inline(always)]
unsafe fn project_long_body<V: Vector, T: Sample>(
    task: &Task<'_>,
    row: *const T,
    offsets: &[f32],
    out: *mut f32,
) {
    let Task {
        d,
        m,
        mean,
        v,
        weight_in,
        ..
    } = *task;
    // Eight columns at a time share one reading of the row; each panel's sum goes into f64.
    for first in (0..m).step_by(8) {
        let columns = (m - first).min(8);
        let mut sums = [0.0f64; 8];
        for start in (0..d).step_by(PANEL) {
            let len = PANEL.min(d - start);
            for (a, sum) in sums[..columns].iter_mut().enumerate() {
                // SAFETY: start + len <= d.
                *sum += f64::from(unsafe {
                    dot_centred::<V, T>(
                        row.add(start),
                        mean.as_ptr().add(start),
                        v.as_ptr().add((first + a) * d + start),
                        len,
                    )
                });
            }
        }
        for (a, sum) in sums[..columns].iter().enumerate() {
            let u = (*sum as f32 - offsets[first + a]) * weight_in;
            // SAFETY: `out` has m elements.
            unsafe { *out.add(first + a) = u };
        }
    }
}

/// `(x - mean) . v` over `len` elements, in four chains.
#[inline(always)]
unsafe fn dot_centred<V: Vector, T: Sample>(
    x: *const T,
    mean: *const f32,
    v: *const f32,
    len: usize,
) -> f32 {
    // SAFETY: the caller's promise: `len` elements everywhere.
    unsafe {
        let mut acc = [V::splat(0.0); 4];
        let step = 4 * V::LANES;
        let whole = len - len % step;
        let mut j = 0;
        while j < whole {
            for (c, acc) in acc.iter_mut().enumerate() {
                let at = j + c * V::LANES;
                let y = V::sub(T::load::<V>(x.add(at)), V::load(mean.add(at)));
                *acc = V::fma(y, V::load(v.add(at)), *acc);
            }
            j += step;
        }
        let mut sum = V::sum(V::add(V::add(acc[0], acc[1]), V::add(acc[2], acc[3])));
        for j in whole..len {
            sum += ((*x.add(j)).to_f32() - *mean.add(j)) * *v.add(j);
        }
        sum
    }
}

per_isa! {
    unsafe fn sum_panel<T: Sample>(task: &Task<'_>, x: &[T], projections: &[f32], totals: &[f64], panel: Range<usize>, scratch: &mut Scratch, g: Shared<f32>) = sum_panel_body;
}

#[allow(clippy::too_many_arguments)]
#[inline(always)]
unsafe fn sum_panel_body<V: Vector, T: Sample>(
    task: &Task<'_>,
    x: &[T],
    projections: &[f32],
    totals: &[f64],
    panel: Range<usize>,
    scratch: &mut Scratch,
    g: Shared<f32>,
) {
    let Task {
        rows, d, m, mean, ..
    } = *task;
    let (beta, weight) = (f64::from(task.beta), f64::from(task.weight_out));
    let len = panel.len();
    let Scratch {
        tile, local, sum, ..
    } = scratch;
    tile.resize(tile.len().max(len), 0.0);
    local.clear();
    local.resize(m * len, 0.0);
    sum.clear();
    sum.resize(m * len, 0.0);
    for position in 0..rows.len() {
        let Some(row) = rows.row(x.as_ptr(), d, position) else {
            continue;
        };
        // SAFETY: the panel lies within the row; tile and each row of local have `len` elements.
        unsafe {
            centre::<V, T>(
                row.add(panel.start),
                &mean[panel.start..],
                len,
                tile.as_mut_ptr(),
            );
            for a in 0..m {
                axpy::<V>(
                    projections[position * m + a],
                    tile.as_ptr(),
                    local.as_mut_ptr().add(a * len),
                    len,
                );
            }
        }
        if position % FLUSH_ROWS == FLUSH_ROWS - 1 {
            flush(local, sum);
        }
    }
    flush(local, sum);
    for a in 0..m {
        let sums = sum[a * len..][..len].iter();
        for (column, sum) in panel.clone().zip(sums) {
            let new = weight * (sum - totals[a] * f64::from(mean[d + column]));
            // SAFETY: this worker alone writes this column.
            accumulate(unsafe { &mut *g.at(a * d + column) }, beta, new);
        }
    }
}
