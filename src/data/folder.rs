//! A folder with the four files of the MNIST format: training and test images with their labels.

use super::matrix::{Array, Values};
use super::path::io_error;
use super::{Elements, Samples, hash, idx, matrix, path};
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// Names of the four files, without `.gz`: training images and labels, test images and labels.
pub(super) const FILES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

/// Finds a file by its standard name, by its name with a dot before `idx` (as on some mirrors), or compressed.
pub(super) fn locate(folder: &Path, name: &str) -> Option<PathBuf> {
    let dotted = name.replace("-idx", ".idx");
    let names = [
        name.to_string(),
        dotted.clone(),
        format!("{name}.gz"),
        format!("{dotted}.gz"),
    ];
    names
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
}

/// Finds the four files of a folder, in the order of [`FILES`].
///
/// # Errors
/// `Error::Input` that names the missing files.
pub(super) fn locate_all(folder: &Path) -> Result<[PathBuf; 4]> {
    std::fs::read_dir(folder).map_err(|error| io_error(folder, &error))?;
    let found = FILES.map(|name| locate(folder, name));
    let missing: Vec<_> = FILES
        .iter()
        .zip(&found)
        .filter(|(_, path)| path.is_none())
        .map(|(name, _)| *name)
        .collect();
    let place = folder.display();
    match missing.len() {
        0 => Ok(found.map(Option::unwrap_or_default)),
        4 => Err(Error::input(format!(
            "{place}: not a folder in the MNIST format; it must hold {} (.gz or not)",
            FILES.join(", ")
        ))),
        _ => Err(Error::input(format!(
            "{place}: no {} (.gz or not); put it beside the other files",
            missing.join(", ")
        ))),
    }
}

/// Loads the training images of a folder. Reads and checks the test files too: half a data set is an error.
pub(super) fn load(folder: &Path) -> Result<Samples> {
    let [train, train_labels, test, test_labels] = locate_all(folder)?;
    let name = train.display().to_string();
    let (array, labels) = pair(&train, &train_labels)?;
    let (test, _) = pair(&test, &test_labels)?;
    if array.shape[1..] != test.shape[1..] {
        return Err(Error::input(format!(
            "{}: training and test images differ in size; use the files of one data set",
            folder.display()
        )));
    }
    let mut samples = matrix::into_samples(&name, path::base_name(folder), array)?;
    samples.unit = 1.0 / 255.0;
    samples.labels = Some(labels);
    Ok(samples)
}

/// Loads the test images of a folder.
pub(super) fn load_test(folder: &Path) -> Result<Samples> {
    let [_, _, test, test_labels] = locate_all(folder)?;
    let (array, labels) = pair(&test, &test_labels)?;
    let name = test.display().to_string();
    let mut samples = matrix::into_samples(&name, path::base_name(folder), array)?;
    samples.unit = 1.0 / 255.0;
    samples.labels = Some(labels);
    Ok(samples)
}

/// Reads images (3-d bytes) and the same number of labels (1-d bytes).
fn pair(images: &Path, labels: &Path) -> Result<(Array, Vec<u8>)> {
    let read = |path: &Path| idx::read(&path.display().to_string(), idx::open(path)?);
    let (array, label_array) = (read(images)?, read(labels)?);
    let wrong = |path: &Path, what: &str| {
        let message = format!(
            "{}: {what}; use the four files of one MNIST-format data set",
            path.display()
        );
        Err(Error::input(message))
    };
    if !matches!((&array.values, array.shape.len()), (Values::U8(_), 3)) {
        return wrong(images, "not images (3-d bytes)");
    }
    match label_array.values {
        Values::U8(values) if label_array.shape.len() == 1 => {
            match values.len() == array.shape[0] {
                true => Ok((array, values)),
                false => wrong(
                    labels,
                    &format!("{} labels for {} images", values.len(), array.shape[0]),
                ),
            }
        }
        _ => wrong(labels, "not labels (1-d bytes)"),
    }
}

/// Builds samples from n images of `side` x `side` bytes.
pub(super) fn images(spec: String, side: usize, pixels: Vec<u8>, labels: Vec<u8>) -> Samples {
    Samples {
        n: labels.len(),
        d: side * side,
        unit: 1.0 / 255.0,
        source_scale: 1.0,
        offset: Vec::new(),
        low: Vec::new(),
        labels: Some(labels),
        image: Some((side, side)),
        spec,
        sha256: hash::of_bytes(&pixels),
        elements: Elements::U8(pixels),
        known: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idx(shape: &[u32], data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, shape.len() as u8];
        shape
            .iter()
            .for_each(|side| bytes.extend_from_slice(&side.to_be_bytes()));
        bytes.extend_from_slice(data);
        bytes
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, bytes: Vec<u8>| {
            std::fs::write(folder.path().join(name), bytes).expect("a temporary file");
        };
        write(FILES[0], idx(&[3, 2, 2], &(0..12).collect::<Vec<_>>()));
        write(FILES[1], idx(&[3], &[7, 8, 9]));
        write("t10k-images.idx3-ubyte", idx(&[1, 2, 2], &[1, 2, 3, 4]));
        write(FILES[3], idx(&[1], &[5]));
        folder
    }

    #[test]
    fn training_images_come_with_their_labels() {
        let folder = folder();
        let samples = load(folder.path()).expect("four files");
        assert_eq!((samples.n, samples.d, samples.image), (3, 4, Some((2, 2))));
        assert_eq!(samples.labels.as_deref(), Some(&[7, 8, 9][..]));
        assert_eq!(samples.unit, 1.0 / 255.0);
        assert_eq!(samples.elements, Elements::U8((0..12).collect()));
        assert!(!samples.spec.contains('/'));
    }

    #[test]
    fn a_missing_or_mismatched_file_is_named() {
        let fails = |name: &str, bytes: Option<Vec<u8>>, word: &str| {
            let folder = folder();
            let path = folder.path().join(name);
            match bytes {
                Some(bytes) => std::fs::write(path, bytes).expect("a temporary file"),
                None => std::fs::remove_file(path).expect("a file to remove"),
            }
            let error = load(folder.path()).expect_err(word).to_string();
            assert!(error.contains(word), "{error}");
            assert_eq!(error.lines().count(), 1);
        };
        fails(FILES[3], None, "no t10k-labels-idx1-ubyte");
        fails(FILES[1], Some(idx(&[2], &[7, 8])), "2 labels for 3 images");
        fails(FILES[1], Some(idx(&[3, 1], &[7, 8, 9])), "not labels");
        fails(FILES[0], Some(idx(&[3, 4], &[0; 12])), "not images");
        fails(
            FILES[0],
            Some(idx(&[3, 4, 1], &(0..12).collect::<Vec<_>>())),
            "differ in size",
        );
        fails(FILES[0], Some(idx(&[3, 2, 2], &[0; 11])), "truncated");
    }
}
