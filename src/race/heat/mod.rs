//! A heat: one case on each of its devices, warmed up, then repeated in turn.
//!
//! The first solve on a device draws the curve (errors off the clock) and warms up; a short one is followed by more
//! warm-up on the same path. The repeats that count are then interleaved over the devices in a seeded order, so that a
//! machine that slows down slows all alike. A solve gives the same bits each time: that is checked, and it is why later
//! repeats need no evaluation. Energy is measured last, in a pass of its own. A first solve that takes all the time there is for repeats is the only one, and counts.

use std::sync::atomic::{AtomicBool, Ordering};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::error::Result;
use crate::optimizer::Ended;
use crate::record::{CurvePoint, Energy};

use super::case::Case;
use super::clock::timed;
use super::energy::{Meter, Weighing};
use super::lane::{Lane, guarded};
use super::observer::{Errors, Noting, Observer, Seen};
use super::problem::{Answer, Problem};
use super::stop::{Stop, Stopped};

/// Seconds of warm-up before the repeats of a short case.
const WARM_UP_S: f64 = 0.1;
/// Seconds for the repeats of a case where no number of them was asked for.
const REPEAT_S: f64 = 1.5;

/// Errors of a snapshot of a case, or `None` when there is no reference.
pub type Evaluate<'a, P> = dyn Fn(&Case<P>, &<P as Problem>::Snapshot) -> Option<Errors> + 'a;

/// What a heat is told.
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
}

/// One device's part in a heat.
pub struct Starter<'a, P: Problem> {
    /// The case on this device.
    pub case: &'a Case<P>,
    /// The device.
    pub lane: Box<dyn Lane<P> + 'a>,
    /// What tells the energy that it uses.
    pub meter: Option<Box<dyn Meter>>,
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
    /// Seconds to the target in each repeat; empty when the curve never meets it.
    pub to_target_s: Vec<f64>,
    /// The curve, with the times of the first repeat.
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

/// A device on which the first solve is done.
struct Warm<'a, P: Problem> {
    case: &'a Case<P>,
    lane: Box<dyn Lane<P> + 'a>,
    weighing: Option<Weighing>,
    answer: P::Answer,
    prepare_s: f64,
    /// The curve as it was drawn.
    drawn: Seen,
    /// Times at the looks of the curve and in all, one a repeat.
    repeats: Vec<Seen>,
    solve_s: Vec<f64>,
    stop: Stop,
    spent_s: f64,
    stopped: Option<Stopped>,
    cold: bool,
    changed: Option<String>,
}

