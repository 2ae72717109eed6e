//! Products of the samples, or of a symmetric matrix, with a block of vectors: `shaders/product.wgsl`.

use super::super::pass::{Binding, Constants, Pass, Scratch, Tuning};
use super::request::{CHUNK, Request, TURNS, bits, word, words};
use super::tile::Thin;
use crate::kernel::{Product, named};

/// Run in which workgroup memory is folded (`FOLD` of product.wgsl).
pub(super) const FOLD: usize = 8;

pub(super) fn passes(kernel: Product, request: &Request<'_>) -> Vec<Pass> {
    match kernel {
        Product::SamplesF32 => Samples::all(request, false).passes(),
        Product::SamplesU8 => Samples::all(request, true).passes(),
        Product::BatchF32 => Samples::listed(request, false).passes(),
        Product::BatchU8 => Samples::listed(request, true).passes(),
        Product::Symmetric => vec![symmetric(request)],
        Product::LiftF32 => lift(request, false),
        Product::LiftU8 => lift(request, true),
    }
}

/// The uniform.
#[derive(Default, Clone, Copy)]
struct Parameters {
    n: usize,
    d: usize,
    m: usize,
    /// Samples in the block, and the number of its first where a list chooses.
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

impl Parameters {
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
            beta,
            weight_in,
            weight_out,
        } = *self;
        let mut words = words([n, d, m, total, first, span, parts, row, origin]);
        words.extend([beta, weight_in, weight_out].map(bits));
        words
    }

    /// Bytes of one part of the sums.
    fn part_bytes(&self) -> usize {
        16 * self.m * self.d.div_ceil(4)
    }

    /// The parts that a binding holds at most.
    fn most_parts(&self, tuning: &Tuning) -> usize {
        let bytes = usize::try_from(tuning.max_bytes).unwrap_or(usize::MAX);
        (bytes / self.part_bytes()).max(1)
    }

    /// All parts.
    fn partial(&self) -> Binding {
        Binding::Scratch(Scratch::Partial, (self.part_bytes() * self.parts) as u64)
    }
}

/// How a row of samples is spread over a workgroup that takes it whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spread {
    /// Invocations.
    pub width: usize,
    /// vec4s an invocation.
    pub columns: usize,
    /// Rows at a time.
    pub rows: usize,
}

impl Spread {
    /// For rows of d numbers; `None` when they are too long for registers.
    pub fn of(tuning: &Tuning, d: usize) -> Option<Self> {
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
        let spread = |rows| Self {
            width,
            columns,
            rows,
        };
        let fits = |spread: &Self| spread.bytes() <= tuning.memory;
        (1..=16 / columns).rev().map(spread).find(fits)
    }

    /// Workgroup memory: sums of every row in every invocation, and a share of them folded.
    pub fn bytes(&self) -> usize {
        4 * self.rows * (self.width + self.width.div_ceil(FOLD) + 1)
    }

    /// Turns of an invocation for so many rows as it takes at a time.
    fn turns(&self) -> usize {
        let Self {
            width,
            columns,
            rows,
        } = *self;
        let folds = width.div_ceil(FOLD);
        4 * columns
            + 2 * rows * (columns + 1)
            + (FOLD + 1) * (folds * rows).div_ceil(width)
            + rows.div_ceil(width) * (folds + 1)
    }

    fn constants(&self) -> Constants {
        vec![
            ("WIDTH", word(self.width)),
            ("ROWS", word(self.rows)),
            ("COLUMNS", word(self.columns)),
        ]
    }
}

/// A product over samples, all of them or those of a mini-batch.
struct Samples<'a> {
    request: &'a Request<'a>,
    /// Whether the samples are bytes.
    bytes: bool,
    listed: bool,
    /// But for the parts and the projection.
    parameters: Parameters,
}

impl<'a> Samples<'a> {
    fn all(request: &'a Request<'a>, bytes: bool) -> Self {
        let [n, d, m] = named(request.sizes);
        let [beta, weight_in, weight_out] = named(request.scalars);
        Self {
            request,
            bytes,
            listed: false,
            parameters: Parameters {
                n,
                d,
                m,
                total: n,
                beta,
                weight_in,
                weight_out,
                ..Parameters::default()
            },
        }
    }

