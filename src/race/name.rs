//! The words of the command line, of suites and of case ids: one table per enum, one parser.

use crate::data::Standardize;
use crate::error::{Error, Result, nearest};
use crate::optimizer::{Rule, Schedule};
use crate::pca::{Gradient, Method, OperatorKind};

/// A choice that has a name.
pub trait Named: Copy + PartialEq + 'static {
    /// What is chosen, as the command line calls it.
    const WHAT: &'static str;
    /// Every choice with its name.
    const ALL: &'static [(&'static str, Self)];

    /// The name.
    ///
    /// # Panics
    /// When the table lacks the choice: a bug here.
    fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, value)| *value == self);
        found.expect("the table holds every choice").0
    }

    /// The choice of that name.
    ///
    /// # Errors
    /// `Input` with the nearest name and what is accepted.
    fn parse(text: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|(name, _)| *name == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            unknown(
                Self::WHAT,
                text,
                &Self::ALL.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            )
        })
    }
}

/// The error for a name that is not known: what is nearest, and what is accepted.
pub fn unknown(what: &str, text: &str, accepted: &[&str]) -> Error {
    let hint = match nearest(text, accepted) {
        Some(near) => format!("did you mean {near}? "),
        None => String::new(),
    };
    Error::input(format!(
        "unknown {what} `{text}`: {hint}accepted: {}",
        accepted.join(", ")
    ))
}

impl Named for Method {
    const WHAT: &'static str = "method";
    const ALL: &'static [(&'static str, Self)] = &[
        ("deflation", Self::Deflation),
        ("subspace", Self::Subspace),
        ("direct", Self::Direct),
    ];
}

impl Named for OperatorKind {
    const WHAT: &'static str = "operator";
    const ALL: &'static [(&'static str, Self)] =
        &[("samples", Self::Samples), ("covariance", Self::Covariance)];
}

impl Named for Gradient {
    const WHAT: &'static str = "gradient";
    const ALL: &'static [(&'static str, Self)] =
        &[("plain", Self::Plain), ("projected", Self::Projected)];
}

/// The rule of that name, or the one in that file: a path that ends in `.toml`, with a variant after a colon.
///
/// # Errors
/// `Input` with the nearest name and what is accepted, or with what is wrong in the file and where.
pub fn rule(text: &str) -> Result<Rule> {
    if let Some(file) = File::of(text) {
        let rules = Rule::read(&file.path, &file.text("rule")?)?;
        return file.choice("rule", &rules, Rule::name);
    }
    Rule::find(text).ok_or_else(|| {
        let names: Vec<&str> = Rule::shipped().iter().map(|rule| rule.name()).collect();
        let error = unknown("optimizer", text, &names);
        Error::input(format!("{error}, or the path of a rule's .toml file"))
    })
}

/// The schedule of that name, or the one in that file, with a variant after a colon; `auto` is `None`.
///
/// # Errors
/// As [`rule`].
pub fn schedule(text: &str) -> Result<Option<Schedule>> {
    if text == "auto" {
        return Ok(None);
    }
    if let Some(file) = File::of(text) {
        let schedules = Schedule::read(&file.path, &file.text("schedule")?)?;
        return file
            .choice("schedule", &schedules, Schedule::name)
            .map(Some);
    }
    Schedule::find(text).map(Some).ok_or_else(|| {
        let mut names = vec!["auto"];
        names.extend(Schedule::shipped().iter().map(|known| known.name()));
        let error = unknown("schedule", text, &names);
        Error::input(format!("{error}, or the path of a schedule's .toml file"))
    })
}

/// A file of the user's that a word names: a path that ends in `.toml`, and `:variant` or nothing.
struct File<'a> {
    path: String,
    variant: &'a str,
}

impl<'a> File<'a> {
    /// The file that a word names, where it names one.
    fn of(word: &'a str) -> Option<Self> {
        let (stem, variant) = word.rsplit_once(".toml")?;
        let path = format!("{stem}.toml");
        Some(Self { path, variant })
    }

    fn text(&self, what: &str) -> Result<String> {
        let path = &self.path;
        std::fs::read_to_string(path).map_err(|e| {
            Error::input(format!(
                "cannot read the {what} {path}: {e}: give a file's path, or a {what}'s name"
            ))
        })
    }

    /// Of what the file holds, its first or the named variant of that.
    fn choice<T: Copy>(&self, what: &str, all: &[T], name: fn(T) -> &'static str) -> Result<T> {
        let names: Vec<&str> = all.iter().map(|one| name(*one)).collect();
        let wanted = format!("{}{}", names[0], self.variant);
        let place = names.iter().position(|name| *name == wanted);
        place.map(|place| all[place]).ok_or_else(|| {
            let (path, names) = (&self.path, names.join(", "));
            Error::input(format!("{path} has no {what} {wanted}: it has {names}"))
        })
    }
}

impl Named for Standardize {
    const WHAT: &'static str = "standardize";
    const ALL: &'static [(&'static str, Self)] = &[
        ("auto", Self::Auto),
        ("none", Self::None),
        ("columns", Self::Columns),
    ];
}

/// What is solved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// Top principal components.
    Pca,
    /// A multilayer perceptron classifier.
    Mlp,
}

impl Named for ProblemKind {
    const WHAT: &'static str = "problem";
    const ALL: &'static [(&'static str, Self)] = &[("pca", Self::Pca), ("mlp", Self::Mlp)];
}

/// Precision of the arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// 32-bit floats.
    F32,
    /// 64-bit floats.
    F64,
    /// Tensor cores on 19-bit inputs.
    Tf32,
}

impl Named for Precision {
    const WHAT: &'static str = "precision";
    const ALL: &'static [(&'static str, Self)] =
        &[("f32", Self::F32), ("f64", Self::F64), ("tf32", Self::Tf32)];
}

/// Kind of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The processor.
    Cpu,
    /// NVIDIA, through CUDA.
    Cuda,
    /// Any GPU, through wgpu.
    Wgpu,
}

impl Named for Kind {
    const WHAT: &'static str = "device";
    const ALL: &'static [(&'static str, Self)] = &[
        ("cpu", Self::Cpu),
        ("cuda", Self::Cuda),
        ("wgpu", Self::Wgpu),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_found_by_its_name_and_kerass_by_tensorflows() {
        for shipped in Rule::shipped() {
            assert_eq!(rule(shipped.name()).unwrap(), *shipped);
        }
        let name = rule("adam:tensorflow").unwrap().name();
        assert_eq!(name, "adam:keras");
    }

    #[test]
    fn an_unknown_name_is_told_the_nearest_and_what_is_accepted() {
        let error = rule("adm").unwrap_err().to_string();
        assert!(
            error.contains("did you mean adam?") && error.contains("rmsprop"),
            "{error}"
        );
        let error = Method::parse("zzz").unwrap_err().to_string();
        assert!(
            !error.contains("did you mean") && error.contains("subspace"),
            "{error}"
        );
    }
}
