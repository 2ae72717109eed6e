// Runs kernel entries as parts of one kernel, a chain. Prepended to them. src/device/cuda/text.rs generates the source
// of a chain from the files in this folder. Each part is in a namespace for its shape, in which the block it runs as
// hides CUDA's blockIdx, gridDim and blockDim, and it uses `part_barrier()` instead of `__syncthreads()`, because a
// part may have fewer threads than the chain.

#ifdef EMULATION

#define __forceinline__
/// A macro, so that an error message gives the location of the call.
#define part_barrier() emulation::wait(emulation::State::BARRIER, __FILE__, __LINE__, blockDim.x)

#else

/// A barrier for the first `threads` threads of the block. Barrier 0 is for all threads, between parts.
template <unsigned threads> __device__ void barrier_of() {
    if (threads == WARP) {
        __syncwarp();
    } else {
        asm volatile("barrier.sync 1, %0;" ::"n"(threads) : "memory");
    }
}
#define part_barrier() barrier_of<blockDim.x>()

#endif
