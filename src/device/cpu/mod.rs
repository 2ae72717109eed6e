//! The CPU device: threads settable, the instruction set chosen at run time, the samples shared with the host. Dense matrix
//! products are BLAS's, split over the pool; those whose A has zeros enough (images) skip them.

use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use super::{Device, Element, Gemm, Info, Launch, Slice, SliceMut, Unavailable, check_view};
use crate::data::{Samples, Statistics};
use crate::error::{Error, Result};
use crate::kernel::{Arithmetic, Kernel, control::STOP};
use crate::machine::{self, Isa};

mod block;
mod buffer;
mod control;
mod cores;
mod gemm;
mod gram;
mod network;
mod pool;
mod product;
mod rules;
mod sample;
mod scratch;
mod stream;
mod vector;

pub use buffer::Buffer;
use buffer::Memory;
use cores::Cores;
use gemm::blas;
pub use gemm::blas::Single;
use pool::Pool;

enum Recorded {
    Launch {
        kernel: Kernel,
        sizes: Vec<usize>,
        scalars: Vec<f32>,
        buffers: Vec<Buffer>,
    },
    Gemm(Gemm, [Buffer; 3]),
}

/// A recorded sequence: replayed as a plain loop.
pub struct Recording(Vec<Recorded>);

/// The CPU.
pub struct Cpu {
    info: Info,
    cores: Cores,
    recording: Option<Vec<Recorded>>,
}

impl Cpu {
    /// Opens the CPU with this many threads and the best instruction set.
    ///
    /// # Errors
    /// When the machine has fewer cores, or gives no more threads.
    pub fn open(threads: usize) -> std::result::Result<Self, Unavailable> {
        let best = Isa::available()
            .into_iter()
            .next_back()
            .unwrap_or(Isa::Portable);
        Self::open_with(threads, best)
    }

    /// Opens the CPU with this many threads and a given instruction set.
    ///
    /// # Errors
    /// As [`Cpu::open`], and when the machine lacks the instruction set.
    pub fn open_with(threads: usize, isa: Isa) -> std::result::Result<Self, Unavailable> {
        let cores = machine::cores();
        if threads == 0 || threads > cores {
            return Err(Unavailable {
                why: format!("{threads} threads asked for, {cores} cores here"),
                remedy: format!("ask for 1 to {cores} threads"),
            });
        }
        if !Isa::available().contains(&isa) {
            return Err(Unavailable {
                why: format!("this processor has no {}", isa.name()),
                remedy: "leave the choice to the program".into(),
            });
        }
        let pool = Pool::new(threads).map_err(|e| Unavailable {
            why: format!("the system gives no {threads} threads: {e}"),
            remedy: "ask for fewer with --threads".into(),
        })?;
        drop(Single::default());
        let machine = machine::machine();
        Ok(Self {
            info: Info {
                kind: "cpu",
                index: 0,
                name: machine.cpu,
                driver: None,
                pci: None,
                software: false,
                threads: Some(threads),
                isa: Some(isa.name()),
                max_buffer_bytes: machine.memory_bytes,
                max_rows: usize::MAX,
                look_every: 1,
                look_bytes: f64::INFINITY,
            },
            cores: Cores::new(pool, isa),
            recording: None,
        })
    }

    fn run(&mut self, launch: &Launch<'_, Buffer>) {
        if launch.kernel.row().freezes && launch.buffers[0].f32()[STOP] != 0.0 {
            return;
        }
        match launch.kernel {
            Kernel::Stream(kernel) => stream::run(&mut self.cores, kernel, launch),
            Kernel::Product(kernel) => product::run(&mut self.cores, kernel, launch),
            Kernel::Gram(kernel) => gram::run(&mut self.cores, kernel, launch),
            Kernel::Block(kernel) => block::run(&mut self.cores, kernel, launch),
            Kernel::Rules(rule) => rules::run(&mut self.cores, rule, launch),
            Kernel::Control(kernel) => control::run(kernel, launch),
            Kernel::Network(kernel) => network::run(&mut self.cores, kernel, launch),
        }
    }
}

impl Device for Cpu {
    type Buffer = Buffer;
    type Recording = Recording;

    fn info(&self) -> &Info {
        &self.info
    }

    fn alloc(&mut self, element: Element, len: usize) -> Result<Buffer> {
        fn zeros<T: Clone + Default>(len: usize) -> Result<Vec<T>> {
            let mut memory = Vec::new();
            memory.try_reserve_exact(len).map_err(|_| {
                Error::failed(format!(
                    "cpu: no memory for {:.1} GB; race fewer components or --operator samples",
                    (len * size_of::<T>()) as f64 / 1e9
                ))
            })?;
            memory.resize(len, T::default());
            Ok(memory)
        }
        Ok(Buffer::new(match element {
            Element::F32 => Memory::F32(zeros(len)?),
            Element::U8 => Memory::U8(zeros(len)?),
            Element::U32 => Memory::U32(zeros(len)?),
        }))
    }

