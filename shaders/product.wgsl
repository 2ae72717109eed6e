// samples_product, batch_product, lift, symmetric_product: the products A v, without forming the covariance.
//
//   samples_product  g = beta g + w_out sum_i w_in (y_i . v) y_i, for each of the m rows of v; y_i the centred sample i
//   batch_product    the same over the rows of mini-batch BATCH (rows[BATCH n ..][..n]) within first .. first + total
//   lift             out = beta out + w sum_i u[:, first + i] y_i
//   symmetric_product g = C v, for each row of v; C is symmetric, p x p, its rows padded to a multiple of four
//
// One row of v per workgroup, if samples have up to 4 COLUMNS WIDTH columns: X is read once for each row of v. The
// workgroup loads ROWS samples at a time into registers, COLUMNS vec4s per invocation, folds their products with v in
// workgroup memory, and adds u_i y_i to its part of g from the same registers. `product_sum` adds the partial g of all
// workgroups.
//
// Many rows of v, or longer samples: `project` computes u = w_in Y v' with register tiles (tile.wgsl; a few rows of v
// by many samples) in panels of columns, which `project_sum` adds. `lift` computes u' Y in the same way in blocks of
// samples, which `product_sum` adds. X is read twice for up to TILE_M rows of v.
//
// LISTED: the samples are those listed in `rows`. Geometry: see src/device/wgpu/geometry/product.rs. Bytes: X once or twice.

override WIDTH: u32 = 64;
override ROWS: u32 = 4;
override COLUMNS: u32 = 4;
override LISTED: bool = false;
/// Run length in which workgroup memory is folded.
const FOLD: u32 = 8u;
override FOLDS: u32 = (WIDTH + FOLD - 1u) / FOLD;
override LEN_SUMS: u32 = WIDTH * ROWS;
override LEN_FOLDED: u32 = FOLDS * ROWS;
/// Lanes that share a row of C, and number of rows in progress; `product_sum` uses the same numbers.
override LANES: u32 = 16;
override GROUPS: u32 = WIDTH / LANES;

struct Product {
    /// Number of samples, or of rows in a mini-batch.
    n: u32,
    d: u32,
    m: u32,
    /// Samples in the block, if a list selects them.
    total: u32,
    /// Number of the block's first sample, in the numbering of the list.
    first: u32,
    /// Samples (columns in `project`) per workgroup, and the number of parts that result.
    span: u32,
    parts: u32,
    /// Row length of u, and the column at which this block's samples start.
    row: u32,
    origin: u32,
    beta: f32,
    weight_in: f32,
    weight_out: f32,
}

@group(0) @binding(3) var<storage, read> control: array<f32>;
@group(0) @binding(4) var<storage, read> rows: array<u32>;
@group(0) @binding(5) var<storage, read> v: array<f32>;
@group(0) @binding(5) var<storage, read> u: array<f32>;
@group(0) @binding(6) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> projection: array<f32>;
@group(0) @binding(7) var<storage, read_write> g: array<f32>;
@group(0) @binding(8) var<storage, read_write> panels: array<f32>;
@group(0) @binding(9) var<storage, read> c: array<vec4<f32>>;
@group(0) @binding(10) var<uniform> params: Product;

const STOP: u32 = 0u;
const BATCH: u32 = 12u;

var<workgroup> sums: array<f32, LEN_SUMS>;
var<workgroup> folded: array<f32, LEN_FOLDED>;
var<workgroup> projected: array<f32, ROWS>;
var<workgroup> folds: array<vec4<f32>, WIDTH>;

fn frozen() -> bool {
    return control[STOP] != 0.0;
}

/// Index within the block of sample i of this launch; `total` if it is in another block.
fn place(i: u32) -> u32 {
    if LISTED {
        // A row before the block wraps around to a large number.
        return min(rows[u32(control[BATCH]) * params.n + i] - params.first, params.total);
    }
    return i;
}

