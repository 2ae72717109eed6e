//! Benchmarks of every kernel row, the matrix product and steps of the update rules, on every device found (the CPU
//! with one thread and with all).
//!
//! Sizes are those of MNIST. The product also runs with sixteen columns, and each rule takes one step on the
//! covariance. Each benchmark prints its share of the binding peak, measured on the same device in the same run.
//! `cargo bench -- NAME` selects benchmarks. The measurements are written to results/local/kernels, for the report's
//! rooflines.
//!
//! Many launches are replayed and waited for together, as in a solve, because launching and waiting individually costs
//! a GPU more than most rows do. If a buffer would exceed the adapter's limit, or a software adapter would take long,
//! the first size is halved until it fits, and the name says so.

mod devices;

use std::cell::OnceCell;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gradrace::conformance::{self, methods};
use gradrace::data::{Request, Statistics, load};
use gradrace::device::{Device, Element, Gemm, Launch, Slice, SliceMut};
use gradrace::error::Result;
use gradrace::kernel::{Control, Kernel, Product, Row, control, table};
use gradrace::machine::rented_machine;
use gradrace::optimizer::{Cost, Rule};
use gradrace::pca::{Look, Method, Next, OperatorKind, Plan, Problem, Solver, Watch};
use gradrace::race::device::{self, DeviceSpec, with};
use gradrace::race::roofs::{
    Roofs, floor,
    measure::{Effort, measure},
};
use gradrace::record::file::Folder;
use gradrace::record::{KernelRate, Machine, Peak};

/// Operations that a software adapter completes in about a tenth of a second.
const SOFTWARE_FLOPS: f64 = 1e8;

/// A device, its label in the output, and its peaks (measured on first use).
struct Lane<'a, D> {
    device: D,
    label: String,
    /// The device as written in a case id.
    spec: DeviceSpec,
    machine: &'a mut Machine,
    peak: OnceCell<Peak>,
}

impl<D: Device> Lane<'_, D> {
    /// Prints the rates for this work and these `seconds`, and the share of the binding roof.
    fn tell(&mut self, name: &str, cost: &Cost, seconds: &mut [f64]) {
        if seconds.is_empty() {
            return;
        }
        seconds.sort_by(f64::total_cmp);
        let median = seconds[seconds.len() / 2];
        if self.peak.get().is_none() {
            let spec = self.spec.to_string();
            let mut roofs = Roofs::of(self.machine);
            let peak = measure(&mut self.device, spec.clone(), Effort::Whole).expect("it measures");
            if let Some(word) = roofs.add(peak) {
                println!("{word}");
            }
            let peak = roofs.peak(&spec).expect("it was measured");
            println!(
                "{}: peaks {:.1} GB/s (stream), {:.1} GFLOP/s (gemm)",
                self.label, peak.stream_gb_per_s, peak.gemm_gflop_per_s
            );
            self.machine.peaks.push(peak.clone());
            self.peak.set(peak).expect("it was empty");
        }
        let work = cost.work();
        let rate = floor::rate(&work, median, self.peak.get());
        println!(
            "{name}/{}: {:.2} GB/s, {:.2} GFLOP/s: {:.0} % of the {} roof",
            self.label,
            rate.gb_per_s,
            rate.gflop_per_s,
            100.0 * rate.share_of_peak.unwrap_or(f64::NAN),
            rate.peak.as_deref().unwrap_or_default()
        );
        self.machine.kernels.push(KernelRate {
            kernel: name.into(),
            device: self.spec.to_string(),
            seconds: median,
            bytes: work.bytes,
            flops: work.flops,
            rate,
        });
    }
}

/// Replays `recording` `times` times and waits; returns the time it took.
fn replay<D: Device>(device: &mut D, recording: &D::Recording, times: u64) -> Duration {
    let start = Instant::now();
    device
        .replay(recording, times)
        .and_then(|()| device.synchronise())
        .expect("it runs");
    start.elapsed()
}

/// The row's sizes, with the first one halved until the device accepts them.
fn fitting<D: Device>(device: &D, row: &Row, sizes: &[usize]) -> Vec<usize> {
    let mut sizes = sizes.to_vec();
    let info = device.info();
    let fits = |sizes: &[usize]| {
        let bytes = |p: &gradrace::kernel::Parameter| ((p.len)(sizes) * p.element.bytes()) as u64;
        row.buffers
            .iter()
            .all(|p| bytes(p) <= info.max_buffer_bytes)
            && (!info.software || (row.flops)(sizes) <= SOFTWARE_FLOPS)
    };
    while sizes[0] > 1 && !fits(&sizes) {
        sizes[0] /= 2;
    }
    sizes
}