    fn listed(request: &'a Request<'a>, bytes: bool) -> Self {
        let [total, d, m, n, first] = named(request.sizes);
        let [beta, weight_in, weight_out] = named(request.scalars);
        Self {
            request,
            bytes,
            listed: true,
            parameters: Parameters {
                n,
                d,
                m,
                total,
                first,
                beta,
                weight_in,
                weight_out,
                ..Parameters::default()
            },
        }
    }

    fn passes(&self) -> Vec<Pass> {
        // On a processor the samples of a part stay in its cache, and a pass for each row of v beats the tiles.
        let by_rows = self.parameters.m == 1 || self.request.tuning.software;
        match Spread::of(self.request.tuning, self.parameters.d).filter(|_| by_rows) {
            Some(spread) => self.in_registers(&spread),
            None => self.in_tiles(),
        }
    }

    /// Constants of every pass that reads samples.
    fn flags(&self) -> Constants {
        vec![
            ("BYTES", u32::from(self.bytes)),
            ("LISTED", u32::from(self.listed)),
        ]
    }

    /// Adds the parts into g.
    fn sum(&self, parameters: &Parameters) -> Pass {
        let partial = [("partial", parameters.partial())];
        Pass {
            bindings: self.request.bindings_and(partial),
            ..sum_of_parts(self.request, parameters)
        }
    }

    /// A workgroup for each row of v and part of the samples, which it reads once.
    fn in_registers(&self, spread: &Spread) -> Vec<Pass> {
        let tuning = self.request.tuning;
        let Parameters { n, m, .. } = self.parameters;
        let rows = spread.rows;
        let groups = tuning.groups.min(self.parameters.most_parts(tuning));
        let mut span = n.div_ceil(groups).next_multiple_of(rows);
        if tuning.software {
            span = span.min(TURNS / spread.turns() * rows - rows).max(rows);
        }
        let parameters = Parameters {
            span,
            parts: n.div_ceil(span),
            ..self.parameters
        };
        let product = Pass {
            constants: [self.flags(), spread.constants()].concat(),
            groups: [parameters.parts, m, 1],
            parameters: parameters.words(),
            turns: spread.turns() * (span / rows + 1),
            bindings: self
                .request
                .bindings_and([("partial", parameters.partial())]),
            ..self.request.pass()
        };
        vec![product, self.sum(&parameters)]
    }

    /// Projections by register tiles, and what they weigh brought back to columns.
    fn in_tiles(&self) -> Vec<Pass> {
        let (request, tuning) = (self.request, self.request.tuning);
        let Parameters { n, d, m, .. } = self.parameters;
        let thin = Thin::of(m);
        let blocks = n.div_ceil(thin.long);
        let heights = m.div_ceil(thin.short);
        // Panels of columns: as many as fill the adapter, none longer than a sum may be.
        let wanted = tuning
            .groups
            .div_ceil(blocks * heights)
            .min(d.div_ceil(256));
        let span = d
            .div_ceil(wanted.max(d.div_ceil(CHUNK)))
            .next_multiple_of(16);
        let panels = d.div_ceil(span);
        let parameters = Parameters {
            row: n,
            span,
            parts: panels,
            ..self.parameters
        };
        let projection = Binding::Scratch(Scratch::Projection, (4 * panels * m * n) as u64);
        let constants = [self.flags(), thin.constants()].concat();
        let mut passes = vec![Pass {
            constants: constants.clone(),
            groups: [blocks, panels, heights],
            parameters: parameters.words(),
            turns: 4 * span,
            bindings: request.bindings_and([("projection", projection)]),
            ..request.pass_of("project")
        }];
        // What the parameters of the next pass begin with.
        let mut parameters = parameters;
        if panels > 1 {
            let groups = (m * n).div_ceil(tuning.width).clamp(1, tuning.groups);
            parameters.span = groups;
            passes.push(Pass {
                constants: vec![("WIDTH", word(tuning.width))],
                groups: [groups, 1, 1],
                parameters: parameters.words(),
                turns: (m * n).div_ceil(groups * tuning.width) * (panels + 1),
                bindings: request.bindings_and([("panels", projection)]),
                ..request.pass_of("project_sum")
            });
        }
        let lifted = Lifted::of(tuning, &thin, &parameters);
        let partial = lifted.parameters.partial();
        let entry = if self.bytes { "lift_u8" } else { "lift_f32" };
        passes.push(Pass {
            constants,
            bindings: request.bindings_and([("u", projection), ("partial", partial)]),
            ..lifted.pass(request, entry)
        });
        passes.push(self.sum(&lifted.parameters));
        passes
    }
}

