//! Layout of the control buffer: what changes from step to step, in f32, on the device.
//!
//! Counts are exact up to 2^24, far above the iteration limit.

use super::resolution;

pub(super) mod rows;

/// Number of elements; the last ones are spare.
pub const LEN: usize = 20;

/// Why the state is frozen: 0 running, else one of [`CONVERGED`], [`FLOOR_REACHED`], [`NOT_FINITE`], [`STEP_NOT_FINITE`].
pub const STOP: usize = 0;
/// Steps done for the component at hand (the one in progress included).
pub const STEP: usize = 1;
/// Learning rate of this step.
pub const RATE: usize = 2;
/// Learning rate before the schedule.
pub const BASE_RATE: usize = 3;
/// Schedule: the rate is `BASE_RATE * (1 + t / SCHEDULE_TIME)^-SCHEDULE_POWER`, t the steps before this one.
pub const SCHEDULE_POWER: usize = 4;
/// Time constant of the schedule, in steps.
pub const SCHEDULE_TIME: usize = 5;
/// Running estimate of the top eigenvalue of the operator at hand (lambda).
pub const SCALE: usize = 6;
/// Smallest Rayleigh quotient over the rows of `v` (with one row: the Rayleigh quotient).
pub const RHO: usize = 7;
/// Largest relative residual `|A v - V' H| / rho` over the rows, judged or not.
pub const RESIDUAL: usize = 8;
/// Largest eigenvalue found so far (deflation).
pub const TOP: usize = 9;
/// Tolerance of the stop criterion.
pub const TOLERANCE: usize = 10;
/// Which criterion stops: [`BY_NONE`] or [`BY_RESIDUAL`].
pub const CRITERION: usize = 11;
/// How SCALE follows what it sees: 0 takes the largest |A v| (full batch), 1 the mean of rho (mini-batches).
pub const SCALE_MEAN: usize = 12;
/// Best value of the criterion so far.
pub const BEST: usize = 13;
/// Step of the best value.
pub const BEST_STEP: usize = 14;
/// Index of the mini-batch of this step within the epoch.
pub const BATCH: usize = 15;
/// Components found so far (deflation).
pub const COUNT: usize = 16;

/// [`STOP`]: the criterion is met.
pub const CONVERGED: f32 = 1.0;
/// [`STOP`]: the floor of f32, above the tolerance: no improvement for long, or a residual that is rounding.
pub const FLOOR_REACHED: f32 = 2.0;
/// [`STOP`]: the gradient is no longer finite, or the loss of a network.
pub const NOT_FINITE: f32 = 3.0;
/// [`STOP`]: the updated vector is not finite, or has no direction (one row of zeros).
pub const STEP_NOT_FINITE: f32 = 4.0;

/// [`CRITERION`]: none (mini-batches).
pub const BY_NONE: f32 = 0.0;
/// [`CRITERION`]: the relative residual of every row that is judged at or under the tolerance, or rounding.
pub const BY_RESIDUAL: f32 = 1.0;

/// A residual is relative to rho, or to this share of the largest eigenvalue where rho is less: such an eigenvalue is 0.
pub const NULL_SHARE: f64 = 1e-12;
/// Rows with less than this share of the largest eigenvalue are not judged where several move at once: f32 does not
/// resolve them, and the host finishes them in f64.
pub const LEAST_SHARE: f64 = resolution::least_share(resolution::F32);
/// `resolution::noise` in f32 is this times `sqrt(top rho)`.
pub const NOISE: f64 = 4.0 * resolution::F32;
/// The gradient that a rule sees is at most twice this long: a mini-batch may have almost nothing of what SCALE is made
/// of, and its step must not blow up.
pub const LONGEST: f64 = 64.0;

/// The criterion counts as near the floor of f32 under this value: above it a plateau may be a saddle point.
pub const NEAR_FLOOR: f64 = 3e-5;
/// In f32 the relative residual of a small eigenvalue plateaus at some units in the last place of `top / rho`: the
/// criterion counts as near the floor under this times `top / rho` too.
pub const PLATEAU: f64 = 1e-6;
/// The floor is taken only where the criterion is within this factor of its best: RMSprop's step bursts now and then, and
/// the state in the middle of a burst is no answer.
pub const NEAR_BEST: f64 = 4.0;
/// Where `near` is more than this, f32 does not resolve the component and the host finishes it in f64: any state is a start, and
/// a residual that is rounding may well be far above its luckiest value.
pub const HANDED_OVER: f64 = PLATEAU / LEAST_SHARE;
/// An improvement is at least this factor.
pub const IMPROVEMENT: f64 = 0.95;
/// Steps without improvement that are borne: this many, or half of the steps so far (a saddle point takes as long to
/// leave as it took to reach).
pub const PATIENCE: f64 = 100.0;

/// Under which value the criterion counts as near the floor of f32, where the rows that are judged are relative to
/// `least` or more.
pub fn near(top: f64, least: f64) -> f64 {
    NEAR_FLOOR.max(PLATEAU * top / least)
}

/// Whether [`crate::kernel::Block::Ascent`] stops at step `step`: `worst` is the largest relative residual of the rows
/// that are judged and above their rounding, `floored` whether one at its rounding is above the tolerance, `best` the
/// least `worst` so far, at `best_step`, and `near` of [`near`]. Returns `(stop, best, best_step)`.
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

/// A control buffer in the middle of a run, for tests and benchmarks: no criterion, so that nothing freezes.
pub fn example() -> [f32; LEN] {
    let mut control = [0.0; LEN];
    control[STEP] = 3.0;
    control[RATE] = 0.125;
    control[BASE_RATE] = 0.25;
    control[SCHEDULE_POWER] = 0.5;
    control[SCHEDULE_TIME] = 10.0;
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
    fn a_small_eigenvalue_is_near_its_floor_earlier() {
        assert_eq!(near(1.0, 1.0), NEAR_FLOOR);
        assert_eq!(near(1.0, 1e-3), 1e-3);
        let stop = |near| judge(4e-4, 1e-6, near, false, 1000.0, 4e-4, 100.0).0;
        assert_eq!(stop(near(1.0, 1.0)), 0.0);
        assert_eq!(stop(near(1.0, 1e-3)), FLOOR_REACHED);
        // Far above its best: a state for the host where f32 does not resolve the component, and none where it does.
        let far = |least| judge(9e-3, 1e-6, near(1.0, least), false, 1000.0, 2e-5, 100.0).0;
        assert_eq!(
            [far(2.0 * LEAST_SHARE), far(LEAST_SHARE / 2.0)],
            [0.0, FLOOR_REACHED]
        );
    }

    #[test]
    fn a_row_at_its_rounding_above_the_tolerance_makes_the_end_the_floor() {
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
    fn the_constants_are_those_of_the_law_of_resolution() {
        assert_eq!(LEAST_SHARE, 0.00390625);
        assert_eq!(NOISE, resolution::noise(resolution::F32, 1.0, 1.0));
    }
}
