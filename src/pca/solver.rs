//! Runs a plan on a device: the step sequences of `deflation` and `subspace`, the dense way, and the Rayleigh-Ritz step
//! that ends them all.
//!
//! A step is a sequence of launches recorded once: advance, product, (deflate), ascent, rule, retract. The device
//! evaluates the stop criterion and freezes itself; the host looks every `look_every` steps and at every point its watch
//! asks for, which changes no answer and no count.

use ndarray::Array2;
use ndarray_linalg::{Eigh, UPLO};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::operator::{Cost, Operator, launch};
use super::problem::in_user_units;
use super::rate::Schedule;
use super::{Ended, Gradient, Look, Method, Outcome, Plan, Problem, Verdict, Watch};
use crate::device::{Device, Element, Gemm, Slice, SliceMut};
use crate::error::{Error, Result};
use crate::kernel::{Kernel, control};

/// An eigenvalue under this many units in the last place of the largest one is rounding: see [`control::FLOOR`].
const FLOOR_ULPS: usize = 64;

/// A plan with its buffers and recordings on a device: what can be done before the clock starts.
pub struct Solver<'a, D: Device> {
    problem: &'a Problem<D>,
    plan: Plan,
    iterative: Option<Iterative<D>>,
    finish: Finish<D>,
}

/// Buffers of an iterative method. `m` rows move at once: 1 for deflation, k for subspace.
struct Iterative<D: Device> {
    operator: Operator<D>,
    order: usize,
    k: usize,
    m: usize,
    control: D::Buffer,
    v: D::Buffer,
    previous: D::Buffer,
    states: [D::Buffer; 2],
    /// Components found (deflation), k x order, and their eigenvalues.
    basis: D::Buffer,
    lambda: D::Buffer,
    step: D::Recording,
    step_cost: Cost,
    schedule: Schedule,
}

/// Buffers of the Rayleigh-Ritz step, k x d.
struct Finish<D: Device> {
    control: D::Buffer,
    v: D::Buffer,
    g: D::Buffer,
    rotated: D::Buffer,
    small: D::Buffer,
}

/// Counts of a solve in progress.
#[derive(Default)]
struct Progress {
    iterations: u64,
    passes: f64,
    cost: Cost,
}

impl<'a, D: Device> Solver<'a, D> {
    /// Allocates and records (setup, not solve).
    ///
    /// # Errors
    /// `Unsupported` or `Failed`, as the device says.
    pub fn prepare(device: &mut D, problem: &'a Problem<D>, plan: &Plan) -> Result<Self> {
        let (k, d) = (plan.components, problem.samples.d);
        let control = device.alloc(Element::F32, control::LEN)?;
        let finish = Finish {
            control,
            v: device.alloc(Element::F32, k * d)?,
            g: device.alloc(Element::F32, k * d)?,
            rotated: device.alloc(Element::F32, k * d)?,
            small: device.alloc(Element::F32, k * k)?,
        };
        let iterative = match plan.method {
            Method::Direct => None,
            Method::Deflation | Method::Subspace => {
                Some(Iterative::prepare(device, problem, plan)?)
            }
        };
        Ok(Self {
            problem,
            plan: plan.clone(),
            iterative,
            finish,
        })
    }

    /// One solve, from the start vectors to the Rayleigh-Ritz step; may be called again and gives the same bits.
    ///
    /// # Errors
    /// As the device says, or what the watch returns.
    pub fn solve(&mut self, device: &mut D, watch: &mut dyn Watch) -> Result<Outcome> {
        match self.iterative.take() {
            None => self.direct(device, watch),
            Some(iterative) => {
                let outcome = self.iterate(device, &iterative, watch);
                self.iterative = Some(iterative);
                outcome
            }
        }
    }

