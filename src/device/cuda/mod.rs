//! The CUDA device: NVIDIA's cards through cudarc, with kernels compiled when they are first needed.
//!
//! A launch becomes passes (`geometry`): entries of `kernels/` with their grids and arguments, worked out once for each
//! kernel, sizes and scalars, and kept. What runs them stands behind one trait (`driver`): CUDA itself (`card`), or in tests
//! an emulation of the kernels on the host, so that all of this is tested on machines without a card.
//!
//! A recording first notes the launches of a step down, so that modules are loaded and the memory between passes is there;
//! passes of one block that follow one another become one launch (`chain`), which leaves two or three of a step on small
//! samples. Then it captures them into a CUDA graph, which a replay launches again and again. A recording keeps alive what
//! it points to.

mod blas;
mod buffer;
mod cache;
mod card;
mod cards;
mod chain;
mod compiler;
mod context;
mod dense;
mod driver;
#[cfg(test)]
pub(crate) mod emulated;
mod geometry;
mod libraries;
mod pass;
mod source;
#[cfg(test)]
mod tests;
mod text;

use std::collections::HashMap;
use std::rc::Rc;

use super::layout::{Layout, pad, sizes, unpad};
use super::{Device, Element, Gemm, Info, Launch, Slice, SliceMut, Unavailable, check_view};
use crate::data::{Samples, Statistics};
use crate::error::{Error, Result};
use crate::kernel::Kernel;

use buffer::Inner;
use chain::Launches;
use driver::{Driver, Value};
use pass::{Argument, Pass, Scratch, Tuning, Unit};

pub use buffer::Buffer;
use card::Cudarc;
pub use cards::{Card, cards};

/// Rows are padded to a multiple of so many bytes: what a thread loads at once.
const ROW_BYTES: usize = 16;
/// Most rows of a matrix.
const MAX_ROWS: usize = 1 << 30;
/// Most steps between two looks: a look costs a few launches of a graph.
const LOOK_EVERY: u64 = 16;
/// A step that moves more than a share of this is looked at earlier: that much traffic hides a look.
const LOOK_BYTES: f64 = 4e9;
/// Matrices with padded rows are moved through memory of this size.
const PIECE: usize = 8 << 20;

/// What tells one sequence of passes from another: the buffers are put in later.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    kernel: Kernel,
    sizes: Vec<usize>,
    scalars: Vec<u32>,
}

/// A launch with all that it needs, ready to be issued.
enum Ready<D: Driver> {
    Passes(Rc<[Pass]>, Vec<Buffer<D>>),
    Gemm(Gemm, [Buffer<D>; 3]),
}

/// A step as a CUDA graph, with the memory that the graph points to.
#[allow(private_bounds)] // Sealed: nobody outside names a driver.
pub struct Recording<D: Driver> {
    graph: D::Graph,
    _launches: Vec<Ready<D>>,
    _scratch: Vec<D::Memory>,
}

/// A card, open.
#[allow(private_bounds)] // Sealed: nobody outside names a driver.
pub struct Cuda<D: Driver = Cudarc> {
    info: Info,
    tuning: Tuning,
    driver: D,
    passes: HashMap<Key, Rc<[Pass]>>,
    scratch: HashMap<Scratch, (D::Memory, usize)>,
    recording: Option<Vec<Ready<D>>>,
    allocations: u64,
}

/// Opens card `index` of [`cards`].
///
/// # Errors
/// Why it is not there, and what to do about it.
pub fn open(index: usize) -> std::result::Result<Cuda, Unavailable> {
    let cards = cards()?;
    let card = cards.get(index).ok_or_else(|| Unavailable {
        why: format!("no card of index {index}"),
        remedy: format!("give cuda:0 to cuda:{}", cards.len() - 1),
    })?;
    let (driver, tuning) = Cudarc::open(index, card).map_err(|error| Unavailable {
        why: error.to_string(),
        remedy: "see whether nvidia-smi lists the card as free, or race on another device".into(),
    })?;
    let mut device = Cuda::over(driver, index, card.name.clone(), card.memory_bytes, tuning);
    device.info.driver = Some(card.driver.clone());
    device.info.pci = card.pci.clone();
    Ok(device)
}

