//! The last step of a solve whose components f32 does not resolve: in f64 on the host, from the samples.
//!
//! In f32, a small eigenvalue beside a large one is lost in rounding (see [`crate::kernel::resolution`]), so the k
//! vectors of the device are only a start. A Rayleigh-Ritz step in their span, with the covariance in f64, gives
//! eigenpairs with the accuracy of f64. If the device's method ran to completion, the span is also completed: the
//! residuals of the Ritz vectors join the basis until every residual is within the tolerance (block Krylov subspaces
//! with restarts; Saad, Numerical Methods for Large Eigenvalue Problems, 2011, 6.4 and 7.2). If a method was stopped by
//! its limit of iterations or by time, the span is only rotated ([`Completion`]), so the host does not find what the
//! method did not.

use ndarray::{Array2, ArrayView2, Axis, concatenate, s};
use ndarray_linalg::{Eigh, UPLO};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::Next;
use super::decomposition::graded;
use super::host::Host;
use crate::error::{Error, Result};
use crate::kernel::resolution;

/// Additional vectors that are iterated with the components. They keep the span converging when the next eigenvalues
/// are close, and find eigenvectors that the start vectors lack.
const GUARDS: usize = 4;
/// Most elements of the basis: 512 MB, and the same again for its products with the covariance.
const BASIS: usize = 1 << 26;
/// Residual, relative to its eigenvalue, below which a component counts as found: the default target.
pub(super) const FOUND: f64 = 1e-3;
/// Rounds in which the largest residual does not fall by a tenth before the floor of f64 counts as reached.
const PATIENCE: usize = 12;
/// A row of which Gram-Schmidt leaves less than this share is rounding.
const VANISHED: f64 = 1e-10;
/// A residual below this multiple of the unit roundoff times the largest eigenvalue is rounding.
const FLOOR: f64 = 8.0;

/// Eigenpairs of the covariance, in element units, not divided by n - 1.
pub(super) struct Finished {
    /// Eigenvalues, largest first, k.
    pub eigenvalues: Vec<f64>,
    /// Components, k x d.
    pub components: Array2<f64>,
    /// `|A v - lambda v| / lambda_1` of each component.
    pub residuals: Vec<f64>,
    /// Largest residual relative to its own eigenvalue, among the components that f64 resolves.
    pub residual: f64,
    /// Why it ended.
    pub end: End,
    /// Products of the covariance with a block of vectors.
    pub passes: f64,
    /// Floating-point operations of these products.
    pub flops: f64,
}

/// Whether [`finish`] completes the span or only rotates it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Completion {
    /// Only rotates: the time is up, or the method used mini-batches.
    Never,
    /// Completes the span if the method found all components that f32 resolves, to [`FOUND`]. The method reached its
    /// iteration limit on the others, which no number of iterations in f32 would find.
    WhereFound,
    /// Completes the span: the method ran to completion.
    Always,
}

/// Why [`finish`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The span was only rotated.
    Rotated,
    /// Every residual is within the tolerance or is rounding in f64.
    Settled,
    /// A residual above the tolerance stopped improving.
    Floor,
    /// The callback asked to stop.
    Stopped,
}

/// Parameters of [`finish`].
pub(super) struct Course<'a> {
    /// Residual, relative to its eigenvalue, below which a component has converged.
    pub tolerance: f64,
    /// Whether to complete the span.
    pub completion: Completion,
    /// Seed of the guard vectors.
    pub seed: u64,
    /// Called after every round with the components (k x d) and the number of passes so far.
    pub look: &'a mut dyn FnMut(&Array2<f64>, f64) -> Result<Next>,
}

/// A basis and its products with the covariance.
struct Basis {
    /// Orthonormal rows.
    q: Array2<f64>,
    /// `q A`.
    image: Array2<f64>,
}

