// Emulates CUDA for a C++ compiler on the host. Prepended to a unit of kernels, whose text is unchanged.
//
// A launch runs one block after another, and within a block one thread after another. A thread that never waits runs on
// a stack that the next thread reuses. A thread that waits keeps its stack and becomes a fibre: each barrier, shuffle
// or vote switches to the next thread. Everything is deterministic. Threads and blocks run in ascending or descending
// order, and shared memory starts with one of two patterns. If a launch gives the same bits both ways, its result does
// not depend on uninitialised shared memory (NaN in the first pattern), on the order of threads between two barriers,
// or on the order of blocks.
//
// Detected, and reported as text with file, line, block and thread: a barrier that some of its threads do not reach,
// because they have returned or wait elsewhere; a shuffle, vote or warp barrier whose mask names a lane that does not
// exist, has returned, or waits elsewhere; a value read from a lane outside the mask; writes past the end of dynamic
// shared memory. Not detected: writes past static shared arrays, and wild addresses, which crash the process. The
// caller puts guards around global memory (src/device/cuda/emulated/memory.rs).
//
// Limits: one launch at a time, because a library has state for one block; blocks have one dimension; Linux only,
// because shared memory is an ELF section. Fibres are switched by hand-written code on x86-64 and AArch64, by ucontext
// elsewhere. Declare `__shared__` in entries, not in templates: a compiler may not put those into one section.

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utility>
#if !defined(__x86_64__) && !defined(__aarch64__)
#include <ucontext.h>
#endif

#define EMULATION
#define __global__
#define __device__ inline
#define __shared__ static __attribute__((section("shared_memory")))
#define __launch_bounds__(...)

struct uint3 {
    unsigned x, y, z;
};
struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
inline unsigned max(unsigned a, unsigned b) { return a > b ? a : b; }

static uint3 threadIdx, blockIdx, blockDim, gridDim;

extern "C" {
// Bounds of this library's static shared memory, from the linker; null if it has none.
extern char __start_shared_memory[] __attribute__((weak, visibility("hidden")));
extern char __stop_shared_memory[] __attribute__((weak, visibility("hidden")));
}

