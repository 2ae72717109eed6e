//! Every method, operator and rule against the reference, on small data with known awkwardness, on every device.

use std::sync::Arc;

use super::{Check, check};
use crate::data::{Elements, Request, Samples, Statistics, load};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::optimizer::{Blind, Rule, WarmUp};
use crate::pca::{
    Assessment, Ended, Method, OperatorKind, Outcome, Plan, Problem, Reference, Solver,
};

/// The sine that an answer in f32 owes on data with a gap.
const SINE: f64 = 1e-3;

/// A plan with the defaults of the command line.
pub fn plan(method: Method, operator: OperatorKind, rule: Rule, components: usize) -> Plan {
    Plan {
        method,
        operator,
        rule,
        gradient: None,
        learning_rate: None,
        schedule: None,
        warm_up: WarmUp::None,
        components,
        batch: None,
        epochs: 20,
        tolerance: 1e-6,
        max_iterations: 20_000,
        seed: 1,
    }
}

/// Solves once and checks.
///
/// # Errors
/// As the device says.
pub fn solve<D: Device>(
    device: &mut D,
    samples: &Arc<Samples>,
    plan: &Plan,
) -> Result<(Outcome, Assessment)> {
    let statistics = Statistics::of(samples, 1);
    let problem = Problem::upload(device, samples, &statistics)?;
    let outcome = Solver::prepare(device, &problem, plan)?.solve(device, &mut Blind)?;
    let reference = Reference::new(samples, &statistics, plan.components)?;
    let assessment = Assessment::of(&outcome, &reference);
    Ok((outcome, assessment))
}

/// The sine of a solve.
///
/// # Errors
/// As the device says, and when the answer is not what it owes.
pub(super) fn solve_well<D: Device>(
    device: &mut D,
    samples: &Arc<Samples>,
    plan: &Plan,
) -> Result<f64> {
    let (outcome, assessment) = solve(device, samples, plan)?;
    let sine = assessment.accuracy.subspace_sine.unwrap_or(f64::NAN);
    let sound = outcome.ended != Ended::Diverged && assessment.failures.is_empty();
    if sound && sine <= SINE {
        return Ok(sine);
    }
    Err(Error::failed(format!(
        "{:?} after {} iterations, sine {sine:.1e}, {}",
        outcome.ended,
        outcome.iterations,
        assessment.failures.join("; ")
    )))
}

pub(super) fn generated(spec: &str) -> Result<Arc<Samples>> {
    load(&Request {
        spec: spec.into(),
        quiet: true,
        ..Request::default()
    })
    .map(Arc::new)
}

/// The data sets: bytes and floats, tall and wide, a mean that dwarfs the deviation, fewer dimensions than a vector has
/// lanes.
fn data_sets() -> Result<Vec<(&'static str, Arc<Samples>, usize)>> {
    let spectrum = generated("spectrum:n=300,d=64,decay=0.7,seed=3")?;
    let mut offset = (*spectrum).clone();
    if let Elements::F32(x) = &mut offset.elements {
        x.iter_mut().for_each(|x| *x = 1e20 * (*x + 100.0));
    }
    offset.known = None;
    Ok(vec![
        ("digits", generated("digits:n=500,seed=2")?, 4),
        ("spectrum 300 x 64", spectrum, 5),
        (
            "spectrum 31 x 257",
            generated("spectrum:n=31,d=257,decay=0.6,seed=4")?,
            4,
        ),
        (
            "spectrum 33 x 3",
            generated("spectrum:n=33,d=3,decay=0.5,seed=5")?,
            2,
        ),
        (
            "spectrum 300 x 64 at 1e22, deviation 1e20",
            Arc::new(offset),
            3,
        ),
    ])
}

/// Runs the kernels' checks ([`super::run`], with inputs from the seed) and then, unless they are to be left out, the
/// methods' on a device.
///
/// # Errors
/// As [`run`].
pub fn run_all<D: Device>(
    device: &mut D,
    seed: u64,
    kernels_alone: bool,
    tell: &mut dyn FnMut(&Check),
) -> Result<()> {
    super::run(device, seed, tell);
    if kernels_alone {
        return Ok(());
    }
    run(device, tell)
}

