// samples_product, batch_product, lift, symmetric_product: the products A v, without forming the covariance.
//
//   samples_product   g = beta g + w_out sum_i w_in (y_i . v) y_i, for each of the m rows of v; y_i the centred sample i
//   batch_product     the same over the rows of mini-batch BATCH (rows[BATCH b ..][..b]) within first .. first + n
//   lift              out = beta out + w sum_i u[:, first + i] y_i
//   symmetric_product g = C v, for each row of v; C is symmetric, p x p, its rows padded to a multiple of four
//
// One row of v (`*_product_*`): a team of threads handles one sample at a time: a warp for MNIST's 784 columns, a
// quarter of a warp for 64 or fewer, the whole block for up to 8,192. Its threads hold the sample in registers, K quads
// each. The dot product with v uses shuffles, and u_i y_i is added to the team's g from the same registers, so that X
// is read once and the loop has no barrier. The next R samples are in flight meanwhile, which is 7 R loads per lane at
// 784 columns. A block of eight warps leaves 255 registers per thread: enough to overlap the sum of one sample with the
// arithmetic of the next without spilling. Bytes are loaded four at a time, not sixteen: 196 quads fill 88 % of 7 x 32
// lanes, while 49 loads of sixteen would fill 77 % of 2 x 32; R = 4 instead of 2 makes up for the smaller loads.
// mean_hi is subtracted in registers, and mean_lo, half a unit in its last place, through the projections: y_i . v =
// (x_i - hi) . v - lo . v, and g -= (sum_i u_i) lo. At the end the g of the teams are added in order in shared memory.
// Each block writes one part of g, and `product_sum` adds the parts; a single block writes g itself.
//
// Several rows of v (`*_products_*`), up to 32 per block, samples of up to 1,024 columns: a tile of 8 centred samples
// is in shared memory. The warps compute its 8 x m projections in blocks of 4 x 4; then each thread, which owns a quad
// of columns for 16 rows of v, adds u y to its registers. X is read once for each 32 rows of v.
//
// Longer samples: `project` computes u = w_in Y v' in panels of columns, four samples by four rows of v per warp, and
// `project_sum` adds the panels. `product_lift`, like `lift`, computes u' Y in parts of the samples, a quad of columns
// per thread, and `product_sum` adds the parts. X is read twice.
//
// Geometry: see src/device/cuda/geometry/product.rs. Bytes: X once or twice.

/// The samples of a launch: all, or those listed in `rows` by their index over all blocks of samples.
struct Choice {
    const unsigned *rows;
    unsigned first;
    /// Number of samples in the block.
    unsigned total;

    /// Index within the block of sample i of the launch; `total` or more if it is in another block (a row before the
    /// block wraps around).
    __device__ unsigned place(unsigned i) const { return rows ? rows[i] - first : i; }
};

__device__ Choice all_of(unsigned n) { return {nullptr, 0, n}; }

/// The mini-batch of this step.
__device__ Choice batch_of(const float *control, const unsigned *rows, unsigned n, unsigned b, unsigned first) {
    return {rows + Index(unsigned(control[BATCH])) * b, first, n};
}

/// Writes quad q of row a of g (m x d, not padded): g = beta g + weight s.
__device__ void finish(float *g, unsigned a, unsigned d, unsigned q, float beta, float weight, float4 s) {
    const float parts[4] = {s.x, s.y, s.z, s.w};
    float *at = g + Index(a) * d;
#pragma unroll
    for (unsigned e = 0; e < 4; e++) {
        const unsigned j = 4 * q + e;
        if (j < d) {
            const float old = beta == 0.0f ? 0.0f : beta * at[j];
            at[j] = old + weight * parts[e];
        }
    }
}

/// Sizes of a launch and how it is divided among blocks.
struct Share {
    /// Number of samples.
    unsigned n;
    unsigned d;
    unsigned m;
    /// Samples per block.
    unsigned span;
    float beta;
    float weight_in;
    float weight_out;
};

