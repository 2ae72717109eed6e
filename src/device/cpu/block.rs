//! Block vectors, m x d: deflation, orthonormalisation, the ascent direction, the retraction.
//!
//! They run on the calling thread: one step of them moves a few vectors, where a product moves the samples. Sums go into
//! f64 every [`CHUNK`] elements.

use super::buffer::Buffer;
use super::cores::Cores;
use super::vector::{Vector, axpy, per_isa};
use crate::device::Launch;
use crate::kernel::{ATTEMPTS, Block, LEAST_DIVISOR, VANISHED, control as c, named, replacement};

/// Elements summed in f32 lanes before they go into f64.
const CHUNK: usize = 4096;

/// Runs a row.
pub fn run(cores: &mut Cores, kernel: Block, launch: &Launch<'_, Buffer>) {
    // Of the rows below, or of the basis.
    let [d, rows] = named(launch.sizes);
    let isa = cores.isa;
    // SAFETY: the instruction set was checked when the device was opened.
    unsafe {
        match kernel {
            Block::Deflate => {
                let [control, basis, g] = named(launch.buffers);
                let count = control.f32()[c::COUNT] as usize;
                deflate(isa, d, count, &basis.f32(), &mut g.f32_mut());
            }
            Block::ProjectOut => {
                let [control, basis, v] = named(launch.buffers);
                let count = control.f32()[c::COUNT] as usize;
                project_out(isa, d, count, &basis.f32(), &mut v.f32_mut());
            }
            Block::Orthonormalise => {
                let [v] = named(launch.buffers);
                orthonormalise(isa, d, &mut v.f32_mut()[..d * rows]);
            }
            Block::Ascent => {
                let [projected] = named(launch.scalars);
                let [control, v, g] = named(launch.buffers);
                ascent(
                    isa,
                    d,
                    rows,
                    projected != 0.0,
                    &mut control.f32_mut(),
                    &v.f32(),
                    &mut g.f32_mut(),
                    &mut cores.work,
                );
            }
            Block::Retract => {
                let [transport] = named(launch.scalars);
                let [control, v, velocity] = named(launch.buffers);
                retract(
                    isa,
                    d,
                    rows,
                    transport != 0.0,
                    &mut control.f32_mut(),
                    &mut v.f32_mut(),
                    &mut velocity.f32_mut(),
                );
            }
        }
    }
}

#[inline(always)]
fn dot<V: Vector>(a: &[f32], b: &[f32]) -> f64 {
    let mut total = 0.0;
    for (a, b) in a.chunks(CHUNK).zip(b.chunks(CHUNK)) {
        let len = a.len().min(b.len());
        let step = 4 * V::LANES;
        let whole = len - len % step;
        // SAFETY: all loads stay under `whole`; the instruction set is the caller's.
        let sum = unsafe {
            let (a, b) = (a.as_ptr(), b.as_ptr());
            let mut acc = [V::splat(0.0); 4];
            let mut j = 0;
            while j < whole {
                for (l, acc) in acc.iter_mut().enumerate() {
                    let at = j + l * V::LANES;
                    *acc = V::fma(V::load(a.add(at)), V::load(b.add(at)), *acc);
                }
                j += step;
            }
            V::sum(V::add(V::add(acc[0], acc[1]), V::add(acc[2], acc[3])))
        };
        let rest: f32 = a[whole..].iter().zip(&b[whole..]).map(|(a, b)| a * b).sum();
        total += f64::from(sum) + f64::from(rest);
    }
    total
}

#[inline(always)]
fn add_scaled<V: Vector>(factor: f64, x: &[f32], y: &mut [f32]) {
    debug_assert_eq!(x.len(), y.len());
    // SAFETY: both have y's length.
    unsafe {
        axpy::<V>(
            factor as f32,
            x.as_ptr(),
            y.as_mut_ptr(),
            y.len().min(x.len()),
        )
    };
}

#[inline(always)]
fn scale(factor: f64, x: &mut [f32]) {
    let factor = factor as f32;
    x.iter_mut().for_each(|x| *x *= factor);
}

per_isa! {
    /// Row `deflate`.
    unsafe fn deflate(d: usize, count: usize, basis: &[f32], g: &mut [f32]) = deflate_body;
}

#[inline(always)]
unsafe fn deflate_body<V: Vector>(d: usize, count: usize, basis: &[f32], g: &mut [f32]) {
    for b in basis.chunks_exact(d).take(count) {
        add_scaled::<V>(-dot::<V>(b, g), b, g);
    }
}

per_isa! {
    /// Row `project_out`.
    unsafe fn project_out(d: usize, count: usize, basis: &[f32], v: &mut [f32]) = project_out_body;
}

#[inline(always)]
unsafe fn project_out_body<V: Vector>(d: usize, count: usize, basis: &[f32], v: &mut [f32]) {
    for _ in 0..2 {
        for b in basis.chunks_exact(d).take(count) {
            add_scaled::<V>(-dot::<V>(b, v), b, v);
        }
    }
    scale(1.0 / dot::<V>(v, v).sqrt(), v);
}

per_isa! {
    /// Row `orthonormalise`.
    unsafe fn orthonormalise(d: usize, v: &mut [f32]) = orthonormalise_body;
}

