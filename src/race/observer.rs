//! What the runner sees of a solve: the clock, the curve, the limits.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Result;
use crate::pca::{Look, Verdict, Watch};
use crate::record::CurvePoint;

use super::clock::{Schedule, Stopwatch};

/// Errors of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Errors {
    /// Of the component being sought.
    pub component: f64,
    /// Of the whole answer.
    pub whole: f64,
    /// Test loss and training loss of a network.
    pub losses: Option<[f64; 2]>,
}

/// Evaluates a snapshot (rows x order) of that order; `None` when there is no reference to hold it against.
pub type Evaluate<'a> = dyn FnMut(&[f32], usize) -> Option<Errors> + 'a;

/// Sees an iteration and the error at it, now and then: for a progress bar.
pub type Tell<'a> = dyn FnMut(u64, f64) + 'a;

/// What is noted at a look.
pub enum Task<'a> {
    /// The curve is drawn: errors are evaluated, off the clock, where the schedule says.
    Draw {
        /// Which looks become points.
        schedule: Schedule,
        /// The error of a snapshot.
        evaluate: &'a mut Evaluate<'a>,
        /// Sees every point.
        tell: &'a mut Tell<'a>,
    },
    /// Times alone are taken, at these looks (counted from 0, ascending): those of a curve drawn before.
    Time(&'a [u64]),
}

/// Watches one solve.
pub struct Observer<'a> {
    task: Task<'a>,
    clock: Stopwatch,
    limit_s: f64,
    interrupted: &'a AtomicBool,
    looks: u64,
    /// Times and points at the looks of the task.
    seen: Seen,
}

/// What a solve left behind.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Ordinal numbers of the looks below.
    pub looks: Vec<u64>,
    /// The curve, when it was drawn.
    pub curve: Vec<CurvePoint>,
    /// Seconds of solving at each look.
    pub times_s: Vec<f64>,
    /// Seconds of the whole solve.
    pub solve_s: f64,
    /// The same by the device's own clock, where it has one; whoever runs the solve puts it in.
    pub device_s: Option<f64>,
    /// Whether the time limit ended it.
    pub out_of_time: bool,
}

impl<'a> Observer<'a> {
    /// An observer that ends the solve after `limit_s` seconds, or at once when `interrupted`. Its clock stands.
    pub fn new(task: Task<'a>, limit_s: f64, interrupted: &'a AtomicBool) -> Self {
        let (clock, seen) = (Stopwatch::default(), Seen::default());
        Self {
            task,
            clock,
            limit_s,
            interrupted,
            looks: 0,
            seen,
        }
    }

    /// Runs a solve on the clock.
    ///
    /// # Errors
    /// What the solve returns.
    pub fn time<T>(mut self, solve: impl FnOnce(&mut dyn Watch) -> Result<T>) -> Result<(T, Seen)> {
        self.clock.start();
        let result = solve(&mut self);
        self.clock.stop();
        self.seen.solve_s = self.clock.seconds();
        Ok((result?, self.seen))
    }
}

impl Watch for Observer<'_> {
    fn look(&mut self, look: Look<'_>) -> Result<Verdict> {
        self.clock.stop();
        let time_s = self.clock.seconds();
        match &mut self.task {
            Task::Draw {
                schedule,
                evaluate,
                tell,
            } => {
                if schedule.due(look.iteration, look.component) || look.last {
                    let errors = evaluate(&(look.snapshot)()?, look.order);
                    self.seen.looks.push(self.looks);
                    self.seen.times_s.push(time_s);
                    if let Some(errors) = errors {
                        self.seen.curve.push(CurvePoint {
                            iteration: look.iteration,
                            passes: look.passes,
                            time_s,
                            component: look.component,
                            component_error: errors.component,
                            error: errors.whole,
                            test_loss: errors.losses.map(|losses| losses[0]),
                            train_loss: errors.losses.map(|losses| losses[1]),
                        });
                    }
                    tell(
                        look.iteration,
                        errors.map_or(f64::NAN, |errors| errors.component),
                    );
                }
            }
            Task::Time(looks) => {
                if looks.get(self.seen.looks.len()) == Some(&self.looks) {
                    self.seen.looks.push(self.looks);
                    self.seen.times_s.push(time_s);
                }
            }
        }
        self.looks += 1;
        let late = time_s >= self.limit_s && !look.last;
        self.seen.out_of_time |= late;
        let stop = late || self.interrupted.load(Ordering::Relaxed);
        // What follows the last look (reading the answer back) is off the clock.
        if !look.last {
            self.clock.start();
        }
        Ok(if stop {
            Verdict::Stop
        } else {
            Verdict::Continue
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::clock::pass;
    use super::*;

    fn watch(watch: &mut dyn Watch, iteration: u64, last: bool) -> Verdict {
        let mut snapshot = || Ok(vec![iteration as f32]);
        let look = Look {
            iteration,
            passes: 0.5,
            component: 0,
            order: 1,
            last,
            snapshot: &mut snapshot,
        };
        watch.look(look).unwrap()
    }

    fn draw<'a>(evaluate: &'a mut Evaluate<'a>, tell: &'a mut Tell<'a>) -> Task<'a> {
        Task::Draw {
            schedule: Schedule::new(1),
            evaluate,
            tell,
        }
    }

    #[test]
    fn evaluation_is_off_the_clock_and_the_last_look_is_always_a_point() {
        let mut evaluate = |snapshot: &[f32], _| {
            pass(Duration::from_secs(5));
            Some(Errors {
                component: f64::from(snapshot[0]),
                whole: 1.0,
                losses: None,
            })
        };
        let mut told = 0;
        let mut tell = |_, _| told += 1;
        let never = AtomicBool::new(false);
        let observer = Observer::new(draw(&mut evaluate, &mut tell), 1e9, &never);
        let ((), seen) = observer
            .time(|w| {
                (1..=99).for_each(|i| assert_eq!(watch(w, i, false), Verdict::Continue));
                watch(w, 99, true);
                Ok(())
            })
            .unwrap();
        let points = seen.curve.len();
        assert!((20..60).contains(&points), "{points}");
        assert_eq!(
            (
                seen.curve[points - 1].iteration,
                *seen.looks.last().unwrap()
            ),
            (99, 99)
        );
        assert_eq!(seen.curve[0].component_error, 1.0);
        assert!(seen.solve_s < 5.0, "{} s", seen.solve_s);
        assert!(seen.times_s.is_sorted());
        assert_eq!(told, points);
    }

    #[test]
    fn a_later_repeat_is_timed_at_the_same_looks() {
        let never = AtomicBool::new(false);
        let observer = Observer::new(Task::Time(&[0, 3, 4]), 1e9, &never);
        let solve = |w: &mut dyn Watch| {
            (1..=6).for_each(|i| {
                watch(w, i, i == 6);
            });
            Ok(())
        };
        let ((), seen) = observer.time(solve).unwrap();
        assert_eq!(
            (seen.looks, seen.times_s.len(), seen.curve.len()),
            (vec![0, 3, 4], 3, 0)
        );
    }

    #[test]
    fn the_time_limit_and_an_interrupt_stop_the_solve_and_are_told_apart() {
        for (limit_s, flag) in [(0.0, false), (1e9, true)] {
            let interrupted = AtomicBool::new(flag);
            let observer = Observer::new(Task::Time(&[]), limit_s, &interrupted);
            let (verdict, seen) = observer.time(|w| Ok(watch(w, 1, false))).unwrap();
            assert_eq!((verdict, seen.out_of_time), (Verdict::Stop, !flag));
        }
    }
}
