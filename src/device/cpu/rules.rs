//! The update rules: one pass over p, g and the states, left to the compiler to vectorise per instruction set.

use super::buffer::Buffer;
use super::cores::Cores;
use super::scratch::Shared;
use super::vector::{Vector, per_isa};
use crate::device::Launch;
use crate::kernel::{FLUSH, Rules, control as c, named};

/// One step of a rule: scalars as in its row of the kernel table.
#[derive(Clone, Copy)]
struct Step<'a> {
    kernel: Rules,
    scalars: &'a [f32],
    rate: f32,
    /// 1-based.
    step: f32,
}

/// Elements under which one thread does it all.
const SMALL: usize = 1 << 15;

/// Runs a row.
pub fn run(cores: &mut Cores, kernel: Rules, launch: &Launch<'_, Buffer>) {
    let [len] = named(launch.sizes);
    let ([control, p, g], states) = (named(&launch.buffers[..3]), &launch.buffers[3..]);
    let step = {
        let control = control.f32();
        Step {
            kernel,
            scalars: launch.scalars,
            rate: control[c::RATE],
            step: control[c::STEP],
        }
    };
    let (mut p, g) = (p.f32_mut(), g.f32());
    let mut s1 = states.first().map(|s| s.f32_mut());
    let mut s2 = states.get(1).map(|s| s.f32_mut());
    let s1 = s1.as_deref_mut().map_or(&mut [][..], |s| &mut s[..len]);
    let s2 = s2.as_deref_mut().map_or(&mut [][..], |s| &mut s[..len]);
    apply(cores, &step, &mut p[..len], &g[..len], s1, s2);
}

/// Applies the step, split over the pool when it is long; a rule without a second or first state gets empty slices.
fn apply(
    cores: &mut Cores,
    step: &Step<'_>,
    p: &mut [f32],
    g: &[f32],
    s1: &mut [f32],
    s2: &mut [f32],
) {
    let (isa, len) = (cores.isa, p.len());
    if len < SMALL {
        // SAFETY: the instruction set was checked when the device was opened.
        return unsafe { update(isa, step, p, g, s1, s2) };
    }
    let states = [s1.len(), s2.len()];
    let (p, s1, s2) = (Shared::new(p), Shared::new(s1), Shared::new(s2));
    cores.pool.split(len, 16, &|_, range| {
        // SAFETY: each worker has its own range of every slice, or an empty one; the instruction set as above.
        unsafe {
            let part = |x: Shared<f32>, len: usize| {
                let range = if len == 0 { 0..0 } else { range.clone() };
                std::slice::from_raw_parts_mut(x.at(range.start), range.len())
            };
            let (s1, s2) = (part(s1, states[0]), part(s2, states[1]));
            update(isa, step, part(p, len), &g[range.clone()], s1, s2);
        }
    });
}

per_isa! {
    /// Applies the step; a rule without a second or first state gets empty slices.
    unsafe fn update(step: &Step<'_>, p: &mut [f32], g: &[f32], s1: &mut [f32], s2: &mut [f32]) = update_body;
}

#[inline(always)]
fn flush(x: f32) -> f32 {
    if x.abs() < FLUSH as f32 { 0.0 } else { x }
}

#[inline(always)]
unsafe fn update_body<V: Vector>(
    step: &Step<'_>,
    p: &mut [f32],
    g: &[f32],
    s1: &mut [f32],
    s2: &mut [f32],
) {
    match step.kernel {
        Rules::Sgd => sgd(step, p, g),
        Rules::Momentum => momentum(step, p, g, s1),
        Rules::Nesterov => nesterov(step, p, g, s1),
        Rules::Adagrad => adagrad(step, p, g, s1),
        Rules::Rmsprop => rmsprop(step, p, g, s1),
        Rules::Adam => adam(step, p, g, s1, s2),
    }
}

#[inline(always)]
fn sgd(step: &Step<'_>, p: &mut [f32], g: &[f32]) {
    let [weight_decay] = named(step.scalars);
    let rate = step.rate;
    for (p, g) in p.iter_mut().zip(g) {
        let g = g + weight_decay * *p;
        *p -= rate * g;
    }
}

#[inline(always)]
fn momentum(step: &Step<'_>, p: &mut [f32], g: &[f32], s: &mut [f32]) {
    let [mu, weight_decay] = named(step.scalars);
    let rate = step.rate;
    for ((p, g), s) in p.iter_mut().zip(g).zip(s) {
        let g = g + weight_decay * *p;
        let velocity = mu * *s + g;
        *p -= rate * velocity;
        *s = flush(velocity);
    }
}

#[inline(always)]
fn nesterov(step: &Step<'_>, p: &mut [f32], g: &[f32], s: &mut [f32]) {
    let [mu, weight_decay] = named(step.scalars);
    let rate = step.rate;
    for ((p, g), s) in p.iter_mut().zip(g).zip(s) {
        let g = g + weight_decay * *p;
        let velocity = mu * *s + g;
        *p -= rate * (g + mu * velocity);
        *s = flush(velocity);
    }
}

#[inline(always)]
fn adagrad(step: &Step<'_>, p: &mut [f32], g: &[f32], s: &mut [f32]) {
    let [epsilon, weight_decay] = named(step.scalars);
    let rate = step.rate;
    for ((p, g), s) in p.iter_mut().zip(g).zip(s) {
        let g = g + weight_decay * *p;
        let sum = *s + g * g;
        *p -= rate * g / (sum.sqrt() + epsilon);
        *s = flush(sum);
    }
}

#[inline(always)]
fn rmsprop(step: &Step<'_>, p: &mut [f32], g: &[f32], s: &mut [f32]) {
    let [decay, epsilon, weight_decay] = named(step.scalars);
    let rate = step.rate;
    for ((p, g), s) in p.iter_mut().zip(g).zip(s) {
        let g = g + weight_decay * *p;
        let mean = decay * *s + (1.0 - decay) * g * g;
        *p -= rate * g / (mean.sqrt() + epsilon);
        *s = flush(mean);
    }
}

#[inline(always)]
fn adam(step: &Step<'_>, p: &mut [f32], g: &[f32], s1: &mut [f32], s2: &mut [f32]) {
    let [beta1, beta2, epsilon, weight_decay] = named(step.scalars);
    let (rate, t) = (step.rate, f64::from(step.step));
    // In f64: 1 - 0.999^t loses three digits in f32.
    let correct = |beta: f32| (1.0 / (1.0 - f64::from(beta).powf(t))) as f32;
    let (correct1, correct2) = (correct(beta1), correct(beta2));
    for (((p, g), s1), s2) in p.iter_mut().zip(g).zip(s1).zip(s2) {
        let g = g + weight_decay * *p;
        let first = beta1 * *s1 + (1.0 - beta1) * g;
        let second = beta2 * *s2 + (1.0 - beta2) * g * g;
        *p -= rate * (first * correct1) / ((second * correct2).sqrt() + epsilon);
        *s1 = flush(first);
        *s2 = flush(second);
    }
}
