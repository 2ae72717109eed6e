//! Samples whose eigenpairs are known by construction, at any size.
//!
//! ```text
//! X = sqrt(n - 1) U diag(sqrt lambda) V'            n x d, rank r
//! U = P C_n[:, f_1 .. f_r]                           orthonormal and orthogonal to the ones vector
//! V = D C_d[:, g_1 .. g_r]                           orthonormal
//! C_m[j, f] = sqrt(2 / m) cos(pi (2 j + 1) f / (2 m))   the orthonormal cosine transform (DCT-II); column 0 is constant
//! ```
//!
//! P permutes the rows, D flips signs, and the frequencies f and g are drawn without repetition. No f is 0, so every
//! column of U is orthogonal to the ones vector. The column means are therefore zero, the covariance is exactly
//! `V diag(lambda) V'`, and every eigenvector is dense. Products of a few Householder reflectors would be a simpler
//! choice for U and V, but they change only as many directions as there are reflectors: the other eigenvectors would be
//! unit vectors, and X would be zero outside r columns. Each entry of U and V costs one cosine, so only X is stored: 2
//! GB at 500 x 1,000,000.
//!
//! Everything is computed in f64 and narrowed to f32 once. The cosine is our own and no multiply-add is fused, so the
//! bytes are the same on every machine.

mod cosine;
mod known;

pub use known::KnownSpectrum;

use std::sync::Arc;

use super::generator::{self, Generator, Kind};
use super::keys::Keys;
use super::{Elements, Samples, hash, matrix, parallel};
use crate::error::Result;
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

/// How the spec is read.
pub(super) const KIND: Kind = Kind {
    name: "spectrum",
    usage: "spectrum[:n=5000,d=1000,decay=0.8,rank=64,seed=1]",
    what: "synthetic, with known eigenpairs: decay is a ratio (0.8: eigenvalues 0.8^i), geometric (0.8) or power (1 / (i + 1)); \
           every eigenvalue after the rank (at most 64 by default) is 0",
    keys: &["n", "d", "decay", "rank", "seed"],
    parse: |keys| Ok(Arc::new(Parameters::from_keys(keys)?)),
};

/// Default rank, as far as n and d allow it: 0.8^64 is 6e-7, which f32 data cannot distinguish from zero.
const RANK: usize = 64;

/// How the eigenvalues fall off; the largest is 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decay {
    /// lambda_i = ratio^i; 1 makes them all equal.
    Geometric(f64),
    /// lambda_i = 1 / (i + 1).
    Power,
}

/// Parameters of `spectrum`.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    /// Number of samples.
    pub n: usize,
    /// Dimension.
    pub d: usize,
    /// How the eigenvalues fall off.
    pub decay: Decay,
    /// Number of non-zero eigenvalues; at most min(n - 1, d).
    pub rank: usize,
    /// Seed of the frequencies, the row permutation and the signs.
    pub seed: u64,
}

impl Parameters {
    fn from_keys(keys: &Keys) -> Result<Parameters> {
        let most = 1_000_000_000;
        let n = keys.whole("n", 2, most)?.unwrap_or(5000) as usize;
        let d = keys.whole("d", 1, most)?.unwrap_or(1000) as usize;
        let full = d.min(n - 1);
        let decay = match keys.text("decay") {
            None | Some("geometric") => Decay::Geometric(0.8),
            Some("power") => Decay::Power,
            Some(text) => match text.parse() {
                Ok(ratio) if ratio > 0.0 && ratio <= 1.0 => Decay::Geometric(ratio),
                _ => {
                    let must = "a ratio above 0 and up to 1, `geometric` or `power`";
                    return Err(keys.refuse("decay", must));
                }
            },
        };
        Ok(Parameters {
            n,
            d,
            decay,
            rank: keys
                .whole("rank", 1, full as u64)?
                .map_or(full.min(RANK), |rank| rank as usize),
            seed: keys.whole("seed", 0, u64::MAX)?.unwrap_or(1),
        })
    }

    /// The non-zero eigenvalues; fewer than `rank` if ratio^i underflows f64.
    fn eigenvalues(&self) -> Vec<f64> {
        let mut value = 1.0;
        let mut eigenvalues = Vec::with_capacity(self.rank);
        for i in 0..self.rank {
            match self.decay {
                // A running product: `powi` may round differently from one platform to the next.
                Decay::Geometric(ratio) => {
                    if value < f64::MIN_POSITIVE {
                        break;
                    }
                    eigenvalues.push(value);
                    value *= ratio;
                }
                Decay::Power => eigenvalues.push(1.0 / (i + 1) as f64),
            }
        }
        eigenvalues
    }
}

