//! Standardizes columns to zero mean and unit variance (divisor n - 1).
//!
//! The computation is in f64 on the values of the file: the same numbers give the same samples whether they were stored
//! as bytes, integers, f32, f64 or text. For `pca`, mean and variance are those of all rows, and the components are
//! those of the correlation matrix. For `mlp` they are those of the training rows only, and held-out rows are
//! transformed with them. A column without variance becomes 0.
//!
//! In an f64 file, a column whose deviations are below 1e-38 of the largest deviation is lost in the stored precision
//! (see [`Samples::low`]) and counts as a column without variance.

use super::split::Split;
use super::{Elements, Samples, Statistics, matrix, parallel};
use crate::error::{Error, Result};
use crate::machine;

/// How columns are scaled (`--standardize`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standardize {
    /// Scales columns for `mlp` on a file, otherwise does nothing.
    #[default]
    Auto,
    /// Leaves columns as they are. A narrowed source is still stored without its mean over all rows, see
    /// [`Samples::offset`].
    None,
    /// Zero mean and unit variance.
    Columns,
}

/// Largest accepted value of a held-out row, in standard deviations: beyond it sums in f32 overflow.
const FARTHEST: f64 = 1e20;

impl Standardize {
    /// Returns the samples, their columns standardized by their own mean and variance if requested.
    ///
    /// # Errors
    /// `Error::Input` if they do not fit in memory.
    pub fn whole(self, samples: Samples) -> Result<Samples> {
        match self {
            Self::Columns => Columns::of(&samples).apply(&samples),
            Self::Auto | Self::None => Ok(samples),
        }
    }

    /// Returns both parts, standardized by the mean and variance of the training rows if requested.
    ///
    /// # Errors
    /// `Error::Input` if they do not fit in memory, or if a test row is too far from the training rows for f32.
    pub fn split(self, split: Split) -> Result<Split> {
        if self != Self::Columns {
            return Ok(split);
        }
        let columns = Columns::of(&split.train);
        Ok(Split {
            train: columns.apply(&split.train)?,
            test: columns.apply(&split.test)?,
        })
    }
}

/// Shift and divisor of each column, in element units.
struct Columns {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Columns {
    fn of(samples: &Samples) -> Self {
        let statistics = Statistics::of(samples, machine::cores());
        Self {
            mean: statistics.mean,
            deviation: statistics.variance.into_iter().map(f64::sqrt).collect(),
        }
    }

