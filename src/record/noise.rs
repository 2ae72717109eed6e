//! What a repeat lost to other programs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One repeat by the system's counters: the processor time it had, and what it waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Noise {
    /// Seconds on the host's clock, evaluation off the clock included.
    pub wall_s: f64,
    /// Processor seconds of all threads of the program.
    pub cpu_s: f64,
    /// Seconds for which its threads could have run and another program had the core, summed over threads.
    pub waited_s: f64,
    /// Seconds of this machine's cores that its host gave to others (steal), in steps of a clock tick; summed over cores.
    pub stolen_s: f64,
    /// Switches that the threads did not ask for.
    pub switches: u64,
    /// Other programs' threads that were running or ready at the end of the repeat.
    pub others: u32,
    /// Clock of the cores at the end of the repeat, MHz, the mean; null where the system does not report it.
    #[serde(default)]
    pub mhz: Option<f64>,
    /// Pace of the cores before or after the repeat, the worse of the two: the usual time of a short matrix product on this machine
    /// over its time now. Null where it was not measured.
    #[serde(default)]
    pub pace: Option<f64>,
    /// Whether more was lost than a repeat that counts may lose: see the crate page `methodology`.
    pub disturbed: bool,
}