/// Threads per block of `one_row`.
constexpr unsigned TEAM_THREADS = 256;

/// One row of v: teams of LANES threads with K quads each, R samples in flight.
template <typename Quad, unsigned LANES, unsigned K, unsigned R>
__device__ void one_row(const Choice &choice, const Quad *x, const float4 *mean, const float *v, float *g, float4 *partial,
                        const Share &share) {
    constexpr unsigned TEAMS = TEAM_THREADS / LANES;
    constexpr unsigned WARPS = TEAM_THREADS / WARP;
    const unsigned quads = quads_of(share.d), stride = row_quads<Quad>(share.d);
    const unsigned lane = threadIdx.x % LANES, team = threadIdx.x / LANES;
    float *crossing = &dynamic_shared()->x;
    unsigned phase = 0;
    // Sums over a team. If the team is the whole block, two halves of the shared memory alternate, so that one barrier
    // is enough.
    const auto team_total = [&](float s) {
        s = team_sum<(LANES < WARP ? LANES : WARP)>(s);
        if (LANES > WARP) {
            float *sums = crossing + phase * WARPS;
            phase ^= 1;
            if (threadIdx.x % WARP == 0) {
                sums[threadIdx.x / WARP] = s;
            }
            __syncthreads();
            s = 0.0f;
#pragma unroll
            for (unsigned w = 0; w < WARPS; w++) {
                s += sums[w];
            }
        }
        return s;
    };
    float4 high[K], along[K], total[K];
    float low_along = 0.0f;
#pragma unroll
    for (unsigned k = 0; k < K; k++) {
        const unsigned q = lane + k * LANES;
        high[k] = zero4();
        total[k] = zero4();
        along[k] = vector(v, 0, 1, share.d, q);
        if (q < quads) {
            high[k] = mean[q];
            low_along += dot(mean[quads + q], along[k]);
        }
    }
    low_along = team_total(low_along);

    const unsigned begin = blockIdx.x * share.span;
    const unsigned end = min(begin + share.span, share.n);
    Quad next[R][K];
    bool counts[R];
    // Samples past the end or in other blocks are read as a valid sample, with weight zero.
    const auto fetch = [&](unsigned r, unsigned i) {
        const unsigned row = choice.place(min(i, end - 1));
        counts[r] = i < end && row < choice.total;
        const Quad *at = x + lane + Index(min(row, choice.total - 1)) * stride;
#pragma unroll
        for (unsigned k = 0; k < K; k++) {
            const unsigned q = lane + k * LANES;
            if (q < quads) {
                next[r][k] = at[k * LANES];
            } else {
                clear(next[r][k]);
            }
        }
    };
#pragma unroll
    for (unsigned r = 0; r < R; r++) {
        fetch(r, begin + r * TEAMS + team);
    }
    float weights = 0.0f;
    for (unsigned i = begin; i < end; i += R * TEAMS) {
#pragma unroll
        for (unsigned r = 0; r < R; r++) {
            float4 y[K];
            float4 products = zero4();
#pragma unroll
            for (unsigned k = 0; k < K; k++) {
                y[k] = widened(next[r][k]) - high[k];
                multiply_add(products, y[k], along[k]);
            }
            const bool here = counts[r];
            fetch(r, i + (R + r) * TEAMS + team);
            const float u = share.weight_in * (team_total(sum(products)) - low_along);
            const float weight = here ? u : 0.0f;
            weights += weight;
#pragma unroll
            for (unsigned k = 0; k < K; k++) {
                multiply_add(total[k], weight, y[k]);
            }
        }
    }
#pragma unroll
    for (unsigned k = 0; k < K; k++) {
        const unsigned q = lane + k * LANES;
        if (q < quads) {
            multiply_add(total[k], -weights, mean[quads + q]);
        }
    }

    const auto put = [&](unsigned q, float4 s) {
        if (gridDim.x == 1) {
            finish(g, 0, share.d, q, share.beta, share.weight_out, s);
        } else {
            partial[Index(blockIdx.x) * quads + q] = s;
        }
    };
    if (TEAMS == 1) {
#pragma unroll
        for (unsigned k = 0; k < K; k++) {
            const unsigned q = lane + k * LANES;
            if (q < quads) {
                put(q, total[k]);
            }
        }
        return;
    }
    float4 *sums = dynamic_shared();
#pragma unroll
    for (unsigned k = 0; k < K; k++) {
        const unsigned q = lane + k * LANES;
        if (q < quads) {
            sums[team * quads + q] = total[k];
        }
    }
    __syncthreads();
    for (unsigned q = threadIdx.x; q < quads; q += TEAM_THREADS) {
        float4 s = zero4();
        for (unsigned t = 0; t < TEAMS; t++) {
            s += sums[t * quads + q];
        }
        put(q, s);
    }
}