namespace emulation {

constexpr unsigned LANES = 32, MAX_THREADS = 1024;
constexpr unsigned long STACK_BYTES = 64 << 10, SHARED_BYTES = 48 << 10, GUARD_BYTES = 256;

// Context switch: `swap(from, to)` saves the callee-saved registers on the stack, stores the stack pointer in *from,
// and continues from `to`.

#if defined(__x86_64__)
typedef void *Context;
extern "C" __attribute__((visibility("hidden"))) void emulation_swap(void **from, void *to);
asm(R"(
.text
.hidden emulation_swap
.globl emulation_swap
.type emulation_swap, @function
emulation_swap:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size emulation_swap, . - emulation_swap
)");
inline void swap(Context &from, Context &to) { emulation_swap(&from, to); }
inline void begin(Context &context, char *stack, void (*start)()) {
    // Six registers and a return address, placed so that `start` finds the stack aligned as after a call.
    void **top = reinterpret_cast<void **>(stack + STACK_BYTES - 16);
    *top = reinterpret_cast<void *>(start);
    memset(top - 6, 0, 6 * sizeof(void *));
    context = top - 6;
}
#elif defined(__aarch64__)
typedef void *Context;
extern "C" __attribute__((visibility("hidden"))) void emulation_swap(void **from, void *to);
asm(R"(
.text
.hidden emulation_swap
.globl emulation_swap
.type emulation_swap, %function
emulation_swap:
    sub sp, sp, #160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
.size emulation_swap, . - emulation_swap
)");
inline void swap(Context &from, Context &to) { emulation_swap(&from, to); }
inline void begin(Context &context, char *stack, void (*start)()) {
    char *frame = stack + STACK_BYTES - 160;
    memset(frame, 0, 160);
    // x30, the link register.
    *reinterpret_cast<void **>(frame + 88) = reinterpret_cast<void *>(start);
    context = frame;
}
#else
typedef ucontext_t Context;
inline void swap(Context &from, Context &to) { swapcontext(&from, &to); }
inline void begin(Context &context, char *stack, void (*start)()) {
    getcontext(&context);
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = STACK_BYTES;
    context.uc_link = nullptr;
    makecontext(&context, start, 0);
}
#endif

enum class State { READY, BARRIER, SHUFFLE, VOTE, RETURNED };

struct Thread {
    State state;
    Context context;
    // Null before the thread runs and after it has returned.
    char *stack;
    // Where the thread waits, and for whom: a mask of lanes, or at a barrier the number of threads.
    const char *file;
    int line;
    unsigned mask;
    // The value it provides, the lane it reads from, and the value it received.
    unsigned long long value;
    unsigned source;
    unsigned long long got;
};

static Thread threads[MAX_THREADS];
static unsigned current;
static Context scheduler;
static char *free_stacks[MAX_THREADS];
static unsigned free_count;
static void (*body)(void **);
static void **body_arguments;
static const char *entry_name;
static bool descending;
static char message[512];
alignas(256) static char dynamic[SHARED_BYTES + GUARD_BYTES];

inline char *dynamic_shared() { return dynamic; }

__attribute__((format(printf, 3, 4))) static bool fail(const Thread &thread, const char *where, const char *format, ...) {
    int at = snprintf(message, sizeof message, "%s:%d: %s, block (%u, %u, %u), thread %u: ", where ? where : "?", thread.line,
                      entry_name, blockIdx.x, blockIdx.y, blockIdx.z, unsigned(&thread - threads));
    va_list rest;
    va_start(rest, format);
    vsnprintf(message + at, sizeof message - size_t(at), format, rest);
    va_end(rest);
    return false;
}

/// Entry function of every fibre.
static void start() {
    body(body_arguments);
    threads[current].state = State::RETURNED;
    swap(threads[current].context, scheduler);
    abort();
}

/// Runs a thread until it waits or returns.
static void resume(unsigned index) {
    Thread &thread = threads[index];
    current = index;
    threadIdx = {index, 0, 0};
    if (!thread.stack) {
        thread.stack = free_count > 0 ? free_stacks[--free_count] : static_cast<char *>(aligned_alloc(256, STACK_BYTES));
        begin(thread.context, thread.stack, start);
    }
    swap(scheduler, thread.context);
    if (thread.state == State::RETURNED) {
        free_stacks[free_count++] = thread.stack;
        thread.stack = nullptr;
    }
}

/// Suspends the current thread and returns to the scheduler.
static void wait(State state, const char *file, int line, unsigned mask) {
    Thread &thread = threads[current];
    thread.state = state;
    thread.file = file;
    thread.line = line;
    thread.mask = mask;
    asm volatile("" ::: "memory");
    swap(thread.context, scheduler);
    asm volatile("" ::: "memory");
}

/// Why a thread that another waits for is not there, for error messages: "has returned" and so on.
static const char *excuse(unsigned index) {
    static char text[128];
    const Thread &thread = threads[index];
    if (index >= blockDim.x) {
        return "is not there";
    }
    if (thread.state == State::RETURNED) {
        return "has returned";
    }
    snprintf(text, sizeof text, "waits at %s:%d", thread.file, thread.line);
    return text;
}

static bool waits_in_warp(const Thread &thread) { return thread.state == State::SHUFFLE || thread.state == State::VOTE; }

/// First lane of the mask that does not wait at the same place as this thread; LANES if all do.
static unsigned missing(const Thread &thread, unsigned first) {
    for (unsigned lane = 0; lane < LANES; lane++) {
        if (!(thread.mask >> lane & 1)) {
            continue;
        }
        const Thread &other = threads[first + lane];
        if (first + lane >= blockDim.x || other.state != thread.state || other.mask != thread.mask ||
            other.line != thread.line || strcmp(other.file, thread.file) != 0) {
            return lane;
        }
    }
    return LANES;
}

/// Exchanges the values of the lanes of a complete mask.
static bool exchange(const Thread &thread, unsigned first) {
    unsigned votes = 0;
    for (unsigned lane = 0; lane < LANES; lane++) {
        if (thread.mask >> lane & 1 && threads[first + lane].value) {
            votes |= 1u << lane;
        }
    }
    const unsigned mask = thread.mask;
    const State state = thread.state;
    for (unsigned lane = 0; lane < LANES; lane++) {
        if (!(mask >> lane & 1)) {
            continue;
        }
        Thread &other = threads[first + lane];
        if (state == State::SHUFFLE && !(mask >> other.source & 1)) {
            return fail(other, other.file, "takes a value from lane %u, which is not in the mask %08x", other.source, mask);
        }
        other.got = state == State::VOTE ? votes : threads[first + other.source].value;
    }
    for (unsigned lane = 0; lane < LANES; lane++) {
        if (mask >> lane & 1) {
            threads[first + lane].state = State::READY;
        }
    }
    return true;
}

/// Runs the lanes of a warp until each waits at a barrier of the block or has returned.
static bool run_warp(unsigned first) {
    const unsigned count = min(LANES, blockDim.x - first);
    for (bool progress = true; progress;) {
        progress = false;
        for (unsigned i = 0; i < count; i++) {
            const unsigned index = first + (descending ? count - 1 - i : i);
            if (threads[index].state == State::READY) {
                resume(index);
                progress = true;
            }
        }
        for (unsigned lane = 0; lane < count; lane++) {
            const Thread &thread = threads[first + lane];
            if (!waits_in_warp(thread)) {
                continue;
            }
            if (!(thread.mask >> lane & 1)) {
                return fail(thread, thread.file, "is not in its own mask %08x", thread.mask);
            }
            if (missing(thread, first) == LANES) {
                if (!exchange(thread, first)) {
                    return false;
                }
                progress = true;
            }
        }
    }
    for (unsigned lane = 0; lane < count; lane++) {
        const Thread &thread = threads[first + lane];
        if (waits_in_warp(thread)) {
            const unsigned other = missing(thread, first);
            return fail(thread, thread.file, "waits for lane %u, which %s", other, excuse(first + other));
        }
    }
    return true;
}

static bool run_block(unsigned shared) {
    const char pattern = descending ? 0x7f : char(0xff);
    if (__start_shared_memory) {
        memset(__start_shared_memory, pattern, size_t(__stop_shared_memory - __start_shared_memory));
    }
    memset(dynamic, pattern, shared + GUARD_BYTES);
    for (unsigned i = 0; i < blockDim.x; i++) {
        threads[i].state = State::READY;
    }
    const unsigned warps = (blockDim.x + LANES - 1) / LANES;
    for (;;) {
        for (unsigned w = 0; w < warps; w++) {
            if (!run_warp((descending ? warps - 1 - w : w) * LANES)) {
                return false;
            }
        }
        unsigned closest = MAX_THREADS;
        for (unsigned i = 0; i < blockDim.x; i++) {
            if (threads[i].state == State::BARRIER && (closest == MAX_THREADS || threads[i].mask <= threads[closest].mask)) {
                closest = i;
            }
        }
        if (closest == MAX_THREADS) {
            break;
        }
        // Release the barrier with the fewest threads first: other threads may wait for it.
        const Thread &thread = threads[closest];
        for (unsigned i = 0; i < thread.mask; i++) {
            if (threads[i].state != State::BARRIER || threads[i].mask != thread.mask || threads[i].line != thread.line ||
                strcmp(threads[i].file, thread.file) != 0) {
                return fail(thread, thread.file, "waits at a barrier for thread %u, which %s", i, excuse(i));
            }
        }
        if (closest >= thread.mask) {
            return fail(thread, thread.file, "waits at a barrier of the first %u threads", thread.mask);
        }
        for (unsigned i = 0; i < thread.mask; i++) {
            threads[i].state = State::READY;
        }
    }
    for (unsigned i = 0; i < GUARD_BYTES; i++) {
        if (dynamic[shared + i] != pattern) {
            threads[0].line = 0;
            return fail(threads[0], "dynamic shared memory", "written %u bytes past its end of %u", i, shared);
        }
    }
    return true;
}

/// Runs a launch; returns null, or an error message.
static const char *launch(const char *name, void (*entry)(void **), const unsigned *grid, unsigned block, unsigned shared,
                          void **arguments, bool backwards) {
    entry_name = name;
    body = entry;
    body_arguments = arguments;
    descending = backwards;
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {block, 1, 1};
    if (block == 0 || block > MAX_THREADS || shared > SHARED_BYTES) {
        snprintf(message, sizeof message, "%s: a block of %u threads and %u bytes cannot be", name, block, shared);
        return message;
    }
    const unsigned long long blocks = 1ull * grid[0] * grid[1] * grid[2];
    for (unsigned long long b = 0; b < blocks; b++) {
        const unsigned long long at = descending ? blocks - 1 - b : b;
        blockIdx = {unsigned(at % grid[0]), unsigned(at / grid[0] % grid[1]), unsigned(at / grid[0] / grid[1])};
        if (!run_block(shared)) {
            // Abandon fibres that still wait, with their stacks.
            for (unsigned i = 0; i < MAX_THREADS; i++) {
                if (threads[i].stack) {
                    free_stacks[free_count++] = threads[i].stack;
                    threads[i].stack = nullptr;
                }
            }
            return message;
        }
    }
    return nullptr;
}

template <typename T> unsigned long long bits_of(T value) {
    static_assert(sizeof(T) <= 8, "up to eight bytes a lane");
    unsigned long long bits = 0;
    memcpy(&bits, &value, sizeof value);
    return bits;
}

/// Returns the value of lane `source` of the warp, once every lane of the mask has provided its own.
template <typename T> T shuffle(unsigned mask, T value, unsigned source, const char *file, int line) {
    Thread &thread = threads[current];
    thread.value = bits_of(value);
    thread.source = source;
    wait(State::SHUFFLE, file, line, mask);
    memcpy(&value, &thread.got, sizeof value);
    return value;
}

inline unsigned vote(unsigned mask, bool value, const char *file, int line) {
    threads[current].value = value;
    wait(State::VOTE, file, line, mask);
    return unsigned(threads[current].got);
}

inline unsigned lane() { return threadIdx.x % LANES; }

/// Calls a kernel with arguments taken from an array of their addresses.
template <typename... P, size_t... I> void unpack(void (*kernel)(P...), void **arguments, std::index_sequence<I...>) {
    kernel(*static_cast<P *>(arguments[I])...);
}
template <typename... P> void call(void (*kernel)(P...), void **arguments) {
    unpack(kernel, arguments, std::index_sequence_for<P...>());
}

/// Letters for the kinds of kernel parameters: p a pointer, u and l unsigned of 32 and 64 bits, f a float.
template <typename T> struct Kind;
template <typename T> struct Kind<T *> { static constexpr char letter = 'p'; };
template <> struct Kind<unsigned> { static constexpr char letter = 'u'; };
template <> struct Kind<unsigned long long> { static constexpr char letter = 'l'; };
template <> struct Kind<float> { static constexpr char letter = 'f'; };
template <typename... P> const char *kinds(void (*)(P...)) {
    static const char letters[] = {Kind<P>::letter..., 0};
    return letters;
}

struct Entry {
    const char *name;
    void (*call)(void **);
    const char *kinds;
};

} // namespace emulation

