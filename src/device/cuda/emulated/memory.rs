//! Memory of the emulated device, between guards.

use std::rc::Rc;

use crate::error::{Error, Result};

/// Bytes before and after memory that nothing may write.
const GUARD: usize = 1024;
/// What memory and its guards hold at first: NaN in f32, and a number too large for an index.
const POISON: u8 = 0xff;
/// As CUDA aligns memory.
const ALIGNMENT: usize = 256;

/// Memory between two guards, or a part of such memory.
pub(in super::super) struct Allocation {
    /// The guard before it; of a part, so far before its first byte.
    base: *mut u8,
    pub bytes: usize,
    /// The memory that this is a part of.
    whole: Option<Rc<Allocation>>,
}

impl Allocation {
    fn layout(bytes: usize) -> std::alloc::Layout {
        let whole = bytes.next_multiple_of(ALIGNMENT) + 2 * GUARD;
        std::alloc::Layout::from_size_align(whole, ALIGNMENT).expect("a size that fits")
    }

    pub fn new(bytes: usize) -> Result<Self> {
        let layout = Self::layout(bytes);
        // SAFETY: its size is not zero.
        let base = unsafe { std::alloc::alloc(layout) };
        if base.is_null() {
            return Err(Error::failed(format!("{bytes} bytes cannot be had")));
        }
        // SAFETY: as many bytes as were asked for.
        unsafe { base.write_bytes(POISON, layout.size()) };
        Ok(Self {
            base,
            bytes,
            whole: None,
        })
    }

    /// So many bytes of `whole` from `offset` on.
    pub fn part(whole: &Rc<Self>, offset: usize, bytes: usize) -> Self {
        assert!(offset + bytes <= whole.bytes, "a part past the end");
        Self {
            // SAFETY: within the memory, as asserted.
            base: unsafe { whole.base.add(offset) },
            bytes,
            whole: Some(Rc::clone(whole)),
        }
    }

    /// Copies out.
    pub fn copy(&self, offset: usize, into: &mut [u8]) {
        assert!(offset + into.len() <= self.bytes, "read past the end");
        // SAFETY: within the memory, as asserted; nothing else refers to it while this runs.
        unsafe {
            std::ptr::copy_nonoverlapping(self.at().add(offset), into.as_mut_ptr(), into.len());
        }
    }

    /// Copies in.
    pub fn put(&self, offset: usize, from: &[u8]) {
        assert!(offset + from.len() <= self.bytes, "written past the end");
        // SAFETY: as in `copy`.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), self.at().add(offset), from.len()) };
    }

    pub fn content(&self) -> Vec<u8> {
        let mut content = vec![0; self.bytes];
        self.copy(0, &mut content);
        content
    }

    /// As f32, from the first on.
    pub fn floats(&self, count: usize) -> Vec<f32> {
        let mut floats = vec![0.0f32; count];
        self.copy(0, bytemuck::cast_slice_mut(&mut floats));
        floats
    }

    fn at(&self) -> *mut u8 {
        // SAFETY: the guard lies before the memory.
        unsafe { self.base.add(GUARD) }
    }

    /// Whether the guards are as they were made; the one behind begins right after the last byte.
    pub fn intact(&self) -> bool {
        if let Some(whole) = &self.whole {
            return whole.intact();
        }
        let whole = Self::layout(self.bytes).size();
        // SAFETY: the whole allocation, initialised when it was made.
        let all = unsafe { std::slice::from_raw_parts(self.base, whole) };
        let guards = all[..GUARD].iter().chain(&all[GUARD + self.bytes..]);
        guards.into_iter().all(|byte| *byte == POISON)
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        if self.whole.is_some() {
            return;
        }
        // SAFETY: allocated with this layout.
        unsafe { std::alloc::dealloc(self.base, Self::layout(self.bytes)) };
    }
}

/// An argument with what it points to.
#[derive(Clone)]
pub(in super::super) enum Owned {
    Memory(Rc<Allocation>),
    U32(u32),
    U64(u64),
    F32(f32),
}

impl Owned {
    /// The letter that `kinds` of emulation.h has for it.
    pub fn kind(&self) -> char {
        match self {
            Owned::Memory(_) => 'p',
            Owned::U32(_) => 'u',
            Owned::U64(_) => 'l',
            Owned::F32(_) => 'f',
        }
    }

    pub fn word(&self) -> u64 {
        match self {
            Owned::Memory(memory) => memory.at() as u64,
            Owned::U32(x) => u64::from(*x),
            Owned::U64(x) => *x,
            Owned::F32(x) => u64::from(x.to_bits()),
        }
    }
}
