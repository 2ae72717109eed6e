//! Faults of a kernel that the emulation catches, and what it lets pass.

use super::super::source;
use super::*;
use crate::kernel::Family;

/// Runs the entry `kernel` of a text over 64 floats of 0, in so many blocks of so many threads; what it leaves, or
/// what was caught.
fn outcome(text: &str, grid: u32, block: u32) -> Result<Vec<f32>> {
    let portable = source::unit(Family::Stream);
    let portable = portable.split("#line 1 \"kernels/stream.cu\"").next();
    let unit = format!(
        "{}\n#line 1 \"faulty.cu\"\n{text}",
        portable.expect("it is first")
    );
    let library = Library::of("faulty", &unit).unwrap_or_else(|e| panic!("{e}"));
    let pass = Pass {
        unit: Unit::File(Family::Stream),
        entry: "kernel",
        grid: [grid, 1, 1],
        block,
        shared: 128,
        arguments: Vec::new(),
    };
    let memory = Rc::new(Allocation::new(256).expect("256 bytes"));
    memory.put(0, &[0; 256]);
    let values = [Owned::Memory(Rc::clone(&memory))];
    let ran = launch(&library, &pass, &values, true);
    ran.map(|()| memory.floats(64))
}

/// Asserts that a kernel of this body is caught, and that the message holds these words.
fn caught(body: &str, block: u32, words: &[&str]) {
    let text = format!("extern \"C\" __global__ void kernel(float *out) {{\n{body}\n}}\n");
    let outcome = outcome(&text, 2, block);
    let message = outcome.expect_err("a faulty kernel").to_string();
    for word in words {
        assert!(message.contains(word), "{message:?} lacks {word:?}");
    }
}

#[test]
#[ignore = "needs emulation: Linux with a C++ compiler"]
fn barriers_shuffles_and_votes_do_what_cuda_says() {
    let text = "extern \"C\" __global__ void kernel(float *out) {\n\
        __shared__ float tile[64];\n\
        float4 *dynamic = dynamic_shared();\n\
        const unsigned t = threadIdx.x;\n\
        tile[t] = float(t);\n\
        if (t < 8) dynamic[t].x = 1.0f;\n\
        __syncthreads();\n\
        float x = tile[63 - t] + dynamic[t % 8].x;\n\
        x += __shfl_sync(EVERY_LANE, x, 0);\n\
        __syncwarp(EVERY_LANE);\n\
        if (t % 32 < 16) x += __shfl_xor_sync(0x0000ffffu, float(t), 1);\n\
        if (__ballot_sync(EVERY_LANE, t % 32 == 5) == 32u) x += 1000.0f;\n\
        out[t] = x;\n}\n";
    let outcome = outcome(text, 1, 64);
    let expected = |t: usize| {
        let first = 64 - t / 32 * 32;
        let partner = if t % 32 < 16 { t ^ 1 } else { 0 };
        (64 - t + first + partner + 1000) as f32
    };
    assert_eq!(outcome.unwrap(), (0..64).map(expected).collect::<Vec<_>>());
}

#[test]
#[ignore = "needs emulation: Linux with a C++ compiler"]
fn a_barrier_that_a_thread_left_out_is_caught() {
    let words = [
        "faulty.cu:3: kernel, block (1, 0, 0)",
        "barrier",
        "thread 7",
        "has returned",
    ];
    caught(
        "if (threadIdx.x == 7) return;\n__syncthreads(); out[0] = 1;",
        64,
        &words,
    );
}

#[test]
#[ignore = "needs emulation: Linux with a C++ compiler"]
fn barriers_at_different_places_are_caught() {
    let body =
        "if (threadIdx.x < 32) {\n__syncthreads();\n} else {\n__syncthreads();\n}\nout[0] = 1;";
    caught(body, 64, &["barrier", "faulty.cu:3", "faulty.cu:5"]);
}

#[test]
#[ignore = "needs emulation: Linux with a C++ compiler"]
fn a_shuffle_without_a_lane_of_its_mask_is_caught() {
    let returned =
        "if (threadIdx.x == 9) return;\nout[threadIdx.x] = __shfl_xor_sync(EVERY_LANE, 1.0f, 1);";
    caught(
        returned,
        32,
        &["faulty.cu:3", "waits for lane 9", "has returned"],
    );
    let elsewhere = "if (threadIdx.x == 9) __syncthreads();\nout[threadIdx.x] = __shfl_xor_sync(EVERY_LANE, 1.0f, 1);";
    caught(
        elsewhere,
        32,
        &[
            "faulty.cu:3",
            "waits for lane 9, which waits at faulty.cu:2",
        ],
    );
    let absent = "out[threadIdx.x] = __shfl_xor_sync(EVERY_LANE, 1.0f, 1);";
    caught(absent, 16, &["waits for lane 16", "is not there"]);
    let vote = "if (threadIdx.x < 8) out[threadIdx.x] = float(__ballot_sync(EVERY_LANE, true));";
    caught(vote, 32, &["waits for lane 8", "has returned"]);
}