fn bench_row<D: Device>(
    criterion: &mut Criterion,
    lane: &mut Lane<'_, D>,
    name: &str,
    row: &Row,
    wanted: &[usize],
) {
    let scalars = row.benchmark.1;
    let sizes = fitting(&lane.device, row, wanted);
    let size = match sizes == wanted {
        true => String::new(),
        false => format!(", {} = {}", row.sizes[0], sizes[0]),
    };
    let id = format!("{}{size}", lane.label);
    let mut ready = None;
    let mut seconds = Vec::new();
    let mut group = devices::group(criterion, name);
    group.throughput(Throughput::Bytes((row.bytes)(&sizes) as u64));
    group.bench_function(id, |bencher| {
        let device = &mut lane.device;
        let (_, recording) = ready.get_or_insert_with(|| {
            let buffers = conformance::buffers(device, row, &sizes, 1).expect("the buffers fit");
            let borrowed: Vec<_> = buffers.iter().collect();
            let recording = device
                .record(&mut |device| {
                    device.launch(&Launch {
                        kernel: row.kernel,
                        sizes: &sizes,
                        scalars,
                        buffers: &borrowed,
                    })
                })
                .expect("it records");
            (buffers, recording)
        });
        bencher.iter_custom(|times| {
            let elapsed = replay(device, recording, times);
            seconds.push(elapsed.as_secs_f64() / times as f64);
            elapsed
        });
    });
    group.finish();
    if let Some((buffers, _)) = ready.take().filter(|_| row.freezes) {
        let mut stop = [0.0f32];
        lane.device
            .read(&buffers[0], control::STOP, SliceMut::F32(&mut stop))
            .expect("it is read");
        assert_eq!(stop, [0.0], "{name} froze, so its time is that of no work");
    }
    let name = format!("{name}{size}");
    let mut cost = Cost::default();
    cost.add(row.kernel, &sizes);
    lane.tell(&name, &cost, &mut seconds);
}

/// Matrix products: square, and the shapes of a step of the default network (batch 128).
const PRODUCTS: [(&str, usize, usize, usize, bool, bool); 4] = [
    ("gemm 1024", 1024, 1024, 1024, false, false),
    ("gemm 128x300x784", 128, 300, 784, false, false),
    ("gemm 784x300x128, A transposed", 784, 300, 128, true, false),
    ("gemm 128x300x100, B transposed", 128, 300, 100, false, true),
];

fn products<D: Device>(criterion: &mut Criterion, lane: &mut Lane<'_, D>) {
    for (name, m, n, k, transpose_a, transpose_b) in PRODUCTS {
        let gemm = Gemm {
            m,
            n,
            k,
            transpose_a,
            transpose_b,
            alpha: 1.0,
            beta: 0.0,
        };
        let flops = 2.0 * (m * n * k) as f64;
        let mut ready = None;
        let mut seconds = Vec::new();
        let mut group = devices::group(criterion, name);
        group.throughput(Throughput::Elements(flops as u64));
        group.bench_function(lane.label.clone(), |bencher| {
            let device = &mut lane.device;
            let (_, recording) = ready.get_or_insert_with(|| {
                let mut matrix = |len: usize| {
                    let matrix = device.alloc(Element::F32, len).expect("it fits");
                    let values = vec![0.5; len];
                    device
                        .write(&matrix, 0, Slice::F32(&values))
                        .expect("it is written");
                    matrix
                };
                let buffers = [matrix(m * k), matrix(k * n), matrix(m * n)];
                let [a, b, c] = &buffers;
                let recording = device
                    .record(&mut |device| device.gemm(&gemm, a, b, c))
                    .expect("it records");
                (buffers, recording)
            });
            bencher.iter_custom(|times| {
                let elapsed = replay(device, recording, times);
                seconds.push(elapsed.as_secs_f64() / times as f64);
                elapsed
            });
        });
        group.finish();
        drop(ready);
        let mut cost = Cost::default();
        cost.add_gemm(&gemm);
        lane.tell(name, &cost, &mut seconds);
    }
}

/// Times the steps between the first and the last look, which excludes the start and the Rayleigh-Ritz step.
#[derive(Default)]
struct Stopwatch {
    first: Option<(Instant, u64)>,
    elapsed: Duration,
    steps: u64,
}

