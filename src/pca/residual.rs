//! Bounds on the angle between a component and its eigenvector if there is no reference.
//!
//! With the components above it projected out, `v` leaves a residual `r = A v - theta v`. The sine of its angle to the
//! eigenspace of its own eigenvalue is at most `|r| / gap`, where gap is the distance to the next eigenvalue below
//! (Davis and Kahan 1970). Below the last component that eigenvalue is unknown, and a Lanczos run orthogonal to the
//! components bounds it from below. If it finds an eigenvalue larger than a component's, that component is the wrong
//! one, and the bound is 1.

use ndarray::{Array1, Array2, Axis, concatenate};
use ndarray_linalg::{Eigh, UPLO};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::host::Host;
use super::reference::CLUSTER_GAP;
use crate::kernel::resolution;

/// Lanczos steps for the largest eigenvalue outside the components.
const STEPS: usize = 16;

/// Upper bounds on the sines of the components whose eigenvalues f64 resolves. `values`: their Rayleigh quotients, k,
/// largest first; `v` and `images`, its products with the covariance: k x d.
pub(super) fn bounds(
    host: &Host<'_>,
    values: &[f64],
    v: &Array2<f64>,
    images: &Array2<f64>,
) -> Vec<f64> {
    let below = largest_outside(host, v);
    let top = values.iter().copied().fold(0.0, f64::max);
    // If a resolvable eigenvalue was missed, every component is judged: none is excused as too small.
    let resolved = values
        .iter()
        .take_while(|x| resolution::resolves(resolution::F64, x.max(below), top));
    (0..resolved.count())
        .map(|i| {
            let mut left = &images.row(i) - &(values[i] * &v.row(i));
            for above in v.rows().into_iter().take(i) {
                let along = above.dot(&left);
                left -= &(along * &above);
            }
            // Neighbours in the same cluster share an eigenspace.
            let apart = |next: &&f64| values[i] - **next > CLUSTER_GAP * values[i];
            let next = values[i + 1..].iter().find(apart).unwrap_or(&below);
            // A larger value further down means that the order is wrong and this component is misplaced.
            let misplaced = values[i + 1..]
                .iter()
                .any(|x| *x > (1.0 + CLUSTER_GAP) * values[i]);
            let gap = match misplaced {
                true => f64::NEG_INFINITY,
                false => values[i] - next.max(below),
            };
            let length = left.dot(&left).sqrt();
            match gap > 0.0 {
                true => (length / gap).min(1.0),
                // An eigenvalue outside is as large as this one: the component is right only if both are in one
                // cluster.
                false if gap >= -CLUSTER_GAP * values[i] => {
                    (length / (CLUSTER_GAP * values[i])).min(1.0)
                }
                false => 1.0,
            }
        })
        .collect()
}

/// A close lower bound on the largest eigenvalue of the covariance outside the span of the rows of `v`.
fn largest_outside(host: &Host<'_>, v: &Array2<f64>) -> f64 {
    let (k, d) = v.dim();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut basis = Array2::<f64>::zeros((0, d));
    let mut images = Array2::<f64>::zeros((0, d));
    let mut next: Array1<f64> =
        Array1::from_shape_simple_fn(d, || random.sample::<f64, _>(StandardNormal));
    for _ in 0..STEPS.min(d - k) {
        let whole = next.dot(&next).sqrt();
        for _ in 0..2 {
            for q in [v, &basis] {
                let along = q.dot(&next);
                next -= &q.t().dot(&along);
            }
        }
        let left = next.dot(&next).sqrt();
        if left.is_nan() || left <= 1e-10 * whole {
            break;
        }
        let row = (&next / left).insert_axis(Axis(0));
        let image = host.apply(row.view()).images;
        next = image.row(0).to_owned();
        basis = concatenate![Axis(0), basis, row];
        images = concatenate![Axis(0), images, image];
    }
    if basis.is_empty() {
        return 0.0;
    }
    let small = basis.dot(&images.t());
    match (0.5 * (&small + &small.t())).eigh(UPLO::Upper) {
        Ok((values, _)) => values.iter().copied().fold(0.0, f64::max),
        // Without an estimate no component may count as separated.
        Err(_) => f64::INFINITY,
    }
}
