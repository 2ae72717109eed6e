// deflate, project_out, orthonormalise, ascent, retract: the block vectors of a step, m rows of d numbers.
//
//   deflate         g -= sum_{j < COUNT} (basis_j . g) basis_j
//   project_out     v = normalise((I - sum_{j < COUNT} basis_j basis_j') v), with the projection applied twice
//   orthonormalise  Q of v' = Q R by Gram-Schmidt, applied twice; a row that vanishes is replaced
//   ascent          H = g v'; P = g - H v; RHO, RESIDUAL, SCALE, the stop criterion;
//                   g = -2 (projected ? P : g) / max(SCALE, |g| / 64)
//   retract         v = orthonormalise(v); velocity -= its projection on span v
//
// A step moves all samples but only these few vectors, so one block is enough: it needs no second pass, and all scalars
// of the step are at hand. It becomes the bottleneck if vectors are as large as the samples (d over 10^5, n in the
// hundreds). Every thread owns the elements thread, thread + threads, ... of every row, so that only sums cross
// threads: each fold sums four dot products, in f32 chains of d / threads terms and then a tree. A fold costs one
// barrier.
//
// Geometry: one block of 32 to 1024 threads, one thread for four columns. Bytes: the vectors once per fold.

constexpr float LEAST_DIVISOR = 1e-30f;
constexpr float VANISHED = 1e-6f;
constexpr unsigned ATTEMPTS = 8;
constexpr unsigned MAX_THREADS = 1024;
/// Dot products per fold.
constexpr unsigned GROUP = 4;
/// Floats of shared memory that folds use: a group for every warp, twice.
constexpr unsigned FOLDS = 2 * (MAX_THREADS / WARP) * GROUP;

/// Sums four values at a time over the block.
struct Fold {
    float *shared;
    unsigned phase;

    /// Replaces each of the four values by its sum over all threads, with the same bits in every thread. The two halves
    /// of the shared memory alternate: a thread that writes a half again has passed a barrier that every reader reached
    /// after reading it.
    __device__ void operator()(float (&x)[GROUP]) {
        const unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
        constexpr unsigned share = WARP / GROUP;
        float *sums = shared + phase * (FOLDS / 2);
        phase ^= 1;
        const float mine = warp_sums(x);
        if (lane % share == 0) {
            sums[warp * GROUP + lane / share] = mine;
        }
        __syncthreads();
        const float4 all = lane < warps ? reinterpret_cast<const float4 *>(sums)[lane] : zero4();
        float parts[GROUP] = {all.x, all.y, all.z, all.w};
        const float whole = warp_sums(parts);
#pragma unroll
        for (unsigned e = 0; e < GROUP; e++) {
            x[e] = __shfl_sync(EVERY_LANE, whole, e * share);
        }
    }
};

/// into = base - sum_e h_e rows_{j + e}, h_e = rows_{j + e} . from, for a group of the `count` rows. Returns h.
struct Group {
    float h[GROUP];
};

__device__ Group take_out(Fold &fold, const float *rows, unsigned j, unsigned count, unsigned d, const float *from,
                          const float *base, float *into) {
    const float *q = rows + Index(j) * d;
    Group group = {};
    for (unsigned i = threadIdx.x; i < d; i += blockDim.x) {
        const float x = from[i];
#pragma unroll
        for (unsigned e = 0; e < GROUP; e++) {
            if (j + e < count) {
                group.h[e] += q[Index(e) * d + i] * x;
            }
        }
    }
    fold(group.h);
    for (unsigned i = threadIdx.x; i < d; i += blockDim.x) {
        float x = base[i];
#pragma unroll
        for (unsigned e = 0; e < GROUP; e++) {
            if (j + e < count) {
                x -= group.h[e] * q[Index(e) * d + i];
            }
        }
        into[i] = x;
    }
    return group;
}

/// Returns |x|^2 and |y|^2.
__device__ float2 squares(Fold &fold, const float *x, const float *y, unsigned d) {
    float s[GROUP] = {};
    for (unsigned i = threadIdx.x; i < d; i += blockDim.x) {
        s[0] += x[i] * x[i];
        s[1] += y[i] * y[i];
    }
    fold(s);
    return make_float2(s[0], s[1]);
}

__device__ float square(Fold &fold, const float *x, unsigned d) {
    float s[GROUP] = {};
    for (unsigned i = threadIdx.x; i < d; i += blockDim.x) {
        s[0] += x[i] * x[i];
    }
    fold(s);
    return s[0];
}

