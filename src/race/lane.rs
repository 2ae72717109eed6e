//! A lane: one device with the samples of a problem on it, ready to run one plan after another.
//!
//! This is the bridge from values to generics: [`open`] asks once which device it is, and everything behind [`Lane`] is
//! generic over the device.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::data::Samples;
use crate::device::{Device, Info, Unavailable};
use crate::error::{Error, Result};
use crate::optimizer::Watch;
use crate::record::Peak;

use super::clock::{Age, timed};
use super::device::{self, DeviceSpec, with};
use super::problem::Problem;
use super::roofs::measure::{Effort, measure};
use super::roofs::probe::Probe;

/// Seconds for which a probe's answer holds. Short repeats follow each other within it: a probe before each would empty the caches
/// that they run from.
const PROBED_S: f64 = 0.05;

/// A device with samples on it.
pub trait Opened<P: Problem> {
    /// What the device says of itself.
    fn info(&self) -> &Info;

    /// Seconds to open the device, and to put the samples on it.
    fn opening_s(&self) -> (f64, f64);

    /// The lane on it, with no plan ready.
    fn lane(&mut self) -> Box<dyn Lane<P> + '_>;
}

/// Runs plans on one device, one at a time.
pub trait Lane<P: Problem> {
    /// Makes a plan ready to run, in place of the one before it.
    ///
    /// # Errors
    /// `Unsupported` or `Failed`, as the device says.
    fn prepare(&mut self, plan: &P::Plan) -> Result<()>;

    /// Runs the plan that is ready. With the answer, the seconds that the device computed by its own clock, where it has
    /// one: those of the whole call, with the small product that follows the last look.
    ///
    /// # Errors
    /// As the device says.
    fn solve(&mut self, watch: &mut dyn Watch<P::Snapshot>) -> Result<(P::Answer, Option<f64>)>;

    /// Seconds of the short product that shows the pace of the cores; `None` on anything but a CPU.
    ///
    /// # Errors
    /// As the device says.
    fn probe(&mut self) -> Result<Option<f64>>;
}

/// Opens a device: what it says of itself, and its peaks.
///
/// # Errors
/// The device's absence, as a value; `Failed` when measuring fails.
pub fn measure_peak(
    spec: DeviceSpec,
    effort: Effort,
) -> std::result::Result<Result<(Info, Peak)>, Unavailable> {
    let label = spec.to_string();
    let mut device = device::open(spec)?;
    let info = device.info().clone();
    let peak = guarded(|| with!(&mut device, device => measure(device, label, effort)));
    Ok(peak.map(|peak| (info, peak)))
}

/// Opens a device and puts the samples on it.
///
/// # Errors
/// The device's absence, as a value; `Failed` when the samples do not fit.
pub fn open<P: Problem>(
    spec: DeviceSpec,
    samples: &Arc<Samples>,
    material: &P::Material,
) -> std::result::Result<Result<Box<dyn Opened<P>>>, Unavailable> {
    let (device, open_s) = timed(|| device::open(spec));
    let device = device?;
    Ok(guarded(
        || with!(device, device => OnDevice::boxed(device, open_s, samples, material)),
    ))
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

struct OnDevice<D: Device + 'static, P: Problem> {
    device: D,
    samples: P::OnDevice<D>,
    opening_s: (f64, f64),
}

impl<D: Device + 'static, P: Problem> OnDevice<D, P> {
    fn boxed(
        mut device: D,
        open_s: f64,
        samples: &Arc<Samples>,
        material: &P::Material,
    ) -> Result<Box<dyn Opened<P>>> {
        let (uploaded, upload_s) = timed(|| {
            let uploaded = P::upload(&mut device, samples, material)?;
            device.synchronise()?;
            Ok(uploaded)
        });
        Ok(Box::new(Self {
            device,
            samples: uploaded?,
            opening_s: (open_s, upload_s),
        }))
    }
}

impl<D: Device + 'static, P: Problem> Opened<P> for OnDevice<D, P> {
    fn info(&self) -> &Info {
        self.device.info()
    }

    fn opening_s(&self) -> (f64, f64) {
        self.opening_s
    }

    fn lane(&mut self) -> Box<dyn Lane<P> + '_> {
        Box::new(OnLane::<D, P> {
            device: &mut self.device,
            samples: &self.samples,
            ready: None,
            probe: None,
            probed: None,
        })
    }
}

struct OnLane<'a, D: Device + 'static, P: Problem> {
    device: &'a mut D,
    samples: &'a P::OnDevice<D>,
    ready: Option<P::Ready<'a, D>>,
    /// Made when it is first asked for, before the first solve.
    probe: Option<Probe<D>>,
    /// What it said last, and when.
    probed: Option<(f64, Age)>,
}

impl<D: Device + 'static, P: Problem> Lane<P> for OnLane<'_, D, P> {
    fn prepare(&mut self, plan: &P::Plan) -> Result<()> {
        // The memory of the plan before is given back first.
        self.ready = None;
        self.ready = Some(P::prepare(self.device, self.samples, plan)?);
        self.device.synchronise()
    }

    fn solve(&mut self, watch: &mut dyn Watch<P::Snapshot>) -> Result<(P::Answer, Option<f64>)> {
        let before_s = self.device.device_time_s();
        let Some(ready) = &mut self.ready else {
            return Err(Error::failed("no plan is ready"));
        };
        let answer = P::solve(ready, self.device, watch)?;
        self.device.synchronise()?;
        let after_s = self.device.device_time_s();
        let device_s = after_s.zip(before_s).filter(|_| P::DEVICE_TIME);
        Ok((answer, device_s.map(|(after, before)| after - before)))
    }

    fn probe(&mut self) -> Result<Option<f64>> {
        if self.device.info().kind != "cpu" {
            return Ok(None);
        }
        if let Some((seconds, age)) = self.probed
            && age.seconds() < PROBED_S
        {
            return Ok(Some(seconds));
        }
        let probe = match self.probe.take() {
            Some(probe) => probe,
            None => Probe::new(self.device)?,
        };
        let seconds = probe.seconds(self.device)?;
        self.probe = Some(probe);
        self.probed = Some((seconds, Age::now()));
        Ok(Some(seconds))
    }
}
