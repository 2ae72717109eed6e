use std::cell::RefCell;
use std::time::Duration;

use super::super::clock::pass;
use super::super::device::{DeviceSpec, Threads};
use super::super::problem::pca::Pca;
use super::super::task::Draft;
use super::*;
use crate::error::Error;
use crate::pca::{Basis, Look, Next, Outcome, Plan, Watch};

/// What a lane does at its solve number `call`, counted from 0.
type Behaviour = fn(call: usize, steps: &mut u64, component: &mut f32, step: &mut Duration);

/// A lane that takes steps and notes its name at each solve.
struct Fake<'a> {
    name: &'static str,
    behaviour: Behaviour,
    calls: usize,
    log: &'a RefCell<Vec<&'static str>>,
}

impl Lane<Pca> for Fake<'_> {
    fn prepare(&mut self, plan: &Plan) -> Result<()> {
        match plan.components {
            9 => Err(Error::unsupported("nine is too many")),
            _ => Ok(()),
        }
    }

    fn solve(&mut self, watch: &mut dyn Watch<Basis>) -> Result<(Outcome, Option<f64>)> {
        self.log.borrow_mut().push(self.name);
        let (mut steps, mut component, mut step) = (40, 1.0, Duration::from_millis(1));
        (self.behaviour)(self.calls, &mut steps, &mut component, &mut step);
        self.calls += 1;
        let mut ended = Ended::Converged;
        let mut iterations = 0;
        for iteration in 1..=steps {
            pass(step);
            iterations = iteration;
            let mut snapshot = || {
                Ok(Basis {
                    order: 1,
                    rows: vec![iteration as f32],
                })
            };
            let last = iteration == steps;
            let look = Look {
                iteration,
                passes: iteration as f64,
                component: 0,
                last,
                snapshot: &mut snapshot,
            };
            if watch.look(look)? == Next::Stop {
                ended = Ended::Stopped;
                break;
            }
        }
        if component.is_nan() {
            ended = Ended::Diverged;
        }
        let outcome = Outcome {
            ended,
            eigenvalues: vec![1.0],
            components: vec![component.into()],
            residuals: vec![0.0],
            iterations,
            passes: iterations as f64,
            bytes: 1.0,
            flops: 1.0,
            host_passes: 0.0,
            learning_rate: 1.0,
            residual: 0.0,
            fault: None,
        };
        // The device named c has a clock.
        Ok((outcome, (self.name == "c").then_some(self.calls as f64)))
    }
}

fn steady(_: usize, _: &mut u64, _: &mut f32, _: &mut Duration) {}

/// What a heat gives, one result a lane.
type Heat = Vec<Result<Measured<Outcome>>>;

/// A case of principal components.
fn pca(draft: Draft) -> Case<Pca> {
    let task = draft.pca.clone().settled();
    draft.settled().with(task)
}

