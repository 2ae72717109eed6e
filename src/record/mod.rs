//! What was measured: plain types, one JSON line per case.
//!
//! The format is public and versioned ([`SCHEMA`]); its JSON Schema is derived from these types. Times are seconds, rates
//! are 1e9 per second, eigenvalues are those of the covariance with divisor n - 1, in the units of the data (pixels / 255
//! for images). No path, host name or user name ever enters a record. This module knows no device and draws nothing.

pub mod asked;
pub mod criterion;
pub mod file;
#[cfg(test)]
pub(crate) mod fixture;
mod label;
mod lines;
mod machine;
mod noise;
mod rate;
pub mod read;
pub mod schema;
pub mod statistics;
#[cfg(test)]
mod tests;
mod upgrade;

pub use asked::{Asked, Word};
pub use machine::{Bandwidth, Instance, KernelRate, Machine, Peak};
pub use noise::Noise;
pub use rate::{Arithmetic, MOST_SHARE, Part, Rate, Work};
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version of the record format.
pub const SCHEMA: u32 = 5;

/// The most repeats of a case for which no number of them was asked.
pub const MOST_REPEATS: usize = 100;

/// Why repeating stopped when Ctrl-C came: such a case is not finished, and `--resume` races it again.
pub const INTERRUPTED: &str = "interrupted";

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The error is at or under the target.
    Reached,
    /// A limit (iterations, time) came first.
    Budget,
    /// The method stopped by its own criterion above the target.
    Stalled,
    /// The span is right, but a component asked for lies under what the arithmetic can tell.
    Unresolved,
    /// The state is no longer finite.
    Diverged,
    /// A check of the answer failed, or the case could not be carried out.
    Failed,
    /// The device, or one of its operations, is not there.
    Skipped,
}

/// What stands beside the name of a device, wherever a person reads it, when it is a software emulation of a GPU.
pub fn software_label(software: bool) -> &'static str {
    if software { " (software)" } else { "" }
}

/// One case, measured: one line of `records.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// Version of this format, [`SCHEMA`].
    pub schema: u32,
    /// Stable, readable id: every parameter that is not the default. What it says stands in the fields below: nothing needs
    /// to take it apart.
    pub case: String,
    /// Name of the samples in the id: their spec, or the base name of a file and eight digits of its SHA-256. Not in records
    /// of schema 1 and 2, whose ids have it.
    #[serde(default)]
    pub samples: String,
    /// What was asked for. Not in records of schema 1 and 2, whose ids have it.
    #[serde(default)]
    pub asked: Asked,
    /// How the case ended.
    pub status: Status,
    /// The status in words; null where the status says it all.
    pub reason: Option<String>,
    /// `pca` or `mlp`.
    pub problem: String,
    /// The samples; null when the case was skipped before they were loaded.
    pub data: Option<DataFacts>,
    /// `deflation`, `subspace` or `direct`; `backpropagation` for `mlp`.
    pub method: String,
    /// `samples` or `covariance`; null for `direct`.
    pub operator: Option<String>,
    /// The update rule; null for `direct`.
    pub optimizer: Option<OptimizerFacts>,
    /// `plain` or `projected` gradient; null for `direct`.
    pub gradient: Option<String>,
    /// Number of components k; null for `mlp`.
    pub components: Option<usize>,
    /// `full` or the number of rows in a mini-batch; null for `direct`.
    pub batch: Option<String>,
    /// `f32` or `f64`.
    pub precision: String,
    /// Seed of start vectors and of the order of the batches.
    pub seed: u64,
    /// Where it ran.
    pub device: DeviceFacts,
    /// Fingerprint of the machine: the key into `machine.json`.
    pub machine: String,
    /// Program version and commit, `0.1.0+abc1234`.
    pub program: String,
    /// The limits and the target under which it ran.
    pub limits: Limits,
    /// Times; null when the case did not run.
    pub time: Option<Times>,
    /// Work; null when the case did not run.
    pub work: Option<Work>,
    /// Rates; null when the case did not run.
    pub rate: Option<Rate>,
    /// Energy of a solve; null where the device has no counter that can be read, and for a solve too long for a pass of its
    /// own.
    #[serde(default)]
    pub energy: Option<Energy>,
    /// Accuracy of the final answer of `pca`; null when there is none.
    pub accuracy: Option<Accuracy>,
    /// The network of `mlp` and how well it classifies; null for `pca`.
    #[serde(default)]
    pub network: Option<Network>,
    /// Eigenvalues found, largest first.
    pub eigenvalues: Vec<f64>,
    /// The reference's eigenvalues; empty when the reference is the residual alone.
    pub reference_eigenvalues: Vec<f64>,
    /// Files beside the record, relative to its folder, by name (`components`, `projections`).
    pub artifacts: BTreeMap<String, String>,
    /// Convergence, points spaced geometrically. Times are those of the median repeat by time to target (by time of solving
    /// where the target is not met), of an even number the mean of the two in the middle; those of the first repeat in records
    /// before schema 4.
    pub curve: Vec<CurvePoint>,
}

