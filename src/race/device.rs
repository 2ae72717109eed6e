//! The one place where a device by name becomes a device by type.

use crate::device::Unavailable;
use crate::device::cpu::Cpu;

use super::case::{DeviceSpec, Threads};
use super::name::{Kind, Named};

/// An open device of any kind.
pub enum AnyDevice {
    /// The processor.
    Cpu(Cpu),
}

/// The devices that are there, each with all its threads: what `--device all` means.
pub fn present() -> Vec<DeviceSpec> {
    vec![DeviceSpec::cpu(Threads::All)]
}

/// The kinds that this version was built without, as cases name them.
pub fn absent() -> Vec<(DeviceSpec, Unavailable)> {
    let first = |kind| DeviceSpec {
        kind,
        index: 0,
        threads: Threads::All,
    };
    [Kind::Cuda, Kind::Wgpu]
        .map(|kind| (first(kind), not_built(kind)))
        .into()
}

/// Number of cores that the program may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Opens a device.
///
/// # Errors
/// Why it is not there, and what to do about it.
pub fn open(spec: DeviceSpec) -> Result<AnyDevice, Unavailable> {
    let threads = match spec.threads {
        Threads::All => cores(),
        Threads::Count(threads) => threads,
    };
    match spec.kind {
        Kind::Cpu => Cpu::open(threads).map(AnyDevice::Cpu),
        Kind::Cuda | Kind::Wgpu => Err(not_built(spec.kind)),
    }
}

fn not_built(kind: Kind) -> Unavailable {
    Unavailable {
        why: format!("{} is not built into this version", kind.name()),
        remedy: "race on the cpu".into(),
    }
}
