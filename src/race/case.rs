//! A case: one point of problem x samples x method x optimizer x device x parameters, and its id.
//!
//! A case is settled: every default is put in, and a parameter that it does not use is not there or holds its default, so
//! that equal cases are equal values. What is asked for, before that, is a [`super::task::Draft`].

use crate::data::Standardize;
use crate::optimizer::Cost;
use crate::record::{Asked, Record};

use super::defaults::{SEED, TIME_LIMIT_S};
use super::device::DeviceSpec;
use super::name::{Named, Precision, ProblemKind};
use super::size::Size;

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

/// One case of a problem: `T` is the problem's own parameters ([`super::problem`]), or those of any problem
/// ([`super::task::Task`]).
#[derive(Debug, Clone, PartialEq)]
pub struct Case<T> {
    /// The samples.
    pub source: Source,
    /// What is done to the columns of the samples, never `Auto`.
    pub standardize: Standardize,
    /// Where it runs.
    pub device: DeviceSpec,
    /// Precision of the arithmetic.
    pub precision: Precision,
    /// Seed of start vectors and batches.
    pub seed: u64,
    /// Error that counts as reached.
    pub target: f64,
    /// Seconds of solving.
    pub time_limit_s: f64,
    /// What is solved, and how.
    pub task: T,
}

/// What the parameters of a problem say of a case: its name, its defaults, its size, its fields in a record.
pub trait Settings {
    /// What is solved.
    fn kind(&self) -> ProblemKind;

    /// Precision when none is asked for.
    fn own_precision(&self) -> Precision;

    /// Target when none is asked for.
    fn own_target(&self) -> f64;

    /// What `auto` does to the columns of these samples.
    fn own_standardize(&self, source: &Source) -> Standardize;

    /// Whether it is solved in steps, which begin at a seed and end at a limit of time.
    fn has_steps(&self) -> bool;

    /// Sets the flags that give these parameters again (see [`Asked`]).
    fn ask(&self, asked: &mut Asked);

    /// Fills in the fields of a record that are this problem's.
    fn describe(&self, row: &mut Record);

    /// Bytes that a solve takes besides the samples.
    fn formed_bytes(&self, size: &Size) -> f64;

    /// Work of a solve, as far as the parameters tell: with steps as they are on MNIST.
    fn expected(&self, size: &Size) -> Cost;
}

/// Parameters of one problem, or of any.
pub trait AsSettings {
    /// What they say.
    fn settings(&self) -> &dyn Settings;
}

impl<P: Settings> AsSettings for P {
    fn settings(&self) -> &dyn Settings {
        self
    }
}

impl<T> Case<T> {
    /// The same case with other parameters of the problem.
    pub fn with<U>(self, task: U) -> Case<U> {
        Case {
            source: self.source,
            standardize: self.standardize,
            device: self.device,
            precision: self.precision,
            seed: self.seed,
            target: self.target,
            time_limit_s: self.time_limit_s,
            task,
        }
    }

    /// Whether two cases differ in nothing but the device: then their repeats are interleaved.
    pub fn races(&self, other: &Self) -> bool
    where
        T: Clone + PartialEq,
    {
        *other
            == Self {
                device: other.device,
                ..self.clone()
            }
    }
}

impl<T: AsSettings> Case<T> {
    /// The flags that give the case again. `data` is the spec of the samples, known once they are loaded.
    pub fn asked(&self, data: &str) -> Asked {
        let task = self.task.settings();
        let mut asked = Asked::default();
        asked.set("problem", task.kind().name());
        asked.set("data", data);
        task.ask(&mut asked);
        asked.set("device", self.device.without_threads());
        if let Some(threads) = self.device.counted() {
            asked.set("threads", threads);
        }
        asked.set("precision", self.precision.name());
        set_number(&mut asked, "target", self.target, task.own_target());
        set_number(&mut asked, "time-limit", self.time_limit_s, TIME_LIMIT_S);
        set_unless(&mut asked, "seed", self.seed, SEED);
        if self.standardize != task.own_standardize(&self.source) {
            asked.set("standardize", self.standardize.name());
        }
        asked
    }

    /// The id of the case: stable, readable, every parameter that is not the default. `data` is the name of the samples,
    /// known once they are loaded.
    pub fn id(&self, data: &str) -> String {
        self.asked(data).id(data)
    }
}

/// Sets a flag unless its value is the default.
pub(super) fn set_unless<V: PartialEq + ToString>(
    asked: &mut Asked,
    flag: &str,
    value: V,
    default: V,
) {
    if value != default {
        asked.set(flag, value);
    }
}

/// The same for a number, written as a person writes it.
pub(super) fn set_number(asked: &mut Asked, flag: &str, value: f64, default: f64) {
    if value != default {
        asked.set(flag, number(value));
    }
}

/// A number as a person writes it: `0.2`, `1e-8`, `50000`.
pub(super) fn number(value: f64) -> String {
    let (plain, short) = (value.to_string(), format!("{value:e}"));
    if value.abs() < 1e7 && (value.abs() >= 1.0 || plain.len() <= short.len()) {
        plain
    } else {
        short
    }
}

/// A case with how it is measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<T> {
    /// The case.
    pub case: Case<T>,
    /// Repeats; `None` goes on until the noise is low, or stable, or the time is up.
    pub repeats: Option<usize>,
    /// Whether the device was asked for by name: then its absence is an error.
    pub named: bool,
}
