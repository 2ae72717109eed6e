//! Ten classes of digits drawn by the program: what there is where MNIST is not.
//!
//! They have MNIST's shape and much of its character, not its content: no figure measured on them is a figure on
//! MNIST. As hard as it by choice: see `draw` for what varies.
//!
//! Image i depends on the seed and on i alone: the first m of n images are the same for every n, on every machine and
//! for any number of threads. Every ten images in a row, from a multiple of ten on, have each class once, in random order.

mod draw;
#[rustfmt::skip]
mod glyphs;

use super::spec::{Keys, Spec};
use super::{Samples, folder, matrix, parallel};
use crate::error::Result;
use draw::SIDE;
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

/// The spec with its keys and their defaults.
pub(super) const USAGE: &str = "digits[:n=60000,seed=1]";

/// Number of classes.
const CLASSES: usize = 10;

/// What `digits` is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters {
    /// Number of images.
    pub n: usize,
    /// Seed of everything that varies.
    pub seed: u64,
}

impl Default for Parameters {
    fn default() -> Self {
        Parameters { n: 60_000, seed: 1 }
    }
}

impl Parameters {
    pub(super) fn from_keys(keys: &Keys) -> Result<Parameters> {
        let default = Parameters::default();
        Ok(Parameters {
            n: keys
                .whole("n", 2, 1_000_000_000)?
                .map_or(default.n, |n| n as usize),
            seed: keys.whole("seed", 0, u64::MAX)?.unwrap_or(default.seed),
        })
    }

    /// The keys that are not the default.
    pub(super) fn keys(&self) -> Vec<String> {
        let default = Parameters::default();
        let n = (self.n != default.n).then(|| format!("n={}", self.n));
        let seed = (self.seed != default.seed).then(|| format!("seed={}", self.seed));
        n.into_iter().chain(seed).collect()
    }
}

/// Draws the images, on at most `threads` threads.
///
/// # Errors
/// `Error::Input` when they do not fit in memory.
pub(super) fn draw(parameters: Parameters, threads: usize) -> Result<Samples> {
    let Parameters { n, seed } = parameters;
    let name = Spec::Digits(parameters).to_string();
    let mut pixels: Vec<u8> = matrix::zeroed(n, SIDE * SIDE, &name)?;
    let tens: Vec<_> = pixels.chunks_mut(CLASSES * SIDE * SIDE).collect();
    let labels = parallel::map(tens, threads, |ten, images| {
        let classes = order(seed, ten);
        for (i, image) in images.chunks_mut(SIDE * SIDE).enumerate() {
            let mut rng = stream(seed, ((ten * CLASSES + i) as u64) << 1);
            draw::draw(classes[i].into(), &mut rng, image);
        }
        classes
    });
    let mut labels = labels.concat();
    labels.truncate(n);
    Ok(folder::images(name, SIDE, pixels, labels))
}

/// The classes of ten images in a row.
fn order(seed: u64, ten: usize) -> [u8; CLASSES] {
    let mut classes = std::array::from_fn(|class| class as u8);
    classes.shuffle(&mut stream(seed, ((ten as u64) << 1) | 1));
    classes
}

/// One of 2^64 independent streams of a seed.
fn stream(seed: u64, number: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    rng
}
