//! A lane: one device with the samples on it, ready to run one plan after another.
//!
//! This is the bridge from values to generics: [`open`] matches on the kind once, and everything behind [`Lane`] is
//! generic over the device.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::data::{Samples, Statistics};
use crate::device::{Device, Info, Unavailable};
use crate::error::{Error, Result};
use crate::mlp::{self, Trainer};
use crate::optimizer::Watch;
use crate::pca::{self, Solver};
use crate::record::Peak;

use super::clock::timed;
use super::device::{self, AnyDevice, DeviceSpec};
use super::job::{Answer, Job};
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

/// What the jobs on one set of samples are about.
#[derive(Debug)]
pub enum Material {
    /// Principal components of the samples with these statistics.
    Pca(Statistics),
    /// A network that is judged by these test samples.
    Mlp(Arc<Samples>),
}

/// Runs jobs on one device, one at a time.
pub trait Lane {
    /// Makes a job ready to run, in place of the one before it.
    ///
    /// # Errors
    /// `Unsupported` or `Failed`, as the device says.
    fn prepare(&mut self, job: &Job) -> Result<()>;

    /// Runs the job that is ready. With the answer, the seconds that the device computed by its own clock, where it has
    /// one: those of the whole call, with the small product that follows the last look.
    ///
    /// # Errors
    /// As the device says.
    fn solve(&mut self, watch: &mut dyn Watch) -> Result<(Answer, Option<f64>)>;
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
    material: &Material,
) -> std::result::Result<Result<Box<dyn Opened>>, Unavailable> {
    let (device, open_s) = timed(|| device::open(spec));
    let device = device?;
    Ok(guarded(|| match device {
        AnyDevice::Cpu(device) => OnDevice::boxed(device, open_s, samples, material),
        AnyDevice::Cuda(device) => OnDevice::boxed(device, open_s, samples, material),
        AnyDevice::Wgpu(device) => OnDevice::boxed(device, open_s, samples, material),
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

/// Samples on a device, as a problem.
enum Problem<D: Device> {
    Pca(pca::Problem<D>),
    Mlp(mlp::Problem<D>),
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
        material: &Material,
    ) -> Result<Box<dyn Opened>> {
        let (problem, upload_s) = timed(|| {
            let problem = match material {
                Material::Pca(statistics) => {
                    Problem::Pca(pca::Problem::upload(&mut device, samples, statistics)?)
                }
                Material::Mlp(test) => {
                    Problem::Mlp(mlp::Problem::upload(&mut device, samples, test)?)
                }
            };
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
            job: None,
        })
    }
}

/// A job that is ready.
enum Prepared<'a, D: Device> {
    Pca(Solver<'a, D>),
    Mlp(Trainer<'a, D>),
}

struct Ready<'a, D: Device> {
    device: &'a mut D,
    problem: &'a Problem<D>,
    job: Option<Prepared<'a, D>>,
}

impl<D: Device> Lane for Ready<'_, D> {
    fn prepare(&mut self, job: &Job) -> Result<()> {
        // The memory of the job before is given back first.
        self.job = None;
        self.job = Some(match (job, self.problem) {
            (Job::Pca(plan), Problem::Pca(problem)) => {
                Prepared::Pca(Solver::prepare(self.device, problem, plan)?)
            }
            (Job::Mlp(plan), Problem::Mlp(problem)) => {
                Prepared::Mlp(Trainer::prepare(self.device, problem, plan)?)
            }
            _ => {
                return Err(Error::failed(
                    "the samples are on the device for the other problem",
                ));
            }
        });
        self.device.synchronise()
    }

    fn solve(&mut self, watch: &mut dyn Watch) -> Result<(Answer, Option<f64>)> {
        let before_s = self.device.device_time_s();
        let answer = match &mut self.job {
            Some(Prepared::Pca(solver)) => Answer::Pca(solver.solve(self.device, watch)?),
            Some(Prepared::Mlp(trainer)) => Answer::Mlp(trainer.solve(self.device, watch)?),
            None => return Err(Error::failed("no job is ready")),
        };
        self.device.synchronise()?;
        let after_s = self.device.device_time_s();
        // Evaluation runs on the device too, so that its clock says nothing of the training alone.
        let pure = matches!(answer, Answer::Pca(_));
        let device_s = after_s.zip(before_s).filter(|_| pure);
        Ok((answer, device_s.map(|(after, before)| after - before)))
    }
}
