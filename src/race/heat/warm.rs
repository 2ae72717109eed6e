//! A device of a heat on which the first solve is done.

use crate::error::Result;
use crate::optimizer::Ended;
use crate::race::case::Case;
use crate::race::clock::timed;
use crate::race::energy::Weighing;
use crate::race::lane::{Lane, guarded};
use crate::race::noise;
use crate::race::observer::{Noting, Observer, Seen};
use crate::race::problem::{Answer, Problem};
use crate::race::stop::{Stop, Stopped};

use super::{Measured, REPEAT_S, Setting, Starter, curve};

/// Seconds of warm-up before the repeats of a short case.
const WARM_UP_S: f64 = 0.1;
/// Disturbed repeats that are made again at most, where no number of repeats was asked for; else as many as that number.
const MADE_AGAIN: usize = 10;
/// Clean repeats under which disturbed ones count as well.
const CLEAN: usize = 3;

/// A device on which the first solve is done.
pub struct Warm<'a, P: Problem> {
    case: &'a Case<P>,
    lane: Box<dyn Lane<P> + 'a>,
    weighing: Option<Weighing>,
    cores: Option<usize>,
    /// Usual seconds of the short product that shows the pace, where they are known.
    probe_s: Option<f64>,
    answer: P::Answer,
    prepare_s: f64,
    /// The curve as it was drawn.
    drawn: Seen,
    /// Times at the looks of the curve and in all, one a repeat that counts.
    repeats: Vec<Seen>,
    solve_s: Vec<f64>,
    /// Repeats that lost too much time to others.
    aside: Vec<Seen>,
    most_aside: usize,
    stop: Stop,
    spent_s: f64,
    stopped: Option<Stopped>,
    cold: bool,
    changed: Option<String>,
}

impl<'a, P: Problem> Warm<'a, P> {
    /// Prepares the plan, solves once with the curve drawn, and warms up. `None` when Ctrl-C came before the end of the solve.
    ///
    /// # Errors
    /// Those of the device.
    pub fn start(starter: Starter<'a, P>, setting: &Setting<'_, P>) -> Result<Option<Self>> {
        let Starter {
            case,
            mut lane,
            meter,
            cores,
            probe_s,
        } = starter;
        let plan = P::plan(case)?;
        let (prepared, prepare_s) = timed(|| guarded(|| lane.prepare(&plan)));
        prepared?;
        let (answer, drawn) = watched(setting, &mut *lane, cores, probe_s, |lane| {
            draw(case, lane, setting)
        })?;
        if drawn.interrupted {
            return Ok(None);
        }
        let repeats = setting.repeats;
        let mut warm = Self {
            case,
            lane,
            weighing: meter.map(Weighing::new),
            cores,
            probe_s,
            answer,
            prepare_s,
            repeats: Vec::new(),
            solve_s: Vec::new(),
            aside: Vec::new(),
            most_aside: repeats.unwrap_or(MADE_AGAIN),
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
            return Ok(Some(warm));
        }
        let mut warm_s = warm.drawn.solve_s;
        while warm_s < WARM_UP_S && !setting.interrupted() {
            warm_s += warm.solve(setting)?.1.solve_s;
        }
        Ok(Some(warm))
    }

    /// Whether no more repeats are due.
    pub fn stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// One more solve, timed at the looks of the curve, with what it lost to others.
    fn solve(&mut self, setting: &Setting<'_, P>) -> Result<(P::Answer, Seen)> {
        let noting = Noting::Time(&self.drawn.looks);
        let observer = Observer::new(noting, self.case.time_limit_s, setting.interrupted);
        let (cores, probe_s) = (self.cores, self.probe_s);
        watched(setting, &mut *self.lane, cores, probe_s, |lane| {
            solve::<P>(lane, observer)
        })
    }

