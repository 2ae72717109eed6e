//! The CPU device: threads settable, the instruction set chosen at run time, the samples shared with the host. Dense matrix
//! products are BLAS's, split over the pool; those whose A has zeros enough (images) skip them.

use std::cell::{Ref, RefCell, RefMut};
use std::ops::Range;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use super::{Device, Element, Gemm, Info, Launch, Slice, SliceMut, Unavailable, check_view};
use crate::data::{Elements, Samples, Statistics};
use crate::error::{Error, Result};
use crate::kernel::{Block, Control, Gram, Kernel, Network, Rules, Stream, control};
use crate::machine::{self, Isa};

mod blas;
mod block;
mod dense;
mod gram;
mod matmul;
mod network;
mod pool;
mod product;
mod rules;
mod sparse;
mod vector;

use blas::Matrix;
pub use blas::Single;
use pool::Pool;
use product::{Lift, Product, Rows, Scratch};

/// Matrix products under this many operations stay on the calling thread.
const SMALL_GEMM: usize = 1 << 20;

enum Memory {
    F32(Vec<f32>),
    U8(Vec<u8>),
    U32(Vec<u32>),
    /// Samples on the host, shared: never written.
    Shared(Arc<Samples>, Range<usize>),
}

/// Memory of the CPU device, or a part of it.
#[derive(Clone)]
pub struct Buffer {
    memory: Rc<RefCell<Memory>>,
    /// The part, where it is not the whole.
    part: Option<(usize, usize)>,
}

impl Buffer {
    fn new(memory: Memory) -> Self {
        Self {
            memory: Rc::new(RefCell::new(memory)),
            part: None,
        }
    }

    /// Elements of the part.
    fn range(&self, len: usize) -> Range<usize> {
        let (offset, len) = self.part.unwrap_or((0, len));
        offset..offset + len
    }

    fn element_and_len(&self) -> (Element, usize) {
        match &*self.memory.borrow() {
            Memory::F32(x) => (Element::F32, self.range(x.len()).len()),
            Memory::U8(x) => (Element::U8, x.len()),
            Memory::U32(x) => (Element::U32, x.len()),
            Memory::Shared(x, range) => match x.elements {
                Elements::F32(_) => (Element::F32, range.len()),
                Elements::U8(_) => (Element::U8, range.len()),
            },
        }
    }

