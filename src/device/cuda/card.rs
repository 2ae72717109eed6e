//! CUDA itself: the cards that are here, and a driver over one of them.

use std::collections::HashMap;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::OnceLock;

use cudarc::driver::sys::CUdevice_attribute as Attribute;
use cudarc::driver::{DriverError, result, sys};

use super::super::{Gemm, Unavailable};
use super::blas::Blas;
use super::cache::Cache;
use super::chain::CHAINED;
use super::compiler::{self, OPTIONS, Target};
use super::context::{Context, Event, Graph, Memory, Module, Pinned};
use super::dense::Dense;
use super::driver::{Driver, Value};
use super::geometry::{Pass, Tuning};
use super::libraries::Library;
use super::source::Unit;
use crate::data::{Samples, Statistics};
use crate::error::{Error, Result};

/// What a card says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// `NVIDIA H200`.
    pub name: String,
    /// The driver and the libraries in use, with their versions.
    pub driver: String,
    /// Place on the PCI bus.
    pub pci: Option<String>,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Compute capability in tens: 90 is 9.0.
    pub architecture: u32,
    nvrtc: String,
    target: Target,
}

/// Every card, in the order of `cuda:0`, `cuda:1`, ...; looked for once in a run of the program.
///
/// # Errors
/// Why there is none, and what to do about it.
pub fn cards() -> std::result::Result<&'static [Card], Unavailable> {
    static FOUND: OnceLock<std::result::Result<Vec<Card>, Unavailable>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        // A library that lacks a function panics where it is called.
        catch_unwind(AssertUnwindSafe(find)).unwrap_or_else(|_| {
            Err(Unavailable {
                why: "CUDA's libraries here lack a function of CUDA 12".into(),
                remedy: "install CUDA 12 or 13 and a driver of 525 or newer".into(),
            })
        })
    });
    found.as_deref().map_err(Clone::clone)
}

fn find() -> std::result::Result<Vec<Card>, Unavailable> {
    for library in [Library::Driver, Library::Nvrtc, Library::Cublas] {
        if !library.is_there() {
            return Err(library.missing());
        }
    }
    let broken = |why: String| Unavailable {
        why,
        remedy: "see whether nvidia-smi lists the card; in a container, start it with --gpus all"
            .into(),
    };
    let told = |error: DriverError| {
        broken(match error {
            DriverError(sys::CUresult::CUDA_ERROR_NO_DEVICE) => "CUDA sees no card".into(),
            error => format!("CUDA does not start: {error}"),
        })
    };
    result::init().map_err(told)?;
    let count = result::device::get_count().map_err(told)?;
    if count == 0 {
        return Err(broken("CUDA sees no card".into()));
    }
    let mut version = 0;
    // SAFETY: the pointer is to a live integer.
    unsafe { sys::cuDriverGetVersion(&raw mut version) }
        .result()
        .map_err(told)?;
    let (nvrtc, known) = compiler::facts().map_err(broken)?;
    let kernel_module = std::fs::read_to_string("/proc/driver/nvidia/version");
    let driver = versions(
        kernel_module.as_deref().unwrap_or_default(),
        version,
        &nvrtc,
    );
    let mut cards = Vec::new();
    for index in 0..count {
        let device = result::device::get(index).map_err(told)?;
        let name = result::device::get_name(device).map_err(told)?;
        let attribute = |which| {
            // SAFETY: the device was given by the driver just now.
            let value = unsafe { result::device::get_attribute(device, which) };
            value.map(|value| u32::try_from(value).unwrap_or(0))
        };
        let major = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
        let minor = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
        let architecture = 10 * major.map_err(told)? + minor.map_err(told)?;
        // SAFETY: the device was given by the driver just now.
        let memory = unsafe { result::device::total_mem(device) }.map_err(told)?;
        let pci = [
            Attribute::CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID,
            Attribute::CU_DEVICE_ATTRIBUTE_PCI_BUS_ID,
            Attribute::CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID,
        ];
        let pci = pci.map(attribute);
        let Some(target) = Target::of(architecture, &known) else {
            return Err(Unavailable {
                why: format!("{name} is older than what NVRTC {nvrtc} compiles for"),
                remedy: "install the NVRTC of CUDA 12, which knows older cards".into(),
            });
        };
        cards.push(Card {
            name,
            driver: driver.clone(),
            pci: match pci {
                [Ok(domain), Ok(bus), Ok(device)] => {
                    Some(format!("{domain:04x}:{bus:02x}:{device:02x}.0"))
                }
                _ => None,
            },
            memory_bytes: memory as u64,
            architecture,
            nvrtc: nvrtc.clone(),
            target,
        });
    }
    Ok(cards)
}

