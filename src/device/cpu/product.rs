//! `g = beta g + w_out sum_i w_in (y_i . v) y_i`: the product of the operator `samples`, reading X once.
//!
//! Three shapes of the same sum:
//! - one column: groups of rows are centred into a tile that stays in the first cache while their projections are
//!   summed, then the tile is added to g: a byte is widened once, a row read from memory once;
//! - many columns: tiles of [`TILE_ROWS`] rows in the second cache, then two small matrix products in register tiles;
//! - rows longer than [`LONG_ROW`]: two passes over panels of columns, since no block of rows fits a cache.
//!
//! Sums over rows run in f32 for at most [`FLUSH_ROWS`] rows, then go into f64: an f32 sum over 60,000 rows would put the
//! floor of the residual at several 1e-6.

use std::ops::Range;

use super::Cpu;
use super::matmul::{TILE_ROWS, project, tile_stride, update};
use super::vector::{Vector, per_isa};

/// Rows beyond this many elements take the panel path.
const LONG_ROW: usize = 16_384;
/// Columns of a panel in that path: 16 KiB of v, which the first cache holds.
const PANEL: usize = 4096;
/// Rows summed in f32 before they go into f64.
const FLUSH_ROWS: usize = 256;
/// Rows of a group with one column: floats are centred twice, eight rows in registers; bytes, dearer to widen, are centred
/// once into a tile of four rows.
const GROUP_F32: usize = 8;
const GROUP_U8: usize = 4;

/// An element of the samples.
pub trait Sample: Copy + Send + Sync + 'static {
    /// Whether centred rows are kept in a tile between the two halves of a product.
    const TILED: bool;
    /// LANES elements as f32.
    ///
    /// # Safety
    /// As [`Vector::load`].
    unsafe fn load<V: Vector>(p: *const Self) -> V::F;
    /// One element as f32.
    fn to_f32(self) -> f32;
}

impl Sample for f32 {
    const TILED: bool = false;
    #[inline(always)]
    unsafe fn load<V: Vector>(p: *const f32) -> V::F {
        // SAFETY: the caller's promise.
        unsafe { V::load(p) }
    }
    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }
}

impl Sample for u8 {
    const TILED: bool = true;
    #[inline(always)]
    unsafe fn load<V: Vector>(p: *const u8) -> V::F {
        // SAFETY: the caller's promise.
        unsafe { V::load_u8(p) }
    }
    #[inline(always)]
    fn to_f32(self) -> f32 {
        f32::from(self)
    }
}

/// The rows that a product runs over.
#[derive(Clone, Copy)]
pub enum Rows<'a> {
    /// All of them: so many.
    All(usize),
    /// Those of the list that lie in `first..first + n`, the rows of this block.
    Listed {
        list: &'a [u32],
        first: usize,
        n: usize,
    },
}

impl Rows<'_> {
    fn len(&self) -> usize {
        match self {
            Rows::All(n) => *n,
            Rows::Listed { list, .. } => list.len(),
        }
    }

    /// Calls `job` with the pointers of up to N rows at a time, out of positions `range`.
    #[inline(always)]
    fn row<T>(&self, x: *const T, d: usize, position: usize) -> Option<*const T> {
        let row = match self {
            Rows::All(_) => position,
            Rows::Listed { list, first, n } => {
                let row = list[position] as usize;
                if row < *first || row >= first + n {
                    return None;
                }
                row - first
            }
        };
        Some(x.wrapping_add(row * d))
    }
}

/// One product: sizes and scalars.
#[derive(Clone, Copy)]
pub struct Product<'a> {
    pub rows: Rows<'a>,
    pub d: usize,
    pub m: usize,
    pub beta: f32,
    pub weight_in: f32,
    pub weight_out: f32,
    /// `[2, d]`.
    pub mean: &'a [f32],
    /// `[m, d]`.
    pub v: &'a [f32],
}

/// Memory of one worker, grown once and kept.
#[derive(Default)]
pub struct Scratch {
    /// Centred rows.
    pub tile: Vec<f32>,
    /// Projections.
    pub u: Vec<f32>,
    /// f32 sums.
    pub local: Vec<f32>,
    /// f64 sums.
    pub sum: Vec<f64>,
    /// Sum of the projections, per column.
    pub total: Vec<f64>,
    /// Pairs of i16.
    pub pairs: Vec<i16>,
    /// Exact sums.
    pub exact: Vec<i32>,
}

