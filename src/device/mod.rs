//! Trait [`Device`] and its implementations.
//!
//! The trait lists what truly differs between devices: memory, launching a row of the kernel table, matrix products,
//! recording and replaying a sequence of launches. Everything else is built on top, once, generic over it. A device
//! knows no optimizer and no problem, and never falls back to another device: what it lacks it answers with
//! `Error::Unsupported`.
//!
//! What changes from step to step (step number, learning rate, batch offset, the stop flag) lives in a device buffer
//! ([`crate::kernel::control`]), so that a sequence of launches can be recorded once and replayed: a CUDA graph, one
//! wgpu submit for many steps, a plain loop on the CPU.

use std::ops::Range;
use std::sync::Arc;

use crate::data::{Elements, Samples, Statistics};
use crate::error::{Error, Result};
use crate::kernel::{Access, Arithmetic, Kernel};

pub use crate::kernel::Element;
pub use blocks::Block;

mod blocks;
#[cfg(test)]
mod constants;
pub mod cpu;
pub mod cuda;
mod layout;
mod scratch;
pub mod wgpu;

/// A device may pad the rows of a matrix ([`Device::alloc_rows`]) to a multiple of so many elements at most.
pub const ROW_ALIGNMENT: usize = 16;

/// A part of a buffer ([`Device::view`]) begins at a multiple of so many elements: 256 bytes, as adapters bind them.
pub const VIEW_ALIGNMENT: usize = 64;

/// Elements on the host, to be written to a device.
#[derive(Debug, Clone, Copy)]
pub enum Slice<'a> {
    /// 32-bit floats.
    F32(&'a [f32]),
    /// Bytes.
    U8(&'a [u8]),
    /// 32-bit unsigned integers.
    U32(&'a [u32]),
}

impl<'a> Slice<'a> {
    /// The elements as bytes, in the order of this machine, which is its devices' too.
    fn bytes(self) -> (Element, &'a [u8]) {
        match self {
            Slice::F32(x) => (Element::F32, bytemuck::cast_slice(x)),
            Slice::U8(x) => (Element::U8, x),
            Slice::U32(x) => (Element::U32, bytemuck::cast_slice(x)),
        }
    }
}

/// Elements on the host, to be read from a device.
#[derive(Debug)]
pub enum SliceMut<'a> {
    /// 32-bit floats.
    F32(&'a mut [f32]),
    /// Bytes.
    U8(&'a mut [u8]),
    /// 32-bit unsigned integers.
    U32(&'a mut [u32]),
}

impl<'a> SliceMut<'a> {
    /// The same, to be written.
    fn bytes(self) -> (Element, &'a mut [u8]) {
        match self {
            SliceMut::F32(x) => (Element::F32, bytemuck::cast_slice_mut(x)),
            SliceMut::U8(x) => (Element::U8, x),
            SliceMut::U32(x) => (Element::U32, bytemuck::cast_slice_mut(x)),
        }
    }
}

/// What a device says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Info {
    /// `cpu`, `cuda` or `wgpu`.
    pub kind: &'static str,
    /// Index among the devices of its kind.
    pub index: usize,
    /// Name as the device tells it.
    pub name: String,
    /// Driver and libraries with their versions, where they are not part of the program.
    pub driver: Option<String>,
    /// Place on the PCI bus (`0000:17:00.0`), where it has one and tells it.
    pub pci: Option<String>,
    /// Whether it is a software emulation of a GPU.
    pub software: bool,
    /// Threads, on a CPU.
    pub threads: Option<usize>,
    /// Instruction set in use, on a CPU.
    pub isa: Option<&'static str>,
    /// Largest number of bytes in one buffer: larger samples are split into row blocks.
    pub max_buffer_bytes: u64,
    /// Most rows of a matrix in one buffer.
    pub max_rows: usize,
    /// Most steps between two looks of the host at the control buffer: 1 where looking is free.
    pub look_every: u64,
    /// Steps that move more bytes than this are looked at earlier: a look then costs nothing beside them.
    pub look_bytes: f64,
}

/// A device that is not there: why, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// What is missing.
    pub why: String,
    /// What the user can do.
    pub remedy: String,
}

/// One launch of a row of the kernel table.
#[derive(Debug)]
pub struct Launch<'a, B> {
    /// The row.
    pub kernel: Kernel,
    /// Sizes in the row's order.
    pub sizes: &'a [usize],
    /// Scalars in the row's order.
    pub scalars: &'a [f32],
    /// Buffers in the row's order.
    pub buffers: &'a [&'a B],
}

