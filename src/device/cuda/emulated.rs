//! The kernels on the host: a driver that runs the text of `kernels/` as a C++ compiler understands it, so that everything
//! but CUDA itself is tested on machines without a card.
//!
//! What CUDA is to the kernels stands in `kernels/emulation.h`. Each file of `kernels/`, and each chain, becomes a library,
//! compiled when it first runs and kept by the hash of its text. Memory begins as NaN, and lies between guards that are looked at after every
//! launch. With `twice`, a launch runs in both orders of threads and blocks from two patterns of shared memory, and must leave
//! the same bits.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::sync::{Mutex, OnceLock};

use sha2::{Digest, Sha256};

use super::Cuda;
use super::chain::CHAINED;
use super::driver::{Driver, Value};
use super::geometry::{Pass, Tuning};
use super::source::{self, Unit};
use crate::device::Gemm;
use crate::error::{Error, Result};

/// What CUDA is to the kernels, on the host.
const EMULATION: &str = include_str!("../../../kernels/emulation.h");
/// Bytes before and after memory that nothing may write.
const GUARD: usize = 1024;
/// What memory and its guards hold at first: NaN in f32, and a number too large for an index.
const POISON: u8 = 0xff;
/// As CUDA aligns memory.
const ALIGNMENT: usize = 256;

type Kinds = unsafe extern "C" fn(*const c_char) -> *const c_char;
type Launch = unsafe extern "C" fn(
    *const c_char,
    *const u32,
    u32,
    u32,
    *mut *mut c_void,
    i32,
) -> *const c_char;

/// A compiled unit. It runs one launch at a time.
struct Library {
    kinds: Kinds,
    launch: Launch,
    busy: Mutex<()>,
}

/// The machine's C++ compiler: `$CXX`, else the first of the usual names that answers.
fn compiler() -> Option<&'static str> {
    static FOUND: OnceLock<Option<String>> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            let answers = |name: &String| {
                let version = Command::new(name).arg("--version").output();
                version.is_ok_and(|output| output.status.success())
            };
            let chosen = std::env::var("CXX").ok().into_iter();
            chosen
                .chain(["c++", "g++", "clang++"].map(String::from))
                .find(answers)
        })
        .as_deref()
}

/// Where libraries are kept: beside what cargo builds.
fn folder() -> PathBuf {
    let binary = std::env::current_exe().expect("a test knows where it is");
    let folder = binary.parent().and_then(Path::parent);
    folder
        .expect("cargo puts it two levels deep")
        .join("emulation")
}

/// A unit as the host's compiler sees it: CUDA before, the table of its entries after.
fn host_text(unit: &str) -> String {
    let entries: Vec<String> = source::entries(unit)
        .iter()
        .map(|name| format!("EMULATED({name})"))
        .collect();
    format!(
        "#line 1 \"kernels/emulation.h\"\n{EMULATION}\n{unit}\n#line 1 \"entries\"\n\
         static const emulation::Entry emulation_entries[] = {{{}}};\nEMULATION_EXPORTS(emulation_entries)\n",
        entries.join(", ")
    )
}

