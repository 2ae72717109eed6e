//! Update rules: one pass over the parameters p, their gradient g and the rule's states. Every row is made from a rule's file.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

use sha2::{Digest, Sha256};

use super::parameter::{CONTROL, Parameter, f32};
use super::reference::frozen;
use super::{Access, Case, Fill, Kernel, Row, control as c};
use crate::error::{Error, Result};
pub use crate::rule::FLUSH;
use crate::rule::{self, Kind, Named, Plan, Program, Step};

use Access::{Read, Update};
use Fill::{Normal, Positive};

include!(concat!(env!("OUT_DIR"), "/rules.rs"));

/// An update rule: one that comes with the program, or one of the user's.
///
/// Equal names are equal rules: a rule of the user's is refused where its name is taken.
#[derive(Clone, Copy)]
pub struct Rule(&'static Definition);

/// What is made of a rule's file.
struct Definition {
    program: Program,
    /// Its place among those that come with the program.
    shipped: Option<usize>,
    /// The first of its statements' hash, in hexadecimal.
    hash: String,
    /// Those of [`Plan::in_f32`].
    constants: Vec<Named>,
    /// Entries of the passes before its own, for its norms.
    entries: Option<[String; 2]>,
    row: OnceLock<Row>,
}

static SHIPPED: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let rules = FILES.iter().map(|text| rule::read(text));
    // The build has read the same texts.
    let programs = rules.flat_map(|rules| rules.expect("the build refuses what does not read"));
    let places = programs.enumerate();
    places
        .map(|(place, program)| Rule::new(program, Some(place)))
        .collect()
});

/// The rules of the user's that were read so far.
static USERS: Mutex<Vec<Rule>> = Mutex::new(Vec::new());

impl Rule {
    /// A rule lives as long as the program, since kernels are named by it.
    fn new(mut program: Program, shipped: Option<usize>) -> Self {
        if shipped.is_none() {
            // Whatever the user calls it, no other kernel has this name.
            program.entry = format!("users_{}", program.entry);
        }
        let mut hash = Sha256::new();
        hash.update(rule::math(&program));
        let states = program
            .states
            .iter()
            .map(|state| (&state.name, state.kind, state.start));
        let states: Vec<_> = states.collect();
        let (parameters, decay) = (&program.parameters, program.weight_decay);
        hash.update(format!("{parameters:?} {states:?} {decay}"));
        let constants = Plan::in_f32(&program).constants;
        let has_norms = !program.norms.is_empty();
        let entry = |ending| format!("{}_{ending}", program.entry);
        let entries = has_norms.then(|| ["norms", "sum"].map(entry));
        Self(Box::leak(Box::new(Definition {
            entries,
            program,
            shipped,
            constants,
            hash: hash
                .finalize()
                .iter()
                .take(4)
                .map(|b| format!("{b:02x}"))
                .collect(),
            row: OnceLock::new(),
        })))
    }

