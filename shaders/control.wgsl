// advance and commit: bookkeeping after a step and after a component is found.
//
//   advance    RATE = rates[min(STEP, count - 1)]; STEP += 1; BATCH = (BATCH + 1) mod batches; nothing once STOP is set
//   commit     basis[COUNT] = v; COUNT += 1; TOP = max(TOP, RHO); resets the run state
//
// Geometry: `advance` one invocation, `commit` one workgroup that copies d elements. The control buffer has the layout
// of src/kernel/control/mod.rs; a test compares the numbers.

override WIDTH: u32 = 256;

struct Advance {
    batches: u32,
    count: u32,
}

struct Commit {
    d: u32,
    k: u32,
}

@group(0) @binding(0) var<storage, read_write> control: array<f32>;
@group(0) @binding(1) var<storage, read> rates: array<f32>;
@group(0) @binding(1) var<storage, read> v: array<f32>;
@group(0) @binding(2) var<storage, read_write> basis: array<f32>;
@group(0) @binding(3) var<uniform> params: Commit;
@group(0) @binding(3) var<uniform> epoch: Advance;

const STOP: u32 = 0u;
const STEP: u32 = 1u;
const RATE: u32 = 2u;
const SCALE: u32 = 3u;
const RHO: u32 = 4u;
const TOP: u32 = 6u;
const BEST: u32 = 10u;
const BEST_STEP: u32 = 11u;
const BATCH: u32 = 12u;
const COUNT: u32 = 13u;

const LARGEST: f32 = 3.40282347e+38;

@compute @workgroup_size(1)
fn advance() {
    if control[STOP] == 0.0 {
        control[RATE] = rates[min(u32(control[STEP]), epoch.count - 1u)];
        control[STEP] += 1.0;
        let batch = control[BATCH] + 1.0;
        control[BATCH] = select(batch, 0.0, batch >= f32(epoch.batches));
    }
}

@compute @workgroup_size(WIDTH)
fn commit(@builtin(local_invocation_index) lane: u32) {
    let count = u32(control[COUNT]);
    for (var j = lane; j < params.d; j += WIDTH) {
        basis[count * params.d + j] = v[j];
    }
    // Every invocation has read COUNT before it changes.
    storageBarrier();
    workgroupBarrier();
    if lane == 0u {
        control[COUNT] += 1.0;
        control[TOP] = max(control[TOP], control[RHO]);
        control[STOP] = 0.0;
        control[STEP] = 0.0;
        control[SCALE] = 0.0;
        control[BEST] = LARGEST;
        control[BEST_STEP] = 0.0;
    }
}
