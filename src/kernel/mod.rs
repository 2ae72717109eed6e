//! The kernel table: one [`Row`] per device operation.
//!
//! A row names the entry (the same name in `kernels/*.cu`, `shaders/*.wgsl` and the CPU device), its buffers with their
//! shapes in order, its sizes and scalars in order, the fewest bytes it must move and the operations it must do, a
//! tolerance, and a plain f64 reference. Conformance, the roofline and the kernel benchmark iterate over [`ALL`], so
//! adding a row adds them. Nothing here runs on a device.
//!
//! Matrices are row-major. Block vectors (`v`, `g`, the basis) are m x d: one row a component. A sample enters every row
//! as `y = (x - mean_hi) - mean_lo`: the mean is a pair of f32 whose sum is the f64 mean, `mean_hi` is subtracted in
//! registers, and `mean_lo`, at most half a unit in the last place of the mean, is applied through the projections,
//! where it cannot cancel. The factors `weight_in` and `weight_out` are powers of two: exact, and kept apart so that
//! samples of 1e-20 or 1e20 neither vanish nor overflow in between.
//!
//! Rows that belong to a step read the control buffer and do nothing once its [`control::STOP`] is set: the state stays
//! frozen at the first step that met the criterion, however many steps were recorded.

pub mod control;
mod network;
mod reference;
pub mod resolution;
mod rows;

pub use reference::{FLUSH, VANISHED, replacement};
pub use rows::ALL;

/// A row of the table; [`Kernel::row`] tells everything about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // Each is documented by its row.
pub enum Kernel {
    StreamRead,
    SamplesProductF32,
    SamplesProductU8,
    BatchProductF32,
    BatchProductU8,
    SymmetricProduct,
    CovarianceF32,
    CovarianceU8,
    DualF32,
    DualU8,
    LiftF32,
    LiftU8,
    Deflate,
    ProjectOut,
    Orthonormalise,
    Ascent,
    Sgd,
    Momentum,
    Nesterov,
    Adagrad,
    Rmsprop,
    Adam,
    Retract,
    Advance,
    Commit,
    GatherF32,
    GatherU8,
    BiasRelu,
    SoftmaxLoss,
    ReluBackward,
    Score,
}

/// The rows that share a file on every floor: `kernels/*.cu`, `shaders/*.wgsl`, and a module of each device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Reads memory once: the roof of bandwidth.
    Stream,
    /// Products of the samples, or of a symmetric matrix, with a block of vectors.
    Product,
    /// Products of the samples with themselves: covariance and dual.
    Gram,
    /// Blocks of vectors: deflation, orthonormalisation, ascent on the sphere.
    Block,
    /// Update rules.
    Rules,
    /// The control buffer: step number, rate, components found.
    Control,
    /// What a network adds to products of matrices.
    Network,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 7] = [
        Self::Stream,
        Self::Product,
        Self::Gram,
        Self::Block,
        Self::Rules,
        Self::Control,
        Self::Network,
    ];

    /// Stem of its files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Product => "product",
            Self::Gram => "gram",
            Self::Block => "block",
            Self::Rules => "rules",
            Self::Control => "control",
            Self::Network => "network",
        }
    }
}

/// Element type of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Element {
    /// 32-bit float.
    F32,
    /// Byte (images stay bytes on every device).
    U8,
    /// 32-bit unsigned integer (row indices).
    U32,
}

impl Element {
    /// Size in bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Element::F32 | Element::U32 => 4,
            Element::U8 => 1,
        }
    }
}

/// How a launch uses a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read only.
    Read,
    /// Written whole, never read: its old content may be anything, NaN too.
    Write,
    /// Read and written.
    Update,
}

/// What a test puts into a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// Standard normal; bytes: uniform 0..=255.
    Normal,
    /// Absolute values of standard normals.
    Positive,
    /// `[2, d]`: a mean of the samples' size, and its remainder 1e-7 times as large.
    Mean,
    /// Orthonormal rows.
    Orthonormal,
    /// A permutation of `0..len`.
    Permutation,
    /// A symmetric matrix.
    Symmetric,
    /// Classes, below the row's second size.
    Classes,
    /// A control buffer in the middle of a run ([`control::example`]).
    Control,
}

/// A buffer of a row.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Name, the same in every implementation.
    pub name: &'static str,
    /// How it is used.
    pub access: Access,
    /// Element type.
    pub element: Element,
    /// Number of elements, from the sizes.
    pub len: fn(&[usize]) -> usize,
    /// Columns of a matrix whose rows a device may pad, from the sizes; `None` where elements lie one after the other.
    pub columns: Option<fn(&[usize]) -> usize>,
    /// What a test puts there.
    pub fill: Fill,
}

/// One row of the kernel table.
pub struct Row {
    /// The kernel.
    pub kernel: Kernel,
    /// Where it stands on every floor.
    pub family: Family,
    /// Entry name on every device.
    pub name: &'static str,
    /// What it computes, in one formula.
    pub formula: &'static str,
    /// Sizes in order.
    pub sizes: &'static [&'static str],
    /// Scalars in order.
    pub scalars: &'static [&'static str],
    /// Buffers in order.
    pub buffers: &'static [Parameter],
    /// Fewest bytes moved to and from memory.
    pub bytes: fn(&[usize]) -> f64,
    /// Operations (a multiply-add is two).
    pub flops: fn(&[usize]) -> f64,
    /// Largest `|out - reference| / |reference|` (2-norms over a buffer) that conformance accepts.
    pub tolerance: f64,
    /// The same in f64, written plainly: sizes, scalars, and every buffer widened.
    pub reference: fn(&[usize], &[f64], &mut [Vec<f64>]),
    /// Sizes and scalars that conformance runs: awkward ones, and every branch of the launch geometry.
    pub cases: &'static [(&'static [usize], &'static [f32])],
    /// Sizes and scalars of the benchmark: those of MNIST, or of a step on it.
    pub benchmark: (&'static [usize], &'static [f32]),
}

impl Kernel {
    /// The row of this kernel.
    pub fn row(self) -> &'static Row {
        &ALL[self as usize]
    }

    /// Whether the row belongs to a step and does nothing once [`control::STOP`] is set.
    pub fn freezes(self) -> bool {
        self.row().buffers[0].name == "control"
            && !matches!(self, Kernel::ProjectOut | Kernel::Commit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_the_enum_with_distinct_names() {
        let mut names = std::collections::BTreeSet::new();
        for (i, row) in ALL.iter().enumerate() {
            assert_eq!(row.kernel as usize, i, "{}", row.name);
            assert!(names.insert(row.name), "{} stands twice", row.name);
        }
    }

    #[test]
    fn rows_keep_within_eight_buffers_and_eight_scalars_and_their_cases_fit() {
        for row in &ALL {
            assert!(
                row.buffers.len() <= 8,
                "{}: wgpu allows 8 storage buffers",
                row.name
            );
            assert!(row.scalars.len() + row.sizes.len() <= 11, "{}", row.name);
            for (sizes, scalars) in row.cases.iter().chain([&row.benchmark]) {
                assert_eq!(sizes.len(), row.sizes.len(), "{}", row.name);
                assert_eq!(scalars.len(), row.scalars.len(), "{}", row.name);
                assert!(
                    (row.bytes)(sizes) > 0.0 && (row.flops)(sizes) >= 0.0,
                    "{}",
                    row.name
                );
            }
        }
    }
}
