// stream_read: out = sum_i x_i, n elements.
//
// Measures the bandwidth that a memory-bound kernel can reach. Every invocation strides over x with four loads of 16
// bytes in flight, so that neighbours read adjacent addresses. Two deterministic passes: `stream_read` writes one
// partial sum per workgroup, `stream_sum` adds them in one workgroup. Sums are f32 in four lanes and four chains, then
// a tree; a chain has at most n / (16 x invocations) terms.
//
// Geometry: `stream_read` as many workgroups of WIDTH as the device specifies, `stream_sum` one workgroup. Bytes: 4 n.
// x is padded with zeros to a multiple of four elements.

override WIDTH: u32 = 256;

struct Params {
    n: u32,
    groups: u32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

var<workgroup> sums: array<f32, WIDTH>;

/// Sums one value per invocation; the result is valid in invocation 0.
fn fold(lane: u32, value: f32) -> f32 {
    sums[lane] = value;
    workgroupBarrier();
    for (var half = WIDTH / 2u; half > 0u; half /= 2u) {
        if lane < half {
            sums[lane] += sums[lane + half];
        }
        workgroupBarrier();
    }
    return sums[0];
}

@compute @workgroup_size(WIDTH)
fn stream_read(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let count = (params.n + 3u) / 4u;
    let stride = params.groups * WIDTH;
    var a = vec4<f32>(0.0);
    var b = a;
    var c = a;
    var d = a;
    var i = group.x * WIDTH + lane;
    while i + 3u * stride < count {
        a += x[i];
        b += x[i + stride];
        c += x[i + 2u * stride];
        d += x[i + 3u * stride];
        i += 4u * stride;
    }
    while i < count {
        a += x[i];
        i += stride;
    }
    let s = (a + b) + (c + d);
    let total = fold(lane, (s.x + s.y) + (s.z + s.w));
    if lane == 0u {
        partial[group.x] = total;
    }
}

@compute @workgroup_size(WIDTH)
fn stream_sum(@builtin(local_invocation_index) lane: u32) {
    var s = 0.0;
    for (var i = lane; i < params.groups; i += WIDTH) {
        s += partial[i];
    }
    let total = fold(lane, s);
    if lane == 0u {
        out[0] = total;
    }
}