    fn iterate(&self, device: &mut D, it: &Iterative<D>, watch: &mut dyn Watch) -> Result<Outcome> {
        let mut progress = Progress::default();
        it.operator.form(device, self.problem, &mut progress.cost)?;
        it.reset(device)?;
        let mut random = ChaCha8Rng::seed_from_u64(self.plan.seed);
        let mut ended = Ended::Converged;
        let rounds = if it.m == 1 { self.plan.components } else { 1 };
        for component in 0..rounds {
            let start: Vec<f32> = (0..it.m * it.order)
                .map(|_| random.sample(StandardNormal))
                .collect();
            it.start(device, &start)?;
            let round = it.run(
                device,
                &self.plan,
                self.problem,
                component,
                watch,
                &mut progress,
            )?;
            match round {
                Ended::Diverged => return Ok(self.diverged(it, &progress)),
                Ended::Converged => {}
                // Of several reasons the gravest is told: a limit outweighs the floor of the arithmetic.
                Ended::Floor if ended != Ended::Converged => {}
                other => ended = other,
            }
            if it.m == 1 {
                it.commit(device, &start)?;
            }
            if round == Ended::Stopped {
                break;
            }
        }
        self.rayleigh_ritz(device, it, ended, progress, watch)
    }

    fn diverged(&self, it: &Iterative<D>, progress: &Progress) -> Outcome {
        Outcome {
            ended: Ended::Diverged,
            eigenvalues: Vec::new(),
            components: Vec::new(),
            residuals: Vec::new(),
            iterations: progress.iterations,
            passes: progress.passes,
            bytes: progress.cost.bytes,
            flops: progress.cost.flops,
            learning_rate: it.schedule.rate,
        }
    }

    /// Rotates the span that was found to the eigenvectors of A within it: one block pass, a k x k eigenproblem on the
    /// host, one small product.
    fn rayleigh_ritz(
        &self,
        device: &mut D,
        it: &Iterative<D>,
        ended: Ended,
        mut progress: Progress,
        watch: &mut dyn Watch,
    ) -> Result<Outcome> {
        let (k, d) = (self.plan.components, self.problem.samples.d);
        let finish = &self.finish;
        let found = if it.m == 1 { &it.basis } else { &it.v };
        let operator = match &it.operator {
            Operator::Dual(_) => {
                // Vectors of n numbers become vectors of d; A is then applied to them as it is defined, from the samples.
                Operator::lift(
                    device,
                    self.problem,
                    &mut progress.cost,
                    k,
                    found,
                    &finish.v,
                )?;
                progress.passes += 1.0;
                &Operator::Samples
            }
            other => {
                let mut values = vec![0.0f32; k * d];
                device.read(found, 0, SliceMut::F32(&mut values))?;
                device.write(&finish.v, 0, Slice::F32(&values))?;
                match other {
                    Operator::Batch { .. } => &Operator::Samples,
                    other => other,
                }
            }
        };
        let cost = &mut progress.cost;
        launch(
            device,
            cost,
            Kernel::Orthonormalise,
            &[d, k],
            &[],
            &[&finish.v],
        )?;
        let buffers = [&finish.control, &finish.v, &finish.g];
        operator.apply(device, self.problem, cost, k, buffers)?;
        progress.passes += 1.0;
        let inner = Gemm {
            m: k,
            n: k,
            k: d,
            transpose_a: false,
            transpose_b: true,
            alpha: 1.0,
            beta: 0.0,
        };
        device.gemm(&inner, &finish.g, &finish.v, &finish.small)?;
        let mut small = vec![0.0f32; k * k];
        device.read(&finish.small, 0, SliceMut::F32(&mut small))?;
        let (eigenvalues, rotation) = ritz(&small, k)?;
        device.write(&finish.small, 0, Slice::F32(&rotation))?;
        let rotate = Gemm {
            n: d,
            k,
            transpose_b: false,
            ..inner
        };
        device.gemm(&rotate, &finish.small, &finish.v, &finish.rotated)?;
        device.synchronise()?;
        let mut snapshot = || read(device, &finish.rotated, k * d);
        watch.look(Look {
            iteration: progress.iterations,
            passes: progress.passes,
            component: if it.m == 1 { k - 1 } else { 0 },
            order: d,
            last: true,
            snapshot: &mut snapshot,
        })?;
        // Off the clock from here on.
        let components = read(device, &finish.rotated, k * d)?;
        device.gemm(&rotate, &finish.small, &finish.g, &finish.v)?;
        let images = read(device, &finish.v, k * d)?;
        let top = eigenvalues
            .first()
            .copied()
            .unwrap_or(0.0)
            .abs()
            .max(f64::MIN_POSITIVE);
        let residuals = eigenvalues
            .iter()
            .zip(components.chunks_exact(d).zip(images.chunks_exact(d)))
            .map(|(lambda, (v, image))| {
                let square: f64 = v
                    .iter()
                    .zip(image)
                    .map(|(v, image)| (f64::from(*image) - lambda * f64::from(*v)).powi(2))
                    .sum();
                square.sqrt() / top
            })
            .collect();
        Ok(Outcome {
            ended,
            eigenvalues: eigenvalues
                .iter()
                .map(|x| self.problem.unscale(*x))
                .collect(),
            components,
            residuals,
            iterations: progress.iterations,
            passes: progress.passes,
            bytes: progress.cost.bytes,
            flops: progress.cost.flops,
            learning_rate: it.schedule.rate,
        })
    }

