//! From a launch of a row to the dispatches that carry it out: entries, constants, workgroups, parameters, bindings.
//!
//! Pure arithmetic on sizes: nothing here touches an adapter. A dispatch has at most [`MAX_GROUPS`] workgroups a
//! dimension; what would need more is refused with a word, and does not come up under the row limit that
//! [`super::Wgpu`] gives in its `Info`.

use super::super::Gemm;
use super::direct;
use super::shader::Constants;
use crate::error::{Error, Result};
use crate::kernel::{Block, Control, Gram, Kernel, Network, Product, Rules, Stream};

/// Most workgroups of a dispatch in one dimension, on every adapter.
const MAX_GROUPS: usize = 65_535;

/// Longest f32 sum that a pass makes before another adds it up, in terms (`CHUNK` of tile.wgsl is the same for the passes
/// that break their own sums off).
const CHUNK: usize = 1024;

/// llvmpipe ends loops without a word when an invocation has made 65,535 turns in all of them together
/// (`LP_MAX_TGSI_LOOP_ITERATIONS`): the sums after that are wrong. [`Pass::turns`] counts as if no loop were unrolled.
const TURNS: usize = 65_535;
/// Terms that a dispatch of register tiles sums there: up to four turns each, a multiple of [`CHUNK`].
const TERMS: usize = 15 * CHUNK;

/// Sizes that suit an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tuning {
    /// Whether the adapter computes on the processor.
    pub software: bool,
    /// Invocations of a workgroup that walks over vectors.
    pub width: usize,
    /// Workgroups that fill the adapter.
    pub groups: usize,
    /// Largest workgroup.
    pub max_width: usize,
    /// Bytes of workgroup memory.
    pub memory: usize,
    /// Largest binding, in bytes.
    pub max_bytes: u64,
}

/// A buffer of a dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binding {
    /// The launch's argument of that place.
    Argument(usize),
    /// Memory of the device between two passes, of at least so many bytes.
    Scratch(Scratch, u64),
}

/// Memory of the device between the passes of one launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Scratch {
    /// Parts of a sum.
    Partial,
    /// Projections of samples on vectors.
    Projection,
    /// A block of vectors.
    Work,
}

/// One dispatch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pass {
    pub entry: &'static str,
    pub constants: Constants,
    pub groups: [usize; 3],
    /// The uniform, word by word.
    pub parameters: Vec<u32>,
    /// At least as many turns as an invocation makes in all its loops.
    pub turns: usize,
    /// Buffers by their names in the shader. A name that the entry uses and nothing is given for gets an empty buffer.
    pub bindings: Vec<(&'static str, Binding)>,
}

fn word(x: usize) -> u32 {
    u32::try_from(x).expect("sizes of a launch are below 2^32: the row limit sees to it")
}

fn words<const N: usize>(sizes: [usize; N]) -> Vec<u32> {
    sizes.into_iter().map(word).collect()
}

fn bits(x: f32) -> u32 {
    x.to_bits()
}

