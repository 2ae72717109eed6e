//! What of a rule is computed once a step rather than once an element, and what once for all.
//!
//! On the CPU that is done in f64. The other devices have f32 alone, in which `1 - 0.999^t` loses three digits for small t:
//! there it is `-expm1(t * log(0.999))`, with the logarithm computed in f64 on the host and passed as a scalar.

use std::collections::BTreeSet;

use super::super::expression::{Binary, Expr, Function, Node};
use super::super::parse::Statement;
use super::super::program::{Level, Program};
use super::language::MATH;

/// A value with a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// Its name in the text.
    pub name: String,
    /// What it is.
    pub value: Node,
    /// The same as the rule's file writes it.
    pub said: String,
}

impl Measured {
    fn value(&self) -> &Node {
        match self {
            Self::Statement(statement) => &statement.value,
            Self::Square(_, value) => value,
        }
    }
}

/// The pieces without statements that no square needs.
fn needed(pieces: Vec<Measured>) -> Vec<Measured> {
    let mut after: Vec<Measured> = Vec::new();
    for piece in pieces.into_iter().rev() {
        let is_needed = match &piece {
            Measured::Square(..) => true,
            Measured::Statement(statement) => after
                .iter()
                .any(|piece| piece.value().names(&statement.target)),
        };
        if is_needed {
            after.push(piece);
        }
    }
    after.reverse();
    after
}

/// A rule cut into what is computed once and what is computed for every element.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Computed on the host in f64, from the scalars of the row.
    pub constants: Vec<Named>,
    /// Computed at the beginning of a step, in order.
    pub steps: Vec<Named>,
    /// Computed for every element, in order.
    pub body: Vec<Statement>,
    /// The pass before, where there are norms.
    pub measure: Vec<Measured>,
}

/// A piece of the pass over all elements that takes the norms.
#[derive(Debug, Clone)]
pub enum Measured {
    /// A statement that a norm may need; what it changes is not kept.
    Statement(Statement),
    /// The square of this is added to the sum of the norm of that place.
    Square(usize, Node),
}

impl Plan {
    /// For a device that computes what is once a step in f64.
    pub fn in_f64(program: &Program) -> Self {
        let mut plan = Self {
            constants: Vec::new(),
            steps: Vec::new(),
            body: Vec::new(),
            measure: Vec::new(),
        };
        for (place, statement) in program.lowered.iter().enumerate() {
            for (number, norm) in program.norms.iter().enumerate() {
                if norm.before == place {
                    let value = plan.hoisted(program, &norm.value);
                    plan.measure.push(Measured::Square(number, value));
                }
            }
            if program.is_step(statement) {
                plan.steps.push(Named {
                    name: statement.target.clone(),
                    said: MATH.write(&statement.value, 0),
                    value: statement.value.clone(),
                });
            } else {
                let value = plan.hoisted(program, &statement.value);
                let lowered = Statement {
                    value,
                    ..statement.clone()
                };
                let needing = program.needing_norms(&program.lowered[..=place]);
                if !program.norms.is_empty() && !needing.contains(&statement.target) {
                    plan.measure.push(Measured::Statement(lowered.clone()));
                }
                plan.body.push(lowered);
            }
        }
        plan.measure = needed(std::mem::take(&mut plan.measure));
        plan
    }

    /// The steps that the pass before can compute: those that need no norm.
    pub fn before_norms(&self, program: &Program) -> Vec<Named> {
        let mut needing: BTreeSet<&str> = program
            .norms
            .iter()
            .map(|norm| norm.name.as_str())
            .collect();
        let mut before = Vec::new();
        for named in &self.steps {
            match needing.iter().any(|name| named.value.names(name)) {
                true => {
                    needing.insert(&named.name);
                }
                false => before.push(named.clone()),
            }
        }
        // Only those that this pass uses, from the last to the first.
        let values = self.measure.iter().map(Measured::value);
        let mut used: Vec<&Node> = values.collect();
        let mut kept = Vec::new();
        for named in self
            .steps
            .iter()
            .rev()
            .filter(|named| before.contains(named))
        {
            if used.iter().any(|value| value.names(&named.name)) {
                used.push(&named.value);
                kept.push(named.clone());
            }
        }
        kept.reverse();
        kept
    }

