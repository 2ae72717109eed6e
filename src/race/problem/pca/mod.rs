//! Problem `pca` in the race: top principal components, held against LAPACK's or known ones.

use std::sync::Arc;

use ndarray::Array2;

use crate::data::{Request, Samples, Spec, Standardize, Statistics};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::machine;
use crate::optimizer::{Ended, Rule, Watch};
use crate::pca::{
    self, Assessment, Basis, Gradient, Method, OperatorKind, Outcome, Plan, Reference, Schedule,
    Solver,
};
use crate::record::{Asked, Record, Work};

use super::{Answer, Problem, Solved};
use crate::race::case::{Batch, Case, Settings, Source, set_number, set_unless};
use crate::race::clock::{Spacing, timed};
use crate::race::defaults::{BATCH_TARGET, COMPONENTS, EPOCHS, MAX_ITERATIONS, TARGET, TOLERANCE};
use crate::race::name::{Named, Precision, ProblemKind};
use crate::race::observer::Errors;
use crate::race::row;
use crate::race::size::Size;

mod verdict;

/// How principal components are found.
#[derive(Debug, Clone, PartialEq)]
pub struct Pca {
    /// Number of components k.
    pub components: usize,
    /// The method.
    pub how: How,
}

/// A method with the parameters that it has.
#[derive(Debug, Clone, PartialEq)]
pub enum How {
    /// The device's dense eigensolver.
    Direct,
    /// One component after the other.
    Deflation(Steps),
    /// All components at once.
    Subspace(Steps),
}

/// The steps of a method that descends.
#[derive(Debug, Clone, PartialEq)]
pub struct Steps {
    /// What A v costs.
    pub operator: OperatorKind,
    /// The update rule.
    pub rule: Rule,
    /// The gradient that it sees.
    pub gradient: Gradient,
    /// Learning rate in units of 1 / lambda; `None` is `auto`.
    pub learning_rate: Option<f64>,
    /// Rows of a step.
    pub batch: Batch,
    /// Passes in mini-batches.
    pub epochs: u64,
    /// The method's own stopping tolerance.
    pub tolerance: f64,
    /// Iterations per component (deflation) or in all (subspace).
    pub max_iterations: u64,
}

impl Default for Steps {
    fn default() -> Self {
        Self {
            operator: OperatorKind::Samples,
            rule: Rule::Sgd,
            gradient: own_gradient(Rule::Sgd),
            learning_rate: None,
            batch: Batch::Full,
            epochs: EPOCHS,
            tolerance: TOLERANCE,
            max_iterations: MAX_ITERATIONS,
        }
    }
}

/// How principal components are to be found, as asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The method.
    pub method: Method,
    /// Number of components k.
    pub components: usize,
    /// The gradient; by default plain for sgd, projected for the others.
    pub gradient: Option<Gradient>,
    /// Everything else, of a method that descends.
    pub steps: Steps,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            method: Method::Deflation,
            components: COMPONENTS,
            gradient: None,
            steps: Steps::default(),
        }
    }
}

impl Draft {
    /// The parameters, what is not used taken out.
    pub fn settled(self) -> Pca {
        let mut steps = self.steps;
        steps.gradient = self.gradient.unwrap_or_else(|| own_gradient(steps.rule));
        if steps.operator == OperatorKind::Covariance {
            // Mini-batches are drawn from the samples: a covariance that is formed once has none.
            steps.batch = Batch::Full;
        }
        if steps.batch == Batch::Full {
            steps.epochs = EPOCHS;
        }
        Pca {
            components: self.components,
            how: match self.method {
                Method::Direct => How::Direct,
                Method::Deflation => How::Deflation(steps),
                Method::Subspace => How::Subspace(steps),
            },
        }
    }
}

/// The gradient of a rule when none is asked for.
fn own_gradient(rule: Rule) -> Gradient {
    match rule {
        Rule::Sgd => Gradient::Plain,
        _ => Gradient::Projected,
    }
}

impl Pca {
    /// The method.
    pub fn method(&self) -> Method {
        match self.how {
            How::Direct => Method::Direct,
            How::Deflation(_) => Method::Deflation,
            How::Subspace(_) => Method::Subspace,
        }
    }

    /// Its steps, where it descends.
    pub fn steps(&self) -> Option<&Steps> {
        match &self.how {
            How::Direct => None,
            How::Deflation(steps) | How::Subspace(steps) => Some(steps),
        }
    }

    /// Rows of a mini-batch, where there is one.
    fn rows(&self) -> Option<usize> {
        self.steps().and_then(|steps| steps.batch.rows())
    }
}

impl Settings for Pca {
    fn kind(&self) -> ProblemKind {
        ProblemKind::Pca
    }

