//! RAPL, as Linux shows it: one counter a processor package, in microjoules, which wraps. Most systems let only root read it.

use std::fs;
use std::path::{Path, PathBuf};

use super::Meter;

/// Where Linux has the counters.
pub const ROOT: &str = "/sys/class/powercap";

struct Package {
    counter: PathBuf,
    /// Value at which it begins anew, microjoules.
    range: u64,
    last: u64,
    /// Microjoules since it was opened.
    total: u64,
}

/// The packages of this machine.
pub struct Rapl(Vec<Package>);

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

impl Rapl {
    /// Opens the counters of all packages; `None` when there is none, or one of them cannot be read.
    pub fn open(root: &Path) -> Option<Self> {
        let mut packages = Vec::new();
        for entry in fs::read_dir(root).ok()?.filter_map(Result::ok) {
            let folder = entry.path();
            let name = fs::read_to_string(folder.join("name")).unwrap_or_default();
            if !name.starts_with("package") {
                continue;
            }
            let counter = folder.join("energy_uj");
            packages.push(Package {
                last: number(&counter)?,
                range: number(&folder.join("max_energy_range_uj"))?,
                counter,
                total: 0,
            });
        }
        (!packages.is_empty()).then_some(Self(packages))
    }
}

impl Meter for Rapl {
    fn source(&self) -> &'static str {
        "rapl"
    }

    fn joules(&mut self) -> Option<f64> {
        let mut sum = 0;
        for package in &mut self.0 {
            let now = number(&package.counter)?;
            // Once in about a minute at least: more often than it wraps.
            package.total += if now >= package.last {
                now - package.last
            } else {
                package.range.saturating_sub(package.last) + now
            };
            package.last = now;
            sum += package.total;
        }
        Some(sum as f64 / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, value: &str) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(name), format!("{value}\n")).unwrap();
    }

    #[test]
    fn packages_are_summed_parts_of_them_are_not_and_a_counter_may_wrap() {
        let root = tempfile::tempdir().unwrap();
        for (folder, name) in [
            ("intel-rapl:0", "package-0"),
            ("intel-rapl:0:0", "core"),
            ("intel-rapl:1", "package-1"),
        ] {
            let folder = root.path().join(folder);
            write(&folder, "name", name);
            write(&folder, "energy_uj", "900000");
            write(&folder, "max_energy_range_uj", "1000000");
        }
        let mut meter = Rapl::open(root.path()).unwrap();
        assert_eq!(meter.joules(), Some(0.0));
        write(&root.path().join("intel-rapl:0"), "energy_uj", "950000");
        write(&root.path().join("intel-rapl:1"), "energy_uj", "400000");
        write(&root.path().join("intel-rapl:0:0"), "energy_uj", "999999");
        assert_eq!(meter.joules(), Some(0.55));
        write(&root.path().join("intel-rapl:0"), "energy_uj", "none");
        assert_eq!(meter.joules(), None);
    }

    #[test]
    fn a_machine_without_counters_has_no_meter() {
        let root = tempfile::tempdir().unwrap();
        assert!(Rapl::open(root.path()).is_none());
        assert!(Rapl::open(&root.path().join("no")).is_none());
        write(&root.path().join("intel-rapl:0"), "name", "package-0");
        assert!(Rapl::open(root.path()).is_none());
    }
}
