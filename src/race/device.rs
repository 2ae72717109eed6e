//! Devices by name, and the one place where a name becomes a type.

use crate::device::cpu::Cpu;
use crate::device::cuda::{self, Cuda};
use crate::device::wgpu::{self, Wgpu};
use crate::device::{Device, Info, Unavailable};
use crate::error::{Error, Result};
use crate::machine;

use super::name::{Kind, Named};

/// Threads of a CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Threads {
    /// As many as there are cores.
    All,
    /// This many.
    Count(usize),
}

/// A device as a case names it; whether it is there is another matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceSpec {
    /// Which kind.
    pub kind: Kind,
    /// Index among the devices of its kind; 0 on a CPU.
    pub index: usize,
    /// Threads; `All` on anything but a CPU.
    pub threads: Threads,
}

impl DeviceSpec {
    /// The CPU with these threads.
    pub fn cpu(threads: Threads) -> Self {
        Self {
            kind: Kind::Cpu,
            index: 0,
            threads,
        }
    }

    /// The device as `--device` takes it: `cpu`, `cuda:1`.
    pub fn without_threads(&self) -> String {
        let kind = self.kind.name();
        match self.kind {
            Kind::Cpu => kind.into(),
            _ => format!("{kind}:{}", self.index),
        }
    }

    /// Number of threads, where it is given.
    pub fn counted(&self) -> Option<usize> {
        match (self.kind, self.threads) {
            (Kind::Cpu, Threads::Count(threads)) => Some(threads),
            _ => None,
        }
    }

    /// Reads `cpu`, `cuda`, `cuda:1`, `wgpu:0`.
    ///
    /// # Errors
    /// `Input` when the kind is unknown or the index no number.
    pub fn parse(text: &str) -> Result<Self> {
        let (kind, index) = match text.split_once(':') {
            Some((kind, index)) => (kind, Some(index)),
            None => (text, None),
        };
        let kind = Kind::parse(kind)?;
        let index = match index {
            None => 0,
            Some(_) if kind == Kind::Cpu => {
                return Err(Error::input(format!(
                    "device `{text}`: there is one cpu; write cpu"
                )));
            }
            Some(index) => index.parse().map_err(|_| {
                let name = kind.name();
                Error::input(format!(
                    "device `{text}`: `{index}` is no index; write {name}:0"
                ))
            })?,
        };
        Ok(Self {
            kind,
            index,
            threads: Threads::All,
        })
    }
}

impl std::fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.without_threads())?;
        match self.counted() {
            Some(threads) => write!(f, "@{threads}"),
            None => Ok(()),
        }
    }
}

/// Does the same with whichever device is open: `with!(any, device => work(device))`, where `work` is generic over the
/// device. This is the only place where values become types.
#[macro_export]
#[doc(hidden)]
macro_rules! with_device {
    ($any:expr, $device:ident => $work:expr) => {
        match $any {
            $crate::race::device::AnyDevice::Cpu($device) => $work,
            $crate::race::device::AnyDevice::Cuda($device) => $work,
            $crate::race::device::AnyDevice::Wgpu($device) => $work,
        }
    };
}
pub use with_device as with;

/// An open device of any kind.
// Opened a few times in a run and moved at once: a box would serve nobody.
#[allow(clippy::large_enum_variant)]
pub enum AnyDevice {
    /// The processor.
    Cpu(Cpu),
    /// A CUDA card.
    Cuda(Cuda),
    /// An adapter of wgpu.
    Wgpu(Wgpu),
}

impl AnyDevice {
    /// What the device says of itself.
    pub fn info(&self) -> &Info {
        with!(self, device => device.info())
    }
}

/// A device that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub spec: DeviceSpec,
    /// Whether it is a software emulation of a GPU.
    pub software: bool,
}

