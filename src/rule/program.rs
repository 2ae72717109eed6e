//! A rule that has been read and checked: what its names are, what depends on the element, what a step costs.

use std::collections::{BTreeMap, BTreeSet};

use super::evaluate::first_step;
use super::expression::{Binary, Expr, Function, Node};
use super::file::{self, Fault, Kind, State, Stated};
use super::parse::{Statement, Wrong, statements};
use super::write::Plan;

/// Names that every rule has.
pub const OWN: [&str; 5] = ["p", "g", "rate", "t", "weight_decay"];

/// Words of Rust, C++, CUDA and WGSL, and names that the hand-written text around a rule has.
const RESERVED: &[&str] = &[
    "abs",
    "alias",
    "alignas",
    "alignof",
    "as",
    "asm",
    "async",
    "atomic",
    "auto",
    "await",
    "become",
    "bitcast",
    "bool",
    "box",
    "break",
    "case",
    "catch",
    "char",
    "class",
    "concept",
    "const",
    "const_assert",
    "const_cast",
    "constexpr",
    "continue",
    "continuing",
    "control",
    "crate",
    "cube",
    "decltype",
    "default",
    "delete",
    "diagnostic",
    "discard",
    "do",
    "double",
    "dyn",
    "else",
    "enable",
    "enum",
    "exp",
    "explicit",
    "export",
    "expm1",
    "extern",
    "f16",
    "f32",
    "f64",
    "fallthrough",
    "false",
    "final",
    "float",
    "float2",
    "float3",
    "float4",
    "flush",
    "fn",
    "for",
    "friend",
    "frozen",
    "gen",
    "global",
    "goto",
    "groups",
    "i",
    "i32",
    "id",
    "if",
    "impl",
    "in",
    "inline",
    "int",
    "len",
    "let",
    "log",
    "long",
    "loop",
    "macro",
    "match",
    "max",
    "min",
    "mod",
    "module",
    "move",
    "mut",
    "mutable",
    "namespace",
    "new",
    "noexcept",
    "norm",
    "null",
    "nullptr",
    "operator",
    "override",
    "package",
    "params",
    "power",
    "priv",
    "private",
    "protected",
    "ptr",
    "pub",
    "public",
    "ref",
    "register",
    "requires",
    "return",
    "rule",
    "scalars",
    "select",
    "self",
    "shared",
    "short",
    "sign",
    "signed",
    "sizeof",
    "sqrt",
    "square",
    "states",
    "static",
    "static_assert",
    "start_of",
    "struct",
    "super",
    "switch",
    "template",
    "texture",
    "this",
    "thread",
    "throw",
    "trait",
    "true",
    "try",
    "type",
    "typedef",
    "typeid",
    "typename",
    "u32",
    "union",
    "unsafe",
    "unsigned",
    "unsized",
    "use",
    "using",
    "var",
    "vec2",
    "vec3",
    "vec4",
    "virtual",
    "void",
    "volatile",
    "wchar_t",
    "where",
    "while",
    "wide",
    "workgroup",
    "yield",
];

/// What a value depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The rule's parameters alone.
    Constant,
    /// The step: its number, the rate.
    Step,
    /// The element.
    Element,
}

/// The 2-norm of something over all elements.
#[derive(Debug, Clone, PartialEq)]
pub struct Norm {
    /// Its name in the lowered statements.
    pub name: String,
    /// The statement before which it is taken.
    pub before: usize,
    /// Whose norm it is.
    pub value: Node,
}

/// A rule that has been read and checked.
#[derive(Debug, Clone)]
pub struct Program {
    /// Its name, `adam`, or a variant's, `adam:keras`.
    pub name: String,
    /// Its name in the languages: `adam_keras`.
    pub entry: String,
    /// A sentence.
    pub about: String,
    /// The paper, and whose form it is.
    pub source: String,
    /// The learning rate that it starts from, for networks.
    pub rate: f64,
    /// Parameters with their defaults, in order, without the weight decay.
    pub parameters: Vec<(String, f64)>,
    /// States in order.
    pub states: Vec<State>,
    /// Statements in order, as the file says them.
    pub statements: Vec<Statement>,
    /// The same with a name in the place of every norm.
    pub lowered: Vec<Statement>,
    /// The norms, in order.
    pub norms: Vec<Norm>,
    /// Whether it names the weight decay itself. Otherwise `g + weight_decay * p` takes the place of g.
    pub decays: bool,
    /// The weight decay, where the case gives none.
    pub weight_decay: f64,
    /// What each local depends on.
    levels: BTreeMap<String, Level>,
}

