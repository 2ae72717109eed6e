//! Facts about this machine (instruction sets, cores, cloud instance) and this program, without host name, user name or
//! path.

mod cache;
mod instance;
mod isa;
mod load;
mod placement;

pub use cache::{Cache, caches};
pub use instance::ENDPOINT_VARIABLE;
pub use isa::Isa;
pub use load::{Load, load};
pub use placement::Placement;

use crate::record::file::short_hash;
use crate::record::{Instance, Machine, SCHEMA};
use instance::instance;
use ndarray_linalg as _; // Links the BLAS that the `blas` crate needs.

/// The program's version and commit, `0.1.0+abc1234`. The commit ends in `-dirty` if the sources differ from it, and is
/// `unknown` for a build outside a checkout.
pub fn program_version() -> String {
    format!("{}+{}", env!("CARGO_PKG_VERSION"), env!("GRADRACE_COMMIT"))
}

/// Facts of this machine including its cloud instance, without measured peaks.
///
/// Instance types of one provider can differ in GPUs and prices while all other facts agree, so the type is part of the
/// fingerprint.
pub fn rented_machine() -> Machine {
    rented(machine(), instance())
}

fn rented(machine: Machine, instance: Option<Instance>) -> Machine {
    let fingerprint = match &instance {
        Some(Instance { provider, kind, .. }) => {
            short_hash(&format!("{}|{provider}|{kind}", machine.fingerprint))
        }
        None => machine.fingerprint,
    };
    Machine {
        fingerprint,
        instance,
        ..machine
    }
}

/// Number of cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Facts of this machine without its cloud instance and measured peaks.
pub fn machine() -> Machine {
    let cpu = cpu();
    let cores = cores();
    let isa: Vec<String> = Isa::available()
        .iter()
        .map(|isa| isa.name().to_string())
        .collect();
    let memory_bytes = memory_bytes();
    // Facts that survive system and library updates; memory in GiB, because a kernel reserves some for itself. Model and
    // caches distinguish generations that share a name ("AMD EPYC") and differ by a factor of two in speed.
    let stable = format!(
        "{cpu}|{}|{cores}|{}|{}|{}|{}",
        model(),
        isa.join(","),
        (memory_bytes as f64 / (1u64 << 30) as f64).round(),
        std::env::consts::OS,
        std::env::consts::ARCH
    );
    Machine {
        schema: SCHEMA,
        fingerprint: short_hash(&stable),
        cpu,
        cores,
        isa,
        memory_bytes,
        os: os(),
        blas: blas(),
        rustc: env!("GRADRACE_RUSTC").to_string(),
        boot: boot(),
        instance: None,
        peaks: Vec::new(),
        kernels: Vec::new(),
    }
}

/// Value of the first key that occurs in a text of `key : value` lines such as `/proc/cpuinfo`; earlier keys win.
fn field(text: &str, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == *key).then(|| value.split_whitespace().collect::<Vec<_>>().join(" "))
        })
    })
}

/// Family, model and stepping, and the sizes of the caches; empty on a Mac, whose processors' names say it.
fn model() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let facts = ["cpu family", "model", "stepping", "CPU part"];
    let facts = facts.map(|key| field(&text, &[key]).unwrap_or_default());
    let caches: Vec<String> = caches()
        .iter()
        .map(|cache| cache.bytes.to_string())
        .collect();
    format!("{}|{}", facts.join(","), caches.join(","))
}

/// Names the start of the system since which it runs.
fn boot() -> Option<String> {
    #[cfg(target_os = "macos")]
    return sysctl("kern.bootsessionuuid").map(|id| short_hash(&id));
    #[cfg(not(target_os = "macos"))]
    {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(short_hash(id.trim()))
    }
}

#[cfg(not(target_os = "macos"))]
fn cpu() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    // Arm kernels report no model name, only the architecture.
    field(&text, &["model name", "Model", "cpu model", "cpu"])
        .unwrap_or_else(|| std::env::consts::ARCH.to_string())
}

#[cfg(not(target_os = "macos"))]
fn memory_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = field(&text, &["MemTotal"]).and_then(|v| v.split(' ').next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(target_os = "macos")]
fn cpu() -> String {
    sysctl("machdep.cpu.brand_string").unwrap_or_else(|| std::env::consts::ARCH.to_string())
}

