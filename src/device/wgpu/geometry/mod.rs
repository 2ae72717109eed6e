//! From a launch of a row to the dispatches that carry it out: entries, constants, workgroups, parameters, bindings.
//!
//! Pure arithmetic on sizes: nothing here touches an adapter. Each family has a module, as it has a file in `shaders/`. A
//! dispatch has at most `MAX_GROUPS` workgroups a dimension; what would need more is refused with a word, and does not come
//! up under the row limit that [`super::Wgpu`] gives in its `Info`.

mod block;
mod control;
mod gemm;
mod gram;
mod network;
mod product;
mod request;
mod rules;
mod stream;
#[cfg(test)]
mod tests;
mod tile;

use super::pass::{Pass, Tuning};
use crate::device::Gemm;
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use request::{MAX_GROUPS, Request, TURNS};

/// The dispatches of a launch.
///
/// # Errors
/// `Failed` when a dispatch would need more workgroups than there can be.
pub(super) fn passes(
    tuning: &Tuning,
    kernel: Kernel,
    sizes: &[usize],
    scalars: &[f32],
) -> Result<Vec<Pass>> {
    let request = &Request {
        tuning,
        row: kernel.row(),
        sizes,
        scalars,
    };
    let passes = match kernel {
        Kernel::Stream(kernel) => stream::passes(kernel, request),
        Kernel::Product(kernel) => product::passes(kernel, request),
        Kernel::Gram(kernel) => gram::passes(kernel, request),
        Kernel::Block(kernel) => block::passes(kernel, request),
        Kernel::Rules(rule) => rules::passes(rule, request),
        Kernel::Control(kernel) => control::passes(kernel, request),
        Kernel::Network(kernel) => network::passes(kernel, request),
    };
    checked(tuning, passes)
}

/// The dispatches of a matrix product; arguments are A, B, C.
///
/// # Errors
/// As [`passes`].
pub(super) fn gemm(tuning: &Tuning, gemm: &Gemm) -> Result<Vec<Pass>> {
    checked(tuning, gemm::passes(tuning, gemm))
}

fn checked(tuning: &Tuning, passes: Vec<Pass>) -> Result<Vec<Pass>> {
    for pass in &passes {
        if pass.groups.iter().any(|&groups| groups > MAX_GROUPS) {
            return Err(Error::failed(format!(
                "{}: {:?} workgroups are over the {MAX_GROUPS} that a dispatch may have: race fewer samples or columns, or \
                 another device",
                pass.entry, pass.groups
            )));
        }
        if tuning.software && pass.turns > TURNS {
            return Err(Error::failed(format!(
                "{}: about {} turns of its loops, and software adapters end them after {TURNS}: race fewer samples, \
                 columns or components, or another device",
                pass.entry, pass.turns
            )));
        }
    }
    Ok(passes)
}
