//! Column statistics, in f64, by fixed tiles: the same for any number of threads.
//!
//! Bytes need one pass: sums and squares are exact integers. Real numbers need two: the first sums `x - x_0` (the first
//! row, so that a constant column is exactly constant whatever its value), the second corrects that mean by the mean of
//! what is left of it and sums squares of numbers that are already centred. So a mean of 1e4 against a deviation
//! of 1 costs nothing, an outlier in the first row neither, and 1e-20 and 1e20 are as good as 1 (f32 squares fit in
//! f64). No temporary is larger than 64 rows of accumulators. Residues ([`Samples::low`]) are part of the numbers.

use super::{Elements, Samples, parallel};
use crate::machine::Isa;
use std::ops::Range;

/// From this dimension on, tiles are panels of columns (one accumulator a column in all); below it, blocks of rows.
const WIDE: usize = 8192;
/// Columns in a panel of wide data.
const PANEL: usize = 1024;
/// Largest number of row blocks.
const BLOCKS: usize = 64;
/// Fewest rows in a block, so that small data are not all overhead.
const BLOCK_ROWS: usize = 256;

/// Statistics of the samples in element units, computed in f64.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// Column means, length d.
    pub mean: Vec<f64>,
    /// Column variances, divisor n - 1, length d.
    pub variance: Vec<f64>,
    /// Largest |x - mean| over all elements.
    pub max_deviation: f64,
}

impl Statistics {
    /// Statistics of all the samples, on at most `threads` threads; their number does not change a bit of the answer.
    pub fn of(samples: &Samples, threads: usize) -> Statistics {
        match &samples.elements {
            Elements::U8(x) => of_bytes(x, samples.n, samples.d, threads),
            Elements::F32(x) if samples.low.is_empty() => {
                of_reals(&x[..], samples.n, samples.d, threads)
            }
            Elements::F32(x) => {
                let whole = WithLow {
                    high: x,
                    low: &samples.low,
                };
                of_reals(&whole, samples.n, samples.d, threads)
            }
        }
    }
}

/// Real numbers, row-major, widened to f64 as they are read.
pub(super) trait Reals: Sync {
    /// Those at these places.
    fn at(&self, places: Range<usize>) -> impl Iterator<Item = f64>;
}

impl<T: Copy + Into<f64> + Sync> Reals for [T] {
    fn at(&self, places: Range<usize>) -> impl Iterator<Item = f64> {
        self[places].iter().map(|&x| x.into())
    }
}

/// Elements with their residues, see [`Samples::low`].
struct WithLow<'a> {
    high: &'a [f32],
    low: &'a [f32],
}

impl Reals for WithLow<'_> {
    fn at(&self, places: Range<usize>) -> impl Iterator<Item = f64> {
        let pairs = self.high[places.clone()].iter().zip(&self.low[places]);
        pairs.map(|(&high, &low)| f64::from(high) + f64::from(low))
    }
}

/// A block of rows of a panel of columns.
#[derive(Clone)]
struct Tile {
    rows: Range<usize>,
    columns: Range<usize>,
}

/// Tiles that cover n x d, panel by panel, rows in order. They depend on n and d only.
fn tiles(n: usize, d: usize) -> Vec<Tile> {
    let (rows, columns) = match d {
        WIDE.. => (n, PANEL),
        _ => (BLOCK_ROWS.max(n.div_ceil(BLOCKS)), d),
    };
    let mut tiles = Vec::new();
    for column in (0..d).step_by(columns.max(1)) {
        for row in (0..n).step_by(rows) {
            tiles.push(Tile {
                rows: row..n.min(row + rows),
                columns: column..d.min(column + columns),
            });
        }
    }
    tiles
}

