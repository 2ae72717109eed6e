//! The program as a user runs it: in a folder of its own, with no mnist and no network.
#![allow(dead_code)] // Each test file uses its part.

pub mod kept;

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use ndarray::{Array2, ArrayView2};
use ndarray_linalg::{Eigh, UPLO};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use serde_json::Value;

/// What hides the cards of CUDA, and makes the Vulkan loader find no driver, by its new name and its old one.
pub const NO_GPU: [(&str, &str); 3] = [
    ("CUDA_VISIBLE_DEVICES", ""),
    ("VK_DRIVER_FILES", "/nonexistent"),
    ("VK_ICD_FILENAMES", "/nonexistent"),
];

/// A folder to run in; removed at the end.
pub struct Place(tempfile::TempDir);

/// The cache folder of the program.
pub fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The program with these arguments, split at blanks. On Linux it finds no GPU: what a test sees does not depend on
    /// the drivers of the machine, and no driver has to start.
    pub fn program(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gradrace"));
        command
            .current_dir(self.0.path())
            .args(arguments.split_whitespace())
            .env_remove("GRADRACE_DATA")
            .env("HOME", self.0.path())
            // Shared, so that the roofs of this machine are found once. Nothing is fetched into it.
            .env("XDG_CACHE_HOME", cache())
            // A port where nobody listens: what would be fetched is at once not to be had.
            .env("HTTPS_PROXY", "http://127.0.0.1:9")
            .env("https_proxy", "http://127.0.0.1:9")
            .envs(NO_GPU)
            .timeout(std::time::Duration::from_secs(300));
        command
    }

    /// The same with the GPUs that are here.
    pub fn with_gpus(&self, arguments: &str) -> Command {
        let mut command = self.program(arguments);
        for (name, _) in NO_GPU {
            match std::env::var_os(name) {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// Runs it; the end is the caller's to judge.
    pub fn run(&self, arguments: &str) -> Assert {
        self.program(arguments).assert()
    }

    /// Runs it and expects one line of error, exit status 2, and no results.
    pub fn refuses(&self, arguments: &str, words: &[&str]) {
        let out = format!("{arguments} --out refused");
        let assert = self.run(&out).code(2).stdout("");
        let error = stderr(&assert);
        assert_eq!(error.lines().count(), 1, "{arguments}: {error}");
        assert!(error.starts_with("error: "), "{arguments}: {error}");
        for word in words {
            assert!(error.contains(word), "{arguments}: no `{word}` in: {error}");
        }
        assert!(
            !self.path("refused").exists(),
            "{arguments}: something was written"
        );
    }

    /// The records in a results folder.
    pub fn records(&self, folder: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path(folder).join("records.jsonl"));
        let text = text.expect("the records");
        text.lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    /// A matrix as a file.
    pub fn npy(&self, name: &str, x: &Array2<f64>) {
        ndarray_npy::write_npy(self.path(name), x).expect("a file");
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).expect("a file");
    }
}

pub fn stderr(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stderr.clone()).expect("text")
}

pub fn stdout(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stdout.clone()).expect("text")
}

pub fn text<'a>(record: &'a Value, name: &str) -> &'a str {
    record[name].as_str().unwrap_or_default()
}

/// Normal numbers (n x d), column j `scales[j]` wide.
pub fn normal(n: usize, scales: &[f64], seed: u64) -> Array2<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_fn((n, scales.len()), |(_, j)| {
        scales[j] * random.sample::<f64, _>(StandardNormal)
    })
}

/// Samples (200 x 20) with clear gaps between their eigenvalues.
pub fn gapped() -> Array2<f64> {
    let scales: Vec<f64> = (0..20).map(|j| 0.7f64.powi(j)).collect();
    normal(200, &scales, 7)
}

/// The covariance (divisor n - 1) of samples, after a division by `unit` that keeps 1e20 and 1e-20 in range.
pub fn covariance(x: &Array2<f64>, unit: f64) -> Array2<f64> {
    let mean = x.mean_axis(ndarray::Axis(0)).expect("rows");
    let centred = (x - &mean) / unit;
    centred.t().dot(&centred) / (x.nrows() - 1) as f64
}

/// Eigenvalues of a symmetric matrix, largest first.
pub fn eigenvalues(c: &Array2<f64>) -> Vec<f64> {
    let (values, _) = c.eigh(UPLO::Upper).expect("eigenvalues");
    values.iter().rev().copied().collect()
}

/// Largest `|C v - lambda v| / lambda_1` over the rows of `v` (k x d), and largest `|v'v - I|`.
pub fn residual(c: &Array2<f64>, v: ArrayView2<f64>) -> (f64, f64) {
    let top = eigenvalues(c)[0];
    let images = v.dot(c);
    let worst = v.outer_iter().zip(images.outer_iter()).map(|(v, image)| {
        let lambda = v.dot(&image);
        (&image - &(&v * lambda))
            .iter()
            .map(|x| x * x)
            .sum::<f64>()
            .sqrt()
            / top
    });
    let residual = worst.fold(0.0, f64::max);
    let gram = v.dot(&v.t());
    let identity = Array2::<f64>::eye(v.nrows());
    let orthogonality = (gram - identity).iter().fold(0.0f64, |m, x| m.max(x.abs()));
    (residual, orthogonality)
}

/// Components that the program wrote: in f64 where the user asked for the file, in f32 beside a record.
pub fn components(path: &Path) -> Array2<f64> {
    ndarray_npy::read_npy(path).unwrap_or_else(|_| {
        let v: Array2<f32> = ndarray_npy::read_npy(path).expect("components");
        v.mapv(f64::from)
    })
}
