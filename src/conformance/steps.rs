//! Every way in which a step judges its rows or ends, on rows that lie along axes: STOP becomes what is known.

use super::{Check, check, difference, upload};
use crate::device::{Device, Launch, SliceMut};
use crate::error::{Error, Result};
use crate::kernel::{Block, Kernel, control};

/// Runs every step on a device.
pub(super) fn run<D: Device>(device: &mut D, tell: &mut dyn FnMut(&Check)) {
    for (name, step) in STEPS {
        tell(&check(name.to_string(), judged(device, step)));
    }
}

/// One `ascent` or `retract` on rows that lie along axes, so that every sum is exact.
struct Step {
    kernel: Kernel,
    /// The control buffer, beside [`control::example`].
    control: &'static [(usize, f32)],
    /// Each row's rho, and the length of what its gradient has outside the span. `retract`: of v, along two axes.
    rows: &'static [[f32; 2]],
    /// What STOP becomes.
    stop: f32,
}

const fn ascent(control: &'static [(usize, f32)], rows: &'static [[f32; 2]], stop: f32) -> Step {
    Step {
        kernel: Kernel::Block(Block::Ascent),
        control,
        rows,
        stop,
    }
}

const fn retract(rows: &'static [[f32; 2]], stop: f32) -> Step {
    Step {
        kernel: Kernel::Block(Block::Retract),
        control: &[],
        rows,
        stop,
    }
}

/// The criterion with its tolerance, and a component found before.
const JUDGED: &[(usize, f32)] = &[
    (control::CRITERION, control::BY_RESIDUAL),
    (control::TOLERANCE, 1e-6),
    (control::TOP, 1.0),
];
/// As [`JUDGED`], long after a best of 4e-4.
const LONG_AFTER: &[(usize, f32)] = &[
    (control::CRITERION, control::BY_RESIDUAL),
    (control::TOLERANCE, 1e-6),
    (control::TOP, 1.0),
    (control::STEP, 1000.0),
    (control::BEST, 4e-4),
    (control::BEST_STEP, 100.0),
];
/// Mini-batches that had nothing so far.
const MEAN: &[(usize, f32)] = &[
    (control::SCALE_MEAN, 1.0),
    (control::SCALE, 0.0),
    (control::STEP, 1.0),
];

/// Every way in which a step judges its rows or ends.
const STEPS: &[(&str, Step)] = &[
    (
        "ascent of rows within the tolerance",
        ascent(JUDGED, &[[1.0, 5e-7], [0.5, 3e-7]], control::CONVERGED),
    ),
    (
        "ascent of rows at their rounding",
        ascent(JUDGED, &[[1.0, 2e-7], [0.5, 1e-7]], control::CONVERGED),
    ),
    (
        "ascent of a row at its rounding above the tolerance",
        ascent(JUDGED, &[[1.0, 5e-7], [0.01, 2e-8]], control::FLOOR_REACHED),
    ),
    (
        "ascent of a row above the tolerance",
        ascent(JUDGED, &[[1.0, 5e-7], [0.01, 3e-7]], 0.0),
    ),
    (
        "ascent of several rows, one not resolved",
        ascent(JUDGED, &[[1.0, 5e-7], [0.003, 1e-3]], control::CONVERGED),
    ),
    (
        "ascent of one row, not resolved",
        ascent(JUDGED, &[[0.003, 1e-3]], 0.0),
    ),
    (
        "ascent of one row of an eigenvalue of 0",
        ascent(JUDGED, &[[-1e-9, 1e-8]], 0.0),
    ),
    (
        "ascent of no gradient",
        ascent(JUDGED, &[[0.0, 0.0]], control::CONVERGED),
    ),
    (
        "ascent of a small eigenvalue on its plateau",
        ascent(LONG_AFTER, &[[1e-3, 5e-7]], control::FLOOR_REACHED),
    ),
    (
        "ascent of a large eigenvalue on a plateau",
        ascent(LONG_AFTER, &[[0.5, 2.5e-4]], 0.0),
    ),
    (
        "ascent of a mini-batch with nothing along v",
        ascent(MEAN, &[[1e-3, 1.0]], 0.0),
    ),
    (
        "ascent of a gradient that is not finite",
        ascent(JUDGED, &[[1.0, 0.0], [f32::NAN, 1.0]], control::NOT_FINITE),
    ),
    (
        "retract of a vector of no length",
        retract(&[[0.0, 0.0]], control::STEP_NOT_FINITE),
    ),
    (
        "retract of vectors that are not finite",
        retract(
            &[[1.0, 0.0], [f32::INFINITY, 1.0]],
            control::STEP_NOT_FINITE,
        ),
    ),
];

/// A step against its reference, and against what STOP is known to become.
fn judged<D: Device>(device: &mut D, step: &Step) -> Result<f64> {
    const D: usize = 33;
    let row = step.kernel.row();
    let m = step.rows.len();
    let mut settings = control::example();
    for (slot, value) in step.control {
        settings[*slot] = *value;
    }
    let mut axes = vec![0.0; m * D];
    let mut along = vec![0.0; m * D];
    for (a, [rho, left]) in step.rows.iter().enumerate() {
        axes[a * D + a] = 1.0;
        along[a * D + a] = f64::from(*rho);
        along[a * D + m + a] = f64::from(*left);
    }
    let settings = settings.iter().map(|x| f64::from(*x)).collect();
    let mut expected = match step.kernel {
        Kernel::Block(Block::Ascent) => vec![settings, axes, along],
        _ => vec![settings, along, axes],
    };
    let buffers = upload(device, row, &[D, m], &expected)?;
    (row.reference)(&[D, m], &[1.0], &mut expected);
    device.launch(&Launch {
        kernel: step.kernel,
        sizes: &[D, m],
        scalars: &[1.0],
        buffers: &buffers.iter().collect::<Vec<_>>(),
    })?;
    device.synchronise()?;
    let mut got = [0.0f32; control::LEN];
    device.read(&buffers[0], 0, SliceMut::F32(&mut got))?;
    for stop in [f64::from(got[control::STOP]), expected[0][control::STOP]] {
        if stop != f64::from(step.stop) {
            let what = format!("STOP is {stop} and should be {}", step.stop);
            return Err(Error::failed(what));
        }
    }
    // One by one: BEST may dwarf the others.
    let mut worst = 0f64;
    for (slot, (got, expected)) in got.iter().zip(&expected[0]).enumerate() {
        let name = format!("control[{slot}]");
        worst = worst.max(difference(&name, &[*got], &[*expected], row.tolerance)?);
    }
    if expected[2].iter().all(|x| x.is_finite()) {
        let mut got = vec![0.0f32; m * D];
        device.read(&buffers[2], 0, SliceMut::F32(&mut got))?;
        worst = worst.max(difference(
            row.buffers[2].name,
            &got,
            &expected[2],
            row.tolerance,
        )?);
    }
    Ok(worst)
}