/// What the samples were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DataFacts {
    /// The spec as given; a file as its base name.
    pub spec: String,
    /// Number of samples.
    pub n: usize,
    /// Dimension of a sample.
    pub d: usize,
    /// Element type in memory: `u8` or `f32` (`f64` files are narrowed after centring).
    pub dtype: String,
    /// Whether every column was brought to zero mean and unit variance: of all rows for `pca`, of the training rows for `mlp`.
    #[serde(default)]
    pub standardized: bool,
    /// SHA-256, in hex, of the samples as they stand in memory, row-major.
    pub sha256: String,
    /// Side lengths (rows, columns) when a sample is an image.
    pub image: Option<(usize, usize)>,
}

/// The update rule as it ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OptimizerFacts {
    /// `sgd`, `adam:keras`, or the name that a file of the user's gives.
    pub name: String,
    /// Learning rate used: for `pca` in units of 1 / lambda (see the crate page `pca`).
    pub learning_rate: f64,
    /// Whether the rate was chosen by the program.
    pub auto: bool,
    /// Where the program has it from, in words; null where it was given, and in records of schemas before 5.
    #[serde(default)]
    pub rate_from: Option<String>,
    /// The rule's parameters by their names; empty in records of schemas before 5.
    #[serde(default)]
    pub parameters: BTreeMap<String, f64>,
    /// The rule's statements, and the states that do not start from 0; in records of schemas before 5 the framework whose form
    /// it is, in words.
    pub variant: String,
    /// How the learning rate changes: `constant`, or the schedule's name, formula and values. Before schema 5 the formula alone,
    /// `1/sqrt(1 + t/10)`.
    pub schedule: String,
}

/// Where a case ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceFacts {
    /// As ids and peaks name it, with its threads as asked for: `cpu@1`, `cpu` (with all threads), `cuda:0`. Not in records of
    /// schema 1 and 2, whose ids have it.
    #[serde(default)]
    pub label: String,
    /// `cpu`, `cuda` or `wgpu`.
    pub kind: String,
    /// Index among the devices of its kind.
    pub index: usize,
    /// Name as the device tells it.
    pub name: String,
    /// Whether it is a software emulation of a GPU.
    pub software: bool,
    /// Number of threads, on a CPU.
    pub threads: Option<usize>,
    /// Instruction set in use, on a CPU: `portable`, `avx2` or `avx512`.
    pub isa: Option<String>,
}

/// The target and the limits of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Limits {
    /// Error that counts as reached: the sine of the largest principal angle, for `mlp` the test error.
    pub target: f64,
    /// The method's own stopping tolerance; null for `mlp`.
    pub tolerance: Option<f64>,
    /// Iterations per component (deflation) or in all (subspace); null for `mlp`.
    pub max_iterations: Option<u64>,
    /// Seconds of solving.
    pub time_limit_s: f64,
}

/// Times in seconds; setup, transfer and solve are never mixed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Times {
    /// Planning, compilation, and the statistics of the samples (mean and scale).
    pub setup_s: f64,
    /// Samples to the device.
    pub upload_s: f64,
    /// Solving, one value per repeat, raw.
    pub solve_s: Vec<f64>,
    /// What of each repeat the device computed by its own clock, which `clock` does not go by: without the host's part and
    /// the waiting for it. Null where the device has no clock, and in records from before there was one.
    #[serde(default)]
    pub device_s: Option<Vec<f64>>,
    /// What each repeat lost to other programs; null where the system does not say, and before schema 4.
    #[serde(default)]
    pub noise: Option<Vec<Noise>>,
    /// Seconds of solving of repeats that were disturbed and made again: none of the other lists holds them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set_aside_s: Vec<f64>,
    /// Time at which the curve first meets the target, one value per repeat; empty when it never does.
    pub to_target_s: Vec<f64>,
    /// Which clock the times above go by, but for `device_s`: `host`.
    pub clock: String,
    /// Why repeating stopped: `noise low`, `noise stable`, `time up`, `repeats` or `interrupted`.
    pub stopped: String,
}

