//! Matrix products that skip the zeros of A.
//!
//! Four of five pixels of MNIST are 0, and a network's first layer does nine tenths of its arithmetic on pixels. Four rows
//! of op(A) are packed together: of each term (a column of op(A)) that is not 0 in all four, its number and its four
//! values. A register tile of C, four rows by two vectors, then runs over those terms alone. Of MNIST that leaves 39 % of
//! the terms for four random images (the forward product), and 28 % for four neighbouring pixels (the weights' gradient).
//! The sum of a tile has the order of the terms, and tiles are the same whatever the number of threads: so are the bits.
//!
//! What is skipped is a zero times an element of B: an infinity there does not make a NaN.

use std::ops::Range;

use crate::device::Gemm;
use crate::device::cpu::cores::Cores;
use crate::device::cpu::scratch::Shared;
use crate::device::cpu::vector::{Vector, per_isa};
use crate::machine::Isa;

/// Rows of C of a tile: more rows share fewer zeros, fewer rows do less per element of B.
const ROWS: usize = 4;
/// Vectors of a tile: eight sums, just enough to hide the latency of a multiply-add, and few enough to stay in sixteen registers.
const VECTORS: usize = 2;
/// Rows and terms that are packed at once: what a block keeps of them stays in the second cache while all columns pass over it.
const BLOCK: [usize; 2] = [256, 1024];
/// Groups of rows that are looked at before the way is chosen.
const PROBES: usize = 8;
/// Share of the terms that are not skipped, above which a dense product is faster.
const DENSE: f64 = 0.6;

/// Packed rows of op(A) of a worker, and some columns of B; kept between products.
#[derive(Default)]
pub struct Packed {
    /// Where the terms of each group begin, and of the last, end.
    starts: Vec<usize>,
    terms: Vec<u32>,
    /// ROWS values a term.
    values: Vec<f32>,
    /// The columns of B of a tile, padded with 0.
    panel: Vec<f32>,
    /// Terms left out of the current product, each once a row.
    skipped: usize,
}

/// A as the product sees it: element (i, t) of op(A).
#[derive(Clone, Copy)]
struct Operand<'a> {
    data: &'a [f32],
    stride: usize,
    transposed: bool,
    /// Rows and terms.
    m: usize,
    k: usize,
}

/// Whether enough of A is zero that [`multiply`] beats a dense product: of rows all over A, as many as a look costs nothing.
pub fn pays(gemm: &Gemm, a: &[f32]) -> bool {
    if gemm.transpose_b || gemm.m < ROWS {
        return false;
    }
    let a = Operand::new(gemm, a);
    let groups = gemm.m / ROWS;
    let probes = groups.min(PROBES);
    let kept: usize = (0..probes)
        .map(|probe| a.terms_of_group(groups * probe / probes * ROWS))
        .sum();
    (kept as f64) < DENSE * (probes * gemm.k) as f64
}

/// `C = alpha op(A) B + beta C`, rows split over the pool.
pub fn multiply(cores: &mut Cores, gemm: &Gemm, a: &[f32], b: &[f32], c: &mut [f32]) {
    let Gemm {
        m,
        n,
        k,
        alpha,
        beta,
        ..
    } = *gemm;
    assert!(a.len() >= m * k && b.len() >= k * n && c.len() >= m * n);
    let a = Operand::new(gemm, a);
    let (isa, scratch, c) = (cores.isa, &cores.sparse, Shared::new(c));
    cores.pool.split(m, ROWS, &|worker, rows| {
        let mut scratch = scratch[worker].lock().expect("one worker, one scratch");
        for first in (0..k).step_by(BLOCK[1]) {
            let terms = first..k.min(first + BLOCK[1]);
            for row in rows.clone().step_by(BLOCK[0]) {
                let rows = row..rows.end.min(row + BLOCK[0]);
                let product = Product {
                    b: &b[terms.start * n..terms.end * n],
                    n,
                    k: terms.len(),
                    alpha,
                    beta: if first == 0 { beta } else { 1.0 },
                    c: c.at(row * n),
                    rows: rows.len(),
                };
                scratch.pack(isa, a, rows, terms.clone());
                // SAFETY: the shapes were asserted, a worker writes its own rows of C, and the instruction set was checked
                // when the device was opened.
                unsafe { tiles(isa, &product, &mut scratch) };
            }
        }
    });
    for packed in &cores.sparse {
        let mut packed = packed.lock().expect("no worker runs");
        cores.skipped_flops += 2.0 * (std::mem::take(&mut packed.skipped) * n) as f64;
    }
}

