//! A case: one point of problem x samples x method x optimizer x device x parameters, and its id.
//!
//! A parameter that a case does not use is absent, or holds its default, so that equal cases compare equal: with
//! `--method direct --optimizer sgd,adam` there is one case.

use crate::data::{Spec, Standardize};
use crate::error::{Error, Result};
use crate::mlp;
use crate::optimizer::Rule;
use crate::pca::{Gradient, Method, OperatorKind, Plan};
use crate::record::Asked;

use super::device::{DeviceSpec, Threads};
use super::job::Job;
use super::name::{Named, Precision, ProblemKind};

/// Number of components when none is asked for.
pub const COMPONENTS: usize = 10;
/// Target of the full batch: the sine of the largest principal angle.
pub const TARGET: f64 = 1e-3;
/// Target of mini-batches, whose error falls as one over the root of the samples seen.
pub const BATCH_TARGET: f64 = 5e-2;
/// Target of a network: the share of test samples that it classifies wrongly.
pub const TEST_TARGET: f64 = 0.03;
/// Hidden layers of a network: LeCun's three-layer net.
pub const LAYERS: [usize; 2] = [300, 100];
/// Samples of a network's mini-batch.
pub const NETWORK_BATCH: usize = 128;
/// The methods' own stopping tolerance.
pub const TOLERANCE: f64 = 1e-6;
/// Iterations per component.
pub const MAX_ITERATIONS: u64 = 20_000;
/// Seconds of solving.
pub const TIME_LIMIT_S: f64 = 120.0;
/// Passes over the samples in mini-batches.
pub const EPOCHS: u64 = 20;
/// Seed of start vectors and batches.
pub const SEED: u64 = 1;

/// Which samples a case is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// None was named: mnist, or digits where it cannot be had.
    Default,
    /// The spec as given.
    Spec(String),
}

/// Rows of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Batch {
    /// All samples.
    Full,
    /// So many, in an order that is new in every epoch.
    Rows(usize),
}

impl Batch {
    /// The rows of a mini-batch.
    pub fn rows(self) -> Option<usize> {
        match self {
            Self::Full => None,
            Self::Rows(rows) => Some(rows),
        }
    }
}

impl std::fmt::Display for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Full => f.write_str("full"),
            Self::Rows(rows) => write!(f, "{rows}"),
        }
    }
}

/// One case. As asked for, `None` takes the default; once [`Case::settled`], `None` is a parameter that the case does not
/// use, but for the learning rate (`auto`).
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// What is solved.
    pub problem: ProblemKind,
    /// The samples.
    pub source: Source,
    /// What is done to the columns of the samples; `Auto` only until settled.
    pub standardize: Standardize,
    /// Widths of a network's hidden layers; empty is logistic regression.
    pub layers: Option<Vec<usize>>,
    /// Times a network's parameters, added to the gradient.
    pub weight_decay: f64,
    /// How PCA is solved.
    pub method: Method,
    /// What A v costs.
    pub operator: Option<OperatorKind>,
    /// The update rule.
    pub optimizer: Option<Rule>,
    /// The gradient that it sees; by default plain for sgd, projected for the others.
    pub gradient: Option<Gradient>,
    /// Learning rate, for PCA in units of 1 / lambda; `None` is `auto`.
    pub learning_rate: Option<f64>,
    /// Rows of a step; by default all for PCA, [`NETWORK_BATCH`] for a network.
    pub batch: Option<Batch>,
    /// Passes in mini-batches.
    pub epochs: u64,
    /// Number of components k.
    pub components: usize,
    /// Where it runs.
    pub device: DeviceSpec,
    /// By default f64 for `direct` and f32 for the others.
    pub precision: Option<Precision>,
    /// Seed of start vectors and batches.
    pub seed: u64,
    /// Error that counts as reached; by default [`TARGET`], [`BATCH_TARGET`] with mini-batches, [`TEST_TARGET`] of a network.
    pub target: Option<f64>,
    /// The method's own stopping tolerance.
    pub tolerance: f64,
    /// Iterations per component (deflation) or in all (subspace).
    pub max_iterations: u64,
    /// Seconds of solving.
    pub time_limit_s: f64,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            problem: ProblemKind::Pca,
            source: Source::Default,
            standardize: Standardize::Auto,
            layers: None,
            weight_decay: 0.0,
            method: Method::Deflation,
            operator: None,
            optimizer: None,
            gradient: None,
            learning_rate: None,
            batch: None,
            epochs: EPOCHS,
            components: COMPONENTS,
            device: DeviceSpec::cpu(Threads::All),
            precision: None,
            seed: SEED,
            target: None,
            tolerance: TOLERANCE,
            max_iterations: MAX_ITERATIONS,
            time_limit_s: TIME_LIMIT_S,
        }
    }
}