/// The pass that brings projections back to columns.
struct Lifted {
    groups: [usize; 3],
    parameters: Parameters,
}

impl Lifted {
    /// With the span and the parts that suit it.
    fn of(tuning: &Tuning, thin: &Thin, parameters: &Parameters) -> Self {
        let Parameters { n, d, m, .. } = *parameters;
        let blocks = d.div_ceil(thin.long);
        let heights = m.div_ceil(thin.short);
        // Parts of the samples: as many as fill the adapter, none longer than a sum may be, all of them within a binding.
        let wanted = tuning.groups.div_ceil(blocks * heights).min(n.div_ceil(64));
        let parts = wanted
            .max(n.div_ceil(CHUNK))
            .clamp(1, parameters.most_parts(tuning));
        let span = n.div_ceil(parts).next_multiple_of(16);
        let parts = n.div_ceil(span);
        Self {
            groups: [blocks, parts, heights],
            parameters: Parameters {
                span,
                parts,
                ..*parameters
            },
        }
    }

    /// Without its constants.
    fn pass(&self, request: &Request<'_>, entry: &'static str) -> Pass {
        Pass {
            groups: self.groups,
            parameters: self.parameters.words(),
            turns: 4 * self.parameters.span,
            ..request.pass_of(entry)
        }
    }
}

/// Adds the parts of a product into `g`; a `control` among the row's buffers may freeze it.
fn sum_of_parts(request: &Request<'_>, parameters: &Parameters) -> Pass {
    let width = request.tuning.width;
    let lanes = 16;
    Pass {
        constants: vec![("WIDTH", word(width)), ("LANES", word(lanes))],
        groups: [parameters.d.div_ceil(4 * lanes), parameters.m, 1],
        parameters: parameters.words(),
        turns: parameters.parts * lanes / width + width / lanes + 8,
        ..request.pass_of("product_sum")
    }
}

fn lift(request: &Request<'_>, bytes: bool) -> Vec<Pass> {
    let [n, d, m, total, first] = named(request.sizes);
    let [beta, weight] = named(request.scalars);
    let thin = Thin::of(m);
    let parameters = Parameters {
        n,
        d,
        m,
        total: n,
        row: total,
        origin: first,
        beta,
        weight_out: weight,
        ..Parameters::default()
    };
    let lifted = Lifted::of(request.tuning, &thin, &parameters);
    let partial = lifted.parameters.partial();
    let flags = vec![("BYTES", u32::from(bytes)), ("LISTED", 0)];
    vec![
        Pass {
            constants: [flags, thin.constants()].concat(),
            bindings: request.bindings_and([("partial", partial)]),
            ..lifted.pass(request, request.row.name)
        },
        Pass {
            bindings: request.bindings_and([("partial", partial), ("g", request.buffer("out"))]),
            ..sum_of_parts(request, &lifted.parameters)
        },
    ]
}

fn symmetric(request: &Request<'_>) -> Pass {
    let [p, m] = named(request.sizes);
    let (width, lanes) = (64.min(request.tuning.width), 16);
    let parameters = Parameters {
        d: p,
        m,
        ..Parameters::default()
    };
    Pass {
        constants: vec![("WIDTH", word(width)), ("LANES", word(lanes))],
        groups: [p.div_ceil(4 * (width / lanes)), m, 1],
        parameters: parameters.words(),
        turns: p + 64,
        ..request.pass()
    }
}