/// Energy of a solve, measured in a pass of its own after the repeats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Energy {
    /// `nvml` (the card) or `rapl` (the processor's packages).
    pub source: String,
    /// Joules of one solve.
    pub joules: f64,
    /// Mean power over the pass.
    pub watts: f64,
    /// Solves of the pass.
    pub solves: u64,
    /// Clock at the end of the pass, MHz, where it is told.
    pub clock_mhz: Option<u32>,
    /// Temperature at the end of the pass, degrees Celsius, where it is told.
    pub temperature_c: Option<u32>,
    /// Repeats after which the clock was found lowered.
    pub throttled_repeats: u64,
    /// Why: `power cap`, `thermal`, `hardware slowdown`, `power brake`.
    pub throttle: Vec<String>,
}

/// Accuracy of the final answer; every number is dimensionless unless said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Accuracy {
    /// `lapack`, `spectrum` or `residual`.
    pub reference: String,
    /// Largest relative eigenvalue error; null when the reference is the residual.
    pub eigenvalue_error: Option<f64>,
    /// Sine of the largest principal angle of the span; null when the reference is the residual.
    pub subspace_sine: Option<f64>,
    /// Largest sine of the angle of one component to its own eigenvalue's cluster; without a reference the bound that its residual
    /// gives. Null in records of schema 1.
    #[serde(default)]
    pub component_sine: Option<f64>,
    /// Components that were checked: those whose eigenvalue the arithmetic resolves. Null in records of schema 1.
    #[serde(default)]
    pub checked_components: Option<usize>,
    /// Relative error of the reference's own eigenvalues, at the last component that was checked; null when there is none.
    #[serde(default)]
    pub reference_error: Option<f64>,
    /// Largest `|A v - lambda v| / lambda_1`, in f64 on the host.
    pub residual: f64,
    /// Largest `|V'V - I|`.
    pub orthogonality: f64,
    /// Share of the total variance.
    pub explained_variance: f64,
    /// Mean squared reconstruction error per sample (the seed's J), in squared units of the data.
    pub reconstruction_error: f64,
}

/// A network, and how well it classifies samples that it was not trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Network {
    /// Widths of the hidden layers; empty is logistic regression.
    pub layers: Vec<usize>,
    /// Number of parameters; null when the case did not run.
    pub parameters: Option<usize>,
    /// Times the parameters, added to the gradient.
    pub weight_decay: f64,
    /// Passes over the training samples that were asked for.
    pub epochs: u64,
    /// Number of test samples.
    pub test_n: usize,
    /// The end of training; null when the case did not run or the state is not finite.
    pub end: Option<Score>,
    /// The point of the curve with the least test error: chosen by the test set, so no honest figure of its own.
    pub best: Option<Score>,
}

/// How well a network classifies at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Score {
    /// Passes over the training samples so far.
    pub epoch: f64,
    /// Share of the test samples that are classified wrongly.
    pub test_error: f64,
    /// Mean cross-entropy over the test samples.
    pub test_loss: f64,
    /// Mean cross-entropy over the training batches of the epoch so far, each before its update.
    pub train_loss: f64,
}

/// One point of the convergence curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CurvePoint {
    /// Steps so far, over all components.
    pub iteration: u64,
    /// Passes so far; for `mlp` epochs.
    pub passes: f64,
    /// Solve time so far, evaluation excluded.
    pub time_s: f64,
    /// The least and the most that a repeat took to this point; null before schema 4 and where there was one repeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band_s: Option<(f64, f64)>,
    /// Component being sought, 0-based (0 throughout for `subspace`).
    pub component: usize,
    /// Sine of the angle of the current component (deflation) or of the span (subspace); for `mlp` the test error.
    pub component_error: f64,
    /// Error of the whole k-subspace: 1 until the last component is in; for `mlp` the test error.
    pub error: f64,
    /// `mlp`: mean cross-entropy over the test samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_loss: Option<f64>,
    /// `mlp`: mean cross-entropy over the training batches of the epoch so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_loss: Option<f64>,
}
