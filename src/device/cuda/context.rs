//! A card's context with its one stream, and what lives in it: memory on the card, pinned memory on the host, modules,
//! graphs, events. Each is given back when its last handle goes.
//!
//! Everything here belongs to one thread at a time; the context is made current before each call, since another card's may
//! have been.

use std::ffi::{CString, c_void};
use std::rc::Rc;

use cudarc::driver::{DriverError, result, sys};

use crate::error::{Error, Result};

/// What a call of the driver says, as an error of one line. An error that broke the context comes back from every later
/// call, so that each of them fails with its reason.
pub(super) fn told(card: &str, what: &str, error: DriverError) -> Error {
    let text = |found: std::result::Result<&std::ffi::CStr, DriverError>| {
        found.map_or_else(
            |_| "unknown".to_string(),
            |text| text.to_string_lossy().into_owned(),
        )
    };
    Error::failed(format!(
        "{card}: {what} failed: {} ({})",
        text(error.error_string()),
        text(error.error_name())
    ))
}

/// A card's primary context and the stream that everything runs on.
pub(super) struct Context {
    device: sys::CUdevice,
    raw: sys::CUcontext,
    pub stream: sys::CUstream,
    /// `cuda:0 NVIDIA H200`: how errors call it.
    pub card: String,
}

impl Context {
    /// Opens card `index`, which is there.
    pub fn open(index: i32, card: String) -> Result<Rc<Self>> {
        let wrong = |what: &'static str| {
            let card = card.clone();
            move |error| told(&card, what, error)
        };
        let device = result::device::get(index).map_err(wrong("finding it"))?;
        // SAFETY: the device was given by the driver just now.
        let raw = unsafe { result::primary_ctx::retain(device) }.map_err(wrong("opening it"))?;
        let mut context = Self {
            device,
            raw,
            stream: std::ptr::null_mut(),
            card: card.clone(),
        };
        context.bind()?;
        // It waits for no other stream: nothing else runs in this context.
        context.stream = result::stream::create(result::stream::StreamKind::NonBlocking)
            .map_err(wrong("making a stream"))?;
        Ok(Rc::new(context))
    }

    pub fn check<T>(&self, what: &str, result: std::result::Result<T, DriverError>) -> Result<T> {
        result.map_err(|error| told(&self.card, what, error))
    }

    /// Makes the context this thread's.
    pub fn bind(&self) -> Result<()> {
        // SAFETY: the context is retained as long as this lives.
        let bound = unsafe { result::ctx::set_current(self.raw) };
        self.check("making it current", bound)
    }

    /// Bytes of memory that are free, and in all.
    pub fn memory(&self) -> Result<(usize, usize)> {
        self.bind()?;
        self.check("asking for its memory", result::mem_get_info())
    }

    pub fn attribute(&self, which: sys::CUdevice_attribute) -> Result<usize> {
        // SAFETY: the device was given by the driver.
        let value = unsafe { result::device::get_attribute(self.device, which) };
        let value = self.check("asking for an attribute", value)?;
        Ok(usize::try_from(value).unwrap_or(0))
    }

    pub fn synchronise(&self) -> Result<()> {
        self.bind()?;
        // SAFETY: the stream lives as long as this.
        let done = unsafe { result::stream::synchronize(self.stream) };
        self.check("waiting for it", done)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // What fails here has failed before and was told then: there is nobody left to tell.
        if !self.stream.is_null() {
            let _ = self.bind();
            // SAFETY: made by `open`, used by nothing that outlives this.
            let _ = unsafe { result::stream::destroy(self.stream) };
        }
        // SAFETY: retained once by `open`.
        let _ = unsafe { result::primary_ctx::release(self.device) };
    }
}

/// Memory on a card.
pub(super) struct Memory {
    pub address: sys::CUdeviceptr,
    context: Rc<Context>,
    /// The memory that this is a part of, which frees it.
    whole: Option<Rc<Memory>>,
}

