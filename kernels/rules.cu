// The update rules sgd, momentum, nesterov, adagrad, rmsprop and adam, on len elements each, in PyTorch's forms.
//
//   sgd        p -= RATE g
//   momentum   s1 = mu s1 + g;                         p -= RATE s1
//   nesterov   s1 = mu s1 + g;                         p -= RATE (g + mu s1)
//   adagrad    s1 += g^2;                              p -= RATE g / (sqrt(s1) + epsilon)
//   rmsprop    s1 = decay s1 + (1 - decay) g^2;        p -= RATE g / (sqrt(s1) + epsilon)
//   adam       s1, s2 = moving averages of g and g^2;  p -= RATE (s1 / (1 - beta1^t)) / (sqrt(s2 / (1 - beta2^t)) + epsilon)
//
// g includes weight_decay p, as in PyTorch. RATE and t = STEP are read from the control buffer; once STOP is set,
// nothing changes. States below FLUSH become 0.
//
// Geometry: four elements per thread with loads of 16 bytes, in strides if there are more elements than threads; the
// first threads handle the up to three elements after the last quad. Bytes: 12 to 28 per element.

constexpr float FLUSH = 1e-30f;
constexpr unsigned THREADS = 256;

__device__ float flush(float x) { return fabsf(x) < FLUSH ? 0.0f : x; }

/// Applies `rule(p, g, s1, s2)` to every element, where g includes weight decay; only the first `States` states exist.
template <unsigned States, typename Rule>
__device__ void elementwise(const float *control, float *p, const float *g, float *s1, float *s2, unsigned len,
                            float weight_decay, Rule rule) {
    if (frozen(control)) {
        return;
    }
    const Index quads = len / 4;
    const Index thread = Index(blockIdx.x) * THREADS + threadIdx.x;
    for (Index i = thread; i < quads; i += Index(gridDim.x) * THREADS) {
        float4 p4 = reinterpret_cast<float4 *>(p)[i];
        float4 g4 = reinterpret_cast<const float4 *>(g)[i];
        multiply_add(g4, weight_decay, p4);
        float4 a4 = States > 0 ? reinterpret_cast<float4 *>(s1)[i] : zero4();
        float4 b4 = States > 1 ? reinterpret_cast<float4 *>(s2)[i] : zero4();
        rule(p4.x, g4.x, a4.x, b4.x);
        rule(p4.y, g4.y, a4.y, b4.y);
        rule(p4.z, g4.z, a4.z, b4.z);
        rule(p4.w, g4.w, a4.w, b4.w);
        reinterpret_cast<float4 *>(p)[i] = p4;
        if (States > 0) reinterpret_cast<float4 *>(s1)[i] = a4;
        if (States > 1) reinterpret_cast<float4 *>(s2)[i] = b4;
    }
    const Index i = 4 * quads + thread;
    if (i < len) {
        float a = States > 0 ? s1[i] : 0.0f;
        float b = States > 1 ? s2[i] : 0.0f;
        rule(p[i], g[i] + weight_decay * p[i], a, b);
        if (States > 0) s1[i] = a;
        if (States > 1) s2[i] = b;
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) sgd(const float *control, float *p, const float *g, unsigned len,
                                                                  float weight_decay) {
    const float rate = control[RATE];
    elementwise<0>(control, p, g, nullptr, nullptr, len, weight_decay, [=](float &p, float g, float &, float &) { p -= rate * g; });
}

extern "C" __global__ void __launch_bounds__(THREADS)
momentum(const float *control, float *p, const float *g, float *s1, unsigned len, float mu, float weight_decay) {
    const float rate = control[RATE];
    elementwise<1>(control, p, g, s1, nullptr, len, weight_decay, [=](float &p, float g, float &s1, float &) {
        const float velocity = mu * s1 + g;
        p -= rate * velocity;
        s1 = flush(velocity);
    });
}

extern "C" __global__ void __launch_bounds__(THREADS)
nesterov(const float *control, float *p, const float *g, float *s1, unsigned len, float mu, float weight_decay) {
    const float rate = control[RATE];
    elementwise<1>(control, p, g, s1, nullptr, len, weight_decay, [=](float &p, float g, float &s1, float &) {
        const float velocity = mu * s1 + g;
        p -= rate * (g + mu * velocity);
        s1 = flush(velocity);
    });
}

extern "C" __global__ void __launch_bounds__(THREADS)
adagrad(const float *control, float *p, const float *g, float *s1, unsigned len, float epsilon, float weight_decay) {
    const float rate = control[RATE];
    elementwise<1>(control, p, g, s1, nullptr, len, weight_decay, [=](float &p, float g, float &s1, float &) {
        const float squares = s1 + g * g;
        p -= rate * g / (sqrtf(squares) + epsilon);
        s1 = flush(squares);
    });
}

extern "C" __global__ void __launch_bounds__(THREADS)
rmsprop(const float *control, float *p, const float *g, float *s1, unsigned len, float decay, float epsilon,
        float weight_decay) {
    const float rate = control[RATE];
    elementwise<1>(control, p, g, s1, nullptr, len, weight_decay, [=](float &p, float g, float &s1, float &) {
        const float mean = decay * s1 + (1.0f - decay) * g * g;
        p -= rate * g / (sqrtf(mean) + epsilon);
        s1 = flush(mean);
    });
}

/// `log1` and `log2` are the natural logarithms of the two decays, computed in f64 on the host, because 1 - beta^t
/// would cancel.
extern "C" __global__ void __launch_bounds__(THREADS)
adam(const float *control, float *p, const float *g, float *s1, float *s2, unsigned len, float beta1, float beta2,
     float epsilon, float weight_decay, float log1, float log2) {
    const float rate = control[RATE];
    const float correction1 = -expm1f(control[STEP] * log1);
    const float correction2 = -expm1f(control[STEP] * log2);
    elementwise<2>(control, p, g, s1, s2, len, weight_decay, [=](float &p, float g, float &s1, float &s2) {
        const float mean = beta1 * s1 + (1.0f - beta1) * g;
        const float square = beta2 * s2 + (1.0f - beta2) * g * g;
        p -= rate * (mean / correction1) / (sqrtf(square / correction2) + epsilon);
        s1 = flush(mean);
        s2 = flush(square);
    });
}
