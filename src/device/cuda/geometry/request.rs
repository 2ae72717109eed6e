//! What the families' modules share: the launch to be laid out, drafts of its passes, and numbers that several kernels have.

use super::super::pass::{Argument, MAX_THREADS, Tuning};
use crate::kernel::Row;

pub(super) const WARP: usize = 32;
/// Threads of a block, where the entry leaves no choice.
pub(super) const THREADS: usize = 256;
/// Longest f32 sum that a pass makes before another adds it up, in terms.
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
    pub fn buffer(&self, name: &str) -> Argument {
        let mut names = self.row.buffers.iter().map(|buffer| buffer.name);
        match names.position(|of_row| of_row == name) {
            Some(place) => Argument::Buffer(place),
            None => panic!("{} has no buffer {name}", self.row.name),
        }
    }

    /// A pass of the row's own entry: its arguments begin with the row's buffers, sizes and scalars, `more` follow.
    pub fn draft(&self, more: &[Argument]) -> Draft {
        let buffers = (0..self.row.buffers.len()).map(Argument::Buffer);
        let sizes = self.sizes.iter().copied().map(size);
        let scalars = self.scalars.iter().copied().map(Argument::F32);
        let arguments = buffers.chain(sizes).chain(scalars);
        Draft::new(self.row.name, arguments.chain(more.iter().copied()))
    }
}

/// A pass in plain numbers, before it is checked against the card's limits.
pub(super) struct Draft {
    pub entry: &'static str,
    pub grid: [usize; 3],
    pub block: usize,
    pub shared: usize,
    pub arguments: Vec<Argument>,
}

impl Draft {
    /// One block of [`THREADS`], without dynamic shared memory.
    pub fn new(entry: &'static str, arguments: impl IntoIterator<Item = Argument>) -> Self {
        Self {
            entry,
            grid: [1, 1, 1],
            block: THREADS,
            shared: 0,
            arguments: arguments.into_iter().collect(),
        }
    }
}

/// A size as an argument.
///
/// # Panics
/// Over 2^32: [`super::passes`] refuses those before.
pub(super) fn size(x: usize) -> Argument {
    Argument::U32(u32::try_from(x).expect("passes() checks the sizes of a launch"))
}

/// Quads of columns: what a thread loads at once.
pub(super) fn quads_of(d: usize) -> usize {
    d.div_ceil(4)
}

/// Threads of the one block that works on vectors of d numbers: four columns each, since few warps make a barrier cheap.
pub(super) fn threads_of(d: usize) -> usize {
    quads_of(d).next_multiple_of(WARP).clamp(WARP, MAX_THREADS)
}