impl Generator for Parameters {
    fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        let mut push = |differs: bool, key: String| differs.then(|| keys.push(key));
        push(self.n != 5000, format!("n={}", self.n));
        push(self.d != 1000, format!("d={}", self.d));
        match self.decay {
            Decay::Geometric(ratio) => push(ratio != 0.8, format!("decay={ratio}")),
            Decay::Power => push(true, "decay=power".to_string()),
        };
        push(
            self.rank != self.d.min(self.n - 1).min(RANK),
            format!("rank={}", self.rank),
        );
        push(self.seed != 1, format!("seed={}", self.seed));
        keys
    }

    fn size(&self) -> (usize, usize, usize) {
        (self.n, self.d, size_of::<f32>())
    }

    fn knows_eigenpairs(&self) -> bool {
        true
    }

    fn make(&self, threads: usize) -> Result<Samples> {
        make(self, threads)
    }

    fn make_test(&self, _: usize) -> Option<Result<Samples>> {
        None
    }
}

/// Rows and columns of a tile of X. The 512 rows share one evaluation of a panel of V (r x 512 in f64 fits in L2).
const TILE: (usize, usize) = (512, 512);

/// Generates the samples on at most `threads` threads.
///
/// # Errors
/// `Error::Input` if n x d does not fit in memory.
pub(super) fn make(parameters: &Parameters, threads: usize) -> Result<Samples> {
    let &Parameters { n, d, seed, .. } = parameters;
    let eigenvalues = parameters.eigenvalues();
    let name = generator::spec(KIND.name, &parameters.keys());
    let mut x: Vec<f32> = matrix::zeroed(n, d, &name)?;

    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let draw = |rng: &mut ChaCha8Rng, from: usize, to: usize| -> Vec<usize> {
        let drawn = rand::seq::index::sample(rng, to - from, eigenvalues.len());
        drawn.into_iter().map(|f| f + from).collect()
    };
    let (f, g) = (draw(&mut rng, 1, n), draw(&mut rng, 0, d));
    let mut order: Vec<usize> = (0..n).collect();
    order.shuffle(&mut rng);
    let signs = (0..d)
        .map(|_| {
            if rand::RngExt::random(&mut rng) {
                1.0
            } else {
                -1.0
            }
        })
        .collect();
    let known = KnownSpectrum {
        eigenvalues,
        frequencies: g,
        signs,
    };

    let scale = |lambda: &f64| (lambda * (n - 1) as f64).sqrt();
    let weights: Vec<f64> = known.eigenvalues.iter().map(scale).collect();
    let tiles = tiles(&mut x, d);
    parallel::map(tiles, threads, |_, tile| {
        fill(tile, &order, &f, &weights, &known);
    });
    let sha256 = hash::of_f32(&x);
    Ok(Samples {
        n,
        d,
        elements: Elements::F32(x),
        unit: 1.0,
        source_scale: 1.0,
        offset: Vec::new(),
        low: Vec::new(),
        labels: None,
        image: None,
        spec: name,
        sha256,
        known: Some(known),
    })
}

/// A tile of X: some rows starting at `row`, each starting at `column`.
struct Tile<'a> {
    row: usize,
    column: usize,
    rows: Vec<&'a mut [f32]>,
}

/// Cuts X (row-major, d columns) into tiles.
fn tiles(x: &mut [f32], d: usize) -> Vec<Tile<'_>> {
    let mut tiles = Vec::new();
    for (block, rows) in x.chunks_mut(TILE.0 * d).enumerate() {
        let first = tiles.len();
        tiles.extend((0..d).step_by(TILE.1).map(|column| Tile {
            row: block * TILE.0,
            column,
            rows: Vec::new(),
        }));
        for row in rows.chunks_mut(d) {
            for (tile, part) in tiles[first..].iter_mut().zip(row.chunks_mut(TILE.1)) {
                tile.rows.push(part);
            }
        }
    }
    tiles
}

/// X is computed in blocks of this many rows and columns, whose 16 sums stay in registers on every instruction set.
const BLOCK: usize = 4;

