//! Gram matrices of the samples: `kernels/gram.cu`.

use super::super::pass::{Argument, Scratch, Tuning};
use super::request::{CHUNK, Draft, Request, THREADS, size};
use crate::kernel::{Gram, named};

/// gram.cu: rows and columns of a tile, slices of a stage, threads.
pub(super) const TILE: usize = 64;
pub(super) const DEPTH: usize = 16;
pub(super) const TILE_THREADS: usize = 64;

/// Entries that a row may launch.
pub(super) fn entries(kernel: Gram) -> &'static [&'static str] {
    match kernel {
        Gram::CovarianceF32 => &["covariance_f32", "covariance_sum"],
        Gram::CovarianceU8 => &["covariance_u8", "covariance_sum"],
        Gram::DualF32 => &["dual_f32", "dual_sum"],
        Gram::DualU8 => &["dual_u8", "dual_sum"],
    }
}

pub(super) fn drafts(kernel: Gram, request: &Request<'_>) -> Vec<Draft> {
    match kernel {
        Gram::CovarianceF32 | Gram::CovarianceU8 => covariance(request),
        Gram::DualF32 | Gram::DualU8 => dual(request),
    }
}

fn covariance(request: &Request<'_>) -> Vec<Draft> {
    let [n, d] = named(request.sizes);
    let [beta, _weight_in, weight_out] = named(request.scalars);
    let side = d.div_ceil(TILE);
    let tiles = Tiles {
        grid: [side, side],
        count: side * (side + 1) / 2,
        terms: n,
        elements: d * d,
    };
    let sum = Draft::new(
        "covariance_sum",
        [
            request.buffer("c"),
            size(d),
            Argument::F32(beta),
            Argument::F32(weight_out),
        ],
    );
    tiles.drafts(request, sum)
}

fn dual(request: &Request<'_>) -> Vec<Draft> {
    let [na, nb, d, n, first_a, first_b] = named(request.sizes);
    let [_weight_in, weight_out] = named(request.scalars);
    let [high, wide] = [na, nb].map(|rows: usize| rows.div_ceil(TILE));
    let tiles = Tiles {
        grid: [wide, high],
        count: high * wide,
        terms: d,
        elements: na * nb,
    };
    let sizes = [na, nb, n, first_a, first_b].map(size);
    let arguments = [request.buffer("k")].into_iter().chain(sizes);
    let sum = Draft::new("dual_sum", arguments.chain([Argument::F32(weight_out)]));
    tiles.drafts(request, sum)
}

/// Tiles of sums.
struct Tiles {
    /// Tiles across and down.
    grid: [usize; 2],
    /// Those that are computed.
    count: usize,
    /// Terms of a sum.
    terms: usize,
    /// Elements of the matrix.
    elements: usize,
}

impl Tiles {
    /// How the sums are shared out: terms a block, parts.
    fn parts(&self, tuning: &Tuning) -> (usize, usize) {
        let wanted = (8 * tuning.multiprocessors)
            .div_ceil(self.count)
            .min(self.terms.div_ceil(CHUNK / 4));
        let span = self.terms.div_ceil(wanted).next_multiple_of(DEPTH);
        (span, self.terms.div_ceil(span))
    }

    /// The two passes: the row's, which leaves tiles in parts, and `sum`, which adds them and is given the parts and their
    /// number before and after its own arguments.
    fn drafts(&self, request: &Request<'_>, mut sum: Draft) -> Vec<Draft> {
        let (span, parts) = self.parts(request.tuning);
        let bytes = 4 * TILE * TILE * self.count * parts;
        let partial = Argument::Scratch(Scratch::Partial, bytes);
        sum.arguments.insert(0, partial);
        sum.arguments.push(size(parts));
        let most = 16 * request.tuning.multiprocessors;
        sum.grid = [self.elements.div_ceil(THREADS).min(most), 1, 1];
        let [wide, high] = self.grid;
        let tiles = Draft {
            grid: [wide, high, parts],
            block: TILE_THREADS,
            ..request.draft(&[partial, size(span)])
        };
        vec![tiles, sum]
    }
}
