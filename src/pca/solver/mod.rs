//! Runs a plan on a device: an iterative method followed by a Rayleigh-Ritz step, or the dense eigensolver.

use ndarray::{Array2, ArrayView2};
use ndarray_linalg::{Eigh, UPLO};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::finish::{Completion, Course, End, FOUND, finish};
use super::host::Host;
use super::iterative::{Iterative, Progress};
use super::operator::Operator;
use super::problem::in_user_units;
use super::reference::{CLUSTER_GAP, GRAM_SHARE};
use super::{Basis, Ended, Look, Method, Outcome, Plan, Problem, Watch};
use crate::device::{Device, Element, Gemm, Info, Slice, SliceMut};
use crate::error::{Error, Result};
use crate::kernel::{Arithmetic, Block, Kernel, control, resolution};
use crate::optimizer::{launch, read};

/// A plan prepared on a device: its buffers and recordings, made before the clock starts.
pub struct Solver<'a, D: Device> {
    problem: &'a Problem<D>,
    plan: Plan,
    iterative: Option<Iterative<D>>,
    buffers: Buffers<D>,
}

/// Buffers of the Rayleigh-Ritz step, k x d.
struct Buffers<D: Device> {
    control: D::Buffer,
    v: D::Buffer,
    g: D::Buffer,
    rotated: D::Buffer,
    small: D::Buffer,
}

