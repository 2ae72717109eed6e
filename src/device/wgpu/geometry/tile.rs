//! Register tiles: the shapes of `shaders/tile.wgsl`, for products, Gram matrices and the matrix product.

use super::super::pass::{Constants, Tuning};
use super::request::{CHUNK, word};

/// Terms that a dispatch of register tiles sums on software adapters: up to four turns each, a multiple of [`CHUNK`].
const TERMS: usize = 15 * CHUNK;

/// Register tiles of a few vectors by many samples or columns.
pub(super) struct Thin {
    pub short: usize,
    pub long: usize,
}

impl Thin {
    /// Sixty-four invocations of 4 x 4 sums, whatever the shape.
    pub fn of(m: usize) -> Self {
        let short = match m {
            0..=4 => 4,
            5..=8 => 8,
            _ => 16,
        };
        Self {
            short,
            long: 1024 / short,
        }
    }

    pub fn constants(&self) -> Constants {
        vec![
            ("TILE_M", word(self.short)),
            ("TILE_N", word(self.long)),
            ("TILE_K", 16),
            ("BLOCK_M", 1),
            ("BLOCK_N", 1),
        ]
    }
}

/// Square register tiles.
pub(super) struct Square {
    tile: usize,
    block: usize,
}

impl Square {
    /// Tiles of 128 where they fill a GPU, else of 64; 8 x 8 sums an invocation.
    pub fn of(tuning: &Tuning, rows: usize, columns: usize) -> Self {
        let large = rows.min(columns) >= 1024 && tuning.memory >= 2 * 16 * 128 * 4;
        Self {
            tile: if large && !tuning.software { 128 } else { 64 },
            block: 2,
        }
    }

    pub fn constants(&self) -> Constants {
        vec![
            ("TILE_M", word(self.tile)),
            ("TILE_N", word(self.tile)),
            ("TILE_K", 16),
            ("BLOCK_M", word(self.block)),
            ("BLOCK_N", word(self.block)),
        ]
    }

    pub fn groups(&self, rows: usize, columns: usize) -> [usize; 3] {
        [columns.div_ceil(self.tile), rows.div_ceil(self.tile), 1]
    }
}

/// A part of a sum that one dispatch makes.
pub(super) struct Range {
    pub begin: usize,
    pub end: usize,
    /// Factor of the old values that it begins with.
    pub factor: f32,
}

impl Range {
    /// Turns of an invocation.
    pub fn turns(&self) -> usize {
        4 * (self.end - self.begin)
    }
}

/// Ranges of a sum of `terms`, one a dispatch; the first keeps `beta` times the old values.
pub(super) fn ranges(tuning: &Tuning, terms: usize, beta: f32) -> impl Iterator<Item = Range> {
    let longest = if tuning.software { TERMS } else { terms.max(1) };
    (0..terms).step_by(longest).map(move |begin| Range {
        begin,
        end: terms.min(begin + longest),
        factor: if begin == 0 { beta } else { 1.0 },
    })
}
