//! What the race sees of a solve: the clock, the curve, the limits.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Result;
use crate::optimizer::{Look, Next, Watch};
use crate::record::{CurvePoint, Noise};

use super::clock::{Spacing, Stopwatch};

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

/// Evaluates a snapshot; `None` when there is no reference to hold it against.
pub type Evaluate<'a, S> = dyn FnMut(&S) -> Option<Errors> + 'a;

/// Sees an iteration and the error at it, now and then: for a progress bar.
pub type Tell<'a> = dyn FnMut(u64, f64) + 'a;

/// What is noted at a look.
pub enum Noting<'a, S> {
    /// The curve is drawn: errors are evaluated, off the clock, where the spacing says.
    Draw {
        /// Which looks become points.
        spacing: Spacing,
        /// The error of a snapshot.
        evaluate: &'a mut Evaluate<'a, S>,
        /// Sees every point.
        tell: &'a mut Tell<'a>,
    },
    /// Times alone are taken, at these looks (counted from 0, ascending): those of a curve drawn before.
    Time(&'a [u64]),
}

/// Watches one solve.
pub struct Observer<'a, S> {
    noting: Noting<'a, S>,
    clock: Stopwatch,
    limit_s: f64,
    interrupted: &'a AtomicBool,
    looks: u64,
    /// Times and points at the looks that are noted.
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
    /// Whether Ctrl-C ended it.
    pub interrupted: bool,
    /// Seconds of the solve on the wall, evaluation included; whoever runs it puts it in, and what follows.
    pub wall_s: f64,
    /// What it lost to other programs, where the system reports it.
    pub noise: Option<Noise>,
}

impl<'a, S> Observer<'a, S> {
    /// An observer that ends the solve after `limit_s` seconds, or at once when `interrupted`. Its clock stands.
    pub fn new(noting: Noting<'a, S>, limit_s: f64, interrupted: &'a AtomicBool) -> Self {
        let (clock, seen) = (Stopwatch::default(), Seen::default());
        Self {
            noting,
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
    pub fn time<T>(
        mut self,
        solve: impl FnOnce(&mut dyn Watch<S>) -> Result<T>,
    ) -> Result<(T, Seen)> {
        self.clock.start();
        let result = solve(&mut self);
        self.clock.stop();
        self.seen.solve_s = self.clock.seconds();
        Ok((result?, self.seen))
    }
}

impl<S> Watch<S> for Observer<'_, S> {
    fn look(&mut self, look: Look<'_, S>) -> Result<Next> {
        self.clock.stop();
        let time_s = self.clock.seconds();
        match &mut self.noting {
            Noting::Draw {
                spacing,
                evaluate,
                tell,
            } => {
                if spacing.due(look.iteration, look.component) || look.last {
                    let errors = evaluate(&(look.snapshot)()?);
                    self.seen.looks.push(self.looks);
                    self.seen.times_s.push(time_s);
                    if let Some(errors) = errors {
                        self.seen.curve.push(CurvePoint {
                            iteration: look.iteration,
                            passes: look.passes,
                            time_s,
                            band_s: None,
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
            Noting::Time(looks) => {
                if looks.get(self.seen.looks.len()) == Some(&self.looks) {
                    self.seen.looks.push(self.looks);
                    self.seen.times_s.push(time_s);
                }
            }
        }
        self.looks += 1;
        let late = time_s >= self.limit_s && !look.last;
        self.seen.out_of_time |= late;
        let interrupted = self.interrupted.load(Ordering::Relaxed) && !look.last;
        self.seen.interrupted |= interrupted;
        let stop = late || interrupted;
        // What follows the last look (reading the answer back) is off the clock.
        if !look.last {
            self.clock.start();
        }
        Ok(if stop { Next::Stop } else { Next::Continue })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::clock::pass;
    use super::*;

    fn watch(watch: &mut dyn Watch<u64>, iteration: u64, last: bool) -> Next {
        let mut snapshot = || Ok(iteration);
        let look = Look {
            iteration,
            passes: 0.5,
            component: 0,
            last,
            snapshot: &mut snapshot,
        };
        watch.look(look).unwrap()
    }

    fn draw<'a>(evaluate: &'a mut Evaluate<'a, u64>, tell: &'a mut Tell<'a>) -> Noting<'a, u64> {
        Noting::Draw {
            spacing: Spacing::new(1),
            evaluate,
            tell,
        }
    }

    #[test]
    fn evaluation_is_off_the_clock_and_the_last_look_is_always_a_point() {
        let mut evaluate = |snapshot: &u64| {
            pass(Duration::from_secs(5));
            Some(Errors {
                component: *snapshot as f64,
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
                (1..=99).for_each(|i| assert_eq!(watch(w, i, false), Next::Continue));
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
        let observer = Observer::new(Noting::Time(&[0, 3, 4]), 1e9, &never);
        let solve = |w: &mut dyn Watch<u64>| {
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
            let observer = Observer::new(Noting::Time(&[]), limit_s, &interrupted);
            let (verdict, seen) = observer.time(|w| Ok(watch(w, 1, false))).unwrap();
            assert_eq!((verdict, seen.out_of_time), (Next::Stop, !flag));
        }
    }
}
