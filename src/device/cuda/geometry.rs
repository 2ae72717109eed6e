//! How a row of the kernel table becomes launches: entries of `kernels/`, grids, arguments.
//!
//! Pure arithmetic on sizes: nothing here touches a card. Numbers that a kernel's text holds too are compared with it by a
//! test.

mod product;

use super::pass::{Argument, MAX_THREADS, Pass, Scratch, Tuning, Unit};
use crate::error::{Error, Result};
use crate::kernel::{Block, Control, Gram, Kernel, Network, Product as P, Rules, Stream};

/// Most blocks of a grid in each dimension.
const MAX_GRID: [usize; 3] = [(1 << 31) - 1, 65_535, 65_535];
const WARP: usize = 32;
/// Threads of a block, where the entry leaves no choice.
const THREADS: usize = 256;
/// Longest f32 sum that a pass makes before another adds it up, in terms.
const CHUNK: usize = 1024;
/// gram.cu: rows and columns of a tile, slices of a stage, threads.
const GRAM_TILE: usize = 64;
const GRAM_DEPTH: usize = 16;
const GRAM_THREADS: usize = 64;

/// A pass in plain numbers; [`checked`] makes it a [`Pass`].
struct Draft {
    entry: &'static str,
    grid: [usize; 3],
    block: usize,
    shared: usize,
    arguments: Vec<Argument>,
}

/// Entries that a row may launch, of a file whose others would take long to compile; `None` for all of its file.
fn entries(kernel: Kernel) -> Option<&'static [&'static str]> {
    Some(match kernel {
        Kernel::Product(P::SamplesF32) => &[
            "samples_product_f32",
            "samples_products_f32",
            "project_f32",
            "project_sum",
            "product_lift_f32",
            "product_sum",
        ],
        Kernel::Product(P::SamplesU8) => &[
            "samples_product_u8",
            "samples_products_u8",
            "project_u8",
            "project_sum",
            "product_lift_u8",
            "product_sum",
        ],
        Kernel::Product(P::BatchF32) => &[
            "batch_product_f32",
            "batch_products_f32",
            "project_f32",
            "project_sum",
            "product_lift_f32",
            "product_sum",
        ],
        Kernel::Product(P::BatchU8) => &[
            "batch_product_u8",
            "batch_products_u8",
            "project_u8",
            "project_sum",
            "product_lift_u8",
            "product_sum",
        ],
        Kernel::Product(P::Symmetric) => &["symmetric_product"],
        Kernel::Product(P::LiftF32) => &["lift_f32", "lift_sum"],
        Kernel::Product(P::LiftU8) => &["lift_u8", "lift_sum"],
        Kernel::Gram(Gram::CovarianceF32) => &["covariance_f32", "covariance_sum"],
        Kernel::Gram(Gram::CovarianceU8) => &["covariance_u8", "covariance_sum"],
        Kernel::Gram(Gram::DualF32) => &["dual_f32", "dual_sum"],
        Kernel::Gram(Gram::DualU8) => &["dual_u8", "dual_sum"],
        _ => return None,
    })
}

fn checked(tuning: &Tuning, kernel: Kernel, draft: Draft) -> Result<Pass> {
    let Draft {
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
        unit: match entries(kernel) {
            Some(entries) => Unit::Entries(kernel.family(), entries),
            None => Unit::File(kernel.family()),
        },
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
        Kernel::Stream(Stream::Read) => stream(tuning, sizes[0], arguments),
        Kernel::Product(P::SamplesF32)
        | Kernel::Product(P::SamplesU8)
        | Kernel::Product(P::BatchF32)
        | Kernel::Product(P::BatchU8) => {
            product::samples(tuning, kernel, sizes, scalars, arguments)
        }
        Kernel::Product(P::Symmetric) => vec![product::symmetric(sizes, arguments)],
        Kernel::Gram(Gram::CovarianceF32) | Kernel::Gram(Gram::CovarianceU8) => {
            covariance(tuning, kernel, sizes, scalars, arguments)
        }
        Kernel::Gram(Gram::DualF32) | Kernel::Gram(Gram::DualU8) => {
            dual(tuning, kernel, sizes, scalars, arguments)
        }
        Kernel::Product(P::LiftF32) | Kernel::Product(P::LiftU8) => {
            product::lift(tuning, kernel, sizes, scalars, arguments)
        }
        Kernel::Block(Block::Deflate)
        | Kernel::Block(Block::ProjectOut)
        | Kernel::Block(Block::Orthonormalise)
        | Kernel::Block(Block::Retract)
        | Kernel::Control(Control::Commit) => {
            vec![block(kernel, sizes[0], arguments, None)]
        }
        Kernel::Block(Block::Ascent) => vec![block(
            kernel,
            sizes[0],
            arguments,
            Some((sizes[0] + 2) * sizes[1]),
        )],
        Kernel::Rules(Rules::Sgd)
        | Kernel::Rules(Rules::Momentum)
        | Kernel::Rules(Rules::Nesterov)
        | Kernel::Rules(Rules::Adagrad)
        | Kernel::Rules(Rules::Rmsprop)
        | Kernel::Rules(Rules::Adam) => vec![rule(tuning, kernel, sizes[0], scalars, arguments)],
        Kernel::Control(Control::Advance) => vec![Draft {
            entry: "advance",
            grid: [1, 1, 1],
            block: 1,
            shared: 0,
            arguments,
        }],
        Kernel::Network(Network::GatherF32) | Kernel::Network(Network::GatherU8) => {
            let quads = sizes[2] * quads_of(sizes[1]);
            vec![network(
                kernel.row().name,
                quads.div_ceil(THREADS),
                arguments,
            )]
        }
        Kernel::Network(Network::BiasRelu) => {
            let blocks = (sizes[0] * sizes[1]).div_ceil(THREADS);
            let blocks = blocks.min(8 * tuning.multiprocessors);
            vec![network("bias_relu", blocks, arguments)]
        }
        Kernel::Network(Network::SoftmaxLoss) => softmax_loss(sizes, scalars[0], arguments),
        Kernel::Network(Network::ReluBackward) => {
            vec![network("relu_backward", sizes[1].div_ceil(WARP), arguments)]
        }
        Kernel::Network(Network::Score) => score(sizes[0], arguments),
    };
    drafts
        .into_iter()
        .map(|draft| checked(tuning, kernel, draft))
        .collect()
}

