//! Work of a solve, and how fast it was done.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The numbers that operations are made on: each kind has a roof of its own.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Arithmetic {
    /// 32-bit floats.
    #[default]
    F32,
    /// 64-bit floats.
    F64,
    /// Integers.
    Integer,
}

/// Work of one solve: what was done, not what a slower way would have done.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Work {
    /// Steps, summed over components.
    pub iterations: u64,
    /// Passes over the samples (operator `samples`) or over the covariance (operator `covariance`).
    pub passes: f64,
    /// Fewest bytes that those steps must move, from the kernel table.
    pub bytes: f64,
    /// Operations done on numbers of any kind (a multiply-add is two), from the kernel table. Before schema 4 with those that
    /// were skipped.
    pub flops: f64,
    /// Operations that were not done because a factor was 0: with them the same work would be dense.
    #[serde(default)]
    pub skipped_flops: f64,
    /// Those of the passes that the host made in f64, because a component asked for lies under what the device's f32 resolves.
    #[serde(default)]
    pub host_passes: f64,
    /// The same work by kernel; empty before schema 4.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

/// What one kernel did of a solve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Part {
    /// Name of the row in the kernel table, `gemm` with its shape, or what the host did.
    pub kernel: String,
    /// Launches.
    pub launches: f64,
    /// Fewest bytes of all launches.
    pub bytes: f64,
    /// Operations of all launches, those skipped included.
    pub flops: f64,
    /// On which numbers.
    pub arithmetic: Arithmetic,
    /// Whether a good part of the bytes is written: then the roof is that of passes that read and write.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub updates: bool,
}

/// A share of the roofs above this is a mistake: of a roof, of the count of the work, or of the clock.
pub const MOST_SHARE: f64 = 1.03;

/// How fast work was done, and how near the limit that is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rate {
    /// 1e9 bytes per second.
    pub gb_per_s: f64,
    /// 1e9 operations per second.
    pub gflop_per_s: f64,
    /// The same with the operations that were skipped: the rate of a dense way that took as long. Null where none were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dense_equivalent_gflop_per_s: Option<f64>,
    /// Least time that the measured roofs of the device allow for this work; null when they were not measured, and before
    /// schema 4.
    #[serde(default)]
    pub floor_s: Option<f64>,
    /// That time over the time taken; null when the roofs were not measured, and in what is read of records before schema 4.
    pub share_of_peak: Option<f64>,
    /// The roof that takes most of that least time: `memory`, `last level`, `L2`, `L1` or `cache` for bytes, `f32`, `f64` or
    /// `integer` for operations; null when the roofs were not measured. Of records before schema 4 `memory` or `f32`, whichever
    /// was used more.
    pub peak: Option<String>,
}
