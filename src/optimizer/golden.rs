//! Checks the rules against sequences that `scripts/golden` computed with PyTorch and optax, and against closed forms.

use serde::Deserialize;

use super::Rule;
use crate::device::cpu::Cpu;
use crate::device::{Device, Element, Slice, SliceMut};
use crate::kernel::{FLUSH, control};

/// Contents of `golden.json`.
#[derive(Deserialize)]
struct Golden {
    start: Vec<f64>,
    sequences: Vec<Sequence>,
}

/// Iterates of one rule on f(x) = |x|^2, without the start.
#[derive(Deserialize)]
struct Sequence {
    framework: String,
    rule: String,
    /// The call in the framework, as a label.
    call: String,
    learning_rate: f64,
    weight_decay: f64,
    /// How the framework's form of the rule differs from ours; `None` if it is the same.
    differs: Option<String>,
    iterates: Vec<Vec<f64>>,
}

impl Golden {
    fn read() -> Self {
        serde_json::from_str(include_str!("golden.json")).unwrap()
    }

    fn of(&self, rule: Rule) -> impl Iterator<Item = &Sequence> {
        let sequences = self.sequences.iter();
        sequences.filter(move |s| s.rule == rule.name())
    }
}

impl Sequence {
    fn name(&self) -> String {
        let Self {
            framework,
            call,
            weight_decay,
            ..
        } = self;
        format!("{framework} {call}, weight decay {weight_decay}")
    }
}

fn control_at(rate: f64, step: usize) -> [f64; control::LEN] {
    let mut values = [0.0; control::LEN];
    values[control::RATE] = rate;
    values[control::STEP] = step as f64;
    values
}

/// A rule run by the reference function of its kernel row.
struct Reference {
    rule: Rule,
    rate: f64,
    weight_decay: f64,
    step: usize,
    buffers: Vec<Vec<f64>>,
}

impl Reference {
    fn new(rule: Rule, rate: f64, weight_decay: f64, start: &[f64]) -> Self {
        let mut buffers = vec![vec![0.0; start.len()]; rule.kernel().row().buffers.len()];
        buffers[1] = start.to_vec();
        Self {
            rule,
            rate,
            weight_decay,
            step: 0,
            buffers,
        }
    }

    fn update(&mut self, gradient: &[f64]) {
        self.step += 1;
        self.buffers[0] = control_at(self.rate, self.step).to_vec();
        self.buffers[2] = gradient.to_vec();
        let scalars = self.rule.exact_scalars(self.weight_decay);
        let reference = self.rule.kernel().row().reference;
        reference(&[gradient.len()], &scalars, &mut self.buffers);
    }

    fn point(&self) -> &[f64] {
        &self.buffers[1]
    }
}

/// The same rule run on a device.
struct OnDevice<D: Device> {
    rule: Rule,
    rate: f64,
    weight_decay: f64,
    step: usize,
    len: usize,
    /// Control, parameters, gradient, states.
    buffers: [D::Buffer; 5],
}

impl<D: Device> OnDevice<D> {
    fn new(device: &mut D, rule: Rule, rate: f64, weight_decay: f64, start: &[f32]) -> Self {
        let len = start.len();
        let lens = [control::LEN, len, len, len, len];
        let buffers = lens.map(|len| device.alloc(Element::F32, len).unwrap());
        device.write(&buffers[1], 0, Slice::F32(start)).unwrap();
        for state in &buffers[3..] {
            device.write(state, 0, Slice::F32(&vec![0.0; len])).unwrap();
        }
        Self {
            rule,
            rate,
            weight_decay,
            step: 0,
            len,
            buffers,
        }
    }

    fn update(&mut self, device: &mut D, gradient: &[f32]) {
        self.step += 1;
        let values = control_at(self.rate, self.step).map(|x| x as f32);
        let [control, p, g, first, second] = &self.buffers;
        device.write(control, 0, Slice::F32(&values)).unwrap();
        device.write(g, 0, Slice::F32(gradient)).unwrap();
        let (states, decay) = ([first, second], self.weight_decay);
        self.rule
            .launch(device, self.len, decay, [control, p, g], states)
            .unwrap();
    }

    /// Reads buffer `which`: 1 is the parameters, 3 and 4 are states.
    fn read(&self, device: &mut D, which: usize) -> Vec<f32> {
        let mut values = vec![0.0; self.len];
        let buffer = &self.buffers[which];
        device.read(buffer, 0, SliceMut::F32(&mut values)).unwrap();
        values
    }
}

/// Largest difference, relative for numbers larger than 1.
fn off(got: impl IntoIterator<Item = f64>, expected: &[f64]) -> f64 {
    let pairs = got.into_iter().zip(expected);
    pairs.fold(0.0, |worst, (got, expected)| {
        worst.max((got - expected).abs() / expected.abs().max(1.0))
    })
}

