//! What is run on a device, and its answer, of either problem.

use crate::mlp;
use crate::optimizer::Ended;
use crate::pca;
use crate::record::Work;

/// A plan of either problem.
#[derive(Debug, Clone, PartialEq)]
pub enum Job {
    /// Principal components.
    Pca(pca::Plan),
    /// A network.
    Mlp(mlp::Plan),
}

/// The answer of a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Principal components.
    Pca(pca::Outcome),
    /// A network.
    Mlp(mlp::Outcome),
}

impl Answer {
    /// Why the solve ended.
    pub fn ended(&self) -> Ended {
        match self {
            Self::Pca(outcome) => outcome.ended,
            Self::Mlp(outcome) => outcome.ended,
        }
    }

    /// The work of the solve.
    pub fn work(&self) -> Work {
        match self {
            Self::Pca(o) => Work {
                iterations: o.iterations,
                passes: o.passes,
                bytes: o.bytes,
                flops: o.flops,
                host_passes: o.host_passes,
            },
            Self::Mlp(o) => Work {
                iterations: o.iterations,
                passes: o.passes,
                bytes: o.bytes,
                flops: o.flops,
                host_passes: 0.0,
            },
        }
    }

    /// Whether two answers are the same to the last bit.
    pub fn same_bits(&self, other: &Self) -> bool {
        fn bits(x: &[f32]) -> impl Iterator<Item = u32> + '_ {
            x.iter().map(|x| x.to_bits())
        }
        match (self, other) {
            (Self::Pca(a), Self::Pca(b)) => {
                let values = |x: &[f64]| -> Vec<u64> { x.iter().map(|x| x.to_bits()).collect() };
                a.iterations == b.iterations
                    && values(&a.eigenvalues) == values(&b.eigenvalues)
                    && values(&a.components) == values(&b.components)
            }
            (Self::Mlp(a), Self::Mlp(b)) => {
                a.iterations == b.iterations && bits(&a.parameters).eq(bits(&b.parameters))
            }
            _ => false,
        }
    }
}
