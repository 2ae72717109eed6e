// Entries as parts of one kernel, a chain; put before them. src/device/cuda/text.rs writes a chain's text from that of the
// files in this folder: each part in a namespace for its shape, where the block that it runs as hides CUDA's blockIdx,
// gridDim and blockDim, and with `part_barrier()` for `__syncthreads()`, since a part may take fewer threads than the chain.

#ifdef EMULATION

#define __forceinline__
/// A macro, so that a message names the place.
#define part_barrier() emulation::wait(emulation::State::BARRIER, __FILE__, __LINE__, blockDim.x)

#else

/// A barrier of the first `threads` of the block. Barrier 0 is the one that every thread comes to between parts.
template <unsigned threads> __device__ void barrier_of() {
    if (threads == WARP) {
        __syncwarp();
    } else {
        asm volatile("barrier.sync 1, %0;" ::"n"(threads) : "memory");
    }
}
#define part_barrier() barrier_of<blockDim.x>()

#endif
