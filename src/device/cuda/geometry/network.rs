//! What a network adds to products of matrices: `kernels/network.cu`.

use super::super::pass::{Argument, Scratch};
use super::request::{Draft, Request, THREADS, WARP, quads_of, size};
use crate::kernel::{Network, named};

pub(super) fn drafts(kernel: Network, request: &Request<'_>) -> Vec<Draft> {
    match kernel {
        Network::GatherF32 | Network::GatherU8 => {
            let [_n, d, b, _batch, _offset, _first] = named(request.sizes);
            let blocks = (b * quads_of(d)).div_ceil(THREADS);
            vec![over(blocks, request.draft(&[]))]
        }
        Network::BiasRelu => {
            let [b, h] = named(request.sizes);
            let most = 8 * request.tuning.multiprocessors;
            let blocks = (b * h).div_ceil(THREADS).min(most);
            vec![over(blocks, request.draft(&[]))]
        }
        Network::SoftmaxLoss => softmax_loss(request),
        Network::ReluBackward => {
            let [_b, h] = named(request.sizes);
            vec![over(h.div_ceil(WARP), request.draft(&[]))]
        }
        Network::Score => score(request),
    }
}

/// The pass in so many blocks.
fn over(blocks: usize, draft: Draft) -> Draft {
    Draft {
        grid: [blocks, 1, 1],
        ..draft
    }
}

/// A warp a row, then the sums over rows.
fn softmax_loss(request: &Request<'_>) -> Vec<Draft> {
    let [b, c, _batch, _offset, _n, _batches] = named(request.sizes);
    let [beta] = named(request.scalars);
    let partial = Argument::Scratch(Scratch::Partial, 4 * b);
    let [control, z, dbias, losses] =
        ["control", "z", "dbias", "losses"].map(|name| request.buffer(name));
    let sums = Draft::new(
        "softmax_sums",
        [
            control,
            z,
            dbias,
            losses,
            partial,
            size(b),
            size(c),
            Argument::F32(beta),
        ],
    );
    vec![
        over(b.div_ceil(THREADS / WARP), request.draft(&[partial])),
        over(c.div_ceil(WARP) + 1, sums),
    ]
}

/// A warp a row, then the sums over rows.
fn score(request: &Request<'_>) -> Vec<Draft> {
    let [b, _c, _n, _len] = named(request.sizes);
    let partial = Argument::Scratch(Scratch::Partial, 8 * b);
    let [control, totals] = ["control", "totals"].map(|name| request.buffer(name));
    vec![
        over(b.div_ceil(THREADS / WARP), request.draft(&[partial])),
        Draft::new("score_sum", [control, partial, totals, size(b)]),
    ]
}