fn stream(tuning: &Tuning, n: usize, mut arguments: Vec<Argument>) -> Vec<Draft> {
    let blocks = n
        .div_ceil(16 * THREADS)
        .clamp(1, 8 * tuning.multiprocessors);
    let partial = Argument::Scratch(Scratch::Partial, 4 * blocks);
    arguments.push(partial);
    let draft = |entry, blocks, arguments| Draft {
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
            entry: entries[0],
            grid,
            block: GRAM_THREADS,
            shared: 0,
            arguments: first,
        },
        Draft {
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

/// A row over block vectors: one block. `work` is how many numbers it needs besides.
fn block(kernel: Kernel, d: usize, mut arguments: Vec<Argument>, work: Option<usize>) -> Draft {
    arguments.extend(work.map(|len| Argument::Scratch(Scratch::Work, 4 * len)));
    Draft {
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
    if kernel == Kernel::Rules(Rules::Adam) {
        let logarithm = |decay: f32| Argument::F32(f64::from(decay).ln() as f32);
        arguments.extend([logarithm(scalars[0]), logarithm(scalars[1])]);
    }
    Draft {
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
    use super::super::pass::CHAINED;
    use super::super::source;
    use super::*;
    use crate::device::constants::constants;
    use crate::kernel::{Family, table};

    /// A small card and a large one.
    pub(super) fn tunings() -> [Tuning; 3] {
        [2, 20, 132].map(|multiprocessors| Tuning {
            multiprocessors,
            shared_bytes: 48 << 10,
            chained: CHAINED,
        })
    }

    #[test]
    fn every_case_becomes_passes_within_the_limits_of_a_grid() {
        for tuning in tunings() {
            for row in table() {
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
            let passes = passes(
                &tuning,
                Kernel::Product(P::SamplesF32),
                sizes,
                &[0.0, 1.0, 1.0],
            );
            passes.expect_err("too large").to_string()
        };
        let rows = refused(&[4, 8, 1 << 26]);
        assert!(rows.contains("65535"), "{rows}");
        let samples = refused(&[1 << 33, 8, 1]);
        assert!(samples.contains("2^32"), "{samples}");
    }

    #[test]
    fn a_row_launches_the_entries_that_its_unit_holds() {
        for tuning in tunings() {
            for row in table() {
                for (sizes, scalars) in row.cases.iter().chain([&row.benchmark]) {
                    let passes = passes(&tuning, row.kernel, sizes, scalars).expect("it fits");
                    for pass in passes {
                        let text = pass.unit.text();
                        let held = source::entries(&text).contains(&pass.entry);
                        assert!(held, "{} needs {}", row.name, pass.entry);
                    }
                }
            }
        }
    }

    /// Compares numbers of a geometry with the constants of a family's file.
    pub(super) fn assert_constants(family: Family, known: &[(&str, usize)]) {
        let text = source::unit(family);
        let constants = constants(&text);
        for &(name, value) in known {
            let found = constants.get(name);
            assert_eq!(found, Some(&(value as f64)), "{name} in {family:?}");
        }
    }

    #[test]
    fn the_numbers_here_are_those_of_the_kernels() {
        assert_constants(
            Family::Gram,
            &[
                ("TILE", GRAM_TILE),
                ("DEPTH", GRAM_DEPTH),
                ("THREADS", GRAM_THREADS),
                ("SUM_THREADS", THREADS),
                ("CHUNK", CHUNK),
            ],
        );
        assert_constants(Family::Block, &[("MAX_THREADS", MAX_THREADS)]);
        assert_constants(Family::Rules, &[("THREADS", THREADS)]);
        assert_constants(Family::Stream, &[("THREADS", THREADS)]);
    }
}
