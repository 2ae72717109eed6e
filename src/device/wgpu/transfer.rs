//! Between host and adapter: the pending commands, staging memory that is used again, and the adapter's own clock.
//!
//! Commands gather in one encoder until something has to be known: a read, or a synchronisation, submits them once. Every
//! pass is stamped at both ends; the stamps come back with the next read, in the same staging buffer.

use std::sync::mpsc;

use ::wgpu::util::StagingBelt;
use ::wgpu::{
    BufferDescriptor, BufferUsages, CommandEncoder, CommandEncoderDescriptor, ComputePass,
    ComputePassDescriptor, ComputePassTimestampWrites, Features, MapMode, PollType, QuerySet,
    QuerySetDescriptor, QueryType,
};

use super::faults::Faults;
use crate::error::{Error, Result};

/// Writes larger than this go through memory of their own, in pieces of this size: staging memory that is kept stays small.
pub(super) const PIECE: usize = 8 << 20;
/// Staging memory for small writes, in bytes.
const BELT: u64 = 1 << 20;
/// Passes between two reads of the clock; more wait for the adapter once in a while.
const PASSES: u32 = 32;
/// Bytes of a pass's two stamps.
const STAMPS: u64 = 16;

/// The adapter's clock.
struct Clock {
    queries: QuerySet,
    resolved: ::wgpu::Buffer,
    /// Nanoseconds a tick.
    period_ns: f64,
    /// Passes stamped since the stamps were last read.
    passes: u32,
    total_s: f64,
}

impl Clock {
    fn new(device: &::wgpu::Device, queue: &::wgpu::Queue) -> Self {
        Self {
            queries: device.create_query_set(&QuerySetDescriptor {
                label: Some("clock"),
                ty: QueryType::Timestamp,
                count: 2 * PASSES,
            }),
            resolved: device.create_buffer(&BufferDescriptor {
                label: Some("clock"),
                size: STAMPS * u64::from(PASSES),
                usage: BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            }),
            period_ns: f64::from(queue.get_timestamp_period()),
            passes: 0,
            total_s: 0.0,
        }
    }

    /// Adds the stamps of the passes since the last time. A pass whose end is not after its beginning was not timed.
    fn add(&mut self, stamps: &[u8]) {
        for pair in stamps.chunks_exact(STAMPS as usize) {
            let tick = |at: usize| {
                u64::from_ne_bytes(pair[at..at + 8].try_into().expect("a slice of eight"))
            };
            let ticks = tick(8).saturating_sub(tick(0));
            self.total_s += ticks as f64 * self.period_ns * 1e-9;
        }
        self.passes = 0;
    }
}

/// The queue with what it needs.
pub(super) struct Queue {
    pub device: ::wgpu::Device,
    raw: ::wgpu::Queue,
    faults: Faults,
    encoder: Option<CommandEncoder>,
    belt: StagingBelt,
    /// Memory that the host can read: stamps first, then what was asked for.
    landing: Option<::wgpu::Buffer>,
    clock: Option<Clock>,
    /// Submissions of commands so far.
    #[cfg(test)]
    pub submissions: u64,
}

impl Queue {
    pub fn new(device: ::wgpu::Device, raw: ::wgpu::Queue, faults: Faults) -> Self {
        let clock = device
            .features()
            .contains(Features::TIMESTAMP_QUERY)
            .then(|| Clock::new(&device, &raw));
        Self {
            belt: StagingBelt::new(device.clone(), BELT),
            device,
            raw,
            faults,
            encoder: None,
            landing: None,
            clock,
            #[cfg(test)]
            submissions: 0,
        }
    }

    /// Seconds that passes took so far, as far as their stamps were read.
    pub fn device_time_s(&self) -> Option<f64> {
        self.clock.as_ref().map(|clock| clock.total_s)
    }

    fn encoder(&mut self) -> &mut CommandEncoder {
        self.encoder.get_or_insert_with(|| {
            self.device
                .create_command_encoder(&CommandEncoderDescriptor { label: None })
        })
    }

    /// Encodes one compute pass.
    ///
    /// # Errors
    /// `Failed` when the device is lost.
    pub fn pass(&mut self, encode: impl FnOnce(&mut ComputePass<'_>)) -> Result<()> {
        if self
            .clock
            .as_ref()
            .is_some_and(|clock| clock.passes == PASSES)
        {
            self.land(None, &mut [])?;
        }
        self.encoder();
        let Self { encoder, clock, .. } = self;
        let Some(encoder) = encoder else {
            return Ok(());
        };
        let timestamp_writes = clock.as_mut().map(|clock| {
            let at = 2 * clock.passes;
            clock.passes += 1;
            ComputePassTimestampWrites {
                query_set: &clock.queries,
                beginning_of_pass_write_index: Some(at),
                end_of_pass_write_index: Some(at + 1),
            }
        });
        let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor {
            label: None,
            timestamp_writes,
        });
        encode(&mut pass);
        Ok(())
    }

