// advance and commit: bookkeeping after a step and after a component is found.
//
//   advance    STEP += 1; RATE by the schedule; BATCH = (BATCH + 1) mod batches; nothing once STOP is set
//   commit     basis[COUNT] = v; COUNT += 1; TOP = max(TOP, RHO); resets the run state
//
// Geometry: `advance` one thread, `commit` one block that copies d elements. Bytes: 8 d.

/// time^-power. The powers in use are exact to one rounding; `powf` may be off by several.
__device__ float decay(float time, float power) {
    if (power == 0.0f) {
        return 1.0f;
    }
    if (power == 0.5f) {
        return 1.0f / sqrtf(time);
    }
    if (power == 1.0f) {
        return 1.0f / time;
    }
    return powf(time, -power);
}

extern "C" __global__ void advance(float *control, unsigned batches) {
    if (!frozen(control)) {
        const float time = 1.0f + control[STEP] / control[SCHEDULE_TIME];
        control[RATE] = control[BASE_RATE] * decay(time, control[SCHEDULE_POWER]);
        control[STEP] += 1.0f;
        const float batch = control[BATCH] + 1.0f;
        control[BATCH] = batch >= float(batches) ? 0.0f : batch;
    }
}

extern "C" __global__ void __launch_bounds__(1024)
commit(float *control, const float *v, float *basis, unsigned d, unsigned k) {
    const unsigned count = unsigned(control[COUNT]);
    if (count >= k) {
        return;
    }
    for (unsigned j = threadIdx.x; j < d; j += blockDim.x) {
        basis[Index(count) * d + j] = v[j];
    }
    // Every thread has read COUNT before it changes.
    __syncthreads();
    if (threadIdx.x == 0) {
        control[COUNT] += 1.0f;
        control[TOP] = fmaxf(control[TOP], control[RHO]);
        control[STOP] = 0.0f;
        control[STEP] = 0.0f;
        control[SCALE] = 0.0f;
        control[BEST] = LARGEST;
        control[BEST_STEP] = 0.0f;
    }
}
