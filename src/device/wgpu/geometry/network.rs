//! What a network adds to products of matrices: `shaders/network.wgsl`.

use super::super::pass::{Binding, Bindings, Pass, Scratch};
use super::request::{MAX_GROUPS, Request, bits, word, words};
use crate::kernel::{Network, named};

/// Columns of a workgroup that sums over rows (`LANES` of network.wgsl).
pub(super) const LANES: usize = 16;

pub(super) fn passes(kernel: Network, request: &Request<'_>) -> Vec<Pass> {
    match kernel {
        Network::GatherF32 => vec![gather(request, false)],
        Network::GatherU8 => vec![gather(request, true)],
        Network::BiasRelu => vec![bias_relu(request)],
        Network::SoftmaxLoss => softmax_loss(request),
        Network::ReluBackward => vec![relu_backward(request)],
        Network::Score => score(request),
    }
}

/// The uniform.
#[derive(Default)]
struct Parameters {
    b: usize,
    c: usize,
    n: usize,
    batch: usize,
    offset: usize,
    first: usize,
    groups: usize,
    factor: f32,
    scale: f32,
}

impl Parameters {
    fn words(&self) -> Vec<u32> {
        let Self {
            b,
            c,
            n,
            batch,
            offset,
            first,
            groups,
            factor,
            scale,
        } = *self;
        let mut words = words([b, c, n, batch, offset, first, groups]);
        words.extend([factor, scale].map(bits));
        words
    }

    /// A dispatch of so many workgroups, with these bindings.
    fn pass(
        &self,
        request: &Request<'_>,
        entry: &'static str,
        groups: usize,
        turns: usize,
        bindings: Bindings,
    ) -> Pass {
        Pass {
            constants: vec![("WIDTH", word(request.tuning.width))],
            groups: [groups, 1, 1],
            parameters: self.words(),
            turns,
            bindings,
            ..request.pass_of(entry)
        }
    }
}

fn gather(request: &Request<'_>, bytes: bool) -> Pass {
    let [n, d, b, batch, offset, first] = named(request.sizes);
    let [weight] = named(request.scalars);
    let parameters = Parameters {
        b,
        c: d,
        n,
        batch,
        offset,
        first,
        factor: weight,
        ..Parameters::default()
    };
    let groups = (b * d.div_ceil(4)).div_ceil(request.tuning.width);
    let mut pass = parameters.pass(request, request.row.name, groups, 4, request.bindings());
    pass.constants.push(("BYTES", u32::from(bytes)));
    pass
}

fn bias_relu(request: &Request<'_>) -> Pass {
    let [b, h] = named(request.sizes);
    let width = request.tuning.width;
    let groups = (b * h).div_ceil(width).min(MAX_GROUPS);
    let parameters = Parameters {
        b,
        c: h,
        groups,
        ..Parameters::default()
    };
    let turns = (b * h).div_ceil(groups * width);
    parameters.pass(request, request.row.name, groups, turns, request.bindings())
}

fn softmax_loss(request: &Request<'_>) -> Vec<Pass> {
    let [b, c, batch, offset, n, _batches] = named(request.sizes);
    let [beta] = named(request.scalars);
    let width = request.tuning.width;
    let groups = c.div_ceil(LANES) + 1;
    let parameters = Parameters {
        b,
        c,
        n,
        batch,
        offset,
        groups,
        factor: beta,
        scale: 1.0 / batch as f32,
        ..Parameters::default()
    };
    let partial = Binding::Scratch(Scratch::Partial, 4 * b as u64);
    let bindings = request.bindings_and([("partial", partial)]);
    let pass =
        |entry, groups, turns| parameters.pass(request, entry, groups, turns, bindings.clone());
    let chains = width / LANES;
    vec![
        pass(request.row.name, b.div_ceil(width), 3 * c),
        pass("softmax_sums", groups, b.div_ceil(chains) + chains + LANES),
    ]
}

fn relu_backward(request: &Request<'_>) -> Pass {
    let [b, h] = named(request.sizes);
    let [beta] = named(request.scalars);
    let parameters = Parameters {
        b,
        c: h,
        factor: beta,
        ..Parameters::default()
    };
    let chains = request.tuning.width / LANES;
    parameters.pass(
        request,
        request.row.name,
        h.div_ceil(LANES),
        b.div_ceil(chains) + chains,
        request.bindings(),
    )
}

fn score(request: &Request<'_>) -> Vec<Pass> {
    let [b, c, n, _len] = named(request.sizes);
    let width = request.tuning.width;
    let parameters = Parameters {
        b,
        c,
        n,
        batch: b,
        ..Parameters::default()
    };
    let partial = Binding::Scratch(Scratch::Partial, 8 * b as u64);
    let bindings = request.bindings_and([("partial", partial)]);
    let pass =
        |entry, groups, turns| parameters.pass(request, entry, groups, turns, bindings.clone());
    vec![
        pass(request.row.name, b.div_ceil(width), 2 * c),
        pass("score_sum", 1, b.div_ceil(width / 2) + width),
    ]
}
