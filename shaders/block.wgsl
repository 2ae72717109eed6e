// deflate, project_out, orthonormalise, ascent, retract: the block vectors of a step, m rows of d numbers.
//
//   deflate         g -= sum_{j < COUNT} (basis_j . g) basis_j
//   project_out     v = normalise((I - sum_{j < COUNT} basis_j basis_j') v), with the projection applied twice
//   orthonormalise  Q of v' = Q R by Gram-Schmidt, applied twice; a row that vanishes is replaced
//   ascent          H = g v'; P = g - H v; RHO, RESIDUAL, SCALE, the stop criterion;
//                   g = -2 (projected ? P : g) / max(SCALE, |g| / 64)
//   retract         v = orthonormalise(v); velocity -= its projection on span v
//
// A step moves all samples but only these few vectors, so one workgroup is enough: it needs no second pass, and all
// scalars of the step are at hand. It becomes the bottleneck if vectors are as large as the samples (d near a million,
// n in the hundreds). Every invocation owns the elements lane, lane + WIDTH, ... of every row, so that only sums cross
// invocations: each fold sums four dot products, in f32 chains of d / WIDTH terms and then a tree.
//
// Geometry: one workgroup of WIDTH. Bytes: the vectors once per fold.

override WIDTH: u32 = 256;
/// Run length in which workgroup memory is folded.
override FOLD: u32 = 16;
override FOLDS: u32 = WIDTH / FOLD;

struct Params {
    d: u32,
    /// Number of rows; in `deflate` and `project_out`, of the basis.
    m: u32,
    /// `projected` in ascent, `transport` in retract.
    choice: f32,
}

@group(0) @binding(0) var<storage, read_write> control: array<f32>;
@group(0) @binding(1) var<storage, read_write> v: array<f32>;
@group(0) @binding(2) var<storage, read_write> g: array<f32>;
@group(0) @binding(3) var<storage, read> basis: array<f32>;
@group(0) @binding(4) var<storage, read_write> velocity: array<f32>;
@group(0) @binding(5) var<storage, read_write> work: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

const STOP: u32 = 0u;
const STEP: u32 = 1u;
const SCALE: u32 = 3u;
const RHO: u32 = 4u;
const RESIDUAL: u32 = 5u;
const TOP: u32 = 6u;
const TOLERANCE: u32 = 7u;
const CRITERION: u32 = 8u;
const SCALE_MEAN: u32 = 9u;
const BEST: u32 = 10u;
const BEST_STEP: u32 = 11u;
const COUNT: u32 = 13u;

const CONVERGED: f32 = 1.0;
const FLOOR_REACHED: f32 = 2.0;
const NOT_FINITE: f32 = 3.0;
const STEP_NOT_FINITE: f32 = 4.0;
const BY_RESIDUAL: f32 = 1.0;
const NULL_SHARE: f32 = 1e-12;
const LEAST_SHARE: f32 = 0.00390625;
const NOISE: f32 = 2.384185791015625e-7;
const LONGEST: f32 = 64.0;
const NEAR_FLOOR: f32 = 3e-5;
const PLATEAU: f32 = 1e-6;
const NEAR_BEST: f32 = 4.0;
const HANDED_OVER: f32 = 2.56e-4;
const IMPROVEMENT: f32 = 0.95;
const PATIENCE: f32 = 100.0;
const LARGEST: f32 = 3.40282347e+38;
const LEAST_DIVISOR: f32 = 1e-30;
const VANISHED: f32 = 1e-6;
const ATTEMPTS: u32 = 8u;

var<workgroup> folds: array<vec4<f32>, WIDTH>;
var<workgroup> folded: array<vec4<f32>, FOLDS>;