/// Reads a file: the rule, and its variants by their names.
///
/// # Errors
/// What is wrong and where.
pub fn read(text: &str) -> Result<Vec<Program>, Fault> {
    file::read(text)?
        .into_iter()
        .map(|stated| {
            Program::check(&stated).map_err(|wrong| Fault::at(text, wrong.at, wrong.what))
        })
        .collect()
}

impl Program {
    fn check(stated: &Stated) -> Result<Self, Wrong> {
        let inside = |mut wrong: Wrong| {
            wrong.at += stated.start;
            wrong
        };
        let mut names = BTreeMap::new();
        let parameters = stated
            .parameters
            .iter()
            .map(|(name, _, at)| (name, *at, "parameter"));
        let states = stated
            .states
            .iter()
            .map(|state| (&state.name, state.at, "state"));
        for (name, at, what) in parameters.chain(states) {
            let is_decay = name == "weight_decay" && what == "parameter";
            refuse_reserved(name, at, is_decay)?;
            if names.insert(name.clone(), what).is_some() {
                return Err(Wrong::at(
                    at,
                    format!("{name} is declared twice: rename one of them"),
                ));
            }
        }
        let finite = stated
            .parameters
            .iter()
            .find(|(_, value, _)| !value.is_finite());
        if let Some((name, value, at)) = finite {
            return Err(Wrong::at(
                *at,
                format!("{name} is {value}: give a finite number"),
            ));
        }
        let statements = statements(&stated.update).map_err(inside)?;
        if statements.is_empty() {
            return Err(Wrong::at(
                stated.start,
                "there is no statement: write what becomes of p",
            ));
        }
        let decay = stated
            .parameters
            .iter()
            .find(|(name, ..)| name == "weight_decay");
        let mut program = Self {
            name: stated.name.clone(),
            entry: stated.name.replace(':', "_"),
            about: stated.about.clone(),
            source: stated.source.clone(),
            rate: stated.rate,
            parameters: stated
                .parameters
                .iter()
                .filter(|(name, ..)| name != "weight_decay")
                .map(|(name, value, _)| (name.clone(), *value))
                .collect(),
            states: stated.states.clone(),
            decays: statements.iter().any(|s| s.value.names("weight_decay")),
            lowered: statements.clone(),
            norms: Vec::new(),
            statements,
            weight_decay: decay.map_or(0.0, |(_, value, _)| *value),
            levels: BTreeMap::new(),
        };
        program.check_names().map_err(inside)?;
        program.lower().map_err(inside)?;
        program.check_use(stated)?;
        first_step(&program).map_err(inside)?;
        Ok(program)
    }

    /// Every name has a value where it is used, and every local gets one once.
    fn check_names(&mut self) -> Result<(), Wrong> {
        for (place, statement) in self.statements.clone().iter().enumerate() {
            let Statement {
                target,
                at,
                change,
                value,
            } = statement;
            let is_local = target != "p" && !self.is_state(target);
            self.check_values(statement, place)?;
            if !is_local {
                continue;
            }
            if self.is_parameter(target) || OWN.contains(&target.as_str()) {
                let what = format!(
                    "{target} is given and stays as it is: choose another name for the new value"
                );
                return Err(Wrong::at(*at, what));
            }
            refuse_reserved(target, *at, false)?;
            if self.levels.contains_key(target) {
                let what = format!(
                    "{target} has a value already: choose another name (p and the states alone change)"
                );
                return Err(Wrong::at(*at, what));
            }
            if change.is_some() {
                let what =
                    format!("{target} has no value yet that could change: write {target} = ..");
                return Err(Wrong::at(*at, what));
            }
            let level = self.level(value);
            self.levels.insert(target.clone(), level);
        }
        Ok(())
    }

    /// Gives every norm a name.
    fn lower(&mut self) -> Result<(), Wrong> {
        let mut lowered = Vec::new();
        for (place, statement) in self.statements.clone().iter().enumerate() {
            let value = self.without_norms(&statement.value, place, &lowered)?;
            lowered.push(Statement {
                value,
                ..statement.clone()
            });
        }
        self.lowered = lowered;
        Ok(())
    }

