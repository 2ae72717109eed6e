//! A rule of the user's on the CPU: its statements as operations over tiles that stay in the L1 cache.
//!
//! Every operation reads and writes tiles of p, g, the states or scratch memory, so that its own cost is spread over a tile. Products and sums round as in compiled code, in the same order. What is the same for every element
//! is a scalar, computed once a step in f64.

mod fuse;
mod make;
mod run;

use crate::rule::{
    Binary, Comparison, Function, MOST_NORMS, MOST_STATES, Named, Node, Program, Step,
};

/// Elements of a tile: ten of them fit an L1 cache of 32 KiB. With fewer, operations cost more than what they compute.
const TILE: usize = 768;

/// Elements of a cache line.
const LINE: usize = 16;

/// Where a tile lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    P,
    G,
    State(usize),
    Scratch(usize),
}

/// One operation over a tile, what it writes first; numbers are places of scalars.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Operation {
    /// `to = scalar`.
    Fill(Place, usize),
    /// `to = -a`.
    Negate(Place, Place),
    /// `to = f(a, b)`; functions of one argument pass over b.
    Call(Place, Function, [Place; 2]),
    /// `to = a o b`.
    Both(Place, Binary, [Place; 2]),
    /// `to = a o scalar`.
    Right(Place, Binary, Place, usize),
    /// `to = scalar o a`.
    Left(Place, Binary, usize, Place),
    /// `to = a + scalar b`.
    Add(Place, Place, (usize, Place)),
    /// `to = a - scalar b`.
    Subtract(Place, Place, (usize, Place)),
    /// `to = scalar a + scalar b`.
    Mix(Place, [(usize, Place); 2]),
    /// `to = x` where `a` compares to `b`, else `y`.
    Select(Place, Comparison, [Place; 4]),
    /// `to = a + b c`.
    AddProduct(Place, Place, [Place; 2]),
    /// `to = scalar a b`.
    ScaledProduct(Place, (usize, Place), Place),
    /// `to = scalar a + scalar b c`.
    MixProduct(Place, (usize, Place), (usize, Place), Place),
    /// `to = a scalar scalar`.
    ScaledTwice(Place, Place, [usize; 2]),
    /// `to = sqrt(scalar a)`, plus a scalar where there is one.
    Root(Place, (usize, Place), Option<usize>),
    /// `to = a scalar scalar / b`.
    Quotient(Place, (Place, [usize; 2]), Place),
    /// `to = from - a scalar scalar / b`.
    LessQuotient(Place, Place, (Place, [usize; 2]), Place),
    /// `to = from - scalar (a + scalar b)`.
    LessSum(Place, Place, usize, Place, (usize, Place)),
    /// Small states become 0.
    Flush(usize),
    /// The squares of a are added to the sum of the norm of that number.
    Square(usize, Place),
}

/// The operations of a rule.
#[derive(Debug)]
pub struct Tiles {
    program: &'static Program,
    operations: Vec<Operation>,
    /// The pass before, for the norms: p and the states are copied into scratch first, since they stay as they are.
    measure: Vec<Operation>,
    /// What the scalars are, in order.
    scalars: Vec<Node>,
    /// Names that the scalars may have, computed before them in order.
    steps: Vec<Named>,
    /// Number of scratch tiles.
    scratch: usize,
    /// The scratch tile of `g + weight_decay p`, where the rule leaves the weight decay to the program.
    decayed: Option<usize>,
}

impl Tiles {
    /// The scalars of a step, in the order of the operations' numbers.
    fn scalars(&self, step: &super::Step<'_>) -> Vec<f32> {
        let scalars: Vec<f64> = step.scalars.iter().map(|x| f64::from(*x)).collect();
        let mut scope = self.program.scope(Step {
            scalars: &scalars,
            rate: f64::from(step.rate),
            t: f64::from(step.t),
        });
        for (norm, value) in self.program.norms.iter().zip(step.norms) {
            scope.define(&norm.name, value);
        }
        for named in &self.steps {
            let value = scope.value(&named.value);
            scope.define(&named.name, value);
        }
        self.scalars
            .iter()
            .map(|node| scope.value(node) as f32)
            .collect()
    }

    /// Runs the operations on all elements, a tile at a time.
    #[inline(always)]
    pub(super) fn run(
        &self,
        step: &super::Step<'_>,
        p: &mut [f32],
        g: &[f32],
        states: [&mut [f32]; MOST_STATES],
    ) {
        let states = states.map(|state| state.as_mut_ptr());
        let all = (p.as_mut_ptr(), g, states);
        self.each(&self.operations, step, p.len(), all, &mut [0.0; MOST_NORMS]);
    }

    /// The sums of squares of the norms over all elements.
    #[inline(always)]
    pub(super) fn squares(
        &self,
        step: &super::Step<'_>,
        p: &[f32],
        g: &[f32],
        states: [&[f32]; MOST_STATES],
    ) -> [f64; MOST_NORMS] {
        let states = states.map(|state| state.as_ptr().cast_mut());
        let mut sums = [0.0; MOST_NORMS];
        let all = (p.as_ptr().cast_mut(), g, states);
        self.each(&self.measure, step, p.len(), all, &mut sums);
        sums
    }

    #[inline(always)]
    fn each(
        &self,
        operations: &[Operation],
        step: &super::Step<'_>,
        len: usize,
        (p, g, states): (*mut f32, &[f32], [*mut f32; MOST_STATES]),
        sums: &mut [f64; MOST_NORMS],
    ) {
        let scalars = self.scalars(step);
        // Without weight decay g itself is read.
        let decays = step.scalars.last().is_some_and(|decay| *decay != 0.0);
        let plain = self.decayed.filter(|_| !decays);
        let operations = &operations[usize::from(plain.is_some())..];
        let mut scratch: Vec<f32> = Vec::with_capacity(self.scratch * TILE + LINE);
        // So that no vector of scratch lies on two cache lines.
        let scratch = scratch.as_mut_ptr();
        let scratch = scratch.wrapping_add(scratch.align_offset(4 * LINE));
        for start in (0..len).step_by(TILE) {
            let place = |place: Place| match place {
                Place::P => p.wrapping_add(start),
                Place::G => g.as_ptr().cast_mut().wrapping_add(start),
                Place::Scratch(tile) if Some(tile) == plain => {
                    g.as_ptr().cast_mut().wrapping_add(start)
                }
                Place::State(state) => states[state].wrapping_add(start),
                Place::Scratch(tile) => scratch.wrapping_add(tile * TILE),
            };
            for operation in operations {
                // SAFETY: p, g and the states have `len` elements, a scratch tile has TILE and is written before it is read.
                // No operation writes g; none of `measure` writes p or a state.
                unsafe { run::run(*operation, &scalars, (len - start).min(TILE), &place, sums) };
            }
        }
    }
}