    fn own_precision(&self) -> Precision {
        match self.how {
            How::Direct => Precision::F64,
            How::Deflation(_) | How::Subspace(_) => Precision::F32,
        }
    }

    fn own_target(&self) -> f64 {
        match self.rows() {
            Some(_) => BATCH_TARGET,
            None => TARGET,
        }
    }

    fn own_standardize(&self, _: &Source) -> Standardize {
        Standardize::None
    }

    fn has_steps(&self) -> bool {
        self.steps().is_some()
    }

    fn learning_rate(&self) -> Option<f64> {
        self.steps()?.learning_rate
    }

    fn ask(&self, asked: &mut Asked) {
        asked.set("method", self.method().name());
        asked.set("components", self.components);
        let Some(steps) = self.steps() else { return };
        asked.set("operator", steps.operator.name());
        asked.set("optimizer", steps.rule.name());
        if steps.gradient != own_gradient(steps.rule) {
            asked.set("gradient", steps.gradient.name());
        }
        set_unless(asked, "batch", steps.batch, Batch::Full);
        if let Some(rate) = steps.learning_rate {
            asked.set("learning-rate", crate::race::case::number(rate));
        }
        set_number(asked, "tolerance", steps.tolerance, TOLERANCE);
        set_unless(
            asked,
            "max-iterations",
            steps.max_iterations,
            MAX_ITERATIONS,
        );
        set_unless(asked, "epochs", steps.epochs, EPOCHS);
    }

    fn describe(&self, row: &mut Record) {
        row.method = self.method().name().into();
        row.components = Some(self.components);
        let steps = self.steps();
        row.operator = steps.map(|steps| steps.operator.name().into());
        row.gradient = steps.map(|steps| steps.gradient.name().into());
        row.batch = steps.map(|steps| steps.batch.to_string());
        let limits = steps.cloned().unwrap_or_default();
        row.limits.tolerance = Some(limits.tolerance);
        row.limits.max_iterations = Some(limits.max_iterations);
    }

    fn formed_bytes(&self, size: &Size) -> f64 {
        let gram = (size.n.min(size.d) as f64).powi(2);
        match self.steps().map(|steps| steps.operator) {
            // The covariance in f64 and its eigenvectors, and LAPACK's own room.
            None => 24.0 * gram,
            Some(OperatorKind::Covariance) => 8.0 * gram,
            Some(OperatorKind::Samples) => 0.0,
        }
    }

    fn operations(&self, size: &Size) -> f64 {
        let (n, d, k) = (size.n as f64, size.d as f64, self.components as f64);
        let small = n.min(d);
        let Some(steps) = self.steps() else {
            return 2.0 * n * d * small + 20.0 * small.powi(3);
        };
        let rule = match steps.rule {
            Rule::Sgd | Rule::Nesterov => 1.0,
            Rule::Momentum | Rule::Rmsprop => 1.8,
            Rule::Adagrad | Rule::Adam => 3.0,
        };
        let passes = match (&self.how, steps.batch) {
            (_, Batch::Rows(_)) => steps.epochs.max(EPOCHS) as f64 * k,
            (How::Deflation(_), Batch::Full) => 100.0 * k * rule,
            _ => 150.0 * k * rule,
        };
        match steps.operator {
            OperatorKind::Covariance => 2.0 * n * d * small + 2.0 * small * small * passes,
            OperatorKind::Samples => 4.0 * n * d * passes,
        }
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
            bytes: self.bytes,
            flops: self.flops,
            host_passes: self.host_passes,
        }
    }

    fn same_bits(&self, other: &Self) -> bool {
        let bits = |x: &[f64]| -> Vec<u64> { x.iter().map(|x| x.to_bits()).collect() };
        self.iterations == other.iterations
            && bits(&self.eigenvalues) == bits(&other.eigenvalues)
            && bits(&self.components) == bits(&other.components)
    }
}

impl Problem for Pca {
    type Held = ();
    type Material = Statistics;
    type Plan = Plan;
    type Snapshot = Basis;
    type Answer = Outcome;
    type Judge = Reference;
    type OnDevice<D: Device + 'static> = pca::Problem<D>;
    type Ready<'a, D: Device + 'static> = Solver<'a, D>;

    const DEVICE_TIME: bool = true;
    const JUDGING: Option<&'static str> = Some("computing the reference in f64");

    fn divide(
        samples: Samples,
        _: Standardize,
        _: &Request,
        _: Option<f64>,
    ) -> Result<(Samples, ())> {
        Ok((samples, ()))
    }

