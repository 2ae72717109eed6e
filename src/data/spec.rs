//! Parses the specs of `--data`: a name with keys, or a path.
//!
//! A known name wins over a file of the same name (write `./digits` for the file). Keys follow the name after a colon.
//! [`Spec`]'s `Display` prints them in a fixed order and omits defaults, so that equal samples have equal specs in
//! records.

use super::generator::Made;
use super::path::{accepted, base_name};
use crate::error::{Error, Result};
use std::path::PathBuf;

/// A parsed spec.
#[derive(Debug, Clone, PartialEq)]
pub enum Spec {
    /// The 60,000 training images of MNIST.
    Mnist,
    /// Samples that the program generates.
    Made(Made),
    /// A file or a folder.
    Path(PathBuf),
}

impl Spec {
    /// Whether the spec is a path and no folder exists there: it is a file or does not exist.
    pub fn is_file(&self) -> bool {
        matches!(self, Spec::Path(path) if !path.is_dir())
    }

    /// Parses a spec. Does not check whether a path exists.
    ///
    /// # Errors
    /// `Error::Input` if a key is unknown, given twice, or has an invalid value.
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
            _ => match Made::parse(text, name, keys) {
                Some(made) => made.map(Spec::Made),
                None => Ok(Spec::Path(PathBuf::from(text))),
            },
        }
    }
}

impl std::fmt::Display for Spec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Spec::Mnist => f.write_str("mnist"),
            Spec::Made(made) => made.fmt(f),
            Spec::Path(path) => f.write_str(&base_name(path)),
        }
    }
}

/// Splits a comma-separated list of specs. A piece `key=value` continues the spec before it, so
/// `digits:n=2000,seed=3,mnist` is two specs.
///
/// # Errors
/// `Error::Input` if a piece is empty, or if a `key=value` has no spec before it.
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
                    "--data {text}: an entry of the list is empty; {}",
                    accepted()
                );
                return Err(Error::input(message));
            }
            Some(last) if continues => {
                last.push(if last.contains(':') { ',' } else { ':' });
                last.push_str(piece);
            }
            None if continues => {
                let message = format!(
                    "--data {text}: {piece} has no name before it; {}",
                    accepted()
                );
                return Err(Error::input(message));
            }
            _ => specs.push(piece.to_string()),
        }
    }
    Ok(specs)
}

#[cfg(test)]
mod tests {
    use super::super::path::missing;
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

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
    fn unknown_names_and_keys_suggest_the_nearest_known_one() {
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
        fn any_text_gives_a_spec_or_a_one_line_error(text in "\\PC*") {
            if let Err(error) = Spec::parse(&text) {
                prop_assert_eq!(error.to_string().lines().count(), 1);
            }
        }
    }
}
