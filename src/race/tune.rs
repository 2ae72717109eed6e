//! Learning rates for networks: every rule gets the same small budget of rates, and the winner is chosen on training
//! samples that were held back, never on the test set (Choi et al. 2019: a comparison of optimizers is one of their tuning).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::data::{Request, Samples, split};
use crate::error::{Error, Result};
use crate::mlp;
use crate::optimizer::{Ended, Look, Next, Rule, Schedule, WarmUp, Watch};
use crate::record::statistics::median;

use super::case::Batch;
use super::device::DeviceSpec;
use super::lane::{self, Lane, guarded};
use super::problem::mlp::Mlp;
use super::rates::{Tuned, Winner, grid};

/// Training samples that are held back and judged by: MNIST's last 10,000, of fewer a sixth.
const VALIDATION: usize = 10_000;

/// What is tuned.
pub struct Budget {
    /// How samples are found.
    pub request: Request,
    /// Hidden layers.
    pub layers: Vec<usize>,
    /// Samples of a step.
    pub batch: Batch,
    /// Epochs that each rate is given; from 16 on, that the better ones are given.
    pub epochs: u64,
    /// Seeds that each rate is given.
    pub seeds: Vec<u64>,
    /// The rules.
    pub rules: Vec<Rule>,
    /// Where it runs.
    pub device: DeviceSpec,
}

/// One rate of one rule, tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The rule.
    pub rule: Rule,
    /// The rate.
    pub rate: f64,
    /// Epochs that it was given.
    pub epochs: u64,
    /// Validation error, median over the seeds; 1 where it diverged.
    pub error: f64,
}

/// Tries every rate of every rule; `tell` hears each trial. `None` when Ctrl-C came before the end.
///
/// # Errors
/// `Input` when the samples cannot be had or have no labels, `Failed` when the device fails.
pub fn tune(
    budget: &Budget,
    interrupted: &AtomicBool,
    tell: &mut dyn FnMut(&Trial),
) -> Result<Option<Tuned>> {
    let samples = crate::data::load(&budget.request)?;
    let (spec, train) = training(samples, &budget.request)?;
    let held = VALIDATION.min(train.n / 6);
    let split = split::validation(&train, held)?;
    let (train, test) = (Arc::new(split.train), Arc::new(split.test));
    let mut opened = lane::open::<Mlp>(budget.device, &train, &test)
        .map_err(|missing| Error::input(format!("{}: {}", missing.why, missing.remedy)))??;
    let mut lane = opened.lane();
    let mut winners = Vec::new();
    for &rule in &budget.rules {
        let mut rates = grid(rule);
        let mut trials: Vec<Trial> = Vec::new();
        for (stage, (count, epochs)) in stages(budget.epochs, rates.len()).into_iter().enumerate() {
            rates.truncate(count);
            trials.clear();
            let mut further = 0;
            while let Some(&rate) = rates.get(trials.len()) {
                let tried = (rule, rate, epochs);
                let Some(error) = try_rate(budget, lane.as_mut(), tried, interrupted)? else {
                    return Ok(None);
                };
                let trial = Trial {
                    rule,
                    rate,
                    epochs,
                    error,
                };
                tell(&trial);
                trials.push(trial);
                if stage == 0 && trials.len() == rates.len() && further < FURTHER {
                    rates.extend(beyond(&trials));
                    further += 1;
                }
            }
            // Of equals the smaller rate.
            trials.sort_by(|a, b| a.error.total_cmp(&b.error).then(a.rate.total_cmp(&b.rate)));
            rates = trials.iter().map(|trial| trial.rate).collect();
        }
        winners.extend(trials.first().map(|best| Winner {
            optimizer: rule.name().into(),
            rate: best.rate,
            error: best.error,
        }));
    }
    Ok(Some(Tuned {
        layers: budget.layers.clone(),
        batch: budget.batch.to_string(),
        data: spec,
        validation: held,
        epochs: budget.epochs,
        seeds: budget.seeds.clone(),
        winners,
    }))
}

/// Rates that are tried beyond the grid at most.
const FURTHER: usize = 6;

/// The next rate to try where the best so far is the smallest or the largest: a best rate has worse ones on both sides.
fn beyond(trials: &[Trial]) -> Option<f64> {
    let best = trials
        .iter()
        .min_by(|a, b| a.error.total_cmp(&b.error).then(a.rate.total_cmp(&b.rate)))?;
    let rates = || trials.iter().map(|trial| trial.rate);
    let (least, most) = (
        rates().fold(f64::INFINITY, f64::min),
        rates().fold(0.0, f64::max),
    );
    match best.rate {
        rate if rate == least => Some(rate / 2.0),
        rate if rate == most => Some(2.0 * rate),
        _ => None,
    }
}

/// Epochs from which on rates are dropped before the end.
const HALVED_FROM: u64 = 16;

