//! How much memory a case takes and how long it may last, as far as its parameters tell: for `--dry-run`, and to leave out of a
//! suite what this machine cannot hold.
//!
//! Both are estimates. Memory counts the samples, the smaller Gram matrix where one is formed, and what LAPACK needs of it.
//! Time takes steps as they are on MNIST and `RATE` operations a second; it is right to a factor of a few, and stops at
//! the case's own limit.

use crate::data::Standardize;
use crate::machine;

use super::case::{AsSettings, Case};
use super::device::Threads;
use super::name::Kind;
use super::size::Size;

/// Operations a second of one thread, and of a GPU as long as nothing is known of it.
const RATE: (f64, f64) = (2e10, 2e12);
/// Seconds that warm-up, transfer and the repeats of a short case take.
const AROUND_S: f64 = 2.0;

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

/// Seconds that a case about samples of this size may last, its repeats included.
pub fn seconds<T: AsSettings>(case: &Case<T>, size: &Size, repeats: Option<usize>) -> f64 {
    let rate = match (case.device.kind, case.device.threads) {
        (Kind::Cpu, Threads::Count(threads)) => RATE.0 * threads as f64,
        (Kind::Cpu, Threads::All) => RATE.0 * machine::cores() as f64,
        _ => RATE.1,
    };
    let operations = case.task.settings().operations(size);
    let solve_s = (operations / rate).min(case.time_limit_s);
    match repeats {
        // The first solve draws the curve; what lasts long is not repeated at all.
        Some(repeats) => solve_s * (repeats.max(1) as f64) + AROUND_S,
        None => solve_s + AROUND_S,
    }
}

#[cfg(test)]
mod tests {
    use super::super::device::DeviceSpec;
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
            time_limit_s: 5.0,
            device: DeviceSpec::cpu(Threads::Count(1)),
            ..Draft::default()
        }
        .settled();
        let time = |n: usize| seconds(&case, &size(&format!("spectrum:n={n},d=64")), Some(1));
        assert!(time(1000) < time(100_000));
        assert_eq!(seconds(&case, &size("mnist"), Some(1)), 5.0 + AROUND_S);
    }
}
