//! The update rules: one pass over p, g and the states. Those that come with the program are compiled into it, one function
//! a rule, made by the build and left to the compiler to vectorise per instruction set; a rule of the user's is interpreted.

#[allow(dead_code)] // No rule needs them all.
mod functions;
mod tiles;

use std::collections::HashMap;
use std::sync::Arc;

use super::buffer::Buffer;
use super::cores::Cores;
use super::scratch::Shared;
use super::vector::{Vector, per_isa};
use crate::device::Launch;
use crate::kernel::{Rule, control as c, named};
use crate::rule::{MOST_NORMS, MOST_STATES};
use tiles::Tiles;

/// One step of a rule: scalars as in its row of the kernel table.
#[derive(Clone, Copy)]
struct Step<'a> {
    scalars: &'a [f32],
    rate: f32,
    /// Number of the step, from 1.
    t: f32,
    /// The rule's norms, in order.
    norms: [f64; MOST_NORMS],
}

/// Elements under which one thread does it all.
const SMALL: usize = 1 << 15;
/// Elements whose squares are summed in f32.
const PIECE: usize = 4096;
/// Lanes of those sums.
const LANES: usize = 16;
/// A range of elements begins at a multiple of so many.
const GRAIN: usize = 16;

/// What computes a rule.
#[derive(Clone, Copy)]
enum Code<'a> {
    /// The function of this place in what the build made.
    Compiled(usize),
    Interpreted(&'a Tiles),
}

/// The rules of the user's that have run.
pub type Interpreted = HashMap<Rule, Arc<Tiles>>;

/// Runs a row.
pub fn run(cores: &mut Cores, rule: Rule, launch: &Launch<'_, Buffer>) {
    let [len] = named(launch.sizes);
    let ([control, p, g], states) = (named(&launch.buffers[..3]), &launch.buffers[3..]);
    let (rate, t) = {
        let control = control.f32();
        (control[c::RATE], control[c::STEP])
    };
    let mut step = Step {
        scalars: launch.scalars,
        rate,
        t,
        norms: [0.0; MOST_NORMS],
    };
    let (mut p, g) = (p.f32_mut(), g.f32());
    let mut states = states.iter().map(|state| state.f32_mut());
    let mut states: [_; MOST_STATES] = std::array::from_fn(|_| states.next());
    let states = states.each_mut().map(|state| match state {
        Some(state) => &mut state[..len],
        None => &mut [],
    });
    let tiles;
    let code = match rule.place() {
        Some(place) => Code::Compiled(place),
        None => {
            let made = cores.rules.entry(rule);
            tiles = Arc::clone(made.or_insert_with(|| Arc::new(Tiles::of(rule.program()))));
            Code::Interpreted(&tiles)
        }
    };
    if !rule.program().norms.is_empty() {
        let states = states.each_ref().map(|state| &**state);
        step.norms = norms(cores, code, &step, &p[..len], &g[..len], states);
    }
    apply(cores, code, &step, &mut p[..len], &g[..len], states);
}

/// Applies the step, split over the pool when it is long; a state that the rule lacks is an empty slice.
fn apply(
    cores: &mut Cores,
    code: Code<'_>,
    step: &Step<'_>,
    p: &mut [f32],
    g: &[f32],
    states: [&mut [f32]; MOST_STATES],
) {
    let (isa, len) = (cores.isa, p.len());
    if len < SMALL {
        // SAFETY: the instruction set was checked when the device was opened.
        return unsafe { update(isa, code, step, p, g, states) };
    }
    let p = Shared::new(p);
    let states = states.map(|state| (state.len(), Shared::new(state)));
    cores.pool.split(len, GRAIN, &|_, range| {
        // SAFETY: each worker has its own range of every slice, or an empty one; the instruction set as above.
        unsafe {
            let part = |(len, x): (usize, Shared<f32>)| {
                let range = if len == 0 { 0..0 } else { range.clone() };
                std::slice::from_raw_parts_mut(x.at(range.start), range.len())
            };
            let states = states.map(part);
            update(isa, code, step, part((len, p)), &g[range.clone()], states);
        }
    });
}

