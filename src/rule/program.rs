//! A rule that has been read and checked: what its names are, what depends on the element, what a step costs.

use std::collections::BTreeMap;

use super::expression::{Expr, Function, Node};
use super::file::{self, Fault, State};
use super::parse::Statement;

/// Names that every rule has.
pub const OWN: [&str; 5] = ["p", "g", "rate", "t", "weight_decay"];

/// What a value depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The rule's parameters alone.
    Constant,
    /// The step: its number, the rate.
    Step,
    /// The element.
    Element,
}

/// The 2-norm of something over all elements.
#[derive(Debug, Clone, PartialEq)]
pub struct Norm {
    /// Its name in the lowered statements.
    pub name: String,
    /// The statement before which it is taken.
    pub before: usize,
    /// Whose norm it is.
    pub value: Node,
}

/// A rule that has been read and checked.
#[derive(Debug, Clone)]
pub struct Program {
    /// Its name, `adam`, or a variant's, `adam:keras`.
    pub name: String,
    /// Its name in the languages: `adam_keras`.
    pub entry: String,
    /// A sentence.
    pub about: String,
    /// The paper, and whose form it is.
    pub source: String,
    /// The learning rate that it starts from, for networks.
    pub rate: f64,
    /// Parameters with their defaults, in order, without the weight decay.
    pub parameters: Vec<(String, f64)>,
    /// States in order.
    pub states: Vec<State>,
    /// Statements in order, as the file says them.
    pub statements: Vec<Statement>,
    /// The same with a name in the place of every norm.
    pub lowered: Vec<Statement>,
    /// The norms, in order.
    pub norms: Vec<Norm>,
    /// Whether it names the weight decay itself. Otherwise `g + weight_decay * p` takes the place of g.
    pub decays: bool,
    /// The weight decay, where the case gives none.
    pub weight_decay: f64,
    /// What each local depends on.
    pub(super) levels: BTreeMap<String, Level>,
}

/// Reads a file: the rule, and its variants by their names.
///
/// # Errors
/// What is wrong and where.
pub fn read(text: &str) -> Result<Vec<Program>, Fault> {
    file::read(text)?
        .into_iter()
        .map(|stated| {
            Program::check(&stated).map_err(|wrong| Fault::at(text, wrong.at, wrong.what))
        })
        .collect()
}

impl Program {
    /// Whether this is a state's name.
    pub fn is_state(&self, name: &str) -> bool {
        self.states.iter().any(|state| state.name == name)
    }

    pub(super) fn is_parameter(&self, name: &str) -> bool {
        self.parameters.iter().any(|(of, _)| of == name)
    }

    /// What an expression depends on.
    pub fn level(&self, node: &Node) -> Level {
        match &node.expr {
            Expr::Number(_) => Level::Constant,
            Expr::Call(Function::Norm, _) => Level::Step,
            Expr::Name(name) => match name.as_str() {
                "rate" | "t" => Level::Step,
                "weight_decay" => Level::Constant,
                "p" | "g" => Level::Element,
                name if self.is_state(name) => Level::Element,
                name => self.levels.get(name).copied().unwrap_or(Level::Constant),
            },
            _ => {
                let levels = node.children().into_iter().map(|child| self.level(child));
                levels.max().unwrap_or(Level::Constant)
            }
        }
    }

    /// Whether a statement's value is the same for every element.
    pub fn is_step(&self, statement: &Statement) -> bool {
        self.levels
            .get(&statement.target)
            .is_some_and(|level| *level < Level::Element)
    }

    /// Values of the scalars in the order of the kernel row: the parameters, then the weight decay.
    pub fn scalars(&self, weight_decay: f64) -> Vec<f64> {
        let own = self.parameters.iter().map(|(_, value)| *value);
        own.chain([weight_decay]).collect()
    }

    /// Fewest bytes that an element's update moves: p and the states are read and written, g is read. Norms take a pass
    /// before it, which reads everything.
    pub fn bytes(&self) -> f64 {
        let read = 2 + self.states.len();
        let written = 1 + self.states.len();
        let passes = if self.norms.is_empty() { 1 } else { 2 };
        4.0 * (passes * read + written) as f64
    }

    /// Operations of an element's update, as the statements say it, without weight decay where that is not theirs.
    pub fn flops(&self) -> f64 {
        let own = self.lowered.iter().filter(|s| !self.is_step(s));
        let count = own.map(|s| self.operations(&s.value) + u32::from(s.change.is_some()));
        // A square and a sum for each norm, beside what it is of.
        let norms = self
            .norms
            .iter()
            .map(|norm| 2 + self.operations(&norm.value));
        f64::from(count.sum::<u32>() + norms.sum::<u32>())
    }

    fn operations(&self, node: &Node) -> u32 {
        if self.level(node) < Level::Element {
            return 0;
        }
        let below: u32 = node
            .children()
            .into_iter()
            .map(|child| self.operations(child))
            .sum();
        below
            + match &node.expr {
                Expr::Number(_) | Expr::Name(_) => 0,
                Expr::Negate(_) | Expr::Binary(..) | Expr::Call(..) | Expr::Select(..) => 1,
            }
    }
}

/// Buffers of a kernel row are eight at most, and control, p and g are three of them.
pub const MOST_STATES: usize = 4;
/// So that they fit a uniform beside what is computed from them.
pub(super) const MOST_PARAMETERS: usize = 6;
pub(super) const MOST_CONSTANTS: usize = 7;
/// Norms of a rule.
pub const MOST_NORMS: usize = 4;