    fn without_norms(
        &mut self,
        node: &Node,
        place: usize,
        before: &[Statement],
    ) -> Result<Node, Wrong> {
        let Expr::Call(Function::Norm, of) = &node.expr else {
            let mut wrong = None;
            let lowered = node.map(|child| {
                self.without_norms(child, place, before)
                    .unwrap_or_else(|e| {
                        wrong.get_or_insert(e);
                        child.clone()
                    })
            });
            return wrong.map_or(Ok(lowered), Err);
        };
        let value = &of[0];
        if self.level(value) < Level::Element {
            return Err(Wrong::at(
                value.at,
                "this is one number for all elements: a norm is of what differs from one to the other",
            ));
        }
        let needing = self.needing_norms(before);
        let needs = |node: &Node| match &node.expr {
            Expr::Name(name) => needing.contains(name),
            Expr::Call(Function::Norm, _) => true,
            _ => false,
        };
        if value.any(&needs) {
            return Err(Wrong::at(
                value.at,
                "a norm of what needs a norm itself: there is one pass for all norms",
            ));
        }
        let changed = |norm: &Norm| before[norm.before..].iter().any(|s| value.names(&s.target));
        let known = self
            .norms
            .iter()
            .find(|norm| norm.value == *value && !changed(norm));
        let name = match known {
            Some(norm) => norm.name.clone(),
            None => {
                if self.norms.len() == MOST_NORMS {
                    return Err(Wrong::at(
                        node.at,
                        format!("over {MOST_NORMS} norms: use fewer"),
                    ));
                }
                let name = format!("norm_{}", self.norms.len() + 1);
                self.norms.push(Norm {
                    name: name.clone(),
                    before: place,
                    value: value.clone(),
                });
                name
            }
        };
        self.levels.insert(name.clone(), Level::Step);
        Ok(Node::new(Expr::Name(name), node.at))
    }

    /// Names whose value depends on a norm after these lowered statements.
    pub fn needing_norms(&self, lowered: &[Statement]) -> BTreeSet<String> {
        let mut needing: BTreeSet<String> =
            self.norms.iter().map(|norm| norm.name.clone()).collect();
        for statement in lowered {
            if needing.iter().any(|name| statement.value.names(name)) {
                needing.insert(statement.target.clone());
            }
        }
        needing
    }

    fn check_values(&self, statement: &Statement, place: usize) -> Result<(), Wrong> {
        let mut left = vec![&statement.value];
        while let Some(node) = left.pop() {
            left.extend(node.children().into_iter().rev());
            if let Expr::Binary(Binary::Power, pair) = &node.expr
                && matches!(&pair[0].expr, Expr::Negate(_))
                && !matches!(&pair[1].expr, Expr::Number(_))
            {
                let what = "a power of a negative number: GPUs have none";
                return Err(Wrong::at(node.at, what));
            }
            let Expr::Name(name) = &node.expr else {
                continue;
            };
            let is_known = OWN.contains(&name.as_str())
                || self.is_state(name)
                || self.is_parameter(name)
                || self.levels.contains_key(name);
            if is_known {
                continue;
            }
            let later = self.statements[place..].iter().find(|s| s.target == *name);
            let what = match later {
                Some(later) if later.at == statement.at => {
                    format!(
                        "{name} is used in its own definition: what it was before is kept by a state alone"
                    )
                }
                Some(_) => format!("{name} gets its value later: move that statement up"),
                None => {
                    let mut known: Vec<&str> = OWN.to_vec();
                    known.extend(self.parameters.iter().map(|(name, _)| name.as_str()));
                    known.extend(self.states.iter().map(|state| state.name.as_str()));
                    known.extend(self.levels.keys().map(String::as_str));
                    format!("{name} is not defined; what is: {}", known.join(", "))
                }
            };
            return Err(Wrong::at(node.at, what));
        }
        Ok(())
    }