per_isa! {
    /// Applies the step; a state that the rule lacks is an empty slice.
    unsafe fn update(code: Code<'_>, step: &Step<'_>, p: &mut [f32], g: &[f32], states: [&mut [f32]; MOST_STATES]) = update_body;
}

#[inline(always)]
unsafe fn update_body<V: Vector>(
    code: Code<'_>,
    step: &Step<'_>,
    p: &mut [f32],
    g: &[f32],
    states: [&mut [f32]; MOST_STATES],
) {
    match code {
        Code::Compiled(place) => compiled::shipped(place, step, p, g, states),
        Code::Interpreted(tiles) => tiles.run(step, p, g, states),
    }
}

/// The rule's norms: sums over pieces of [`PIECE`] elements, added up in order, so that threads change no bit.
fn norms(
    cores: &mut Cores,
    code: Code<'_>,
    step: &Step<'_>,
    p: &[f32],
    g: &[f32],
    states: [&[f32]; MOST_STATES],
) -> [f64; MOST_NORMS] {
    let (isa, len) = (cores.isa, p.len());
    let pieces = len.div_ceil(PIECE);
    cores.norms.clear();
    cores.norms.resize(pieces, [0.0; MOST_NORMS]);
    let sums = Shared::new(&mut cores.norms);
    let piece = |piece: usize| {
        let range = piece * PIECE..len.min((piece + 1) * PIECE);
        let states = states.map(|state| state.get(range.clone()).unwrap_or_default());
        // SAFETY: every piece has a sum of its own; the instruction set was checked when the device was opened.
        unsafe {
            let sums = &mut *sums.at(piece);
            squares(isa, sums, code, step, &p[range.clone()], &g[range], states);
        }
    };
    match len < SMALL {
        true => (0..pieces).for_each(piece),
        false => cores
            .pool
            .split(pieces, 1, &|_, range| range.for_each(piece)),
    }
    let mut total = [0.0; MOST_NORMS];
    for sums in &cores.norms {
        for (total, sum) in total.iter_mut().zip(sums) {
            *total += sum;
        }
    }
    total.map(f64::sqrt)
}

per_isa! {
    /// The sums of squares of the norms over some elements.
    unsafe fn squares(sums: &mut [f64; MOST_NORMS], code: Code<'_>, step: &Step<'_>, p: &[f32], g: &[f32], states: [&[f32]; MOST_STATES]) = squares_body;
}

#[inline(always)]
unsafe fn squares_body<V: Vector>(
    sums: &mut [f64; MOST_NORMS],
    code: Code<'_>,
    step: &Step<'_>,
    p: &[f32],
    g: &[f32],
    states: [&[f32]; MOST_STATES],
) {
    *sums = match code {
        Code::Compiled(place) => compiled::shipped_norms(place, step, p, g, states),
        Code::Interpreted(tiles) => tiles.squares(step, p, g, states),
    };
}

/// Sums of squares over a piece, in lanes of f32.
#[derive(Debug)]
struct Squares<const N: usize>([[f32; LANES]; N]);

impl<const N: usize> Default for Squares<N> {
    fn default() -> Self {
        Self([[0.0; LANES]; N])
    }
}

impl<const N: usize> Squares<N> {
    /// Adds the square of element i to a norm's sum.
    #[inline(always)]
    fn add(&mut self, norm: usize, i: usize, x: f32) {
        self.0[norm][i % LANES] += x * x;
    }

    #[inline(always)]
    fn total(&self) -> [f64; MOST_NORMS] {
        let mut total = [0.0; MOST_NORMS];
        for (total, lanes) in total.iter_mut().zip(&self.0) {
            *total = lanes.iter().map(|x| f64::from(*x)).sum();
        }
        total
    }
}

/// The functions that the build made of the rules' files.
#[allow(clippy::all, unused_variables, unused_mut)] // As the rules' files say it.
mod compiled {
    use super::functions::*;
    use super::{Squares, Step};
    use crate::kernel::named;

    include!(concat!(env!("OUT_DIR"), "/rules_cpu.rs"));
}