#[allow(private_bounds)] // Sealed: nobody outside names a driver.
impl<D: Driver> Cuda<D> {
    /// The device over a driver: the card of this name and index, with so many bytes of memory.
    fn over(driver: D, index: usize, name: String, memory_bytes: u64, tuning: Tuning) -> Self {
        Self {
            info: Info {
                kind: "cuda",
                index,
                name,
                driver: None,
                pci: None,
                software: false,
                threads: None,
                isa: None,
                max_buffer_bytes: memory_bytes / ROW_BYTES as u64 * ROW_BYTES as u64,
                max_rows: MAX_ROWS,
                look_every: LOOK_EVERY,
                look_bytes: LOOK_BYTES,
            },
            tuning,
            driver,
            passes: HashMap::new(),
            scratch: HashMap::new(),
            recording: None,
            allocations: 0,
        }
    }

    fn memory(&mut self, bytes: usize) -> Result<D::Memory> {
        self.allocations += 1;
        self.driver.alloc(bytes)
    }

    fn allocate(&mut self, layout: Layout) -> Result<Buffer<D>> {
        let memory = self.memory(layout.bytes() as usize)?;
        Ok(Buffer(Rc::new(Inner { memory, layout })))
    }

    /// The passes of a launch, worked out now or found again; what they need is there afterwards.
    fn passes(&mut self, kernel: Kernel, sizes: &[usize], scalars: &[f32]) -> Result<Rc<[Pass]>> {
        let key = Key {
            kernel,
            sizes: sizes.to_vec(),
            scalars: scalars.iter().map(|x| x.to_bits()).collect(),
        };
        if let Some(passes) = self.passes.get(&key) {
            return Ok(Rc::clone(passes));
        }
        let passes: Rc<[Pass]> = geometry::passes(&self.tuning, kernel, sizes, scalars)?.into();
        for pass in passes.iter() {
            self.driver.find(pass)?;
            for argument in &pass.arguments {
                if let Argument::Scratch(kind, bytes) = *argument {
                    self.grow(kind, bytes)?;
                }
            }
        }
        self.passes.insert(key, Rc::clone(&passes));
        Ok(passes)
    }

    /// Memory between passes: it only grows, and a recording keeps the one that it was made with.
    fn grow(&mut self, kind: Scratch, bytes: usize) -> Result<()> {
        if self.scratch.get(&kind).is_none_or(|(_, had)| *had < bytes) {
            let memory = self.memory(bytes.max(1))?;
            self.scratch.insert(kind, (memory, bytes));
        }
        Ok(())
    }

    /// Runs a launch, or notes it down while recording.
    fn run(&mut self, ready: Ready<D>) -> Result<()> {
        match &mut self.recording {
            Some(launches) => {
                launches.push(ready);
                Ok(())
            }
            None => self.issue(&ready),
        }
    }

    fn issue(&mut self, ready: &Ready<D>) -> Result<()> {
        let (passes, buffers) = match ready {
            Ready::Gemm(gemm, [a, b, c]) => {
                return self
                    .driver
                    .gemm(gemm, &a.0.memory, &b.0.memory, &c.0.memory);
            }
            Ready::Passes(passes, buffers) => (passes, buffers),
        };
        for pass in passes.iter() {
            let mut values = Vec::with_capacity(pass.arguments.len());
            for argument in &pass.arguments {
                values.push(match *argument {
                    Argument::Buffer(place) => Value::Memory(&buffers[place].0.memory),
                    Argument::Scratch(kind, _) => Value::Memory(&self.scratch[&kind].0),
                    Argument::U32(x) => Value::U32(x),
                    Argument::U64(x) => Value::U64(x),
                    Argument::F32(x) => Value::F32(x),
                });
            }
            self.driver.launch(pass, &values)?;
        }
        Ok(())
    }

