//! Problem `pca` in the race: top principal components, held against LAPACK's or known ones. Here are the parameters of a
//! case; how it is solved and judged stands in `solve` and `verdict`.

use crate::data::Standardize;
use crate::kernel::{Arithmetic, Gram, Kernel, Product};
use crate::optimizer::{Cost, Rule, Schedule, WarmUp};
use crate::pca::{Gradient, Method, OperatorKind, Pace};
use crate::record::{Asked, Record};

use crate::race::case::{Batch, Settings, Source, number, set_number, set_unless};
use crate::race::defaults::{BATCH_TARGET, COMPONENTS, EPOCHS, MAX_ITERATIONS, TARGET, TOLERANCE};
use crate::race::name::{Named, Precision, ProblemKind};
use crate::race::size::Size;

mod solve;
mod verdict;

/// Launches of a step besides the product with the samples or the covariance.
const SHORT_LAUNCHES: f64 = 6.0;

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
    /// How the rate changes; `None` is `auto`.
    pub schedule: Option<Schedule>,
    /// Steps over which the rate rises at first.
    pub warm_up: WarmUp,
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
            rule: Rule::named("sgd"),
            gradient: Gradient::of(Rule::named("sgd")),
            learning_rate: None,
            schedule: None,
            warm_up: WarmUp::None,
            batch: Batch::Full,
            epochs: EPOCHS,
            tolerance: TOLERANCE,
            max_iterations: MAX_ITERATIONS,
        }
    }
}

/// How principal components are to be found, as asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct PcaDraft {
    /// The method.
    pub method: Method,
    /// Number of components k.
    pub components: usize,
    /// The gradient; by default plain for sgd, projected for the others.
    pub gradient: Option<Gradient>,
    /// Everything else, of a method that descends.
    pub steps: Steps,
}

impl Default for PcaDraft {
    fn default() -> Self {
        Self {
            method: Method::Deflation,
            components: COMPONENTS,
            gradient: None,
            steps: Steps::default(),
        }
    }
}

impl PcaDraft {
    /// The parameters, what is not used taken out.
    pub fn settled(self) -> Pca {
        let mut steps = self.steps;
        steps.gradient = self.gradient.unwrap_or_else(|| Gradient::of(steps.rule));
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

    fn ask(&self, asked: &mut Asked) {
        asked.set("method", self.method().name());
        asked.set("components", self.components);
        let Some(steps) = self.steps() else { return };
        asked.set("operator", steps.operator.name());
        asked.set("optimizer", steps.rule.id());
        if steps.gradient != Gradient::of(steps.rule) {
            asked.set("gradient", steps.gradient.name());
        }
        set_unless(asked, "batch", steps.batch, Batch::Full);
        if let Some(rate) = steps.learning_rate {
            asked.set("learning-rate", number(rate));
        }
        if let Some(schedule) = steps.schedule {
            asked.set("schedule", schedule.id());
        }
        set_unless(asked, "warm-up", steps.warm_up, WarmUp::None);
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

    fn expected(&self, size: &Size) -> Cost {
        let Size { n, d, .. } = *size;
        let (k, order) = (self.components, n.min(d));
        let bytes = size.value_bytes == 1;
        let mut cost = Cost::default();
        let formed = match (bytes, d <= n) {
            (true, true) => (Gram::CovarianceU8, vec![n, d]),
            (false, true) => (Gram::CovarianceF32, vec![n, d]),
            (true, false) => (Gram::DualU8, vec![n, n, d, n, 0, 0]),
            (false, false) => (Gram::DualF32, vec![n, n, d, n, 0, 0]),
        };
        let form = |cost: &mut Cost| cost.add(Kernel::Gram(formed.0), &formed.1);
        let Some(steps) = self.steps() else {
            form(&mut cost);
            let flops = 4.0 / 3.0 * (order as f64).powi(3);
            cost.add_other(
                "eigensolver",
                1.0,
                (8.0 * (order * order) as f64, flops),
                Arithmetic::F64,
            );
            return cost;
        };
        // Steps for a component by deflation, and for all together.
        let (each, all) = match Pace::of(steps.rule) {
            _ if steps.rule.name() == "nesterov" => (55, 150),
            Pace::Plain => (80, 120),
            Pace::Velocity => (200, 250),
            Pace::Shrinking => (240, 1000),
            Pace::Scaled | Pace::Normed => (100, 250),
            Pace::ScaledVelocity => (250, 500),
        };
        let (m, count) = match &self.how {
            How::Deflation(_) => (1, each * k),
            How::Subspace(_) | How::Direct => (k, all),
        };
        let samples = match bytes {
            true => Product::SamplesU8,
            false => Product::SamplesF32,
        };
        let mut step = Cost::default();
        let steps_taken = match (steps.batch, steps.operator) {
            (Batch::Rows(rows), _) => {
                step.add(Kernel::Product(samples), &[rows, d, m]);
                steps.epochs * (n / rows.max(1)) as u64 * (k / m) as u64
            }
            (Batch::Full, OperatorKind::Samples) => {
                step.add(Kernel::Product(samples), &[n, d, m]);
                count as u64
            }
            (Batch::Full, OperatorKind::Covariance) => {
                form(&mut cost);
                step.add(Kernel::Product(Product::Symmetric), &[order, m]);
                count as u64
            }
        };
        // What follows the product: short launches on vectors.
        step.add_other(
            "vectors",
            SHORT_LAUNCHES,
            (64.0 * (m * order) as f64, 0.0),
            Arithmetic::F32,
        );
        cost.add_times(&step, steps_taken.min(steps.max_iterations * k as u64));
        cost
    }
}
