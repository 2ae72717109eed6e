//! Kernels against their f64 references, on every device: used by `cargo test` and by `gradrace verify`.
//!
//! A check is data (a row of the kernel table, sizes, scalars) plus a device. Inputs are fresh random numbers from the
//! seed; buffers that a row only writes are poisoned with NaN before the launch, so that an element left alone shows.

mod gemm;
pub mod methods;
#[cfg(test)]
mod resolution;
#[cfg(test)]
mod spoiled;
mod steps;
#[cfg(test)]
mod trials;
#[cfg(test)]
mod users;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::device::{Device, Element, Launch, Slice, SliceMut, VIEW_ALIGNMENT};
use crate::error::{Error, Result};
use crate::kernel::{Access, Block, Fill, Kernel, Parameter, Row, Rule, control, table};

/// How one check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Within the tolerance.
    Pass,
    /// The device lacks the operation, and says so.
    Skip(String),
    /// Wrong: what was seen.
    Fail(String),
}

/// One check and how it ended.
#[derive(Debug, Clone)]
pub struct Check {
    /// Row and sizes, for example `deflate [784, 10]`.
    pub name: String,
    /// How it ended.
    pub verdict: Verdict,
    /// Largest relative error seen, 2-norm over a buffer.
    pub error: f64,
}

/// Runs every row of the kernel table, and the matrix product, on a device. `tell` sees each check as it ends.
pub fn run<D: Device>(device: &mut D, seed: u64, tell: &mut dyn FnMut(&Check)) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for row in table() {
        for (sizes, scalars) in row.cases {
            tell(&check(
                format!("{} {sizes:?}", row.name),
                compare(device, row, sizes, scalars, &mut random),
            ));
        }
    }
    for (case, zeros) in gemm::GEMM {
        let shape = format!("{}x{}x{}", case.m, case.n, case.k);
        let of = if *zeros > 0.0 { " of zeros" } else { "" };
        tell(&check(
            format!("gemm {shape}{of}"),
            gemm::compare(device, case, *zeros, &mut random),
        ));
    }
    steps::run(device, tell);
    tell(&check("parts".into(), parts(device, &mut random)));
    tell(&check(
        "record and replay".into(),
        replay(device, &mut random),
    ));
}

/// Parts of a buffer: a launch and a product write theirs and nothing else, and see what was written through the whole.
fn parts<D: Device>(device: &mut D, random: &mut ChaCha8Rng) -> Result<f64> {
    const START: usize = 3 * VIEW_ALIGNMENT;
    const LEN: usize = 33;
    let x: Vec<f32> = (0..START + 2 * LEN)
        .map(|_| StandardNormal.sample(random))
        .collect();
    let control = device.alloc(Element::F32, control::LEN)?;
    let [whole, g] = [x.len(), LEN].map(|len| device.alloc(Element::F32, len));
    let (whole, g) = (whole?, g?);
    device.write(&control, 0, Slice::F32(&control::example()))?;
    device.write(&whole, 0, Slice::F32(&x))?;
    device.write(&g, 0, Slice::F32(&[1.0; LEN]))?;
    let part = device.view(&whole, START, LEN);
    let launch = Launch {
        kernel: Kernel::Rules(Rule::named("sgd")),
        sizes: &[LEN],
        scalars: &[0.0],
        buffers: &[&control, &part, &g],
    };
    device.launch(&launch)?;
    let rate = f64::from(control::example()[control::RATE]);
    let mut expected: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
    for x in &mut expected[START..START + LEN] {
        *x -= rate;
    }
    let mut got = vec![0.0; x.len()];
    device.read(&whole, 0, SliceMut::F32(&mut got))?;
    let error = difference("whole", &got, &expected, 1e-6)?;
    let first = device.view(&whole, 0, 1);
    device.gemm(&gemm::product(1, 1, LEN, false, true, 0.0), &g, &g, &first)?;
    expected[0] = 0.5 * LEN as f64;
    device.read(&whole, 0, SliceMut::F32(&mut got))?;
    Ok(error.max(difference("whole", &got, &expected, 1e-6)?))
}

