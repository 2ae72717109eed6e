//! Every row of the kernel table at the sizes of MNIST, with throughput, on the CPU with one thread and with all and on the
//! first card of CUDA, where there is one; then the same product with sixteen columns, and one step of each rule on the
//! covariance. `cargo bench -- NAME` picks. Launches follow one another without a wait, as in a race.

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gradrace::conformance::{self, methods};
use gradrace::data::{Request, Samples, Statistics, load};
use gradrace::device::cpu::Cpu;
use gradrace::device::cuda;
use gradrace::device::{Device, Launch};
use gradrace::error::Result;
use gradrace::kernel::{ALL, Kernel, Row};
use gradrace::optimizer::Rule;
use gradrace::pca::{Look, Method, OperatorKind, Plan, Problem, Solver, Verdict, Watch};

fn thread_counts() -> Vec<usize> {
    let all = Cpu::cores();
    if all == 1 { vec![1] } else { vec![1, all] }
}

/// A row on every device.
fn bench_row(criterion: &mut Criterion, group: &str, row: &Row, sizes: &[usize], scalars: &[f32]) {
    for threads in thread_counts() {
        let mut cpu = Cpu::open(threads).expect("this machine has the cores");
        let label = format!("cpu@{threads}");
        bench_row_on(&mut cpu, criterion, (group, &label), row, sizes, scalars);
    }
    if let Ok(mut card) = cuda::open(0) {
        bench_row_on(&mut card, criterion, (group, "cuda:0"), row, sizes, scalars);
    }
}

fn bench_row_on<D: Device>(
    device: &mut D,
    criterion: &mut Criterion,
    (group, label): (&str, &str),
    row: &Row,
    sizes: &[usize],
    scalars: &[f32],
) {
    let buffers = conformance::buffers(device, row, sizes, 1).expect("the buffers fit");
    let borrowed: Vec<_> = buffers.iter().collect();
    let mut group = criterion.benchmark_group(group);
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .throughput(Throughput::Bytes((row.bytes)(sizes) as u64));
    group.bench_function(label, |bencher| {
        bencher.iter_custom(|times| {
            let start = Instant::now();
            for _ in 0..times {
                let launch = Launch {
                    kernel: row.kernel,
                    sizes,
                    scalars,
                    buffers: &borrowed,
                };
                device.launch(&launch).expect("the row runs");
            }
            device.synchronise().expect("the row runs");
            start.elapsed()
        });
    });
    group.finish();
}

fn kernels(criterion: &mut Criterion) {
    for row in &ALL {
        // A commit appends to the basis: it cannot be repeated.
        if row.kernel == Kernel::Commit {
            continue;
        }
        let (sizes, scalars) = row.benchmark;
        bench_row(criterion, row.name, row, sizes, scalars);
    }
}

fn many_columns(criterion: &mut Criterion) {
    for kernel in [Kernel::SamplesProductF32, Kernel::SamplesProductU8] {
        let row = kernel.row();
        let (sizes, scalars) = row.benchmark;
        let sizes = [sizes[0], sizes[1], 16];
        let name = format!("{}, 16 columns", row.name);
        bench_row(criterion, &name, row, &sizes, scalars);
    }
}

/// Times the steps between the first look and the last: the start and the Rayleigh-Ritz step stay outside.
#[derive(Default)]
struct Stopwatch {
    first: Option<(Instant, u64)>,
    elapsed: Duration,
    steps: u64,
}

impl Watch for Stopwatch {
    fn look(&mut self, look: Look<'_>) -> Result<Verdict> {
        let (start, iteration) = *self.first.get_or_insert((Instant::now(), look.iteration));
        if !look.last {
            self.elapsed = start.elapsed();
            self.steps = look.iteration - iteration;
        }
        Ok(Verdict::Continue)
    }
}

/// One step of deflation on a 784 x 784 covariance under each rule, on every device: product, deflation, ascent direction,
/// rule, retraction.
fn steps(criterion: &mut Criterion) {
    let request = Request {
        spec: "digits:n=1000".into(),
        quiet: true,
        ..Request::default()
    };
    let samples = Arc::new(load(&request).expect("digits need no file"));
    for rule in Rule::ALL {
        for threads in thread_counts() {
            let mut cpu = Cpu::open(threads).expect("this machine has the cores");
            let label = format!("cpu@{threads}");
            bench_step_on(&mut cpu, criterion, &label, &samples, rule);
        }
        if let Ok(mut card) = cuda::open(0) {
            bench_step_on(&mut card, criterion, "cuda:0", &samples, rule);
        }
    }
}

fn bench_step_on<D: Device>(
    device: &mut D,
    criterion: &mut Criterion,
    label: &str,
    samples: &Arc<Samples>,
    rule: Rule,
) {
    let statistics = Statistics::of(samples, 1);
    let problem = Problem::upload(device, samples, &statistics).expect("it fits");
    let mut group = criterion.benchmark_group(format!("step, {}", rule.name()));
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500))
        .throughput(Throughput::Bytes(4 * 784 * 784));
    group.bench_function(label, |bencher| {
        bencher.iter_custom(|iterations| {
            let plan = Plan {
                tolerance: 0.0,
                // Enough that one solve's first look does not matter.
                max_iterations: iterations.max(64),
                ..methods::plan(Method::Deflation, OperatorKind::Covariance, rule, 1)
            };
            let mut watch = Stopwatch::default();
            Solver::prepare(device, &problem, &plan)
                .and_then(|mut solver| solver.solve(device, &mut watch))
                .expect("it solves");
            watch
                .elapsed
                .mul_f64(iterations as f64 / watch.steps.max(1) as f64)
        });
    });
    group.finish();
}

criterion_group!(benches, kernels, many_columns, steps);
criterion_main!(benches);
