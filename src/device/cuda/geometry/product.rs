//! Products over samples and the rows beside them: `kernels/product.cu`.

use super::super::pass::{Argument, Scratch, TEAM_THREADS, Tuning};
use super::{CHUNK, Draft, THREADS, WARP, quads_of, size};
use crate::kernel::{Kernel, Product as P};

/// Samples of so many bytes are summed by one block, without a second pass: launching one would take longer.
const SMALL_BYTES: usize = 256 << 10;

/// product.cu: quads of a row of the tile, a thread each.
const TILE_QUADS: usize = 256;
/// product.cu: samples of a tile, rows of v of a thread and of a block, quads of a block of `product_sum`.
const TILE: usize = 8;
const SHORT: usize = 16;
const MOST: usize = 32;
const SUM_QUADS: usize = 8;

/// Products over samples, all of them or those of a mini-batch.
pub(super) fn samples(
    tuning: &Tuning,
    kernel: Kernel,
    sizes: &[usize],
    scalars: &[f32],
    arguments: Vec<Argument>,
) -> Vec<Draft> {
    let bytes = matches!(
        kernel,
        Kernel::Product(P::SamplesU8) | Kernel::Product(P::BatchU8)
    );
    let listed = matches!(
        kernel,
        Kernel::Product(P::BatchF32) | Kernel::Product(P::BatchU8)
    );
    let several = match (listed, bytes) {
        (false, false) => "samples_products_f32",
        (false, true) => "samples_products_u8",
        (true, false) => "batch_products_f32",
        (true, true) => "batch_products_u8",
    };
    let product = Product {
        one: kernel.row().name,
        several,
        bytes,
        n: sizes[if listed { 3 } else { 0 }],
        total: sizes[0],
        first: if listed { sizes[4] } else { 0 },
        d: sizes[1],
        m: sizes[2],
        rows: listed.then_some(3),
        v: if listed { 4 } else { 3 },
        scalars,
        arguments,
    };
    product.drafts(tuning)
}

/// Product with a matrix of [order, rows of v].
pub(super) fn symmetric(sizes: &[usize], arguments: Vec<Argument>) -> Draft {
    // Few warps a block, so that the rows of a small C reach every multiprocessor.
    let warps = 4;
    Draft {
        entry: "symmetric_product",
        grid: [sizes[0].div_ceil(warps), sizes[1].div_ceil(4), 1],
        block: warps * WARP,
        shared: 0,
        arguments,
    }
}

/// What the products over samples have in common.
struct Product<'a> {
    /// Entries for one and for several rows of v.
    one: &'static str,
    several: &'static str,
    bytes: bool,
    /// Samples, or rows of a mini-batch.
    n: usize,
    /// Samples in the block, and the number of its first where a list chooses.
    total: usize,
    first: usize,
    d: usize,
    m: usize,
    /// Places of the arguments that are not always there, or not always in one place; g follows v.
    rows: Option<usize>,
    v: usize,
    /// beta, weight_in, weight_out.
    scalars: &'a [f32],
    /// Those of the row.
    arguments: Vec<Argument>,
}

/// How `one_row` of product.cu takes a sample: threads of a team, samples in flight a team.
#[derive(Debug, PartialEq, Eq)]
struct Team {
    lanes: usize,
    rows: usize,
}

impl Team {
    /// The team for samples of so many columns; `None` when they are too long for registers.
    fn of(d: usize, bytes: bool) -> Option<Self> {
        let quads = quads_of(d);
        let (lanes, rows) = match (quads, bytes) {
            (..=16, _) => (8, 4),
            (..=224, false) => (WARP, 2),
            (..=224, true) => (WARP, 4),
            (..=2048, _) => (TEAM_THREADS, 1),
            _ => return None,
        };
        Some(Self { lanes, rows })
    }

    fn teams(&self) -> usize {
        TEAM_THREADS / self.lanes
    }

    /// The sums of the teams, or the crossing of a team that is the block: 4 bytes a warp, twice.
    fn shared(&self, d: usize) -> usize {
        match self.teams() {
            1 => 2 * 4 * TEAM_THREADS / WARP,
            teams => 16 * teams * quads_of(d),
        }
    }
}