    /// Standardizes samples that have the same element units as those that `self` was computed from.
    fn apply(&self, samples: &Samples) -> Result<Samples> {
        let Samples { n, d, .. } = *samples;
        let (mut high, mut low): (Vec<f32>, Vec<f32>) = (
            matrix::zeroed(n, d, &samples.spec)?,
            matrix::zeroed(n, d, &samples.spec)?,
        );
        let rows = (1 << 16) / d + 1;
        let outputs = high.chunks_mut(rows * d).zip(low.chunks_mut(rows * d));
        let tasks: Vec<_> = outputs.enumerate().collect();
        let done = parallel::map(tasks, machine::cores(), |_, (block, (high, low))| {
            let mut row = vec![0.0; d];
            let (mut exact, mut farthest) = (true, 0f64);
            let outputs = high.chunks_exact_mut(d).zip(low.chunks_exact_mut(d));
            for (i, (high, low)) in outputs.enumerate() {
                samples.centred_row_f64(block * rows + i, &self.mean, &mut row);
                let inputs = row.iter().zip(&self.deviation);
                for ((high, low), (x, deviation)) in high.iter_mut().zip(low).zip(inputs) {
                    let value = if *deviation > 0.0 { x / deviation } else { 0.0 };
                    [*high, *low] = matrix::parts(value);
                    exact &= *low == 0.0;
                    farthest = farthest.max(value.abs());
                }
            }
            (exact, farthest)
        });
        let farthest = done.iter().fold(0f64, |most, (_, far)| most.max(*far));
        if farthest > FARTHEST {
            return Err(Error::input(format!(
                "{}: a test row lies {farthest:.0e} standard deviations from the mean of the training rows; remove such \
                 rows, or give --standardize none",
                samples.spec
            )));
        }
        if done.iter().all(|(exact, _)| *exact) {
            low = Vec::new();
        }
        Ok(Samples {
            n,
            d,
            elements: Elements::F32(high),
            low,
            unit: 1.0,
            source_scale: 1.0,
            offset: Vec::new(),
            labels: samples.labels.clone(),
            image: samples.image,
            spec: samples.spec.clone(),
            sha256: samples.sha256.clone(),
            known: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::matrix::{Array, Values, into_samples};
    use super::super::split::validation;
    use super::*;

    fn samples(d: usize, values: Values) -> Samples {
        let n = match &values {
            Values::U8(x) => x.len(),
            Values::F32(x) => x.len(),
            Values::F64(x) => x.len(),
        } / d;
        let array = Array {
            shape: vec![n, d],
            values,
            origin: Vec::new(),
            sha256: "0".into(),
        };
        into_samples("x", "x".into(), array).expect("finite values that differ")
    }

    /// Whole numbers near 100; the last column is constant.
    fn integers(n: usize) -> Vec<u8> {
        (0..n * 3)
            .map(|i| match i % 3 {
                2 => 77,
                _ => 80 + (i * 7919 % 41) as u8,
            })
            .collect()
    }

    fn row(samples: &Samples, i: usize) -> Vec<f64> {
        let mut row = vec![0.0; samples.d];
        samples.row_f64(i, &mut row);
        row
    }

    #[test]
    fn columns_have_zero_mean_and_unit_variance_and_a_constant_one_is_zero() {
        let x: Vec<f64> = (0..300)
            .map(|i| match i % 3 {
                0 => 1e8 + f64::from(i * 37 % 101),
                1 => 1e-9 * f64::from(i * 53 % 89),
                _ => 5.5,
            })
            .collect();
        let standardized = Standardize::Columns
            .whole(samples(3, Values::F64(x)))
            .expect("small");
        let statistics = Statistics::of(&standardized, 1);
        assert!(statistics.mean.iter().all(|mean| mean.abs() < 1e-12));
        for (variance, right) in statistics.variance.iter().zip([1.0, 1.0, 0.0]) {
            assert!((variance - right).abs() < 1e-12, "{variance}");
        }
        assert_eq!(
            (
                standardized.unit,
                standardized.source_scale,
                standardized.offset.len()
            ),
            (1.0, 1.0, 0)
        );
        assert_eq!(
            (standardized.spec.as_str(), standardized.sha256.as_str()),
            ("x", "0")
        );
        assert!(standardized.known.is_none());
    }

    #[test]
    fn the_same_numbers_in_any_type_give_the_same_samples() {
        let bytes = integers(100);
        let wide = bytes.iter().map(|&x| f64::from(x)).collect();
        let narrow = bytes.iter().map(|&x| f32::from(x)).collect();
        let parts = [
            Values::U8(bytes.clone()),
            Values::F32(narrow),
            Values::F64(wide),
        ]
        .map(|values| {
            let parts = validation(&samples(3, values), 30).expect("30 of 100");
            Standardize::Columns.split(parts).expect("near")
        });
        for other in &parts[1..] {
            for (a, b) in [
                (&parts[0].train, &other.train),
                (&parts[0].test, &other.test),
            ] {
                for i in 0..a.n {
                    for (a, b) in row(a, i).iter().zip(row(b, i)) {
                        assert!((a - b).abs() < 1e-12, "{a} {b}");
                    }
                }
            }
        }
    }

    #[test]
    fn held_out_rows_do_not_affect_mean_and_variance() {
        let mut x: Vec<f64> = (0..40).map(|i| f64::from(i * 13 % 17)).collect();
        let mut far = x.clone();
        far[39] = 1e6;
        let trained = |x: Vec<f64>| {
            let parts = validation(&samples(2, Values::F64(x)), 5).expect("5 of 20");
            Standardize::Columns
                .split(parts)
                .expect("near enough")
                .train
        };
        let (a, b) = (trained(x.clone()), trained(far));
        for i in 0..a.n {
            for (a, b) in row(&a, i).iter().zip(row(&b, i)) {
                assert!((a - b).abs() < 1e-6, "{a} {b}");
            }
        }
        // Constant except for a test row.
        x.iter_mut().step_by(2).for_each(|x| *x = 0.1);
        x[38] = 0.7;
        let parts = validation(&samples(2, Values::F64(x)), 5).expect("5 of 20");
        let parts = Standardize::Columns
            .split(parts)
            .expect("a constant column is 0");
        assert_eq!(row(&parts.test, 4)[0], 0.0);
    }

    #[test]
    fn a_test_row_beyond_f32_is_refused() {
        let mut x: Vec<f64> = (0..20).map(f64::from).collect();
        x[19] = 1e30;
        let parts = validation(&samples(1, Values::F64(x)), 5).expect("5 of 20");
        // The column's mean absorbed the other values in rounding, so the column counts as constant.
        assert!(Standardize::Columns.split(parts).is_ok());
        let mut x: Vec<f32> = (0..20).map(|i| i as f32 * 1e-15).collect();
        x[19] = 1e15;
        let parts = validation(&samples(1, Values::F32(x)), 5).expect("5 of 20");
        let error = Standardize::Columns
            .split(parts)
            .expect_err("far")
            .to_string();
        assert!(error.contains("--standardize none"), "{error}");
    }
}