impl Case {
    /// The same with every default put in and every parameter that it does not use taken out: equal cases are then
    /// equal values.
    #[must_use]
    pub fn settled(mut self) -> Self {
        self.standardize = self.standardize();
        if self.problem == ProblemKind::Mlp {
            return self.settled_network();
        }
        self.precision = self.precision.or(Some(own_precision(self.method)));
        (self.layers, self.weight_decay) = (None, 0.0);
        if self.method == Method::Direct {
            self = Self {
                source: self.source,
                standardize: self.standardize,
                method: self.method,
                components: self.components,
                device: self.device,
                precision: self.precision,
                target: self.target,
                ..Self::default()
            };
        } else {
            let operator = self.operator.unwrap_or(OperatorKind::Samples);
            let rule = self.optimizer.unwrap_or(Rule::Sgd);
            (self.operator, self.optimizer) = (Some(operator), Some(rule));
            self.gradient = self.gradient.or(Some(own_gradient(rule)));
            // Mini-batches are drawn from the samples: a covariance that is formed once has none.
            let batch = self.batch.filter(|_| operator == OperatorKind::Samples);
            self.batch = Some(batch.unwrap_or(Batch::Full));
            if self.batch == Some(Batch::Full) {
                self.epochs = EPOCHS;
            }
        }
        self.target = Some(self.target());
        self
    }

    fn settled_network(self) -> Self {
        let target = Some(self.target());
        Self {
            problem: self.problem,
            source: self.source,
            standardize: self.standardize,
            layers: self.layers.or_else(|| Some(LAYERS.to_vec())),
            weight_decay: self.weight_decay,
            optimizer: self.optimizer.or(Some(Rule::Sgd)),
            learning_rate: self.learning_rate,
            batch: self.batch.or(Some(Batch::Rows(NETWORK_BATCH))),
            epochs: self.epochs,
            device: self.device,
            precision: self.precision.or(Some(Precision::F32)),
            seed: self.seed,
            target,
            time_limit_s: self.time_limit_s,
            ..Self::default()
        }
    }

    /// Error that counts as reached.
    pub fn target(&self) -> f64 {
        self.target.unwrap_or_else(|| self.own_target())
    }

    fn own_target(&self) -> f64 {
        match (self.problem, self.rows()) {
            (ProblemKind::Mlp, _) => TEST_TARGET,
            (ProblemKind::Pca, Some(_)) => BATCH_TARGET,
            (ProblemKind::Pca, None) => TARGET,
        }
    }

    /// What is done to the columns, `auto` resolved.
    pub fn standardize(&self) -> Standardize {
        match self.standardize {
            Standardize::Auto => self.own_standardize(),
            named => named,
        }
    }

    /// What `auto` stands for. A network trains well only on inputs of similar size: pixels are, the columns of a file may not be.
    fn own_standardize(&self) -> Standardize {
        match (self.problem, &self.source) {
            (ProblemKind::Mlp, Source::Spec(text))
                if Spec::parse(text).is_ok_and(|s| s.is_file()) =>
            {
                Standardize::Columns
            }
            _ => Standardize::None,
        }
    }

    /// Rows of a mini-batch, where there is one.
    pub fn rows(&self) -> Option<usize> {
        self.batch.and_then(Batch::rows)
    }

    /// Precision of the arithmetic.
    pub fn precision(&self) -> Precision {
        self.precision.unwrap_or_else(|| own_precision(self.method))
    }

