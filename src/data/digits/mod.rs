//! Generated handwritten digits in ten classes, the substitute when MNIST is not available.
//!
//! They match MNIST in shape and, by design, roughly in difficulty (`draw` lists what varies), but they are not MNIST:
//! no number measured on them says anything about MNIST.
//!
//! Image i depends only on the seed and on i: the first m of n images are the same for every n, on every machine and
//! with any number of threads. Images 10 j to 10 j + 9 contain each class once, in random order.

mod draw;
#[rustfmt::skip]
mod glyphs;

use std::sync::Arc;

use super::generator::{self, Generator, Kind};
use super::keys::Keys;
use super::{Samples, folder, matrix, parallel};
use crate::error::Result;
use draw::SIDE;
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

/// How the spec is read.
pub(super) const KIND: Kind = Kind {
    name: "digits",
    usage: "digits[:n=60000,seed=1]",
    what: "digits generated from a seed, 28 x 28, ten classes; any n",
    keys: &["n", "seed"],
    parse: |keys| Ok(Arc::new(Parameters::from_keys(keys)?)),
};

/// Number of classes.
const CLASSES: usize = 10;

/// Parameters of `digits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters {
    /// Number of images.
    pub n: usize,
    /// Seed of all randomness.
    pub seed: u64,
}

impl Default for Parameters {
    fn default() -> Self {
        Parameters { n: 60_000, seed: 1 }
    }
}

impl Parameters {
    fn from_keys(keys: &Keys) -> Result<Parameters> {
        let default = Parameters::default();
        Ok(Parameters {
            n: keys
                .whole("n", 2, 1_000_000_000)?
                .map_or(default.n, |n| n as usize),
            seed: keys.whole("seed", 0, u64::MAX)?.unwrap_or(default.seed),
        })
    }
}

impl Generator for Parameters {
    fn keys(&self) -> Vec<String> {
        let default = Parameters::default();
        let n = (self.n != default.n).then(|| format!("n={}", self.n));
        let seed = (self.seed != default.seed).then(|| format!("seed={}", self.seed));
        n.into_iter().chain(seed).collect()
    }

    fn size(&self) -> (usize, usize, usize) {
        (self.n, SIDE * SIDE, 1)
    }

    fn knows_eigenpairs(&self) -> bool {
        false
    }

    fn make(&self, threads: usize) -> Result<Samples> {
        draw(*self, threads)
    }

    /// Digits drawn after the last training digit, a sixth as many.
    fn make_test(&self, threads: usize) -> Option<Result<Samples>> {
        let first_ten = self.n.div_ceil(CLASSES);
        let n = self.n.div_ceil(6).max(2);
        Some(draw_from(*self, first_ten, n, threads))
    }
}

/// Draws the images on at most `threads` threads.
///
/// # Errors
/// `Error::Input` if they do not fit in memory.
pub(super) fn draw(parameters: Parameters, threads: usize) -> Result<Samples> {
    draw_from(parameters, 0, parameters.n, threads)
}