    fn view(&mut self, buffer: &Buffer, offset: usize, len: usize) -> Buffer {
        let (element, of) = buffer.element_and_len();
        check_view(element, of, offset, len);
        Buffer {
            memory: Rc::clone(&buffer.memory),
            part: Some((buffer.range(of).start + offset, len)),
        }
    }

    fn write(&mut self, buffer: &Buffer, offset: usize, data: Slice<'_>) -> Result<()> {
        let part = buffer.part.map_or(0, |(start, _)| start);
        match (&mut *buffer.memory.borrow_mut(), data) {
            (Memory::F32(to), Slice::F32(x)) => {
                to[part + offset..][..x.len()].copy_from_slice(x);
            }
            (Memory::U8(to), Slice::U8(x)) => to[offset..offset + x.len()].copy_from_slice(x),
            (Memory::U32(to), Slice::U32(x)) => to[offset..offset + x.len()].copy_from_slice(x),
            _ => panic!("write: the element types differ, or the buffer is shared samples"),
        }
        Ok(())
    }

    fn read(&mut self, buffer: &Buffer, offset: usize, into: SliceMut<'_>) -> Result<()> {
        match into {
            SliceMut::F32(x) => x.copy_from_slice(&buffer.f32()[offset..offset + x.len()]),
            SliceMut::U8(x) => x.copy_from_slice(&buffer.u8()[offset..offset + x.len()]),
            SliceMut::U32(x) => x.copy_from_slice(&buffer.u32()[offset..offset + x.len()]),
        }
        Ok(())
    }

    fn launch(&mut self, launch: &Launch<'_, Buffer>) -> Result<()> {
        launch.check(Buffer::element_and_len);
        if let Some(recording) = &mut self.recording {
            recording.push(Recorded::Launch {
                kernel: launch.kernel,
                sizes: launch.sizes.to_vec(),
                scalars: launch.scalars.to_vec(),
                buffers: launch.buffers.iter().map(|b| (*b).clone()).collect(),
            });
            return Ok(());
        }
        self.run(launch);
        Ok(())
    }

    fn gemm(&mut self, gemm: &Gemm, a: &Buffer, b: &Buffer, c: &Buffer) -> Result<()> {
        if let Some(recording) = &mut self.recording {
            recording.push(Recorded::Gemm(*gemm, [a.clone(), b.clone(), c.clone()]));
            return Ok(());
        }
        gemm::multiply(&mut self.cores, gemm, &a.f32(), &b.f32(), &mut c.f32_mut());
        Ok(())
    }

    fn record(&mut self, steps: &mut dyn FnMut(&mut Self) -> Result<()>) -> Result<Recording> {
        assert!(self.recording.is_none(), "a recording within a recording");
        self.recording = Some(Vec::new());
        let result = steps(self);
        let recorded = self.recording.take().unwrap_or_default();
        result.map(|()| Recording(recorded))
    }

    fn replay(&mut self, recording: &Recording, times: u64) -> Result<()> {
        for _ in 0..times {
            for step in &recording.0 {
                match step {
                    Recorded::Launch {
                        kernel,
                        sizes,
                        scalars,
                        buffers,
                    } => {
                        // A row has at most eight buffers: no allocation on this path.
                        let mut borrowed = [&buffers[0]; 8];
                        for (slot, buffer) in borrowed.iter_mut().zip(buffers) {
                            *slot = buffer;
                        }
                        self.run(&Launch {
                            kernel: *kernel,
                            sizes,
                            scalars,
                            buffers: &borrowed[..buffers.len()],
                        });
                    }
                    Recorded::Gemm(gemm, [a, b, c]) => {
                        gemm::multiply(&mut self.cores, gemm, &a.f32(), &b.f32(), &mut c.f32_mut());
                    }
                }
            }
        }
        Ok(())
    }

    fn synchronise(&mut self) -> Result<()> {
        Ok(())
    }

    fn upload(&mut self, samples: &Arc<Samples>, range: Range<usize>) -> Result<Buffer> {
        Ok(Buffer::new(Memory::Shared(Arc::clone(samples), range)))
    }

    fn gram(&mut self, samples: &Samples, statistics: &Statistics) -> Result<Vec<f64>> {
        gram::dense::gram(&mut self.cores, samples, statistics)
    }

    fn skipped_flops(&self) -> f64 {
        self.cores.skipped_flops
    }

    fn square_f64(&mut self, order: usize, times: usize) -> Result<()> {
        let _several = blas::Several::new(self.cores.pool.threads());
        let b = vec![0.5; order * order];
        let mut c = vec![0.0; order * order];
        (0..times).for_each(|_| blas::dsyrk(&b, order, order, false, &mut c));
        Ok(())
    }

    fn gram_arithmetic(&self, samples: &Samples) -> Arithmetic {
        match gram::dense::exact(samples) {
            true => Arithmetic::Integer,
            false => Arithmetic::F64,
        }
    }

    fn eigh(&mut self, a: &mut [f64], order: usize) -> Result<Vec<f64>> {
        blas::eigh(a, order, self.cores.pool.threads())
    }
}