impl Product<'_> {
    fn drafts(&self, tuning: &Tuning) -> Vec<Draft> {
        if self.m == 1
            && let Some(team) = Team::of(self.d, self.bytes)
        {
            return self.one_row(tuning, &team);
        }
        if self.m > 1 && quads_of(self.d) <= TILE_QUADS {
            return self.several_rows(tuning);
        }
        self.projected(tuning)
    }

    /// A pass whose blocks take `span` samples each, and the one that adds their parts, where there is more than one.
    fn summed(&self, mut draft: Draft, span: usize) -> Vec<Draft> {
        let parts = self.n.div_ceil(span);
        let partial = Argument::Scratch(Scratch::Partial, 16 * parts * self.m * quads_of(self.d));
        draft.arguments.extend([partial, size(span)]);
        let mut drafts = vec![draft];
        if parts > 1 {
            let [beta, _, weight_out] = [self.scalars[0], self.scalars[1], self.scalars[2]];
            drafts.push(Draft {
                arguments: vec![
                    Argument::Buffer(0),
                    partial,
                    Argument::Buffer(self.v + 1),
                    size(self.d),
                    size(self.m),
                    size(parts),
                    Argument::F32(beta),
                    Argument::F32(weight_out),
                ],
                ..sum_of_parts("product_sum", self.d, self.m)
            });
        }
        drafts
    }

    fn one_row(&self, tuning: &Tuning, team: &Team) -> Vec<Draft> {
        let bytes = self.n * self.d * if self.bytes { 1 } else { 4 };
        let parts = if bytes <= SMALL_BYTES {
            1
        } else {
            // One block a multiprocessor: registers allow no more.
            self.n
                .div_ceil(team.teams() * team.rows)
                .min(tuning.multiprocessors)
        };
        let span = self
            .n
            .div_ceil(parts.max(self.n.div_ceil(team.teams() * CHUNK)));
        let draft = Draft {
            entry: self.one,
            grid: [self.n.div_ceil(span), 1, 1],
            block: TEAM_THREADS,
            shared: team.shared(self.d),
            arguments: self.arguments.clone(),
        };
        self.summed(draft, span)
    }

    fn several_rows(&self, tuning: &Tuning) -> Vec<Draft> {
        let halves = if self.m > SHORT { 2 } else { 1 };
        let groups = self.m.div_ceil(halves * SHORT);
        // 512 threads a multiprocessor: registers allow no more.
        let wanted = (tuning.multiprocessors * 2 / halves).div_ceil(groups);
        let parts = wanted
            .min(self.n.div_ceil(TILE))
            .max(self.n.div_ceil(CHUNK));
        let span = self.n.div_ceil(parts).next_multiple_of(TILE);
        let draft = Draft {
            entry: self.several,
            grid: [self.n.div_ceil(span), groups, 1],
            block: TILE_QUADS * halves,
            shared: 16 * TILE * (quads_of(self.d) + MOST / 4),
            arguments: self.arguments.clone(),
        };
        self.summed(draft, span)
    }

    /// Longer samples: projections, and what they weigh brought back to columns.
    fn projected(&self, tuning: &Tuning) -> Vec<Draft> {
        let Self { n, d, m, .. } = *self;
        let quads = quads_of(d);
        let blocks = n.div_ceil(4 * (THREADS / WARP));
        // Panels of columns: as many as fill the card, each at least four loads a lane, and no sum longer than it may be.
        let panels = (4 * tuning.multiprocessors)
            .div_ceil(blocks)
            .min(quads.div_ceil(4 * WARP))
            .max(quads.div_ceil(WARP * CHUNK));
        let span = quads.div_ceil(panels).next_multiple_of(WARP);
        let panels = quads.div_ceil(span);
        let projection = Argument::Scratch(Scratch::Projection, 4 * panels * m * n);
        // Where nothing is listed, any memory will do for the list.
        let samples = [0, 1, 2, self.rows.unwrap_or(0)].map(Argument::Buffer);
        let listed = usize::from(self.rows.is_some());
        let sizes = [n, d, m, self.total, self.first, listed].map(size);
        let [beta, weight_in, weight_out] =
            [self.scalars[0], self.scalars[1], self.scalars[2]].map(Argument::F32);
        let mut arguments = samples.to_vec();
        arguments.extend([Argument::Buffer(self.v), projection]);
        arguments.extend(sizes);
        arguments.extend([weight_in, size(span)]);
        let mut drafts = vec![Draft {
            entry: ["project_f32", "project_u8"][usize::from(self.bytes)],
            grid: [blocks, panels, 1],
            block: THREADS,
            shared: 0,
            arguments,
        }];
        if panels > 1 {
            let blocks = (m * n).div_ceil(THREADS).min(8 * tuning.multiprocessors);
            drafts.push(Draft {
                entry: "project_sum",
                grid: [blocks, 1, 1],
                block: THREADS,
                shared: 0,
                arguments: vec![
                    Argument::Buffer(0),
                    projection,
                    Argument::U64((m * n) as u64),
                    size(panels),
                ],
            });
        }
        let mut arguments = samples.to_vec();
        arguments.extend([projection, Argument::Buffer(self.v + 1)]);
        arguments.extend(sizes);
        arguments.extend([beta, weight_out]);
        let (draft, span) = lifted(
            tuning,
            ["product_lift_f32", "product_lift_u8"][usize::from(self.bytes)],
            [n, d, m],
            arguments,
        );
        drafts.extend(self.summed(draft, span));
        drafts
    }
}

