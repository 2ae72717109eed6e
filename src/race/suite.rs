//! Suites: TOML files of cases, embedded in the program or given by path.

use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};

use super::axes::{Axes, Entry};
use super::name::unknown;

/// Name of the suite that runs when nothing is asked for.
pub const DEFAULT: &str = "quick";

/// The suites that the program brings.
const EMBEDDED: [(&str, &str); 3] = [
    ("quick", include_str!("../../benches/suites/quick.toml")),
    ("seed", include_str!("../../benches/suites/seed.toml")),
    (
        "gradients",
        include_str!("../../benches/suites/gradients.toml"),
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
            Error::input(format!("suite {name}, line {line}: {what}"))
        })
    }

    /// Its cases under the flags (see [`Axes::narrow`]), each once.
    ///
    /// # Errors
    /// `Input` when a list holds what a parameter cannot have, or when nothing is left.
    pub fn entries(&self, flags: &Axes) -> Result<Vec<Entry>> {
        // A device that the suite alone names may be missing; one from the command line may not.
        let named = !flags.device.is_empty() || !flags.threads.is_empty();
        let mut entries: Vec<Entry> = Vec::new();
        // The flags by themselves first: a wrong word is told as such, not as a choice that leaves nothing.
        flags.entries(named)?;
        for block in self.cases.iter().filter_map(|block| flags.narrow(block)) {
            for entry in block.entries(named)? {
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
}

#[cfg(test)]
mod tests {
    use super::super::axes::Words;
    use super::*;

    #[test]
    fn every_embedded_suite_parses_and_has_cases() {
        assert_eq!(Suite::list().count(), EMBEDDED.len());
        for (name, suite) in Suite::list() {
            assert!(
                suite.shows.ends_with('.'),
                "{name} says what it shows in a sentence"
            );
            assert!(
                !suite.entries(&Axes::default()).unwrap().is_empty(),
                "{name}"
            );
        }
    }

    #[test]
    fn quick_races_all_rules_by_both_methods_the_seed_job_and_direct_with_one_thread_and_all() {
        let entries = Suite::find("quick")
            .unwrap()
            .entries(&Axes::default())
            .unwrap();
        assert_eq!(entries.len(), 2 * (6 * 2 + 1 + 1));
        let ids: Vec<_> = entries.iter().map(|entry| entry.case.id("mnist")).collect();
        for id in [
            "pca/mnist/deflation/covariance/adam/k10/cpu@1/f32",
            "pca/mnist/subspace/covariance/nesterov/k10/cpu/f32",
            "pca/mnist/deflation/samples/sgd/k10/cpu@1/f32",
            "pca/mnist/direct/k10/cpu/f64",
        ] {
            assert!(
                ids.iter().any(|other| other == id),
                "{id} is not in {ids:?}"
            );
        }
    }

    #[test]
    fn flags_narrow_a_suite_down_to_nothing_with_a_word() {
        let quick = Suite::find("quick").unwrap();
        let flags = |optimizer, method| Axes {
            optimizer: Words::split(optimizer),
            method: Words::split(method),
            ..Axes::default()
        };
        let left = quick.entries(&flags("sgd,adam", "subspace")).unwrap();
        assert_eq!(left.len(), 4);
        let error = quick
            .entries(&flags("adm", "subspace"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("did you mean adam?"), "{error}");
        let components = Words::split("10");
        let none = Suite {
            shows: String::new(),
            cases: vec![],
        };
        assert!(
            none.entries(&Axes {
                components,
                ..Axes::default()
            })
            .is_err()
        );
    }

    #[test]
    fn a_file_that_is_no_suite_is_told_with_the_line() {
        let error = Suite::parse("x.toml", "shows = 'a'\n[[cases]]\noptimiser = ['sgd']\n");
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("x.toml, line 3") && error.contains("optimiser"),
            "{error}"
        );
        let error = Suite::find("quik").unwrap_err().to_string();
        assert!(error.contains("did you mean quick?"), "{error}");
        let error = Suite::find("no/such.toml").unwrap_err().to_string();
        assert!(error.contains("no/such.toml"), "{error}");
    }
}