impl Library {
    /// Compiles a unit, or finds it compiled, and opens it.
    ///
    /// # Errors
    /// What the compiler says.
    fn of(name: &str, unit: &str) -> Result<Self> {
        let compiler = compiler().expect("an emulated device is opened where there is one");
        let flags = [
            "-O2",
            "-std=c++17",
            "-shared",
            "-fPIC",
            "-fvisibility=hidden",
            "-Wall",
            "-Wextra",
            "-Werror",
            // `#pragma unroll` speaks to NVRTC.
            "-Wno-unknown-pragmas",
            // Bits that do not hang on what else stands in a unit.
            "-ffp-contract=off",
        ];
        let text = host_text(unit);
        let mut hash = Sha256::new();
        for part in flags.iter().chain([&compiler, &text.as_str()]) {
            hash.update(part.as_bytes());
        }
        let hash: String = hash
            .finalize()
            .iter()
            .take(8)
            .map(|b| format!("{b:02x}"))
            .collect();
        let folder = folder();
        let path = folder.join(format!("{name}-{hash}.so"));
        if !path.exists() {
            std::fs::create_dir_all(&folder).map_err(|e| Error::failed(e.to_string()))?;
            // Under a name of its own until it is whole: other tests may be at the same.
            let making = tempfile::tempdir_in(&folder).map_err(|e| Error::failed(e.to_string()))?;
            let (text_path, made) = (
                making.path().join("unit.cpp"),
                making.path().join("unit.so"),
            );
            std::fs::write(&text_path, text).map_err(|e| Error::failed(e.to_string()))?;
            let output = Command::new(compiler)
                .args(flags)
                .arg("-o")
                .args([&made, &text_path])
                .output()
                .map_err(|e| Error::failed(format!("{compiler}: {e}")))?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                return Err(Error::failed(format!("{compiler}, {name}: {said}")));
            }
            std::fs::rename(&made, &path).map_err(|e| Error::failed(e.to_string()))?;
        }
        let failed = |e: libloading::Error| Error::failed(format!("{name}: {e}"));
        // SAFETY: the library is the one compiled above; its two functions have these types (`EMULATION_EXPORTS`), and it has
        // no initialisers. It is never closed.
        unsafe {
            let library = libloading::Library::new(&path).map_err(failed)?;
            let kinds = *library.get::<Kinds>(b"emulation_kinds\0").map_err(failed)?;
            let launch = *library
                .get::<Launch>(b"emulation_launch\0")
                .map_err(failed)?;
            std::mem::forget(library);
            Ok(Self {
                kinds,
                launch,
                busy: Mutex::new(()),
            })
        }
    }

    /// The library of a unit, of a whole file where a unit is a part of it: made once, and never closed.
    fn unit(unit: &Unit) -> Result<&'static Self> {
        type Made = OnceLock<std::result::Result<Library, String>>;
        static LIBRARIES: Mutex<BTreeMap<String, &'static Made>> = Mutex::new(BTreeMap::new());
        let (name, unit) = match unit {
            Unit::File(stem) | Unit::Entries(stem, _) => (*stem, &Unit::File(stem)),
            Unit::Chain(_) => ("chain", unit),
        };
        let made = {
            let mut libraries = LIBRARIES.lock().unwrap_or_else(|e| e.into_inner());
            let place = libraries.entry(format!("{unit:?}"));
            *place.or_insert_with(|| Box::leak(Box::default()))
        };
        made.get_or_init(|| Self::of(name, &unit.text()).map_err(|e| e.to_string()))
            .as_ref()
            .map_err(Error::failed)
    }

    /// Runs an entry, its threads and blocks in ascending order or `backwards`.
    fn run(&self, pass: &Pass, values: &[Owned], backwards: bool) -> Result<()> {
        let entry = CString::new(pass.entry).expect("a name");
        // SAFETY: a name that ends in 0; the answer is null or a static text.
        let kinds = unsafe { (self.kinds)(entry.as_ptr()) };
        if kinds.is_null() {
            return Err(Error::failed(format!("{} is no entry", pass.entry)));
        }
        // SAFETY: not null, and static.
        let kinds = unsafe { CStr::from_ptr(kinds) }.to_string_lossy();
        let given: String = values.iter().map(Owned::kind).collect();
        if kinds != given {
            return Err(Error::failed(format!(
                "{} takes {kinds} and is given {given}",
                pass.entry
            )));
        }
        let mut words: Vec<u64> = values.iter().map(Owned::word).collect();
        let mut addresses: Vec<*mut c_void> = words
            .iter_mut()
            .map(|word| std::ptr::from_mut(word).cast())
            .collect();
        let _busy = self.busy.lock().unwrap_or_else(|e| e.into_inner());
        // SAFETY: as many arguments as the entry takes, each of its kind (little-endian machines read the low half of a
        // word); the memory that they point to lives as long as `values`. The kernels keep within it, which is what the
        // guards are for; the library does not call back.
        let said = unsafe {
            (self.launch)(
                entry.as_ptr(),
                pass.grid.as_ptr(),
                pass.block,
                pass.shared,
                addresses.as_mut_ptr(),
                i32::from(backwards),
            )
        };
        if said.is_null() {
            return Ok(());
        }
        // SAFETY: not null; the text stays until the next launch, which waits for `busy`.
        let said = unsafe { CStr::from_ptr(said) }
            .to_string_lossy()
            .into_owned();
        Err(Error::failed(said))
    }
}

