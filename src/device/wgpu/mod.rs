//! The wgpu device: any GPU that Vulkan, Metal or DirectX 12 shows, and software adapters, labelled as such.

mod adapter;

use super::{Device, Element, Gemm, Info, Launch, Slice, SliceMut, Unavailable};
use crate::error::{Error, Result};

pub use adapter::{Adapter, adapters, hint};

/// An adapter, open.
pub struct Wgpu {
    info: Info,
}

/// Memory on an adapter.
#[derive(Clone)]
pub struct Buffer;

/// A recorded sequence of dispatches.
pub struct Recording;

impl Wgpu {
    /// Opens adapter `index` of [`adapters`].
    ///
    /// # Errors
    /// Why it is not there, and what to do about it.
    pub fn open(index: usize) -> std::result::Result<Self, Unavailable> {
        let found = adapters()
            .get(index)
            .ok_or_else(|| adapter::missing(index))?;
        Ok(Self {
            info: Info {
                kind: "wgpu",
                index,
                name: found.name.clone(),
                software: found.software,
                threads: None,
                isa: None,
                max_buffer_bytes: 128 << 20,
                look_every: 16,
                look_bytes: 1e9,
            },
        })
    }

    fn nothing<T>(&self) -> Result<T> {
        Err(Error::unsupported("not yet"))
    }
}

impl Device for Wgpu {
    type Buffer = Buffer;
    type Recording = Recording;
    fn info(&self) -> &Info {
        &self.info
    }
    fn alloc(&mut self, _: Element, _: usize) -> Result<Buffer> {
        self.nothing()
    }
    fn write(&mut self, _: &Buffer, _: usize, _: Slice<'_>) -> Result<()> {
        self.nothing()
    }
    fn read(&mut self, _: &Buffer, _: usize, _: SliceMut<'_>) -> Result<()> {
        self.nothing()
    }
    fn launch(&mut self, _: &Launch<'_, Buffer>) -> Result<()> {
        self.nothing()
    }
    fn gemm(&mut self, _: &Gemm, _: &Buffer, _: &Buffer, _: &Buffer) -> Result<()> {
        self.nothing()
    }
    fn record(&mut self, _: &mut dyn FnMut(&mut Self) -> Result<()>) -> Result<Recording> {
        self.nothing()
    }
    fn replay(&mut self, _: &Recording, _: u64) -> Result<()> {
        self.nothing()
    }
    fn synchronise(&mut self) -> Result<()> {
        Ok(())
    }
}