    fn material(
        samples: Samples,
        columns: Standardize,
        (): (),
    ) -> Result<(Samples, Statistics, f64)> {
        let samples = columns.whole(samples)?;
        let (statistics, seconds) = timed(|| Statistics::of(&samples, machine::cores()));
        Ok((samples, statistics, seconds))
    }

    fn may_wait(spec: &Spec) -> bool {
        matches!(spec, Spec::Made(made) if made.knows_eigenpairs())
    }

    fn check_shape(&self, (n, d): (usize, usize), spec: &str) -> Result<()> {
        let (k, most) = (self.components, n.min(d));
        if k > most {
            return Err(Error::input(format!(
                "components {k}: {spec} is {n} x {d} and has at most {most}: give --components 1 to {most}"
            )));
        }
        super::check_batch(self.rows(), n, spec)
    }

    fn spacing(&self) -> Spacing {
        match self.how {
            How::Deflation(_) => Spacing::new(self.components),
            How::Direct | How::Subspace(_) => Spacing::new(1),
        }
    }

    fn plan(case: &Case<Self>) -> Result<Plan> {
        let (method, own) = (case.task.method(), case.task.own_precision());
        if case.precision != own {
            return Err(Error::unsupported(format!(
                "{} computes in {} on {}: leave out --precision {}",
                method.name(),
                own.name(),
                case.device,
                case.precision.name(),
            )));
        }
        // The dense solver reads none of the steps.
        let steps = case.task.steps().cloned().unwrap_or_default();
        Ok(Plan {
            method,
            operator: case
                .task
                .steps()
                .map_or(OperatorKind::Covariance, |steps| steps.operator),
            rule: steps.rule,
            gradient: Some(steps.gradient),
            learning_rate: steps.learning_rate,
            components: case.task.components,
            batch: steps.batch.rows(),
            epochs: steps.epochs,
            tolerance: steps.tolerance,
            max_iterations: steps.max_iterations,
            seed: case.seed,
        })
    }

    fn upload<D: Device + 'static>(
        device: &mut D,
        samples: &Arc<Samples>,
        statistics: &Statistics,
    ) -> Result<pca::Problem<D>> {
        pca::Problem::upload(device, samples, statistics)
    }

    fn prepare<'a, D: Device + 'static>(
        device: &mut D,
        samples: &'a pca::Problem<D>,
        plan: &Plan,
    ) -> Result<Solver<'a, D>> {
        Solver::prepare(device, samples, plan)
    }

    fn solve<D: Device + 'static>(
        solver: &mut Solver<'_, D>,
        device: &mut D,
        watch: &mut dyn Watch<Basis>,
    ) -> Result<Outcome> {
        solver.solve(device, watch)
    }

    fn judge_key(&self) -> usize {
        self.components
    }

    fn judge(&self, samples: &Arc<Samples>, statistics: &Statistics) -> Result<Reference> {
        Reference::new(samples, statistics, self.components)
    }

    fn errors(case: &Case<Self>, reference: &Reference, snapshot: &Basis) -> Option<Errors> {
        let (component, whole) = reference.snapshot_errors(snapshot, case.task.components)?;
        // Only deflation seeks one component at a time; elsewhere the span is all there is to judge.
        let component = match case.task.how {
            How::Deflation(_) => component,
            How::Subspace(_) | How::Direct => whole,
        };
        Some(Errors {
            component,
            whole,
            losses: None,
        })
    }

    fn describe_samples(_: &Statistics, _: &mut Record) {}

    fn check(
        row: &mut Record,
        case: &Case<Self>,
        samples: &Samples,
        reference: &Reference,
        solved: Solved<'_, Outcome>,
    ) -> Result<()> {
        let outcome = solved.answer;
        let assessment = Assessment::of(outcome, reference);
        (row.status, row.reason) = verdict::verdict(case, outcome, &assessment, solved.changed);
        if let Some(steps) = case.task.steps() {
            let batches = steps.batch.rows().map_or(1, |rows| samples.n / rows);
            let schedule = Schedule::of(&Self::plan(case)?, samples.d, batches).describe();
            let auto = steps.learning_rate.is_none();
            let rate = outcome.learning_rate;
            row.optimizer = Some(row::optimizer_facts(steps.rule, rate, auto, schedule));
        }
        row.accuracy = Some(assessment.accuracy);
        row.eigenvalues = outcome.eigenvalues.clone();
        row.reference_eigenvalues = reference.eigenvalues().to_vec();
        Ok(())
    }

    fn components(outcome: &Outcome) -> Option<&[f64]> {
        Some(&outcome.components)
    }

    fn plane(samples: &Samples, statistics: &Statistics, outcome: &Outcome) -> Option<Array2<f32>> {
        pca::plane(samples, statistics, &outcome.components)
    }
}
