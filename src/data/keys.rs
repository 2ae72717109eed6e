//! The `key=value` pairs of a spec.

use crate::error::{Error, Result};

/// The entry of `known` nearest to `word`, if it is near enough to be a plausible typo.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let distance = |known: &&str| strsim::damerau_levenshtein(&word.to_lowercase(), known);
    let near = known.iter().copied().min_by_key(|name| distance(name))?;
    (distance(&near) <= near.len().div_ceil(3) && distance(&near) < near.len()).then_some(near)
}

/// The parsed `key=value` pairs of a spec; every key is known and occurs once.
pub(super) struct Keys<'a> {
    spec: &'a str,
    usage: &'a str,
    pairs: Vec<(&'a str, &'a str)>,
}

impl<'a> Keys<'a> {
    /// Parses the keys after the name of a spec.
    ///
    /// # Errors
    /// `Error::Input` if a pair is not `key=value`, or if a key is unknown or given twice.
    pub(super) fn parse(
        spec: &'a str,
        keys: Option<&'a str>,
        usage: &'a str,
        known: &[&str],
    ) -> Result<Keys<'a>> {
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        for piece in keys.into_iter().flat_map(|keys| keys.split(',')) {
            let fail = |what: String| Err(Error::input(format!("{spec}: {what}; usage: {usage}")));
            let Some((key, value)) = piece.split_once('=') else {
                return fail(format!("`{piece}` is not key=value"));
            };
            let (key, value) = (key.trim(), value.trim());
            if !known.contains(&key) {
                let hint = nearest(key, known).map(|near| format!(", did you mean {near}?"));
                return fail(format!("no key `{key}`{}", hint.unwrap_or_default()));
            }
            if pairs.iter().any(|(earlier, _)| *earlier == key) {
                return fail(format!("{key} is given twice"));
            }
            pairs.push((key, value));
        }
        Ok(Keys { spec, usage, pairs })
    }

    /// The text of a key's value.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.pairs
            .iter()
            .find(|(k, _)| *k == key)
            .map(|(_, value)| *value)
    }

    /// The value of a key as a whole number from `least` to `most`; `None` if the key is absent.
    pub(super) fn whole(&self, key: &str, least: u64, most: u64) -> Result<Option<u64>> {
        let Some(text) = self.text(key) else {
            return Ok(None);
        };
        match text.parse() {
            Ok(value) if (least..=most).contains(&value) => Ok(Some(value)),
            _ if most == u64::MAX => Err(self.refuse(key, &format!("a whole number from {least}"))),
            _ => Err(self.refuse(key, &format!("a whole number from {least} to {most}"))),
        }
    }

    /// The error for an invalid value of a key.
    pub(super) fn refuse(&self, key: &str, must: &str) -> Error {
        let value = self.text(key).unwrap_or_default();
        Error::input(format!(
            "{}: {key} must be {must}, not `{value}`; usage: {}",
            self.spec, self.usage
        ))
    }
}
