//! `gradrace devices`.

use clap::Args;

use crate::device::Unavailable;
use crate::error::Result;
use crate::race::case::{DeviceSpec, Threads};
use crate::race::{device, lane};
use crate::record::machine::machine;

use super::output::{End, print};

/// Show every device found with its measured peaks, and every device missing with the remedy.
#[derive(Debug, Args)]
pub struct Devices {}

impl Devices {
    /// Measures and prints.
    ///
    /// # Errors
    /// When standard output cannot be written, or a device fails while it is measured.
    pub fn run(self) -> Result<End> {
        let facts = machine();
        print(&format!(
            "{}, {} cores, {:.1} GiB, {}\n{}\n\n",
            facts.cpu,
            facts.cores,
            facts.memory_bytes as f64 / f64::from(1 << 30),
            facts.isa.join(" "),
            facts.blas,
        ))?;
        let one = DeviceSpec::cpu(Threads::Count(1));
        for spec in std::iter::once(one).chain(device::present()) {
            match lane::measure_peak(spec) {
                Ok(peak) => {
                    let peak = peak?;
                    print(&format!(
                        "{:<8} stream read {:.1} GB/s, f32 matrix product {:.0} GFLOP/s\n",
                        peak.device, peak.stream_gb_per_s, peak.gemm_gflop_per_s
                    ))?;
                }
                Err(missing) => print(&absent(spec, &missing))?,
            }
        }
        for (spec, missing) in device::absent() {
            print(&absent(spec, &missing))?;
        }
        Ok(End::Good)
    }
}

fn absent(spec: DeviceSpec, missing: &Unavailable) -> String {
    format!(
        "{:<8} missing: {}: {}\n",
        spec.to_string(),
        missing.why,
        missing.remedy
    )
}
