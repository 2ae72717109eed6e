//! What a rule's file may say, and what is made of it.

use proptest::prelude::*;

use super::write::expression;
use super::*;

/// A file with these parameters, states and statements; the statements begin in line 7.
fn file(parameters: &str, states: &str, update: &str) -> String {
    format!(
        "name = \"mine\"\nabout = \"a test\"\nrate = 0.1\nparameters = {{ {parameters} }}\nstates = {{ {states} }}\nupdate = \
         '''\n{update}\n'''\n"
    )
}

fn program(parameters: &str, states: &str, update: &str) -> Program {
    let text = file(parameters, states, update);
    read(&text)
        .unwrap_or_else(|e| panic!("{e}: {text}"))
        .remove(0)
}

fn fault(text: &str) -> Fault {
    match read(text) {
        Err(fault) => fault,
        Ok(_) => panic!("it is accepted: {text}"),
    }
}

#[test]
fn what_is_wrong_in_a_rule_is_said_with_its_line_and_column() {
    let states = "m = \"velocity\", s = \"square\"";
    let good = "m = mu * m + g\ns += g * g";
    for (parameters, update, line, column, what) in [
        ("mu = 1", "p -= rate * (m + nu)", 9, 18, "nu is not defined"),
        (
            "mu = 1",
            "p -= rate * d\nd = m * s",
            9,
            13,
            "d gets its value later",
        ),
        (
            "mu = 1",
            "d = d + m * s\np -= rate * d",
            9,
            5,
            "d is used in its own definition",
        ),
        (
            "mu = 1",
            "p -= rate * m / s",
            9,
            17,
            "this is 0 in the first step",
        ),
        ("mu = 1", "p -= rate * log(s) * m", 9, 1, "p is not finite"),
        (
            "mu = 1",
            "p -= rate * tanh(m) * s",
            9,
            13,
            "tanh is no function",
        ),
        ("mu = 1", "d = m * s", 7, 1, "p never changes"),
        (
            "mu = 1",
            "p -= rate * m",
            5,
            28,
            "the state s is never read",
        ),
        (
            "mu = 1, nu = 2",
            "p -= rate * m * s",
            4,
            24,
            "nu is not used",
        ),
        ("mu = 1", "g = 2 * m * s\np -= rate * g", 9, 1, "g is given"),
        ("mu = 1", "mu = m * s\np -= rate * mu", 9, 1, "mu is given"),
        (
            "mu = 1",
            "d = m\nd = s\np -= rate * d",
            10,
            1,
            "d has a value already",
        ),
        (
            "mu = 1",
            "d -= m * s\np -= rate * d",
            9,
            1,
            "d has no value yet",
        ),
        (
            "mu = 1",
            "float = m * s\np -= rate * float",
            9,
            1,
            "float has a meaning",
        ),
        ("mu = 1", "p -= rate * (m * s", 9, 13, "not closed"),
        (
            "mu = 1, p = 2",
            "p -= rate * m * s",
            4,
            24,
            "p has a meaning",
        ),
        (
            "mu = 1, m = 2",
            "p -= rate * m * s",
            5,
            12,
            "m is declared twice",
        ),
        ("mu = 1, Nu = 2", "p -= rate * m * s", 4, 24, "no name"),
        ("mu = inf", "p -= rate * m * s", 4, 16, "mu is inf"),
    ] {
        let fault = fault(&file(parameters, states, &format!("{good}\n{update}")));
        assert!(
            fault.what.contains(what) && (fault.line, fault.column) == (line, column),
            "{update}: {fault}"
        );
    }
    let unwritten = fault(&file(
        "mu = 1",
        "s = \"square\"",
        "p -= mu * rate * g / (s + 1)",
    ));
    assert!(unwritten.what.contains("s is never written"), "{unwritten}");
}

#[test]
fn what_is_wrong_in_a_file_is_said_with_its_line_and_column() {
    let good = file("", "", "p -= rate * g");
    for (text, line, what) in [
        (good.replace("rate = 0.1", "rate = -1"), 1, "positive"),
        (good.replace("rate = 0.1", "rates = 1"), 3, "unknown field"),
        (good.replace("\"mine\"", "\"My rule\""), 1, "no name"),
        (good.replace("name = \"mine\"", ""), 1, "no name: add it"),
        (
            good.replace("about = \"a test\"", ""),
            1,
            "no about: add it",
        ),
        (good.replace("'''", "\""), 7, ""),
        (
            file("", "s = \"sum\"", "s = g; p -= s"),
            5,
            "no kind of state",
        ),
        (
            file("", "s = \"square from x\"", "s = g; p -= s"),
            5,
            "no kind of state",
        ),
        (
            good.clone() + "[variants.a]\nname = \"b\"\n",
            9,
            "a variant has",
        ),
    ] {
        let fault = fault(&text);
        assert!(
            fault.line == line && fault.what.contains(what),
            "{text}: {fault}"
        );
    }
}

#[test]
fn a_variant_has_what_its_rule_says_but_for_what_it_says_itself() {
    let text = file(
        "mu = 0.5",
        "v = \"velocity\"",
        "v = mu * v + g\np -= rate * v",
    ) + "[variants.quick]\nabout = \"another\"\nparameters = { mu = 0.25 }\n";
    let [base, quick] = &read(&text).unwrap()[..] else {
        panic!("two rules");
    };
    assert_eq!(
        (base.name.as_str(), quick.name.as_str()),
        ("mine", "mine:quick")
    );
    assert_eq!(
        (base.about.as_str(), quick.about.as_str()),
        ("a test", "another")
    );
    assert_eq!((base.parameters[0].1, quick.parameters[0].1), (0.5, 0.25));
    assert_eq!(
        (&base.statements, base.rate),
        (&quick.statements, quick.rate)
    );
}