/// The dispatches of a launch.
///
/// # Errors
/// `Failed` when a dispatch would need more workgroups than there can be.
pub(super) fn passes(
    tuning: &Tuning,
    kernel: Kernel,
    sizes: &[usize],
    scalars: &[f32],
) -> Result<Vec<Pass>> {
    let passes = match kernel {
        Kernel::Stream(Stream::Read) => stream(tuning, sizes[0]),
        Kernel::Product(Product::SamplesF32) | Kernel::Product(Product::SamplesU8) => product(
            tuning,
            &Samples {
                entry: kernel.row().name,
                bytes: kernel == Kernel::Product(Product::SamplesU8),
                n: sizes[0],
                total: sizes[0],
                first: 0,
                d: sizes[1],
                m: sizes[2],
                rows: None,
                v: 3,
                scalars,
            },
        ),
        Kernel::Product(Product::BatchF32) | Kernel::Product(Product::BatchU8) => product(
            tuning,
            &Samples {
                entry: kernel.row().name,
                bytes: kernel == Kernel::Product(Product::BatchU8),
                n: sizes[3],
                total: sizes[0],
                first: sizes[4],
                d: sizes[1],
                m: sizes[2],
                rows: Some(3),
                v: 4,
                scalars,
            },
        ),
        Kernel::Product(Product::Symmetric) => vec![symmetric(tuning, sizes[0], sizes[1])],
        Kernel::Gram(Gram::CovarianceF32) | Kernel::Gram(Gram::CovarianceU8) => {
            covariance(tuning, kernel, sizes, scalars)
        }
        Kernel::Gram(Gram::DualF32) | Kernel::Gram(Gram::DualU8) => {
            dual(tuning, kernel, sizes, scalars)
        }
        Kernel::Product(Product::LiftF32) | Kernel::Product(Product::LiftU8) => {
            lift(tuning, kernel, sizes, scalars)
        }
        Kernel::Block(Block::Deflate) => vec![block(
            tuning,
            kernel,
            sizes,
            0.0,
            &["control", "basis", "g"],
        )],
        Kernel::Block(Block::ProjectOut) => vec![block(
            tuning,
            kernel,
            sizes,
            0.0,
            &["control", "basis", "v"],
        )],
        Kernel::Block(Block::Orthonormalise) => vec![block(tuning, kernel, sizes, 0.0, &["v"])],
        Kernel::Block(Block::Ascent) => vec![block(
            tuning,
            kernel,
            sizes,
            scalars[0],
            &["control", "v", "g"],
        )],
        Kernel::Block(Block::Retract) => vec![block(
            tuning,
            kernel,
            sizes,
            scalars[0],
            &["control", "v", "velocity"],
        )],
        Kernel::Rules(Rules::Sgd)
        | Kernel::Rules(Rules::Momentum)
        | Kernel::Rules(Rules::Nesterov)
        | Kernel::Rules(Rules::Adagrad)
        | Kernel::Rules(Rules::Rmsprop)
        | Kernel::Rules(Rules::Adam) => vec![rule(tuning, kernel, sizes[0], scalars)],
        Kernel::Control(Control::Advance) => vec![Pass {
            entry: "advance",
            constants: vec![],
            groups: [1, 1, 1],
            parameters: words([sizes[0]]),
            turns: 0,
            bindings: vec![("control", Binding::Argument(0))],
        }],
        Kernel::Control(Control::Commit) => vec![Pass {
            entry: "commit",
            constants: vec![("WIDTH", word(tuning.width))],
            groups: [1, 1, 1],
            parameters: words([sizes[0], sizes[1]]),
            turns: sizes[0].div_ceil(tuning.width),
            bindings: arguments(&["control", "v", "basis", "s1", "s2"]),
        }],
        Kernel::Network(Network::GatherF32) | Kernel::Network(Network::GatherU8) => {
            vec![gather(tuning, kernel, sizes, scalars[0])]
        }
        Kernel::Network(Network::BiasRelu) => vec![bias_relu(tuning, sizes)],
        Kernel::Network(Network::SoftmaxLoss) => softmax_loss(tuning, sizes, scalars[0]),
        Kernel::Network(Network::ReluBackward) => vec![relu_backward(tuning, sizes, scalars[0])],
        Kernel::Network(Network::Score) => score(tuning, sizes),
    };
    check(tuning, &passes)?;
    Ok(passes)
}

fn check(tuning: &Tuning, passes: &[Pass]) -> Result<()> {
    for pass in passes {
        check_groups(pass)?;
        if tuning.software && pass.turns > TURNS {
            return Err(Error::failed(format!(
                "{}: about {} turns of its loops, and software adapters end them after {TURNS}: race fewer samples, \
                 columns or components, or another device",
                pass.entry, pass.turns
            )));
        }
    }
    Ok(())
}

fn check_groups(pass: &Pass) -> Result<()> {
    if pass.groups.iter().any(|&groups| groups > MAX_GROUPS) {
        return Err(Error::failed(format!(
            "{}: {:?} workgroups are over the {MAX_GROUPS} that a dispatch may have: race fewer samples or columns, or \
             another device",
            pass.entry, pass.groups
        )));
    }
    Ok(())
}

