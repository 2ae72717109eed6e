//! Units of the kernels as libraries of the host.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};

use sha2::{Digest, Sha256};

use super::super::pass::{Pass, Unit};
use super::super::source;
use super::memory::Owned;
use crate::error::{Error, Result};
use crate::kernel::Family;

/// What CUDA is to the kernels, on the host.
const EMULATION: &str = include_str!("../../../../kernels/emulation.h");
type Kinds = unsafe extern "C" fn(*const c_char) -> *const c_char;
type Launch = unsafe extern "C" fn(
    *const c_char,
    *const u32,
    u32,
    u32,
    *mut *mut c_void,
    i32,
) -> *const c_char;

/// A compiled unit. It runs one launch at a time.
pub(super) struct Library {
    kinds: Kinds,
    launch: Launch,
    busy: Mutex<()>,
}

/// The machine's C++ compiler: `$CXX`, else the first of the usual names that answers.
pub(super) fn compiler() -> Option<&'static str> {
    static FOUND: OnceLock<Option<String>> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            let answers = |name: &String| {
                let version = Command::new(name).arg("--version").output();
                version.is_ok_and(|output| output.status.success())
            };
            let chosen = std::env::var("CXX").ok().into_iter();
            chosen
                .chain(["c++", "g++", "clang++"].map(String::from))
                .find(answers)
        })
        .as_deref()
}

/// Where libraries are kept: beside what cargo builds.
fn folder() -> PathBuf {
    let binary = std::env::current_exe().expect("a test knows where it is");
    let folder = binary.parent().and_then(Path::parent);
    folder
        .expect("cargo puts it two levels deep")
        .join("emulation")
}

/// A unit as the host's compiler sees it: CUDA before, the table of its entries after.
fn host_text(unit: &str) -> String {
    let entries: Vec<String> = source::entries(unit)
        .iter()
        .map(|name| format!("EMULATED({name})"))
        .collect();
    format!(
        "#line 1 \"kernels/emulation.h\"\n{EMULATION}\n{unit}\n#line 1 \"entries\"\n\
         static const emulation::Entry emulation_entries[] = {{{}}};\nEMULATION_EXPORTS(emulation_entries)\n",
        entries.join(", ")
    )
}

const FLAGS: [&str; 10] = [
    "-O2",
    "-std=c++17",
    "-shared",
    "-fPIC",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
    "-Werror",
    // `#pragma unroll` speaks to NVRTC.
    "-Wno-unknown-pragmas",
    // The same bits, whatever else is in the unit.
    "-ffp-contract=off",
];

