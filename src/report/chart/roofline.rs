//! The roofline of a device: what its peaks allow at each intensity, with a dot for every case and kernel.

use super::axis::Axis;
use super::plot::{Line, Mark, NamedAxis, Plot};
use super::style::{GREY, rule_color};
use super::svg::Chart;
use crate::error::Result;
use crate::record::{KernelRate, Status, software_label};
use crate::report::roofline::{Dot, Roof, alone};
use crate::report::{name as names, quantity};

/// Competitors in a chart.
const MOST: usize = 20;
/// Cases of a competitor, spread over all that there are.
const DOTS: usize = 24;

/// The chart of one device; of more cases than can be told apart every n-th.
///
/// # Errors
/// `Error::Failed` when the drawing library gives up.
pub fn chart(name: String, roof: &Roof) -> Result<Chart> {
    let Roof {
        machine,
        peak,
        cases,
        kernels,
    } = roof;
    let places = || {
        let cases = cases.values().flatten().map(|dot| dot.position);
        cases.chain(kernels.iter().map(|rate| alone(rate)))
    };
    let ridge = roof.ridge();
    let (low, high) = places().fold((ridge, ridge), |(low, high), (x, _)| {
        (low.min(x), high.max(x))
    });
    let (low, high) = (low / 2.0, high * 2.0);
    let rates = places().map(|at| at.1).chain([roof.at(low), roof.at(high)]);
    let (least, most) = rates.fold((f64::INFINITY, 0.0f64), |(l, h), y| (l.min(y), h.max(y)));
    let peaks = format!(
        "peaks: {:.1} GB/s, {:.0} GFLOP/s",
        peak.stream_gb_per_s, peak.gemm_gflop_per_s
    );
    let mut lines = vec![Line {
        points: [low, ridge, high].map(|x| (x, roof.at(x))).to_vec(),
        ..Line::new(peaks, GREY)
    }];
    lines.extend(kernel_dots(roof));
    lines.extend(case_dots(roof));
    Plot {
        name,
        caption: format!(
            "{}{} of machine {}: what cases and kernels reach of its peaks",
            peak.device,
            software_label(peak.software),
            machine
        ),
        x: NamedAxis::new(
            Axis::log(low, high),
            "operations a byte, logarithmic",
            quantity::tick,
        ),
        y: NamedAxis::new(
            Axis::log(least / 1.3, most * 1.3),
            "GFLOP/s, logarithmic",
            quantity::tick,
        ),
        lines,
        levels: vec![],
        more: (cases.len() > MOST).then(|| format!("{} more in the tables", cases.len() - MOST)),
    }
    .draw()
}

/// The kernels that were measured alone, where there are any.
fn kernel_dots(roof: &Roof) -> Option<Line> {
    let mark = |rate: &&KernelRate| Mark {
        at: alone(rate),
        open: false,
        says: format!(
            "{} alone: {:.1} GFLOP/s, {:.1} GB/s, {:.0} % of the roof",
            rate.kernel,
            rate.rate.gflop_per_s,
            rate.rate.gb_per_s,
            100.0 * rate.rate.gflop_per_s / roof.at(alone(rate).0)
        ),
    };
    (!roof.kernels.is_empty()).then(|| Line {
        marks: roof.kernels.iter().map(mark).collect(),
        ..Line::new("kernels alone", GREY)
    })
}

/// The cases of every algorithm, up to so many as can be told apart.
fn case_dots<'a>(roof: &'a Roof) -> impl Iterator<Item = Line> + 'a {
    let mark = |dot: &Dot| Mark {
        at: dot.position,
        open: dot.record.status != Status::Reached,
        says: format!(
            "{} {}: {:.1} GFLOP/s at {:.2} operations a byte, {:.0} % of the roof",
            dot.group.id,
            names::competitor(dot.record),
            dot.position.1,
            dot.position.0,
            100.0 * dot.position.1 / roof.at(dot.position.0)
        ),
    };
    roof.cases.iter().take(MOST).map(move |(label, cases)| {
        let some = cases.iter().step_by(cases.len().div_ceil(DOTS));
        Line {
            marks: some.map(mark).collect(),
            ..Line::new(label, rule_color(cases[0].record))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture;
    use crate::report::group::{Group, groups};
    use crate::report::roofline::roofs;

    #[test]
    fn every_case_and_every_kernel_is_a_dot_under_its_roof() {
        let records = fixture::race();
        let (groups, _) = groups(&records);
        let all: Vec<&Group> = groups.iter().collect();
        let machines = [fixture::machine()];
        let roofs = roofs(&all, &machines);
        let charts: Vec<Chart> = roofs
            .iter()
            .map(|roof| chart("x".into(), roof).unwrap())
            .collect();
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
}
