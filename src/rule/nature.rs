//! What kind of rule it is, as far as a problem treats kinds in different ways: read off the statements.

use std::collections::{BTreeMap, BTreeSet};

use super::expression::{Binary, Expr, Node};
use super::file::{Kind, State};
use super::program::{Level, Program};

impl Program {
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