/// The library of a unit, compiled now unless it is there already.
fn compiled(name: &str, unit: &str) -> Result<PathBuf> {
    let compiler = compiler().expect("an emulated device is opened where there is one");
    let text = host_text(unit);
    let mut hash = Sha256::new();
    for part in FLAGS.iter().chain([&compiler, &text.as_str()]) {
        hash.update(part.as_bytes());
    }
    let hash: String = hash
        .finalize()
        .iter()
        .take(8)
        .map(|b| format!("{b:02x}"))
        .collect();
    let folder = folder();
    let path = folder.join(format!("{name}-{hash}.so"));
    if path.exists() {
        return Ok(path);
    }
    let failed = |e: std::io::Error| Error::failed(e.to_string());
    std::fs::create_dir_all(&folder).map_err(failed)?;
    // Under a name of its own until it is whole: other tests may be at the same.
    let making = tempfile::tempdir_in(&folder).map_err(failed)?;
    let [text_path, made] = ["unit.cpp", "unit.so"].map(|name| making.path().join(name));
    std::fs::write(&text_path, text).map_err(failed)?;
    let output = Command::new(compiler)
        .args(FLAGS)
        .arg("-o")
        .args([&made, &text_path])
        .output()
        .map_err(|e| Error::failed(format!("{compiler}: {e}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Error::failed(format!("{compiler}, {name}: {said}")));
    }
    std::fs::rename(&made, &path).map_err(failed)?;
    Ok(path)
}

impl Library {
    /// Compiles a unit, or finds it compiled, and opens it.
    ///
    /// # Errors
    /// What the compiler says.
    pub fn of(name: &str, unit: &str) -> Result<Self> {
        let path = compiled(name, unit)?;
        let failed = |e: libloading::Error| Error::failed(format!("{name}: {e}"));
        // SAFETY: the library is the one compiled above; its two functions have these types (`EMULATION_EXPORTS`), and it has
        // no initialisers. It is never closed.
        unsafe {
            let library = libloading::Library::new(&path).map_err(failed)?;
            let kinds = *library.get::<Kinds>(b"emulation_kinds\0").map_err(failed)?;
            let launch = *library
                .get::<Launch>(b"emulation_launch\0")
                .map_err(failed)?;
            std::mem::forget(library);
            Ok(Self {
                kinds,
                launch,
                busy: Mutex::new(()),
            })
        }
    }

    /// The library of a unit, of a whole file where a unit is a part of it: made once, and never closed.
    pub fn unit(unit: &Unit) -> Result<&'static Self> {
        type Made = OnceLock<std::result::Result<Library, String>>;
        static LIBRARIES: Mutex<BTreeMap<String, &'static Made>> = Mutex::new(BTreeMap::new());
        let (name, unit) = match unit {
            Unit::File(family) | Unit::Entries(family, _) => (family.name(), Unit::File(*family)),
            Unit::Rule(rule) if rule.place().is_some() => ("rules", Unit::File(Family::Rules)),
            Unit::Rule(_) => ("rule", unit.clone()),
            Unit::Chain(_) => ("chain", unit.clone()),
        };
        let made = {
            let mut libraries = LIBRARIES.lock().unwrap_or_else(|e| e.into_inner());
            let place = libraries.entry(format!("{unit:?}"));
            *place.or_insert_with(|| Box::leak(Box::default()))
        };
        made.get_or_init(|| Self::of(name, &unit.text()).map_err(|e| e.to_string()))
            .as_ref()
            .map_err(Error::failed)
    }

    /// Runs an entry, its threads and blocks in ascending order or `backwards`.
    pub fn run(&self, pass: &Pass, values: &[Owned], backwards: bool) -> Result<()> {
        let entry = CString::new(pass.entry).expect("a name");
        // SAFETY: a name that ends in 0; the answer is null or a static text.
        let kinds = unsafe { (self.kinds)(entry.as_ptr()) };
        if kinds.is_null() {
            return Err(Error::failed(format!("{} is no entry", pass.entry)));
        }
        // SAFETY: not null, and static.
        let kinds = unsafe { CStr::from_ptr(kinds) }.to_string_lossy();
        let given: String = values.iter().map(Owned::kind).collect();
        if kinds != given {
            return Err(Error::failed(format!(
                "{} takes {kinds} and is given {given}",
                pass.entry
            )));
        }
        let mut words: Vec<u64> = values.iter().map(Owned::word).collect();
        let mut addresses: Vec<*mut c_void> = words
            .iter_mut()
            .map(|word| std::ptr::from_mut(word).cast())
            .collect();
        let _busy = self.busy.lock().unwrap_or_else(|e| e.into_inner());
        // SAFETY: as many arguments as the entry takes, each of its kind (little-endian machines read the low half of a
        // word); the memory that they point to lives as long as `values`. The kernels keep within it, which is what the
        // guards are for; the library does not call back.
        let said = unsafe {
            (self.launch)(
                entry.as_ptr(),
                pass.grid.as_ptr(),
                pass.block,
                pass.shared,
                addresses.as_mut_ptr(),
                i32::from(backwards),
            )
        };
        if said.is_null() {
            return Ok(());
        }
        // SAFETY: not null; the text stays until the next launch, which waits for `busy`.
        let said = unsafe { CStr::from_ptr(said) }
            .to_string_lossy()
            .into_owned();
        Err(Error::failed(said))
    }
}
