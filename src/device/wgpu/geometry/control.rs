//! The bookkeeping of a step and of a component found: `shaders/control.wgsl`.

use super::super::pass::Pass;
use super::request::{Request, word, words};
use crate::kernel::{Control, named};

pub(super) fn passes(kernel: Control, request: &Request<'_>) -> Vec<Pass> {
    let pass = match kernel {
        Control::Advance => {
            let [batches, count] = named(request.sizes);
            Pass {
                parameters: words([batches, count]),
                ..request.pass()
            }
        }
        Control::Commit => {
            let [d, components] = named(request.sizes);
            let width = request.tuning.width;
            Pass {
                constants: vec![("WIDTH", word(width))],
                parameters: words([d, components]),
                turns: d.div_ceil(width),
                ..request.pass()
            }
        }
    };
    vec![pass]
}