fn check(name: String, outcome: Result<f64>) -> Check {
    let (verdict, error) = match outcome {
        Ok(error) => (Verdict::Pass, error),
        Err(Error::Unsupported(reason)) => (Verdict::Skip(reason), 0.0),
        Err(error) => (Verdict::Fail(error.to_string()), f64::NAN),
    };
    Check {
        name,
        verdict,
        error,
    }
}

/// A row's buffers on the host, in f64, exactly representable in their element type.
fn inputs(row: &Row, sizes: &[usize], random: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
    let bytes = row.buffers.iter().any(|b| b.element == Element::U8);
    row.buffers
        .iter()
        .map(|parameter| {
            let mut values = fill(parameter, sizes, bytes, random);
            if parameter.fill == Fill::Orthonormal {
                // Rows of orthonormal buffers have the length of the row's first size.
                orthonormalise(&mut values, sizes[0]);
            }
            values
        })
        .collect()
}

/// Fresh random inputs of a row on a device, for a benchmark.
///
/// # Errors
/// As [`Device::alloc`] and [`Device::write`].
pub fn buffers<D: Device>(
    device: &mut D,
    row: &Row,
    sizes: &[usize],
    seed: u64,
) -> Result<Vec<D::Buffer>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let values = inputs(row, sizes, &mut random);
    upload(device, row, sizes, &values)
}

fn upload<D: Device>(
    device: &mut D,
    row: &Row,
    sizes: &[usize],
    values: &[Vec<f64>],
) -> Result<Vec<D::Buffer>> {
    let mut device_buffers = Vec::new();
    for (values, parameter) in values.iter().zip(row.buffers) {
        let buffer = match parameter.columns {
            None => device.alloc(parameter.element, values.len())?,
            Some(columns) => {
                let columns = columns(sizes);
                device.alloc_rows(parameter.element, values.len() / columns, columns)?
            }
        };
        match parameter.element {
            Element::F32 if parameter.access == Access::Write => {
                device.write(&buffer, 0, Slice::F32(&vec![f32::NAN; values.len()]))?;
            }
            Element::F32 => {
                let x: Vec<f32> = values.iter().map(|x| *x as f32).collect();
                device.write(&buffer, 0, Slice::F32(&x))?;
            }
            Element::U8 => {
                let x: Vec<u8> = values.iter().map(|x| *x as u8).collect();
                device.write(&buffer, 0, Slice::U8(&x))?;
            }
            Element::U32 => {
                let x: Vec<u32> = values.iter().map(|x| *x as u32).collect();
                device.write(&buffer, 0, Slice::U32(&x))?;
            }
        }
        device_buffers.push(buffer);
    }
    Ok(device_buffers)
}

fn fill(parameter: &Parameter, sizes: &[usize], bytes: bool, random: &mut ChaCha8Rng) -> Vec<f64> {
    let len = (parameter.len)(sizes);
    let normal = |random: &mut ChaCha8Rng| -> f64 {
        let x: f64 = StandardNormal.sample(random);
        f64::from(x as f32)
    };
    match parameter.fill {
        Fill::Normal if parameter.element == Element::U8 => {
            (0..len).map(|_| f64::from(random.random::<u8>())).collect()
        }
        Fill::Normal => (0..len).map(|_| normal(random)).collect(),
        Fill::Positive => (0..len).map(|_| normal(random).abs()).collect(),
        Fill::Mean => {
            // High parts near the samples' own size; remainders of one part in 10^7.
            let size = if bytes { 100.0 } else { 0.3 };
            let high: Vec<f64> = (0..len / 2)
                .map(|_| f64::from((size * normal(random).abs()) as f32))
                .collect();
            let low = high
                .iter()
                .map(|x| f64::from((x * 1e-7) as f32))
                .collect::<Vec<_>>();
            [high, low].concat()
        }
        Fill::Orthonormal => (0..len).map(|_| normal(random)).collect(),
        Fill::Permutation => {
            let mut rows: Vec<f64> = (0..len).map(|i| i as f64).collect();
            for i in (1..len).rev() {
                rows.swap(i, random.random_range(0..=i));
            }
            rows
        }
        Fill::Symmetric => {
            let order = len.isqrt();
            let mut a = vec![0.0; len];
            for i in 0..order {
                for j in 0..=i {
                    let x = normal(random);
                    (a[i * order + j], a[j * order + i]) = (x, x);
                }
            }
            a
        }
        Fill::Classes => (0..len)
            .map(|_| random.random_range(0..sizes[1]) as f64)
            .collect(),
        Fill::Control => control::example().iter().map(|x| f64::from(*x)).collect(),
    }
}

