//! What was asked for: the flags of `gradrace run` that give a case, and the id that is made of them.
//!
//! The table below is the only place that knows how a flag stands in an id. Programs read the flags; the id is for people
//! and for file names, and nothing reads it back but `upgrade`, for records from before the flags were in them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A parameter of a case.
pub(super) struct Parameter {
    /// Its flag, without the dashes.
    pub flag: &'static str,
    /// What stands before its value in an id.
    pub word: &'static str,
}

const fn parameter(flag: &'static str, word: &'static str) -> Parameter {
    Parameter { flag, word }
}

/// Every parameter, in the order of an id. The number of threads stands with its device.
pub(super) const PARAMETERS: [Parameter; 22] = [
    parameter("problem", ""),
    parameter("data", ""),
    parameter("layers", ""),
    parameter("method", ""),
    parameter("operator", ""),
    parameter("optimizer", ""),
    parameter("gradient", ""),
    parameter("batch", "batch"),
    parameter("learning-rate", "eta"),
    parameter("schedule", "schedule-"),
    parameter("warm-up", "warmup"),
    parameter("components", "k"),
    parameter("device", ""),
    parameter("precision", ""),
    parameter("weight-decay", "decay"),
    parameter("target", "target"),
    parameter("tolerance", "tol"),
    parameter("time-limit", "limit"),
    parameter("max-iterations", "iter"),
    parameter("epochs", "epochs"),
    parameter("seed", "seed"),
    parameter("standardize", "standardize-"),
];

/// Flags of `gradrace run` (without their dashes) and their values: those that give a case again, and no other. What says
/// which case it is (problem, data, method or layers, operator, optimizer, components, device, precision) is always there
/// where the case has it; everything else only where it is not the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Asked(BTreeMap<String, String>);

/// A part of a case's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The flag that it comes from.
    pub flag: &'static str,
    /// The part: `momentum`, `eta0.5`, `cpu@1`.
    pub text: String,
}

impl Asked {
    /// Sets a flag.
    pub fn set(&mut self, flag: &str, value: impl ToString) {
        self.0.insert(flag.into(), value.to_string());
    }

    /// The value of a flag, where it is there.
    pub fn get(&self, flag: &str) -> Option<&str> {
        self.0.get(flag).map(String::as_str)
    }

    /// Every flag with its value.
    pub fn flags(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// The device with its threads, as an id has it: `cpu@1`, `cpu`, `cuda:0`.
    pub fn device(&self) -> String {
        let device = self.get("device").unwrap_or_default();
        match self.get("threads") {
            Some(threads) => format!("{device}@{threads}"),
            None => device.into(),
        }
    }

    /// What the id says of this case, in its order, but for the samples.
    pub fn words(&self) -> Vec<Word> {
        let named = PARAMETERS.iter().filter(|of| of.flag != "data");
        let word = |of: &Parameter| {
            let value = self.get(of.flag)?;
            let text = match of.flag {
                "device" => self.device(),
                "layers" => value.replace(',', "-"),
                _ => format!("{}{value}", of.word),
            };
            Some(Word {
                flag: of.flag,
                text,
            })
        };
        named.filter_map(word).collect()
    }

    /// The id of the case on samples of this name.
    pub fn id(&self, samples: &str) -> String {
        let mut parts: Vec<String> = self.words().into_iter().map(|word| word.text).collect();
        parts.insert(parts.len().min(1), samples.into());
        parts.join("/")
    }
}
