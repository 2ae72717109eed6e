//! Update rules: one pass over the parameters p, their gradient g and the states s1 and s2.

use super::parameter::{CONTROL, Parameter, f32};
use super::reference::{frozen, named};
use super::{Access, Case, Fill, Kernel, Row, control as c};

use Access::{Read, Update};
use Fill::{Normal, Positive};

/// Rows of update rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // Each is documented by its row.
pub enum Rules {
    Sgd,
    Momentum,
    Nesterov,
    Adagrad,
    Rmsprop,
    Adam,
}

/// States under this are set to 0, on every device alike: denormals would slow a CPU's later steps down.
pub const FLUSH: f64 = 1e-30;

/// In the order of [`Rules`]. The last scalar is the weight decay; what a row reads and writes beside p and g are its states.
pub(super) static ROWS: &[Row] = &[
    Row {
        kernel: Kernel::Rules(Rules::Sgd),
        name: "sgd",
        formula: "p -= RATE g",
        sizes: &["len"],
        scalars: &["weight_decay"],
        buffers: &[CONTROL, P, G],
        freezes: true,
        bytes: |s| 12.0 * s[0] as f64,
        flops: |s| 2.0 * s[0] as f64,
        tolerance: 1e-5,
        reference: sgd,
        cases: &cases(&[0.0], &[0.01]),
        benchmark: (&[7840], &[0.0]),
    },
    Row {
        kernel: Kernel::Rules(Rules::Momentum),
        name: "momentum",
        formula: "s1 = mu s1 + g; p -= RATE s1",
        sizes: &["len"],
        scalars: &["mu", "weight_decay"],
        buffers: &[CONTROL, P, G, state("s1", Normal)],
        freezes: true,
        bytes: |s| 20.0 * s[0] as f64,
        flops: |s| 4.0 * s[0] as f64,
        tolerance: 1e-5,
        reference: momentum,
        cases: &cases(&[0.9, 0.0], &[0.9, 0.01]),
        benchmark: (&[7840], &[0.9, 0.0]),
    },
    Row {
        kernel: Kernel::Rules(Rules::Nesterov),
        name: "nesterov",
        formula: "s1 = mu s1 + g; p -= RATE (g + mu s1)",
        sizes: &["len"],
        scalars: &["mu", "weight_decay"],
        buffers: &[CONTROL, P, G, state("s1", Normal)],
        freezes: true,
        bytes: |s| 20.0 * s[0] as f64,
        flops: |s| 6.0 * s[0] as f64,
        tolerance: 1e-5,
        reference: nesterov,
        cases: &cases(&[0.9, 0.0], &[0.9, 0.01]),
        benchmark: (&[7840], &[0.9, 0.0]),
    },
    Row {
        kernel: Kernel::Rules(Rules::Adagrad),
        name: "adagrad",
        formula: "s1 += g^2; p -= RATE g / (sqrt(s1) + epsilon)",
        sizes: &["len"],
        scalars: &["epsilon", "weight_decay"],
        buffers: &[CONTROL, P, G, state("s1", Positive)],
        freezes: true,
        bytes: |s| 20.0 * s[0] as f64,
        flops: |s| 7.0 * s[0] as f64,
        tolerance: 1e-5,
        reference: adagrad,
        cases: &cases(&[1e-10, 0.0], &[1e-10, 0.01]),
        benchmark: (&[7840], &[1e-10, 0.0]),
    },
    Row {
        kernel: Kernel::Rules(Rules::Rmsprop),
        name: "rmsprop",
        formula: "s1 = decay s1 + (1 - decay) g^2; p -= RATE g / (sqrt(s1) + epsilon)",
        sizes: &["len"],
        scalars: &["decay", "epsilon", "weight_decay"],
        buffers: &[CONTROL, P, G, state("s1", Positive)],
        freezes: true,
        bytes: |s| 20.0 * s[0] as f64,
        flops: |s| 9.0 * s[0] as f64,
        tolerance: 1e-5,
        reference: rmsprop,
        cases: &cases(&[0.99, 1e-8, 0.0], &[0.99, 1e-8, 0.01]),
        benchmark: (&[7840], &[0.99, 1e-8, 0.0]),
    },
    Row {
        kernel: Kernel::Rules(Rules::Adam),
        name: "adam",
        formula: "s1, s2 = moving averages of g, g^2; p -= RATE (s1 / (1 - beta1^t)) / (sqrt(s2 / (1 - beta2^t)) + epsilon), t = STEP",
        sizes: &["len"],
        scalars: &["beta1", "beta2", "epsilon", "weight_decay"],
        buffers: &[CONTROL, P, G, state("s1", Normal), state("s2", Positive)],
        freezes: true,
        bytes: |s| 28.0 * s[0] as f64,
        flops: |s| 14.0 * s[0] as f64,
        tolerance: 1e-5,
        reference: adam,
        cases: &cases(&[0.9, 0.999, 1e-8, 0.0], &[0.9, 0.999, 1e-8, 0.01]),
        benchmark: (&[7840], &[0.9, 0.999, 1e-8, 0.0]),
    },
];

