//! The one clock that times a solve, and the spacing of the curve's points.

use std::time::{Duration, Instant};

/// The present moment. A test can move it forward: see [`pass`].
fn now() -> Instant {
    #[cfg(test)]
    return Instant::now() + PASSED.get();
    #[cfg(not(test))]
    Instant::now()
}

#[cfg(test)]
thread_local! {
    static PASSED: std::cell::Cell<Duration> = const { std::cell::Cell::new(Duration::ZERO) };
}

/// Moves this thread's clock forward, so that a test need not wait.
#[cfg(test)]
pub(super) fn pass(time: Duration) {
    PASSED.set(PASSED.get() + time);
}

/// Makes what was timed a tenth longer: `scripts/compare-check` builds a program with it, which `gradrace compare` must find.
#[cfg(gradrace_slow)]
fn spin_a_tenth(since: Instant) {
    let end = now() + (now() - since) / 10;
    while now() < end {
        std::hint::spin_loop();
    }
}

/// A clock that is stopped while the host looks.
#[derive(Debug, Default)]
pub struct Stopwatch {
    total: Duration,
    since: Option<Instant>,
}

impl Stopwatch {
    /// Starts, or goes on.
    pub fn start(&mut self) {
        self.since = Some(now());
    }

    /// Stops, if it runs.
    pub fn stop(&mut self) {
        if let Some(since) = self.since.take() {
            #[cfg(gradrace_slow)]
            spin_a_tenth(since);
            self.total += now() - since;
        }
    }

    /// Seconds for which it has run until it was last stopped.
    pub fn seconds(&self) -> f64 {
        self.total.as_secs_f64()
    }
}

/// A moment, and how long ago it was.
#[derive(Debug, Clone, Copy)]
pub struct Age(Instant);

impl Age {
    /// This moment.
    pub fn now() -> Self {
        Self(now())
    }

    /// Seconds since.
    pub fn seconds(&self) -> f64 {
        (now() - self.0).as_secs_f64()
    }
}

/// Seconds that `work` takes, with what it gives.
pub fn timed<R>(work: impl FnOnce() -> R) -> (R, f64) {
    let mut clock = Stopwatch::default();
    clock.start();
    let result = work();
    clock.stop();
    (result, clock.seconds())
}

/// Growth of the iteration between two points of the curve, for the last component: its error is that of the whole
/// answer, and the time to the target is read off it.
const FINE: f64 = 1.12;
/// The same for the components before it, whose error the curve shows in the background only.
const COARSE: f64 = 1.3;

/// Which looks become points of the curve: the first of every component, and from there on geometrically.
#[derive(Debug)]
pub struct Spacing {
    /// Whether every look becomes one.
    every: bool,
    components: usize,
    component: usize,
    /// Iteration at which the component began.
    began: u64,
    last: u64,
    due: u64,
}

impl Spacing {
    /// Spacing for a solve that seeks so many components one by one (1 when it seeks them together).
    pub fn new(components: usize) -> Self {
        Self {
            every: false,
            components,
            component: 0,
            began: 0,
            last: 0,
            due: 0,
        }
    }

    /// Spacing for a solve that is looked at seldom: every look becomes a point.
    pub fn every_look() -> Self {
        Self {
            every: true,
            ..Self::new(1)
        }
    }

    /// Whether the look at this iteration (counted over all components) becomes a point.
    pub fn due(&mut self, iteration: u64, component: usize) -> bool {
        if component != self.component {
            (self.component, self.began, self.due) = (component, self.last, 0);
        }
        self.last = iteration;
        let step = iteration.saturating_sub(self.began);
        if step < self.due && !self.every {
            return false;
        }
        let growth = if component + 1 < self.components {
            COARSE
        } else {
            FINE
        };
        self.due = (step + 1).max((step as f64 * growth).ceil() as u64);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_clock_stands_still() {
        let mut clock = Stopwatch::default();
        clock.start();
        clock.stop();
        let seconds = clock.seconds();
        pass(Duration::from_secs(2));
        clock.stop();
        assert_eq!(clock.seconds(), seconds);
    }

    #[test]
    fn points_are_spaced_geometrically_and_begin_anew_with_each_component() {
        let mut spacing = Spacing::new(2);
        let points: Vec<(usize, u64)> = (1..=1000)
            .map(|i| (0, i))
            .chain((1001..=2000).map(|i| (1, i)))
            .filter(|&(component, i)| spacing.due(i, component))
            .collect();
        let of = |c| {
            points
                .iter()
                .filter(|p| p.0 == c)
                .map(|p| p.1)
                .collect::<Vec<_>>()
        };
        let (first, last) = (of(0), of(1));
        assert_eq!((first[0], last[0]), (1, 1001));
        assert!((15..30).contains(&first.len()), "{}", first.len());
        assert!((40..70).contains(&last.len()), "{}", last.len());
        let steps: Vec<u64> = last.iter().map(|i| i - 1000).collect();
        let close = |w: &[u64]| w[1] - w[0] == 1 || (w[1] as f64) < 1.13 * w[0] as f64 + 1.0;
        assert!(steps.windows(2).all(close), "{steps:?}");
    }

    #[test]
    fn looks_that_are_far_apart_all_become_points() {
        let mut spacing = Spacing::new(1);
        assert!([1, 10, 100, 1000].into_iter().all(|i| spacing.due(i, 0)));
    }
}
