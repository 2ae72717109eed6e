//! Statistics over raw samples.

/// Quartiles of a set of samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quartiles {
    /// First quartile.
    pub q1: f64,
    /// Second quartile.
    pub median: f64,
    /// Third quartile.
    pub q3: f64,
}

impl Quartiles {
    /// Quartiles of the samples, by linear interpolation between order statistics; `None` when there are no samples.
    pub fn of(samples: &[f64]) -> Option<Self> {
        if samples.is_empty() {
            return None;
        }
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            q1: quantile(&sorted, 0.25),
            median: quantile(&sorted, 0.5),
            q3: quantile(&sorted, 0.75),
        })
    }

    /// Interquartile range, in the unit of the samples.
    pub fn iqr(&self) -> f64 {
        self.q3 - self.q1
    }

    /// Interquartile range over the median; infinite when the median is 0, so that it never passes for quiet.
    pub fn noise(&self) -> f64 {
        if self.median == 0.0 {
            f64::INFINITY
        } else {
            self.iqr() / self.median.abs()
        }
    }
}

/// Median of the samples; `None` when there are none.
pub fn median(samples: &[f64]) -> Option<f64> {
    Quartiles::of(samples).map(|quartiles| quartiles.median)
}

/// Quantile of type 7 (Hyndman and Fan; the default of NumPy and R) of sorted samples, at least one; 0 <= p <= 1.
fn quantile(sorted: &[f64], p: f64) -> f64 {
    let place = p * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_are_those_of_numpy() {
        // numpy.percentile([7, 1, 3, 4, 10], [25, 50, 75]) and ([1, 2, 3, 4], ...)
        let odd = Quartiles::of(&[7.0, 1.0, 3.0, 4.0, 10.0]).unwrap();
        assert_eq!((odd.q1, odd.median, odd.q3), (3.0, 4.0, 7.0));
        let even = Quartiles::of(&[4.0, 3.0, 2.0, 1.0]).unwrap();
        assert_eq!((even.q1, even.median, even.q3), (1.75, 2.5, 3.25));
        assert_eq!(even.noise(), 0.6);
    }

    #[test]
    fn one_sample_is_its_own_quartiles_and_none_has_none() {
        let one = Quartiles::of(&[2.0]).unwrap();
        assert_eq!((one.q1, one.median, one.q3), (2.0, 2.0, 2.0));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn zero_times_never_pass_for_quiet() {
        let noise = Quartiles::of(&[0.0, 0.0, 1.0]).unwrap().noise();
        assert!(noise.is_infinite());
    }
}
