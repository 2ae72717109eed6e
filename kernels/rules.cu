// What every update rule has around its statements: one pass over p, g and the states, on len elements.
//
// A rule is a file of a few lines in src/optimizer/rules/; the program makes its entry from it and appends it to this text
// (`gradrace rules show adam --as cuda`). g includes weight_decay p, as in PyTorch, unless a rule names the weight decay
// itself. RATE and t = STEP are read from the control buffer; once STOP is set, nothing changes. States below FLUSH become 0.
//
// Geometry: four elements per thread with loads of 16 bytes, in strides if there are more elements than threads; the
// first threads handle the up to three elements after the last quad. Bytes: 12 per element, and 8 for each state. A rule
// with norms has a pass before, of the same blocks, which sums squares into one part a block; every block adds the parts up.

constexpr float FLUSH = 1e-30f;
constexpr unsigned THREADS = 256;

[[maybe_unused]] static __device__ float flush(float x) { return fabsf(x) < FLUSH ? 0.0f : x; }
[[maybe_unused]] static __device__ float square(float x) { return x * x; }
/// -1, 0 or 1; NaN of NaN.
[[maybe_unused]] static __device__ float sign(float x) { return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x; }
[[maybe_unused]] static __device__ float smaller(float x, float y) { return x < y ? x : y; }
[[maybe_unused]] static __device__ float larger(float x, float y) { return x > y ? x : y; }

/// Adds N values over the block; thread 0 gets the sums.
template <int N> __device__ void block_sums(float (&x)[N]) {
    __shared__ float shared[N][WARP];
    const unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
#pragma unroll
    for (int k = 0; k < N; k++) {
        const float sum = team_sum<WARP>(x[k]);
        if (lane == 0) {
            shared[k][warp] = sum;
        }
    }
    __syncthreads();
    if (warp == 0) {
#pragma unroll
        for (int k = 0; k < N; k++) {
            x[k] = team_sum<WARP>(lane < THREADS / WARP ? shared[k][lane] : 0.0f);
        }
    }
}

/// Writes this block's part of the sums of squares that `rule(p, g, state, sums)` adds up over every element.
template <int States, int Norms, typename Rule>
__device__ void squares(const float *control, const float *p, const float *g, float *const *states, unsigned len, float weight_decay,
                        float *partial, Rule rule) {
    if (frozen(control)) {
        return;
    }
    float sums[Norms] = {};
    for (Index i = Index(blockIdx.x) * THREADS + threadIdx.x; i < len; i += Index(gridDim.x) * THREADS) {
        float own[States + 1];
#pragma unroll
        for (int k = 0; k < States; k++) {
            own[k] = states[k][i];
        }
        rule(p[i], g[i] + weight_decay * p[i], own, sums);
    }
    block_sums(sums);
    if (threadIdx.x == 0) {
#pragma unroll
        for (int k = 0; k < Norms; k++) {
            partial[Index(blockIdx.x) * Norms + k] = sums[k];
        }
    }
}

/// The norms whose sums of squares have these parts, the same bits in every thread.
template <int Norms> __device__ void norms_of(const float *partial, unsigned blocks, float (&norms)[Norms]) {
    __shared__ float shared[Norms];
    float sums[Norms] = {};
    for (unsigned block = threadIdx.x; block < blocks; block += THREADS) {
#pragma unroll
        for (int k = 0; k < Norms; k++) {
            sums[k] += partial[Index(block) * Norms + k];
        }
    }
    block_sums(sums);
    if (threadIdx.x == 0) {
#pragma unroll
        for (int k = 0; k < Norms; k++) {
            shared[k] = sqrtf(sums[k]);
        }
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < Norms; k++) {
        norms[k] = shared[k];
    }
}

/// Applies `rule(p, g, state)` to every element, where g includes weight decay and `state` holds the element's states.
template <int States, typename Rule>
__device__ void elementwise(const float *control, float *p, const float *g, float *const *states, unsigned len, float weight_decay,
                            Rule rule) {
    if (frozen(control)) {
        return;
    }
    const Index quads = len / 4;
    const Index thread = Index(blockIdx.x) * THREADS + threadIdx.x;
    for (Index i = thread; i < quads; i += Index(gridDim.x) * THREADS) {
        float4 p4 = reinterpret_cast<float4 *>(p)[i];
        float4 g4 = reinterpret_cast<const float4 *>(g)[i];
        multiply_add(g4, weight_decay, p4);
        float own[4][States + 1];
#pragma unroll
        for (int k = 0; k < States; k++) {
            const float4 four = reinterpret_cast<const float4 *>(states[k])[i];
            own[0][k] = four.x;
            own[1][k] = four.y;
            own[2][k] = four.z;
            own[3][k] = four.w;
        }
        rule(p4.x, g4.x, own[0]);
        rule(p4.y, g4.y, own[1]);
        rule(p4.z, g4.z, own[2]);
        rule(p4.w, g4.w, own[3]);
        reinterpret_cast<float4 *>(p)[i] = p4;
#pragma unroll
        for (int k = 0; k < States; k++) {
            reinterpret_cast<float4 *>(states[k])[i] = make_float4(own[0][k], own[1][k], own[2][k], own[3][k]);
        }
    }
    const Index i = 4 * quads + thread;
    if (i < len) {
        float own[States + 1];
#pragma unroll
        for (int k = 0; k < States; k++) {
            own[k] = states[k][i];
        }
        rule(p[i], g[i] + weight_decay * p[i], own);
#pragma unroll
        for (int k = 0; k < States; k++) {
            states[k][i] = own[k];
        }
    }
}

