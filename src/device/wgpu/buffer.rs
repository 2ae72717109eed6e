//! Memory on an adapter.

use std::cell::Cell;
use std::rc::Rc;

use super::super::layout::Layout;

/// Rows are padded to a multiple of so many elements: vec4s of f32, bytes packed in u32s.
pub(super) const ALIGNMENT: usize = 4;

/// Memory on an adapter: a handle.
#[derive(Clone)]
pub struct Buffer(pub(super) Rc<Inner>);

pub(super) struct Inner {
    pub raw: ::wgpu::Buffer,
    /// First byte in it: not 0 in a part of another buffer.
    pub offset: u64,
    /// Distinct for every buffer that a device ever made.
    pub id: u64,
    pub layout: Layout,
}

/// Numbers that are never given twice.
#[derive(Debug, Default)]
pub(super) struct Ids(Cell<u64>);

impl Ids {
    pub fn next(&self) -> u64 {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }
}
