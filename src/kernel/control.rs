//! Layout of the control buffer: what changes from step to step, in f32, on the device.
//!
//! Counts are exact up to 2^24, far above the iteration limit.

/// Number of elements.
pub const LEN: usize = 20;

/// Why the state is frozen: 0 running, else one of [`CONVERGED`], [`FLOOR_REACHED`], [`NOT_FINITE`].
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
/// Largest relative residual `|A v - V' H| / rho` over the rows.
pub const RESIDUAL: usize = 8;
/// Largest change of a row out of the old span (with one row: `|v_new - v_old|` with the sign kept).
pub const CHANGE: usize = 9;
/// Tolerance of the stop criterion.
pub const TOLERANCE: usize = 10;
/// Which criterion stops: [`BY_NONE`], [`BY_CHANGE`] or [`BY_RESIDUAL`].
pub const CRITERION: usize = 11;
/// Eigenvalue at or under which a component is rounding noise: it counts as found.
pub const FLOOR: usize = 12;
/// Best value of the criterion so far.
pub const BEST: usize = 13;
/// Step of the best value.
pub const BEST_STEP: usize = 14;
/// Index of the mini-batch of this step within the epoch.
pub const BATCH: usize = 15;
/// Components found so far (deflation).
pub const COUNT: usize = 16;
/// How SCALE follows what it sees: 0 takes the largest |A v| (full batch), 1 the mean (mini-batches).
pub const SCALE_MEAN: usize = 17;
/// Largest eigenvalue found so far.
pub const TOP: usize = 18;

/// [`STOP`]: the criterion is met.
pub const CONVERGED: f32 = 1.0;
/// [`STOP`]: no improvement for long: the floor of the arithmetic.
pub const FLOOR_REACHED: f32 = 2.0;
/// [`STOP`]: the state is no longer finite.
pub const NOT_FINITE: f32 = 3.0;

/// [`CRITERION`]: none.
pub const BY_NONE: f32 = 0.0;
/// [`CRITERION`]: [`CHANGE`] at or under the tolerance.
pub const BY_CHANGE: f32 = 1.0;
/// [`CRITERION`]: [`RESIDUAL`] at or under the tolerance.
pub const BY_RESIDUAL: f32 = 2.0;

/// The criterion counts as near the floor of f32 under this value: above it a plateau may be a saddle point.
pub const NEAR_FLOOR: f64 = 3e-5;
/// The floor is taken only where the criterion is within this factor of its best: RMSprop's step bursts now and then, and
/// the state in the middle of a burst is no answer.
pub const NEAR_BEST: f64 = 4.0;
/// An improvement is at least this factor.
pub const IMPROVEMENT: f64 = 0.95;
/// Steps without improvement that are borne: this many, or half of the steps so far (a saddle point takes as long to
/// leave as it took to reach).
pub const PATIENCE: f64 = 100.0;

/// Whether a criterion of `value` at step `step`, with the best one `best` at `best_step`, stops: the shared rule of
/// [`crate::kernel::Kernel::Ascent`] and [`crate::kernel::Kernel::Retract`]. Returns `(stop, best, best_step)`.
pub fn judge(value: f64, tolerance: f64, step: f64, best: f64, best_step: f64) -> (f32, f64, f64) {
    if value <= tolerance {
        (CONVERGED, value, step)
    } else if value < IMPROVEMENT * best {
        (0.0, value, step)
    } else if best < NEAR_FLOOR
        && value < NEAR_BEST * best
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
        assert_eq!(judge(1e-7, 1e-6, 9.0, 1e-3, 8.0).0, CONVERGED);
        assert_eq!(judge(2e-6, 1e-6, 1000.0, 2e-6, 100.0).0, FLOOR_REACHED);
        assert_eq!(judge(2e-2, 1e-6, 1000.0, 2e-2, 100.0).0, 0.0);
        assert_eq!(judge(2e-3, 1e-6, 1000.0, 2e-6, 100.0).0, 0.0);
        assert_eq!(judge(2e-6, 1e-6, 190.0, 2e-6, 100.0).0, 0.0);
    }

    #[test]
    fn nan_is_never_an_improvement() {
        assert_eq!(judge(f64::NAN, 1e-6, 5.0, 1e-3, 4.0), (0.0, 1e-3, 4.0));
    }
}
