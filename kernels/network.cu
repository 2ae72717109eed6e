// The parts of a training step that are neither matrix products nor updates. Activations are b x h, not padded.
//
//   gather         out_i = weight x[row_i - first] if first <= row_i < first + n; row_i = rows[BATCH batch + offset + i]
//   bias_relu      z = max(0, z + bias)
//   softmax_loss   s = softmax(z + bias); z = (s - onehot(label)) / batch; losses[BATCH] and dbias get the sums over the rows
//   relu_backward  delta = 0 where a <= 0; dbias gets the sums over its rows
//   score          totals += [rows classified wrongly, sum of their losses]; ignores rows whose sample is n or more
//
// In gather a thread handles a quad of columns, in bias_relu one element at a time, in strides. In softmax_loss and
// score a warp handles a row, its lanes the classes; sums over rows are collected in `partial` and added by
// softmax_sums and score_sum. In sums over rows, a block handles a warp's width of columns, so that neighbours read
// adjacent addresses; each of its warps sums every CHAINSth row, and the chains are then added in order. No atomics.
// Bytes: each matrix is read and written once.

constexpr unsigned THREADS = 256;
constexpr unsigned CHAINS = THREADS / WARP;

/// Index of the sample in row i.
__device__ unsigned sample_of(const float *control, const unsigned *rows, unsigned batch, unsigned offset, unsigned i) {
    return rows[Index(control[BATCH]) * batch + offset + i];
}

/// beta times the old value, which is not read if beta is 0.
__device__ float old(float beta, const float *value) { return beta == 0.0f ? 0.0f : beta * *value; }

template <typename Quad>
__device__ void gathered(const float *control, const Quad *x, const unsigned *rows, float *out, unsigned n, unsigned d, unsigned b,
                         unsigned batch, unsigned offset, unsigned first, float weight) {
    const unsigned quads = quads_of(d);
    const Index at = Index(blockIdx.x) * THREADS + threadIdx.x;
    const Index i = at / quads;
    if (frozen(control) || i >= b) {
        return;
    }
    // A row before the block wraps around to a large number.
    const unsigned row = sample_of(control, rows, batch, offset, unsigned(i)) - first;
    if (row >= n) {
        return;
    }
    const unsigned q = unsigned(at % quads);
    const float4 value = weight * widened(x[Index(row) * row_quads<Quad>(d) + q]);
    float *to = out + i * d + 4 * q;
    if (d % 4 == 0) {
        *reinterpret_cast<float4 *>(to) = value;
        return;
    }
    to[0] = value.x;
    if (4 * q + 1 < d) to[1] = value.y;
    if (4 * q + 2 < d) to[2] = value.z;
    if (4 * q + 3 < d) to[3] = value.w;
}

extern "C" __global__ void __launch_bounds__(THREADS)
gather_f32(const float *control, const float4 *x, const unsigned *rows, float *out, unsigned n, unsigned d, unsigned b, unsigned batch,
           unsigned offset, unsigned first, float weight) {
    gathered(control, x, rows, out, n, d, b, batch, offset, first, weight);
}

extern "C" __global__ void __launch_bounds__(THREADS)
gather_u8(const float *control, const unsigned *x, const unsigned *rows, float *out, unsigned n, unsigned d, unsigned b, unsigned batch,
          unsigned offset, unsigned first, float weight) {
    gathered(control, x, rows, out, n, d, b, batch, offset, first, weight);
}

extern "C" __global__ void __launch_bounds__(THREADS) bias_relu(float *z, const float *bias, unsigned b, unsigned h) {
    const Index len = Index(b) * h;
    for (Index e = Index(blockIdx.x) * THREADS + threadIdx.x; e < len; e += Index(gridDim.x) * THREADS) {
        const float sum = z[e] + bias[e % h];
        // NaN stays NaN and shows up in the loss.
        z[e] = sum < 0.0f ? 0.0f : sum;
    }
}

/// The largest x of a warp, in every lane.
__device__ float warp_max(float x) {
#pragma unroll
    for (unsigned step = WARP / 2; step > 0; step /= 2) {
        x = fmaxf(x, __shfl_xor_sync(EVERY_LANE, x, step));
    }
    return x;
}

/// Softmax terms of a row of logits: the largest, and the sum of exp(z + bias - largest).
struct Soft {
    float top;
    float total;
};

__device__ Soft softmax(const float *z, const float *bias, unsigned c) {
    const unsigned lane = threadIdx.x % WARP;
    float top = lane < c ? z[lane] + bias[lane] : z[0] + bias[0];
    for (unsigned j = lane + WARP; j < c; j += WARP) {
        top = fmaxf(top, z[j] + bias[j]);
    }
    top = warp_max(top);
    float total = 0.0f;
    for (unsigned j = lane; j < c; j += WARP) {
        total += expf(z[j] + bias[j] - top);
    }
    return {top, team_sum<WARP>(total)};
}

