//! Reads memory once: the roof of bandwidth.

use super::parameter::f32;
use super::reference::named_mut;
use super::{Access, Fill, Kernel, Row};

use Access::{Read, Write};
use Fill::{Normal, Positive};

/// Rows of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // Each is documented by its row.
pub enum Stream {
    Read,
}

/// In the order of [`Stream`].
pub(super) static ROWS: &[Row] = &[Row {
    kernel: Kernel::Stream(Stream::Read),
    name: "stream_read",
    formula: "out = sum_i x_i",
    sizes: &["n"],
    scalars: &[],
    buffers: &[
        f32("x", Read, |s| s[0], Positive),
        f32("out", Write, |_| 1, Normal),
    ],
    freezes: false,
    bytes: &|s| 4.0 * s[0] as f64,
    flops: &|s| s[0] as f64,
    tolerance: 1e-6,
    reference: &stream_read,
    cases: &[
        (&[1], &[]),
        (&[31], &[]),
        (&[33], &[]),
        (&[257], &[]),
        (&[1 << 20 | 3], &[]),
    ],
    benchmark: (&[64 << 20], &[]),
}];

fn stream_read(_: &[usize], _: &[f64], buffers: &mut [Vec<f64>]) {
    let [x, out] = named_mut(buffers);
    out[0] = x.iter().sum();
}
