//! Problem `mlp` in the race: a network, held against test samples that it was not trained on.

use std::sync::Arc;

use crate::data::split::split;
use crate::data::{Request, Samples, Spec, Standardize};
use crate::device::{Device, Gemm};
use crate::error::{Error, Result};
use crate::kernel::Arithmetic;
use crate::mlp::{self, Assessment, Outcome, Plan, Scores, Trainer};
use crate::optimizer::{Cost, Ended, Rule, Schedule, WarmUp, Watch};
use crate::record::{Asked, CurvePoint, Network, Record, Score, Status, Work};

use super::{Answer, Problem, Solved};
use crate::race::case::{Batch, Case, Settings, Source, number, set_number, set_unless};
use crate::race::clock::Spacing;
use crate::race::defaults::{EPOCHS, LAYERS, NETWORK_BATCH, SCHEDULE, TEST_TARGET};
use crate::race::name::{Named, Precision, ProblemKind};
use crate::race::observer::Errors;
use crate::race::rates::{self, Auto};
use crate::race::row;
use crate::race::size::Size;

/// Classes of a network, as of images of digits, as long as nothing is known of the samples.
const CLASSES: usize = 10;

/// A network and how it is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct Mlp {
    /// Widths of the hidden layers; empty is logistic regression.
    pub layers: Vec<usize>,
    /// The update rule.
    pub rule: Rule,
    /// Learning rate; `None` is `auto`.
    pub learning_rate: Option<f64>,
    /// How the rate changes.
    pub schedule: Schedule,
    /// Steps over which the rate rises at first.
    pub warm_up: WarmUp,
    /// Times the parameters, added to the gradient.
    pub weight_decay: Option<f64>,
    /// Rows of a step.
    pub batch: Batch,
    /// Passes over the samples.
    pub epochs: u64,
}

impl Mlp {
    /// The weight decay: as asked for, else the rule's own.
    fn decay(&self) -> f64 {
        let own = self.rule.program().weight_decay;
        self.weight_decay.unwrap_or(own)
    }

    /// The learning rate where none is given.
    fn auto(&self) -> Auto {
        rates::auto(&self.layers, self.batch, self.rule)
    }
}

impl Default for Mlp {
    fn default() -> Self {
        Self {
            layers: LAYERS.to_vec(),
            rule: Rule::named("sgd"),
            learning_rate: None,
            schedule: Schedule::named(SCHEDULE),
            warm_up: WarmUp::None,
            weight_decay: None,
            batch: Batch::Rows(NETWORK_BATCH),
            epochs: EPOCHS,
        }
    }
}

impl Settings for Mlp {
    fn kind(&self) -> ProblemKind {
        ProblemKind::Mlp
    }

    fn own_precision(&self) -> Precision {
        Precision::F32
    }

    fn own_target(&self) -> f64 {
        TEST_TARGET
    }

    /// A network trains well only on inputs of similar size: pixels are, the columns of a file may not be.
    fn own_standardize(&self, source: &Source) -> Standardize {
        match source {
            Source::Spec(text) if Spec::parse(text).is_ok_and(|spec| spec.is_file()) => {
                Standardize::Columns
            }
            _ => Standardize::None,
        }
    }

    fn has_steps(&self) -> bool {
        true
    }

    fn ask(&self, asked: &mut Asked) {
        let widths: Vec<String> = self.layers.iter().map(usize::to_string).collect();
        match widths.as_slice() {
            [] => asked.set("layers", "none"),
            widths => asked.set("layers", widths.join(",")),
        }
        asked.set("optimizer", self.rule.id());
        set_unless(asked, "batch", self.batch, Batch::Rows(NETWORK_BATCH));
        if let Some(rate) = self.learning_rate {
            asked.set("learning-rate", number(rate));
        }
        set_unless(asked, "schedule", self.schedule.id(), SCHEDULE);
        set_unless(asked, "warm-up", self.warm_up, WarmUp::None);
        set_number(
            asked,
            "weight-decay",
            self.decay(),
            self.rule.program().weight_decay,
        );
        set_unless(asked, "epochs", self.epochs, EPOCHS);
    }

