//! Update rules: `kernels/rules.cu`.

use super::super::pass::{Argument, Scratch};
use super::request::{Draft, Request, THREADS, size};
use crate::kernel::{Rule, named};

pub(super) fn drafts(rule: Rule, request: &Request<'_>) -> Vec<Draft> {
    let [len] = named(request.sizes);
    let constants = rule.constants(request.scalars);
    let mut more: Vec<Argument> = constants.into_iter().map(Argument::F32).collect();
    let blocks = len
        .div_ceil(4 * THREADS)
        .clamp(1, 8 * request.tuning.multiprocessors);
    let norms = rule.program().norms.len();
    if norms > 0 {
        more.push(Argument::Scratch(Scratch::Partial, 4 * norms * blocks));
        more.push(size(blocks));
    }
    let draft = || Draft {
        grid: [blocks, 1, 1],
        ..request.draft(&more)
    };
    let before = rule.norms_entry().map(|entry| Draft { entry, ..draft() });
    before.into_iter().chain([draft()]).collect()
}
