//! The kernel table: one [`Row`] per device operation.
//!
//! A row names the entry (the same name in `kernels/*.cu`, `shaders/*.wgsl` and the CPU device), its buffers with their
//! shapes in order, its sizes and scalars in order, the fewest bytes it must move and the operations it must do, a
//! tolerance, and a plain f64 reference. Conformance, the roofline and the kernel benchmark iterate over [`table`], so
//! adding a row adds them. Rows lie in the module of their [`Family`], each with its reference. Nothing here runs on a device.
//!
//! Matrices are row-major. Block vectors (`v`, `g`, the basis) are m x d: one row a component. A sample enters every row
//! as `y = (x - mean_hi) - mean_lo`: the mean is a pair of f32 whose sum is the f64 mean, `mean_hi` is subtracted in
//! registers, and `mean_lo`, at most half a unit in the last place of the mean, is applied through the projections,
//! where it cannot cancel. The factors `weight_in` and `weight_out` are powers of two: exact, and kept apart so that
//! samples of 1e-20 or 1e20 neither vanish nor overflow in between.
//!
//! Rows that belong to a step read the control buffer and do nothing once its [`control::STOP`] is set: the state stays
//! frozen at the first step that met the criterion, however many steps were recorded.

mod block;
pub mod control;
mod gram;
mod network;
mod parameter;
mod product;
mod reference;
pub mod resolution;
mod rules;
mod stream;

pub use block::{ATTEMPTS, Block, LEAST_DIVISOR, VANISHED, replacement};
pub use control::rows::Control;
pub use gram::Gram;
pub use network::Network;
pub use parameter::{Access, Element, Fill, Parameter};
pub use product::Product;
pub use reference::named;
pub use rules::{FLUSH, Rule};
pub use stream::Stream;

/// A row of the table, by its family; [`Kernel::row`] tells everything about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // Each is documented by its enum.
pub enum Kernel {
    Stream(Stream),
    Product(Product),
    Gram(Gram),
    Block(Block),
    Rules(Rule),
    Control(Control),
    Network(Network),
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

/// The numbers that operations are made on: each kind has a pace of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // The names say it.
pub enum Arithmetic {
    F32,
    F64,
    Integer,
}

/// Sizes and scalars of a launch.
pub type Case = (&'static [usize], &'static [f32]);

/// A number that follows from the sizes.
pub type Count = &'static (dyn Fn(&[usize]) -> f64 + Sync);
/// A row in f64: sizes, scalars, and every buffer widened.
pub type Reference = &'static (dyn Fn(&[usize], &[f64], &mut [Vec<f64>]) + Sync);

/// One row of the kernel table.
pub struct Row {
    /// The kernel.
    pub kernel: Kernel,
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
    /// Whether it belongs to a step: it reads the control buffer, its first, and does nothing once [`control::STOP`] is set.
    pub freezes: bool,
    /// Fewest bytes moved to and from memory.
    pub bytes: Count,
    /// Operations (a multiply-add is two).
    pub flops: Count,
    /// Largest `|out - reference| / |reference|` (2-norms over a buffer) that conformance accepts.
    pub tolerance: f64,
    /// The same in f64, written plainly.
    pub reference: Reference,
    /// Sizes and scalars that conformance runs: awkward ones, and every branch of the launch geometry.
    pub cases: &'static [Case],
    /// Sizes and scalars of the benchmark: those of MNIST, or of a step on it.
    pub benchmark: Case,
}

/// Of the bytes of a pass, written ones are a good part from here on.
const WRITTEN: f64 = 0.25;

impl Row {
    /// Whether a good part of the bytes of a launch of this size is written.
    pub fn updates(&self, sizes: &[usize]) -> bool {
        let written = self
            .buffers
            .iter()
            .filter(|buffer| buffer.access != Access::Read);
        let bytes = written.map(|buffer| (buffer.len)(sizes) * buffer.element.bytes());
        bytes.sum::<usize>() as f64 >= WRITTEN * (self.bytes)(sizes)
    }

    /// The numbers that its operations are made on: a device that has integer products sums bytes in them.
    pub fn arithmetic(&self) -> Arithmetic {
        match self.kernel {
            Kernel::Gram(Gram::CovarianceU8) => Arithmetic::Integer,
            _ => Arithmetic::F32,
        }
    }
}

impl Kernel {
    /// The row of this kernel.
    pub fn row(self) -> &'static Row {
        match self {
            Self::Stream(kernel) => &stream::ROWS[kernel as usize],
            Self::Product(kernel) => &product::ROWS[kernel as usize],
            Self::Gram(kernel) => &gram::ROWS[kernel as usize],
            Self::Block(kernel) => &block::ROWS[kernel as usize],
            Self::Rules(rule) => rule.row(),
            Self::Control(kernel) => &control::rows::ROWS[kernel as usize],
            Self::Network(kernel) => &network::ROWS[kernel as usize],
        }
    }

    /// Its family.
    pub const fn family(self) -> Family {
        match self {
            Self::Stream(_) => Family::Stream,
            Self::Product(_) => Family::Product,
            Self::Gram(_) => Family::Gram,
            Self::Block(_) => Family::Block,
            Self::Rules(_) => Family::Rules,
            Self::Control(_) => Family::Control,
            Self::Network(_) => Family::Network,
        }
    }
}

/// Every row, in the order in which a solve first needs it: what conformance draws at random depends on the order.
pub fn table() -> impl Iterator<Item = &'static Row> {
    let (products, lifts) = product::ROWS.split_at(Product::LiftF32 as usize);
    let (blocks, retraction) = block::ROWS.split_at(Block::Retract as usize);
    let before: [&[Row]; 5] = [stream::ROWS, products, gram::ROWS, lifts, blocks];
    let after: [&[Row]; 3] = [retraction, control::rows::ROWS, network::ROWS];
    let rules = Rule::shipped().iter().map(|rule| rule.row());
    let before = before.into_iter().flatten();
    before.chain(rules).chain(after.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_their_enum_with_distinct_names() {
        let mut names = std::collections::BTreeSet::new();
        for row in table() {
            assert_eq!(row.kernel.row().name, row.name);
            assert!(names.insert(row.name), "{} stands twice", row.name);
        }
    }

    #[test]
    fn what_freezes_has_the_control_buffer_first() {
        for row in table() {
            let control = row.buffers[0].fill == Fill::Control;
            assert!(control || !row.freezes, "{}", row.name);
        }
    }

    #[test]
    fn rows_keep_within_eight_buffers_and_eight_scalars_and_their_cases_fit() {
        for row in table() {
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
