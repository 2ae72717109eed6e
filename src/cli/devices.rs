//! `gradrace devices`.

use clap::Args;

use crate::device::cuda::cards;
use crate::device::wgpu::{adapters, hint};
use crate::device::{Info, Unavailable};
use crate::error::{Error, Result};
use crate::machine::machine;
use crate::race::device::{self, DeviceSpec, Threads};
use crate::race::lane;
use crate::race::name::Kind;
use crate::race::roofs::measure::Effort;
use crate::record::{Peak, software_label};
use crate::report::roofline::{Limit, limits};

use super::output::{End, print};

/// Show every device found with its measured peaks, and every device missing with the remedy.
#[derive(Debug, Args)]
pub struct Devices {
    /// Do not measure the peaks: list what is there at once
    #[arg(long)]
    no_peaks: bool,
}

impl Devices {
    /// Measures, unless told not to, and prints. A device that fails while it is measured is told, and the others are
    /// measured all the same.
    ///
    /// # Errors
    /// When standard output cannot be written.
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
        let mut end = End::Good;
        let one = DeviceSpec::cpu(Threads::Count(1));
        let found = device::present().into_iter().map(|found| found.spec);
        for spec in std::iter::once(one).chain(found) {
            let (text, failed) = match self.no_peaks {
                true => (line(spec, "found"), false),
                false => measure(spec),
            };
            print(&text)?;
            match spec.kind {
                Kind::Cpu => {}
                Kind::Cuda => print(&card(spec.index))?,
                Kind::Wgpu => print(&adapter(spec.index))?,
            }
            if failed {
                end = End::CheckFailed;
            }
        }
        for (spec, missing) in device::absent() {
            print(&absent(spec, &missing))?;
        }
        // Without any adapter it is the remedy above.
        if let Some(hint) = hint().filter(|_| !adapters().is_empty()) {
            print(&format!("\n{hint}\n"))?;
        }
        Ok(end)
    }
}

/// The line of a device that is measured, and whether that failed.
fn measure(spec: DeviceSpec) -> (String, bool) {
    match lane::measure_peak(spec, Effort::Whole) {
        Ok(Ok((info, peak))) => (measured(&info, &peak), false),
        Ok(Err(Error::Unsupported(why))) => (line(spec, &format!("not measured: {why}")), false),
        Ok(Err(error)) => (line(spec, &format!("failed: {error}")), true),
        Err(missing) => (absent(spec, &missing), false),
    }
}

fn line(spec: DeviceSpec, text: &str) -> String {
    format!("{:<8} {text}\n", spec.to_string())
}

fn measured(info: &Info, peak: &Peak) -> String {
    // A cpu works in the machine's memory, which stands above.
    let limit = match info.threads {
        Some(_) => String::new(),
        None => {
            let gib = info.max_buffer_bytes as f64 / f64::from(1 << 30);
            format!(", buffers of up to {gib:.2} GiB")
        }
    };
    let roofs: Vec<String> = limits(peak).iter().map(Limit::label).collect();
    format!(
        "{:<8} {}{limit}{}\n",
        peak.device,
        roofs.join(", "),
        software_label(peak.software)
    )
}

/// What an adapter says of itself, below its line.
fn adapter(index: usize) -> String {
    let Some(adapter) = adapters().get(index) else {
        return String::new();
    };
    let driver = match adapter.driver.as_str() {
        "" => String::new(),
        driver => format!(", driver {driver}"),
    };
    let software = if adapter.software {
        ": software, computes on the processor"
    } else {
        ""
    };
    format!("{:<8} {}{driver}{software}\n", "", adapter.name)
}

/// What a card says of itself, below its line.
fn card(index: usize) -> String {
    let card = cards().ok().and_then(|cards| cards.get(index));
    card.map_or_else(String::new, |card| {
        format!(
            "{:<8} {}, {:.1} GiB, compute capability {}.{}, {}\n",
            "",
            card.name,
            card.memory_bytes as f64 / f64::from(1 << 30),
            card.architecture / 10,
            card.architecture % 10,
            card.driver
        )
    })
}

fn absent(spec: DeviceSpec, missing: &Unavailable) -> String {
    line(
        spec,
        &format!("missing: {}: {}", missing.why, missing.remedy),
    )
}