/// A pointer that workers may share: each writes where no other does.
#[derive(Clone, Copy)]
pub struct Shared<T>(*mut T);
// SAFETY: the users of a `Shared` write disjoint ranges, and the pool's `run` ends before the borrow that made it.
unsafe impl<T> Sync for Shared<T> {}
// SAFETY: as above.
unsafe impl<T> Send for Shared<T> {}

impl<T> Shared<T> {
    pub fn new(slice: &mut [T]) -> Self {
        Self(slice.as_mut_ptr())
    }
    pub fn at(self, index: usize) -> *mut T {
        self.0.wrapping_add(index)
    }
}

/// Runs a product on the elements of one row block, into `g` (`[m, d]`).
pub fn typed<T: Sample>(cpu: &mut Cpu, product: &Product<'_>, x: &[T], g: &mut [f32]) {
    let Product { d, m, .. } = *product;
    assert!(product.mean.len() == 2 * d && product.v.len() == m * d && g.len() == m * d);
    if let Rows::All(n) = product.rows {
        assert!(x.len() >= n * d);
    }
    let lo = &product.mean[d..];
    let offsets: Vec<f32> = product
        .v
        .chunks_exact(d)
        .map(|v| dot_f64(lo, v) as f32)
        .collect();
    if d > LONG_ROW {
        return panels(cpu, product, x, &offsets, g);
    }
    let isa = cpu.isa;
    let scratch = &cpu.scratch;
    let positions = product.rows.len();
    let grain = if m == 1 { GROUP_F32 } else { TILE_ROWS };
    for worker in scratch {
        let mut worker = worker
            .lock()
            .expect("no worker panics while it holds its scratch");
        worker.sum.clear();
    }
    cpu.pool.split(positions, grain, &|worker, range| {
        let mut scratch = scratch[worker].lock().expect("one worker, one scratch");
        scratch.sum.resize(m * d, 0.0);
        scratch.total.clear();
        scratch.total.resize(m, 0.0);
        scratch.local.clear();
        scratch.local.resize(m * d, 0.0);
        // SAFETY: the lengths were asserted above; listed rows are checked against the block.
        unsafe {
            if m == 1 {
                one_column(isa, product, x, range, offsets[0], &mut scratch);
            } else {
                many_columns(isa, product, x, range, &offsets, &mut scratch);
            }
        }
    });
    let beta = f64::from(product.beta);
    let scale = f64::from(product.weight_out);
    let workers: Vec<_> = scratch
        .iter()
        .map(|s| s.lock().expect("the workers are done"))
        .collect();
    for a in 0..m {
        let total: f64 = workers
            .iter()
            .filter(|w| !w.sum.is_empty())
            .map(|w| w.total[a])
            .sum();
        for j in 0..d {
            let sum: f64 = workers
                .iter()
                .filter(|w| !w.sum.is_empty())
                .map(|w| w.sum[a * d + j])
                .sum();
            let new = scale * (sum - total * f64::from(lo[j]));
            let g = &mut g[a * d + j];
            *g = if beta == 0.0 {
                new as f32
            } else {
                (beta * f64::from(*g) + new) as f32
            };
        }
    }
}

/// A dot product in f64: for what is done once per launch.
pub fn dot_f64(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| f64::from(*a) * f64::from(*b))
        .sum()
}

fn flush(local: &mut [f32], sum: &mut [f64]) {
    for (sum, local) in sum.iter_mut().zip(local) {
        *sum += f64::from(*local);
        *local = 0.0;
    }
}