impl Basis {
    /// The `count` leading Ritz pairs: eigenvalues, vectors, and products of the vectors with A.
    fn ritz(&self, count: usize) -> Result<(Vec<f64>, Array2<f64>, Array2<f64>)> {
        let small = self.q.dot(&self.image.t());
        let small = 0.5 * (&small + &small.t());
        let order = small.nrows();
        let (values, vectors) = small.eigh(UPLO::Upper).map_err(|e| {
            Error::failed(format!(
                "Rayleigh-Ritz: LAPACK failed at order {order}: {e}"
            ))
        })?;
        let count = count.min(order);
        // LAPACK returns them in ascending order, one per column.
        let leading = vectors
            .slice(s![.., ..;-1])
            .slice(s![.., ..count])
            .to_owned();
        Ok((
            values.iter().rev().take(count).copied().collect(),
            leading.t().dot(&self.q),
            leading.t().dot(&self.image),
        ))
    }
}

/// Computes eigenpairs in f64, starting from the span of `start` (k x d); see the module documentation.
///
/// # Errors
/// LAPACK's, and any error that the callback returns.
pub(super) fn finish(
    host: &Host<'_>,
    start: ArrayView2<'_, f64>,
    course: &mut Course<'_>,
) -> Result<Finished> {
    let (k, d) = start.dim();
    let guards = match course.completion {
        Completion::Never => 0,
        _ => GUARDS.min(d - k),
    };
    let mut random = ChaCha8Rng::seed_from_u64(course.seed);
    let mut normal = |rows: usize| {
        Array2::from_shape_simple_fn((rows, d), || random.sample::<f64, _>(StandardNormal))
    };
    let first = concatenate![Axis(0), start, normal(guards)];
    let q = orthonormal(None, first, &mut normal, k);
    let image = host.apply(q.view()).images;
    let (mut passes, mut flops) = (1.0, host.flops(q.nrows()));
    let mut basis = Basis { q, image };
    let sought = k + guards;
    let most = (BASIS / d).clamp(3 * sought, 12 * sought).min(d);
    let mut best = f64::INFINITY;
    let mut idle = 0;
    loop {
        let (values, vectors, images) = basis.ritz(sought)?;
        let residuals = &images - &(&vectors * &column(&values));
        let norms: Vec<f64> = residuals.rows().into_iter().map(norm).collect();
        let top = values[0].max(f64::MIN_POSITIVE);
        let rounding = FLOOR * resolution::F64 * top;
        // A component below the resolution of f64 has no well-defined vector to find.
        let open: Vec<usize> = (0..k)
            .filter(|&i| resolution::resolves(resolution::F64, values[i], top))
            .filter(|&i| norms[i] > rounding.max(course.tolerance * values[i]))
            .collect();
        let worst = open
            .iter()
            .map(|&i| norms[i] / values[i])
            .fold(0.0, f64::max);
        idle = if worst < 0.9 * best { 0 } else { idle + 1 };
        best = best.min(worst);
        let components = vectors.slice(s![..k, ..]).to_owned();
        if passes == 1.0 && course.completion == Completion::WhereFound {
            let leading = (0..k).filter(|&i| resolution::resolves(resolution::F32, values[i], top));
            let found = |i: usize| norms[i] <= FOUND * values[i];
            course.completion = match leading.into_iter().all(found) {
                true => Completion::Always,
                false => Completion::Never,
            };
        }
        let over = course.completion == Completion::Never || open.is_empty() || idle > PATIENCE;
        let stopped = over || (course.look)(&components, passes)? == Next::Stop;
        let mut more = Array2::zeros((0, d));
        if !stopped {
            if basis.q.nrows() + sought > most {
                basis = Basis {
                    q: vectors,
                    image: images,
                };
            }
            // Converged guards would only add rounding errors.
            let rows: Vec<usize> = (0..sought).filter(|i| norms[*i] > rounding).collect();
            let left = residuals.select(Axis(0), &rows);
            more = orthonormal(Some(&basis.q), left, &mut normal, 0);
        }
        if more.nrows() == 0 {
            let end = match course.completion {
                Completion::Always if open.is_empty() => End::Settled,
                Completion::Always if !over => End::Stopped,
                Completion::Always => End::Floor,
                _ => End::Rotated,
            };
            return Ok(Finished {
                passes: passes + 1.0,
                flops: flops + host.flops(k),
                ..conclude(host, components, end)
            });
        }
        let image = host.apply(more.view()).images;
        passes += 1.0;
        flops += host.flops(more.nrows());
        basis
            .q
            .append(Axis(0), more.view())
            .expect("rows of length d");
        basis
            .image
            .append(Axis(0), image.view())
            .expect("rows of length d");
    }
}

