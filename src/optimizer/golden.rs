//! Checks the rules against sequences that `scripts/golden` computed with PyTorch, Keras and optax, and against closed forms.

use serde::Deserialize;

use super::{Cost, Rule, Schedule, States, read};
use crate::device::cpu::Cpu;
use crate::device::{Device, Element, Slice};
use crate::kernel::control;
use crate::rule::{self, Kind, Step};

/// Contents of `golden.json`.
#[derive(Deserialize)]
struct Golden {
    start: Vec<f64>,
    sequences: Vec<Sequence>,
    schedules: Vec<Factors>,
}

/// The factors of one schedule in as many steps.
#[derive(Deserialize)]
struct Factors {
    framework: String,
    schedule: String,
    factors: Vec<f64>,
}

/// Iterates of one rule on f(x) = |x|^2, without the start.
#[derive(Deserialize)]
struct Sequence {
    framework: String,
    rule: String,
    learning_rate: f64,
    weight_decay: f64,
    iterates: Vec<Vec<f64>>,
}

impl Golden {
    fn read() -> Self {
        serde_json::from_str(include_str!("golden.json")).unwrap()
    }

    fn of(&self, rule: Rule) -> Vec<&Sequence> {
        let of_rule = |s: &&Sequence| s.rule == rule.name();
        self.sequences.iter().filter(of_rule).collect()
    }
}

impl Sequence {
    fn name(&self) -> String {
        let Self {
            framework,
            rule,
            weight_decay,
            ..
        } = self;
        format!("{framework} {rule}, weight decay {weight_decay}")
    }
}

fn control_at(rate: f64, step: usize) -> [f64; control::LEN] {
    let mut values = [0.0; control::LEN];
    values[control::RATE] = rate;
    values[control::STEP] = step as f64;
    values
}

/// A rule run by its interpreter.
struct Reference {
    rule: Rule,
    rate: f64,
    weight_decay: f64,
    t: f64,
    p: Vec<f64>,
    states: Vec<Vec<f64>>,
}

impl Reference {
    fn new(rule: Rule, rate: f64, weight_decay: f64, start: &[f64]) -> Self {
        let states = rule.program().states.iter();
        Self {
            rule,
            rate,
            weight_decay,
            t: 0.0,
            p: start.to_vec(),
            states: states.map(|state| vec![state.start; start.len()]).collect(),
        }
    }

    fn update(&mut self, gradient: &[f64]) {
        self.t += 1.0;
        let program = self.rule.program();
        let step = Step {
            scalars: &program.scalars(self.weight_decay),
            rate: self.rate,
            t: self.t,
        };
        program.evaluate(step, &mut self.p, gradient, &mut self.states);
    }
}

/// The same rule run on a device.
struct OnDevice<D: Device> {
    rate: f64,
    weight_decay: f64,
    step: usize,
    len: usize,
    /// Control, parameters, gradient.
    buffers: [D::Buffer; 3],
    states: States<D>,
}

impl<D: Device> OnDevice<D> {
    fn new(device: &mut D, rule: Rule, rate: f64, weight_decay: f64, start: &[f32]) -> Self {
        let len = start.len();
        let buffers = [control::LEN, len, len].map(|len| device.alloc(Element::F32, len).unwrap());
        device.write(&buffers[1], 0, Slice::F32(start)).unwrap();
        let states = States::alloc(device, rule, len).unwrap();
        states.start(device).unwrap();
        Self {
            rate,
            weight_decay,
            step: 0,
            len,
            buffers,
            states,
        }
    }

    fn update(&mut self, device: &mut D, gradient: &[f32]) {
        self.step += 1;
        let values = control_at(self.rate, self.step).map(|x| x as f32);
        let [control, p, g] = &self.buffers;
        device.write(control, 0, Slice::F32(&values)).unwrap();
        device.write(g, 0, Slice::F32(gradient)).unwrap();
        let (decay, cost) = (self.weight_decay, &mut Cost::default());
        self.states
            .update(device, cost, decay, [control, p, g])
            .unwrap();
    }

    fn point(&self, device: &mut D) -> Vec<f32> {
        read(device, &self.buffers[1], self.len).unwrap()
    }

