//! Training and test samples of a classifier; no sample is in both.

use super::{Elements, Request, Samples, Spec, folder, mnist};
use crate::error::{Error, Result};
use crate::machine;
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

/// Default share of a file's rows that become its test set (`--test-fraction`).
pub const TEST_FRACTION: f64 = 1.0 / 6.0;
/// Seed of the random choice of those rows; fixed, so that the results of different runs can be compared.
const SEED: u64 = 1;

/// Training and test samples.
#[derive(Debug, Clone)]
pub struct Split {
    /// Samples to train on.
    pub train: Samples,
    /// Samples to measure the test error on.
    pub test: Samples,
}

/// Splits loaded samples into training and test samples.
///
/// `mnist` and folders in its format bring test images. For `digits`, the test set is the next n / 6 images. Of a file,
/// a random share of the rows is held back (`fraction`, by default a sixth).
///
/// # Errors
/// `Input` if there are no labels, if a fraction is given for samples that bring their own test set, or if it leaves
/// too few samples.
pub fn split(samples: Samples, request: &Request, fraction: Option<f64>) -> Result<Split> {
    let spec = samples.spec.clone();
    if samples.labels.is_none() {
        return Err(Error::input(format!(
            "{spec} has no labels, which a classifier needs; give one whole number per sample with --labels FILE"
        )));
    }
    let own = match Spec::parse(&spec) {
        Ok(Spec::Mnist) => Some(mnist::load_test(
            request.data_dir.as_deref(),
            request.quiet,
        )?),
        Ok(Spec::Made(made)) => made.make_test(machine::cores()).transpose()?,
        _ => match Spec::parse(&request.spec) {
            Ok(Spec::Path(path)) if path.is_dir() => Some(folder::load_test(&path)?),
            _ => None,
        },
    };
    match (own, fraction) {
        (Some(_), Some(_)) => Err(Error::input(format!(
            "{spec} brings its own test set; leave out --test-fraction"
        ))),
        (Some(test), None) => Ok(Split {
            train: samples,
            test,
        }),
        (None, fraction) => hold_back(samples, fraction.unwrap_or(TEST_FRACTION)),
    }
}

/// Splits off the last `count` training samples as a validation set, on which learning rates are tuned.
///
/// # Errors
/// `Input` if fewer than two training samples remain.
pub fn validation(train: &Samples, count: usize) -> Result<Split> {
    let kept = train.n.saturating_sub(count);
    if kept < 2 || count < 2 {
        return Err(Error::input(format!(
            "{}: {} samples are too few to hold back {count} for validation",
            train.spec, train.n
        )));
    }
    Ok(Split {
        train: rows(train, &(0..kept).collect::<Vec<_>>()),
        test: rows(train, &(kept..train.n).collect::<Vec<_>>()),
    })
}

fn hold_back(samples: Samples, fraction: f64) -> Result<Split> {
    let n = samples.n;
    let count = (n as f64 * fraction).round() as usize;
    if count < 1 || n - count.min(n) < 2 {
        return Err(Error::input(format!(
            "test fraction {fraction}: {} has {n} samples, and both parts need some; give a --test-fraction between 0 and 1",
            samples.spec
        )));
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(SEED));
    let (test, train) = order.split_at_mut(count);
    train.sort_unstable();
    test.sort_unstable();
    Ok(Split {
        train: rows(&samples, train),
        test: rows(&samples, test),
    })
}

/// The samples of the chosen rows, in the given order.
fn rows(samples: &Samples, chosen: &[usize]) -> Samples {
    fn pick<T: Copy>(elements: &[T], d: usize, chosen: &[usize]) -> Vec<T> {
        let row = |&i: &usize| elements[i * d..(i + 1) * d].iter().copied();
        chosen.iter().flat_map(row).collect()
    }
    let elements = match &samples.elements {
        Elements::U8(x) => Elements::U8(pick(x, samples.d, chosen)),
        Elements::F32(x) => Elements::F32(pick(x, samples.d, chosen)),
    };
    Samples {
        n: chosen.len(),
        labels: samples
            .labels
            .as_ref()
            .map(|labels| pick(labels, 1, chosen)),
        elements,
        low: match samples.low.is_empty() {
            true => Vec::new(),
            false => pick(&samples.low, samples.d, chosen),
        },
        known: None,
        offset: samples.offset.clone(),
        spec: samples.spec.clone(),
        sha256: samples.sha256.clone(),
        ..*samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::load;

    fn request(spec: &str) -> Request {
        Request {
            spec: spec.into(),
            quiet: true,
            ..Request::default()
        }
    }

    #[test]
    fn test_digits_continue_the_training_digits_and_differ_from_them() {
        let request = request("digits:n=600,seed=3");
        let Split { train, test } = split(load(&request).unwrap(), &request, None).unwrap();
        assert_eq!((train.n, test.n, test.d), (600, 100, 784));
        let (Elements::U8(train), Elements::U8(test)) = (&train.elements, &test.elements) else {
            panic!("digits are bytes");
        };
        let seen = |image: &[u8]| train.chunks(784).any(|other| other == image);
        assert!(!test.chunks(784).any(seen));
    }

    #[test]
    fn a_part_of_a_file_is_held_back_and_every_row_is_in_one_part() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (x, y) = (folder.path().join("x.csv"), folder.path().join("y.csv"));
        let numbers: String = (0..30).map(|i| format!("{i},{}\n", i * i)).collect();
        std::fs::write(&x, numbers).unwrap();
        std::fs::write(
            &y,
            (0..30).map(|i| format!("{}\n", i % 3)).collect::<String>(),
        )
        .unwrap();
        let request = Request {
            labels: Some(y),
            ..request(&x.display().to_string())
        };
        let parts = split(load(&request).unwrap(), &request, Some(0.2)).unwrap();
        assert_eq!((parts.train.n, parts.test.n), (24, 6));
        let mut all = Vec::new();
        for part in [&parts.train, &parts.test] {
            let mut row = [0.0; 2];
            for (i, label) in part.labels.as_ref().unwrap().iter().enumerate() {
                part.row_f64(i, &mut row);
                let value = row[0] / part.source_scale + part.offset.first().unwrap_or(&0.0);
                assert_eq!(value.round() as u8 % 3, *label);
                all.push(value.round() as usize);
            }
        }
        all.sort_unstable();
        assert_eq!(all, (0..30).collect::<Vec<_>>());
        let none = split(load(&request).unwrap(), &request, Some(0.001));
        assert!(none.unwrap_err().to_string().contains("--test-fraction"));
    }

    #[test]
    fn samples_without_labels_are_refused_with_the_remedy() {
        let request = request("spectrum:n=50,d=4");
        let error = split(load(&request).unwrap(), &request, None).unwrap_err();
        assert!(error.to_string().contains("--labels"), "{error}");
    }
}
