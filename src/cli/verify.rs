//! `gradrace verify`.

use clap::Args;

use crate::conformance::{Check, Verdict, methods};
use crate::device::Unavailable;
use crate::device::cpu::Cpu;
use crate::error::{Error, Result};
use crate::machine::{self, Isa};
use crate::race::device::{self, AnyDevice, DeviceSpec, Threads, with};
use crate::race::lane::guarded;
use crate::race::name::{Kind, Named};
use crate::record::software_label;

use super::output::{End, print};

/// Seed of the numbers that the kernels are fed.
const SEED: u64 = 1;

/// Check kernels and methods against their f64 references on every device found.
#[derive(Debug, Args)]
pub struct Verify {
    /// List the checks that pass, too
    #[arg(long)]
    all: bool,
    /// Check these alone: cpu, cuda:0, wgpu:0, ...; default every device found
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    device: Vec<String>,
    /// Check the kernels alone, and no methods
    #[arg(long)]
    kernels: bool,
}

/// Checks by how they ended.
#[derive(Default)]
struct Counts {
    pass: usize,
    skip: usize,
    fail: usize,
}

/// Whether `GRADRACE_REQUIRE`, a list separated by commas or spaces, names this kind of device.
fn required(kind: Kind) -> bool {
    let required = std::env::var("GRADRACE_REQUIRE").unwrap_or_default();
    required.split([',', ' ']).any(|name| name == kind.name())
}

impl Verify {
    /// Runs the checks and prints them. `GRADRACE_REQUIRE=cuda,wgpu` makes the absence of those devices a failure; a device
    /// that is asked for by name must be there.
    ///
    /// # Errors
    /// `Input` for a device asked for and not there; when standard output cannot be written.
    pub fn run(self) -> Result<End> {
        let asked = self.device.iter().map(|text| DeviceSpec::parse(text));
        let asked = asked.collect::<Result<Vec<_>>>()?;
        for &spec in &asked {
            if let Err(Unavailable { why, remedy }) = device::open(spec) {
                return Err(Error::input(format!(
                    "device {spec} is not there: {why}: {remedy}"
                )));
            }
        }
        let wanted = |spec: DeviceSpec| asked.is_empty() || asked.contains(&spec);
        let mut total = Counts::default();
        let cores = machine::cores();
        let mut threads = vec![1, cores];
        threads.dedup();
        let cpu = wanted(DeviceSpec::cpu(Threads::All));
        for isa in Isa::available().into_iter().filter(|_| cpu) {
            for &threads in &threads {
                let title = format!("cpu@{threads} {}", isa.name());
                let opened = Cpu::open_with(threads, isa).map(AnyDevice::Cpu);
                self.device(&title, opened, &mut total)?;
            }
        }
        let found = device::present().into_iter();
        for found in found.filter(|found| found.spec.kind != Kind::Cpu && wanted(found.spec)) {
            let opened = device::open(found.spec);
            let name = match &opened {
                Ok(device) => format!(" {}", device.info().name),
                Err(_) => String::new(),
            };
            let title = format!("{}{name}{}", found.spec, software_label(found.software));
            self.device(&title, opened, &mut total)?;
        }
        let absent = device::absent().into_iter();
        for (spec, missing) in absent.filter(|_| asked.is_empty()) {
            let must = required(spec.kind);
            let word = if must { "fail" } else { "skip" };
            *(if must {
                &mut total.fail
            } else {
                &mut total.skip
            }) += 1;
            print(&format!(
                "{spec}: {word}: {}: {}\n",
                missing.why, missing.remedy
            ))?;
        }
        let Counts { pass, skip, fail } = total;
        print(&format!("{pass} pass, {skip} skip, {fail} fail\n"))?;
        Ok(if fail == 0 {
            End::Good
        } else {
            End::CheckFailed
        })
    }

    /// Checks one device that is there: one that cannot be opened is a failure.
    fn device(
        &self,
        title: &str,
        opened: std::result::Result<AnyDevice, Unavailable>,
        total: &mut Counts,
    ) -> Result<()> {
        match opened {
            Ok(mut device) => self.print(title, &checks(&mut device, self.kernels), total),
            Err(Unavailable { why, remedy }) => {
                total.fail += 1;
                print(&format!("{title}: fail: {why}: {remedy}\n"))
            }
        }
    }

    fn print(&self, title: &str, checks: &[Check], total: &mut Counts) -> Result<()> {
        let mut counts = Counts::default();
        let mut lines = String::new();
        for check in checks {
            match &check.verdict {
                Verdict::Pass => {
                    counts.pass += 1;
                    if self.all {
                        lines += &format!("  pass  {}  {:.1e}\n", check.name, check.error);
                    }
                }
                Verdict::Skip(why) => {
                    counts.skip += 1;
                    lines += &format!("  skip  {}: {why}\n", check.name);
                }
                Verdict::Fail(what) => {
                    counts.fail += 1;
                    lines += &format!("  FAIL  {}: {what}\n", check.name);
                }
            }
        }
        let Counts { pass, skip, fail } = counts;
        total.pass += pass;
        total.skip += skip;
        total.fail += fail;
        print(&format!(
            "{title}: {pass} pass, {skip} skip, {fail} fail\n{lines}"
        ))
    }
}

/// Every check of an open device. A panic ends them with a failure; what was checked before it counts.
fn checks(device: &mut AnyDevice, kernels: bool) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut tell = |check: &Check| checks.push(check.clone());
    let ended =
        guarded(|| with!(device, device => methods::run_all(device, SEED, kernels, &mut tell)));
    if let Err(error) = ended {
        checks.push(Check {
            name: "what comes after these checks".into(),
            verdict: Verdict::Fail(error.to_string()),
            error: f64::NAN,
        });
    }
    checks
}
