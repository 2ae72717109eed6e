//! Reads memory once, as fast as it gives.

use super::buffer::Buffer;
use super::cores::Cores;
use super::vector::{Vector, per_isa};
use crate::device::Launch;
use crate::kernel::{Stream, named};

/// Elements summed in f32 lanes before they go into f64.
const CHUNK: usize = 16_384;

/// Runs a row.
pub fn run(cores: &mut Cores, kernel: Stream, launch: &Launch<'_, Buffer>) {
    match kernel {
        Stream::Read => {
            let [x, out] = named(launch.buffers);
            out.f32_mut()[0] = read(cores, &x.f32());
        }
    }
}

/// Sum in eight chains of wide lanes per thread: as fast as the memory gives.
fn read(cores: &mut Cores, x: &[f32]) -> f32 {
    let isa = cores.isa;
    let scratch = &cores.scratch;
    scratch.all().for_each(|mut worker| worker.total.clear());
    cores.pool.split(x.len(), 4096, &|worker, range| {
        let mut total = 0.0;
        // SAFETY: the instruction set was checked when the device was opened.
        unsafe { sum(isa, &x[range], &mut total) };
        scratch.of(worker).total.push(total);
    });
    let totals = scratch.all().flat_map(|worker| worker.total.clone());
    totals.sum::<f64>() as f32
}

per_isa! {
    /// `total = sum_i x_i` in eight chains, into f64 every chunk.
    unsafe fn sum(x: &[f32], total: &mut f64) = sum_body;
}

/// Places that a thread reads from in turn: the hardware fetches ahead for each, and for one alone not far enough.
const PLACES: usize = 4;
/// Vectors from a place before the next one.
const VECTORS: usize = 2;

#[inline(always)]
unsafe fn sum_body<V: Vector>(x: &[f32], total: &mut f64) {
    *total = 0.0;
    let step = VECTORS * V::LANES;
    let quarter = x.len() / PLACES / step * step;
    for start in (0..quarter).step_by(CHUNK / PLACES) {
        let end = quarter.min(start + CHUNK / PLACES);
        // SAFETY: all loads stay under PLACES quarters; the instruction set is the caller's.
        unsafe {
            let mut acc = [[V::splat(0.0); VECTORS]; PLACES];
            let mut j = start;
            while j < end {
                for (place, acc) in acc.iter_mut().enumerate() {
                    let p = x.as_ptr().add(place * quarter + j);
                    for (l, acc) in acc.iter_mut().enumerate() {
                        *acc = V::add(*acc, V::load(p.add(l * V::LANES)));
                    }
                }
                j += step;
            }
            for acc in acc.into_iter().flatten() {
                *total += f64::from(V::sum(acc));
            }
        }
    }
    let rest = &x[PLACES * quarter..];
    *total += rest.iter().map(|x| f64::from(*x)).sum::<f64>();
}