    fn f32(&self) -> Ref<'_, [f32]> {
        Ref::map(self.memory.borrow(), |memory| match memory {
            Memory::F32(x) => &x[self.range(x.len())],
            Memory::Shared(x, range) => match &x.elements {
                Elements::F32(x) => &x[range.clone()],
                Elements::U8(_) => panic!("bytes where floats were asked for"),
            },
            _ => panic!("integers where floats were asked for"),
        })
    }

    fn u8(&self) -> Ref<'_, [u8]> {
        Ref::map(self.memory.borrow(), |memory| match memory {
            Memory::U8(x) => &x[..],
            Memory::Shared(x, range) => match &x.elements {
                Elements::U8(x) => &x[range.clone()],
                Elements::F32(_) => panic!("floats where bytes were asked for"),
            },
            _ => panic!("another element type where bytes were asked for"),
        })
    }

    fn u32(&self) -> Ref<'_, [u32]> {
        Ref::map(self.memory.borrow(), |memory| match memory {
            Memory::U32(x) => &x[..],
            _ => panic!("another element type where indices were asked for"),
        })
    }

    fn f32_mut(&self) -> RefMut<'_, [f32]> {
        RefMut::map(self.memory.borrow_mut(), |memory| match memory {
            Memory::F32(x) => {
                let range = self.range(x.len());
                &mut x[range]
            }
            _ => panic!("only float buffers are written by a kernel"),
        })
    }
}

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
    isa: Isa,
    pool: Pool,
    scratch: Vec<Mutex<Scratch>>,
    /// Projections of the samples (n x m), kept between launches.
    projections: Vec<f32>,
    /// Block vectors of the step kernels, kept between launches.
    work: Vec<f32>,
    /// Packed operands of products that skip zeros, of every worker.
    sparse: Vec<Mutex<sparse::Scratch>>,
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
            isa,
            scratch: (0..threads).map(|_| Mutex::default()).collect(),
            pool,
            projections: Vec::new(),
            work: Vec::new(),
            sparse: (0..threads).map(|_| Mutex::default()).collect(),
            recording: None,
        })
    }

    fn run(
        &mut self,
        kernel: Kernel,
        sizes: &[usize],
        scalars: &[f32],
        b: &[&Buffer],
    ) -> Result<()> {
        if kernel.row().freezes && b[0].f32()[control::STOP] != 0.0 {
            return Ok(());
        }
        let isa = self.isa;
        match kernel {
            Kernel::Stream(Stream::Read) => {
                let total = self.stream_read(&b[0].f32());
                b[1].f32_mut()[0] = total;
            }
            Kernel::Product(crate::kernel::Product::SamplesF32)
            | Kernel::Product(crate::kernel::Product::SamplesU8) => {
                let (mean, v, mut g) = (b[2].f32(), b[3].f32(), b[4].f32_mut());
                let product = Product {
                    rows: Rows::All(sizes[0]),
                    d: sizes[1],
                    m: sizes[2],
                    beta: scalars[0],
                    weight_in: scalars[1],
                    weight_out: scalars[2],
                    mean: &mean,
                    v: &v,
                };
                if kernel == Kernel::Product(crate::kernel::Product::SamplesU8) {
                    product::typed(self, &product, &b[1].u8(), &mut g);
                } else {
                    product::typed(self, &product, &b[1].f32(), &mut g);
                }
            }
            Kernel::Product(crate::kernel::Product::BatchF32)
            | Kernel::Product(crate::kernel::Product::BatchU8) => {
                let start = b[0].f32()[control::BATCH] as usize * sizes[3];
                let (mean, rows, v) = (b[2].f32(), b[3].u32(), b[4].f32());
                let mut g = b[5].f32_mut();
                let product = Product {
                    rows: Rows::Listed {
                        list: &rows[start..start + sizes[3]],
                        first: sizes[4],
                        n: sizes[0],
                    },
                    d: sizes[1],
                    m: sizes[2],
                    beta: scalars[0],
                    weight_in: scalars[1],
                    weight_out: scalars[2],
                    mean: &mean,
                    v: &v,
                };
                if kernel == Kernel::Product(crate::kernel::Product::BatchU8) {
                    product::typed(self, &product, &b[1].u8(), &mut g);
                } else {
                    product::typed(self, &product, &b[1].f32(), &mut g);
                }
            }
            Kernel::Product(crate::kernel::Product::Symmetric) => {
                let (c, v, mut g) = (b[1].f32(), b[2].f32(), b[3].f32_mut());
                product::symmetric(self, sizes[0], sizes[1], &c, &v, &mut g);
            }
            Kernel::Gram(Gram::CovarianceF32) | Kernel::Gram(Gram::CovarianceU8) => {
                let (mean, mut c) = (b[1].f32(), b[2].f32_mut());
                let covariance = gram::Covariance {
                    n: sizes[0],
                    d: sizes[1],
                    beta: scalars[0],
                    weight: f64::from(scalars[1]) * f64::from(scalars[2]),
                    mean: &mean,
                };
                if kernel == Kernel::Gram(Gram::CovarianceU8) {
                    gram::covariance_u8(self, &covariance, &b[0].u8(), &mut c);
                } else {
                    gram::covariance_f32(self, &covariance, &b[0].f32(), &mut c);
                }
            }
            Kernel::Gram(Gram::DualF32) | Kernel::Gram(Gram::DualU8) => {
                let (mean, mut k) = (b[2].f32(), b[3].f32_mut());
                let dual = gram::Dual {
                    na: sizes[0],
                    nb: sizes[1],
                    d: sizes[2],
                    n: sizes[3],
                    first_a: sizes[4],
                    first_b: sizes[5],
                    weight: f64::from(scalars[0]) * f64::from(scalars[1]),
                    mean: &mean,
                };
                if kernel == Kernel::Gram(Gram::DualU8) {
                    gram::dual(self, &dual, &b[0].u8(), &b[1].u8(), &mut k);
                } else {
                    gram::dual(self, &dual, &b[0].f32(), &b[1].f32(), &mut k);
                }
            }
            Kernel::Product(crate::kernel::Product::LiftF32)
            | Kernel::Product(crate::kernel::Product::LiftU8) => {
                let (mean, u, mut out) = (b[1].f32(), b[2].f32(), b[3].f32_mut());
                let lift = Lift {
                    n: sizes[0],
                    d: sizes[1],
                    m: sizes[2],
                    total: sizes[3],
                    first: sizes[4],
                    beta: scalars[0],
                    weight: scalars[1],
                    mean: &mean,
                    u: &u,
                };
                if kernel == Kernel::Product(crate::kernel::Product::LiftU8) {
                    product::lift(self, &lift, &b[0].u8(), &mut out);
                } else {
                    product::lift(self, &lift, &b[0].f32(), &mut out);
                }
            }
            Kernel::Block(Block::Deflate) => {
                let count = b[0].f32()[control::COUNT] as usize;
                // SAFETY: the instruction set was checked when the device was opened.
                unsafe {
                    block::deflate(isa, sizes[0], count, &b[1].f32(), &mut b[2].f32_mut());
                }
            }
            Kernel::Block(Block::ProjectOut) => {
                let count = b[0].f32()[control::COUNT] as usize;
                // SAFETY: as above.
                unsafe {
                    block::project_out(isa, sizes[0], count, &b[1].f32(), &mut b[2].f32_mut())
                };
            }
            Kernel::Block(Block::Orthonormalise) => {
                // SAFETY: as above.
                unsafe {
                    block::orthonormalise(isa, sizes[0], &mut b[0].f32_mut()[..sizes[0] * sizes[1]])
                };
            }
            Kernel::Block(Block::Ascent) => {
                let (mut control, v, mut g) = (b[0].f32_mut(), b[1].f32(), b[2].f32_mut());
                let projected = scalars[0] != 0.0;
                // SAFETY: as above.
                unsafe {
                    block::ascent(
                        isa,
                        sizes[0],
                        sizes[1],
                        projected,
                        &mut control,
                        &v,
                        &mut g,
                        &mut self.work,
                    );
                }
            }
            Kernel::Block(Block::Retract) => {
                let mut control = b[0].f32_mut();
                let (mut v, mut velocity) = (b[1].f32_mut(), b[2].f32_mut());
                let transport = scalars[0] != 0.0;
                // SAFETY: as above.
                unsafe {
                    block::retract(
                        isa,
                        sizes[0],
                        sizes[1],
                        transport,
                        &mut control,
                        &mut v,
                        &mut velocity,
                    );
                }
            }
            Kernel::Rules(Rules::Sgd)
            | Kernel::Rules(Rules::Momentum)
            | Kernel::Rules(Rules::Nesterov)
            | Kernel::Rules(Rules::Adagrad)
            | Kernel::Rules(Rules::Rmsprop)
            | Kernel::Rules(Rules::Adam) => {
                let (rate, step) = {
                    let control = b[0].f32();
                    (control[control::RATE], control[control::STEP])
                };
                let step = rules::Step {
                    kernel,
                    scalars,
                    rate,
                    step,
                };
                let len = sizes[0];
                let (mut p, g) = (b[1].f32_mut(), b[2].f32());
                let mut s1 = b.get(3).map(|s| s.f32_mut());
                let mut s2 = b.get(4).map(|s| s.f32_mut());
                let s1 = s1.as_deref_mut().map_or(&mut [][..], |s| &mut s[..len]);
                let s2 = s2.as_deref_mut().map_or(&mut [][..], |s| &mut s[..len]);
                rules::apply(self, &step, &mut p[..len], &g[..len], s1, s2);
            }
            Kernel::Control(Control::Advance) => advance(&mut b[0].f32_mut(), sizes[0]),
            Kernel::Control(Control::Commit) => {
                let mut control = b[0].f32_mut();
                let d = sizes[0];
                let count = control[control::COUNT] as usize;
                b[2].f32_mut()[count * d..][..d].copy_from_slice(&b[1].f32());
                commit(&mut control);
                b[3].f32_mut().fill(0.0);
                b[4].f32_mut().fill(0.0);
            }
            Kernel::Network(Network::GatherF32)
            | Kernel::Network(Network::GatherU8)
            | Kernel::Network(Network::BiasRelu)
            | Kernel::Network(Network::SoftmaxLoss)
            | Kernel::Network(Network::ReluBackward)
            | Kernel::Network(Network::Score) => network::run(self, kernel, sizes, scalars, b),
        }
        Ok(())
    }

    /// Sum in eight chains of wide lanes per thread: as fast as the memory gives.
    fn stream_read(&mut self, x: &[f32]) -> f32 {
        let isa = self.isa;
        let scratch = &self.scratch;
        for worker in scratch {
            worker
                .lock()
                .expect("no worker panics while it holds its scratch")
                .total
                .clear();
        }
        self.pool.split(x.len(), 4096, &|worker, range| {
            let mut total = 0.0;
            // SAFETY: the instruction set was checked when the device was opened.
            unsafe { block::sum(isa, &x[range], &mut total) };
            scratch[worker]
                .lock()
                .expect("one worker, one scratch")
                .total
                .push(total);
        });
        scratch
            .iter()
            .flat_map(|s| s.lock().map(|s| s.total.clone()).unwrap_or_default())
            .sum::<f64>() as f32
    }

    fn multiply(&mut self, gemm: &Gemm, a: &[f32], b: &[f32], c: &mut [f32]) {
        let Gemm {
            m,
            n,
            k,
            transpose_a,
            transpose_b,
            alpha,
            beta,
        } = *gemm;
        assert!(
            a.len() >= m * k && b.len() >= k * n && c.len() >= m * n,
            "gemm: a buffer is too short"
        );
        if m * n * k >= SMALL_GEMM && sparse::pays(gemm, a) {
            return sparse::multiply(self, gemm, a, b, c);
        }
        let c = product::Shared::new(c);
        let (stride_a, stride_b) = (
            if transpose_a { m } else { k },
            if transpose_b { k } else { n },
        );
        let job = |_: usize, rows: Range<usize>| {
            let a = if transpose_a {
                &a[rows.start..]
            } else {
                &a[rows.start * k..]
            };
            let a = Matrix {
                data: a,
                stride: stride_a,
                transposed: transpose_a,
            };
            let b = Matrix {
                data: b,
                stride: stride_b,
                transposed: transpose_b,
            };
            // SAFETY: each worker writes its own rows of C; the shapes were asserted.
            unsafe {
                blas::gemm(
                    (rows.len(), n, k),
                    alpha,
                    a,
                    b,
                    beta,
                    c.at(rows.start * n),
                    n,
                )
            };
        };
        if m * n * k < SMALL_GEMM {
            job(0, 0..m)
        } else {
            self.pool.split(m, 1, &job)
        }
    }
}

