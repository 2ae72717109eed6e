//! Chooses the reader for a path. A file is recognised by its first bytes; only `.csv` needs its extension.

use super::matrix::{self, Array};
use super::path::io_error;
use super::{Samples, csv, folder, idx, npy, path};
use crate::error::{Error, Result};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// Loads samples from a file, or from a folder in the MNIST format.
pub(super) fn load(path: &Path) -> Result<Samples> {
    let facts = std::fs::metadata(path).map_err(|error| io_error(path, &error))?;
    match facts.is_dir() {
        true => folder::load(path),
        false => matrix::into_samples(
            &path.display().to_string(),
            path::base_name(path),
            read(path)?,
        ),
    }
}

/// Reads the array in a file, whatever its format.
pub(super) fn read(path: &Path) -> Result<Array> {
    let name = path.display().to_string();
    let failed = |error| io_error(path, &error);
    let facts = std::fs::metadata(path).map_err(failed)?;
    if !facts.is_file() {
        return Err(Error::input(format!(
            "{name}: not a file; give an .npy, .csv or idx file"
        )));
    }
    let has_extension = |known: &str| {
        path.extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case(known))
    };
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(8).read_to_end(&mut start))
        .map_err(failed)?;
    if start.starts_with(npy::MAGIC) || has_extension("npy") {
        let file = BufReader::new(File::open(path).map_err(failed)?);
        npy::read(&name, file, facts.len())
    } else if has_extension("csv") {
        csv::read(&name, File::open(path).map_err(failed)?)
    } else if start.starts_with(idx::GZIP) || idx::recognise(&start) || name.contains("idx") {
        idx::read(&name, idx::open(path)?)
    } else if has_extension("gz") {
        Err(Error::input(format!(
            "{name}: named .gz but not gzip-compressed; fetch or copy it again"
        )))
    } else {
        let next = "convert it, or name a text file .csv";
        Err(Error::input(format!(
            "{name}: not recognised as .npy, .csv or idx; {next}"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Elements, hash};

    fn with_file<R>(name: &str, bytes: &[u8], check: impl Fn(&Path) -> R) -> R {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("a temporary file");
        check(&path)
    }

    #[test]
    fn file_values_are_kept_and_the_spec_is_the_base_name() {
        let samples = with_file("x.csv", b"a,b\n1,5\n3,5\n", load).expect("two rows");
        assert_eq!((samples.n, samples.d, samples.unit), (2, 2, 1.0));
        assert_eq!(samples.spec, "x.csv");
        assert_eq!(samples.offset, [2.0, 5.0]);
        assert_eq!(samples.sha256, hash::of_bytes(b"a,b\n1,5\n3,5\n"));
        let bytes = [0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 1, 3, 9];
        let samples = with_file("anything", &bytes, load).expect("idx by its bytes");
        assert_eq!(samples.elements, Elements::U8(vec![3, 9]));
        assert_eq!((samples.unit, samples.image), (1.0, None));
    }

    #[test]
    fn unreadable_files_are_refused_with_one_line() {
        for (name, bytes, word) in [
            ("x.npy", &b"no numbers"[..], "not an .npy file"),
            ("x.txt", b"1,2\n3,4\n", "name a text file .csv"),
            ("x.gz", b"no gzip", "not gzip"),
            ("x.gz", b"\x1f\x8bno gzip either", "gzip"),
            ("x-idx3-ubyte", b"\x01\x02\x03\x04", "wrong magic"),
            ("empty.npy", b"", "not an .npy file"),
            ("empty.csv", b"", "empty"),
        ] {
            let error = with_file(name, bytes, load).expect_err(word).to_string();
            assert!(error.contains(word), "{error}");
            assert_eq!(error.lines().count(), 1);
        }
        let error = load(Path::new("nowhere/x.npy"))
            .expect_err("nowhere")
            .to_string();
        assert!(error.contains("no such file"), "{error}");
    }
}
