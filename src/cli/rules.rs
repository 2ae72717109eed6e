//! `gradrace rules`.

use clap::{Args, Subcommand, ValueEnum};

use crate::error::Result;
use crate::optimizer::{Rule, Schedule};
use crate::race::name;
use crate::rule::{self, Formula, Kind, Program};

use super::output::{End, print};

/// List the update rules and the schedules with their formulas, or show one as the text of a language.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Rules {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show one rule or schedule
    Show {
        /// The rule or schedule, or the path of a rule's .toml file
        #[arg(value_name = "NAME")]
        name: String,
        /// What a rule is shown as
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
            Some(Command::Show { name, form }) => {
                if let Some(schedule) = Schedule::find(&name) {
                    print(&schedule_sheet(schedule.formula()))?;
                    return Ok(End::Good);
                }
                let program = name::rule(&name)?.program();
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

/// Every rule and every schedule with its statements, one line each.
fn list() -> String {
    let rules = Rule::shipped().iter();
    let rules = rules.map(|rule| {
        let program = rule.program();
        let parameters = rule::defaults(program);
        (rule.name(), rule::math(program), parameters)
    });
    let schedules = Schedule::shipped().iter();
    let schedules = schedules.map(|schedule| {
        let formula = schedule.formula();
        (schedule.name(), formula.math(), formula.parameters())
    });
    let lines = |all: &[(&str, String, Vec<String>)]| -> String {
        let width = all.iter().map(|(name, ..)| name.len()).max();
        let width = width.unwrap_or_default();
        let line = |(name, math, parameters): &(&str, String, Vec<String>)| {
            let given = match parameters.is_empty() {
                true => String::new(),
                false => format!(", with {}", parameters.join(", ")),
            };
            format!("  {name:<width$}  {}{given}\n", math.replace('\n', "; "))
        };
        all.iter().map(line).collect()
    };
    format!(
        "rules (--optimizer)\n{}\nschedules of the rate (--schedule), from the step t\n{}",
        lines(&rules.collect::<Vec<_>>()),
        lines(&schedules.collect::<Vec<_>>())
    )
}

/// A schedule with everything that its file says.
fn schedule_sheet(formula: &Formula) -> String {
    let mut text = format!("{}: {}\n", formula.name(), formula.about());
    if !formula.source().is_empty() {
        text += &format!("source      {}\n", formula.source());
    }
    let parameters = formula.parameters();
    if !parameters.is_empty() {
        text += &format!("parameters  {}\n", parameters.join(", "));
    }
    text + &format!("\n{}\n", formula.math())
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
