//! Accuracy of an answer, off the clock: every number in f64, on the host, from the samples themselves.

use ndarray::Array2;
use ndarray_linalg::{Eigh, UPLO};

use super::problem::in_user_units;
use super::{Outcome, Reference};
use crate::data::Samples;
use crate::record::Accuracy;

/// Largest `|V'V - I|` of components that count as orthonormal.
const ORTHONORMAL: f64 = 1e-3;
/// Relative residual that f32 arithmetic may add or hide: the difference between what a device says and what the host
/// finds may not exceed it.
const ROUNDING: f64 = 3e-5;

/// The accuracy of one answer and the checks that it failed.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// The figures.
    pub accuracy: Accuracy,
    /// One sentence per failed check; empty when the answer is sound.
    pub failures: Vec<String>,
}

impl Assessment {
    /// Checks an answer against the reference: f64, on the host, all cores.
    pub fn of(outcome: &Outcome, reference: &Reference) -> Self {
        let samples = &*reference.samples;
        let d = samples.d;
        let k = outcome.components.len() / d;
        let finite = outcome.components.iter().all(|x| x.is_finite())
            && outcome.eigenvalues.iter().all(|x| x.is_finite());
        if !finite || k == 0 {
            return Self::not_finite(reference.kind());
        }
        let v: Vec<f64> = outcome.components.iter().map(|x| f64::from(*x)).collect();
        let images = images(reference, &v, k);
        let top = outcome
            .eigenvalues
            .first()
            .copied()
            .unwrap_or(0.0)
            .max(f64::MIN_POSITIVE);
        let residuals: Vec<f64> = (0..k)
            .map(|i| {
                let lambda = outcome.eigenvalues[i];
                let square: f64 = v[i * d..][..d]
                    .iter()
                    .zip(&images[i * d..][..d])
                    .map(|(v, image)| {
                        (in_user_units(samples, *image) / top - lambda / top * v).powi(2)
                    })
                    .sum();
                square.sqrt()
            })
            .collect();
        let captured: f64 = v.iter().zip(&images).map(|(v, image)| v * image).sum();
        let captured = in_user_units(samples, captured);
        let n = samples.n as f64;
        let unit = samples.element_value();
        let total = reference.statistics.variance.iter().sum::<f64>() * unit * unit;
        let accuracy = Accuracy {
            reference: reference.kind().to_string(),
            eigenvalue_error: reference.eigenvalue_error(&outcome.eigenvalues),
            subspace_sine: reference.subspace_sine(&outcome.components),
            residual: residuals.iter().copied().fold(0.0, f64::max),
            orthogonality: orthogonality(&v, k, d),
            explained_variance: captured / total,
            reconstruction_error: (total - captured).max(0.0) * (n - 1.0) / n,
            component_sine: None,
            checked_components: None,
            reference_error: None,
        };
        let failures = failures(outcome, reference, &accuracy, &residuals, top);
        Self { accuracy, failures }
    }

    fn not_finite(kind: &str) -> Self {
        Self {
            accuracy: Accuracy {
                reference: kind.to_string(),
                eigenvalue_error: None,
                subspace_sine: None,
                residual: f64::INFINITY,
                orthogonality: f64::INFINITY,
                explained_variance: 0.0,
                reconstruction_error: f64::INFINITY,
                component_sine: None,
                checked_components: None,
                reference_error: None,
            },
            failures: vec!["the answer is not finite".into()],
        }
    }
}

