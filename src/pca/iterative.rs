//! The iterative methods: a step is recorded once and replayed until the device stops itself or a limit is reached.
//!
//! A step is product, advance, (deflate), ascent, rule, retract. It is the same for `deflation`, where one row moves,
//! and for `subspace`, where all k do. The product dominates the cost and comes first, so that a device may launch the
//! small kernels after it as one. It uses the mini-batch number in BATCH, and advance moves on to the next. The device
//! evaluates the stop criterion and freezes its state; the host looks every `look_every` steps, which changes neither
//! answers nor counts.

use super::operator::Operator;
use super::rate::Terms;
use super::{Basis, Ended, Fault, Gradient, Look, Method, Next, Plan, Problem, Watch};
use crate::device::{Device, Element, Info, Slice, SliceMut};
use crate::error::Result;
use crate::kernel::{Block, Control, Kernel, control};
use crate::optimizer::{Cost, States, launch, read, shuffled};

/// Buffers of an iterative method. `m` rows move together: 1 for deflation, k for subspace.
pub(super) struct Iterative<D: Device> {
    pub operator: Operator<D>,
    pub order: usize,
    k: usize,
    pub m: usize,
    control: D::Buffer,
    pub v: D::Buffer,
    states: States<D>,
    /// Components found (deflation), k x order.
    pub basis: D::Buffer,
    step: D::Recording,
    step_cost: Cost,
    pub terms: Terms,
}

/// Counters of a solve in progress.
#[derive(Default)]
pub(super) struct Progress {
    pub iterations: u64,
    pub passes: f64,
    pub cost: Cost,
    /// Largest relative residual among the components when they ended ([`control::RESIDUAL`] after the last step).
    pub residual: f64,
    /// Where the state became non-finite.
    pub fault: Option<Fault>,
}

impl<D: Device> Iterative<D> {
    pub fn prepare(device: &mut D, problem: &Problem<D>, plan: &Plan) -> Result<Self> {
        let operator = Operator::prepare(device, problem, plan)?;
        let order = operator.order(&problem.samples);
        let k = plan.components;
        let m = if plan.method == Method::Deflation {
            1
        } else {
            k
        };
        device.warm(&kernels(&operator, problem, plan, m))?;
        let rows = |device: &mut D, rows: usize| device.alloc(Element::F32, rows * order);
        let control = device.alloc(Element::F32, control::LEN)?;
        let v = rows(device, m)?;
        let g = rows(device, m)?;
        let states = States::alloc(device, plan.rule, m * order)?;
        let basis = rows(device, if m == 1 { k } else { 0 })?;
        let projected = plan.gradient() == Gradient::Projected;
        let batches = match operator {
            Operator::Batch { batches, .. } => batches,
            _ => 1,
        };
        let terms = Terms::of(plan, order, batches);
        let table = terms
            .schedule
            .rates(terms.rate, terms.steps, plan.warm_up)?;
        let rates = device.alloc(Element::F32, table.len())?;
        device.write(&rates, 0, Slice::F32(&table))?;
        let mut cost = Cost::default();
        let step = device.record(&mut |device| {
            let cost = &mut cost;
            operator.apply(device, problem, cost, m, [&control, &v, &g])?;
            launch(
                device,
                cost,
                Kernel::Control(Control::Advance),
                &[batches, table.len()],
                &[],
                &[&control, &rates],
            )?;
            if m == 1 {
                let buffers = [&control, &basis, &g];
                launch(
                    device,
                    cost,
                    Kernel::Block(Block::Deflate),
                    &[order, k],
                    &[],
                    &buffers,
                )?;
            }
            let flag = f32::from(u8::from(projected));
            launch(
                device,
                cost,
                Kernel::Block(Block::Ascent),
                &[order, m],
                &[flag],
                &[&control, &v, &g],
            )?;
            states.update(device, cost, 0.0, [&control, &v, &g])?;
            // Without a velocity that moves along, g takes its place and stays as it is. A second velocity takes a second
            // launch, for which v is on the sphere already.
            let mut carried: Vec<(&D::Buffer, f32)> = Vec::new();
            if projected {
                carried.extend(states.velocities().map(|velocity| (velocity, 1.0)));
            }
            if carried.is_empty() {
                carried.push((&g, 0.0));
            }
            for (velocity, flag) in carried {
                launch(
                    device,
                    cost,
                    Kernel::Block(Block::Retract),
                    &[order, m],
                    &[flag],
                    &[&control, &v, velocity],
                )?;
            }
            Ok(())
        })?;
        Ok(Self {
            operator,
            order,
            k,
            m,
            control,
            v,
            states,
            basis,
            step,
            step_cost: cost,
            terms,
        })
    }