    /// The launches of a recording in as few as may be; all that they need is there afterwards.
    fn fused(&mut self, launches: Vec<Ready<D>>) -> Result<Vec<Ready<D>>> {
        let mut fused = Vec::new();
        let mut passes = Launches::new();
        for ready in launches {
            match ready {
                Ready::Passes(some, buffers) => passes.push((some, buffers)),
                gemm @ Ready::Gemm(..) => {
                    fused.extend(self.chained(std::mem::take(&mut passes))?);
                    fused.push(gemm);
                }
            }
        }
        fused.extend(self.chained(passes)?);
        Ok(fused)
    }

    fn chained(&mut self, launches: Launches<Buffer<D>>) -> Result<Vec<Ready<D>>> {
        let launches = chain::fused(&self.tuning, &launches);
        for pass in launches.iter().flat_map(|(passes, _)| passes.iter()) {
            // The others were found when they were noted down.
            if let Unit::Chain(_) = pass.unit {
                self.driver.find(pass)?;
            }
        }
        let ready = launches.into_iter();
        Ok(ready
            .map(|(passes, buffers)| Ready::Passes(passes, buffers))
            .collect())
    }

    /// Captures launches: nothing but launches happens between begin and end, whatever fails.
    fn capture(&mut self, launches: &[Ready<D>]) -> Result<D::Graph> {
        self.driver.begin()?;
        let issued = launches.iter().try_for_each(|ready| self.issue(ready));
        let graph = self.driver.end();
        issued?;
        graph
    }
}

impl<D: Driver> Device for Cuda<D> {
    type Buffer = Buffer<D>;
    type Recording = Recording<D>;

    fn info(&self) -> &Info {
        &self.info
    }

    fn alloc(&mut self, element: Element, len: usize) -> Result<Buffer<D>> {
        self.allocate(Layout::plain(element, len))
    }

    fn alloc_rows(&mut self, element: Element, rows: usize, columns: usize) -> Result<Buffer<D>> {
        let layout = Layout::padded(element, rows, columns, ROW_BYTES / element.bytes());
        self.allocate(layout).map_err(|error| {
            let row = (layout.stride * element.bytes()).max(1) as u64;
            match (error, self.driver.free_bytes()) {
                (Error::Failed(why), Some(free)) => Error::failed(format!(
                    "{why}; {} of these {rows} rows of {columns} would fit",
                    free / row
                )),
                (error, _) => error,
            }
        })
    }

    fn view(&mut self, buffer: &Buffer<D>, offset: usize, len: usize) -> Buffer<D> {
        let whole = buffer.0.layout;
        check_view(whole.element, whole.len(), offset, len);
        let layout = Layout::plain(Element::F32, len);
        // The last 16 bytes may reach past the part, never past the memory.
        let memory = self
            .driver
            .part(&buffer.0.memory, 4 * offset, layout.bytes() as usize);
        Buffer(Rc::new(Inner { memory, layout }))
    }

    fn warm(&mut self, kernels: &[Kernel]) -> Result<()> {
        // Sizes stand for shapes: a launch itself makes what this missed.
        for kernel in kernels {
            let (sizes, scalars) = kernel.row().benchmark;
            for pass in geometry::passes(&self.tuning, *kernel, sizes, scalars)? {
                self.driver.find(&pass)?;
            }
        }
        self.driver.synchronise()
    }

    fn device_time_s(&self) -> Option<f64> {
        self.driver.device_time_s()
    }

    fn write(&mut self, buffer: &Buffer<D>, offset: usize, data: Slice<'_>) -> Result<()> {
        let layout = buffer.0.layout;
        let (element, bytes) = data.bytes();
        assert_eq!(element, layout.element, "write: the element types differ");
        let span = layout.span(offset, bytes.len() / element.bytes());
        let mut begin = span.begin as usize + span.lead;
        let (row, stride) = sizes(&layout);
        if row == stride {
            return self.driver.write(&buffer.0.memory, begin, bytes);
        }
        // A piece at a time: samples as large as memory are not copied whole.
        let rows = (PIECE / stride).max(1);
        for piece in bytes.chunks(rows * row) {
            let mut padded = vec![0u8; piece.len() / row * stride];
            pad(&layout, piece, &mut padded);
            self.driver.write(&buffer.0.memory, begin, &padded)?;
            begin += padded.len();
        }
        Ok(())
    }

