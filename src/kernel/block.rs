//! Blocks of vectors, m rows of d numbers: deflation, orthonormalisation, ascent on the sphere, retraction.

use super::parameter::{CONTROL, CONTROL_RW, f32};
use super::reference::{dot, frozen, named, named_mut, norm};
use super::{Access, Case, Fill, Kernel, Row, control as c, resolution};

use Access::{Read, Update};
use Fill::{Normal, Orthonormal};

/// Rows over blocks of vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // Each is documented by its row.
pub enum Block {
    Deflate,
    ProjectOut,
    Orthonormalise,
    Ascent,
    Retract,
}

/// In the order of [`Block`].
pub(super) static ROWS: &[Row] = &[DEFLATE, PROJECT_OUT, ORTHONORMALISE, ASCENT, RETRACT];

/// Shapes of a step: d and m, and whether it projects or transports.
const STEPS: &[Case] = &[
    (&[1, 1], &[1.0]),
    (&[31, 1], &[1.0]),
    (&[33, 2], &[0.0]),
    (&[257, 5], &[1.0]),
    (&[784, 10], &[1.0]),
    (&[784, 10], &[0.0]),
    (&[70001, 1], &[1.0]),
    (&[70001, 3], &[1.0]),
    (&[70001, 6], &[1.0]),
];

/// Shapes of vectors against each other: the first is the least that a row allows.
const fn shapes(first: &'static [usize]) -> [Case; 6] {
    [
        (first, &[]),
        (&[31, 3], &[]),
        (&[33, 2], &[]),
        (&[257, 5], &[]),
        (&[784, 10], &[]),
        (&[70001, 3], &[]),
    ]
}

const DEFLATE: Row = Row {
    kernel: Kernel::Block(Block::Deflate),
    name: "deflate",
    formula: "g -= sum_{j < COUNT} (basis_j . g) basis_j",
    sizes: &["d", "k"],
    scalars: &[],
    buffers: &[
        CONTROL,
        f32("basis", Read, |s| s[1] * s[0], Orthonormal),
        f32("g", Update, |s| s[0], Normal),
    ],
    freezes: true,
    bytes: &|s| 4.0 * (s[0] * s[1] + 2 * s[0]) as f64,
    flops: &|s| 4.0 * (s[0] * s[1]) as f64,
    tolerance: 1e-5,
    reference: &deflate,
    cases: &shapes(&[3, 2]),
    benchmark: (&[784, 10], &[]),
};

fn deflate(sizes: &[usize], _: &[f64], buffers: &mut [Vec<f64>]) {
    let [d, _k] = named(sizes);
    let [control, basis, g] = named_mut(buffers);
    if !frozen(control) {
        let whole = g.clone();
        for basis in basis.chunks_exact(d).take(control[c::COUNT] as usize) {
            subtract(dot(basis, &whole), basis, g);
        }
    }
}

/// `v -= along q`.
fn subtract(along: f64, q: &[f64], v: &mut [f64]) {
    v.iter_mut().zip(q).for_each(|(v, q)| *v -= along * q);
}

const PROJECT_OUT: Row = Row {
    kernel: Kernel::Block(Block::ProjectOut),
    name: "project_out",
    formula: "v = normalise((I - sum_{j < COUNT} basis_j basis_j') v), the projection done twice",
    sizes: &["d", "k"],
    scalars: &[],
    buffers: &[
        CONTROL,
        f32("basis", Read, |s| s[1] * s[0], Orthonormal),
        f32("v", Update, |s| s[0], Normal),
    ],
    freezes: false,
    bytes: &|s| 4.0 * (s[0] * s[1] + 2 * s[0]) as f64,
    flops: &|s| 8.0 * (s[0] * s[1]) as f64,
    tolerance: 1e-5,
    reference: &project_out,
    cases: &shapes(&[3, 2]),
    benchmark: (&[784, 10], &[]),
};

fn project_out(sizes: &[usize], _: &[f64], buffers: &mut [Vec<f64>]) {
    let [d, _k] = named(sizes);
    let [control, basis, v] = named_mut(buffers);
    for _ in 0..2 {
        for basis in basis.chunks_exact(d).take(control[c::COUNT] as usize) {
            subtract(dot(basis, v), basis, v);
        }
    }
    let length = norm(v);
    v.iter_mut().for_each(|v| *v /= length);
}

