//! Checks the answer: the host evaluates the trained network on the test samples in f64.

use ndarray::{Array2, ArrayView1, ArrayView2, s};

use super::{Outcome, Plan, Shape};
use crate::data::Samples;
use crate::optimizer::Ended;

/// Samples evaluated at a time, which bounds the memory.
const CHUNK: usize = 1000;
/// Share of the samples whose predicted class rounding may change, in addition to [`FEW`] samples.
const SLACK: f64 = 1e-3;
/// Number of samples whose predicted class rounding may change in a test set of any size.
const FEW: f64 = 2.0;
/// Largest relative difference between losses that counts as rounding.
const LOSS_SLACK: f64 = 1e-3;

/// Test error and loss computed on the host, and the failed checks.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// Share of the test samples that are classified wrongly.
    pub test_error: f64,
    /// Mean cross-entropy over the test samples.
    pub test_loss: f64,
    /// Number of parameters.
    pub parameters: usize,
    /// One sentence per failed check.
    pub failures: Vec<String>,
}

impl Assessment {
    /// Evaluates the network of an outcome and compares the results with those of the device.
    pub fn of(outcome: &Outcome, plan: &Plan, test: &Samples, classes: usize) -> Self {
        let shape = Shape::new(test.d, &plan.layers, classes);
        let parameters = shape.parameters();
        if outcome.ended == Ended::Diverged {
            return Self {
                test_error: f64::NAN,
                test_loss: f64::NAN,
                parameters,
                failures: Vec::new(),
            };
        }
        let mut failures = Vec::new();
        let [test_error, test_loss] = score(&shape, &outcome.parameters, test);
        let slack = SLACK + FEW / test.n as f64;
        if (outcome.test_error - test_error).abs() > slack {
            failures.push(format!(
                "the device reports a test error of {:.4}, the host finds {test_error:.4} in f64",
                outcome.test_error
            ));
        }
        let off = (outcome.test_loss - test_loss).abs();
        if off.is_nan() || off > LOSS_SLACK * test_loss.max(1e-2) {
            failures.push(format!(
                "the device reports a test loss of {:.5}, the host finds {test_loss:.5} in f64",
                outcome.test_loss
            ));
        }
        Self {
            test_error,
            test_loss,
            parameters,
            failures,
        }
    }
}

/// Test error and mean loss of a network with these parameters (weights, then biases, layer by layer).
fn score(shape: &Shape, parameters: &[f32], test: &Samples) -> [f64; 2] {
    let wide: Vec<f64> = parameters.iter().map(|x| f64::from(*x)).collect();
    let mut layers = Vec::new();
    let mut at = 0;
    for (inputs, outputs) in shape.layers() {
        let (weights, rest) = wide[at..].split_at(inputs * outputs);
        let weights =
            ArrayView2::from_shape((inputs, outputs), weights).expect("inputs x outputs weights");
        layers.push((weights, ArrayView1::from(&rest[..outputs])));
        at += (inputs + 1) * outputs;
    }
    let labels = test.labels.as_deref().unwrap_or_default();
    let (mut wrong, mut loss) = (0usize, 0.0);
    for start in (0..test.n).step_by(CHUNK) {
        let rows = CHUNK.min(test.n - start);
        let mut values = Array2::zeros((rows, test.d));
        for (i, mut row) in values.outer_iter_mut().enumerate() {
            let row = row.as_slice_mut().expect("a standard layout");
            test.row_f64(start + i, row);
            row.iter_mut().for_each(|x| *x *= test.element_value());
        }
        for (l, (weights, biases)) in layers.iter().enumerate() {
            values = values.dot(weights) + biases;
            if l + 1 < layers.len() {
                values.mapv_inplace(|z: f64| z.max(0.0));
            }
        }
        for (i, logits) in values.outer_iter().enumerate() {
            let label = usize::from(labels[start + i]);
            let own = logits[label];
            let top = logits.fold(f64::NEG_INFINITY, |a, b| a.max(*b));
            let others = [logits.slice(s![..label]), logits.slice(s![label + 1..])];
            let right = others.iter().flatten().all(|other| *other < own);
            wrong += usize::from(!right);
            loss += logits.mapv(|z| (z - top).exp()).sum().ln() + top - own;
        }
    }
    [wrong as f64 / test.n as f64, loss / test.n as f64]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Request, load};
    use crate::optimizer::{Rule, Schedule, WarmUp};

    fn outcome(parameters: Vec<f32>, test_error: f64, test_loss: f64) -> Outcome {
        Outcome {
            ended: Ended::Iterations,
            test_error,
            test_loss,
            train_loss: 1.0,
            first_losses: vec![],
            parameters,
            iterations: 1,
            passes: 1.0,
            cost: Default::default(),
        }
    }

    #[test]
    fn a_wrong_error_or_loss_reported_by_the_device_fails_the_check() {
        let request = Request {
            spec: "digits:n=500".into(),
            quiet: true,
            ..Request::default()
        };
        let test = load(&request).unwrap();
        let plan = Plan {
            layers: vec![],
            rule: Rule::named("sgd"),
            learning_rate: 0.1,
            schedule: Schedule::named("constant"),
            warm_up: WarmUp::None,
            weight_decay: 0.0,
            batch: None,
            epochs: 1,
            seed: 1,
        };
        // All logits are 0 except for a bias: ties count as errors, and class 3 is right for a tenth of the samples.
        let mut parameters = vec![0.0f32; 785 * 10];
        parameters[7840 + 3] = 1.0;
        let loss = (9.0 + 1f64.exp()).ln() - 0.1;
        let assess = |error, loss| {
            let outcome = outcome(parameters.clone(), error, loss);
            Assessment::of(&outcome, &plan, &test, 10)
        };
        let good = assess(0.9, loss);
        assert_eq!((good.failures.len(), good.parameters), (0, 7850));
        assert!((good.test_error - 0.9).abs() < 1e-12 && (good.test_loss - loss).abs() < 1e-9);
        assert_eq!(assess(0.85, loss).failures.len(), 1);
        assert_eq!(assess(0.9, loss + 0.01).failures.len(), 1);
        assert_eq!(assess(0.9, f64::NAN).failures.len(), 1);
    }
}
