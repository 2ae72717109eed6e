//! A lane: one device with the samples on it, ready to run one plan after another.
//!
//! This is the bridge from values to generics: [`open`] matches on the kind once, and everything behind [`Lane`] is
//! generic over the device.

use std::sync::Arc;

use crate::data::{Samples, Statistics};
use crate::device::{Device, Info, Unavailable};
use crate::error::{Error, Result};
use crate::pca::{Outcome, Plan, Problem, Solver, Watch};
use crate::record::Peak;

use super::case::DeviceSpec;
use super::clock::timed;
use super::device::{self, AnyDevice};
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

    /// Runs the plan that is ready.
    ///
    /// # Errors
    /// As the device says.
    fn solve(&mut self, watch: &mut dyn Watch) -> Result<Outcome>;
}

/// Opens a device and measures its peaks under the name `label`.
///
/// # Errors
/// The device's absence, as a value; `Failed` when measuring fails.
pub fn measure_peak(spec: DeviceSpec) -> std::result::Result<Result<Peak>, Unavailable> {
    let label = spec.to_string();
    device::open(spec).map(|device| match device {
        AnyDevice::Cpu(mut device) => peaks::measure(&mut device, label),
    })
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
    Ok(match device? {
        AnyDevice::Cpu(device) => OnDevice::boxed(device, open_s, samples, statistics),
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

    fn solve(&mut self, watch: &mut dyn Watch) -> Result<Outcome> {
        let solver = self
            .solver
            .as_mut()
            .ok_or_else(|| Error::failed("no plan is ready"))?;
        let outcome = solver.solve(self.device, watch)?;
        self.device.synchronise()?;
        Ok(outcome)
    }
}
