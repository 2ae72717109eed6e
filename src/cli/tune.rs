//! `gradrace tune`.

use std::path::PathBuf;

use clap::Args;

use crate::data::Request;
use crate::error::{Error, Result};
use crate::race::case::Batch;
use crate::race::device::DeviceSpec;
use crate::race::name::rule;
use crate::race::rates::{FILE, Rates, Tuned};
use crate::race::tune::{Budget, tune};
use crate::race::words;

use super::output::{End, print, tell};
use super::run::listen;

/// Find a network's learning rates: the same budget for every rule, judged by training samples that are held back.
#[derive(Debug, Args)]
pub struct Tune {
    /// mnist, digits[:n=60000,seed=1], or a folder with the four MNIST-format files
    #[arg(long, value_name = "SPEC", default_value = "mnist")]
    data: String,
    /// Hidden layers of the network, or none
    #[arg(long, value_name = "WIDTHS", default_value = "300,100")]
    layers: String,
    /// full, or samples of a step; a list is tuned one after the other
    #[arg(long, value_name = "LIST", default_value = "128")]
    batch: String,
    /// Rules
    #[arg(
        long,
        value_name = "LIST",
        default_value = "sgd,momentum,nesterov,adagrad,rmsprop,adam,adamw,lion"
    )]
    optimizer: String,
    /// Passes over the samples for every rate; by default 5, with batch 1 a single one, from batch 1024 on 15, with the full batch 200. From 16 on, rates
    /// that do worse than half of the others are dropped after an eighth and a quarter
    #[arg(long, value_name = "N")]
    epochs: Option<u64>,
    /// Seeds that every rate is tried with
    #[arg(long, value_name = "LIST", default_value = "1")]
    seed: String,
    /// Where it runs
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
    /// Where mnist is looked for first
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// TOML file that takes the winners, in the place of earlier ones of the same network and batch; by default they are
    /// printed. The project's is benches/suites/rates.toml, which is built into the program
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Epochs that are enough to rank the rates.
fn usual_epochs(batch: Batch) -> u64 {
    match batch {
        Batch::Rows(1) => 1,
        // Few steps an epoch: a rate that is too large shows late.
        Batch::Rows(1024..) => 15,
        Batch::Rows(_) => 5,
        Batch::Full => 200,
    }
}

impl Tune {
    /// Tries every rate, and prints or stores the winners.
    ///
    /// # Errors
    /// `Input` for bad usage and bad input.
    pub fn run(self) -> Result<End> {
        let seeds = self.seed.split(',').map(words::seed);
        let rules = words::split(&self.optimizer);
        let mut budget = Budget {
            request: Request {
                spec: self.data.clone(),
                data_dir: self.data_dir.clone(),
                ..Request::default()
            },
            layers: words::layers(&self.layers)?,
            batch: Batch::Full,
            epochs: 1,
            seeds: seeds.collect::<Result<_>>()?,
            rules: rules.iter().map(|word| rule(word)).collect::<Result<_>>()?,
            device: DeviceSpec::parse(&self.device)?,
        };
        let batches = words::split(&self.batch);
        let batches = batches.iter().map(|word| words::batch(word));
        let batches: Vec<Batch> = batches.collect::<Result<_>>()?;
        let mut rates = self.read()?;
        let interrupted = listen()?;
        for batch in batches {
            budget.batch = batch;
            budget.epochs = self.epochs.unwrap_or_else(|| usual_epochs(batch)).max(1);
            let tuned = tune(&budget, &interrupted, &mut |trial| {
                let error = 100.0 * trial.error;
                tell(&format!(
                    "batch {:<5} {:<9} rate {:<9} {:>3} epochs, validation error {error:.2} %",
                    batch.to_string(),
                    trial.rule.name(),
                    trial.rate,
                    trial.epochs
                ));
            })?;
            let Some(tuned) = tuned else {
                return Ok(End::Interrupted);
            };
            let same = |t: &Tuned| (&t.layers, &t.batch) == (&tuned.layers, &tuned.batch);
            match rates.tuned.iter().position(same) {
                Some(place) => rates.tuned[place] = tuned,
                None => rates.tuned.push(tuned),
            }
            // After every batch, so that Ctrl-C costs only the one that is being tuned.
            if self.out.is_some() {
                self.write(&rates)?;
            }
        }
        if self.out.is_none() {
            self.write(&rates)?;
        }
        Ok(End::Good)
    }

    fn read(&self) -> Result<Rates> {
        let Some(path) = self.out.as_ref().filter(|path| path.exists()) else {
            return Ok(Rates::default());
        };
        let bad = |what: String| {
            let place = path.display();
            Error::input(format!("{place}: {what}: give another --out"))
        };
        let text = std::fs::read_to_string(path).map_err(|e| bad(e.to_string()))?;
        toml::from_str(&text).map_err(|e| bad(e.message().replace('\n', " ")))
    }

    fn write(&self, rates: &Rates) -> Result<()> {
        let text = toml::to_string(rates)
            .map_err(|e| Error::failed(format!("the rates cannot be written: {e}")))?;
        let text = format!(
            "# The learning rates that `auto` stands for in a network ({FILE}). Written by `gradrace tune`; do not edit.\n\n{text}"
        );
        match &self.out {
            None => print(&text),
            Some(path) => std::fs::write(path, text).map_err(|e| {
                let place = path.display();
                Error::input(format!("cannot write {place}: {e}: give another --out"))
            }),
        }
    }
}