per_isa! {
    unsafe fn one_column<T: Sample>(product: &Product<'_>, x: &[T], range: Range<usize>, offset: f32, scratch: &mut Scratch) = one_column_body;
}

#[inline(always)]
unsafe fn one_column_body<V: Vector, T: Sample>(
    product: &Product<'_>,
    x: &[T],
    range: Range<usize>,
    offset: f32,
    scratch: &mut Scratch,
) {
    // SAFETY: the caller's promise.
    unsafe {
        if T::TILED {
            groups::<V, T, GROUP_U8>(product, x, range, offset, scratch);
        } else {
            groups::<V, T, GROUP_F32>(product, x, range, offset, scratch);
        }
    }
}

#[inline(always)]
unsafe fn groups<V: Vector, T: Sample, const R: usize>(
    product: &Product<'_>,
    x: &[T],
    range: Range<usize>,
    offset: f32,
    scratch: &mut Scratch,
) {
    let Product {
        rows,
        d,
        mean,
        v,
        weight_in,
        ..
    } = *product;
    let Scratch {
        tile,
        local,
        sum,
        total,
        ..
    } = scratch;
    let stride = tile_stride(d);
    if tile.len() < R * stride {
        tile.resize(R * stride, 0.0);
    }
    let one = One {
        d,
        mean,
        v,
        offset,
        weight_in,
        stride,
    };
    let mut positions = range.filter_map(|position| rows.row(x.as_ptr(), d, position));
    let mut since_flush = 0;
    let (mut group, mut filled) = next_group::<T, R>(&mut positions, x.as_ptr());
    while filled == R {
        let (next, next_filled) = next_group::<T, R>(&mut positions, x.as_ptr());
        // SAFETY: every row has d elements, the tile R strides, v, mean and local d.
        total[0] += unsafe { group_product::<V, T, R>(&one, group, next, tile, local) };
        (group, filled) = (next, next_filled);
        since_flush += R;
        if since_flush >= FLUSH_ROWS {
            flush(local, sum);
            since_flush = 0;
        }
    }
    for &row in &group[..filled] {
        // SAFETY: as above.
        total[0] += unsafe { group_product::<V, T, 1>(&one, [row], [row], tile, local) };
    }
    flush(local, sum);
}

#[inline(always)]
fn next_group<T, const R: usize>(
    rows: &mut impl Iterator<Item = *const T>,
    none: *const T,
) -> ([*const T; R], usize) {
    let mut group = [none; R];
    let mut filled = 0;
    while filled < R {
        let Some(row) = rows.next() else { break };
        group[filled] = row;
        filled += 1;
    }
    (group, filled)
}

/// What all groups of a product with one column share.
struct One<'a> {
    d: usize,
    mean: &'a [f32],
    v: &'a [f32],
    offset: f32,
    weight_in: f32,
    stride: usize,
}

/// R rows: projects the centred rows on v and adds them to g, while the rows of the next group are fetched: the processor
/// does not foresee several short streams, and without this the product runs at half the memory's rate. Returns the sum
/// of the projections.
#[inline(always)]
unsafe fn group_product<V: Vector, T: Sample, const R: usize>(
    one: &One<'_>,
    rows: [*const T; R],
    next: [*const T; R],
    tile: &mut [f32],
    g: &mut [f32],
) -> f64 {
    let One {
        d,
        offset,
        weight_in,
        stride,
        ..
    } = *one;
    // SAFETY: the caller's promise: d elements everywhere, R strides in the tile.
    unsafe {
        let (mean, v) = (one.mean.as_ptr(), one.v.as_ptr());
        let (tile, g) = (tile.as_mut_ptr(), g.as_mut_ptr());
        let whole = d - d % V::LANES;
        let mut acc = [V::splat(0.0); R];
        let mut j = 0;
        while j < whole {
            let mu = V::load(mean.add(j));
            let along = V::load(v.add(j));
            for r in 0..R {
                let y = V::sub(T::load::<V>(rows[r].add(j)), mu);
                if T::TILED {
                    V::store(tile.add(r * stride + j), y);
                }
                acc[r] = V::fma(y, along, acc[r]);
                V::prefetch(next[r].wrapping_add(j));
            }
            j += V::LANES;
        }
        let mut u = [0.0f32; R];
        let mut total = 0.0f64;
        for r in 0..R {
            let mut rest = 0.0;
            for j in whole..d {
                rest += ((*rows[r].add(j)).to_f32() - *mean.add(j)) * *v.add(j);
            }
            u[r] = (V::sum(acc[r]) + rest - offset) * weight_in;
            total += f64::from(u[r]);
        }
        let mut factors = [V::splat(0.0); R];
        for r in 0..R {
            factors[r] = V::splat(u[r]);
        }
        let mut j = 0;
        while j < whole {
            let mu = V::load(mean.add(j));
            let mut sum = V::load(g.add(j));
            for r in 0..R {
                let y = if T::TILED {
                    V::load(tile.add(r * stride + j))
                } else {
                    V::sub(T::load::<V>(rows[r].add(j)), mu)
                };
                sum = V::fma(factors[r], y, sum);
            }
            V::store(g.add(j), sum);
            j += V::LANES;
        }
        for j in whole..d {
            for r in 0..R {
                *g.add(j) += u[r] * ((*rows[r].add(j)).to_f32() - *mean.add(j));
            }
        }
        total
    }
}

