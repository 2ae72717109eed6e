//! A rule's file: TOML, about ten lines.
//!
//! ```toml
//! name = "momentum"
//! about = "heavy ball: steps along a decaying sum of the gradients"
//! source = "Polyak 1964; in PyTorch's form"
//! rate = 0.05
//! parameters = { mu = 0.9 }
//! states = { v = "velocity" }
//! update = '''
//! v = mu * v + g
//! p -= rate * v
//! '''
//! ```
//!
//! `[variants.NAME]` holds another framework's form, raced as `momentum:NAME`; what it does not set is the rule's own.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use toml::Spanned;

/// The keys of a rule, and of a variant beside its name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    name: Option<Spanned<String>>,
    about: Option<String>,
    source: Option<String>,
    rate: Option<f64>,
    #[serde(default)]
    parameters: BTreeMap<Spanned<String>, f64>,
    states: Option<BTreeMap<Spanned<String>, Spanned<String>>>,
    update: Option<Spanned<String>>,
    #[serde(default)]
    variants: BTreeMap<Spanned<String>, Keys>,
}

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What, and what to do.
    pub what: String,
}

impl Fault {
    pub(super) fn at(text: &str, place: usize, what: impl Into<String>) -> Self {
        let boundary = (0..=place.min(text.len()))
            .rev()
            .find(|at| text.is_char_boundary(*at));
        let before = &text[..boundary.unwrap_or_default()];
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[start..].chars().count() + 1,
            what: what.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}, column {}: {}",
            self.line, self.column, self.what
        )
    }
}

/// How a state is treated on the sphere, where a solve moves unit vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A vector that moves with the parameters: it is kept in the tangent space.
    Velocity,
    /// A size, of squares or of absolute values: it stays as it is.
    Square,
}

/// A state of a rule: one number an element, kept from step to step.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its value before the first step.
    pub start: f64,
    /// Where the file declares it.
    pub(super) at: usize,
}

/// A rule as a file states it, before its statements are read.
#[derive(Debug, Clone)]
pub(super) struct Stated {
    pub name: String,
    pub about: String,
    pub source: String,
    pub rate: f64,
    pub parameters: Vec<(String, f64, usize)>,
    pub states: Vec<State>,
    pub update: String,
    /// First byte of the statements in the file.
    pub start: usize,
}

/// Reads a file: the rule, and its variants by their names.
///
/// # Errors
/// What is wrong and where.
pub(super) fn read(text: &str) -> Result<Vec<Stated>, Fault> {
    let keys: Keys = toml::from_str(text).map_err(|error| {
        let place = error.span().map_or(0, |span| span.start);
        Fault::at(text, place, error.message().replace('\n', " "))
    })?;
    let base = stated(text, &keys, None)?;
    let mut rules = vec![base.clone()];
    for (name, variant) in &keys.variants {
        check_name(text, name)?;
        if variant.name.is_some() || !variant.variants.is_empty() {
            let what = "a variant has neither a name of its own nor variants: remove it";
            return Err(Fault::at(text, name.span().start, what));
        }
        rules.push(stated(text, variant, Some((&base, name)))?);
    }
    Ok(rules)
}

/// Names are those of the languages that a rule becomes.
fn check_name(text: &str, name: &Spanned<String>) -> Result<(), Fault> {
    let word = name.get_ref();
    let letters = word
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if letters && word.starts_with(|c: char| c.is_ascii_lowercase()) && word.len() <= 32 {
        return Ok(());
    }
    let what = format!(
        "{word:?} is no name: a name has up to 32 of a-z, 0-9 and _, and begins with a letter"
    );
    Err(Fault::at(text, name.span().start, what))
}