/// The devices that are there, the cpu with all its threads: what `--device all` means.
pub fn present() -> Vec<Found> {
    let cpu = Found {
        spec: DeviceSpec::cpu(Threads::All),
        software: false,
    };
    let cards = cuda::cards().map_or(0, <[_]>::len);
    let cards = (0..cards).map(|index| Found {
        spec: numbered(Kind::Cuda, index),
        software: false,
    });
    let adapters = wgpu::adapters().iter().enumerate();
    let adapters = adapters.map(|(index, adapter)| Found {
        spec: numbered(Kind::Wgpu, index),
        software: adapter.software,
    });
    std::iter::once(cpu).chain(cards).chain(adapters).collect()
}

/// One device of each kind that is not there at all, as cases name it, and why.
pub fn absent() -> Vec<(DeviceSpec, Unavailable)> {
    let mut absent = Vec::new();
    absent.extend(
        cuda::cards()
            .err()
            .map(|why| (numbered(Kind::Cuda, 0), why)),
    );
    if wgpu::adapters().is_empty() {
        let why = Wgpu::open(0).err();
        absent.extend(why.map(|why| (numbered(Kind::Wgpu, 0), why)));
    }
    absent
}

/// Whether a device is a software emulation of a GPU; one that is not there is none. Adapters are looked for only where
/// the device is one: the drivers that this loads take memory and threads.
pub fn is_software(spec: DeviceSpec) -> bool {
    spec.kind == Kind::Wgpu
        && wgpu::adapters()
            .get(spec.index)
            .is_some_and(|adapter| adapter.software)
}

/// Opens a device.
///
/// # Errors
/// Why it is not there, and what to do about it.
pub fn open(spec: DeviceSpec) -> std::result::Result<AnyDevice, Unavailable> {
    let threads = match spec.threads {
        Threads::All => machine::cores(),
        Threads::Count(threads) => threads,
    };
    match spec.kind {
        Kind::Cpu => Cpu::open(threads).map(AnyDevice::Cpu),
        Kind::Wgpu => Wgpu::open(spec.index).map(AnyDevice::Wgpu),
        Kind::Cuda => cuda::open(spec.index).map(AnyDevice::Cuda),
    }
}

fn numbered(kind: Kind, index: usize) -> DeviceSpec {
    DeviceSpec {
        kind,
        index,
        threads: Threads::All,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_there_or_told_missing_and_is_labelled_alike_everywhere() {
        let found = present();
        assert_eq!(found[0].spec, DeviceSpec::cpu(Threads::All));
        let adapters = wgpu::adapters();
        let cards = cuda::cards().map_or(0, <[_]>::len);
        assert_eq!(found.len(), 1 + cards + adapters.len());
        for (index, found) in found[1..=cards].iter().enumerate() {
            assert_eq!(found.spec.to_string(), format!("cuda:{index}"));
            assert!(!found.software && !is_software(found.spec));
        }
        for (index, (found, adapter)) in found[1 + cards..].iter().zip(adapters).enumerate() {
            assert_eq!(found.spec.to_string(), format!("wgpu:{index}"));
            assert_eq!(found.software, adapter.software);
            assert_eq!(is_software(found.spec), adapter.software);
        }
        assert!(!is_software(found[0].spec) && !is_software(numbered(Kind::Wgpu, 999)));
        let absent: Vec<Kind> = absent().iter().map(|(spec, _)| spec.kind).collect();
        assert_eq!(absent.contains(&Kind::Wgpu), adapters.is_empty());
        assert_eq!(absent.contains(&Kind::Cuda), cards == 0);
        let none = open(numbered(Kind::Cuda, 999))
            .err()
            .expect("no machine has so many");
        assert!(!none.why.is_empty() && !none.remedy.is_empty());
    }

    #[test]
    fn devices_read_as_they_are_written() {
        for text in ["cpu", "cuda:1", "wgpu:0"] {
            assert_eq!(DeviceSpec::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(DeviceSpec::parse("cuda").unwrap().to_string(), "cuda:0");
        for text in ["gpu", "cpu:1", "cuda:x", ""] {
            assert!(DeviceSpec::parse(text).is_err(), "{text}");
        }
    }
}
