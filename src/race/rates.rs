//! The learning rates that `auto` stands for in a network: the winners of `gradrace tune`, embedded.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::case::Batch;
use super::defaults::{LAYERS, NETWORK_BATCH};
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
    /// Epochs that each rate was given.
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

impl Rates {
    /// The rate of a rule for exactly this network and batch.
    pub fn find(&self, layers: &[usize], batch: &str, rule: Rule) -> Option<f64> {
        let tuned = self
            .tuned
            .iter()
            .find(|tuned| tuned.layers == layers && tuned.batch == batch)?;
        let winner = tuned.winners.iter().find(|w| w.optimizer == rule.name());
        winner.map(|winner| winner.rate)
    }
}

/// The tuned rate: of this network and batch; else of this network with the default batch; else of the default network
/// with this batch; else of the default network.
pub fn tuned(layers: &[usize], batch: Batch, rule: Rule) -> f64 {
    let (own, usual) = (batch.to_string(), NETWORK_BATCH.to_string());
    [
        (layers, &own),
        (&LAYERS[..], &own),
        (layers, &usual),
        (&LAYERS[..], &usual),
    ]
    .into_iter()
    .find_map(|(layers, batch)| RATES.find(layers, batch, rule))
    .unwrap_or_else(|| rule.usual_rate())
}

/// The rates that are tried: eight a rule, a factor of two apart and around the rule's usual one.
pub fn grid(rule: Rule) -> Vec<f64> {
    (-4..=3).map(|e| rule.usual_rate() * 2f64.powi(e)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_rates_parse_and_hold_every_rule_of_the_default_network() {
        let rates: Rates = toml::from_str(EMBEDDED).expect(FILE);
        for rule in Rule::ALL {
            let rate = rates.find(&LAYERS, "128", rule);
            assert!(rate.is_some_and(|rate| rate > 0.0), "{}", rule.name());
        }
    }

    #[test]
    fn a_network_that_was_not_tuned_takes_the_rate_of_the_default_one() {
        let usual = tuned(&LAYERS, Batch::Rows(128), Rule::Adam);
        assert_eq!(tuned(&[17, 3], Batch::Rows(100), Rule::Adam), usual);
    }
}