    /// Everything that is declared is used, and p and the states change.
    fn check_use(&self, stated: &Stated) -> Result<(), Wrong> {
        let written = |name: &str| self.statements.iter().any(|s| s.target == name);
        let read = |name: &str| {
            let reads = |s: &Statement| s.value.names(name);
            self.statements.iter().any(reads)
        };
        if !written("p") {
            return Err(Wrong::at(stated.start, "p never changes: write p -= .."));
        }
        for state in &self.states {
            let (name, at) = (&state.name, state.at);
            if !written(name) {
                return Err(Wrong::at(
                    at,
                    format!(
                        "the state {name} is never written: write it, or make a parameter of it"
                    ),
                ));
            }
            if !read(name) {
                return Err(Wrong::at(
                    at,
                    format!("the state {name} is never read: remove it"),
                ));
            }
        }
        if self.states.len() > MOST_STATES {
            let at = self.states[MOST_STATES].at;
            return Err(Wrong::at(
                at,
                format!("over {MOST_STATES} states: wgpu binds no more"),
            ));
        }
        for (name, _, at) in &stated.parameters {
            if !read(name) {
                return Err(Wrong::at(
                    *at,
                    format!("the parameter {name} is not used: remove it"),
                ));
            }
        }
        if Plan::in_f32(self).constants.len() > MOST_CONSTANTS {
            let what = format!(
                "over {MOST_CONSTANTS} powers of different constants: give some of them as parameters"
            );
            return Err(Wrong::at(stated.start, what));
        }
        if self.parameters.len() > MOST_PARAMETERS {
            let at = stated.parameters[MOST_PARAMETERS].2;
            return Err(Wrong::at(
                at,
                format!("over {MOST_PARAMETERS} parameters: write some as numbers"),
            ));
        }
        Ok(())
    }

    /// Whether this is a state's name.
    pub fn is_state(&self, name: &str) -> bool {
        self.states.iter().any(|state| state.name == name)
    }

    fn is_parameter(&self, name: &str) -> bool {
        self.parameters.iter().any(|(of, _)| of == name)
    }

    /// What an expression depends on.
    pub fn level(&self, node: &Node) -> Level {
        match &node.expr {
            Expr::Number(_) => Level::Constant,
            Expr::Call(Function::Norm, _) => Level::Step,
            Expr::Name(name) => match name.as_str() {
                "rate" | "t" => Level::Step,
                "weight_decay" => Level::Constant,
                "p" | "g" => Level::Element,
                name if self.is_state(name) => Level::Element,
                name => self.levels.get(name).copied().unwrap_or(Level::Constant),
            },
            _ => {
                let levels = node.children().into_iter().map(|child| self.level(child));
                levels.max().unwrap_or(Level::Constant)
            }
        }
    }

    /// Whether a statement's value is the same for every element.
    pub fn is_step(&self, statement: &Statement) -> bool {
        self.levels
            .get(&statement.target)
            .is_some_and(|level| *level < Level::Element)
    }

    /// Values of the scalars in the order of the kernel row: the parameters, then the weight decay.
    pub fn scalars(&self, weight_decay: f64) -> Vec<f64> {
        let own = self.parameters.iter().map(|(_, value)| *value);
        own.chain([weight_decay]).collect()
    }

    /// Fewest bytes that an element's update moves: p and the states are read and written, g is read. Norms take a pass
    /// before it, which reads everything.
    pub fn bytes(&self) -> f64 {
        let read = 2 + self.states.len();
        let written = 1 + self.states.len();
        let passes = if self.norms.is_empty() { 1 } else { 2 };
        4.0 * (passes * read + written) as f64
    }

    /// Operations of an element's update, as the statements say it, without weight decay where that is not theirs.
    pub fn flops(&self) -> f64 {
        let own = self.lowered.iter().filter(|s| !self.is_step(s));
        let count = own.map(|s| self.operations(&s.value) + u32::from(s.change.is_some()));
        // A square and a sum for each norm, beside what it is of.
        let norms = self
            .norms
            .iter()
            .map(|norm| 2 + self.operations(&norm.value));
        f64::from(count.sum::<u32>() + norms.sum::<u32>())
    }

    fn operations(&self, node: &Node) -> u32 {
        if self.level(node) < Level::Element {
            return 0;
        }
        let below: u32 = node
            .children()
            .into_iter()
            .map(|child| self.operations(child))
            .sum();
        below
            + match &node.expr {
                Expr::Number(_) | Expr::Name(_) => 0,
                Expr::Negate(_) | Expr::Binary(..) | Expr::Call(..) | Expr::Select(..) => 1,
            }
    }