/// Computes the result with a last rotation, from the samples' projections on the components. The errors of
/// [`Basis::ritz`] are proportional to the largest eigenvalue; those of these projections, and of the eigenvalues from
/// them ([`graded`]), to each component's own.
fn conclude(host: &Host<'_>, components: Array2<f64>, end: End) -> Finished {
    let product = host.apply(components.view());
    let (eigenvalues, turn) = graded(product.inner);
    let (components, images) = (turn.dot(&components), turn.dot(&product.images));
    let left = &images - &(&components * &column(&eigenvalues));
    let left: Vec<f64> = left.rows().into_iter().map(norm).collect();
    let top = eigenvalues[0].max(f64::MIN_POSITIVE);
    let resolved = |x: f64| resolution::resolves(resolution::F64, x, top);
    let shares = left.iter().zip(&eigenvalues);
    let shares = shares.filter(|(_, x)| resolved(**x));
    Finished {
        residual: shares.map(|(left, x)| left / x).fold(0.0, f64::max),
        residuals: left.iter().map(|left| left / top).collect(),
        eigenvalues,
        components,
        end,
        passes: 0.0,
        flops: 0.0,
    }
}

fn column(values: &[f64]) -> Array2<f64> {
    Array2::from_shape_fn((values.len(), 1), |(i, _)| values[i])
}

fn norm(row: ndarray::ArrayView1<'_, f64>) -> f64 {
    row.dot(&row).sqrt()
}

