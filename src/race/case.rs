//! A case: one point of problem x samples x method x optimizer x device x parameters, and its id.
//!
//! A parameter that a case does not use is absent, or holds its default, so that equal cases compare equal: with
//! `--method direct --optimizer sgd,adam` there is one case.

use crate::error::{Error, Result};
use crate::optimizer::Rule;
use crate::pca::{Gradient, Method, OperatorKind, Plan};

use super::name::{Kind, Named, Precision};

/// Number of components when none is asked for.
pub const COMPONENTS: usize = 10;
/// Target of the full batch: the sine of the largest principal angle.
pub const TARGET: f64 = 1e-3;
/// Target of mini-batches, whose error falls as one over the root of the samples seen.
pub const BATCH_TARGET: f64 = 5e-2;
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

/// Threads of a CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Threads {
    /// As many as there are cores.
    All,
    /// This many.
    Count(usize),
}

/// A device as a case names it; whether it is there is another matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceSpec {
    /// Which kind.
    pub kind: Kind,
    /// Index among the devices of its kind; 0 on a CPU.
    pub index: usize,
    /// Threads; `All` on anything but a CPU.
    pub threads: Threads,
}

impl DeviceSpec {
    /// The CPU with these threads.
    pub fn cpu(threads: Threads) -> Self {
        Self {
            kind: Kind::Cpu,
            index: 0,
            threads,
        }
    }

    /// Reads `cpu`, `cuda`, `cuda:1`, `wgpu:0`.
    ///
    /// # Errors
    /// `Input` when the kind is unknown or the index no number.
    pub fn parse(text: &str) -> Result<Self> {
        let (kind, index) = match text.split_once(':') {
            Some((kind, index)) => (kind, Some(index)),
            None => (text, None),
        };
        let kind = Kind::parse(kind)?;
        let index = match index {
            None => 0,
            Some(_) if kind == Kind::Cpu => {
                return Err(Error::input(format!(
                    "device `{text}`: there is one cpu; write cpu"
                )));
            }
            Some(index) => index.parse().map_err(|_| {
                let name = kind.name();
                Error::input(format!(
                    "device `{text}`: `{index}` is no index; write {name}:0"
                ))
            })?,
        };
        Ok(Self {
            kind,
            index,
            threads: Threads::All,
        })
    }
}

impl std::fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind.name())?;
        match (self.kind, self.threads) {
            (Kind::Cpu, Threads::All) => Ok(()),
            (Kind::Cpu, Threads::Count(threads)) => write!(f, "@{threads}"),
            _ => write!(f, ":{}", self.index),
        }
    }
}

/// Which samples a case is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// None was named: mnist, or digits where it cannot be had.
    Default,
    /// The spec as given.
    Spec(String),
}

/// One case. As asked for, `None` takes the default; once [`Case::settled`], `None` is a parameter that the case does not
/// use, but for the learning rate (`auto`) and the batch (full).
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// The samples.
    pub source: Source,
    /// How PCA is solved.
    pub method: Method,
    /// What A v costs.
    pub operator: Option<OperatorKind>,
    /// The update rule.
    pub optimizer: Option<Rule>,
    /// The gradient that it sees; by default plain for sgd, projected for the others.
    pub gradient: Option<Gradient>,
    /// Learning rate in units of 1 / lambda; `None` is `auto`.
    pub learning_rate: Option<f64>,
    /// Rows of a mini-batch; `None` is the full batch.
    pub batch: Option<usize>,
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
    /// Error that counts as reached; by default [`TARGET`], or [`BATCH_TARGET`] with mini-batches.
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
            source: Source::Default,
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
        self.precision = self.precision.or(Some(own_precision(self.method)));
        if self.method == Method::Direct {
            self = Self {
                source: self.source,
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
            self.batch = self.batch.filter(|_| operator == OperatorKind::Samples);
        }
        if self.batch.is_none() {
            self.epochs = EPOCHS;
        }
        self.target = self.target.or(Some(own_target(self.batch)));
        self
    }

    /// Error that counts as reached.
    pub fn target(&self) -> f64 {
        self.target.unwrap_or_else(|| own_target(self.batch))
    }

    /// Precision of the arithmetic.
    pub fn precision(&self) -> Precision {
        self.precision.unwrap_or_else(|| own_precision(self.method))
    }

    /// The id of a settled case: stable, readable, every parameter that is not the default. `data` is the name of the
    /// samples, known once they are loaded.
    pub fn id(&self, data: &str) -> String {
        let mut parts = vec![
            "pca".to_string(),
            data.to_string(),
            self.method.name().to_string(),
        ];
        parts.extend(self.operator.map(|operator| operator.name().to_string()));
        if let (Some(rule), Some(gradient)) = (self.optimizer, self.gradient) {
            parts.push(rule.name().to_string());
            if gradient != own_gradient(rule) {
                parts.push(gradient.name().to_string());
            }
        }
        parts.extend(self.batch.map(|rows| format!("batch{rows}")));
        parts.extend(self.learning_rate.map(|eta| format!("eta{}", number(eta))));
        parts.push(format!("k{}", self.components));
        parts.push(self.device.to_string());
        parts.push(self.precision().name().to_string());
        for (word, value, default) in [
            ("target", self.target(), own_target(self.batch)),
            ("tol", self.tolerance, TOLERANCE),
            ("limit", self.time_limit_s, TIME_LIMIT_S),
        ] {
            if value != default {
                parts.push(format!("{word}{}", number(value)));
            }
        }
        for (word, value, default) in [
            ("iter", self.max_iterations, MAX_ITERATIONS),
            ("epochs", self.epochs, EPOCHS),
            ("seed", self.seed, SEED),
        ] {
            if value != default {
                parts.push(format!("{word}{value}"));
            }
        }
        parts.join("/")
    }

    /// Whether two cases differ in nothing but the device: then their repeats are interleaved.
    pub fn races(&self, other: &Self) -> bool {
        *other
            == Self {
                device: other.device,
                ..self.clone()
            }
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
            batch: self.batch,
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

fn own_target(batch: Option<usize>) -> f64 {
    if batch.is_some() {
        BATCH_TARGET
    } else {
        TARGET
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
            batch: Some(256),
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
    fn what_a_case_does_not_use_makes_no_other_case() {
        let direct = |rule, seed, tolerance| {
            let (method, optimizer) = (Method::Direct, Some(rule));
            Case {
                method,
                optimizer,
                seed,
                tolerance,
                batch: Some(9),
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
        assert_eq!(covariance(Some(64)), covariance(None));
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

    #[test]
    fn devices_read_as_they_are_written() {
        for text in ["cpu", "cuda:1", "wgpu:0"] {
            assert_eq!(DeviceSpec::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(DeviceSpec::parse("cuda").unwrap().to_string(), "cuda:0");
        for text in ["gpu", "cpu:1", "cuda:x", ""] {
            assert!(DeviceSpec::parse(text).is_err(), "{text}");
        }
    }
}
