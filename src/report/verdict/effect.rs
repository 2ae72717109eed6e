//! How much longer B takes than A, with an interval.
//!
//! Repeats of one run of a program lie close together; runs of the same program a minute apart do not: memory lies elsewhere,
//! the clock of the cores and the neighbours are others. So a run is a *round*, and what tells how sure a ratio is are the rounds.
//!
//! * Of every round the logarithm of the median repeat counts. Where both sides have the same number of rounds, at least
//!   [`FEWEST`], round k of A is paired with round k of B, so that a drift that both share cancels; else each side stands by itself.
//! * The effect is the mean over the rounds with the outermost fifth cut off at each end (the trimmed mean; of 4 rounds nothing
//!   is cut), so that a disturbed round moves it little.
//! * Its standard error comes from a hierarchical bootstrap: 600 times, rounds are drawn with replacement, and for
//!   each one its repeats. A drawn round beyond the kept ones counts as the outermost of them, and the spread of the means is
//!   scaled to that of the trimmed mean (Tukey and McLaughlin, Sankhya A 25, 1963; Yuen, Biometrika 61, 1974).
//! * The interval is the effect plus and minus that error times the quantile of Student's t, with one degree of freedom less
//!   than rounds are kept; two sides by themselves add their variances (Welch, Biometrika 34, 1947).
//!
//! This was chosen by simulation from the mean, the median and trimmed means, with plain and winsorized bootstraps: with 8 to 64
//! rounds, noise from normal to Student's with 2 degrees of freedom, one round in seven up to half slower, and bursts over several
//! rounds, it misses in 1.6 to 3.6 % of all comparisons over four looks that may spend 5 %, and where noise is heavy-tailed its
//! intervals are half as wide as those of the mean. The tests repeat the main part.
//!
//! Fewer than [`FEWEST`] rounds cannot tell how rounds differ. The interval is then widened by [`ALLOWANCE`] a round.

use super::student;

/// Rounds of a side from which the rounds themselves tell how they differ.
pub const FEWEST: usize = 4;
/// Relative standard deviation of a round where there are fewer rounds than that: the drift from run to run of one program on
/// shared virtual machines.
pub const ALLOWANCE: f64 = 0.05;
/// Draws of the bootstrap: its error is then known within 3 %.
const RESAMPLES: usize = 600;
/// Draws of a round's repeats, made once, from which the bootstrap takes a median.
const POOL: usize = 25;
/// Share of the rounds that is cut off at each end.
const CUT: f64 = 0.2;

/// Repeats by round: seconds.
pub type Rounds = [Vec<f64>];

/// An effect on the logarithmic scale: 0 is no difference, 0.0953 is 10 % longer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effect {
    /// The logarithm of time B over time A.
    pub middle: f64,
    /// Half the width of its interval.
    pub half: f64,
    /// Whether rounds were paired by their order.
    pub paired: bool,
}

/// The effect with the interval that misses with probability `alpha`; `None` where a side has no round, or a round no time above
/// 0 s. Chance comes from `seed` alone.
pub fn effect(a: &Rounds, b: &Rounds, alpha: f64, seed: u64) -> Option<Effect> {
    let mut random = Draws(seed);
    let (a, b) = (pools(a, &mut random)?, pools(b, &mut random)?);
    let paired = a.len() == b.len() && a.len() >= FEWEST;
    let (middle, parts) = if paired {
        let pairs: Vec<Sample> = a.iter().zip(&b).map(|(a, b)| b.minus(a)).collect();
        centre(&pairs, &mut random)
    } else {
        let ((left, of_a), (right, of_b)) = (centre(&a, &mut random), centre(&b, &mut random));
        (right - left, [of_a, of_b].concat())
    };
    let variance: f64 = parts.iter().map(|part| part.variance).sum();
    let squares = parts
        .iter()
        .map(|part| part.variance.powi(2) / part.freedom);
    let freedom = variance.powi(2) / squares.sum::<f64>();
    // Without any variance there is nothing that freedom would be needed for.
    let freedom = if freedom.is_nan() { 1.0 } else { freedom };
    Some(Effect {
        middle,
        half: variance.sqrt() * student::quantile(alpha, freedom),
        paired,
    })
}