/// `driver 580.65.06, CUDA 13.0, NVRTC 13.0` from the kernel module's own words and the version that the driver tells.
fn versions(kernel_module: &str, cuda: i32, nvrtc: &str) -> String {
    let number =
        |word: &&str| word.contains('.') && word.chars().all(|c| c.is_ascii_digit() || c == '.');
    let line = kernel_module.lines().next().unwrap_or_default();
    let module = match line.split_whitespace().find(number) {
        Some(number) => format!("driver {number}, "),
        None => String::new(),
    };
    format!(
        "{module}CUDA {}.{}, NVRTC {nvrtc}",
        cuda / 1000,
        cuda % 1000 / 10
    )
}

/// Pinned memory in two pieces of this size: while the card copies one, the host fills the other.
const PIECE: usize = 8 << 20;

/// Pinned memory that transfers go through.
struct Staging {
    pieces: [(Pinned, Event); 2],
    next: usize,
}

/// The card's clock: from the first work after a wait to the next wait, which costs two events and no wait of its own.
struct Clock {
    first: Event,
    last: Event,
    running: bool,
    total_s: f64,
}

/// A driver over one card, through cudarc.
pub struct Cudarc {
    functions: HashMap<(Unit, &'static str), sys::CUfunction>,
    modules: HashMap<Unit, Module>,
    clock: Clock,
    staging: Staging,
    blas: Blas,
    dense: Option<Dense>,
    cache: Cache,
    target: Target,
    nvrtc: String,
    versions: String,
    capturing: bool,
    context: Rc<Context>,
}

impl Cudarc {
    /// Opens card `index` of [`cards`].
    pub(super) fn open(index: usize, card: &Card) -> Result<(Self, Tuning)> {
        let ordinal = i32::try_from(index).map_err(|e| Error::failed(e.to_string()))?;
        let context = Context::open(ordinal, format!("cuda:{index} {}", card.name))?;
        let piece = || -> Result<(Pinned, Event)> {
            let event = Event::new(&context)?;
            event.record()?;
            Ok((Pinned::new(&context, PIECE)?, event))
        };
        let tuning = Tuning {
            multiprocessors: context
                .attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
            shared_bytes: context
                .attribute(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK)?,
            chained: CHAINED,
        };
        let driver = Self {
            functions: HashMap::new(),
            modules: HashMap::new(),
            clock: Clock {
                first: Event::new(&context)?,
                last: Event::new(&context)?,
                running: false,
                total_s: 0.0,
            },
            staging: Staging {
                pieces: [piece()?, piece()?],
                next: 0,
            },
            blas: Blas::new(&context)?,
            dense: None,
            cache: Cache::of_the_user(),
            target: card.target,
            nvrtc: card.nvrtc.clone(),
            versions: card.driver.clone(),
            capturing: false,
            context,
        };
        Ok((driver, tuning))
    }

    /// The compiled unit, from the cache or made now.
    fn compiled(&self, unit: &Unit, target: Target) -> Result<Vec<u8>> {
        let (text, option) = (unit.text(), target.option());
        let options = OPTIONS.join(" ");
        let parts = [text.as_str(), &options, &option, &self.nvrtc];
        if let Some(image) = self.cache.read(&parts) {
            return Ok(image);
        }
        let image = compiler::compile(&text, target)
            .map_err(|why| self.refused(unit, &format!("does not compile: {why}")))?;
        self.cache.write(&parts, &image);
        Ok(image)
    }

    fn refused(&self, unit: &Unit, why: &str) -> Error {
        Error::failed(format!(
            "{} ({}): {unit} {why}",
            self.context.card, self.versions
        ))
    }