    /// Every rule that comes with the program, each followed by its variants.
    pub fn shipped() -> &'static [Self] {
        &SHIPPED
    }

    /// Every rule that comes with the program, without variants.
    pub fn plain() -> impl Iterator<Item = Self> {
        SHIPPED
            .iter()
            .copied()
            .filter(|rule| !rule.name().contains(':'))
    }

    /// A rule that comes with the program; a variant of Keras's is TensorFlow's too.
    pub fn find(name: &str) -> Option<Self> {
        let name = name.replace(":tensorflow", ":keras");
        SHIPPED.iter().copied().find(|rule| rule.name() == name)
    }

    /// A rule that comes with the program.
    ///
    /// # Panics
    /// When there is none of this name: for names in the program's own text.
    pub fn named(name: &str) -> Self {
        Self::find(name).unwrap_or_else(|| panic!("no rule {name} comes with the program"))
    }

    /// The rule of a user's file, and its variants.
    ///
    /// # Errors
    /// `Input` with file, line and column.
    pub fn read(file: &str, text: &str) -> Result<Vec<Self>> {
        let programs =
            rule::read(text).map_err(|fault| Error::input(format!("{file}, {fault}")))?;
        if Self::find(&programs[0].name).is_some() {
            return Err(Error::input(format!(
                "{file}: a rule {} comes with the program: give this one another name",
                programs[0].name
            )));
        }
        let mut read = USERS.lock().unwrap_or_else(PoisonError::into_inner);
        let rules = programs.into_iter().map(|program| {
            let new = Self::new(program, None);
            match read.iter().find(|rule| **rule == new) {
                Some(known) if known.id() == new.id() => Ok(*known),
                Some(_) => Err(Error::input(format!(
                    "{file}: two rules are named {}: give one of them another name",
                    new.name()
                ))),
                None => {
                    read.push(new);
                    Ok(new)
                }
            }
        });
        rules.collect()
    }

    /// Name on the command line and in records: `adam`, `adam:keras`.
    pub fn name(self) -> &'static str {
        &self.0.program.name
    }

    /// Its name in a case's id: a rule of the user's ends with 8 digits of its statements' hash, since files change.
    pub fn id(self) -> String {
        match self.0.shipped {
            Some(_) => self.name().into(),
            None => format!("{}@{}", self.name(), self.0.hash),
        }
    }

    /// What its file says.
    pub fn program(self) -> &'static Program {
        &self.0.program
    }

    /// Its place among [`Rule::shipped`]; `None` for a rule of the user's.
    pub fn place(self) -> Option<usize> {
        self.0.shipped
    }

    /// Its row of the kernel table.
    pub fn row(self) -> &'static Row {
        self.0.row.get_or_init(|| row(self))
    }

    /// What a device without f64 is given beside the scalars of a launch (see [`Plan::in_f32`]).
    pub fn constants(self, scalars: &[f32]) -> Vec<f32> {
        let scalars: Vec<f64> = scalars.iter().map(|x| f64::from(*x)).collect();
        let scope = self.program().scope(Step {
            scalars: &scalars,
            rate: f64::NAN,
            t: f64::NAN,
        });
        let constants = &self.0.constants;
        constants
            .iter()
            .map(|named| scope.value(&named.value) as f32)
            .collect()
    }

    /// The entry of the pass that takes its norms, where it has some.
    pub fn norms_entry(self) -> Option<&'static str> {
        self.0.entries.as_ref().map(|entries| entries[0].as_str())
    }

    /// The entry that adds the parts of the norms up, on a device that has a pass for that.
    pub fn sum_entry(self) -> Option<&'static str> {
        self.0.entries.as_ref().map(|entries| entries[1].as_str())
    }

    /// Number of its states.
    pub fn states(self) -> usize {
        self.0.program.states.len()
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.0.program.name == other.0.program.name
    }
}

impl Eq for Rule {}

impl Hash for Rule {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.program.name.hash(state);
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name())
    }
}

/// A slice or function that lives as long as the program.
fn kept<T: ?Sized>(value: Box<T>) -> &'static T {
    Box::leak(value)
}

fn row(rule: Rule) -> Row {
    let program = rule.program();
    let scalars: Vec<&str> = program
        .parameters
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    let states = program.states.iter().map(|state| {
        let fill = match state.kind {
            Kind::Velocity => Normal,
            Kind::Square => Positive,
        };
        f32(&state.name, Update, |s| s[0], fill)
    });
    let buffers = [CONTROL, P, G].into_iter().chain(states);
    let own = |decay: f64| {
        let exact = program.scalars(decay);
        kept(exact.iter().map(|x| *x as f32).collect::<Box<[f32]>>())
    };
    let (plain, decayed) = (own(0.0), own(0.01));
    let cases: [Case; 6] = [
        (&[1], plain),
        (&[31], decayed),
        (&[33], plain),
        (&[257], decayed),
        (&[7840], plain),
        (&[70001], plain),
    ];
    Row {
        kernel: Kernel::Rules(rule),
        name: &program.entry,
        formula: kept(rule::math(program).replace('\n', "; ").into_boxed_str()),
        sizes: &["len"],
        scalars: kept(scalars.into_iter().chain(["weight_decay"]).collect()),
        buffers: kept(buffers.collect()),
        freezes: true,
        bytes: kept(Box::new(move |s: &[usize]| program.bytes() * s[0] as f64)),
        flops: kept(Box::new(move |s: &[usize]| program.flops() * s[0] as f64)),
        tolerance: 1e-5,
        reference: kept(Box::new(
            move |_: &[usize], scalars: &[f64], buffers: &mut [Vec<f64>]| {
                reference(program, scalars, buffers);
            },
        )),
        cases: kept(Box::new(cases)),
        benchmark: (&[7840], plain),
    }
}

const P: Parameter = f32("p", Update, |s| s[0], Normal);
const G: Parameter = f32("g", Read, |s| s[0], Normal);

fn reference(program: &Program, scalars: &[f64], buffers: &mut [Vec<f64>]) {
    let [control, p, g, states @ ..] = buffers else {
        panic!("a rule has a control buffer, p and g");
    };
    if frozen(control) {
        return;
    }
    let step = Step {
        scalars,
        rate: control[c::RATE],
        t: control[c::STEP],
    };
    program.evaluate(step, p, g, states);
}
