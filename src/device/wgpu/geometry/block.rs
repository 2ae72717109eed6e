//! Rows over block vectors, one workgroup each: `shaders/block.wgsl`.

use super::super::pass::{Binding, Pass, Scratch};
use super::request::{Request, TURNS, bits, word};
use crate::kernel::{Block, named};

pub(super) fn passes(kernel: Block, request: &Request<'_>) -> Vec<Pass> {
    let [d, rows] = named(request.sizes);
    let choice = match kernel {
        Block::Deflate | Block::ProjectOut | Block::Orthonormalise => 0.0,
        Block::Ascent => {
            let [projected] = named(request.scalars);
            projected
        }
        Block::Retract => {
            let [transport] = named(request.scalars);
            transport
        }
    };
    // Narrow workgroups suit a processor, but a long loop must not be ended.
    let widths = [request.tuning.width, 256, request.tuning.max_width];
    let few = |width: &usize| turns(kernel, d, rows, *width) <= TURNS;
    let width = widths.into_iter().find(few).unwrap_or(request.tuning.width);
    // For ascent: a block of vectors, and two numbers of every row.
    let work = Binding::Scratch(Scratch::Work, (4 * (d + 2) * rows) as u64);
    vec![Pass {
        constants: vec![("WIDTH", word(width)), ("FOLD", word(fold(width)))],
        parameters: vec![word(d), word(rows), bits(choice)],
        turns: turns(kernel, d, rows, width),
        bindings: match kernel {
            Block::Ascent => request.bindings_and([("work", work)]),
            Block::Deflate | Block::ProjectOut | Block::Orthonormalise | Block::Retract => {
                request.bindings()
            }
        },
        ..request.pass()
    }]
}

/// Run in which workgroup memory is folded.
fn fold(width: usize) -> usize {
    if width >= 256 { 16 } else { 8 }
}

/// Turns of an invocation in the loops of block.wgsl over numbers and components; those over the four components taken at
/// once are unrolled.
fn turns(kernel: Block, d: usize, m: usize, width: usize) -> usize {
    let (long, quads) = (d.div_ceil(width), m.div_ceil(4));
    let total = fold(width) + width / fold(width) + 1;
    let project = quads * (2 * long + total);
    let gram_schmidt = m * (2 * project + 3 * long + 2 * total);
    match kernel {
        Block::Deflate => project,
        Block::ProjectOut => 2 * project + 2 * long + total,
        Block::Orthonormalise => gram_schmidt,
        Block::Ascent => m * (project + 4 * long + 2 * total + 2),
        Block::Retract => gram_schmidt + m * (project + long) + total,
    }
}