    fn describe(&self, row: &mut Record) {
        row.method = "backpropagation".into();
        row.batch = Some(self.batch.to_string());
        row.network = Some(Network {
            layers: self.layers.clone(),
            parameters: None,
            weight_decay: self.decay(),
            epochs: self.epochs,
            test_n: 0,
            end: None,
            best: None,
        });
    }

    fn formed_bytes(&self, _: &Size) -> f64 {
        0.0
    }

    fn expected(&self, size: &Size) -> Cost {
        let widths = [vec![size.d], self.layers.clone(), vec![CLASSES]].concat();
        let rows = self.batch.rows().unwrap_or(size.n).clamp(1, size.n.max(1));
        let mut step = Cost::default();
        let mut gemm = |m, n, k| {
            step.add_gemm(&Gemm {
                m,
                n,
                k,
                transpose_a: false,
                transpose_b: false,
                alpha: 1.0,
                beta: 0.0,
            });
        };
        for (layer, pair) in widths.windows(2).enumerate() {
            let [below, above] = [pair[0], pair[1]];
            gemm(rows, above, below);
            gemm(below, above, rows);
            if layer > 0 {
                gemm(rows, below, above);
            }
        }
        let parameters: usize = widths.windows(2).map(|pair| pair[0] * pair[1]).sum();
        step.add_other(
            "vectors",
            5.0 * widths.len() as f64,
            (24.0 * parameters as f64, 0.0),
            Arithmetic::F32,
        );
        let mut cost = Cost::default();
        cost.add_times(&step, self.epochs * (size.n / rows) as u64);
        cost
    }
}

impl Answer for Outcome {
    fn ended(&self) -> Ended {
        self.ended
    }

    fn work(&self) -> Work {
        Work {
            iterations: self.iterations,
            passes: self.passes,
            ..self.cost.work()
        }
    }

    fn same_bits(&self, other: &Self) -> bool {
        let bits = |x: &[f32]| -> Vec<u32> { x.iter().map(|x| x.to_bits()).collect() };
        self.iterations == other.iterations && bits(&self.parameters) == bits(&other.parameters)
    }
}

/// The test samples, and how many classes these and the training samples have.
pub struct Judge {
    test: Arc<Samples>,
    classes: usize,
}

impl Problem for Mlp {
    type Held = Samples;
    type Material = Arc<Samples>;
    type Plan = Plan;
    type Snapshot = Scores;
    type Answer = Outcome;
    type Judge = Judge;
    type OnDevice<D: Device + 'static> = mlp::Problem<D>;
    type Ready<'a, D: Device + 'static> = Trainer<'a, D>;

    /// Evaluation runs on the device too.
    const DEVICE_TIME: bool = false;
    const JUDGING: Option<&'static str> = None;

    fn divide(
        samples: Samples,
        columns: Standardize,
        request: &Request,
        test_fraction: Option<f64>,
    ) -> Result<(Samples, Samples)> {
        let split = columns.split(split(samples, request, test_fraction)?)?;
        Ok((split.train, split.test))
    }

    fn material(
        train: Samples,
        _: Standardize,
        test: Samples,
    ) -> Result<(Samples, Arc<Samples>, f64)> {
        Ok((train, Arc::new(test), 0.0))
    }

    fn may_wait(_: &Spec) -> bool {
        false
    }

    fn check_shape(&self, (n, _): (usize, usize), spec: &str) -> Result<()> {
        super::check_batch(self.batch.rows(), n, spec)
    }

    fn spacing(&self) -> Spacing {
        Spacing::every_look()
    }

    fn plan(case: &Case<Self>) -> Result<Plan> {
        if case.precision != Precision::F32 {
            return Err(Error::unsupported(format!(
                "networks are trained in f32: leave out --precision {}",
                case.precision.name()
            )));
        }
        let task = &case.task;
        Ok(Plan {
            layers: task.layers.clone(),
            rule: task.rule,
            learning_rate: task.learning_rate.unwrap_or_else(|| task.auto().rate),
            schedule: task.schedule,
            warm_up: task.warm_up,
            weight_decay: task.decay(),
            batch: task.batch.rows(),
            epochs: task.epochs,
            seed: case.seed,
        })
    }

