//! The two operators that compute A v, over row blocks, as launches of kernel-table rows.
//!
//! Both equal the Gram matrix of the centred samples times the square of the problem's power-of-two scale, not divided
//! by n - 1. [`Problem::unscale`] converts an eigenvalue back to the user's units.

use super::{OperatorKind, Plan, Problem};
use crate::data::{Elements, Samples};
use crate::device::{Device, Element};
use crate::error::{Error, Result};
use crate::kernel::{Gram, Kernel, Product};
use crate::optimizer::{Cost, launch};

/// A symmetric operator on a device.
pub(super) enum Operator<D: Device> {
    /// Matrix-free, all rows.
    Samples,
    /// Matrix-free, the rows of a mini-batch: `rows` is the random order of the current epoch.
    Batch {
        rows: D::Buffer,
        size: usize,
        batches: usize,
    },
    /// The d x d Gram matrix.
    Covariance(D::Buffer),
    /// The n x n Gram matrix.
    Dual(D::Buffer),
}

/// The variant of a kernel for the element type of the samples.
fn typed(samples: &Samples, of_f32: Kernel, of_u8: Kernel) -> Kernel {
    match samples.elements {
        Elements::F32(_) => of_f32,
        Elements::U8(_) => of_u8,
    }
}

impl<D: Device> Operator<D> {
    /// Allocates the buffers of this plan's operator.
    ///
    /// # Errors
    /// `Failed` if a Gram matrix does not fit.
    pub fn prepare(device: &mut D, problem: &Problem<D>, plan: &Plan) -> Result<Self> {
        let Samples { n, d, .. } = *problem.samples;
        match (plan.operator, plan.batch) {
            (OperatorKind::Samples, Some(size)) if size < n => Ok(Operator::Batch {
                rows: device.alloc(Element::U32, n)?,
                size,
                batches: n / size,
            }),
            (OperatorKind::Samples, _) => Ok(Operator::Samples),
            (OperatorKind::Covariance, _) => {
                let order = n.min(d);
                // The matrix in f32, and in f64 while it is summed.
                let bytes = 12 * (order as u64).pow(2);
                if bytes > device.info().max_buffer_bytes {
                    return Err(Error::failed(format!(
                        "{}: the {order} x {order} Gram matrix needs {:.1} GB; race --operator samples, which never forms it",
                        device.info().kind,
                        bytes as f64 / 1e9
                    )));
                }
                let matrix = device.alloc_rows(Element::F32, order, order)?;
                Ok(if n < d {
                    Operator::Dual(matrix)
                } else {
                    Operator::Covariance(matrix)
                })
            }
        }
    }

    /// All kernels that it launches: to form and apply the operator, and for the Rayleigh-Ritz step, which applies A
    /// from the samples if this operator covers only a part of them or is their dual.
    pub fn kernels(&self, samples: &Samples) -> Vec<Kernel> {
        let of = |of_f32, of_u8| typed(samples, of_f32, of_u8);
        let product = of(
            Kernel::Product(Product::SamplesF32),
            Kernel::Product(Product::SamplesU8),
        );
        match self {
            Operator::Samples => vec![product],
            Operator::Batch { .. } => {
                vec![
                    of(
                        Kernel::Product(Product::BatchF32),
                        Kernel::Product(Product::BatchU8),
                    ),
                    product,
                ]
            }
            Operator::Covariance(_) => vec![
                of(
                    Kernel::Gram(Gram::CovarianceF32),
                    Kernel::Gram(Gram::CovarianceU8),
                ),
                Kernel::Product(Product::Symmetric),
            ],
            Operator::Dual(_) => vec![
                of(Kernel::Gram(Gram::DualF32), Kernel::Gram(Gram::DualU8)),
                Kernel::Product(Product::Symmetric),
                of(
                    Kernel::Product(Product::LiftF32),
                    Kernel::Product(Product::LiftU8),
                ),
                product,
            ],
        }
    }

    /// Length of the vectors that the operator acts on.
    pub fn order(&self, samples: &Samples) -> usize {
        match self {
            Operator::Dual(_) => samples.n,
            _ => samples.d,
        }
    }

    /// Passes over the data (or the matrix) per application.
    pub fn passes(&self, samples: &Samples) -> f64 {
        match self {
            Operator::Batch { size, .. } => *size as f64 / samples.n as f64,
            _ => 1.0,
        }
    }

