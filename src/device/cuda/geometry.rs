//! How a row of the kernel table becomes launches: entries of `kernels/`, grids, arguments.

use crate::error::Result;
use crate::kernel::Kernel;

/// What the geometry depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tuning {
    /// Streaming multiprocessors.
    pub multiprocessors: usize,
    /// Shared memory that a block may have without asking, in bytes (48 KiB on every card).
    pub shared_bytes: usize,
}

/// Memory between passes: one of each kind, grown when a launch needs more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Scratch {
    /// Parts of a sum.
    Partial,
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
    /// Stem of the file in `kernels/`.
    pub stem: &'static str,
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
    let _ = (tuning, sizes, scalars);
    Err(crate::error::Error::unsupported(format!(
        "{kernel:?} on CUDA"
    )))
}