fn failures(
    outcome: &Outcome,
    reference: &Reference,
    accuracy: &Accuracy,
    residuals: &[f64],
    top: f64,
) -> Vec<String> {
    let mut failures = Vec::new();
    if accuracy.orthogonality > ORTHONORMAL {
        failures.push(format!(
            "the components are not orthonormal: {:.1e}",
            accuracy.orthogonality
        ));
    }
    for (i, (device, host)) in outcome.residuals.iter().zip(residuals).enumerate() {
        if (device - host).abs() > ROUNDING + 0.1 * host {
            failures.push(format!(
                "component {i}: the device says its residual is {device:.1e}, f64 on the host finds {host:.1e}"
            ));
        }
    }
    if let Some(known) = reference.all_eigenvalues() {
        for (i, (lambda, residual)) in outcome.eigenvalues.iter().zip(residuals).enumerate() {
            // Some eigenvalue lies within the residual of any Rayleigh pair (Parlett, The Symmetric Eigenvalue
            // Problem, 4.5); zero is one when the samples do not span the space.
            let nearest = known
                .iter()
                .chain([&0.0])
                .map(|x| (x - lambda).abs() / top)
                .fold(f64::MAX, f64::min);
            if nearest > residual + ROUNDING {
                failures.push(format!(
                    "component {i}: its eigenvalue is {nearest:.1e} from the nearest of the reference, its residual allows {residual:.1e}"
                ));
            }
        }
    }
    failures
}

/// `sum y (y . v)` for the k rows of v, in element units: through the Gram matrix where it is d x d, else from the
/// samples.
fn images(reference: &Reference, v: &[f64], k: usize) -> Vec<f64> {
    let samples = &*reference.samples;
    let d = samples.d;
    if let Some(gram) = &reference.gram {
        let mut images = vec![0.0; k * d];
        for (image, v) in images.chunks_exact_mut(d).zip(v.chunks_exact(d)) {
            for (image, row) in image.iter_mut().zip(gram.chunks_exact(d)) {
                *image = row.iter().zip(v).map(|(a, b)| a * b).sum();
            }
        }
        return images;
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let rows = samples.n.div_ceil(threads);
    let parts: Vec<Vec<f64>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|t| {
                let range = (t * rows).min(samples.n)..((t + 1) * rows).min(samples.n);
                scope.spawn(move || part(samples, &reference.statistics.mean, range, v, k))
            })
            .collect();
        workers.into_iter().filter_map(|w| w.join().ok()).collect()
    });
    (0..k * d)
        .map(|i| parts.iter().map(|p| p[i]).sum())
        .collect()
}

fn part(
    samples: &Samples,
    mean: &[f64],
    rows: std::ops::Range<usize>,
    v: &[f64],
    k: usize,
) -> Vec<f64> {
    let d = samples.d;
    let mut images = vec![0.0; k * d];
    let mut y = vec![0.0; d];
    for row in rows {
        samples.centred_row_f64(row, mean, &mut y);
        for (image, v) in images.chunks_exact_mut(d).zip(v.chunks_exact(d)) {
            let u: f64 = y.iter().zip(v).map(|(y, v)| y * v).sum();
            image
                .iter_mut()
                .zip(&y)
                .for_each(|(image, y)| *image += u * y);
        }
    }
    images
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

/// Largest singular value of a matrix of few rows, rows x columns.
pub(super) fn spectral_norm(a: &[f64], rows: usize, columns: usize) -> f64 {
    let row = |i: usize| &a[i * columns..][..columns];
    let gram = Array2::from_shape_fn((rows, rows), |(i, j)| {
        row(i).iter().zip(row(j)).map(|(x, y)| x * y).sum::<f64>()
    });
    match gram.eigh(UPLO::Upper) {
        Ok((values, _)) => values.iter().copied().fold(0.0, f64::max).sqrt(),
        // Frobenius bounds it from above: an error that LAPACK hides must not look small.
        Err(_) => a.iter().map(|x| x * x).sum::<f64>().sqrt(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spectral_norm_is_the_largest_singular_value() {
        assert!((spectral_norm(&[3.0, 0.0, 0.0, 4.0], 2, 2) - 4.0).abs() < 1e-14);
        assert!((spectral_norm(&[1.0, 1.0, 1.0, 1.0], 2, 2) - 2.0).abs() < 1e-14);
    }
}
