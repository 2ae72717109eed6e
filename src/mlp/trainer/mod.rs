//! Trains a network: a step recorded once and replayed, four looks per epoch, evaluation on the device.

use super::network::{Activations, Parameters, Shape, Source, backward, forward, gather, score};
use super::{FIRST_LOSSES, Outcome, Plan, Problem, Scores};
use crate::device::{Device, Element, Slice, SliceMut};
use crate::error::{Error, Result};
use crate::kernel::{self, Control, Kernel, control};
use crate::optimizer::{Cost, Ended, Look, Next, States, Watch, launch, read, shuffled};

/// Most rows of a batch processed at once: more would only cost memory.
const CHUNK: usize = 8192;
/// Test samples evaluated at once.
const TEST_CHUNK: usize = 1000;
/// Looks per epoch.
const LOOKS: u64 = 4;
/// Marks an unused entry in a list of test samples.
const NO_SAMPLE: u32 = u32::MAX;

/// A plan prepared on a device: its buffers and recordings, made before the clock starts.
pub struct Trainer<'a, D: Device> {
    problem: &'a Problem<D>,
    plan: Plan,
    shape: Shape,
    batches: usize,
    control: D::Buffer,
    /// The order of the samples in this epoch.
    rows: D::Buffer,
    /// Loss of every batch of this epoch.
    losses: D::Buffer,
    parameters: Parameters<D>,
    states: States<D>,
    step: D::Recording,
    step_cost: Cost,
    evaluation: Evaluation<D>,
}

/// One evaluation of the test samples.
struct Evaluation<D: Device> {
    control: D::Buffer,
    totals: D::Buffer,
    batches: usize,
    chunk: D::Recording,
}

impl<'a, D: Device> Trainer<'a, D> {
    /// Allocates buffers, compiles kernels and records the steps (counted as setup, not as solve).
    ///
    /// # Errors
    /// `Unsupported` or `Failed` from the device.
    pub fn prepare(device: &mut D, problem: &'a Problem<D>, plan: &Plan) -> Result<Self> {
        Self::prepare_in_chunks(device, problem, plan, CHUNK)
    }

    fn prepare_in_chunks(
        device: &mut D,
        problem: &'a Problem<D>,
        plan: &Plan,
        most: usize,
    ) -> Result<Self> {
        let shape = Shape::new(problem.d, &plan.layers, problem.classes);
        let n = problem.train.n;
        let batch = plan.batch.unwrap_or(n);
        if batch > n {
            return Err(Error::input(format!(
                "batch {batch} is larger than the {n} samples; give a smaller --batch"
            )));
        }
        check_size(device, &shape)?;
        device.warm(&[
            Kernel::Control(Control::Advance),
            gather(problem),
            Kernel::Network(kernel::Network::BiasRelu),
            Kernel::Network(kernel::Network::SoftmaxLoss),
            Kernel::Network(kernel::Network::ReluBackward),
            Kernel::Network(kernel::Network::Score),
            plan.rule.kernel(),
        ])?;
        let batches = n / batch;
        let control = device.alloc(Element::F32, control::LEN)?;
        let rows = device.alloc(Element::U32, n)?;
        let losses = device.alloc(Element::F32, batches)?;
        let parameters = Parameters::alloc(device, &shape)?;
        let gradients = Parameters::alloc(device, &shape)?;
        let states = States::alloc(device, plan.rule, parameters.len)?;
        let chunk = chunk_rows(device, &shape, batch.min(most));
        let activations = Activations::alloc(device, &shape, chunk)?;
        let deltas = Activations::alloc(device, &shape, chunk)?;
        let mut parts = Vec::new();
        for offset in (0..batch).step_by(chunk) {
            let rows = chunk.min(batch - offset);
            let part = |device: &mut D, all: &Activations<D>| all.part(device, &shape, rows);
            let pair = [part(device, &activations), part(device, &deltas)];
            parts.push((offset, pair));
        }
        let table = plan.schedule.rates(
            plan.learning_rate,
            plan.epochs * batches as u64,
            plan.warm_up,
        )?;
        let rates = device.alloc(Element::F32, table.len())?;
        device.write(&rates, 0, Slice::F32(&table))?;
        let mut cost = Cost::default();
        let step = device.record(&mut |device| {
            let cost = &mut cost;
            launch(
                device,
                cost,
                Kernel::Control(Control::Advance),
                &[batches, table.len()],
                &[],
                &[&control, &rates],
            )?;
            for (offset, [activations, deltas]) in &parts {
                let source = Source {
                    set: &problem.train,
                    control: &control,
                    rows: &rows,
                    batch,
                    offset: *offset,
                };
                let beta = if *offset == 0 { 0.0 } else { 1.0 };
                forward(
                    device,
                    cost,
                    problem,
                    &source,
                    &shape,
                    &parameters,
                    activations,
                )?;
                backward(
                    device,
                    cost,
                    problem,
                    &source,
                    &shape,
                    [&parameters, &gradients],
                    [activations, deltas],
                    (&losses, batches),
                    beta,
                )?;
            }
            let buffers = [&control, &parameters.all, &gradients.all];
            states.update(device, cost, plan.weight_decay, buffers)
        })?;
        let evaluation = Evaluation::prepare(device, problem, &shape, &parameters)?;
        Ok(Self {
            problem,
            plan: plan.clone(),
            shape,
            batches,
            control,
            rows,
            losses,
            parameters,
            states,
            step,
            step_cost: cost,
            evaluation,
        })
    }

