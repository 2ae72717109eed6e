//! The kernel table.
/// A row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kernel {}
/// Layout of the control buffer.
pub mod control {}