/// A rule, or a variant of `base`.
fn stated(
    text: &str,
    keys: &Keys,
    base: Option<(&Stated, &Spanned<String>)>,
) -> Result<Stated, Fault> {
    let missing = |key: &str| Fault::at(text, 0, format!("the file has no {key}: add it"));
    let (name, at) = match (base, &keys.name) {
        (Some((base, name)), _) => (
            format!("{}:{}", base.name, name.get_ref()),
            name.span().start,
        ),
        (None, Some(name)) => {
            check_name(text, name)?;
            (name.get_ref().clone(), name.span().start)
        }
        (None, None) => return Err(missing("name")),
    };
    let base = base.map(|(base, _)| base);
    let mut parameters = base.map_or_else(Vec::new, |base| base.parameters.clone());
    for (name, value) in &keys.parameters {
        check_name(text, name)?;
        let own = (name.get_ref().clone(), *value, name.span().start);
        match parameters.iter_mut().find(|(of, ..)| *of == own.0) {
            Some(before) => *before = own,
            None => parameters.push(own),
        }
    }
    parameters.sort_by(|a, b| a.0.cmp(&b.0));
    let states = match (&keys.states, base) {
        (Some(states), _) => {
            let states = states.iter().map(|(name, what)| state(text, name, what));
            states.collect::<Result<_, _>>()?
        }
        (None, base) => base.map_or_else(Vec::new, |base| base.states.clone()),
    };
    let (update, start) = match (&keys.update, base) {
        (Some(update), _) => (update.get_ref().clone(), content(text, update)),
        (None, Some(base)) => (base.update.clone(), base.start),
        (None, None) => return Err(missing("update")),
    };
    let own = |value: &Option<String>, of: fn(&Stated) -> &String| {
        value.clone().or_else(|| base.map(|base| of(base).clone()))
    };
    let rate = keys.rate.or(base.map(|base| base.rate)).unwrap_or(0.01);
    if !(rate.is_finite() && rate > 0.0) {
        return Err(Fault::at(
            text,
            at,
            format!("the rate of {name} is {rate}: give a positive one"),
        ));
    }
    Ok(Stated {
        about: own(&keys.about, |base| &base.about).ok_or_else(|| missing("about"))?,
        source: own(&keys.source, |base| &base.source).unwrap_or_default(),
        name,
        rate,
        parameters,
        states,
        update,
        start,
    })
}

/// `velocity`, `square`, or either with `from` and where it starts.
fn state(text: &str, name: &Spanned<String>, what: &Spanned<String>) -> Result<State, Fault> {
    check_name(text, name)?;
    let wrong = || {
        let what = format!(
            "{:?} is no kind of state: it is \"velocity\" (moves with the parameters) or \"square\" (a size), and may \
             end with the value that it starts from, \"square from 0.1\"",
            what.get_ref()
        );
        Fault::at(text, name.span().start, what)
    };
    let (kind, start) = match what.get_ref().split_once(" from ") {
        Some((kind, start)) => (kind, start.trim().parse().map_err(|_| wrong())?),
        None => (what.get_ref().as_str(), 0.0),
    };
    let kind = match kind.trim() {
        "velocity" => Kind::Velocity,
        "square" => Kind::Square,
        _ => return Err(wrong()),
    };
    match f64::is_finite(start) {
        true => Ok(State {
            name: name.get_ref().clone(),
            kind,
            start,
            at: name.span().start,
        }),
        false => Err(wrong()),
    }
}

/// First byte of a string's content, after its quotes and the line break that TOML drops.
fn content(text: &str, string: &Spanned<String>) -> usize {
    let mut start = string.span().start;
    let quoted = &text[start..];
    let quotes = ["'''", "\"\"\"", "'", "\""];
    if let Some(quote) = quotes.iter().find(|quote| quoted.starts_with(**quote)) {
        start += quote.len();
        if quote.len() == 3 {
            let rest = &text[start..];
            start += ["\r\n", "\n"]
                .iter()
                .find(|end| rest.starts_with(**end))
                .map_or(0, |end| end.len());
        }
    }
    start
}
