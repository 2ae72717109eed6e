//! Update rules: `shaders/rules.wgsl`.

use super::super::pass::Pass;
use super::request::{MAX_GROUPS, Request, bits, word, words};
use crate::kernel::{Rules, named};

/// Scalars of a rule as the uniform has them; what a rule lacks is 0.
#[derive(Default)]
struct Scalars {
    /// Decays of the two states.
    first: f32,
    second: f32,
    epsilon: f32,
    weight_decay: f32,
}

impl Scalars {
    fn of(kernel: Rules, scalars: &[f32]) -> Self {
        let none = Self::default();
        match kernel {
            Rules::Sgd => {
                let [weight_decay] = named(scalars);
                Self {
                    weight_decay,
                    ..none
                }
            }
            Rules::Momentum | Rules::Nesterov => {
                let [first, weight_decay] = named(scalars);
                Self {
                    first,
                    weight_decay,
                    ..none
                }
            }
            Rules::Adagrad => {
                let [epsilon, weight_decay] = named(scalars);
                Self {
                    epsilon,
                    weight_decay,
                    ..none
                }
            }
            Rules::Rmsprop => {
                let [first, epsilon, weight_decay] = named(scalars);
                Self {
                    first,
                    epsilon,
                    weight_decay,
                    ..none
                }
            }
            Rules::Adam => {
                let [first, second, epsilon, weight_decay] = named(scalars);
                Self {
                    first,
                    second,
                    epsilon,
                    weight_decay,
                }
            }
        }
    }
}

pub(super) fn passes(kernel: Rules, request: &Request<'_>) -> Vec<Pass> {
    let [len] = named(request.sizes);
    let width = request.tuning.width;
    let groups = len.div_ceil(width).min(MAX_GROUPS);
    let Scalars {
        first,
        second,
        epsilon,
        weight_decay,
    } = Scalars::of(kernel, request.scalars);
    let logarithm = |decay: f32| f64::from(decay).ln() as f32;
    let mut parameters = words([len, groups]);
    parameters.extend([first, second, epsilon].map(bits));
    parameters.extend([first, second].map(logarithm).map(bits));
    parameters.push(bits(weight_decay));
    vec![Pass {
        constants: vec![("WIDTH", word(width))],
        groups: [groups, 1, 1],
        parameters,
        turns: len.div_ceil(groups * width),
        ..request.pass()
    }]
}