impl<'a> Operand<'a> {
    fn new(gemm: &Gemm, data: &'a [f32]) -> Self {
        let transposed = gemm.transpose_a;
        Self {
            data,
            stride: if transposed { gemm.m } else { gemm.k },
            transposed,
            m: gemm.m,
            k: gemm.k,
        }
    }

    fn at(self, row: usize, term: usize) -> f32 {
        if self.transposed {
            self.data[term * self.stride + row]
        } else {
            self.data[row * self.stride + term]
        }
    }

    /// Terms that are not 0 in all ROWS rows from `row` on.
    fn terms_of_group(self, row: usize) -> usize {
        let zero = |term: &usize| (row..row + ROWS).all(|row| self.at(row, *term) == 0.0);
        self.k - (0..self.k).filter(zero).count()
    }
}

impl Packed {
    /// Packs these terms of the groups of these rows.
    fn pack(&mut self, isa: Isa, a: Operand<'_>, rows: Range<usize>, block: Range<usize>) {
        let most = rows.len().div_ceil(ROWS) * block.len();
        if self.terms.len() < most {
            self.terms.resize(most, 0);
            self.values.resize(most * ROWS, 0.0);
        }
        self.starts.clear();
        let (mut at, end) = (0, rows.end);
        for row in rows.step_by(ROWS) {
            let before = at;
            self.starts.push(at);
            let (terms, values) = (&mut self.terms[at..], &mut self.values[at * ROWS..]);
            // SAFETY: the instruction set was checked when the device was opened.
            unsafe { pack(isa, a, row, block.clone(), terms, values, &mut at) };
            self.skipped += (block.len() - (at - before)) * ROWS.min(end - row);
        }
        self.starts.push(at);
    }
}

per_isa! {
    /// Packs one group of rows and moves `at` on by its terms.
    unsafe fn pack(a: Operand<'_>, row: usize, block: Range<usize>, terms: &mut [u32], values: &mut [f32], at: &mut usize) = pack_body;
}

#[inline(always)]
unsafe fn pack_body<V: Vector>(
    a: Operand<'_>,
    row: usize,
    block: Range<usize>,
    terms: &mut [u32],
    values: &mut [f32],
    at: &mut usize,
) {
    assert!(terms.len() >= block.len() && values.len() >= block.len() * ROWS);
    let (terms, values) = (
        terms.as_mut_ptr(),
        values.as_mut_ptr().cast::<[f32; ROWS]>(),
    );
    let mut kept = 0;
    // Written always and kept by moving on: a branch would be mispredicted at every edge of a digit.
    let mut keep = |term: usize, x: [f32; ROWS]| {
        // SAFETY: at most one is kept a term, and there is room for all.
        unsafe {
            *terms.add(kept) = term as u32;
            *values.add(kept) = x;
        }
        let any = x.iter().fold(0, |any, x| any | x.to_bits()) << 1 != 0;
        kept += usize::from(any);
    };
    if row + ROWS > a.m {
        let value = |row, term| if row < a.m { a.at(row, term) } else { 0.0 };
        for (number, term) in block.enumerate() {
            keep(number, std::array::from_fn(|i| value(row + i, term)));
        }
    } else if a.transposed {
        let part = &a.data[block.start * a.stride..block.end * a.stride];
        for (number, x) in part.chunks_exact(a.stride).enumerate() {
            // SAFETY: row + ROWS <= m, the length of a chunk.
            keep(number, unsafe { *x.as_ptr().add(row).cast() });
        }
    } else {
        let rows: [&[f32]; ROWS] =
            std::array::from_fn(|i| &a.data[(row + i) * a.stride..][block.clone()]);
        #[allow(clippy::needless_range_loop)] // One element of each row.
        for number in 0..block.len() {
            keep(number, std::array::from_fn(|i| rows[i][number]));
        }
    }
    *at += kept;
}

/// A block of a product: these rows and terms.
struct Product<'a> {
    /// k x n.
    b: &'a [f32],
    n: usize,
    k: usize,
    alpha: f32,
    beta: f32,
    /// `rows` x n.
    c: *mut f32,
    rows: usize,
}

