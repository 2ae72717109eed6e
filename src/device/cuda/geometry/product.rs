//! Products of the samples, or of a symmetric matrix, with a block of vectors: `kernels/product.cu`.

use super::super::pass::{Argument, Scratch, TEAM_THREADS, Tuning};
use super::request::{CHUNK, Draft, Request, THREADS, WARP, quads_of, size};
use crate::kernel::{Product, named};

/// Samples of so many bytes are summed by one block, without a second pass: launching one would take longer.
const SMALL_BYTES: usize = 256 << 10;

/// product.cu: quads of a row of the tile, a thread each.
pub(super) const TILE_QUADS: usize = 256;
/// product.cu: samples of a tile, rows of v of a thread and of a block, quads of a block of `product_sum`.
pub(super) const TILE: usize = 8;
pub(super) const SHORT: usize = 16;
const MOST: usize = 2 * SHORT;
pub(super) const SUM_QUADS: usize = 8;

/// Entries of a product over samples: for one row of v and for several, and the passes of longer samples.
struct Entries([&'static str; 6]);

const SAMPLES_F32: Entries = Entries([
    "samples_product_f32",
    "samples_products_f32",
    "project_f32",
    "project_sum",
    "product_lift_f32",
    "product_sum",
]);
const SAMPLES_U8: Entries = Entries([
    "samples_product_u8",
    "samples_products_u8",
    "project_u8",
    "project_sum",
    "product_lift_u8",
    "product_sum",
]);
const BATCH_F32: Entries = Entries([
    "batch_product_f32",
    "batch_products_f32",
    "project_f32",
    "project_sum",
    "product_lift_f32",
    "product_sum",
]);
const BATCH_U8: Entries = Entries([
    "batch_product_u8",
    "batch_products_u8",
    "project_u8",
    "project_sum",
    "product_lift_u8",
    "product_sum",
]);

/// Entries that a row may launch.
pub(super) fn entries(kernel: Product) -> &'static [&'static str] {
    match kernel {
        Product::SamplesF32 => &SAMPLES_F32.0,
        Product::SamplesU8 => &SAMPLES_U8.0,
        Product::BatchF32 => &BATCH_F32.0,
        Product::BatchU8 => &BATCH_U8.0,
        Product::Symmetric => &["symmetric_product"],
        Product::LiftF32 => &["lift_f32", "lift_sum"],
        Product::LiftU8 => &["lift_u8", "lift_sum"],
    }
}

pub(super) fn drafts(kernel: Product, request: &Request<'_>) -> Vec<Draft> {
    match kernel {
        Product::SamplesF32 => Samples::all(request, 4, &SAMPLES_F32).drafts(),
        Product::SamplesU8 => Samples::all(request, 1, &SAMPLES_U8).drafts(),
        Product::BatchF32 => Samples::listed(request, 4, &BATCH_F32).drafts(),
        Product::BatchU8 => Samples::listed(request, 1, &BATCH_U8).drafts(),
        Product::Symmetric => vec![symmetric(request)],
        Product::LiftF32 | Product::LiftU8 => lift(request),
    }
}

/// Product with a matrix of order p.
fn symmetric(request: &Request<'_>) -> Draft {
    let [p, m] = named(request.sizes);
    // Few warps a block, so that the rows of a small C reach every multiprocessor.
    let warps = 4;
    Draft {
        grid: [p.div_ceil(warps), m.div_ceil(4), 1],
        block: warps * WARP,
        ..request.draft(&[])
    }
}

/// A product over samples, all of them or those of a mini-batch.
struct Samples<'a> {
    request: &'a Request<'a>,
    entries: &'static Entries,
    /// Bytes of an element.
    bytes: usize,
    /// Samples, or rows of a mini-batch.
    n: usize,
    /// Samples in the block, and the number of its first where a list chooses.
    total: usize,
    first: usize,
    d: usize,
    m: usize,
    /// The list.
    rows: Option<Argument>,
    beta: f32,
    weight_in: f32,
    weight_out: f32,
}

/// How `one_row` of product.cu takes a sample: threads of a team, samples in flight a team.
#[derive(Debug, PartialEq, Eq)]
struct Team {
    lanes: usize,
    rows: usize,
}

