//! Roofs that earlier runs measured since the machine was started and with the same BLAS, kept in the user's cache folder by its
//! fingerprint.

use std::fs;
use std::path::PathBuf;

use etcetera::BaseStrategy;
use serde::{Deserialize, Serialize};

use crate::record::{Machine, Peak};

/// The file of a machine.
#[derive(Debug, Default)]
pub struct Kept {
    file: Option<PathBuf>,
    content: Content,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    /// The start of the machine since which these were measured: after another one it may be another host.
    boot: Option<String>,
    /// The BLAS with its kernels: `OPENBLAS_CORETYPE` alone changes products by a factor of two.
    #[serde(default)]
    blas: String,
    peaks: Vec<Peak>,
}

impl Kept {
    /// What is kept of this machine; nothing where it was started since, has another BLAS now, or there is no cache folder.
    pub fn of(machine: &Machine) -> Self {
        let base = etcetera::choose_base_strategy().ok();
        let name = format!("{}.json", machine.fingerprint);
        let file = base.map(|base| base.cache_dir().join("gradrace").join("roofs").join(name));
        Self::at(file, machine.boot.clone(), machine.blas.clone())
    }

    fn at(file: Option<PathBuf>, boot: Option<String>, blas: String) -> Self {
        let text = file.as_ref().and_then(|file| fs::read_to_string(file).ok());
        let found: Option<Content> = text.and_then(|text| serde_json::from_str(&text).ok());
        let peaks =
            found.filter(|found| found.boot == boot && boot.is_some() && found.blas == blas);
        let peaks = peaks.map(|found| found.peaks).unwrap_or_default();
        let content = Content { boot, blas, peaks };
        Self { file, content }
    }

    /// The roofs of a device, if they are those of the same device and driver.
    pub fn peak(&self, measured: &Peak) -> Option<&Peak> {
        let same = |peak: &&Peak| {
            (&peak.device, &peak.name, &peak.driver)
                == (&measured.device, &measured.name, &measured.driver)
        };
        self.content.peaks.iter().find(same)
    }

    /// The roofs of the device of that label.
    pub fn labelled(&self, label: &str) -> Option<&Peak> {
        self.content.peaks.iter().find(|peak| peak.device == label)
    }

    /// Keeps the roofs of a device from now on. A cache folder that cannot be written costs the memory of them, and nothing else.
    pub fn keep(&mut self, peak: Peak) {
        self.content
            .peaks
            .retain(|other| other.device != peak.device);
        self.content.peaks.push(peak);
        let Some(file) = &self.file else { return };
        let Ok(text) = serde_json::to_string(&self.content) else {
            return;
        };
        // Renamed into place: another run may read it meanwhile.
        let part = file.with_extension(format!("{}.part", std::process::id()));
        let written = file
            .parent()
            .is_some_and(|folder| fs::create_dir_all(folder).is_ok())
            && fs::write(&part, text).is_ok()
            && fs::rename(&part, file).is_ok();
        if !written {
            let _ = fs::remove_file(&part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peak(name: &str) -> Peak {
        Peak {
            device: "cpu".into(),
            name: name.into(),
            gemm_gflop_per_s: 180.0,
            ..Peak::default()
        }
    }

    #[test]
    fn roofs_are_kept_for_the_same_device_and_blas_until_the_machine_is_started_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("roofs/x.json");
        let with = |boot: Option<&str>, blas: &str| {
            Kept::at(Some(file.clone()), boot.map(String::from), blas.into())
        };
        let at = |boot| with(boot, "OpenBLAS Zen");
        at(Some("first")).keep(peak("zen"));
        let kept = at(Some("first"));
        assert_eq!(kept.peak(&peak("zen")), Some(&peak("zen")));
        assert_eq!(kept.peak(&peak("other")), None);
        assert_eq!(at(Some("second")).peak(&peak("zen")), None);
        let other = with(Some("first"), "OpenBLAS Cooperlake");
        assert_eq!(other.peak(&peak("zen")), None);
        assert_eq!(at(None).peak(&peak("zen")), None);
        fs::write(&file, "{").unwrap();
        assert_eq!(at(Some("first")).peak(&peak("zen")), None);
    }

    #[test]
    fn a_cache_folder_that_cannot_be_written_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let mut kept = Kept::at(
            Some(file.join("x.json")),
            Some("boot".into()),
            String::new(),
        );
        kept.keep(peak("zen"));
        assert_eq!(kept.labelled("cpu"), Some(&peak("zen")));
    }
}