/// Sums four values over all invocations; every invocation gets the same sums.
fn total4(lane: u32, value: vec4<f32>) -> vec4<f32> {
    folds[lane] = value;
    workgroupBarrier();
    if lane < FOLDS {
        var s = vec4<f32>(0.0);
        for (var e = 0u; e < FOLD; e++) {
            s += folds[lane * FOLD + e];
        }
        folded[lane] = s;
    }
    workgroupBarrier();
    var s = vec4<f32>(0.0);
    for (var e = 0u; e < FOLDS; e++) {
        s += folded[e];
    }
    // No further barrier is needed before the next fold: it writes `folds` before its first barrier and `folded` only
    // after it.
    return s;
}

/// Tests the exponent bits, because compilers may optimise away comparisons with infinity and NaN.
fn is_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u;
}

/// Computes RESIDUAL and the stop criterion; called by one invocation. From `rows` on, `work` holds two numbers per
/// row: rho, and the length of the gradient's part outside the span. See `judge` in src/kernel/block.rs and
/// src/kernel/control/mod.rs.
fn judge(rows: u32) {
    var top = control[TOP];
    for (var a = 0u; a < params.m; a++) {
        top = max(top, work[rows + 2u * a]);
    }
    let tolerance = control[TOLERANCE];
    var residual = 0.0;
    var worst = 0.0;
    var least = LARGEST;
    var floored = false;
    for (var a = 0u; a < params.m; a++) {
        let rho = work[rows + 2u * a];
        let left = work[rows + 2u * a + 1u];
        let denominator = max(max(rho, NULL_SHARE * top), LEAST_DIVISOR);
        let relative = left / denominator;
        residual = max(residual, relative);
        if params.m > 1u && rho < LEAST_SHARE * top {
            // The host finishes this row in f64.
            continue;
        }
        if left <= NOISE * sqrt(top) * sqrt(max(rho, 0.0)) {
            floored = floored || relative > tolerance;
        } else {
            worst = max(worst, relative);
            least = min(least, denominator);
        }
    }
    control[RESIDUAL] = residual;
    if control[CRITERION] != BY_RESIDUAL {
        return;
    }
    let step = control[STEP];
    let best = control[BEST];
    let near = max(NEAR_FLOOR, PLATEAU * top / least);
    if worst <= tolerance {
        control[STOP] = select(CONVERGED, FLOOR_REACHED, floored);
        control[BEST] = worst;
        control[BEST_STEP] = step;
    } else if worst < IMPROVEMENT * best {
        control[BEST] = worst;
        control[BEST_STEP] = step;
    } else if best < near && (worst < NEAR_BEST * best || near > HANDED_OVER)
        && step - control[BEST_STEP] > max(PATIENCE, step / 2.0) {
        control[STOP] = FLOOR_REACHED;
    }
}

@compute @workgroup_size(WIDTH)
fn deflate(@builtin(local_invocation_index) lane: u32) {
    if control[STOP] != 0.0 {
        return;
    }
    let d = params.d;
    let count = u32(control[COUNT]);
    for (var j = 0u; j < count; j += 4u) {
        var h = vec4<f32>(0.0);
        for (var i = lane; i < d; i += WIDTH) {
            let x = g[i];
            for (var e = 0u; e < 4u; e++) {
                if j + e < count {
                    h[e] = fma(basis[(j + e) * d + i], x, h[e]);
                }
            }
        }
        h = total4(lane, h);
        for (var i = lane; i < d; i += WIDTH) {
            var x = g[i];
            for (var e = 0u; e < 4u; e++) {
                if j + e < count {
                    x = fma(-h[e], basis[(j + e) * d + i], x);
                }
            }
            g[i] = x;
        }
    }
}