    /// The device's dense eigensolver on the smaller Gram matrix, all in f64.
    fn direct(&self, device: &mut D, watch: &mut dyn Watch) -> Result<Outcome> {
        let samples = &self.problem.samples;
        let (n, d, k) = (samples.n, samples.d, self.plan.components);
        let order = n.min(d);
        super::reference::check_dense(order, device.info().max_buffer_bytes)?;
        let mut gram = device.gram(samples, &self.problem.statistics)?;
        let values = device.eigh(&mut gram, order)?;
        let mut components =
            super::reference::top_rows(samples, &self.problem.statistics, &gram, &values, order, k);
        complete(&mut components, d);
        let components: Vec<f32> = components.iter().map(|x| *x as f32).collect();
        device.synchronise()?;
        watch.look(Look {
            iteration: 0,
            passes: 1.0,
            component: 0,
            order: d,
            last: true,
            snapshot: &mut || Ok(components.clone()),
        })?;
        let (n, d, order) = (n as f64, d as f64, order as f64);
        Ok(Outcome {
            ended: Ended::Converged,
            eigenvalues: (0..k)
                .map(|i| in_user_units(samples, values[values.len() - 1 - i].max(0.0)))
                .collect(),
            components,
            residuals: Vec::new(),
            iterations: 0,
            passes: 1.0,
            bytes: samples.bytes() as f64 + 8.0 * order * order,
            // Half of a product of n x d by d x n, and the tridiagonal reduction (Golub and Van Loan, 8.3).
            flops: n * d * (order + 1.0) + 4.0 / 3.0 * order.powi(3),
            learning_rate: 0.0,
        })
    }
}