fn advance(c: &mut [f32], batches: usize) {
    let time = 1.0 + c[control::STEP] / c[control::SCHEDULE_TIME];
    c[control::RATE] = c[control::BASE_RATE] * time.powf(-c[control::SCHEDULE_POWER]);
    c[control::STEP] += 1.0;
    c[control::BATCH] = (c[control::BATCH] + 1.0) % batches as f32;
}

fn commit(c: &mut [f32]) {
    c[control::COUNT] += 1.0;
    c[control::TOP] = c[control::TOP].max(c[control::RHO]);
    c[control::STOP] = 0.0;
    c[control::STEP] = 0.0;
    c[control::SCALE] = 0.0;
    c[control::BEST] = f32::MAX;
    c[control::BEST_STEP] = 0.0;
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
        self.run(launch.kernel, launch.sizes, launch.scalars, launch.buffers)
    }

    fn gemm(&mut self, gemm: &Gemm, a: &Buffer, b: &Buffer, c: &Buffer) -> Result<()> {
        if let Some(recording) = &mut self.recording {
            recording.push(Recorded::Gemm(*gemm, [a.clone(), b.clone(), c.clone()]));
            return Ok(());
        }
        self.multiply(gemm, &a.f32(), &b.f32(), &mut c.f32_mut());
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
                        self.run(*kernel, sizes, scalars, &borrowed[..buffers.len()])?;
                    }
                    Recorded::Gemm(gemm, [a, b, c]) => {
                        self.multiply(gemm, &a.f32(), &b.f32(), &mut c.f32_mut());
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
        dense::gram(self, samples, statistics)
    }

    fn eigh(&mut self, a: &mut [f64], order: usize) -> Result<Vec<f64>> {
        blas::eigh(a, order, self.pool.threads())
    }
}
