// The update rules sgd, momentum, nesterov, adagrad, rmsprop and adam, on len elements each, in PyTorch's forms.
//
//   sgd        p -= RATE g
//   momentum   s1 = mu s1 + g;                         p -= RATE s1
//   nesterov   s1 = mu s1 + g;                         p -= RATE (g + mu s1)
//   adagrad    s1 += g^2;                              p -= RATE g / (sqrt(s1) + epsilon)
//   rmsprop    s1 = decay s1 + (1 - decay) g^2;        p -= RATE g / (sqrt(s1) + epsilon)
//   adam       s1, s2 = moving averages of g and g^2;  p -= RATE (s1 / (1 - beta1^t)) / (sqrt(s2 / (1 - beta2^t)) + epsilon)
//
// g includes weight_decay p, as in PyTorch. RATE and t = STEP are read from the control buffer; once STOP is set,
// nothing changes. States below FLUSH become 0.
//
// Geometry: one invocation per element, in strides if there are more elements than invocations. Bytes: 12 to 28 per
// element.

override WIDTH: u32 = 256;

struct Params {
    len: u32,
    groups: u32,
    first: f32,
    second: f32,
    epsilon: f32,
    /// Natural logarithms of adam's two decays, computed in f64 on the host.
    log_first: f32,
    log_second: f32,
    /// Factor of p that is added to g.
    weight_decay: f32,
}

@group(0) @binding(0) var<storage, read> control: array<f32>;
@group(0) @binding(1) var<storage, read_write> p: array<f32>;
@group(0) @binding(2) var<storage, read> g: array<f32>;
@group(0) @binding(3) var<storage, read_write> s1: array<f32>;
@group(0) @binding(4) var<storage, read_write> s2: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

const STOP: u32 = 0u;
const STEP: u32 = 1u;
const RATE: u32 = 2u;
const FLUSH: f32 = 1e-30;

fn flush(x: f32) -> f32 {
    return select(x, 0.0, abs(x) < FLUSH);
}

/// Gradient of element i, including weight decay.
fn gradient(i: u32) -> f32 {
    return fma(params.weight_decay, p[i], g[i]);
}

/// First element of this invocation; past the end if frozen.
fn first(id: u32) -> u32 {
    return select(id, params.len, control[STOP] != 0.0);
}

@compute @workgroup_size(WIDTH)
fn sgd(@builtin(global_invocation_id) id: vec3<u32>) {
    for (var i = first(id.x); i < params.len; i += params.groups * WIDTH) {
        p[i] -= control[RATE] * gradient(i);
    }
}

@compute @workgroup_size(WIDTH)
fn momentum(@builtin(global_invocation_id) id: vec3<u32>) {
    for (var i = first(id.x); i < params.len; i += params.groups * WIDTH) {
        let d = gradient(i);
        let velocity = params.first * s1[i] + d;
        p[i] -= control[RATE] * velocity;
        s1[i] = flush(velocity);
    }
}

@compute @workgroup_size(WIDTH)
fn nesterov(@builtin(global_invocation_id) id: vec3<u32>) {
    for (var i = first(id.x); i < params.len; i += params.groups * WIDTH) {
        let d = gradient(i);
        let velocity = params.first * s1[i] + d;
        p[i] -= control[RATE] * (d + params.first * velocity);
        s1[i] = flush(velocity);
    }
}

@compute @workgroup_size(WIDTH)
fn adagrad(@builtin(global_invocation_id) id: vec3<u32>) {
    for (var i = first(id.x); i < params.len; i += params.groups * WIDTH) {
        let d = gradient(i);
        let sum = s1[i] + d * d;
        p[i] -= control[RATE] * d / (sqrt(sum) + params.epsilon);
        s1[i] = flush(sum);
    }
}

@compute @workgroup_size(WIDTH)
fn rmsprop(@builtin(global_invocation_id) id: vec3<u32>) {
    for (var i = first(id.x); i < params.len; i += params.groups * WIDTH) {
        let d = gradient(i);
        let mean = params.first * s1[i] + (1.0 - params.first) * d * d;
        p[i] -= control[RATE] * d / (sqrt(mean) + params.epsilon);
        s1[i] = flush(mean);
    }
}

/// 1 - exp(x) for x <= 0. Near 0 the difference would cancel, so the series of exp is summed without its leading 1.
fn one_minus_exp(x: f32) -> f32 {
    if x < -0.5 {
        return 1.0 - exp(x);
    }
    return -x * (1.0 + x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0 * (1.0 + x / 5.0 * (1.0 + x / 6.0 * (1.0 + x / 7.0))))));
}

@compute @workgroup_size(WIDTH)
fn adam(@builtin(global_invocation_id) id: vec3<u32>) {
    let correction1 = one_minus_exp(control[STEP] * params.log_first);
    let correction2 = one_minus_exp(control[STEP] * params.log_second);
    for (var i = first(id.x); i < params.len; i += params.groups * WIDTH) {
        let d = gradient(i);
        let mean = params.first * s1[i] + (1.0 - params.first) * d;
        let square = params.second * s2[i] + (1.0 - params.second) * d * d;
        p[i] -= control[RATE] * (mean / correction1) / (sqrt(square / correction2) + params.epsilon);
        s1[i] = flush(mean);
        s2[i] = flush(square);
    }
}
