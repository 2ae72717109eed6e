//! Accuracy of an answer: every number is computed in f64 on the host from the samples, outside the timed region.

use ndarray::{Array2, ArrayView2};

use super::host::Host;
use super::problem::{in_element_units, in_user_units};
use super::{Outcome, Reference, residual};
use crate::kernel::resolution;
use crate::machine;
use crate::record::Accuracy;

/// Largest accepted `|V'V - I|` of the components.
const ORTHONORMAL: f64 = 1e-3;
/// Largest accepted difference between the residuals of the device and of the host, as a share of the largest
/// eigenvalue: the rounding of f32 arithmetic.
const ROUNDING: f64 = 3e-5;
/// Largest accepted relative difference between an eigenvalue and the Rayleigh quotient of its component in f64: the
/// rounding of f32 and of the host's sums. The rounding of f32 relative to the largest eigenvalue is added (see
/// [`resolution`]).
const EIGENVALUE: f64 = 3e-5;

/// The accuracy of an answer and the checks it failed.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// The accuracy, for the record.
    pub accuracy: Accuracy,
    /// The component with the largest angle to the cluster of its own eigenvalue, counted from 0, and the sine of that
    /// angle.
    pub worst: Option<(usize, f64)>,
    /// One sentence per failed check; empty if the answer passed.
    pub failures: Vec<String>,
}

/// How an answer compares with a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The span and every component are within the target.
    Right,
    /// The resolved components, of which this is the number, are within the target; more were requested.
    Unresolved(usize),
    /// The span or a component is above the target.
    Above,
    /// A check failed.
    Failed,
}

impl Assessment {
    /// Compares the sine of the span and of each of the `asked` components with the target.
    pub fn standing(&self, target: f64, asked: usize) -> Standing {
        // Without a reference, `component_sine` is a bound from the residuals and also serves as the bound of the span.
        let component = self.accuracy.component_sine.unwrap_or(f64::NAN);
        let span = self.accuracy.subspace_sine.unwrap_or(component);
        match self.accuracy.checked_components {
            _ if !self.failures.is_empty() => Standing::Failed,
            Some(checked) if span <= target && component <= target => match checked < asked {
                true => Standing::Unresolved(checked),
                false => Standing::Right,
            },
            _ => Standing::Above,
        }
    }

    /// Checks an answer against the reference, in f64 on the host with all cores.
    pub fn of(outcome: &Outcome, reference: &Reference) -> Self {
        let d = reference.samples.d;
        let k = outcome.components.len() / d;
        let numbers = outcome.components.iter().chain(&outcome.eigenvalues);
        if k == 0 || !numbers.clone().all(|x| x.is_finite()) {
            return Self::not_finite(reference.kind());
        }
        let pairs = Pairs::of(outcome, reference);
        let sines = reference
            .component_sines(&outcome.components)
            .unwrap_or_else(|| pairs.bounds());
        let worst = sines
            .iter()
            .copied()
            .enumerate()
            .max_by(|a, b| a.1.total_cmp(&b.1));
        let captured: f64 = pairs.quotients.iter().sum();
        let captured = in_user_units(&reference.samples, captured);
        let n = reference.samples.n as f64;
        let unit = reference.samples.element_value();
        let total = reference.statistics.variance.iter().sum::<f64>() * unit * unit;
        let accuracy = Accuracy {
            reference: reference.kind().to_string(),
            eigenvalue_error: reference.eigenvalue_error(&outcome.eigenvalues),
            subspace_sine: reference.subspace_sine(&outcome.components),
            component_sine: worst.map(|(_, sine)| sine),
            checked_components: Some(sines.len()),
            reference_error: reference.own_error(),
            residual: pairs.residuals.iter().copied().fold(0.0, f64::max),
            orthogonality: orthogonality(&outcome.components, k, d),
            explained_variance: captured / total,
            reconstruction_error: (total - captured).max(0.0) * (n - 1.0) / n,
        };
        Self {
            failures: failures(outcome, reference, &accuracy, &pairs, sines.len()),
            accuracy,
            worst,
        }
    }

    fn not_finite(kind: &str) -> Self {
        Self {
            accuracy: Accuracy {
                reference: kind.to_string(),
                eigenvalue_error: None,
                subspace_sine: None,
                component_sine: None,
                checked_components: None,
                reference_error: None,
                residual: f64::INFINITY,
                orthogonality: f64::INFINITY,
                explained_variance: 0.0,
                reconstruction_error: f64::INFINITY,
            },
            worst: None,
            failures: vec!["the answer is not finite".into()],
        }
    }
}

/// An answer and its products with the covariance in f64, in element units, not divided by n - 1.
struct Pairs<'a> {
    host: Host<'a>,
    /// Components, k x d.
    v: Array2<f64>,
    /// Their products with the covariance, k x d.
    images: Array2<f64>,
    /// Rayleigh quotients, k.
    quotients: Vec<f64>,
    /// `|A v - lambda v| / lambda_1` with the eigenvalues of the answer.
    residuals: Vec<f64>,
}