@compute @workgroup_size(WIDTH)
fn project_out(@builtin(local_invocation_index) lane: u32) {
    let d = params.d;
    let count = u32(control[COUNT]);
    for (var twice = 0u; twice < 2u; twice++) {
        for (var j = 0u; j < count; j += 4u) {
            var h = vec4<f32>(0.0);
            for (var i = lane; i < d; i += WIDTH) {
                let x = v[i];
                for (var e = 0u; e < 4u; e++) {
                    if j + e < count {
                        h[e] = fma(basis[(j + e) * d + i], x, h[e]);
                    }
                }
            }
            h = total4(lane, h);
            for (var i = lane; i < d; i += WIDTH) {
                var x = v[i];
                for (var e = 0u; e < 4u; e++) {
                    if j + e < count {
                        x = fma(-h[e], basis[(j + e) * d + i], x);
                    }
                }
                v[i] = x;
            }
        }
    }
    scale(lane, 0u, 1.0 / sqrt(square(lane, 0u)));
}

/// |row a of v|^2.
fn square(lane: u32, a: u32) -> f32 {
    var s = 0.0;
    for (var i = lane; i < params.d; i += WIDTH) {
        let x = v[a * params.d + i];
        s = fma(x, x, s);
    }
    return total4(lane, vec4<f32>(s, 0.0, 0.0, 0.0)).x;
}

fn scale(lane: u32, a: u32, factor: f32) {
    for (var i = lane; i < params.d; i += WIDTH) {
        v[a * params.d + i] *= factor;
    }
}

/// As `replacement` in src/kernel/block.rs.
fn replacement(row: u32, attempt: u32, j: u32) -> f32 {
    var x = ((row + 1u) * 0x9e3779b9u) ^ ((attempt + 1u) * 0x85ebca6bu) ^ (j * 0xc2b2ae35u);
    x = (x ^ 61u) ^ (x >> 16u);
    x *= 9u;
    x ^= x >> 4u;
    x *= 0x27d4eb2du;
    x ^= x >> 15u;
    return f32(x >> 8u) / 16777216.0 - 0.5;
}

/// Orthonormalises the rows of v.
fn gram_schmidt(lane: u32) {
    let d = params.d;
    for (var a = 0u; a < params.m; a++) {
        for (var attempt = 0u; attempt <= ATTEMPTS; attempt++) {
            let whole = square(lane, a);
            var left = whole;
            if a > 0u {
                for (var twice = 0u; twice < 2u; twice++) {
                    for (var j = 0u; j < a; j += 4u) {
                        var h = vec4<f32>(0.0);
                        for (var i = lane; i < d; i += WIDTH) {
                            let x = v[a * d + i];
                            for (var e = 0u; e < 4u; e++) {
                                if j + e < a {
                                    h[e] = fma(v[(j + e) * d + i], x, h[e]);
                                }
                            }
                        }
                        h = total4(lane, h);
                        for (var i = lane; i < d; i += WIDTH) {
                            var x = v[a * d + i];
                            for (var e = 0u; e < 4u; e++) {
                                if j + e < a {
                                    x = fma(-h[e], v[(j + e) * d + i], x);
                                }
                            }
                            v[a * d + i] = x;
                        }
                    }
                }
                left = square(lane, a);
            }
            if sqrt(left) > VANISHED * sqrt(whole) {
                scale(lane, a, 1.0 / sqrt(left));
                break;
            }
            for (var i = lane; i < d; i += WIDTH) {
                v[a * d + i] = replacement(a, attempt, i);
            }
        }
    }
}

@compute @workgroup_size(WIDTH)
fn orthonormalise(@builtin(local_invocation_index) lane: u32) {
    gram_schmidt(lane);
}