/// Four elements of row a of v (m x d, not padded), 0 past its end.
fn vector(a: u32, q: u32) -> vec4<f32> {
    var value = vec4<f32>(0.0);
    let j = 4u * q;
    if a < params.m && j < params.d {
        let at = a * params.d + j;
        value.x = v[at];
        if j + 1u < params.d { value.y = v[at + 1u]; }
        if j + 2u < params.d { value.z = v[at + 2u]; }
        if j + 3u < params.d { value.w = v[at + 3u]; }
    }
    return value;
}

fn one_row(group: vec3<u32>, lane: u32) {
    if frozen() {
        return;
    }
    let stride = stride_of(params.d);
    var high: array<vec4<f32>, 4>;
    var low: array<vec4<f32>, 4>;
    var direction: array<vec4<f32>, 4>;
    var total: array<vec4<f32>, 4>;
    for (var q = 0u; q < COLUMNS; q++) {
        let column = q * WIDTH + lane;
        high[q] = vec4<f32>(0.0);
        low[q] = vec4<f32>(0.0);
        total[q] = vec4<f32>(0.0);
        direction[q] = vector(group.y, column);
        if column < stride {
            high[q] = mean[column];
            low[q] = mean[stride + column];
        }
    }
    let begin = group.x * params.span;
    let end = min(begin + params.span, params.n);
    for (var i = begin; i < end; i += ROWS) {
        var y: array<vec4<f32>, 16>;
        for (var r = 0u; r < ROWS; r++) {
            // Rows past the end are read as the last row, with weight zero.
            let row = place(min(i + r, end - 1u));
            var dot4 = vec4<f32>(0.0);
            for (var q = 0u; q < COLUMNS; q++) {
                let column = q * WIDTH + lane;
                var value = vec4<f32>(0.0);
                if column < stride && (!LISTED || row < params.total) {
                    value = (widened(row * stride + column) - high[q]) - low[q];
                }
                y[r * COLUMNS + q] = value;
                dot4 = fma(value, direction[q], dot4);
            }
            sums[r * WIDTH + lane] = (dot4.x + dot4.y) + (dot4.z + dot4.w);
        }
        workgroupBarrier();
        for (var t = lane; t < LEN_FOLDED; t += WIDTH) {
            let at = (t / FOLDS) * WIDTH + (t % FOLDS) * FOLD;
            var s = 0.0;
            for (var e = 0u; e < FOLD; e++) {
                if (t % FOLDS) * FOLD + e < WIDTH {
                    s += sums[at + e];
                }
            }
            folded[t] = s;
        }
        workgroupBarrier();
        for (var r = lane; r < ROWS; r += WIDTH) {
            var s = 0.0;
            for (var e = 0u; e < FOLDS; e++) {
                s += folded[r * FOLDS + e];
            }
            projected[r] = select(0.0, params.weight_in * s, i + r < end);
        }
        workgroupBarrier();
        for (var r = 0u; r < ROWS; r++) {
            let weight = vec4<f32>(projected[r]);
            for (var q = 0u; q < COLUMNS; q++) {
                total[q] = fma(weight, y[r * COLUMNS + q], total[q]);
            }
        }
    }
    for (var q = 0u; q < COLUMNS; q++) {
        let column = q * WIDTH + lane;
        if column < stride {
            partial[(group.x * params.m + group.y) * stride + column] = total[q];
        }
    }
}

@compute @workgroup_size(WIDTH)
fn samples_product_f32(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    one_row(group, lane);
}

@compute @workgroup_size(WIDTH)
fn samples_product_u8(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    one_row(group, lane);
}

@compute @workgroup_size(WIDTH)
fn batch_product_f32(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    one_row(group, lane);
}

@compute @workgroup_size(WIDTH)
fn batch_product_u8(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    one_row(group, lane);
}