    /// The flags that give a settled case again: see [`Asked`]. `data` is the spec of the samples, known once they are loaded.
    pub fn asked(&self, data: &str) -> Asked {
        let mut asked = Asked::default();
        let mut flag = |flag: &str, value: Option<String>| {
            value.into_iter().for_each(|value| asked.set(flag, value));
        };
        let network = self.problem == ProblemKind::Mlp;
        flag("problem", Some(self.problem.name().into()));
        flag("data", Some(data.into()));
        let layers = self.layers.as_ref().map(|layers| match layers.as_slice() {
            [] => "none".to_string(),
            layers => {
                let widths: Vec<String> = layers.iter().map(usize::to_string).collect();
                widths.join(",")
            }
        });
        let method = layers.is_none().then(|| self.method.name().into());
        flag("layers", layers);
        flag("method", method);
        flag("operator", self.operator.map(|x| x.name().into()));
        flag("optimizer", self.optimizer.map(|x| x.name().into()));
        let own_gradient = self.optimizer.map(own_gradient);
        let gradient = self
            .gradient
            .filter(|x| own_gradient.is_some_and(|own| *x != own));
        flag("gradient", gradient.map(|x| x.name().into()));
        let own_batch = match network {
            true => Batch::Rows(NETWORK_BATCH),
            false => Batch::Full,
        };
        let batch = self.batch.filter(|x| *x != own_batch);
        flag("batch", batch.map(|x| x.to_string()));
        flag("learning-rate", self.learning_rate.map(number));
        flag(
            "components",
            (!network).then(|| self.components.to_string()),
        );
        flag("device", Some(self.device.without_threads()));
        flag("threads", self.device.counted().map(|x| x.to_string()));
        flag("precision", Some(self.precision().name().into()));
        for (name, value, default) in [
            ("weight-decay", self.weight_decay, 0.0),
            ("target", self.target(), self.own_target()),
            ("tolerance", self.tolerance, TOLERANCE),
            ("time-limit", self.time_limit_s, TIME_LIMIT_S),
        ] {
            flag(name, (value != default).then(|| number(value)));
        }
        for (name, value, default) in [
            ("max-iterations", self.max_iterations, MAX_ITERATIONS),
            ("epochs", self.epochs, EPOCHS),
            ("seed", self.seed, SEED),
        ] {
            flag(name, (value != default).then(|| value.to_string()));
        }
        let columns = Some(self.standardize()).filter(|x| *x != self.own_standardize());
        flag("standardize", columns.map(|x| x.name().into()));
        asked
    }

    /// The id of a settled case: stable, readable, every parameter that is not the default. `data` is the name of the
    /// samples, known once they are loaded.
    pub fn id(&self, data: &str) -> String {
        self.asked(data).id(data)
    }

    /// Whether two cases differ in nothing but the device: then their repeats are interleaved.
    pub fn races(&self, other: &Self) -> bool {
        *other
            == Self {
                device: other.device,
                ..self.clone()
            }
    }

    /// What is to be run on a device, with the learning rate that `auto` stands for (see [`super::rates`]).
    ///
    /// # Errors
    /// `Unsupported` when there is no such precision.
    pub fn job(&self) -> Result<Job> {
        if self.problem == ProblemKind::Pca {
            return self.plan().map(Job::Pca);
        }
        if self.precision() != Precision::F32 {
            return Err(Error::unsupported(format!(
                "networks are trained in f32: leave out --precision {}",
                self.precision().name()
            )));
        }
        let layers = self.layers.clone().unwrap_or_default();
        let rule = self.optimizer.unwrap_or(Rule::Sgd);
        let batch = self.batch.unwrap_or(Batch::Rows(NETWORK_BATCH));
        let tuned = || super::rates::tuned(&layers, batch, rule);
        Ok(Job::Mlp(mlp::Plan {
            learning_rate: self.learning_rate.unwrap_or_else(tuned),
            layers: layers.clone(),
            rule,
            weight_decay: self.weight_decay,
            batch: batch.rows(),
            epochs: self.epochs,
            seed: self.seed,
        }))
    }

    /// What the solver is asked to do.
    ///
    /// # Errors
    /// `Unsupported` when the method has no such precision.
    pub fn plan(&self) -> Result<Plan> {
        let own = own_precision(self.method);
        if self.precision() != own {
            return Err(Error::unsupported(format!(
                "{} computes in {} on {}: leave out --precision {}",
                self.method.name(),
                own.name(),
                self.device,
                self.precision().name(),
            )));
        }
        Ok(Plan {
            method: self.method,
            operator: self.operator.unwrap_or(OperatorKind::Covariance),
            rule: self.optimizer.unwrap_or(Rule::Sgd),
            gradient: self.gradient,
            learning_rate: self.learning_rate,
            components: self.components,
            batch: self.rows(),
            epochs: self.epochs,
            tolerance: self.tolerance,
            max_iterations: self.max_iterations,
            seed: self.seed,
        })
    }
}

