//! Memory on a card, as the device hands it out.

use std::rc::Rc;

use super::super::layout::Layout;
use super::driver::Driver;

/// Memory on a card: a handle.
#[allow(private_bounds)] // Sealed: nobody outside names a driver.
pub struct Buffer<D: Driver>(pub(super) Rc<Inner<D::Memory>>);

pub(super) struct Inner<M> {
    pub memory: M,
    pub layout: Layout,
}

// Derived, it would ask that a driver can be cloned.
impl<D: Driver> Clone for Buffer<D> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}
