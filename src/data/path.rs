//! Paths of samples: their names in records, and errors for paths that cannot be read.

use std::path::Path;

use super::keys::nearest;
use crate::error::Error;

/// Names that are not paths: mnist and the generators.
const NAMES: [&str; 3] = ["mnist", "digits", "spectrum"];

/// The last component of a path, for records: never contains a folder.
pub(super) fn base_name(path: &Path) -> String {
    let resolved;
    let name = match path.file_name() {
        Some(name) => Some(name),
        // `.`, `..` and `x/..` have no last component.
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

/// The error for a path that does not exist; suggests a name that may have been meant.
pub(super) fn missing(path: &Path) -> Error {
    let text = path.display().to_string();
    let name = text.split(':').next().unwrap_or_default();
    let hint = match nearest(name, &NAMES) {
        Some(near) => format!("did you mean {near}?"),
        None => accepted(),
    };
    Error::input(format!("{text}: no such file or folder; {hint}"))
}

/// What `--data` accepts, for messages.
pub(super) fn accepted() -> String {
    format!("give {} or a path", NAMES.join(", "))
}

/// The error for a file that cannot be opened or read.
pub(super) fn io_error(path: &Path, error: &std::io::Error) -> Error {
    use std::io::ErrorKind;
    let what = match error.kind() {
        ErrorKind::NotFound => return missing(path),
        ErrorKind::PermissionDenied => {
            "no permission to read it; change its mode or copy it".to_string()
        }
        _ => format!("cannot be read ({error}); check the path and the disk"),
    };
    Error::input(format!("{}: {what}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::super::generator;
    use super::*;

    #[test]
    fn every_generator_is_among_the_names() {
        let kinds = generator::KINDS.iter().map(|kind| kind.name);
        assert!(["mnist"].into_iter().chain(kinds).eq(NAMES));
    }
}
