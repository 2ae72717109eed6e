//! The kernels on the host: a driver that runs the text of `kernels/` as a C++ compiler understands it, so that everything
//! but CUDA itself is tested on machines without a card.
//!
//! `kernels/emulation.h` provides what the kernels use of CUDA. Each file of `kernels/`, and each chain, becomes a library,
//! compiled when it first runs and kept by the hash of its text. Memory begins as NaN, and lies between guards that are looked at after every
//! launch. With `twice`, a launch runs in both orders of threads and blocks from two patterns of shared memory, and must leave
//! the same bits.

mod library;
mod memory;
#[cfg(test)]
mod needs_emulation;

use std::rc::Rc;

use super::Cuda;
use super::driver::{Driver, Value};
use super::pass::{CHAINED, Pass, Tuning, Unit};
use crate::device::Gemm;
use crate::error::{Error, Result};

use library::Library;
use memory::{Allocation, Owned};

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
