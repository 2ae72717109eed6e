//! Problem `pca`: operators, methods, reference, accuracy.
//!
//! [`Solver`] runs one [`Plan`] on samples that are already on a device. It owns no clock: it calls a [`Watch`] at
//! every look of the host, with the device synchronised, and the watch decides whether to continue.

use crate::optimizer::{Cost, Rule, Schedule, WarmUp};

pub use crate::optimizer::{Ended, Look, Next, Watch};

/// Method that solves PCA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// One component at a time, the seed algorithm.
    Deflation,
    /// All components at once, orthonormalised.
    Subspace,
    /// The device's dense eigensolver.
    Direct,
}

/// How the product A v is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperatorKind {
    /// Matrix-free: `Xc'(Xc v)`; the covariance is never formed.
    Samples,
    /// The smaller Gram matrix, formed once.
    Covariance,
}

/// Gradient of the Rayleigh quotient that the update rule receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gradient {
    /// Euclidean, `2 A v`, as in the seed algorithm.
    Plain,
    /// Projected onto the tangent space of the sphere, `2 (A v - (v'A v) v)`.
    Projected,
}

impl Gradient {
    /// The gradient that a rule takes unless another one is requested: plain for a rule that steps along it, projected for
    /// the others.
    pub fn of(rule: Rule) -> Self {
        match rule.states() == 0 && !rule.program().is_elementwise() {
            true => Self::Plain,
            false => Self::Projected,
        }
    }
}

/// One configuration of PCA. Every parameter is decided except the automatic learning rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The method.
    pub method: Method,
    /// How A v is computed; not used by `direct`.
    pub operator: OperatorKind,
    /// The update rule; not used by `direct`.
    pub rule: Rule,
    /// The gradient that the rule receives; `None` selects the rule's default (plain for sgd, projected for the
    /// others).
    pub gradient: Option<Gradient>,
    /// Learning rate in units of 1 / lambda; `None` is `auto`.
    pub learning_rate: Option<f64>,
    /// How the rate changes; `None` is `auto`.
    pub schedule: Option<Schedule>,
    /// Steps over which the rate rises at first.
    pub warm_up: WarmUp,
    /// Number of components k.
    pub components: usize,
    /// Rows of a mini-batch; `None` is the full batch. Only with [`OperatorKind::Samples`].
    pub batch: Option<usize>,
    /// Epochs of mini-batches, per component (deflation) or in total (subspace).
    pub epochs: u64,
    /// The method's own stopping tolerance.
    pub tolerance: f64,
    /// Iterations per component (deflation) or in total (subspace).
    pub max_iterations: u64,
    /// Seed of the start vectors and of the order of the batches.
    pub seed: u64,
}

impl Plan {
    /// The gradient that the rule receives.
    pub fn gradient(&self) -> Gradient {
        self.gradient.unwrap_or(Gradient::of(self.rule))
    }
}

/// The answer of a solve, on the host, and the work it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Why the solve ended.
    pub ended: Ended,
    /// Eigenvalues in the user's units, largest first, k.
    pub eigenvalues: Vec<f64>,
    /// Components, k x d, one per row; the largest entry of each is positive.
    pub components: Vec<f64>,
    /// The solve's own estimate of each residual `|A v - lambda v| / lambda_1`, from the Rayleigh-Ritz pass.
    pub residuals: Vec<f64>,
    /// Steps, summed over the components.
    pub iterations: u64,
    /// Passes over the samples or the covariance.
    pub passes: f64,
    /// Work of the steps, from the kernel table, and what the host added.
    pub cost: Cost,
    /// Number of the passes that the host made in f64 (see [`crate::kernel::resolution`]).
    pub host_passes: f64,
    /// Learning rate used, in units of 1 / lambda.
    pub learning_rate: f64,
    /// Largest relative residual of a component after its last step, as the device computed it: over a mini-batch if
    /// the steps use mini-batches; 0 for `direct`.
    pub residual: f64,
    /// Where the solve became non-finite, if it diverged.
    pub fault: Option<Fault>,
}

/// The components so far, including the one being sought, as a watch sees them.
#[derive(Debug, Clone, PartialEq)]
pub struct Basis {
    /// Length of a row: d, or n if the operator is the n x n Gram matrix.
    pub order: usize,
    /// Rows of `order` numbers, one a component.
    pub rows: Vec<f32>,
}

/// Where a solve became non-finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Component being sought, 0-based (0 if all are sought together).
    pub component: usize,
    /// Step of that component, counted from 1.
    pub step: u64,
    /// The non-finite quantity: `gradient` or `updated vector` (the vector after the step, not finite or 0).
    pub quantity: &'static str,
}

mod accuracy;
mod decomposition;
mod finish;
mod host;
mod iterative;
mod operator;
mod plane;
mod problem;
mod rate;
mod reference;
mod residual;
mod solver;

pub use accuracy::{Assessment, Standing};
pub use plane::plane;
pub use problem::Problem;
pub use rate::{Pace, Terms};
pub use reference::Reference;
pub use solver::Solver;