/// Runs `partial` on every tile and adds the results, in order, to `total` by `add`.
fn reduce<P: Send>(
    (n, d): (usize, usize),
    threads: usize,
    partial: impl Fn(&Tile) -> P + Sync,
    mut add: impl FnMut(Range<usize>, P),
) {
    let tiles = tiles(n, d);
    let partials = parallel::map(tiles.clone(), threads, |_, tile| partial(&tile));
    for (tile, partial) in tiles.into_iter().zip(partials) {
        add(tile.columns, partial);
    }
}

/// Integer sums of one column.
#[derive(Clone, Copy)]
struct ByteSums {
    sum: u64,
    square: u64,
    least: u8,
    most: u8,
}

fn of_bytes(x: &[u8], n: usize, d: usize, threads: usize) -> Statistics {
    let zero = ByteSums {
        sum: 0,
        square: 0,
        least: u8::MAX,
        most: 0,
    };
    let mut columns = vec![zero; d];
    let add = |range: Range<usize>, sums: Vec<ByteSums>| {
        for (total, s) in columns[range].iter_mut().zip(sums) {
            total.sum += s.sum;
            total.square += s.square;
            total.least = total.least.min(s.least);
            total.most = total.most.max(s.most);
        }
    };
    reduce((n, d), threads, |tile| sum_bytes(x, d, tile), add);

    let (rows, pairs) = (n as f64, n as f64 * (n as f64 - 1.0));
    let mut statistics = Statistics {
        mean: Vec::with_capacity(d),
        variance: Vec::with_capacity(d),
        max_deviation: 0.0,
    };
    for c in columns {
        let mean = c.sum as f64 / rows;
        // n sum x^2 - (sum x)^2 is exact in u128, where both terms may exceed 2^64.
        let spread = n as u128 * u128::from(c.square) - u128::from(c.sum).pow(2);
        let deviation = (f64::from(c.most) - mean).max(mean - f64::from(c.least));
        statistics.mean.push(mean);
        statistics.variance.push(spread as f64 / pairs);
        statistics.max_deviation = statistics.max_deviation.max(deviation);
    }
    statistics
}

/// Sums of a tile, with AVX2 where the processor has it: twice as fast as the compiler's baseline.
fn sum_bytes(x: &[u8], d: usize, tile: &Tile) -> Vec<ByteSums> {
    #[cfg(target_arch = "x86_64")]
    if Isa::available().contains(&Isa::Avx2) {
        #[target_feature(enable = "avx2")]
        fn with_avx2(x: &[u8], d: usize, tile: &Tile) -> Vec<ByteSums> {
            sum_bytes_inlined(x, d, tile)
        }
        // SAFETY: AVX2, the only feature that the function asks for, has just been found.
        return unsafe { with_avx2(x, d, tile) };
    }
    sum_bytes_inlined(x, d, tile)
}

/// Sums of a tile. Inner loops run along a row over arrays of one kind each, which is what compilers vectorise; u16
/// sums hold 257 bytes, u32 squares 66,051, so they are emptied every 256 rows.
#[inline(always)]
fn sum_bytes_inlined(x: &[u8], d: usize, tile: &Tile) -> Vec<ByteSums> {
    let width = tile.columns.len();
    let (mut sum, mut square) = (vec![0u64; width], vec![0u64; width]);
    let (mut least, mut most) = (vec![u8::MAX; width], vec![0u8; width]);
    let (mut sum_16, mut square_32) = (vec![0u16; width], vec![0u32; width]);
    let rows: Vec<usize> = tile.rows.clone().collect();
    for block in rows.chunks(256) {
        sum_16.fill(0);
        square_32.fill(0);
        for &i in block {
            let row = &x[i * d + tile.columns.start..i * d + tile.columns.end];
            for (s, &x) in sum_16.iter_mut().zip(row) {
                *s += u16::from(x);
            }
            for (s, &x) in square_32.iter_mut().zip(row) {
                *s += u32::from(u16::from(x) * u16::from(x));
            }
            for ((low, high), &x) in least.iter_mut().zip(&mut most).zip(row) {
                *low = x.min(*low);
                *high = x.max(*high);
            }
        }
        for (total, &s) in sum.iter_mut().zip(&sum_16) {
            *total += u64::from(s);
        }
        for (total, &s) in square.iter_mut().zip(&square_32) {
            *total += u64::from(s);
        }
    }
    (0..width)
        .map(|j| ByteSums {
            sum: sum[j],
            square: square[j],
            least: least[j],
            most: most[j],
        })
        .collect()
}

