//! Update rules: `shaders/rules.wgsl`.

use super::super::pass::Pass;
use super::request::{MAX_GROUPS, Request, bits, word, words};
use crate::kernel::{Kernel, Rules, named};

pub(super) fn passes(kernel: Rules, request: &Request<'_>) -> Vec<Pass> {
    let [len] = named(request.sizes);
    let width = request.tuning.width;
    let groups = len.div_ceil(width).min(MAX_GROUPS);
    let row = Kernel::Rules(kernel).row();
    // The uniform has the same scalars for every rule; those that a rule lacks are 0.
    let scalar = |names: &[&str]| {
        let mut own = row.scalars.iter().zip(request.scalars);
        own.find(|(name, _)| names.contains(name))
            .map_or(0.0, |(_, value)| *value)
    };
    let (first, second) = (scalar(&["mu", "decay", "beta1"]), scalar(&["beta2"]));
    let (epsilon, weight_decay) = (scalar(&["epsilon"]), scalar(&["weight_decay"]));
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
