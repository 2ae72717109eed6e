//! Statements as text, read into trees.
//!
//! A statement is `name = expression`, `name += expression` or `name -= expression`, on a line of its own or up to a
//! semicolon; a line goes on while a bracket is open; `#` begins a comment.

use winnow::ascii::multispace0;
use winnow::combinator::{Infix, Prefix, alt, delimited, expression, opt, preceded, separated};
use winnow::error::ParserError;
use winnow::prelude::*;
use winnow::stream::{LocatingSlice, Location};
use winnow::token::{one_of, take_while};

use super::expression::{Binary, Comparison, Expr, Function, NEGATION, Node};

/// Most brackets that may be open at once.
const DEEPEST: usize = 64;
/// Most operators of a statement.
const LONGEST: usize = 256;

/// What is wrong with a text, and at which of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// What, and what to do.
    pub what: String,
    /// Where.
    pub at: usize,
    /// Whether another reading of the text may still be right.
    open: bool,
}

impl Wrong {
    /// A fault at this byte.
    pub fn at(at: usize, what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            at,
            open: false,
        }
    }

    /// The same in a text with so many bytes before.
    pub fn after(self, bytes: usize) -> Self {
        Self {
            at: self.at + bytes,
            ..self
        }
    }
}

impl<'a> ParserError<Input<'a>> for Wrong {
    type Inner = Self;

    fn from_input(input: &Input<'a>) -> Self {
        let found = match input.chars().next() {
            None => "the statement ends here; a name, a number or a bracket should follow".into(),
            Some(found) => {
                format!("{found} cannot stand here: a name, a number, an operator or a bracket can")
            }
        };
        Self {
            open: true,
            ..Self::at(input.current_token_start(), found)
        }
    }

    /// Of two readings, the one that came further.
    fn or(self, other: Self) -> Self {
        if other.at < self.at { self } else { other }
    }

    fn is_backtrack(&self) -> bool {
        self.open
    }

    fn into_inner(self) -> Result<Self, Self> {
        Ok(self)
    }
}

type Input<'a> = LocatingSlice<&'a str>;

/// What a statement assigns to, how, and what.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The name on its left.
    pub target: String,
    /// First byte of the name.
    pub at: usize,
    /// `+=` and `-=`; `None` is `=`.
    pub change: Option<Binary>,
    /// What stands on the right.
    pub value: Node,
}

/// Reads statements.
///
/// # Errors
/// What is wrong and where.
pub fn statements(text: &str) -> Result<Vec<Statement>, Wrong> {
    pieces(text)?
        .into_iter()
        .map(|piece| {
            let mut input = LocatingSlice::new(piece.as_str());
            statement(&mut input)
        })
        .collect()
}

/// Cuts a text into statements. Each begins with as many blanks as bytes come before it, and has blanks in place of
/// comments, so that every byte keeps its place.
fn pieces(text: &str) -> Result<Vec<String>, Wrong> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    let (mut open, mut operators, mut comment) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices().chain([(text.len(), '\n')]) {
        comment = (comment || c == '#') && c != '\n';
        match c {
            _ if comment => {}
            '\n' if at == text.len() && !open.is_empty() => {
                return Err(Wrong::at(open[0], "this bracket is not closed"));
            }
            '\n' | ';' if open.is_empty() => {
                if !piece.trim().is_empty() {
                    pieces.push(piece);
                }
                (piece, operators) = (" ".repeat(at + 1), 0);
                continue;
            }
            '(' => open.push(at),
            ')' if open.pop().is_none() => {
                return Err(Wrong::at(at, "no bracket is open here: remove this one"));
            }
            '+' | '-' | '*' | '/' | '^' => operators += 1,
            _ => {}
        }
        if open.len() > DEEPEST {
            let what = format!(
                "over {DEEPEST} brackets are open: give an inner part a name in a statement of its own"
            );
            return Err(Wrong::at(at, what));
        }
        if operators > LONGEST {
            let what = format!("over {LONGEST} operators in one statement: make several of it");
            return Err(Wrong::at(at, what));
        }
        match comment {
            true => piece.extend(std::iter::repeat_n(' ', c.len_utf8())),
            false => piece.push(c),
        }
    }
    Ok(pieces)
}

fn statement(input: &mut Input<'_>) -> Result<Statement, Wrong> {
    let (target, at) = word(input)?;
    let assignment = preceded(multispace0, alt(("+=", "-=", "=")));
    let change = match closed(assignment, |_| {
        format!("after {target} comes =, += or -=, and then an expression")
    })
    .parse_next(input)?
    {
        "+=" => Some(Binary::Add),
        "-=" => Some(Binary::Subtract),
        _ => None,
    };
    let value = sum(input)?;
    multispace0::<_, Wrong>.parse_next(input)?;
    if !input.is_empty() {
        let what = format!(
            "an operator should come before {}; products are written with *",
            input.chars().next().unwrap_or_default()
        );
        return Err(Wrong::at(input.current_token_start(), what));
    }
    Ok(Statement {
        target: target.to_string(),
        at,
        change,
        value,
    })
}

