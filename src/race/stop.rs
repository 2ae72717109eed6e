//! When repeating may stop. Pure: no clock in here.

use crate::record::statistics::Quartiles;
use crate::record::{INTERRUPTED, MOST_REPEATS};

/// Why repeating stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// The relative noise is under the bound.
    NoiseLow,
    /// More samples no longer change the noise.
    NoiseStable,
    /// The time for this case is used up.
    TimeUp,
    /// As many repeats as asked for.
    Repeats,
    /// Ctrl-C came before the others.
    Interrupted,
}

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoiseLow => "noise low",
            Self::NoiseStable => "noise stable",
            Self::TimeUp => "time up",
            Self::Repeats => "repeats",
            Self::Interrupted => INTERRUPTED,
        })
    }
}

/// When repeating may stop: the rule of nvbench, with quartiles in place of its standard deviation, since a run on a busy
/// machine has outliers on one side. Noise alone never suffices there (nvbench, issue 61), hence the other three.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stop {
    /// Noise (interquartile range over median) that is low enough.
    pub noise: f64,
    /// Samples before noise is believed.
    pub min_repeats: usize,
    /// Samples that are always enough.
    pub max_repeats: usize,
    /// Seconds for the repeats of one case.
    pub time_s: f64,
}

/// Number of last samples over which the noise must hold still to count as stable.
const STABLE_WINDOW: usize = 8;
/// Spread of the noise over that window, relative to its mean, that counts as still (nvbench's default).
const STABLE_SPREAD: f64 = 0.05;

impl Stop {
    /// Repeats until quiet, within so many seconds.
    pub fn adaptive(time_s: f64) -> Self {
        Self {
            noise: 0.02,
            min_repeats: 5,
            max_repeats: MOST_REPEATS,
            time_s,
        }
    }

    /// Exactly so many repeats, however long they take.
    pub fn exactly(repeats: usize) -> Self {
        Self {
            noise: 0.0,
            min_repeats: usize::MAX,
            max_repeats: repeats.max(1),
            time_s: f64::INFINITY,
        }
    }

    /// Decides after each repeat; `None` is to go on. There is always at least one sample.
    ///
    /// `samples` are all so far, in the order taken; `elapsed_s` the seconds spent on them, what lies between included.
    pub fn decide(&self, samples: &[f64], elapsed_s: f64) -> Option<Stopped> {
        let quartiles = Quartiles::of(samples)?;
        if samples.len() >= self.max_repeats {
            return Some(Stopped::Repeats);
        }
        if samples.len() >= self.min_repeats {
            if quartiles.noise() < self.noise {
                return Some(Stopped::NoiseLow);
            }
            if self.stable(samples) {
                return Some(Stopped::NoiseStable);
            }
        }
        self.out_of_time(elapsed_s)
    }

    /// Whether the time is up, whatever the samples say.
    pub fn out_of_time(&self, elapsed_s: f64) -> Option<Stopped> {
        (elapsed_s >= self.time_s).then_some(Stopped::TimeUp)
    }

    /// Whether the noise, as each of the last few samples left it, held still.
    fn stable(&self, samples: &[f64]) -> bool {
        if samples.len() < self.min_repeats.saturating_add(STABLE_WINDOW) {
            return false;
        }
        let first = samples.len() - STABLE_WINDOW + 1;
        let noises: Vec<f64> = (first..=samples.len())
            .filter_map(|length| Quartiles::of(&samples[..length]))
            .map(|quartiles| quartiles.noise())
            .collect();
        let mean = noises.iter().sum::<f64>() / noises.len() as f64;
        let variance = noises.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / noises.len() as f64;
        variance.sqrt() < STABLE_SPREAD * mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_samples_stop_at_the_least_number() {
        let stop = Stop::adaptive(60.0);
        let samples = [1.0, 1.001, 1.002, 0.999, 1.0];
        assert_eq!(stop.decide(&samples[..4], 4.0), None);
        assert_eq!(stop.decide(&samples, 5.0), Some(Stopped::NoiseLow));
    }

    #[test]
    fn noise_that_no_longer_changes_stops_where_noise_that_does_goes_on() {
        let stop = Stop::adaptive(60.0);
        let steady: Vec<f64> = (0..40)
            .map(|i| 1.0 + (0.618 * f64::from(i)).fract())
            .collect();
        let when = (1..=40)
            .find(|&n| stop.decide(&steady[..n], 0.0).is_some())
            .unwrap();
        assert_eq!(
            stop.decide(&steady[..when], 0.0),
            Some(Stopped::NoiseStable)
        );
        let growing: Vec<f64> = (0..40).map(|i| 1.5f64.powi(i)).collect();
        assert!((1..=14).all(|n| stop.decide(&growing[..n], 0.0).is_none()));
    }

    #[test]
    fn time_up_stops_a_slow_case_after_its_first_repeat_but_never_before() {
        let stop = Stop::adaptive(10.0);
        assert_eq!(stop.decide(&[], 99.0), None);
        assert_eq!(stop.decide(&[12.0], 12.0), Some(Stopped::TimeUp));
    }

    #[test]
    fn an_exact_number_of_repeats_listens_to_nothing_else() {
        let stop = Stop::exactly(7);
        for n in 1..7 {
            assert_eq!(stop.decide(&vec![1.0; n], 1e9), None);
        }
        assert_eq!(stop.decide(&[1.0; 7], 0.0), Some(Stopped::Repeats));
    }
}