    fn upload<D: Device + 'static>(
        device: &mut D,
        train: &Arc<Samples>,
        test: &Arc<Samples>,
    ) -> Result<mlp::Problem<D>> {
        mlp::Problem::upload(device, train, test)
    }

    fn prepare<'a, D: Device + 'static>(
        device: &mut D,
        samples: &'a mlp::Problem<D>,
        plan: &Plan,
    ) -> Result<Trainer<'a, D>> {
        Trainer::prepare(device, samples, plan)
    }

    fn solve<D: Device + 'static>(
        trainer: &mut Trainer<'_, D>,
        device: &mut D,
        watch: &mut dyn Watch<Scores>,
    ) -> Result<Outcome> {
        trainer.solve(device, watch)
    }

    fn judge_key(&self) -> usize {
        0
    }

    fn judge(&self, train: &Arc<Samples>, test: &Arc<Samples>) -> Result<Judge> {
        Ok(Judge {
            classes: mlp::classes(train, test),
            test: Arc::clone(test),
        })
    }

    fn errors(_: &Case<Self>, _: &Judge, scores: &Scores) -> Option<Errors> {
        let error = f64::from(scores.test_error);
        Some(Errors {
            component: error,
            whole: error,
            losses: Some([scores.test_loss, scores.train_loss].map(f64::from)),
        })
    }

    fn describe_samples(test: &Arc<Samples>, row: &mut Record) {
        if let Some(network) = &mut row.network {
            network.test_n = test.n;
        }
    }

    fn check(
        row: &mut Record,
        case: &Case<Self>,
        samples: &Samples,
        judge: &Judge,
        solved: Solved<'_, Outcome>,
    ) -> Result<()> {
        let (outcome, plan) = (solved.answer, Self::plan(case)?);
        let assessment = Assessment::of(outcome, &plan, &judge.test, judge.classes);
        (row.status, row.reason) = verdict(case, outcome, &assessment, solved.changed);
        let auto = case
            .task
            .learning_rate
            .is_none()
            .then(|| case.task.auto().from);
        let (rule, rate) = (plan.rule, plan.learning_rate);
        let steps = plan.epochs * plan.batch.map_or(1, |rows| samples.n / rows) as u64;
        let schedule = plan.schedule.describe(steps, plan.warm_up);
        row.optimizer = Some(row::optimizer_facts(rule, rate, auto, schedule));
        if let Some(network) = &mut row.network {
            network.parameters = Some(assessment.parameters);
            let end = Score {
                epoch: outcome.passes,
                test_error: assessment.test_error,
                test_loss: assessment.test_loss,
                train_loss: outcome.train_loss,
            };
            network.end = (outcome.ended != Ended::Diverged).then_some(end);
            network.best = best(solved.curve);
        }
        Ok(())
    }
}

/// How training ended, and that in words where the status does not say it all: the test error at the end is held against
/// the target.
fn verdict(
    case: &Case<Mlp>,
    outcome: &Outcome,
    assessment: &Assessment,
    changed: Option<String>,
) -> (Status, Option<String>) {
    if outcome.ended == Ended::Diverged {
        let steps = outcome.iterations;
        let reason = format!("the training loss is not finite at step {steps}");
        return (Status::Diverged, Some(reason));
    }
    let failures: Vec<_> = assessment.failures.iter().cloned().chain(changed).collect();
    if !failures.is_empty() {
        return (Status::Failed, Some(failures.join("; ")));
    }
    if assessment.test_error <= case.target {
        return (Status::Reached, None);
    }
    let limit = match outcome.ended {
        Ended::Stopped => format!("time limit of {} s", case.time_limit_s),
        _ => format!("{} epochs", case.task.epochs),
    };
    let error = 100.0 * assessment.test_error;
    (
        Status::Budget,
        Some(format!("{limit}, test error {error:.2} %")),
    )
}

/// The point of a network's curve with the least test error, the first of several.
fn best(curve: &[CurvePoint]) -> Option<Score> {
    let better = |a: &&CurvePoint, b: &&CurvePoint| a.error.total_cmp(&b.error);
    let point = curve.iter().min_by(better)?;
    Some(Score {
        epoch: point.passes,
        test_error: point.error,
        test_loss: point.test_loss?,
        train_loss: point.train_loss?,
    })
}