/// Makes the rows of block vectors orthonormal, and rounds them to f32.
fn orthonormalise(rows: &mut [f64], d: usize) {
    let count = rows.len() / d;
    let row = Kernel::Block(Block::Orthonormalise).row();
    let mut buffers = vec![rows.to_vec()];
    (row.reference)(&[d, count], &[], &mut buffers);
    for (to, from) in rows.iter_mut().zip(&buffers[0]) {
        *to = f64::from(*from as f32);
    }
}

fn compare<D: Device>(
    device: &mut D,
    row: &Row,
    sizes: &[usize],
    scalars: &[f32],
    random: &mut ChaCha8Rng,
) -> Result<f64> {
    let mut expected = inputs(row, sizes, random);
    let device_buffers = upload(device, row, sizes, &expected)?;
    let wide: Vec<f64> = scalars.iter().map(|x| f64::from(*x)).collect();
    (row.reference)(sizes, &wide, &mut expected);
    let borrowed: Vec<&D::Buffer> = device_buffers.iter().collect();
    device.launch(&Launch {
        kernel: row.kernel,
        sizes,
        scalars,
        buffers: &borrowed,
    })?;
    device.synchronise()?;
    let mut worst = 0f64;
    for ((values, parameter), buffer) in expected.iter().zip(row.buffers).zip(&device_buffers) {
        if parameter.access != Access::Read {
            let mut got = vec![0.0f32; values.len()];
            device.read(buffer, 0, SliceMut::F32(&mut got))?;
            worst = worst.max(difference(parameter.name, &got, values, row.tolerance)?);
        }
    }
    Ok(worst)
}

/// `|got - expected| / |expected|`, 2-norms.
///
/// # Errors
/// When it is over the tolerance: the worst element and its neighbours in size.
fn difference(name: &str, got: &[f32], expected: &[f64], tolerance: f64) -> Result<f64> {
    let square = |x: f64| x * x;
    let size = expected.iter().map(|x| square(*x)).sum::<f64>().sqrt();
    let off = got
        .iter()
        .zip(expected)
        .map(|(g, e)| square(f64::from(*g) - e))
        .sum::<f64>()
        .sqrt();
    let error = if size > 0.0 { off / size } else { off };
    if error <= tolerance {
        return Ok(error);
    }
    let badness = |i: &usize| {
        let off = (f64::from(got[*i]) - expected[*i]).abs();
        if off.is_nan() { f64::INFINITY } else { off }
    };
    let worst = (0..got.len())
        .max_by(|a, b| badness(a).total_cmp(&badness(b)))
        .unwrap_or(0);
    Err(Error::failed(format!(
        "{name}: relative error {error:.1e}, tolerance {tolerance:.1e}; element {worst} is {} and should be {}",
        got[worst], expected[worst]
    )))
}