    fn read(&mut self, buffer: &Buffer<D>, offset: usize, into: SliceMut<'_>) -> Result<()> {
        let layout = buffer.0.layout;
        let (element, bytes) = into.bytes();
        assert_eq!(element, layout.element, "read: the element types differ");
        let span = layout.span(offset, bytes.len() / element.bytes());
        let mut begin = span.begin as usize + span.lead;
        let (row, stride) = sizes(&layout);
        if row == stride {
            return self.driver.read(&buffer.0.memory, begin, bytes);
        }
        let rows = (PIECE / stride).max(1);
        for piece in bytes.chunks_mut(rows * row) {
            let mut padded = vec![0u8; piece.len() / row * stride];
            self.driver.read(&buffer.0.memory, begin, &mut padded)?;
            unpad(&layout, &padded, piece);
            begin += padded.len();
        }
        Ok(())
    }

    fn launch(&mut self, launch: &Launch<'_, Buffer<D>>) -> Result<()> {
        launch.check_layouts(|buffer| buffer.0.layout);
        let passes = self.passes(launch.kernel, launch.sizes, launch.scalars)?;
        let buffers = launch.buffers.iter().copied().cloned().collect();
        self.run(Ready::Passes(passes, buffers))
    }

    fn gemm(&mut self, gemm: &Gemm, a: &Buffer<D>, b: &Buffer<D>, c: &Buffer<D>) -> Result<()> {
        gemm.check_layouts([a, b, c].map(|buffer| buffer.0.layout));
        self.run(Ready::Gemm(*gemm, [a, b, c].map(Buffer::clone)))
    }

    fn record(&mut self, steps: &mut dyn FnMut(&mut Self) -> Result<()>) -> Result<Recording<D>> {
        assert!(self.recording.is_none(), "a recording within a recording");
        self.recording = Some(Vec::new());
        let noted = steps(self);
        let launches = self.recording.take().unwrap_or_default();
        noted?;
        let launches = self.fused(launches)?;
        Ok(Recording {
            graph: self.capture(&launches)?,
            _launches: launches,
            _scratch: self.scratch.values().map(|(m, _)| m.clone()).collect(),
        })
    }

    fn replay(&mut self, recording: &Recording<D>, times: u64) -> Result<()> {
        self.driver.replay(&recording.graph, times)
    }

    fn synchronise(&mut self) -> Result<()> {
        self.driver.synchronise()
    }

    fn gram(&mut self, samples: &Samples, statistics: &Statistics) -> Result<Vec<f64>> {
        match self.driver.gram(samples, statistics)? {
            Some(gram) => Ok(gram),
            None => Err(self.no_eigensolver()),
        }
    }

    fn square_f64(&mut self, order: usize, times: usize) -> Result<()> {
        match self.driver.square_f64(order, times)? {
            true => Ok(()),
            false => Err(self.no_eigensolver()),
        }
    }

    fn eigh(&mut self, a: &mut [f64], order: usize) -> Result<Vec<f64>> {
        match self.driver.eigh(a, order)? {
            Some(values) => Ok(values),
            None => Err(self.no_eigensolver()),
        }
    }
}

#[cfg(test)]
#[allow(private_bounds)] // Sealed: nobody outside names a driver.
impl<D: Driver> Cuda<D> {
    /// Makes buffers look smaller than they may be, so that small samples are split.
    pub(crate) fn limit_buffers(&mut self, bytes: u64) {
        self.info.max_buffer_bytes = bytes;
    }

    /// Leaves every pass of a recording a launch of its own.
    pub(crate) fn leave_unchained(&mut self) {
        self.tuning.chained = 1;
    }

    /// Buffers made so far.
    pub(crate) fn allocations(&self) -> u64 {
        self.allocations
    }
}
