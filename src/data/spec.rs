//! The words of `--data`: names with their keys, or a path.
//!
//! A known name wins over a file of the same name (write `./digits` for the file). Keys follow the name after a colon;
//! [`Spec`]'s `Display` gives them back in a fixed order and only where they are not the default, so that equal samples
//! have equal specs in records.

use super::{digits, spectrum};
use crate::error::{Error, Result, nearest};
use std::path::{Path, PathBuf};

/// Names that are not paths.
const NAMES: [&str; 3] = ["mnist", "digits", "spectrum"];

/// A spec, parsed.
#[derive(Debug, Clone, PartialEq)]
pub enum Spec {
    /// The 60,000 training images of MNIST.
    Mnist,
    /// Digits drawn by the program.
    Digits(digits::Parameters),
    /// Samples with known eigenpairs.
    Spectrum(spectrum::Parameters),
    /// A file or a folder.
    Path(PathBuf),
}

impl Spec {
    /// Whether it is a path, and no folder is there: then it is a file, or nothing.
    pub fn is_file(&self) -> bool {
        matches!(self, Spec::Path(path) if !path.is_dir())
    }

    /// Parses a spec. Whether a path exists is not looked at.
    ///
    /// # Errors
    /// `Error::Input` when a key is unknown, given twice, or has a value that it cannot have.
    pub fn parse(text: &str) -> Result<Spec> {
        let text = text.trim();
        let (name, keys) = match text.split_once(':') {
            Some((name, keys)) => (name, Some(keys)),
            None => (text, None),
        };
        match name {
            "" => Err(Error::input(format!("--data is empty; {}", accepted()))),
            "mnist" if keys.is_some() => Err(Error::input(format!(
                "{text}: mnist takes no keys; write `mnist`"
            ))),
            "mnist" => Ok(Spec::Mnist),
            "digits" => {
                let keys = Keys::parse(text, keys, digits::USAGE, &["n", "seed"])?;
                digits::Parameters::from_keys(&keys).map(Spec::Digits)
            }
            "spectrum" => {
                let known = ["n", "d", "decay", "rank", "seed"];
                let keys = Keys::parse(text, keys, spectrum::USAGE, &known)?;
                spectrum::Parameters::from_keys(&keys).map(Spec::Spectrum)
            }
            _ => Ok(Spec::Path(PathBuf::from(text))),
        }
    }
}

impl std::fmt::Display for Spec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keyed = |name: &str, keys: Vec<String>| match keys.as_slice() {
            [] => name.to_string(),
            keys => format!("{name}:{}", keys.join(",")),
        };
        match self {
            Spec::Mnist => f.write_str("mnist"),
            Spec::Digits(parameters) => f.write_str(&keyed("digits", parameters.keys())),
            Spec::Spectrum(parameters) => f.write_str(&keyed("spectrum", parameters.keys())),
            Spec::Path(path) => f.write_str(&base_name(path)),
        }
    }
}

