//! Reading memory once: `kernels/stream.cu`.

use super::super::pass::{Argument, Scratch};
use super::request::{Draft, Request, THREADS, size};
use crate::kernel::{Stream, named};

pub(super) fn drafts(kernel: Stream, request: &Request<'_>) -> Vec<Draft> {
    match kernel {
        Stream::Read => read(request),
    }
}

fn read(request: &Request<'_>) -> Vec<Draft> {
    let [n] = named(request.sizes);
    let blocks = n
        .div_ceil(16 * THREADS)
        .clamp(1, 8 * request.tuning.multiprocessors);
    let partial = Argument::Scratch(Scratch::Partial, 4 * blocks);
    vec![
        Draft {
            grid: [blocks, 1, 1],
            ..request.draft(&[partial])
        },
        Draft::new("stream_sum", [partial, request.buffer("out"), size(blocks)]),
    ]
}
