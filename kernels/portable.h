// What the kernels take from CUDA beyond C++. Prepended to every file.
//
// NVRTC compiles the kernels for a GPU, and a C++ compiler compiles the same text for the host, where emulation.h
// replaces CUDA and defines EMULATION. Anything that differs between the two is defined here in both forms, and nowhere
// else.

/// For indices where rows times row length may exceed 2^32.
using Index = unsigned long long;

constexpr unsigned WARP = 32;
constexpr unsigned EVERY_LANE = 0xffffffffu;

#ifdef EMULATION

/// Start of the dynamic shared memory.
__device__ float4 *dynamic_shared() { return reinterpret_cast<float4 *>(emulation::dynamic_shared()); }

/// Byte `place` of a word as a float.
template <unsigned place> __device__ float byte_of(unsigned word) { return float((word >> (8 * place)) & 0xffu); }

#else

__device__ float4 *dynamic_shared() {
    extern __shared__ float4 memory[];
    return memory;
}

/// Builds the float 0x4b000000 (2^23) with the byte in its last bits, then subtracts 2^23: a conversion instruction
/// would run at a quarter of the rate.
template <unsigned place> __device__ float byte_of(unsigned word) {
    return __uint_as_float(__byte_perm(word, 0x4b000000u, 0x7440u + place)) - 8388608.0f;
}

#endif

__device__ float4 zero4() { return make_float4(0.0f, 0.0f, 0.0f, 0.0f); }
__device__ float4 operator+(float4 a, float4 b) { return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w); }
__device__ float4 operator-(float4 a, float4 b) { return make_float4(a.x - b.x, a.y - b.y, a.z - b.z, a.w - b.w); }
__device__ float4 operator*(float s, float4 a) { return make_float4(s * a.x, s * a.y, s * a.z, s * a.w); }
__device__ float4 &operator+=(float4 &a, float4 b) { return a = a + b; }
__device__ float sum(float4 a) { return (a.x + a.y) + (a.z + a.w); }

/// sums += a b, element by element.
__device__ void multiply_add(float4 &sums, float4 a, float4 b) {
    sums.x += a.x * b.x;
    sums.y += a.y * b.y;
    sums.z += a.z * b.z;
    sums.w += a.w * b.w;
}

/// sums += s a.
__device__ void multiply_add(float4 &sums, float s, float4 a) {
    sums.x += s * a.x;
    sums.y += s * a.y;
    sums.z += s * a.z;
    sums.w += s * a.w;
}

__device__ float dot(float4 a, float4 b) {
    float4 products = zero4();
    multiply_add(products, a, b);
    return sum(products);
}

/// Sums x over each team of `lanes` neighbouring lanes of a warp (a power of two); every lane of a team gets the same
/// bits.
template <unsigned lanes> __device__ float team_sum(float x) {
#pragma unroll
    for (unsigned step = lanes / 2; step > 0; step /= 2) {
        x += __shfl_xor_sync(EVERY_LANE, x, step);
    }
    return x;
}

/// Sums N values over a warp at once, N a power of two; lane l ends up with the sum of index l N / 32. In each step a
/// lane keeps half of its values and passes on the other half, so that N sums take about N shuffles.
template <unsigned N> __device__ float warp_sums(float (&x)[N]) {
    const unsigned lane = threadIdx.x % WARP;
    unsigned step = WARP / 2;
#pragma unroll
    for (unsigned held = N / 2; held > 0; held /= 2, step /= 2) {
        const bool upper = lane & step;
#pragma unroll
        for (unsigned i = 0; i < held; i++) {
            const float given = upper ? x[i] : x[i + held];
            const float kept = upper ? x[i + held] : x[i];
            x[i] = kept + __shfl_xor_sync(EVERY_LANE, given, step);
        }
    }
    float s = x[0];
#pragma unroll
    for (; step > 0; step /= 2) {
        s += __shfl_xor_sync(EVERY_LANE, s, step);
    }
    return s;
}
