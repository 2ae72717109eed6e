//! Lists that are crossed into cases: the flags of `gradrace run`, and the keys of a suite's blocks. The fields of [`Axes`]
//! are both; how a word of a list is read, and what it sets, stands in `parameter`.
//!
//! A new parameter of a problem is a field here (flag, key and help), a row there, a field with its default among the
//! problem's own parameters ([`super::problem`]), a line in their `ask` (the record's `asked`, the id and the command), and
//! its word of an id in [`crate::record::asked`].

use clap::{ArgAction, Args};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

use super::case::{Case, Entry};
use super::choice::{self, Choice, Present};
use super::task::{AnyEntry, Draft};
use super::words::{list, whole};

mod parameter;

use parameter::{PARAMETERS, Use};

/// Place in the help, where flags with the same one stand in the order of their names.
const BELOW_COMPONENTS: usize = 11;

/// One list a parameter; an empty one takes the default. The names are the flags and the keys of suites; the comments are
/// the help.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Deserialize, Serialize)]
#[command(next_help_heading = "Cases")]
#[serde(deny_unknown_fields, default)]
pub struct Axes {
    /// pca, mlp; default pca
    #[arg(long, value_name = "LIST", action = ArgAction::Set)]
    #[serde(deserialize_with = "list")]
    pub problem: Vec<String>,
    /// mnist, digits[:n=60000,seed=1], spectrum[:n=..,d=..,decay=..], or a path; default mnist, else digits
    #[arg(long, value_name = "LIST", action = ArgAction::Set)]
    #[serde(deserialize_with = "list")]
    pub data: Vec<String>,
    /// auto, none, columns: columns to zero mean and unit variance, for mlp those of the training rows; default auto:
    /// columns for mlp on a file, else none
    #[arg(long, value_name = "LIST", action = ArgAction::Set)]
    #[serde(deserialize_with = "list")]
    pub standardize: Vec<String>,
    /// Hidden layers of one network, 300,100 or none; repeated for more networks; default 300,100
    #[arg(long, value_name = "WIDTHS", action = ArgAction::Append, display_order = BELOW_COMPONENTS)]
    #[serde(deserialize_with = "list")]
    pub layers: Vec<String>,
    /// mlp: times the parameters, added to the gradient; default 0
    #[arg(long, value_name = "LIST", action = ArgAction::Set, display_order = BELOW_COMPONENTS)]
    #[serde(deserialize_with = "list")]
    pub weight_decay: Vec<String>,
    /// deflation, subspace, direct; default deflation
    #[arg(long, value_name = "LIST", action = ArgAction::Set)]
    #[serde(deserialize_with = "list")]
    pub method: Vec<String>,
    /// samples, covariance; default samples
    #[arg(long, value_name = "LIST", action = ArgAction::Set)]
    #[serde(deserialize_with = "list")]
    pub operator: Vec<String>,
    /// sgd, momentum, adam and the others of `gradrace rules`, or the path of a rule's .toml file; default sgd
    #[arg(long, value_name = "LIST", action = ArgAction::Set)]
    #[serde(deserialize_with = "list")]
    pub optimizer: Vec<String>,
    /// plain, projected; default plain for sgd, projected for the others
    #[arg(long, value_name = "LIST", action = ArgAction::Set)]
    #[serde(deserialize_with = "list")]
    pub gradient: Vec<String>,
    /// all, cpu, cuda:0, cuda:1, wgpu:0, ...; default all
    #[arg(long, value_name = "LIST", action = ArgAction::Set)]
    #[serde(deserialize_with = "list")]
    pub device: Vec<String>,
    /// Threads of the cpu: numbers, or all; default all
    #[arg(long, value_name = "LIST", action = ArgAction::Set)]
    #[serde(deserialize_with = "list")]
    pub threads: Vec<String>,
    /// Number of components k; default 10
    #[arg(long, value_name = "LIST", action = ArgAction::Set)]
    #[serde(deserialize_with = "list")]
    pub components: Vec<String>,
    /// full, or rows of a mini-batch; default full (mlp 128)
    #[arg(long, value_name = "LIST", action = ArgAction::Set)]
    #[serde(deserialize_with = "list")]
    pub batch: Vec<String>,
    /// Passes over the samples: mlp, and pca in mini-batches; default 20
    #[arg(long, value_name = "LIST", action = ArgAction::Set)]
    #[serde(deserialize_with = "list")]
    pub epochs: Vec<String>,
    /// auto, or a rate, for pca in units of 1 / lambda; default auto
    #[arg(long, value_name = "LIST", action = ArgAction::Set)]
    #[serde(deserialize_with = "list")]
    pub learning_rate: Vec<String>,
    /// How the rate changes from step to step: constant, linear, cosine, step, onecycle, 1/sqrt(t), decay, or the path of a .toml
    /// file; default auto: constant for mlp, for pca what the rule needs
    #[arg(long, value_name = "LIST", action = ArgAction::Set)]
    #[serde(deserialize_with = "list")]
    pub schedule: Vec<String>,
    /// Steps at the start over which the rate rises along a line: a number, or a share, 5%; default 0
    #[arg(long, value_name = "LIST", action = ArgAction::Set)]
    #[serde(deserialize_with = "list")]
    pub warm_up: Vec<String>,
    /// The methods' own stopping tolerance; default 1e-6
    #[arg(long, value_name = "LIST", action = ArgAction::Set)]
    #[serde(deserialize_with = "list")]
    pub tolerance: Vec<String>,
    /// What counts as reached: the sine of the largest principal angle, default 1e-3 (mini-batches 5e-2); mlp: the test
    /// error, default 0.03
    #[arg(long, value_name = "LIST", action = ArgAction::Set)]
    #[serde(deserialize_with = "list")]
    pub target: Vec<String>,
    /// Iterations per component; default 20000
    #[arg(long, value_name = "LIST", action = ArgAction::Set)]
    #[serde(deserialize_with = "list")]
    pub max_iterations: Vec<String>,
    /// Seconds of solving; default 120
    #[arg(long, value_name = "LIST", action = ArgAction::Set)]
    #[serde(deserialize_with = "list")]
    pub time_limit: Vec<String>,
    /// Repeats; by default until the noise is low, or stable, or 1.5 s are spent
    #[arg(long, value_name = "N", action = ArgAction::Set)]
    #[serde(deserialize_with = "list")]
    pub repeats: Vec<String>,
    /// Seed of start vectors and batches; default 1
    #[arg(long, value_name = "LIST", action = ArgAction::Set)]
    #[serde(deserialize_with = "list")]
    pub seed: Vec<String>,
    /// f32, f64, tf32; default what the method has
    #[arg(long, value_name = "LIST", action = ArgAction::Set)]
    #[serde(deserialize_with = "list")]
    pub precision: Vec<String>,
    /// No flag: a block of a suite that holds the work for software adapters, with the cpu beside them, and for no other
    /// device. See [`super::suite::Suite::entries`].
    #[arg(skip)]
    pub software: bool,
}