    /// Starts the clock before the first work since the last wait.
    fn work(&mut self) -> Result<()> {
        self.context.bind()?;
        if !self.clock.running && !self.capturing {
            self.clock.first.record()?;
            self.clock.running = true;
        }
        Ok(())
    }

    /// Stops the clock at the work so far; [`Cudarc::settle`] reads it after a wait.
    fn pause(&mut self) -> Result<()> {
        if self.clock.running {
            self.clock.last.record()?;
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        if self.clock.running {
            self.clock.running = false;
            self.clock.total_s += self.clock.first.seconds_to(&self.clock.last)?;
        }
        Ok(())
    }
}

impl Driver for Cudarc {
    type Memory = Rc<Memory>;
    type Graph = Graph;

    fn alloc(&mut self, bytes: usize) -> Result<Rc<Memory>> {
        Memory::new(&self.context, bytes)
    }

    fn part(&self, memory: &Rc<Memory>, offset: usize, _: usize) -> Rc<Memory> {
        Memory::part(memory, offset)
    }

    fn write(&mut self, to: &Rc<Memory>, offset: usize, bytes: &[u8]) -> Result<()> {
        self.context.bind()?;
        let mut address = to.address + offset as u64;
        for part in bytes.chunks(PIECE) {
            let (pinned, copied) = &mut self.staging.pieces[self.staging.next];
            self.staging.next = 1 - self.staging.next;
            copied.wait()?;
            let piece = &mut pinned.bytes()[..part.len()];
            piece.copy_from_slice(part);
            // SAFETY: the piece lives as long as the driver and is not touched until the event below is past.
            let begun = unsafe { result::memcpy_htod_async(address, piece, self.context.stream) };
            self.context.check("copying to it", begun)?;
            copied.record()?;
            address += part.len() as u64;
        }
        Ok(())
    }

    fn read(&mut self, from: &Rc<Memory>, offset: usize, into: &mut [u8]) -> Result<()> {
        self.context.bind()?;
        self.pause()?;
        let mut address = from.address + offset as u64;
        for part in into.chunks_mut(PIECE) {
            let (pinned, _) = &mut self.staging.pieces[self.staging.next];
            let piece = &mut pinned.bytes()[..part.len()];
            // SAFETY: the piece is not touched before the wait below; an earlier copy from it comes first in the stream.
            let begun = unsafe { result::memcpy_dtoh_async(piece, address, self.context.stream) };
            self.context.check("copying from it", begun)?;
            self.context.synchronise()?;
            part.copy_from_slice(piece);
            address += part.len() as u64;
        }
        if into.is_empty() {
            self.context.synchronise()?;
        }
        self.settle()
    }

    fn load(&mut self, unit: &Unit) -> Result<()> {
        if self.modules.contains_key(unit) {
            return Ok(());
        }
        self.context.bind()?;
        let image = self.compiled(unit, self.target)?;
        let module = match Module::load(&self.context, &image) {
            Ok(module) => module,
            // A driver that refuses a newer NVRTC's machine code may still compile its PTX.
            Err(refused) => match self.target {
                Target::Cubin(architecture) => {
                    let image = self.compiled(unit, Target::Ptx(architecture))?;
                    Module::load(&self.context, &image).ok()
                }
                Target::Ptx(_) => None,
            }
            .ok_or_else(|| {
                let why = format!(
                    "is refused by the driver: {refused}: install a driver as new as NVRTC, or an older NVRTC"
                );
                self.refused(unit, &why)
            })?,
        };
        self.modules.insert(unit.clone(), module);
        Ok(())
    }

    fn find(&mut self, pass: &Pass) -> Result<()> {
        let key = (pass.unit.clone(), pass.entry);
        if self.functions.contains_key(&key) {
            return Ok(());
        }
        self.load(&pass.unit)?;
        let function = self.modules[&pass.unit].function(pass.entry)?;
        self.functions.insert(key, function);
        Ok(())
    }

