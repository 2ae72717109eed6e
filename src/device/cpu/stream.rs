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

#[inline(always)]
unsafe fn sum_body<V: Vector>(x: &[f32], total: &mut f64) {
    *total = 0.0;
    let step = 8 * V::LANES;
    for chunk in x.chunks(CHUNK) {
        let whole = chunk.len() - chunk.len() % step;
        // SAFETY: all loads stay under `whole`; the instruction set is the caller's.
        unsafe {
            let p = chunk.as_ptr();
            let mut acc = [V::splat(0.0); 8];
            let mut j = 0;
            while j < whole {
                for (l, acc) in acc.iter_mut().enumerate() {
                    *acc = V::add(*acc, V::load(p.add(j + l * V::LANES)));
                }
                j += step;
            }
            for acc in acc {
                *total += f64::from(V::sum(acc));
            }
        }
        *total += chunk[whole..].iter().map(|x| f64::from(*x)).sum::<f64>();
    }
}
