//! Update rules: `shaders/rules.wgsl`.

use super::super::pass::{Binding, Pass, Scratch};
use super::request::{MAX_GROUPS, Request, bits, word, words};
use crate::kernel::{Rule, named};

pub(super) fn passes(rule: Rule, request: &Request<'_>) -> Vec<Pass> {
    let [len] = named(request.sizes);
    let width = request.tuning.width;
    let groups = len.div_ceil(width).min(MAX_GROUPS);
    let mut parameters = words([len, groups]);
    parameters.extend(request.scalars.iter().copied().map(bits));
    parameters.extend(rule.constants(request.scalars).into_iter().map(bits));
    let update = || Pass {
        constants: vec![("WIDTH", word(width))],
        groups: [groups, 1, 1],
        parameters: parameters.clone(),
        turns: len.div_ceil(groups * width),
        ..request.pass()
    };
    let (Some(norms), Some(sum)) = (rule.norms_entry(), rule.sum_entry()) else {
        return vec![update()];
    };
    // Sums of squares: as many parts as workgroups fill the adapter, after the place of the norms.
    let parts = groups.min(request.tuning.groups);
    let partial = Binding::Scratch(Scratch::Partial, 16 * (parts + 1) as u64);
    let pass = |entry, groups, turns| {
        let mut pass = Pass {
            entry,
            groups: [groups, 1, 1],
            turns,
            bindings: request.bindings_and([("partial", partial)]),
            ..update()
        };
        pass.parameters[1] = word(parts);
        pass
    };
    vec![
        pass(
            norms,
            parts,
            len.div_ceil(parts * width) + width.ilog2() as usize,
        ),
        pass(sum, 1, parts.div_ceil(width) + width.ilog2() as usize),
        Pass {
            bindings: request.bindings_and([("partial", partial)]),
            ..update()
        },
    ]
}
