//! Problem `mlp`: a multilayer perceptron classifier (ReLU, softmax cross-entropy), trained by backpropagation.
//!
//! [`Trainer`] runs one [`Plan`] on images that are already on a device. A step is recorded once and replayed: advance,
//! gather the batch (which widens bytes), forward, loss with its gradient, backward, and one launch of the rule for all
//! parameters. Learning rate, step number and batch are in the control buffer. Like the PCA solver it owns no clock: a
//! [`Watch`](crate::optimizer::Watch) sees the state four times per epoch.
//!
//! Without hidden layers it is logistic (softmax) regression. Weights are in x out, row-major, initialised to
//! N(0, 2 / in) (He et al. 2015); biases start at 0. If the batch size does not divide the number of samples, each epoch skips
//! the rest of its shuffled order.

use crate::optimizer::{Cost, Ended, Rule, Schedule, WarmUp};

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

/// One configuration of training; every parameter is decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Widths of the hidden layers; empty is logistic regression.
    pub layers: Vec<usize>,
    /// The update rule.
    pub rule: Rule,
    /// Largest learning rate, in the rule's own units.
    pub learning_rate: f64,
    /// How the rate changes.
    pub schedule: Schedule,
    /// Steps over which the rate rises at first.
    pub warm_up: WarmUp,
    /// Weight decay: this times the parameters is added to the gradient (PyTorch's `weight_decay`).
    pub weight_decay: f64,
    /// Samples per batch; `None` is the full batch.
    pub batch: Option<usize>,
    /// Epochs.
    pub epochs: u64,
    /// Seed of the initial weights and of the order of the samples.
    pub seed: u64,
}

/// The scores of a network at a look, evaluated on the device.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// Share of the test samples that it misclassifies.
    pub test_error: f32,
    /// Mean cross-entropy over the test samples.
    pub test_loss: f32,
    /// Mean cross-entropy over the batches of the epoch so far, each before its update.
    pub train_loss: f32,
}

/// The trained network and the work it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Why training ended; [`Ended::Iterations`] after the last epoch.
    pub ended: Ended,
    /// Share of the test samples that the final network classifies wrongly.
    pub test_error: f64,
    /// Mean cross-entropy over the test samples.
    pub test_loss: f64,
    /// Mean cross-entropy over the batches of the last epoch, each before its update.
    pub train_loss: f64,
    /// Losses of the first steps, at most [`FIRST_LOSSES`] of them.
    pub first_losses: Vec<f32>,
    /// Parameters, layer by layer: weights, then biases.
    pub parameters: Vec<f32>,
    /// Number of updates.
    pub iterations: u64,
    /// Passes over the samples.
    pub passes: f64,
    /// Work of the steps, from the kernel table.
    pub cost: Cost,
}

/// Number of initial losses that an outcome keeps, by which devices are compared.
pub const FIRST_LOSSES: usize = 32;