/// Memory between two guards, or a part of such memory.
pub(super) struct Allocation {
    /// The guard before it; of a part, so far before its first byte.
    base: *mut u8,
    bytes: usize,
    /// The memory that this is a part of.
    whole: Option<Rc<Allocation>>,
}

impl Allocation {
    fn layout(bytes: usize) -> std::alloc::Layout {
        let whole = bytes.next_multiple_of(ALIGNMENT) + 2 * GUARD;
        std::alloc::Layout::from_size_align(whole, ALIGNMENT).expect("a size that fits")
    }

    fn new(bytes: usize) -> Result<Self> {
        let layout = Self::layout(bytes);
        // SAFETY: its size is not zero.
        let base = unsafe { std::alloc::alloc(layout) };
        if base.is_null() {
            return Err(Error::failed(format!("{bytes} bytes cannot be had")));
        }
        // SAFETY: as many bytes as were asked for.
        unsafe { base.write_bytes(POISON, layout.size()) };
        Ok(Self {
            base,
            bytes,
            whole: None,
        })
    }

    /// So many bytes of `whole` from `offset` on.
    fn part(whole: &Rc<Self>, offset: usize, bytes: usize) -> Self {
        assert!(offset + bytes <= whole.bytes, "a part past the end");
        Self {
            // SAFETY: within the memory, as asserted.
            base: unsafe { whole.base.add(offset) },
            bytes,
            whole: Some(Rc::clone(whole)),
        }
    }

    /// Copies out.
    fn copy(&self, offset: usize, into: &mut [u8]) {
        assert!(offset + into.len() <= self.bytes, "read past the end");
        // SAFETY: within the memory, as asserted; nothing else refers to it while this runs.
        unsafe {
            std::ptr::copy_nonoverlapping(self.at().add(offset), into.as_mut_ptr(), into.len());
        }
    }

    /// Copies in.
    fn put(&self, offset: usize, from: &[u8]) {
        assert!(offset + from.len() <= self.bytes, "written past the end");
        // SAFETY: as in `copy`.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), self.at().add(offset), from.len()) };
    }

    fn content(&self) -> Vec<u8> {
        let mut content = vec![0; self.bytes];
        self.copy(0, &mut content);
        content
    }

    /// As f32, from the first on.
    fn floats(&self, count: usize) -> Vec<f32> {
        let mut floats = vec![0.0f32; count];
        self.copy(0, bytemuck::cast_slice_mut(&mut floats));
        floats
    }

    fn at(&self) -> *mut u8 {
        // SAFETY: the guard lies before the memory.
        unsafe { self.base.add(GUARD) }
    }

    /// Whether the guards are as they were made; the one behind begins right after the last byte.
    fn intact(&self) -> bool {
        if let Some(whole) = &self.whole {
            return whole.intact();
        }
        let whole = Self::layout(self.bytes).size();
        // SAFETY: the whole allocation, initialised when it was made.
        let all = unsafe { std::slice::from_raw_parts(self.base, whole) };
        let guards = all[..GUARD].iter().chain(&all[GUARD + self.bytes..]);
        guards.into_iter().all(|byte| *byte == POISON)
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        if self.whole.is_some() {
            return;
        }
        // SAFETY: allocated with this layout.
        unsafe { std::alloc::dealloc(self.base, Self::layout(self.bytes)) };
    }
}

/// An argument with what it points to.
#[derive(Clone)]
pub(super) enum Owned {
    Memory(Rc<Allocation>),
    U32(u32),
    U64(u64),
    F32(f32),
}

impl Owned {
    /// The letter that `kinds` of emulation.h has for it.
    fn kind(&self) -> char {
        match self {
            Owned::Memory(_) => 'p',
            Owned::U32(_) => 'u',
            Owned::U64(_) => 'l',
            Owned::F32(_) => 'f',
        }
    }

    fn word(&self) -> u64 {
        match self {
            Owned::Memory(memory) => memory.at() as u64,
            Owned::U32(x) => u64::from(*x),
            Owned::U64(x) => *x,
            Owned::F32(x) => u64::from(x.to_bits()),
        }
    }
}

