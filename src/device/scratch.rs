//! Memory of a GPU between the passes of one launch.

/// One buffer of each kind, grown when a launch needs more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Scratch {
    /// Parts of a sum.
    Partial,
    /// Projections of samples on vectors.
    Projection,
    /// A block of vectors.
    Work,
}