/// Arguments of a launch in their order, by name.
fn arguments(names: &[&'static str]) -> Vec<(&'static str, Binding)> {
    let argument = |(place, name): (usize, &&'static str)| (*name, Binding::Argument(place));
    names.iter().enumerate().map(argument).collect()
}

fn stream(tuning: &Tuning, n: usize) -> Vec<Pass> {
    let width = tuning.width;
    let groups = n.div_ceil(16 * width).clamp(1, 4 * tuning.groups);
    let parameters = words([n, groups]);
    let constants = vec![("WIDTH", word(width))];
    let partial = (
        "partial",
        Binding::Scratch(Scratch::Partial, 4 * groups as u64),
    );
    let pass = |entry, groups, long: usize| Pass {
        entry,
        constants: constants.clone(),
        groups: [groups, 1, 1],
        parameters: parameters.clone(),
        turns: long.div_ceil(groups * width) + width,
        bindings: [arguments(&["x", "out"]), vec![partial]].concat(),
    };
    vec![
        pass("stream_read", groups, n.div_ceil(4)),
        pass("stream_sum", 1, groups),
    ]
}

/// What the products over samples have in common.
struct Samples<'a> {
    entry: &'static str,
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
}

/// The uniform of product.wgsl.
#[derive(Default)]
struct ProductParameters {
    n: usize,
    d: usize,
    m: usize,
    total: usize,
    first: usize,
    span: usize,
    parts: usize,
    row: usize,
    origin: usize,
    beta: f32,
    weight_in: f32,
    weight_out: f32,
}

impl ProductParameters {
    fn words(&self) -> Vec<u32> {
        let Self {
            n,
            d,
            m,
            total,
            first,
            span,
            parts,
            row,
            origin,
            ..
        } = *self;
        let mut words = words([n, d, m, total, first, span, parts, row, origin]);
        words.extend([self.beta, self.weight_in, self.weight_out].map(bits));
        words
    }
}

/// How a row of samples is spread over a workgroup that takes it whole: invocations, vec4s an invocation, rows at a time;
/// `None` when it is too long for registers.
fn spread(tuning: &Tuning, d: usize) -> Option<[usize; 3]> {
    let vectors = d.div_ceil(4);
    let lanes = if tuning.software { 8 } else { 32 };
    let most = tuning.max_width.min(256);
    let columns = vectors.div_ceil(most);
    if columns > 4 {
        return None;
    }
    let columns = if tuning.software {
        columns.max(vectors.min(4))
    } else {
        columns
    };
    let width = vectors.div_ceil(columns).next_multiple_of(lanes).min(most);
    // Sums of every row in every invocation, and a share of them folded.
    let fits = |rows: usize| 4 * rows * (width + width.div_ceil(8) + 1) <= tuning.memory;
    let rows = (1..=16 / columns).rev().find(|&rows| fits(rows))?;
    Some([width, columns, rows])
}

fn product(tuning: &Tuning, s: &Samples<'_>) -> Vec<Pass> {
    let stride = s.d.div_ceil(4);
    let [beta, weight_in, weight_out] = [s.scalars[0], s.scalars[1], s.scalars[2]];
    let listed = s.rows.is_some();
    let mut samples = vec![
        ("control", Binding::Argument(0)),
        ("x", Binding::Argument(1)),
        ("x_packed", Binding::Argument(1)),
        ("mean", Binding::Argument(2)),
    ];
    samples.extend(s.rows.map(|place| ("rows", Binding::Argument(place))));
    let base = ProductParameters {
        n: s.n,
        d: s.d,
        m: s.m,
        total: s.total,
        first: s.first,
        beta,
        weight_in,
        weight_out,
        ..ProductParameters::default()
    };
    let flags = vec![("BYTES", u32::from(s.bytes)), ("LISTED", u32::from(listed))];
    let g = Binding::Argument(s.v + 1);
    // On a processor the samples of a part stay in its cache, and a pass for each row of v beats the tiles.
    let by_rows = s.m == 1 || tuning.software;
    if let Some([width, columns, rows]) = spread(tuning, s.d).filter(|_| by_rows) {
        let most = usize::try_from(tuning.max_bytes).unwrap_or(usize::MAX) / (16 * s.m * stride);
        let folds = width.div_ceil(8);
        let turns = 4 * columns
            + 2 * rows * (columns + 1)
            + 9 * (folds * rows).div_ceil(width)
            + rows.div_ceil(width) * (folds + 1);
        let groups = tuning.groups.min(most).max(1);
        let mut span = s.n.div_ceil(groups).next_multiple_of(rows);
        if tuning.software {
            span = span.min(TURNS / turns * rows - rows).max(rows);
        }
        let parts = s.n.div_ceil(span);
        let parameters = ProductParameters {
            span,
            parts,
            ..base
        };
        let partial = Binding::Scratch(Scratch::Partial, (16 * parts * s.m * stride) as u64);
        let constants = [
            ("WIDTH", word(width)),
            ("ROWS", word(rows)),
            ("COLUMNS", word(columns)),
        ];
        let first = Pass {
            entry: s.entry,
            constants: [flags, constants.to_vec()].concat(),
            groups: [parts, s.m, 1],
            parameters: parameters.words(),
            turns: turns * (span / rows + 1),
            bindings: [
                samples,
                vec![("v", Binding::Argument(s.v)), ("partial", partial)],
            ]
            .concat(),
        };
        return vec![first, product_sum(tuning, &parameters, partial, g, Some(0))];
    }

    let thin = Thin::of(s.m);
    let mut parameters = ProductParameters { row: s.n, ..base };
    let blocks = s.n.div_ceil(thin.long);
    let heights = s.m.div_ceil(thin.short);
    // Panels of columns: as many as fill the adapter, none longer than a sum may be.
    let wanted = tuning
        .groups
        .div_ceil(blocks * heights)
        .min(s.d.div_ceil(256));
    let span =
        s.d.div_ceil(wanted.max(s.d.div_ceil(CHUNK)))
            .next_multiple_of(16);
    let panels = s.d.div_ceil(span);
    (parameters.span, parameters.parts) = (span, panels);
    let projection = Binding::Scratch(Scratch::Projection, (4 * panels * s.m * s.n) as u64);
    let mut passes = vec![Pass {
        entry: "project",
        constants: [flags.clone(), thin.constants()].concat(),
        groups: [blocks, panels, heights],
        parameters: parameters.words(),
        turns: 4 * span,
        bindings: [
            samples.clone(),
            vec![("v", Binding::Argument(s.v)), ("projection", projection)],
        ]
        .concat(),
    }];
    if panels > 1 {
        let groups = (s.m * s.n).div_ceil(tuning.width).clamp(1, tuning.groups);
        parameters.span = groups;
        passes.push(Pass {
            entry: "project_sum",
            constants: vec![("WIDTH", word(tuning.width))],
            groups: [groups, 1, 1],
            parameters: parameters.words(),
            turns: (s.m * s.n).div_ceil(groups * tuning.width) * (panels + 1),
            bindings: vec![("panels", projection)],
        });
    }
    let lifted = lifted(tuning, &thin, &mut parameters);
    let partial = lifted.partial;
    let entry = if s.bytes { "lift_u8" } else { "lift_f32" };
    passes.push(Pass {
        entry,
        constants: [flags, thin.constants()].concat(),
        groups: lifted.groups,
        parameters: parameters.words(),
        turns: 4 * parameters.span,
        bindings: [samples, vec![("u", projection), ("partial", partial)]].concat(),
    });
    passes.push(product_sum(tuning, &parameters, partial, g, Some(0)));
    passes
}

/// Register tiles of a few vectors by many samples or columns.
struct Thin {
    short: usize,
    long: usize,
}

impl Thin {
    /// Sixty-four invocations of 4 x 4 sums, whatever the shape.
    fn of(m: usize) -> Self {
        let short = match m {
            0..=4 => 4,
            5..=8 => 8,
            _ => 16,
        };
        Self {
            short,
            long: 1024 / short,
        }
    }

    fn constants(&self) -> Constants {
        vec![
            ("TILE_M", word(self.short)),
            ("TILE_N", word(self.long)),
            ("TILE_K", 16),
            ("BLOCK_M", 1),
            ("BLOCK_N", 1),
        ]
    }
}

/// The pass that brings projections back to columns.
struct Lifted {
    groups: [usize; 3],
    partial: Binding,
}

fn lifted(tuning: &Tuning, thin: &Thin, p: &mut ProductParameters) -> Lifted {
    let stride = p.d.div_ceil(4);
    let blocks = p.d.div_ceil(thin.long);
    let heights = p.m.div_ceil(thin.short);
    let bytes = 16 * p.m * stride;
    // Parts of the samples: as many as fill the adapter, none longer than a sum may be, all of them within a binding.
    let wanted = tuning
        .groups
        .div_ceil(blocks * heights)
        .min(p.n.div_ceil(64));
    let most = usize::try_from(tuning.max_bytes).unwrap_or(usize::MAX) / bytes;
    let parts = wanted.max(p.n.div_ceil(CHUNK)).clamp(1, most.max(1));
    p.span = p.n.div_ceil(parts).next_multiple_of(16);
    p.parts = p.n.div_ceil(p.span);
    Lifted {
        groups: [blocks, p.parts, heights],
        partial: Binding::Scratch(Scratch::Partial, (bytes * p.parts) as u64),
    }
}

/// Adds the parts of a product into `g`; `control` is the argument that may freeze it.
fn product_sum(
    tuning: &Tuning,
    parameters: &ProductParameters,
    partial: Binding,
    g: Binding,
    control: Option<usize>,
) -> Pass {
    let lanes = 16;
    let mut bindings = vec![("partial", partial), ("g", g)];
    bindings.extend(control.map(|place| ("control", Binding::Argument(place))));
    Pass {
        entry: "product_sum",
        constants: vec![("WIDTH", word(tuning.width)), ("LANES", word(lanes))],
        groups: [parameters.d.div_ceil(4 * lanes), parameters.m, 1],
        parameters: parameters.words(),
        turns: parameters.parts * lanes / tuning.width + tuning.width / lanes + 8,
        bindings,
    }
}

fn lift(tuning: &Tuning, kernel: Kernel, sizes: &[usize], scalars: &[f32]) -> Vec<Pass> {
    let [n, d, m, total, first] = [sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]];
    let thin = Thin::of(m);
    let mut parameters = ProductParameters {
        n,
        d,
        m,
        total: n,
        row: total,
        origin: first,
        beta: scalars[0],
        weight_out: scalars[1],
        ..ProductParameters::default()
    };
    let lifted = lifted(tuning, &thin, &mut parameters);
    let bytes = u32::from(kernel == Kernel::Product(Product::LiftU8));
    let first = Pass {
        entry: kernel.row().name,
        constants: [vec![("BYTES", bytes), ("LISTED", 0)], thin.constants()].concat(),
        groups: lifted.groups,
        parameters: parameters.words(),
        turns: 4 * parameters.span,
        bindings: vec![
            ("x", Binding::Argument(0)),
            ("x_packed", Binding::Argument(0)),
            ("mean", Binding::Argument(1)),
            ("u", Binding::Argument(2)),
            ("partial", lifted.partial),
        ],
    };
    let sum = product_sum(
        tuning,
        &parameters,
        lifted.partial,
        Binding::Argument(3),
        None,
    );
    vec![first, sum]
}

