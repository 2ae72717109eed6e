//! Devices by name, and the one place where a name becomes a type.

use crate::device::Unavailable;
use crate::device::cpu::Cpu;
use crate::error::{Error, Result};

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
        f.write_str(self.kind.name())?;
        match (self.kind, self.threads) {
            (Kind::Cpu, Threads::All) => Ok(()),
            (Kind::Cpu, Threads::Count(threads)) => write!(f, "@{threads}"),
            _ => write!(f, ":{}", self.index),
        }
    }
}

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
pub fn open(spec: DeviceSpec) -> std::result::Result<AnyDevice, Unavailable> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