// u = w_in Y v'. tile_a holds rows of v, tile_b samples. Workgroup id: (block of samples, panel of columns, block of
// rows of v).
@compute @workgroup_size(THREADS)
fn project(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    if frozen() {
        return;
    }
    let stride = stride_of(params.d);
    let i0 = group.x * TILE_N;
    let a0 = group.z * TILE_M;
    let begin = group.y * params.span;
    let end = min(begin + params.span, params.d);
    clear();
    for (var k0 = begin; k0 < end; k0 += TILE_K) {
        for (var t = lane; t < LEN_A / 4u; t += THREADS) {
            let q = t % (TILE_K / 4u);
            let a4 = t / (TILE_K / 4u);
            let turned = transpose(mat4x4<f32>(
                vector(a0 + 4u * a4, k0 / 4u + q),
                vector(a0 + 4u * a4 + 1u, k0 / 4u + q),
                vector(a0 + 4u * a4 + 2u, k0 / 4u + q),
                vector(a0 + 4u * a4 + 3u, k0 / 4u + q),
            ));
            for (var e = 0u; e < 4u; e++) {
                tile_a[(4u * q + e) * (TILE_M / 4u) + a4] = turned[e];
            }
        }
        for (var t = lane; t < LEN_B / 4u; t += THREADS) {
            let q = t % (TILE_K / 4u);
            let i4 = t / (TILE_K / 4u);
            let turned = transpose(mat4x4<f32>(
                sample(i0 + 4u * i4, k0 / 4u + q, stride),
                sample(i0 + 4u * i4 + 1u, k0 / 4u + q, stride),
                sample(i0 + 4u * i4 + 2u, k0 / 4u + q, stride),
                sample(i0 + 4u * i4 + 3u, k0 / 4u + q, stride),
            ));
            for (var e = 0u; e < 4u; e++) {
                tile_b[(4u * q + e) * (TILE_N / 4u) + i4] = turned[e];
            }
        }
        workgroupBarrier();
        multiply(lane);
        workgroupBarrier();
    }
    for (var i = 0u; i < BLOCK_M; i++) {
        for (var r = 0u; r < 4u; r++) {
            let a = a0 + 4u * row4(lane, i) + r;
            for (var j = 0u; j < BLOCK_N; j++) {
                let s = i0 + 4u * column4(lane, j);
                let value = params.weight_in * acc[(4u * i + r) * BLOCK_N + j];
                for (var e = 0u; e < 4u; e++) {
                    if a < params.m && s + e < params.n {
                        projection[(group.y * params.m + a) * params.n + s + e] = value[e];
                    }
                }
            }
        }
    }
}

/// Four columns of centred sample i, or 0 if there is no such sample.
fn sample(i: u32, q: u32, stride: u32) -> vec4<f32> {
    if i >= params.n || q >= stride {
        return vec4<f32>(0.0);
    }
    let row = place(i);
    if LISTED && row >= params.total {
        return vec4<f32>(0.0);
    }
    return (widened(row * stride + q) - mean[q]) - mean[stride + q];
}

// Sums the panels of u, in place of the first.
@compute @workgroup_size(WIDTH)
fn project_sum(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let len = params.m * params.n;
    for (var e = group.x * WIDTH + lane; e < len; e += params.span * WIDTH) {
        var s = 0.0;
        for (var p = 0u; p < params.parts; p++) {
            s += panels[p * len + e];
        }
        panels[e] = s;
    }
}