/// One round, or a pair of them: the logarithm of its median, and of medians of its repeats drawn with replacement.
struct Sample {
    middle: f64,
    drawn: Vec<f64>,
    repeats: usize,
}

impl Sample {
    fn minus(&self, other: &Self) -> Self {
        let drawn = self.drawn.iter().zip(&other.drawn);
        Self {
            middle: self.middle - other.middle,
            drawn: drawn.map(|(own, other)| own - other).collect(),
            repeats: self.repeats.min(other.repeats),
        }
    }
}

/// Numbers by chance: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), which is quick where hundreds of thousands are drawn.
struct Draws(u64);

impl Draws {
    /// A whole number under `n`.
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(x ^ (x >> 31)) * n as u128) >> 64) as usize
    }
}

fn pools(rounds: &Rounds, random: &mut Draws) -> Option<Vec<Sample>> {
    let mut samples = Vec::with_capacity(rounds.len());
    for repeats in rounds {
        if repeats.is_empty() || repeats.iter().any(|time| !time.is_finite() || *time <= 0.0) {
            return None;
        }
        let logs: Vec<f64> = repeats.iter().map(|time| time.ln()).collect();
        let mut drawn = Vec::with_capacity(POOL);
        for _ in 0..POOL {
            let again = logs.iter().map(|_| logs[random.below(logs.len())]);
            drawn.push(median(again.collect()));
        }
        let middle = median(logs);
        samples.push(Sample {
            middle,
            drawn,
            repeats: repeats.len(),
        });
    }
    (!samples.is_empty()).then_some(samples)
}

/// The median of the logarithms, at least one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() % 2 {
        0 => f64::midpoint(values[half - 1], values[half]),
        _ => values[half],
    }
}

/// A part of a variance.
#[derive(Clone)]
struct Part {
    variance: f64,
    freedom: f64,
}

/// The trimmed mean over the rounds, and the parts of its variance.
fn centre(rounds: &[Sample], random: &mut Draws) -> (f64, Vec<Part>) {
    let n = rounds.len();
    let cut = if n < FEWEST {
        0
    } else {
        (CUT * n as f64) as usize
    };
    let mut sorted: Vec<f64> = rounds.iter().map(|round| round.middle).collect();
    sorted.sort_by(f64::total_cmp);
    let kept = &sorted[cut..n - cut];
    let (low, high) = match n {
        // Nothing tells what lies too far out.
        ..FEWEST => (f64::NEG_INFINITY, f64::INFINITY),
        _ => (kept[0], kept[kept.len() - 1]),
    };
    let mut means = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        let mut sum = 0.0;
        for _ in 0..n {
            let drawn = rounds[random.below(n)].drawn[random.below(POOL)];
            sum += drawn.clamp(low, high);
        }
        means.push(sum / n as f64);
    }
    let mean = means.iter().sum::<f64>() / RESAMPLES as f64;
    let spread = means.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / RESAMPLES as f64;
    let (n, count) = (n as f64, kept.len() as f64);
    let scale = n * n / (count * (count - 1.0)).max(1.0);
    let mut parts = vec![Part {
        variance: spread * scale,
        // The only round has its repeats to go by.
        freedom: match rounds {
            [one] => (one.repeats as f64 - 1.0).max(1.0),
            _ => count - 1.0,
        },
    }];
    if rounds.len() < FEWEST {
        parts.push(Part {
            variance: ALLOWANCE * ALLOWANCE / n,
            freedom: f64::INFINITY,
        });
    }
    (kept.iter().sum::<f64>() / count, parts)
}

#[cfg(test)]
mod tests;
