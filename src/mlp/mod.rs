//! Problem `mlp`: a multilayer perceptron classifier (ReLU, softmax cross-entropy), trained by backpropagation.
//!
//! [`Trainer`] runs one [`Plan`] on images that are already on a device. A step is recorded once and replayed: advance,
//! gather the batch (bytes are widened there), forward, loss with its gradient, backward, and one launch of the rule for all
//! parameters. Learning rate, step number and batch stand in the control buffer. Like the PCA solver it owns no clock: a
//! [`Watch`](crate::optimizer::Watch) sees the state four times an epoch.
//!
//! With no hidden layer it is logistic (softmax) regression. Weights are in x out, row-major; they begin as
//! N(0, 2 / in) (He et al. 2015), biases as 0. A batch that does not divide the samples leaves the rest of the shuffled
//! order out, other samples in every epoch.

use crate::optimizer::{Ended, Rule};

mod accuracy;
#[cfg(test)]
mod golden;
mod network;
mod problem;
#[cfg(test)]
mod reference;
mod trainer;

pub use accuracy::Assessment;
pub use network::Shape;
pub use problem::{Problem, classes};
pub use trainer::Trainer;

/// One way to train a network, every parameter decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Widths of the hidden layers; empty is logistic regression.
    pub layers: Vec<usize>,
    /// The update rule.
    pub rule: Rule,
    /// Learning rate, the rule's own.
    pub learning_rate: f64,
    /// Times the parameters, added to the gradient (PyTorch's `weight_decay`).
    pub weight_decay: f64,
    /// Samples of a batch; `None` is all of them.
    pub batch: Option<usize>,
    /// Passes over the samples.
    pub epochs: u64,
    /// Seed of the first weights and of the order of the samples.
    pub seed: u64,
}

/// How good a network is at a look, evaluated on the device.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// Share of the test samples that it classifies wrongly.
    pub test_error: f32,
    /// Mean cross-entropy over the test samples.
    pub test_loss: f32,
    /// Mean cross-entropy over the batches of the epoch so far, each before its update.
    pub train_loss: f32,
}

/// The trained network with what it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Why training ended; a finished last epoch is [`Ended::Iterations`].
    pub ended: Ended,
    /// Share of the test samples that the final network classifies wrongly.
    pub test_error: f64,
    /// Mean cross-entropy over the test samples.
    pub test_loss: f64,
    /// Mean cross-entropy over the batches of the last epoch, each before its update.
    pub train_loss: f64,
    /// Losses of the first steps, at most [`FIRST_LOSSES`].
    pub first_losses: Vec<f32>,
    /// Parameters, layer after layer: weights, then biases.
    pub parameters: Vec<f32>,
    /// Updates.
    pub iterations: u64,
    /// Passes over the samples.
    pub passes: f64,
    /// Fewest bytes that the steps must move, from the kernel table.
    pub bytes: f64,
    /// Operations, from the kernel table.
    pub flops: f64,
}

/// Losses of first steps that an outcome keeps: devices are compared by them.
pub const FIRST_LOSSES: usize = 32;
