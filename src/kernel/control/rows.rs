//! The steps of the control buffer: step number, rate, components found.

use super as c;
use super::super::parameter::{CONTROL_RW, f32};
use super::super::reference::{frozen, named, named_mut};
use super::super::{Access, Fill, Kernel, Row};

use Access::{Read, Update};
use Fill::{Normal, Orthonormal, Positive};

/// Rows over the control buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // Each is documented by its row.
pub enum Control {
    Advance,
    Commit,
}

/// In the order of [`Control`].
pub(in super::super) static ROWS: &[Row] = &[ADVANCE, COMMIT];

const ADVANCE: Row = Row {
    kernel: Kernel::Control(Control::Advance),
    name: "advance",
    formula: "RATE = rates[min(STEP, count - 1)]; STEP += 1; BATCH = (BATCH + 1) mod batches",
    sizes: &["batches", "count"],
    scalars: &[],
    buffers: &[CONTROL_RW, f32("rates", Read, |s| s[1], Positive)],
    freezes: true,
    bytes: &|_| 8.0 * c::LEN as f64,
    flops: &|_| 2.0,
    tolerance: 1e-6,
    reference: &advance,
    // The control buffer of the tests is in its third step.
    cases: &[(&[1, 1], &[]), (&[2, 3], &[]), (&[235, 9], &[])],
    benchmark: (&[1, 1], &[]),
};

fn advance(sizes: &[usize], _: &[f64], buffers: &mut [Vec<f64>]) {
    let [batches, count] = named(sizes);
    let [control, rates] = named_mut(buffers);
    if frozen(control) {
        return;
    }
    control[c::RATE] = rates[(control[c::STEP] as usize).min(count - 1)];
    control[c::STEP] += 1.0;
    control[c::BATCH] = (control[c::BATCH] + 1.0) % batches as f64;
}

const COMMIT: Row = Row {
    kernel: Kernel::Control(Control::Commit),
    name: "commit",
    formula: "basis[COUNT] = v; COUNT += 1; TOP = max(TOP, RHO); the run state starts anew",
    sizes: &["d", "k"],
    scalars: &[],
    buffers: &[
        CONTROL_RW,
        f32("v", Read, |s| s[0], Normal),
        f32("basis", Update, |s| s[1] * s[0], Orthonormal),
    ],
    freezes: false,
    bytes: &|s| 8.0 * s[0] as f64,
    flops: &|_| 0.0,
    tolerance: 1e-6,
    reference: &commit,
    cases: &[(&[3, 3], &[]), (&[31, 3], &[]), (&[784, 10], &[])],
    benchmark: (&[784, 10], &[]),
};

fn commit(sizes: &[usize], _: &[f64], buffers: &mut [Vec<f64>]) {
    let [d, _k] = named(sizes);
    let [control, v, basis] = named_mut(buffers);
    let count = control[c::COUNT] as usize;
    basis[count * d..][..d].copy_from_slice(v);
    control[c::COUNT] += 1.0;
    control[c::TOP] = control[c::TOP].max(control[c::RHO]);
    control[c::STOP] = 0.0;
    control[c::STEP] = 0.0;
    control[c::SCALE] = 0.0;
    control[c::BEST] = f64::from(f32::MAX);
    control[c::BEST_STEP] = 0.0;
}
