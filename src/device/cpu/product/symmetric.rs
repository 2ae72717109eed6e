//! The product with a symmetric matrix.

use std::ops::Range;

use super::tiles::{TILE_ROWS, project};
use crate::device::Launch;
use crate::device::cpu::buffer::Buffer;
use crate::device::cpu::cores::Cores;
use crate::device::cpu::scratch::Shared;
use crate::device::cpu::vector::{Vector, per_isa};
use crate::kernel::named;

/// `g = C v` for each row of v: rows of C are shared among the workers.
pub fn run(cores: &mut Cores, launch: &Launch<'_, Buffer>) {
    let [p, m] = named(launch.sizes);
    let [_control, c, v, g] = named(launch.buffers);
    let (c, v, mut g) = (c.f32(), v.f32(), g.f32_mut());
    assert!(c.len() == p * p && v.len() == m * p && g.len() == m * p);
    let isa = cores.isa;
    let scratch = &cores.scratch;
    let (c, v) = (&*c, &*v);
    let out = Shared::new(&mut g);
    let job = |worker: usize, rows: Range<usize>| {
        let mut scratch = scratch.of(worker);
        // SAFETY: the rows lie within C; each element of g is written by one worker.
        unsafe { symmetric_rows(isa, p, m, c, v, rows, &mut scratch.u, out) };
    };
    // Under this many elements waking the workers costs more than they save.
    if p * p * m < 100_000 {
        job(0, 0..p)
    } else {
        cores.pool.split(p, TILE_ROWS, &job)
    }
}

per_isa! {
    unsafe fn symmetric_rows(p: usize, m: usize, c: &[f32], v: &[f32], rows: Range<usize>, u: &mut Vec<f32>, g: Shared<f32>) = symmetric_rows_body;
}

#[allow(clippy::too_many_arguments)]
#[inline(always)]
unsafe fn symmetric_rows_body<V: Vector>(
    p: usize,
    m: usize,
    c: &[f32],
    v: &[f32],
    rows: Range<usize>,
    u: &mut Vec<f32>,
    g: Shared<f32>,
) {
    u.resize(u.len().max(TILE_ROWS * m), 0.0);
    for start in rows.clone().step_by(TILE_ROWS) {
        let count = (rows.end - start).min(TILE_ROWS);
        // SAFETY: C has rows start..start + count of p elements; u is TILE_ROWS x m.
        unsafe {
            project::<V>(&c[start * p..(start + count) * p], p, count, v, p, m, u);
            for r in 0..count {
                for a in 0..m {
                    *g.at(a * p + start + r) = u[r * m + a];
                }
            }
        }
    }
}