per_isa! {
    unsafe fn many_columns<T: Sample>(product: &Product<'_>, x: &[T], range: Range<usize>, offsets: &[f32], scratch: &mut Scratch) = many_columns_body;
}

#[inline(always)]
unsafe fn many_columns_body<V: Vector, T: Sample>(
    product: &Product<'_>,
    x: &[T],
    range: Range<usize>,
    offsets: &[f32],
    scratch: &mut Scratch,
) {
    let Product {
        rows,
        d,
        m,
        mean,
        v,
        weight_in,
        ..
    } = *product;
    let Scratch {
        tile,
        u,
        local,
        sum,
        total,
        ..
    } = scratch;
    let stride = tile_stride(d);
    if tile.len() < TILE_ROWS * stride {
        tile.resize(TILE_ROWS * stride, 0.0);
    }
    u.clear();
    u.resize(TILE_ROWS * m, 0.0);
    let mut filled = 0;
    let mut since_flush = 0;
    let last = range.end;
    for position in range {
        if let Some(row) = rows.row(x.as_ptr(), d, position) {
            // SAFETY: the row has d elements, the tile's row at least as many.
            unsafe { centre::<V, T>(row, mean, d, tile.as_mut_ptr().add(filled * stride)) };
            filled += 1;
        }
        if filled == TILE_ROWS || (position + 1 == last && filled > 0) {
            // SAFETY: `filled` rows of the tile are written; v and local are m x d, u TILE_ROWS x m.
            unsafe {
                project::<V>(tile, stride, filled, v, d, m, u);
                for r in 0..filled {
                    for a in 0..m {
                        let projection = (u[r * m + a] - offsets[a]) * weight_in;
                        u[r * m + a] = projection;
                        total[a] += f64::from(projection);
                    }
                }
                update::<V>(tile, stride, filled, u, d, m, local);
            }
            since_flush += filled;
            filled = 0;
            if since_flush >= FLUSH_ROWS {
                flush(local, sum);
                since_flush = 0;
            }
        }
    }
    flush(local, sum);
}

/// `out = x - mean_hi` for one row.
///
/// # Safety
/// `row`, `mean` and `out` have d elements.
#[inline(always)]
pub unsafe fn centre<V: Vector, T: Sample>(row: *const T, mean: &[f32], d: usize, out: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe {
        let mean = mean.as_ptr();
        let whole = d - d % V::LANES;
        let mut j = 0;
        while j < whole {
            let y = V::sub(T::load::<V>(row.add(j)), V::load(mean.add(j)));
            V::store(out.add(j), y);
            j += V::LANES;
        }
        for j in whole..d {
            *out.add(j) = (*row.add(j)).to_f32() - *mean.add(j);
        }
    }
}

/// The panel path: projections first (workers share the rows), then the sums (workers share the columns).
fn panels<T: Sample>(
    cpu: &mut Cpu,
    product: &Product<'_>,
    x: &[T],
    offsets: &[f32],
    g: &mut [f32],
) {
    let Product { rows, d, m, .. } = *product;
    let isa = cpu.isa;
    let positions = rows.len();
    let mut projections = std::mem::take(&mut cpu.projections);
    projections.clear();
    projections.resize(positions * m, 0.0);
    let out = Shared::new(&mut projections);
    cpu.pool.split(positions, 1, &|_, range| {
        for position in range {
            if let Some(row) = rows.row(x.as_ptr(), d, position) {
                // SAFETY: the row has d elements; each position is written by one worker.
                unsafe { project_long(isa, product, row, offsets, out.at(position * m)) };
            }
        }
    });
    sum_panels(cpu, product, x, &projections, g);
    cpu.projections = projections;
}

/// `g = beta g + w_out sum_i u_i (y_i - lo)`: workers share the columns.
fn sum_panels<T: Sample>(
    cpu: &mut Cpu,
    product: &Product<'_>,
    x: &[T],
    projections: &[f32],
    g: &mut [f32],
) {
    let Product { d, m, .. } = *product;
    let isa = cpu.isa;
    let totals: Vec<f64> = (0..m)
        .map(|a| {
            projections
                .iter()
                .skip(a)
                .step_by(m)
                .map(|u| f64::from(*u))
                .sum()
        })
        .collect();
    let g = Shared::new(g);
    let scratch = &cpu.scratch;
    cpu.pool.split(d, PANEL, &|worker, columns| {
        let mut scratch = scratch[worker].lock().expect("one worker, one scratch");
        for start in columns.clone().step_by(PANEL) {
            let panel = start..(start + PANEL).min(columns.end);
            // SAFETY: rows have d elements; each column of g is written by one worker.
            unsafe {
                sum_panel(
                    isa,
                    product,
                    x,
                    projections,
                    &totals,
                    panel,
                    &mut scratch,
                    g,
                )
            };
        }
    });
}

per_isa! {
    unsafe fn project_long<T: Sample>(product: &Product<'_>, row: *const T, offsets: &[f32], out: *mut f32) = project_long_body;
}

#[inline(always)]
unsafe fn project_long_body<V: Vector, T: Sample>(
    product: &Product<'_>,
    row: *const T,
    offsets: &[f32],
    out: *mut f32,
) {
    let Product {
        d,
        m,
        mean,
        v,
        weight_in,
        ..
    } = *product;
    // Eight columns at a time share one reading of the row; each panel's sum goes into f64.
    for first in (0..m).step_by(8) {
        let columns = (m - first).min(8);
        let mut sums = [0.0f64; 8];
        for start in (0..d).step_by(PANEL) {
            let len = PANEL.min(d - start);
            for (a, sum) in sums[..columns].iter_mut().enumerate() {
                // SAFETY: start + len <= d.
                *sum += f64::from(unsafe {
                    dot_centred::<V, T>(
                        row.add(start),
                        mean.as_ptr().add(start),
                        v.as_ptr().add((first + a) * d + start),
                        len,
                    )
                });
            }
        }
        for (a, sum) in sums[..columns].iter().enumerate() {
            let u = (*sum as f32 - offsets[first + a]) * weight_in;
            // SAFETY: `out` has m elements.
            unsafe { *out.add(first + a) = u };
        }
    }
}

/// `(x - mean) . v` over `len` elements, in four chains.
#[inline(always)]
unsafe fn dot_centred<V: Vector, T: Sample>(
    x: *const T,
    mean: *const f32,
    v: *const f32,
    len: usize,
) -> f32 {
    // SAFETY: the caller's promise: `len` elements everywhere.
    unsafe {
        let mut acc = [V::splat(0.0); 4];
        let step = 4 * V::LANES;
        let whole = len - len % step;
        let mut j = 0;
        while j < whole {
            for (c, acc) in acc.iter_mut().enumerate() {
                let at = j + c * V::LANES;
                let y = V::sub(T::load::<V>(x.add(at)), V::load(mean.add(at)));
                *acc = V::fma(y, V::load(v.add(at)), *acc);
            }
            j += step;
        }
        let mut sum = V::sum(V::add(V::add(acc[0], acc[1]), V::add(acc[2], acc[3])));
        for j in whole..len {
            sum += ((*x.add(j)).to_f32() - *mean.add(j)) * *v.add(j);
        }
        sum
    }
}

per_isa! {
    unsafe fn sum_panel<T: Sample>(product: &Product<'_>, x: &[T], projections: &[f32], totals: &[f64], panel: Range<usize>, scratch: &mut Scratch, g: Shared<f32>) = sum_panel_body;
}

#[allow(clippy::too_many_arguments)]
#[inline(always)]
unsafe fn sum_panel_body<V: Vector, T: Sample>(
    product: &Product<'_>,
    x: &[T],
    projections: &[f32],
    totals: &[f64],
    panel: Range<usize>,
    scratch: &mut Scratch,
    g: Shared<f32>,
) {
    let Product {
        rows,
        d,
        m,
        mean,
        beta,
        weight_out,
        ..
    } = *product;
    let len = panel.len();
    let Scratch {
        tile, local, sum, ..
    } = scratch;
    tile.resize(tile.len().max(len), 0.0);
    local.clear();
    local.resize(m * len, 0.0);
    sum.clear();
    sum.resize(m * len, 0.0);
    for position in 0..rows.len() {
        let Some(row) = rows.row(x.as_ptr(), d, position) else {
            continue;
        };
        // SAFETY: the panel lies within the row; tile and each row of local have `len` elements.
        unsafe {
            centre::<V, T>(
                row.add(panel.start),
                &mean[panel.start..],
                len,
                tile.as_mut_ptr(),
            );
            for a in 0..m {
                axpy::<V>(
                    projections[position * m + a],
                    tile.as_ptr(),
                    local.as_mut_ptr().add(a * len),
                    len,
                );
            }
        }
        if position % FLUSH_ROWS == FLUSH_ROWS - 1 {
            flush(local, sum);
        }
    }
    flush(local, sum);
    for a in 0..m {
        for j in 0..len {
            let column = panel.start + j;
            let new = f64::from(weight_out)
                * (sum[a * len + j] - totals[a] * f64::from(mean[d + column]));
            // SAFETY: this worker alone writes this column.
            unsafe {
                let g = g.at(a * d + column);
                *g = if beta == 0.0 {
                    new as f32
                } else {
                    (f64::from(beta) * f64::from(*g) + new) as f32
                };
            }
        }
    }
}

/// `y += factor x`.
///
/// # Safety
/// Both have `len` elements.
#[inline(always)]
pub unsafe fn axpy<V: Vector>(factor: f32, x: *const f32, y: *mut f32, len: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let wide = V::splat(factor);
        let whole = len - len % V::LANES;
        let mut j = 0;
        while j < whole {
            V::store(y.add(j), V::fma(wide, V::load(x.add(j)), V::load(y.add(j))));
            j += V::LANES;
        }
        for j in whole..len {
            *y.add(j) += factor * *x.add(j);
        }
    }
}

/// A lift: `out = beta out + w sum_i u[:, first + i] y_i`.
#[derive(Clone, Copy)]
pub struct Lift<'a> {
    pub n: usize,
    pub d: usize,
    pub m: usize,
    pub total: usize,
    pub first: usize,
    pub beta: f32,
    pub weight: f32,
    /// `[2, d]`.
    pub mean: &'a [f32],
    /// `[m, total]`.
    pub u: &'a [f32],
}

/// Runs a lift: the second half of the panel path, with the projections given.
pub fn lift<T: Sample>(cpu: &mut Cpu, lift: &Lift<'_>, x: &[T], out: &mut [f32]) {
    let Lift {
        n,
        d,
        m,
        total,
        first,
        beta,
        weight,
        mean,
        u,
    } = *lift;
    assert!(x.len() >= n * d && out.len() == m * d && u.len() == m * total && first + n <= total);
    let mut projections = std::mem::take(&mut cpu.projections);
    projections.clear();
    for i in 0..n {
        projections.extend((0..m).map(|a| weight * u[a * total + first + i]));
    }
    let product = Product {
        rows: Rows::All(n),
        d,
        m,
        beta,
        weight_in: 1.0,
        weight_out: 1.0,
        mean,
        v: &[],
    };
    sum_panels(cpu, &product, x, &projections, out);
    cpu.projections = projections;
}

/// `g = C v` for each row of v: rows of C are shared among the workers.
pub fn symmetric(cpu: &mut Cpu, p: usize, m: usize, c: &[f32], v: &[f32], g: &mut [f32]) {
    assert!(c.len() == p * p && v.len() == m * p && g.len() == m * p);
    let isa = cpu.isa;
    let scratch = &cpu.scratch;
    let out = Shared::new(g);
    let job = |worker: usize, rows: Range<usize>| {
        let mut scratch = scratch[worker].lock().expect("one worker, one scratch");
        // SAFETY: the rows lie within C; each element of g is written by one worker.
        unsafe { symmetric_rows(isa, p, m, c, v, rows, &mut scratch.u, out) };
    };
    // Under this many elements waking the workers costs more than they save.
    if p * p * m < 100_000 {
        job(0, 0..p)
    } else {
        cpu.pool.split(p, TILE_ROWS, &job)
    }
}

per_isa! {
    unsafe fn symmetric_rows(p: usize, m: usize, c: &[f32], v: &[f32], rows: Range<usize>, u: &mut Vec<f32>, g: Shared<f32>) = symmetric_rows_body;
}

#[allow(clippy::too_many_arguments)]
#[inline(always)]
unsafe fn symmetric_rows_body<V: Vector>(
    p: usize,
    m: usize,
    c: &[f32],
    v: &[f32],
    rows: Range<usize>,
    u: &mut Vec<f32>,
    g: Shared<f32>,
) {
    u.resize(u.len().max(TILE_ROWS * m), 0.0);
    for start in rows.clone().step_by(TILE_ROWS) {
        let count = (rows.end - start).min(TILE_ROWS);
        // SAFETY: C has rows start..start + count of p elements; u is TILE_ROWS x m.
        unsafe {
            project::<V>(&c[start * p..(start + count) * p], p, count, v, p, m, u);
            for r in 0..count {
                for a in 0..m {
                    *g.at(a * p + start + r) = u[r * m + a];
                }
            }
        }
    }
}
