// covariance and dual: the Gram matrices of the centred samples y.
//
//   covariance  C = beta C + w_out w_in sum_i y_i y_i', d x d
//   dual        K[first_a + i, first_b + j] = w_out w_in ya_i . yb_j; the rest of K is unchanged
//
// A block of 64 threads computes a 64 x 64 tile of sums over its part of the samples (`covariance`) or of the columns
// (`dual`), 8 x 8 sums per thread: per slice, four loads of 16 bytes from shared memory serve 64 multiply-adds. Samples
// are centred while they are staged, DEPTH slices at a time; `dual` also transposes them. Many small blocks share a
// multiprocessor, so that one computes while another waits for its samples. Every CHUNK slices the f32 sums are added
// to the block's part in memory; `covariance_sum` and `dual_sum` add the parts. Of C only the tiles on and below the
// diagonal are computed, and `covariance_sum` mirrors them. The two weights are applied on either side of the sum,
// because their product may overflow f32. Rows of C and K are padded to a multiple of four.
//
// Geometry: blocks (tile column, tile row, part) of 64 threads; the sums use one thread per element. Operations: n d (d
// + 1), 2 na nb d.

constexpr unsigned TILE = 64;
constexpr unsigned DEPTH = 16;
constexpr unsigned THREADS = 64;
/// Blocks per multiprocessor: this leaves 168 registers per thread, so that nothing spills.
constexpr unsigned BLOCKS = 6;
constexpr unsigned SUM_THREADS = 256;
/// Largest number of terms in an f32 sum.
constexpr unsigned CHUNK = 1024;

/// Slices of both factors, k-major.
struct Stage {
    float4 a[DEPTH * TILE / 4];
    float4 b[DEPTH * TILE / 4];
};

/// The 8 x 8 sums of a thread: rows 4 (t / 8) + {0, 1, 2, 3} and those 32 further, columns 4 (t % 8) + {0, 1, 2, 3} and
/// those 32 further, so that eight neighbours read 128 bytes of a slice.
struct Sums {
    float4 at[8][2];

    __device__ void clear() {
#pragma unroll
        for (unsigned r = 0; r < 8; r++) {
            at[r][0] = zero4();
            at[r][1] = zero4();
        }
    }

    __device__ void multiply(const Stage &stage) {
        const unsigned x = threadIdx.x % 8, y = threadIdx.x / 8;
#pragma unroll 4
        for (unsigned k = 0; k < DEPTH; k++) {
            const float4 *a = stage.a + k * (TILE / 4), *b = stage.b + k * (TILE / 4);
            const float4 b0 = b[x], b1 = b[x + 8];
#pragma unroll
            for (unsigned h = 0; h < 2; h++) {
                const float4 column = a[y + 8 * h];
                const float s[4] = {column.x, column.y, column.z, column.w};
#pragma unroll
                for (unsigned r = 0; r < 4; r++) {
                    multiply_add(at[4 * h + r][0], s[r], b0);
                    multiply_add(at[4 * h + r][1], s[r], b1);
                }
            }
        }
    }

    /// Writes the sums to a part of 64 x 64, or adds them to it.
    __device__ void put(float4 *part, bool add) const {
        const unsigned x = threadIdx.x % 8, y = threadIdx.x / 8;
#pragma unroll
        for (unsigned r = 0; r < 8; r++) {
            float4 *row = part + (4 * y + r % 4 + r / 4 * 32) * (TILE / 4);
#pragma unroll
            for (unsigned h = 0; h < 2; h++) {
                row[x + 8 * h] = add ? row[x + 8 * h] + at[r][h] : at[r][h];
            }
        }
    }
};

