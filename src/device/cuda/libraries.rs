//! CUDA's libraries: whether each one is here, asked before anything calls it, since a call into a missing one panics.
//!
//! They are opened by name, as the system's loader finds them, and failing that in the folders where toolkits are installed:
//! a library that is open already answers to its name.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use cudarc::{cublas, cusolver, driver, nvrtc};

use super::super::Unavailable;

/// A library of CUDA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Library {
    /// The driver, which comes with the card's kernel module.
    Driver,
    /// The compiler.
    Nvrtc,
    /// Matrix products.
    Cublas,
    /// Dense eigensolvers.
    Cusolver,
}

impl Library {
    /// Whether it can be opened.
    pub fn is_there(self) -> bool {
        self.opens() || (self != Library::Driver && self.open_from_toolkits() && self.opens())
    }

    fn opens(self) -> bool {
        let probe = || {
            // SAFETY: opens a library by name and closes it again; NVIDIA's own run no code that relies on more than that.
            unsafe {
                match self {
                    Library::Driver => driver::sys::is_culib_present(),
                    Library::Nvrtc => nvrtc::sys::is_culib_present(),
                    Library::Cublas => cublas::sys::is_culib_present(),
                    Library::Cusolver => cusolver::sys::is_culib_present(),
                }
            }
        };
        catch_unwind(AssertUnwindSafe(probe)).unwrap_or(false)
    }

    /// Name, file, and the packages that hold it: NVIDIA's for Debian and Ubuntu (CUDA 13), and Python's.
    fn names(self) -> [&'static str; 4] {
        match self {
            Library::Driver => ["the NVIDIA driver", "libcuda", "", ""],
            Library::Nvrtc => ["NVRTC", "libnvrtc", "cuda-nvrtc-13-0", "nvidia-cuda-nvrtc"],
            Library::Cublas => ["cuBLAS", "libcublas", "libcublas-13-0", "nvidia-cublas"],
            Library::Cusolver => [
                "cuSOLVER",
                "libcusolver",
                "libcusolver-13-0",
                "nvidia-cusolver",
            ],
        }
    }

    /// Why it is missing, and what to do about it.
    pub fn missing(self) -> Unavailable {
        let [name, file, package, wheel] = self.names();
        let remedy = if self == Library::Driver {
            driver_remedy(Path::new("/proc/driver/nvidia/version").exists()).to_string()
        } else {
            format!(
                "install CUDA 12 or 13's (NVIDIA's repository: apt-get install {package}; or pip install {wheel} and add \
                 its lib folder to LD_LIBRARY_PATH)"
            )
        };
        Unavailable {
            why: format!("{name} ({file}) is not here"),
            remedy,
        }
    }

    /// Opens it from a toolkit's folder and leaves it open; whether that worked.
    fn open_from_toolkits(self) -> bool {
        let file = self.names()[1];
        toolkits().iter().any(|folder| {
            // NVRTC opens a library of its own by name when it compiles: it must be open too.
            if self == Library::Nvrtc {
                for path in versions(folder, "libnvrtc-builtins") {
                    open_for_good(&path);
                }
            }
            versions(folder, file)
                .iter()
                .any(|path| open_for_good(path))
        })
    }
}

fn driver_remedy(card: bool) -> &'static str {
    if card {
        "a card is here but its library is not: in a container, start it with --gpus all and have compute among \
         NVIDIA_DRIVER_CAPABILITIES"
    } else {
        "CUDA needs an NVIDIA card with its driver (nvidia.com/drivers)"
    }
}

/// Folders where toolkits keep their libraries.
fn toolkits() -> Vec<PathBuf> {
    let named = ["CUDA_HOME", "CUDA_PATH"].map(std::env::var_os);
    let named = named.into_iter().flatten().map(PathBuf::from);
    named
        .chain(["/usr/local/cuda", "/opt/cuda"].map(PathBuf::from))
        .map(|root| root.join("lib64"))
        .collect()
}

/// Files `file.so.N` and `file.so.N.M` in a folder, the newest first: so libraries call themselves; a third number is a
/// release of one of them.
fn versions(folder: &Path, file: &str) -> Vec<PathBuf> {
    let version = |name: &str| -> Option<Vec<u32>> {
        let numbers = name.strip_prefix(file)?.strip_prefix(".so.")?.split('.');
        let numbers: Vec<u32> = numbers.map(|n| n.parse().ok()).collect::<Option<_>>()?;
        (numbers.len() <= 2).then_some(numbers)
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<(Vec<u32>, PathBuf)> = entries
        .filter_map(|entry| Some((version(entry.file_name().to_str()?)?, entry.path())))
        .collect();
    found.sort_by(|(a, _), (b, _)| b.cmp(a));
    found.into_iter().map(|(_, path)| path).collect()
}

#[cfg(unix)]
fn open_for_good(path: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let Ok(path) = std::ffi::CString::new(path.as_os_str().as_bytes()) else {
        return false;
    };
    // SAFETY: a terminated path; the library's handle is kept for the life of the program.
    unsafe { !libc::dlopen(path.as_ptr(), libc::RTLD_LAZY | libc::RTLD_LOCAL).is_null() }
}

/// Elsewhere the system's own search finds toolkits.
#[cfg(not(unix))]
fn open_for_good(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_with_what_to_install() {
        for library in [Library::Nvrtc, Library::Cublas, Library::Cusolver] {
            let missing = library.missing();
            assert!(missing.why.contains(library.names()[1]), "{missing:?}");
            assert!(missing.remedy.contains("apt-get install"), "{missing:?}");
            assert!(missing.remedy.contains("pip install"), "{missing:?}");
        }
        assert!(Library::Driver.missing().why.contains("libcuda"));
        assert!(driver_remedy(true).contains("--gpus all"));
        assert!(driver_remedy(false).contains("driver"));
    }

    #[test]
    fn the_newest_version_of_a_library_in_a_folder_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "libnvrtc.so.12",
            "libnvrtc.so.13",
            "libnvrtc.so.13.0.88",
            "libnvrtc-builtins.so.13.0",
            "libnvrtc-builtins.so.13.0.88",
            "libcublas.so.12",
        ] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let names: Vec<String> = versions(folder.path(), "libnvrtc")
            .iter()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["libnvrtc.so.13", "libnvrtc.so.12"]);
        assert_eq!(versions(folder.path(), "libnvrtc-builtins").len(), 1);
        assert!(versions(&folder.path().join("none"), "libnvrtc").is_empty());
    }
}