fn own_gradient(rule: Rule) -> Gradient {
    match rule {
        Rule::Sgd => Gradient::Plain,
        _ => Gradient::Projected,
    }
}

fn own_precision(method: Method) -> Precision {
    match method {
        Method::Direct => Precision::F64,
        Method::Deflation | Method::Subspace => Precision::F32,
    }
}

/// A number as a person writes it: `0.2`, `1e-8`, `50000`.
fn number(value: f64) -> String {
    let (plain, short) = (value.to_string(), format!("{value:e}"));
    if value.abs() < 1e7 && (value.abs() >= 1.0 || plain.len() <= short.len()) {
        plain
    } else {
        short
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_the_defaults_holds_no_parameter() {
        let case = Case {
            optimizer: Some(Rule::Momentum),
            ..Case::default()
        }
        .settled();
        assert_eq!(
            case.id("mnist"),
            "pca/mnist/deflation/samples/momentum/k10/cpu/f32"
        );
    }

    #[test]
    fn every_parameter_that_is_not_the_default_stands_in_the_id() {
        let case = Case {
            gradient: Some(Gradient::Projected),
            learning_rate: Some(0.2),
            batch: Some(Batch::Rows(256)),
            epochs: 5,
            components: 3,
            device: DeviceSpec::cpu(Threads::Count(1)),
            precision: Some(Precision::F64),
            seed: 2,
            target: Some(1e-3),
            tolerance: 1e-8,
            max_iterations: 500,
            time_limit_s: 2.5,
            ..Case::default()
        };
        assert_eq!(
            case.settled().id("x.npy-0123abcd"),
            "pca/x.npy-0123abcd/deflation/samples/sgd/projected/batch256/eta0.2/k3/cpu@1/f64/target1e-3/tol1e-8/\
             limit2.5/iter500/epochs5/seed2"
        );
    }

    #[test]
    fn the_id_of_a_network_holds_its_layers_and_what_is_not_the_default() {
        let case = Case {
            problem: ProblemKind::Mlp,
            optimizer: Some(Rule::Adam),
            ..Case::default()
        };
        assert_eq!(
            case.clone().settled().id("mnist"),
            "mlp/mnist/300-100/adam/cpu/f32"
        );
        let other = Case {
            layers: Some(vec![]),
            batch: Some(Batch::Full),
            learning_rate: Some(0.5),
            weight_decay: 1e-4,
            components: 3,
            tolerance: 0.1,
            epochs: 100,
            ..case
        };
        assert_eq!(
            other.settled().id("mnist"),
            "mlp/mnist/none/adam/batchfull/eta0.5/cpu/f32/decay1e-4/epochs100"
        );
    }

    #[test]
    fn what_a_case_does_not_use_makes_no_other_case() {
        let direct = |rule, seed, tolerance| {
            let (method, optimizer) = (Method::Direct, Some(rule));
            Case {
                method,
                optimizer,
                seed,
                tolerance,
                batch: Some(Batch::Rows(9)),
                ..Case::default()
            }
            .settled()
        };
        assert_eq!(direct(Rule::Sgd, 1, 1e-6), direct(Rule::Adam, 2, 1e-3));
        assert_eq!(
            direct(Rule::Sgd, 1, 1e-6).id("mnist"),
            "pca/mnist/direct/k10/cpu/f64"
        );
        let operator = Some(OperatorKind::Covariance);
        let covariance = |batch| {
            Case {
                operator,
                batch,
                epochs: 3,
                ..Case::default()
            }
            .settled()
        };
        assert_eq!(covariance(Some(Batch::Rows(64))), covariance(None));
        let gradient = Some(Gradient::Plain);
        assert_eq!(
            Case {
                gradient,
                ..Case::default()
            }
            .settled(),
            Case::default().settled()
        );
    }

    #[test]
    fn cases_on_two_devices_race_and_others_do_not() {
        let one = Case {
            device: DeviceSpec::cpu(Threads::Count(1)),
            ..Case::default()
        };
        assert!(one.races(&Case::default()));
        assert!(!one.races(&Case {
            seed: 2,
            ..Case::default()
        }));
    }

    #[test]
    fn another_precision_is_refused_not_replaced() {
        let case = Case {
            precision: Some(Precision::F64),
            ..Case::default()
        };
        assert!(matches!(case.plan(), Err(Error::Unsupported(why)) if why.contains("f64")));
    }
}