/// Sums slices `begin .. end` in chunks. `stage_slices(k0, end)` fills the stage with the slices from k0 on, zeros from
/// `end` on.
template <typename Slices>
__device__ void tile_sums(Stage &stage, float4 *part, unsigned begin, unsigned end, Slices stage_slices) {
    Sums sums;
    for (unsigned chunk = begin; chunk < end; chunk += CHUNK) {
        const unsigned last = min(chunk + CHUNK, end);
        sums.clear();
        for (unsigned k0 = chunk; k0 < last; k0 += DEPTH) {
            stage_slices(k0, last);
            __syncthreads();
            sums.multiply(stage);
            __syncthreads();
        }
        sums.put(part, chunk != begin);
    }
}

/// Index of tile (row, column) among those on and below the diagonal.
__device__ Index triangular(unsigned row, unsigned column) { return Index(row) * (row + 1) / 2 + column; }

template <typename Quad>
__device__ void covariance(Stage &stage, const Quad *x, const float4 *mean, unsigned n, unsigned d, float weight_in,
                           float4 *partial, unsigned span) {
    if (blockIdx.x > blockIdx.y) {
        return;
    }
    const unsigned quads = quads_of(d), stride = row_quads<Quad>(d);
    const unsigned column = threadIdx.x % (TILE / 4), slice = threadIdx.x / (TILE / 4);
    const unsigned qa = blockIdx.y * (TILE / 4) + column, qb = blockIdx.x * (TILE / 4) + column;
    const auto centred = [&](unsigned i, unsigned end, unsigned q) {
        if (i >= end || q >= quads) {
            return zero4();
        }
        return (widened(x[Index(i) * stride + q]) - mean[q]) - mean[quads + q];
    };
    const unsigned begin = blockIdx.z * span;
    const Index tiles = triangular(gridDim.y, 0);
    float4 *part = partial + (blockIdx.z * tiles + triangular(blockIdx.y, blockIdx.x)) * (TILE * TILE / 4);
    tile_sums(stage, part, begin, min(begin + span, n), [&](unsigned k0, unsigned end) {
#pragma unroll
        for (unsigned k = slice; k < DEPTH; k += THREADS / (TILE / 4)) {
            stage.a[k * (TILE / 4) + column] = weight_in * centred(k0 + k, end, qa);
            stage.b[k * (TILE / 4) + column] = centred(k0 + k, end, qb);
        }
    });
}

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
covariance_f32(const float4 *__restrict__ x, const float4 *__restrict__ mean, float *c, unsigned n, unsigned d, float beta,
               float weight_in, float weight_out, float4 *partial, unsigned span) {
    __shared__ Stage stage;
    (void)c, (void)beta, (void)weight_out;
    covariance(stage, x, mean, n, d, weight_in, partial, span);
}

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
covariance_u8(const unsigned *__restrict__ x, const float4 *__restrict__ mean, float *c, unsigned n, unsigned d, float beta,
              float weight_in, float weight_out, float4 *partial, unsigned span) {
    __shared__ Stage stage;
    (void)c, (void)beta, (void)weight_out;
    covariance(stage, x, mean, n, d, weight_in, partial, span);
}

/// C = beta C + weight_out times the sum of the parts.
extern "C" __global__ void __launch_bounds__(SUM_THREADS)
covariance_sum(const float *__restrict__ partial, float *c, unsigned d, float beta, float weight_out, unsigned parts) {
    const unsigned side = (d + TILE - 1) / TILE, stride = 4 * quads_of(d);
    const Index size = triangular(side, 0) * (TILE * TILE);
    const Index threads = Index(gridDim.x) * SUM_THREADS;
    for (Index t = Index(blockIdx.x) * SUM_THREADS + threadIdx.x; t < Index(d) * d; t += threads) {
        const unsigned row = unsigned(t / d), column = unsigned(t % d);
        const unsigned i = max(row, column), j = min(row, column);
        const Index at = triangular(i / TILE, j / TILE) * (TILE * TILE) + (i % TILE) * TILE + j % TILE;
        float s = 0.0f;
        for (unsigned p = 0; p < parts; p++) {
            s += partial[p * size + at];
        }
        float &element = c[Index(row) * stride + column];
        element = (beta == 0.0f ? 0.0f : beta * element) + weight_out * s;
    }
}