/// Chooses the team for the number of columns.
template <typename Quad>
__device__ void one_row(const Choice &choice, const Quad *x, const float4 *mean, const float *v, float *g, float4 *partial,
                        const Share &share) {
    constexpr unsigned R = sizeof(Quad) == 16 ? 2 : 4;
    const unsigned quads = quads_of(share.d);
    if (quads <= 8 * 2) {
        one_row<Quad, 8, 2, 4>(choice, x, mean, v, g, partial, share);
    } else if (quads <= WARP * 4) {
        one_row<Quad, WARP, 4, R>(choice, x, mean, v, g, partial, share);
    } else if (quads <= WARP * 7) {
        one_row<Quad, WARP, 7, R>(choice, x, mean, v, g, partial, share);
    } else {
        one_row<Quad, TEAM_THREADS, 8, 1>(choice, x, mean, v, g, partial, share);
    }
}

extern "C" __global__ void __launch_bounds__(TEAM_THREADS)
samples_product_f32(const float *control, const float4 *__restrict__ x, const float4 *__restrict__ mean,
                    const float *__restrict__ v, float *g, unsigned n, unsigned d, unsigned m, float beta, float weight_in,
                    float weight_out, float4 *partial, unsigned span) {
    if (!frozen(control)) {
        one_row(all_of(n), x, mean, v, g, partial, {n, d, m, span, beta, weight_in, weight_out});
    }
}

extern "C" __global__ void __launch_bounds__(TEAM_THREADS)
samples_product_u8(const float *control, const unsigned *__restrict__ x, const float4 *__restrict__ mean,
                   const float *__restrict__ v, float *g, unsigned n, unsigned d, unsigned m, float beta, float weight_in,
                   float weight_out, float4 *partial, unsigned span) {
    if (!frozen(control)) {
        one_row(all_of(n), x, mean, v, g, partial, {n, d, m, span, beta, weight_in, weight_out});
    }
}

extern "C" __global__ void __launch_bounds__(TEAM_THREADS)
batch_product_f32(const float *control, const float4 *__restrict__ x, const float4 *__restrict__ mean,
                  const unsigned *__restrict__ rows, const float *__restrict__ v, float *g, unsigned n, unsigned d,
                  unsigned m, unsigned b, unsigned first, float beta, float weight_in, float weight_out, float4 *partial,
                  unsigned span) {
    if (!frozen(control)) {
        one_row(batch_of(control, rows, n, b, first), x, mean, v, g, partial,
                {b, d, m, span, beta, weight_in, weight_out});
    }
}

extern "C" __global__ void __launch_bounds__(TEAM_THREADS)
batch_product_u8(const float *control, const unsigned *__restrict__ x, const float4 *__restrict__ mean,
                 const unsigned *__restrict__ rows, const float *__restrict__ v, float *g, unsigned n, unsigned d, unsigned m,
                 unsigned b, unsigned first, float beta, float weight_in, float weight_out, float4 *partial,
                 unsigned span) {
    if (!frozen(control)) {
        one_row(batch_of(control, rows, n, b, first), x, mean, v, g, partial,
                {b, d, m, span, beta, weight_in, weight_out});
    }
}

