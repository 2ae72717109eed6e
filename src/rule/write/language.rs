//! One printer of expressions for every language.

use super::super::expression::{Binary, Comparison, Expr, Function, NEGATION, Node};

/// How a language writes what differs from the others.
pub(super) struct Language {
    /// A literal.
    pub number: fn(f64) -> String,
    /// The name of a function.
    pub function: fn(Function) -> &'static str,
    /// `x^y` of arguments that are printed; `None` keeps the operator.
    pub power: Option<fn(&str, &str) -> String>,
    /// A choice of arguments that are printed.
    pub select: fn(Comparison, [String; 4]) -> String,
}

/// As a rule's file writes it.
pub(super) const MATH: Language = Language {
    number: |x| x.to_string(),
    function: Function::name,
    power: None,
    select: |comparison, [a, b, x, y]| format!("select({a} {} {b}, {x}, {y})", comparison.sign()),
};

/// A literal with a point, without an exponent.
pub(super) fn decimal(x: f64) -> String {
    let text = x.to_string();
    if text.contains('.') {
        text
    } else {
        text + ".0"
    }
}

impl Language {
    /// An expression, in brackets where it binds less tightly than `around`.
    pub fn write(&self, node: &Node, around: u8) -> String {
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