impl<'a, D: Device> Solver<'a, D> {
    /// Allocates buffers, compiles kernels and records the steps (counted as setup, not as solve).
    ///
    /// # Errors
    /// `Unsupported` or `Failed` from the device.
    pub fn prepare(device: &mut D, problem: &'a Problem<D>, plan: &Plan) -> Result<Self> {
        let (k, d) = (plan.components, problem.samples.d);
        // A zeroed control buffer: the memory is uninitialised, and the pass that uses it must not be frozen.
        let running = device.alloc(Element::F32, control::LEN)?;
        device.write(&running, 0, Slice::F32(&[0.0; control::LEN]))?;
        let buffers = Buffers {
            control: running,
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
            buffers,
        })
    }

    /// Solves once, from the start vectors to the Rayleigh-Ritz step. Repeated calls give bit-identical answers.
    ///
    /// # Errors
    /// Those of the device and of the watch.
    pub fn solve(&mut self, device: &mut D, watch: &mut dyn Watch<Basis>) -> Result<Outcome> {
        let outcome = match self.iterative.take() {
            None => self.direct(device, watch),
            Some(iterative) => {
                let outcome = self.iterate(device, &iterative, watch);
                self.iterative = Some(iterative);
                outcome
            }
        };
        outcome.map(|mut outcome| {
            turn_signs(&mut outcome.components, self.problem.samples.d);
            outcome
        })
    }

    fn iterate(
        &self,
        device: &mut D,
        it: &Iterative<D>,
        watch: &mut dyn Watch<Basis>,
    ) -> Result<Outcome> {
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
                Ended::Diverged => return Ok(so_far(it, round, &progress)),
                Ended::Converged => {}
                // Report the most serious reason of all components: a limit outweighs the floor of the arithmetic.
                Ended::Floor if ended != Ended::Converged => {}
                other => ended = other,
            }
            if it.m == 1 {
                it.commit(device)?;
            }
            if round == Ended::Stopped {
                break;
            }
        }
        self.rayleigh_ritz(device, it, ended, progress, watch)
    }

    /// Rotates the span to the eigenvectors of A within it: one block pass, a k x k eigenproblem on the host, and one
    /// small product.
    fn rayleigh_ritz(
        &self,
        device: &mut D,
        it: &Iterative<D>,
        ended: Ended,
        mut progress: Progress,
        watch: &mut dyn Watch<Basis>,
    ) -> Result<Outcome> {
        let (k, d) = (self.plan.components, self.problem.samples.d);
        let finish = &self.buffers;
        let found = if it.m == 1 { &it.basis } else { &it.v };
        let operator = match &it.operator {
            Operator::Dual(_) => {
                // Lift vectors of length n to length d, then apply A from the samples.
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
            Kernel::Block(Block::Orthonormalise),
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
        device.gemm(&rotating(k, d), &finish.small, &finish.v, &finish.rotated)?;
        device.synchronise()?;
        let mut outcome = so_far(it, ended, &progress);
        let component = if it.m == 1 { k - 1 } else { 0 };
        if is_in_f32(&outcome, &eigenvalues, it.terms.tolerance) {
            let mut snapshot = || {
                let rows = read(device, &finish.rotated, k * d)?;
                Ok(Basis { order: d, rows })
            };
            watch.look(outcome.look(component, true, &mut snapshot))?;
            // Not timed from here on.
            self.read_back(device, &mut outcome, &eigenvalues)?;
            return Ok(outcome);
        }
        let completion = match outcome.ended {
            _ if matches!(it.operator, Operator::Batch { .. }) => Completion::Never,
            Ended::Converged | Ended::Floor => Completion::Always,
            Ended::Iterations => Completion::WhereFound,
            Ended::Stopped | Ended::Diverged => Completion::Never,
        };
        let start = read(device, &finish.rotated, k * d)?;
        outcome.components = start.iter().map(|x| f64::from(*x)).collect();
        self.end_on_host(device.info(), &mut outcome, completion, component, watch)?;
        let mut snapshot = || Ok(narrowed(d, &outcome.components));
        watch.look(outcome.look(component, true, &mut snapshot))?;
        Ok(outcome)
    }

    /// Reads the answer back from the device; `eigenvalues` are those of the scaled operator.
    fn read_back(&self, device: &mut D, outcome: &mut Outcome, eigenvalues: &[f64]) -> Result<()> {
        let (k, d) = (self.plan.components, self.problem.samples.d);
        let finish = &self.buffers;
        let components = read(device, &finish.rotated, k * d)?;
        device.gemm(&rotating(k, d), &finish.small, &finish.g, &finish.v)?;
        let images = read(device, &finish.v, k * d)?;
        let top = eigenvalues[0].abs().max(f64::MIN_POSITIVE);
        let pairs = components.chunks_exact(d).zip(images.chunks_exact(d));
        let residual = |(lambda, (v, image)): (&f64, (&[f32], &[f32]))| {
            let left = |(v, image): (&f32, &f32)| f64::from(*image) - lambda * f64::from(*v);
            let square: f64 = v.iter().zip(image).map(|pair| left(pair).powi(2)).sum();
            square.sqrt() / top
        };
        outcome.residuals = eigenvalues.iter().zip(pairs).map(residual).collect();
        let values = eigenvalues.iter().map(|x| self.problem.unscale(*x));
        outcome.eigenvalues = values.collect();
        outcome.components = components.iter().map(|x| f64::from(*x)).collect();
        Ok(())
    }

    /// The last step in f64 on the host, from the components of the outcome (k x d), on as many threads as the device
    /// has.
    fn end_on_host(
        &self,
        info: &Info,
        outcome: &mut Outcome,
        completion: Completion,
        component: usize,
        watch: &mut dyn Watch<Basis>,
    ) -> Result<()> {
        let (k, d) = (self.plan.components, self.problem.samples.d);
        let samples = &self.problem.samples;
        let threads = info.threads.unwrap_or_else(crate::machine::cores);
        let host = Host::new(samples, &self.problem.statistics, threads);
        let start = std::mem::take(&mut outcome.components);
        let start = ArrayView2::from_shape((k, d), &start)
            .map_err(|e| Error::failed(format!("the components so far: {e}")))?;
        let before = outcome.passes;
        let finished = finish(
            &host,
            start,
            &mut Course {
                tolerance: self.plan.tolerance,
                completion,
                seed: self.plan.seed,
                look: &mut |components, passes| {
                    outcome.passes = before + passes;
                    let mut snapshot = || Ok(narrowed(d, components));
                    watch.look(outcome.look(component, false, &mut snapshot))
                },
            },
        )?;
        outcome.ended = match finished.end {
            End::Rotated => outcome.ended,
            End::Settled => Ended::Converged,
            End::Floor => Ended::Floor,
            End::Stopped => Ended::Stopped,
        };
        if finished.end != End::Rotated {
            outcome.residual = finished.residual;
        }
        let values = finished.eigenvalues.iter();
        outcome.eigenvalues = values.map(|x| in_user_units(samples, *x)).collect();
        outcome.components = finished.components.iter().copied().collect();
        outcome.residuals = finished.residuals;
        outcome.passes = before + finished.passes;
        outcome.host_passes = finished.passes;
        let work = (finished.passes * samples.bytes() as f64, finished.flops);
        outcome
            .cost
            .add_other("host passes", finished.passes, work, Arithmetic::F64);
        Ok(())
    }

    /// Runs the device's dense eigensolver on the smaller Gram matrix, all in f64.
    fn direct(&self, device: &mut D, watch: &mut dyn Watch<Basis>) -> Result<Outcome> {
        let samples = &self.problem.samples;
        let (n, d, k) = (samples.n, samples.d, self.plan.components);
        let order = n.min(d);
        super::reference::check_dense(order, device.info().max_buffer_bytes)?;
        let mut gram = device.gram(samples, &self.problem.statistics)?;
        let values = device.eigh(&mut gram, order)?;
        let mut components =
            super::reference::top_rows(samples, &self.problem.statistics, &gram, &values, order, k);
        complete(&mut components, d);
        device.synchronise()?;
        let kept: Vec<f64> = values.iter().rev().take(k).map(|x| x.max(0.0)).collect();
        let mut outcome = Outcome {
            ended: Ended::Converged,
            eigenvalues: kept.iter().map(|x| in_user_units(samples, *x)).collect(),
            components,
            residuals: Vec::new(),
            iterations: 0,
            passes: 1.0,
            cost: super::reference::dense_cost(samples, device.gram_arithmetic(samples)),
            host_passes: 0.0,
            learning_rate: 0.0,
            residual: 0.0,
            fault: None,
        };
        if kept[k - 1] < GRAM_SHARE * kept[0] {
            self.end_on_host(device.info(), &mut outcome, Completion::Always, 0, watch)?;
        }
        let mut snapshot = || Ok(narrowed(d, &outcome.components));
        watch.look(outcome.look(0, true, &mut snapshot))?;
        Ok(outcome)
    }
}

/// The outcome of an iterative method before its answer is known.
fn so_far<D: Device>(it: &Iterative<D>, ended: Ended, progress: &Progress) -> Outcome {
    Outcome {
        ended,
        eigenvalues: Vec::new(),
        components: Vec::new(),
        residuals: Vec::new(),
        iterations: progress.iterations,
        passes: progress.passes,
        cost: progress.cost.clone(),
        host_passes: 0.0,
        learning_rate: it.terms.rate,
        residual: progress.residual,
        fault: progress.fault,
    }
}

impl Outcome {
    /// What a watch sees of the solve so far.
    fn look<'a>(
        &self,
        component: usize,
        last: bool,
        snapshot: &'a mut dyn FnMut() -> Result<Basis>,
    ) -> Look<'a, Basis> {
        Look {
            iteration: self.iterations,
            passes: self.passes,
            component,
            last,
            snapshot,
        }
    }
}

