//! The covariance operator in f64 on the host, applied directly to the samples.
//!
//! It serves the last step of a solve whose components f32 cannot resolve, and the check of every answer. Each tile of
//! rows is centred in f64 and multiplied with the vectors in two matrix products. The sums of [`RUN`] rows are added
//! with compensation (Neumaier 1974), so that rounding does not grow with the number of samples.

use ndarray::{Array2, ArrayView2, linalg::general_mat_mul};

use crate::data::{Samples, Statistics, parallel};
use crate::device::cpu::Single;

/// Elements in a tile of centred rows: 2 MB of f64, which fits in the L2 cache of most processors.
const TILE: usize = 1 << 18;
/// Fewest rows in a tile, even if one row exceeds [`TILE`]: every tile moves the sums through memory.
const TILE_ROWS: usize = 8;
/// Rows summed without compensation.
const RUN: usize = 4096;
/// Most ranges of rows, each summed by one thread. The data alone fix them, so results do not depend on the thread
/// count.
const RANGES: usize = 32;
/// Number of operations below which threads cost more than they save.
const SHARED: f64 = 2e6;
/// Most elements of the sums of all ranges together (1 GB); beyond it there is one range per thread.
const SUMS: usize = 1 << 26;

/// The operator `sum_i y_i y_i'` over the centred samples y, in element units, not divided by n - 1.
pub(super) struct Host<'a> {
    pub samples: &'a Samples,
    mean: &'a [f64],
    threads: usize,
    /// Keeps BLAS on one thread: the products run on threads of this module.
    _single: Single,
}

impl<'a> Host<'a> {
    /// The operator of these samples on `threads` threads.
    pub fn new(samples: &'a Samples, statistics: &'a Statistics, threads: usize) -> Self {
        Self {
            samples,
            mean: &statistics.mean,
            threads,
            _single: Single::default(),
        }
    }

    /// Floating-point operations of one product with m vectors.
    pub fn flops(&self, m: usize) -> f64 {
        4.0 * self.samples.n as f64 * self.samples.d as f64 * m as f64
    }

    /// `v A` and `v A v'` for the m rows of `v`.
    pub fn apply(&self, v: ArrayView2<'_, f64>) -> Product {
        let (n, m) = (self.samples.n, v.nrows());
        let ranges = match v.len() * RANGES > SUMS {
            true => self.threads,
            false => RANGES,
        };
        let threads = match self.flops(m) < SHARED {
            true => 1,
            false => self.threads,
        };
        let height = n.div_ceil(ranges).max(1);
        let tasks: Vec<_> = (0..n).step_by(height).collect();
        let parts = parallel::map(tasks, threads, |_, start| {
            self.part(start..n.min(start + height), v)
        });
        let mut images = Sum::new(m, self.samples.d);
        let mut inner = Sum::new(m, m);
        for part in &parts {
            images.add(&part.images);
            inner.add(&part.inner);
        }
        Product {
            images: images.value(),
            inner: inner.value(),
        }
    }

    /// The contribution of a range of rows to [`Host::apply`].
    fn part(&self, rows: std::ops::Range<usize>, v: ArrayView2<'_, f64>) -> Product {
        let (m, d) = v.dim();
        let height = (TILE / d).max(TILE_ROWS).min(rows.len());
        let mut tile = Array2::zeros((height, d));
        let (mut images, mut inner) = (Sum::new(m, d), Sum::new(m, m));
        let mut run = [Array2::zeros((m, d)), Array2::zeros((m, m))];
        let mut rows_in_run = 0;
        for start in rows.clone().step_by(height) {
            let count = height.min(rows.end - start);
            for (i, mut row) in tile.rows_mut().into_iter().take(count).enumerate() {
                let row = row.as_slice_mut().expect("a standard layout");
                self.samples.centred_row_f64(start + i, self.mean, row);
            }
            let tile = tile.slice(ndarray::s![..count, ..]);
            let projections = v.dot(&tile.t());
            general_mat_mul(1.0, &projections, &tile, 1.0, &mut run[0]);
            general_mat_mul(1.0, &projections, &projections.t(), 1.0, &mut run[1]);
            rows_in_run += count;
            if rows_in_run >= RUN || start + count == rows.end {
                images.add(&run[0]);
                inner.add(&run[1]);
                run.iter_mut().for_each(|run| run.fill(0.0));
                rows_in_run = 0;
            }
        }
        Product {
            images: images.value(),
            inner: inner.value(),
        }
    }
}

