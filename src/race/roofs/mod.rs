//! Roofs of the devices: measured before, between and after the heats, the best kept.
//!
//! One measurement beside a busy neighbour is no roof. So every device is measured several times in a run, the best of each
//! roof counts, and so does what earlier runs reached since the same start of the machine. A measurement that falls short
//! of that is noticed: the machine is busy, and its times are longer than they need be.

pub mod floor;
mod kept;
pub mod measure;
pub mod probe;

use std::collections::BTreeMap;

use crate::record::{Machine, Peak};
use kept::Kept;

/// A measurement under this share of what was reached before is disturbed.
const DISTURBED: f64 = 0.85;

/// The roofs of every device of a run.
#[derive(Debug, Default)]
pub struct Roofs {
    kept: Kept,
    /// What was measured in this run, by device.
    measured: BTreeMap<String, Vec<Peak>>,
}

impl Roofs {
    /// Those kept of earlier runs on this machine.
    pub fn of(machine: &Machine) -> Self {
        Self {
            kept: Kept::of(machine),
            measured: BTreeMap::new(),
        }
    }

    /// Adds a measurement. Returns a word when it falls short of what was reached before: at most one a device and run.
    pub fn add(&mut self, measured: Peak) -> Option<String> {
        let label = measured.device.clone();
        let noticed = self
            .measured
            .get(&label)
            .is_some_and(|before| self.disturbed(before).is_some());
        let best = |before: Option<&Peak>| {
            before.map_or(measured.clone(), |before| better(before, &measured))
        };
        let kept = best(self.kept.peak(&measured));
        self.kept.keep(kept);
        let all = self.measured.entry(label.clone()).or_default();
        all.push(measured);
        let word = self.disturbed(&self.measured[&label]);
        word.filter(|_| !noticed).map(|word| {
            format!(
                "{label}: {word}: something else is running, and times are longer than they need be"
            )
        })
    }

    /// Whether a brief measurement is not enough: it falls short of what was reached before, or that was another device or driver.
    pub fn doubts(&self, measured: &Peak) -> bool {
        self.kept.peak(measured).is_none()
            || self.disturbed(std::slice::from_ref(measured)).is_some()
    }

    /// The roofs of a device; `None` when it was not measured in this run.
    pub fn peak(&self, label: &str) -> Option<Peak> {
        let measured = self.measured.get(label)?;
        let kept = self.kept.peak(measured.first()?)?;
        let products = || measured.iter().map(|peak| peak.gemm_gflop_per_s);
        let (least, most) = (
            products().fold(f64::INFINITY, f64::min),
            products().fold(0.0, f64::max),
        );
        Some(Peak {
            measurements: measured.len() as u32,
            spread: (measured.len() > 1).then_some(1.0 - least / most),
            disturbed: self.disturbed(measured),
            ..kept.clone()
        })
    }

    /// The roofs that an earlier run kept of a device, or this one measured: good enough for an estimate.
    pub fn known(&self, label: &str) -> Option<&Peak> {
        self.kept.labelled(label)
    }

    /// The roofs of every device that was measured.
    pub fn peaks(&self) -> Vec<Peak> {
        self.measured
            .keys()
            .filter_map(|label| self.peak(label))
            .collect()
    }

    /// What the last of these measurements fell short of, by how much. The f64 product is left out: LAPACK's varies by itself.
    fn disturbed(&self, measured: &[Peak]) -> Option<String> {
        let last = measured.last()?;
        let kept = self.kept.peak(last)?;
        let roofs = |peak: &Peak| {
            [
                ("f32 product", "GFLOP/s", Some(peak.gemm_gflop_per_s)),
                ("integer product", "GOP/s", peak.integer_gop_per_s),
                ("memory", "GB/s", Some(peak.stream_gb_per_s)),
            ]
        };
        roofs(kept)
            .into_iter()
            .zip(roofs(last))
            .find_map(|((name, unit, best), (.., now))| {
                let (best, now) = (best?, now?);
                (now < DISTURBED * best).then(|| {
                    format!("this machine reached {best:.0} {unit} before ({name}), {now:.0} now")
                })
            })
    }
}

/// The better of each roof.
fn better(a: &Peak, b: &Peak) -> Peak {
    let most = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (a, b) => a.or(b),
    };
    let mut streams = b.streams.clone();
    for stream in &mut streams {
        let other = a.streams.iter().find(|other| other.bytes == stream.bytes);
        if let Some(other) = other {
            stream.gb_per_s = stream.gb_per_s.max(other.gb_per_s);
            stream.update_gb_per_s = most(stream.update_gb_per_s, other.update_gb_per_s);
        }
    }
    Peak {
        stream_gb_per_s: a.stream_gb_per_s.max(b.stream_gb_per_s),
        gemm_gflop_per_s: a.gemm_gflop_per_s.max(b.gemm_gflop_per_s),
        f64_gflop_per_s: most(a.f64_gflop_per_s, b.f64_gflop_per_s),
        integer_gop_per_s: most(a.integer_gop_per_s, b.integer_gop_per_s),
        streams,
        probe_s: match (a.probe_s, b.probe_s) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        },
        ..b.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peak(gemm_gflop_per_s: f64, stream_gb_per_s: f64) -> Peak {
        Peak {
            device: "cpu".into(),
            gemm_gflop_per_s,
            stream_gb_per_s,
            ..Peak::default()
        }
    }

    #[test]
    fn the_best_of_each_roof_counts_and_a_busy_moment_is_noticed_once() {
        let mut roofs = Roofs::default();
        assert_eq!(roofs.add(peak(199.0, 18.0)), None);
        let word = roofs.add(peak(101.0, 20.0)).expect("half of it");
        assert!(
            word.contains("reached 199 GFLOP/s before (f32 product), 101 now"),
            "{word}"
        );
        assert_eq!(roofs.add(peak(120.0, 20.0)), None);
        let found = roofs.peak("cpu").unwrap();
        assert_eq!(
            (found.gemm_gflop_per_s, found.stream_gb_per_s),
            (199.0, 20.0)
        );
        assert_eq!(found.measurements, 3);
        assert!((found.spread.unwrap() - 98.0 / 199.0).abs() < 1e-12);
        assert!(found.disturbed.is_some());
        roofs.add(peak(195.0, 19.0));
        assert_eq!(roofs.peak("cpu").unwrap().disturbed, None);
    }

    #[test]
    fn a_brief_measurement_is_doubted_where_it_falls_short_or_the_driver_is_another() {
        let mut roofs = Roofs::default();
        roofs.add(peak(199.0, 18.0));
        assert!(!roofs.doubts(&peak(190.0, 17.0)) && roofs.doubts(&peak(101.0, 18.0)));
        let driver = Some("another".into());
        assert!(roofs.doubts(&Peak {
            driver,
            ..peak(199.0, 18.0)
        }));
    }

    #[test]
    fn a_device_that_was_not_measured_has_no_roof() {
        assert_eq!(Roofs::default().peak("cpu"), None);
        assert_eq!(Roofs::default().peaks(), []);
    }
}
