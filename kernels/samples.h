// Reads samples in quads, four columns at a time. Prepended to the files that use it.
//
// Rows of samples are padded to 16 bytes: f32 as float4, bytes packed four per unsigned (the first in the low bits). A
// kernel is written once, as a template over the quad type. The mean is [2, d], high parts and remainders, with rows
// padded in the same way: `quads_of(d)` float4 each. The padding of samples and mean is zero and adds nothing.

/// Number of quads that hold d columns.
__device__ unsigned quads_of(unsigned d) { return d / 4 + (d % 4 != 0); }

/// Number of quads from one row of samples to the next.
template <typename Quad> __device__ unsigned row_quads(unsigned d) {
    constexpr unsigned grain = 16 / sizeof(Quad);
    return (quads_of(d) + grain - 1) / grain * grain;
}

__device__ float4 widened(float4 quad) { return quad; }

__device__ float4 widened(unsigned quad) {
    return make_float4(byte_of<0>(quad), byte_of<1>(quad), byte_of<2>(quad), byte_of<3>(quad));
}

__device__ void clear(float4 &quad) { quad = zero4(); }

__device__ void clear(unsigned &quad) { quad = 0; }

/// Quad q of row a of an m x d matrix without padding; zeros past its end.
__device__ float4 vector(const float *v, unsigned a, unsigned m, unsigned d, unsigned q) {
    float4 quad = zero4();
    const unsigned j = 4 * q;
    if (a < m && j < d) {
        const float *at = v + Index(a) * d + j;
        if (d % 4 == 0) {
            return *reinterpret_cast<const float4 *>(at);
        }
        quad.x = at[0];
        if (j + 1 < d) quad.y = at[1];
        if (j + 2 < d) quad.z = at[2];
        if (j + 3 < d) quad.w = at[3];
    }
    return quad;
}