fn symmetric(tuning: &Tuning, p: usize, m: usize) -> Pass {
    let (width, lanes) = (64.min(tuning.width), 16);
    let parameters = ProductParameters {
        d: p,
        m,
        ..ProductParameters::default()
    };
    Pass {
        entry: "symmetric_product",
        constants: vec![("WIDTH", word(width)), ("LANES", word(lanes))],
        groups: [p.div_ceil(4 * (width / lanes)), m, 1],
        parameters: parameters.words(),
        turns: p + 64,
        bindings: arguments(&["control", "c", "v", "g"]),
    }
}

/// Square register tiles.
struct Square {
    tile: usize,
    block: usize,
}

impl Square {
    /// Tiles of 128 where they fill a GPU, else of 64; 8 x 8 sums an invocation.
    fn of(tuning: &Tuning, rows: usize, columns: usize) -> Self {
        let large = rows.min(columns) >= 1024 && tuning.memory >= 2 * 16 * 128 * 4;
        Self {
            tile: if large && !tuning.software { 128 } else { 64 },
            block: 2,
        }
    }

    fn constants(&self) -> Constants {
        vec![
            ("TILE_M", word(self.tile)),
            ("TILE_N", word(self.tile)),
            ("TILE_K", 16),
            ("BLOCK_M", word(self.block)),
            ("BLOCK_N", word(self.block)),
        ]
    }

