//! What a parameter is when nothing is asked for. The helps of the flags ([`super::axes`]) say the same.

/// Number of components.
pub const COMPONENTS: usize = 10;
/// Target of the full batch: the sine of the largest principal angle.
pub const TARGET: f64 = 1e-3;
/// Target of mini-batches, whose error falls as one over the root of the samples seen.
pub const BATCH_TARGET: f64 = 5e-2;
/// Target of a network: the share of test samples that it classifies wrongly.
pub const TEST_TARGET: f64 = 0.03;
/// Hidden layers of a network: LeCun's three-layer net.
pub const LAYERS: [usize; 2] = [300, 100];
/// Samples of a network's mini-batch.
pub const NETWORK_BATCH: usize = 128;
/// The methods' own stopping tolerance.
pub const TOLERANCE: f64 = 1e-6;
/// Iterations per component.
pub const MAX_ITERATIONS: u64 = 20_000;
/// Seconds of solving.
pub const TIME_LIMIT_S: f64 = 120.0;
/// Schedule of a network's learning rate.
pub const SCHEDULE: &str = "constant";
/// Passes over the samples in mini-batches.
pub const EPOCHS: u64 = 20;
/// Seed of start vectors and batches.
pub const SEED: u64 = 1;
