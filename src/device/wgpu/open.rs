//! Opening an adapter: its limits, and what suits it.

use std::collections::HashMap;

use ::wgpu::{DeviceDescriptor, Features, Limits};

use super::Wgpu;
use super::adapter::{self, Adapter, adapters};
use super::buffer::Ids;
use super::dispatch::{EMPTY, storage};
use super::faults::Faults;
use super::pass::Tuning;
use super::shader::Shaders;
use super::transfer::Queue;
use crate::device::{Info, Unavailable};

/// Most steps between two looks: a submission and its answer cost about as much as so many small steps.
pub(super) const LOOK_EVERY: u64 = 16;
/// A step of a hardware adapter that moves more than a share of this is looked at earlier: a few milliseconds of memory
/// traffic hide a look, and no submission comes near the time after which a driver takes the device away.
const LOOK_BYTES: f64 = 4e9;
/// The same on the processor's memory.
const LOOK_BYTES_SOFTWARE: f64 = 100e6;
/// Most rows of a matrix: with tiles of 64 rows or fewer a dimension stays under 65,536 workgroups.
const MAX_ROWS: usize = 1 << 21;

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
        let tuning = tuning(&limits, found.software).map_err(broken)?;
        let shaders = Shaders::new(&device).map_err(|e| broken(e.to_string()))?;
        let empty = (0..EMPTY).map(|_| storage(&device, 256)).collect();
        faults.check().map_err(|e| broken(e.to_string()))?;
        Ok(Self {
            info: info(index, found, &tuning),
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
}

/// What suits an adapter of these limits.
///
/// # Errors
/// When the shaders need more.
fn tuning(limits: &Limits, software: bool) -> std::result::Result<Tuning, String> {
    let max_bytes = limits
        .max_storage_buffer_binding_size
        .min(limits.max_buffer_size)
        / 16
        * 16;
    let max_width = limits
        .max_compute_invocations_per_workgroup
        .min(limits.max_compute_workgroup_size_x) as usize;
    if max_width < 256 || limits.max_storage_buffers_per_shader_stage < 8 {
        return Err("it allows fewer than 256 invocations or 8 buffers in a compute shader".into());
    }
    Ok(Tuning {
        software,
        width: if software { 64 } else { 256 },
        groups: if software { 32 } else { 1024 },
        max_width,
        memory: limits.max_compute_workgroup_storage_size as usize,
        max_bytes,
    })
}

fn info(index: usize, found: &Adapter, tuning: &Tuning) -> Info {
    Info {
        kind: "wgpu",
        index,
        name: found.name.clone(),
        driver: Some(found.driver.clone()).filter(|driver| !driver.is_empty()),
        pci: Some(found.pci.clone()).filter(|pci| !pci.is_empty()),
        software: tuning.software,
        threads: None,
        isa: None,
        max_buffer_bytes: tuning.max_bytes,
        max_rows: MAX_ROWS,
        look_every: LOOK_EVERY,
        look_bytes: if tuning.software {
            LOOK_BYTES_SOFTWARE
        } else {
            LOOK_BYTES
        },
    }
}
