//! How much memory a case takes and how long it may last, as far as its parameters tell: for `--dry-run`, and to leave out of a
//! suite what this machine cannot hold.
//!
//! Both are estimates. Memory counts the samples, the smaller Gram matrix where one is formed, and what LAPACK needs of it.
//! Time takes steps as they are on MNIST, the least time that the roofs of the device allow for them, and what share of a roof
//! such work usually reaches; it is right to a factor of three, and stops at the case's own limit.

use crate::data::Standardize;
use crate::record::{Arithmetic, Part, Peak, Work};

use super::case::{AsSettings, Case};
use super::heat::REPEAT_S;
use super::name::Kind;
use super::roofs::floor::floor;
use super::size::Size;

/// Seconds that warm-up, evaluation and the repeats of a short case take.
const AROUND_S: f64 = 0.15;
/// Repeats of a short case until its noise is low.
const REPEATS: f64 = 10.0;

/// Share of its roof that a part of the work usually reaches: of the roofs of matrix products a product on images more than
/// all, since it skips their zeros.
fn usual_share(part: &Part, software: bool) -> f64 {
    match part.kernel.as_str() {
        _ if software => 0.2,
        "eigensolver" => 0.05,
        name if name.starts_with("gemm") => 1.1,
        _ if part.arithmetic == Arithmetic::Integer => 0.9,
        _ => 0.45,
    }
}

/// Seconds of a launch besides its work.
fn launch_s(kind: Kind, software: bool) -> f64 {
    match kind {
        _ if software => 80e-6,
        Kind::Cpu => 0.7e-6,
        Kind::Cuda => 3e-6,
        Kind::Wgpu => 8e-6,
    }
}

/// Bytes that a case about samples of this size takes.
pub fn bytes<T: AsSettings>(case: &Case<T>, size: &Size) -> f64 {
    let value_bytes = match case.standardize {
        // What comes out has low parts.
        Standardize::Columns => 8,
        _ => size.value_bytes,
    };
    let samples = size.n as f64 * size.d as f64 * value_bytes as f64;
    samples + case.task.settings().formed_bytes(size)
}

/// Seconds that a case about samples of this size may last on a device with these roofs, its repeats included.
pub fn seconds<T: AsSettings>(
    case: &Case<T>,
    size: &Size,
    repeats: Option<usize>,
    peak: &Peak,
) -> f64 {
    let solve_s = solve_s(case, size, peak).min(case.time_limit_s);
    AROUND_S
        + match repeats {
            // The first solve draws the curve and warms up; a long one that is asked for once is that one.
            Some(1) if solve_s >= REPEAT_S => solve_s,
            Some(repeats) => solve_s * (1 + repeats) as f64,
            None if solve_s >= REPEAT_S => solve_s,
            None => solve_s + (REPEATS * solve_s).min(REPEAT_S),
        }
}

fn solve_s<T: AsSettings>(case: &Case<T>, size: &Size, peak: &Peak) -> f64 {
    let work = case.task.settings().expected(size).work();
    let seconds = work.parts.iter().map(|part| {
        let share = usual_share(part, peak.software);
        let alone = Work {
            parts: vec![part.clone()],
            ..Work::default()
        };
        let least_s = floor(&alone, peak).map_or(0.0, |(seconds, _)| seconds);
        least_s / share + part.launches * launch_s(case.device.kind, peak.software)
    });
    seconds.sum()
}

#[cfg(test)]
mod tests {
    use super::super::device::{DeviceSpec, Threads};
    use super::super::task::{AnyCase, Draft};
    use super::*;
    use crate::data::Spec;
    use crate::pca::OperatorKind;

    fn size(spec: &str) -> Size {
        Size::of(&Spec::parse(spec).unwrap()).unwrap()
    }

    #[test]
    fn samples_known_by_name_have_a_size_and_a_file_has_none() {
        assert_eq!(
            bytes(&Draft::default().settled(), &size("mnist")),
            47_040_000.0
        );
        assert_eq!((size("digits:n=200").n, size("digits:n=200").d), (200, 784));
        let wide = size("spectrum:n=500,d=1000000");
        assert_eq!((wide.n, wide.d, wide.value_bytes), (500, 1_000_000, 4));
        assert_eq!(Size::of(&Spec::parse("x.npy").unwrap()), None);
    }

    #[test]
    fn what_is_formed_counts_by_the_smaller_side() {
        let wide = size("spectrum:n=500,d=1000000");
        let case = |operator| {
            let mut draft = Draft::default();
            draft.pca.steps.operator = operator;
            draft.settled()
        };
        let matrix_free = bytes(&case(OperatorKind::Samples), &wide);
        let formed = bytes(&case(OperatorKind::Covariance), &wide);
        assert_eq!(matrix_free, 2e9);
        assert_eq!(formed - matrix_free, 8.0 * 500.0 * 500.0);
    }

    #[test]
    fn an_estimate_grows_with_the_samples_and_stops_at_the_limit() {
        let case: AnyCase = Draft {
            time_limit_s: 3.0,
            device: DeviceSpec::cpu(Threads::Count(1)),
            ..Draft::default()
        }
        .settled();
        let peak = Peak {
            stream_gb_per_s: 20.0,
            gemm_gflop_per_s: 90.0,
            ..Peak::default()
        };
        let time = |n: usize| {
            seconds(
                &case,
                &size(&format!("spectrum:n={n},d=64")),
                Some(1),
                &peak,
            )
        };
        assert!(time(1000) < time(100_000));
        assert_eq!(
            seconds(&case, &size("mnist"), Some(1), &peak),
            3.0 + AROUND_S
        );
    }
}
