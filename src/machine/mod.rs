//! What this machine is, without host, user or path: facts, instruction sets, cores, cloud instance; and which program this is.

mod instance;
mod isa;

pub use instance::ENDPOINT_VARIABLE;
pub use isa::Isa;

use crate::record::file::short_hash;
use crate::record::{Instance, Machine, SCHEMA};
use instance::instance;
use ndarray_linalg as _; // brings in the BLAS that `blas` asks

/// The program's version and commit, `0.1.0+abc1234`: `-dirty` when its sources differ from the commit, `unknown` when it
/// was built outside a checkout.
pub fn program_version() -> String {
    format!("{}+{}", env!("CARGO_PKG_VERSION"), env!("GRADRACE_COMMIT"))
}

/// Looks at the machine, and asks what it is rented as: types of one provider differ in their GPUs and prices where these
/// facts agree, so that the type is part of the fingerprint. Peaks are empty: whoever measures them adds them.
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

/// Looks at the machine. Peaks are empty, and nobody is asked what it is rented as.
pub fn machine() -> Machine {
    let cpu = cpu();
    let cores = cores();
    let isa: Vec<String> = Isa::available()
        .iter()
        .map(|isa| isa.name().to_string())
        .collect();
    let memory_bytes = memory_bytes();
    // What stays through updates of system and libraries; memory in GiB, since a kernel keeps some of it to itself.
    let stable = format!(
        "{cpu}|{cores}|{}|{}|{}|{}",
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
        instance: None,
        peaks: Vec::new(),
        kernels: Vec::new(),
    }
}

/// Value of the first `key : value` line of a text like `/proc/cpuinfo` with one of these keys.
#[cfg_attr(target_os = "macos", allow(dead_code))]
fn field(text: &str, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == *key).then(|| value.split_whitespace().collect::<Vec<_>>().join(" "))
        })
    })
}

#[cfg(not(target_os = "macos"))]
fn cpu() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    // Arm kernels give no model name; the architecture is then all there is.
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

/// Operating system and kernel release. `uname` also tells the host's name: it is not looked at.
fn os() -> String {
    #[cfg(unix)]
    {
        // SAFETY: utsname is plain arrays of bytes, for which all zeros are valid.
        let mut name: libc::utsname = unsafe { std::mem::zeroed() };
        // SAFETY: the pointer is to a live utsname, which uname fills with terminated strings.
        if unsafe { libc::uname(&mut name) } == 0 {
            // SAFETY: both fields are terminated, by uname or by the zeros they began as.
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
    // SAFETY: the function takes nothing and gives a terminated string that lives as long as the library.
    let text = unsafe { std::ffi::CStr::from_ptr(openblas_get_config()) };
    without_paths(&text.to_string_lossy())
}

#[cfg(target_os = "macos")]
fn blas() -> String {
    "Accelerate".into()
}

/// The words of a text that are no path.
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
    fn the_blas_tells_its_version() {
        let blas = blas();
        assert!(blas.starts_with("OpenBLAS") && blas.contains('.'), "{blas}");
    }

    #[test]
    fn paths_never_enter() {
        assert_eq!(
            without_paths("OpenBLAS 0.3.21 /home/me/lib Haswell"),
            "OpenBLAS 0.3.21 Haswell"
        );
        let json = serde_json::to_string(&machine()).unwrap();
        assert!(!json.contains('/') && !json.contains('\\'), "{json}");
    }

    #[test]
    fn the_program_says_version_and_commit() {
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
    fn fields_are_found_by_the_first_key_that_is_there() {
        let text = "processor\t: 0\nModel\t\t: Raspberry Pi 5\nmodel name\t: Some  CPU\n";
        assert_eq!(field(text, &["model name", "Model"]).unwrap(), "Some CPU");
        assert_eq!(
            field(text, &["cpu model", "Model"]).unwrap(),
            "Raspberry Pi 5"
        );
        assert_eq!(field(text, &["MemTotal"]), None);
    }
}