/// What a graph holds.
#[derive(Clone)]
pub(super) enum Noted {
    Launch(Pass, Vec<Owned>),
    Gemm(Gemm, [Rc<Allocation>; 3]),
}

/// The driver.
pub(crate) struct Emulated {
    /// Whether every launch runs both ways.
    twice: bool,
    recording: Option<Vec<Noted>>,
    /// Launches of the last graph.
    captured: usize,
}

impl Emulated {
    fn note(&mut self, noted: Noted) -> Result<()> {
        match &mut self.recording {
            Some(recording) => {
                recording.push(noted);
                Ok(())
            }
            None => self.run(&noted),
        }
    }

    fn run(&self, noted: &Noted) -> Result<()> {
        match noted {
            Noted::Launch(pass, values) => {
                launch(Library::unit(&pass.unit)?, pass, values, self.twice)
            }
            Noted::Gemm(gemm, [a, b, c]) => {
                multiply(gemm, a, b, c);
                Ok(())
            }
        }
    }
}

/// Runs a launch, both ways where asked, and looks at the guards.
fn launch(library: &Library, pass: &Pass, values: &[Owned], twice: bool) -> Result<()> {
    let memory = values.iter().filter_map(|value| match value {
        Owned::Memory(memory) => Some(memory),
        _ => None,
    });
    let memory: Vec<&Rc<Allocation>> = memory.collect();
    if twice {
        let before: Vec<Vec<u8>> = memory.iter().map(|m| m.content()).collect();
        library.run(pass, values, true)?;
        let backwards: Vec<Vec<u8>> = memory.iter().map(|m| m.content()).collect();
        memory.iter().zip(&before).for_each(|(m, b)| m.put(0, b));
        library.run(pass, values, false)?;
        for (place, (memory, backwards)) in memory.iter().zip(&backwards).enumerate() {
            let content = memory.content();
            if let Some(byte) = (0..content.len()).find(|&i| content[i] != backwards[i]) {
                return Err(Error::failed(format!(
                    "{}: byte {byte} of buffer {place} depends on the order of threads or blocks, or on shared memory that was \
                     never written",
                    pass.entry
                )));
            }
        }
    } else {
        library.run(pass, values, false)?;
    }
    match memory.iter().position(|memory| !memory.intact()) {
        None => Ok(()),
        Some(place) => Err(Error::failed(format!(
            "{}: writes before or past the {} bytes of buffer {place}",
            pass.entry, memory[place].bytes
        ))),
    }
}

/// See [`Gemm`]; sums in f64.
fn multiply(gemm: &Gemm, a: &Allocation, b: &Allocation, c: &Allocation) {
    let Gemm { m, n, k, .. } = *gemm;
    let (x, y, mut z) = (a.floats(m * k), b.floats(k * n), c.floats(m * n));
    let [row_a, column_a] = if gemm.transpose_a { [1, m] } else { [k, 1] };
    let [row_b, column_b] = if gemm.transpose_b { [1, k] } else { [n, 1] };
    for i in 0..m {
        for j in 0..n {
            let terms = (0..k).map(|l| {
                f64::from(x[i * row_a + l * column_a]) * f64::from(y[l * row_b + j * column_b])
            });
            let product = gemm.alpha * terms.sum::<f64>() as f32;
            let old = &mut z[i * n + j];
            *old = if gemm.beta == 0.0 {
                product
            } else {
                product + gemm.beta * *old
            };
        }
    }
    c.put(0, bytemuck::cast_slice(&z));
}

impl Driver for Emulated {
    type Memory = Rc<Allocation>;
    type Graph = Vec<Noted>;

    fn alloc(&mut self, bytes: usize) -> Result<Self::Memory> {
        Allocation::new(bytes).map(Rc::new)
    }

    fn part(&self, memory: &Self::Memory, offset: usize, bytes: usize) -> Self::Memory {
        Rc::new(Allocation::part(memory, offset, bytes))
    }

    fn write(&mut self, to: &Self::Memory, offset: usize, bytes: &[u8]) -> Result<()> {
        to.put(offset, bytes);
        Ok(())
    }

    fn read(&mut self, from: &Self::Memory, offset: usize, into: &mut [u8]) -> Result<()> {
        from.copy(offset, into);
        Ok(())
    }

