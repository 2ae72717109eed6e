//! Checks the reference against automatic differentiation: the first gradient and the losses that `scripts/golden`
//! computed with PyTorch and confirmed with JAX. Devices are checked against the reference, and so indirectly against
//! these.

use serde::Deserialize;

use super::reference::{Network, train_from};
use super::{Plan, Shape};
use crate::optimizer::{Rule, Schedule, WarmUp};

/// Contents of `golden.json`. Samples and parameters are stored as integers, exact multiples of a unit.
#[derive(Deserialize)]
struct Golden {
    layers: Vec<usize>,
    classes: usize,
    batch: usize,
    unit: f64,
    samples: Vec<Vec<f64>>,
    labels: Vec<usize>,
    parameter_unit: f64,
    parameters: Vec<f64>,
    /// Gradient of the first batch at the initial parameters.
    gradient: Vec<f64>,
    trainings: Vec<Training>,
}

#[derive(Deserialize)]
struct Training {
    rule: String,
    learning_rate: f64,
    weight_decay: f64,
    /// Loss of every step before its update; the batches are used in order, cyclically.
    losses: Vec<f64>,
}

impl Golden {
    fn read() -> Self {
        serde_json::from_str(include_str!("golden.json")).unwrap()
    }

    fn network(&self) -> Network {
        let shape = Shape::new(self.samples[0].len(), &self.layers, self.classes);
        assert_eq!(shape.parameters(), self.parameters.len());
        let parameters = self.parameters.iter().map(|m| m * self.parameter_unit);
        Network {
            shape,
            parameters: parameters.collect(),
        }
    }

    fn rows(&self) -> Vec<(Vec<f64>, usize)> {
        let rows = self.samples.iter().zip(&self.labels);
        rows.map(|(x, &label)| (x.iter().map(|x| x * self.unit).collect(), label))
            .collect()
    }
}

fn assert_near(what: &str, got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (at, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!(
            (got - expected).abs() < 1e-10,
            "{what}, {at}: {got} is not {expected}"
        );
    }
}

#[test]
fn the_gradient_agrees_with_automatic_differentiation() {
    let golden = Golden::read();
    let (_, gradient) = golden.network().loss(&golden.rows()[..golden.batch]);
    assert_near("gradient", &gradient, &golden.gradient);
}

#[test]
fn every_rule_gives_the_losses_of_automatic_differentiation() {
    let golden = Golden::read();
    let rows = golden.rows();
    let order = |_| (0..rows.len() as u32).collect();
    for rule in ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"].map(Rule::named) {
        let trainings = golden.trainings.iter().filter(|t| t.rule == rule.name());
        let mut decays = 0;
        for training in trainings {
            let plan = Plan {
                layers: golden.layers.clone(),
                rule,
                learning_rate: training.learning_rate,
                schedule: Schedule::named("constant"),
                warm_up: WarmUp::None,
                weight_decay: training.weight_decay,
                batch: Some(golden.batch),
                epochs: 1,
                seed: 0,
            };
            let steps = training.losses.len();
            let (losses, _) = train_from(golden.network(), &rows, &order, &plan, steps);
            let what = format!("{}, weight decay {}", rule.name(), plan.weight_decay);
            assert_near(&what, &losses, &training.losses);
            assert!(losses[steps - 1] < losses[0], "{what} does not learn");
            decays += 1;
        }
        assert_eq!(decays, 2, "{}", rule.name());
    }
}