/// A recording runs nothing while it is made, and replayed so many times it does what so many launches do; a set stop
/// flag freezes it.
fn replay<D: Device>(device: &mut D, random: &mut ChaCha8Rng) -> Result<f64> {
    const LEN: usize = 257;
    let p: Vec<f32> = (0..LEN).map(|_| StandardNormal.sample(random)).collect();
    let control = device.alloc(Element::F32, control::LEN)?;
    let (pb, gb) = (
        device.alloc(Element::F32, LEN)?,
        device.alloc(Element::F32, LEN)?,
    );
    device.write(&control, 0, Slice::F32(&control::example()))?;
    device.write(&pb, 0, Slice::F32(&p))?;
    device.write(&gb, 0, Slice::F32(&[1.0; LEN]))?;
    let recording = device.record(&mut |device| {
        device.launch(&Launch {
            kernel: Kernel::Rules(Rule::named("sgd")),
            sizes: &[LEN],
            scalars: &[0.0],
            buffers: &[&control, &pb, &gb],
        })
    })?;
    let mut got = vec![0.0; LEN];
    device.read(&pb, 0, SliceMut::F32(&mut got))?;
    if got != p {
        return Err(Error::failed("recording ran what it recorded"));
    }
    device.replay(&recording, 3)?;
    let stop = control::STOP;
    device.write(&control, stop, Slice::F32(&[control::CONVERGED]))?;
    device.replay(&recording, 5)?;
    device.read(&pb, 0, SliceMut::F32(&mut got))?;
    let rate = f64::from(control::example()[control::RATE]);
    let expected: Vec<f64> = p.iter().map(|x| f64::from(*x) - 3.0 * rate).collect();
    difference("p", &got, &expected, 1e-6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu::Cpu;
    use crate::machine::{self, Isa};

    fn conforms(threads: usize, isa: Isa) {
        let mut cpu = Cpu::open_with(threads, isa).expect("this machine has the cores");
        let mut failures = Vec::new();
        let mut checks = 0;
        run(&mut cpu, 7, &mut |check| {
            checks += 1;
            if check.verdict != Verdict::Pass {
                failures.push(format!("{}: {:?}", check.name, check.verdict));
            }
        });
        assert!(checks > table().count());
        assert!(
            failures.is_empty(),
            "{} {threads}:\n{}",
            isa.name(),
            failures.join("\n")
        );
    }

    #[test]
    fn every_row_agrees_with_its_reference_on_every_instruction_set_with_one_thread() {
        for isa in Isa::available() {
            conforms(1, isa);
        }
    }

    #[test]
    fn every_row_agrees_with_its_reference_on_every_instruction_set_with_all_threads() {
        for isa in Isa::available() {
            conforms(machine::cores(), isa);
        }
    }

    #[test]
    fn an_element_that_is_off_or_nan_fails() {
        assert!(difference("x", &[1.0, 2.0], &[1.0, 2.0], 1e-6).is_ok());
        assert!(difference("x", &[1.0, 2.1], &[1.0, 2.0], 1e-6).is_err());
        assert!(difference("x", &[1.0, f32::NAN], &[1.0, 2.0], 1e-6).is_err());
    }

    mod needs_wgpu {
        use super::*;

        #[test]
        #[ignore = "needs wgpu: scripts/setup installs a software adapter"]
        fn every_row_agrees_with_its_reference_on_every_adapter() {
            let adapters = crate::device::wgpu::adapters();
            assert!(!adapters.is_empty(), "an adapter");
            for (index, adapter) in adapters.iter().enumerate() {
                let mut device = crate::device::wgpu::Wgpu::open(index).expect("it was found");
                let mut failures = Vec::new();
                run(&mut device, 7, &mut |check| {
                    println!("{} {:?} {:.1e}", check.name, check.verdict, check.error);
                    if check.verdict != Verdict::Pass {
                        failures.push(format!("{}: {:?}", check.name, check.verdict));
                    }
                });
                assert!(
                    failures.is_empty(),
                    "{}:\n{}",
                    adapter.name,
                    failures.join("\n")
                );
            }
        }
    }

    mod needs_emulation {
        use super::*;

        #[test]
        #[ignore = "needs emulation: Linux with a C++ compiler"]
        fn every_row_agrees_with_its_reference_on_the_emulated_kernels() {
            let mut device = crate::device::cuda::emulated::open(true);
            let mut failures = Vec::new();
            run(&mut device, 7, &mut |check| {
                println!("{} {:?} {:.1e}", check.name, check.verdict, check.error);
                if check.verdict != Verdict::Pass {
                    failures.push(format!("{}: {:?}", check.name, check.verdict));
                }
            });
            assert!(failures.is_empty(), "{}", failures.join("\n"));
        }
    }
}
