//! The wgpu device: any GPU that Vulkan, Metal or DirectX 12 shows, and software adapters, labelled as such.
//!
//! A launch becomes dispatches (`geometry`) of entries in `shaders/` (`shader`). What a dispatch needs (pipeline, bind
//! group, uniform) is made once and kept: a recording holds a step's dispatches, and a launch outside of one finds its own
//! again. wgpu's command buffers serve once, so that a replay encodes the steps anew, all of them into one pass and one
//! submission; the host waits only where it reads (`transfer`).
//!
//! Arithmetic is f32 alone: WGSL has no f64. Sums are broken off and added in a fixed order, without atomics, so that the
//! same seed gives the same bits.

mod adapter;
mod buffer;
mod direct;
mod dispatch;
mod faults;
mod geometry;
#[cfg(test)]
mod needs_wgpu;
mod open;
mod pass;
mod shader;
mod transfer;

use std::collections::HashMap;
use std::rc::Rc;

use super::{Device, Element, Gemm, Info, Launch, Slice, SliceMut, check_view};
use crate::error::{Error, Result};
use crate::kernel::Kernel;

use super::layout::{Layout, pad, sizes, unpad};
use buffer::{ALIGNMENT, Ids, Inner};
use dispatch::{Dispatch, Kept, Key, What, storage};
use faults::Faults;
use pass::{Scratch, Tuning};
use shader::Shaders;
use transfer::{PIECE, Queue};

pub use adapter::{Adapter, adapters, hint};
pub use buffer::Buffer;

/// A recorded sequence of dispatches.
pub struct Recording(Vec<Rc<[Dispatch]>>);

/// An adapter, open.
pub struct Wgpu {
    info: Info,
    tuning: Tuning,
    queue: Queue,
    faults: Faults,
    shaders: Shaders,
    ids: Ids,
    scratch: HashMap<Scratch, ::wgpu::Buffer>,
    empty: Vec<::wgpu::Buffer>,
    kept: HashMap<Key, Kept>,
    recording: Option<Vec<Rc<[Dispatch]>>>,
}

impl Wgpu {
    fn allocate(&mut self, layout: Layout) -> Result<Buffer> {
        let bytes = layout.bytes();
        if bytes > self.info.max_buffer_bytes {
            return Err(Error::failed(format!(
                "{} {}: {:.3} GB in one buffer, and the adapter binds {:.3} GB at most: race fewer samples, columns or \
                 components, or another device",
                self.info.kind,
                self.info.name,
                bytes as f64 / 1e9,
                self.info.max_buffer_bytes as f64 / 1e9
            )));
        }
        // What was made for buffers that are gone goes with them.
        self.kept
            .retain(|_, kept| kept.buffers.iter().all(|buffer| buffer.strong_count() > 0));
        let raw = storage(&self.queue.device, bytes);
        self.faults.check()?;
        Ok(Buffer(Rc::new(Inner {
            raw,
            offset: 0,
            id: self.ids.next(),
            layout,
        })))
    }

    /// Makes the shader of a rule that is launched for the first time.
    fn add(&mut self, kernel: Kernel) -> Result<()> {
        match kernel {
            Kernel::Rules(rule) => self.shaders.add_rule(&self.queue.device, rule),
            _ => Ok(()),
        }
    }

    /// Encodes dispatches, or notes them down while recording.
    fn run(&mut self, dispatches: Rc<[Dispatch]>) -> Result<()> {
        if let Some(recording) = &mut self.recording {
            recording.push(dispatches);
            return Ok(());
        }
        self.queue.pass(|pass| {
            for dispatch in dispatches.iter() {
                dispatch.encode(pass);
            }
        })
    }
}

impl Device for Wgpu {
    type Buffer = Buffer;
    type Recording = Recording;

    fn info(&self) -> &Info {
        &self.info
    }

    fn alloc(&mut self, element: Element, len: usize) -> Result<Buffer> {
        self.allocate(Layout::plain(element, len))
    }

    fn alloc_rows(&mut self, element: Element, rows: usize, columns: usize) -> Result<Buffer> {
        self.allocate(Layout::padded(element, rows, columns, ALIGNMENT))
    }

    fn view(&mut self, buffer: &Buffer, offset: usize, len: usize) -> Buffer {
        let layout = buffer.0.layout;
        check_view(layout.element, layout.len(), offset, len);
        Buffer(Rc::new(Inner {
            raw: buffer.0.raw.clone(),
            offset: buffer.0.offset + (4 * offset) as u64,
            id: self.ids.next(),
            layout: Layout::plain(Element::F32, len),
        }))
    }

    fn warm(&mut self, kernels: &[Kernel]) -> Result<()> {
        // Sizes stand for shapes: constants follow from few of them, so that the launch itself makes what this missed.
        for kernel in kernels {
            self.add(*kernel)?;
            let (sizes, scalars) = kernel.row().benchmark;
            for pass in geometry::passes(&self.tuning, *kernel, sizes, scalars)? {
                self.pipeline(&pass)?;
            }
        }
        self.queue.synchronise()
    }