#[inline(always)]
unsafe fn orthonormalise_body<V: Vector>(d: usize, v: &mut [f32]) {
    for a in 0..v.len() / d {
        let (before, rest) = v.split_at_mut(a * d);
        let row = &mut rest[..d];
        for attempt in 0..=ATTEMPTS {
            let whole = dot::<V>(row, row).sqrt();
            for _ in 0..2 {
                for q in before.chunks_exact(d) {
                    add_scaled::<V>(-dot::<V>(q, row), q, row);
                }
            }
            let left = dot::<V>(row, row).sqrt();
            if left > VANISHED * whole {
                scale(1.0 / left, row);
                break;
            }
            for (j, x) in row.iter_mut().enumerate() {
                *x = replacement(a, attempt, j) as f32;
            }
        }
    }
}

/// RESIDUAL and the stop criterion, from rho of each row and the length of what its gradient has outside the span.
fn judge(control: &mut [f32], rows: &[[f32; 2]]) {
    let rows = || rows.iter().map(|row| row.map(f64::from));
    let top = rows().fold(f64::from(control[c::TOP]), |top, [rho, _]| top.max(rho));
    let tolerance = f64::from(control[c::TOLERANCE]);
    let (mut residual, mut worst, mut floored) = (0f64, 0f64, false);
    let mut least = f64::INFINITY;
    let many = rows().len() > 1;
    for [rho, left] in rows() {
        let denominator = rho.max(c::NULL_SHARE * top).max(LEAST_DIVISOR);
        let relative = left / denominator;
        residual = residual.max(relative);
        if many && rho < c::LEAST_SHARE * top {
            // The host finishes it in f64.
        } else if left <= c::NOISE * (top * rho.max(0.0)).sqrt() {
            floored |= relative > tolerance;
        } else {
            worst = worst.max(relative);
            least = least.min(denominator);
        }
    }
    control[c::RESIDUAL] = residual as f32;
    if control[c::CRITERION] != c::BY_RESIDUAL {
        return;
    }
    let (stop, best, best_step) = c::judge(
        worst,
        tolerance,
        c::near(top, least),
        floored,
        f64::from(control[c::STEP]),
        f64::from(control[c::BEST]),
        f64::from(control[c::BEST_STEP]),
    );
    (control[c::STOP], control[c::BEST], control[c::BEST_STEP]) =
        (stop, best as f32, best_step as f32);
}

per_isa! {
    /// Row `ascent`; `work` is for m x d numbers and two of every row.
    unsafe fn ascent(d: usize, m: usize, projected: bool, control: &mut [f32], v: &[f32], g: &mut [f32], work: &mut Vec<f32>) = ascent_body;
}

#[inline(always)]
unsafe fn ascent_body<V: Vector>(
    d: usize,
    m: usize,
    projected: bool,
    control: &mut [f32],
    v: &[f32],
    g: &mut [f32],
    work: &mut Vec<f32>,
) {
    let (mut rho_min, mut rho_max) = (f64::INFINITY, f64::NEG_INFINITY);
    let mut length = 0f64;
    work.clear();
    work.extend_from_slice(&g[..m * d]);
    work.resize(m * (d + 2), 0.0);
    let (work, rows) = work.split_at_mut(m * d);
    let (rows, _) = rows.as_chunks_mut::<2>();
    let mut finite = true;
    let vectors = g.chunks_exact(d).zip(work.chunks_exact_mut(d));
    for (a, ((ga, pa), row)) in vectors.zip(rows.iter_mut()).enumerate() {
        let mut rho = 0.0;
        for (e, ve) in v.chunks_exact(d).take(m).enumerate() {
            let h = dot::<V>(ga, ve);
            add_scaled::<V>(-h, ve, pa);
            if e == a {
                rho = h;
            }
        }
        let square = dot::<V>(ga, ga);
        finite &= square.is_finite();
        rho_min = rho_min.min(rho);
        rho_max = rho_max.max(rho);
        length = length.max(square.sqrt());
        *row = [rho as f32, dot::<V>(pa, pa).sqrt() as f32];
    }
    if !finite {
        control[c::STOP] = c::NOT_FINITE;
        return;
    }
    let length = length as f32;
    control[c::SCALE] = if control[c::SCALE_MEAN] == 0.0 {
        control[c::SCALE].max(length)
    } else {
        control[c::SCALE] + (rho_max as f32 - control[c::SCALE]) / control[c::STEP]
    };
    control[c::RHO] = rho_min as f32;
    judge(control, rows);
    let factor = -2.0
        / control[c::SCALE]
            .max(length / c::LONGEST as f32)
            .max(LEAST_DIVISOR as f32);
    if projected {
        for (g, p) in g.iter_mut().zip(work.iter()) {
            *g = factor * p;
        }
    } else {
        g[..m * d].iter_mut().for_each(|g| *g *= factor);
    }
}

per_isa! {
    /// Row `retract`.
    unsafe fn retract(d: usize, m: usize, transport: bool, control: &mut [f32], v: &mut [f32], velocity: &mut [f32]) = retract_body;
}

#[inline(always)]
unsafe fn retract_body<V: Vector>(
    d: usize,
    m: usize,
    transport: bool,
    control: &mut [f32],
    v: &mut [f32],
    velocity: &mut [f32],
) {
    let v = &mut v[..m * d];
    let square = dot::<V>(v, v);
    if !square.is_finite() || (m == 1 && square == 0.0) {
        control[c::STOP] = c::STEP_NOT_FINITE;
        return;
    }
    // SAFETY: the instruction set is the caller's.
    unsafe { orthonormalise_body::<V>(d, v) };
    if transport {
        for velocity in velocity.chunks_exact_mut(d).take(m) {
            for q in v.chunks_exact(d) {
                add_scaled::<V>(-dot::<V>(velocity, q), q, velocity);
            }
        }
    }
}
