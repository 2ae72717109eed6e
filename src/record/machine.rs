//! What `machine.json` holds.

use super::rate::Rate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Facts of a machine, without host or user name: `machine.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    /// Version of this format, [`SCHEMA`](super::SCHEMA).
    pub schema: u32,
    /// Hash of the facts below that do not change from run to run.
    pub fingerprint: String,
    /// Processor model.
    pub cpu: String,
    /// Cores that the program may use.
    pub cores: usize,
    /// Instruction sets found, of those the program has paths for.
    pub isa: Vec<String>,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Operating system and kernel release.
    pub os: String,
    /// BLAS/LAPACK library and version, as it tells it.
    pub blas: String,
    /// Compiler that built the program.
    pub rustc: String,
    /// Identifies the boot of the system: roofs of another boot may be another host's. Null where the system has no such id, and
    /// before schema 4.
    #[serde(default)]
    pub boot: Option<String>,
    /// What it is rented as, where its provider tells; null elsewhere.
    #[serde(default)]
    pub instance: Option<Instance>,
    /// Peaks measured in this run, one per device.
    pub peaks: Vec<Peak>,
    /// Kernels that `cargo bench --bench kernels` measured; a race measures none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kernels: Vec<KernelRate>,
}

/// A machine that is rented, as its provider tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Instance {
    /// Whose it is: `aws`.
    pub provider: String,
    /// Type: `g5.xlarge`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Region: `us-east-1`.
    pub region: Option<String>,
    /// Whether it is a spot instance, which costs less than the table says.
    pub spot: Option<bool>,
    /// Image it was started from: `ami-...`.
    pub image: Option<String>,
}

/// One kernel on one device, measured alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KernelRate {
    /// Name of the row in the kernel table, or of the product, with its size where that is not the table's.
    pub kernel: String,
    /// Device as in a case id: `cpu@1`, `cpu`, `wgpu:0`.
    pub device: String,
    /// Seconds of a launch, the median of many.
    pub seconds: f64,
    /// Bytes that a launch must move.
    pub bytes: f64,
    /// Operations of a launch.
    pub flops: f64,
    /// Its rates, beside the peaks measured in the same run.
    pub rate: Rate,
}

/// Bandwidth of reading a buffer of one size again and again, and of updating it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bandwidth {
    /// Bytes of the buffer.
    pub bytes: f64,
    /// 1e9 bytes per second, of a pass that reads.
    pub gb_per_s: f64,
    /// The same, read and written, of a pass that updates one half of the buffer by the other: memory and caches take writes while
    /// they are read. Null in files from before it was measured.
    #[serde(default)]
    pub update_gb_per_s: Option<f64>,
    /// Where a buffer of that size lies: `L1`, `L2`, `last level` or `memory`; `cache` where the sizes of the caches are unknown.
    pub level: String,
}

impl Bandwidth {
    /// That of the pass that moves more.
    pub fn most(&self) -> f64 {
        self.update_gb_per_s.unwrap_or(0.0).max(self.gb_per_s)
    }
}

/// Roofs of one device: the best that was measured before, between and after the heats of the run, and in earlier runs since the
/// same start of the machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Peak {
    /// Device as in a case id: `cpu@1`, `cpu`, `wgpu:0`.
    pub device: String,
    /// Name as the device tells it; empty in files from before it was written.
    #[serde(default)]
    pub name: String,
    /// Its driver and libraries with their versions; null on a CPU, and where they are not told.
    #[serde(default)]
    pub driver: Option<String>,
    /// Whether it is a software emulation of a GPU; false in files from before there were any.
    #[serde(default)]
    pub software: bool,
    /// Stream read of memory, 1e9 bytes per second.
    pub stream_gb_per_s: f64,
    /// f32 matrix product, 1e9 operations per second.
    pub gemm_gflop_per_s: f64,
    /// Stream reads of buffers of growing size, from the first cache to memory; empty before schema 4. So are the fields below.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<Bandwidth>,
    /// f64 matrix product, 1e9 operations per second; null where the device has none.
    #[serde(default)]
    pub f64_gflop_per_s: Option<f64>,
    /// Product of bytes with themselves (the covariance's), 1e9 operations per second, by the best of the instruction sets.
    #[serde(default)]
    pub integer_gop_per_s: Option<f64>,
    /// Usual seconds of the short product by which the pace of repeats is judged (see [`Noise`](super::Noise)); null where it is not.
    #[serde(default)]
    pub probe_s: Option<f64>,
    /// How often the roofs were measured in this run.
    #[serde(default)]
    pub measurements: u32,
    /// How far the least and the most f32 product of this run lie apart, as a share of the most; null for one measurement.
    #[serde(default)]
    pub spread: Option<f64>,
    /// What was noticed when a measurement fell short of what the machine reached before; null when none did.
    #[serde(default)]
    pub disturbed: Option<String>,
}