/// The pass that brings projections back to columns, but for its last two arguments, and the samples of a block.
fn lifted(
    tuning: &Tuning,
    entry: &'static str,
    [n, d, m]: [usize; 3],
    arguments: Vec<Argument>,
) -> (Draft, usize) {
    let rows = match m {
        1 => 1,
        2..=4 => 4,
        _ => SHORT,
    };
    let [columns, heights] = [quads_of(d).div_ceil(THREADS), m.div_ceil(rows)];
    let parts = (4 * tuning.multiprocessors)
        .div_ceil(columns * heights)
        .min(n.div_ceil(64))
        .max(n.div_ceil(CHUNK));
    let span = n.div_ceil(parts);
    let draft = Draft {
        entry,
        grid: [columns, n.div_ceil(span), heights],
        block: THREADS,
        shared: 0,
        arguments,
    };
    (draft, span)
}

/// A pass that adds parts of m rows of d columns, without its arguments.
fn sum_of_parts(entry: &'static str, d: usize, m: usize) -> Draft {
    Draft {
        entry,
        grid: [quads_of(d).div_ceil(SUM_QUADS), m, 1],
        block: THREADS,
        shared: 0,
        arguments: Vec::new(),
    }
}

pub(super) fn lift(
    tuning: &Tuning,
    kernel: Kernel,
    sizes: &[usize],
    scalars: &[f32],
    arguments: Vec<Argument>,
) -> Vec<Draft> {
    let [n, d, m] = [sizes[0], sizes[1], sizes[2]];
    let (mut draft, span) = lifted(tuning, kernel.row().name, [n, d, m], arguments);
    let parts = n.div_ceil(span);
    let partial = Argument::Scratch(Scratch::Partial, 16 * parts * m * quads_of(d));
    draft.arguments.extend([partial, size(span)]);
    let mut drafts = vec![draft];
    if parts > 1 {
        drafts.push(Draft {
            arguments: vec![
                partial,
                Argument::Buffer(3),
                size(d),
                size(m),
                size(parts),
                Argument::F32(scalars[0]),
                Argument::F32(scalars[1]),
            ],
            ..sum_of_parts("lift_sum", d, m)
        });
    }
    drafts
}

#[cfg(test)]
mod tests {
    use super::super::passes;
    use super::super::tests::{assert_constants, tunings};
    use super::*;
    use crate::kernel::Family;

    #[test]
    fn teams_hold_every_row_that_they_take_and_their_sums_fit() {
        for bytes in [false, true] {
            for d in [1, 31, 64, 65, 512, 513, 784, 785, 896, 897, 3072, 8192] {
                let team = Team::of(d, bytes).expect("it fits in registers");
                assert!(team.shared(d) <= 48 << 10, "{d}: {team:?}");
            }
            assert_eq!(Team::of(8193, bytes), None);
        }
    }

    #[test]
    fn a_small_product_is_one_launch_and_that_of_mnist_two() {
        let tuning = tunings()[2];
        let entries = |kernel, sizes: &[usize]| -> Vec<&str> {
            let passes = passes(&tuning, kernel, sizes, &[0.0, 1.0, 1.0]).expect("it fits");
            passes.iter().map(|pass| pass.entry).collect()
        };
        let small = entries(Kernel::Product(P::SamplesF32), &[1000, 64, 1]);
        assert_eq!(small, ["samples_product_f32"]);
        let mnist = entries(Kernel::Product(P::SamplesU8), &[60000, 784, 1]);
        assert_eq!(mnist, ["samples_product_u8", "product_sum"]);
        let several = entries(Kernel::Product(P::SamplesU8), &[60000, 784, 10]);
        assert_eq!(several, ["samples_products_u8", "product_sum"]);
        let long = entries(Kernel::Product(P::SamplesF32), &[5000, 20_000, 1]);
        assert_eq!(
            long,
            [
                "project_f32",
                "project_sum",
                "product_lift_f32",
                "product_sum"
            ]
        );
    }

    #[test]
    fn the_numbers_here_are_those_of_the_kernel() {
        assert_constants(
            Family::Product,
            &[
                ("WARP", WARP),
                ("THREADS", THREADS),
                ("TEAM_THREADS", TEAM_THREADS),
                ("TILE_QUADS", TILE_QUADS),
                ("TILE", TILE),
                ("SHORT", SHORT),
                ("SUM_QUADS", SUM_QUADS),
            ],
        );
        assert_eq!(MOST, 2 * SHORT);
    }
}
