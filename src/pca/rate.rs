//! Choice of the learning rate, and the stop criterion.
//!
//! The rate is in units of 1 / lambda, where lambda is the running estimate of the top eigenvalue of the current
//! operator ([`crate::kernel::control::SCALE`]): the rule sees the gradient of v'Av / lambda, `2 A v / lambda`. The
//! rates of `auto`:
//!
//! - sgd on the plain gradient, 2 eta = 1000: nearly the power method, the limit of the plain gradient for large rates;
//! - momentum and nesterov on the projected gradient, eta = 0.5: within the stability limits of the heavy ball
//!   (2 eta < 3.8) and of Nesterov's rule (2 eta < 1.36) with decay 0.9;
//! - the elementwise rules are invariant to the scale of the gradient, so their rate is a length on the sphere.
//!   AdaGrad, whose steps decay by themselves, uses 1 / sqrt(order). RMSprop and Adam at a constant rate end up
//!   oscillating at a distance of about one step. They start from 0.3 / sqrt(order) and decay, Adam by the schedule
//!   `decay:root` and RMSprop by `decay:late`. With Adam's decay, RMSprop still oscillates at 5e-3 after 20,000 steps if some columns are constant, because it also normalises coordinates whose gradient is rounding;
//! - other rules get the rate of their like, as [`Pace`] tells them apart. Adadelta's first steps are 300 times shorter than its
//!   rate, which makes up for that; the steps of LARS and LAMB have a length of their own, 0.3 at first;
//! - mini-batches (Oja 1982): for the first three rules the error falls as one over the root of the number of samples
//!   seen if the rate falls as 1 / t. The elementwise rules keep their schedules.
//!
//! With the full batch, a rule stops when the relative residuals of the rows it moves are within the tolerance
//! ([`crate::kernel::Block::Ascent`]). The residual of a mini-batch says nothing about all samples, so there the
//! number of epochs ends the run.

use super::Plan;
use crate::kernel::control;
use crate::optimizer::{Rule, Schedule};

/// What decides the automatic rate of a rule, read off its statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Steps along the gradient.
    Plain,
    /// Steps along a velocity.
    Velocity,
    /// Scales every element by a size that only grows: its steps shrink by themselves.
    Shrinking,
    /// Scales every element of the gradient, be it beside a velocity, or takes signs.
    Scaled,
    /// Scales every element of a velocity.
    ScaledVelocity,
    /// Scales the whole step by norms: its length does not follow the gradient's.
    Normed,
}

impl Pace {
    /// That of a rule.
    pub fn of(rule: Rule) -> Self {
        let program = rule.program();
        let has_velocity = program.velocities().next().is_some();
        if !program.norms.is_empty() {
            return Self::Normed;
        }
        match (program.is_elementwise(), has_velocity) {
            (false, false) => Self::Plain,
            (false, true) => Self::Velocity,
            (true, _) if program.accumulates() => Self::Shrinking,
            (true, true) if program.has_sizes() && !program.steps_along_gradient() => {
                Self::ScaledVelocity
            }
            (true, _) => Self::Scaled,
        }
    }
}

/// Length of an element's first step at rate 1 on a gradient of 1, where it is far under 1, as Adadelta's; else 1.
fn first_step(rule: Rule) -> f64 {
    let first = rule.program().step_length(1, 1);
    if first < 0.1 { first } else { 1.0 }
}

/// Length of a step at rate 1 on vectors of length 1, after as many steps along the same gradient as a velocity takes to settle.
fn steady_step(rule: Rule) -> f64 {
    rule.program().step_length(64, 100)
}

/// Learning rate, its schedule, and the stop criterion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    /// Largest learning rate, in units of 1 / lambda.
    pub rate: f64,
    /// How it changes.
    pub schedule: Schedule,
    /// Most steps of a component (deflation) or of the solve (subspace).
    pub steps: u64,
    /// Tolerance of the criterion.
    pub tolerance: f64,
    /// [`control::BY_NONE`] or [`control::BY_RESIDUAL`].
    pub criterion: f32,
}

impl Terms {
    /// Those of a plan for vectors of `order` elements, with `batches` mini-batches per epoch (1: full batch).
    pub fn of(plan: &Plan, order: usize, batches: usize) -> Self {
        let length = 1.0 / (order as f64).sqrt();
        let stochastic = batches > 1;
        let (auto, schedule) = match (Pace::of(plan.rule), stochastic) {
            (Pace::Plain, false) => (500.0, "constant"),
            (Pace::Velocity, false) => (0.5, "constant"),
            (Pace::Shrinking, _) => (length, "constant"),
            (Pace::Scaled, _) => (0.3 * length / first_step(plan.rule), "decay:late"),
            (Pace::ScaledVelocity, _) => (0.3 * length, "decay:root"),
            (Pace::Normed, _) => (0.3 / steady_step(plan.rule), "decay:late"),
            (Pace::Plain, true) => (2.0, "decay"),
            (Pace::Velocity, true) => (0.2, "decay"),
        };
        let criterion = if stochastic {
            control::BY_NONE
        } else {
            control::BY_RESIDUAL
        };
        let epochs = plan.epochs.saturating_mul(batches as u64);
        let steps = match plan.batch {
            Some(_) => plan.max_iterations.min(epochs),
            None => plan.max_iterations,
        };
        Self {
            rate: plan.learning_rate.unwrap_or(auto),
            schedule: plan.schedule.unwrap_or_else(|| Schedule::named(schedule)),
            steps,
            tolerance: plan.tolerance,
            criterion,
        }
    }
}
