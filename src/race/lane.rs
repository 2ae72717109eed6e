//! A lane: one device with the samples on it, ready to run one plan after another.
//!
//! This is the bridge from values to generics: [`open`] matches on the kind once, and everything behind [`Lane`] is
//! generic over the device.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::data::{Samples, Statistics};
use crate::device::{Device, Info, Unavailable};
use crate::error::{Error, Result};
use crate::pca::{Outcome, Plan, Problem, Solver, Watch};
use crate::record::Peak;

use super::clock::timed;
use super::device::{self, AnyDevice, DeviceSpec};
use super::peaks;

/// A device with samples on it.
pub trait Opened {
    /// What the device says of itself.
    fn info(&self) -> &Info;

    /// Seconds to open the device, and to put the samples on it.
    fn opening_s(&self) -> (f64, f64);

    /// The lane on it, with no plan ready.
    fn lane(&mut self) -> Box<dyn Lane + '_>;
}

/// Runs plans on one device, one at a time.
pub trait Lane {
    /// Makes a plan ready to run, in place of the one before it.
    ///
    /// # Errors
    /// `Unsupported` or `Failed`, as the device says.
    fn prepare(&mut self, plan: &Plan) -> Result<()>;

    /// Runs the plan that is ready. With the answer, the seconds that the device computed by its own clock, where it has
    /// one: those of the whole call, with the small product that follows the last look.
    ///
    /// # Errors
    /// As the device says.
    fn solve(&mut self, watch: &mut dyn Watch) -> Result<(Outcome, Option<f64>)>;
}

/// Opens a device: what it says of itself, and its peaks.
///
/// # Errors
/// The device's absence, as a value; `Failed` when measuring fails.
pub fn measure_peak(spec: DeviceSpec) -> std::result::Result<Result<(Info, Peak)>, Unavailable> {
    let label = spec.to_string();
    let mut device = device::open(spec)?;
    let info = device.info().clone();
    let peak = guarded(|| match &mut device {
        AnyDevice::Cpu(device) => peaks::measure(device, label),
        AnyDevice::Cuda(device) => peaks::measure(device, label),
        AnyDevice::Wgpu(device) => peaks::measure(device, label),
    });
    Ok(peak.map(|peak| (info, peak)))
}

/// Opens a device and puts the samples on it.
///
/// # Errors
/// The device's absence, as a value; `Failed` when the samples do not fit.
pub fn open(
    spec: DeviceSpec,
    samples: &Arc<Samples>,
    statistics: &Statistics,
) -> std::result::Result<Result<Box<dyn Opened>>, Unavailable> {
    let (device, open_s) = timed(|| device::open(spec));
    let device = device?;
    Ok(guarded(|| match device {
        AnyDevice::Cpu(device) => OnDevice::boxed(device, open_s, samples, statistics),
        AnyDevice::Cuda(device) => OnDevice::boxed(device, open_s, samples, statistics),
        AnyDevice::Wgpu(device) => OnDevice::boxed(device, open_s, samples, statistics),
    }))
}

/// Work on a device or on its answer; a panic there is a failure with that word, not the end of the program.
///
/// # Errors
/// What the work returns, or `Failed` when it panics.
pub fn guarded<R>(work: impl FnOnce() -> Result<R>) -> Result<R> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(Error::failed(format!(
            "the program panicked: {}",
            text.replace('\n', " ")
        )))
    })
}

struct OnDevice<D: Device> {
    device: D,
    problem: Problem<D>,
    opening_s: (f64, f64),
}

impl<D: Device + 'static> OnDevice<D> {
    fn boxed(
        mut device: D,
        open_s: f64,
        samples: &Arc<Samples>,
        statistics: &Statistics,
    ) -> Result<Box<dyn Opened>> {
        let (problem, upload_s) = timed(|| {
            let problem = Problem::upload(&mut device, samples, statistics)?;
            device.synchronise()?;
            Ok(problem)
        });
        let opening_s = (open_s, upload_s);
        Ok(Box::new(Self {
            device,
            problem: problem?,
            opening_s,
        }))
    }
}

impl<D: Device> Opened for OnDevice<D> {
    fn info(&self) -> &Info {
        self.device.info()
    }

    fn opening_s(&self) -> (f64, f64) {
        self.opening_s
    }

    fn lane(&mut self) -> Box<dyn Lane + '_> {
        Box::new(Ready {
            device: &mut self.device,
            problem: &self.problem,
            solver: None,
        })
    }
}

struct Ready<'a, D: Device> {
    device: &'a mut D,
    problem: &'a Problem<D>,
    solver: Option<Solver<'a, D>>,
}

impl<D: Device> Lane for Ready<'_, D> {
    fn prepare(&mut self, plan: &Plan) -> Result<()> {
        // The memory of the plan before is given back first.
        self.solver = None;
        self.solver = Some(Solver::prepare(self.device, self.problem, plan)?);
        self.device.synchronise()
    }

    fn solve(&mut self, watch: &mut dyn Watch) -> Result<(Outcome, Option<f64>)> {
        let before_s = self.device.device_time_s();
        let solver = self
            .solver
            .as_mut()
            .ok_or_else(|| Error::failed("no plan is ready"))?;
        let outcome = solver.solve(self.device, watch)?;
        self.device.synchronise()?;
        let after_s = self.device.device_time_s();
        let device_s = after_s.zip(before_s).map(|(after, before)| after - before);
        Ok((outcome, device_s))
    }
}
