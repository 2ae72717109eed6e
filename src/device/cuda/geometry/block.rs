//! Rows over block vectors, one block of threads each: `kernels/block.cu`.

use super::super::pass::{Argument, Scratch};
use super::request::{Draft, Request, threads_of};
use crate::kernel::{Block, named};

pub(super) fn drafts(kernel: Block, request: &Request<'_>) -> Vec<Draft> {
    let [d, rows] = named(request.sizes);
    let more: &[Argument] = match kernel {
        Block::Deflate | Block::ProjectOut | Block::Orthonormalise | Block::Retract => &[],
        // A block of vectors, and two numbers of every row.
        Block::Ascent => &[Argument::Scratch(Scratch::Work, 4 * (d + 2) * rows)],
    };
    vec![Draft {
        block: threads_of(d),
        ..request.draft(more)
    }]
}