#[cfg(target_os = "macos")]
fn memory_bytes() -> u64 {
    sysctl("hw.memsize")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

#[cfg(target_os = "macos")]
fn sysctl(name: &str) -> Option<String> {
    let output = std::process::Command::new("sysctl")
        .args(["-n", name])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_string();
    (output.status.success() && !text.is_empty()).then_some(text)
}

/// Operating system and kernel release. Ignores the host name, which `uname` also returns.
fn os() -> String {
    #[cfg(unix)]
    {
        // SAFETY: utsname consists of byte arrays, for which all zeros are valid.
        let mut name: libc::utsname = unsafe { std::mem::zeroed() };
        // SAFETY: the pointer is to a live utsname, which uname fills with terminated strings.
        if unsafe { libc::uname(&mut name) } == 0 {
            // SAFETY: both fields are terminated, by uname or by their initial zeros.
            let text = |field: &[libc::c_char]| unsafe {
                std::ffi::CStr::from_ptr(field.as_ptr())
                    .to_string_lossy()
                    .into_owned()
            };
            let (system, release) = (text(&name.sysname), text(&name.release));
            return format!("{system} {release} {}", text(&name.machine));
        }
    }
    format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)
}

#[cfg(not(target_os = "macos"))]
fn blas() -> String {
    unsafe extern "C" {
        fn openblas_get_config() -> *const std::ffi::c_char;
    }
    // SAFETY: the function takes no arguments and returns a terminated static string.
    let text = unsafe { std::ffi::CStr::from_ptr(openblas_get_config()) };
    without_paths(&text.to_string_lossy())
}

#[cfg(target_os = "macos")]
fn blas() -> String {
    "Accelerate".into()
}

/// The words of a text that are not paths.
#[cfg_attr(target_os = "macos", allow(dead_code))]
fn without_paths(text: &str) -> String {
    text.split_whitespace()
        .filter(|word| !word.contains(['/', '\\']))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_every_fact_and_the_same_fingerprint_twice() {
        let facts = machine();
        assert!(facts.cores > 0 && facts.memory_bytes > 1 << 20);
        for text in [&facts.cpu, &facts.os, &facts.blas] {
            assert!(!text.is_empty());
        }
        assert!(facts.rustc.starts_with("rustc 1."), "{}", facts.rustc);
        assert_eq!(facts.fingerprint.len(), 8);
        assert_eq!(facts, machine());
    }

    #[test]
    fn machines_rented_as_other_types_are_other_machines() {
        let instance = |kind: &str, spot| Instance {
            provider: "aws".into(),
            kind: kind.into(),
            region: None,
            spot: Some(spot),
            image: None,
        };
        let of = |instance| rented(machine(), instance).fingerprint;
        assert_eq!(of(None), machine().fingerprint);
        let types = [
            None,
            Some(instance("g6.xlarge", false)),
            Some(instance("m6a.xlarge", false)),
        ];
        let names: std::collections::BTreeSet<String> = types.into_iter().map(of).collect();
        assert_eq!(names.len(), 3);
        assert_eq!(
            of(Some(instance("g6.xlarge", true))),
            of(Some(instance("g6.xlarge", false)))
        );
    }

    #[cfg(not(target_os = "macos"))]
    #[test]
    fn the_blas_reports_its_version() {
        let blas = blas();
        assert!(blas.starts_with("OpenBLAS") && blas.contains('.'), "{blas}");
    }

    #[test]
    fn paths_are_removed() {
        assert_eq!(
            without_paths("OpenBLAS 0.3.21 /home/me/lib Haswell"),
            "OpenBLAS 0.3.21 Haswell"
        );
        let json = serde_json::to_string(&machine()).unwrap();
        assert!(!json.contains('/') && !json.contains('\\'), "{json}");
    }

    #[test]
    fn the_program_version_has_version_and_commit() {
        let version = program_version();
        let commit = version
            .strip_prefix(concat!(env!("CARGO_PKG_VERSION"), "+"))
            .unwrap();
        let hash = commit.trim_end_matches("-dirty");
        assert!(
            hash == "unknown" || hash.bytes().all(|b| b.is_ascii_hexdigit()),
            "{version}"
        );
    }

    #[test]
    fn fields_are_found_by_the_first_key_present() {
        let text = "processor\t: 0\nModel\t\t: Raspberry Pi 5\nmodel name\t: Some  CPU\n";
        assert_eq!(field(text, &["model name", "Model"]).unwrap(), "Some CPU");
        assert_eq!(
            field(text, &["cpu model", "Model"]).unwrap(),
            "Raspberry Pi 5"
        );
        assert_eq!(field(text, &["MemTotal"]), None);
    }
}