    /// Whether the step is not linear in the gradients: it scales every element by that element's own history.
    pub fn is_elementwise(&self) -> bool {
        let mut linear: BTreeMap<&str, bool> = BTreeMap::new();
        let mut all = true;
        for statement in self.lowered.iter().filter(|s| !self.is_step(s)) {
            let is_linear = self.is_linear(&statement.value, &linear);
            linear.insert(&statement.target, is_linear);
            all &= is_linear || statement.target != "p";
        }
        !all
    }

    /// Whether an expression is a sum of elements, each times something that is the same for all elements.
    fn is_linear(&self, node: &Node, known: &BTreeMap<&str, bool>) -> bool {
        let element = |node: &Node| self.level(node) == Level::Element;
        let linear = |node: &Node| self.is_linear(node, known);
        match &node.expr {
            Expr::Number(x) => *x == 0.0,
            Expr::Name(name) => {
                let of_a_size = |s: &State| s.name == *name && s.kind == Kind::Square;
                let is_size = self.states.iter().any(of_a_size);
                element(node) && !is_size && known.get(name.as_str()).copied().unwrap_or(true)
            }
            Expr::Negate(x) => linear(x),
            Expr::Binary(Binary::Add | Binary::Subtract, pair) => pair.iter().all(linear),
            Expr::Binary(Binary::Multiply, pair) => {
                let [a, b] = &**pair;
                linear(a) && !element(b) || !element(a) && linear(b)
            }
            Expr::Binary(Binary::Divide, pair) => linear(&pair[0]) && !element(&pair[1]),
            Expr::Binary(Binary::Power, _) | Expr::Call(..) => false,
            Expr::Select(_, four) => {
                let [a, b, x, y] = &**four;
                !element(a) && !element(b) && linear(x) && linear(y)
            }
        }
    }

    /// Whether a size only grows, as AdaGrad's sum of squares: the steps then shrink by themselves.
    pub fn accumulates(&self) -> bool {
        let sizes = self
            .states
            .iter()
            .filter(|state| state.kind == Kind::Square);
        let mut sizes = sizes.map(|state| state.name.as_str());
        sizes.any(|name| {
            let mut own = self.statements.iter().filter(|s| s.target == name);
            own.all(|s| match (s.change, &s.value.expr) {
                (Some(Binary::Add), _) => !s.value.names(name),
                (None, Expr::Binary(Binary::Add, pair)) => {
                    matches!(&pair[0].expr, Expr::Name(first) if first == name)
                        && !pair[1].names(name)
                }
                _ => false,
            })
        })
    }

    /// Whether it has a state that is a size.
    pub fn has_sizes(&self) -> bool {
        self.states.iter().any(|state| state.kind == Kind::Square)
    }

    /// The states that move with the parameters, by their places.
    pub fn velocities(&self) -> impl Iterator<Item = usize> + '_ {
        let kinds = self.states.iter().map(|state| state.kind).enumerate();
        kinds
            .filter(|(_, kind)| *kind == Kind::Velocity)
            .map(|(place, _)| place)
    }

    /// Whether p steps along the gradient itself, not only along states.
    pub fn steps_along_gradient(&self) -> bool {
        let mut along = BTreeSet::from(["g"]);
        for statement in &self.statements {
            let is_state = self.is_state(&statement.target);
            if !is_state && along.iter().any(|name| statement.value.names(name)) {
                along.insert(&statement.target);
            }
        }
        along.contains("p")
    }
}

/// Buffers of a kernel row are eight at most, and control, p and g are three of them.
pub const MOST_STATES: usize = 4;
/// So that they fit a uniform beside what is computed from them.
const MOST_PARAMETERS: usize = 6;
const MOST_CONSTANTS: usize = 7;
/// Norms of a rule.
pub const MOST_NORMS: usize = 4;

fn refuse_reserved(name: &str, at: usize, allowed: bool) -> Result<(), Wrong> {
    let is_own = OWN.contains(&name) && !allowed;
    // Names that the program makes.
    let is_made = name.starts_with("log_") || name.starts_with("norm_");
    if is_own || is_made || RESERVED.contains(&name) {
        let what = format!(
            "{name} has a meaning of its own here or in a language that the rule becomes: choose another name"
        );
        return Err(Wrong::at(at, what));
    }
    Ok(())
}
