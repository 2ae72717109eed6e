//! A rule as text: mathematics, Rust, CUDA, WGSL.
//!
//! One printer serves every language, since a rule has names, operators and calls alone; what stands around the statements
//! differs. What is the same for every element is computed before the loop over them ([`Plan`]).

mod cuda;
mod language;
mod plan;
mod rust;
mod wgsl;

use super::expression::Binary;
#[cfg(test)]
use super::expression::Node;
use super::parse::Statement;
use super::program::Program;

use language::{Language, MATH, decimal};

pub use cuda::cuda;
pub use plan::{Measured, Named, Plan};
pub use rust::rust;
pub use wgsl::wgsl;

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

/// The parameters with their defaults, as a rule's file writes them: `mu = 0.9`.
pub fn defaults(program: &Program) -> Vec<String> {
    let decay = ("weight_decay".to_string(), program.weight_decay);
    let own = program.decays.then_some(&decay);
    let all = program.parameters.iter().chain(own);
    all.map(|(name, value)| format!("{name} = {value}"))
        .collect()
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
