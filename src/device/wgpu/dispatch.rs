//! Dispatches: what a pass needs (pipeline, bind group, uniform), made once and kept.

use std::rc::{Rc, Weak};

use ::wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindingResource, BufferBinding,
    BufferDescriptor, BufferSize, BufferUsages, ComputePass,
};

use super::Wgpu;
use super::buffer::{Buffer, Inner};
use super::pass::{Binding, Pass, Scratch, Tuning, buffer_of};
use super::shader::{Pipeline, UNIFORMS};
use crate::device::layout::Layout;
use crate::error::Result;
use crate::kernel::{Element, Kernel};

/// Length of a uniform, in words.
const UNIFORM: usize = 16;
/// Placeholder buffers, for bindings of an entry that a launch does not use.
pub(super) const EMPTY: usize = 12;

/// A buffer by its name in a shader, its first byte, and its size where it is not all that follows.
type Named = (&'static str, ::wgpu::Buffer, u64, Option<BufferSize>);

/// One dispatch, ready to be encoded.
pub(super) struct Dispatch {
    pipeline: Rc<Pipeline>,
    bind_group: BindGroup,
    groups: [u32; 3],
}

impl Dispatch {
    pub fn encode(&self, pass: &mut ComputePass<'_>) {
        let [x, y, z] = self.groups;
        pass.set_pipeline(&self.pipeline.raw);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups(x, y, z);
    }
}

/// What tells one launch from another.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub what: What,
    pub sizes: Vec<usize>,
    pub scalars: Vec<u32>,
    pub buffers: Vec<u64>,
}

#[derive(PartialEq, Eq, Hash)]
pub(super) enum What {
    Row(Kernel),
    /// Transposed factors are distinguished by the sizes.
    Gemm,
}

/// The dispatches of a launch, kept as long as its buffers live.
pub(super) struct Kept {
    dispatches: Rc<[Dispatch]>,
    pub buffers: Vec<Weak<Inner>>,
}

impl Wgpu {
    /// The dispatches of a launch, made now or found again.
    pub(super) fn dispatches(
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
                let resource = match named.iter().find(|(given, ..)| *given == buffer_of(name)) {
                    Some((_, buffer, offset, size)) => BindingResource::Buffer(BufferBinding {
                        buffer,
                        offset: *offset,
                        size: *size,
                    }),
                    None if UNIFORMS.contains(&name.as_str()) => uniform.as_entire_binding(),
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
    pub(super) fn pipeline(&mut self, pass: &Pass) -> Result<Rc<Pipeline>> {
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
}

/// Memory that shaders and copies use.
pub(super) fn storage(device: &::wgpu::Device, bytes: u64) -> ::wgpu::Buffer {
    device.create_buffer(&BufferDescriptor {
        label: None,
        size: bytes,
        usage: BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}
