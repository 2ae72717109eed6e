//! Helpers that the references share. Each row's reference is in its family's module: in f64, written like the formula, and
//! slow.

use super::control as c;

/// Values by name: `let [n, d, m] = named(sizes);` in the order of the row.
///
/// # Panics
/// When there are not N of them: the row of another kernel.
#[inline]
pub fn named<const N: usize, T: Copy>(values: &[T]) -> [T; N] {
    values
        .try_into()
        .unwrap_or_else(|_| panic!("{} values where the row has {N}", values.len()))
}

/// Buffers of a reference by name, to be written: `let [x, out] = named_mut(buffers);`.
///
/// # Panics
/// As [`named`].
pub(super) fn named_mut<const N: usize>(buffers: &mut [Vec<f64>]) -> &mut [Vec<f64>; N] {
    let len = buffers.len();
    buffers
        .try_into()
        .unwrap_or_else(|_| panic!("{len} buffers where the row has {N}"))
}

/// `(x - mean_hi) - mean_lo` for row `i` of `x` (n x d), the mean as `[2, d]`.
pub(super) fn centred<'a>(
    x: &'a [f64],
    mean: &'a [f64],
    d: usize,
    i: usize,
) -> impl Iterator<Item = f64> + 'a {
    (0..d).map(move |j| (x[i * d + j] - mean[j]) - mean[d + j])
}

/// Multiplies the old values by `beta`; with 0 they become 0, whatever they are.
pub(super) fn keep(beta: f64, old: &mut [f64]) {
    for x in old {
        *x = if beta == 0.0 { 0.0 } else { beta * *x };
    }
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub(super) fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// Whether the state is frozen, and a row of a step does nothing.
pub(super) fn frozen(control: &[f64]) -> bool {
    control[c::STOP] != 0.0
}
