// The parts of a training step that are neither matrix products nor updates. Activations are b x h, not padded.
//
//   gather         out_i = weight x[row_i - first] if first <= row_i < first + n; row_i = rows[BATCH batch + offset + i]
//   bias_relu      z = max(0, z + bias)
//   softmax_loss   s = softmax(z + bias); z = (s - onehot(label)) / batch; losses[BATCH] and dbias get the sums over the rows
//   relu_backward  delta = 0 where a <= 0; dbias gets the sums over its rows
//   score          totals += [rows classified wrongly, sum of their losses]; ignores rows whose sample is n or more
//
// In gather an invocation handles four columns, in bias_relu one element at a time, in strides. In softmax_loss and
// score an invocation handles one row of at most a few hundred classes; sums over rows are collected in `partial` and
// added by softmax_sums and score_sum. In column_sum, which sums over rows, a workgroup handles LANES columns in WIDTH
// / LANES chains of rows and then adds the chains in order. No atomics. Bytes: each matrix is read and written once.

override WIDTH: u32 = 64;
/// Columns per workgroup in sums over rows.
const LANES: u32 = 16u;
override CHAINS: u32 = WIDTH / LANES;

struct Params {
    /// Rows and columns of the activations.
    b: u32,
    c: u32,
    /// Number of samples: in the block (gather) or in all blocks (score).
    n: u32,
    batch: u32,
    offset: u32,
    first: u32,
    groups: u32,
    /// `weight` in gather, `beta` in sums.
    factor: f32,
    /// 1 / batch.
    scale: f32,
}

@group(0) @binding(3) var<storage, read> control: array<f32>;
@group(0) @binding(3) var<storage, read_write> control_rw: array<f32>;
@group(0) @binding(4) var<storage, read> rows: array<u32>;
@group(0) @binding(5) var<storage, read> labels: array<u32>;
@group(0) @binding(6) var<storage, read> bias: array<f32>;
@group(0) @binding(7) var<storage, read_write> z: array<f32>;
@group(0) @binding(7) var<storage, read> z_read: array<f32>;
@group(0) @binding(7) var<storage, read_write> delta: array<f32>;
@group(0) @binding(7) var<storage, read_write> out: array<f32>;
@group(0) @binding(8) var<storage, read_write> dbias: array<f32>;
@group(0) @binding(8) var<storage, read_write> totals: array<f32>;
@group(0) @binding(9) var<storage, read_write> losses: array<f32>;
@group(0) @binding(10) var<storage, read> a: array<f32>;
@group(0) @binding(11) var<storage, read_write> partial: array<f32>;
@group(0) @binding(12) var<uniform> params: Params;

const STOP: u32 = 0u;
const BATCH: u32 = 12u;
const NOT_FINITE: f32 = 3.0;

var<workgroup> chains: array<f32, WIDTH>;

/// Index of the sample in row i.
fn sample(i: u32) -> u32 {
    return rows[u32(control[BATCH]) * params.batch + params.offset + i];
}

/// beta times the old value, which is not read if beta is 0.
fn old(value: f32) -> f32 {
    return select(params.factor * value, 0.0, params.factor == 0.0);
}

fn gathered(id: u32) {
    let stride = stride_of(params.c);
    let i = id / stride;
    if i >= params.b || control[STOP] != 0.0 {
        return;
    }
    // A row before the block wraps around to a large number.
    let row = sample(i) - params.first;
    if row >= params.n {
        return;
    }
    let q = id % stride;
    let value = params.factor * widened(row * stride + q);
    for (var e = 0u; e < 4u; e++) {
        if 4u * q + e < params.c {
            out[i * params.c + 4u * q + e] = value[e];
        }
    }
}

@compute @workgroup_size(WIDTH)
fn gather_f32(@builtin(global_invocation_id) id: vec3<u32>) {
    gathered(id.x);
}

@compute @workgroup_size(WIDTH)
fn gather_u8(@builtin(global_invocation_id) id: vec3<u32>) {
    gathered(id.x);
}

@compute @workgroup_size(WIDTH)
fn bias_relu(@builtin(global_invocation_id) id: vec3<u32>) {
    let len = params.b * params.c;
    for (var e = id.x; e < len; e += params.groups * WIDTH) {
        let sum = z[e] + bias[e % params.c];
        // NaN stays NaN and shows up in the loss.
        z[e] = select(sum, 0.0, sum < 0.0);
    }
}