/// A product of m vectors with the covariance.
pub(super) struct Product {
    /// `v A`, m x d.
    pub images: Array2<f64>,
    /// `v A v'`, m x m, summed over the samples' projections: the rounding error of an entry is proportional to its own
    /// row and column, not to the largest eigenvalue.
    pub inner: Array2<f64>,
}

/// A compensated sum of matrices: the sum and its accumulated rounding errors.
struct Sum {
    high: Array2<f64>,
    low: Array2<f64>,
}

impl Sum {
    fn new(rows: usize, columns: usize) -> Self {
        let [high, low] = [(); 2].map(|()| Array2::zeros((rows, columns)));
        Self { high, low }
    }

    fn add(&mut self, other: &Array2<f64>) {
        ndarray::Zip::from(&mut self.high)
            .and(&mut self.low)
            .and(other)
            .for_each(|high, low, &x| {
                let sum = *high + x;
                // The exact rounding error of the sum (Knuth's two-sum, which does not need the larger term first).
                let part = sum - *high;
                *low += (*high - (sum - part)) + (x - part);
                *high = sum;
            });
    }

    fn value(self) -> Array2<f64> {
        self.high + self.low
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Request, load};

    fn samples(spec: &str) -> Samples {
        let request = Request {
            spec: spec.into(),
            quiet: true,
            ..Request::default()
        };
        load(&request).expect("generated samples")
    }

    #[test]
    fn a_product_is_the_sum_over_centred_rows_for_any_number_of_threads() {
        for spec in ["spectrum:n=257,d=33", "digits:n=31", "spectrum:n=3,d=1031"] {
            let samples = samples(spec);
            let statistics = Statistics::of(&samples, 1);
            let v =
                Array2::from_shape_fn((3, samples.d), |(i, j)| ((i + 2) * j) as f64 % 7.0 - 3.0);
            let mut expected = Array2::<f64>::zeros((3, samples.d));
            let mut y = vec![0.0; samples.d];
            for row in 0..samples.n {
                samples.centred_row_f64(row, &statistics.mean, &mut y);
                for (mut out, v) in expected.rows_mut().into_iter().zip(v.rows()) {
                    let u: f64 = y.iter().zip(v).map(|(y, v)| y * v).sum();
                    out.iter_mut().zip(&y).for_each(|(out, y)| *out += u * y);
                }
            }
            let product = Host::new(&samples, &statistics, 1).apply(v.view());
            let inner = v.dot(&expected.t());
            let error = (&product.inner - &inner).mapv(f64::abs).sum();
            assert!(
                error < 1e-13 * inner.mapv(f64::abs).sum(),
                "{spec}: {error}"
            );
            let one = product.images;
            let error = (&one - &expected).mapv(f64::abs).sum() / expected.mapv(f64::abs).sum();
            assert!(error < 1e-13, "{spec}: {error}");
            let two = Host::new(&samples, &statistics, 2).apply(v.view());
            assert_eq!((one, product.inner), (two.images, two.inner));
        }
    }

    #[test]
    fn a_compensated_sum_keeps_what_a_plain_one_loses() {
        let mut sum = Sum::new(1, 1);
        for x in [1e16, 1.0, -1e16] {
            sum.add(&Array2::from_elem((1, 1), x));
        }
        assert_eq!(sum.value()[[0, 0]], 1.0);
    }
}
