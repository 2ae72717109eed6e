//! What the families' modules share: the launch to be laid out, and numbers that several shaders have.

use super::super::pass::{Binding, Bindings, Pass, Tuning};
use crate::kernel::Row;

/// Most workgroups of a dispatch in one dimension, on every adapter.
pub(super) const MAX_GROUPS: usize = 65_535;

/// llvmpipe ends loops without a word when an invocation has made 65,535 turns in all of them together
/// (`LP_MAX_TGSI_LOOP_ITERATIONS`): the sums after that are wrong. [`Pass::turns`] counts as if no loop were unrolled.
pub(super) const TURNS: usize = 65_535;

/// Longest f32 sum that a pass makes before another adds it up, in terms (`CHUNK` of tile.wgsl is the same for the passes
/// that break their own sums off).
pub(super) const CHUNK: usize = 1024;

/// A launch of a row, to be laid out as passes.
pub(super) struct Request<'a> {
    pub tuning: &'a Tuning,
    pub row: &'static Row,
    /// In the row's order.
    pub sizes: &'a [usize],
    /// In the row's order.
    pub scalars: &'a [f32],
}

impl Request<'_> {
    /// The launch's buffer of this name in the row.
    ///
    /// # Panics
    /// When the row has none.
    pub fn buffer(&self, name: &str) -> Binding {
        let found = self
            .bindings()
            .into_iter()
            .find(|(of_row, _)| *of_row == name);
        match found {
            Some((_, binding)) => binding,
            None => panic!("{} has no buffer {name}", self.row.name),
        }
    }

    /// The row's buffers by their names.
    pub fn bindings(&self) -> Bindings {
        let names = self.row.buffers.iter().map(|buffer| buffer.name);
        let places = names.enumerate();
        places
            .map(|(place, name)| (name, Binding::Argument(place)))
            .collect()
    }

    /// A dispatch of the row's own entry with the row's buffers: one workgroup without constants, turns or parameters.
    pub fn pass(&self) -> Pass {
        self.pass_of(self.row.name)
    }

    /// The same of another entry.
    pub fn pass_of(&self, entry: &'static str) -> Pass {
        Pass {
            entry,
            constants: vec![],
            groups: [1, 1, 1],
            parameters: vec![],
            turns: 0,
            bindings: self.bindings(),
        }
    }

    /// The row's buffers, and others.
    pub fn bindings_and<const N: usize>(&self, more: [(&'static str, Binding); N]) -> Bindings {
        let mut bindings = self.bindings();
        bindings.extend(more);
        bindings
    }
}

pub(super) fn word(x: usize) -> u32 {
    u32::try_from(x).expect("sizes of a launch are below 2^32: the row limit sees to it")
}

pub(super) fn words<const N: usize>(sizes: [usize; N]) -> Vec<u32> {
    sizes.into_iter().map(word).collect()
}

pub(super) fn bits(x: f32) -> u32 {
    x.to_bits()
}
