//! When a comparison that goes on round by round is looked at, and what each look may spend of the error.
//!
//! Who looks after every round, and stops when the interval suits him, is wrong far more often than one time in twenty. So there
//! are four looks, and the error of 5 % is spent over them by the spending function of Lan and DeMets that resembles Pocock's
//! bounds (Biometrika 70, 1983): `0.05 ln(1 + (e - 1) t)` may be spent up to the share t of the rounds. A look spends what the
//! function grew by since the look before. These shares add up to 5 %, so that the error over all looks is at most that,
//! however the looks depend on one another (the union bound): a little is given away, and nothing has to be integrated.

use std::f64::consts::E;

/// Probability that an interval misses, over all looks.
pub const ERROR: f64 = 0.05;
/// Rounds after which there is a look.
pub const LOOKS: [usize; 4] = [8, 16, 32, 64];
/// Rounds after which there is no other.
pub const MOST: usize = LOOKS[LOOKS.len() - 1];

/// What may be spent up to this many rounds.
fn spent(rounds: usize) -> f64 {
    let share = rounds.min(MOST) as f64 / MOST as f64;
    ERROR * (1.0 + (E - 1.0) * share).ln()
}

/// What is spent by the looks before this many rounds.
fn before(rounds: usize) -> f64 {
    let last = LOOKS.into_iter().rfind(|&look| look < rounds);
    last.map_or(0.0, spent)
}

/// The error of the look after this many rounds; none where there is no look.
pub fn error(rounds: usize) -> Option<f64> {
    LOOKS
        .contains(&rounds)
        .then(|| spent(rounds) - before(rounds))
}

/// The error of a last look after this many rounds, which ends the comparison early: all that is left.
pub fn rest(rounds: usize) -> f64 {
    ERROR - before(rounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_looks_spend_the_error_and_no_more() {
        let all: f64 = LOOKS.iter().filter_map(|&look| error(look)).sum();
        assert!((all - ERROR).abs() < 1e-12, "{all}");
        assert_eq!(error(9), None);
    }

    #[test]
    fn the_last_look_has_what_those_before_it_left() {
        assert_eq!(rest(3), ERROR);
        assert_eq!(rest(8), ERROR);
        let first = error(8).expect("a look");
        assert!((rest(11) - (ERROR - first)).abs() < 1e-12);
        assert!((rest(64) - error(64).expect("a look")).abs() < 1e-12);
    }
}
