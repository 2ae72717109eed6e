//! The roofline of a device: what its peaks allow at each intensity, with a dot for every case and kernel.

use super::axis::Axis;
use super::plot::{Line, Mark, NamedAxis, Plot};
use super::style::{GREY, INK, rule_color};
use super::svg::Chart;
use crate::error::Result;
use crate::record::{KernelRate, Peak, Status, software_label};
use crate::report::roofline::{Dot, Limit, Roof, alone, limits};
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
    let (bytes, products): (Vec<Limit>, Vec<Limit>) =
        limits(peak).into_iter().partition(|limit| limit.bytes);
    let range = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, 0.0f64), |(l, h), v| (l.min(v), h.max(v)))
    };
    let (slow, fast) = range(&mut bytes.iter().map(|limit| limit.rate));
    let (weak, strong) = range(&mut products.iter().map(|limit| limit.rate));
    // Every corner of two roofs is in the chart, and every dot.
    let corners = [weak / fast, strong / slow].into_iter();
    let (low, high) = range(&mut places().map(|at| at.0).chain(corners));
    let (low, high) = (low / 2.0, high * 2.0);
    let rates = places().map(|at| at.1).chain([low * slow, weak, strong]);
    let (least, most) = range(&mut { rates });
    let mut lines = match peak.streams.is_empty() {
        true => vec![bent(peak, low, high)],
        false => straight(&bytes, &products, low, high),
    };
    lines.extend(kernel_dots(roof));
    lines.extend(case_dots(roof));
    Plot {
        name,
        caption: format!(
            "{}{} of machine {}: what cases and kernels reach of its roofs",
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
            "1e9 operations a second, logarithmic",
            quantity::tick,
        ),
        lines,
        levels: vec![],
        more: (cases.len() > MOST).then(|| format!("{} more in the tables", cases.len() - MOST)),
    }
    .draw()
}

/// The roof of a file from before schema 4: one bandwidth, one product.
fn bent(peak: &Peak, low: f64, high: f64) -> Line {
    let (slope, top) = (peak.stream_gb_per_s, peak.gemm_gflop_per_s);
    let label = format!("peaks: {slope:.1} GB/s, {top:.0} GFLOP/s");
    Line {
        points: [low, top / slope, high]
            .map(|x| (x, top.min(slope * x)))
            .to_vec(),
        ..Line::new(label, GREY)
    }
}

/// One slanted line a level of memory up to the strongest product, and one level line a product from the fastest memory on:
/// dashes tell those of a kind apart.
fn straight(bytes: &[Limit], products: &[Limit], low: f64, high: f64) -> Vec<Line> {
    let most = |limits: &[Limit]| limits.iter().fold(0.0f64, |most, of| most.max(of.rate));
    let (fast, strong) = (most(bytes), most(products));
    let slanted = bytes.iter().map(|limit| Line {
        points: vec![(low, low * limit.rate), (strong / limit.rate, strong)],
        ..Line::new(limit.label(), GREY)
    });
    let level = products.iter().map(|limit| Line {
        points: vec![(limit.rate / fast, limit.rate), (high, limit.rate)],
        ..Line::new(limit.label(), INK)
    });
    slanted.chain(level).collect()
}

/// The kernels that were measured alone, where there are any.
fn kernel_dots(roof: &Roof) -> Option<Line> {
    let mark = |rate: &&KernelRate| Mark {
        at: alone(rate),
        open: false,
        says: format!(
            "{} alone: {:.1} GFLOP/s, {:.1} GB/s{}",
            rate.kernel,
            rate.rate.gflop_per_s,
            rate.rate.gb_per_s,
            roof.share(Some(&rate.rate))
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
            "{} {}: {:.1} GFLOP/s at {:.2} operations a byte{}",
            dot.group.id,
            names::competitor(dot.record),
            dot.position.1,
            dot.position.0,
            roof.share(dot.record.rate.as_ref())
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
    use crate::report::roofline::tests::levels;

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
        assert_eq!(charts[0].svg.matches(" GFLOP/s at ").count(), 13);
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
    fn every_level_and_every_product_is_a_line_and_no_share_is_of_another() {
        let records = fixture::race();
        let (groups, _) = groups(&records);
        let all: Vec<&Group> = groups.iter().collect();
        let mut machine = fixture::machine();
        machine.peaks[1] = levels();
        machine.kernels[0].rate.peak = Some("L1".into());
        let machines = [machine];
        let svg = chart("x".into(), &roofs(&all, &machines)[1]).unwrap().svg;
        for limit in limits(&machines[0].peaks[1]) {
            let key = format!("class=\"k\" data-s=\"{}\"", limit.label());
            assert!(svg.contains(&key), "{key}");
        }
        assert!(svg.contains("of which memory binds") && !svg.contains("L1 binds"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }
}
