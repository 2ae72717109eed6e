//! Schedules: the learning rate of a step as a multiple of the rate that was tuned or given.
//!
//! A file is that of a rule without states: `update` gives `factor` a value from `t` (the number of the step, from 1), `steps` (how
//! many there are at most), `warmup` (how many of them are the warm-up) and `pi`, with `cos` and `floor` beside a rule's functions.
//!
//! ```toml
//! name = "linear"
//! about = "falls along a line to 0 after the last step"
//! update = "factor = 1 - (t - 1 - warmup) / (steps - warmup)"
//! ```
//!
//! In the warm-up the factor is `t / warmup` instead.

use std::f64::consts::PI;

use super::evaluate::value;
use super::expression::{Function, Node};
use super::file::{self, Fault, Stated};
use super::parse::Wrong;
use super::program::Program;
use super::write;

/// Names that every schedule has.
const OWN: [&str; 4] = ["t", "steps", "warmup", "pi"];
/// What a schedule says.
const FACTOR: &str = "factor";

/// A schedule that has been read and checked.
#[derive(Debug, Clone)]
pub struct Formula(Program);

/// Reads a schedule's file: the schedule, and its variants by their names.
///
/// # Errors
/// What is wrong and where.
pub fn read_schedules(text: &str) -> Result<Vec<Formula>, Fault> {
    file::read(text)?
        .iter()
        .map(|stated| Formula::check(stated).map_err(|wrong| Fault::at(text, wrong.at, wrong.what)))
        .collect()
}

impl Formula {
    fn check(stated: &Stated) -> Result<Self, Wrong> {
        let inside = |at, what: &str| Err(Wrong::at(at, what).after(stated.start));
        let program = Program::named(stated, &OWN)?;
        if let Some(state) = program.states.first() {
            let what = "a schedule has no states: what it gives depends on t alone";
            return Err(Wrong::at(state.at, what));
        }
        if let Some(at) = program.calling(&[Function::Norm]) {
            return inside(at, "a schedule knows no vector that could have a norm");
        }
        let Some(factor) = program.statements.iter().find(|s| s.target == FACTOR) else {
            return inside(0, "factor gets no value: write factor = ..");
        };
        program.check_parameters(stated)?;
        let at = factor.at;
        let schedule = Self(program);
        for (steps, warmup) in [(1, 0), (2, 1), (10, 0), (10, 3), (1000, 100)] {
            for t in warmup + 1..=steps {
                let mut zero = None;
                let given = schedule.evaluate([t, steps, warmup], &mut |node| {
                    zero.get_or_insert(node.at);
                });
                if given.is_finite() && given >= 0.0 {
                    continue;
                }
                let what = format!(
                    "factor is {given} at step {t} of {steps}, {warmup} of them warm-up: a rate is a finite number from 0"
                );
                return inside(zero.unwrap_or(at), &what);
            }
        }
        Ok(schedule)
    }

    /// Its name: `cosine`, or a variant's, `decay:root`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// A sentence.
    pub fn about(&self) -> &str {
        &self.0.about
    }

    /// The paper, and whose form it is.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// The statements as its file writes them, one a line.
    pub fn math(&self) -> String {
        write::math(&self.0)
    }

    /// The parameters with their values: `gamma = 0.1`.
    pub fn parameters(&self) -> Vec<String> {
        write::defaults(&self.0)
    }

    /// Whether the factor is the same in every step.
    pub fn is_constant(&self) -> bool {
        !self.0.statements.iter().any(|s| s.value.names("t"))
    }

    /// The factor of each of `steps` steps, the first `warmup` of them a straight rise to 1.
    pub fn factors(&self, steps: u64, warmup: u64) -> impl Iterator<Item = f64> {
        (1..=steps).map(move |t| match t <= warmup {
            true => t as f64 / warmup as f64,
            false => self.evaluate([t, steps, warmup], &mut |_| {}),
        })
    }

    fn evaluate(&self, [t, steps, warmup]: [u64; 3], fault: &mut dyn FnMut(&Node)) -> f64 {
        let mut locals: Vec<(&str, f64)> = Vec::new();
        for statement in &self.0.statements {
            let named = |name: &str| match name {
                "t" => t as f64,
                "steps" => steps as f64,
                "warmup" => warmup as f64,
                "pi" => PI,
                _ => {
                    let own = self
                        .0
                        .parameters
                        .iter()
                        .map(|(name, x)| (name.as_str(), *x));
                    let mut all = own.chain(locals.iter().copied());
                    all.find(|(known, _)| *known == name)
                        .map_or(f64::NAN, |(_, x)| x)
                }
            };
            let given = value(&statement.value, &named, fault);
            if statement.target == FACTOR {
                return given;
            }
            locals.push((&statement.target, given));
        }
        f64::NAN
    }
}