/// Asserts that a part of a buffer of `of` elements is there, and begins where it may.
fn check_view(element: Element, of: usize, offset: usize, len: usize) {
    assert_eq!(element, Element::F32, "view: of f32 alone");
    assert!(
        offset.is_multiple_of(VIEW_ALIGNMENT) && offset + len <= of,
        "view: elements {offset}.. +{len} of {of}"
    );
}

impl<B> Launch<'_, B> {
    /// Asserts that sizes, scalars and buffers fit the row; `describe` tells element type and length of a buffer.
    ///
    /// # Panics
    /// When they do not: a caller's bug.
    fn check(&self, describe: impl Fn(&B) -> (Element, usize)) {
        let row = self.kernel.row();
        let name = row.name;
        assert_eq!(self.sizes.len(), row.sizes.len(), "{name}: sizes");
        assert_eq!(self.scalars.len(), row.scalars.len(), "{name}: scalars");
        assert_eq!(self.buffers.len(), row.buffers.len(), "{name}: buffers");
        for (parameter, buffer) in row.buffers.iter().zip(self.buffers) {
            let (element, len) = describe(buffer);
            assert_eq!(element, parameter.element, "{name}: {}", parameter.name);
            let fits = match parameter.access {
                Access::Read => len >= (parameter.len)(self.sizes),
                Access::Write | Access::Update => len == (parameter.len)(self.sizes),
            };
            assert!(fits, "{name}: {} has {len} elements", parameter.name);
        }
    }
}

/// `C <- alpha op(A) op(B) + beta C`, row-major f32; `op(A)` is m x k, `op(B)` k x n, C m x n. With `beta` 0, C is not
/// read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gemm {
    /// Rows of C.
    pub m: usize,
    /// Columns of C.
    pub n: usize,
    /// Length of the sums.
    pub k: usize,
    /// Whether A is stored k x m.
    pub transpose_a: bool,
    /// Whether B is stored n x k.
    pub transpose_b: bool,
    /// Factor of the product.
    pub alpha: f32,
    /// Factor of the old C.
    pub beta: f32,
}

/// A place that computes. Buffers are handles: a clone names the same memory.
pub trait Device: Sized {
    /// Memory on the device, with its element type and length.
    type Buffer: Clone;
    /// A recorded sequence of launches.
    type Recording;

    /// What the device says of itself.
    fn info(&self) -> &Info;

    /// New memory; its content is not defined.
    ///
    /// # Errors
    /// `Failed` when the memory cannot be had.
    fn alloc(&mut self, element: Element, len: usize) -> Result<Self::Buffer>;

    /// New memory for a matrix: a device may pad its rows (see [`ROW_ALIGNMENT`]), which no caller sees. Rows of the
    /// kernel table whose parameter has [`crate::kernel::Parameter::columns`] are given such a buffer, and it is
    /// written in whole rows.
    ///
    /// # Errors
    /// As [`Device::alloc`].
    fn alloc_rows(
        &mut self,
        element: Element,
        rows: usize,
        columns: usize,
    ) -> Result<Self::Buffer> {
        self.alloc(element, rows * columns)
    }

    /// A part of a buffer of f32 that was had by [`Device::alloc`]: `len` elements from `offset` on, a multiple of
    /// [`VIEW_ALIGNMENT`]. Both name the same memory; no launch may be given both, or two parts of one buffer that it writes.
    ///
    /// # Panics
    /// When the part is not there, or begins elsewhere: a caller's bug.
    fn view(&mut self, buffer: &Self::Buffer, offset: usize, len: usize) -> Self::Buffer;

    /// Compiles these rows of the table, and the matrix product, where that is still to be done: it counts as setup. A
    /// device that is compiled when it is opened does nothing.
    ///
    /// # Errors
    /// `Failed` when the driver refuses one.
    fn warm(&mut self, kernels: &[Kernel]) -> Result<()> {
        let _ = kernels;
        Ok(())
    }

    /// Seconds that the device has computed so far by its own clock, up to the last [`Device::synchronise`]; `None` where
    /// it has none. The host's clock decides; this one is a second column.
    fn device_time_s(&self) -> Option<f64> {
        None
    }

    /// Operations that matrix products have skipped so far because a factor was 0 (see [`Device::gemm`]).
    fn skipped_flops(&self) -> f64 {
        0.0
    }