__device__ void scale(float *x, unsigned d, float factor) {
    for (unsigned i = threadIdx.x; i < d; i += blockDim.x) {
        x[i] *= factor;
    }
}

/// Whether x is neither infinite nor NaN.
__device__ bool is_finite(float x) { return fabsf(x) <= LARGEST; }

/// As `replacement` in src/kernel/block.rs.
__device__ float replacement(unsigned row, unsigned attempt, unsigned j) {
    unsigned x = ((row + 1) * 0x9e3779b9u) ^ ((attempt + 1) * 0x85ebca6bu) ^ (j * 0xc2b2ae35u);
    x = (x ^ 61u) ^ (x >> 16);
    x *= 9u;
    x ^= x >> 4;
    x *= 0x27d4eb2du;
    x ^= x >> 15;
    return float(x >> 8) / 16777216.0f - 0.5f;
}

/// Computes RESIDUAL and the stop criterion; called by one thread. `rows` holds two numbers per row: rho, and the
/// length of the gradient's part outside the span. See `judge` in src/kernel/block.rs and src/kernel/control/mod.rs.
__device__ void judge(float *control, const float *rows, unsigned m) {
    float top = control[TOP];
    for (unsigned a = 0; a < m; a++) {
        top = fmaxf(top, rows[2 * Index(a)]);
    }
    const float tolerance = control[TOLERANCE];
    float residual = 0.0f, worst = 0.0f, least = LARGEST;
    bool floored = false;
    for (unsigned a = 0; a < m; a++) {
        const float rho = rows[2 * Index(a)], left = rows[2 * Index(a) + 1];
        const float denominator = fmaxf(fmaxf(rho, NULL_SHARE * top), LEAST_DIVISOR);
        const float relative = left / denominator;
        residual = fmaxf(residual, relative);
        if (m > 1 && rho < LEAST_SHARE * top) {
            // The host finishes this row in f64.
        } else if (left <= NOISE * sqrtf(top) * sqrtf(fmaxf(rho, 0.0f))) {
            floored = floored || relative > tolerance;
        } else {
            worst = fmaxf(worst, relative);
            least = fminf(least, denominator);
        }
    }
    control[RESIDUAL] = residual;
    if (control[CRITERION] != BY_RESIDUAL) {
        return;
    }
    const float step = control[STEP], best = control[BEST], near = fmaxf(NEAR_FLOOR, PLATEAU * top / least);
    if (worst <= tolerance) {
        control[STOP] = floored ? FLOOR_REACHED : CONVERGED;
        control[BEST] = worst;
        control[BEST_STEP] = step;
    } else if (worst < IMPROVEMENT * best) {
        control[BEST] = worst;
        control[BEST_STEP] = step;
    } else if (best < near && (worst < NEAR_BEST * best || near > HANDED_OVER) &&
               step - control[BEST_STEP] > fmaxf(PATIENCE, step / 2.0f)) {
        control[STOP] = FLOOR_REACHED;
    }
}

