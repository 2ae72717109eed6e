// covariance and dual: the Gram matrices of the centred samples y.
//
//   covariance  C = beta C + w_out w_in sum_i y_i y_i', d x d
//   dual        K[first_a + i, first_b + j] = w_out w_in ya_i . yb_j; the rest of K is unchanged
//
// Uses register tiles (tile.wgsl) and centres samples while staging them. `covariance` sums over the samples, whose
// rows are staged as stored; it computes the tiles on and above the diagonal and mirrors them. `dual` sums over the
// columns and transposes the samples in registers, in blocks of 4 x 4. The two weights are applied on either side of
// the sum, because their product may overflow f32. Rows of C and K are padded to a multiple of four.
//
// Geometry: (ceil(columns / TILE_N), ceil(rows / TILE_M)) workgroups of THREADS. Operations: n d (d + 1), 2 na nb d.

struct Gram {
    /// Number of samples; in `dual`, of samples in the first factor.
    n: u32,
    nb: u32,
    d: u32,
    /// Order of the matrix.
    order: u32,
    first_a: u32,
    first_b: u32,
    /// Range that this dispatch sums over: samples, or columns in `dual`.
    begin: u32,
    end: u32,
    /// Factor of the old values, applied at the start of the range.
    beta: f32,
    weight_in: f32,
    weight_out: f32,
}

@group(0) @binding(3) var<storage, read_write> c: array<f32>;
@group(0) @binding(4) var<storage, read> xb: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> xb_packed: array<u32>;
@group(0) @binding(6) var<uniform> params: Gram;

/// Four columns of xb, widened (see `widened`).
fn widened_b(at: u32) -> vec4<f32> {
    if BYTES {
        let word = xb_packed[at];
        return vec4<f32>(vec4<u32>(word & 0xffu, (word >> 8u) & 0xffu, (word >> 16u) & 0xffu, word >> 24u));
    }
    return xb[at];
}

fn put(at: u32, factor: f32, value: f32) {
    var old = 0.0;
    if factor != 0.0 {
        old = factor * c[at];
    }
    c[at] = fma(params.weight_out, value, old);
}

fn covariance(group: vec3<u32>, lane: u32) {
    // Tiles are square. Those below the diagonal are written by the workgroup that mirrors them.
    if group.x < group.y {
        return;
    }
    let stride = stride_of(params.d);
    let row = 4u * stride;
    let p0 = group.y * (TILE_M / 4u);
    let q0 = group.x * (TILE_N / 4u);
    for (var chunk = params.begin; chunk < params.end; chunk += CHUNK) {
        clear();
        let end = min(chunk + CHUNK, params.end);
        for (var k0 = chunk; k0 < end; k0 += TILE_K) {
            for (var t = lane; t < LEN_A; t += THREADS) {
                tile_a[t] = params.weight_in * sample(k0 + t / (TILE_M / 4u), p0 + t % (TILE_M / 4u), end, stride);
            }
            for (var t = lane; t < LEN_B; t += THREADS) {
                tile_b[t] = sample(k0 + t / (TILE_N / 4u), q0 + t % (TILE_N / 4u), end, stride);
            }
            workgroupBarrier();
            multiply(lane);
            workgroupBarrier();
        }
        let factor = select(1.0, params.beta, chunk == params.begin);
        for (var i = 0u; i < BLOCK_M; i++) {
            for (var r = 0u; r < 4u; r++) {
                let a = 4u * (p0 + row4(lane, i)) + r;
                for (var j = 0u; j < BLOCK_N; j++) {
                    let b = 4u * (q0 + column4(lane, j));
                    let value = acc[(4u * i + r) * BLOCK_N + j];
                    for (var e = 0u; e < 4u; e++) {
                        if a < params.d && b + e < params.d {
                            put(a * row + b + e, factor, value[e]);
                            if group.x != group.y {
                                put((b + e) * row + a, factor, value[e]);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Four columns of centred sample i, or 0 if there is no such sample.
fn sample(i: u32, q: u32, end: u32, stride: u32) -> vec4<f32> {
    if i >= end || q >= stride {
        return vec4<f32>(0.0);
    }
    return (widened(i * stride + q) - mean[q]) - mean[stride + q];
}

fn sample_b(i: u32, q: u32, end: u32, stride: u32) -> vec4<f32> {
    if i >= end || q >= stride {
        return vec4<f32>(0.0);
    }
    return (widened_b(i * stride + q) - mean[q]) - mean[stride + q];
}

fn dual(group: vec3<u32>, lane: u32) {
    let stride = stride_of(params.d);
    let row = 4u * stride_of(params.order);
    let i0 = group.y * TILE_M;
    let j0 = group.x * TILE_N;
    for (var chunk = params.begin; chunk < params.end; chunk += CHUNK) {
        clear();
        let end = min(chunk + CHUNK, params.end);
        for (var k0 = chunk; k0 < end; k0 += TILE_K) {
            for (var t = lane; t < LEN_A / 4u; t += THREADS) {
                let q = t % (TILE_K / 4u);
                let i4 = t / (TILE_K / 4u);
                let turned = transpose(mat4x4<f32>(
                    sample(i0 + 4u * i4, k0 / 4u + q, params.n, stride),
                    sample(i0 + 4u * i4 + 1u, k0 / 4u + q, params.n, stride),
                    sample(i0 + 4u * i4 + 2u, k0 / 4u + q, params.n, stride),
                    sample(i0 + 4u * i4 + 3u, k0 / 4u + q, params.n, stride),
                ));
                for (var e = 0u; e < 4u; e++) {
                    tile_a[(4u * q + e) * (TILE_M / 4u) + i4] = params.weight_in * turned[e];
                }
            }
            for (var t = lane; t < LEN_B / 4u; t += THREADS) {
                let q = t % (TILE_K / 4u);
                let j4 = t / (TILE_K / 4u);
                let turned = transpose(mat4x4<f32>(
                    sample_b(j0 + 4u * j4, k0 / 4u + q, params.nb, stride),
                    sample_b(j0 + 4u * j4 + 1u, k0 / 4u + q, params.nb, stride),
                    sample_b(j0 + 4u * j4 + 2u, k0 / 4u + q, params.nb, stride),
                    sample_b(j0 + 4u * j4 + 3u, k0 / 4u + q, params.nb, stride),
                ));
                for (var e = 0u; e < 4u; e++) {
                    tile_b[(4u * q + e) * (TILE_N / 4u) + j4] = turned[e];
                }
            }
            workgroupBarrier();
            multiply(lane);
            workgroupBarrier();
        }
        let factor = select(1.0, params.beta, chunk == params.begin);
        for (var i = 0u; i < BLOCK_M; i++) {
            for (var r = 0u; r < 4u; r++) {
                let a = i0 + 4u * row4(lane, i) + r;
                for (var j = 0u; j < BLOCK_N; j++) {
                    let b = j0 + 4u * column4(lane, j);
                    let value = acc[(4u * i + r) * BLOCK_N + j];
                    for (var e = 0u; e < 4u; e++) {
                        if a < params.n && b + e < params.nb {
                            put((params.first_a + a) * row + params.first_b + b + e, factor, value[e]);
                        }
                    }
                }
            }
        }
    }
}

@compute @workgroup_size(THREADS)
fn covariance_f32(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    covariance(group, lane);
}

@compute @workgroup_size(THREADS)
fn covariance_u8(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    covariance(group, lane);
}

@compute @workgroup_size(THREADS)
fn dual_f32(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    dual(group, lane);
}

@compute @workgroup_size(THREADS)
fn dual_u8(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    dual(group, lane);
}
