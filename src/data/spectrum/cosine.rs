//! The orthonormal cosine transform (DCT-II), one entry at a time and the same on every machine.
//!
//! The platform's cosine may differ in its last bit from one processor to the next, and with it the bytes of a spectrum.

use std::f64::consts::FRAC_PI_2;

/// Column `f` of the orthonormal cosine transform of length m, from entry `from` on.
pub(super) fn column(m: usize, f: usize, from: usize, out: &mut [f64]) {
    let norm = ((if f == 0 { 1.0 } else { 2.0 }) / m as f64).sqrt();
    let (m, f) = (m as u64, f as u64);
    // The angle is pi t / (2 m), periodic in 4 m: reduced in integers, it loses nothing however large j and f are.
    let mut t = (2 * from as u64 + 1) * f % (4 * m);
    for out in out {
        *out = norm * cosine(t, m);
        t += 2 * f;
        if t >= 4 * m {
            t -= 4 * m;
        }
    }
}

/// cos(pi t / (2 m)) for t < 4 m, to about an ulp, without the platform's library.
fn cosine(t: u64, m: u64) -> f64 {
    let t = if t > 2 * m { 4 * m - t } else { t };
    let (t, sign) = if t > m { (2 * m - t, -1.0) } else { (t, 1.0) };
    // Here t <= m: an angle up to pi / 2. Beyond pi / 4 it is the sine of what is left. Taylor to x^17 is exact to rounding.
    if 2 * t <= m {
        let x = FRAC_PI_2 * (t as f64 / m as f64);
        let y = x * x;
        let terms = [182.0, 132.0, 90.0, 56.0, 30.0, 12.0, 2.0];
        sign * terms
            .iter()
            .fold(1.0 - y / 240.0, |sum, term| 1.0 - y / term * sum)
    } else {
        let x = FRAC_PI_2 * ((m - t) as f64 / m as f64);
        let y = x * x;
        let terms = [210.0, 156.0, 110.0, 72.0, 42.0, 20.0, 6.0];
        sign * x
            * terms
                .iter()
                .fold(1.0 - y / 272.0, |sum, term| 1.0 - y / term * sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_are_right_in_every_octant() {
        for m in [1, 2, 3, 8, 1000] {
            for t in 0..4 * m {
                let right = (FRAC_PI_2 * t as f64 / m as f64).cos();
                // The reference rounds the angle, up to 2 pi, before it takes the cosine.
                assert!(
                    (cosine(t, m) - right).abs() < 2e-15,
                    "cos(pi {t} / {})",
                    2 * m
                );
            }
        }
        assert_eq!(cosine(5, 5), 0.0);
    }
}
