// The register tile shared by all matrix products. Prepended to the files that use it.
//
// A workgroup computes a TILE_M x TILE_N block of sums over k. The including file stages TILE_K slices of both factors
// into workgroup memory, k-major, four neighbours per vec4: tile_a[k][i / 4], tile_b[k][j / 4]. In `multiply` every
// invocation then adds BLOCK_M x BLOCK_N outer products of 4 x 4 to its registers: per slice, BLOCK_M + BLOCK_N loads
// of 16 bytes serve 16 BLOCK_M BLOCK_N multiply-adds.
//
// Sums over a long k are added to memory every CHUNK slices, which bounds the length of an f32 sum.

override TILE_M: u32 = 64;
override TILE_N: u32 = 64;
override TILE_K: u32 = 16;
override BLOCK_M: u32 = 2;
override BLOCK_N: u32 = 2;
override THREADS_M: u32 = TILE_M / (4u * BLOCK_M);
override THREADS_N: u32 = TILE_N / (4u * BLOCK_N);
override THREADS: u32 = THREADS_M * THREADS_N;
override LEN_A: u32 = TILE_K * TILE_M / 4u;
override LEN_B: u32 = TILE_K * TILE_N / 4u;

/// Largest number of terms in an f32 sum.
const CHUNK: u32 = 1024u;

var<workgroup> tile_a: array<vec4<f32>, LEN_A>;
var<workgroup> tile_b: array<vec4<f32>, LEN_B>;

/// Sums of this invocation: row r of block (i, j) is at (4 i + r) BLOCK_N + j, with at most two blocks in each
/// direction.
var<private> acc: array<vec4<f32>, 16>;

fn clear() {
    for (var e = 0u; e < 4u * BLOCK_M * BLOCK_N; e++) {
        acc[e] = vec4<f32>(0.0);
    }
}

/// Row, in units of 4, of block i of this invocation within the tile.
fn row4(lane: u32, i: u32) -> u32 {
    return lane / THREADS_N + i * THREADS_M;
}

/// Column, in units of 4, of block j of this invocation within the tile.
fn column4(lane: u32, j: u32) -> u32 {
    return lane % THREADS_N + j * THREADS_N;
}

/// Adds the product of the staged tiles.
fn multiply(lane: u32) {
    for (var k = 0u; k < TILE_K; k++) {
        var b: array<vec4<f32>, 2>;
        for (var j = 0u; j < BLOCK_N; j++) {
            b[j] = tile_b[k * (TILE_N / 4u) + column4(lane, j)];
        }
        for (var i = 0u; i < BLOCK_M; i++) {
            let a = tile_a[k * (TILE_M / 4u) + row4(lane, i)];
            for (var j = 0u; j < BLOCK_N; j++) {
                let e = 4u * i * BLOCK_N + j;
                acc[e] = fma(vec4<f32>(a.x), b[j], acc[e]);
                acc[e + BLOCK_N] = fma(vec4<f32>(a.y), b[j], acc[e + BLOCK_N]);
                acc[e + 2u * BLOCK_N] = fma(vec4<f32>(a.z), b[j], acc[e + 2u * BLOCK_N]);
                acc[e + 3u * BLOCK_N] = fma(vec4<f32>(a.w), b[j], acc[e + 3u * BLOCK_N]);
            }
        }
    }
}
