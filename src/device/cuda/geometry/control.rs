//! The bookkeeping of a step and of a component found: `kernels/control.cu`.

use super::request::{Draft, Request, threads_of};
use crate::kernel::{Control, named};

pub(super) fn drafts(kernel: Control, request: &Request<'_>) -> Vec<Draft> {
    let block = match kernel {
        Control::Advance => 1,
        Control::Commit => {
            let [d, _components] = named(request.sizes);
            threads_of(d)
        }
    };
    vec![Draft {
        block,
        ..request.draft(&[])
    }]
}