impl<D: Device> Iterative<D> {
    fn prepare(device: &mut D, problem: &Problem<D>, plan: &Plan) -> Result<Self> {
        let operator = Operator::prepare(device, problem, plan)?;
        let order = operator.order(&problem.samples);
        let k = plan.components;
        let m = if plan.method == Method::Deflation {
            1
        } else {
            k
        };
        let rows = |device: &mut D, rows: usize| device.alloc(Element::F32, rows * order);
        let control = device.alloc(Element::F32, control::LEN)?;
        let v = rows(device, m)?;
        let g = rows(device, m)?;
        let previous = rows(device, m)?;
        let states = [rows(device, m)?, rows(device, m)?];
        let basis = rows(device, if m == 1 { k } else { 0 })?;
        let lambda = device.alloc(Element::F32, k)?;
        let projected = plan.gradient() == Gradient::Projected;
        let transport = projected && plan.rule.has_velocity();
        let batches = match operator {
            Operator::Batch { batches, .. } => batches,
            _ => 1,
        };
        let mut cost = Cost::default();
        let step = device.record(&mut |device| {
            let cost = &mut cost;
            launch(device, cost, Kernel::Advance, &[batches], &[], &[&control])?;
            operator.apply(device, problem, cost, m, [&control, &v, &g])?;
            if m == 1 {
                let buffers = [&control, &basis, &lambda, &v, &g];
                launch(device, cost, Kernel::Deflate, &[order, k], &[], &buffers)?;
            }
            let flag = f32::from(u8::from(projected));
            launch(
                device,
                cost,
                Kernel::Ascent,
                &[order, m],
                &[flag],
                &[&control, &v, &g],
            )?;
            cost.add(plan.rule.kernel(), &[m * order]);
            plan.rule.launch(
                device,
                m * order,
                &control,
                &v,
                &g,
                [&states[0], &states[1]],
            )?;
            let flag = f32::from(u8::from(transport));
            let buffers = [&control, &v, &previous, &states[0]];
            launch(
                device,
                cost,
                Kernel::Retract,
                &[order, m],
                &[flag],
                &buffers,
            )
        })?;
        let schedule = Schedule::of(plan, order, batches);
        Ok(Self {
            operator,
            order,
            k,
            m,
            control,
            v,
            previous,
            states,
            basis,
            lambda,
            step,
            step_cost: cost,
            schedule,
        })
    }

    /// The control buffer and the basis at the start of a solve.
    fn reset(&self, device: &mut D) -> Result<()> {
        let mut values = [0.0f32; control::LEN];
        values[control::BASE_RATE] = self.schedule.rate as f32;
        values[control::SCHEDULE_POWER] = self.schedule.power as f32;
        values[control::SCHEDULE_TIME] = self.schedule.time as f32;
        values[control::TOLERANCE] = self.schedule.tolerance as f32;
        values[control::CRITERION] = self.schedule.criterion;
        values[control::BEST] = f32::MAX;
        values[control::SCALE_MEAN] = match self.operator {
            Operator::Batch { .. } => 1.0,
            _ => 0.0,
        };
        device.write(&self.control, 0, Slice::F32(&values))?;
        let zeros = vec![0.0f32; self.order * self.k];
        let rows = self.m * self.order;
        device.write(&self.states[0], 0, Slice::F32(&zeros[..rows]))?;
        device.write(&self.states[1], 0, Slice::F32(&zeros[..rows]))?;
        if self.m == 1 {
            device.write(&self.basis, 0, Slice::F32(&zeros))?;
        }
        Ok(())
    }

    /// Puts start vectors in place: orthonormal, and orthogonal to what was found.
    fn start(&self, device: &mut D, start: &[f32]) -> Result<()> {
        device.write(&self.v, 0, Slice::F32(start))?;
        self.orthogonalise(device)?;
        let v = read(device, &self.v, start.len())?;
        device.write(&self.previous, 0, Slice::F32(&v))
    }

    fn orthogonalise(&self, device: &mut D) -> Result<()> {
        let mut ignored = Cost::default();
        if self.m == 1 {
            let buffers = [&self.control, &self.basis, &self.v];
            launch(
                device,
                &mut ignored,
                Kernel::ProjectOut,
                &[self.order, self.k],
                &[],
                &buffers,
            )
        } else {
            let sizes = [self.order, self.m];
            launch(
                device,
                &mut ignored,
                Kernel::Orthonormalise,
                &sizes,
                &[],
                &[&self.v],
            )
        }
    }

