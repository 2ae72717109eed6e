//! Benchmarks of whole solves on every device found (the CPU with one thread and with all).
//!
//! A solve goes from samples on the device to the answer, like a repeat of `gradrace run`. Each answer is checked
//! before it is timed, and every timed answer must be bit-identical to it. Groups are named like the cases, without the
//! device. `cargo bench --bench solves -- NAME` selects benchmarks.

mod devices;

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use gradrace::data::{Request, Samples, Standardize, load};
use gradrace::mlp;
use gradrace::optimizer::{Blind, Ended, Rule};
use gradrace::pca::{self, Method, OperatorKind};
use gradrace::race::case::Case;
use gradrace::race::device::{DeviceSpec, is_software};
use gradrace::race::lane::{self, Lane};
use gradrace::race::name::{Kind, ProblemKind};
use gradrace::race::problem::mlp::Mlp;
use gradrace::race::problem::pca::Pca;
use gradrace::race::problem::{Answer, Problem};
use gradrace::race::task::Draft;

/// Small data; the suite `scale` shows from which size a GPU wins.
const DATA: &str = "digits:n=2000";
/// Data for a software adapter, which only has to end with the right answer.
const SOFTWARE_DATA: &str = "spectrum:n=200,d=64";
const SOFTWARE_NETWORK_DATA: &str = "digits:n=200";
/// Number of components.
const COMPONENTS: usize = 3;

fn components() -> Vec<Case<Pca>> {
    let case = |method, operator, rule| {
        let mut draft = Draft::default();
        draft.pca.method = method;
        draft.pca.components = COMPONENTS;
        draft.pca.steps.operator = operator;
        draft.set_rule(rule);
        let task = draft.pca.clone().settled();
        draft.settled().with(task)
    };
    vec![
        case(
            Method::Deflation,
            OperatorKind::Covariance,
            Rule::named("nesterov"),
        ),
        case(
            Method::Subspace,
            OperatorKind::Covariance,
            Rule::named("nesterov"),
        ),
        case(
            Method::Subspace,
            OperatorKind::Samples,
            Rule::named("nesterov"),
        ),
        case(Method::Subspace, OperatorKind::Samples, Rule::named("adam")),
        case(Method::Direct, OperatorKind::Covariance, Rule::named("sgd")),
    ]
}

fn networks() -> Vec<Case<Mlp>> {
    let case = |layers: &[usize], rule| {
        let task = Mlp {
            layers: layers.to_vec(),
            rule,
            epochs: 1,
            ..Mlp::default()
        };
        let draft = Draft {
            problem: ProblemKind::Mlp,
            mlp: task.clone(),
            ..Draft::default()
        };
        draft.settled().with(task)
    };
    vec![
        case(&[], Rule::named("sgd")),
        case(&[300, 100], Rule::named("adam")),
    ]
}

/// Says what is wrong with an answer.
type Failures<P> = dyn Fn(&<P as Problem>::Plan, &<P as Problem>::Answer) -> Vec<String>;

/// Samples and what belongs to them, of one problem.
struct Set<P: Problem> {
    samples: Arc<Samples>,
    material: P::Material,
    /// What is wrong with an answer, in words.
    failures: Box<Failures<P>>,
    /// How a solve ends that found its answer.
    ends: &'static [Ended],
}

/// The samples of a spec as a problem takes them.
fn material<P: Problem>(spec: &str) -> (Arc<Samples>, P::Material) {
    let request = Request {
        spec: spec.into(),
        quiet: true,
        ..Request::default()
    };
    let samples = load(&request).expect("they need no file");
    let columns = Standardize::None;
    let (samples, held) = P::divide(samples, columns, &request, None).expect("they suit it");
    let (samples, material, _) = P::material(samples, columns, held).expect("they fit");
    (Arc::new(samples), material)
}

fn components_of(spec: &str) -> Set<Pca> {
    let (samples, statistics) = material::<Pca>(spec);
    let reference = pca::Reference::new(&samples, &statistics, COMPONENTS).expect("it has one");
    Set {
        samples,
        material: statistics,
        failures: Box::new(move |_, outcome| pca::Assessment::of(outcome, &reference).failures),
        ends: &[Ended::Converged, Ended::Floor],
    }
}

fn networks_of(spec: &str) -> Set<Mlp> {
    let (samples, test) = material::<Mlp>(spec);
    let classes = mlp::classes(&samples, &test);
    Set {
        samples,
        material: Arc::clone(&test),
        failures: Box::new(move |plan, outcome| {
            mlp::Assessment::of(outcome, plan, &test, classes).failures
        }),
        ends: &[Ended::Iterations],
    }
}

/// Times one case on one device.
fn bench<P: Problem>(
    criterion: &mut Criterion,
    lane: &mut dyn Lane<P>,
    case: &Case<P>,
    set: &Set<P>,
) {
    let id = case.id(&set.samples.spec);
    let name = id.replacen(&format!("/{}/", case.device), "/", 1);
    let mut checked = None;
    let mut group = devices::group(criterion, &name);
    group.bench_function(devices::label(case.device), |bencher| {
        let answer = checked.get_or_insert_with(|| {
            let plan = P::plan(case).expect("devices compute in its precision");
            lane.prepare(&plan).expect("it fits");
            let (answer, _) = lane.solve(&mut Blind).expect("it solves");
            let mut failures = (set.failures)(&plan, &answer);
            if !set.ends.contains(&answer.ended()) {
                failures.push(format!("it ended {:?}", answer.ended()));
            }
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

/// Times every case on every device that can run it.
fn race<P: Problem>(
    criterion: &mut Criterion,
    set: &Set<P>,
    cases: &[Case<P>],
    devices: &[DeviceSpec],
    able: fn(&P, DeviceSpec) -> bool,
) {
    for &spec in devices {
        let opened = lane::open(spec, &set.samples, &set.material).expect("it was found");
        let mut opened = opened.expect("the samples fit");
        let mut lane = opened.lane();
        for case in cases.iter().filter(|case| able(&case.task, spec)) {
            let case = Case {
                device: spec,
                ..case.clone()
            };
            bench(criterion, lane.as_mut(), &case, set);
        }
    }
}

fn solves(criterion: &mut Criterion) {
    let (software, hardware): (Vec<_>, Vec<_>) = devices::devices()
        .into_iter()
        .partition(|spec| is_software(*spec));
    // wgpu has no dense eigensolver.
    let able =
        |task: &Pca, spec: DeviceSpec| task.method() != Method::Direct || spec.kind != Kind::Wgpu;
    for (devices, data, network_data) in [
        (&hardware, DATA, DATA),
        (&software, SOFTWARE_DATA, SOFTWARE_NETWORK_DATA),
    ] {
        let set = components_of(data);
        race(criterion, &set, &components(), devices, able);
        let set = networks_of(network_data);
        race(criterion, &set, &networks(), devices, |_, _| true);
    }
}

criterion_group!(benches, solves);
criterion_main!(benches);
