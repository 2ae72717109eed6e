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
mod faults;
mod geometry;
mod shader;
mod transfer;

use std::collections::HashMap;
use std::rc::{Rc, Weak};

use ::wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindingResource, BufferBinding,
    BufferDescriptor, BufferSize, BufferUsages, ComputePass, DeviceDescriptor, Features,
};

use super::{Device, Element, Gemm, Info, Launch, Slice, SliceMut, Unavailable, check_view};
use crate::error::{Error, Result};
use crate::kernel::Kernel;

use super::layout::{Layout, pad, sizes, unpad};
use buffer::{ALIGNMENT, Ids, Inner};
use faults::Faults;
use geometry::{Binding, Pass, Scratch, Tuning};
use shader::{Pipeline, Shaders};
use transfer::{PIECE, Queue};

pub use adapter::{Adapter, adapters, hint};
pub use buffer::Buffer;

/// Most steps between two looks: a submission and its answer cost about as much as so many small steps.
const LOOK_EVERY: u64 = 16;
/// A step of a hardware adapter that moves more than a share of this is looked at earlier: a few milliseconds of memory
/// traffic hide a look, and no submission comes near the time after which a driver takes the device away.
const LOOK_BYTES: f64 = 4e9;
/// The same on the processor's memory.
const LOOK_BYTES_SOFTWARE: f64 = 100e6;
/// Most rows of a matrix: with tiles of 64 rows or fewer a dimension stays under 65,536 workgroups.
const MAX_ROWS: usize = 1 << 21;
/// Length of a uniform, in words.
const UNIFORM: usize = 16;
/// Buffers that stand in for what an entry names and a launch does not use.
const EMPTY: usize = 12;

/// A buffer by its name in a shader, its first byte, and its size where it is not all that follows.
type Named = (&'static str, ::wgpu::Buffer, u64, Option<BufferSize>);

/// One dispatch, ready to be encoded.
struct Dispatch {
    pipeline: Rc<Pipeline>,
    bind_group: BindGroup,
    groups: [u32; 3],
}

impl Dispatch {
    fn encode(&self, pass: &mut ComputePass<'_>) {
        let [x, y, z] = self.groups;
        pass.set_pipeline(&self.pipeline.raw);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups(x, y, z);
    }
}

/// A recorded sequence of dispatches.
pub struct Recording(Vec<Rc<[Dispatch]>>);

/// What tells one launch from another.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    what: What,
    sizes: Vec<usize>,
    scalars: Vec<u32>,
    buffers: Vec<u64>,
}

#[derive(PartialEq, Eq, Hash)]
enum What {
    Row(Kernel),
    /// Transposed factors are told by the sizes.
    Gemm,
}