/// Runs every method, operator and rule on a device.
///
/// # Errors
/// When the data cannot be made: a fault of this program.
pub fn run<D: Device>(device: &mut D, tell: &mut dyn FnMut(&Check)) -> Result<()> {
    for (name, samples, k) in data_sets()? {
        let mut plans = vec![plan(
            Method::Direct,
            OperatorKind::Covariance,
            Rule::named("sgd"),
            k,
        )];
        for method in [Method::Deflation, Method::Subspace] {
            for operator in [OperatorKind::Samples, OperatorKind::Covariance] {
                plans.extend(Rule::plain().map(|rule| plan(method, operator, rule, k)));
            }
        }
        for plan in plans {
            let outcome = solve_well(device, &samples, &plan);
            let title = match plan.method {
                Method::Direct => format!("direct on {name}"),
                method => format!(
                    "{method:?} on {:?}, {}, {:?} gradient, on {name}",
                    plan.operator,
                    plan.rule.name(),
                    plan.gradient()
                )
                .to_lowercase(),
            };
            tell(&check(title, outcome));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Verdict as Told;
    use super::*;
    use crate::device::cpu::Cpu;
    use crate::device::cuda::emulated;

    #[test]
    fn every_method_operator_and_rule_finds_the_eigenvectors() {
        let mut cpu = Cpu::open(1).expect("one thread is always there");
        let mut failures = Vec::new();
        let mut checks = 0;
        run(&mut cpu, &mut |check| {
            checks += 1;
            println!("{} {:?} {:.1e}", check.name, check.verdict, check.error);
            if check.verdict != Told::Pass {
                failures.push(format!("{}: {:?}", check.name, check.verdict));
            }
        })
        .expect("the data can be made");
        assert_eq!(checks, 5 * (1 + 4 * Rule::plain().count()));
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    #[test]
    fn the_same_seed_gives_the_same_bits() {
        let samples = generated("digits:n=300,seed=2").expect("digits need no file");
        for threads in [1, crate::machine::cores()] {
            let mut cpu = Cpu::open(threads).expect("this machine has the cores");
            let plan = plan(
                Method::Deflation,
                OperatorKind::Samples,
                Rule::named("adam"),
                2,
            );
            let first = solve(&mut cpu, &samples, &plan).expect("it solves").0;
            let second = solve(&mut cpu, &samples, &plan).expect("it solves").0;
            assert_eq!(first, second);
        }
    }

    /// Every method and operator that steps.
    const STEPPING: [(Method, OperatorKind); 4] = [
        (Method::Deflation, OperatorKind::Samples),
        (Method::Deflation, OperatorKind::Covariance),
        (Method::Subspace, OperatorKind::Samples),
        (Method::Subspace, OperatorKind::Covariance),
    ];

    #[test]
    fn a_step_on_small_samples_is_at_most_three_nodes_of_a_cuda_graph() {
        let samples = generated("spectrum:n=1000,d=64,seed=3").expect("it needs no file");
        let statistics = Statistics::of(&samples, 1);
        for (method, operator) in STEPPING {
            let mut counts = Vec::new();
            for rule in Rule::plain() {
                for batch in [None, Some(100)] {
                    if batch.is_some() && operator == OperatorKind::Covariance {
                        continue;
                    }
                    // As many multiprocessors as an H200 has: small samples are spread as they would be there.
                    let mut device = emulated::card(false, 132);
                    let problem = Problem::upload(&mut device, &samples, &statistics);
                    let problem = problem.expect("it fits");
                    let plan = Plan {
                        batch,
                        ..plan(method, operator, rule, 10)
                    };
                    Solver::prepare(&mut device, &problem, &plan).expect("it prepares");
                    counts.push(device.captured());
                }
            }
            println!("{method:?}, {operator:?}: {counts:?}");
            assert!(counts.iter().all(|&nodes| (1..=3).contains(&nodes)));
        }
    }

    mod needs_wgpu {
        use super::*;
        use crate::device::wgpu::Wgpu;

        #[test]
        #[ignore = "needs wgpu: scripts/setup installs a software adapter"]
        fn a_second_solve_on_an_adapter_gives_the_same_bits_and_allocates_nothing() {
            let mut device = Wgpu::open(0).expect("an adapter");
            let samples = generated("digits:n=300,seed=2").expect("digits need no file");
            let statistics = Statistics::of(&samples, 1);
            for (method, operator) in [
                (Method::Deflation, OperatorKind::Samples),
                (Method::Subspace, OperatorKind::Covariance),
            ] {
                let problem = Problem::upload(&mut device, &samples, &statistics).expect("it fits");
                let plan = plan(method, operator, Rule::named("adam"), 2);
                let mut solver =
                    Solver::prepare(&mut device, &problem, &plan).expect("it prepares");
                let first = solver.solve(&mut device, &mut Blind).expect("it solves");
                let before = device.allocations();
                let second = solver.solve(&mut device, &mut Blind).expect("it solves");
                // Asking takes a number of its own.
                assert_eq!(device.allocations(), before + 1);
                assert_eq!(first, second);
            }
        }

        #[test]
        #[ignore = "needs wgpu: scripts/setup installs a software adapter"]
        fn samples_over_the_limit_of_a_buffer_are_split_and_give_the_same_answer() {
            let mut device = Wgpu::open(0).expect("an adapter");
            // Rows of 784 bytes, 64 floats: blocks of 167 and of 512 rows.
            device.limit_buffers(1 << 17);
            for (spec, k) in [
                ("digits:n=500,seed=2", 3),
                ("spectrum:n=700,d=64,decay=0.7,seed=3", 3),
            ] {
                let samples = generated(spec).expect("it needs no file");
                for batch in [None, Some(100)] {
                    let plan = Plan {
                        batch,
                        ..plan(
                            Method::Deflation,
                            OperatorKind::Samples,
                            Rule::named("sgd"),
                            k,
                        )
                    };
                    let (outcome, assessment) =
                        solve(&mut device, &samples, &plan).expect("it solves");
                    let whole = solve(&mut Cpu::open(1).expect("a thread"), &samples, &plan);
                    let steps = whole.expect("it solves").0.iterations as f64;
                    let sine = assessment.accuracy.subspace_sine.expect("a reference");
                    assert!(assessment.failures.is_empty(), "{:?}", assessment.failures);
                    assert!(
                        sine < if batch.is_some() { 0.2 } else { SINE },
                        "{spec}: {sine}"
                    );
                    let ratio = outcome.iterations as f64 / steps;
                    assert!((0.95..=1.05).contains(&ratio), "{spec}: {ratio}");
                }
            }
        }
    }

    mod needs_emulation {
        use super::*;

        #[test]
        #[ignore = "needs emulation: Linux with a C++ compiler"]
        fn every_operator_finds_the_eigenvectors_on_the_emulated_kernels() {
            let mut device = emulated::open(false);
            use Method::{Deflation, Subspace};
            let [all, dense] = [OperatorKind::Samples, OperatorKind::Covariance];
            for (spec, k, method, operator, rule) in [
                ("digits:n=500,seed=2", 2, Deflation, all, Rule::named("sgd")),
                (
                    "digits:n=150,seed=2",
                    2,
                    Subspace,
                    all,
                    Rule::named("momentum"),
                ),
                (
                    "spectrum:n=300,d=64,decay=0.7,seed=3",
                    3,
                    Deflation,
                    dense,
                    Rule::named("adam"),
                ),
                (
                    "spectrum:n=300,d=64,decay=0.7,seed=3",
                    3,
                    Deflation,
                    all,
                    Rule::named("adagrad"),
                ),
                (
                    "spectrum:n=31,d=257,decay=0.6,seed=4",
                    4,
                    Subspace,
                    dense,
                    Rule::named("nesterov"),
                ),
                (
                    "spectrum:n=33,d=3,decay=0.5,seed=5",
                    2,
                    Deflation,
                    all,
                    Rule::named("rmsprop"),
                ),
            ] {
                let samples = generated(spec).expect("it needs no file");
                let plan = plan(method, operator, rule, k);
                let sine = solve_well(&mut device, &samples, &plan);
                let sine = sine.unwrap_or_else(|e| panic!("{spec}, {method:?}, {operator:?}: {e}"));
                println!("{spec}, {method:?}, {operator:?}: {sine:.1e}");
            }
        }

        #[test]
        #[ignore = "needs emulation: Linux with a C++ compiler"]
        fn a_second_solve_on_the_emulated_kernels_gives_the_same_bits_and_allocates_nothing() {
            let mut device = emulated::open(false);
            let samples = generated("digits:n=300,seed=2").expect("digits need no file");
            let statistics = Statistics::of(&samples, 1);
            for (method, operator) in [
                (Method::Deflation, OperatorKind::Samples),
                (Method::Subspace, OperatorKind::Covariance),
            ] {
                let problem = Problem::upload(&mut device, &samples, &statistics).expect("it fits");
                let plan = plan(method, operator, Rule::named("momentum"), 2);
                let mut solver =
                    Solver::prepare(&mut device, &problem, &plan).expect("it prepares");
                let first = solver.solve(&mut device, &mut Blind).expect("it solves");
                let before = device.allocations();
                let second = solver.solve(&mut device, &mut Blind).expect("it solves");
                assert_eq!(device.allocations(), before);
                assert!(first == second, "{method:?}");
            }
        }

        #[test]
        #[ignore = "needs emulation: Linux with a C++ compiler"]
        fn samples_split_over_buffers_give_the_same_answer_on_the_emulated_kernels() {
            let mut device = emulated::open(false);
            // Rows of 64 floats: blocks of 128 rows.
            device.limit_buffers(1 << 15);
            let samples =
                generated("spectrum:n=300,d=64,decay=0.7,seed=3").expect("it needs no file");
            for batch in [None, Some(100)] {
                let plan = Plan {
                    batch,
                    ..plan(
                        Method::Deflation,
                        OperatorKind::Samples,
                        Rule::named("sgd"),
                        3,
                    )
                };
                let (_, assessment) = solve(&mut device, &samples, &plan).expect("it solves");
                let sine = assessment.accuracy.subspace_sine.expect("a reference");
                assert!(assessment.failures.is_empty(), "{:?}", assessment.failures);
                assert!(sine < if batch.is_some() { 0.2 } else { SINE }, "{sine}");
            }
        }

        /// Solves on the emulated kernels, each pass in both orders of threads, with the passes of a step in chains or not.
        fn chained_or_not(samples: &Arc<Samples>, plan: &Plan, chained: bool) -> (Outcome, usize) {
            let mut device = emulated::open(true);
            if !chained {
                device.leave_unchained();
            }
            let statistics = Statistics::of(samples, 1);
            let problem = Problem::upload(&mut device, samples, &statistics).expect("it fits");
            let mut solver = Solver::prepare(&mut device, &problem, plan).expect("it prepares");
            let nodes = device.captured();
            let outcome = solver.solve(&mut device, &mut Blind).expect("it solves");
            (outcome, nodes)
        }

        /// Asserts that chains change no bit, and returns how many launches a step has with them and without.
        fn assert_same_bits(samples: &Arc<Samples>, plan: &Plan) -> [usize; 2] {
            let [(chained, fewer), (unchained, more)] =
                [true, false].map(|chained| chained_or_not(samples, plan, chained));
            // Not a number is not itself: as text it is.
            assert_eq!(format!("{chained:?}"), format!("{unchained:?}"), "{plan:?}");
            assert!(fewer < more, "{plan:?}");
            [fewer, more]
        }

        #[test]
        #[ignore = "needs emulation: Linux with a C++ compiler"]
        fn chains_leave_the_bits_of_their_passes_for_every_rule_and_method() {
            let samples =
                generated("spectrum:n=60,d=64,decay=0.7,seed=3").expect("it needs no file");
            // Without states, with a velocity, with sizes too, with norms: a library is compiled for every chain.
            for rule in ["sgd", "nesterov", "adam", "lamb"].map(Rule::named) {
                for (method, operator) in STEPPING {
                    let plan = Plan {
                        // A component ends by its criterion, or between two looks by the limit.
                        tolerance: 0.2,
                        max_iterations: 20,
                        ..plan(method, operator, rule, 2)
                    };
                    let [chained, apart] = assert_same_bits(&samples, &plan);
                    println!(
                        "{rule:?}, {method:?}, {operator:?}: {apart} launches, {chained} in chains"
                    );
                }
            }
        }

        #[test]
        #[ignore = "needs emulation: Linux with a C++ compiler"]
        fn chains_leave_the_bits_of_bytes_batches_longer_vectors_and_divergence() {
            let [digits, long] = ["digits:n=40,seed=2", "spectrum:n=31,d=257,decay=0.6,seed=4"]
                .map(|spec| generated(spec).expect("it needs no file"));
            let sgd = Plan {
                max_iterations: 6,
                ..plan(
                    Method::Deflation,
                    OperatorKind::Samples,
                    Rule::named("sgd"),
                    2,
                )
            };
            assert_same_bits(&digits, &sgd);
            assert_same_bits(&long, &sgd);
            let batch = Plan {
                batch: Some(10),
                ..sgd.clone()
            };
            assert_same_bits(&digits, &batch);
            let diverging = Plan {
                learning_rate: Some(1e38),
                ..sgd
            };
            assert_same_bits(&long, &diverging);
            let (outcome, _) = chained_or_not(&long, &diverging, true);
            assert_eq!(outcome.ended, Ended::Diverged);
        }
    }
}