    /// Resets the control buffer and the basis for a new solve.
    pub fn reset(&self, device: &mut D) -> Result<()> {
        let mut values = [0.0f32; control::LEN];
        values[control::TOLERANCE] = self.terms.tolerance as f32;
        values[control::CRITERION] = self.terms.criterion;
        values[control::BEST] = f32::MAX;
        values[control::SCALE_MEAN] = match self.operator {
            Operator::Batch { .. } => 1.0,
            _ => 0.0,
        };
        device.write(&self.control, 0, Slice::F32(&values))?;
        self.states.start(device)?;
        if self.m == 1 {
            let zeros = vec![0.0f32; self.order * self.k];
            device.write(&self.basis, 0, Slice::F32(&zeros))?;
        }
        Ok(())
    }

    /// Uploads start vectors: orthonormalised, and orthogonal to the components found so far.
    pub fn start(&self, device: &mut D, start: &[f32]) -> Result<()> {
        device.write(&self.v, 0, Slice::F32(start))?;
        let mut ignored = Cost::default();
        if self.m == 1 {
            let buffers = [&self.control, &self.basis, &self.v];
            launch(
                device,
                &mut ignored,
                Kernel::Block(Block::ProjectOut),
                &[self.order, self.k],
                &[],
                &buffers,
            )
        } else {
            let sizes = [self.order, self.m];
            launch(
                device,
                &mut ignored,
                Kernel::Block(Block::Orthonormalise),
                &sizes,
                &[],
                &[&self.v],
            )
        }
    }

    /// Steps between two looks.
    fn look_every(&self, info: &Info) -> u64 {
        // The cast saturates for a ratio beyond the largest integer.
        let cheap = (info.look_bytes / self.step_cost.bytes()) as u64;
        info.look_every.min(cheap).max(1)
    }

    /// Runs steps until the device stops itself or a limit is reached.
    pub fn run(
        &self,
        device: &mut D,
        plan: &Plan,
        problem: &Problem<D>,
        component: usize,
        watch: &mut dyn Watch<Basis>,
        progress: &mut Progress,
    ) -> Result<Ended> {
        let mut done = 0;
        let look_every = self.look_every(device.info());
        let limit = self.terms.steps;
        loop {
            let mut steps = look_every.min(limit - done);
            if let Operator::Batch { rows, batches, .. } = &self.operator {
                let batches = *batches as u64;
                if done % batches == 0 {
                    let order = shuffled(problem.samples.n, plan.seed, done / batches);
                    device.write(rows, 0, Slice::U32(&order))?;
                    device.write(&self.control, control::BATCH, Slice::F32(&[0.0]))?;
                }
                steps = steps.min(batches - done % batches);
            }
            device.replay(&self.step, steps)?;
            let mut state = [0.0f32; control::LEN];
            device.read(&self.control, 0, SliceMut::F32(&mut state))?;
            // Frozen steps do not count.
            let counted = state[control::STEP] as u64 - done;
            done += counted;
            progress.iterations += counted;
            progress.passes += counted as f64 * self.operator.passes(&problem.samples);
            progress.cost.add_times(&self.step_cost, counted);
            let stop = state[control::STOP];
            let quantity = match stop {
                control::NOT_FINITE => Some("gradient"),
                control::STEP_NOT_FINITE => Some("updated vector"),
                _ => None,
            };
            if let Some(quantity) = quantity {
                progress.fault = Some(Fault {
                    component,
                    step: done,
                    quantity,
                });
                return Ok(Ended::Diverged);
            }
            let mut snapshot = || {
                let mut rows = if self.m == 1 {
                    read(device, &self.basis, component * self.order)?
                } else {
                    Vec::new()
                };
                rows.extend(read(device, &self.v, self.m * self.order)?);
                Ok(Basis {
                    order: self.order,
                    rows,
                })
            };
            let next = watch.look(Look {
                iteration: progress.iterations,
                passes: progress.passes,
                component,
                last: false,
                snapshot: &mut snapshot,
            })?;
            let ended = match stop {
                control::CONVERGED => Ended::Converged,
                control::FLOOR_REACHED => Ended::Floor,
                _ if next == Next::Stop => Ended::Stopped,
                _ if done >= limit => Ended::Iterations,
                _ => continue,
            };
            let residual = f64::from(state[control::RESIDUAL]);
            progress.residual = progress.residual.max(residual);
            return Ok(ended);
        }
    }

    /// Adds v to the basis as the next component and resets the run state.
    pub fn commit(&self, device: &mut D) -> Result<()> {
        launch(
            device,
            &mut Cost::default(),
            Kernel::Control(Control::Commit),
            &[self.order, self.k],
            &[],
            &[&self.control, &self.v, &self.basis],
        )?;
        self.states.start(device)
    }
}

