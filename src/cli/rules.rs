//! `gradrace rules`.

use clap::{Args, Subcommand, ValueEnum};

use crate::error::Result;
use crate::optimizer::Rule;
use crate::race::name;
use crate::rule::{self, Kind, Program};

use super::output::{End, print};

/// List the update rules with their formulas, or show one as the text of a language.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Rules {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show one rule
    Show {
        /// The rule, or the path of a rule's .toml file
        #[arg(value_name = "RULE")]
        rule: String,
        /// What it is shown as
        #[arg(long = "as", value_name = "FORM", value_enum, default_value_t = Form::Math)]
        form: Form,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    /// The statements, with parameters and states
    Math,
    /// What the CPU runs
    Rust,
    /// What NVRTC compiles
    Cuda,
    /// What wgpu compiles
    Wgsl,
}

impl Rules {
    /// Prints the list, or the rule.
    ///
    /// # Errors
    /// `Input` for an unknown rule or a file that does not read.
    pub fn run(self) -> Result<End> {
        let text = match self.command {
            None => list(),
            Some(Command::Show { rule, form }) => {
                let program = name::rule(&rule)?.program();
                match form {
                    Form::Math => sheet(program),
                    Form::Rust => rule::rust(program),
                    Form::Cuda => rule::cuda(program),
                    Form::Wgsl => rule::wgsl(program),
                }
            }
        };
        print(&text)?;
        Ok(End::Good)
    }
}

/// Every rule with its statements, one line each.
fn list() -> String {
    let rules = Rule::shipped();
    let width = rules
        .iter()
        .map(|rule| rule.name().len())
        .max()
        .unwrap_or_default();
    let lines = rules.iter().map(|rule| {
        let formula = rule::math(rule.program()).replace('\n', "; ");
        format!("{:<width$}  {formula}\n", rule.name())
    });
    lines.collect()
}

/// A rule with everything that its file says.
fn sheet(program: &Program) -> String {
    let mut text = format!("{}: {}\n", program.name, program.about);
    if !program.source.is_empty() {
        text += &format!("source      {}\n", program.source);
    }
    let parameters = rule::defaults(program);
    if !parameters.is_empty() {
        text += &format!("parameters  {}\n", parameters.join(", "));
    }
    let states = program.states.iter().map(|state| {
        let kind = match state.kind {
            Kind::Velocity => "moves with the parameters",
            Kind::Square => "a size",
        };
        format!("{} from {} ({kind})", state.name, state.start)
    });
    let states: Vec<String> = states.collect();
    if !states.is_empty() {
        text += &format!("states      {}\n", states.join(", "));
    }
    let decay = if program.decays {
        ""
    } else {
        ", g with weight_decay * p in it"
    };
    text + &format!(
        "an element  {} bytes, {} operations{decay}\n\n{}\n",
        program.bytes(),
        program.flops(),
        rule::math(program)
    )
}