/// Statistics of finite real numbers, n x d, row-major, n >= 1.
pub(super) fn of_reals<R: Reals + ?Sized>(x: &R, n: usize, d: usize, threads: usize) -> Statistics {
    let rows = n as f64;
    let part = |i: usize, tile: &Tile| x.at(i * d + tile.columns.start..i * d + tile.columns.end);
    let pilot: Vec<f64> = x.at(0..d).collect();
    let mut mean = vec![0.0; d];
    let (mut least, mut most) = (pilot.clone(), pilot.clone());
    let first_pass = |tile: &Tile| {
        let pilot = &pilot[tile.columns.clone()];
        let mut sum = vec![0.0; pilot.len()];
        let (mut least, mut most) = (pilot.to_vec(), pilot.to_vec());
        for i in tile.rows.clone() {
            for ((s, x), p) in sum.iter_mut().zip(part(i, tile)).zip(pilot) {
                *s += x - p;
            }
            for ((low, high), x) in least.iter_mut().zip(&mut most).zip(part(i, tile)) {
                *low = if x < *low { x } else { *low };
                *high = if x > *high { x } else { *high };
            }
        }
        (sum, least, most)
    };
    reduce((n, d), threads, first_pass, |range, (sum, low, high)| {
        for (j, k) in range.enumerate() {
            mean[k] += sum[j];
            least[k] = if low[j] < least[k] { low[j] } else { least[k] };
            most[k] = if high[j] > most[k] { high[j] } else { most[k] };
        }
    });
    for (m, p) in mean.iter_mut().zip(&pilot) {
        *m = p + *m / rows;
    }

    let (mut rest, mut square) = (vec![0.0; d], vec![0.0; d]);
    let second_pass = |tile: &Tile| {
        let mean = &mean[tile.columns.clone()];
        let (mut rest, mut square) = (vec![0.0; mean.len()], vec![0.0; mean.len()]);
        for i in tile.rows.clone() {
            let sums = rest.iter_mut().zip(&mut square);
            for (((r, s), x), m) in sums.zip(part(i, tile)).zip(mean) {
                let c = x - m;
                *r += c;
                *s += c * c;
            }
        }
        (rest, square)
    };
    reduce((n, d), threads, second_pass, |range, (r, s)| {
        for (j, k) in range.enumerate() {
            rest[k] += r[j];
            square[k] += s[j];
        }
    });

    let mut max_deviation: f64 = 0.0;
    for j in 0..d {
        let (low, high) = (least[j], most[j]);
        // The mean of numbers lies among them; the clamp keeps a constant column exactly constant after rounding.
        mean[j] = (mean[j] + rest[j] / rows).clamp(low, high);
        max_deviation = max_deviation.max(high - mean[j]).max(mean[j] - low);
        // Sums that overflow leave no mean, and `max` passes over what is not a number.
        if mean[j].is_nan() {
            max_deviation = f64::INFINITY;
        }
    }
    let variance = rest
        .iter()
        .zip(&square)
        .map(|(r, s)| ((s - r * r / rows) / (rows - 1.0)).max(0.0))
        .collect();
    Statistics {
        mean,
        variance,
        max_deviation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and variance by the textbook's two passes, of values given as integers times `unit` plus `shift`.
    fn exact(column: &[i64], unit: f64, shift: f64) -> (f64, f64) {
        let n = column.len() as i128;
        let sum: i128 = column.iter().map(|&x| i128::from(x)).sum();
        let square: i128 = column.iter().map(|&x| i128::from(x).pow(2)).sum();
        let mean = sum as f64 / n as f64 * unit + shift;
        let variance = (n * square - sum * sum) as f64 / (n * (n - 1)) as f64 * unit * unit;
        (mean, variance)
    }

    fn integers(n: usize, d: usize) -> Vec<i64> {
        let mut state = 7u64;
        (0..n * d)
            .map(|_| {
                state = state
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                (state >> 56) as i64
            })
            .collect()
    }

    fn column(x: &[i64], d: usize, j: usize) -> Vec<i64> {
        x.iter().skip(j).step_by(d).copied().collect()
    }

    #[test]
    fn bytes_are_summed_exactly() {
        for (n, d) in [(2, 1), (300, 5), (70_000, 3), (3, 9000)] {
            let integers = integers(n, d);
            let bytes: Vec<u8> = integers.iter().map(|&x| x as u8).collect();
            let statistics = of_bytes(&bytes, n, d, 2);
            let mut largest: f64 = 0.0;
            for j in 0..d {
                let column = column(&integers, d, j);
                let (mean, variance) = exact(&column, 1.0, 0.0);
                assert_eq!(
                    (statistics.mean[j], statistics.variance[j]),
                    (mean, variance)
                );
                let far = column.iter().map(|&x| (x as f64 - mean).abs());
                largest = far.fold(largest, f64::max);
            }
            assert_eq!(statistics.max_deviation, largest);
        }
    }

    #[test]
    fn a_full_column_of_255_does_not_overflow() {
        let statistics = of_bytes(&vec![255; 140_000], 140_000, 1, 1);
        assert_eq!((statistics.mean[0], statistics.variance[0]), (255.0, 0.0));
        assert_eq!(statistics.max_deviation, 0.0);
    }

    #[test]
    fn reals_survive_shifts_and_scales() {
        let (n, d) = (5000, 4);
        let integers = integers(n, d);
        for (unit, shift) in [
            (1.0, 0.0),
            (0.0078125, 1e4),
            (2f64.powi(-75), 0.0),
            (2f64.powi(60), 0.0),
        ] {
            let x: Vec<f32> = integers
                .iter()
                .map(|&x| (x as f64 * unit + shift) as f32)
                .collect();
            let statistics = of_reals(&x[..], n, d, 2);
            for j in 0..d {
                // 1e4 + m / 128 is a multiple of the spacing of f32 near 1e4, so nothing was rounded.
                let (mean, variance) = exact(&column(&integers, d, j), unit, shift);
                assert!((statistics.mean[j] - mean).abs() <= 1e-14 * mean.abs());
                assert!((statistics.variance[j] - variance).abs() <= 1e-12 * variance);
            }
        }
    }

    #[test]
    fn an_outlier_in_the_first_row_does_not_spoil_the_mean() {
        let x: Vec<f64> = (0..1000).map(|i| if i == 0 { 1e15 } else { 0.5 }).collect();
        let mean = of_reals(&x[..], 1000, 1, 1).mean[0];
        let right = (1e15 + 999.0 * 0.5) / 1000.0;
        assert!((mean - right).abs() <= 1e-15 * right, "{mean} {right}");
    }

    #[test]
    fn a_constant_column_has_no_deviation() {
        let x = [0.1f64, 7.3, 0.1, 7.3, 0.1, 7.3];
        let statistics = of_reals(&x[..], 3, 2, 1);
        assert_eq!(statistics.mean, [0.1, 7.3]);
        assert_eq!(statistics.variance, [0.0, 0.0]);
        assert_eq!(statistics.max_deviation, 0.0);
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        for (n, d) in [(3000, 7), (9, 20_000)] {
            let x: Vec<f32> = integers(n, d).iter().map(|&x| (x as f32).sqrt()).collect();
            let one = of_reals(&x[..], n, d, 1);
            assert!(
                [2, 3, 16]
                    .iter()
                    .all(|&threads| of_reals(&x[..], n, d, threads) == one)
            );
        }
    }
}
