//! Buffers of a row: element type, use, shape, and what a test puts there.

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
    /// A control buffer in the middle of a run ([`super::control::example`]).
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

/// An element of the samples: rows that read them stand twice in the table, made by one function over this.
pub(super) trait Stored {
    const ELEMENT: Element;
    /// Size in bytes.
    const BYTES: f64 = Self::ELEMENT.bytes() as f64;
}

impl Stored for f32 {
    const ELEMENT: Element = Element::F32;
}

impl Stored for u8 {
    const ELEMENT: Element = Element::U8;
}

/// Floats, one after the other.
pub(super) const fn f32(
    name: &'static str,
    access: Access,
    len: fn(&[usize]) -> usize,
    fill: Fill,
) -> Parameter {
    Parameter {
        name,
        access,
        element: Element::F32,
        len,
        columns: None,
        fill,
    }
}

/// A matrix of floats whose rows a device may pad.
pub(super) const fn rows(
    name: &'static str,
    access: Access,
    len: fn(&[usize]) -> usize,
    columns: fn(&[usize]) -> usize,
    fill: Fill,
) -> Parameter {
    Parameter {
        columns: Some(columns),
        ..f32(name, access, len, fill)
    }
}

/// Samples, stored as `T`.
pub(super) const fn samples<T: Stored>(
    name: &'static str,
    len: fn(&[usize]) -> usize,
    columns: fn(&[usize]) -> usize,
) -> Parameter {
    Parameter {
        element: T::ELEMENT,
        ..rows(name, Access::Read, len, columns, Fill::Normal)
    }
}

/// Numbers of samples, or their classes.
pub(super) const fn u32(name: &'static str, len: fn(&[usize]) -> usize, fill: Fill) -> Parameter {
    Parameter {
        element: Element::U32,
        ..f32(name, Access::Read, len, fill)
    }
}

/// The control buffer, read.
pub(super) const CONTROL: Parameter = f32(
    "control",
    Access::Read,
    |_| super::control::LEN,
    Fill::Control,
);
/// The control buffer, read and written.
pub(super) const CONTROL_RW: Parameter = Parameter {
    access: Access::Update,
    ..CONTROL
};