/// A parser after which no other reading is right: its fault is this.
fn closed<'a, O>(
    mut parser: impl Parser<Input<'a>, O, Wrong>,
    what: impl Fn(&Wrong) -> String,
) -> impl Parser<Input<'a>, O, Wrong> {
    move |input: &mut Input<'a>| {
        parser.parse_next(input).map_err(|wrong| match wrong.open {
            true => Wrong::at(wrong.at, what(&wrong)),
            false => wrong,
        })
    }
}

/// A name and its first byte.
fn word<'a>(input: &mut Input<'a>) -> Result<(&'a str, usize), Wrong> {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    let name = (
        one_of(letter),
        take_while(0.., |c| letter(c) || c.is_ascii_digit()),
    )
        .take();
    let named = preceded(multispace0, name.with_span());
    named
        .map(|(name, span): (&str, _)| (name, span.start))
        .parse_next(input)
}

/// This text, with blanks before it.
fn sign<'a>(text: &'static str) -> impl Parser<Input<'a>, &'a str, Wrong> {
    preceded(multispace0, text)
}

type Fold<'a> = fn(&mut Input<'a>, Node, Node) -> Result<Node, Wrong>;

/// An expression.
fn sum<'a>(input: &mut Input<'a>) -> Result<Node, Wrong> {
    let prefix = sign("-").map(|_| {
        Prefix(i64::from(NEGATION), |_: &mut Input<'a>, x: Node| {
            let at = x.at;
            Ok(Node::new(Expr::Negate(Box::new(x)), at))
        })
    });
    let left = |operator: Binary, fold: Fold<'a>| {
        sign(operator.sign()).map(move |_| Infix::Left(i64::from(operator.binding()), fold))
    };
    let power: Fold<'a> = |_, a, b| Ok(a.with(Binary::Power, b));
    let infix = alt((
        left(Binary::Add, |_, a, b| Ok(a.with(Binary::Add, b))),
        left(Binary::Subtract, |_, a, b| Ok(a.with(Binary::Subtract, b))),
        left(Binary::Multiply, |_, a, b| Ok(a.with(Binary::Multiply, b))),
        left(Binary::Divide, |_, a, b| Ok(a.with(Binary::Divide, b))),
        sign("^").map(move |_| Infix::Right(i64::from(Binary::Power.binding()), power)),
    ));
    expression(operand)
        .prefix(prefix)
        .infix(infix)
        .parse_next(input)
}

/// A number, a name, a call, or an expression in brackets.
fn operand(input: &mut Input<'_>) -> Result<Node, Wrong> {
    let at = |input: &mut Input<'_>| -> Result<usize, Wrong> {
        multispace0.void().parse_next(input)?;
        Ok(input.current_token_start())
    };
    let at = at(input)?;
    alt((bracketed, number, named))
        .parse_next(input)
        .map(|expr| match expr {
            Read::Node(node) => node,
            Read::Expr(expr) => Node::new(expr, at),
        })
}

/// What [`operand`] reads: brackets keep the place of what they hold.
enum Read {
    Node(Node),
    Expr(Expr),
}

fn bracketed(input: &mut Input<'_>) -> Result<Read, Wrong> {
    delimited('(', sum, close).map(Read::Node).parse_next(input)
}

fn close(input: &mut Input<'_>) -> Result<(), Wrong> {
    let wanted = |_: &Wrong| "an operator or a closing bracket should come here".to_string();
    closed(sign(")"), wanted).void().parse_next(input)
}

fn number(input: &mut Input<'_>) -> Result<Read, Wrong> {
    let start = input.current_token_start();
    let digits = |at_least: usize| take_while(at_least.., |c: char| c.is_ascii_digit());
    let whole = (digits(1), opt(('.', digits(0)))).void();
    let fraction = ('.', digits(1)).void();
    let exponent = (one_of(['e', 'E']), opt(one_of(['+', '-'])), digits(1));
    let text = (alt((whole, fraction)), opt(exponent))
        .take()
        .parse_next(input)?;
    match text.parse() {
        Ok(value) if f64::is_finite(value) => Ok(Read::Expr(Expr::Number(value))),
        _ => Err(Wrong::at(start, format!("{text} is not a finite number"))),
    }
}