impl Memory {
    pub fn new(context: &Rc<Context>, bytes: usize) -> Result<Rc<Self>> {
        context.bind()?;
        // SAFETY: the memory is written before it is read: that is the promise of `Device::alloc`.
        match unsafe { result::malloc_sync(bytes) } {
            Ok(address) => Ok(Rc::new(Self {
                address,
                context: Rc::clone(context),
                whole: None,
            })),
            Err(DriverError(sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY)) => {
                let (free, total) = context.memory()?;
                Err(out_of_memory(&context.card, bytes, free, total))
            }
            Err(error) => Err(told(&context.card, "allocating memory", error)),
        }
    }

    /// What of `whole` begins at this byte.
    pub fn part(whole: &Rc<Self>, offset: usize) -> Rc<Self> {
        Rc::new(Self {
            address: whole.address + offset as u64,
            context: Rc::clone(&whole.context),
            whole: Some(Rc::clone(whole)),
        })
    }
}

/// What is asked for, what is there, and what to do.
fn out_of_memory(card: &str, bytes: usize, free: usize, total: usize) -> Error {
    let gb = |bytes: usize| bytes as f64 / 1e9;
    Error::failed(format!(
        "{card}: {:.3} GB asked for, and {:.3} GB of its {:.3} GB are free: race fewer samples or components, or another \
         device",
        gb(bytes),
        gb(free),
        gb(total)
    ))
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.whole.is_some() {
            return;
        }
        // Launches that use it may still be on their way.
        let _ = self.context.synchronise();
        // SAFETY: allocated by `new` and freed here alone, after everything that used it.
        let _ = unsafe { result::free_sync(self.address) };
    }
}

/// Memory on the host that the card copies from and to by itself.
pub(super) struct Pinned {
    start: *mut u8,
    len: usize,
    context: Rc<Context>,
}

impl Pinned {
    pub fn new(context: &Rc<Context>, len: usize) -> Result<Self> {
        context.bind()?;
        // SAFETY: the memory is zeroed below, before anything reads it.
        let start = unsafe { result::malloc_host(len, 0) };
        let start = context
            .check("allocating pinned memory", start)?
            .cast::<u8>();
        // SAFETY: so many bytes were allocated just now.
        unsafe { start.write_bytes(0, len) };
        Ok(Self {
            start,
            len,
            context: Rc::clone(context),
        })
    }

    /// The bytes; the caller has waited for copies from and to them.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: allocated and filled by `new`, freed by `drop`, and lent to one borrower at a time.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.len) }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let _ = self.context.synchronise();
        // SAFETY: allocated by `new` and freed here alone, after every copy.
        let _ = unsafe { result::free_host(self.start.cast()) };
    }
}

/// A point in the stream.
pub(super) struct Event {
    raw: sys::CUevent,
    context: Rc<Context>,
}

impl Event {
    pub fn new(context: &Rc<Context>) -> Result<Self> {
        context.bind()?;
        let raw = result::event::create(sys::CUevent_flags::CU_EVENT_DEFAULT);
        Ok(Self {
            raw: context.check("making an event", raw)?,
            context: Rc::clone(context),
        })
    }

    pub fn record(&self) -> Result<()> {
        // SAFETY: event and stream are alive.
        let recorded = unsafe { result::event::record(self.raw, self.context.stream) };
        self.context.check("recording an event", recorded)
    }

    pub fn wait(&self) -> Result<()> {
        // SAFETY: the event is alive.
        let done = unsafe { result::event::synchronize(self.raw) };
        self.context.check("waiting for it", done)
    }

