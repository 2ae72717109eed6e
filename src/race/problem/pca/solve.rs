//! Principal components solved on a device, and held against the reference.

use std::sync::Arc;

use ndarray::Array2;

use super::{How, Pca, verdict};
use crate::data::{Request, Samples, Spec, Standardize, Statistics};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::machine;
use crate::optimizer::{Ended, Watch};
use crate::pca::{self, Assessment, Basis, OperatorKind, Outcome, Plan, Reference, Solver, Terms};
use crate::race::case::{Case, Settings};
use crate::race::clock::{Spacing, timed};
use crate::race::name::Named;
use crate::race::observer::Errors;
use crate::race::problem::{Answer, Problem, Solved, check_batch};
use crate::race::row;
use crate::record::{Record, Work};

impl Answer for Outcome {
    fn ended(&self) -> Ended {
        self.ended
    }

    fn work(&self) -> Work {
        Work {
            iterations: self.iterations,
            passes: self.passes,
            host_passes: self.host_passes,
            ..self.cost.work()
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
        check_batch(self.rows(), n, spec)
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
            schedule: steps.schedule,
            warm_up: steps.warm_up,
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
            let plan = Self::plan(case)?;
            let terms = Terms::of(&plan, samples.d, batches);
            let schedule = terms.schedule.describe(terms.steps, plan.warm_up);
            let given = steps.learning_rate.is_some();
            let auto = (!given).then(|| "PCA's rate for rules of this kind".to_string());
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
