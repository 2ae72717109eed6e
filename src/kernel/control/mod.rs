//! Layout of the control buffer: the state in f32 that changes from step to step, kept on the device.
//!
//! Counts are exact up to 2^24, far above the iteration limit.

use super::resolution;

pub(super) mod rows;

/// Number of elements, including a few spare ones at the end.
pub const LEN: usize = 16;

/// Why the state is frozen: 0 while running, else [`CONVERGED`], [`FLOOR_REACHED`], [`NOT_FINITE`] or
/// [`STEP_NOT_FINITE`].
pub const STOP: usize = 0;
/// Steps taken for the current component, including the one in progress.
pub const STEP: usize = 1;
/// Learning rate of this step.
pub const RATE: usize = 2;
/// Running estimate of the top eigenvalue of the current operator (lambda).
pub const SCALE: usize = 3;
/// Smallest Rayleigh quotient over the rows of `v` (with one row, its Rayleigh quotient).
pub const RHO: usize = 4;
/// Largest relative residual `|A v - V' H| / rho` over all rows, whether the criterion judges them or not.
pub const RESIDUAL: usize = 5;
/// Largest eigenvalue found so far (deflation).
pub const TOP: usize = 6;
/// Tolerance of the stop criterion.
pub const TOLERANCE: usize = 7;
/// Stop criterion: [`BY_NONE`] or [`BY_RESIDUAL`].
pub const CRITERION: usize = 8;
/// How SCALE is updated: 0 takes the largest |A v| (full batch), 1 averages rho (mini-batches).
pub const SCALE_MEAN: usize = 9;
/// Best value of the criterion so far.
pub const BEST: usize = 10;
/// Step at which the best value was reached.
pub const BEST_STEP: usize = 11;
/// Index within the epoch of the mini-batch of this step.
pub const BATCH: usize = 12;
/// Components found so far (deflation).
pub const COUNT: usize = 13;

/// [`STOP`]: the criterion is met.
pub const CONVERGED: f32 = 1.0;
/// [`STOP`]: the criterion reached the floor of f32 above the tolerance: no improvement for a long time, or a residual
/// that is rounding.
pub const FLOOR_REACHED: f32 = 2.0;
/// [`STOP`]: the gradient, or the loss of a network, is no longer finite.
pub const NOT_FINITE: f32 = 3.0;
/// [`STOP`]: the updated vector is not finite, or is zero.
pub const STEP_NOT_FINITE: f32 = 4.0;

/// [`CRITERION`]: none (mini-batches).
pub const BY_NONE: f32 = 0.0;
/// [`CRITERION`]: the relative residual of every judged row is within the tolerance or is rounding.
pub const BY_RESIDUAL: f32 = 1.0;

/// Residuals are relative to rho, or to this share of the largest eigenvalue if rho is smaller: such an eigenvalue
/// counts as 0.
pub const NULL_SHARE: f64 = 1e-12;
/// If several rows move together, those below this share of the largest eigenvalue are not judged: f32 does not resolve
/// them, and the host finishes them in f64.
pub const LEAST_SHARE: f64 = resolution::least_share(resolution::F32);
/// Factor of `sqrt(top rho)` in `resolution::noise` for f32.
pub const NOISE: f64 = 4.0 * resolution::F32;
/// Bounds the gradient that a rule sees to twice this length: a mini-batch may have almost no component along the
/// directions that determine SCALE, and its step must not blow up.
pub const LONGEST: f64 = 64.0;

/// The criterion counts as near the floor of f32 below this value: above it, a plateau may be a saddle point.
pub const NEAR_FLOOR: f64 = 3e-5;
/// The criterion also counts as near the floor below this times `top / rho`: in f32, the relative residual of a small
/// eigenvalue plateaus at a few units in the last place of `top / rho`.
pub const PLATEAU: f64 = 1e-6;
/// The run stops at the floor only if the criterion is within this factor of its best value: the step size of RMSprop
/// spikes occasionally, and the state during a spike is not a usable answer.
pub const NEAR_BEST: f64 = 4.0;
/// If [`near`] exceeds this, f32 does not resolve the component and the host finishes it in f64. Then any state is a
/// valid start, and a residual that is rounding may be far above its best value.
pub const HANDED_OVER: f64 = PLATEAU / LEAST_SHARE;
/// An improvement lowers the criterion below this factor times the best value.
pub const IMPROVEMENT: f64 = 0.95;
/// Steps without improvement before the run stops: this many, or half of the steps so far if that is more (leaving a
/// saddle point takes as long as reaching it).
pub const PATIENCE: f64 = 100.0;