#[test]
fn how_pca_treats_a_rule_follows_from_its_statements() {
    let of = |states: &str, update: &str| {
        let program = program("", states, update);
        let has_velocity = program.velocities().next().is_some();
        [
            program.is_elementwise(),
            has_velocity,
            program.accumulates(),
        ]
    };
    assert_eq!(of("", "p -= rate * g"), [false; 3]);
    assert_eq!(
        of("v = \"velocity\"", "v = 0.9 * v - rate * g\np += v"),
        [false, true, false]
    );
    let warm = "v = select(t <= 1, g, 0.9 * v + g / 2)\np -= rate * v";
    assert_eq!(of("v = \"velocity\"", warm), [false, true, false]);
    assert_eq!(of("", "p -= rate * sign(g)"), [true, false, false]);
    assert_eq!(
        of("s = \"square\"", "s += g^2\np -= rate * g / sqrt(s + 1)"),
        [true, false, true]
    );
    assert_eq!(
        of("s = \"square\"", "s = s + g^2\np -= g / sqrt(s + 1)"),
        [true, false, true]
    );
    assert_eq!(
        of("s = \"square\"", "s = s / 2 + g^2\np -= g / sqrt(s + 1)"),
        [true, false, false]
    );
}

#[test]
fn bytes_and_operations_are_counted_from_the_statements() {
    let adam = program(
        "beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8",
        "m = \"velocity\", v = \"square\"",
        "m = beta1 * m + (1 - beta1) * g\nv = beta2 * v + (1 - beta2) * g * g\np -= rate * (m / (1 - beta1^t)) / (sqrt(v / (1 - \
         beta2^t)) + epsilon)",
    );
    // The corrections are once a step.
    assert_eq!((adam.bytes(), adam.flops()), (28.0, 14.0));
    let sgd = program("", "", "p -= rate * g");
    assert_eq!((sgd.bytes(), sgd.flops()), (12.0, 2.0));
}

#[test]
fn what_is_the_same_for_every_element_is_computed_once_a_step() {
    let program = program(
        "beta = 0.999",
        "s = \"square\"",
        "late = 1 - beta^t\ns = beta * s + (1 - beta) * g^2\np -= rate * sqrt(late) * g / (sqrt(s / (1 - beta^t)) + 1)",
    );
    let plan = Plan::in_f64(&program);
    let steps: Vec<String> = plan
        .steps
        .iter()
        .map(|named| format!("{} = {}", named.name, expression(&named.value)))
        .collect();
    let expected = [
        "late = 1 - beta^t",
        "once2 = rate * sqrt(late)",
        "once3 = 1 / (1 - beta^t)",
    ];
    assert_eq!(steps, expected);
    let body: Vec<String> = plan.body.iter().map(|s| expression(&s.value)).collect();
    let expected = [
        "beta * s + (1 - beta) * g^2",
        "once2 * g / (sqrt(s * once3) + 1)",
    ];
    assert_eq!(body, expected);
    // In f32, 1 - 0.999^t would lose three digits.
    let plan = Plan::in_f32(&program);
    assert_eq!(plan.constants[0].name, "log_beta");
    assert_eq!(expression(&plan.steps[0].value), "-expm1(t * log_beta)");
}

/// A random expression over these names, without what may be refused.
fn trees() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        prop::sample::select(vec!["g", "p", "rate", "t"]).prop_map(|name| Expr::Name(name.into())),
        (0u32..1000).prop_map(|x| Expr::Number(f64::from(x) / 8.0)),
    ];
    let leaf = leaf.prop_map(|expr| Node::new(expr, 0));
    let operators = [
        Binary::Add,
        Binary::Subtract,
        Binary::Multiply,
        Binary::Divide,
        Binary::Power,
    ];
    leaf.prop_recursive(5, 40, 4, move |inner| {
        let two = (
            prop::sample::select(operators.to_vec()),
            inner.clone(),
            inner.clone(),
        );
        prop_oneof![
            two.prop_map(|(operator, a, b)| a.with(operator, b)),
            inner
                .clone()
                .prop_map(|x| Node::new(Expr::Negate(Box::new(x)), 0)),
            inner
                .clone()
                .prop_map(|x| Node::new(Expr::Call(Function::Abs, vec![x]), 0)),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| Node::new(Expr::Call(Function::Max, vec![a, b]), 0)),
            prop::array::uniform4(inner)
                .prop_map(|four| Node::new(Expr::Select(Comparison::Less, Box::new(four)), 0)),
        ]
    })
}

proptest! {
    #[test]
    fn any_expression_reads_back_from_its_text(tree in trees()) {
        let text = format!("p = {}", expression(&tree));
        let read = parse::statements(&text).map_err(|e| TestCaseError::fail(format!("{text}: {e:?}")))?;
        prop_assert_eq!(&read[0].value, &tree, "{}", text);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[pgrt0-9.+*/^(),;#=<>! \n-]{0,60}") {
        let _ = parse::statements(&text);
        let _ = read(&file("mu = 1", "s = \"square\"", &text));
    }

    #[test]
    fn no_file_makes_the_reader_panic(text in "\\PC{0,200}") {
        let _ = read(&text);
    }
}
