//! From an interval to a verdict, and how many rounds would give one.

use super::Finding;
use super::effect::Effect;

/// Rounds beyond which no number is named: nobody waits for them.
const MOST_NAMED: f64 = 999.0;

/// SLOWER and FASTER where the whole interval lies beyond the threshold (a share: 0.03 is a ratio of 1.03, or 1 / 1.03), SAME
/// where the whole interval lies within it.
pub fn finding(effect: &Effect, threshold: f64) -> Finding {
    let bound = threshold.ln_1p();
    let (low, high) = (effect.middle - effect.half, effect.middle + effect.half);
    match () {
        () if low > bound => Finding::Slower,
        () if high < -bound => Finding::Faster,
        () if low >= -bound && high <= bound => Finding::Same,
        () => Finding::Ambiguous,
    }
}

/// Rounds a side after which the interval would lie on one side of the threshold, if the effect stays what it is: its width falls
/// as one over their root. `None` where the effect lies at the threshold, and no number of rounds that anybody waits for would do.
pub fn rounds_needed(effect: &Effect, rounds: usize, threshold: f64) -> Option<usize> {
    let distance = (effect.middle.abs() - threshold.ln_1p()).abs();
    // Rounding must not make 32 to 33.
    let needed = (rounds as f64 * (effect.half / distance).powi(2) - 1e-6).ceil();
    (needed <= MOST_NAMED).then_some((needed as usize).max(rounds + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(low: f64, high: f64) -> Effect {
        Effect {
            middle: f64::midpoint(low.ln(), high.ln()),
            half: (high.ln() - low.ln()) / 2.0,
            paired: true,
        }
    }

    #[test]
    fn a_verdict_needs_the_whole_interval_on_one_side_of_the_threshold() {
        let found = |low, high| finding(&effect(low, high), 0.03);
        assert_eq!(found(1.031, 1.3), Finding::Slower);
        assert_eq!(found(1.029, 1.3), Finding::Ambiguous);
        assert_eq!(found(0.8, 0.97), Finding::Faster);
        assert_eq!(found(0.8, 0.972), Finding::Ambiguous);
        assert_eq!(found(0.98, 1.02), Finding::Same);
        assert_eq!(found(0.96, 1.02), Finding::Ambiguous);
        // Shown to differ, but by less than matters.
        assert_eq!(found(1.005, 1.02), Finding::Same);
        assert_eq!(finding(&effect(1.031, 1.3), 0.05), Finding::Ambiguous);
    }

    #[test]
    fn half_the_width_takes_four_times_the_rounds() {
        let wide = effect(1.0 / 1.0609, 1.0609);
        assert_eq!(rounds_needed(&wide, 8, 0.03), Some(32));
        let at_the_threshold = effect(1.03 / 1.02, 1.03 * 1.02);
        assert_eq!(rounds_needed(&at_the_threshold, 8, 0.03), None);
    }
}
