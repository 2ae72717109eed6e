//! Update rules: `kernels/rules.cu`.

use super::super::pass::Argument;
use super::request::{Draft, Request, THREADS};
use crate::kernel::{Rules, named};

pub(super) fn drafts(kernel: Rules, request: &Request<'_>) -> Vec<Draft> {
    let [len] = named(request.sizes);
    let more = match kernel {
        Rules::Sgd | Rules::Momentum | Rules::Nesterov | Rules::Adagrad | Rules::Rmsprop => vec![],
        Rules::Adam => {
            let [beta1, beta2, _epsilon, _weight_decay] = named(request.scalars);
            let logarithm = |beta: f32| Argument::F32(f64::from(beta).ln() as f32);
            vec![logarithm(beta1), logarithm(beta2)]
        }
    };
    let blocks = len
        .div_ceil(4 * THREADS)
        .clamp(1, 8 * request.tuning.multiprocessors);
    vec![Draft {
        grid: [blocks, 1, 1],
        ..request.draft(&more)
    }]
}
