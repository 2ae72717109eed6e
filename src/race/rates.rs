//! The learning rates that `auto` stands for in a network: the winners of `gradrace tune`, embedded.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::case::Batch;
use super::defaults::LAYERS;
use crate::optimizer::Rule;

/// The file, as it lies in the project.
pub const FILE: &str = "benches/suites/rates.toml";
const EMBEDDED: &str = include_str!("../../benches/suites/rates.toml");

/// What `gradrace tune` found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Winners, by network and batch.
    #[serde(default)]
    pub tuned: Vec<Tuned>,
}

/// Winners of one network and one batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tuned {
    /// Hidden layers.
    pub layers: Vec<usize>,
    /// `full` or rows.
    pub batch: String,
    /// The samples, their training part alone.
    pub data: String,
    /// Samples at the end of them that were held back and judged by.
    pub validation: usize,
    /// Epochs that each rate was given; from 16 on, that the best quarter of them was given.
    pub epochs: u64,
    /// Seeds that each rate was given.
    pub seeds: Vec<u64>,
    /// The winner of every rule with its validation error.
    pub winners: Vec<Winner>,
}

/// The best rate of a rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Winner {
    /// The rule.
    pub optimizer: String,
    /// Learning rate.
    pub rate: f64,
    /// Validation error at the end, median over the seeds.
    pub error: f64,
}

static RATES: LazyLock<Rates> = LazyLock::new(|| {
    // A test holds that it parses.
    toml::from_str(EMBEDDED).unwrap_or_default()
});

/// The learning rate that `auto` resolves to.
#[derive(Debug, Clone, PartialEq)]
pub struct Auto {
    /// The rate.
    pub rate: f64,
    /// Where it comes from, in words.
    pub from: String,
}

impl Tuned {
    /// The winner of a rule; of a variant that has none, that of its rule.
    fn winner(&self, rule: Rule) -> Option<f64> {
        let find = |name: &str| self.winners.iter().find(|w| w.optimizer == name);
        let base = rule.name().split(':').next().unwrap_or_default();
        find(rule.name())
            .or_else(|| find(base))
            .map(|winner| winner.rate)
    }

    /// Samples of a step; `None` is all of them.
    fn rows(&self) -> Option<f64> {
        self.batch.parse().ok()
    }
}

impl Rates {
    /// The rate of a rule for this network: tuned with this batch, or with the nearest one and scaled by the law of
    /// [`law`].
    fn find(&self, layers: &[usize], batch: Batch, rule: Rule) -> Option<Auto> {
        let of_network = self.tuned.iter().filter(|tuned| tuned.layers == layers);
        let mut known: Vec<(&Tuned, f64)> = of_network
            .filter_map(|tuned| Some((tuned, tuned.winner(rule)?)))
            .collect();
        let own = batch.to_string();
        if let Some((_, rate)) = known.iter().find(|(tuned, _)| tuned.batch == own) {
            let (rate, from) = (*rate, format!("tuned with batch {own}"));
            return Some(Auto { rate, from });
        }
        known.retain(|(tuned, _)| tuned.rows().is_some());
        let rows = |tuned: &Tuned| tuned.rows().unwrap_or(f64::INFINITY);
        let Some(wanted) = batch.rows() else {
            // How many samples there are is not known here: the largest batch is the nearest.
            let largest = known
                .into_iter()
                .max_by(|a, b| rows(a.0).total_cmp(&rows(b.0)));
            return largest.map(|(tuned, rate)| Auto {
                rate,
                from: format!("tuned with batch {}", tuned.batch),
            });
        };
        let away = |tuned: &Tuned| (rows(tuned) / wanted as f64).ln().abs();
        let nearest = known
            .into_iter()
            .min_by(|a, b| away(a.0).total_cmp(&away(b.0)));
        nearest.map(|(tuned, rate)| {
            let power = law(rule);
            let scaled = rate * (wanted as f64 / rows(tuned)).powf(power);
            let shown = if power == 1.0 { "" } else { "the root of " };
            Auto {
                rate: scaled,
                from: format!(
                    "tuned with batch {}, times {shown}{wanted}/{}",
                    tuned.batch, tuned.batch
                ),
            }
        })
    }
}

