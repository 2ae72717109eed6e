//! A heat: one case on each of its devices, warmed up, then repeated in turn.
//!
//! The first solve on a device draws the curve (errors off the clock) and warms up; a short one is followed by more
//! warm-up on the same path. The repeats that count are then interleaved over the devices in a seeded order, so that a
//! machine that slows down slows all alike. A solve gives the same bits each time: that is checked, and it is why later
//! repeats need no evaluation. A repeat that lost time to other programs is made again, up to a limit. Energy is measured
//! last, in a pass of its own. A first solve that takes all the time there is for repeats is the only one, and counts.
//!
//! What was measured on a device is handed over as soon as its part is done, and when Ctrl-C comes: no solve that was done
//! is lost.

use std::sync::atomic::{AtomicBool, Ordering};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::error::Result;
use crate::machine::Load;
use crate::record::{CurvePoint, Energy, Noise};

use super::case::Case;
use super::energy::Meter;
use super::lane::Lane;
use super::observer::Errors;
use super::problem::Problem;
use super::stop::Stopped;

mod curve;
mod warm;

/// Seconds for the repeats of a case where no number of them was asked for; a longer solve is timed once.
pub const REPEAT_S: f64 = 1.5;

use warm::Warm;

/// Errors of a snapshot of a case, or `None` when there is no reference.
pub type Evaluate<'a, P> = dyn Fn(&Case<P>, &<P as Problem>::Snapshot) -> Option<Errors> + 'a;

/// Takes what was measured by a starter (its place in the list), as soon as its part is done.
pub type Done<'a, A> = dyn FnMut(usize, Result<Measured<A>>) -> Result<()> + 'a;

/// How a heat runs, and whom it informs.
pub struct Setting<'a, P: Problem> {
    /// The error of a snapshot.
    pub evaluate: &'a Evaluate<'a, P>,
    /// Set by Ctrl-C.
    pub interrupted: &'a AtomicBool,
    /// Repeats asked for.
    pub repeats: Option<usize>,
    /// Hears that a starter (its place in the list) begins.
    pub announce: &'a dyn Fn(usize),
    /// Hears the iteration and the error of the first solve, now and then.
    pub tell: &'a dyn Fn(u64, f64),
    /// Reads how busy the machine is.
    pub load: &'a dyn Fn() -> Option<Load>,
}

impl<P: Problem> Setting<'_, P> {
    fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

/// One device's part in a heat.
pub struct Starter<'a, P: Problem> {
    /// The case on this device.
    pub case: &'a Case<P>,
    /// The device.
    pub lane: Box<dyn Lane<P> + 'a>,
    /// What tells the energy that it uses.
    pub meter: Option<Box<dyn Meter>>,
    /// Cores that a solve uses; `None` where waiting for them says nothing, because its own threads wait for each other.
    pub cores: Option<usize>,
    /// Least seconds that the lane's probe took on this machine, where that is known.
    pub probe_s: Option<f64>,
}

/// What was measured on one device.
#[derive(Debug)]
pub struct Measured<A> {
    /// The answer.
    pub answer: A,
    /// Seconds to prepare the plan.
    pub prepare_s: f64,
    /// Seconds of each repeat.
    pub solve_s: Vec<f64>,
    /// The same by the device's own clock, where it has one.
    pub device_s: Option<Vec<f64>>,
    /// What each repeat lost to others, where the system reports it.
    pub noise: Option<Vec<Noise>>,
    /// Seconds of repeats that lost too much and were made again.
    pub set_aside_s: Vec<f64>,
    /// Seconds to the target in each repeat; empty when the curve never meets it.
    pub to_target_s: Vec<f64>,
    /// The curve, with the times of the median repeat and the band of all.
    pub curve: Vec<CurvePoint>,
    /// Why repeating stopped.
    pub stopped: Stopped,
    /// Whether the only solve was its own warm-up.
    pub cold: bool,
    /// What was other in a later repeat.
    pub changed: Option<String>,
    /// Energy of a solve, where it could be measured.
    pub energy: Option<Energy>,
}

/// Runs a heat; `done` takes one result a device. After Ctrl-C it is those of the devices that had solved the case by then.
///
/// # Errors
/// Those of `done`.
pub fn run<P: Problem>(
    starters: Vec<Starter<'_, P>>,
    setting: &Setting<'_, P>,
    done: &mut Done<'_, P::Answer>,
) -> Result<()> {
    let seed = starters.first().map_or(0, |starter| starter.case.seed);
    // Those whose repeats go on.
    let mut field: Vec<(usize, Warm<'_, P>)> = Vec::new();
    for (place, starter) in starters.into_iter().enumerate() {
        (setting.announce)(place);
        match Warm::start(starter, setting) {
            Ok(None) => {}
            Ok(Some(warm)) if warm.stopped() => done(place, Ok(warm.finish(setting)))?,
            Ok(Some(warm)) => field.push((place, warm)),
            Err(error) => done(place, Err(error))?,
        }
        if setting.interrupted() {
            break;
        }
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    while !field.is_empty() && !setting.interrupted() {
        let mut order: Vec<usize> = field.iter().map(|(place, _)| *place).collect();
        order.shuffle(&mut random);
        for place in order {
            let Some(at) = field.iter().position(|(other, _)| *other == place) else {
                continue;
            };
            let warm = &mut field[at].1;
            let ended = match warm.repeat(setting) {
                Ok(()) if warm.stopped() => warm.weigh(setting).map(|()| true),
                going => going.map(|()| false),
            };
            match ended {
                Ok(false) => {}
                Ok(true) => done(place, Ok(field.remove(at).1.finish(setting)))?,
                Err(error) => {
                    field.remove(at);
                    done(place, Err(error))?;
                }
            }
            if setting.interrupted() {
                break;
            }
        }
    }
    for (place, warm) in field {
        done(place, Ok(warm.finish(setting)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
