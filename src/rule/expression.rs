//! Expressions of a rule, as a tree.

/// An expression and its byte offset in the statements' text.
#[derive(Debug, Clone)]
pub struct Node {
    /// The expression.
    pub expr: Expr,
    /// Its first byte; of an operation, the operator's.
    pub at: usize,
}

/// Equal expressions are equal wherever they stand.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.expr == other.expr
    }
}

/// An expression. Every value is one number an element, or one number for all of them.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A literal.
    Number(f64),
    /// Something with a name.
    Name(String),
    /// `-x`.
    Negate(Box<Node>),
    /// `a + b` and its like.
    Binary(Binary, Box<[Node; 2]>),
    /// `sqrt(x)` and its like.
    Call(Function, Vec<Node>),
    /// `select(a < b, x, y)`: x where the comparison holds, else y. In that order.
    Select(Comparison, Box<[Node; 4]>),
}

/// An operator between two expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // The names say it.
pub enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
}

impl Binary {
    /// Its sign.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Power => "^",
        }
    }

    /// How tightly it binds: sums 1, products 2, powers 4 (a leading minus is 3).
    pub const fn binding(self) -> u8 {
        match self {
            Self::Add | Self::Subtract => 1,
            Self::Multiply | Self::Divide => 2,
            Self::Power => 4,
        }
    }
}

/// How tightly a leading minus binds: `-x^2` is `-(x^2)`, `-x * y` is `(-x) * y`.
pub const NEGATION: u8 = 3;

/// A function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // The names say it.
pub enum Function {
    Sqrt,
    Abs,
    /// -1, 0 or 1; NaN of NaN.
    Sign,
    /// The first argument where it is smaller, else the second.
    Min,
    /// The first argument where it is larger, else the second.
    Max,
    Exp,
    Log,
    /// `exp(x) - 1` without its cancellation near 0.
    Expm1,
    /// In schedules alone: WGSL's is too coarse for a rule.
    Cos,
    /// The largest whole number that is not larger; in schedules alone.
    Floor,
    /// The 2-norm over all elements: one number a step.
    Norm,
}

impl Function {
    /// Every function.
    pub const ALL: [Self; 11] = [
        Self::Sqrt,
        Self::Abs,
        Self::Sign,
        Self::Min,
        Self::Max,
        Self::Exp,
        Self::Log,
        Self::Expm1,
        Self::Cos,
        Self::Floor,
        Self::Norm,
    ];

    /// Its name in a rule.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqrt => "sqrt",
            Self::Abs => "abs",
            Self::Sign => "sign",
            Self::Min => "min",
            Self::Max => "max",
            Self::Exp => "exp",
            Self::Log => "log",
            Self::Expm1 => "expm1",
            Self::Cos => "cos",
            Self::Floor => "floor",
            Self::Norm => "norm",
        }
    }

    /// Number of its arguments.
    pub const fn arguments(self) -> usize {
        match self {
            Self::Min | Self::Max => 2,
            _ => 1,
        }
    }
}

/// A comparison, in `select`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // The names say it.
pub enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

impl Comparison {
    /// Its sign.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
        }
    }

    /// Whether it holds between two numbers.
    pub fn holds(self, a: f64, b: f64) -> bool {
        match self {
            Self::Less => a < b,
            Self::LessOrEqual => a <= b,
            Self::Greater => a > b,
            Self::GreaterOrEqual => a >= b,
            Self::Equal => a == b,
            Self::NotEqual => a != b,
        }
    }
}

impl Node {
    /// An expression that the program made of those at `at`.
    pub fn new(expr: Expr, at: usize) -> Self {
        Self { expr, at }
    }

    /// `self sign other`, in the place of `self`.
    pub fn with(self, operator: Binary, other: Node) -> Self {
        let at = self.at;
        Self::new(Expr::Binary(operator, Box::new([self, other])), at)
    }

    /// What it is made of, in the order of the text.
    pub fn children(&self) -> Vec<&Node> {
        match &self.expr {
            Expr::Number(_) | Expr::Name(_) => vec![],
            Expr::Negate(x) => vec![x],
            Expr::Binary(_, pair) => pair.iter().collect(),
            Expr::Call(_, arguments) => arguments.iter().collect(),
            Expr::Select(_, four) => four.iter().collect(),
        }
    }

    /// The same with `change` made to each of [`Node::children`].
    pub fn map(&self, mut change: impl FnMut(&Node) -> Node) -> Node {
        let expr = match &self.expr {
            Expr::Number(_) | Expr::Name(_) => self.expr.clone(),
            Expr::Negate(x) => Expr::Negate(Box::new(change(x))),
            Expr::Binary(operator, pair) => {
                Expr::Binary(*operator, Box::new([change(&pair[0]), change(&pair[1])]))
            }
            Expr::Call(function, arguments) => {
                Expr::Call(*function, arguments.iter().map(change).collect())
            }
            Expr::Select(comparison, four) => {
                let [a, b, x, y] = &**four;
                let four = [change(a), change(b), change(x), change(y)];
                Expr::Select(*comparison, Box::new(four))
            }
        };
        Node::new(expr, self.at)
    }

    /// Whether `holds` of it or of anything in it.
    pub fn any(&self, holds: &dyn Fn(&Node) -> bool) -> bool {
        holds(self) || self.children().into_iter().any(|child| child.any(holds))
    }

    /// Whether it names this.
    pub fn names(&self, wanted: &str) -> bool {
        self.any(&|node| matches!(&node.expr, Expr::Name(name) if name == wanted))
    }
}