/// Fills a tile with (U diag weights) V', both factors packed so that the innermost loop reads them contiguously.
fn fill(mut tile: Tile, order: &[usize], f: &[usize], weights: &[f64], known: &KnownSpectrum) {
    let (rank, width) = (f.len(), tile.rows[0].len());
    let mut v = vec![[0.0; BLOCK]; rank * width.div_ceil(BLOCK)];
    let mut row_of_v = vec![0.0; width];
    for (i, &g) in known.frequencies.iter().enumerate() {
        cosine::column(known.signs.len(), g, tile.column, &mut row_of_v);
        for (j, (value, sign)) in row_of_v.iter().zip(&known.signs[tile.column..]).enumerate() {
            v[j / BLOCK * rank + i][j % BLOCK] = value * sign;
        }
    }
    let mut u = vec![[0.0; BLOCK]; rank];
    for (block, rows) in tile.rows.chunks_mut(BLOCK).enumerate() {
        for (lane, &j) in order[tile.row + block * BLOCK..]
            .iter()
            .take(rows.len())
            .enumerate()
        {
            for ((u, &f), &weight) in u.iter_mut().zip(f).zip(weights) {
                let mut entry = [0.0];
                cosine::column(order.len(), f, j, &mut entry);
                u[lane] = weight * entry[0];
            }
        }
        for (panel, v) in v.chunks_exact(rank).enumerate() {
            let mut sums = [[0.0; BLOCK]; BLOCK];
            for (u, v) in u.iter().zip(v) {
                for (sums, u) in sums.iter_mut().zip(u) {
                    for (sum, v) in sums.iter_mut().zip(v) {
                        *sum += u * v;
                    }
                }
            }
            for (row, sums) in rows.iter_mut().zip(&sums) {
                for (x, sum) in row[panel * BLOCK..].iter_mut().zip(sums) {
                    *x = *sum as f32;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, Axis};
    use ndarray_linalg::{Eigh, UPLO};

    fn samples(keys: &str) -> Samples {
        let pairs = Keys::parse("spectrum", Some(keys), KIND.usage, KIND.keys).expect(keys);
        let parameters =
            Parameters::from_keys(&pairs).expect("the keys have values that they can have");
        make(&parameters, 2).expect(keys)
    }

    /// Covariance in f64 of the generated elements.
    fn covariance(samples: &Samples) -> Array2<f64> {
        let Elements::F32(x) = &samples.elements else {
            panic!("spectra are f32")
        };
        let x = x.iter().map(|&x| f64::from(x)).collect();
        let mut x = Array2::from_shape_vec((samples.n, samples.d), x).expect("n x d");
        let mean = x.mean_axis(Axis(0)).expect("rows");
        x -= &mean;
        x.t().dot(&x) / (samples.n - 1) as f64
    }

    #[test]
    fn eigenpairs_agree_with_lapack_on_awkward_shapes() {
        for keys in [
            "n=200,d=30",
            "n=20,d=50,decay=0.5",
            "n=2,d=7",
            "n=2,d=1",
            "n=9,d=1",
            "n=1030,d=517,rank=5",
            "n=40,d=12,decay=power,seed=9",
            "n=13,d=12,decay=1",
        ] {
            let samples = samples(keys);
            let known = samples.known.as_ref().expect("known by construction");
            let covariance = covariance(&samples);
            let (found, _) = covariance.eigh(UPLO::Lower).expect("LAPACK");
            let mut found = found.to_vec();
            found.reverse();
            for (i, value) in found.iter().enumerate() {
                let right = known.eigenvalues.get(i).copied().unwrap_or(0.0);
                assert!(
                    (value - right).abs() < 1e-6,
                    "{keys}: eigenvalue {i} is {value}, not {right}"
                );
            }
            for (i, value) in known.eigenvalues.iter().enumerate() {
                let v = ndarray::Array1::from(known.eigenvector(i));
                assert!(
                    (v.dot(&v) - 1.0).abs() < 1e-14,
                    "{keys}: length of eigenvector {i}"
                );
                let residual = covariance.dot(&v) - &v * *value;
                assert!(
                    residual.dot(&residual).sqrt() < 1e-6,
                    "{keys}: eigenvector {i}"
                );
            }
        }
    }

    #[test]
    fn column_means_are_zero_up_to_rounding() {
        let samples = samples("n=500,d=40");
        let statistics = super::super::Statistics::of(&samples, 1);
        assert!(statistics.mean.iter().all(|mean| mean.abs() < 1e-8));
    }

    #[test]
    fn bytes_depend_on_the_seed_alone() {
        let parameters = |seed| Parameters {
            n: 700,
            d: 600,
            decay: Decay::Power,
            rank: 7,
            seed,
        };
        let one = make(&parameters(4), 1).expect("small");
        let many = make(&parameters(4), 5).expect("small");
        let other = make(&parameters(5), 5).expect("small");
        assert_eq!(one.elements, many.elements);
        assert_ne!(one.sha256, other.sha256);
        // The bytes are part of the benchmark: they must stay the same on every machine and after every change here.
        assert_eq!(&one.sha256[..16], "81f705fb12c68c54");
    }

    #[test]
    fn samples_larger_than_memory_are_an_error_not_an_abort() {
        let parameters = Parameters {
            n: 1_000_000_000,
            d: 1_000_000_000,
            decay: Decay::Power,
            rank: 1,
            seed: 1,
        };
        let error = make(&parameters, 1).expect_err("4 EB").to_string();
        assert!(error.contains("memory"), "{error}");
    }
}
