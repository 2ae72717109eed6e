//! The roofline of a device: what its measured peaks allow at each intensity, and what every case and every kernel that was
//! measured alone reached of it.

use super::chart::axis::Axis;
use super::chart::plot::{Line, Mark, Plot, Scale};
use super::chart::{Chart, GREY, rule_color};
use super::group::{Group, device, short_name};
use super::{profile, quantity};
use crate::error::Result;
use crate::record::{KernelRate, Machine, Peak, Record, Status, software_label, statistics};
use std::collections::BTreeMap;

/// Competitors in a chart.
const MOST: usize = 20;
/// Cases of a competitor, spread over all that there are.
const DOTS: usize = 24;

/// A case with where it stands.
type Dot<'a> = (&'a Group<'a>, &'a Record, (f64, f64));

/// Where a case stands: operations a byte, and 1e9 operations per second of the median solve.
fn place(record: &Record) -> Option<(f64, f64)> {
    let work = record.work.as_ref()?;
    let solve_s = statistics::median(&record.time.as_ref()?.solve_s)?;
    let failed = matches!(record.status, Status::Failed | Status::Diverged);
    let place = (work.flops / work.bytes, work.flops / solve_s / 1e9);
    (!failed && [place.0, place.1].iter().all(|v| v.is_finite() && *v > 0.0)).then_some(place)
}

/// One chart a device with measured peaks and cases on it; of more cases than can be told apart every n-th.
///
/// # Errors
/// `Error::Failed` when the drawing library gives up.
pub fn charts(
    groups: &[&Group],
    machines: &[Machine],
    mut name: impl FnMut(&str) -> String,
) -> Result<Vec<Chart>> {
    let mut charts = Vec::new();
    for machine in machines {
        for peak in &machine.peaks {
            let rows = groups
                .iter()
                .filter(|group| group.machine == machine.fingerprint)
                .flat_map(|group| group.rows.iter().map(move |row| (*group, *row)));
            let here = rows.filter(|(_, row)| device(row) == peak.device);
            let placed = here.filter_map(|(group, row)| Some((group, row, place(row)?)));
            let mut kinds: BTreeMap<String, Vec<Dot>> = BTreeMap::new();
            for (group, row, at) in placed {
                let kind = format!("{} {}", row.problem, profile::name(row));
                kinds.entry(kind).or_default().push((group, row, at));
            }
            let kernels = machine.kernels.iter();
            let kernels: Vec<&KernelRate> = kernels
                .filter(|rate| {
                    rate.device == peak.device && rate.flops * rate.rate.gflop_per_s > 0.0
                })
                .collect();
            if !kinds.is_empty() || !kernels.is_empty() {
                let file = name(&format!("roofline/{}/{}", machine.fingerprint, peak.device));
                charts.push(chart(file, machine, peak, kinds, &kernels)?);
            }
        }
    }
    Ok(charts)
}

fn chart(
    file: String,
    machine: &Machine,
    peak: &Peak,
    kinds: BTreeMap<String, Vec<Dot>>,
    kernels: &[&KernelRate],
) -> Result<Chart> {
    let alone = |rate: &&KernelRate| (rate.flops / rate.bytes, rate.rate.gflop_per_s);
    let places = || {
        let cases = kinds.values().flatten().map(|(.., at)| *at);
        cases.chain(kernels.iter().map(alone))
    };
    let ridge = peak.gemm_gflop_per_s / peak.stream_gb_per_s;
    let (low, high) = places().fold((ridge, ridge), |(low, high), (x, _)| {
        (low.min(x), high.max(x))
    });
    let (low, high) = (low / 2.0, high * 2.0);
    let roof = |x: f64| (x * peak.stream_gb_per_s).min(peak.gemm_gflop_per_s);
    let rates = places().map(|at| at.1).chain([roof(low), roof(high)]);
    let (least, most) = rates.fold((f64::INFINITY, 0.0f64), |(l, h), y| (l.min(y), h.max(y)));
    let peaks = format!(
        "peaks: {:.1} GB/s, {:.0} GFLOP/s",
        peak.stream_gb_per_s, peak.gemm_gflop_per_s
    );
    let mut lines = vec![Line {
        points: [low, ridge, high].map(|x| (x, roof(x))).to_vec(),
        ..Line::new(peaks, GREY)
    }];
    if !kernels.is_empty() {
        let mark = |rate: &&KernelRate| Mark {
            at: alone(rate),
            open: false,
            says: format!(
                "{} alone: {:.1} GFLOP/s, {:.1} GB/s, {:.0} % of the roof",
                rate.kernel,
                rate.rate.gflop_per_s,
                rate.rate.gb_per_s,
                100.0 * rate.rate.gflop_per_s / roof(alone(rate).0)
            ),
        };
        lines.push(Line {
            marks: kernels.iter().map(mark).collect(),
            ..Line::new("kernels alone", GREY)
        });
    }
    let count = kinds.len();
    for (label, cases) in kinds.into_iter().take(MOST) {
        let mark = |(group, row, at): &Dot| Mark {
            at: *at,
            open: row.status != Status::Reached,
            says: format!(
                "{} {}: {:.1} GFLOP/s at {:.2} operations a byte, {:.0} % of the roof",
                group.id,
                short_name(row),
                at.1,
                at.0,
                100.0 * at.1 / roof(at.0)
            ),
        };
        let some = cases.iter().step_by(cases.len().div_ceil(DOTS));
        lines.push(Line {
            marks: some.map(mark).collect(),
            ..Line::new(label, rule_color(cases[0].1))
        });
    }
    Plot {
        name: file,
        caption: format!(
            "{}{} of machine {}: what cases and kernels reach of its peaks",
            peak.device,
            software_label(peak.software),
            machine.fingerprint
        ),
        x: Scale {
            axis: Axis::log(low, high),
            name: "operations a byte, logarithmic".into(),
            tick: quantity::tick,
        },
        y: Scale {
            axis: Axis::log(least / 1.3, most * 1.3),
            name: "GFLOP/s, logarithmic".into(),
            tick: quantity::tick,
        },
        lines,
        levels: vec![],
        more: (count > MOST).then(|| format!("{} more in the tables", count - MOST)),
    }
    .draw()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture;
    use crate::report::group::groups;

    #[test]
    fn every_device_with_peaks_and_cases_has_a_roof_and_a_dot_for_each_case() {
        let records = fixture::race();
        let (groups, _) = groups(&records);
        let all: Vec<&Group> = groups.iter().collect();
        let charts = charts(&all, &[fixture::machine()], |name| name.into()).unwrap();
        assert_eq!(charts.len(), 2);
        // 14 cases with one thread, one of which left the numbers.
        assert_eq!(charts[0].svg.matches(" of the roof</title>").count(), 13);
        assert!(charts[0].svg.contains("peaks: 15.5 GB/s, 140 GFLOP/s"));
        assert!(!charts[0].svg.contains("kernels alone"));
        assert!(
            charts[1]
                .svg
                .contains("symmetric_product alone: 27.9 GFLOP/s")
        );
        assert!(charts[1].caption.starts_with("cpu of machine"));
    }

    #[test]
    fn a_device_without_cases_and_a_case_without_work_make_no_chart() {
        let mut records = fixture::race();
        records.iter_mut().for_each(|record| record.work = None);
        let (groups, _) = groups(&records);
        let all: Vec<&Group> = groups.iter().collect();
        let machine = Machine {
            kernels: vec![],
            ..fixture::machine()
        };
        assert!(
            charts(&all, &[machine], |name| name.into())
                .unwrap()
                .is_empty()
        );
    }
}
