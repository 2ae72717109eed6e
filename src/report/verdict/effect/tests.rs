use super::super::Finding;
use super::super::judge::finding;
use super::super::looks;
use super::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal, StudentT};

/// Repeats of a round in the simulations.
const REPEATS: usize = 3;

/// A round's repeats: its own level (a logarithm), and one-sided noise of a few percent.
fn round(level: f64, random: &mut ChaCha8Rng) -> Vec<f64> {
    let repeat = || {
        let late = -random.random::<f64>().max(1e-12).ln();
        (level + 0.02 * late).exp()
    };
    std::iter::repeat_with(repeat).take(REPEATS).collect()
}

/// Two sides of the longest comparison: B takes `ratio` times as long, rounds differ by `noise`.
fn sides(
    ratio: f64,
    noise: &dyn Fn(&mut ChaCha8Rng) -> f64,
    random: &mut ChaCha8Rng,
) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let mut side = |shift: f64| {
        let mut rounds = Vec::new();
        for _ in 0..looks::MOST {
            let level = shift + noise(random);
            rounds.push(round(level, random));
        }
        rounds
    };
    (side(0.0), side(ratio.ln()))
}

/// Shares of comparisons in which an interval at any look misses the true ratio of 1, and in which a look that comes before a
/// verdict gives a wrong one.
fn wrong(noise: &dyn Fn(&mut ChaCha8Rng) -> f64, comparisons: u64) -> (f64, f64) {
    let (mut missed, mut wrong) = (0, 0);
    for seed in 0..comparisons {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (a, b) = sides(1.0, noise, &mut random);
        let looks = looks::LOOKS.map(|rounds| {
            let alpha = looks::error(rounds).unwrap();
            effect(&a[..rounds], &b[..rounds], alpha, seed).unwrap()
        });
        missed += u32::from(looks.iter().any(|look| look.middle.abs() > look.half));
        let mut found = looks.iter().map(|look| finding(look, 0.03));
        let verdict = found.find(|&found| found != Finding::Ambiguous);
        wrong += u32::from(matches!(verdict, Some(Finding::Slower | Finding::Faster)));
    }
    let share = |count: u32| f64::from(count) / comparisons as f64;
    (share(missed), share(wrong))
}

/// Comparisons a simulation: a share of 5 % is then known to 1.3 points (one standard deviation).
const COMPARISONS: u64 = 300;

#[test]
fn over_four_looks_at_normal_rounds_intervals_miss_in_5_percent_at_most() {
    let normal = Normal::new(0.0, 0.03).unwrap();
    let (missed, wrong) = wrong(&|random| normal.sample(random), COMPARISONS);
    assert!(missed <= 0.05, "{missed}");
    assert!(wrong <= 0.01, "{wrong}");
}

#[test]
fn over_four_looks_at_heavy_tailed_rounds_intervals_miss_in_5_percent_at_most() {
    // Student's t with 2 degrees of freedom has no variance; on top one round in ten is up to 40 % slower.
    let tail = StudentT::new(2.0).unwrap();
    let noise = |random: &mut ChaCha8Rng| {
        let burst = if random.random_bool(0.1) {
            0.4 * random.random::<f64>()
        } else {
            0.0
        };
        0.01 * tail.sample(random) + burst
    };
    let (missed, wrong) = wrong(&noise, COMPARISONS);
    assert!(missed <= 0.05, "{missed}");
    assert!(wrong <= 0.01, "{wrong}");
}

#[test]
fn ten_percent_are_found_after_eight_rounds_of_common_noise() {
    let normal = Normal::new(0.0, 0.015).unwrap();
    let alpha = looks::error(8).unwrap();
    let found = (0..40).filter(|&seed| {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (a, b) = sides(1.1, &|random| normal.sample(random), &mut random);
        let effect = effect(&a[..8], &b[..8], alpha, seed).unwrap();
        finding(&effect, 0.03) == Finding::Slower
    });
    assert!(found.count() >= 36);
}

/// Eight rounds of three repeats around these levels.
fn rounds(levels: [f64; 8]) -> Vec<Vec<f64>> {
    levels
        .map(|level| vec![0.999 * level, level, 1.001 * level])
        .to_vec()
}

#[test]
fn a_drift_that_both_sides_share_cancels_where_rounds_are_paired() {
    let drift = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7];
    let (a, b) = (rounds(drift), rounds(drift.map(|level| 1.1 * level)));
    let paired = effect(&a, &b, 0.05, 1).unwrap();
    assert!(paired.paired && (paired.middle - 1.1f64.ln()).abs() < 1e-9);
    assert!(paired.half < 0.002, "{paired:?}");
    // The same times without the order say next to nothing.
    let apart = effect(&a, &b[..7], 0.05, 1).unwrap();
    assert!(!apart.paired && apart.half > 0.1, "{apart:?}");
}

#[test]
fn one_slow_round_makes_no_verdict() {
    let quiet = [1.0, 1.004, 0.996, 1.002, 0.998, 1.003, 0.997, 1.001];
    let mut slow = quiet.map(|level| 1.001 * level);
    slow.reverse();
    slow[4] = 5.0;
    let effect = effect(&rounds(quiet), &rounds(slow), 0.05, 1).unwrap();
    assert_eq!(finding(&effect, 0.03), Finding::Same, "{effect:?}");
}

#[test]
fn rounds_that_hold_nothing_back_are_known_exactly() {
    let a = rounds([1.0; 8]);
    let alike = effect(&a, &a, 0.05, 1).unwrap();
    assert_eq!((alike.middle, finding(&alike, 0.03)), (0.0, Finding::Same));
}

#[test]
fn few_rounds_are_widened_by_the_allowance() {
    let one = [vec![1.0; 5]];
    let alone = effect(&one, &one, 0.05, 1).unwrap();
    let allowed = 1.96 * ALLOWANCE * 2f64.sqrt();
    assert!((alone.half - allowed).abs() < 0.001, "{alone:?}");
    assert!(!alone.paired);
    let three = [vec![1.0; 5], vec![1.0; 5], vec![1.0; 5]];
    let half = effect(&three, &three, 0.05, 1).unwrap().half;
    assert!((half - allowed / 3f64.sqrt()).abs() < 0.001, "{half}");
}

#[test]
fn a_round_without_a_time_is_no_effect() {
    assert_eq!(effect(&[], &[vec![1.0]], 0.05, 1), None);
    assert_eq!(effect(&[vec![0.0]], &[vec![1.0]], 0.05, 1), None);
    assert_eq!(effect(&[vec![]], &[vec![1.0]], 0.05, 1), None);
}

#[test]
fn chance_comes_from_the_seed_alone() {
    let a = rounds([1.0, 1.1, 0.9, 1.05, 0.95, 1.0, 1.02, 0.98]);
    let b = rounds([1.1, 1.1, 1.0, 1.05, 1.05, 1.0, 1.12, 0.98]);
    assert_eq!(effect(&a, &b, 0.05, 7), effect(&a, &b, 0.05, 7));
    assert_ne!(effect(&a, &b, 0.05, 7), effect(&a, &b, 0.05, 8));
}