    fn load(&mut self, _: &Unit) -> Result<()> {
        // A library is made when it first runs: a recording that only counts launches needs none.
        Ok(())
    }

    fn launch(&mut self, pass: &Pass, values: &[Value<'_, Self::Memory>]) -> Result<()> {
        let values = values.iter().map(|value| match value {
            Value::Memory(memory) => Owned::Memory(Rc::clone(memory)),
            Value::U32(x) => Owned::U32(*x),
            Value::U64(x) => Owned::U64(*x),
            Value::F32(x) => Owned::F32(*x),
        });
        self.note(Noted::Launch(pass.clone(), values.collect()))
    }

    fn gemm(
        &mut self,
        gemm: &Gemm,
        a: &Self::Memory,
        b: &Self::Memory,
        c: &Self::Memory,
    ) -> Result<()> {
        self.note(Noted::Gemm(*gemm, [a, b, c].map(Rc::clone)))
    }

    fn begin(&mut self) -> Result<()> {
        self.recording = Some(Vec::new());
        Ok(())
    }

    fn end(&mut self) -> Result<Self::Graph> {
        let graph = self.recording.take().unwrap_or_default();
        self.captured = graph.len();
        Ok(graph)
    }

    fn replay(&mut self, graph: &Self::Graph, times: u64) -> Result<()> {
        (0..times).try_for_each(|_| graph.iter().try_for_each(|noted| self.run(noted)))
    }

    fn synchronise(&mut self) -> Result<()> {
        Ok(())
    }

    fn device_time_s(&self) -> Option<f64> {
        None
    }
}

/// Multiprocessors of the emulated device: few, so that small samples have parts too.
const FEW: usize = 4;

/// Opens the emulated device; `twice` runs every launch both ways. A C++ compiler compiles the kernels when they are first
/// launched.
pub(crate) fn open(twice: bool) -> Cuda<Emulated> {
    card(twice, FEW)
}

/// The emulated device with so many multiprocessors, without asking for a compiler: it records, and runs nothing before it
/// has to.
pub(crate) fn card(twice: bool, multiprocessors: usize) -> Cuda<Emulated> {
    let tuning = Tuning {
        multiprocessors,
        shared_bytes: 48 << 10,
        chained: CHAINED,
    };
    let driver = Emulated {
        twice,
        recording: None,
        captured: 0,
    };
    Cuda::over(driver, 0, "emulated".into(), 1 << 40, tuning)
}

impl Cuda<Emulated> {
    /// Launches of the last graph: its nodes.
    pub(crate) fn captured(&self) -> usize {
        self.driver.captured
    }
}

#[cfg(test)]
mod needs_emulation {
    use super::*;

    /// Runs the entry `kernel` of a text over 64 floats of 0, in so many blocks of so many threads; what it leaves, or
    /// what was caught.
    fn outcome(text: &str, grid: u32, block: u32) -> Result<Vec<f32>> {
        let portable = source::unit("stream");
        let portable = portable.split("#line 1 \"kernels/stream.cu\"").next();
        let unit = format!(
            "{}\n#line 1 \"faulty.cu\"\n{text}",
            portable.expect("it is first")
        );
        let library = Library::of("faulty", &unit).unwrap_or_else(|e| panic!("{e}"));
        let pass = Pass {
            unit: Unit::File("faulty"),
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
        let message = outcome(&text, 2, block)
            .expect_err("a faulty kernel")
            .to_string();
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
        let returned = "if (threadIdx.x == 9) return;\nout[threadIdx.x] = __shfl_xor_sync(EVERY_LANE, 1.0f, 1);";
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
        let vote =
            "if (threadIdx.x < 8) out[threadIdx.x] = float(__ballot_sync(EVERY_LANE, true));";
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
            unit: Unit::File("control"),
            entry: "advance",
            grid: [1, 1, 1],
            block: 1,
            shared: 0,
            arguments: Vec::new(),
        };
        let memory = device.driver.alloc(80).expect("80 bytes");
        let values = [Value::Memory(&memory), Value::F32(1.0)];
        let refused = device.driver.launch(&pass, &values).expect_err("a float");
        assert!(
            refused.to_string().contains("takes pu and is given pf"),
            "{refused}"
        );
    }
}
