#![doc = include_str!("../docs/resolution.md")]

/// Unit roundoff of f32.
pub const F32: f64 = 1.0 / (1u64 << 24) as f64;
/// Unit roundoff of f64.
pub const F64: f64 = 1.0 / (1u64 << 53) as f64;

/// Smallest share of the largest eigenvalue that arithmetic with unit roundoff `u` resolves: `2^16 u`, which is 2^-8 in
/// f32 and 2^-37 (7.3e-12) in f64.
pub const fn least_share(u: f64) -> f64 {
    65536.0 * u
}

/// Whether arithmetic with unit roundoff `u` resolves the eigenvalue `lambda` if the largest is `top`.
pub fn resolves(u: f64, lambda: f64, top: f64) -> bool {
    lambda > least_share(u) * top
}

/// Size of the residual `|A v - rho v|` that is rounding, for products with the samples in unit roundoff `u`:
/// `4 u sqrt(top rho)`.
pub fn noise(u: f64, rho: f64, top: f64) -> f64 {
    4.0 * u * (top * rho.max(0.0)).sqrt()
}

/// Smallest gap between two eigenvalues, as a share of the largest, that unit roundoff `u` resolves: `2^10 u`. For
/// closer neighbours only their span is known.
pub const fn least_gap(u: f64) -> f64 {
    1024.0 * u
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_law_promises_what_the_page_says() {
        assert_eq!(
            (f64::from(f32::EPSILON) / 2.0, f64::EPSILON / 2.0),
            (F32, F64)
        );
        assert_eq!(least_share(F32), 2f64.powi(-8));
        assert_eq!(least_share(F64), 2f64.powi(-37));
        assert!(resolves(F64, 1e-11, 1.0) && !resolves(F64, 7e-12, 1.0));
        assert!(!resolves(F32, 0.0, 0.0), "nothing beside nothing");
        assert_eq!(noise(F32, -1.0, 4.0), 0.0);
        assert_eq!(noise(F32, 1.0, 4.0), 2f64.powi(-21));
    }
}