impl<S> Watch<S> for Stopwatch {
    fn look(&mut self, look: Look<'_, S>) -> Result<Next> {
        let (start, iteration) = *self.first.get_or_insert((Instant::now(), look.iteration));
        if !look.last {
            self.elapsed = start.elapsed();
            self.steps = look.iteration - iteration;
        }
        Ok(Next::Continue)
    }
}

/// Update rules on a component of MNIST, on 784-300-100-10 and on a network beyond any cache; beside each the same rule read
/// as a user's, which the CPU interprets.
fn rules<D: Device>(criterion: &mut Criterion, lane: &mut Lane<'_, D>) {
    for name in ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"] {
        let rule = Rule::named(name);
        let path = format!(
            "{}/src/optimizer/rules/{name}.toml",
            env!("CARGO_MANIFEST_DIR")
        );
        let text = std::fs::read_to_string(&path).expect("the project has it");
        let text = text.replacen(&format!("\"{name}\""), &format!("\"own_{name}\""), 1);
        let own = Rule::read(&path, &text).expect("it reads under another name")[0];
        for len in [784, 266_610, 10_000_000] {
            for (rule, whose) in [(rule, ""), (own, ", a user's")] {
                bench_row(
                    criterion,
                    lane,
                    &format!("{name}{whose}, {len}"),
                    rule.row(),
                    &[len],
                );
            }
        }
    }
}

/// One step of deflation on a 784 x 784 covariance under each rule: product, deflation, ascent direction, rule,
/// retraction.
fn steps<D: Device>(criterion: &mut Criterion, lane: &mut Lane<'_, D>) {
    let request = Request {
        spec: "digits:n=1000".into(),
        quiet: true,
        ..Request::default()
    };
    for rule in Rule::plain() {
        let mut problem = None;
        let mut group = devices::group(criterion, &format!("step, {}", rule.name()));
        group.throughput(Throughput::Bytes(4 * 784 * 784));
        group.bench_function(lane.label.clone(), |bencher| {
            let device = &mut lane.device;
            let problem = problem.get_or_insert_with(|| {
                let samples = Arc::new(load(&request).expect("digits need no file"));
                let statistics = Statistics::of(&samples, 1);
                Problem::upload(device, &samples, &statistics).expect("it fits")
            });
            bencher.iter_custom(|iterations| {
                let plan = Plan {
                    tolerance: 0.0,
                    // Enough that the first look of a solve is negligible.
                    max_iterations: iterations.max(64),
                    ..methods::plan(Method::Deflation, OperatorKind::Covariance, rule, 1)
                };
                let mut watch = Stopwatch::default();
                Solver::prepare(device, problem, &plan)
                    .and_then(|mut solver| solver.solve(device, &mut watch))
                    .expect("it solves");
                watch
                    .elapsed
                    .mul_f64(iterations as f64 / watch.steps.max(1) as f64)
            });
        });
        group.finish();
    }
}

fn all<D: Device>(criterion: &mut Criterion, device: D, spec: DeviceSpec, machine: &mut Machine) {
    let mut lane = Lane {
        device,
        label: devices::label(spec),
        spec,
        machine,
        peak: OnceCell::new(),
    };
    for row in table() {
        // A commit appends to the basis, so it cannot be repeated.
        if row.kernel != Kernel::Control(Control::Commit) {
            bench_row(criterion, &mut lane, row.name, row, row.benchmark.0);
        }
    }
    for kernel in [
        Kernel::Product(Product::SamplesF32),
        Kernel::Product(Product::SamplesU8),
    ] {
        let row = kernel.row();
        let sizes = row.benchmark.0;
        let name = format!("{}, 16 columns", row.name);
        bench_row(criterion, &mut lane, &name, row, &[sizes[0], sizes[1], 16]);
    }
    products(criterion, &mut lane);
    rules(criterion, &mut lane);
    steps(criterion, &mut lane);
}

fn kernels(criterion: &mut Criterion) {
    let mut machine = rented_machine();
    for spec in devices::devices() {
        let device = device::open(spec).expect("it was found");
        with!(device, device => all(criterion, device, spec, &mut machine));
    }
    if !machine.kernels.is_empty() {
        let folder = Path::new("results/local/kernels");
        Folder::open(folder)
            .and_then(|(folder, _)| folder.write_machine(&machine))
            .expect("results/local can be written");
    }
}

criterion_group!(benches, kernels);
criterion_main!(benches);