const ORTHONORMALISE: Row = Row {
    kernel: Kernel::Block(Block::Orthonormalise),
    name: "orthonormalise",
    formula: "Q of v' = Q R, R's diagonal positive (Gram-Schmidt, twice); a row that vanishes is replaced (see the reference)",
    sizes: &["d", "m"],
    scalars: &[],
    buffers: &[f32("v", Update, |s| s[1] * s[0], Normal)],
    freezes: false,
    bytes: &|s| 8.0 * (s[0] * s[1]) as f64,
    flops: &|s| 4.0 * (s[0] * s[1] * s[1]) as f64,
    tolerance: 1e-5,
    reference: &orthonormalise,
    cases: &shapes(&[1, 1]),
    benchmark: (&[784, 10], &[]),
};

fn orthonormalise(sizes: &[usize], _: &[f64], buffers: &mut [Vec<f64>]) {
    let [d, _m] = named(sizes);
    let [v] = named_mut(buffers);
    gram_schmidt(v, d);
}

/// Element `j` of the vector that replaces row `row` where it vanishes, in its `attempt`: a hash (Wang's, 32 bits) as
/// a number in -0.5..0.5, so that every device puts the same there without a generator.
pub fn replacement(row: usize, attempt: usize, j: usize) -> f64 {
    let mut x = (row as u32 + 1).wrapping_mul(0x9E37_79B9)
        ^ (attempt as u32 + 1).wrapping_mul(0x85EB_CA6B)
        ^ (j as u32).wrapping_mul(0xC2B2_AE35);
    x = (x ^ 61) ^ (x >> 16);
    x = x.wrapping_mul(9);
    x ^= x >> 4;
    x = x.wrapping_mul(0x27D4_EB2D);
    x ^= x >> 15;
    f64::from(x >> 8) / f64::from(1u32 << 24) - 0.5
}

/// A row vanishes when Gram-Schmidt leaves less than this share of it: what is left is then rounding.
pub const VANISHED: f64 = 1e-6;
/// Replacements tried for a row that vanishes.
pub const ATTEMPTS: usize = 8;
/// Nothing is divided by less: rho and the gradient's length may be 0.
pub const LEAST_DIVISOR: f64 = 1e-30;

fn gram_schmidt(v: &mut [f64], d: usize) {
    for a in 0..v.len() / d {
        let (before, rest) = v.split_at_mut(a * d);
        let row = &mut rest[..d];
        let mut attempt = 0;
        loop {
            let whole = norm(row);
            for _ in 0..2 {
                for q in before.chunks_exact(d) {
                    subtract(dot(q, row), q, row);
                }
            }
            let left = norm(row);
            if left > VANISHED * whole {
                row.iter_mut().for_each(|x| *x /= left);
                break;
            }
            row.iter_mut()
                .enumerate()
                .for_each(|(j, x)| *x = replacement(a, attempt, j));
            attempt += 1;
            if attempt > ATTEMPTS {
                break; // Not finite, or more rows than dimensions.
            }
        }
    }
}

const ASCENT: Row = Row {
    kernel: Kernel::Block(Block::Ascent),
    name: "ascent",
    formula: "H = g v'; P = g - H v; updates RHO, RESIDUAL, SCALE and the stop criterion; g = -2 (projected ? P : g) / max(SCALE, |g| / 64)",
    sizes: &["d", "m"],
    scalars: &["projected"],
    buffers: &[
        CONTROL_RW,
        f32("v", Read, |s| s[1] * s[0], Orthonormal),
        f32("g", Update, |s| s[1] * s[0], Normal),
    ],
    freezes: true,
    bytes: &|s| 12.0 * (s[0] * s[1]) as f64,
    flops: &|s| 4.0 * (s[0] * s[1] * (s[1] + 1)) as f64,
    tolerance: 1e-5,
    reference: &ascent,
    cases: STEPS,
    benchmark: (&[784, 1], &[1.0]),
};

