//! `--labels FILE`: one class per row, 0 to 255.

use super::matrix::Values;
use super::{Samples, file};
use crate::error::{Error, Result};
use std::path::Path;

/// Replaces the labels of the samples by those of a file, if one is given.
pub(super) fn attach(mut samples: Samples, path: Option<&Path>) -> Result<Samples> {
    if let Some(path) = path {
        samples.labels = Some(load(path, samples.n)?);
    }
    Ok(samples)
}

/// Reads `n` labels from an .npy, .csv or idx file that holds one row or one column of whole numbers.
fn load(path: &Path, n: usize) -> Result<Vec<u8>> {
    let fail = |what: String| {
        let next = "give one whole number from 0 to 255 per sample";
        Error::input(format!("--labels {}: {what}; {next}", path.display()))
    };
    let array = file::read(path)?;
    if array.shape.iter().filter(|&&side| side != 1).count() > 1 {
        let sides: Vec<_> = array.shape.iter().map(usize::to_string).collect();
        return Err(fail(format!("{} values are not a list", sides.join(" x "))));
    }
    let label = |(i, value): (usize, f64)| match value {
        whole if (0.0..=255.0).contains(&whole) && whole.fract() == 0.0 => Ok(whole as u8),
        other => Err(fail(format!("label {i} (counted from 0) is {other}"))),
    };
    let origin = match array.origin.is_empty() {
        true => vec![0.0],
        false => array.origin,
    };
    let labels: Vec<u8> = match array.values {
        Values::U8(labels) => labels,
        Values::F32(values) => values
            .into_iter()
            .map(f64::from)
            .enumerate()
            .map(label)
            .collect::<Result<_>>()?,
        // A list is one row or one column, so the origin has as many entries or just one.
        Values::F64(values) => values
            .into_iter()
            .zip(origin.iter().cycle())
            .map(|(value, origin)| value + origin)
            .enumerate()
            .map(label)
            .collect::<Result<_>>()?,
    };
    if labels.len() != n {
        return Err(fail(format!("{} labels for {n} samples", labels.len())));
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(name: &str, bytes: &[u8]) -> Result<Vec<u8>> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("a temporary file");
        load(&path, 3)
    }

    #[test]
    fn a_column_a_row_and_an_idx_file_are_lists() {
        let idx = [0, 0, 8, 1, 0, 0, 0, 3, 4, 0, 255];
        for (name, bytes) in [
            ("y.csv", &b"label\n4\n0\n255\n"[..]),
            ("y.csv", b"4,0,255.0"),
            ("y", &idx),
        ] {
            assert_eq!(labels(name, bytes).expect(name), [4, 0, 255]);
        }
    }

    #[test]
    fn invalid_labels_are_named() {
        for (bytes, word) in [
            (&b"1\n2\n"[..], "2 labels for 3 samples"),
            (b"1\n2\n256\n", "label 2 (counted from 0) is 256"),
            (b"1\n0.5\n2\n", "label 1 (counted from 0) is 0.5"),
            (b"1\nnan\n2\n", "NaN"),
            (
                b"1\n2\n36893488147419103232\n",
                "label 2 (counted from 0) is 3689348814741910",
            ),
            (b"1,2\n3,4\n5,6\n", "3 x 2 values are not a list"),
        ] {
            let error = labels("y.csv", bytes).expect_err(word).to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
