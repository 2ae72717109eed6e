use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::super::clock::pass;
use super::super::device::{DeviceSpec, Threads};
use super::super::problem::pca::Pca;
use super::super::task::Draft;
use super::*;
use crate::error::Error;
use crate::optimizer::Ended;
use crate::pca::{Basis, Look, Next, Outcome, Plan, Watch};
use crate::record::statistics::median;

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
            cost: Default::default(),
            host_passes: 0.0,
            learning_rate: 1.0,
            residual: 0.0,
            fault: None,
        };
        // The device named c has a clock.
        Ok((outcome, (self.name == "c").then_some(self.calls as f64)))
    }

    /// The cores of the device named p are half as fast between its fourth and its fifth solve.
    fn probe(&mut self) -> Result<Option<f64>> {
        let seconds = if self.calls == 4 { 2.0 } else { 1.0 };
        Ok((self.name == "p").then_some(seconds))
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
) -> (Heat, Vec<&'static str>) {
    heat_under(behaviours, repeats, change, interrupted, &|| None)
}

/// The same on a machine whose counters read so.
fn heat_under(
    behaviours: &[(&'static str, Behaviour)],
    repeats: Option<usize>,
    change: fn(&mut Draft),
    interrupted: &AtomicBool,
    load: &dyn Fn() -> Option<Load>,
) -> (Heat, Vec<&'static str>) {
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
            cores: Some(1),
            probe_s: Some(1.0),
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
        load,
    };
    (collected(starters, &setting), log.into_inner())
}

/// What a heat hands over, in the order of the starters.
fn collected(starters: Vec<Starter<'_, Pca>>, setting: &Setting<'_, Pca>) -> Heat {
    let mut results = Vec::new();
    let mut done = |place, result| {
        results.push((place, result));
        Ok(())
    };
    run(starters, setting, &mut done).unwrap();
    results.sort_by_key(|(place, _)| *place);
    results.into_iter().map(|(_, result)| result).collect()
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
    result.into_iter().next().expect("one lane")
}

#[test]
fn repeats_are_interleaved_over_the_devices_after_the_warm_up_of_all() {
    let never = AtomicBool::new(false);
    let lanes: &[(&'static str, Behaviour)] = &[("a", steady), ("b", steady)];
    let (results, log) = heat(lanes, Some(20), |_| {}, &never);
    assert!(
        results
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
        Some(point.time_s),
        median(&measured.to_target_s),
        "the curve has the times of the median repeat"
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
        let (mut results, log) = heat(&[("a", long)], repeats, |_| {}, &never);
        let measured = results.remove(0).unwrap();
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
        (limited.answer.ended, limited.solve_s.len()),
        (Ended::Stopped, 1)
    );
    let diverging: Behaviour = |_, _, component, _| *component = f32::NAN;
    let diverged = one(diverging, Some(5), |_| {}).unwrap();
    assert_eq!(
        (diverged.answer.ended, diverged.solve_s.len()),
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
    let results = heat(lanes, Some(4), |_| {}, &never).0;
    let error = results[0].as_ref().unwrap_err().to_string();
    assert!(error.contains("panicked: a bug somewhere"), "{error}");
    assert_eq!(results[1].as_ref().unwrap().solve_s.len(), 4);
    assert!(results[2].is_err());
    let refused = one(steady, None, |case| case.pca.components = 9);
    assert!(matches!(refused, Err(Error::Unsupported(_))));
}

#[test]
fn ctrl_c_in_the_first_solve_leaves_no_row() {
    let interrupted = AtomicBool::new(true);
    let (results, log) = heat(
        &[("a", steady), ("b", steady)],
        Some(3),
        |_| {},
        &interrupted,
    );
    assert!(results.is_empty());
    assert_eq!(log, ["a"]);
}

/// A heat of two lanes in which Ctrl-C comes when the counters are read for the `call`th time: the first solve and two of
/// warm-up read them six times a lane, each repeat twice.
fn stopped_at(call: usize) -> (Heat, Vec<&'static str>) {
    let (calls, interrupted) = (Cell::new(0), AtomicBool::new(false));
    let load = || {
        calls.set(calls.get() + 1);
        interrupted.fetch_or(calls.get() == call, Ordering::Relaxed);
        None
    };
    let lanes: &[(&'static str, Behaviour)] = &[("a", steady), ("b", steady)];
    heat_under(lanes, Some(3), |_| {}, &interrupted, &load)
}

#[test]
fn ctrl_c_keeps_every_solve_that_was_done() {
    let samples = |call| -> Vec<(usize, bool, Stopped)> {
        let (results, _) = stopped_at(call);
        let results = results.into_iter().map(Result::unwrap);
        results
            .map(|m| (m.solve_s.len(), m.cold, m.stopped))
            .collect()
    };
    let first = (1, true, Stopped::Interrupted);
    assert_eq!(samples(3), [first], "the second lane had not begun");
    assert_eq!(samples(9), [first, first]);
    let two = samples(13 + 2 * 3);
    let repeats: Vec<usize> = two.iter().map(|(repeats, ..)| *repeats).collect();
    assert_eq!(repeats.iter().sum::<usize>(), 3, "{two:?}");
    assert!(
        two.iter()
            .all(|(_, cold, stopped)| !cold && *stopped == Stopped::Interrupted)
    );
    // The last repeat of all is cut: the other lane is done and says so.
    let all = samples(12 + 2 * 6 - 1);
    let stopped: Vec<Stopped> = all.iter().map(|(.., stopped)| *stopped).collect();
    assert!(stopped.contains(&Stopped::Repeats) && stopped.contains(&Stopped::Interrupted));
}

#[test]
fn a_disturbed_repeat_is_set_aside_and_made_again_up_to_a_limit() {
    // The counters are read twice a solve. The solves with these numbers lose half of their time.
    fn waiting(lost: &'static [usize]) -> impl Fn() -> Option<Load> {
        let (calls, waited_s) = (Cell::new(0), Cell::new(0.0));
        move || {
            calls.set(calls.get() + 1);
            let (solve, after) = ((calls.get() - 1) / 2, calls.get() % 2 == 0);
            waited_s
                .set(waited_s.get() + f64::from(u8::from(after && lost.contains(&solve))) * 0.02);
            Some(Load {
                waited_s: waited_s.get(),
                ..Load::default()
            })
        }
    }
    let measured = |lost, repeats| {
        let never = AtomicBool::new(false);
        let load = waiting(lost);
        let (results, _) = heat_under(&[("a", steady)], repeats, |_| {}, &never, &load);
        results.into_iter().next().unwrap().unwrap()
    };
    // Three solves of drawing and warm-up come first.
    let found = measured(&[4, 6], Some(4));
    assert_eq!((found.solve_s.len(), found.set_aside_s.len()), (4, 2));
    assert!(found.noise.unwrap().iter().all(|noise| !noise.disturbed));
    // As many as were asked for are made again, and no more.
    let found = measured(&[3, 4, 5, 6, 7, 8, 9, 10], Some(4));
    assert_eq!((found.solve_s.len(), found.set_aside_s.len()), (4, 4));
    assert!(found.noise.unwrap().iter().all(|noise| noise.disturbed));
    // Too few clean ones: all count, each marked.
    let found = measured(&[3, 4, 5], Some(1));
    assert_eq!((found.solve_s.len(), found.set_aside_s.len()), (1, 1));
}

#[test]
fn a_repeat_beside_which_the_cores_are_slow_is_set_aside() {
    let never = AtomicBool::new(false);
    let load = || Some(Load::default());
    let (results, _) = heat_under(&[("p", steady)], Some(4), |_| {}, &never, &load);
    let found = results.into_iter().next().unwrap().unwrap();
    // Three solves of drawing and warm-up come first.
    assert_eq!((found.solve_s.len(), found.set_aside_s.len()), (4, 2));
    assert!(
        found
            .noise
            .unwrap()
            .iter()
            .all(|noise| noise.pace == Some(1.0))
    );
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
        cores: Some(1),
        probe_s: None,
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
        load: &|| None,
    };
    let measured = collected(vec![starter], &setting).remove(0).unwrap();
    let energy = measured.energy.unwrap();
    assert_eq!(measured.solve_s.len(), 3);
    assert!(energy.solves > 1);
    assert!((energy.joules * energy.solves as f64 - 2.0).abs() < 1e-9);
    assert!(log.borrow().len() as u64 >= 4 + energy.solves);
}