    /// Seconds from this to a later one; both are past.
    pub fn seconds_to(&self, later: &Self) -> Result<f64> {
        type Elapsed = unsafe extern "C" fn(*mut f32, sys::CUevent, sys::CUevent) -> sys::CUresult;
        // cudarc calls `_v2`, which drivers before CUDA 12.8 lack; every driver has this one.
        // SAFETY: the driver's library is open, and this is the function's type.
        let elapsed = unsafe { sys::culib().get::<Elapsed>(b"cuEventElapsedTime\0") };
        let elapsed =
            elapsed.map_err(|error| Error::failed(format!("{}: {error}", self.context.card)))?;
        let mut milliseconds = 0.0;
        // SAFETY: the pointer is to a live number, and the events are alive.
        let told = unsafe { elapsed(&raw mut milliseconds, self.raw, later.raw) };
        self.context.check("reading its clock", told.result())?;
        Ok(f64::from(milliseconds) * 1e-3)
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        let _ = self.context.bind();
        // SAFETY: made by `new` and destroyed here alone.
        let _ = unsafe { result::event::destroy(self.raw) };
    }
}

/// Kernels on the card.
pub(super) struct Module {
    raw: sys::CUmodule,
    context: Rc<Context>,
}

impl Module {
    /// Loads machine code, or PTX ended by a zero.
    pub fn load(context: &Rc<Context>, image: &[u8]) -> std::result::Result<Self, DriverError> {
        // SAFETY: the image is machine code, whose own header tells its length, or text ended by a zero: the compiler made it.
        let raw = unsafe { result::module::load_data(image.as_ptr().cast::<c_void>()) }?;
        Ok(Self {
            raw,
            context: Rc::clone(context),
        })
    }

    pub fn function(&self, entry: &str) -> Result<sys::CUfunction> {
        let name = CString::new(entry).map_err(|e| Error::failed(e.to_string()))?;
        // SAFETY: the module is loaded.
        let function = unsafe { result::module::get_function(self.raw, name) };
        self.context
            .check(&format!("finding kernel {entry}"), function)
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        let _ = self.context.synchronise();
        // SAFETY: loaded by `load` and unloaded here alone; none of its kernels runs any more.
        let _ = unsafe { result::module::unload(self.raw) };
    }
}

/// A captured sequence of launches, ready to run.
pub(super) struct Graph {
    raw: sys::CUgraphExec,
    context: Rc<Context>,
}

impl Graph {
    /// Notes down from here on. Relaxed: libraries may load their kernels while it does.
    pub fn begin(context: &Context) -> Result<()> {
        context.bind()?;
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
        // SAFETY: the stream is alive.
        let begun = unsafe { result::stream::begin_capture(context.stream, mode) };
        context.check("capturing a graph", begun)
    }

    /// What was noted down, on the card.
    pub fn end(context: &Rc<Context>) -> Result<Self> {
        // SAFETY: the stream is alive and capturing.
        let noted = unsafe { result::stream::end_capture(context.stream) };
        let noted = context.check("capturing a graph", noted)?;
        // SAFETY: the graph was made just now, serves here alone and is destroyed once.
        let raw = unsafe {
            let raw = result::graph::instantiate(noted, sys::CUgraphInstantiate_flags(0));
            let _ = result::graph::destroy(noted);
            raw
        };
        let graph = Self {
            raw: context.check("making a graph", raw)?,
            context: Rc::clone(context),
        };
        // SAFETY: graph and stream are alive.
        let there = unsafe { result::graph::upload(graph.raw, context.stream) };
        context.check("uploading a graph", there)?;
        Ok(graph)
    }

    pub fn launch(&self) -> Result<()> {
        // SAFETY: graph and stream are alive, and so is the memory it names: the recording holds it.
        let launched = unsafe { result::graph::launch(self.raw, self.context.stream) };
        self.context.check("launching a graph", launched)
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        let _ = self.context.synchronise();
        // SAFETY: made by `end` and destroyed here alone, after its launches.
        let _ = unsafe { result::graph::exec_destroy(self.raw) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_large_an_allocation_tells_what_it_needs_and_what_is_there() {
        let text = out_of_memory("cuda:0 X", 3 << 30, 1 << 30, 2 << 30).to_string();
        assert!(
            text.contains("3.221 GB asked for, and 1.074 GB of its 2.147 GB are free"),
            "{text}"
        );
    }
}