fn ascent(sizes: &[usize], scalars: &[f64], buffers: &mut [Vec<f64>]) {
    let [d, m] = named(sizes);
    let [projected] = named(scalars);
    let [control, v, g] = named_mut(buffers);
    if frozen(control) {
        return;
    }
    let mut outside = g.clone();
    let (mut rho, mut left) = (Vec::new(), Vec::new());
    let mut length = 0f64;
    for ((ga, va), pa) in g
        .chunks_exact(d)
        .zip(v.chunks_exact(d))
        .zip(outside.chunks_exact_mut(d))
    {
        for ve in v.chunks_exact(d).take(m) {
            subtract(dot(ga, ve), ve, pa);
        }
        rho.push(dot(ga, va));
        left.push(norm(pa));
        length = length.max(norm(ga));
    }
    if !dot(g, g).is_finite() {
        control[c::STOP] = f64::from(c::NOT_FINITE);
        return;
    }
    control[c::SCALE] = if control[c::SCALE_MEAN] == 0.0 {
        control[c::SCALE].max(length)
    } else {
        let largest = rho.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        control[c::SCALE] + (largest - control[c::SCALE]) / control[c::STEP]
    };
    control[c::RHO] = rho.iter().copied().fold(f64::INFINITY, f64::min);
    judge(control, &rho, &left);
    // A mini-batch may find SCALE tiny beside this step's gradient: the step is then 2 LONGEST rates long, no longer.
    let factor = -2.0
        / control[c::SCALE]
            .max(length / c::LONGEST)
            .max(LEAST_DIVISOR);
    if projected != 0.0 {
        *g = outside;
    }
    g.iter_mut().for_each(|g| *g *= factor);
}

/// RESIDUAL and the stop criterion, from the Rayleigh quotient of each row and the length of what its gradient has
/// outside the span.
fn judge(control: &mut [f64], rho: &[f64], left: &[f64]) {
    let top = rho.iter().copied().fold(control[c::TOP], f64::max);
    let tolerance = control[c::TOLERANCE];
    let (mut residual, mut worst, mut floored) = (0f64, 0f64, false);
    let mut least = f64::INFINITY;
    let many = rho.len() > 1;
    for (&rho, &left) in rho.iter().zip(left) {
        let denominator = rho.max(c::NULL_SHARE * top).max(LEAST_DIVISOR);
        let relative = left / denominator;
        residual = residual.max(relative);
        if many && rho < c::LEAST_SHARE * top {
            // Not judged: f32 does not resolve it, and the host finishes it in f64.
        } else if left <= resolution::noise(resolution::F32, rho, top) {
            floored |= relative > tolerance;
        } else {
            worst = worst.max(relative);
            least = least.min(denominator);
        }
    }
    control[c::RESIDUAL] = residual;
    if control[c::CRITERION] != f64::from(c::BY_RESIDUAL) {
        return;
    }
    let (stop, best, best_step) = c::judge(
        worst,
        tolerance,
        c::near(top, least),
        floored,
        control[c::STEP],
        control[c::BEST],
        control[c::BEST_STEP],
    );
    (control[c::STOP], control[c::BEST], control[c::BEST_STEP]) =
        (f64::from(stop), best, best_step);
}

const RETRACT: Row = Row {
    kernel: Kernel::Block(Block::Retract),
    name: "retract",
    formula: "v = orthonormalise(v); with transport, velocity -= its part in span v",
    sizes: &["d", "m"],
    scalars: &["transport"],
    buffers: &[
        CONTROL_RW,
        f32("v", Update, |s| s[1] * s[0], Normal),
        f32("velocity", Update, |s| s[1] * s[0], Normal),
    ],
    freezes: true,
    bytes: &|s| 16.0 * (s[0] * s[1]) as f64,
    flops: &|s| 8.0 * (s[0] * s[1] * s[1]) as f64,
    tolerance: 1e-5,
    reference: &retract,
    cases: STEPS,
    benchmark: (&[784, 1], &[1.0]),
};

fn retract(sizes: &[usize], scalars: &[f64], buffers: &mut [Vec<f64>]) {
    let [d, m] = named(sizes);
    let [transport] = named(scalars);
    let [control, v, velocity] = named_mut(buffers);
    if frozen(control) {
        return;
    }
    let square = dot(v, v);
    if !square.is_finite() || (m == 1 && square == 0.0) {
        control[c::STOP] = f64::from(c::STEP_NOT_FINITE);
        return;
    }
    gram_schmidt(v, d);
    if transport != 0.0 {
        for velocity in velocity.chunks_exact_mut(d) {
            let before = velocity.to_vec();
            for q in v.chunks_exact(d) {
                subtract(dot(&before, q), q, velocity);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_in_the_span_of_those_before_it_is_replaced() {
        let mut v = vec![1.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 3.0, 0.0];
        gram_schmidt(&mut v, 3);
        for a in 0..3 {
            for e in 0..3 {
                let expected = if a == e { 1.0 } else { 0.0 };
                assert!((dot(&v[a * 3..][..3], &v[e * 3..][..3]) - expected).abs() < 1e-12);
            }
        }
    }
}
