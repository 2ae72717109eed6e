//! What the work of a solve or a kernel makes in a second.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Rates of the median solve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rate {
    /// 1e9 bytes per second.
    pub gb_per_s: f64,
    /// 1e9 operations per second.
    pub gflop_per_s: f64,
    /// Share of the peak that binds; null when peaks were not measured.
    pub share_of_peak: Option<f64>,
    /// `stream` or `gemm`; null when peaks were not measured.
    pub peak: Option<String>,
}