    /// Sends what is pending off, without waiting.
    ///
    /// # Errors
    /// `Failed` when something went wrong so far.
    pub fn submit(&mut self) -> Result<()> {
        if let Some(encoder) = self.encoder.take() {
            self.belt.finish();
            self.raw.submit([encoder.finish()]);
            self.belt.recall();
            #[cfg(test)]
            {
                self.submissions += 1;
            }
        }
        self.faults.check()
    }

    /// Copies `bytes` (a multiple of four) to `buffer` at byte `offset`.
    ///
    /// # Errors
    /// As [`Queue::submit`].
    pub fn write(&mut self, buffer: &::wgpu::Buffer, offset: u64, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if bytes.len() > PIECE {
            // Queue writes come before what is submitted next: what is pending goes first.
            self.submit()?;
            for (i, piece) in bytes.chunks(PIECE).enumerate() {
                self.raw
                    .write_buffer(buffer, offset + (i * PIECE) as u64, piece);
                self.raw.submit([]);
                self.wait()?;
            }
            return self.faults.check();
        }
        self.encoder();
        let Self { encoder, belt, .. } = self;
        let size = ::wgpu::BufferSize::new(bytes.len() as u64);
        if let (Some(encoder), Some(size)) = (encoder, size) {
            belt.write_buffer(encoder, buffer, offset, size)
                .copy_from_slice(bytes);
        }
        self.faults.check()
    }

    /// Copies from `buffer`, from byte `offset` on, both and the length multiples of four; waits for what is pending.
    ///
    /// # Errors
    /// As [`Queue::submit`].
    pub fn read(&mut self, buffer: &::wgpu::Buffer, offset: u64, into: &mut [u8]) -> Result<()> {
        self.land(Some((buffer, offset)), into)
    }

    /// Waits until everything is done, and reads the clock.
    ///
    /// # Errors
    /// As [`Queue::submit`].
    pub fn synchronise(&mut self) -> Result<()> {
        if self.clock.as_ref().is_some_and(|clock| clock.passes > 0) {
            return self.land(None, &mut []);
        }
        self.submit()?;
        self.wait()
    }

    fn wait(&mut self) -> Result<()> {
        self.device
            .poll(PollType::wait_indefinitely())
            .map_err(|e| Error::failed(format!("the device does not answer: {e}")))?;
        self.faults.check()
    }

    /// Brings stamps, and a part of a buffer, to the host with one submission.
    fn land(&mut self, from: Option<(&::wgpu::Buffer, u64)>, into: &mut [u8]) -> Result<()> {
        let passes = self.clock.as_ref().map_or(0, |clock| clock.passes);
        let stamps = u64::from(passes) * STAMPS;
        let size = stamps + into.len() as u64;
        if size == 0 {
            self.submit()?;
            return self.wait();
        }
        let landing = self.landing(size);
        self.encoder();
        let Self { encoder, clock, .. } = self;
        if let Some(encoder) = encoder {
            if let Some(clock) = clock
                && passes > 0
            {
                encoder.resolve_query_set(&clock.queries, 0..2 * passes, &clock.resolved, 0);
                encoder.copy_buffer_to_buffer(&clock.resolved, 0, &landing, 0, stamps);
            }
            if let Some((buffer, offset)) = from
                && !into.is_empty()
            {
                encoder.copy_buffer_to_buffer(buffer, offset, &landing, stamps, into.len() as u64);
            }
        }
        self.submit()?;
        let (told, mapped) = mpsc::channel();
        landing.map_async(MapMode::Read, 0..size, move |result| {
            // The receiver is gone only when the wait below failed.
            let _ = told.send(result);
        });
        self.wait()?;
        match mapped.try_recv() {
            Ok(Ok(())) => {}
            Ok(Err(e)) => return Err(Error::failed(format!("cannot read from the device: {e}"))),
            Err(_) => return Err(Error::failed("cannot read from the device: no answer")),
        }
        {
            let view = landing
                .get_mapped_range(0..size)
                .map_err(|e| Error::failed(format!("cannot read from the device: {e}")))?;
            if let Some(clock) = &mut self.clock {
                clock.add(&view[..stamps as usize]);
            }
            into.copy_from_slice(&view[stamps as usize..]);
        }
        landing.unmap();
        Ok(())
    }

    /// The landing memory, grown when it is too small.
    fn landing(&mut self, size: u64) -> ::wgpu::Buffer {
        if let Some(landing) = &self.landing
            && landing.size() >= size
        {
            return landing.clone();
        }
        let landing = self.device.create_buffer(&BufferDescriptor {
            label: Some("landing"),
            size: size.next_multiple_of(4096),
            usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        self.landing = Some(landing.clone());
        landing
    }
}
