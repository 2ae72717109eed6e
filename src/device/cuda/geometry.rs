//! How a row of the kernel table becomes launches: entries of `kernels/`, grids, arguments.
//!
//! Pure arithmetic on sizes: nothing here touches a card. Numbers that a kernel's text holds too are compared with it by a
//! test.

use super::source::Unit;
use crate::error::{Error, Result};
use crate::kernel::Kernel;

/// Most blocks of a grid in each dimension.
const MAX_GRID: [usize; 3] = [(1 << 31) - 1, 65_535, 65_535];
const WARP: usize = 32;
/// Threads of a block, where the entry leaves no choice.
const THREADS: usize = 256;
/// Most threads of a block that works on block vectors.
pub(super) const MAX_THREADS: usize = 1024;
/// Longest f32 sum that a pass makes before another adds it up, in terms.
const CHUNK: usize = 1024;
/// Samples of so many bytes are summed by one block, without a second pass: launching one would take longer.
const SMALL_BYTES: usize = 256 << 10;

/// product.cu: threads of a block of teams, and of one that takes several rows of v.
pub(super) const TEAM_THREADS: usize = 256;
const TILE_QUADS: usize = 256;
/// product.cu: samples of a tile, rows of v of a thread and of a block, quads of a block of `product_sum`.
const TILE: usize = 8;
const SHORT: usize = 16;
const MOST: usize = 32;
const SUM_QUADS: usize = 8;

/// gram.cu: rows and columns of a tile, slices of a stage, threads.
const GRAM_TILE: usize = 64;
const GRAM_DEPTH: usize = 16;
const GRAM_THREADS: usize = 64;

/// What the geometry depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tuning {
    /// Streaming multiprocessors.
    pub multiprocessors: usize,
    /// Shared memory that a block may have without asking, in bytes (48 KiB on every card).
    pub shared_bytes: usize,
    /// Most passes of a chain; with 1 there are none.
    pub chained: usize,
}

/// Memory between passes: one of each kind, grown when a launch needs more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Scratch {
    /// Parts of a sum.
    Partial,
    /// Projections of samples on vectors.
    Projection,
    /// A block of vectors.
    Work,
}

/// An argument of an entry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Argument {
    /// The launch's buffer of this place.
    Buffer(usize),
    /// Scratch memory of at least so many bytes.
    Scratch(Scratch, usize),
    /// A size.
    U32(u32),
    /// A size that may pass 2^32.
    U64(u64),
    /// A scalar.
    F32(f32),
}

/// One launch of an entry.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pass {
    /// What it is compiled in.
    pub unit: Unit,
    /// Name of the entry.
    pub entry: &'static str,
    /// Blocks.
    pub grid: [u32; 3],
    /// Threads of a block (one dimension).
    pub block: u32,
    /// Dynamic shared memory in bytes.
    pub shared: u32,
    /// Arguments in the entry's order.
    pub arguments: Vec<Argument>,
}

/// A pass in plain numbers; [`checked`] makes it a [`Pass`].
struct Draft {
    stem: &'static str,
    entry: &'static str,
    grid: [usize; 3],
    block: usize,
    shared: usize,
    arguments: Vec<Argument>,
}

fn checked(tuning: &Tuning, draft: Draft) -> Result<Pass> {
    let Draft {
        stem,
        entry,
        grid,
        block,
        shared,
        arguments,
    } = draft;
    if let Some(axis) = (0..3).find(|&axis| grid[axis] > MAX_GRID[axis]) {
        return Err(Error::unsupported(format!(
            "{entry}: {grid:?} blocks are over the {} that a grid may have there: race fewer samples or columns",
            MAX_GRID[axis]
        )));
    }
    assert!(shared <= tuning.shared_bytes, "{entry}: {shared} bytes");
    Ok(Pass {
        unit: Unit::File(stem),
        entry,
        grid: grid.map(|blocks| blocks as u32),
        block: block as u32,
        shared: shared as u32,
        arguments,
    })
}

