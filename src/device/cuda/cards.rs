//! The cards that are here.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use cudarc::driver::sys::CUdevice_attribute as Attribute;
use cudarc::driver::{DriverError, result, sys};

use super::super::Unavailable;
use super::compiler::{self, Target};
use super::libraries::Library;

/// What a card says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// `NVIDIA H200`.
    pub name: String,
    /// The driver and the libraries in use, with their versions.
    pub driver: String,
    /// Place on the PCI bus.
    pub pci: Option<String>,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Compute capability in tens: 90 is 9.0.
    pub architecture: u32,
    /// Version of NVRTC.
    pub(super) nvrtc: String,
    /// What NVRTC compiles for.
    pub(super) target: Target,
}

/// Every card, in the order of `cuda:0`, `cuda:1`, ...; looked for once in a run of the program.
///
/// # Errors
/// Why there is none, and what to do about it.
pub fn cards() -> std::result::Result<&'static [Card], Unavailable> {
    static FOUND: OnceLock<std::result::Result<Vec<Card>, Unavailable>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        // A library that lacks a function panics where it is called.
        catch_unwind(AssertUnwindSafe(find)).unwrap_or_else(|_| {
            Err(Unavailable {
                why: "CUDA's libraries here lack a function of CUDA 12".into(),
                remedy: "install CUDA 12 or 13 and a driver of 525 or newer".into(),
            })
        })
    });
    found.as_deref().map_err(Clone::clone)
}

/// An answer of CUDA that says it is there and does not work.
fn broken(why: String) -> Unavailable {
    Unavailable {
        why,
        remedy: "see whether nvidia-smi lists the card; in a container, start it with --gpus all"
            .into(),
    }
}

fn failed(error: DriverError) -> Unavailable {
    broken(match error {
        DriverError(sys::CUresult::CUDA_ERROR_NO_DEVICE) => "CUDA sees no card".into(),
        error => format!("CUDA does not start: {error}"),
    })
}

fn find() -> std::result::Result<Vec<Card>, Unavailable> {
    for library in [Library::Driver, Library::Nvrtc, Library::Cublas] {
        if !library.is_there() {
            return Err(library.missing());
        }
    }
    result::init().map_err(failed)?;
    let count = result::device::get_count().map_err(failed)?;
    if count == 0 {
        return Err(broken("CUDA sees no card".into()));
    }
    let mut version = 0;
    // SAFETY: the pointer is to a live integer.
    unsafe { sys::cuDriverGetVersion(&raw mut version) }
        .result()
        .map_err(failed)?;
    let (nvrtc, known) = compiler::facts().map_err(broken)?;
    let kernel_module = std::fs::read_to_string("/proc/driver/nvidia/version");
    let driver = versions(
        kernel_module.as_deref().unwrap_or_default(),
        version,
        &nvrtc,
    );
    (0..count)
        .map(|index| card(index, &driver, &nvrtc, &known))
        .collect()
}

/// Card `index`, with the versions of the driver and of NVRTC, and the architectures that NVRTC knows.
fn card(
    index: i32,
    driver: &str,
    nvrtc: &str,
    known: &[u32],
) -> std::result::Result<Card, Unavailable> {
    let device = result::device::get(index).map_err(failed)?;
    let name = result::device::get_name(device).map_err(failed)?;
    let attribute = |which| {
        // SAFETY: the device was given by the driver just now.
        let value = unsafe { result::device::get_attribute(device, which) };
        value.map(|value| u32::try_from(value).unwrap_or(0))
    };
    let major = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
    let minor = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
    let architecture = 10 * major.map_err(failed)? + minor.map_err(failed)?;
    // SAFETY: the device was given by the driver just now.
    let memory = unsafe { result::device::total_mem(device) }.map_err(failed)?;
    let pci = [
        Attribute::CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID,
        Attribute::CU_DEVICE_ATTRIBUTE_PCI_BUS_ID,
        Attribute::CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID,
    ];
    let pci = pci.map(attribute);
    let Some(target) = Target::of(architecture, known) else {
        return Err(Unavailable {
            why: format!("{name} is older than what NVRTC {nvrtc} compiles for"),
            remedy: "install the NVRTC of CUDA 12, which knows older cards".into(),
        });
    };
    Ok(Card {
        name,
        driver: driver.into(),
        pci: match pci {
            [Ok(domain), Ok(bus), Ok(device)] => {
                Some(format!("{domain:04x}:{bus:02x}:{device:02x}.0"))
            }
            _ => None,
        },
        memory_bytes: memory as u64,
        architecture,
        nvrtc: nvrtc.into(),
        target,
    })
}

/// `driver 580.65.06, CUDA 13.0, NVRTC 13.0` from the kernel module's own words and the version that the driver tells.
fn versions(kernel_module: &str, cuda: i32, nvrtc: &str) -> String {
    let number =
        |word: &&str| word.contains('.') && word.chars().all(|c| c.is_ascii_digit() || c == '.');
    let line = kernel_module.lines().next().unwrap_or_default();
    let module = match line.split_whitespace().find(number) {
        Some(number) => format!("driver {number}, "),
        None => String::new(),
    };
    format!(
        "{module}CUDA {}.{}, NVRTC {nvrtc}",
        cuda / 1000,
        cuda % 1000 / 10
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_kernel_module_where_it_tells() {
        let closed = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12\nGCC version: 12";
        assert_eq!(
            versions(closed, 12020, "12.9"),
            "driver 535.183.01, CUDA 12.2, NVRTC 12.9"
        );
        let open =
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build";
        assert_eq!(
            versions(open, 13000, "13.0"),
            "driver 580.65.06, CUDA 13.0, NVRTC 13.0"
        );
        assert_eq!(versions("", 12080, "12.8"), "CUDA 12.8, NVRTC 12.8");
    }

    #[test]
    fn looking_for_cards_never_panics_and_tells_what_is_missing() {
        match cards() {
            Ok(cards) => assert!(cards.iter().all(|card| card.memory_bytes > 0)),
            Err(missing) => assert!(!missing.why.is_empty() && !missing.remedy.is_empty()),
        }
    }
}
