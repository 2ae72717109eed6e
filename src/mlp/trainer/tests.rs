use std::sync::Arc;

use super::super::problem::classes;
use super::super::reference;
use super::*;
use crate::data::split::{Split, split};
use crate::data::{Request, load};
use crate::device::cpu::Cpu;
use crate::device::wgpu::{Wgpu, adapters};
use crate::optimizer::{Rule, Schedule, WarmUp};

/// Never stops, and keeps what it sees.
#[derive(Default)]
struct Seen(Vec<(u64, Scores)>);

impl Watch<Scores> for Seen {
    fn look(&mut self, look: Look<'_, Scores>) -> Result<Next> {
        self.0.push((look.iteration, (look.snapshot)()?));
        Ok(Next::Continue)
    }
}

fn digits(n: usize) -> Split {
    let request = Request {
        spec: format!("digits:n={n}"),
        quiet: true,
        ..Request::default()
    };
    split(load(&request).unwrap(), &request, None).unwrap()
}

fn plan(layers: &[usize], rule: Rule, batch: Option<usize>) -> Plan {
    Plan {
        layers: layers.to_vec(),
        rule,
        learning_rate: match rule.name() {
            "sgd" | "momentum" | "nesterov" => 0.05,
            "adagrad" => 0.02,
            "adadelta" | "lars" => 0.5,
            _ => 0.002,
        },
        schedule: Schedule::named("constant"),
        warm_up: WarmUp::None,
        weight_decay: 1e-3,
        batch,
        epochs: 2,
        seed: 5,
    }
}

fn train<D: Device>(
    device: &mut D,
    split: &Split,
    plan: &Plan,
    chunk: usize,
) -> (Outcome, Vec<(u64, Scores)>) {
    let (train, test) = (Arc::new(split.train.clone()), Arc::new(split.test.clone()));
    let problem = Problem::upload(device, &train, &test).unwrap();
    let mut trainer = Trainer::prepare_in_chunks(device, &problem, plan, chunk).unwrap();
    let mut seen = Seen::default();
    let outcome = trainer.solve(device, &mut seen).unwrap();
    (outcome, seen.0)
}

/// Compares a device with the reference: the losses of the first twenty steps to 1e-4, then the parameters to f32
/// accuracy.
fn agrees<D: Device>(device: &mut D, split: &Split, plan: &Plan, chunk: usize) {
    let what = format!("{} {:?} {:?}", device.info().name, plan, chunk);
    let (outcome, _) = train(device, split, plan, chunk);
    let classes = classes(&split.train, &split.test);
    let steps = outcome.iterations as usize;
    let (losses, parameters) = reference::train(&split.train, classes, plan, steps);
    assert!(!outcome.first_losses.is_empty());
    for (step, (got, expected)) in outcome
        .first_losses
        .iter()
        .zip(&losses)
        .take(20)
        .enumerate()
    {
        let off = (f64::from(*got) - expected).abs() / expected;
        assert!(off < 1e-4, "{what}: loss {step} is {got}, not {expected}");
    }
    let square = |x: f64| x * x;
    let size: f64 = parameters.iter().map(|x| square(*x)).sum();
    let off: f64 = outcome
        .parameters
        .iter()
        .zip(&parameters)
        .map(|(got, expected)| square(f64::from(*got) - expected))
        .sum();
    assert_eq!(outcome.parameters.len(), parameters.len());
    let error = (off / size).sqrt();
    assert!(error < 2e-4, "{what}: parameters off by {error:.1e}");
}

#[test]
fn every_rule_trains_like_the_reference_on_the_cpu() {
    let split = digits(130);
    for threads in [1, crate::machine::cores()] {
        let mut cpu = Cpu::open(threads).unwrap();
        for rule in Rule::plain() {
            agrees(&mut cpu, &split, &plan(&[13], rule, Some(16)), CHUNK);
        }
        agrees(
            &mut cpu,
            &split,
            &plan(&[], Rule::named("adam"), Some(31)),
            CHUNK,
        );
        agrees(
            &mut cpu,
            &split,
            &plan(&[17, 9], Rule::named("momentum"), Some(1)),
            CHUNK,
        );
        // Full batch, in chunks that do not divide it.
        agrees(
            &mut cpu,
            &split,
            &plan(&[33], Rule::named("nesterov"), None),
            48,
        );
    }
}

/// Digits as floats, split.
fn floats() -> Split {
    let mut split = digits(90);
    for samples in [&mut split.train, &mut split.test] {
        let crate::data::Elements::U8(pixels) = &samples.elements else {
            panic!("digits are bytes");
        };
        let floats = pixels.iter().map(|&x| f32::from(x) / 255.0).collect();
        samples.elements = crate::data::Elements::F32(floats);
        samples.unit = 1.0;
    }
    split
}

#[test]
fn samples_of_floats_train_as_the_reference_does() {
    let split = floats();
    let mut cpu = Cpu::open(1).unwrap();
    agrees(
        &mut cpu,
        &split,
        &plan(&[13], Rule::named("sgd"), Some(16)),
        CHUNK,
    );
}

