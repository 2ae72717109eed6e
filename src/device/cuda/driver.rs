//! What the device asks of CUDA. Two places answer: CUDA itself through cudarc, and in tests the emulation of the kernels
//! on the host, so that everything above this line runs on a machine without a GPU.

use super::super::Gemm;
use super::pass::{Pass, Unit};
use crate::data::{Samples, Statistics};
use crate::error::Result;

/// An argument of a kernel, ready to be passed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a, M> {
    /// The address of this memory.
    Memory(&'a M),
    /// 32-bit unsigned integer.
    U32(u32),
    /// 64-bit unsigned integer.
    U64(u64),
    /// 32-bit float.
    F32(f32),
}

/// The CUDA driver, or its emulation. Everything runs on one stream, in the order of the calls.
pub(super) trait Driver {
    /// Memory on the device, aligned to 256 bytes; freed with its last handle.
    type Memory: Clone;
    /// A captured sequence of launches.
    type Graph;

    /// New memory of at least one byte; its content is not defined.
    fn alloc(&mut self, bytes: usize) -> Result<Self::Memory>;

    /// The same memory from byte `offset` on, a multiple of 256; it lives as long as either handle.
    fn part(&self, memory: &Self::Memory, offset: usize, bytes: usize) -> Self::Memory;

    /// Copies `bytes` into memory from byte `offset` on.
    fn write(&mut self, to: &Self::Memory, offset: usize, bytes: &[u8]) -> Result<()>;

    /// Copies from memory; waits for earlier launches.
    fn read(&mut self, from: &Self::Memory, offset: usize, into: &mut [u8]) -> Result<()>;

    /// Compiles and loads a unit, where that is still to be done.
    fn load(&mut self, unit: &Unit) -> Result<()>;

    /// Makes an entry ready to be launched: nothing is loaded while launches are noted down.
    fn find(&mut self, pass: &Pass) -> Result<()> {
        self.load(&pass.unit)
    }

    /// Launches `pass.entry`, which [`Driver::find`] found, with these arguments, in the order of the entry's parameters.
    fn launch(&mut self, pass: &Pass, values: &[Value<'_, Self::Memory>]) -> Result<()>;

    /// Matrix product of row-major f32.
    fn gemm(
        &mut self,
        gemm: &Gemm,
        a: &Self::Memory,
        b: &Self::Memory,
        c: &Self::Memory,
    ) -> Result<()>;

    /// From here on launches are noted down, not run.
    fn begin(&mut self) -> Result<()>;

    /// The launches since [`Driver::begin`].
    fn end(&mut self) -> Result<Self::Graph>;

    /// Runs a captured sequence so many times.
    fn replay(&mut self, graph: &Self::Graph, times: u64) -> Result<()>;

    /// Waits until everything is done.
    fn synchronise(&mut self) -> Result<()>;

    /// Seconds that the device has computed by its own clock, up to the last [`Driver::synchronise`].
    fn device_time_s(&self) -> Option<f64>;

    /// Bytes of memory that are free now, where that is known.
    fn free_bytes(&self) -> Option<u64> {
        None
    }

    /// See [`crate::device::Device::gram`]; `None` where there is no dense eigensolver.
    fn gram(&mut self, samples: &Samples, statistics: &Statistics) -> Result<Option<Vec<f64>>> {
        let _ = (samples, statistics);
        Ok(None)
    }

    /// See [`crate::device::Device::square_f64`]; false where there is no dense eigensolver.
    fn square_f64(&mut self, order: usize, times: usize) -> Result<bool> {
        let _ = (order, times);
        Ok(false)
    }

    /// See [`crate::device::Device::eigh`]; `None` where there is no dense eigensolver.
    fn eigh(&mut self, a: &mut [f64], order: usize) -> Result<Option<Vec<f64>>> {
        let _ = (a, order);
        Ok(None)
    }
}
