//! Problem `pca`: operators, methods, reference, accuracy.
//!
//! [`Solver`] runs one [`Plan`] on samples that are already on a device. It owns no clock: a [`Watch`] is called at
//! every look of the host, with the device synchronised, and says whether to go on.

use crate::optimizer::Rule;

pub use crate::optimizer::{Ended, Look, Next, Watch};

/// How PCA is solved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// One component at a time, the seed algorithm.
    Deflation,
    /// All components at once, orthonormalised.
    Subspace,
    /// The device's dense eigensolver.
    Direct,
}

/// What A v costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperatorKind {
    /// Matrix-free: `Xc'(Xc v)`, the covariance never formed.
    Samples,
    /// The smaller Gram matrix, formed once.
    Covariance,
}

/// Which gradient of the Rayleigh quotient the rule sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gradient {
    /// Euclidean, `2 A v`: the seed's.
    Plain,
    /// Projected on the tangent space of the sphere, `2 (A v - (v'A v) v)`.
    Projected,
}

/// One way to solve PCA, every parameter decided but the automatic learning rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// How.
    pub method: Method,
    /// What A v costs; not used by `direct`.
    pub operator: OperatorKind,
    /// The update rule; not used by `direct`.
    pub rule: Rule,
    /// The gradient it sees; `None` takes the rule's own (plain for sgd, projected for the others).
    pub gradient: Option<Gradient>,
    /// Learning rate in units of 1 / lambda; `None` is `auto`.
    pub learning_rate: Option<f64>,
    /// Number of components k.
    pub components: usize,
    /// Rows of a mini-batch; `None` is the full batch. Only with [`OperatorKind::Samples`].
    pub batch: Option<usize>,
    /// Passes over the data in mini-batches, per component (deflation) or in all (subspace).
    pub epochs: u64,
    /// The method's own stopping tolerance.
    pub tolerance: f64,
    /// Iterations per component (deflation) or in all (subspace).
    pub max_iterations: u64,
    /// Seed of the start vectors and the order of the batches.
    pub seed: u64,
}

impl Plan {
    /// The gradient that the rule sees.
    pub fn gradient(&self) -> Gradient {
        self.gradient.unwrap_or(match self.rule {
            Rule::Sgd => Gradient::Plain,
            _ => Gradient::Projected,
        })
    }
}

/// The answer of a solve, on the host, with what it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Why it ended.
    pub ended: Ended,
    /// Eigenvalues in the user's units, largest first, k.
    pub eigenvalues: Vec<f64>,
    /// Components, k x d, one row a component; the largest entry of each is positive.
    pub components: Vec<f64>,
    /// The solve's own estimate of each residual `|A v - lambda v| / lambda_1`, from the Rayleigh-Ritz pass.
    pub residuals: Vec<f64>,
    /// Steps, summed over components.
    pub iterations: u64,
    /// Passes over the samples or the covariance.
    pub passes: f64,
    /// Fewest bytes that those launches must move, from the kernel table.
    pub bytes: f64,
    /// Operations, from the kernel table.
    pub flops: f64,
    /// Of the passes, those that the host made in f64 (see [`crate::kernel::resolution`]).
    pub host_passes: f64,
    /// Learning rate used, in units of 1 / lambda.
    pub learning_rate: f64,
    /// Largest relative residual at which a component ended its steps, as the device saw it in the last one: of a
    /// mini-batch where the steps are mini-batches, 0 for `direct`.
    pub residual: f64,
    /// Where a solve that diverged ceased to be finite.
    pub fault: Option<Fault>,
}

/// The components so far, the one being sought included, as a watch sees them.
#[derive(Debug, Clone, PartialEq)]
pub struct Basis {
    /// Length of a row: d, or n where the operator is the n x n Gram matrix.
    pub order: usize,
    /// Rows of `order` numbers, one a component.
    pub rows: Vec<f32>,
}

/// Where a solve ceased to be finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Component being sought, 0-based (0 where all are sought at once).
    pub component: usize,
    /// Its step, from 1.
    pub step: u64,
    /// What was not finite: `gradient` or `updated vector` (the vector that a step leaves, not finite or 0).
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
pub use rate::Schedule;
pub use reference::Reference;
pub use solver::Solver;
