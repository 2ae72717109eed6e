//! What kernels run on.

use std::sync::Mutex;

use super::gemm::sparse;
use super::pool::Pool;
use super::rules::Interpreted;
use super::scratch::Scratches;
use crate::machine::Isa;
use crate::rule::MOST_NORMS;

/// The threads, their instruction set, and memory that is kept between launches.
pub struct Cores {
    pub isa: Isa,
    pub pool: Pool,
    pub scratch: Scratches,
    /// Projections of the samples (n x m).
    pub projections: Vec<f32>,
    /// Block vectors of the step kernels.
    pub work: Vec<f32>,
    /// Packed operands of products that skip zeros, of every worker.
    pub sparse: Vec<Mutex<sparse::Packed>>,
    /// Rules that no build has compiled.
    pub rules: Interpreted,
    /// Sums of squares, for the norms of a rule.
    pub norms: Vec<[f64; MOST_NORMS]>,
    /// Operations that those products have skipped so far.
    pub skipped_flops: f64,
}

impl Cores {
    /// Those of this pool; the processor has the instruction set.
    pub fn new(pool: Pool, isa: Isa) -> Self {
        let threads = pool.threads();
        Self {
            isa,
            pool,
            scratch: Scratches::new(threads),
            projections: Vec::new(),
            work: Vec::new(),
            sparse: (0..threads).map(|_| Mutex::default()).collect(),
            rules: Interpreted::new(),
            norms: Vec::new(),
            skipped_flops: 0.0,
        }
    }
}