per_isa! {
    unsafe fn tiles(product: &Product<'_>, scratch: &mut Packed) = tiles_body;
}

#[inline(always)]
unsafe fn tiles_body<V: Vector>(product: &Product<'_>, scratch: &mut Packed) {
    let Product { b, n, k, .. } = *product;
    let wide = VECTORS * V::LANES;
    if scratch.panel.len() < k * wide {
        scratch.panel.resize(k * wide, 0.0);
    }
    let groups = scratch.starts.len() - 1;
    for column in (0..n).step_by(wide) {
        let columns = wide.min(n - column);
        // Rows of B lie too far apart for the cache to fetch them ahead, and all groups pass over them.
        for (panel, b) in scratch.panel.chunks_exact_mut(wide).zip(b.chunks_exact(n)) {
            let b = &b[column..][..columns];
            if columns == wide {
                panel.copy_from_slice(b);
            } else {
                panel[..columns].copy_from_slice(b);
                panel[columns..].fill(0.0);
            }
        }
        for group in 0..groups {
            let range = scratch.starts[group]..scratch.starts[group + 1];
            let tile = Tile {
                terms: &scratch.terms[range.clone()],
                values: &scratch.values[range.start * ROWS..range.end * ROWS],
                row: group * ROWS,
                column,
                columns,
            };
            // SAFETY: terms are under k, the number of rows of the panel.
            unsafe {
                if columns > V::LANES {
                    tile.run::<V, VECTORS>(product, scratch.panel.as_ptr(), wide);
                } else {
                    tile.run::<V, 1>(product, scratch.panel.as_ptr(), wide);
                }
            }
        }
    }
}

/// A tile of C: ROWS rows, at most VECTORS vectors.
struct Tile<'a> {
    terms: &'a [u32],
    values: &'a [f32],
    row: usize,
    column: usize,
    columns: usize,
}

impl Tile<'_> {
    /// # Safety
    /// `b` has a row of N vectors, `stride` apart, for every term; the product's C has the tile.
    #[inline(always)]
    unsafe fn run<V: Vector, const N: usize>(
        &self,
        product: &Product<'_>,
        b: *const f32,
        stride: usize,
    ) {
        // SAFETY: the caller's promise; a partial tile is stored through an array.
        unsafe {
            let mut sums = [[V::splat(0.0); N]; ROWS];
            for (term, values) in self.terms.iter().zip(self.values.chunks_exact(ROWS)) {
                let row = b.add(*term as usize * stride);
                let mut x = [V::splat(0.0); N];
                for (j, x) in x.iter_mut().enumerate() {
                    *x = V::load(row.add(j * V::LANES));
                }
                for (value, sums) in values.iter().zip(&mut sums) {
                    let value = V::splat(*value);
                    for (x, sum) in x.iter().zip(sums) {
                        *sum = V::fma(value, *x, *sum);
                    }
                }
            }
            let rows = ROWS.min(product.rows - self.row);
            for (i, sums) in sums.iter().enumerate().take(rows) {
                let c = product.c.add((self.row + i) * product.n + self.column);
                if self.columns == N * V::LANES {
                    store::<V, N>(sums, product, c);
                } else {
                    let mut padded = [0.0f32; VECTORS * 16];
                    std::ptr::copy_nonoverlapping(c, padded.as_mut_ptr(), self.columns);
                    store::<V, N>(sums, product, padded.as_mut_ptr());
                    std::ptr::copy_nonoverlapping(padded.as_ptr(), c, self.columns);
                }
            }
        }
    }
}

/// # Safety
/// `c` has room for N vectors.
#[inline(always)]
unsafe fn store<V: Vector, const N: usize>(sums: &[V::F; N], product: &Product<'_>, c: *mut f32) {
    let (alpha, beta) = (product.alpha, product.beta);
    for (j, sum) in sums.iter().enumerate() {
        // SAFETY: the caller's promise.
        unsafe {
            let c = c.add(j * V::LANES);
            let old = if beta == 0.0 {
                V::splat(0.0)
            } else {
                V::fma(V::splat(beta), V::load(c), V::splat(0.0))
            };
            V::store(c, V::fma(V::splat(alpha), *sum, old));
        }
    }
}

#[cfg(test)]
mod tests;