impl<'a> Pairs<'a> {
    fn of(outcome: &Outcome, reference: &'a Reference) -> Self {
        let samples = &*reference.samples;
        let (d, k) = (samples.d, outcome.eigenvalues.len());
        let host = Host::new(samples, &reference.statistics, machine::cores());
        let mut v = Array2::from_shape_fn((k, d), |(i, j)| outcome.components[i * d + j]);
        for mut row in v.rows_mut() {
            let length = row.dot(&row).sqrt();
            row /= length;
        }
        let [first, last] = [0, k - 1].map(|i| outcome.eigenvalues[i]);
        let images = match &reference.gram {
            // The rounding of the Gram matrix is proportional to its largest eigenvalue.
            Some(gram) if last > super::reference::GRAM_SHARE * first => {
                let gram = ArrayView2::from_shape((d, d), gram).expect("d x d numbers");
                v.dot(&gram)
            }
            _ => host.apply(v.view()).images,
        };
        let rows = || v.rows().into_iter().zip(images.rows());
        let quotients: Vec<f64> = rows().map(|(v, image)| v.dot(&image)).collect();
        let top = in_element_units(samples, first.max(f64::MIN_POSITIVE));
        let residuals = rows()
            .zip(&outcome.eigenvalues)
            .map(|((v, image), lambda)| {
                let left = &image / top - &(in_element_units(samples, *lambda) / top * &v);
                left.dot(&left).sqrt()
            });
        Self {
            residuals: residuals.collect(),
            host,
            quotients,
            v,
            images,
        }
    }

    fn bounds(&self) -> Vec<f64> {
        residual::bounds(&self.host, &self.quotients, &self.v, &self.images)
    }
}

fn failures(
    outcome: &Outcome,
    reference: &Reference,
    accuracy: &Accuracy,
    pairs: &Pairs<'_>,
    resolved: usize,
) -> Vec<String> {
    let mut failures = Vec::new();
    if accuracy.orthogonality > ORTHONORMAL {
        failures.push(format!(
            "the components are not orthonormal: {:.1e}",
            accuracy.orthogonality
        ));
    }
    let residuals = &pairs.residuals;
    for (i, (device, host)) in outcome.residuals.iter().zip(residuals).enumerate() {
        if (device - host).abs() > ROUNDING + 0.1 * host {
            failures.push(format!(
                "component {i}: the device reports a residual of {device:.1e}, the host finds {host:.1e} in f64"
            ));
        }
    }
    let top = outcome.eigenvalues[0].max(f64::MIN_POSITIVE);
    let quotients = pairs.quotients.iter().take(resolved);
    for (i, (lambda, quotient)) in outcome.eigenvalues.iter().zip(quotients).enumerate() {
        let quotient = in_user_units(&reference.samples, *quotient);
        // Unresolved numbers are rounding and cannot be compared; the component's angle decides whether it is right.
        if !resolution::resolves(resolution::F64, lambda.max(quotient), top) {
            continue;
        }
        let ratio = (top / quotient).min(1.0 / resolution::least_share(resolution::F32));
        let allowed = EIGENVALUE + 4.0 * resolution::F32 * ratio;
        let off = (lambda - quotient).abs() / quotient.max(f64::MIN_POSITIVE);
        if off.is_nan() || off > allowed {
            failures.push(format!(
                "component {i}: its eigenvalue differs from the Rayleigh quotient of its component by {off:.1e}; \
                 rounding allows {allowed:.1e}"
            ));
        }
    }
    if let Some(known) = reference.all_eigenvalues() {
        for (i, (lambda, residual)) in outcome.eigenvalues.iter().zip(residuals).enumerate() {
            // Some eigenvalue lies within the residual of any Rayleigh pair (Parlett, The Symmetric Eigenvalue Problem,
            // 4.5). Zero is an eigenvalue if the samples do not span the space.
            let nearest = known
                .iter()
                .chain([&0.0])
                .map(|x| (x - lambda).abs() / top)
                .fold(f64::MAX, f64::min);
            if nearest > residual + ROUNDING {
                failures.push(format!(
                    "component {i}: its eigenvalue is {nearest:.1e} away from the nearest one of the reference; \
                     its residual allows {residual:.1e}"
                ));
            }
        }
    }
    failures
}

fn orthogonality(v: &[f64], k: usize, d: usize) -> f64 {
    let mut worst = 0f64;
    for i in 0..k {
        for j in 0..=i {
            let dot: f64 = v[i * d..][..d]
                .iter()
                .zip(&v[j * d..][..d])
                .map(|(a, b)| a * b)
                .sum();
            worst = worst.max((dot - if i == j { 1.0 } else { 0.0 }).abs());
        }
    }
    worst
}
