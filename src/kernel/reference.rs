//! The references: each row of the table in f64, written plainly. They read like the formulas, and are slow.

use super::{control as c, resolution};

/// `(x - mean_hi) - mean_lo` for row `i` of `x` (n x d), the mean as `[2, d]`.
fn centred<'a>(
    x: &'a [f64],
    mean: &'a [f64],
    d: usize,
    i: usize,
) -> impl Iterator<Item = f64> + 'a {
    (0..d).map(move |j| (x[i * d + j] - mean[j]) - mean[d + j])
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

fn frozen(control: &[f64]) -> bool {
    control[c::STOP] != 0.0
}

pub fn stream_read(_: &[usize], _: &[f64], b: &mut [Vec<f64>]) {
    b[1][0] = b[0].iter().sum();
}

fn product_over(rows: &[usize], s: &[usize], w: &[f64], b: &mut [Vec<f64>], v: usize) {
    let (d, m) = (s[1], s[2]);
    let mut g: Vec<f64> = b[v + 1]
        .iter()
        .map(|g| if w[0] == 0.0 { 0.0 } else { w[0] * g })
        .collect();
    for &i in rows {
        let y: Vec<f64> = centred(&b[1], &b[2], d, i).collect();
        for a in 0..m {
            let u = w[1] * dot(&y, &b[v][a * d..][..d]);
            for j in 0..d {
                g[a * d + j] += w[2] * u * y[j];
            }
        }
    }
    b[v + 1] = g;
}

pub fn samples_product(s: &[usize], w: &[f64], b: &mut [Vec<f64>]) {
    if !frozen(&b[0]) {
        let rows: Vec<usize> = (0..s[0]).collect();
        product_over(&rows, s, w, b, 3);
    }
}

pub fn batch_product(s: &[usize], w: &[f64], b: &mut [Vec<f64>]) {
    if !frozen(&b[0]) {
        let (n, size, first) = (s[0], s[3], s[4]);
        let start = b[0][c::BATCH] as usize * size;
        let rows: Vec<usize> = b[3][start..start + size]
            .iter()
            .map(|&row| row as usize)
            .filter(|row| (first..first + n).contains(row))
            .map(|row| row - first)
            .collect();
        product_over(&rows, s, w, b, 4);
    }
}

pub fn symmetric_product(s: &[usize], _: &[f64], b: &mut [Vec<f64>]) {
    if !frozen(&b[0]) {
        let (p, m) = (s[0], s[1]);
        for a in 0..m {
            for i in 0..p {
                b[3][a * p + i] = dot(&b[1][i * p..][..p], &b[2][a * p..][..p]);
            }
        }
    }
}

pub fn covariance(s: &[usize], w: &[f64], b: &mut [Vec<f64>]) {
    let (n, d) = (s[0], s[1]);
    let mut gram: Vec<f64> = b[2]
        .iter()
        .map(|g| if w[0] == 0.0 { 0.0 } else { w[0] * g })
        .collect();
    for i in 0..n {
        let y: Vec<f64> = centred(&b[0], &b[1], d, i).collect();
        for j in 0..d {
            for l in 0..d {
                gram[j * d + l] += w[1] * w[2] * y[j] * y[l];
            }
        }
    }
    b[2] = gram;
}

pub fn dual(s: &[usize], w: &[f64], b: &mut [Vec<f64>]) {
    let (na, nb, d, n, first_a, first_b) = (s[0], s[1], s[2], s[3], s[4], s[5]);
    for i in 0..na {
        let ya: Vec<f64> = centred(&b[0], &b[2], d, i).collect();
        for j in 0..nb {
            let yb: Vec<f64> = centred(&b[1], &b[2], d, j).collect();
            b[3][(first_a + i) * n + first_b + j] = w[0] * w[1] * dot(&ya, &yb);
        }
    }
}

pub fn lift(s: &[usize], w: &[f64], b: &mut [Vec<f64>]) {
    let (n, d, m, total, first) = (s[0], s[1], s[2], s[3], s[4]);
    let mut out: Vec<f64> = b[3]
        .iter()
        .map(|x| if w[0] == 0.0 { 0.0 } else { w[0] * x })
        .collect();
    for i in 0..n {
        let y: Vec<f64> = centred(&b[0], &b[1], d, i).collect();
        for a in 0..m {
            let u = w[1] * b[2][a * total + first + i];
            for j in 0..d {
                out[a * d + j] += u * y[j];
            }
        }
    }
    b[3] = out;
}

pub fn deflate(s: &[usize], _: &[f64], b: &mut [Vec<f64>]) {
    if !frozen(&b[0]) {
        let d = s[0];
        let g = b[2].clone();
        for j in 0..b[0][c::COUNT] as usize {
            let basis = b[1][j * d..][..d].to_vec();
            let along = dot(&basis, &g);
            for (g, basis) in b[2].iter_mut().zip(&basis) {
                *g -= along * basis;
            }
        }
    }
}