/// Orthonormalises the m rows of v.
__device__ void gram_schmidt(Fold &fold, float *v, unsigned d, unsigned m) {
    for (unsigned a = 0; a < m; a++) {
        float *row = v + Index(a) * d;
        for (unsigned attempt = 0; attempt <= ATTEMPTS; attempt++) {
            const float whole = square(fold, row, d);
            float left = whole;
            if (a > 0) {
                for (unsigned twice = 0; twice < 2; twice++) {
                    for (unsigned j = 0; j < a; j += GROUP) {
                        take_out(fold, v, j, a, d, row, row, row);
                    }
                }
                left = square(fold, row, d);
            }
            if (sqrtf(left) > VANISHED * sqrtf(whole)) {
                scale(row, d, 1.0f / sqrtf(left));
                break;
            }
            for (unsigned i = threadIdx.x; i < d; i += blockDim.x) {
                row[i] = replacement(a, attempt, i);
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(MAX_THREADS)
deflate(const float *control, const float *basis, float *g, unsigned d, unsigned k) {
    __shared__ float4 shared[FOLDS / 4];
    Fold fold = {&shared[0].x, 0};
    if (frozen(control)) {
        return;
    }
    const unsigned count = min(unsigned(control[COUNT]), k);
    for (unsigned j = 0; j < count; j += GROUP) {
        take_out(fold, basis, j, count, d, g, g, g);
    }
}

extern "C" __global__ void __launch_bounds__(MAX_THREADS)
project_out(const float *control, const float *basis, float *v, unsigned d, unsigned k) {
    __shared__ float4 shared[FOLDS / 4];
    Fold fold = {&shared[0].x, 0};
    const unsigned count = min(unsigned(control[COUNT]), k);
    for (unsigned twice = 0; twice < 2; twice++) {
        for (unsigned j = 0; j < count; j += GROUP) {
            take_out(fold, basis, j, count, d, v, v, v);
        }
    }
    scale(v, d, 1.0f / sqrtf(square(fold, v, d)));
}

extern "C" __global__ void __launch_bounds__(MAX_THREADS) orthonormalise(float *v, unsigned d, unsigned m) {
    __shared__ float4 shared[FOLDS / 4];
    Fold fold = {&shared[0].x, 0};
    gram_schmidt(fold, v, d, m);
}

/// `work` holds P, m x d, and two numbers per row.
extern "C" __global__ void __launch_bounds__(MAX_THREADS)
ascent(float *control, const float *v, float *g, unsigned d, unsigned m, float projected, float *work) {
    __shared__ float4 shared[FOLDS / 4];
    Fold fold = {&shared[0].x, 0};
    if (frozen(control)) {
        return;
    }
    // Thread 0 writes these after a fold, when every thread has read them.
    const float old = control[SCALE], mean = control[SCALE_MEAN], step = control[STEP];
    // Only thread 0 writes and reads these.
    float *rows = work + Index(m) * d;
    float rho_min = LARGEST, rho_max = -LARGEST, length = 0.0f;
    bool finite = true;
    for (unsigned a = 0; a < m; a++) {
        const float *row = g + Index(a) * d;
        float *left = work + Index(a) * d;
        float rho = 0.0f;
        for (unsigned j = 0; j < m; j += GROUP) {
            const Group group = take_out(fold, v, j, m, d, row, j == 0 ? row : left, left);
#pragma unroll
            for (unsigned e = 0; e < GROUP; e++) {
                if (j + e == a) {
                    rho = group.h[e];
                }
            }
        }
        const float2 lengths = squares(fold, row, left, d);
        finite = finite && is_finite(lengths.x);
        rho_min = fminf(rho_min, rho);
        rho_max = fmaxf(rho_max, rho);
        length = fmaxf(length, sqrtf(lengths.x));
        if (threadIdx.x == 0) {
            rows[2 * Index(a)] = rho;
            rows[2 * Index(a) + 1] = sqrtf(lengths.y);
        }
    }
    if (!finite) {
        if (threadIdx.x == 0) {
            control[STOP] = NOT_FINITE;
        }
        return;
    }
    const float size = mean == 0.0f ? fmaxf(old, length) : old + (rho_max - old) / step;
    if (threadIdx.x == 0) {
        control[SCALE] = size;
        control[RHO] = rho_min;
        judge(control, rows, m);
    }
    const float factor = -2.0f / fmaxf(fmaxf(size, length / LONGEST), LEAST_DIVISOR);
    const float *source = projected != 0.0f ? work : g;
    for (unsigned a = 0; a < m; a++) {
        for (unsigned i = threadIdx.x; i < d; i += blockDim.x) {
            g[Index(a) * d + i] = factor * source[Index(a) * d + i];
        }
    }
}

extern "C" __global__ void __launch_bounds__(MAX_THREADS)
retract(float *control, float *v, float *velocity, unsigned d, unsigned m, float transport) {
    __shared__ float4 shared[FOLDS / 4];
    Fold fold = {&shared[0].x, 0};
    if (frozen(control)) {
        return;
    }
    float whole = 0.0f;
    for (unsigned a = 0; a < m; a++) {
        whole += square(fold, v + Index(a) * d, d);
    }
    if (!is_finite(whole) || (m == 1 && whole == 0.0f)) {
        if (threadIdx.x == 0) {
            control[STOP] = STEP_NOT_FINITE;
        }
        return;
    }
    gram_schmidt(fold, v, d, m);
    for (unsigned a = 0; transport != 0.0f && a < m; a++) {
        float *row = velocity + Index(a) * d;
        for (unsigned j = 0; j < m; j += GROUP) {
            take_out(fold, v, j, m, d, row, row, row);
        }
    }
}