impl Team {
    /// The team for samples of so many columns of so many bytes; `None` when they are too long for registers.
    fn of(d: usize, bytes: usize) -> Option<Self> {
        let quads = quads_of(d);
        let (lanes, rows) = match (quads, bytes) {
            (..=16, _) => (8, 4),
            (..=224, 1) => (WARP, 4),
            (..=224, _) => (WARP, 2),
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

impl<'a> Samples<'a> {
    fn all(request: &'a Request<'a>, bytes: usize, entries: &'static Entries) -> Self {
        let [n, d, m] = named(request.sizes);
        let [beta, weight_in, weight_out] = named(request.scalars);
        Self {
            request,
            entries,
            bytes,
            n,
            total: n,
            first: 0,
            d,
            m,
            rows: None,
            beta,
            weight_in,
            weight_out,
        }
    }

    fn listed(request: &'a Request<'a>, bytes: usize, entries: &'static Entries) -> Self {
        let [total, d, m, n, first] = named(request.sizes);
        let [beta, weight_in, weight_out] = named(request.scalars);
        Self {
            request,
            entries,
            bytes,
            n,
            total,
            first,
            d,
            m,
            rows: Some(request.buffer("rows")),
            beta,
            weight_in,
            weight_out,
        }
    }

    fn tuning(&self) -> &Tuning {
        self.request.tuning
    }

    fn drafts(&self) -> Vec<Draft> {
        if self.m == 1
            && let Some(team) = Team::of(self.d, self.bytes)
        {
            return self.one_row(&team);
        }
        if self.m > 1 && quads_of(self.d) <= TILE_QUADS {
            return self.several_rows();
        }
        self.projected()
    }

    /// A pass whose blocks take `span` samples each, and the one that adds their parts, where there is more than one.
    fn summed(&self, mut draft: Draft, span: usize) -> Vec<Draft> {
        let Entries([.., sum]) = *self.entries;
        let parts = self.n.div_ceil(span);
        let partial = Argument::Scratch(Scratch::Partial, 16 * parts * self.m * quads_of(self.d));
        draft.arguments.extend([partial, size(span)]);
        let mut drafts = vec![draft];
        if parts > 1 {
            let arguments = [
                self.request.buffer("control"),
                partial,
                self.request.buffer("g"),
                size(self.d),
                size(self.m),
                size(parts),
                Argument::F32(self.beta),
                Argument::F32(self.weight_out),
            ];
            drafts.push(sum_of_parts(sum, self.d, self.m, &arguments));
        }
        drafts
    }

    fn one_row(&self, team: &Team) -> Vec<Draft> {
        let parts = if self.n * self.d * self.bytes <= SMALL_BYTES {
            1
        } else {
            // One block a multiprocessor: registers allow no more.
            self.n
                .div_ceil(team.teams() * team.rows)
                .min(self.tuning().multiprocessors)
        };
        let span = self
            .n
            .div_ceil(parts.max(self.n.div_ceil(team.teams() * CHUNK)));
        let Entries([entry, ..]) = *self.entries;
        let draft = Draft {
            entry,
            grid: [self.n.div_ceil(span), 1, 1],
            block: TEAM_THREADS,
            shared: team.shared(self.d),
            ..self.request.draft(&[])
        };
        self.summed(draft, span)
    }

    fn several_rows(&self) -> Vec<Draft> {
        let halves = if self.m > SHORT { 2 } else { 1 };
        let groups = self.m.div_ceil(halves * SHORT);
        // 512 threads a multiprocessor: registers allow no more.
        let wanted = (self.tuning().multiprocessors * 2 / halves).div_ceil(groups);
        let parts = wanted
            .min(self.n.div_ceil(TILE))
            .max(self.n.div_ceil(CHUNK));
        let span = self.n.div_ceil(parts).next_multiple_of(TILE);
        let Entries([_, entry, ..]) = *self.entries;
        let draft = Draft {
            entry,
            grid: [self.n.div_ceil(span), groups, 1],
            block: TILE_QUADS * halves,
            shared: 16 * TILE * (quads_of(self.d) + MOST / 4),
            ..self.request.draft(&[])
        };
        self.summed(draft, span)
    }

    /// What both passes of longer samples begin with: the buffers that say which samples, and after those of the pass the
    /// sizes.
    fn samples(&self) -> ([Argument; 4], [Argument; 6]) {
        let [control, x, mean] = ["control", "x", "mean"].map(|name| self.request.buffer(name));
        // Where nothing is listed, any memory will do for the list.
        let buffers = [control, x, mean, self.rows.unwrap_or(control)];
        let listed = usize::from(self.rows.is_some());
        let sizes = [self.n, self.d, self.m, self.total, self.first, listed].map(size);
        (buffers, sizes)
    }

    /// Longer samples: projections, and what they weigh brought back to columns.
    fn projected(&self) -> Vec<Draft> {
        let Self { n, d, m, .. } = *self;
        let Entries([_, _, project, project_sum, lift, _]) = *self.entries;
        let most = self.tuning().multiprocessors;
        let quads = quads_of(d);
        let blocks = n.div_ceil(4 * (THREADS / WARP));
        // Panels of columns: as many as fill the card, each at least four loads a lane, and no sum longer than it may be.
        let panels = (4 * most)
            .div_ceil(blocks)
            .min(quads.div_ceil(4 * WARP))
            .max(quads.div_ceil(WARP * CHUNK));
        let span = quads.div_ceil(panels).next_multiple_of(WARP);
        let panels = quads.div_ceil(span);
        let projection = Argument::Scratch(Scratch::Projection, 4 * panels * m * n);
        let (samples, sizes) = self.samples();
        let [v, g] = ["v", "g"].map(|name| self.request.buffer(name));

        let mut arguments = [&samples[..], &[v, projection], &sizes].concat();
        arguments.extend([Argument::F32(self.weight_in), size(span)]);
        let mut drafts = vec![Draft {
            grid: [blocks, panels, 1],
            ..Draft::new(project, arguments)
        }];
        if panels > 1 {
            let arguments = [
                self.request.buffer("control"),
                projection,
                Argument::U64((m * n) as u64),
                size(panels),
            ];
            drafts.push(Draft {
                grid: [(m * n).div_ceil(THREADS).min(8 * most), 1, 1],
                ..Draft::new(project_sum, arguments)
            });
        }
        let mut arguments = [&samples[..], &[projection, g], &sizes].concat();
        arguments.extend([self.beta, self.weight_out].map(Argument::F32));
        let (draft, span) = lifted(self.tuning(), [n, d, m], Draft::new(lift, arguments));
        drafts.extend(self.summed(draft, span));
        drafts
    }
}

/// The pass that brings projections back to columns, but for its last two arguments, and the samples of a block.
fn lifted(tuning: &Tuning, [n, d, m]: [usize; 3], draft: Draft) -> (Draft, usize) {
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
        grid: [columns, n.div_ceil(span), heights],
        ..draft
    };
    (draft, span)
}

/// A pass that adds parts of m rows of d columns.
fn sum_of_parts(entry: &'static str, d: usize, m: usize, arguments: &[Argument]) -> Draft {
    Draft {
        grid: [quads_of(d).div_ceil(SUM_QUADS), m, 1],
        ..Draft::new(entry, arguments.iter().copied())
    }
}

fn lift(request: &Request<'_>) -> Vec<Draft> {
    let [n, d, m, _total, _first] = named(request.sizes);
    let [beta, weight] = named(request.scalars);
    let (mut draft, span) = lifted(request.tuning, [n, d, m], request.draft(&[]));
    let parts = n.div_ceil(span);
    let partial = Argument::Scratch(Scratch::Partial, 16 * parts * m * quads_of(d));
    draft.arguments.extend([partial, size(span)]);
    let mut drafts = vec![draft];
    if parts > 1 {
        let arguments = [
            partial,
            request.buffer("out"),
            size(d),
            size(m),
            size(parts),
            Argument::F32(beta),
            Argument::F32(weight),
        ];
        drafts.push(sum_of_parts("lift_sum", d, m, &arguments));
    }
    drafts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn teams_hold_every_row_that_they_take_and_their_sums_fit() {
        for bytes in [1, 4] {
            for d in [1, 31, 64, 65, 512, 513, 784, 785, 896, 897, 3072, 8192] {
                let team = Team::of(d, bytes).expect("it fits in registers");
                assert!(team.shared(d) <= 48 << 10, "{d}: {team:?}");
            }
            assert_eq!(Team::of(8193, bytes), None);
        }
    }
}
