//! One product with the samples, and its sums.

/// Rows summed in f32 before they go into f64.
pub const FLUSH_ROWS: usize = 256;

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
    pub fn len(&self) -> usize {
        match self {
            Rows::All(n) => *n,
            Rows::Listed { list, .. } => list.len(),
        }
    }

    /// The row at a position, `None` where the list names one of another block.
    #[inline(always)]
    pub fn row<T>(&self, x: *const T, d: usize, position: usize) -> Option<*const T> {
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

/// One product: sizes, scalars, and what it reads beside the samples.
#[derive(Clone, Copy)]
pub struct Task<'a> {
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

/// Moves the f32 sums into the f64 ones.
pub fn flush(local: &mut [f32], sum: &mut [f64]) {
    for (sum, local) in sum.iter_mut().zip(local) {
        *sum += f64::from(*local);
        *local = 0.0;
    }
}