    fn groups(&self, rows: usize, columns: usize) -> [usize; 3] {
        [columns.div_ceil(self.tile), rows.div_ceil(self.tile), 1]
    }
}

/// Ranges of a sum of `terms`, one a dispatch, and the factor of the old values that each begins with.
fn ranges(tuning: &Tuning, terms: usize, beta: f32) -> impl Iterator<Item = ([usize; 2], f32)> {
    let longest = if tuning.software { TERMS } else { terms.max(1) };
    let range = move |begin: usize| {
        let factor = if begin == 0 { beta } else { 1.0 };
        ([begin, terms.min(begin + longest)], factor)
    };
    (0..terms).step_by(longest).map(range)
}

fn covariance(tuning: &Tuning, kernel: Kernel, sizes: &[usize], scalars: &[f32]) -> Vec<Pass> {
    let [n, d] = [sizes[0], sizes[1]];
    let square = Square::of(tuning, d, d);
    let bytes = u32::from(kernel == Kernel::Gram(Gram::CovarianceU8));
    let pass = |([begin, end], factor): ([usize; 2], f32)| {
        let mut parameters = words([n, n, d, d, 0, 0, begin, end]);
        parameters.extend([factor, scalars[1], scalars[2]].map(bits));
        Pass {
            entry: kernel.row().name,
            constants: [vec![("BYTES", bytes)], square.constants()].concat(),
            groups: square.groups(d, d),
            parameters,
            turns: 4 * (end - begin),
            bindings: vec![
                ("x", Binding::Argument(0)),
                ("x_packed", Binding::Argument(0)),
                ("mean", Binding::Argument(1)),
                ("c", Binding::Argument(2)),
            ],
        }
    };
    ranges(tuning, n, scalars[0]).map(pass).collect()
}

fn dual(tuning: &Tuning, kernel: Kernel, sizes: &[usize], scalars: &[f32]) -> Vec<Pass> {
    let [na, nb, d, order, first_a, first_b] =
        [sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5]];
    let square = Square::of(tuning, na, nb);
    let bytes = u32::from(kernel == Kernel::Gram(Gram::DualU8));
    let pass = |([begin, end], factor): ([usize; 2], f32)| {
        let mut parameters = words([na, nb, d, order, first_a, first_b, begin, end]);
        parameters.extend([factor, scalars[0], scalars[1]].map(bits));
        Pass {
            entry: kernel.row().name,
            constants: [vec![("BYTES", bytes)], square.constants()].concat(),
            groups: square.groups(na, nb),
            parameters,
            turns: 4 * (end - begin),
            bindings: vec![
                ("x", Binding::Argument(0)),
                ("x_packed", Binding::Argument(0)),
                ("xb", Binding::Argument(1)),
                ("xb_packed", Binding::Argument(1)),
                ("mean", Binding::Argument(2)),
                ("c", Binding::Argument(3)),
            ],
        }
    };
    ranges(tuning, d, 0.0).map(pass).collect()
}