#define __syncthreads() emulation::wait(emulation::State::BARRIER, __FILE__, __LINE__, blockDim.x)
#define __syncwarp(mask) (void)emulation::vote(mask, false, __FILE__, __LINE__)
#define __ballot_sync(mask, value) emulation::vote(mask, value, __FILE__, __LINE__)
#define __shfl_sync(mask, value, source) emulation::shuffle(mask, value, (source) % emulation::LANES, __FILE__, __LINE__)
#define __shfl_xor_sync(mask, value, step) \
    emulation::shuffle(mask, value, (emulation::lane() ^ (step)) % emulation::LANES, __FILE__, __LINE__)

/// An entry of the table of kernels.
#define EMULATED(name) {#name, [](void **arguments) { emulation::call(name, arguments); }, emulation::kinds(name)}

/// Exports the functions through which a library of kernels is used; put it after the kernels.
#define EMULATION_EXPORTS(table)                                                                                           \
    static const emulation::Entry *emulation_find(const char *name) {                                                      \
        for (const emulation::Entry &entry : table) {                                                                      \
            if (strcmp(entry.name, name) == 0) return &entry;                                                              \
        }                                                                                                                  \
        return nullptr;                                                                                                    \
    }                                                                                                                      \
    extern "C" __attribute__((visibility("default"))) const char *emulation_kinds(const char *name) {                      \
        const emulation::Entry *entry = emulation_find(name);                                                              \
        return entry ? entry->kinds : nullptr;                                                                             \
    }                                                                                                                      \
    extern "C" __attribute__((visibility("default"))) const char *emulation_launch(                                        \
        const char *name, const unsigned *grid, unsigned block, unsigned shared, void **arguments, int backwards) {        \
        const emulation::Entry *entry = emulation_find(name);                                                              \
        return entry ? emulation::launch(entry->name, entry->call, grid, block, shared, arguments, backwards) : "no entry"; \
    }
