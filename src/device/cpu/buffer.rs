//! Memory of the CPU device: its own, or the host's samples.

use std::cell::{Ref, RefCell, RefMut};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use crate::data::{Elements, Samples};
use crate::device::Element;

pub(super) enum Memory {
    F32(Vec<f32>),
    U8(Vec<u8>),
    U32(Vec<u32>),
    /// Samples on the host, shared: never written.
    Shared(Arc<Samples>, Range<usize>),
}

/// Memory of the CPU device, or a part of it.
#[derive(Clone)]
pub struct Buffer {
    pub(super) memory: Rc<RefCell<Memory>>,
    /// The part, where it is not the whole.
    pub(super) part: Option<(usize, usize)>,
}

impl Buffer {
    pub(super) fn new(memory: Memory) -> Self {
        Self {
            memory: Rc::new(RefCell::new(memory)),
            part: None,
        }
    }

    /// Elements of the part.
    pub(super) fn range(&self, len: usize) -> Range<usize> {
        let (offset, len) = self.part.unwrap_or((0, len));
        offset..offset + len
    }

    pub(super) fn element_and_len(&self) -> (Element, usize) {
        match &*self.memory.borrow() {
            Memory::F32(x) => (Element::F32, self.range(x.len()).len()),
            Memory::U8(x) => (Element::U8, x.len()),
            Memory::U32(x) => (Element::U32, x.len()),
            Memory::Shared(x, range) => match x.elements {
                Elements::F32(_) => (Element::F32, range.len()),
                Elements::U8(_) => (Element::U8, range.len()),
            },
        }
    }

    pub(super) fn f32(&self) -> Ref<'_, [f32]> {
        Ref::map(self.memory.borrow(), |memory| match memory {
            Memory::F32(x) => &x[self.range(x.len())],
            Memory::Shared(x, range) => match &x.elements {
                Elements::F32(x) => &x[range.clone()],
                Elements::U8(_) => panic!("bytes where floats were asked for"),
            },
            _ => panic!("integers where floats were asked for"),
        })
    }

    pub(super) fn u8(&self) -> Ref<'_, [u8]> {
        Ref::map(self.memory.borrow(), |memory| match memory {
            Memory::U8(x) => &x[..],
            Memory::Shared(x, range) => match &x.elements {
                Elements::U8(x) => &x[range.clone()],
                Elements::F32(_) => panic!("floats where bytes were asked for"),
            },
            _ => panic!("another element type where bytes were asked for"),
        })
    }

    pub(super) fn u32(&self) -> Ref<'_, [u32]> {
        Ref::map(self.memory.borrow(), |memory| match memory {
            Memory::U32(x) => &x[..],
            _ => panic!("another element type where indices were asked for"),
        })
    }

    pub(super) fn f32_mut(&self) -> RefMut<'_, [f32]> {
        RefMut::map(self.memory.borrow_mut(), |memory| match memory {
            Memory::F32(x) => {
                let range = self.range(x.len());
                &mut x[range]
            }
            _ => panic!("only float buffers are written by a kernel"),
        })
    }
}