    /// For a device that has f32 alone.
    pub fn in_f32(program: &Program) -> Self {
        let mut plan = Self::in_f64(program);
        for mut named in std::mem::take(&mut plan.steps) {
            named.value = plan.exact(program, &named.value);
            plan.steps.push(named);
        }
        for mut statement in std::mem::take(&mut plan.body) {
            statement.value = plan.exact(program, &statement.value);
            plan.body.push(statement);
        }
        for mut measured in std::mem::take(&mut plan.measure) {
            let (Measured::Statement(Statement { value, .. }) | Measured::Square(_, value)) =
                &mut measured;
            *value = plan.exact(program, value);
            plan.measure.push(measured);
        }
        plan
    }

    /// The expression with what is the same for every element taken out of it, where that is more than a few products.
    fn hoisted(&mut self, program: &Program, node: &Node) -> Node {
        if program.level(node) < Level::Element {
            return match is_costly(program, node) {
                true => self.step(program, node.clone()),
                false => node.clone(),
            };
        }
        if let Expr::Binary(Binary::Divide, pair) = &node.expr {
            let [a, b] = &**pair;
            // One division a step in place of one an element.
            if program.level(b) < Level::Element && is_costly(program, b) {
                let one = Node::new(Expr::Number(1.0), b.at);
                let inverse = self.step(program, one.with(Binary::Divide, b.clone()));
                return self.hoisted(program, a).with(Binary::Multiply, inverse);
            }
        }
        node.map(|child| self.hoisted(program, child))
    }

    /// The name of a value that is computed once a step.
    fn step(&mut self, program: &Program, value: Node) -> Node {
        let at = value.at;
        let name = match self.steps.iter().find(|named| named.value == value) {
            Some(known) => known.name.clone(),
            None => {
                let name = free(program, "once", self.steps.len() + 1);
                self.steps.push(Named {
                    name: name.clone(),
                    said: MATH.write(&value, 0),
                    value,
                });
                name
            }
        };
        Node::new(Expr::Name(name), at)
    }

    /// The same value without its cancellation in f32, and powers of constants by their logarithm.
    fn exact(&mut self, program: &Program, node: &Node) -> Node {
        if let Expr::Binary(Binary::Subtract, pair) = &node.expr
            && pair[0].expr == Expr::Number(1.0)
            && let Some(exponent) = self.exponent(program, &pair[1])
        {
            let less = Node::new(Expr::Call(Function::Expm1, vec![exponent]), node.at);
            return Node::new(Expr::Negate(Box::new(less)), node.at);
        }
        if let Some(exponent) = self.exponent(program, node) {
            return Node::new(Expr::Call(Function::Exp, vec![exponent]), node.at);
        }
        node.map(|child| self.exact(program, child))
    }

    /// x of a power `a^b` that is `exp(x)`, with a constant a and a b that is not.
    fn exponent(&mut self, program: &Program, node: &Node) -> Option<Node> {
        let Expr::Binary(Binary::Power, pair) = &node.expr else {
            return None;
        };
        let [base, exponent] = &**pair;
        if program.level(base) > Level::Constant || program.level(exponent) == Level::Constant {
            return None;
        }
        let logarithm = Node::new(Expr::Call(Function::Log, vec![base.clone()]), base.at);
        let name = match self.constants.iter().find(|named| named.value == logarithm) {
            Some(known) => known.name.clone(),
            None => {
                let name = match &base.expr {
                    Expr::Name(name) => format!("log_{name}"),
                    _ => free(program, "constant", self.constants.len() + 1),
                };
                self.constants.push(Named {
                    name: name.clone(),
                    said: MATH.write(&logarithm, 0),
                    value: logarithm,
                });
                name
            }
        };
        let exponent = self.exact(program, exponent);
        Some(exponent.with(Binary::Multiply, Node::new(Expr::Name(name), base.at)))
    }
}

/// Whether a value is worth a name of its own: it depends on the step's number, or calls a function.
fn is_costly(program: &Program, node: &Node) -> bool {
    let is_local = |name: &str| {
        let mut steps = program.lowered.iter().filter(|s| program.is_step(s));
        steps.any(|s| s.target == name)
    };
    let is_more_than_a_name = !matches!(node.expr, Expr::Name(_));
    is_more_than_a_name
        && node.any(&|node| match &node.expr {
            Expr::Name(name) => name == "t" || is_local(name),
            Expr::Call(..) | Expr::Select(..) | Expr::Binary(Binary::Power, _) => true,
            _ => false,
        })
}

/// `stem1` or the first after it that no local or parameter has.
fn free(program: &Program, stem: &str, from: usize) -> String {
    let taken = |name: &String| {
        program
            .statements
            .iter()
            .any(|s| s.target == *name || s.value.names(name))
    };
    (from..)
        .map(|i| format!("{stem}{i}"))
        .find(|name| !taken(name))
        .unwrap_or_default()
}