/// A name, or the call of a function.
fn named(input: &mut Input<'_>) -> Result<Read, Wrong> {
    let (name, at) = word(input)?;
    if opt(sign("(")).parse_next(input)?.is_none() {
        return Ok(Read::Expr(Expr::Name(name.into())));
    }
    if name == "select" {
        return select(input, at);
    }
    let Some(function) = Function::ALL.into_iter().find(|f| f.name() == name) else {
        let known: Vec<&str> = Function::ALL.iter().map(|f| f.name()).collect();
        let what = format!(
            "{name} is no function: the functions are {} and select (products are written with *)",
            known.join(", ")
        );
        return Err(Wrong::at(at, what));
    };
    let arguments: Vec<Node> = separated(1.., sum, sign(",")).parse_next(input)?;
    close(input)?;
    if arguments.len() != function.arguments() {
        let (wanted, given) = (function.arguments(), arguments.len());
        return Err(Wrong::at(
            at,
            format!("{name} takes {wanted} argument(s), not {given}"),
        ));
    }
    Ok(Read::Expr(Expr::Call(function, arguments)))
}

/// The rest of `select(a < b, x, y)` after its bracket.
fn select(input: &mut Input<'_>, at: usize) -> Result<Read, Wrong> {
    let comma = || {
        closed(sign(","), |_| {
            "a comma should come here: select(a < b, x, y)".into()
        })
    };
    let a = sum(input)?;
    let comparison = alt((
        sign("<=").value(Comparison::LessOrEqual),
        sign(">=").value(Comparison::GreaterOrEqual),
        sign("<").value(Comparison::Less),
        sign(">").value(Comparison::Greater),
        sign("==").value(Comparison::Equal),
        sign("!=").value(Comparison::NotEqual),
    ));
    let wanted = |_: &Wrong| "a comparison should come here: select(a < b, x, y)".to_string();
    let comparison = closed(comparison, wanted).parse_next(input)?;
    let b = sum(input)?;
    let (_, x, _, y) = (comma(), sum, comma(), sum).parse_next(input)?;
    close(input)?;
    Ok(Read::Node(Node::new(
        Expr::Select(comparison, Box::new([a, b, x, y])),
        at,
    )))
}

#[cfg(test)]
mod tests {
    use super::super::write::expression as math;
    use super::*;

    fn value(text: &str) -> Node {
        statements(&format!("x = {text}")).unwrap().remove(0).value
    }

    fn wrong(text: &str) -> (usize, String) {
        let wrong = statements(text).unwrap_err();
        (wrong.at, wrong.what)
    }

    #[test]
    fn operators_bind_as_in_mathematics() {
        for (text, meant) in [
            ("a + b * c", "a + (b * c)"),
            ("a - b - c", "(a - b) - c"),
            ("a / b * c", "(a / b) * c"),
            ("-a^2", "-(a^2)"),
            ("-a * b", "(-a) * b"),
            ("a^b^c", "a^(b^c)"),
            ("a^-2 + 1", "(a^(-2)) + 1"),
            ("a * -b", "a * (-b)"),
            ("1e-3*.5", "0.001 * 0.5"),
            ("sqrt( a ) + max(a,b)", "(sqrt(a)) + (max(a, b))"),
        ] {
            assert_eq!(value(text), value(meant), "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back_as_the_same() {
        for text in [
            "a - (b - c) / (d * e)",
            "(a + b)^(c - 1) * -(a * b)",
            "select(t <= 1, g, mu * v + (1 - d) * g)",
            "a / (b / c) - -a",
            "(-a)^2 + (a^b)^c + 2^(3^4)",
        ] {
            let tree = value(text);
            let written = math(&tree);
            assert_eq!(value(&written), tree, "{text} became {written}");
        }
    }

    #[test]
    fn statements_end_with_their_line_or_a_semicolon_and_go_on_in_brackets() {
        let text = "# a comment (\nv = mu * v + g; p -= rate * (v # another\n + g)\n\n";
        let all = statements(text).unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(
            (all[1].target.as_str(), all[1].change),
            ("p", Some(Binary::Subtract))
        );
        assert_eq!(&text[all[1].at..][..4], "p -=");
        assert_eq!(&text[all[1].value.at..][..4], "rate");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, at, what) in [
            ("p -= 2 g", 7, "products are written with *"),
            ("p 2", 2, "comes =, += or -="),
            ("p = ", 4, "ends here"),
            ("p = (a", 4, "not closed"),
            ("p = a)", 5, "no bracket is open"),
            ("p = tanh(g)", 4, "tanh is no function"),
            ("p = max(g)", 4, "takes 2"),
            ("p = g + * 2", 8, "* cannot stand here"),
            ("p = select(g, 1, 2)", 12, "a comparison"),
            ("p = 1e999", 4, "not a finite number"),
            ("a = 1\nb = ä", 10, "cannot stand here"),
        ] {
            let (place, found) = wrong(text);
            assert!(
                place == at && found.contains(what),
                "{text}: {place}, {found}"
            );
        }
    }

    #[test]
    fn a_text_made_to_overflow_the_stack_is_refused() {
        let open = "(".repeat(10_000);
        assert!(wrong(&format!("p = {open}")).1.contains("over 64 brackets"));
        for sign in ["-", "2^", "2*("] {
            let text = format!("p = {}g", sign.repeat(10_000));
            let (_, what) = wrong(&text);
            assert!(what.contains("over"), "{what}");
        }
    }
}
