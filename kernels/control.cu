// advance and commit: bookkeeping after a step and after a component is found.
//
//   advance    RATE = rates[min(STEP, count - 1)]; STEP += 1; BATCH = (BATCH + 1) mod batches; nothing once STOP is set
//   commit     basis[COUNT] = v; COUNT += 1; TOP = max(TOP, RHO); resets the run state
//
// Geometry: `advance` one thread, `commit` one block that copies d elements. Bytes: 8 d.

extern "C" __global__ void advance(float *control, const float *rates, unsigned batches, unsigned count) {
    if (!frozen(control)) {
        control[RATE] = rates[min(unsigned(control[STEP]), count - 1)];
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