/// Samples per tile; rows of v per thread and per block; quads of columns per block.
constexpr unsigned TILE = 8;
constexpr unsigned SHORT = 16;
constexpr unsigned MOST = 2 * SHORT;
constexpr unsigned TILE_QUADS = 256;

/// Several rows of v: blocks of TILE_QUADS threads for SHORT rows, or of twice as many threads for MOST rows;
/// blockIdx.y selects the rows.
template <typename Quad>
__device__ void several_rows(const Choice &choice, const Quad *x, const float4 *mean, const float *v, float *g,
                             float4 *partial, const Share &share) {
    const unsigned quads = quads_of(share.d), stride = row_quads<Quad>(share.d);
    const unsigned column = threadIdx.x % TILE_QUADS, half = threadIdx.x / TILE_QUADS, halves = blockDim.x / TILE_QUADS;
    const unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    // The first row of v of this block, and of this thread.
    const unsigned top = blockIdx.y * halves * SHORT, mine = top + half * SHORT;
    const unsigned rows = min(share.m - top, halves * SHORT);
    float4 *tile = dynamic_shared();
    float4 *projected = tile + TILE * quads;
    float4 total[SHORT];
#pragma unroll
    for (unsigned a = 0; a < SHORT; a++) {
        total[a] = zero4();
    }
    const unsigned begin = blockIdx.x * share.span;
    const unsigned end = min(begin + share.span, share.n);
    for (unsigned i = begin; i < end; i += TILE) {
        if (column < quads) {
            const float4 high = mean[column], low = mean[quads + column];
#pragma unroll
            for (unsigned r = 0; r < TILE; r++) {
                if (r % halves != half) {
                    continue;
                }
                const unsigned row = i + r < end ? choice.place(i + r) : choice.total;
                float4 y = zero4();
                if (row < choice.total) {
                    y = (widened(x[Index(row) * stride + column]) - high) - low;
                }
                tile[r * quads + column] = y;
            }
        }
        __syncthreads();
        // Blocks of four samples by four rows of v; the lanes of a warp share the columns.
        for (unsigned block = warp; block < TILE / 4 * ((rows + 3) / 4); block += warps) {
            const unsigned r0 = block % (TILE / 4) * 4, a0 = block / (TILE / 4) * 4;
            float sums[16] = {};
#pragma unroll 1
            for (unsigned q = lane; q < quads; q += WARP) {
                float4 along[4];
#pragma unroll
                for (unsigned e = 0; e < 4; e++) {
                    along[e] = vector(v, top + a0 + e, share.m, share.d, q);
                }
#pragma unroll
                for (unsigned r = 0; r < 4; r++) {
                    const float4 y = tile[(r0 + r) * quads + q];
#pragma unroll
                    for (unsigned e = 0; e < 4; e++) {
                        sums[4 * r + e] += dot(y, along[e]);
                    }
                }
            }
            const float s = share.weight_in * warp_sums(sums);
            if (lane % 2 == 0) {
                const unsigned r = r0 + lane / 8, a = a0 + lane / 2 % 4;
                (&projected[r * (MOST / 4)].x)[a] = s;
            }
        }
        __syncthreads();
        if (column < quads) {
#pragma unroll 2
            for (unsigned r = 0; r < TILE; r++) {
                const float4 y = tile[r * quads + column];
#pragma unroll
                for (unsigned e = 0; e < SHORT / 4; e++) {
                    if (mine + 4 * e < share.m) {
                        const float4 u = projected[r * (MOST / 4) + half * (SHORT / 4) + e];
                        multiply_add(total[4 * e], u.x, y);
                        multiply_add(total[4 * e + 1], u.y, y);
                        multiply_add(total[4 * e + 2], u.z, y);
                        multiply_add(total[4 * e + 3], u.w, y);
                    }
                }
            }
        }
        __syncthreads();
    }
    if (column < quads) {
#pragma unroll
        for (unsigned a = 0; a < SHORT; a++) {
            if (mine + a < share.m) {
                if (gridDim.x == 1) {
                    finish(g, mine + a, share.d, column, share.beta, share.weight_out, total[a]);
                } else {
                    partial[(Index(blockIdx.x) * share.m + mine + a) * quads + column] = total[a];
                }
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(2 * TILE_QUADS)
samples_products_f32(const float *control, const float4 *__restrict__ x, const float4 *__restrict__ mean,
                     const float *__restrict__ v, float *g, unsigned n, unsigned d, unsigned m, float beta, float weight_in,
                     float weight_out, float4 *partial, unsigned span) {
    if (!frozen(control)) {
        several_rows(all_of(n), x, mean, v, g, partial, {n, d, m, span, beta, weight_in, weight_out});
    }
}

extern "C" __global__ void __launch_bounds__(2 * TILE_QUADS)
samples_products_u8(const float *control, const unsigned *__restrict__ x, const float4 *__restrict__ mean,
                    const float *__restrict__ v, float *g, unsigned n, unsigned d, unsigned m, float beta, float weight_in,
                    float weight_out, float4 *partial, unsigned span) {
    if (!frozen(control)) {
        several_rows(all_of(n), x, mean, v, g, partial, {n, d, m, span, beta, weight_in, weight_out});
    }
}

extern "C" __global__ void __launch_bounds__(2 * TILE_QUADS)
batch_products_f32(const float *control, const float4 *__restrict__ x, const float4 *__restrict__ mean,
                   const unsigned *__restrict__ rows, const float *__restrict__ v, float *g, unsigned n, unsigned d,
                   unsigned m, unsigned b, unsigned first, float beta, float weight_in, float weight_out, float4 *partial,
                   unsigned span) {
    if (!frozen(control)) {
        several_rows(batch_of(control, rows, n, b, first), x, mean, v, g, partial,
                     {b, d, m, span, beta, weight_in, weight_out});
    }
}

extern "C" __global__ void __launch_bounds__(2 * TILE_QUADS)
batch_products_u8(const float *control, const unsigned *__restrict__ x, const float4 *__restrict__ mean,
                  const unsigned *__restrict__ rows, const float *__restrict__ v, float *g, unsigned n, unsigned d, unsigned m,
                  unsigned b, unsigned first, float beta, float weight_in, float weight_out, float4 *partial,
                  unsigned span) {
    if (!frozen(control)) {
        several_rows(batch_of(control, rows, n, b, first), x, mean, v, g, partial,
                     {b, d, m, span, beta, weight_in, weight_out});
    }
}

constexpr unsigned THREADS = 256;

/// u = w_in Y v' over the columns of panel blockIdx.y. A warp handles four samples and all rows of v, four at a time,
/// so that the samples come from cache after the first four rows.
template <typename Quad>
__device__ void projected(const Choice &choice, const Quad *x, const float4 *mean, const float *v, float *projection,
                          unsigned n, unsigned d, unsigned m, float weight_in, unsigned span) {
    const unsigned quads = quads_of(d), stride = row_quads<Quad>(d);
    const unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    const unsigned i0 = 4 * (blockIdx.x * (THREADS / WARP) + warp);
    if (i0 >= n) {
        return;
    }
    const Quad *at[4];
    bool counts[4];
#pragma unroll
    for (unsigned r = 0; r < 4; r++) {
        const unsigned row = choice.place(min(i0 + r, n - 1));
        counts[r] = row < choice.total;
        at[r] = x + Index(min(row, choice.total - 1)) * stride;
    }
    const unsigned begin = blockIdx.y * span, end = min(begin + span, quads);
    for (unsigned a0 = 0; a0 < m; a0 += 4) {
        float sums[16] = {};
        for (unsigned q = begin + lane; q < end; q += WARP) {
            const float4 high = mean[q], low = mean[quads + q];
            float4 along[4];
#pragma unroll
            for (unsigned e = 0; e < 4; e++) {
                along[e] = vector(v, a0 + e, m, d, q);
            }
#pragma unroll
            for (unsigned r = 0; r < 4; r++) {
                const float4 y = (widened(at[r][q]) - high) - low;
#pragma unroll
                for (unsigned e = 0; e < 4; e++) {
                    sums[4 * r + e] += dot(y, along[e]);
                }
            }
        }
        const float s = weight_in * warp_sums(sums);
        const unsigned r = lane / 8, a = a0 + lane / 2 % 4;
        bool count = counts[0];
#pragma unroll
        for (unsigned e = 1; e < 4; e++) {
            count = r == e ? counts[e] : count;
        }
        if (lane % 2 == 0 && a < m && i0 + r < n) {
            projection[(Index(blockIdx.y) * m + a) * n + i0 + r] = count ? s : 0.0f;
        }
    }
}

/// `listed` says whether `rows` lists the samples; n counts the samples of the launch, `total` those of the block.
extern "C" __global__ void __launch_bounds__(THREADS)
project_f32(const float *control, const float4 *__restrict__ x, const float4 *__restrict__ mean,
            const unsigned *__restrict__ rows, const float *__restrict__ v, float *projection, unsigned n, unsigned d,
            unsigned m, unsigned total, unsigned first, unsigned listed, float weight_in, unsigned span) {
    if (!frozen(control)) {
        const Choice choice = listed ? batch_of(control, rows, total, n, first) : all_of(n);
        projected(choice, x, mean, v, projection, n, d, m, weight_in, span);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
project_u8(const float *control, const unsigned *__restrict__ x, const float4 *__restrict__ mean,
           const unsigned *__restrict__ rows, const float *__restrict__ v, float *projection, unsigned n, unsigned d,
           unsigned m, unsigned total, unsigned first, unsigned listed, float weight_in, unsigned span) {
    if (!frozen(control)) {
        const Choice choice = listed ? batch_of(control, rows, total, n, first) : all_of(n);
        projected(choice, x, mean, v, projection, n, d, m, weight_in, span);
    }
}

/// Sums the panels of a projection, in place of the first.
extern "C" __global__ void __launch_bounds__(THREADS)
project_sum(const float *control, float *panels, Index len, unsigned parts) {
    if (frozen(control)) {
        return;
    }
    const Index stride = Index(gridDim.x) * THREADS;
    for (Index e = Index(blockIdx.x) * THREADS + threadIdx.x; e < len; e += stride) {
        float s = panels[e];
        for (unsigned p = 1; p < parts; p++) {
            s += panels[p * len + e];
        }
        panels[e] = s;
    }
}

/// Samples per stage of `lifted`.
constexpr unsigned STAGE = 64;

/// Layout of u: row a, sample i is at a * row + origin + i.
struct Lift {
    const float *u;
    unsigned row;
    unsigned origin;
};

/// u' Y: M rows of u, a quad of columns per thread. Block id: (columns, part of the samples, rows of u).
template <typename Quad, unsigned M>
__device__ void lifted(const Choice &choice, const Quad *x, const float4 *mean, const Lift &lift, float *out, float4 *partial,
                       const Share &share, float *stage) {
    const unsigned quads = quads_of(share.d), stride = row_quads<Quad>(share.d);
    const unsigned q = blockIdx.x * THREADS + threadIdx.x;
    const unsigned a0 = blockIdx.z * M;
    const unsigned begin = blockIdx.y * share.span, end = min(begin + share.span, share.n);
    float4 high = zero4(), low = zero4();
    float4 total[M];
#pragma unroll
    for (unsigned a = 0; a < M; a++) {
        total[a] = zero4();
    }
    if (q < quads) {
        high = mean[q];
        low = mean[quads + q];
    }
    for (unsigned i0 = begin; i0 < end; i0 += STAGE) {
        const unsigned count = min(end - i0, STAGE);
        for (unsigned t = threadIdx.x; t < STAGE * M; t += THREADS) {
            const unsigned i = t % STAGE, a = t / STAGE;
            const bool there = i < count && a0 + a < share.m;
            stage[i * M + a] = there ? lift.u[Index(a0 + a) * lift.row + lift.origin + i0 + i] : 0.0f;
        }
        __syncthreads();
        if (q < quads) {
#pragma unroll 4
            for (unsigned i = 0; i < count; i++) {
                // A sample in another block has projection 0.
                const unsigned row = min(choice.place(i0 + i), choice.total - 1);
                const float4 y = (widened(x[Index(row) * stride + q]) - high) - low;
#pragma unroll
                for (unsigned a = 0; a < M; a++) {
                    multiply_add(total[a], stage[i * M + a], y);
                }
            }
        }
        __syncthreads();
    }
    if (q < quads) {
#pragma unroll
        for (unsigned a = 0; a < M; a++) {
            if (a0 + a < share.m) {
                if (gridDim.y == 1) {
                    finish(out, a0 + a, share.d, q, share.beta, share.weight_out, total[a]);
                } else {
                    partial[(Index(blockIdx.y) * share.m + a0 + a) * quads + q] = total[a];
                }
            }
        }
    }
}

/// Chooses the rows of u per thread: as few as the launch needs.
template <typename Quad>
__device__ void lifted(const Choice &choice, const Quad *x, const float4 *mean, const Lift &lift, float *out, float4 *partial,
                       const Share &share, float *stage) {
    if (share.m == 1) {
        lifted<Quad, 1>(choice, x, mean, lift, out, partial, share, stage);
    } else if (share.m <= 4) {
        lifted<Quad, 4>(choice, x, mean, lift, out, partial, share, stage);
    } else {
        lifted<Quad, SHORT>(choice, x, mean, lift, out, partial, share, stage);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
lift_f32(const float4 *__restrict__ x, const float4 *__restrict__ mean, const float *__restrict__ u, float *out, unsigned n,
         unsigned d, unsigned m, unsigned total, unsigned first, float beta, float weight, float4 *partial, unsigned span) {
    __shared__ float stage[STAGE * SHORT];
    lifted(all_of(n), x, mean, {u, total, first}, out, partial, {n, d, m, span, beta, 1.0f, weight}, stage);
}

extern "C" __global__ void __launch_bounds__(THREADS)
lift_u8(const unsigned *__restrict__ x, const float4 *__restrict__ mean, const float *__restrict__ u, float *out, unsigned n,
        unsigned d, unsigned m, unsigned total, unsigned first, float beta, float weight, float4 *partial, unsigned span) {
    __shared__ float stage[STAGE * SHORT];
    lifted(all_of(n), x, mean, {u, total, first}, out, partial, {n, d, m, span, beta, 1.0f, weight}, stage);
}

extern "C" __global__ void __launch_bounds__(THREADS)
product_lift_f32(const float *control, const float4 *__restrict__ x, const float4 *__restrict__ mean,
                 const unsigned *__restrict__ rows, const float *__restrict__ projection, float *g, unsigned n, unsigned d,
                 unsigned m, unsigned total, unsigned first, unsigned listed, float beta, float weight_out, float4 *partial,
                 unsigned span) {
    __shared__ float stage[STAGE * SHORT];
    if (!frozen(control)) {
        const Choice choice = listed ? batch_of(control, rows, total, n, first) : all_of(n);
        lifted(choice, x, mean, {projection, n, 0}, g, partial, {n, d, m, span, beta, 1.0f, weight_out}, stage);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
product_lift_u8(const float *control, const unsigned *__restrict__ x, const float4 *__restrict__ mean,
                const unsigned *__restrict__ rows, const float *__restrict__ projection, float *g, unsigned n, unsigned d,
                unsigned m, unsigned total, unsigned first, unsigned listed, float beta, float weight_out, float4 *partial,
                unsigned span) {
    __shared__ float stage[STAGE * SHORT];
    if (!frozen(control)) {
        const Choice choice = listed ? batch_of(control, rows, total, n, first) : all_of(n);
        lifted(choice, x, mean, {projection, n, 0}, g, partial, {n, d, m, span, beta, 1.0f, weight_out}, stage);
    }
}

/// Quads per block in the sums below; as many chains as fit in THREADS threads share each quad.
constexpr unsigned SUM_QUADS = 8;

/// g = beta g + weight times the sum of its parts, m rows of quads each. Block id: (quads, row).
__device__ void added(const float4 *partial, float *g, unsigned d, unsigned m, unsigned parts, float beta, float weight,
                      float4 *sums) {
    constexpr unsigned CHAINS = THREADS / SUM_QUADS;
    const unsigned quads = quads_of(d);
    const unsigned column = threadIdx.x % SUM_QUADS, chain = threadIdx.x / SUM_QUADS;
    const unsigned q = blockIdx.x * SUM_QUADS + column;
    float4 s = zero4();
    if (q < quads) {
#pragma unroll 4
        for (unsigned p = chain; p < parts; p += CHAINS) {
            s += partial[(Index(p) * m + blockIdx.y) * quads + q];
        }
    }
    sums[threadIdx.x] = s;
    for (unsigned held = CHAINS / 2; held > 0; held /= 2) {
        __syncthreads();
        if (chain < held) {
            sums[threadIdx.x] += sums[threadIdx.x + held * SUM_QUADS];
        }
    }
    if (chain == 0 && q < quads) {
        finish(g, blockIdx.y, d, q, beta, weight, sums[threadIdx.x]);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
product_sum(const float *control, const float4 *__restrict__ partial, float *g, unsigned d, unsigned m, unsigned parts,
            float beta, float weight) {
    __shared__ float4 sums[THREADS];
    if (!frozen(control)) {
        added(partial, g, d, m, parts, beta, weight, sums);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
lift_sum(const float4 *__restrict__ partial, float *out, unsigned d, unsigned m, unsigned parts, float beta, float weight) {
    __shared__ float4 sums[THREADS];
    added(partial, out, d, m, parts, beta, weight, sums);
}

/// A warp handles one row of C and four rows of v, selected by blockIdx.y. The padding of C may hold anything.
extern "C" __global__ void __launch_bounds__(THREADS)
symmetric_product(const float *control, const float4 *__restrict__ c, const float *__restrict__ v, float *__restrict__ g,
                  unsigned p, unsigned m) {
    const unsigned lane = threadIdx.x % WARP;
    const unsigned i = (blockIdx.x * blockDim.x + threadIdx.x) / WARP, a0 = 4 * blockIdx.y;
    if (frozen(control) || i >= p) {
        return;
    }
    const unsigned quads = quads_of(p);
    const float4 *row = c + Index(i) * quads;
    float4 products[4] = {zero4(), zero4(), zero4(), zero4()};
#pragma unroll 4
    for (unsigned q = lane; q < quads; q += WARP) {
        float4 quad = row[q];
        if (4 * q + 3 >= p) quad.w = 0.0f;
        if (4 * q + 2 >= p) quad.z = 0.0f;
        if (4 * q + 1 >= p) quad.y = 0.0f;
#pragma unroll
        for (unsigned e = 0; e < 4; e++) {
            multiply_add(products[e], quad, vector(v, a0 + e, m, p, q));
        }
    }
    float sums[4];
#pragma unroll
    for (unsigned e = 0; e < 4; e++) {
        sums[e] = sum(products[e]);
    }
    const float s = warp_sums(sums);
    const unsigned a = a0 + lane / 8;
    if (lane % 8 == 0 && a < m) {
        g[Index(a) * p + i] = s;
    }
}
