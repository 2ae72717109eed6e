//! The roofline of a device: its measured peaks, and where every case, and every kernel that was measured alone, stands
//! under them.

use super::group::Group;
use super::name;
use crate::record::{KernelRate, Machine, Peak, Rate, Record, Status};
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
    /// What the device reached at most.
    pub peak: &'a Peak,
    /// Cases, by problem and algorithm.
    pub cases: BTreeMap<String, Vec<Dot<'a>>>,
    /// Kernels that were measured alone.
    pub kernels: Vec<&'a KernelRate>,
}

/// One limit of a device.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// What it limits, as a rate names the roof that binds it: `memory`, `last level`, `L2`, `L1` or `cache`, `f32`, `f64` or
    /// `integer`.
    pub name: String,
    /// 1e9 bytes or operations per second.
    pub rate: f64,
    /// Whether it limits bytes.
    pub bytes: bool,
}

impl Limit {
    /// `memory 31.0 GB/s`, `f32 product 980 GFLOP/s`.
    pub fn label(&self) -> String {
        let Self { name, rate, bytes } = self;
        match (bytes, name.as_str()) {
            (true, name) => format!("{name} {rate:.1} GB/s"),
            (false, "integer") => format!("integer product {rate:.0} GOP/s"),
            (false, name) => format!("{name} product {rate:.0} GFLOP/s"),
        }
    }
}

/// The limits of a device: of every level the most that a pass over a buffer of any size reached, the slowest first, then its products. A level
/// that is no faster than one behind it (a cache so small that launching takes longer than reading it) limits nothing. Files
/// from before schema 4 have one of each.
pub fn limits(peak: &Peak) -> Vec<Limit> {
    let mut levels = vec![("memory", peak.stream_gb_per_s)];
    for stream in peak.streams.iter().rev() {
        let (last, most) = (levels.len() - 1, stream.most());
        match levels[last] {
            (_, best) if most <= best => {}
            (level, _) if level == stream.level => levels[last].1 = most,
            _ => levels.push((&stream.level, most)),
        }
    }
    let limit = |bytes| {
        move |(name, rate): (&str, f64)| Limit {
            name: name.into(),
            rate,
            bytes,
        }
    };
    let mut limits: Vec<Limit> = levels.into_iter().map(limit(true)).collect();
    let products = [
        Some(peak.gemm_gflop_per_s).map(|rate| ("f32", rate)),
        peak.f64_gflop_per_s.map(|rate| ("f64", rate)),
        peak.integer_gop_per_s.map(|rate| ("integer", rate)),
    ];
    limits.extend(products.into_iter().flatten().map(limit(false)));
    limits
}

impl Roof<'_> {
    /// What was reached of the roofs, in words: `52 % of what its roofs allow, of which f32 binds`; empty where the share is not
    /// known, or is of a roof that this device has no measurement of.
    pub fn share(&self, rate: Option<&Rate>) -> String {
        let known = |name: &&String| limits(self.peak).iter().any(|limit| limit.name == **name);
        let share = rate.and_then(|rate| Some((rate.share_of_peak?, rate.peak.as_ref()?)));
        match share.filter(|(_, name)| known(name)) {
            Some((share, name)) => format!(
                ", {:.0} % of what its roofs allow, of which {name} binds",
                100.0 * share
            ),
            None => String::new(),
        }
    }
}

/// Where a case stands by the work that it did; `None` for one that did not run or gave a wrong answer.
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
            .flat_map(|group| group.records().map(move |row| (*group, row)));
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
pub(super) mod tests {
    use super::*;
    use crate::record::{Bandwidth, fixture};
    use crate::report::group::groups;

    /// A device with three levels of memory, two of them read at two sizes, and every product.
    pub(crate) fn levels() -> Peak {
        let stream = |bytes, gb_per_s, level: &str| Bandwidth {
            bytes,
            gb_per_s,
            update_gb_per_s: None,
            level: level.into(),
        };
        Peak {
            streams: vec![
                stream(1e5, 150.0, "L2"),
                stream(4e5, 120.0, "L2"),
                stream(4e6, 60.0, "last level"),
                stream(1e8, 30.0, "memory"),
            ],
            f64_gflop_per_s: Some(490.0),
            integer_gop_per_s: Some(2000.0),
            measurements: 3,
            spread: Some(0.015),
            ..fixture::machine().peaks.remove(1)
        }
    }

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
    }

    #[test]
    fn every_level_and_every_product_is_a_limit_and_old_peaks_have_one_of_each() {
        let old = fixture::machine().peaks.remove(1);
        let labels =
            |peak: &Peak| -> Vec<String> { limits(peak).iter().map(Limit::label).collect() };
        assert_eq!(
            labels(&old),
            ["memory 31.0 GB/s", "f32 product 980 GFLOP/s"]
        );
        let new = labels(&levels());
        assert_eq!(
            new[..3],
            ["memory 31.0 GB/s", "last level 60.0 GB/s", "L2 150.0 GB/s"]
        );
        assert_eq!(new[3..].len(), 3);
        let mut slow = levels();
        let mut first = slow.streams[0].clone();
        (first.bytes, first.gb_per_s, first.level) = (2e4, 70.0, "L1".into());
        slow.streams.insert(0, first);
        assert_eq!(labels(&slow), new, "no L1");
    }

    #[test]
    fn a_share_of_a_roof_that_is_not_there_is_not_told() {
        let share = |peak: &Peak, name: &str| {
            let rate = Rate {
                share_of_peak: Some(0.52),
                peak: Some(name.into()),
                ..Rate::default()
            };
            let roof = Roof {
                machine: "m",
                peak,
                cases: BTreeMap::new(),
                kernels: vec![],
            };
            roof.share(Some(&rate))
        };
        let old = fixture::machine().peaks.remove(1);
        assert!(share(&old, "f32").contains("52 % of what its roofs allow, of which f32"));
        assert_eq!(share(&old, "L2"), "");
        assert!(share(&levels(), "L2").contains("L2 binds"));
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
