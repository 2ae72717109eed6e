//! Schedules of the learning rate: the formulas of the files in `schedules/` and of users', and the table of rates that a
//! device reads one a step from ([`crate::kernel::Control::Advance`]).

use std::fmt;
use std::sync::{LazyLock, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::rule::{Formula, read_schedules};

include!(concat!(env!("OUT_DIR"), "/schedules.rs"));

/// A schedule: one that comes with the program, or one of the user's. Equal names are equal schedules.
#[derive(Clone, Copy)]
pub struct Schedule(&'static Definition);

struct Definition {
    formula: Formula,
    /// Its name in a case's id.
    id: String,
}

static SHIPPED: LazyLock<Vec<Schedule>> = LazyLock::new(|| {
    let all = SCHEDULES.iter().flat_map(|text| {
        // The build has read the same texts.
        read_schedules(text).expect("the build refuses what does not read")
    });
    all.map(|formula| Schedule::new(formula, None)).collect()
});

/// The schedules of the user's that were read so far.
static USERS: Mutex<Vec<Schedule>> = Mutex::new(Vec::new());

/// Steps are counted in f32.
const MOST_STEPS: u64 = 1 << 24;

/// A name as papers write it, and that of the file.
const INVERSE_SQRT: [&str; 2] = ["1/sqrt(t)", "inverse_sqrt"];

impl Schedule {
    /// A schedule lives as long as the program.
    fn new(formula: Formula, hash: Option<String>) -> Self {
        let id = match hash {
            Some(hash) => format!("{}@{hash}", formula.name()),
            None => formula.name().into(),
        };
        Self(Box::leak(Box::new(Definition { formula, id })))
    }

    /// Every schedule that comes with the program, each followed by its variants.
    pub fn shipped() -> &'static [Self] {
        &SHIPPED
    }

    /// A schedule that comes with the program; `1/sqrt(t)` is `inverse_sqrt`.
    pub fn find(name: &str) -> Option<Self> {
        let [written, plain] = INVERSE_SQRT;
        let name = if name == written { plain } else { name };
        SHIPPED.iter().copied().find(|known| known.name() == name)
    }

    /// A schedule that comes with the program.
    ///
    /// # Panics
    /// When there is none of this name: for names in the program's own text.
    pub fn named(name: &str) -> Self {
        Self::find(name).unwrap_or_else(|| panic!("no schedule {name} comes with the program"))
    }

    /// The schedule of a user's file, and its variants.
    ///
    /// # Errors
    /// `Input` with file, line and column.
    pub fn read(file: &str, text: &str) -> Result<Vec<Self>> {
        let formulas =
            read_schedules(text).map_err(|fault| Error::input(format!("{file}, {fault}")))?;
        let mut read = USERS.lock().unwrap_or_else(PoisonError::into_inner);
        let schedules = formulas.into_iter().map(|formula| {
            let name = formula.name();
            if Self::find(name).is_some() {
                return Err(Error::input(format!(
                    "{file}: a schedule {name} comes with the program: give this one another name"
                )));
            }
            let said = format!("{} {:?}", formula.math(), formula.parameters());
            let hash = Sha256::digest(said);
            let hash = hash.iter().take(4).map(|b| format!("{b:02x}")).collect();
            let new = Self::new(formula, Some(hash));
            match read.iter().find(|known| **known == new) {
                Some(known) if known.id() == new.id() => Ok(*known),
                Some(_) => Err(Error::input(format!(
                    "{file}: two schedules are named {}: give one of them another name",
                    new.name()
                ))),
                None => {
                    read.push(new);
                    Ok(new)
                }
            }
        });
        schedules.collect()
    }

    /// Name on the command line: `cosine`, `decay:root`.
    pub fn name(self) -> &'static str {
        self.0.formula.name()
    }

    /// Its name in a case's id: a schedule of the user's ends with 8 digits of its statements' hash, since files change.
    pub fn id(self) -> &'static str {
        &self.0.id
    }

    /// What its file says.
    pub fn formula(self) -> &'static Formula {
        &self.0.formula
    }

    /// The rates of `steps` steps; one rate where all are the same.
    ///
    /// # Errors
    /// `Input` where the formula gives no rate.
    pub fn rates(self, rate: f64, steps: u64, warm_up: WarmUp) -> Result<Vec<f32>> {
        let (steps, warmup) = (steps.max(1), warm_up.steps(steps));
        let formula = self.formula();
        if steps > MOST_STEPS && !formula.is_constant() {
            return Err(Error::input(format!(
                "the schedule {} over {steps} steps: devices count steps up to 2^24; give fewer --epochs or a larger --batch",
                self.name()
            )));
        }
        let needed = match formula.is_constant() {
            true => warmup + 1,
            false => steps,
        };
        let factors = formula.factors(steps.max(needed), warmup);
        let rates = (1..).zip(factors.take(needed as usize)).map(|(t, factor)| {
            let scaled = (rate * factor) as f32;
            match scaled.is_finite() && scaled >= 0.0 {
                true => Ok(scaled),
                false => Err(Error::input(format!(
                    "the schedule {} gives step {t} of {steps} the rate {rate} times {factor}: a rate is a finite number from 0",
                    self.name()
                ))),
            }
        });
        rates.collect()
    }

    /// Name, formula and the values in it, for the record: `linear: factor = .., with steps = 300, warmup = 0`.
    pub fn describe(self, steps: u64, warm_up: WarmUp) -> String {
        let (formula, warmup) = (self.formula(), warm_up.steps(steps));
        if formula.is_constant() && warmup == 0 && self.name() == "constant" {
            return self.name().into();
        }
        let mut values = formula.parameters();
        values.push(format!("steps = {steps}"));
        values.push(format!("warmup = {warmup}"));
        let statements = formula.math().replace('\n', "; ");
        format!("{}: {statements}, with {}", self.name(), values.join(", "))
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Steps at the start over which the rate rises along a line.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum WarmUp {
    /// None.
    #[default]
    None,
    /// So many.
    Steps(u64),
    /// A share of all steps, in percent.
    Percent(f64),
}

impl WarmUp {
    /// Steps of the warm-up, of so many in all.
    pub fn steps(self, of: u64) -> u64 {
        match self {
            Self::None => 0,
            Self::Steps(steps) => steps.min(of),
            Self::Percent(share) => (share / 100.0 * of as f64).round() as u64,
        }
    }
}

impl fmt::Display for WarmUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("0"),
            Self::Steps(steps) => write!(f, "{steps}"),
            Self::Percent(share) => write!(f, "{share}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rates of `steps` steps at rate 1.
    fn rates(name: &str, steps: u64, warm_up: WarmUp) -> Vec<f32> {
        Schedule::named(name).rates(1.0, steps, warm_up).unwrap()
    }

    fn close(a: &[f32], b: &[f32]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-6)
    }

    #[test]
    fn a_constant_rate_is_one_number_and_a_warm_up_rises_to_it() {
        assert_eq!(rates("constant", 1000, WarmUp::None), [1.0]);
        let rising = rates("constant", 1000, WarmUp::Steps(4));
        assert_eq!(rising, [0.25, 0.5, 0.75, 1.0, 1.0]);
        let share = rates("constant", 40, WarmUp::Percent(10.0));
        assert_eq!(share, rising);
        // A warm-up that is longer than the solve ends with it.
        assert_eq!(rates("linear", 2, WarmUp::Steps(9)), [0.5, 1.0]);
    }

    #[test]
    fn every_schedule_begins_at_its_largest_rate_or_rises_to_it_and_never_exceeds_it() {
        for schedule in Schedule::shipped() {
            for (steps, warm_up) in [
                (1, WarmUp::None),
                (7, WarmUp::Steps(3)),
                (500, WarmUp::None),
            ] {
                let rates = schedule.rates(1.0, steps, warm_up).unwrap();
                let most = rates.iter().copied().fold(0.0, f32::max);
                assert!(
                    rates.iter().all(|x| (0.0..=1.0).contains(x)),
                    "{schedule:?}"
                );
                // One step is all warm-up of one cycle.
                assert!(most > 0.95 || steps == 1, "{schedule:?}: {most}");
            }
        }
    }

    #[test]
    fn the_schedules_are_those_of_the_papers() {
        let none = WarmUp::None;
        assert!(close(&rates("linear", 4, none), &[1.0, 0.75, 0.5, 0.25]));
        let cosine = rates("cosine", 4, none);
        assert!(close(&cosine, &[1.0, 0.853_553_4, 0.5, 0.146_446_6]));
        let step = rates("step", 7, none);
        assert!(close(&step, &[1.0, 1.0, 1.0, 0.1, 0.1, 0.01, 0.01]));
        let root = rates("1/sqrt(t)", 5, WarmUp::Steps(2));
        let of = |t: f32| (2.0 / t).sqrt();
        assert!(close(&root, &[0.5, 1.0, of(3.0), of(4.0), of(5.0)]));
        assert!(close(
            &rates("decay:root", 11, none)[10..],
            &[0.5f32.sqrt()]
        ));
    }

    #[test]
    fn a_users_schedule_has_a_hash_in_its_id_and_no_name_that_is_taken() {
        let text = |name: &str| {
            format!("name = \"{name}\"\nabout = \"a test\"\nupdate = \"factor = 1 / t\"\n")
        };
        let mine = Schedule::read("mine.toml", &text("mine")).unwrap()[0];
        assert!(mine.id().starts_with("mine@") && mine.id().len() == 13);
        assert_eq!(
            Schedule::read("again.toml", &text("mine")).unwrap()[0],
            mine
        );
        let taken = Schedule::read("mine.toml", &text("cosine")).unwrap_err();
        assert!(taken.to_string().contains("comes with the program"));
        let other = text("mine").replace("1 / t", "1 / t^2");
        let two = Schedule::read("other.toml", &other).unwrap_err();
        assert!(two.to_string().contains("two schedules are named mine"));
    }

    #[test]
    fn a_formula_that_gives_no_rate_is_refused_with_its_place() {
        for (update, what) in [
            ("x = 1", "line 3, column 11: factor gets no value"),
            (
                "factor = 1 / (t - 1)",
                "line 3, column 25: factor is inf at step 1 of 1",
            ),
            ("factor = 1 - t", "factor is -1 at step 2"),
            ("factor = norm(t)", "no vector"),
            (
                "factor = g",
                "g is not defined; what is: t, steps, warmup, pi",
            ),
            ("factor = t; factor = 2", "factor has a value already"),
        ] {
            let text = format!("name = \"bad\"\nabout = \"a test\"\nupdate = \"{update}\"\n");
            let error = Schedule::read("bad.toml", &text).unwrap_err().to_string();
            assert!(error.contains(what), "{update}: {error}");
            assert_eq!(error.lines().count(), 1);
        }
    }

    #[test]
    fn the_record_has_the_formula_with_its_numbers() {
        let said = Schedule::named("step").describe(300, WarmUp::Percent(10.0));
        assert_eq!(
            said,
            "step: factor = gamma^floor(parts * (t - 1 - warmup) / (steps - warmup)), with gamma = 0.1, parts = 3, \
             steps = 300, warmup = 30"
        );
        let constant = Schedule::named("constant");
        assert_eq!(constant.describe(300, WarmUp::None), "constant");
    }
}