fn draw_from(
    parameters: Parameters,
    first_ten: usize,
    n: usize,
    threads: usize,
) -> Result<Samples> {
    let seed = parameters.seed;
    let name = generator::spec(KIND.name, &parameters.keys());
    let mut pixels: Vec<u8> = matrix::zeroed(n, SIDE * SIDE, &name)?;
    let tens: Vec<_> = pixels.chunks_mut(CLASSES * SIDE * SIDE).collect();
    let labels = parallel::map(tens, threads, |ten, images| {
        let ten = first_ten + ten;
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

/// The classes of ten consecutive images.
fn order(seed: u64, ten: usize) -> [u8; CLASSES] {
    let mut classes = std::array::from_fn(|class| class as u8);
    classes.shuffle(&mut stream(seed, ((ten as u64) << 1) | 1));
    classes
}

/// One of the 2^64 independent streams of a seed.
fn stream(seed: u64, number: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    rng
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Elements;

    fn images(n: usize, seed: u64) -> (Vec<u8>, Vec<u8>) {
        let samples = draw(Parameters { n, seed }, 2).expect("small");
        match (samples.elements, samples.labels) {
            (Elements::U8(pixels), Some(labels)) => (pixels, labels),
            _ => panic!("digits are bytes with labels"),
        }
    }

    #[test]
    fn a_shorter_set_is_a_prefix_of_a_longer_one() {
        let (few, few_labels) = images(33, 5);
        let (many, many_labels) = images(120, 5);
        assert_eq!(few, many[..few.len()]);
        assert_eq!(few_labels, many_labels[..33]);
        assert_ne!(few, images(33, 6).0);
    }

    #[test]
    fn bytes_depend_on_the_seed_alone() {
        let sha = |threads| {
            draw(Parameters { n: 500, seed: 1 }, threads)
                .expect("small")
                .sha256
        };
        assert_eq!(sha(1), sha(7));
        // The bytes are part of the benchmark: they must stay the same on every machine and after every change here.
        assert_eq!(&sha(2)[..16], "98262ab8a8b80c86");
    }

    #[test]
    fn ten_consecutive_images_hold_every_class_once_in_random_order() {
        let (_, labels) = images(2000, 1);
        for ten in labels.chunks(10) {
            let mut sorted = ten.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..10).collect::<Vec<u8>>());
        }
        assert!(labels.chunks(10).any(|ten| ten != &labels[..10]));
    }

    #[test]
    fn every_image_has_ink_and_few_touch_the_border() {
        let (pixels, _) = images(2000, 1);
        let mut cut = 0;
        for image in pixels.chunks(SIDE * SIDE) {
            let ink = image.iter().filter(|&&pixel| pixel > 100).count();
            assert!((15..400).contains(&ink), "{ink} dark pixels");
            let edge = |v: usize| v == 0 || v == SIDE - 1;
            let border = |i: usize| edge(i / SIDE) || edge(i % SIDE);
            cut += usize::from((0..image.len()).any(|i| border(i) && image[i] > 100));
        }
        assert!(cut < 100, "{cut} of 2000 touch the border");
    }

    /// Accuracy on the last 500 of 3,000 images, of the nearest neighbour and of the nearest class mean among the
    /// others.
    #[test]
    fn they_are_neither_trivial_nor_unlearnable() {
        let (n, train) = (3000, 2500);
        let (pixels, labels) = images(n, 1);
        let image = |i: usize| &pixels[i * SIDE * SIDE..(i + 1) * SIDE * SIDE];
        let mut means = vec![[0.0f32; SIDE * SIDE]; CLASSES];
        for i in 0..train {
            let mean = &mut means[usize::from(labels[i])];
            mean.iter_mut()
                .zip(image(i))
                .for_each(|(m, &p)| *m += f32::from(p) / (train / CLASSES) as f32);
        }
        let to_mean = |i: usize, mean: &[f32; SIDE * SIDE]| -> f32 {
            image(i)
                .iter()
                .zip(mean)
                .map(|(&p, m)| (f32::from(p) - m).powi(2))
                .sum()
        };
        let to_image = |i: usize, j: usize| -> u32 {
            image(i)
                .iter()
                .zip(image(j))
                .map(|(&p, &q)| u32::from(p.abs_diff(q)).pow(2))
                .sum()
        };
        let (mut by_mean, mut by_neighbour) = (0, 0);
        for i in train..n {
            let mean = (0..CLASSES)
                .min_by(|&a, &b| to_mean(i, &means[a]).total_cmp(&to_mean(i, &means[b])));
            by_mean += usize::from(mean == Some(labels[i].into()));
            let neighbour = (0..train).min_by_key(|&j| to_image(i, j));
            by_neighbour += usize::from(neighbour.map(|j| labels[j]) == Some(labels[i]));
        }
        let share = |right: usize| right as f64 / (n - train) as f64;
        let (by_mean, by_neighbour) = (share(by_mean), share(by_neighbour));
        assert!((0.65..0.85).contains(&by_mean), "nearest mean: {by_mean}");
        assert!(
            (0.75..0.95).contains(&by_neighbour),
            "nearest neighbour: {by_neighbour}"
        );
    }
}
