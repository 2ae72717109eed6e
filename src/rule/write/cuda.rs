//! A rule as an entry of `kernels/rules.cu`, which keeps what is written by hand.

use super::super::expression::Function;
use super::super::program::Program;
use super::{Language, Plan, body, comment, decimal, measured, steps};

const CUDA: Language = Language {
    number: |x| decimal(x) + "f",
    function: |function| match function {
        Function::Sqrt => "sqrtf",
        Function::Abs => "fabsf",
        Function::Sign => "sign",
        Function::Min => "smaller",
        Function::Max => "larger",
        Function::Exp => "expf",
        Function::Log => "logf",
        Function::Expm1 => "expm1f",
        // No rule that passed the check has one of these here.
        Function::Norm | Function::Cos | Function::Floor => function.name(),
    },
    power: Some(|x, y| match y {
        "2.0f" => format!("square({x})"),
        "0.5f" => format!("sqrtf({x})"),
        _ => format!("powf({x}, {y})"),
    }),
    select: |comparison, [a, b, x, y]| format!("({a} {} {b} ? {x} : {y})", comparison.sign()),
};

/// The entry of a rule, and before it that of its norms, where it has some. Its parameters are those of its row, then the plan's
/// constants, then the parts of the norms' sums and their number.
pub fn cuda(program: &Program) -> String {
    let plan = Plan::in_f32(program);
    let count = program.norms.len();
    let mut text = comment(program);
    let (own, decay, state) = (program.states.len(), decay(program), state(program));
    if count > 0 {
        let mut inner = steps(&plan.before_norms(program), &CUDA, "const float ");
        inner += &list(program);
        let lines = measured(program, &plan, &CUDA, "const float ", |norm, value| {
            format!("sums[{norm}] += square({value})")
        });
        let lines = states(program, "", &lines) + &lines;
        let [p, g, state] = [
            ("float p", "p"),
            ("float g", "g"),
            ("const float *state", "state"),
        ]
        .map(|(parameter, name)| unused_or(parameter, has(&lines, name)));
        inner += &format!(
            "    squares<{own}, {count}>(control, p, g, states, len, {decay}, partial, [=]({p}, {g}, {state}, float *sums) {{\n"
        );
        inner += &lines;
        text += &entry_of(program, &plan, "_norms", &(inner + "    });\n"));
        text += "\n";
    }
    let mut inner = String::new();
    if count > 0 {
        inner += &format!("    float norms[{count}];\n    norms_of(partial, blocks, norms);\n");
        for (place, norm) in program.norms.iter().enumerate() {
            inner += &format!("    const float {} = norms[{place}];\n", norm.name);
        }
    }
    inner += &steps(&plan.steps, &CUDA, "const float ");
    inner += &list(program);
    inner += &format!(
        "    elementwise<{own}>(control, p, g, states, len, {decay}, [=](float &p, float g, float *{state}) {{\n"
    );
    let mut lines = body(program, &plan, &CUDA, "const float ");
    for state in &program.states {
        lines += &format!("        {0} = flush({0});\n", state.name);
    }
    inner += &states(program, "&", &lines);
    inner += &lines;
    text + &entry_of(program, &plan, "", &(inner + "    });\n"))
}

/// Whether a text has this word.
fn has(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !is_part(c)).any(|found| found == word)
}

/// An entry with this inside: parameters that are not used there are said to be so, as C++ compilers like it.
fn entry_of(program: &Program, plan: &Plan, ending: &str, inner: &str) -> String {
    let name = &program.entry;
    let buffers = program
        .states
        .iter()
        .map(|state| format!(", float *{}", state.name));
    let buffers: String = buffers.collect();
    let scalars = program
        .parameters
        .iter()
        .map(|(name, _)| ("float ", name.as_str()));
    let constants = plan
        .constants
        .iter()
        .map(|named| ("float ", named.name.as_str()));
    let norms = [("float *", "partial"), ("unsigned ", "blocks")];
    let norms = norms.into_iter().filter(|_| !program.norms.is_empty());
    let scalars = scalars
        .chain([("float ", "weight_decay")])
        .chain(constants)
        .chain(norms);
    let scalars = scalars.map(|(kind, name)| {
        let parameter = format!("{kind}{name}");
        format!(", {}", unused_or(&parameter, has(inner, name)))
    });
    let scalars: String = scalars.collect();
    let mut text = format!(
        "extern \"C\" __global__ void __launch_bounds__(THREADS)\n{name}{ending}(const float *control, float *p, const float \
         *g{buffers}, unsigned len{scalars}) {{\n"
    );
    for (name, place) in [("rate", "RATE"), ("t", "STEP")] {
        if has(inner, name) {
            text += &format!("    const float {name} = control[{place}];\n");
        }
    }
    text + inner + "}\n"
}

/// A parameter, marked where nothing uses it.
fn unused_or(parameter: &str, is_used: bool) -> String {
    if is_used {
        parameter.into()
    } else {
        format!("[[maybe_unused]] {parameter}")
    }
}

/// The states, for the hand-written loop.
fn list(program: &Program) -> String {
    let names: Vec<&str> = program
        .states
        .iter()
        .map(|state| state.name.as_str())
        .collect();
    let list = if names.is_empty() {
        "nullptr".into()
    } else {
        names.join(", ")
    };
    format!("    float *const states[] = {{{list}}};\n")
}

/// The weight decay that the hand-written text adds to g.
fn decay(program: &Program) -> &'static str {
    if program.decays {
        "0.0f"
    } else {
        "weight_decay"
    }
}

/// The name of an element's states; none where there are none.
fn state(program: &Program) -> &'static str {
    if program.states.is_empty() {
        ""
    } else {
        "state"
    }
}

/// The element's states that these lines use, by their names.
fn states(program: &Program, reference: &str, lines: &str) -> String {
    let named = program.states.iter().enumerate();
    let named = named.filter(|(_, state)| has(lines, &state.name));
    let named = named.map(|(place, state)| format!("{reference}{} = state[{place}]", state.name));
    let named: Vec<String> = named.collect();
    match named.is_empty() {
        true => String::new(),
        false => format!("        float {};\n", named.join(", ")),
    }
}