@compute @workgroup_size(WIDTH)
fn ascent(@builtin(local_invocation_index) lane: u32) {
    if control[STOP] != 0.0 {
        return;
    }
    let d = params.d;
    // Only the first invocation writes and reads what follows P.
    let rows = params.m * d;
    var rho_min = LARGEST;
    var rho_max = -LARGEST;
    var length = 0.0;
    var finite = true;
    for (var a = 0u; a < params.m; a++) {
        // P starts as g. Subtracting the part along one row of v does not change the products with the other rows.
        for (var i = lane; i < d; i += WIDTH) {
            work[a * d + i] = g[a * d + i];
        }
        var rho = 0.0;
        for (var j = 0u; j < params.m; j += 4u) {
            var h = vec4<f32>(0.0);
            for (var i = lane; i < d; i += WIDTH) {
                let x = work[a * d + i];
                for (var e = 0u; e < 4u; e++) {
                    if j + e < params.m {
                        h[e] = fma(v[(j + e) * d + i], x, h[e]);
                    }
                }
            }
            h = total4(lane, h);
            for (var i = lane; i < d; i += WIDTH) {
                var x = work[a * d + i];
                for (var e = 0u; e < 4u; e++) {
                    if j + e < params.m {
                        x = fma(-h[e], v[(j + e) * d + i], x);
                    }
                }
                work[a * d + i] = x;
            }
            for (var e = 0u; e < 4u; e++) {
                if j + e == a {
                    rho = h[e];
                }
            }
        }
        var squares = vec4<f32>(0.0);
        for (var i = lane; i < d; i += WIDTH) {
            let x = g[a * d + i];
            let p = work[a * d + i];
            squares.x = fma(x, x, squares.x);
            squares.y = fma(p, p, squares.y);
        }
        squares = total4(lane, squares);
        finite = finite && is_finite(squares.x);
        rho_min = min(rho_min, rho);
        rho_max = max(rho_max, rho);
        length = max(length, sqrt(squares.x));
        if lane == 0u {
            work[rows + 2u * a] = rho;
            work[rows + 2u * a + 1u] = sqrt(squares.y);
        }
    }
    // Every invocation reads the old values before the first one writes new ones.
    let old = control[SCALE];
    let mean = control[SCALE_MEAN];
    let step = control[STEP];
    storageBarrier();
    workgroupBarrier();
    if !finite {
        if lane == 0u {
            control[STOP] = NOT_FINITE;
        }
        return;
    }
    var size = max(old, length);
    if mean != 0.0 {
        size = old + (rho_max - old) / step;
    }
    if lane == 0u {
        control[SCALE] = size;
        control[RHO] = rho_min;
        judge(rows);
    }
    let factor = -2.0 / max(max(size, length / LONGEST), LEAST_DIVISOR);
    for (var i = lane; i < rows; i += WIDTH) {
        if params.choice != 0.0 {
            g[i] = factor * work[i];
        } else {
            g[i] *= factor;
        }
    }
}

@compute @workgroup_size(WIDTH)
fn retract(@builtin(local_invocation_index) lane: u32) {
    if control[STOP] != 0.0 {
        return;
    }
    let d = params.d;
    var s = 0.0;
    for (var i = lane; i < params.m * d; i += WIDTH) {
        s = fma(v[i], v[i], s);
    }
    let whole = total4(lane, vec4<f32>(s, 0.0, 0.0, 0.0)).x;
    if !is_finite(whole) || (params.m == 1u && whole == 0.0) {
        if lane == 0u {
            control[STOP] = STEP_NOT_FINITE;
        }
        return;
    }
    gram_schmidt(lane);
    if params.choice != 0.0 {
        for (var a = 0u; a < params.m; a++) {
            for (var j = 0u; j < params.m; j += 4u) {
                var h = vec4<f32>(0.0);
                for (var i = lane; i < d; i += WIDTH) {
                    let x = velocity[a * d + i];
                    for (var e = 0u; e < 4u; e++) {
                        if j + e < params.m {
                            h[e] = fma(v[(j + e) * d + i], x, h[e]);
                        }
                    }
                }
                h = total4(lane, h);
                for (var i = lane; i < d; i += WIDTH) {
                    var x = velocity[a * d + i];
                    for (var e = 0u; e < 4u; e++) {
                        if j + e < params.m {
                            x = fma(-h[e], v[(j + e) * d + i], x);
                        }
                    }
                    velocity[a * d + i] = x;
                }
            }
        }
    }
}