/// Runs a heat of such lanes; the error falls as one over the step. With it the order of the solves.
fn heat(
    behaviours: &[(&'static str, Behaviour)],
    repeats: Option<usize>,
    change: fn(&mut Draft),
    interrupted: &AtomicBool,
) -> (Option<Heat>, Vec<&'static str>) {
    let mut draft = Draft {
        target: Some(0.1),
        ..Draft::default()
    };
    draft.pca.components = 1;
    change(&mut draft);
    let cases: Vec<Case<Pca>> = (1..=behaviours.len())
        .map(|n| {
            pca(Draft {
                device: DeviceSpec::cpu(Threads::Count(n)),
                ..draft.clone()
            })
        })
        .collect();
    let log = RefCell::new(Vec::new());
    let starters = behaviours
        .iter()
        .zip(&cases)
        .map(|(&(name, behaviour), case)| Starter {
            case,
            meter: None,
            lane: Box::new(Fake {
                name,
                behaviour,
                calls: 0,
                log: &log,
            }) as Box<dyn Lane<Pca>>,
        })
        .collect();
    let setting = Setting {
        evaluate: &|_, snapshot: &Basis| {
            Some(Errors {
                component: 0.5,
                whole: 1.0 / f64::from(snapshot.rows[0]),
                losses: None,
            })
        },
        interrupted,
        repeats,
        announce: &|_| {},
        tell: &|_, _| {},
    };
    let result = run(starters, &setting);
    (result, log.into_inner())
}

fn one(
    behaviour: Behaviour,
    repeats: Option<usize>,
    change: fn(&mut Draft),
) -> Result<Measured<Outcome>> {
    let (result, _) = heat(
        &[("a", behaviour)],
        repeats,
        change,
        &AtomicBool::new(false),
    );
    result.expect("not interrupted").remove(0)
}

#[test]
fn repeats_are_interleaved_over_the_devices_after_the_warm_up_of_all() {
    let never = AtomicBool::new(false);
    let lanes: &[(&'static str, Behaviour)] = &[("a", steady), ("b", steady)];
    let (results, log) = heat(lanes, Some(20), |_| {}, &never);
    assert!(
        results
            .unwrap()
            .iter()
            .all(|r| r.as_ref().unwrap().solve_s.len() == 20)
    );
    let counted = &log[log.len() - 40..];
    assert!(
        counted.chunks(2).all(|round| round[0] != round[1]),
        "{counted:?}"
    );
    let firsts = counted.chunks(2).filter(|round| round[0] == "a").count();
    assert!(
        (1..20).contains(&firsts),
        "the order within a round is drawn: {counted:?}"
    );
    let again = heat(lanes, Some(20), |_| {}, &never).1;
    assert_eq!(again[again.len() - 40..], *counted, "by the seed");
}

#[test]
fn the_time_to_the_target_is_read_off_the_curve_of_each_repeat() {
    let slow: Behaviour = |_, _, _, step| *step = Duration::from_millis(1);
    let measured = one(slow, Some(3), |_| {}).unwrap();
    assert_eq!((measured.solve_s.len(), measured.to_target_s.len()), (3, 3));
    for (to_target, solve) in measured.to_target_s.iter().zip(&measured.solve_s) {
        assert!(
            (0.01..*solve).contains(to_target),
            "10 of 40 steps: {to_target} of {solve}"
        );
    }
    let point = measured
        .curve
        .iter()
        .find(|point| point.error <= 0.1)
        .unwrap();
    assert_eq!(
        point.time_s, measured.to_target_s[0],
        "the curve has the times of the first repeat"
    );
    let never = one(steady, Some(3), |case| case.target = Some(1e-9)).unwrap();
    assert!(never.to_target_s.is_empty());
}

#[test]
fn a_device_with_a_clock_has_a_second_time_for_each_repeat_that_counts() {
    let never = AtomicBool::new(false);
    let lanes: &[(&'static str, Behaviour)] = &[("a", steady), ("c", steady)];
    let measured: Vec<Measured<Outcome>> = heat(lanes, Some(3), |_| {}, &never)
        .0
        .unwrap()
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(measured[0].device_s, None);
    let device_s = measured[1].device_s.as_ref().unwrap();
    let last = device_s[2];
    assert_eq!(
        *device_s,
        [last - 2.0, last - 1.0, last],
        "the last three solves"
    );
}

#[test]
fn other_bits_in_a_repeat_are_told() {
    let changing: Behaviour = |call, _, component, _| *component += call as f32;
    let measured = one(changing, Some(2), |_| {}).unwrap();
    assert!(measured.changed.unwrap().contains("other bits"));
    assert_eq!(one(steady, Some(2), |_| {}).unwrap().changed, None);
}

#[test]
fn a_long_solve_that_is_asked_for_once_is_run_once_and_counts() {
    let long: Behaviour = |_, _, _, step| *step = Duration::from_millis(40);
    for repeats in [Some(1), None] {
        let never = AtomicBool::new(false);
        let (results, log) = heat(&[("a", long)], repeats, |_| {}, &never);
        let measured = results.unwrap().remove(0).unwrap();
        assert_eq!(
            (log.len(), measured.solve_s.len(), measured.cold),
            (1, 1, true)
        );
    }
    let measured = one(steady, Some(1), |_| {}).unwrap();
    assert_eq!((measured.solve_s.len(), measured.cold), (1, false));
}

#[test]
fn a_time_limit_or_a_divergence_is_not_repeated() {
    let slow: Behaviour = |_, _, _, step| *step = Duration::from_millis(2);
    let limited = one(slow, Some(5), |case| case.time_limit_s = 0.01).unwrap();
    assert_eq!(
        (limited.answer.ended(), limited.solve_s.len()),
        (Ended::Stopped, 1)
    );
    let diverging: Behaviour = |_, _, component, _| *component = f32::NAN;
    let diverged = one(diverging, Some(5), |_| {}).unwrap();
    assert_eq!(
        (diverged.answer.ended(), diverged.solve_s.len()),
        (Ended::Diverged, 1)
    );
}

#[test]
fn a_repeat_that_runs_into_the_time_limit_is_no_sample() {
    let slowing: Behaviour = |call, _, _, step| {
        *step = Duration::from_millis(if call == 0 { 3 } else { 40 });
    };
    let measured = one(slowing, Some(5), |case| case.time_limit_s = 1.0).unwrap();
    assert_eq!((measured.solve_s.len(), measured.changed), (1, None));
    assert_eq!((measured.stopped, measured.cold), (Stopped::TimeUp, true));
}

#[test]
fn a_panic_or_a_refusal_is_that_devices_result_alone() {
    let never = AtomicBool::new(false);
    let panicking: Behaviour = |_, _, _, _| panic!("a bug\nsomewhere");
    let later: Behaviour = |call, _, _, _| assert!(call < 3, "too often");
    let lanes: &[(&'static str, Behaviour)] = &[("a", panicking), ("b", steady), ("c", later)];
    let results = heat(lanes, Some(4), |_| {}, &never).0.unwrap();
    let error = results[0].as_ref().unwrap_err().to_string();
    assert!(error.contains("panicked: a bug somewhere"), "{error}");
    assert_eq!(results[1].as_ref().unwrap().solve_s.len(), 4);
    assert!(results[2].is_err());
    let refused = one(steady, None, |case| case.pca.components = 9);
    assert!(matches!(refused, Err(Error::Unsupported(_))));
}

#[test]
fn ctrl_c_leaves_no_half_measured_row() {
    let interrupted = AtomicBool::new(true);
    let (results, log) = heat(
        &[("a", steady), ("b", steady)],
        Some(3),
        |_| {},
        &interrupted,
    );
    assert!(results.is_none());
    assert_eq!(log, ["a"]);
}

/// Two joules a reading.
struct Counter(f64);

impl Meter for Counter {
    fn source(&self) -> &'static str {
        "rapl"
    }
    fn joules(&mut self) -> Option<f64> {
        self.0 += 2.0;
        Some(self.0)
    }
}

#[test]
fn energy_is_that_of_a_pass_after_the_repeats_and_its_solves_are_no_repeats() {
    let log = RefCell::new(Vec::new());
    let case = pca(Draft::default());
    let starter = Starter {
        case: &case,
        meter: Some(Box::new(Counter(0.0))),
        lane: Box::new(Fake {
            name: "a",
            behaviour: |_, _, _, step| *step = Duration::from_millis(2),
            calls: 0,
            log: &log,
        }),
    };
    let interrupted = AtomicBool::new(false);
    let setting = Setting {
        evaluate: &|_, _| None,
        interrupted: &interrupted,
        repeats: Some(3),
        announce: &|_| {},
        tell: &|_, _| {},
    };
    let mut measured = run(vec![starter], &setting).unwrap();
    let measured = measured.remove(0).unwrap();
    let energy = measured.energy.unwrap();
    assert_eq!(measured.solve_s.len(), 3);
    assert!(energy.solves > 1);
    assert!((energy.joules * energy.solves as f64 - 2.0).abs() < 1e-9);
    assert!(log.borrow().len() as u64 >= 4 + energy.solves);
}
