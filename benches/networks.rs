//! Benchmarks of one step and one epoch of training, per rule and device.
//!
//! The networks are logistic regression (`none`) and the default network (784-300-100-10), with batches of 128
//! generated digits. One more epoch trains on samples without zeros, which the CPU's products would skip. Throughput is
//! in images. `cargo bench --bench networks -- NAME` selects benchmarks.

mod devices;

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gradrace::data::split::{Split, split};
use gradrace::data::{Elements, Request, Samples, load};
use gradrace::device::Device;
use gradrace::error::Result;
use gradrace::mlp::{Plan, Problem, Trainer};
use gradrace::optimizer::{Look, Next, Rule, Schedule, WarmUp, Watch};
use gradrace::race::device::{self, is_software, with};

const BATCH: usize = 128;
/// Steps per epoch; the second constant is for a software adapter, which only has to train.
const STEPS: usize = 100;
const SOFTWARE_STEPS: usize = 4;
const NETWORKS: [(&str, &[usize]); 2] = [("none", &[]), ("300-100", &[300, 100])];

/// Records the time of the last look: scoring and reading the answer after it are not training.
struct Stopwatch {
    start: Instant,
    elapsed: Duration,
}

impl<S> Watch<S> for Stopwatch {
    fn look(&mut self, look: Look<'_, S>) -> Result<Next> {
        if look.last {
            self.elapsed = self.start.elapsed();
        }
        Ok(Next::Continue)
    }
}

fn train<D: Device>(device: &mut D, problem: &Problem<D>, plan: &Plan) -> Duration {
    let mut trainer = Trainer::prepare(device, problem, plan).expect("it fits");
    let start = Instant::now();
    let mut watch = Stopwatch {
        start,
        elapsed: Duration::ZERO,
    };
    trainer.solve(device, &mut watch).expect("it trains");
    watch.elapsed
}

fn upload<D: Device>(device: &mut D, train: Samples, test: &Samples) -> Problem<D> {
    Problem::upload(device, &Arc::new(train), &Arc::new(test.clone())).expect("it fits")
}

fn without_zeros(samples: &Samples) -> Samples {
    let mut samples = samples.clone();
    if let Elements::U8(pixels) = &mut samples.elements {
        pixels.iter_mut().for_each(|x| *x = (*x).max(1));
    }
    samples
}

fn all<D: Device>(criterion: &mut Criterion, mut device: D, label: &str, split: &Split) {
    let problem = upload(&mut device, split.train.clone(), &split.test);
    let steps = split.train.n / BATCH;
    let case = format!("mlp/{}", split.train.spec);
    let dense = upload(&mut device, without_zeros(&split.train), &split.test);
    let plan = |layers: &[usize], rule, epochs| Plan {
        layers: layers.to_vec(),
        rule,
        learning_rate: 1e-3,
        schedule: Schedule::named("constant"),
        warm_up: WarmUp::None,
        weight_decay: 0.0,
        batch: Some(BATCH),
        epochs,
        seed: 1,
    };
    for (name, layers) in NETWORKS {
        for rule in Rule::plain() {
            let name = format!("{case}/{name}/{}, step", rule.name());
            let mut group = devices::group(criterion, &name);
            group.throughput(Throughput::Elements(BATCH as u64));
            group.bench_function(label, |bencher| {
                bencher.iter_custom(|times| {
                    let epochs = times.div_ceil(steps as u64);
                    let elapsed = train(&mut device, &problem, &plan(layers, rule, epochs));
                    elapsed.mul_f64(times as f64 / (epochs * steps as u64) as f64)
                });
            });
            group.finish();
        }
        for (rule, problem, of) in [
            (Rule::named("sgd"), &problem, ""),
            (Rule::named("adam"), &problem, ""),
            (Rule::named("sgd"), &dense, ", no zeros"),
        ] {
            let name = format!("{case}/{name}/{}, epoch{of}", rule.name());
            let mut group = devices::group(criterion, &name);
            group.throughput(Throughput::Elements((steps * BATCH) as u64));
            group.bench_function(label, |bencher| {
                bencher
                    .iter_custom(|times| train(&mut device, problem, &plan(layers, rule, times)));
            });
            group.finish();
        }
    }
}

fn networks(criterion: &mut Criterion) {
    let drawn = |steps: usize| {
        let request = Request {
            spec: format!("digits:n={}", steps * BATCH),
            quiet: true,
            ..Request::default()
        };
        let samples = load(&request).expect("digits need no file");
        split(samples, &request, None).expect("they have labels")
    };
    let (full, few) = (drawn(STEPS), drawn(SOFTWARE_STEPS));
    for spec in devices::devices() {
        let label = devices::label(spec);
        let split = if is_software(spec) { &few } else { &full };
        let device = device::open(spec).expect("it was found");
        with!(device, device => all(criterion, device, &label, split));
    }
}

criterion_group!(benches, networks);
criterion_main!(benches);