pub fn project_out(s: &[usize], _: &[f64], b: &mut [Vec<f64>]) {
    let d = s[0];
    for _ in 0..2 {
        for j in 0..b[0][c::COUNT] as usize {
            let basis = b[1][j * d..][..d].to_vec();
            let along = dot(&basis, &b[2]);
            for (v, basis) in b[2].iter_mut().zip(&basis) {
                *v -= along * basis;
            }
        }
    }
    let length = norm(&b[2]);
    b[2].iter_mut().for_each(|v| *v /= length);
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

fn gram_schmidt(v: &mut [f64], d: usize) {
    for a in 0..v.len() / d {
        let (before, rest) = v.split_at_mut(a * d);
        let row = &mut rest[..d];
        let mut attempt = 0;
        loop {
            let whole = norm(row);
            for _ in 0..2 {
                for q in before.chunks_exact(d) {
                    let along = dot(q, row);
                    row.iter_mut().zip(q).for_each(|(x, q)| *x -= along * q);
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
            if attempt > 8 {
                break; // Not finite, or more rows than dimensions.
            }
        }
    }
}

pub fn orthonormalise(s: &[usize], _: &[f64], b: &mut [Vec<f64>]) {
    gram_schmidt(&mut b[0], s[0]);
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
        let denominator = rho.max(c::NULL_SHARE * top).max(1e-30);
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

pub fn ascent(s: &[usize], w: &[f64], b: &mut [Vec<f64>]) {
    if frozen(&b[0]) {
        return;
    }
    let (d, m) = (s[0], s[1]);
    let (v, g) = (b[1].clone(), b[2].clone());
    let mut projected = g.clone();
    let (mut rho, mut left) = (Vec::new(), Vec::new());
    let mut length = 0f64;
    for a in 0..m {
        let ga = &g[a * d..][..d];
        for e in 0..m {
            let h = dot(ga, &v[e * d..][..d]);
            for j in 0..d {
                projected[a * d + j] -= h * v[e * d + j];
            }
        }
        rho.push(dot(ga, &v[a * d..][..d]));
        left.push(norm(&projected[a * d..][..d]));
        length = length.max(norm(ga));
    }
    let control = &mut b[0];
    if !dot(&g, &g).is_finite() {
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
    let factor = -2.0 / control[c::SCALE].max(length / c::LONGEST).max(1e-30);
    let source = if w[0] == 0.0 { g } else { projected };
    b[2] = source.iter().map(|x| factor * x).collect();
}

/// States under this are set to 0, on every device alike: denormals would slow a CPU's later steps down.
pub const FLUSH: f64 = 1e-30;

fn flush(x: f64) -> f64 {
    if x.abs() < FLUSH { 0.0 } else { x }
}

/// Runs an elementwise rule: `step(rate, t, g, s1, s2)` returns the new states and what p moves by.
/// The last scalar is the weight decay: `g + decay p` takes the place of g, as in PyTorch.
fn elementwise(
    w: &[f64],
    b: &mut [Vec<f64>],
    step: impl Fn(f64, f64, f64, f64) -> (f64, f64, f64),
) {
    if frozen(&b[0]) {
        return;
    }
    let (rate, t) = (b[0][c::RATE], b[0][c::STEP]);
    for i in 0..b[1].len() {
        let s1 = b.get(3).map_or(0.0, |s| s[i]);
        let s2 = b.get(4).map_or(0.0, |s| s[i]);
        let g = b[2][i] + w[w.len() - 1] * b[1][i];
        let (direction, new1, new2) = step(t, g, s1, s2);
        b[1][i] -= rate * direction;
        if let Some(s) = b.get_mut(3) {
            s[i] = flush(new1);
        }
        if let Some(s) = b.get_mut(4) {
            s[i] = flush(new2);
        }
    }
}

pub fn sgd(_: &[usize], w: &[f64], b: &mut [Vec<f64>]) {
    elementwise(w, b, |_, g, _, _| (g, 0.0, 0.0));
}

pub fn momentum(_: &[usize], w: &[f64], b: &mut [Vec<f64>]) {
    elementwise(w, b, |_, g, s1, _| {
        let velocity = w[0] * s1 + g;
        (velocity, velocity, 0.0)
    });
}

pub fn nesterov(_: &[usize], w: &[f64], b: &mut [Vec<f64>]) {
    elementwise(w, b, |_, g, s1, _| {
        let velocity = w[0] * s1 + g;
        (g + w[0] * velocity, velocity, 0.0)
    });
}

pub fn adagrad(_: &[usize], w: &[f64], b: &mut [Vec<f64>]) {
    elementwise(w, b, |_, g, s1, _| {
        let sum = s1 + g * g;
        (g / (sum.sqrt() + w[0]), sum, 0.0)
    });
}

pub fn rmsprop(_: &[usize], w: &[f64], b: &mut [Vec<f64>]) {
    elementwise(w, b, |_, g, s1, _| {
        let mean = w[0] * s1 + (1.0 - w[0]) * g * g;
        (g / (mean.sqrt() + w[1]), mean, 0.0)
    });
}

pub fn adam(_: &[usize], w: &[f64], b: &mut [Vec<f64>]) {
    elementwise(w, b, |t, g, s1, s2| {
        let first = w[0] * s1 + (1.0 - w[0]) * g;
        let second = w[1] * s2 + (1.0 - w[1]) * g * g;
        let (hat1, hat2) = (first / (1.0 - w[0].powf(t)), second / (1.0 - w[1].powf(t)));
        (hat1 / (hat2.sqrt() + w[2]), first, second)
    });
}

pub fn retract(s: &[usize], w: &[f64], b: &mut [Vec<f64>]) {
    if frozen(&b[0]) {
        return;
    }
    let (d, m) = (s[0], s[1]);
    let square = dot(&b[1], &b[1]);
    if !square.is_finite() || (m == 1 && square == 0.0) {
        b[0][c::STOP] = f64::from(c::STEP_NOT_FINITE);
        return;
    }
    gram_schmidt(&mut b[1], d);
    if w[0] == 0.0 {
        return;
    }
    let v = b[1].clone();
    for velocity in b[2].chunks_exact_mut(d) {
        let before = velocity.to_vec();
        for q in v.chunks_exact(d) {
            let along = dot(&before, q);
            velocity
                .iter_mut()
                .zip(q)
                .for_each(|(x, q)| *x -= along * q);
        }
    }
}

pub fn advance(s: &[usize], _: &[f64], b: &mut [Vec<f64>]) {
    let control = &mut b[0];
    if frozen(control) {
        return;
    }
    let time = 1.0 + control[c::STEP] / control[c::SCHEDULE_TIME];
    control[c::RATE] = control[c::BASE_RATE] * time.powf(-control[c::SCHEDULE_POWER]);
    control[c::STEP] += 1.0;
    control[c::BATCH] = (control[c::BATCH] + 1.0) % s[0] as f64;
}

pub fn commit(s: &[usize], _: &[f64], b: &mut [Vec<f64>]) {
    let d = s[0];
    let count = b[0][c::COUNT] as usize;
    let v = b[1].clone();
    b[2][count * d..][..d].copy_from_slice(&v);
    let control = &mut b[0];
    control[c::COUNT] += 1.0;
    control[c::TOP] = control[c::TOP].max(control[c::RHO]);
    control[c::STOP] = 0.0;
    control[c::STEP] = 0.0;
    control[c::SCALE] = 0.0;
    control[c::BEST] = f64::from(f32::MAX);
    control[c::BEST_STEP] = 0.0;
    b[3].fill(0.0);
    b[4].fill(0.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sequence that optax prints for f(x) = |x|^2 from [1, 2, 3] with adagrad, rate 1 and an accumulator from 0.1
    /// starts 14.0, 5.01, 2.40, 1.25, 0.69, 0.39.
    #[test]
    fn adagrad_gives_optax_golden_sequence() {
        let mut control = vec![0.0; c::LEN];
        control[c::RATE] = 1.0;
        let mut b = vec![control, vec![1.0, 2.0, 3.0], vec![0.0; 3], vec![0.1; 3]];
        for golden in [14.0, 5.01, 2.40, 1.25, 0.69, 0.39] {
            let value = dot(&b[1], &b[1]);
            assert!((value - golden).abs() <= 0.006, "{value} is not {golden}");
            b[2] = b[1].iter().map(|x| 2.0 * x).collect();
            adagrad(&[3], &[1e-7], &mut b);
        }
    }

    #[test]
    fn first_steps_are_the_sign_of_the_gradient() {
        let mut control = vec![0.0; c::LEN];
        (control[c::RATE], control[c::STEP]) = (0.5, 1.0);
        let start = || {
            vec![
                control.clone(),
                vec![0.0; 2],
                vec![3.0, -4.0],
                vec![0.0; 2],
                vec![0.0; 2],
            ]
        };
        let mut b = start();
        adagrad(&[2], &[0.0], &mut b[..4]);
        assert_eq!(b[1], [-0.5, 0.5]);
        let mut b = start();
        rmsprop(&[2], &[0.99, 0.0], &mut b[..4]);
        assert!((b[1][0] + 0.5 / 0.01f64.sqrt()).abs() < 1e-12);
        let mut b = start();
        adam(&[2], &[0.9, 0.999, 0.0], &mut b);
        assert!((b[1][0] + 0.5).abs() < 1e-12 && (b[1][1] - 0.5).abs() < 1e-12);
    }

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
