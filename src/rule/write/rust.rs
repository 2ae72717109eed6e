//! A rule in Rust, which the build compiles into the program: one function over slices of f32.

use super::super::expression::{Comparison, Function};
use super::super::program::{MOST_NORMS, Program};
use super::{Language, Named, Plan, body, comment, decimal, measured, steps};

const F32: Language = Language {
    number: decimal,
    function: Function::name,
    power: Some(|x, y| power("", x, y)),
    select: choice,
};

/// What is computed once a step.
const F64: Language = Language {
    number: decimal,
    function: |function| match function {
        Function::Sqrt => "wide::sqrt",
        Function::Abs => "wide::abs",
        Function::Sign => "wide::sign",
        Function::Min => "wide::min",
        Function::Max => "wide::max",
        Function::Exp => "wide::exp",
        Function::Log => "wide::log",
        Function::Expm1 => "wide::expm1",
        // No rule that passed the check has one of these here.
        Function::Norm | Function::Cos | Function::Floor => function.name(),
    },
    power: Some(|x, y| power("wide::", x, y)),
    select: choice,
};

fn power(module: &str, x: &str, y: &str) -> String {
    match y {
        "2.0" => format!("{module}square({x})"),
        "0.5" => format!("{module}sqrt({x})"),
        _ => format!("{module}power({x}, {y})"),
    }
}

fn choice(comparison: Comparison, [a, b, x, y]: [String; 4]) -> String {
    format!("if {a} {} {b} {{ {x} }} else {{ {y} }}", comparison.sign())
}

/// The function of a rule, and before it that of its norms, where it has some.
pub fn rust(program: &Program) -> String {
    let plan = Plan::in_f64(program);
    let name = &program.entry;
    let states: Vec<&str> = program
        .states
        .iter()
        .map(|state| state.name.as_str())
        .collect();
    let mut text = comment(program);
    if !program.norms.is_empty() {
        let parameters: String = states
            .iter()
            .map(|state| format!(", {state}: &[f32]"))
            .collect();
        text += &format!(
            "#[inline(always)]\nfn {name}_norms(step: &Step<'_>, p: &[f32], g: &[f32]{parameters}) -> [f64; {MOST_NORMS}] {{\n"
        );
        text += &once(program, &plan.before_norms(program), false);
        text += "    let len = p.len();\n    let g = &g[..len];\n";
        for state in &states {
            text += &format!("    let {state} = &{state}[..len];\n");
        }
        text += &format!(
            "    let mut sums = Squares::<{}>::default();\n    for i in 0..len {{\n",
            program.norms.len()
        );
        text += &element(program, &states, "");
        text += &measured(program, &plan, &F32, "let ", |norm, value| {
            format!("sums.add({norm}, i, {value})")
        });
        text += "    }\n    sums.total()\n}\n";
    }
    let parameters: String = states
        .iter()
        .map(|state| format!(", {state}: &mut [f32]"))
        .collect();
    text += &format!(
        "#[inline(always)]\nfn {name}(step: &Step<'_>, p: &mut [f32], g: &[f32]{parameters}) {{\n"
    );
    text += &once(program, &plan.steps, true);
    text += "    let len = p.len();\n    let g = &g[..len];\n";
    for state in &states {
        text += &format!("    let {state} = &mut {state}[..len];\n");
    }
    text += "    for i in 0..len {\n";
    text += &element(program, &states, "&mut ");
    text += &body(program, &plan, &F32, "let ");
    text += "        *p_i = p;\n";
    for state in &states {
        text += &format!("        *{state}_i = flush({state});\n");
    }
    text + "    }\n}\n"
}

/// Scalars, and what is once a step, in f64 and rounded.
fn once(program: &Program, named: &[Named], norms: bool) -> String {
    let scalars = program.parameters.iter().map(|(name, _)| name.as_str());
    let scalars = scalars
        .chain(["weight_decay"])
        .collect::<Vec<_>>()
        .join(", ");
    let mut text = format!(
        "    let [{scalars}] = named(step.scalars);\n    let (rate, t) = (step.rate, step.t);\n"
    );
    let names: Vec<&str> = program
        .norms
        .iter()
        .map(|norm| norm.name.as_str())
        .collect();
    let names = if norms {
        names.join(", ")
    } else {
        String::new()
    };
    if !names.is_empty() {
        text += &format!("    let [{names}, ..] = step.norms.map(|norm| norm as f32);\n");
    }
    if !named.is_empty() {
        let made: Vec<&str> = named.iter().map(|named| named.name.as_str()).collect();
        let rounded: Vec<String> = made.iter().map(|name| format!("{name} as f32")).collect();
        text += &format!(
            "    let [{}] = {{\n        let [{scalars}] = [{scalars}].map(f64::from);\n        let (rate, t) = \
             (f64::from(rate), f64::from(t));\n",
            made.join(", ")
        );
        if !names.is_empty() {
            text += &format!("        let [{names}, ..] = step.norms;\n");
        }
        text += &steps(named, &F64, "let ").replace("    let ", "        let ");
        text += &format!("        [{}]\n    }};\n", rounded.join(", "));
    }
    text
}

/// The values of an element: slices get other names, so that the statements have theirs.
fn element(program: &Program, states: &[&str], mutable: &str) -> String {
    let mut text = format!("        let (p_i, g_i) = ({mutable}p[i], g[i]);\n");
    let value = if mutable.is_empty() { "p_i" } else { "*p_i" };
    text += &format!("        let mut p = {value};\n");
    text += match program.decays {
        true => "        let g = g_i;\n",
        false => "        let g = g_i + weight_decay * p;\n",
    };
    for state in states {
        let value = if mutable.is_empty() { "" } else { "*" };
        text += &format!(
            "        let {state}_i = {mutable}{state}[i];\n        let mut {state} = {value}{state}_i;\n"
        );
    }
    text
}