#[test]
fn every_reference_reproduces_the_frameworks_sequences() {
    let golden = Golden::read();
    for rule in Rule::ALL {
        let mut torch = 0;
        for sequence in golden.of(rule) {
            let (rate, decay) = (sequence.learning_rate, sequence.weight_decay);
            let mut ours = Reference::new(rule, rate, decay, &golden.start);
            let mut worst = 0f64;
            for expected in &sequence.iterates {
                let gradient: Vec<f64> = ours.point().iter().map(|x| 2.0 * x).collect();
                ours.update(&gradient);
                worst = worst.max(off(ours.point().iter().copied(), expected));
            }
            let name = sequence.name();
            match &sequence.differs {
                None => assert!(worst < 1e-12, "{name}: off by {worst:.1e}"),
                Some(why) => assert!(worst > 1e-10, "{name} ({why}) is our form after all"),
            }
            torch += usize::from(sequence.framework == "torch");
        }
        assert_eq!(torch, 2, "{}: with and without weight decay", rule.name());
    }
}

#[test]
fn every_rule_reproduces_the_frameworks_sequences_on_the_cpu() {
    let golden = Golden::read();
    let start: Vec<f32> = golden.start.iter().map(|x| *x as f32).collect();
    let mut cpu = Cpu::open(1).unwrap();
    for rule in Rule::ALL {
        for sequence in golden.of(rule).filter(|s| s.differs.is_none()) {
            let (rate, decay) = (sequence.learning_rate, sequence.weight_decay);
            let mut ours = OnDevice::new(&mut cpu, rule, rate, decay, &start);
            for (step, expected) in sequence.iterates.iter().enumerate() {
                let gradient: Vec<f32> = ours.read(&mut cpu, 1).iter().map(|x| 2.0 * x).collect();
                ours.update(&mut cpu, &gradient);
                let worst = off(ours.read(&mut cpu, 1).into_iter().map(f64::from), expected);
                let name = sequence.name();
                assert!(worst < 1e-5, "{name}, step {step}: off by {worst:.1e}");
            }
        }
    }
}

/// Length of the first step against the sign of the gradient, in units of the learning rate, for rules whose first step
/// does not depend on the size of the gradient.
fn first_step(rule: Rule) -> Option<f64> {
    match rule {
        Rule::Adagrad | Rule::Adam => Some(1.0),
        Rule::Rmsprop => Some(1.0 / (1.0 - rule.decay().unwrap()).sqrt()),
        _ => None,
    }
}

#[test]
fn first_steps_are_closed_forms() {
    const RATE: f64 = 0.125;
    let gradient = [3.0f32, -4.0, 0.5, 250.0, -1000.0];
    let zeros = [0.0f32; 5];
    let mut cpu = Cpu::open(1).unwrap();
    for rule in Rule::ALL {
        let mut exact = Reference::new(rule, RATE, 0.0, &[0.0; 5]);
        exact.update(&gradient.map(f64::from));
        let mut device = OnDevice::new(&mut cpu, rule, RATE, 0.0, &zeros);
        device.update(&mut cpu, &gradient);
        let rounded = device.read(&mut cpu, 1);
        for (at, g) in gradient.iter().map(|g| f64::from(*g)).enumerate() {
            let expected = match (rule, first_step(rule)) {
                (_, Some(rates)) => -RATE * rates * g.signum(),
                (Rule::Nesterov, _) => -RATE * (1.0 + rule.momentum().unwrap()) * g,
                _ => -RATE * g,
            };
            // Epsilon is 1e-7 of the smallest denominator here.
            let near = |got: f64, bound: f64| (got - expected).abs() <= bound * expected.abs();
            let got = exact.point()[at];
            assert!(near(got, 4e-7), "{}: {got}, not {expected}", rule.name());
            let got = f64::from(rounded[at]);
            assert!(near(got, 1e-5), "{}: {got}, not {expected}", rule.name());
        }
    }
}

#[test]
fn states_that_would_become_denormal_are_zero() {
    // Velocities and first moments scale with the gradient, sums of squares with its square.
    let size = |rule: Rule| if rule.has_velocity() { 1e-31 } else { 1e-16 };
    let mut cpu = Cpu::open(1).unwrap();
    for rule in Rule::ALL {
        let states = 3..rule.kernel().row().buffers.len();
        let small = size(rule);
        // The third state is far above the threshold and must stay.
        let gradient = [small, -small, 1.0];
        let mut exact = Reference::new(rule, 0.125, 0.0, &[0.0; 3]);
        exact.update(&gradient);
        let mut device = OnDevice::new(&mut cpu, rule, 0.125, 0.0, &[0.0; 3]);
        device.update(&mut cpu, &gradient.map(|g| g as f32));
        for which in states {
            let name = rule.name();
            let kept = &exact.buffers[which];
            assert!(kept[..2] == [0.0; 2] && kept[2] > FLUSH, "{name}: {kept:?}");
            let kept = device.read(&mut cpu, which);
            assert!(kept[..2] == [0.0; 2] && kept[2] > 0.0, "{name}: {kept:?}");
        }
    }
}

#[test]
fn a_velocity_without_gradient_decays_to_exactly_zero() {
    let mut cpu = Cpu::open(1).unwrap();
    for rule in Rule::ALL.into_iter().filter(|rule| rule.has_velocity()) {
        let mut device = OnDevice::new(&mut cpu, rule, 0.125, 0.0, &[0.0; 3]);
        device.update(&mut cpu, &[1.0, -2.0, 1e-3]);
        // 0.9^700 is 1e-32.
        for _ in 0..700 {
            device.update(&mut cpu, &[0.0; 3]);
        }
        let velocity = device.read(&mut cpu, 3);
        assert!(velocity.iter().all(|v| *v == 0.0), "{velocity:?}");
    }
}