    fn launch(&mut self, pass: &Pass, values: &[Value<'_, Rc<Memory>>]) -> Result<()> {
        let key = (pass.unit.clone(), pass.entry);
        let Some(&function) = self.functions.get(&key) else {
            return Err(self.refused(&pass.unit, &format!("has not loaded {}", pass.entry)));
        };
        self.work()?;
        // Every argument in a slot of its own, at its beginning: these machines are little-endian.
        let mut slots: Vec<[u8; 8]> = values
            .iter()
            .map(|value| {
                match *value {
                    Value::Memory(memory) => memory.address,
                    Value::U32(x) => u64::from(x),
                    Value::U64(x) => x,
                    Value::F32(x) => u64::from(x.to_bits()),
                }
                .to_le_bytes()
            })
            .collect();
        let mut parameters: Vec<*mut c_void> = slots
            .iter_mut()
            .map(|slot| slot.as_mut_ptr().cast())
            .collect();
        let [x, y, z] = pass.grid;
        // SAFETY: the function belongs to a module that is loaded; the geometry gives the entry's parameters in its order,
        // which the emulation's tests hold; the memory is kept alive by the buffers, and freed only after a wait.
        let launched = unsafe {
            result::launch_kernel(
                function,
                (x, y, z),
                (pass.block, 1, 1),
                pass.shared,
                self.context.stream,
                &mut parameters,
            )
        };
        self.context.check(pass.entry, launched)
    }

    fn gemm(&mut self, gemm: &Gemm, a: &Rc<Memory>, b: &Rc<Memory>, c: &Rc<Memory>) -> Result<()> {
        self.work()?;
        self.blas.gemm(gemm, a, b, c)
    }

    fn begin(&mut self) -> Result<()> {
        Graph::begin(&self.context)?;
        self.capturing = true;
        Ok(())
    }

    fn end(&mut self) -> Result<Graph> {
        self.capturing = false;
        Graph::end(&self.context)
    }

    fn replay(&mut self, graph: &Graph, times: u64) -> Result<()> {
        self.work()?;
        (0..times).try_for_each(|_| graph.launch())
    }

    fn synchronise(&mut self) -> Result<()> {
        self.context.bind()?;
        self.pause()?;
        self.context.synchronise()?;
        self.settle()
    }

    fn device_time_s(&self) -> Option<f64> {
        Some(self.clock.total_s)
    }

    fn free_bytes(&self) -> Option<u64> {
        self.context.memory().ok().map(|(free, _)| free as u64)
    }

    fn gram(&mut self, samples: &Samples, statistics: &Statistics) -> Result<Option<Vec<f64>>> {
        self.dense_library()?;
        super::dense::gram(self, samples, statistics).map(Some)
    }

    fn eigh(&mut self, a: &mut [f64], order: usize) -> Result<Option<Vec<f64>>> {
        self.dense_library()?;
        super::dense::eigh(self, a, order).map(Some)
    }
}

impl Cudarc {
    pub(super) fn context(&self) -> &Rc<Context> {
        &self.context
    }

    pub(super) fn blas(&self) -> &Blas {
        &self.blas
    }

    /// cuSOLVER, which [`Cudarc::dense_library`] opened.
    pub(super) fn dense(&self) -> Option<&Dense> {
        self.dense.as_ref()
    }

    /// Opens cuSOLVER where that is still to be done. The rest of the device does without it.
    fn dense_library(&mut self) -> Result<()> {
        if self.dense.is_some() {
            return Ok(());
        }
        if !Library::Cusolver.is_there() {
            let Unavailable { why, remedy } = Library::Cusolver.missing();
            return Err(Error::unsupported(format!(
                "{}: {why}: {remedy}; or race --method deflation or subspace on it",
                self.context.card
            )));
        }
        self.dense = Some(Dense::new(&self.context)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_kernel_module_where_it_tells() {
        let closed = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12\nGCC version: 12";
        assert_eq!(
            versions(closed, 12020, "12.9"),
            "driver 535.183.01, CUDA 12.2, NVRTC 12.9"
        );
        let open =
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build";
        assert_eq!(
            versions(open, 13000, "13.0"),
            "driver 580.65.06, CUDA 13.0, NVRTC 13.0"
        );
        assert_eq!(versions("", 12080, "12.8"), "CUDA 12.8, NVRTC 12.8");
    }

    #[test]
    fn looking_for_cards_never_panics_and_tells_what_is_missing() {
        match cards() {
            Ok(cards) => assert!(cards.iter().all(|card| card.memory_bytes > 0)),
            Err(missing) => assert!(!missing.why.is_empty() && !missing.remedy.is_empty()),
        }
    }
}
