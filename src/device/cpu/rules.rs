//! The update rules: one pass over p, g and the states, left to the compiler to vectorise per instruction set.

use super::Cpu;
use super::product::Shared;
use super::vector::{Vector, per_isa};
use crate::kernel::{FLUSH, Kernel, Rules};

/// One step of a rule: scalars as in its row of the kernel table.
#[derive(Clone, Copy)]
pub struct Step<'a> {
    pub kernel: Kernel,
    pub scalars: &'a [f32],
    pub rate: f32,
    /// 1-based.
    pub step: f32,
}

/// Elements under which one thread does it all.
const SMALL: usize = 1 << 15;

/// Applies the step, split over the pool when it is long; a rule without a second or first state gets empty slices.
pub fn apply(
    cpu: &mut Cpu,
    step: &Step<'_>,
    p: &mut [f32],
    g: &[f32],
    s1: &mut [f32],
    s2: &mut [f32],
) {
    let (isa, len) = (cpu.isa, p.len());
    if len < SMALL {
        // SAFETY: the instruction set was checked when the device was opened.
        return unsafe { update(isa, step, p, g, s1, s2) };
    }
    let states = [s1.len(), s2.len()];
    let (p, s1, s2) = (Shared::new(p), Shared::new(s1), Shared::new(s2));
    cpu.pool.split(len, 16, &|_, range| {
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
    let Step {
        kernel,
        scalars,
        rate,
        step,
    } = *step;
    let weight_decay = scalars[scalars.len() - 1];
    match kernel {
        Kernel::Rules(Rules::Sgd) => {
            for (p, g) in p.iter_mut().zip(g) {
                let g = g + weight_decay * *p;
                *p -= rate * g;
            }
        }
        Kernel::Rules(Rules::Momentum) => {
            let mu = scalars[0];
            for ((p, g), s) in p.iter_mut().zip(g).zip(s1) {
                let g = g + weight_decay * *p;
                let velocity = mu * *s + g;
                *p -= rate * velocity;
                *s = flush(velocity);
            }
        }
        Kernel::Rules(Rules::Nesterov) => {
            let mu = scalars[0];
            for ((p, g), s) in p.iter_mut().zip(g).zip(s1) {
                let g = g + weight_decay * *p;
                let velocity = mu * *s + g;
                *p -= rate * (g + mu * velocity);
                *s = flush(velocity);
            }
        }
        Kernel::Rules(Rules::Adagrad) => {
            let epsilon = scalars[0];
            for ((p, g), s) in p.iter_mut().zip(g).zip(s1) {
                let g = g + weight_decay * *p;
                let sum = *s + g * g;
                *p -= rate * g / (sum.sqrt() + epsilon);
                *s = flush(sum);
            }
        }
        Kernel::Rules(Rules::Rmsprop) => {
            let (decay, epsilon) = (scalars[0], scalars[1]);
            for ((p, g), s) in p.iter_mut().zip(g).zip(s1) {
                let g = g + weight_decay * *p;
                let mean = decay * *s + (1.0 - decay) * g * g;
                *p -= rate * g / (mean.sqrt() + epsilon);
                *s = flush(mean);
            }
        }
        Kernel::Rules(Rules::Adam) => {
            let (beta1, beta2, epsilon) = (scalars[0], scalars[1], scalars[2]);
            // In f64: 1 - 0.999^t loses three digits in f32.
            let correct = |beta: f32| (1.0 / (1.0 - f64::from(beta).powf(f64::from(step)))) as f32;
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
        _ => unreachable!("only update rules come here"),
    }
}
