//! Norms of a rule: each gets a name, and is taken in a pass before the elements change.

use std::collections::BTreeSet;

use super::expression::{Expr, Function, Node};
use super::parse::{Statement, Wrong};
use super::program::{Level, MOST_NORMS, Norm, Program};

impl Program {
    /// Gives every norm a name.
    pub(super) fn lower(&mut self) -> Result<(), Wrong> {
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
}