/// One warp per row.
extern "C" __global__ void __launch_bounds__(THREADS)
softmax_loss(const float *control, const unsigned *labels, const unsigned *rows, const float *bias, float *z, float *dbias, float *losses,
             unsigned b, unsigned c, unsigned batch, unsigned offset, unsigned n, unsigned batches, float beta, float *partial) {
    // These are for softmax_sums.
    (void)dbias, (void)losses, (void)n, (void)batches, (void)beta;
    const unsigned i = blockIdx.x * CHAINS + threadIdx.x / WARP;
    // The condition is the same for a whole warp.
    if (frozen(control) || i >= b) {
        return;
    }
    const unsigned lane = threadIdx.x % WARP;
    const unsigned label = labels[sample_of(control, rows, batch, offset, i)];
    float *row = z + Index(i) * c;
    const Soft soft = softmax(row, bias, c);
    const float scale = 1.0f / float(batch);
    const float own = row[label] + bias[label] - soft.top;
    __syncwarp(EVERY_LANE);
    for (unsigned j = lane; j < c; j += WARP) {
        const float share = expf(row[j] + bias[j] - soft.top) / soft.total;
        row[j] = scale * (share - (j == label ? 1.0f : 0.0f));
    }
    if (lane == 0) {
        partial[i] = scale * (logf(soft.total) - own);
    }
}

/// Sums one value per chain; valid in the first warp. `chains` is in shared memory.
__device__ float chained(float x, float *chains) {
    chains[threadIdx.x] = x;
    __syncthreads();
    if (threadIdx.x < WARP) {
        for (unsigned chain = 1; chain < CHAINS; chain++) {
            x += chains[chain * WARP + threadIdx.x];
        }
    }
    return x;
}

/// Sums over rows of z; the last block sums the losses.
extern "C" __global__ void __launch_bounds__(THREADS)
softmax_sums(float *control, const float *z, float *dbias, float *losses, const float *partial, unsigned b, unsigned c, float beta) {
    __shared__ float chains[THREADS];
    if (frozen(control)) {
        return;
    }
    const bool last = blockIdx.x + 1 == gridDim.x;
    const unsigned j = blockIdx.x * WARP + threadIdx.x % WARP;
    float s = 0.0f;
    if (last) {
        for (unsigned i = threadIdx.x; i < b; i += THREADS) {
            s += partial[i];
        }
    } else if (j < c) {
        for (unsigned i = threadIdx.x / WARP; i < b; i += CHAINS) {
            s += z[Index(i) * c + j];
        }
    }
    s = chained(s, chains);
    if (threadIdx.x >= WARP) {
        return;
    }
    if (last) {
        s = team_sum<WARP>(s);
        if (threadIdx.x == 0) {
            float *loss = losses + unsigned(control[BATCH]);
            *loss = old(beta, loss) + s;
            if (!isfinite(*loss)) {
                control[STOP] = NOT_FINITE;
            }
        }
    } else if (j < c) {
        dbias[j] = old(beta, dbias + j) + s;
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
relu_backward(const float *a, float *delta, float *dbias, unsigned b, unsigned h, float beta) {
    __shared__ float chains[THREADS];
    const unsigned j = blockIdx.x * WARP + threadIdx.x % WARP;
    float s = 0.0f;
    if (j < h) {
        for (unsigned i = threadIdx.x / WARP; i < b; i += CHAINS) {
            const Index at = Index(i) * h + j;
            const float kept = a[at] > 0.0f ? delta[at] : 0.0f;
            delta[at] = kept;
            s += kept;
        }
    }
    s = chained(s, chains);
    if (threadIdx.x < WARP && j < h) {
        dbias[j] = old(beta, dbias + j) + s;
    }
}

/// One warp per row.
extern "C" __global__ void __launch_bounds__(THREADS)
score(const float *control, const unsigned *labels, const unsigned *rows, const float *bias, const float *z, float *totals, unsigned b,
      unsigned c, unsigned n, unsigned len, float *partial) {
    // `totals` is for score_sum, `len` for the parity test of the parameter lists.
    (void)totals, (void)len;
    const unsigned i = blockIdx.x * CHAINS + threadIdx.x / WARP;
    if (frozen(control) || i >= b) {
        return;
    }
    const unsigned lane = threadIdx.x % WARP;
    const unsigned number = sample_of(control, rows, b, 0, i);
    float wrong = 0.0f, loss = 0.0f;
    if (number < n) {
        const unsigned label = labels[number];
        const float *row = z + Index(i) * c;
        const float own = row[label] + bias[label];
        const Soft soft = softmax(row, bias, c);
        for (unsigned j = lane; j < c; j += WARP) {
            if (j != label && !(row[j] + bias[j] < own)) {
                wrong = 1.0f;
            }
        }
        wrong = warp_max(wrong);
        loss = logf(soft.total) + soft.top - own;
    }
    if (lane == 0) {
        partial[i] = wrong;
        partial[b + i] = loss;
    }
}

/// Sums the scores of the rows: one block, whose first half sums the errors and second half the losses.
extern "C" __global__ void __launch_bounds__(THREADS)
score_sum(const float *control, const float *partial, float *totals, unsigned b) {
    __shared__ float sums[THREADS];
    if (frozen(control)) {
        return;
    }
    constexpr unsigned half = THREADS / 2;
    const unsigned which = threadIdx.x / half;
    float s = 0.0f;
    for (unsigned i = threadIdx.x % half; i < b; i += half) {
        s += partial[Index(which) * b + i];
    }
    sums[threadIdx.x] = s;
    __syncthreads();
    if (threadIdx.x % half == 0) {
        for (unsigned e = 1; e < half; e++) {
            s += sums[which * half + e];
        }
        totals[which] += s;
    }
}
