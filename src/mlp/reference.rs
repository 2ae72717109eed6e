//! Plain f64 reference of the training. Tests check devices against it, and it against central differences.

use super::{Plan, Shape};
use crate::data::Samples;
use crate::optimizer::shuffled;
use crate::rule::Step;

/// A network with its parameters: weights then biases, layer by layer.
pub struct Network {
    pub shape: Shape,
    pub parameters: Vec<f64>,
}

impl Network {
    /// Offset of the weights of every layer (its biases follow), with its inputs and outputs.
    fn starts(&self) -> Vec<(usize, usize, usize)> {
        let mut at = 0;
        let layers = self.shape.layers().map(|(i, o)| {
            let start = at;
            at += (i + 1) * o;
            (start, i, o)
        });
        layers.collect()
    }

    /// Mean loss over the rows, and its gradient.
    pub fn loss(&self, rows: &[(Vec<f64>, usize)]) -> (f64, Vec<f64>) {
        let starts = self.starts();
        let mut gradient = vec![0.0; self.parameters.len()];
        let mut total = 0.0;
        for (x, label) in rows {
            let mut values = vec![x.clone()];
            for (l, &(at, i, o)) in starts.iter().enumerate() {
                let a = &values[l];
                let z: Vec<f64> = (0..o)
                    .map(|j| {
                        let sum: f64 = (0..i).map(|k| a[k] * self.parameters[at + k * o + j]).sum();
                        sum + self.parameters[at + i * o + j]
                    })
                    .collect();
                let hidden = l + 1 < starts.len();
                values.push(
                    z.iter()
                        .map(|z| if hidden { z.max(0.0) } else { *z })
                        .collect(),
                );
            }
            let logits = &values[starts.len()];
            let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = logits.iter().map(|z| (z - top).exp()).sum();
            total += sum.ln() + top - logits[*label];
            let mut delta: Vec<f64> = logits.iter().map(|z| (z - top).exp() / sum).collect();
            delta[*label] -= 1.0;
            for (l, &(at, i, o)) in starts.iter().enumerate().rev() {
                let a = &values[l];
                for j in 0..o {
                    gradient[at + i * o + j] += delta[j] / rows.len() as f64;
                    for k in 0..i {
                        gradient[at + k * o + j] += a[k] * delta[j] / rows.len() as f64;
                    }
                }
                delta = (0..i)
                    .map(|k| {
                        let back = (0..o).map(|j| delta[j] * self.parameters[at + k * o + j]);
                        if l > 0 && a[k] > 0.0 { back.sum() } else { 0.0 }
                    })
                    .collect();
            }
        }
        (total / rows.len() as f64, gradient)
    }
}

/// The values of the samples, each row with its class.
pub fn rows(samples: &Samples) -> Vec<(Vec<f64>, usize)> {
    let labels = samples.labels.as_ref().expect("labels");
    let row = |i: usize| {
        let mut row = vec![0.0; samples.d];
        samples.row_f64(i, &mut row);
        row.iter_mut().for_each(|x| *x *= samples.element_value());
        (row, usize::from(labels[i]))
    };
    (0..samples.n).map(row).collect()
}

/// Initial parameters of a plan, without the gaps of the device layout.
pub fn initial(shape: &Shape, seed: u64) -> Vec<f64> {
    let device = shape.initial(seed);
    let (offsets, _) = shape.offsets();
    let mut values: Vec<f32> = Vec::new();
    for ((i, o), [weights, biases]) in shape.layers().zip(offsets) {
        values.extend(&device[weights..][..i * o]);
        values.extend(&device[biases..][..o]);
    }
    values.iter().map(|x| f64::from(*x)).collect()
}

/// Trains for `steps` steps; returns the loss before each update, and the parameters.
pub fn train(samples: &Samples, classes: usize, plan: &Plan, steps: usize) -> (Vec<f64>, Vec<f64>) {
    let shape = Shape::new(samples.d, &plan.layers, classes);
    let network = Network {
        parameters: initial(&shape, plan.seed),
        shape,
    };
    let order = |epoch| shuffled(samples.n, plan.seed, epoch);
    train_from(network, &rows(samples), &order, plan, steps)
}

/// Like [`train`], but from this network, with the rows in each epoch's order. Ignores the plan's layers and seed.
pub fn train_from(
    mut network: Network,
    all: &[(Vec<f64>, usize)],
    order: &dyn Fn(u64) -> Vec<u32>,
    plan: &Plan,
    steps: usize,
) -> (Vec<f64>, Vec<f64>) {
    let batch = plan.batch.unwrap_or(all.len());
    let batches = all.len() / batch;
    let len = network.parameters.len();
    let program = plan.rule.program();
    let scalars = program.scalars(plan.weight_decay);
    let states = program.states.iter().map(|state| vec![state.start; len]);
    let mut states: Vec<Vec<f64>> = states.collect();
    let mut losses = Vec::new();
    for step in 0..steps {
        let order = order((step / batches) as u64);
        let chosen = &order[step % batches * batch..][..batch];
        let rows: Vec<_> = chosen.iter().map(|&i| all[i as usize].clone()).collect();
        let (loss, gradient) = network.loss(&rows);
        losses.push(loss);
        let step = Step {
            scalars: &scalars,
            rate: plan.learning_rate,
            t: step as f64 + 1.0,
        };
        program.evaluate(step, &mut network.parameters, &gradient, &mut states);
    }
    (losses, network.parameters)
}

#[test]
fn the_gradient_agrees_with_central_differences() {
    for hidden in [&[][..], &[5], &[7, 4]] {
        let shape = Shape::new(6, hidden, 3);
        let mut network = Network {
            parameters: initial(&shape, 3),
            shape,
        };
        let row = |i: usize| {
            let x = (0..6).map(|j| ((i * 7 + j * 5) % 11) as f64 / 11.0 - 0.3);
            (x.collect(), i % 3)
        };
        let rows: Vec<(Vec<f64>, usize)> = (0..9).map(row).collect();
        let (_, gradient) = network.loss(&rows);
        for (at, expected) in gradient.iter().enumerate() {
            let h = 1e-6;
            let mut loss_at = |by: f64| {
                let kept = network.parameters[at];
                network.parameters[at] = kept + by;
                let loss = network.loss(&rows).0;
                network.parameters[at] = kept;
                loss
            };
            let difference = (loss_at(h) - loss_at(-h)) / (2.0 * h);
            assert!(
                (difference - expected).abs() < 1e-7,
                "{hidden:?}, parameter {at}: {difference} and {expected}"
            );
        }
    }
}
