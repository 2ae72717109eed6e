//! The task of a case of any problem, and how a case is settled from what was asked for.

use crate::data::Standardize;

use super::case::{AsSettings, Batch, Case, Entry, Settings, Source};
use super::defaults::{SCHEDULE, SEED, TIME_LIMIT_S};
use super::device::{DeviceSpec, Threads};
use super::name::{Precision, ProblemKind};
use super::problem::mlp::Mlp;
use super::problem::pca::{Pca, PcaDraft};
use crate::optimizer::{Rule, Schedule, WarmUp};

/// What a case solves, and how.
#[derive(Debug, Clone, PartialEq)]
pub enum Task {
    /// Principal components.
    Pca(Pca),
    /// A network.
    Mlp(Mlp),
}

impl AsSettings for Task {
    fn settings(&self) -> &dyn Settings {
        match self {
            Self::Pca(task) => task,
            Self::Mlp(task) => task,
        }
    }
}

/// A case of any problem.
pub type AnyCase = Case<Task>;
/// An entry of any problem.
pub type AnyEntry = Entry<Task>;

/// A case as asked for: parameters of every problem, and no more decided than the flags say. `None` takes a default that
/// follows from the others.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// What is solved.
    pub problem: ProblemKind,
    /// The samples.
    pub source: Source,
    /// What is done to the columns of the samples.
    pub standardize: Standardize,
    /// Where it runs.
    pub device: DeviceSpec,
    /// Precision; by default f64 for `direct` and f32 for the others.
    pub precision: Option<Precision>,
    /// Seed of start vectors and batches.
    pub seed: u64,
    /// Error that counts as reached; the default is the problem's.
    pub target: Option<f64>,
    /// Seconds of solving.
    pub time_limit_s: f64,
    /// How principal components are found, where they are asked for.
    pub pca: PcaDraft,
    /// The network, where one is asked for.
    pub mlp: Mlp,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            problem: ProblemKind::Pca,
            source: Source::Default,
            standardize: Standardize::Auto,
            device: DeviceSpec::cpu(Threads::All),
            precision: None,
            seed: SEED,
            target: None,
            time_limit_s: TIME_LIMIT_S,
            pca: PcaDraft::default(),
            mlp: Mlp::default(),
        }
    }
}

impl Draft {
    /// Sets the update rule, of whichever problem.
    pub fn set_rule(&mut self, rule: Rule) {
        (self.pca.steps.rule, self.mlp.rule) = (rule, rule);
    }

    /// Sets the learning rate; `None` is `auto`.
    pub fn set_learning_rate(&mut self, rate: Option<f64>) {
        (self.pca.steps.learning_rate, self.mlp.learning_rate) = (rate, rate);
    }

    /// Sets how the learning rate changes; `None` is `auto`.
    pub fn set_schedule(&mut self, schedule: Option<Schedule>) {
        self.pca.steps.schedule = schedule;
        self.mlp.schedule = schedule.unwrap_or(Schedule::named(SCHEDULE));
    }

    /// Sets the steps over which the learning rate rises at first.
    pub fn set_warm_up(&mut self, warm_up: WarmUp) {
        (self.pca.steps.warm_up, self.mlp.warm_up) = (warm_up, warm_up);
    }

    /// Sets the rows of a step.
    pub fn set_batch(&mut self, batch: Batch) {
        (self.pca.steps.batch, self.mlp.batch) = (batch, batch);
    }

    /// Sets the passes over the samples.
    pub fn set_epochs(&mut self, epochs: u64) {
        (self.pca.steps.epochs, self.mlp.epochs) = (epochs, epochs);
    }

    /// The case: every default put in, and every parameter that it does not use left out.
    pub fn settled(self) -> AnyCase {
        let task = match self.problem {
            ProblemKind::Pca => Task::Pca(self.pca.settled()),
            ProblemKind::Mlp => Task::Mlp(self.mlp),
        };
        let settings = task.settings();
        let (seed, time_limit_s) = match settings.has_steps() {
            true => (self.seed, self.time_limit_s),
            false => (SEED, TIME_LIMIT_S),
        };
        Case {
            standardize: match self.standardize {
                Standardize::Auto => settings.own_standardize(&self.source),
                named => named,
            },
            source: self.source,
            device: self.device,
            precision: self.precision.unwrap_or_else(|| settings.own_precision()),
            seed,
            target: self.target.unwrap_or_else(|| settings.own_target()),
            time_limit_s,
            task,
        }
    }
}

#[cfg(test)]
mod tests;