/// All kernels that a solve with m rows launches: they are compiled before the clock starts, none during the solve.
fn kernels<D: Device>(
    operator: &Operator<D>,
    problem: &Problem<D>,
    plan: &Plan,
    m: usize,
) -> Vec<Kernel> {
    let mut kernels = operator.kernels(&problem.samples);
    kernels.extend([
        Kernel::Control(Control::Advance),
        Kernel::Block(Block::Ascent),
        plan.rule.kernel(),
    ]);
    kernels.extend([
        Kernel::Block(Block::Retract),
        Kernel::Block(Block::Orthonormalise),
    ]);
    if m == 1 {
        kernels.extend([
            Kernel::Block(Block::Deflate),
            Kernel::Block(Block::ProjectOut),
            Kernel::Control(Control::Commit),
        ]);
    }
    kernels
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    use super::*;
    use crate::data::{Elements, Samples, Statistics};
    use crate::device::cpu::Cpu;
    use crate::optimizer::{Blind, Rule, WarmUp};
    use crate::pca::{OperatorKind, Outcome, Solver};

    /// Normally distributed samples with these standard deviations.
    fn normal(n: usize, deviations: &[f32], seed: u64) -> Arc<Samples> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let row = || deviations.iter().copied();
        let elements = (0..n).flat_map(|_| row());
        let elements = elements.map(|deviation| {
            let x: f32 = StandardNormal.sample(&mut random);
            deviation * x
        });
        Arc::new(Samples {
            n,
            d: deviations.len(),
            elements: Elements::F32(elements.collect()),
            unit: 1.0,
            source_scale: 1.0,
            low: Vec::new(),
            offset: Vec::new(),
            labels: None,
            image: None,
            spec: "normal".into(),
            sha256: String::new(),
            known: None,
        })
    }

    fn solve(samples: &Arc<Samples>, plan: &Plan) -> Outcome {
        let mut cpu = Cpu::open(1).expect("one thread");
        let statistics = Statistics::of(samples, 1);
        let problem = Problem::upload(&mut cpu, samples, &statistics).expect("it fits");
        let solver = Solver::prepare(&mut cpu, &problem, plan);
        let solved = solver.expect("it fits").solve(&mut cpu, &mut Blind);
        solved.expect("it solves")
    }

    fn plan(rule: Rule, components: usize) -> Plan {
        Plan {
            method: Method::Deflation,
            operator: OperatorKind::Samples,
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
            seed: 0,
        }
    }

    #[test]
    fn deflation_by_mini_batches_does_not_diverge() {
        for (n, deviations) in [(4, &[3.0, 1.0][..]), (400, &[10.0, 3.0, 1.0])] {
            for seed in 0..8 {
                let samples = normal(n, deviations, seed);
                for rule in [
                    Rule::named("sgd"),
                    Rule::named("momentum"),
                    Rule::named("nesterov"),
                ] {
                    for batch in [1, 4] {
                        let plan = Plan {
                            batch: Some(batch),
                            seed,
                            ..plan(rule, deviations.len())
                        };
                        let outcome = solve(&samples, &plan);
                        assert_eq!(outcome.fault, None, "{n} samples: {plan:?}");
                        assert_ne!(outcome.ended, Ended::Diverged, "{n} samples: {plan:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_solve_reports_the_largest_final_residual_of_its_components() {
        let samples = normal(400, &[10.0, 3.0, 1.0], 1);
        // The steps of these are as long as their schedule says, however small the gradient.
        for rule in Rule::plain().filter(|rule| !["lars", "lamb", "lion"].contains(&rule.name())) {
            let outcome = solve(&samples, &plan(rule, 2));
            assert_eq!(
                (outcome.ended, outcome.fault),
                (Ended::Converged, None),
                "{rule:?}"
            );
            assert!((0.0..=1e-6).contains(&outcome.residual), "{rule:?}");
            let short = Plan {
                max_iterations: 2,
                ..plan(rule, 2)
            };
            let outcome = solve(&samples, &short);
            assert_eq!(outcome.ended, Ended::Iterations);
            assert!(outcome.residual > 1e-6, "{rule:?}: {}", outcome.residual);
        }
    }

    #[test]
    fn a_diverging_solve_reports_where() {
        let samples = normal(400, &[10.0, 3.0, 1.0], 1);
        let wild = |rule, rate| {
            let plan = Plan {
                learning_rate: Some(rate),
                ..plan(rule, 2)
            };
            let outcome = solve(&samples, &plan);
            assert_eq!(outcome.ended, Ended::Diverged);
            outcome.fault.expect("it diverged")
        };
        let fault = wild(Rule::named("sgd"), 1e38);
        assert_eq!((fault.component, fault.step), (0, 1));
        assert_eq!(fault.quantity, "updated vector");
    }
}
