//! A rule as text: mathematics, Rust, CUDA, WGSL.
//!
//! One printer serves every language, since a rule has names, operators and calls alone; what stands around the statements
//! differs. What is the same for every element is computed before the loop over them ([`Plan`]).

mod cuda;
mod plan;
mod rust;
mod wgsl;

use super::expression::{Binary, Comparison, Expr, Function, NEGATION, Node};
use super::parse::Statement;
use super::program::Program;

pub use cuda::cuda;
pub use plan::{Measured, Named, Plan};
pub use rust::rust;
pub use wgsl::wgsl;

/// How a language writes what differs from the others.
struct Language {
    /// A literal.
    number: fn(f64) -> String,
    /// The name of a function.
    function: fn(Function) -> &'static str,
    /// `x^y` of arguments that are printed; `None` keeps the operator.
    power: Option<fn(&str, &str) -> String>,
    /// A choice of arguments that are printed.
    select: fn(Comparison, [String; 4]) -> String,
}

/// As a rule's file writes it.
const MATH: Language = Language {
    number: |x| x.to_string(),
    function: Function::name,
    power: None,
    select: |comparison, [a, b, x, y]| format!("select({a} {} {b}, {x}, {y})", comparison.sign()),
};

/// A literal with a point, without an exponent.
fn decimal(x: f64) -> String {
    let text = x.to_string();
    if text.contains('.') {
        text
    } else {
        text + ".0"
    }
}

impl Language {
    /// An expression, in brackets where it binds less tightly than `around`.
    fn write(&self, node: &Node, around: u8) -> String {
        let (text, binding) = self.bound(node);
        if binding < around {
            format!("({text})")
        } else {
            text
        }
    }

    /// An expression, and how tightly it binds.
    fn bound(&self, node: &Node) -> (String, u8) {
        const TIGHTEST: u8 = 5;
        let plain = |node: &Node| self.write(node, 0);
        match &node.expr {
            Expr::Number(x) if *x < 0.0 => (format!("-{}", (self.number)(-x)), NEGATION),
            Expr::Number(x) => ((self.number)(*x), TIGHTEST),
            Expr::Name(name) => (name.clone(), TIGHTEST),
            Expr::Negate(x) => (format!("-{}", self.write(x, NEGATION + 1)), NEGATION),
            Expr::Binary(Binary::Power, pair) if self.power.is_some() => {
                let [base, exponent] = &**pair;
                let power = self
                    .power
                    .map(|power| power(&plain(base), &plain(exponent)));
                (power.unwrap_or_default(), TIGHTEST)
            }
            Expr::Binary(operator, pair) => {
                let binding = operator.binding();
                // Powers group to the right, the others to the left.
                let [left, right] = match operator {
                    Binary::Power => [binding + 1, binding],
                    _ => [binding, binding + 1],
                };
                let [a, b] = [(&pair[0], left), (&pair[1], right)]
                    .map(|(node, around)| self.write(node, around));
                let text = match operator {
                    Binary::Power => format!("{a}^{b}"),
                    _ => format!("{a} {} {b}", operator.sign()),
                };
                (text, binding)
            }
            Expr::Call(function, arguments) => {
                let arguments: Vec<String> = arguments.iter().map(plain).collect();
                let name = (self.function)(*function);
                (format!("{name}({})", arguments.join(", ")), TIGHTEST)
            }
            Expr::Select(comparison, four) => {
                let [a, b, x, y] = &**four;
                let four = [a, b, x, y].map(plain);
                ((self.select)(*comparison, four), TIGHTEST)
            }
        }
    }
}

/// A statement's sign of assignment.
fn assignment(statement: &Statement) -> &'static str {
    match statement.change {
        None => "=",
        Some(Binary::Subtract) => "-=",
        Some(_) => "+=",
    }
}

/// An expression as a rule's file writes it.
#[cfg(test)]
pub(super) fn expression(node: &Node) -> String {
    MATH.write(node, 0)
}

/// The statements as a rule's file writes them, one a line.
pub fn math(program: &Program) -> String {
    let lines = program.statements.iter().map(|statement| {
        let value = MATH.write(&statement.value, 0);
        format!("{} {} {value}", statement.target, assignment(statement))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The states that do not start from 0, as `s from 0.1`.
pub fn starts(program: &Program) -> Vec<String> {
    let others = program.states.iter().filter(|state| state.start != 0.0);
    others
        .map(|state| format!("{} from {}", state.name, state.start))
        .collect()
}

/// A comment above a rule's function: its name, sentence and source.
fn comment(program: &Program) -> String {
    let Program {
        name,
        about,
        source,
        ..
    } = program;
    let source = match source.is_empty() {
        true => String::new(),
        false => format!("/// {source}.\n"),
    };
    format!("/// {name}: {about}.\n{source}")
}

/// The lines of a rule's loop: its statements, in this language, a new name declared by `declare`.
fn body(program: &Program, plan: &Plan, language: &Language, declare: &str) -> String {
    let lines = plan.body.iter();
    lines.map(|s| line(program, s, language, declare)).collect()
}

fn line(program: &Program, statement: &Statement, language: &Language, declare: &str) -> String {
    let Statement { target, value, .. } = statement;
    let is_new = target != "p" && !program.is_state(target);
    let declare = if is_new { declare } else { "" };
    let value = language.write(value, 0);
    format!(
        "        {declare}{target} {} {value};\n",
        assignment(statement)
    )
}

/// The lines of the pass that takes the norms; `add` writes how a square is added.
fn measured(
    program: &Program,
    plan: &Plan,
    language: &Language,
    declare: &str,
    add: fn(usize, &str) -> String,
) -> String {
    let lines = plan.measure.iter().map(|measured| match measured {
        Measured::Statement(statement) => line(program, statement, language, declare),
        Measured::Square(norm, value) => {
            format!("        {};\n", add(*norm, &language.write(value, 0)))
        }
    });
    lines.collect()
}

/// The lines before a rule's loop that compute what is once a step.
fn steps(steps: &[Named], language: &Language, declare: &str) -> String {
    let lines = steps.iter().map(|named| {
        let value = language.write(&named.value, 0);
        // A name of the program's needs the expression that it is for.
        let said = match named.name.starts_with("once") {
            true => format!(" // {}", named.said),
            false => String::new(),
        };
        format!("    {declare}{} = {value};{said}\n", named.name)
    });
    lines.collect()
}
