//! The matrix product: `shaders/gemm.wgsl`, and on software adapters the unrolled one of `direct`.

use super::super::direct;
use super::super::pass::{Binding, Pass, Tuning};
use super::request::{bits, words};
use super::tile::{Range, Square, ranges};
use crate::device::Gemm;

/// Dispatches; arguments are A, B, C.
pub(super) fn passes(tuning: &Tuning, gemm: &Gemm) -> Vec<Pass> {
    let Gemm {
        m,
        n,
        k,
        transpose_a,
        transpose_b,
        alpha,
        beta,
    } = *gemm;
    let square = Square::of(tuning, m, n);
    let stored_a = if transpose_a { m } else { k };
    let stored_b = if transpose_b { k } else { n };
    let vectors = [stored_a, stored_b].map(|stored| stored.is_multiple_of(4));
    let whole = vectors == [true, true] && n.is_multiple_of(4) && k.is_multiple_of(4);
    let direct = direct::entry(transpose_a, transpose_b).filter(|_| tuning.software && whole);
    let flags = [
        ("TRANSPOSE_A", transpose_a),
        ("TRANSPOSE_B", transpose_b),
        ("VECTOR_A", vectors[0]),
        ("VECTOR_B", vectors[1]),
    ];
    let mut constants = square.constants();
    constants.extend(flags.map(|(name, flag)| (name, u32::from(flag))));
    let (entry, constants, groups) = match direct {
        Some(entry) => {
            let groups = [n.div_ceil(direct::TILE_N), m.div_ceil(direct::TILE_M), 1];
            (entry, vec![], groups)
        }
        None => ("gemm", constants, square.groups(m, n)),
    };
    let pass = |range: Range| {
        let mut parameters = words([m, n, k, range.begin, range.end]);
        parameters.extend([alpha, range.factor].map(bits));
        let [a, b, c] = [0, 1, 2].map(Binding::Argument);
        Pass {
            entry,
            constants: constants.clone(),
            groups,
            parameters,
            turns: range.turns(),
            bindings: vec![("a", a), ("a4", a), ("b", b), ("b4", b), ("c", c)],
        }
    };
    ranges(tuning, k, beta).map(pass).collect()
}
