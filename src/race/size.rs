//! How much memory a case takes and how long it may last, as far as its parameters tell: for `--dry-run`, and to leave out of a
//! suite what this machine cannot hold.
//!
//! Both are estimates. Memory counts the samples, the smaller Gram matrix where one is formed, and what LAPACK needs of it.
//! Time takes steps as they are on MNIST and `RATE` operations a second; it is right to a factor of a few, and stops at
//! the case's own limit.

use crate::data::{Spec, Standardize};
use crate::machine;
use crate::optimizer::Rule;
use crate::pca::{Method, OperatorKind};

use super::case::{Case, EPOCHS, LAYERS};
use super::device::Threads;
use super::name::{Kind, ProblemKind};

/// Operations a second of one thread, and of a GPU as long as nothing is known of it.
const RATE: (f64, f64) = (2e10, 2e12);
/// Classes of a network, as of images of digits.
const CLASSES: usize = 10;
/// Seconds that warm-up, transfer and the repeats of a short case take.
const AROUND_S: f64 = 2.0;

/// The samples of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Number of samples.
    pub n: usize,
    /// Dimension.
    pub d: usize,
    /// Bytes of a value in memory.
    pub value_bytes: usize,
}

impl Size {
    /// The size of samples that are known by name; `None` for a file, which has to be read.
    pub fn of(spec: &Spec) -> Option<Self> {
        let size = |n, d, value_bytes| Some(Self { n, d, value_bytes });
        match spec {
            Spec::Mnist => size(60_000, 784, 1),
            Spec::Made(made) => {
                let (n, d, value_bytes) = made.size();
                size(n, d, value_bytes)
            }
            Spec::Path(_) => None,
        }
    }

    /// Bytes that a case about these samples takes.
    pub fn bytes(&self, case: &Case) -> f64 {
        let value_bytes = match case.standardize() {
            // What comes out has low parts.
            Standardize::Columns => 8,
            _ => self.value_bytes,
        };
        let samples = self.n as f64 * self.d as f64 * value_bytes as f64;
        let gram = (self.n.min(self.d) as f64).powi(2);
        let formed = match (case.problem, case.operator) {
            (ProblemKind::Mlp, _) => 0.0,
            // The covariance in f64 and its eigenvectors, and LAPACK's own room.
            (ProblemKind::Pca, None) => 24.0 * gram,
            (ProblemKind::Pca, Some(OperatorKind::Covariance)) => 8.0 * gram,
            (ProblemKind::Pca, Some(OperatorKind::Samples)) => 0.0,
        };
        samples + formed
    }

    /// Seconds that a case about these samples may last, its repeats included.
    pub fn seconds(&self, case: &Case, repeats: Option<usize>) -> f64 {
        let rate = match (case.device.kind, case.device.threads) {
            (Kind::Cpu, Threads::Count(threads)) => RATE.0 * threads as f64,
            (Kind::Cpu, Threads::All) => RATE.0 * machine::cores() as f64,
            _ => RATE.1,
        };
        let solve_s = (self.operations(case) / rate).min(case.time_limit_s);
        match repeats {
            // The first solve draws the curve; what lasts long is not repeated at all.
            Some(repeats) => solve_s * (repeats.max(1) as f64) + AROUND_S,
            None => solve_s + AROUND_S,
        }
    }

    fn operations(&self, case: &Case) -> f64 {
        let (n, d, k) = (self.n as f64, self.d as f64, case.components as f64);
        let small = n.min(d);
        match (case.problem, case.method, case.operator) {
            (ProblemKind::Mlp, ..) => {
                let layers = case.layers.clone().unwrap_or_else(|| LAYERS.to_vec());
                let widths = [vec![self.d], layers, vec![CLASSES]].concat();
                let parameters: usize = widths.windows(2).map(|pair| pair[0] * pair[1]).sum();
                6.0 * parameters as f64 * n * case.epochs as f64
            }
            (_, Method::Direct, _) => 2.0 * n * d * small + 20.0 * small.powi(3),
            (_, method, operator) => {
                let rule = match case.optimizer.unwrap_or(Rule::Sgd) {
                    Rule::Sgd | Rule::Nesterov => 1.0,
                    Rule::Momentum | Rule::Rmsprop => 1.8,
                    Rule::Adagrad | Rule::Adam => 3.0,
                };
                let passes = match (method, case.rows()) {
                    (_, Some(_)) => case.epochs.max(EPOCHS) as f64 * k,
                    (Method::Deflation, None) => 100.0 * k * rule,
                    _ => 150.0 * k * rule,
                };
                match operator {
                    Some(OperatorKind::Covariance) => {
                        2.0 * n * d * small + 2.0 * small * small * passes
                    }
                    _ => 4.0 * n * d * passes,
                }
            }
        }
    }
}

/// Bytes as a person reads them: `47 MB`, `3.1 GB`.
pub fn bytes_word(bytes: f64) -> String {
    match bytes {
        b if b >= 1e9 => format!("{:.1} GB", b / 1e9),
        b if b >= 1e6 => format!("{:.0} MB", b / 1e6),
        b => format!("{:.0} kB", (b / 1e3).ceil()),
    }
}

/// Seconds as a person reads an estimate: `8 s`, `3 min`.
pub fn seconds_word(seconds: f64) -> String {
    match seconds {
        s if s >= 100.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.0} s", s.ceil()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::device::DeviceSpec;
    use super::*;

    fn size(spec: &str) -> Size {
        Size::of(&Spec::parse(spec).unwrap()).unwrap()
    }

    #[test]
    fn samples_known_by_name_have_a_size_and_a_file_has_none() {
        assert_eq!(
            size("mnist").bytes(&Case::default().settled()),
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
            Case {
                operator,
                ..Case::default()
            }
            .settled()
        };
        let matrix_free = wide.bytes(&case(Some(OperatorKind::Samples)));
        let formed = wide.bytes(&case(Some(OperatorKind::Covariance)));
        assert_eq!(matrix_free, 2e9);
        assert_eq!(formed - matrix_free, 8.0 * 500.0 * 500.0);
    }

    #[test]
    fn an_estimate_grows_with_the_samples_and_stops_at_the_limit() {
        let case = Case {
            time_limit_s: 5.0,
            device: DeviceSpec::cpu(Threads::Count(1)),
            ..Case::default()
        }
        .settled();
        let time = |n: usize| size(&format!("spectrum:n={n},d=64")).seconds(&case, Some(1));
        assert!(time(1000) < time(100_000));
        assert_eq!(size("mnist").seconds(&case, Some(1)), 5.0 + AROUND_S);
    }

    #[test]
    fn sizes_and_times_are_short() {
        assert_eq!(
            [47.04e6, 3.136e9, 900.0].map(bytes_word),
            ["47 MB", "3.1 GB", "1 kB"]
        );
        assert_eq!([7.2, 180.0].map(seconds_word), ["8 s", "3 min"]);
    }
}