/// A size as an argument.
///
/// # Panics
/// Over 2^32: [`passes`] refuses those before.
fn size(x: usize) -> Argument {
    Argument::U32(u32::try_from(x).expect("passes() checks the sizes of a launch"))
}

/// Quads of columns: what a thread loads at once.
fn quads_of(d: usize) -> usize {
    d.div_ceil(4)
}

/// The arguments that every entry of a row begins with: its buffers, sizes and scalars.
fn row_arguments(kernel: Kernel, sizes: &[usize], scalars: &[f32]) -> Vec<Argument> {
    let buffers = (0..kernel.row().buffers.len()).map(Argument::Buffer);
    buffers
        .chain(sizes.iter().copied().map(size))
        .chain(scalars.iter().copied().map(Argument::F32))
        .collect()
}

/// The launches of a row with these sizes and scalars, in order.
///
/// # Errors
/// `Unsupported` when a size is beyond what a grid can cover.
pub(super) fn passes(
    tuning: &Tuning,
    kernel: Kernel,
    sizes: &[usize],
    scalars: &[f32],
) -> Result<Vec<Pass>> {
    if let Some(beyond) = sizes.iter().find(|&&x| u32::try_from(x).is_err()) {
        return Err(Error::unsupported(format!(
            "{}: a size of {beyond} is over 2^32 - 1: race fewer samples or columns",
            kernel.row().name
        )));
    }
    let arguments = row_arguments(kernel, sizes, scalars);
    let drafts = match kernel {
        Kernel::StreamRead => stream(tuning, sizes[0], arguments),
        Kernel::SamplesProductF32 | Kernel::SamplesProductU8 => {
            let bytes = kernel == Kernel::SamplesProductU8;
            let product = Product {
                one: kernel.row().name,
                several: ["samples_products_f32", "samples_products_u8"][usize::from(bytes)],
                bytes,
                n: sizes[0],
                total: sizes[0],
                first: 0,
                d: sizes[1],
                m: sizes[2],
                rows: None,
                v: 3,
                scalars,
                arguments,
            };
            product.drafts(tuning)
        }
        Kernel::BatchProductF32 | Kernel::BatchProductU8 => {
            let bytes = kernel == Kernel::BatchProductU8;
            let product = Product {
                one: kernel.row().name,
                several: ["batch_products_f32", "batch_products_u8"][usize::from(bytes)],
                bytes,
                n: sizes[3],
                total: sizes[0],
                first: sizes[4],
                d: sizes[1],
                m: sizes[2],
                rows: Some(3),
                v: 4,
                scalars,
                arguments,
            };
            product.drafts(tuning)
        }
        Kernel::SymmetricProduct => {
            // Few warps a block, so that the rows of a small C reach every multiprocessor.
            let warps = 4;
            vec![Draft {
                stem: "product",
                entry: "symmetric_product",
                grid: [sizes[0].div_ceil(warps), sizes[1].div_ceil(4), 1],
                block: warps * WARP,
                shared: 0,
                arguments,
            }]
        }
        Kernel::CovarianceF32 | Kernel::CovarianceU8 => {
            covariance(tuning, kernel, sizes, scalars, arguments)
        }
        Kernel::DualF32 | Kernel::DualU8 => dual(tuning, kernel, sizes, scalars, arguments),
        Kernel::LiftF32 | Kernel::LiftU8 => lift(tuning, kernel, sizes, scalars, arguments),
        Kernel::Deflate | Kernel::ProjectOut | Kernel::Orthonormalise => {
            vec![block(kernel, sizes[0], arguments, None)]
        }
        Kernel::Ascent => vec![block(
            kernel,
            sizes[0],
            arguments,
            Some(sizes[0] * sizes[1]),
        )],
        Kernel::Retract => vec![block(kernel, sizes[0], arguments, Some(sizes[0]))],
        Kernel::Sgd
        | Kernel::Momentum
        | Kernel::Nesterov
        | Kernel::Adagrad
        | Kernel::Rmsprop
        | Kernel::Adam => vec![rule(tuning, kernel, sizes[0], scalars, arguments)],
        Kernel::Advance => vec![Draft {
            stem: "control",
            entry: "advance",
            grid: [1, 1, 1],
            block: 1,
            shared: 0,
            arguments,
        }],
        Kernel::Commit => vec![Draft {
            stem: "control",
            ..block(kernel, sizes[0], arguments, None)
        }],
        Kernel::GatherF32 | Kernel::GatherU8 => {
            let quads = sizes[2] * quads_of(sizes[1]);
            vec![network(
                kernel.row().name,
                quads.div_ceil(THREADS),
                arguments,
            )]
        }
        Kernel::BiasRelu => {
            let blocks = (sizes[0] * sizes[1]).div_ceil(THREADS);
            let blocks = blocks.min(8 * tuning.multiprocessors);
            vec![network("bias_relu", blocks, arguments)]
        }
        Kernel::SoftmaxLoss => softmax_loss(sizes, scalars[0], arguments),
        Kernel::ReluBackward => {
            vec![network("relu_backward", sizes[1].div_ceil(WARP), arguments)]
        }
        Kernel::Score => score(sizes[0], arguments),
    };
    drafts
        .into_iter()
        .map(|draft| checked(tuning, draft))
        .collect()
}