/// Value below which the criterion counts as near the floor of f32, if the largest eigenvalue is `top` and the smallest
/// Rayleigh quotient among the judged rows is `least`.
pub fn near(top: f64, least: f64) -> f64 {
    NEAR_FLOOR.max(PLATEAU * top / least)
}

/// Decides whether [`crate::kernel::Block::Ascent`] stops at step `step`.
///
/// `worst` is the largest relative residual of the judged rows that are above their rounding; `floored` says whether a
/// row at its rounding is above the tolerance; `best` is the smallest `worst` so far, reached at `best_step`; `near`
/// comes from [`near`]. Returns `(stop, best, best_step)`.
pub fn judge(
    worst: f64,
    tolerance: f64,
    near: f64,
    floored: bool,
    step: f64,
    best: f64,
    best_step: f64,
) -> (f32, f64, f64) {
    if worst <= tolerance {
        (if floored { FLOOR_REACHED } else { CONVERGED }, worst, step)
    } else if worst < IMPROVEMENT * best {
        (0.0, worst, step)
    } else if best < near
        && (worst < NEAR_BEST * best || near > HANDED_OVER)
        && step - best_step > PATIENCE.max(step / 2.0)
    {
        (FLOOR_REACHED, best, best_step)
    } else {
        (0.0, best, best_step)
    }
}

/// A control buffer in the middle of a run, for tests and benchmarks; it has no criterion, so nothing freezes.
pub fn example() -> [f32; LEN] {
    let mut control = [0.0; LEN];
    control[STEP] = 3.0;
    control[RATE] = 0.125;
    control[SCALE] = 0.75;
    control[BEST] = 1.0;
    control[BATCH] = 1.0;
    control[COUNT] = 2.0;
    control[TOP] = 2.0;
    control
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plateau_stops_only_near_the_floor_of_f32() {
        let stop = |worst, step, best| judge(worst, 1e-6, NEAR_FLOOR, false, step, best, 100.0).0;
        assert_eq!(stop(1e-7, 109.0, 1e-3), CONVERGED);
        assert_eq!(stop(2e-6, 1000.0, 2e-6), FLOOR_REACHED);
        assert_eq!(stop(2e-2, 1000.0, 2e-2), 0.0);
        assert_eq!(stop(2e-3, 1000.0, 2e-6), 0.0);
        assert_eq!(stop(2e-6, 190.0, 2e-6), 0.0);
    }

    #[test]
    fn a_small_eigenvalue_is_near_its_floor_at_a_larger_residual() {
        assert_eq!(near(1.0, 1.0), NEAR_FLOOR);
        assert_eq!(near(1.0, 1e-3), 1e-3);
        let stop = |near| judge(4e-4, 1e-6, near, false, 1000.0, 4e-4, 100.0).0;
        assert_eq!(stop(near(1.0, 1.0)), 0.0);
        assert_eq!(stop(near(1.0, 1e-3)), FLOOR_REACHED);
        // Far above its best value: acceptable if f32 does not resolve the component and the host takes over, otherwise
        // not.
        let far = |least| judge(9e-3, 1e-6, near(1.0, least), false, 1000.0, 2e-5, 100.0).0;
        assert_eq!(
            [far(2.0 * LEAST_SHARE), far(LEAST_SHARE / 2.0)],
            [0.0, FLOOR_REACHED]
        );
    }

    #[test]
    fn a_row_at_its_rounding_above_the_tolerance_ends_at_the_floor() {
        let judged = |floored| judge(0.0, 1e-6, NEAR_FLOOR, floored, 7.0, 1e-3, 4.0);
        assert_eq!(judged(false), (CONVERGED, 0.0, 7.0));
        assert_eq!(judged(true), (FLOOR_REACHED, 0.0, 7.0));
    }

    #[test]
    fn nan_is_never_an_improvement() {
        let judged = judge(f64::NAN, 1e-6, NEAR_FLOOR, false, 5.0, 1e-3, 4.0);
        assert_eq!(judged, (0.0, 1e-3, 4.0));
    }

    #[test]
    fn the_constants_agree_with_the_law_of_resolution() {
        assert_eq!(LEAST_SHARE, 0.00390625);
        assert_eq!(NOISE, resolution::noise(resolution::F32, 1.0, 1.0));
    }
}
