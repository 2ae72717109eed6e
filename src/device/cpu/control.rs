//! Steps of the control buffer.

use super::buffer::Buffer;
use crate::device::Launch;
use crate::kernel::{Control, control as c, named};

/// Runs a row.
pub fn run(kernel: Control, launch: &Launch<'_, Buffer>) {
    match kernel {
        Control::Advance => {
            let [batches, count] = named(launch.sizes);
            let [control, rates] = named(launch.buffers);
            advance(&mut control.f32_mut(), &rates.f32()[..count], batches);
        }
        Control::Commit => {
            let [d, _k] = named(launch.sizes);
            let [control, v, basis] = named(launch.buffers);
            let mut control = control.f32_mut();
            let count = control[c::COUNT] as usize;
            basis.f32_mut()[count * d..][..d].copy_from_slice(&v.f32());
            commit(&mut control);
        }
    }
}

fn advance(control: &mut [f32], rates: &[f32], batches: usize) {
    control[c::RATE] = rates[(control[c::STEP] as usize).min(rates.len() - 1)];
    control[c::STEP] += 1.0;
    control[c::BATCH] = (control[c::BATCH] + 1.0) % batches as f32;
}

fn commit(control: &mut [f32]) {
    control[c::COUNT] += 1.0;
    control[c::TOP] = control[c::TOP].max(control[c::RHO]);
    control[c::STOP] = 0.0;
    control[c::STEP] = 0.0;
    control[c::SCALE] = 0.0;
    control[c::BEST] = f32::MAX;
    control[c::BEST_STEP] = 0.0;
}