/// A row over block vectors: one workgroup.
fn block(
    tuning: &Tuning,
    kernel: Kernel,
    sizes: &[usize],
    choice: f32,
    names: &[&'static str],
) -> Pass {
    let [d, m] = [sizes[0], sizes[1]];
    // Narrow workgroups suit a processor, but a long loop must not be ended.
    let widths = [tuning.width, 256, tuning.max_width];
    let few = |width: &usize| block_turns(kernel, d, m, *width) <= TURNS;
    let width = widths.into_iter().find(few).unwrap_or(tuning.width);
    let mut bindings = arguments(names);
    if kernel == Kernel::Block(Block::Ascent) {
        // A block of vectors, and two numbers of every row.
        let bytes = (4 * (d + 2) * m) as u64;
        bindings.push(("work", Binding::Scratch(Scratch::Work, bytes)));
    }
    Pass {
        entry: kernel.row().name,
        constants: vec![("WIDTH", word(width)), ("FOLD", word(fold(width)))],
        groups: [1, 1, 1],
        parameters: vec![word(d), word(m), bits(choice)],
        turns: block_turns(kernel, d, m, width),
        bindings,
    }
}

/// The uniform of network.wgsl.
#[derive(Default)]
struct NetworkParameters {
    b: usize,
    c: usize,
    n: usize,
    batch: usize,
    offset: usize,
    first: usize,
    groups: usize,
    factor: f32,
    scale: f32,
}

impl NetworkParameters {
    fn words(&self) -> Vec<u32> {
        let Self {
            b,
            c,
            n,
            batch,
            offset,
            first,
            groups,
            ..
        } = *self;
        let mut words = words([b, c, n, batch, offset, first, groups]);
        words.extend([self.factor, self.scale].map(bits));
        words
    }

    fn pass(
        &self,
        tuning: &Tuning,
        entry: &'static str,
        groups: usize,
        turns: usize,
        bindings: Vec<(&'static str, Binding)>,
    ) -> Pass {
        Pass {
            entry,
            constants: vec![("WIDTH", word(tuning.width))],
            groups: [groups, 1, 1],
            parameters: self.words(),
            turns,
            bindings,
        }
    }
}

/// Columns of a workgroup that sums over rows (`LANES` of network.wgsl).
const LANES: usize = 16;

fn gather(tuning: &Tuning, kernel: Kernel, sizes: &[usize], weight: f32) -> Pass {
    let [n, d, b, batch, offset, first] =
        [sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5]];
    let parameters = NetworkParameters {
        b,
        c: d,
        n,
        batch,
        offset,
        first,
        factor: weight,
        ..NetworkParameters::default()
    };
    let mut bindings = arguments(&["control", "x", "rows", "z"]);
    bindings.push(("x_packed", Binding::Argument(1)));
    let groups = (b * d.div_ceil(4)).div_ceil(tuning.width);
    let mut pass = parameters.pass(tuning, kernel.row().name, groups, 4, bindings);
    let bytes = u32::from(kernel == Kernel::Network(Network::GatherU8));
    pass.constants.push(("BYTES", bytes));
    pass
}

fn bias_relu(tuning: &Tuning, sizes: &[usize]) -> Pass {
    let len = sizes[0] * sizes[1];
    let groups = len.div_ceil(tuning.width).min(MAX_GROUPS);
    let parameters = NetworkParameters {
        b: sizes[0],
        c: sizes[1],
        groups,
        ..NetworkParameters::default()
    };
    let turns = len.div_ceil(groups * tuning.width);
    parameters.pass(
        tuning,
        "bias_relu",
        groups,
        turns,
        arguments(&["z", "bias"]),
    )
}

fn softmax_loss(tuning: &Tuning, sizes: &[usize], beta: f32) -> Vec<Pass> {
    let [b, c, batch, offset, n] = [sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]];
    let groups = c.div_ceil(LANES) + 1;
    let parameters = NetworkParameters {
        b,
        c,
        n,
        batch,
        offset,
        groups,
        factor: beta,
        scale: 1.0 / batch as f32,
        ..NetworkParameters::default()
    };
    let partial = ("partial", Binding::Scratch(Scratch::Partial, 4 * b as u64));
    let mut each = arguments(&["control", "labels", "rows", "bias", "z"]);
    each.push(partial);
    let sums = vec![
        ("control_rw", Binding::Argument(0)),
        ("z", Binding::Argument(4)),
        ("sums", Binding::Argument(5)),
        ("losses", Binding::Argument(6)),
        partial,
    ];
    let blocks = b.div_ceil(tuning.width);
    let chains = tuning.width / LANES;
    vec![
        parameters.pass(tuning, "softmax_loss", blocks, 3 * c, each),
        parameters.pass(
            tuning,
            "softmax_sums",
            groups,
            b.div_ceil(chains) + chains + LANES,
            sums,
        ),
    ]
}

