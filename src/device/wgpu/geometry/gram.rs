//! Gram matrices of the samples: `shaders/gram.wgsl`.

use super::super::pass::Pass;
use super::request::{Request, bits, words};
use super::tile::{Range, Square, ranges};
use crate::kernel::{Gram, named};

pub(super) fn passes(kernel: Gram, request: &Request<'_>) -> Vec<Pass> {
    match kernel {
        Gram::CovarianceF32 => covariance(request, false),
        Gram::CovarianceU8 => covariance(request, true),
        Gram::DualF32 => dual(request, false),
        Gram::DualU8 => dual(request, true),
    }
}

fn covariance(request: &Request<'_>, bytes: bool) -> Vec<Pass> {
    let [n, d] = named(request.sizes);
    let [beta, weight_in, weight_out] = named(request.scalars);
    let square = Square::of(request.tuning, d, d);
    let pass = |range: Range| {
        let mut parameters = words([n, n, d, d, 0, 0, range.begin, range.end]);
        parameters.extend([range.factor, weight_in, weight_out].map(bits));
        Pass {
            constants: [vec![("BYTES", u32::from(bytes))], square.constants()].concat(),
            groups: square.groups(d, d),
            parameters,
            turns: range.turns(),
            ..request.pass()
        }
    };
    ranges(request.tuning, n, beta).map(pass).collect()
}

fn dual(request: &Request<'_>, bytes: bool) -> Vec<Pass> {
    let [na, nb, d, order, first_a, first_b] = named(request.sizes);
    let [weight_in, weight_out] = named(request.scalars);
    let square = Square::of(request.tuning, na, nb);
    let pass = |range: Range| {
        let sizes = [na, nb, d, order, first_a, first_b, range.begin, range.end];
        let mut parameters = words(sizes);
        parameters.extend([range.factor, weight_in, weight_out].map(bits));
        Pass {
            constants: [vec![("BYTES", u32::from(bytes))], square.constants()].concat(),
            groups: square.groups(na, nb),
            parameters,
            turns: range.turns(),
            // What the shader shares with covariance has the names of that.
            bindings: request
                .bindings_and([("x", request.buffer("xa")), ("c", request.buffer("k"))]),
            ..request.pass()
        }
    };
    ranges(request.tuning, d, 0.0).map(pass).collect()
}