    fn device_time_s(&self) -> Option<f64> {
        self.queue.device_time_s()
    }

    fn write(&mut self, buffer: &Buffer, offset: usize, data: Slice<'_>) -> Result<()> {
        let layout = buffer.0.layout;
        let (element, bytes) = data.bytes();
        assert_eq!(element, layout.element, "write: the element types differ");
        let span = layout.span(offset, bytes.len() / element.bytes());
        let (row, stride) = sizes(&layout);
        if row == stride && bytes.len().is_multiple_of(4) && span.lead == 0 {
            return self
                .queue
                .write(&buffer.0.raw, buffer.0.offset + span.begin, bytes);
        }
        // A piece at a time: samples as large as memory are not copied whole.
        assert_eq!(span.lead, 0, "write: bytes begin at a multiple of four");
        let rows = if row == stride {
            usize::MAX
        } else {
            (PIECE / stride).max(1)
        };
        let mut begin = buffer.0.offset + span.begin;
        for piece in bytes.chunks(rows.saturating_mul(row)) {
            let len = if row == stride {
                piece.len()
            } else {
                piece.len() / row * stride
            };
            let mut padded = vec![0u8; len.next_multiple_of(4)];
            pad(&layout, piece, &mut padded);
            self.queue.write(&buffer.0.raw, begin, &padded)?;
            begin += padded.len() as u64;
        }
        Ok(())
    }

    fn read(&mut self, buffer: &Buffer, offset: usize, into: SliceMut<'_>) -> Result<()> {
        let layout = buffer.0.layout;
        let (element, bytes) = into.bytes();
        assert_eq!(element, layout.element, "read: the element types differ");
        let span = layout.span(offset, bytes.len() / element.bytes());
        let begin = buffer.0.offset + span.begin;
        if span.bytes == bytes.len() as u64 {
            return self.queue.read(&buffer.0.raw, begin, bytes);
        }
        let mut padded = vec![0u8; span.bytes as usize];
        self.queue.read(&buffer.0.raw, begin, &mut padded)?;
        unpad(&layout, &padded[span.lead..], bytes);
        Ok(())
    }

    fn launch(&mut self, launch: &Launch<'_, Buffer>) -> Result<()> {
        launch.check_layouts(|buffer| buffer.0.layout);
        let key = Key {
            what: What::Row(launch.kernel),
            sizes: launch.sizes.to_vec(),
            scalars: launch.scalars.iter().map(|x| x.to_bits()).collect(),
            buffers: launch.buffers.iter().map(|buffer| buffer.0.id).collect(),
        };
        let (kernel, sizes, scalars) = (launch.kernel, launch.sizes, launch.scalars);
        self.add(kernel)?;
        let dispatches = self.dispatches(key, launch.buffers, |tuning| {
            geometry::passes(tuning, kernel, sizes, scalars)
        })?;
        self.run(dispatches)
    }

    fn gemm(&mut self, gemm: &Gemm, a: &Buffer, b: &Buffer, c: &Buffer) -> Result<()> {
        let Gemm { m, n, k, .. } = *gemm;
        gemm.check_layouts([a, b, c].map(|buffer| buffer.0.layout));
        let flags = [gemm.transpose_a, gemm.transpose_b].map(usize::from);
        let key = Key {
            what: What::Gemm,
            sizes: vec![m, n, k, flags[0], flags[1]],
            scalars: vec![gemm.alpha.to_bits(), gemm.beta.to_bits()],
            buffers: [a, b, c].map(|buffer| buffer.0.id).to_vec(),
        };
        let dispatches = self.dispatches(key, &[a, b, c], |tuning| geometry::gemm(tuning, gemm))?;
        self.run(dispatches)
    }

    fn record(&mut self, steps: &mut dyn FnMut(&mut Self) -> Result<()>) -> Result<Recording> {
        assert!(self.recording.is_none(), "a recording within a recording");
        self.recording = Some(Vec::new());
        let result = steps(self);
        let recorded = self.recording.take().unwrap_or_default();
        result.map(|()| Recording(recorded))
    }

    fn replay(&mut self, recording: &Recording, times: u64) -> Result<()> {
        self.queue.pass(|pass| {
            for _ in 0..times {
                for dispatch in recording.0.iter().flat_map(|launch| launch.iter()) {
                    dispatch.encode(pass);
                }
            }
        })
    }

    fn synchronise(&mut self) -> Result<()> {
        self.queue.synchronise()
    }
}

#[cfg(test)]
impl Wgpu {
    /// Makes buffers look smaller than the adapter allows, so that small samples are split.
    pub(crate) fn limit_buffers(&mut self, bytes: u64) {
        self.info.max_buffer_bytes = bytes;
        self.tuning.max_bytes = bytes;
    }

    /// Buffers made so far.
    pub(crate) fn allocations(&self) -> u64 {
        self.ids.next()
    }

    /// Takes the device away, as a driver does that was reset.
    pub(crate) fn lose(&self) {
        self.queue.device.destroy();
    }
}