fn stream(tuning: &Tuning, n: usize, mut arguments: Vec<Argument>) -> Vec<Draft> {
    let blocks = n
        .div_ceil(16 * THREADS)
        .clamp(1, 8 * tuning.multiprocessors);
    let partial = Argument::Scratch(Scratch::Partial, 4 * blocks);
    arguments.push(partial);
    let draft = |entry, blocks, arguments| Draft {
        stem: "stream",
        entry,
        grid: [blocks, 1, 1],
        block: THREADS,
        shared: 0,
        arguments,
    };
    vec![
        draft("stream_read", blocks, arguments),
        draft(
            "stream_sum",
            1,
            vec![partial, Argument::Buffer(1), size(blocks)],
        ),
    ]
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
            stem: "product",
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
            stem: "product",
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
            stem: "product",
            entry: ["project_f32", "project_u8"][usize::from(self.bytes)],
            grid: [blocks, panels, 1],
            block: THREADS,
            shared: 0,
            arguments,
        }];
        if panels > 1 {
            let blocks = (m * n).div_ceil(THREADS).min(8 * tuning.multiprocessors);
            drafts.push(Draft {
                stem: "product",
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
        stem: "product",
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
        stem: "product",
        entry,
        grid: [quads_of(d).div_ceil(SUM_QUADS), m, 1],
        block: THREADS,
        shared: 0,
        arguments: Vec::new(),
    }
}

fn lift(
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

/// How the sums of a Gram matrix are shared out: terms a block, parts.
fn gram_parts(tuning: &Tuning, tiles: usize, terms: usize) -> (usize, usize) {
    let wanted = (8 * tuning.multiprocessors)
        .div_ceil(tiles)
        .min(terms.div_ceil(CHUNK / 4));
    let span = terms.div_ceil(wanted).next_multiple_of(GRAM_DEPTH);
    (span, terms.div_ceil(span))
}

/// The two passes of a Gram matrix: tiles of sums in parts, and the sum of the parts over `elements` of the matrix.
fn gram(
    tuning: &Tuning,
    entries: [&'static str; 2],
    grid: [usize; 3],
    elements: usize,
    mut arguments: [Vec<Argument>; 2],
    partial: Argument,
    span: usize,
) -> Vec<Draft> {
    let parts = grid[2];
    arguments[0].extend([partial, size(span)]);
    arguments[1].insert(0, partial);
    arguments[1].push(size(parts));
    let [first, second] = arguments;
    let sums = elements.div_ceil(THREADS).min(16 * tuning.multiprocessors);
    vec![
        Draft {
            stem: "gram",
            entry: entries[0],
            grid,
            block: GRAM_THREADS,
            shared: 0,
            arguments: first,
        },
        Draft {
            stem: "gram",
            entry: entries[1],
            grid: [sums, 1, 1],
            block: THREADS,
            shared: 0,
            arguments: second,
        },
    ]
}

/// Bytes of so many parts of so many tiles.
fn tile_bytes(tiles: usize, parts: usize) -> usize {
    4 * GRAM_TILE * GRAM_TILE * tiles * parts
}

fn covariance(
    tuning: &Tuning,
    kernel: Kernel,
    sizes: &[usize],
    scalars: &[f32],
    arguments: Vec<Argument>,
) -> Vec<Draft> {
    let [n, d] = [sizes[0], sizes[1]];
    let side = d.div_ceil(GRAM_TILE);
    let tiles = side * (side + 1) / 2;
    let (span, parts) = gram_parts(tuning, tiles, n);
    let sum = vec![
        Argument::Buffer(2),
        size(d),
        Argument::F32(scalars[0]),
        Argument::F32(scalars[2]),
    ];
    gram(
        tuning,
        [kernel.row().name, "covariance_sum"],
        [side, side, parts],
        d * d,
        [arguments, sum],
        Argument::Scratch(Scratch::Partial, tile_bytes(tiles, parts)),
        span,
    )
}

fn dual(
    tuning: &Tuning,
    kernel: Kernel,
    sizes: &[usize],
    scalars: &[f32],
    arguments: Vec<Argument>,
) -> Vec<Draft> {
    let [na, nb, d, n, first_a, first_b] =
        [sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5]];
    let [high, wide] = [na, nb].map(|rows| rows.div_ceil(GRAM_TILE));
    let (span, parts) = gram_parts(tuning, high * wide, d);
    let mut sum = vec![Argument::Buffer(3)];
    sum.extend([na, nb, n, first_a, first_b].map(size));
    sum.push(Argument::F32(scalars[1]));
    gram(
        tuning,
        [kernel.row().name, "dual_sum"],
        [wide, high, parts],
        na * nb,
        [arguments, sum],
        Argument::Scratch(Scratch::Partial, tile_bytes(high * wide, parts)),
        span,
    )
}

/// A row over block vectors: one block. `work` is the length of the vectors it needs besides.
fn block(kernel: Kernel, d: usize, mut arguments: Vec<Argument>, work: Option<usize>) -> Draft {
    arguments.extend(work.map(|len| Argument::Scratch(Scratch::Work, 4 * len)));
    Draft {
        stem: "block",
        entry: kernel.row().name,
        grid: [1, 1, 1],
        // A thread for four columns: few warps make a barrier cheap.
        block: d
            .div_ceil(4)
            .next_multiple_of(WARP)
            .clamp(WARP, MAX_THREADS),
        shared: 0,
        arguments,
    }
}

fn rule(
    tuning: &Tuning,
    kernel: Kernel,
    len: usize,
    scalars: &[f32],
    mut arguments: Vec<Argument>,
) -> Draft {
    if kernel == Kernel::Adam {
        let logarithm = |decay: f32| Argument::F32(f64::from(decay).ln() as f32);
        arguments.extend([logarithm(scalars[0]), logarithm(scalars[1])]);
    }
    Draft {
        stem: "rules",
        entry: kernel.row().name,
        grid: [
            len.div_ceil(4 * THREADS)
                .clamp(1, 8 * tuning.multiprocessors),
            1,
            1,
        ],
        block: THREADS,
        shared: 0,
        arguments,
    }
}

fn network(entry: &'static str, blocks: usize, arguments: Vec<Argument>) -> Draft {
    Draft {
        stem: "network",
        entry,
        grid: [blocks, 1, 1],
        block: THREADS,
        shared: 0,
        arguments,
    }
}

/// A warp a row, then the sums over rows.
fn softmax_loss(sizes: &[usize], beta: f32, mut arguments: Vec<Argument>) -> Vec<Draft> {
    let (b, c) = (sizes[0], sizes[1]);
    let partial = Argument::Scratch(Scratch::Partial, 4 * b);
    arguments.push(partial);
    let mut sums: Vec<Argument> = [0, 4, 5, 6].map(Argument::Buffer).into();
    sums.extend([partial, size(b), size(c), Argument::F32(beta)]);
    vec![
        network("softmax_loss", b.div_ceil(THREADS / WARP), arguments),
        network("softmax_sums", c.div_ceil(WARP) + 1, sums),
    ]
}

fn score(b: usize, mut arguments: Vec<Argument>) -> Vec<Draft> {
    let partial = Argument::Scratch(Scratch::Partial, 8 * b);
    arguments.push(partial);
    let sums = vec![Argument::Buffer(0), partial, Argument::Buffer(5), size(b)];
    vec![
        network("score", b.div_ceil(THREADS / WARP), arguments),
        network("score_sum", 1, sums),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::chain::CHAINED;
    use super::super::source;
    use super::*;
    use crate::kernel::ALL;

    /// A small card and a large one.
    fn tunings() -> [Tuning; 3] {
        [2, 20, 132].map(|multiprocessors| Tuning {
            multiprocessors,
            shared_bytes: 48 << 10,
            chained: CHAINED,
        })
    }

    #[test]
    fn every_case_becomes_passes_within_the_limits_of_a_grid() {
        for tuning in tunings() {
            for row in &ALL {
                for (sizes, scalars) in row.cases.iter().chain([&row.benchmark]) {
                    let passes = passes(&tuning, row.kernel, sizes, scalars);
                    let passes = passes.unwrap_or_else(|e| panic!("{} {sizes:?}: {e}", row.name));
                    for pass in passes {
                        for (blocks, most) in pass.grid.iter().zip(MAX_GRID) {
                            assert!((1..=most).contains(&(*blocks as usize)), "{pass:?}");
                        }
                        assert!(pass.block.is_multiple_of(32) || pass.block == 1, "{pass:?}");
                        assert!(pass.block <= 1024 && pass.shared <= 48 << 10, "{pass:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn sizes_beyond_a_grid_or_32_bits_are_refused_with_a_word() {
        let tuning = tunings()[0];
        let refused = |sizes: &[usize]| {
            let passes = passes(&tuning, Kernel::SamplesProductF32, sizes, &[0.0, 1.0, 1.0]);
            passes.expect_err("too large").to_string()
        };
        let rows = refused(&[4, 8, 1 << 26]);
        assert!(rows.contains("65535"), "{rows}");
        let samples = refused(&[1 << 33, 8, 1]);
        assert!(samples.contains("2^32"), "{samples}");
    }

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
        let small = entries(Kernel::SamplesProductF32, &[1000, 64, 1]);
        assert_eq!(small, ["samples_product_f32"]);
        let mnist = entries(Kernel::SamplesProductU8, &[60000, 784, 1]);
        assert_eq!(mnist, ["samples_product_u8", "product_sum"]);
        let several = entries(Kernel::SamplesProductU8, &[60000, 784, 10]);
        assert_eq!(several, ["samples_products_u8", "product_sum"]);
        let long = entries(Kernel::SamplesProductF32, &[5000, 20_000, 1]);
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
    fn the_numbers_here_are_those_of_the_kernels() {
        for (stem, known) in [
            (
                "product",
                vec![
                    ("WARP", WARP),
                    ("THREADS", THREADS),
                    ("TEAM_THREADS", TEAM_THREADS),
                    ("TILE_QUADS", TILE_QUADS),
                    ("TILE", TILE),
                    ("SHORT", SHORT),
                    ("SUM_QUADS", SUM_QUADS),
                ],
            ),
            (
                "gram",
                vec![
                    ("TILE", GRAM_TILE),
                    ("DEPTH", GRAM_DEPTH),
                    ("THREADS", GRAM_THREADS),
                    ("SUM_THREADS", THREADS),
                    ("CHUNK", CHUNK),
                ],
            ),
            ("block", vec![("MAX_THREADS", MAX_THREADS)]),
            ("rules", vec![("THREADS", THREADS)]),
            ("stream", vec![("THREADS", THREADS)]),
        ] {
            let text = source::unit(stem);
            let constants = source::constants(&text);
            for (name, value) in known {
                assert_eq!(
                    constants.get(name),
                    Some(&(value as f64)),
                    "{name} in {stem}"
                );
            }
        }
        assert_eq!(MOST, 2 * SHORT);
    }
}