@compute @workgroup_size(WIDTH)
fn softmax_loss(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i >= params.b || control[STOP] != 0.0 {
        return;
    }
    let label = labels[sample(i)];
    let at = i * params.c;
    var top = z[at] + bias[0];
    for (var j = 1u; j < params.c; j++) {
        top = max(top, z[at + j] + bias[j]);
    }
    var own = 0.0;
    var total = 0.0;
    for (var j = 0u; j < params.c; j++) {
        let shifted = z[at + j] + bias[j] - top;
        if j == label {
            own = shifted;
        }
        let e = exp(shifted);
        z[at + j] = e;
        total += e;
    }
    partial[i] = params.scale * (log(total) - own);
    for (var j = 0u; j < params.c; j++) {
        z[at + j] = params.scale * (z[at + j] / total - select(0.0, 1.0, j == label));
    }
}

/// Sums one value per chain; valid in the first chain of each column.
fn chained(lane: u32, value: f32) -> f32 {
    chains[lane] = value;
    workgroupBarrier();
    var sum = value;
    if lane < LANES {
        for (var e = 1u; e < CHAINS; e++) {
            sum += chains[e * LANES + lane];
        }
    }
    return sum;
}

/// Sums over rows of z; the last workgroup sums the losses.
@compute @workgroup_size(WIDTH)
fn softmax_sums(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let frozen = control_rw[STOP] != 0.0;
    let j = group.x * LANES + lane % LANES;
    let last = group.x + 1u == params.groups;
    var s = 0.0;
    if last {
        for (var i = lane; i < params.b; i += WIDTH) {
            s += partial[i];
        }
    } else if j < params.c {
        for (var i = lane / LANES; i < params.b; i += CHAINS) {
            s += z[i * params.c + j];
        }
    }
    let sum = chained(lane, s);
    if frozen {
        return;
    }
    if last {
        // The column sums of the losses, in order.
        workgroupBarrier();
        if lane < LANES {
            chains[lane] = sum;
        }
        workgroupBarrier();
        if lane == 0u {
            var loss = 0.0;
            for (var e = 0u; e < LANES; e++) {
                loss += chains[e];
            }
            let at = u32(control_rw[BATCH]);
            let value = old(losses[at]) + loss;
            losses[at] = value;
            // Every exponent bit is set: the value is infinite or NaN.
            if (bitcast<u32>(value) & 0x7f800000u) == 0x7f800000u {
                control_rw[STOP] = NOT_FINITE;
            }
        }
    } else if lane < LANES && j < params.c {
        dbias[j] = old(dbias[j]) + sum;
    }
}

@compute @workgroup_size(WIDTH)
fn relu_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let j = group.x * LANES + lane % LANES;
    var s = 0.0;
    if j < params.c {
        for (var i = lane / LANES; i < params.b; i += CHAINS) {
            let at = i * params.c + j;
            let kept = select(0.0, delta[at], a[at] > 0.0);
            delta[at] = kept;
            s += kept;
        }
    }
    let sum = chained(lane, s);
    if lane < LANES && j < params.c {
        dbias[j] = old(dbias[j]) + sum;
    }
}

@compute @workgroup_size(WIDTH)
fn score(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i >= params.b || control[STOP] != 0.0 {
        return;
    }
    var wrong = 0.0;
    var loss = 0.0;
    let number = sample(i);
    if number < params.n {
        let label = labels[number];
        let at = i * params.c;
        let own = z_read[at + label] + bias[label];
        var top = own;
        for (var j = 0u; j < params.c; j++) {
            let value = z_read[at + j] + bias[j];
            top = max(top, value);
            if j != label && !(value < own) {
                wrong = 1.0;
            }
        }
        var total = 0.0;
        for (var j = 0u; j < params.c; j++) {
            total += exp(z_read[at + j] + bias[j] - top);
        }
        loss = log(total) + top - own;
    }
    partial[i] = wrong;
    partial[params.b + i] = loss;
}

/// Sums the scores of the rows: even lanes sum the errors, odd lanes the losses.
@compute @workgroup_size(WIDTH)
fn score_sum(@builtin(local_invocation_index) lane: u32) {
    let which = lane % 2u;
    var s = 0.0;
    for (var i = lane / 2u; i < params.b; i += WIDTH / 2u) {
        s += partial[which * params.b + i];
    }
    chains[lane] = s;
    workgroupBarrier();
    if lane < 2u && control[STOP] == 0.0 {
        for (var e = lane + 2u; e < WIDTH; e += 2u) {
            s += chains[e];
        }
        totals[lane] += s;
    }
}