// u' Y. tile_a holds projections, tile_b samples. Workgroup id: (block of columns, part of the samples, block of rows
// of u).
fn lifted(group: vec3<u32>, lane: u32) {
    let stride = stride_of(params.d);
    let q0 = group.x * (TILE_N / 4u);
    let a0 = group.z * TILE_M;
    let begin = group.y * params.span;
    let end = min(begin + params.span, params.n);
    clear();
    for (var k0 = begin; k0 < end; k0 += TILE_K) {
        for (var t = lane; t < LEN_A; t += THREADS) {
            let i = k0 + t / (TILE_M / 4u);
            let a = a0 + 4u * (t % (TILE_M / 4u));
            var value = vec4<f32>(0.0);
            if i < end {
                for (var e = 0u; e < 4u; e++) {
                    if a + e < params.m {
                        value[e] = u[(a + e) * params.row + params.origin + i];
                    }
                }
            }
            tile_a[t] = value;
        }
        for (var t = lane; t < LEN_B; t += THREADS) {
            tile_b[t] = sample(k0 + t / (TILE_N / 4u), q0 + t % (TILE_N / 4u), stride);
        }
        workgroupBarrier();
        multiply(lane);
        workgroupBarrier();
    }
    for (var i = 0u; i < BLOCK_M; i++) {
        for (var r = 0u; r < 4u; r++) {
            let a = a0 + 4u * row4(lane, i) + r;
            for (var j = 0u; j < BLOCK_N; j++) {
                let q = q0 + column4(lane, j);
                if a < params.m && q < stride {
                    partial[(group.y * params.m + a) * stride + q] = acc[(4u * i + r) * BLOCK_N + j];
                }
            }
        }
    }
}

@compute @workgroup_size(THREADS)
fn lift_f32(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    lifted(group, lane);
}

@compute @workgroup_size(THREADS)
fn lift_u8(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    lifted(group, lane);
}

// g = beta g + w_out times the sum of its parts, each m x stride vec4s. A workgroup handles LANES columns in GROUPS
// chains.
@compute @workgroup_size(WIDTH)
fn product_sum(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    if frozen() {
        return;
    }
    let stride = stride_of(params.d);
    let q = group.x * LANES + lane % LANES;
    var s = vec4<f32>(0.0);
    if q < stride {
        for (var p = lane / LANES; p < params.parts; p += GROUPS) {
            s += partial[(p * params.m + group.y) * stride + q];
        }
    }
    folds[lane] = s;
    workgroupBarrier();
    if lane < LANES && q < stride {
        for (var e = 1u; e < GROUPS; e++) {
            s += folds[e * LANES + lane];
        }
        for (var e = 0u; e < 4u; e++) {
            let j = 4u * q + e;
            if j < params.d {
                let at = group.y * params.d + j;
                var old = 0.0;
                if params.beta != 0.0 {
                    old = params.beta * g[at];
                }
                g[at] = fma(params.weight_out, s[e], old);
            }
        }
    }
}

// g = C v. LANES invocations share four rows of C, so that each four elements of v serve four loads of C.
@compute @workgroup_size(WIDTH)
fn symmetric_product(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    if frozen() {
        return;
    }
    let p = params.d;
    let stride = stride_of(p);
    let i = 4u * (group.x * GROUPS + lane / LANES);
    var s = vec4<f32>(0.0);
    if i < p {
        let r1 = min(i + 1u, p - 1u) * stride;
        let r2 = min(i + 2u, p - 1u) * stride;
        let r3 = min(i + 3u, p - 1u) * stride;
        var s0 = vec4<f32>(0.0);
        var s1 = s0;
        var s2 = s0;
        var s3 = s0;
        for (var q = lane % LANES; q < stride; q += LANES) {
            let w = vector(group.y, q);
            s0 = fma(c[i * stride + q], w, s0);
            s1 = fma(c[r1 + q], w, s1);
            s2 = fma(c[r2 + q], w, s2);
            s3 = fma(c[r3 + q], w, s3);
        }
        s = vec4<f32>(
            (s0.x + s0.y) + (s0.z + s0.w),
            (s1.x + s1.y) + (s1.z + s1.w),
            (s2.x + s2.y) + (s2.z + s2.w),
            (s3.x + s3.y) + (s3.z + s3.w),
        );
    }
    folds[lane] = s;
    workgroupBarrier();
    if lane % LANES == 0u {
        for (var e = 1u; e < LANES; e++) {
            s += folds[lane + e];
        }
        for (var e = 0u; e < 4u; e++) {
            if i + e < p {
                g[group.y * p + i + e] = s[e];
            }
        }
    }
}
