//! Reading memory once: `shaders/stream.wgsl`.

use super::super::pass::{Binding, Pass, Scratch};
use super::request::{Request, word, words};
use crate::kernel::{Stream, named};

pub(super) fn passes(kernel: Stream, request: &Request<'_>) -> Vec<Pass> {
    match kernel {
        Stream::Read => read(request),
    }
}

fn read(request: &Request<'_>) -> Vec<Pass> {
    let [n] = named(request.sizes);
    let width = request.tuning.width;
    let groups = n.div_ceil(16 * width).clamp(1, 4 * request.tuning.groups);
    let partial = Binding::Scratch(Scratch::Partial, 4 * groups as u64);
    let pass = |entry, dispatched, long: usize| Pass {
        constants: vec![("WIDTH", word(width))],
        groups: [dispatched, 1, 1],
        parameters: words([n, groups]),
        turns: long.div_ceil(dispatched * width) + width,
        bindings: request.bindings_and([("partial", partial)]),
        ..request.pass_of(entry)
    };
    vec![
        pass(request.row.name, groups, n.div_ceil(4)),
        pass("stream_sum", 1, groups),
    ]
}