    /// Forms the Gram matrix, if the operator has one.
    ///
    /// # Errors
    /// As [`Device::launch`].
    pub fn form(&self, device: &mut D, problem: &Problem<D>, cost: &mut Cost) -> Result<()> {
        let Samples { n, d, .. } = *problem.samples;
        let w = problem.scale as f32;
        match self {
            Operator::Covariance(c) => {
                let kernel = typed(
                    &problem.samples,
                    Kernel::Gram(Gram::CovarianceF32),
                    Kernel::Gram(Gram::CovarianceU8),
                );
                for (i, block) in problem.blocks.iter().enumerate() {
                    let scalars = [if i == 0 { 0.0 } else { 1.0 }, w, w];
                    let buffers = [&block.x, &problem.mean, c];
                    launch(device, cost, kernel, &[block.n, d], &scalars, &buffers)?;
                }
            }
            Operator::Dual(k) => {
                let kernel = typed(
                    &problem.samples,
                    Kernel::Gram(Gram::DualF32),
                    Kernel::Gram(Gram::DualU8),
                );
                for a in &problem.blocks {
                    for b in &problem.blocks {
                        let sizes = [a.n, b.n, d, n, a.first, b.first];
                        let buffers = [&a.x, &b.x, &problem.mean, k];
                        launch(device, cost, kernel, &sizes, &[w, w], &buffers)?;
                    }
                }
            }
            Operator::Samples | Operator::Batch { .. } => {}
        }
        Ok(())
    }

    /// `g = A v` for the m rows of v.
    ///
    /// # Errors
    /// As [`Device::launch`].
    pub fn apply(
        &self,
        device: &mut D,
        problem: &Problem<D>,
        cost: &mut Cost,
        m: usize,
        [control, v, g]: [&D::Buffer; 3],
    ) -> Result<()> {
        let Samples { n, d, .. } = *problem.samples;
        let w = problem.scale as f32;
        match self {
            Operator::Samples => {
                let kernel = typed(
                    &problem.samples,
                    Kernel::Product(Product::SamplesF32),
                    Kernel::Product(Product::SamplesU8),
                );
                for (i, block) in problem.blocks.iter().enumerate() {
                    let scalars = [if i == 0 { 0.0 } else { 1.0 }, w, w];
                    let buffers = [control, &block.x, &problem.mean, v, g];
                    launch(device, cost, kernel, &[block.n, d, m], &scalars, &buffers)?;
                }
                Ok(())
            }
            Operator::Batch { rows, size, .. } => {
                let kernel = typed(
                    &problem.samples,
                    Kernel::Product(Product::BatchF32),
                    Kernel::Product(Product::BatchU8),
                );
                for (i, block) in problem.blocks.iter().enumerate() {
                    let scalars = [if i == 0 { 0.0 } else { 1.0 }, w, w];
                    let buffers = [control, &block.x, &problem.mean, rows, v, g];
                    let sizes = [block.n, d, m, *size, block.first];
                    launch(device, cost, kernel, &sizes, &scalars, &buffers)?;
                }
                Ok(())
            }
            Operator::Covariance(c) => launch(
                device,
                cost,
                Kernel::Product(Product::Symmetric),
                &[d, m],
                &[],
                &[control, c, v, g],
            ),
            Operator::Dual(k) => launch(
                device,
                cost,
                Kernel::Product(Product::Symmetric),
                &[n, m],
                &[],
                &[control, k, v, g],
            ),
        }
    }

    /// `out = Y' u` for the m rows of u (m x n): lifts vectors of the dual to sample space, m x d.
    ///
    /// # Errors
    /// As [`Device::launch`].
    pub fn lift(
        device: &mut D,
        problem: &Problem<D>,
        cost: &mut Cost,
        m: usize,
        u: &D::Buffer,
        out: &D::Buffer,
    ) -> Result<()> {
        let Samples { n, d, .. } = *problem.samples;
        let kernel = typed(
            &problem.samples,
            Kernel::Product(Product::LiftF32),
            Kernel::Product(Product::LiftU8),
        );
        for (i, block) in problem.blocks.iter().enumerate() {
            let scalars = [if i == 0 { 0.0 } else { 1.0 }, problem.scale as f32];
            let sizes = [block.n, d, m, n, block.first];
            launch(
                device,
                cost,
                kernel,
                &sizes,
                &scalars,
                &[&block.x, &problem.mean, u, out],
            )?;
        }
        Ok(())
    }
}