#[test]
#[ignore = "needs emulation: Linux with a C++ compiler"]
fn a_value_from_outside_the_mask_is_caught() {
    let body = "if (threadIdx.x < 8) out[threadIdx.x] = __shfl_sync(0xffu, 1.0f, 9);";
    caught(body, 32, &["lane 9", "not in the mask 000000ff"]);
}

#[test]
#[ignore = "needs emulation: Linux with a C++ compiler"]
fn reads_of_shared_memory_that_was_never_written_are_caught() {
    let fixed = "__shared__ float tile[64];\nif (threadIdx.x != 5) tile[threadIdx.x] = 1;\n__syncthreads();\n\
                 out[threadIdx.x] = tile[threadIdx.x] > 0.0f ? 1.0f : 2.0f;";
    caught(fixed, 64, &["of buffer 0", "never written"]);
    caught(
        "out[threadIdx.x] = dynamic_shared()[0].x;",
        32,
        &["never written"],
    );
}

#[test]
#[ignore = "needs emulation: Linux with a C++ compiler"]
fn a_missing_barrier_and_blocks_that_race_are_caught() {
    let barrier = "__shared__ float tile[64];\ntile[threadIdx.x] = 1;\nout[threadIdx.x] = tile[63 - threadIdx.x];";
    caught(barrier, 64, &["order of threads"]);
    caught(
        "out[0] = float(blockIdx.x);",
        32,
        &["order of threads or blocks"],
    );
}

#[test]
#[ignore = "needs emulation: Linux with a C++ compiler"]
fn writes_past_memory_are_caught() {
    caught(
        "out[64] = 1;",
        32,
        &["writes before or past the 256 bytes of buffer 0"],
    );
    caught("out[-1] = 1;", 32, &["writes before or past"]);
    caught(
        "dynamic_shared()[8].x = 1; out[0] = 1;",
        32,
        &["past its end of 128"],
    );
}

#[test]
#[ignore = "needs emulation: Linux with a C++ compiler"]
fn a_barrier_of_a_part_waits_for_its_threads_alone() {
    let part = |threads: &str| {
        format!(
            "{}\n#line 1 \"faulty.cu\"\n\
             namespace part {{\n\
             constexpr uint3 blockDim = {{32, 1, 1}};\n\
             inline void turn(float *out, float *tile) {{\n\
             tile[threadIdx.x] = float(threadIdx.x);\n\
             part_barrier();\n\
             out[threadIdx.x] = tile[31 - threadIdx.x];\n}}\n}}\n\
             extern \"C\" __global__ void kernel(float *out) {{\n\
             __shared__ float tile[64];\n\
             if ({threads}) part::turn(out, tile);\n\
             __syncthreads();\n\
             if (threadIdx.x >= 32) out[threadIdx.x] = out[threadIdx.x - 32];\n}}\n",
            source::CHAIN.1
        )
    };
    let turned = outcome(&part("threadIdx.x < 32"), 1, 64);
    let expected = |t: usize| (31 - t % 32) as f32;
    assert_eq!(turned.unwrap(), (0..64).map(expected).collect::<Vec<_>>());
    for (threads, words) in [
        (
            "threadIdx.x < 31",
            "for thread 31, which waits at faulty.cu:12",
        ),
        ("threadIdx.x < 64", "barrier of the first 32 threads"),
    ] {
        let missing = outcome(&part(threads), 1, 64);
        let message = missing.expect_err("a faulty kernel").to_string();
        assert!(message.contains(words), "{message}");
    }
}

#[test]
#[ignore = "needs emulation: Linux with a C++ compiler"]
fn arguments_of_another_kind_are_refused() {
    let mut device = open(false);
    let pass = Pass {
        unit: Unit::File(Family::Control),
        entry: "advance",
        grid: [1, 1, 1],
        block: 1,
        shared: 0,
        arguments: Vec::new(),
    };
    let memory = device.driver.alloc(80).expect("80 bytes");
    let values = [
        Value::Memory(&memory),
        Value::Memory(&memory),
        Value::F32(1.0),
    ];
    let refused = device.driver.launch(&pass, &values).expect_err("a float");
    assert!(
        refused.to_string().contains("takes ppuu and is given ppf"),
        "{refused}"
    );
}
