//! Which adapters there are, in which order, and what is missing where none is.
//!
//! Discrete GPUs come first, then integrated, virtual and unknown ones; software adapters (Mesa's llvmpipe, Microsoft's
//! WARP) come last and are labelled, so that nothing presents them as a GPU.

use std::path::Path;
use std::sync::OnceLock;

use ::wgpu::{Backend, Backends, DeviceType, Instance, InstanceDescriptor};

use super::super::Unavailable;

/// What an adapter says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adapter {
    /// Name with the interface that it was found through: `llvmpipe (LLVM 15.0.6, 256 bits), Vulkan`.
    pub name: String,
    /// Driver and its version, where it tells.
    pub driver: String,
    /// Place on the PCI bus; empty where it is not told.
    pub pci: String,
    /// Whether it computes on the processor.
    pub software: bool,
}

impl Adapter {
    fn of(info: &::wgpu::AdapterInfo) -> Self {
        let backend = match info.backend {
            Backend::Vulkan => "Vulkan",
            Backend::Metal => "Metal",
            Backend::Dx12 => "DirectX 12",
            _ => "another interface",
        };
        let driver = format!("{} {}", info.driver, info.driver_info);
        Self {
            name: format!("{}, {backend}", info.name),
            driver: driver.trim().to_string(),
            pci: info.device_pci_bus_id.clone(),
            software: is_software(info.device_type, &info.name),
        }
    }
}

/// Drivers tell it by the type; WARP of Windows has called itself an integrated GPU on some versions.
fn is_software(kind: DeviceType, name: &str) -> bool {
    let name = name.to_lowercase();
    kind == DeviceType::Cpu
        || ["llvmpipe", "lavapipe", "swiftshader", "basic render driver"]
            .iter()
            .any(|known| name.contains(known))
}

fn rank(info: &::wgpu::AdapterInfo) -> usize {
    if is_software(info.device_type, &info.name) {
        return 4;
    }
    match info.device_type {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Other | DeviceType::Cpu => 3,
    }
}

/// The adapters themselves, in order; the order among equals is the system's.
pub(super) fn enumerate() -> Vec<::wgpu::Adapter> {
    let instance = Instance::new(InstanceDescriptor {
        backends: Backends::PRIMARY,
        ..InstanceDescriptor::new_without_display_handle()
    });
    let mut adapters = pollster::block_on(instance.enumerate_adapters(Backends::PRIMARY));
    adapters.sort_by_key(|adapter| rank(&adapter.get_info()));
    adapters
}

/// Every adapter, in the order of `wgpu:0`, `wgpu:1`, ...; looked for once in a run of the program.
pub fn adapters() -> &'static [Adapter] {
    static FOUND: OnceLock<Vec<Adapter>> = OnceLock::new();
    FOUND.get_or_init(|| {
        enumerate()
            .iter()
            .map(|adapter| Adapter::of(&adapter.get_info()))
            .collect()
    })
}

/// Why adapter `index` is not there.
pub(super) fn missing(index: usize) -> Unavailable {
    let found = adapters();
    if found.is_empty() {
        return Unavailable {
            why: "no adapter found".into(),
            remedy: hint().unwrap_or_else(|| {
                "install the driver of your GPU, or Mesa's software one (Debian: apt-get install libvulkan1 \
                 mesa-vulkan-drivers)"
                    .into()
            }),
        };
    }
    Unavailable {
        why: format!("no adapter of index {index}"),
        remedy: format!("give wgpu:0 to wgpu:{}", found.len() - 1),
    }
}

/// What to do where an NVIDIA card is here that no hardware adapter stands for: the driver of containers leaves Vulkan out
/// unless it is asked for.
pub fn hint() -> Option<String> {
    let nvidia = ["/proc/driver/nvidia/version", "/dev/nvidiactl"]
        .iter()
        .any(|path| Path::new(path).exists());
    missing_nvidia(nvidia, adapters())
}

fn missing_nvidia(nvidia: bool, adapters: &[Adapter]) -> Option<String> {
    (nvidia && adapters.iter().all(|adapter| adapter.software)).then(|| {
        "an NVIDIA card is here but Vulkan does not see it: install libvulkan1 and the card's Vulkan driver \
         (nvidia_icd.json); in a container set NVIDIA_DRIVER_CAPABILITIES=all, or have graphics among them"
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(software: bool) -> Adapter {
        Adapter {
            name: "x, Vulkan".into(),
            driver: String::new(),
            pci: String::new(),
            software,
        }
    }

    #[test]
    fn software_is_told_by_type_and_by_name() {
        assert!(is_software(DeviceType::Cpu, "anything"));
        assert!(is_software(
            DeviceType::Other,
            "llvmpipe (LLVM 15.0.6, 256 bits)"
        ));
        assert!(is_software(
            DeviceType::IntegratedGpu,
            "Microsoft Basic Render Driver"
        ));
        assert!(!is_software(DeviceType::DiscreteGpu, "NVIDIA H100"));
    }

    #[test]
    fn a_card_that_vulkan_does_not_see_is_told_with_the_remedy() {
        let hint = missing_nvidia(true, &[adapter(true)]).expect("only software is there");
        assert!(hint.contains("NVIDIA_DRIVER_CAPABILITIES"));
        assert!(missing_nvidia(true, &[]).is_some());
        assert_eq!(missing_nvidia(true, &[adapter(false), adapter(true)]), None);
        assert_eq!(missing_nvidia(false, &[adapter(true)]), None);
    }
}
