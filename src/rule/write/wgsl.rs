//! A rule as an entry of `shaders/rules.wgsl`, which keeps what is written by hand.

use super::super::expression::Function;
use super::super::program::Program;
use super::{Language, Plan, body, comment, decimal, measured, steps};

const WGSL: Language = Language {
    number: decimal,
    function: |function| match function {
        Function::Sqrt => "sqrt",
        Function::Abs => "abs",
        Function::Sign => "sign_of",
        Function::Min => "smaller",
        Function::Max => "larger",
        Function::Exp => "exp",
        Function::Log => "log",
        Function::Expm1 => "expm1",
        // No rule that passed the check has one of these here.
        Function::Norm | Function::Cos | Function::Floor => function.name(),
    },
    power: Some(|x, y| match y {
        "2.0" => format!("square({x})"),
        "0.5" => format!("sqrt({x})"),
        _ => format!("pow({x}, {y})"),
    }),
    select: |comparison, [a, b, x, y]| format!("select({y}, {x}, {a} {} {b})", comparison.sign()),
};

/// The uniform, the bindings and the entry of a rule, and before it those of its norms, where it has some. The uniform has the
/// row's size, the number of workgroups, the row's scalars, then the plan's constants.
pub fn wgsl(program: &Program) -> String {
    let plan = Plan::in_f32(program);
    let name = &program.entry;
    let scalars = program.parameters.iter().map(|(name, _)| name.as_str());
    let constants = plan.constants.iter().map(|named| named.name.as_str());
    let scalars: Vec<&str> = scalars.chain(["weight_decay"]).chain(constants).collect();
    let mut text = "struct Params {\n    len: u32,\n    groups: u32,\n".to_string();
    for scalar in &scalars {
        text += &format!("    {scalar}: f32,\n");
    }
    text += "}\n\n";
    let states = program
        .states
        .iter()
        .map(|state| ("read_write", format!("{}_rw", state.name)));
    let fixed = [
        ("read", "control"),
        ("read_write", "p_rw"),
        ("read", "g_read"),
    ];
    let fixed = fixed.map(|(access, name)| (access, name.to_string()));
    let norms = (!program.norms.is_empty()).then(|| ("read_write", "partial".to_string()));
    let mut binding = 0;
    for (access, name) in fixed.into_iter().chain(states).chain(norms) {
        let kind = if name == "partial" {
            "vec4<f32>"
        } else {
            "f32"
        };
        text += &format!(
            "@group(0) @binding({binding}) var<storage, {access}> {name}: array<{kind}>;\n"
        );
        binding += 1;
    }
    text += &format!("@group(0) @binding({binding}) var<uniform> params: Params;\n\n");
    text += &comment(program);
    let begin = |ending: &str, more: &str| {
        format!(
            "@compute @workgroup_size(WIDTH)\nfn {name}{ending}(@builtin(global_invocation_id) id: vec3<u32>{more}) {{\n    if \
             control[STOP] != 0.0 {{\n        return;\n    }}\n    let rate = control[RATE];\n    let t = control[STEP];\n"
        )
    };
    let scalars: String = scalars
        .iter()
        .map(|scalar| format!("    let {scalar} = params.{scalar};\n"))
        .collect();
    let looped = "    for (var i = id.x; i < params.len; i += params.groups * WIDTH) {\n";
    if !program.norms.is_empty() {
        text += &format!("var<workgroup> sums: array<vec4<f32>, WIDTH>;\n\n{FOLD}");
        let more = ",\n    @builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>";
        text += &begin("_norms", more);
        text += &scalars;
        text += &steps(&plan.before_norms(program), &WGSL, "let ");
        text += "    var squares = vec4<f32>(0.0);\n";
        text += looped;
        text += &element(program);
        text += &measured(program, &plan, &WGSL, "let ", |norm, value| {
            format!("squares[{norm}] += square({value})")
        });
        text += "    }\n    fold(lane, squares);\n    if lane == 0u {\n        partial[group.x + 1u] = sums[0];\n    }\n}\n\n";
        text += &format!(
            "@compute @workgroup_size(WIDTH)\nfn {name}_sum(@builtin(local_invocation_index) lane: u32) {{\n    var squares = \
             vec4<f32>(0.0);\n    for (var i = lane; i < params.groups; i += WIDTH) {{\n        squares += partial[i + 1u];\n    \
             }}\n    fold(lane, squares);\n    if lane == 0u {{\n        partial[0] = sqrt(sums[0]);\n    }}\n}}\n\n"
        );
    }
    text += &begin("", "");
    text += &scalars;
    for (place, norm) in program.norms.iter().enumerate() {
        text += &format!("    let {} = partial[0][{place}];\n", norm.name);
    }
    text += &steps(&plan.steps, &WGSL, "let ");
    text += looped;
    text += &element(program);
    text += &body(program, &plan, &WGSL, "let ");
    text += "        p_rw[i] = p;\n";
    for state in &program.states {
        text += &format!("        {0}_rw[i] = flush({0});\n", state.name);
    }
    text + "    }\n}\n"
}

/// Sums of a value of every invocation of a workgroup, in `sums[0]`.
const FOLD: &str = "fn fold(lane: u32, value: vec4<f32>) {
    sums[lane] = value;
    workgroupBarrier();
    for (var half = WIDTH / 2u; half > 0u; half /= 2u) {
        if lane < half {
            sums[lane] += sums[lane + half];
        }
        workgroupBarrier();
    }
}

";

/// The values of an element.
fn element(program: &Program) -> String {
    let mut text = String::from("        var p = p_rw[i];\n");
    text += match program.decays {
        true => "        let g = g_read[i];\n",
        false => "        let g = fma(weight_decay, p, g_read[i]);\n",
    };
    for state in &program.states {
        text += &format!("        var {0} = {0}_rw[i];\n", state.name);
    }
    text
}