/// The power of the batch by which rates scale: 1 for rules that are linear in the gradient (Goyal et al. 2017), a half for
/// those that scale elements one by one (Malladi et al. 2022).
fn law(rule: Rule) -> f64 {
    if rule.program().is_elementwise() {
        0.5
    } else {
        1.0
    }
}

/// Resolves `auto`: the rate tuned for this network, else for the default network, else the rule's default.
pub fn auto(layers: &[usize], batch: Batch, rule: Rule) -> Auto {
    let of_network = |layers: &[usize]| RATES.find(layers, batch, rule);
    of_network(layers)
        .or_else(|| of_network(&LAYERS))
        .unwrap_or_else(|| Auto {
            rate: rule.program().rate,
            from: "the rule's own".into(),
        })
}

/// The rates that are tried at first: eight a rule, a factor of two apart and around the rule's usual one.
pub fn grid(rule: Rule) -> Vec<f64> {
    (-4..=3)
        .map(|e| rule.program().rate * 2f64.powi(e))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_rates_parse_and_hold_every_rule_of_the_default_network() {
        let rates: Rates = toml::from_str(EMBEDDED).expect(FILE);
        for rule in ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"].map(Rule::named) {
            let found = rates.find(&LAYERS, Batch::Rows(128), rule);
            let found = found.unwrap_or_else(|| panic!("{rule:?}"));
            assert!(found.rate > 0.0 && found.from == "tuned with batch 128");
        }
    }

    fn tuned(batch: &str, rates: &[(&str, f64)]) -> Tuned {
        let winner = |(name, rate): &(&str, f64)| Winner {
            optimizer: (*name).into(),
            rate: *rate,
            error: 0.1,
        };
        Tuned {
            layers: vec![5],
            batch: batch.into(),
            data: String::new(),
            validation: 1,
            epochs: 1,
            seeds: vec![1],
            winners: rates.iter().map(winner).collect(),
        }
    }

    #[test]
    fn between_tuned_batches_rates_scale_by_the_batch_or_its_root() {
        let of = |batch, rates: &[(&str, f64)]| tuned(batch, rates);
        let rates = Rates {
            tuned: vec![
                of("32", &[("sgd", 0.1), ("adam", 0.001)]),
                of("128", &[("sgd", 0.4)]),
                of("full", &[("sgd", 2.0)]),
            ],
        };
        let rate = |batch, rule| rates.find(&[5], batch, Rule::named(rule)).unwrap();
        assert_eq!(rate(Batch::Rows(8), "sgd").rate, 0.025);
        assert_eq!(rate(Batch::Rows(256), "sgd").rate, 0.8);
        assert_eq!(rate(Batch::Full, "sgd").rate, 2.0);
        let adam = rate(Batch::Rows(128), "adam");
        assert_eq!(
            (adam.rate, adam.from.as_str()),
            (0.002, "tuned with batch 32, times the root of 128/32")
        );
        // A variant has its rule's; a full batch that was not tuned has the largest batch's.
        assert_eq!(rate(Batch::Full, "adam:keras").rate, 0.001);
        assert_eq!(rates.find(&[6], Batch::Full, Rule::named("sgd")), None);
    }

    #[test]
    fn a_network_that_was_not_tuned_takes_the_rate_of_the_default_one() {
        let usual = auto(&LAYERS, Batch::Rows(128), Rule::named("adam"));
        assert_eq!(auto(&[17, 3], Batch::Rows(128), Rule::named("adam")), usual);
        let text =
            "name = \"untuned\"\nabout = \"a test\"\nrate = 0.7\nupdate = \"p -= rate * g\"\n";
        let untuned = Rule::read("untuned.toml", text).unwrap()[0];
        let own = auto(&LAYERS, Batch::Rows(128), untuned);
        assert_eq!((own.rate, own.from.as_str()), (0.7, "the rule's own"));
    }
}
