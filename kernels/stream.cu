// stream_read: out = sum_i x_i, n elements.
//
// Measures the bandwidth that a memory-bound kernel can reach. Every thread strides over x with four loads of 16 bytes
// in flight, and neighbours read adjacent addresses. Two deterministic passes: `stream_read` writes one sum per block,
// `stream_sum` adds them. Sums are f32 in four lanes and four chains, then a tree.
//
// Geometry: `stream_read` a few blocks of THREADS per multiprocessor, `stream_sum` one block. Bytes: 4 n.

constexpr unsigned THREADS = 256;

/// Sums x over the block; the result is valid in thread 0. `sums` is in shared memory.
__device__ float block_sum(float x, float *sums) {
    const unsigned warp = threadIdx.x / WARP;
    x = team_sum<WARP>(x);
    if (threadIdx.x % WARP == 0) {
        sums[warp] = x;
    }
    __syncthreads();
    float s = 0.0f;
    if (threadIdx.x == 0) {
        for (unsigned w = 0; w < THREADS / WARP; w++) {
            s += sums[w];
        }
    }
    return s;
}

extern "C" __global__ void __launch_bounds__(THREADS)
stream_read(const float *__restrict__ x, float *__restrict__ out, unsigned n, float *__restrict__ partial) {
    __shared__ float sums[THREADS / WARP];
    (void)out;
    const float4 *quads = reinterpret_cast<const float4 *>(x);
    const Index count = n / 4;
    const Index stride = Index(gridDim.x) * THREADS;
    float4 a = zero4(), b = a, c = a, d = a;
    Index i = Index(blockIdx.x) * THREADS + threadIdx.x;
    const Index rest = 4 * count + i;
    for (; i + 3 * stride < count; i += 4 * stride) {
        a += quads[i];
        b += quads[i + stride];
        c += quads[i + 2 * stride];
        d += quads[i + 3 * stride];
    }
    for (; i < count; i += stride) {
        a += quads[i];
    }
    // Up to three elements remain after the last quad.
    float s = sum((a + b) + (c + d));
    if (rest < n) {
        s += x[rest];
    }
    const float total = block_sum(s, sums);
    if (threadIdx.x == 0) {
        partial[blockIdx.x] = total;
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
stream_sum(const float *__restrict__ partial, float *__restrict__ out, unsigned parts) {
    __shared__ float sums[THREADS / WARP];
    float s = 0.0f;
    for (unsigned i = threadIdx.x; i < parts; i += THREADS) {
        s += partial[i];
    }
    const float total = block_sum(s, sums);
    if (threadIdx.x == 0) {
        out[0] = total;
    }
}
