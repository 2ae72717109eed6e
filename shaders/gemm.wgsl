// gemm: C = alpha op(A) op(B) + beta C, row-major f32; op(A) is m x k, op(B) k x n. If beta is 0, C is not read.
//
// Each workgroup computes a TILE_M x TILE_N tile of C (see tile.wgsl). A factor whose stored rows run along k is
// transposed in registers while it is staged, in blocks of 4 x 4, so that workgroup memory is written in vec4s. Rows
// whose length is a multiple of four are read as vec4s (VECTOR_A, VECTOR_B) through a second binding of the same
// buffer, other rows element by element.
//
// On software adapters, workgroup memory is just the processor's cache behind a barrier. They use `gemm_direct` if rows
// consist of whole vec4s (src/device/wgpu/direct.rs).
//
// Geometry: (ceil(n / TILE_N), ceil(m / TILE_M)) workgroups of THREADS. Operations: 2 m n k.

override TRANSPOSE_A: bool = false;
override TRANSPOSE_B: bool = false;
override VECTOR_A: bool = false;
override VECTOR_B: bool = false;

struct Params {
    m: u32,
    n: u32,
    k: u32,
    /// Range of k that this dispatch sums over.
    begin: u32,
    end: u32,
    alpha: f32,
    beta: f32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@group(0) @binding(3) var<storage, read> a4: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> b4: array<vec4<f32>>;
@group(0) @binding(5) var<uniform> params: Params;

/// Columns 4 q to 4 q + 3 of stored row `row` of A (rows x columns), 0 outside.
fn fetch_a(row: u32, q: u32, rows: u32, columns: u32) -> vec4<f32> {
    var value = vec4<f32>(0.0);
    let j = 4u * q;
    if row < rows && j < columns {
        if VECTOR_A {
            value = a4[row * (columns / 4u) + q];
        } else {
            let at = row * columns + j;
            value.x = a[at];
            if j + 1u < columns { value.y = a[at + 1u]; }
            if j + 2u < columns { value.z = a[at + 2u]; }
            if j + 3u < columns { value.w = a[at + 3u]; }
        }
    }
    return value;
}

/// As `fetch_a`, for B.
fn fetch_b(row: u32, q: u32, rows: u32, columns: u32) -> vec4<f32> {
    var value = vec4<f32>(0.0);
    let j = 4u * q;
    if row < rows && j < columns {
        if VECTOR_B {
            value = b4[row * (columns / 4u) + q];
        } else {
            let at = row * columns + j;
            value.x = b[at];
            if j + 1u < columns { value.y = b[at + 1u]; }
            if j + 2u < columns { value.z = b[at + 2u]; }
            if j + 3u < columns { value.w = b[at + 3u]; }
        }
    }
    return value;
}

/// Stages slices k0 to k0 + TILE_K - 1 of the rows of op(A) from i0 on.
fn stage_a(lane: u32, i0: u32, k0: u32) {
    if TRANSPOSE_A {
        for (var t = lane; t < LEN_A; t += THREADS) {
            let q = t % (TILE_M / 4u);
            tile_a[t] = fetch_a(k0 + t / (TILE_M / 4u), i0 / 4u + q, params.k, params.m);
        }
    } else {
        for (var t = lane; t < LEN_A / 4u; t += THREADS) {
            let q = t % (TILE_K / 4u);
            let i4 = t / (TILE_K / 4u);
            let row = i0 + 4u * i4;
            let rows = transpose(mat4x4<f32>(
                fetch_a(row, k0 / 4u + q, params.m, params.k),
                fetch_a(row + 1u, k0 / 4u + q, params.m, params.k),
                fetch_a(row + 2u, k0 / 4u + q, params.m, params.k),
                fetch_a(row + 3u, k0 / 4u + q, params.m, params.k),
            ));
            let at = 4u * q * (TILE_M / 4u) + i4;
            tile_a[at] = rows[0];
            tile_a[at + TILE_M / 4u] = rows[1];
            tile_a[at + 2u * (TILE_M / 4u)] = rows[2];
            tile_a[at + 3u * (TILE_M / 4u)] = rows[3];
        }
    }
}

/// Stages slices k0 to k0 + TILE_K - 1 of the columns of op(B) from j0 on.
fn stage_b(lane: u32, j0: u32, k0: u32) {
    if TRANSPOSE_B {
        for (var t = lane; t < LEN_B / 4u; t += THREADS) {
            let q = t % (TILE_K / 4u);
            let j4 = t / (TILE_K / 4u);
            let row = j0 + 4u * j4;
            let rows = transpose(mat4x4<f32>(
                fetch_b(row, k0 / 4u + q, params.n, params.k),
                fetch_b(row + 1u, k0 / 4u + q, params.n, params.k),
                fetch_b(row + 2u, k0 / 4u + q, params.n, params.k),
                fetch_b(row + 3u, k0 / 4u + q, params.n, params.k),
            ));
            let at = 4u * q * (TILE_N / 4u) + j4;
            tile_b[at] = rows[0];
            tile_b[at + TILE_N / 4u] = rows[1];
            tile_b[at + 2u * (TILE_N / 4u)] = rows[2];
            tile_b[at + 3u * (TILE_N / 4u)] = rows[3];
        }
    } else {
        for (var t = lane; t < LEN_B; t += THREADS) {
            let q = t % (TILE_N / 4u);
            tile_b[t] = fetch_b(k0 + t / (TILE_N / 4u), j0 / 4u + q, params.k, params.n);
        }
    }
}

fn store(lane: u32, i0: u32, j0: u32, beta: f32) {
    for (var i = 0u; i < BLOCK_M; i++) {
        for (var r = 0u; r < 4u; r++) {
            let row = i0 + 4u * row4(lane, i) + r;
            for (var j = 0u; j < BLOCK_N; j++) {
                let column = j0 + 4u * column4(lane, j);
                let value = params.alpha * acc[(4u * i + r) * BLOCK_N + j];
                for (var e = 0u; e < 4u; e++) {
                    if row < params.m && column + e < params.n {
                        let at = row * params.n + column + e;
                        var old = 0.0;
                        if beta != 0.0 {
                            old = beta * c[at];
                        }
                        c[at] = value[e] + old;
                    }
                }
            }
        }
    }
}

@compute @workgroup_size(THREADS)
fn gemm(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i0 = group.y * TILE_M;
    let j0 = group.x * TILE_N;
    for (var chunk = params.begin; chunk < params.end; chunk += CHUNK) {
        clear();
        let end = min(chunk + CHUNK, params.end);
        for (var k0 = chunk; k0 < end; k0 += TILE_K) {
            stage_a(lane, i0, k0);
            stage_b(lane, j0, k0);
            workgroupBarrier();
            multiply(lane);
            workgroupBarrier();
        }
        store(lane, i0, j0, select(1.0, params.beta, chunk == params.begin));
    }
}