    fn state(&self, device: &mut D, place: usize) -> Vec<f32> {
        read(device, &self.states.buffers[place], self.len).unwrap()
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
fn every_rule_and_variant_reproduces_its_frameworks_sequences() {
    let golden = Golden::read();
    for &rule in Rule::shipped() {
        let sequences = golden.of(rule);
        assert!(!sequences.is_empty(), "scripts/golden has no {rule:?}");
        for sequence in sequences {
            let (rate, decay) = (sequence.learning_rate, sequence.weight_decay);
            let mut ours = Reference::new(rule, rate, decay, &golden.start);
            for (step, expected) in sequence.iterates.iter().enumerate() {
                let gradient: Vec<f64> = ours.p.iter().map(|x| 2.0 * x).collect();
                ours.update(&gradient);
                let off = off(ours.p.iter().copied(), expected);
                assert!(
                    off < 1e-12,
                    "{}, step {step}: off by {off:.1e}",
                    sequence.name()
                );
            }
        }
    }
}

#[test]
fn schedules_are_those_of_pytorch() {
    let golden = Golden::read();
    assert_eq!(golden.schedules.len(), 4);
    for Factors {
        framework,
        schedule,
        factors,
    } in golden.schedules
    {
        let formula = Schedule::named(&schedule).formula();
        let ours = formula.factors(factors.len() as u64, 0);
        let off = off(ours, &factors);
        assert!(off < 1e-12, "{framework} {schedule}: off by {off:.1e}");
    }
}

/// Every sequence on a device, by rules that `of` gives for those that come with the program.
fn follows<D: Device>(device: &mut D, of: impl Fn(Rule) -> Rule) {
    let golden = Golden::read();
    let start: Vec<f32> = golden.start.iter().map(|x| *x as f32).collect();
    for &rule in Rule::shipped() {
        for sequence in golden.of(rule) {
            let (rate, decay) = (sequence.learning_rate, sequence.weight_decay);
            let mut ours = OnDevice::new(device, of(rule), rate, decay, &start);
            for (step, expected) in sequence.iterates.iter().enumerate() {
                let gradient: Vec<f32> = ours.point(device).iter().map(|x| 2.0 * x).collect();
                ours.update(device, &gradient);
                let off = off(ours.point(device).into_iter().map(f64::from), expected);
                assert!(
                    off < 1e-5,
                    "{}, step {step}: off by {off:.1e}",
                    sequence.name()
                );
            }
        }
    }
}

#[test]
fn every_rule_reproduces_the_frameworks_sequences_on_the_cpu() {
    follows(&mut Cpu::open(1).unwrap(), |rule| rule);
}

#[test]
fn interpreted_rules_reproduce_the_frameworks_sequences_too() {
    follows(&mut Cpu::open(1).unwrap(), users);
}

mod needs_wgpu {
    use super::*;
    use crate::device::wgpu::Wgpu;

    #[test]
    #[ignore = "needs wgpu: scripts/setup installs a software adapter"]
    fn every_rule_reproduces_the_frameworks_sequences_on_an_adapter() {
        follows(&mut Wgpu::open(0).expect("an adapter"), |rule| rule);
    }
}

mod needs_emulation {
    use super::*;
    use crate::device::cuda::emulated;

    #[test]
    #[ignore = "needs emulation: Linux with a C++ compiler"]
    fn every_rule_reproduces_the_frameworks_sequences_on_the_emulated_kernels() {
        follows(&mut emulated::open(false), |rule| rule);
    }
}

/// The same rule as one of the user's, `adam:keras` as `users_adam_keras`.
fn users(rule: Rule) -> Rule {
    let program = rule.program();
    let states = program.states.iter().map(|state| {
        let kind = match state.kind {
            Kind::Velocity => "velocity",
            Kind::Square => "square",
        };
        format!("{} = \"{kind} from {}\"", state.name, state.start)
    });
    let parameters = rule::defaults(program);
    let text = format!(
        "name = \"users_{}\"\nabout = \"a copy\"\nparameters = {{ {} }}\nstates = {{ {} }}\nupdate = '''\n{}\n'''\n",
        program.entry,
        parameters.join(", "),
        states.collect::<Vec<_>>().join(", "),
        rule::math(program)
    );
    Rule::read("copy.toml", &text).unwrap_or_else(|e| panic!("{e}: {text}"))[0]
}

/// Length of the first step against the sign of the gradient, in units of the learning rate, for rules whose first step
/// does not depend on the size of the gradient.
fn first_step(rule: Rule) -> Option<f64> {
    match rule.name() {
        "adagrad" | "adam" | "adamw" | "amsgrad" | "adamax" | "lion" | "lamb" => Some(1.0),
        // Nesterov's look ahead: beta1 / (1 + beta1) of the moment and all of the gradient.
        "nadam" => Some(0.9 / 1.9 + 1.0),
        "rmsprop" => Some(1.0 / (1.0f64 - 0.99).sqrt()),
        _ => None,
    }
}

#[test]
fn first_steps_are_closed_forms() {
    const RATE: f64 = 0.125;
    let gradient = [3.0f32, -4.0, 0.5, 250.0, -1000.0];
    let zeros = [0.0f32; 5];
    let mut cpu = Cpu::open(1).unwrap();
    for rule in Rule::plain().filter(|rule| rule.name() != "adadelta") {
        let mut exact = Reference::new(rule, RATE, 0.0, &[0.0; 5]);
        exact.update(&gradient.map(f64::from));
        let mut device = OnDevice::new(&mut cpu, rule, RATE, 0.0, &zeros);
        device.update(&mut cpu, &gradient);
        let rounded = device.point(&mut cpu);
        let parameters = &rule.program().parameters;
        let epsilon = parameters.iter().find(|(name, _)| name == "epsilon");
        // A share of the smallest denominator, a tenth of a half.
        let rounding = epsilon.map_or(1e-15, |(_, epsilon)| 40.0 * epsilon);
        for (at, g) in gradient.iter().map(|g| f64::from(*g)).enumerate() {
            let expected = match (rule.name(), first_step(rule)) {
                (_, Some(rates)) => -RATE * rates * g.signum(),
                ("nesterov", _) => -RATE * 1.9 * g,
                _ => -RATE * g,
            };
            let near = |got: f64, bound: f64| (got - expected).abs() <= bound * expected.abs();
            let got = exact.p[at];
            assert!(
                near(got, rounding),
                "{}: {got}, not {expected}",
                rule.name()
            );
            let got = f64::from(rounded[at]);
            assert!(
                near(got, 1e-5 + rounding),
                "{}: {got}, not {expected}",
                rule.name()
            );
        }
    }
}

#[test]
fn states_that_would_become_denormal_are_zero() {
    let mut cpu = Cpu::open(1).unwrap();
    for &rule in Rule::shipped() {
        // Velocities scale with the gradient, sums of squares with its square; others start above 0 or add epsilon.
        let small = 1e-31f32;
        let gradient = [small, -small, 1.0];
        let mut exact = Reference::new(rule, 0.125, 0.0, &[0.0; 3]);
        exact.update(&gradient.map(f64::from));
        let mut device = OnDevice::new(&mut cpu, rule, 0.125, 0.0, &[0.0; 3]);
        device.update(&mut cpu, &gradient);
        for (place, exact) in exact.states.iter().enumerate() {
            let kept = device.state(&mut cpu, place);
            for (kept, exact) in kept.iter().zip(exact) {
                let is_clear = exact.abs() > 1e-29 || *exact == 0.0;
                assert!(is_clear, "{rule:?}: {exact} is no state");
                assert_eq!(*kept == 0.0, *exact == 0.0, "{rule:?}: {kept} and {exact}");
            }
        }
    }
}

#[test]
fn a_velocity_without_gradient_decays_to_exactly_zero() {
    let mut cpu = Cpu::open(1).unwrap();
    for rule in ["momentum", "nesterov", "adam", "adamax", "lion"].map(Rule::named) {
        let mut device = OnDevice::new(&mut cpu, rule, 0.125, 0.0, &[0.0; 3]);
        device.update(&mut cpu, &[1.0, -2.0, 1e-3]);
        // 0.9^700 is 1e-32, 0.99^7000 3e-31.
        for _ in 0..7000 {
            device.update(&mut cpu, &[0.0; 3]);
        }
        let velocity = device.state(&mut cpu, rule.program().velocities().next().unwrap());
        assert!(velocity.iter().all(|v| *v == 0.0), "{rule:?}: {velocity:?}");
    }
}