/// Whether f32 resolves every requested component: its eigenvalue (of the scaled operator, largest first), and its gap
/// to the next unless both are in one cluster. False if a method ran to completion with a large residual: then it
/// ignored rows that seemed unresolved in f32.
fn is_in_f32(outcome: &Outcome, eigenvalues: &[f64], tolerance: f64) -> bool {
    let top = eigenvalues[0];
    let at_its_end = matches!(outcome.ended, Ended::Converged | Ended::Floor);
    let left_out = at_its_end && outcome.residual > FOUND.max(tolerance);
    let resolved = |x: &f64| resolution::resolves(resolution::F32, *x, top);
    let apart = |pair: &[f64]| {
        let gap = pair[0] - pair[1];
        gap <= CLUSTER_GAP * pair[0] || gap > resolution::least_gap(resolution::F32) * top
    };
    !left_out && eigenvalues.iter().all(resolved) && eigenvalues.windows(2).all(apart)
}

/// The product that rotates k vectors of length d by a k x k matrix.
fn rotating(k: usize, d: usize) -> Gemm {
    Gemm {
        m: k,
        n: d,
        k,
        transpose_a: false,
        transpose_b: false,
        alpha: 1.0,
        beta: 0.0,
    }
}

fn narrowed<'a>(order: usize, components: impl IntoIterator<Item = &'a f64>) -> Basis {
    let rows = components.into_iter().map(|x| *x as f32).collect();
    Basis { order, rows }
}

/// Flips the sign of every row of length d whose largest entry is negative, as scikit-learn's `svd_flip` does, so that
/// the answers of different seeds and devices are comparable.
fn turn_signs(components: &mut [f64], d: usize) {
    for row in components.chunks_exact_mut(d) {
        let largest = row.iter().fold(
            0.0f64,
            |largest, x| {
                if x.abs() > largest.abs() { *x } else { largest }
            },
        );
        if largest < 0.0 {
            row.iter_mut().for_each(|x| *x = -*x);
        }
    }
}

/// Eigenvalues (largest first) and eigenvectors (as rows) of the k x k projection.
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

/// Orthonormalises the rows and replaces rows that vanish (in the dual, an eigenvalue of 0 has no vector).
fn complete(rows: &mut Vec<f64>, d: usize) {
    let count = rows.len() / d;
    let mut buffers = [std::mem::take(rows)];
    (Kernel::Block(Block::Orthonormalise).row().reference)(&[d, count], &[], &mut buffers);
    [*rows] = buffers;
}

#[cfg(test)]
mod tests;
