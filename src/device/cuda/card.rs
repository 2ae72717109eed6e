//! CUDA itself: a driver over one card.

use std::collections::HashMap;
use std::ffi::c_void;
use std::rc::Rc;

use cudarc::driver::sys::CUdevice_attribute as Attribute;
use cudarc::driver::{result, sys};

use super::super::{Gemm, Unavailable};
use super::blas::Blas;
use super::cache::Cache;
use super::cards::Card;
use super::compiler::{self, OPTIONS, Target};
use super::context::{Context, Event, Graph, Memory, Module, Pinned};
use super::dense::Dense;
use super::driver::{Driver, Value};
use super::libraries::Library;
use super::pass::{CHAINED, Pass, Tuning, Unit};
use crate::data::{Samples, Statistics};
use crate::error::{Error, Result};

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

    fn square_f64(&mut self, order: usize, times: usize) -> Result<bool> {
        self.dense_library()?;
        super::dense::square(self, order, times)?;
        Ok(true)
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