    /// Copies `data` to `buffer`, from its element `offset` on.
    ///
    /// # Errors
    /// `Failed` when the device is lost.
    fn write(&mut self, buffer: &Self::Buffer, offset: usize, data: Slice<'_>) -> Result<()>;

    /// Copies from `buffer`, from its element `offset` on; waits for earlier launches.
    ///
    /// # Errors
    /// `Failed` when the device is lost.
    fn read(&mut self, buffer: &Self::Buffer, offset: usize, into: SliceMut<'_>) -> Result<()>;

    /// Launches one row of the kernel table, or notes it down while recording.
    ///
    /// # Errors
    /// `Unsupported` when the device lacks the row, `Failed` when the launch fails.
    ///
    /// # Panics
    /// When sizes, scalars or buffers do not fit the row: a caller's bug.
    fn launch(&mut self, launch: &Launch<'_, Self::Buffer>) -> Result<()>;

    /// Matrix product, or a note of it while recording. What a device makes of zeros in A is its own affair: it may skip
    /// them, and an infinity of B in their place with them.
    ///
    /// # Errors
    /// As [`Device::launch`].
    fn gemm(
        &mut self,
        gemm: &Gemm,
        a: &Self::Buffer,
        b: &Self::Buffer,
        c: &Self::Buffer,
    ) -> Result<()>;

    /// Records what `steps` launches, without running it.
    ///
    /// # Errors
    /// What `steps` returns.
    fn record(&mut self, steps: &mut dyn FnMut(&mut Self) -> Result<()>)
    -> Result<Self::Recording>;

    /// Runs a recording `times` times.
    ///
    /// # Errors
    /// As [`Device::launch`].
    fn replay(&mut self, recording: &Self::Recording, times: u64) -> Result<()>;

    /// Waits until everything launched is done.
    ///
    /// # Errors
    /// `Failed` when the device is lost.
    fn synchronise(&mut self) -> Result<()>;

    /// Puts whole rows of host samples, a range of elements, on the device. A device that works in host memory shares them.
    ///
    /// # Errors
    /// As [`Device::alloc`] and [`Device::write`].
    fn upload(&mut self, samples: &Arc<Samples>, range: Range<usize>) -> Result<Self::Buffer> {
        let (element, data) = match &samples.elements {
            Elements::U8(x) => (Element::U8, Slice::U8(&x[range.clone()])),
            Elements::F32(x) => (Element::F32, Slice::F32(&x[range.clone()])),
        };
        let buffer = self.alloc_rows(element, range.len() / samples.d, samples.d)?;
        self.write(&buffer, 0, data)?;
        Ok(buffer)
    }

    /// The smaller Gram matrix of the centred samples in f64, on the host, in units of the elements and undivided:
    /// d x d, or n x n when n < d. The dense way, with [`Device::eigh`].
    ///
    /// # Errors
    /// `Unsupported` unless the device has a dense eigensolver.
    fn gram(&mut self, samples: &Samples, statistics: &Statistics) -> Result<Vec<f64>> {
        let _ = (samples, statistics);
        Err(self.no_eigensolver())
    }

    /// `B B'` in f64, order x order, `times` times, on memory of the device's own: its pace is the roof of products in f64.
    ///
    /// # Errors
    /// `Unsupported` unless the device has a dense eigensolver.
    fn square_f64(&mut self, order: usize, times: usize) -> Result<()> {
        let _ = (order, times);
        Err(self.no_eigensolver())
    }

    /// The numbers that [`Device::gram`] makes its products of these samples on.
    fn gram_arithmetic(&self, samples: &Samples) -> Arithmetic {
        let _ = samples;
        Arithmetic::F64
    }

    /// All eigenpairs of the symmetric `a` (order x order, f64, row-major, on the host) by the device's dense
    /// eigensolver: eigenvalues ascending, eigenvectors as the rows of the returned matrix.
    ///
    /// # Errors
    /// `Unsupported` unless the device has one.
    fn eigh(&mut self, a: &mut [f64], order: usize) -> Result<Vec<f64>> {
        let _ = (a, order);
        Err(self.no_eigensolver())
    }

    /// The answer of a device without a dense eigensolver.
    fn no_eigensolver(&self) -> Error {
        Error::unsupported(format!(
            "{} has no dense eigensolver here; race --method deflation or subspace on it",
            self.info().name
        ))
    }
}
