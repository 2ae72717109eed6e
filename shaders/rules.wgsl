// What every update rule has around its statements: one pass over p, g and the states, on len elements.
//
// A rule is a file of a few lines in src/optimizer/rules/; the program makes its uniform, bindings and entry from it and
// appends them to this text (`gradrace rules show adam --as wgsl`). g includes weight_decay p, as in PyTorch, unless a rule
// names the weight decay itself. RATE and t = STEP are read from the control buffer; once STOP is set, nothing changes.
// States below FLUSH become 0.
//
// Geometry: one invocation per element, in strides if there are more elements than invocations. Bytes: 12 per element, and
// 8 for each state.

override WIDTH: u32 = 256;

const STOP: u32 = 0u;
const STEP: u32 = 1u;
const RATE: u32 = 2u;
const FLUSH: f32 = 1e-30;

fn flush(x: f32) -> f32 {
    return select(x, 0.0, abs(x) < FLUSH);
}

fn square(x: f32) -> f32 {
    return x * x;
}

/// -1, 0 or 1; NaN of NaN, where the adapter has NaN.
fn sign_of(x: f32) -> f32 {
    return select(select(x, -1.0, x < 0.0), 1.0, x > 0.0);
}

fn smaller(x: f32, y: f32) -> f32 {
    return select(y, x, x < y);
}

fn larger(x: f32, y: f32) -> f32 {
    return select(y, x, x > y);
}

/// exp(x) - 1. Near 0 the difference would cancel, so the series of exp is summed without its leading 1.
fn expm1(x: f32) -> f32 {
    if abs(x) > 0.5 {
        return exp(x) - 1.0;
    }
    return x * (1.0 + x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0 * (1.0 + x / 5.0 * (1.0 + x / 6.0 * (1.0 + x / 7.0))))));
}