/// The dispatches of a launch, kept as long as its buffers live.
struct Kept {
    dispatches: Rc<[Dispatch]>,
    buffers: Vec<Weak<Inner>>,
}

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
    /// Opens adapter `index` of [`adapters`], with the adapter's own limits.
    ///
    /// # Errors
    /// Why it is not there, and what to do about it.
    pub fn open(index: usize) -> std::result::Result<Self, Unavailable> {
        let missing = || adapter::missing(index);
        let found = adapters().get(index).ok_or_else(missing)?;
        let adapter = adapter::enumerate().into_iter().nth(index);
        let adapter = adapter.ok_or_else(missing)?;
        let broken = |why: String| Unavailable {
            why: format!("{}: {why}", found.name),
            remedy: "check its driver, or race on another device".into(),
        };
        let limits = adapter.limits();
        let descriptor = DeviceDescriptor {
            label: Some("gradrace"),
            required_features: adapter.features() & Features::TIMESTAMP_QUERY,
            required_limits: limits.clone(),
            ..DeviceDescriptor::default()
        };
        let (device, raw) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|e| broken(e.to_string()))?;
        let faults = Faults::default();
        faults.listen(&device);
        let max_bytes = limits
            .max_storage_buffer_binding_size
            .min(limits.max_buffer_size)
            / 16
            * 16;
        let max_width = limits
            .max_compute_invocations_per_workgroup
            .min(limits.max_compute_workgroup_size_x) as usize;
        if max_width < 256 || limits.max_storage_buffers_per_shader_stage < 8 {
            return Err(broken(
                "it allows fewer than 256 invocations or 8 buffers in a compute shader".into(),
            ));
        }
        let software = found.software;
        let tuning = Tuning {
            software,
            width: if software { 64 } else { 256 },
            groups: if software { 32 } else { 1024 },
            max_width,
            memory: limits.max_compute_workgroup_storage_size as usize,
            max_bytes,
        };
        let shaders = Shaders::new(&device).map_err(|e| broken(e.to_string()))?;
        let empty = (0..EMPTY).map(|_| storage(&device, 256)).collect();
        faults.check().map_err(|e| broken(e.to_string()))?;
        Ok(Self {
            info: Info {
                kind: "wgpu",
                index,
                name: found.name.clone(),
                driver: Some(found.driver.clone()).filter(|driver| !driver.is_empty()),
                pci: Some(found.pci.clone()).filter(|pci| !pci.is_empty()),
                software,
                threads: None,
                isa: None,
                max_buffer_bytes: max_bytes,
                max_rows: MAX_ROWS,
                look_every: LOOK_EVERY,
                look_bytes: if software {
                    LOOK_BYTES_SOFTWARE
                } else {
                    LOOK_BYTES
                },
            },
            tuning,
            queue: Queue::new(device, raw, faults.clone()),
            faults,
            shaders,
            ids: Ids::default(),
            scratch: HashMap::new(),
            empty,
            kept: HashMap::new(),
            recording: None,
        })
    }

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

    /// The dispatches of a launch, made now or found again.
    fn dispatches(
        &mut self,
        key: Key,
        buffers: &[&Buffer],
        passes: impl FnOnce(&Tuning) -> Result<Vec<Pass>>,
    ) -> Result<Rc<[Dispatch]>> {
        if let Some(kept) = self.kept.get(&key) {
            return Ok(Rc::clone(&kept.dispatches));
        }
        let passes = passes(&self.tuning)?;
        let dispatches = passes
            .iter()
            .map(|pass| self.dispatch(pass, buffers))
            .collect::<Result<Rc<[Dispatch]>>>()?;
        let kept = Kept {
            dispatches: Rc::clone(&dispatches),
            buffers: buffers.iter().map(|b| Rc::downgrade(&b.0)).collect(),
        };
        self.kept.insert(key, kept);
        Ok(dispatches)
    }

    fn dispatch(&mut self, pass: &Pass, buffers: &[&Buffer]) -> Result<Dispatch> {
        let pipeline = self.pipeline(pass)?;
        let mut named = Vec::new();
        for (name, binding) in &pass.bindings {
            let (raw, offset, size) = match *binding {
                Binding::Argument(place) => {
                    let Inner {
                        raw,
                        offset,
                        layout,
                        ..
                    } = &*buffers[place].0;
                    (raw.clone(), *offset, Some(layout.bytes()))
                }
                Binding::Scratch(scratch, bytes) => (self.scratch(scratch, bytes)?, 0, None),
            };
            let size = size.and_then(BufferSize::new);
            named.push((*name, raw, offset, size));
        }
        let uniform = self.uniform(&pass.parameters);
        let bind_group = self.bind_group(&pipeline, &named, &uniform);
        self.faults.check()?;
        Ok(Dispatch {
            pipeline,
            bind_group,
            groups: pass.groups.map(|groups| groups as u32),
        })
    }

    fn uniform(&self, parameters: &[u32]) -> ::wgpu::Buffer {
        let mut words = parameters.to_vec();
        words.resize(UNIFORM, 0);
        let uniform = self.queue.device.create_buffer(&BufferDescriptor {
            label: Some("parameters"),
            size: (4 * UNIFORM) as u64,
            usage: BufferUsages::UNIFORM,
            mapped_at_creation: true,
        });
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        // A lost device maps nothing: the next check tells it.
        if let Ok(mut view) = uniform.get_mapped_range_mut(..) {
            view.copy_from_slice(&bytes);
        }
        uniform.unmap();
        uniform
    }

    /// Binds what the pipeline's entry uses: `named`, the uniform, and empty buffers for the rest.
    fn bind_group(
        &self,
        pipeline: &Pipeline,
        named: &[Named],
        uniform: &::wgpu::Buffer,
    ) -> BindGroup {
        let mut empty = self.empty.iter();
        let entries: Vec<BindGroupEntry<'_>> = pipeline
            .bindings
            .iter()
            .filter_map(|(number, name)| {
                let resource = match named.iter().find(|(given, ..)| given == name) {
                    Some((_, buffer, offset, size)) => BindingResource::Buffer(BufferBinding {
                        buffer,
                        offset: *offset,
                        size: *size,
                    }),
                    None if ["params", "batches"].contains(&name.as_str()) => {
                        uniform.as_entire_binding()
                    }
                    None => empty.next()?.as_entire_binding(),
                };
                Some(BindGroupEntry {
                    binding: *number,
                    resource,
                })
            })
            .collect();
        self.queue.device.create_bind_group(&BindGroupDescriptor {
            label: None,
            layout: &pipeline.raw.get_bind_group_layout(0),
            entries: &entries,
        })
    }

    /// The pipeline of a pass. A new one runs once on empty sizes: some drivers (llvmpipe) compile only then, and that is
    /// setup.
    fn pipeline(&mut self, pass: &Pass) -> Result<Rc<Pipeline>> {
        let device = &self.queue.device;
        let (pipeline, new) = self.shaders.pipeline(device, pass.entry, &pass.constants);
        if new {
            self.faults.check()?;
            let uniform = self.uniform(&[]);
            let bind_group = self.bind_group(&pipeline, &[], &uniform);
            let dispatch = Dispatch {
                pipeline: Rc::clone(&pipeline),
                bind_group,
                groups: [1, 1, 1],
            };
            self.queue.pass(|pass| dispatch.encode(pass))?;
            self.queue.submit()?;
        }
        Ok(pipeline)
    }

    /// Memory between passes: one buffer of each kind, grown when a launch needs more.
    fn scratch(&mut self, scratch: Scratch, bytes: u64) -> Result<::wgpu::Buffer> {
        if let Some(buffer) = self.scratch.get(&scratch)
            && buffer.size() >= bytes
        {
            return Ok(buffer.clone());
        }
        let buffer = self.allocate(Layout::plain(Element::U8, bytes as usize))?;
        let raw = buffer.0.raw.clone();
        self.scratch.insert(scratch, raw.clone());
        Ok(raw)
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

fn storage(device: &::wgpu::Device, bytes: u64) -> ::wgpu::Buffer {
    device.create_buffer(&BufferDescriptor {
        label: None,
        size: bytes,
        usage: BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
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
        launch.check(|buffer| (buffer.0.layout.element, buffer.0.layout.len()));
        for (parameter, buffer) in launch.kernel.row().buffers.iter().zip(launch.buffers) {
            let padded = parameter.columns.map(|columns| columns(launch.sizes));
            let Layout {
                columns, stride, ..
            } = buffer.0.layout;
            assert!(
                padded.is_none_or(|wanted| wanted == columns),
                "{}: {} has rows of {columns} (alloc_rows)",
                launch.kernel.row().name,
                parameter.name
            );
            assert!(padded.is_some() || columns == stride, "{}", parameter.name);
        }
        let key = Key {
            what: What::Row(launch.kernel),
            sizes: launch.sizes.to_vec(),
            scalars: launch.scalars.iter().map(|x| x.to_bits()).collect(),
            buffers: launch.buffers.iter().map(|buffer| buffer.0.id).collect(),
        };
        let (kernel, sizes, scalars) = (launch.kernel, launch.sizes, launch.scalars);
        let dispatches = self.dispatches(key, launch.buffers, |tuning| {
            geometry::passes(tuning, kernel, sizes, scalars)
        })?;
        self.run(dispatches)
    }

    fn gemm(&mut self, gemm: &Gemm, a: &Buffer, b: &Buffer, c: &Buffer) -> Result<()> {
        let Gemm { m, n, k, .. } = *gemm;
        for (buffer, len) in [(a, m * k), (b, k * n), (c, m * n)] {
            let layout = buffer.0.layout;
            let plain = layout.columns == layout.stride;
            assert!(plain && layout.len() >= len, "gemm: {layout:?}");
        }
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

#[cfg(test)]
mod needs_wgpu {
    use super::*;
    use crate::kernel::control;

    fn open() -> Wgpu {
        Wgpu::open(0).expect("an adapter")
    }

    #[test]
    #[ignore = "needs wgpu: scripts/setup installs a software adapter"]
    fn what_is_written_comes_back_in_every_element_type_with_padded_rows_and_without() {
        let mut device = open();
        let bytes: Vec<u8> = (0..93).collect();
        let padded = device.alloc_rows(Element::U8, 3, 31).unwrap();
        device.write(&padded, 0, Slice::U8(&bytes)).unwrap();
        let mut back = vec![0u8; 62];
        device.read(&padded, 31, SliceMut::U8(&mut back)).unwrap();
        assert_eq!(back, bytes[31..]);
        let words: Vec<u32> = (0..7).map(|i| i * 1_000_000_007 % 97).collect();
        let plain = device.alloc(Element::U32, 7).unwrap();
        device.write(&plain, 0, Slice::U32(&words)).unwrap();
        let mut back = vec![0u32; 3];
        device.read(&plain, 2, SliceMut::U32(&mut back)).unwrap();
        assert_eq!(back, words[2..5]);
    }

    #[test]
    #[ignore = "needs wgpu: scripts/setup installs a software adapter"]
    fn the_steps_between_two_looks_are_one_submission() {
        let mut device = open();
        let control = device.alloc(Element::F32, control::LEN).unwrap();
        let [p, g] = [0, 1].map(|_| device.alloc(Element::F32, 33).unwrap());
        device
            .write(&control, 0, Slice::F32(&control::example()))
            .unwrap();
        for buffer in [&p, &g] {
            device.write(buffer, 0, Slice::F32(&[1.0; 33])).unwrap();
        }
        let launch = Launch {
            kernel: Kernel::Sgd,
            sizes: &[33],
            scalars: &[0.0],
            buffers: &[&control, &p, &g],
        };
        let step = device.record(&mut |device| device.launch(&launch)).unwrap();
        device.synchronise().unwrap();
        let before = device.queue.submissions;
        for look in 1..=3 {
            device.replay(&step, LOOK_EVERY).unwrap();
            let mut seen = [0.0f32; control::LEN];
            device.read(&control, 0, SliceMut::F32(&mut seen)).unwrap();
            assert_eq!(device.queue.submissions, before + look);
        }
    }

    #[test]
    #[ignore = "needs wgpu: scripts/setup installs a software adapter"]
    fn a_buffer_over_the_limit_is_an_error_that_names_it() {
        let mut device = open();
        device.limit_buffers(1 << 20);
        let error = device.alloc(Element::F32, 1 << 20).err().expect("4 MiB");
        assert!(error.to_string().contains("0.001 GB at most"), "{error}");
        assert!(device.alloc(Element::F32, 1 << 10).is_ok());
    }

    #[test]
    #[ignore = "needs wgpu: scripts/setup installs a software adapter"]
    fn a_lost_device_is_an_error_and_no_panic() {
        let mut device = open();
        let x = device.alloc(Element::F32, 64).unwrap();
        device.write(&x, 0, Slice::F32(&[1.0; 64])).unwrap();
        device.lose();
        let mut back = [0.0f32; 64];
        let read = device.read(&x, 0, SliceMut::F32(&mut back));
        assert!(matches!(read, Err(Error::Failed(_))), "{read:?}");
    }
}
