//! Suites: TOML files of cases, embedded in the program or given by path.

use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};

use super::axes::Axes;
use super::choice::{Choice, Present};
use super::name::{Kind, unknown};
use super::task::AnyEntry;

pub mod write;

/// Name of the suite that runs when nothing is asked for.
pub const DEFAULT: &str = "quick";

/// The suites that the program brings.
const EMBEDDED: [(&str, &str); 9] = [
    ("quick", include_str!("../../../benches/suites/quick.toml")),
    (
        "standard",
        include_str!("../../../benches/suites/standard.toml"),
    ),
    ("scale", include_str!("../../../benches/suites/scale.toml")),
    ("seed", include_str!("../../../benches/suites/seed.toml")),
    (
        "optimizers",
        include_str!("../../../benches/suites/optimizers.toml"),
    ),
    ("lecun", include_str!("../../../benches/suites/lecun.toml")),
    (
        "gradients",
        include_str!("../../../benches/suites/gradients.toml"),
    ),
    (
        "variants",
        include_str!("../../../benches/suites/variants.toml"),
    ),
    (
        "batches",
        include_str!("../../../benches/suites/batches.toml"),
    ),
];

/// A suite: what it shows, and blocks of lists that are crossed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// What it is meant to show, in a sentence.
    pub shows: String,
    /// The blocks.
    pub cases: Vec<Axes>,
}

impl Suite {
    /// The embedded suites by name, with what each shows.
    pub fn list() -> impl Iterator<Item = (&'static str, Suite)> {
        // A test holds that they parse.
        EMBEDDED
            .iter()
            .filter_map(|(name, text)| Some((*name, Self::parse(name, text).ok()?)))
    }

    /// The suite of that name, or in that file: what has a slash or ends in `.toml` is a file.
    ///
    /// # Errors
    /// `Input` when there is none, or the file is no suite.
    pub fn find(name: &str) -> Result<Self> {
        if name.contains(['/', '\\']) || name.ends_with(".toml") {
            let text = std::fs::read_to_string(Path::new(name)).map_err(|e| {
                Error::input(format!(
                    "suite {name}: {e}: give the path of a TOML file of cases"
                ))
            })?;
            return Self::parse(name, &text);
        }
        match EMBEDDED.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => Self::parse(name, text),
            None => {
                let names: Vec<&str> = EMBEDDED.iter().map(|(name, _)| *name).collect();
                let error = unknown("suite", name, &names);
                Err(Error::input(format!(
                    "{error}, or the path of a .toml file"
                )))
            }
        }
    }

    fn parse(name: &str, text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|e| {
            let before = e
                .span()
                .map_or("", |span| text.get(..span.start).unwrap_or_default());
            let line = before.matches('\n').count() + 1;
            let what = e.message().replace('\n', " ");
            let what = match unknown_key(&what) {
                Some(error) => error.to_string(),
                None => what,
            };
            Error::input(format!("suite {name}, line {line}: {what}"))
        })
    }

    /// Its cases under the flags (see [`Axes::narrow`]), each once.
    ///
    /// A software adapter never runs what is meant for a GPU: it would take minutes for nothing. It has the blocks that
    /// say `software = true`, in which the cpu runs beside it, and no hardware; where no software adapter is among the
    /// devices, such a block has no cases. In a suite without such a block it runs only when it is asked for by name.
    ///
    /// # Errors
    /// `Input` when a list holds what a parameter cannot have, or when nothing is left.
    pub fn entries(&self, flags: &Axes, present: &Present<'_>) -> Result<Vec<AnyEntry>> {
        // A device that the suite alone names may be missing; one from the command line may not.
        let named = !flags.device.is_empty() || !flags.threads.is_empty();
        let mut entries: Vec<AnyEntry> = Vec::new();
        // The flags by themselves first: a wrong word is told as such, not as a choice that leaves nothing.
        flags.entries(named, present)?;
        for block in self.cases.iter().filter_map(|block| flags.narrow(block)) {
            let devices = self.devices(&block, present)?;
            for entry in block.entries_on(&devices, named)? {
                if entries.iter().all(|other| other.case != entry.case) {
                    entries.push(entry);
                }
            }
        }
        if entries.is_empty() {
            return Err(Error::input(
                "the flags leave no case of the suite: loosen them, or leave out the suite's name to build cases from \
                 them alone",
            ));
        }
        Ok(entries)
    }

    /// The devices of a block, those taken out that have no place in it.
    fn devices(&self, block: &Axes, present: &Present<'_>) -> Result<Vec<Choice>> {
        let mut devices = block.devices(present)?;
        if block.software {
            devices.retain(|choice| choice.software || choice.spec.kind == Kind::Cpu);
            if devices.iter().all(|choice| !choice.software) {
                devices.clear();
            }
        } else {
            let own_block = self.cases.iter().any(|block| block.software);
            devices.retain(|choice| !choice.software || (choice.by_name && !own_block));
        }
        Ok(devices)
    }
}

/// The error for a key that no suite has, with the nearest that one has, read off the parser's message: ``unknown field
/// `x`, expected one of `a`, `b` ``.
fn unknown_key(message: &str) -> Option<Error> {
    let mut words = message.strip_prefix("unknown field `")?.split('`');
    let key = words.next()?;
    let accepted: Vec<&str> = words.skip(1).step_by(2).collect();
    Some(unknown("key", key, &accepted))
}

#[cfg(test)]
mod tests;