    /// One repeat. It counts unless Ctrl-C or the time limit ended it, or it was disturbed and may be made again.
    ///
    /// # Errors
    /// Those of the device.
    pub fn repeat(&mut self, setting: &Setting<'_, P>) -> Result<()> {
        let (answer, seen) = self.solve(setting)?;
        if seen.interrupted {
            return Ok(());
        }
        self.spent_s += seen.wall_s;
        if seen.out_of_time {
            // The machine is slower than it was: this repeat stopped earlier, and is no sample of the same work.
            self.stopped = Some(Stopped::TimeUp);
            return Ok(());
        }
        if !answer.same_bits(&self.answer) && self.changed.is_none() {
            let repeat = self.repeats.len() + self.aside.len() + 1;
            self.changed = Some(format!(
                "repeat {repeat} gave other bits than the first solve"
            ));
        }
        if let Some(weighing) = &mut self.weighing {
            weighing.look();
        }
        let disturbed = seen.noise.is_some_and(|noise| noise.disturbed);
        if disturbed && self.aside.len() < self.most_aside {
            self.aside.push(seen);
            self.stopped = self.stop.out_of_time(self.spent_s);
        } else {
            self.count(seen);
        }
        Ok(())
    }

    /// Measures the energy of a solve, unless it lasts too long to be solved once more.
    ///
    /// # Errors
    /// Those of the device.
    pub fn weigh(&mut self, setting: &Setting<'_, P>) -> Result<()> {
        let Some(mut weighing) = self.weighing.take_if(|_| !self.cold) else {
            return Ok(());
        };
        weighing.weigh(
            || self.solve(setting).map(|(_, seen)| seen.wall_s),
            || !setting.interrupted(),
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

    /// What was measured. Where too few repeats were clean, disturbed ones count; where there was none at all, the first solve.
    pub fn finish(mut self, setting: &Setting<'_, P>) -> Measured<P::Answer> {
        if self.repeats.len() < CLEAN.min(setting.repeats.unwrap_or(CLEAN)) {
            self.repeats.append(&mut self.aside);
        }
        if self.repeats.is_empty() {
            self.cold = true;
            self.repeats.push(self.drawn.clone());
        }
        let target = self.case.target;
        let drawn = &self.drawn.curve;
        let met = drawn.iter().position(|point| point.error <= target);
        let to_target_s = match met {
            Some(point) => {
                let times = self.repeats.iter();
                times
                    .filter_map(|seen| seen.times_s.get(point).copied())
                    .collect()
            }
            None => Vec::new(),
        };
        let repeats = self.repeats.iter();
        Measured {
            answer: self.answer,
            prepare_s: self.prepare_s,
            solve_s: repeats.clone().map(|seen| seen.solve_s).collect(),
            device_s: repeats.clone().map(|seen| seen.device_s).collect(),
            noise: repeats.map(|seen| seen.noise).collect(),
            set_aside_s: self.aside.iter().map(|seen| seen.solve_s).collect(),
            to_target_s,
            curve: curve::timed(self.drawn.curve, met, &self.repeats),
            stopped: self.stopped.unwrap_or(Stopped::Interrupted),
            cold: self.cold,
            changed: self.changed,
            energy: self.weighing.and_then(Weighing::finish),
        }
    }
}

/// A solve with what it lost to others, as the counters of the system say, and the pace of the cores around it: the usual time of
/// the lane's probe, `probe_s`, over the longer of its times before and after.
fn watched<P: Problem>(
    setting: &Setting<'_, P>,
    lane: &mut dyn Lane<P>,
    cores: Option<usize>,
    probe_s: Option<f64>,
    solve: impl FnOnce(&mut dyn Lane<P>) -> Result<(P::Answer, Seen)>,
) -> Result<(P::Answer, Seen)> {
    let probe = |lane: &mut dyn Lane<P>| match probe_s {
        Some(_) => guarded(|| lane.probe()),
        None => Ok(None),
    };
    let early_s = probe(lane)?;
    let before = (setting.load)();
    let (solved, wall_s) = timed(|| solve(lane));
    let (answer, seen) = solved?;
    let after = (setting.load)();
    let slower_s = early_s
        .zip(probe(lane)?)
        .map(|(early_s, late_s)| early_s.max(late_s));
    let pace = probe_s
        .zip(slower_s)
        .map(|(usual_s, now_s)| usual_s / now_s);
    let loads = before.zip(after);
    let noise = loads.map(|(before, after)| noise::between(&before, &after, wall_s, cores, pace));
    Ok((
        answer,
        Seen {
            wall_s,
            noise,
            ..seen
        },
    ))
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