/// The last part of a path, for records: never a folder.
pub(super) fn base_name(path: &Path) -> String {
    let resolved;
    let name = match path.file_name() {
        Some(name) => Some(name),
        // `.`, `..` and `x/..` have no last part of their own.
        None => {
            resolved = path.canonicalize().unwrap_or_default();
            resolved.file_name()
        }
    };
    name.map_or_else(
        || "folder".to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// Splits a comma-separated list of specs; a piece `key=value` continues the name before it, so that
/// `digits:n=2000,seed=3,mnist` is two specs.
///
/// # Errors
/// `Error::Input` when a piece is empty, or when `key=value` follows no name.
pub fn split_list(text: &str) -> Result<Vec<String>> {
    let mut specs: Vec<String> = Vec::new();
    for piece in text.split(',').map(str::trim) {
        let key = piece.split_once('=').map(|(key, _)| key);
        let continues = key.is_some_and(|key| {
            !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_')
        });
        match specs.last_mut() {
            _ if piece.is_empty() => {
                let message = format!(
                    "--data {text}: a piece of the list is empty; {}",
                    accepted()
                );
                return Err(Error::input(message));
            }
            Some(last) if continues => {
                last.push(if last.contains(':') { ',' } else { ':' });
                last.push_str(piece);
            }
            None if continues => {
                let message = format!("--data {text}: {piece} follows no name; {}", accepted());
                return Err(Error::input(message));
            }
            _ => specs.push(piece.to_string()),
        }
    }
    Ok(specs)
}

/// The error for a path that is not there: perhaps a name was meant.
pub(super) fn missing(path: &Path) -> Error {
    let text = path.display().to_string();
    let name = text.split(':').next().unwrap_or_default();
    let hint = match nearest(name, &NAMES) {
        Some(near) => format!("did you mean {near}?"),
        None => accepted(),
    };
    Error::input(format!("{text}: no such file or folder; {hint}"))
}

fn accepted() -> String {
    format!("give {} or a path", NAMES.join(", "))
}

/// The `key=value` pairs of a spec, each key known and given once.
pub(super) struct Keys<'a> {
    spec: &'a str,
    usage: &'a str,
    pairs: Vec<(&'a str, &'a str)>,
}

impl<'a> Keys<'a> {
    fn parse(
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

    /// The value of a key, as it is written.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.pairs
            .iter()
            .find(|(k, _)| *k == key)
            .map(|(_, value)| *value)
    }

    /// A whole number between `least` and `most`.
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

    /// The error for a value that a key cannot have.
    pub(super) fn refuse(&self, key: &str, must: &str) -> Error {
        let value = self.text(key).unwrap_or_default();
        Error::input(format!(
            "{}: {key} must be {must}, not `{value}`; usage: {}",
            self.spec, self.usage
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(spec: &str) -> String {
        Spec::parse(spec).expect_err(spec).to_string()
    }

    #[test]
    fn a_piece_key_value_continues_the_spec_before_it() {
        let split = |text| split_list(text).expect(text);
        assert_eq!(split("mnist"), ["mnist"]);
        assert_eq!(
            split("digits:n=20,seed=3,mnist"),
            ["digits:n=20,seed=3", "mnist"]
        );
        assert_eq!(split("digits,n=20, seed=3"), ["digits:n=20,seed=3"]);
        assert_eq!(split("a.npy,./run=3.npy"), ["a.npy", "./run=3.npy"]);
        assert!(split_list("n=3,mnist").is_err());
        assert!(split_list("mnist,,digits").is_err());
        assert!(split_list("").is_err());
    }

    #[test]
    fn equal_samples_have_equal_specs() {
        for (text, canonical) in [
            ("mnist", "mnist"),
            ("digits", "digits"),
            ("digits:seed=1,n=60000", "digits"),
            ("digits:seed=3,n=20", "digits:n=20,seed=3"),
            ("spectrum:decay=geometric", "spectrum"),
            (
                "spectrum:decay=power,d=9,n=7",
                "spectrum:n=7,d=9,decay=power",
            ),
            ("some/folder/x.npy", "x.npy"),
        ] {
            assert_eq!(Spec::parse(text).expect(text).to_string(), canonical);
        }
    }

    #[test]
    fn unknown_words_get_the_nearest_known_one() {
        assert!(message("digits:sede=3").contains("did you mean seed?"));
        assert!(message("digits:q=3").contains("usage: digits"));
        assert!(message("digits:n=-3").contains("whole number"));
        assert!(message("digits:n=3,n=4").contains("twice"));
        assert!(message("digits:n").contains("not key=value"));
        assert!(message("spectrum:decay=2").contains("decay must be"));
        assert!(message("mnist:n=3").contains("no keys"));
        assert!(
            missing(Path::new("mnits"))
                .to_string()
                .contains("did you mean mnist?")
        );
        assert!(
            missing(Path::new("digit:n=3"))
                .to_string()
                .contains("did you mean digits?")
        );
        assert!(
            missing(Path::new("data.npy"))
                .to_string()
                .contains("give mnist, digits")
        );
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_parses_parses_again(text in "(digits|spectrum|mnist|[a-z./]*)[:,=a-z0-9.]{0,20}") {
            let _ = split_list(&text);
            match Spec::parse(&text) {
                Ok(Spec::Path(_)) | Err(_) => {}
                Ok(spec) => prop_assert_eq!(Spec::parse(&spec.to_string()).ok(), Some(spec)),
            }
        }

        #[test]
        fn any_text_is_an_answer_or_one_line(text in "\\PC*") {
            if let Err(error) = Spec::parse(&text) {
                prop_assert_eq!(error.to_string().lines().count(), 1);
            }
        }
    }
}