    /// Trains once, from the initial parameters.
    ///
    /// # Errors
    /// Those of the device and of the watch.
    pub fn solve(&mut self, device: &mut D, watch: &mut dyn Watch<Scores>) -> Result<Outcome> {
        self.reset(device)?;
        let batches = self.batches as u64;
        let look_every = batches.div_ceil(LOOKS);
        let total = batches * self.plan.epochs;
        let (mut done, mut ended) = (0, Ended::Iterations);
        let mut first_losses = Vec::new();
        let mut skipped_flops = 0.0;
        'training: while done < total {
            self.begin_epoch(device, done / batches)?;
            let end = done + batches;
            while done < end {
                let next = end.min(done + look_every);
                let before = device.skipped_flops();
                let running = self.run(device, next - done)?;
                skipped_flops += device.skipped_flops() - before;
                done = next;
                let in_epoch = (done - (end - batches)) as usize;
                if end == batches && first_losses.len() < FIRST_LOSSES {
                    first_losses = read(device, &self.losses, in_epoch.min(FIRST_LOSSES))?;
                }
                if !running {
                    ended = Ended::Diverged;
                    break 'training;
                }
                if done == total {
                    break 'training;
                }
                let mut snapshot = || self.evaluate(device, in_epoch);
                let next = watch.look(Look {
                    iteration: done,
                    passes: done as f64 / batches as f64,
                    component: 0,
                    last: false,
                    snapshot: &mut snapshot,
                })?;
                if next == Next::Stop {
                    ended = Ended::Stopped;
                    break 'training;
                }
            }
        }
        device.synchronise()?;
        let mut cost = Cost::default();
        cost.add_times(&self.step_cost, done);
        cost.skip(skipped_flops);
        let passes = done as f64 / batches as f64;
        let in_epoch = if done == 0 {
            0
        } else {
            (done - 1) % batches + 1
        };
        let mut last = None;
        watch.look(Look {
            iteration: done,
            passes,
            component: 0,
            last: true,
            snapshot: &mut || {
                let seen = self.evaluate(device, in_epoch as usize)?;
                Ok(*last.insert(seen))
            },
        })?;
        // Not timed: the last look stops the clock.
        let seen = match last {
            Some(seen) => seen,
            None => self.evaluate(device, in_epoch as usize)?,
        };
        // No training loss covers the last update, so check the test loss.
        if !seen.test_loss.is_finite() {
            ended = Ended::Diverged;
        }
        Ok(Outcome {
            ended,
            test_error: f64::from(seen.test_error),
            test_loss: f64::from(seen.test_loss),
            train_loss: f64::from(seen.train_loss),
            first_losses,
            parameters: self.parameters.read(device, &self.shape)?,
            iterations: done,
            passes,
            cost,
        })
    }

    fn reset(&self, device: &mut D) -> Result<()> {
        device.write(&self.control, 0, Slice::F32(&[0.0; control::LEN]))?;
        let initial = self.shape.initial(self.plan.seed);
        device.write(&self.parameters.all, 0, Slice::F32(&initial))?;
        self.states.start(device)
    }

    /// Uploads a new order of the samples; a full batch needs only the first.
    fn begin_epoch(&self, device: &mut D, epoch: u64) -> Result<()> {
        if self.batches > 1 || epoch == 0 {
            let order = shuffled(self.problem.train.n, self.plan.seed, epoch);
            device.write(&self.rows, 0, Slice::U32(&order))?;
        }
        // The first advance turns this into 0.
        let before = [self.batches as f32 - 1.0];
        device.write(&self.control, control::BATCH, Slice::F32(&before))
    }

    /// Runs `steps` steps; returns whether the state is still finite.
    fn run(&self, device: &mut D, steps: u64) -> Result<bool> {
        // The cast saturates for a ratio beyond the largest integer.
        let at_once = ((device.info().look_bytes / self.step_cost.bytes()) as u64).max(1);
        let mut left = steps;
        while left > 0 {
            let piece = left.min(at_once);
            device.replay(&self.step, piece)?;
            left -= piece;
            let mut stop = [0.0f32];
            device.read(&self.control, control::STOP, SliceMut::F32(&mut stop))?;
            if stop[0] == control::NOT_FINITE {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Current scores, with the mean training loss over the first `steps` batches of this epoch.
    fn evaluate(&self, device: &mut D, steps: usize) -> Result<Scores> {
        let losses = read(device, &self.losses, steps)?;
        let mean = losses.iter().map(|x| f64::from(*x)).sum::<f64>() / steps as f64;
        let [test_error, test_loss] = self.evaluation.run(device, self.problem.test.n)?;
        Ok(Scores {
            test_error,
            test_loss,
            train_loss: mean as f32,
        })
    }
}

impl<D: Device> Evaluation<D> {
    fn prepare(
        device: &mut D,
        problem: &Problem<D>,
        shape: &Shape,
        parameters: &Parameters<D>,
    ) -> Result<Self> {
        let n = problem.test.n;
        let chunk = chunk_rows(device, shape, n.min(TEST_CHUNK));
        let batches = n.div_ceil(chunk);
        let listed = batches * chunk;
        let mut list: Vec<u32> = (0..n as u32).collect();
        list.resize(listed, NO_SAMPLE);
        let rows = device.alloc(Element::U32, listed)?;
        device.write(&rows, 0, Slice::U32(&list))?;
        let control = device.alloc(Element::F32, control::LEN)?;
        let totals = device.alloc(Element::F32, 2)?;
        // Advance counts the chunks; nothing is trained at its rate.
        let no_rates = device.alloc(Element::F32, 1)?;
        device.write(&no_rates, 0, Slice::F32(&[0.0]))?;
        let activations = Activations::alloc(device, shape, chunk)?;
        let source = Source {
            set: &problem.test,
            control: &control,
            rows: &rows,
            batch: chunk,
            offset: 0,
        };
        let recording = device.record(&mut |device| {
            let cost = &mut Cost::default();
            launch(
                device,
                cost,
                Kernel::Control(Control::Advance),
                &[batches, 1],
                &[],
                &[&control, &no_rates],
            )?;
            forward(
                device,
                cost,
                problem,
                &source,
                shape,
                parameters,
                &activations,
            )?;
            let trained = (parameters, &activations);
            score(device, cost, problem, &source, trained, listed, &totals)
        })?;
        Ok(Self {
            control,
            totals,
            batches,
            chunk: recording,
        })
    }

    /// Test error (as a fraction) and mean loss over n test samples.
    fn run(&self, device: &mut D, n: usize) -> Result<[f32; 2]> {
        let mut values = [0.0f32; control::LEN];
        values[control::BATCH] = self.batches as f32 - 1.0;
        device.write(&self.control, 0, Slice::F32(&values))?;
        device.write(&self.totals, 0, Slice::F32(&[0.0; 2]))?;
        device.replay(&self.chunk, self.batches as u64)?;
        let mut totals = [0.0f32; 2];
        device.read(&self.totals, 0, SliceMut::F32(&mut totals))?;
        Ok(totals.map(|total| (f64::from(total) / n as f64) as f32))
    }
}

/// Number of rows whose activations fit into buffers of the device, at most `wanted`.
fn chunk_rows<D: Device>(device: &D, shape: &Shape, wanted: usize) -> usize {
    let fit = device.info().max_buffer_bytes / (4 * shape.widest() as u64);
    let fit = usize::try_from(fit).unwrap_or(usize::MAX);
    wanted.min(fit).max(1)
}

/// Checks that the parameters fit in one buffer.
fn check_size<D: Device>(device: &D, shape: &Shape) -> Result<()> {
    let needed = 4 * (shape.parameters() + 64 * 2 * shape.layers().count()) as u64;
    let info = device.info();
    if needed > info.max_buffer_bytes {
        return Err(Error::failed(format!(
            "{} {}: the network's parameters need one buffer of {:.2} GB, and the device allows {:.2} GB at most; race smaller \
             --layers, or another device",
            info.kind,
            info.name,
            needed as f64 / 1e9,
            info.max_buffer_bytes as f64 / 1e9
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