    /// Steps until the device stops itself or a limit comes.
    fn run(
        &self,
        device: &mut D,
        plan: &Plan,
        problem: &Problem<D>,
        component: usize,
        watch: &mut dyn Watch,
        progress: &mut Progress,
    ) -> Result<Ended> {
        let mut done = 0;
        let mut limit = plan.max_iterations;
        if let Operator::Batch { batches, .. } = self.operator {
            limit = limit.min(plan.epochs * batches as u64);
        }
        loop {
            let mut steps = device.info().look_every.min(limit - done);
            if let Operator::Batch { rows, batches, .. } = &self.operator {
                let batches = *batches as u64;
                if done % batches == 0 {
                    let order = shuffled(problem.samples.n, plan.seed, done / batches);
                    device.write(rows, 0, Slice::U32(&order))?;
                    device.write(
                        &self.control,
                        control::BATCH,
                        Slice::F32(&[batches as f32 - 1.0]),
                    )?;
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
            progress.cost.add_times(self.step_cost, counted);
            let stop = state[control::STOP];
            if stop == control::NOT_FINITE {
                return Ok(Ended::Diverged);
            }
            let mut snapshot = || {
                let mut rows = if self.m == 1 {
                    read(device, &self.basis, component * self.order)?
                } else {
                    Vec::new()
                };
                rows.extend(read(device, &self.v, self.m * self.order)?);
                Ok(rows)
            };
            let verdict = watch.look(Look {
                iteration: progress.iterations,
                passes: progress.passes,
                component,
                order: self.order,
                last: false,
                snapshot: &mut snapshot,
            })?;
            if stop == control::CONVERGED {
                return Ok(Ended::Converged);
            }
            if stop == control::FLOOR_REACHED {
                return Ok(Ended::Floor);
            }
            if verdict == Verdict::Stop {
                return Ok(Ended::Stopped);
            }
            if done >= limit {
                return Ok(Ended::Iterations);
            }
        }
    }

    /// Takes v as the next component. Past the rank, where what is left is rounding, the start vector stands in: it is
    /// orthogonal to the others, which is all that can be said there.
    fn commit(&self, device: &mut D, start: &[f32]) -> Result<()> {
        let mut state = [0.0f32; control::LEN];
        device.read(&self.control, 0, SliceMut::F32(&mut state))?;
        if state[control::RHO] <= state[control::FLOOR] {
            device.write(&self.v, 0, Slice::F32(start))?;
            self.orthogonalise(device)?;
            device.write(&self.control, control::RHO, Slice::F32(&[0.0]))?;
        }
        let floor = FLOOR_ULPS.min(self.order) as f32 * f32::EPSILON;
        let buffers = [
            &self.control,
            &self.v,
            &self.basis,
            &self.lambda,
            &self.states[0],
            &self.states[1],
        ];
        launch(
            device,
            &mut Cost::default(),
            Kernel::Commit,
            &[self.order, self.k],
            &[floor],
            &buffers,
        )
    }
}

fn read<D: Device>(device: &mut D, buffer: &D::Buffer, len: usize) -> Result<Vec<f32>> {
    let mut values = vec![0.0; len];
    device.read(buffer, 0, SliceMut::F32(&mut values))?;
    Ok(values)
}

/// The order of the rows in one epoch.
fn shuffled(n: usize, seed: u64, epoch: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n as u32).collect();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(epoch + 1);
    order.shuffle(&mut random);
    order
}

/// Eigenvalues of the k x k projection, largest first, and its eigenvectors as rows.
fn ritz(small: &[f32], k: usize) -> Result<(Vec<f64>, Vec<f32>)> {
    let symmetric = Array2::from_shape_fn((k, k), |(i, j)| {
        0.5 * (f64::from(small[i * k + j]) + f64::from(small[j * k + i]))
    });
    let (values, vectors) = symmetric
        .eigh(UPLO::Upper)
        .map_err(|e| Error::failed(format!("Rayleigh-Ritz: LAPACK failed at order {k}: {e}")))?;
    let rotation = (0..k)
        .flat_map(|i| (0..k).map(move |j| (k - 1 - i, j)))
        .map(|(i, j)| vectors[[j, i]] as f32)
        .collect();
    Ok((values.iter().rev().copied().collect(), rotation))
}

/// Makes the rows orthonormal; a row that vanishes (an eigenvalue of 0 has no vector of its own in the dual) is replaced.
fn complete(rows: &mut Vec<f64>, d: usize) {
    let count = rows.len() / d;
    let mut buffers = [std::mem::take(rows)];
    (Kernel::Orthonormalise.row().reference)(&[d, count], &[], &mut buffers);
    [*rows] = buffers;
}