/// How many of so many rates are given how many epochs. From [`HALVED_FROM`] epochs on, all get an eighth, the better half of them
/// a quarter, and the best quarter everything (successive halving: Jamieson and Talwalkar 2016).
fn stages(epochs: u64, rates: usize) -> Vec<(usize, u64)> {
    match epochs < HALVED_FROM {
        true => vec![(rates, epochs)],
        false => vec![
            (rates, epochs / 8),
            (rates.div_ceil(2), epochs / 4),
            (rates.div_ceil(4), epochs),
        ],
    }
}

/// The validation error of a rate, median over the seeds; `None` when Ctrl-C came.
fn try_rate(
    budget: &Budget,
    lane: &mut dyn Lane<Mlp>,
    (rule, learning_rate, epochs): (Rule, f64, u64),
    interrupted: &AtomicBool,
) -> Result<Option<f64>> {
    let mut errors = Vec::new();
    for &seed in &budget.seeds {
        let plan = mlp::Plan {
            layers: budget.layers.clone(),
            rule,
            learning_rate,
            schedule: Schedule::named("constant"),
            warm_up: WarmUp::None,
            weight_decay: 0.0,
            batch: budget.batch.rows(),
            epochs,
            seed,
        };
        let mut watch = UntilInterrupted(interrupted);
        let (answer, _) = guarded(|| {
            lane.prepare(&plan)?;
            lane.solve(&mut watch)
        })?;
        if interrupted.load(Ordering::Relaxed) {
            return Ok(None);
        }
        errors.push(error(&answer));
    }
    // A share of samples, to more digits than there are samples.
    Ok(Some((median(&errors).unwrap_or(1.0) * 1e6).round() / 1e6))
}

/// The training part, with the spec. The test part is dropped unseen.
fn training(samples: Samples, request: &Request) -> Result<(String, Samples)> {
    let spec = samples.spec.clone();
    let train = split::split(samples, request, None)?.train;
    Ok((spec, train))
}

fn error(outcome: &mlp::Outcome) -> f64 {
    match outcome.ended {
        Ended::Diverged => 1.0,
        _ if outcome.test_error.is_finite() => outcome.test_error,
        _ => 1.0,
    }
}

/// Goes on until Ctrl-C; evaluates nothing.
struct UntilInterrupted<'a>(&'a AtomicBool);

impl<S> Watch<S> for UntilInterrupted<'_> {
    fn look(&mut self, _: Look<'_, S>) -> Result<Next> {
        Ok(match self.0.load(Ordering::Relaxed) {
            true => Next::Stop,
            false => Next::Continue,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::device::Threads;
    use super::*;

    #[test]
    fn every_rule_gets_the_same_budget_and_the_best_of_it() {
        let budget = Budget {
            request: Request {
                spec: "digits:n=600".into(),
                quiet: true,
                ..Request::default()
            },
            layers: vec![],
            batch: Batch::Rows(32),
            epochs: 1,
            seeds: vec![1],
            rules: ["sgd", "adamw", "lion"].map(Rule::named).to_vec(),
            device: DeviceSpec::cpu(Threads::Count(1)),
        };
        let mut trials = Vec::new();
        let never = AtomicBool::new(false);
        let tuned = tune(&budget, &never, &mut |trial| trials.push(trial.clone()))
            .unwrap()
            .expect("no Ctrl-C");
        assert_eq!((tuned.validation, tuned.winners.len()), (100, 3));
        for (&rule, winner) in budget.rules.iter().zip(&tuned.winners) {
            let of_rule: Vec<_> = trials.iter().filter(|t| t.rule == rule).collect();
            let more = of_rule.len() - grid(rule).len();
            assert!(more <= FURTHER, "{of_rule:?}");
            let best = of_rule
                .iter()
                .map(|t| t.error)
                .fold(f64::INFINITY, f64::min);
            let equals = of_rule.iter().filter(|t| t.error == best);
            let least = equals.map(|t| t.rate).fold(f64::INFINITY, f64::min);
            assert_eq!((winner.rate, winner.error), (least, best));
        }
        let trial = |(rate, error)| Trial {
            rule: Rule::named("sgd"),
            rate,
            epochs: 1,
            error,
        };
        let next = |errors: [f64; 3]| {
            let rates = [0.1, 0.2, 0.4].into_iter().zip(errors);
            beyond(&rates.map(trial).collect::<Vec<_>>())
        };
        assert_eq!(next([0.3, 0.2, 0.1]), Some(0.8));
        assert_eq!(next([0.1, 0.2, 0.3]), Some(0.05));
        assert_eq!(next([0.2, 0.1, 0.3]), None);
        assert_eq!(stages(5, 8), [(8, 5)]);
        assert_eq!(stages(200, 8), [(8, 25), (4, 50), (2, 200)]);
        let always = AtomicBool::new(true);
        assert_eq!(tune(&budget, &always, &mut |_| ()).unwrap(), None);
    }
}