const P: Parameter = f32("p", Update, |s| s[0], Normal);
const G: Parameter = f32("g", Read, |s| s[0], Normal);

const fn state(name: &'static str, fill: Fill) -> Parameter {
    f32(name, Update, |s| s[0], fill)
}

/// Lengths of every rule, with its scalars without and with weight decay.
const fn cases(scalars: &'static [f32], decayed: &'static [f32]) -> [Case; 6] {
    [
        (&[1], scalars),
        (&[31], decayed),
        (&[33], scalars),
        (&[257], decayed),
        (&[7840], scalars),
        (&[70001], scalars),
    ]
}

fn flush(x: f64) -> f64 {
    if x.abs() < FLUSH { 0.0 } else { x }
}

/// Runs a rule element by element: `step(t, g, s1, s2)` returns what p moves by, as a multiple of the rate, and the new
/// states. With weight decay `g + decay p` takes the place of g, as in PyTorch.
fn elementwise(
    weight_decay: f64,
    buffers: &mut [Vec<f64>],
    step: impl Fn(f64, f64, f64, f64) -> (f64, f64, f64),
) {
    let [control, p, g, states @ ..] = buffers else {
        panic!("a rule has a control buffer, p and g");
    };
    if frozen(control) {
        return;
    }
    let (rate, t) = (control[c::RATE], control[c::STEP]);
    for (i, (p, g)) in p.iter_mut().zip(g).enumerate() {
        let [s1, s2] = [0, 1].map(|state| states.get(state).map_or(0.0, |s| s[i]));
        let (direction, new1, new2) = step(t, *g + weight_decay * *p, s1, s2);
        *p -= rate * direction;
        for (state, new) in states.iter_mut().zip([new1, new2]) {
            state[i] = flush(new);
        }
    }
}

fn sgd(_: &[usize], scalars: &[f64], buffers: &mut [Vec<f64>]) {
    let [weight_decay] = named(scalars);
    elementwise(weight_decay, buffers, |_, g, _, _| (g, 0.0, 0.0));
}

fn momentum(_: &[usize], scalars: &[f64], buffers: &mut [Vec<f64>]) {
    let [mu, weight_decay] = named(scalars);
    elementwise(weight_decay, buffers, |_, g, s1, _| {
        let velocity = mu * s1 + g;
        (velocity, velocity, 0.0)
    });
}

fn nesterov(_: &[usize], scalars: &[f64], buffers: &mut [Vec<f64>]) {
    let [mu, weight_decay] = named(scalars);
    elementwise(weight_decay, buffers, |_, g, s1, _| {
        let velocity = mu * s1 + g;
        (g + mu * velocity, velocity, 0.0)
    });
}

fn adagrad(_: &[usize], scalars: &[f64], buffers: &mut [Vec<f64>]) {
    let [epsilon, weight_decay] = named(scalars);
    elementwise(weight_decay, buffers, |_, g, s1, _| {
        let sum = s1 + g * g;
        (g / (sum.sqrt() + epsilon), sum, 0.0)
    });
}

fn rmsprop(_: &[usize], scalars: &[f64], buffers: &mut [Vec<f64>]) {
    let [decay, epsilon, weight_decay] = named(scalars);
    elementwise(weight_decay, buffers, |_, g, s1, _| {
        let mean = decay * s1 + (1.0 - decay) * g * g;
        (g / (mean.sqrt() + epsilon), mean, 0.0)
    });
}

fn adam(_: &[usize], scalars: &[f64], buffers: &mut [Vec<f64>]) {
    let [beta1, beta2, epsilon, weight_decay] = named(scalars);
    elementwise(weight_decay, buffers, |t, g, s1, s2| {
        let first = beta1 * s1 + (1.0 - beta1) * g;
        let second = beta2 * s2 + (1.0 - beta2) * g * g;
        let (hat1, hat2) = (
            first / (1.0 - beta1.powf(t)),
            second / (1.0 - beta2.powf(t)),
        );
        (hat1 / (hat2.sqrt() + epsilon), first, second)
    });
}

#[cfg(test)]
mod tests {
    use super::super::reference::dot;
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
            adagrad(&[3], &[1e-7, 0.0], &mut b);
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
        adagrad(&[2], &[0.0, 0.0], &mut b[..4]);
        assert_eq!(b[1], [-0.5, 0.5]);
        let mut b = start();
        rmsprop(&[2], &[0.99, 0.0, 0.0], &mut b[..4]);
        assert!((b[1][0] + 0.5 / 0.01f64.sqrt()).abs() < 1e-12);
        let mut b = start();
        adam(&[2], &[0.9, 0.999, 0.0, 0.0], &mut b);
        assert!((b[1][0] + 0.5).abs() < 1e-12 && (b[1][1] - 0.5).abs() < 1e-12);
    }
}