/// Runs a heat: one result a device, in the order of the starters; `None` when Ctrl-C came before the end.
pub fn run<P: Problem>(
    starters: Vec<Starter<'_, P>>,
    setting: &Setting<'_, P>,
) -> Option<Vec<Result<Measured<P::Answer>>>> {
    let seed = starters.first().map_or(0, |starter| starter.case.seed);
    let mut field: Vec<Result<Warm<'_, P>>> = Vec::new();
    for (place, starter) in starters.into_iter().enumerate() {
        (setting.announce)(place);
        field.push(Warm::start(starter, setting));
        if setting.interrupted.load(Ordering::Relaxed) {
            return None;
        }
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    loop {
        let going = |warm: &Result<Warm<'_, P>>| matches!(warm, Ok(w) if w.stopped.is_none());
        let mut places: Vec<usize> = (0..field.len()).filter(|&i| going(&field[i])).collect();
        if places.is_empty() {
            break;
        }
        places.shuffle(&mut random);
        for place in places {
            if let Ok(warm) = &mut field[place]
                && let Err(error) = warm.repeat(setting)
            {
                field[place] = Err(error);
            }
            if setting.interrupted.load(Ordering::Relaxed) {
                return None;
            }
        }
    }
    for warm in &mut field {
        if let Ok(going) = warm
            && let Err(error) = going.weigh(setting)
        {
            *warm = Err(error);
        }
        if setting.interrupted.load(Ordering::Relaxed) {
            return None;
        }
    }
    Some(
        field
            .into_iter()
            .map(|warm| warm.map(Warm::finish))
            .collect(),
    )
}

impl<'a, P: Problem> Warm<'a, P> {
    /// Prepares the plan, solves once with the curve drawn, and warms up.
    fn start(starter: Starter<'a, P>, setting: &Setting<'_, P>) -> Result<Self> {
        let Starter {
            case,
            mut lane,
            meter,
        } = starter;
        let plan = P::plan(case)?;
        let (prepared, prepare_s) = timed(|| guarded(|| lane.prepare(&plan)));
        prepared?;
        let (answer, drawn) = draw(case, &mut *lane, setting)?;
        let repeats = setting.repeats;
        let mut warm = Self {
            case,
            lane,
            weighing: meter.map(Weighing::new),
            answer,
            prepare_s,
            repeats: Vec::new(),
            solve_s: Vec::new(),
            stop: repeats.map_or_else(|| Stop::adaptive(REPEAT_S), Stop::exactly),
            spent_s: 0.0,
            stopped: None,
            cold: false,
            changed: None,
            drawn,
        };
        let over = warm.drawn.out_of_time || warm.answer.ended() == Ended::Diverged;
        let long = warm.drawn.solve_s >= REPEAT_S && repeats.is_none_or(|repeats| repeats == 1);
        if long || over {
            warm.cold = true;
            warm.count(warm.drawn.clone());
            if over {
                warm.stopped = warm.stopped.or(Some(Stopped::TimeUp));
            }
            return Ok(warm);
        }
        let mut warm_s = warm.drawn.solve_s;
        while warm_s < WARM_UP_S && !setting.interrupted.load(Ordering::Relaxed) {
            warm_s += warm.solve(setting)?.1.solve_s;
        }
        Ok(warm)
    }

    /// One more solve, timed at the looks of the curve.
    fn solve(&mut self, setting: &Setting<'_, P>) -> Result<(P::Answer, Seen)> {
        let noting = Noting::Time(&self.drawn.looks);
        let observer = Observer::new(noting, self.case.time_limit_s, setting.interrupted);
        solve::<P>(&mut *self.lane, observer)
    }

    /// One repeat that counts.
    fn repeat(&mut self, setting: &Setting<'_, P>) -> Result<()> {
        let ((answer, seen), wall_s) = {
            let (result, wall_s) = timed(|| self.solve(setting));
            (result?, wall_s)
        };
        if setting.interrupted.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.spent_s += wall_s;
        if seen.out_of_time {
            // The machine is slower than it was: this repeat stopped earlier, and is no sample of the same work.
            if self.repeats.is_empty() {
                self.cold = true;
                self.count(self.drawn.clone());
            }
            self.stopped = Some(Stopped::TimeUp);
            return Ok(());
        }
        if !answer.same_bits(&self.answer) && self.changed.is_none() {
            let repeat = self.repeats.len() + 1;
            self.changed = Some(format!(
                "repeat {repeat} gave other bits than the first solve"
            ));
        }
        if let Some(weighing) = &mut self.weighing {
            weighing.look();
        }
        self.count(seen);
        Ok(())
    }

    /// Measures the energy of a solve, unless it lasts too long to be solved once more.
    fn weigh(&mut self, setting: &Setting<'_, P>) -> Result<()> {
        let Some(mut weighing) = self.weighing.take_if(|_| !self.cold) else {
            return Ok(());
        };
        weighing.weigh(
            || {
                let (result, wall_s) = timed(|| self.solve(setting));
                result.map(|_| wall_s)
            },
            || !setting.interrupted.load(Ordering::Relaxed),
        )?;
        self.weighing = Some(weighing);
        Ok(())
    }

    fn count(&mut self, seen: Seen) {
        self.solve_s.push(seen.solve_s);
        self.repeats.push(seen);
        self.stopped = self
            .stop
            .decide(&self.solve_s, self.spent_s.max(self.solve_s.iter().sum()));
    }

    fn finish(self) -> Measured<P::Answer> {
        let target = self.case.target;
        let met = self
            .drawn
            .curve
            .iter()
            .position(|point| point.error <= target);
        let to_target_s = match met {
            Some(point) => self
                .repeats
                .iter()
                .filter_map(|seen| seen.times_s.get(point).copied())
                .collect(),
            None => Vec::new(),
        };
        let mut curve = self.drawn.curve;
        if let Some(first) = self.repeats.first() {
            for (point, time_s) in curve.iter_mut().zip(&first.times_s) {
                point.time_s = *time_s;
            }
        }
        let device_s = self.repeats.iter().map(|seen| seen.device_s).collect();
        Measured {
            answer: self.answer,
            prepare_s: self.prepare_s,
            solve_s: self.solve_s,
            device_s,
            to_target_s,
            curve,
            stopped: self.stopped.unwrap_or(Stopped::Repeats),
            cold: self.cold,
            changed: self.changed,
            energy: self.weighing.and_then(Weighing::finish),
        }
    }
}

/// The first solve, with the curve drawn.
fn draw<P: Problem>(
    case: &Case<P>,
    lane: &mut dyn Lane<P>,
    setting: &Setting<'_, P>,
) -> Result<(P::Answer, Seen)> {
    let mut evaluate = |snapshot: &P::Snapshot| (setting.evaluate)(case, snapshot);
    let mut tell = |iteration, error| (setting.tell)(iteration, error);
    let noting = Noting::Draw {
        spacing: case.task.spacing(),
        evaluate: &mut evaluate,
        tell: &mut tell,
    };
    solve(
        lane,
        Observer::new(noting, case.time_limit_s, setting.interrupted),
    )
}

/// One solve, by the clock of the host and by that of the device.
fn solve<P: Problem>(
    lane: &mut dyn Lane<P>,
    observer: Observer<'_, P::Snapshot>,
) -> Result<(P::Answer, Seen)> {
    let solved = observer.time(|watch| guarded(|| lane.solve(watch)));
    let ((answer, device_s), seen) = solved?;
    Ok((answer, Seen { device_s, ..seen }))
}

#[cfg(test)]
mod tests;
