// Reads samples, four columns at a time. Prepended to the files that use it.
//
// Rows of samples are padded to a multiple of four elements: f32 as vec4s, bytes packed four per u32 (the first in the
// low bits), so that both are indexed by row * stride + column / 4. The same buffer is bound under both names, and
// BYTES selects one. Samples are widened and centred in registers as (x - mean_hi) - mean_lo; the rows of the mean are
// padded too. The padding of samples and mean is zero and adds nothing.

override BYTES: bool = false;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> x_packed: array<u32>;
@group(0) @binding(2) var<storage, read> mean: array<vec4<f32>>;

/// Four columns of samples, converted to f32.
fn widened(at: u32) -> vec4<f32> {
    if BYTES {
        let word = x_packed[at];
        return vec4<f32>(vec4<u32>(word & 0xffu, (word >> 8u) & 0xffu, (word >> 16u) & 0xffu, word >> 24u));
    }
    return x[at];
}

/// Row length in units of four columns.
fn stride_of(d: u32) -> u32 {
    return (d + 3u) / 4u;
}
