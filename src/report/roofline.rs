//! The roofline of a device: its measured peaks, and where every case, and every kernel that was measured alone, stands
//! under them.

use super::group::Group;
use super::name;
use crate::record::{KernelRate, Machine, Peak, Record, Status};
use std::collections::BTreeMap;

/// Operations a byte, and 1e9 operations per second.
pub type Position = (f64, f64);

/// A case with where it stands.
#[derive(Debug)]
pub struct Dot<'a> {
    /// Its task.
    pub group: &'a Group<'a>,
    /// The case.
    pub record: &'a Record,
    /// Where it stands by its median solve.
    pub position: Position,
}

/// A device with peaks, and what reached how much of them.
#[derive(Debug)]
pub struct Roof<'a> {
    /// Fingerprint of the machine.
    pub machine: &'a str,
    /// What the device reached by a stream read and by a matrix product.
    pub peak: &'a Peak,
    /// Cases, by problem and algorithm.
    pub cases: BTreeMap<String, Vec<Dot<'a>>>,
    /// Kernels that were measured alone.
    pub kernels: Vec<&'a KernelRate>,
}

impl Roof<'_> {
    /// What the peaks allow at so many operations a byte, 1e9 operations per second.
    pub fn at(&self, intensity: f64) -> f64 {
        (intensity * self.peak.stream_gb_per_s).min(self.peak.gemm_gflop_per_s)
    }

    /// Operations a byte from which on the matrix product binds.
    pub fn ridge(&self) -> f64 {
        self.peak.gemm_gflop_per_s / self.peak.stream_gb_per_s
    }
}

/// Where a case stands; `None` for one that did not run or gave a wrong answer.
fn position(record: &Record) -> Option<Position> {
    let work = record.work.as_ref()?;
    let solve_s = record.solve_s()?;
    let failed = matches!(record.status, Status::Failed | Status::Diverged);
    let position = (work.flops / work.bytes, work.flops / solve_s / 1e9);
    (!failed
        && [position.0, position.1]
            .iter()
            .all(|v| v.is_finite() && *v > 0.0))
    .then_some(position)
}

/// Where a kernel stands.
pub fn alone(rate: &KernelRate) -> Position {
    (rate.flops / rate.bytes, rate.rate.gflop_per_s)
}

/// Every device with measured peaks and with cases or kernels on it.
pub fn roofs<'a>(groups: &[&'a Group<'a>], machines: &'a [Machine]) -> Vec<Roof<'a>> {
    let peaks = machines
        .iter()
        .flat_map(|machine| machine.peaks.iter().map(move |peak| (machine, peak)));
    let roof = |(machine, peak): (&'a Machine, &'a Peak)| {
        let rows = groups
            .iter()
            .filter(|group| group.machine == machine.fingerprint)
            .flat_map(|group| group.rows.iter().map(move |row| (*group, *row)));
        let mut cases: BTreeMap<String, Vec<Dot>> = BTreeMap::new();
        for (group, record) in rows.filter(|(_, row)| row.device.label == peak.device) {
            let Some(position) = position(record) else {
                continue;
            };
            let kind = format!("{} {}", record.problem, name::algorithm(record));
            cases.entry(kind).or_default().push(Dot {
                group,
                record,
                position,
            });
        }
        let here = |rate: &&KernelRate| {
            rate.device == peak.device && rate.flops * rate.rate.gflop_per_s > 0.0
        };
        let kernels: Vec<&KernelRate> = machine.kernels.iter().filter(here).collect();
        (!cases.is_empty() || !kernels.is_empty()).then_some(Roof {
            machine: &machine.fingerprint,
            peak,
            cases,
            kernels,
        })
    };
    peaks.filter_map(roof).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture;
    use crate::report::group::groups;

    #[test]
    fn every_device_with_peaks_and_cases_has_a_roof() {
        let records = fixture::race();
        let (groups, _) = groups(&records);
        let all: Vec<&Group> = groups.iter().collect();
        let machines = [fixture::machine()];
        let roofs = roofs(&all, &machines);
        assert_eq!(roofs.len(), 2);
        // 14 cases with one thread, one of which left the numbers.
        assert_eq!(roofs[0].cases.values().flatten().count(), 13);
        assert!(roofs[0].kernels.is_empty() && roofs[1].kernels.len() == 1);
        let ridge = roofs[0].ridge();
        assert!((roofs[0].at(ridge) - roofs[0].peak.gemm_gflop_per_s).abs() < 1e-9);
    }

    #[test]
    fn a_device_without_cases_and_a_case_without_work_make_no_roof() {
        let mut records = fixture::race();
        records.iter_mut().for_each(|record| record.work = None);
        let (groups, _) = groups(&records);
        let all: Vec<&Group> = groups.iter().collect();
        let machine = Machine {
            kernels: vec![],
            ..fixture::machine()
        };
        assert!(roofs(&all, &[machine]).is_empty());
    }
}