/// Orthonormalises `rows` against each other and against the rows of `against` by Gram-Schmidt, applied twice. Drops a
/// row that vanishes, unless it is among the first `needed`: then it is replaced by a random row.
fn orthonormal(
    against: Option<&Array2<f64>>,
    rows: Array2<f64>,
    draw: &mut dyn FnMut(usize) -> Array2<f64>,
    needed: usize,
) -> Array2<f64> {
    let d = rows.ncols();
    let mut kept = Array2::<f64>::zeros((0, d));
    let full = against.map_or(0, |q| q.nrows());
    for (i, row) in rows.outer_iter().enumerate() {
        let mut row = row.to_owned();
        // Scale first: the square of a row with a length near the limits of f64 would overflow.
        let size = row.iter().fold(0.0f64, |size, x| size.max(x.abs()));
        for attempt in 0..=8 {
            if attempt > 0 {
                row = draw(1).row(0).to_owned();
            } else if size > 0.0 {
                row /= size;
            }
            let whole = row.dot(&row).sqrt();
            for _ in 0..2 {
                for q in against.into_iter().chain([&kept]) {
                    let along = q.dot(&row);
                    row -= &q.t().dot(&along);
                }
            }
            let left = row.dot(&row).sqrt();
            if full + kept.nrows() < d && left > VANISHED * whole && left.is_finite() {
                row /= left;
                // Repeat at unit length: cancellation in a long row leaves it not orthogonal.
                for q in against.into_iter().chain([&kept]) {
                    let along = q.dot(&row);
                    row -= &q.t().dot(&along);
                }
                row /= row.dot(&row).sqrt();
                kept.push_row(row.view()).expect("a row of length d");
                break;
            }
            if i >= needed {
                break;
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Elements, Samples, Statistics};

    /// Samples with a diagonal covariance: pairs of rows `s_j e_j` and `-s_j e_j`, so that eigenvector j is e_j with
    /// eigenvalue `2 s_j^2`.
    fn samples(sizes: &[f32]) -> Samples {
        let d = sizes.len();
        let mut elements = vec![0.0f32; 2 * d * d];
        for (j, size) in sizes.iter().enumerate() {
            elements[2 * j * d + j] = *size;
            elements[(2 * j + 1) * d + j] = -size;
        }
        Samples {
            n: 2 * d,
            d,
            elements: Elements::F32(elements),
            low: Vec::new(),
            unit: 1.0,
            source_scale: 1.0,
            offset: Vec::new(),
            labels: None,
            image: None,
            spec: "diagonal".into(),
            sha256: String::new(),
            known: None,
        }
    }

    /// Runs [`finish`] from the unit vectors at these indices, each tilted by 1e-3 towards the last.
    fn finished(
        samples: &Samples,
        places: &[usize],
        completion: Completion,
        verdict: Next,
    ) -> Finished {
        let statistics = Statistics::of(samples, 1);
        let host = Host::new(samples, &statistics, 1);
        let mut start = Array2::zeros((places.len(), samples.d));
        for (mut row, place) in start.rows_mut().into_iter().zip(places) {
            row[samples.d - 1] = 1e-3;
            row[*place] = 1.0;
        }
        let mut course = Course {
            tolerance: 1e-6,
            completion,
            seed: 1,
            look: &mut |_, _| Ok(verdict),
        };
        finish(&host, start.view(), &mut course).expect("LAPACK")
    }

    const SIZES: [f32; 12] = [
        1.0, 0.5, 1e-2, 1e-3, 1e-4, 9e-5, 8e-5, 7e-5, 6e-5, 5e-5, 4e-5, 3e-5,
    ];

    fn errors(finished: &Finished) -> Vec<f64> {
        let pairs = finished.eigenvalues.iter().zip(SIZES);
        let error = |(value, size): (&f64, f32)| value / (2.0 * f64::from(size).powi(2)) - 1.0;
        pairs.map(|pair| error(pair).abs()).collect()
    }

    #[test]
    fn completion_finds_an_eigenvector_that_the_start_lacks() {
        let samples = samples(&SIZES);
        for places in [[0, 1, 2, 3, 4], [0, 2, 3, 4, 5]] {
            let finished = finished(&samples, &places, Completion::Always, Next::Continue);
            assert_eq!(finished.end, End::Settled);
            assert!(
                errors(&finished).iter().all(|e| *e < 1e-10),
                "{:?}",
                errors(&finished)
            );
            assert!(finished.residual <= 1e-6 && finished.passes >= 2.0);
            for (i, row) in finished.components.rows().into_iter().enumerate() {
                assert!((row[i].abs() - 1.0).abs() < 1e-10, "{i}: {row}");
            }
        }
    }

    #[test]
    fn a_span_stopped_by_a_limit_is_only_rotated_unless_all_that_f32_resolves_was_found() {
        let samples = samples(&SIZES);
        let end = |places: &[usize], completion| {
            finished(&samples, places, completion, Next::Continue).end
        };
        assert_eq!(end(&[0, 1, 2, 3, 4], Completion::Never), End::Rotated);
        // A tilt of 1e-3 towards an almost zero eigenvalue leaves a residual of 1e-3 of the eigenvalue.
        assert_eq!(end(&[0, 1, 2, 3, 4], Completion::WhereFound), End::Settled);
        let mut far = Array2::<f64>::eye(12);
        far[[1, 2]] = 0.5;
        let statistics = Statistics::of(&samples, 1);
        let host = Host::new(&samples, &statistics, 1);
        let mut course = Course {
            tolerance: 1e-6,
            completion: Completion::WhereFound,
            seed: 1,
            look: &mut |_, _| Ok(Next::Continue),
        };
        let start = far.select(Axis(0), &[0, 1, 5]);
        let finished = finish(&host, start.view(), &mut course).expect("LAPACK");
        assert_eq!(finished.end, End::Rotated);
    }

    #[test]
    fn a_stop_from_the_callback_returns_the_components_so_far() {
        let finished = finished(
            &samples(&SIZES),
            &[0, 2, 3, 4, 5],
            Completion::Always,
            Next::Stop,
        );
        assert_eq!(finished.end, End::Stopped);
        assert!(errors(&finished)[1] > 1e-3 && errors(&finished)[0] < 1e-5);
    }
}