#[test]
fn the_test_set_is_scored_whole_and_the_error_falls() {
    let split = digits(1500);
    let mut cpu = Cpu::open(crate::machine::cores()).unwrap();
    let (outcome, seen) = train(
        &mut cpu,
        &split,
        &plan(&[40], Rule::named("adam"), Some(32)),
        CHUNK,
    );
    assert_eq!((seen.len(), outcome.iterations), (8, 92));
    assert_eq!(seen.last().unwrap().0, 92);
    let errors: Vec<f32> = seen.iter().map(|(_, scores)| scores.test_error).collect();
    assert!(errors[7] < 0.6 * errors[0], "{errors:?}");
    // The 250 test samples do not fill the last chunk; the error must be a whole number of them.
    let count = f64::from(errors[7]) * 250.0;
    assert!((count - count.round()).abs() < 1e-3, "{count}");
    assert_eq!(outcome.test_error, f64::from(errors[7]));
    assert!(outcome.train_loss < 2.3 && outcome.test_loss < 2.3);
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_seed_different_ones() {
    let split = digits(130);
    let mut cpu = Cpu::open(crate::machine::cores()).unwrap();
    let one = plan(&[13], Rule::named("adam"), Some(16));
    let (first, _) = train(&mut cpu, &split, &one, CHUNK);
    let (again, _) = train(&mut cpu, &split, &one, CHUNK);
    assert_eq!(first, again);
    let other = Plan { seed: 6, ..one };
    assert_ne!(
        first.parameters,
        train(&mut cpu, &split, &other, CHUNK).0.parameters
    );
}

#[test]
fn a_learning_rate_that_is_too_large_is_reported_as_diverged() {
    let split = digits(130);
    let mut cpu = Cpu::open(1).unwrap();
    let wild = Plan {
        learning_rate: 1e30,
        ..plan(&[13], Rule::named("sgd"), Some(16))
    };
    let (outcome, _) = train(&mut cpu, &split, &wild, CHUNK);
    assert_eq!(outcome.ended, Ended::Diverged);
}

#[test]
fn a_batch_larger_than_the_samples_and_a_network_too_large_for_the_device_are_refused() {
    let split = digits(130);
    let mut cpu = Cpu::open(1).unwrap();
    let (train, test) = (Arc::new(split.train.clone()), Arc::new(split.test.clone()));
    let problem = Problem::upload(&mut cpu, &train, &test).unwrap();
    let mut refused = |plan: &Plan| {
        let error = Trainer::prepare(&mut cpu, &problem, plan).err();
        error.expect("it is refused").to_string()
    };
    assert!(refused(&plan(&[], Rule::named("sgd"), Some(131))).contains("130 samples"));
    let wide = plan(&[1 << 40], Rule::named("sgd"), Some(10));
    assert!(refused(&wide).contains("GB at most"));
}

mod needs_wgpu {
    use super::*;

    #[test]
    #[ignore = "needs wgpu: scripts/setup installs a software adapter"]
    fn every_rule_trains_as_the_reference_does_on_every_adapter() {
        let split = digits(130);
        assert!(!adapters().is_empty(), "an adapter");
        for index in 0..adapters().len() {
            let mut device = Wgpu::open(index).expect("it was found");
            for rule in Rule::plain() {
                agrees(&mut device, &split, &plan(&[13], rule, Some(16)), CHUNK);
            }
            agrees(
                &mut device,
                &split,
                &plan(&[], Rule::named("adam"), Some(31)),
                CHUNK,
            );
            agrees(
                &mut device,
                &split,
                &plan(&[33, 12], Rule::named("nesterov"), None),
                48,
            );
        }
    }

    #[test]
    #[ignore = "needs wgpu: scripts/setup installs a software adapter"]
    fn samples_of_floats_train_as_the_reference_does_in_blocks_of_rows() {
        let split = floats();
        let mut device = Wgpu::open(0).expect("an adapter");
        // Forty rows of floats a block.
        device.limit_buffers(40 * 784 * 4);
        let plan = plan(&[13], Rule::named("sgd"), Some(16));
        agrees(&mut device, &split, &plan, CHUNK);
    }
}

mod needs_emulation {
    use super::*;

    #[test]
    #[ignore = "needs emulation: Linux with a C++ compiler"]
    fn every_rule_trains_as_the_reference_does_on_the_emulated_kernels() {
        let split = digits(130);
        let mut device = crate::device::cuda::emulated::open(false);
        for rule in Rule::plain() {
            agrees(&mut device, &split, &plan(&[13], rule, Some(16)), CHUNK);
        }
        agrees(
            &mut device,
            &split,
            &plan(&[], Rule::named("adam"), Some(31)),
            CHUNK,
        );
        let full = plan(&[33, 12], Rule::named("nesterov"), None);
        agrees(&mut device, &split, &full, 48);
    }
}