fn relu_backward(tuning: &Tuning, sizes: &[usize], beta: f32) -> Pass {
    let [b, c] = [sizes[0], sizes[1]];
    let parameters = NetworkParameters {
        b,
        c,
        factor: beta,
        ..NetworkParameters::default()
    };
    let chains = tuning.width / LANES;
    parameters.pass(
        tuning,
        "relu_backward",
        c.div_ceil(LANES),
        b.div_ceil(chains) + chains,
        arguments(&["a", "z", "sums"]),
    )
}

fn score(tuning: &Tuning, sizes: &[usize]) -> Vec<Pass> {
    let [b, c, n] = [sizes[0], sizes[1], sizes[2]];
    let parameters = NetworkParameters {
        b,
        c,
        n,
        batch: b,
        ..NetworkParameters::default()
    };
    let partial = ("partial", Binding::Scratch(Scratch::Partial, 8 * b as u64));
    let mut each = arguments(&["control", "labels", "rows", "bias", "logits"]);
    each.push(partial);
    let sums = vec![
        ("control", Binding::Argument(0)),
        ("sums", Binding::Argument(5)),
        partial,
    ];
    let long = b.div_ceil(tuning.width / 2) + tuning.width;
    vec![
        parameters.pass(tuning, "score", b.div_ceil(tuning.width), 2 * c, each),
        parameters.pass(tuning, "score_sum", 1, long, sums),
    ]
}

/// Run in which workgroup memory is folded.
fn fold(width: usize) -> usize {
    if width >= 256 { 16 } else { 8 }
}

/// Turns of an invocation in the loops of block.wgsl over numbers and components; those over the four components taken at
/// once are unrolled.
fn block_turns(kernel: Kernel, d: usize, m: usize, width: usize) -> usize {
    let (long, quads) = (d.div_ceil(width), m.div_ceil(4));
    let total = fold(width) + width / fold(width) + 1;
    let project = quads * (2 * long + total);
    let gram_schmidt = m * (2 * project + 3 * long + 2 * total);
    match kernel {
        Kernel::Block(Block::Deflate) => project,
        Kernel::Block(Block::ProjectOut) => 2 * project + 2 * long + total,
        Kernel::Block(Block::Orthonormalise) => gram_schmidt,
        Kernel::Block(Block::Ascent) => m * (project + 4 * long + 2 * total + 2),
        _ => gram_schmidt + m * (project + long) + total,
    }
}

fn rule(tuning: &Tuning, kernel: Kernel, len: usize, scalars: &[f32]) -> Pass {
    let groups = len.div_ceil(tuning.width).min(MAX_GROUPS);
    // Decays first, then epsilon, the weight decay last: what a rule lacks is 0.
    let [first, second, epsilon, weight_decay] = match *scalars {
        [] => [0.0; 4],
        [last] => [0.0, 0.0, 0.0, last],
        [only, last] if kernel == Kernel::Rules(Rules::Adagrad) => [0.0, 0.0, only, last],
        [decay, last] => [decay, 0.0, 0.0, last],
        [decay, epsilon, last] => [decay, 0.0, epsilon, last],
        [first, second, epsilon, last, ..] => [first, second, epsilon, last],
    };
    let logarithm = |decay: f32| f64::from(decay).ln() as f32;
    let mut parameters = words([len, groups]);
    let logarithms = [first, second].map(logarithm);
    parameters.extend([first, second, epsilon].map(bits));
    parameters.extend(logarithms.map(bits));
    parameters.push(bits(weight_decay));
    Pass {
        entry: kernel.row().name,
        constants: vec![("WIDTH", word(tuning.width))],
        groups: [groups, 1, 1],
        parameters,
        turns: len.div_ceil(groups * tuning.width),
        bindings: arguments(&["control", "p", "g", "s1", "s2"][..kernel.row().buffers.len()]),
    }
}

