//! Benchmarks of whole solves on every device found (the CPU with one thread and with all).
//!
//! A solve goes from samples on the device to the answer, like a repeat of `gradrace run`. Each answer is checked
//! before it is timed, and every timed answer must be bit-identical to it. Groups are named like the cases, without the
//! device. `cargo bench --bench solves -- NAME` selects benchmarks.

mod devices;

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use gradrace::data::split::split;
use gradrace::data::{Request, Samples, Statistics, load};
use gradrace::mlp;
use gradrace::optimizer::{Blind, Ended, Rule};
use gradrace::pca::{self, Method, OperatorKind, Reference};
use gradrace::race::case::Case;
use gradrace::race::device::is_software;
use gradrace::race::job::{Answer, Job};
use gradrace::race::lane::{self, Lane, Material};
use gradrace::race::name::{Kind, ProblemKind};

/// Small data; the suite `scale` shows from which size a GPU wins.
const DATA: &str = "digits:n=2000";
/// Data for a software adapter, which only has to end with the right answer.
const SOFTWARE_DATA: &str = "spectrum:n=200,d=64";
const SOFTWARE_NETWORK_DATA: &str = "digits:n=200";
/// Number of components.
const COMPONENTS: usize = 3;

fn cases() -> Vec<Case> {
    let pca = |method, operator, rule| Case {
        method,
        operator: Some(operator),
        optimizer: Some(rule),
        components: COMPONENTS,
        ..Case::default()
    };
    let network = |layers: &[usize], rule| Case {
        problem: ProblemKind::Mlp,
        layers: Some(layers.to_vec()),
        optimizer: Some(rule),
        epochs: 1,
        ..Case::default()
    };
    vec![
        pca(Method::Deflation, OperatorKind::Covariance, Rule::Nesterov),
        pca(Method::Subspace, OperatorKind::Covariance, Rule::Nesterov),
        pca(Method::Subspace, OperatorKind::Samples, Rule::Nesterov),
        pca(Method::Subspace, OperatorKind::Samples, Rule::Adam),
        pca(Method::Direct, OperatorKind::Covariance, Rule::Sgd),
        network(&[], Rule::Sgd),
        network(&[300, 100], Rule::Adam),
    ]
}

/// What answers are checked against.
enum Judge {
    Pca(Box<Reference>),
    Mlp { test: Arc<Samples>, classes: usize },
}

impl Judge {
    /// One sentence per fault of an answer.
    fn failures(&self, job: &Job, answer: &Answer) -> Vec<String> {
        let (mut failures, to_the_end) = match (self, job, answer) {
            (Self::Pca(reference), _, Answer::Pca(outcome)) => {
                let failures = pca::Assessment::of(outcome, reference).failures;
                let ended = matches!(outcome.ended, Ended::Converged | Ended::Floor);
                (failures, ended)
            }
            (Self::Mlp { test, classes }, Job::Mlp(plan), Answer::Mlp(outcome)) => {
                let failures = mlp::Assessment::of(outcome, plan, test, *classes).failures;
                (failures, outcome.ended == Ended::Iterations)
            }
            _ => unreachable!("an answer has the problem of its job"),
        };
        if !to_the_end {
            failures.push(format!("it ended {:?}", answer.ended()));
        }
        failures
    }
}

/// The samples of one problem with what is derived from them.
struct Task {
    samples: Arc<Samples>,
    material: Material,
    judge: Judge,
}

impl Task {
    fn new(problem: ProblemKind, spec: &str) -> Self {
        let request = Request {
            spec: spec.into(),
            quiet: true,
            ..Request::default()
        };
        let samples = load(&request).expect("they need no file");
        if problem == ProblemKind::Mlp {
            let split = split(samples, &request, None).expect("they have labels");
            let (samples, test) = (Arc::new(split.train), Arc::new(split.test));
            let classes = mlp::classes(&samples, &test);
            return Self {
                samples,
                material: Material::Mlp(test.clone()),
                judge: Judge::Mlp { test, classes },
            };
        }
        let samples = Arc::new(samples);
        let statistics = Statistics::of(&samples, 1);
        let reference = Reference::new(&samples, &statistics, COMPONENTS).expect("it has one");
        Self {
            samples,
            material: Material::Pca(statistics),
            judge: Judge::Pca(Box::new(reference)),
        }
    }
}

/// Times one case on one device.
fn bench(criterion: &mut Criterion, lane: &mut dyn Lane, case: &Case, task: &Task) {
    let id = case.id(&task.samples.spec);
    let name = id.replacen(&format!("/{}/", case.device), "/", 1);
    let mut checked = None;
    let mut group = devices::group(criterion, &name);
    group.bench_function(devices::label(case.device), |bencher| {
        let answer = checked.get_or_insert_with(|| {
            let job = case.job().expect("devices compute in its precision");
            lane.prepare(&job).expect("it fits");
            let (answer, _) = lane.solve(&mut Blind).expect("it solves");
            let failures = task.judge.failures(&job, &answer);
            assert!(failures.is_empty(), "{id}: {}", failures.join("; "));
            answer
        });
        bencher.iter_custom(|times| {
            let mut elapsed = Duration::ZERO;
            for _ in 0..times {
                let start = Instant::now();
                let (again, _) = lane.solve(&mut Blind).expect("it solves");
                elapsed += start.elapsed();
                assert!(
                    again.same_bits(answer),
                    "{id}: a repeat is not bit-identical"
                );
            }
            elapsed
        });
    });
    group.finish();
}

fn solves(criterion: &mut Criterion) {
    let (software, hardware): (Vec<_>, Vec<_>) = devices::devices()
        .into_iter()
        .partition(|spec| is_software(*spec));
    for (problem, data, devices) in [
        (ProblemKind::Pca, DATA, &hardware),
        (ProblemKind::Mlp, DATA, &hardware),
        (ProblemKind::Pca, SOFTWARE_DATA, &software),
        (ProblemKind::Mlp, SOFTWARE_NETWORK_DATA, &software),
    ] {
        let task = Task::new(problem, data);
        for &spec in devices {
            let opened = lane::open(spec, &task.samples, &task.material).expect("it was found");
            let mut opened = opened.expect("the samples fit");
            let mut lane = opened.lane();
            // wgpu has no dense eigensolver.
            let able = |case: &Case| case.method != Method::Direct || spec.kind != Kind::Wgpu;
            let cases = cases().into_iter();
            let cases = cases.filter(|case| case.problem == problem && able(case));
            for case in cases {
                let case = Case {
                    device: spec,
                    ..case
                };
                bench(criterion, lane.as_mut(), &case.settled(), &task);
            }
        }
    }
}

criterion_group!(benches, solves);
criterion_main!(benches);
