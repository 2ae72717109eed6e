//! How a row of the kernel table becomes launches: entries of `kernels/`, grids, arguments.
//!
//! Pure arithmetic on sizes: nothing here touches a card. Each family has a module, as it has a file in `kernels/`. Numbers
//! that a kernel's text holds too are compared with it by a test.

mod block;
mod control;
mod gram;
mod network;
mod product;
mod request;
mod rules;
mod stream;
#[cfg(test)]
mod tests;

use super::pass::{Pass, Tuning, Unit};
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use request::{Draft, Request};

/// Most blocks of a grid in each dimension.
const MAX_GRID: [usize; 3] = [(1 << 31) - 1, 65_535, 65_535];

/// The launches of a row with these sizes and scalars, in order.
///
/// # Errors
/// `Unsupported` when a size is beyond what a grid can cover.
pub(super) fn passes(
    tuning: &Tuning,
    kernel: Kernel,
    sizes: &[usize],
    scalars: &[f32],
) -> Result<Vec<Pass>> {
    let row = kernel.row();
    if let Some(beyond) = sizes.iter().find(|&&x| u32::try_from(x).is_err()) {
        return Err(Error::unsupported(format!(
            "{}: a size of {beyond} is over 2^32 - 1: race fewer samples or columns",
            row.name
        )));
    }
    let request = &Request {
        tuning,
        row,
        sizes,
        scalars,
    };
    // A file whose entries would take long to compile is compiled for those that the row may launch.
    let (entries, drafts) = match kernel {
        Kernel::Stream(kernel) => (None, stream::drafts(kernel, request)),
        Kernel::Product(kernel) => (
            Some(product::entries(kernel)),
            product::drafts(kernel, request),
        ),
        Kernel::Gram(kernel) => (Some(gram::entries(kernel)), gram::drafts(kernel, request)),
        Kernel::Block(kernel) => (None, block::drafts(kernel, request)),
        Kernel::Rules(rule) => (None, rules::drafts(rule, request)),
        Kernel::Control(kernel) => (None, control::drafts(kernel, request)),
        Kernel::Network(kernel) => (None, network::drafts(kernel, request)),
    };
    let unit = match (entries, kernel) {
        (Some(entries), _) => Unit::Entries(kernel.family(), entries),
        (None, Kernel::Rules(rule)) => Unit::Rule(rule),
        (None, _) => Unit::File(kernel.family()),
    };
    drafts
        .into_iter()
        .map(|draft| checked(tuning, &unit, draft))
        .collect()
}

fn checked(tuning: &Tuning, unit: &Unit, draft: Draft) -> Result<Pass> {
    let Draft {
        entry,
        grid,
        block,
        shared,
        arguments,
    } = draft;
    if let Some(axis) = (0..3).find(|&axis| grid[axis] > MAX_GRID[axis]) {
        return Err(Error::unsupported(format!(
            "{entry}: {grid:?} blocks are over the {} that a grid may have there: race fewer samples or columns",
            MAX_GRID[axis]
        )));
    }
    assert!(shared <= tuning.shared_bytes, "{entry}: {shared} bytes");
    Ok(Pass {
        unit: unit.clone(),
        entry,
        grid: grid.map(|blocks| blocks as u32),
        block: block as u32,
        shared: shared as u32,
        arguments,
    })
}