/// The dispatches of a matrix product; arguments are A, B, C.
///
/// # Errors
/// As [`passes`].
pub(super) fn gemm(tuning: &Tuning, gemm: &Gemm) -> Result<Vec<Pass>> {
    let Gemm {
        m,
        n,
        k,
        transpose_a,
        transpose_b,
        alpha,
        beta,
    } = *gemm;
    let square = Square::of(tuning, m, n);
    let stored_a = if transpose_a { m } else { k };
    let stored_b = if transpose_b { k } else { n };
    let vectors = [stored_a, stored_b].map(|stored| stored.is_multiple_of(4));
    let whole = vectors == [true, true] && n.is_multiple_of(4) && k.is_multiple_of(4);
    let direct = direct::entry(transpose_a, transpose_b).filter(|_| tuning.software && whole);
    let flags = [
        ("TRANSPOSE_A", transpose_a),
        ("TRANSPOSE_B", transpose_b),
        ("VECTOR_A", vectors[0]),
        ("VECTOR_B", vectors[1]),
    ];
    let mut constants = square.constants();
    constants.extend(flags.map(|(name, flag)| (name, u32::from(flag))));
    let (entry, constants, groups) = match direct {
        Some(entry) => {
            let groups = [n.div_ceil(direct::TILE_N), m.div_ceil(direct::TILE_M), 1];
            (entry, vec![], groups)
        }
        None => ("gemm", constants, square.groups(m, n)),
    };
    let pass = |([begin, end], factor): ([usize; 2], f32)| {
        let mut parameters = words([m, n, k, begin, end]);
        parameters.extend([alpha, factor].map(bits));
        Pass {
            entry,
            constants: constants.clone(),
            groups,
            parameters,
            turns: 4 * (end - begin),
            bindings: vec![
                ("a", Binding::Argument(0)),
                ("a4", Binding::Argument(0)),
                ("b", Binding::Argument(1)),
                ("b4", Binding::Argument(1)),
                ("c", Binding::Argument(2)),
            ],
        }
    };
    let passes: Vec<Pass> = ranges(tuning, k, beta).map(pass).collect();
    check(tuning, &passes)?;
    Ok(passes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::table;

    fn tunings() -> [Tuning; 2] {
        [false, true].map(|software| Tuning {
            software,
            width: if software { 64 } else { 256 },
            groups: if software { 32 } else { 1024 },
            max_width: 256,
            memory: 16 << 10,
            max_bytes: 128 << 20,
        })
    }

    #[test]
    fn no_dispatch_of_any_case_has_more_groups_than_there_can_be() {
        for tuning in tunings() {
            for row in table() {
                for (sizes, scalars) in row.cases.iter().chain([&row.benchmark]) {
                    let passes = passes(&tuning, row.kernel, sizes, scalars);
                    let passes = passes.unwrap_or_else(|e| panic!("{} {sizes:?}: {e}", row.name));
                    for pass in passes {
                        assert!(pass.groups.iter().all(|g| (1..=MAX_GROUPS).contains(g)));
                    }
                }
            }
        }
    }

    #[test]
    fn loops_that_a_software_adapter_would_end_are_split_or_refused() {
        let [_, software] = tunings();
        let ones = [1.0; 3];
        let long = |kernel, sizes: &[usize], scalars| passes(&software, kernel, sizes, scalars);
        for (kernel, sizes, scalars) in [
            (
                Kernel::Product(Product::SamplesU8),
                &[1 << 20, 784, 1][..],
                &ones[..],
            ),
            (
                Kernel::Product(Product::SamplesF32),
                &[1 << 21, 4, 10],
                &ones,
            ),
            (Kernel::Gram(Gram::CovarianceU8), &[1 << 20, 784], &ones),
            (
                Kernel::Gram(Gram::DualF32),
                &[500, 500, 1_000_000, 500, 0, 0],
                &ones[1..],
            ),
            (Kernel::Block(Block::Retract), &[1_000_000, 1], &ones[..1]),
            (Kernel::Block(Block::ProjectOut), &[1_000_000, 10], &[]),
        ] {
            let passes = long(kernel, sizes, scalars).unwrap_or_else(|e| panic!("{kernel:?}: {e}"));
            assert!(passes.iter().all(|pass| pass.turns <= TURNS), "{kernel:?}");
        }
        let refused = long(Kernel::Block(Block::Orthonormalise), &[1_000_000, 100], &[]);
        let error = refused
            .expect_err("10^8 numbers in one workgroup")
            .to_string();
        assert!(error.contains("65535"), "{error}");
    }

    #[test]
    fn a_dispatch_that_would_need_more_groups_is_refused_with_a_word() {
        let sizes = [4, 1 << 26, 2];
        for tuning in tunings() {
            let refused = passes(
                &tuning,
                Kernel::Product(Product::SamplesF32),
                &sizes,
                &[0.0, 1.0, 1.0],
            );
            let error = refused.expect_err("2^26 columns").to_string();
            assert!(error.contains("65535"), "{error}");
        }
    }

    #[test]
    fn workgroup_memory_of_a_row_in_registers_stays_under_the_limit() {
        for tuning in tunings() {
            for d in [1, 31, 784, 785, 1024, 4096] {
                let [width, columns, rows] = spread(&tuning, d).expect("it fits in registers");
                assert!(4 * width * columns >= d && rows * columns <= 16, "{d}");
                assert!(4 * rows * (width + width.div_ceil(8) + 1) <= tuning.memory);
            }
            assert_eq!(spread(&tuning, 4097), None);
        }
    }
}
