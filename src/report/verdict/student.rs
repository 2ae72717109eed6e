//! Student's t, which an interval needs.

use std::f64::consts::FRAC_2_PI;

/// Degrees of freedom that count as infinitely many: the quantile is then 0.2 % above that of the normal distribution.
const MOST: f64 = 1000.0;

/// The t that a variable of this many degrees of freedom exceeds, up or down, with probability `alpha` (two-sided, over 0 and
/// under 1). Degrees between two whole numbers count as the lower one, which gives the wider interval.
pub fn quantile(alpha: f64, freedom: f64) -> f64 {
    let freedom = freedom.clamp(1.0, MOST).floor() as u32;
    let (mut low, mut high) = (0.0, 1.0);
    while within(high, freedom) < 1.0 - alpha {
        high *= 2.0;
    }
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if within(middle, freedom) < 1.0 - alpha {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// Probability of `|T| <= t`: the finite series of Abramowitz and Stegun, 26.7.3 (odd) and 26.7.4 (even).
fn within(t: f64, freedom: u32) -> f64 {
    let theta = (t / f64::from(freedom).sqrt()).atan();
    let (sine, cosine) = theta.sin_cos();
    let odd = freedom % 2 == 1;
    // The terms' powers of the cosine are 1, 3, 5, .. or 0, 2, 4, .., up to two below the degrees of freedom.
    let (mut term, mut power) = if odd { (cosine, 1) } else { (1.0, 0) };
    let mut sum = 0.0;
    while power + 2 <= freedom {
        sum += term;
        term *= cosine * cosine * f64::from(power + 1) / f64::from(power + 2);
        power += 2;
    }
    match odd {
        true => FRAC_2_PI * (theta + sine * sum),
        false => sine * sum,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        // Abramowitz and Stegun, table 26.10.
        for (alpha, freedom, t) in [
            (0.05, 1.0, 12.706),
            (0.05, 2.0, 4.303),
            (0.01, 2.0, 9.925),
            (0.05, 5.0, 2.571),
            (0.01, 7.0, 3.499),
            (0.05, 30.0, 2.042),
            (0.05, 120.0, 1.980),
        ] {
            let found = quantile(alpha, freedom);
            assert!((found - t).abs() < 6e-4, "{alpha}, {freedom}: {found}");
        }
        assert!((quantile(0.05, f64::INFINITY) - 1.960).abs() < 0.003);
        assert_eq!(quantile(0.05, 5.9), quantile(0.05, 5.0));
    }
}