template <typename Quad>
__device__ void dual(Stage &stage, const Quad *xa, const Quad *xb, const float4 *mean, unsigned na, unsigned nb, unsigned d,
                     float weight_in, float4 *partial, unsigned span) {
    const unsigned quads = quads_of(d), stride = row_quads<Quad>(d);
    const unsigned i = blockIdx.y * TILE + threadIdx.x, j = blockIdx.x * TILE + threadIdx.x;
    const auto centred = [&](const Quad *x, unsigned row, unsigned rows, unsigned q) {
        if (row >= rows || q >= quads) {
            return zero4();
        }
        return (widened(x[Index(row) * stride + q]) - mean[q]) - mean[quads + q];
    };
    // Thread t transposes sample t of each tile, so that columns become slices.
    const auto turn = [&](float4 *slices, unsigned q, float4 y) {
        float *at = &slices->x + 4 * q * TILE + threadIdx.x;
        at[0] = y.x;
        at[TILE] = y.y;
        at[2 * TILE] = y.z;
        at[3 * TILE] = y.w;
    };
    const unsigned begin = blockIdx.z * span;
    const Index tile = (Index(blockIdx.z) * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    // A slice past the last column reads the padding, which is zero.
    tile_sums(stage, partial + tile * (TILE * TILE / 4), begin, min(begin + span, d), [&](unsigned k0, unsigned) {
#pragma unroll
        for (unsigned q = 0; q < DEPTH / 4; q++) {
            turn(stage.a, q, weight_in * centred(xa, i, na, k0 / 4 + q));
            turn(stage.b, q, centred(xb, j, nb, k0 / 4 + q));
        }
    });
}

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
dual_f32(const float4 *__restrict__ xa, const float4 *__restrict__ xb, const float4 *__restrict__ mean, float *k, unsigned na,
         unsigned nb, unsigned d, unsigned n, unsigned first_a, unsigned first_b, float weight_in, float weight_out,
         float4 *partial, unsigned span) {
    __shared__ Stage stage;
    (void)k, (void)n, (void)first_a, (void)first_b, (void)weight_out;
    dual(stage, xa, xb, mean, na, nb, d, weight_in, partial, span);
}

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
dual_u8(const unsigned *__restrict__ xa, const unsigned *__restrict__ xb, const float4 *__restrict__ mean, float *k, unsigned na,
        unsigned nb, unsigned d, unsigned n, unsigned first_a, unsigned first_b, float weight_in, float weight_out,
        float4 *partial, unsigned span) {
    __shared__ Stage stage;
    (void)k, (void)n, (void)first_a, (void)first_b, (void)weight_out;
    dual(stage, xa, xb, mean, na, nb, d, weight_in, partial, span);
}

/// Writes the block of K for these samples: weight_out times the sum of the parts.
extern "C" __global__ void __launch_bounds__(SUM_THREADS)
dual_sum(const float *__restrict__ partial, float *k, unsigned na, unsigned nb, unsigned n, unsigned first_a, unsigned first_b,
         float weight_out, unsigned parts) {
    const unsigned wide = (nb + TILE - 1) / TILE, high = (na + TILE - 1) / TILE, stride = 4 * quads_of(n);
    const Index size = Index(high) * wide * (TILE * TILE);
    const Index threads = Index(gridDim.x) * SUM_THREADS;
    for (Index t = Index(blockIdx.x) * SUM_THREADS + threadIdx.x; t < Index(na) * nb; t += threads) {
        const unsigned i = unsigned(t / nb), j = unsigned(t % nb);
        const Index at = (Index(i / TILE) * wide + j / TILE) * (TILE * TILE) + (i % TILE) * TILE + j % TILE;
        float s = 0.0f;
        for (unsigned p = 0; p < parts; p++) {
            s += partial[p * size + at];
        }
        k[Index(first_a + i) * stride + first_b + j] = weight_out * s;
    }
}