impl Axes {
    /// The lists of flags as they were typed: each flag is one word so far.
    ///
    /// # Errors
    /// `Input` for a list of samples with a piece that continues nothing.
    pub fn from_flags(mut self) -> Result<Self> {
        for parameter in PARAMETERS {
            let flag = (parameter.list)(&mut self);
            *flag = (parameter.split)(flag)?;
        }
        Ok(self)
    }

    /// Whether these flags describe cases of their own, rather than narrow a suite to a device or a measuring time.
    pub fn describe_cases(&self) -> bool {
        let kept = Self {
            device: Vec::new(),
            threads: Vec::new(),
            repeats: Vec::new(),
            time_limit: Vec::new(),
            ..self.clone()
        };
        kept != Self::default()
    }

    /// A block of a suite under these flags: choices that the block makes itself are narrowed to those that the flags
    /// name, everything else that the flags say holds instead. `None` when no choice is left.
    pub fn narrow(&self, block: &Self) -> Option<Self> {
        let (mut flags, mut narrowed) = (self.clone(), block.clone());
        for parameter in PARAMETERS {
            let flag = (parameter.list)(&mut flags);
            let own = (parameter.list)(&mut narrowed);
            if flag.is_empty() {
                continue;
            }
            if parameter.choice && !own.is_empty() {
                own.retain(|word| flag.contains(word));
            } else {
                own.clone_from(flag);
            }
            if own.is_empty() {
                return None;
            }
        }
        Some(narrowed)
    }

    /// Every case of the crossed lists on every device of the list, or on all that are there; a software adapter takes minutes
    /// for what a GPU does in seconds, so that it takes part only where it is named. `named`: whether the devices
    /// and their threads come from the command line, where a device that is not there is an error.
    ///
    /// # Errors
    /// `Input` for an unknown name or a value that a parameter cannot have.
    pub fn entries(&self, named: bool, present: &Present<'_>) -> Result<Vec<AnyEntry>> {
        let mut devices = self.devices(present)?;
        devices.retain(|choice| choice.by_name || !choice.software);
        self.entries_on(&devices, named)
    }

    /// Every case of the crossed lists on these devices, once, in the order of the lists.
    ///
    /// # Errors
    /// As [`Axes::entries`].
    pub fn entries_on(&self, devices: &[Choice], named: bool) -> Result<Vec<AnyEntry>> {
        let repeats = match self.repeats.as_slice() {
            [] => None,
            [one] => Some(whole("repeats", one)?),
            _ => return Err(Error::input("repeats takes one number for all cases")),
        };
        let mut entries: Vec<AnyEntry> = Vec::new();
        for draft in self.drafts()? {
            for choice in devices {
                let case = Draft {
                    device: choice.spec,
                    ..draft.clone()
                };
                let case: Case<_> = case.settled();
                if entries.iter().all(|entry| entry.case != case) {
                    entries.push(Entry {
                        case,
                        repeats,
                        named: named && choice.by_name,
                    });
                }
            }
        }
        Ok(entries)
    }

    /// The crossed lists, each draft once a value, the first list slowest.
    fn drafts(&self) -> Result<Vec<Draft>> {
        let (mut axes, mut drafts) = (self.clone(), vec![Draft::default()]);
        for parameter in PARAMETERS {
            let Use::Case(set) = parameter.used else {
                continue;
            };
            let words = (parameter.list)(&mut axes);
            if words.is_empty() {
                continue;
            }
            let mut crossed = Vec::with_capacity(drafts.len() * words.len());
            for draft in &drafts {
                for word in words.iter() {
                    let mut draft = draft.clone();
                    set(&mut draft, word)?;
                    crossed.push(draft);
                }
            }
            drafts = crossed;
        }
        Ok(drafts)
    }

    /// Devices crossed with threads.
    ///
    /// # Errors
    /// `Input` for an unknown device or no number of threads.
    pub fn devices(&self, present: &Present<'_>) -> Result<Vec<Choice>> {
        choice::devices(&self.device, &self.threads, present)
    }
}

#[cfg(test)]
mod tests;
