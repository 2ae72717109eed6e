//! Samples that people have, and a judge that shares nothing with the program's own check: a one-sided Jacobi SVD in f64
//! (Hestenes 1958), which forms no Gram matrix. For tests.

use std::sync::Arc;

use ndarray::{Array2, ArrayView1, Axis};
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Poisson, StandardNormal};

use crate::data::{Request, Samples, load};

/// Relative gap under which neighbours share a space: any rotation in it is right.
const CLUSTER: f64 = 2e-4;

/// Standard normal numbers, n x d.
pub fn normal(random: &mut ChaCha8Rng, n: usize, d: usize) -> Array2<f64> {
    Array2::from_shape_simple_fn((n, d), || random.sample::<f64, _>(StandardNormal))
}

/// Orthonormal columns with the span of those of `a`, twice through Gram-Schmidt.
fn orthonormal(mut a: Array2<f64>) -> Array2<f64> {
    for _ in 0..2 {
        for j in 0..a.ncols() {
            for i in 0..j {
                let along = a.column(i).dot(&a.column(j));
                let part = along * &a.column(i);
                let mut column = a.column_mut(j);
                column -= &part;
            }
            let length = a.column(j).dot(&a.column(j)).sqrt();
            a.column_mut(j).mapv_inplace(|x| x / length);
        }
    }
    a
}

/// n x d samples whose covariance has these eigenvalues, eigenvectors drawn at random, and zeros after them.
pub fn with_spectrum(random: &mut ChaCha8Rng, n: usize, d: usize, values: &[f64]) -> Array2<f64> {
    let rank = values.len();
    let mut left = normal(random, n, rank);
    let mean = left.mean_axis(Axis(0)).expect("rows");
    left -= &mean;
    let mut left = orthonormal(left);
    for (mut column, value) in left.columns_mut().into_iter().zip(values) {
        column *= (value * (n - 1) as f64).sqrt();
    }
    left.dot(&orthonormal(normal(random, d, rank)).t())
}

/// Salary, age and number of children of 300 people.
pub fn salaries(seed: u64) -> Array2<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut x = normal(&mut random, 300, 3);
    let children = Poisson::new(1.5).expect("a mean above 0");
    for mut row in x.rows_mut() {
        row[0] = 40000.0 + 15000.0 * row[0];
        row[1] = 40.0 + 12.0 * row[1];
        row[2] = children.sample(&mut random);
    }
    x
}

/// The samples as the program loads them from a file of f64, or of f32.
pub fn loaded(x: &Array2<f64>, single: bool) -> Arc<Samples> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.npy");
    match single {
        true => ndarray_npy::write_npy(&path, &x.mapv(|x| x as f32)),
        false => ndarray_npy::write_npy(&path, x),
    }
    .expect("a temporary file");
    let request = Request {
        spec: path.display().to_string(),
        quiet: true,
        ..Request::default()
    };
    Arc::new(load(&request).expect("finite samples that differ"))
}

/// Eigenpairs of the covariance (divisor n - 1), largest first: eigenvalues, and eigenvectors as rows.
pub struct Truth {
    /// All of them.
    pub values: Vec<f64>,
    vectors: Array2<f64>,
}

impl Truth {
    /// By one-sided Jacobi rotations of the shorter side of the centred samples.
    pub fn of(x: &Array2<f64>) -> Self {
        let n = x.nrows();
        let mean = x.mean_axis(Axis(0)).expect("rows");
        let mut y = x - &mean;
        // Once more: the mean of large numbers is rounded.
        let rest = y.mean_axis(Axis(0)).expect("rows");
        y -= &rest;
        let tall = y.nrows() >= y.ncols();
        // Rows to be made orthogonal, and what turns with them.
        let mut rows = match tall {
            true => y.t().to_owned(),
            false => y,
        };
        let mut turned = Array2::eye(rows.nrows());
        for _ in 0..60 {
            if !sweep(&mut rows, &mut turned) {
                break;
            }
        }
        let squares: Vec<f64> = rows.rows().into_iter().map(|row| row.dot(&row)).collect();
        let mut order: Vec<usize> = (0..squares.len()).collect();
        order.sort_by(|a, b| squares[*b].total_cmp(&squares[*a]));
        let vectors = match tall {
            true => turned.select(Axis(0), &order),
            false => {
                let mut vectors = rows.select(Axis(0), &order);
                for mut row in vectors.rows_mut() {
                    let length = row.dot(&row).sqrt().max(f64::MIN_POSITIVE);
                    row /= length;
                }
                vectors
            }
        };
        Self {
            values: order.iter().map(|i| squares[*i] / (n - 1) as f64).collect(),
            vectors,
        }
    }

