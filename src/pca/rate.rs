//! How the learning rate is chosen, and when a rule stops.
//!
//! The rate is in units of 1 / lambda, lambda the running estimate of the top eigenvalue of the operator at hand
//! ([`crate::kernel::control::SCALE`]): the rule sees the gradient of v'Av / lambda, `2 A v / lambda`. The rates of `auto`:
//!
//! - sgd on the plain gradient, 2 eta = 1000: nearly the power method, whose rate is the limit of the plain gradient's;
//! - momentum and nesterov on the projected gradient, eta = 0.5: under the stability limits of the heavy ball
//!   (2 eta < 3.8) and of Nesterov's rule (2 eta < 1.36) with decay 0.9;
//! - the elementwise rules do not see the gradient's scale: their rate is a length on the sphere, 1 / sqrt(order) for
//!   AdaGrad, whose step decays by itself. RMSprop and Adam at a constant rate hover at a distance of the order of the
//!   step: they start from 0.3 / sqrt(order) and decay, Adam as 1 / sqrt(1 + t / 10), RMSprop as 1 / (1 + t / 30); with
//!   Adam's decay RMSprop still hovers at 5e-3 after 20,000 steps where columns are constant, since a coordinate whose
//!   gradient is rounding is normalised like any other;
//! - mini-batches (Oja 1982): for the first three rules the error falls as one over the root of the samples seen when
//!   the rate falls as 1 / t; the elementwise rules keep their schedules.
//!
//! With the full batch every rule stops by the relative residual of what it moves ([`crate::kernel::Block::Ascent`]); a
//! mini-batch says nothing about the residual of the whole, and its epochs end it.

use super::Plan;
use crate::kernel::control;
use crate::optimizer::Rule;

/// Rate, its decay, and the stop criterion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// Rate of the first step.
    pub rate: f64,
    /// The rate of step t (from 0) is `rate (1 + t / time)^-power`.
    pub power: f64,
    /// See `power`; in steps.
    pub time: f64,
    /// Tolerance of the criterion.
    pub tolerance: f64,
    /// One of [`control::BY_NONE`] and [`control::BY_RESIDUAL`].
    pub criterion: f32,
}

impl Schedule {
    /// The schedule of a plan for vectors of `order` numbers, with so many mini-batches an epoch (1: full batch).
    pub fn of(plan: &Plan, order: usize, batches: usize) -> Self {
        let length = 1.0 / (order as f64).sqrt();
        let stochastic = batches > 1;
        let (auto, power, time) = match (plan.rule, stochastic) {
            (Rule::Sgd, false) => (500.0, 0.0, 1.0),
            (Rule::Momentum | Rule::Nesterov, false) => (0.5, 0.0, 1.0),
            (Rule::Adagrad, _) => (length, 0.0, 1.0),
            (Rule::Rmsprop, _) => (0.3 * length, 1.0, 30.0),
            (Rule::Adam, _) => (0.3 * length, 0.5, 10.0),
            (Rule::Sgd, true) => (2.0, 1.0, 10.0),
            (Rule::Momentum | Rule::Nesterov, true) => (0.2, 1.0, 10.0),
        };
        let criterion = if stochastic {
            control::BY_NONE
        } else {
            control::BY_RESIDUAL
        };
        Self {
            rate: plan.learning_rate.unwrap_or(auto),
            power,
            time,
            tolerance: plan.tolerance,
            criterion,
        }
    }

    /// In words, for the record.
    pub fn describe(&self) -> String {
        match (self.power, self.time) {
            (0.0, _) => "constant".into(),
            (0.5, time) => format!("1/sqrt(1 + t/{time})"),
            (power, time) => format!("(1 + t/{time})^-{power}"),
        }
    }
}