    /// Sine of the angle of a vector to the space of the eigenvalues near the i-th.
    pub fn sine(&self, i: usize, v: ArrayView1<'_, f64>) -> f64 {
        let near = |a: f64, b: f64| (a - b).abs() <= CLUSTER * a.max(b);
        let (mut first, mut last) = (i, i);
        while first > 0 && near(self.values[first - 1], self.values[first]) {
            first -= 1;
        }
        while last + 1 < self.values.len() && near(self.values[last + 1], self.values[last]) {
            last += 1;
        }
        let mut left = v.to_owned();
        left /= v.dot(&v).sqrt();
        for _ in 0..2 {
            for u in (first..=last).map(|j| self.vectors.row(j)) {
                let along = u.dot(&left);
                left -= &(along * &u);
            }
        }
        left.dot(&left).sqrt()
    }
}

/// One sweep of rotations over all pairs of rows; whether any turned.
fn sweep(rows: &mut Array2<f64>, turned: &mut Array2<f64>) -> bool {
    let mut any = false;
    for i in 0..rows.nrows() {
        for j in i + 1..rows.nrows() {
            let (a, b) = (rows.row(i), rows.row(j));
            let (alpha, beta, gamma) = (a.dot(&a), b.dot(&b), a.dot(&b));
            if gamma.abs() <= 1e-15 * (alpha * beta).sqrt() || gamma == 0.0 {
                continue;
            }
            any = true;
            let zeta = (beta - alpha) / (2.0 * gamma);
            let t = zeta.signum() / (zeta.abs() + (1.0 + zeta * zeta).sqrt());
            let c = 1.0 / (1.0 + t * t).sqrt();
            for matrix in [&mut *rows, &mut *turned] {
                let (a, b) = (matrix.row(i).to_owned(), matrix.row(j).to_owned());
                matrix.row_mut(i).assign(&(c * &a - (c * t) * &b));
                matrix.row_mut(j).assign(&((c * t) * &a + c * &b));
            }
        }
    }
    any
}

/// Name, samples, whether their file is f32, components asked for.
pub type Table = (&'static str, Array2<f64>, bool, usize);

/// Tables such as people have.
pub fn tables() -> Vec<Table> {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let random = &mut random;
    let powers = |last: f64, count: usize| -> Vec<f64> {
        let step = last / (count - 1) as f64;
        (0..count).map(|i| 10f64.powf(-step * i as f64)).collect()
    };
    let mut outlier = normal(random, 200, 3);
    outlier[[17, 1]] = 1e5;
    let mut units = with_spectrum(random, 150, 6, &[4.0, 2.0, 1.0, 0.5, 0.25, 0.125]);
    for (j, mut column) in units.columns_mut().into_iter().enumerate() {
        column *= [1e3, 1.0, 1e-2, 30.0, 0.1, 1e2][j];
        column += [1e6, -3.0, 0.0, 1e3, 0.5, -2e4][j];
    }
    let mut shuffled: Vec<usize> = (0..200).collect();
    shuffled.shuffle(random);
    let twins = with_spectrum(random, 200, 20, &[4.0, 2.0, 2.0, 2.0, 1.0, 0.5, 0.25]);
    vec![
        ("salary, age, children; two asked", salaries(1), false, 2),
        ("salary, age, children; three asked", salaries(2), false, 3),
        ("salary, age, children as f32", salaries(3), true, 3),
        ("one outlier of 1e5", outlier, false, 3),
        ("columns in six units", units, false, 4),
        (
            "a ratio of 1e-4",
            with_spectrum(random, 300, 24, &powers(4.0, 5)),
            false,
            5,
        ),
        (
            "a ratio of 1e-7",
            with_spectrum(random, 300, 24, &powers(7.0, 6)),
            false,
            6,
        ),
        (
            "a ratio of 1e-10",
            with_spectrum(random, 300, 24, &powers(10.0, 6)),
            false,
            6,
        ),
        (
            "a ratio of 1e-10, wide",
            with_spectrum(random, 24, 90, &powers(10.0, 6)),
            false,
            6,
        ),
        (
            "a ratio of 1e-7 as f32",
            with_spectrum(random, 100, 33, &powers(7.0, 5)),
            true,
            5,
        ),
        (
            "tall, the last a two-hundredth",
            with_spectrum(random, 20_000, 4, &[1.0, 0.02, 0.01, 0.005]),
            true,
            4,
        ),
        (
            "twins at the boundary",
            twins.select(Axis(0), &shuffled),
            false,
            3,
        ),
        (
            "neighbours within a thousandth at 1e-10",
            with_spectrum(random, 120, 9, &[1.0, 1e-3, 1.001e-10, 1e-10, 5e-11]),
            false,
            4,
        ),
        ("n = 3", with_spectrum(random, 3, 5, &[3.0, 1e-4]), false, 2),
        ("n = 2", normal(random, 2, 31), false, 1),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_judge_knows_a_spectrum_over_twelve_orders() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let values = [1.0, 1e-3, 1e-6, 1e-9, 1e-12];
        for (n, d) in [(60, 7), (9, 40)] {
            let truth = Truth::of(&with_spectrum(&mut random, n, d, &values));
            for (found, value) in truth.values.iter().zip(values) {
                assert!((found / value - 1.0).abs() < 1e-8, "{found:e} {value:e}");
            }
        }
    }
}
