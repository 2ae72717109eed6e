//! From a rule's statements to operations over tiles.

use super::fuse::fused;
use super::{Operation, Place, Tiles};
use crate::rule::{Binary, Comparison, Expr, Level, Measured, Node, Plan, Program, Statement};

/// A value while operations are made.
#[derive(Debug, Clone, Copy)]
enum Value {
    Tile(Place),
    Scalar(usize),
}

/// Makes the operations of a rule.
struct Maker {
    made: Tiles,
    /// Where p is.
    p: Place,
    /// Where g is: with the weight decay, in scratch.
    gradient: Place,
    /// Where the states are.
    states: Vec<Place>,
    locals: Vec<(String, Value)>,
    /// Scratch tiles whose value is not needed any more.
    free: Vec<usize>,
}

impl Tiles {
    /// The operations of this rule.
    pub(in super::super) fn of(program: &'static Program) -> Self {
        let plan = Plan::in_f64(program);
        let mut maker = Maker {
            made: Self {
                program,
                operations: Vec::new(),
                measure: Vec::new(),
                scalars: Vec::new(),
                steps: plan.steps.clone(),
                scratch: 0,
                decayed: None,
            },
            p: Place::P,
            gradient: Place::G,
            states: (0..program.states.len()).map(Place::State).collect(),
            locals: Vec::new(),
            free: Vec::new(),
        };
        maker.decay();
        plan.body
            .iter()
            .for_each(|statement| maker.statement(statement));
        (0..program.states.len()).for_each(|state| maker.push(Operation::Flush(state)));
        let operations = std::mem::take(&mut maker.made.operations);
        if !plan.measure.is_empty() {
            maker.measure(&plan.measure);
        }
        let measure = std::mem::take(&mut maker.made.operations);
        let one = maker.scalar(&Node::new(Expr::Number(1.0), 0));
        // The weight decay may be left out.
        let apart = usize::from(maker.made.decayed.is_some());
        maker.made.operations = fused(operations, apart, one);
        maker.made.measure = fused(measure, apart, one);
        maker.made
    }
}

impl Maker {
    /// Adds the weight decay to g, where it is not the rule's own.
    fn decay(&mut self) {
        if self.made.program.decays {
            self.gradient = Place::G;
            return;
        }
        let decay = self.scalar(&Node::new(Expr::Name("weight_decay".into()), 0));
        // The first operation of both passes, into the same tile, so that it can be left out.
        let to = match self.made.decayed {
            Some(tile) => {
                self.free.retain(|free| *free != tile);
                Place::Scratch(tile)
            }
            None => self.take(),
        };
        if let Place::Scratch(tile) = to {
            self.made.decayed = Some(tile);
        }
        self.push(Operation::Add(to, Place::G, (decay, Place::P)));
        self.gradient = to;
    }

    /// The operations of the pass for the norms.
    fn measure(&mut self, pieces: &[Measured]) {
        self.free = (0..self.made.scratch).collect();
        self.locals.clear();
        self.decay();
        let own = (0..self.states.len()).map(Place::State);
        for (place, from) in [Place::P].into_iter().chain(own).enumerate() {
            let to = self.take();
            self.copy(to, from);
            match place {
                0 => self.p = to,
                state => self.states[state - 1] = to,
            }
        }
        for piece in pieces {
            match piece {
                Measured::Statement(statement) => self.statement(statement),
                Measured::Square(norm, value) => {
                    let place = self.tile(value);
                    self.push(Operation::Square(*norm, place));
                    self.release(place);
                }
            }
        }
    }

    fn push(&mut self, operation: Operation) {
        self.made.operations.push(operation);
    }

    /// A scratch tile.
    fn take(&mut self) -> Place {
        Place::Scratch(self.free.pop().unwrap_or_else(|| {
            self.made.scratch += 1;
            self.made.scratch - 1
        }))
    }

    /// Frees a scratch tile unless a name still refers to it.
    fn release(&mut self, place: Place) {
        let is_named = [self.gradient, self.p].contains(&place)
            || self.states.contains(&place)
            || self
                .locals
                .iter()
                .any(|(_, value)| matches!(value, Value::Tile(p) if *p == place));
        if let Place::Scratch(tile) = place
            && !is_named
            && !self.free.contains(&tile)
        {
            self.free.push(tile);
        }
    }

    fn scalar(&mut self, node: &Node) -> usize {
        let known = self.made.scalars.iter().position(|scalar| scalar == node);
        known.unwrap_or_else(|| {
            self.made.scalars.push(node.clone());
            self.made.scalars.len() - 1
        })
    }

    fn statement(&mut self, statement: &Statement) {
        let Statement {
            target,
            change,
            value,
            ..
        } = statement;
        let to = match target.as_str() {
            "p" => Some(self.p),
            name => self.state(name),
        };
        let Some(to) = to else {
            let value = match self.value(value) {
                // A copy, since a statement after this one may change it.
                Value::Tile(place) if matches!(value.expr, Expr::Name(_)) => {
                    let to = self.take();
                    self.copy(to, place);
                    Value::Tile(to)
                }
                value => value,
            };
            self.locals.push((target.clone(), value));
            return;
        };
        let Some(change) = change else {
            return self.compute(value, to);
        };
        if let Some(scaled) = self.scaled(value) {
            self.push(match change {
                Binary::Subtract => Operation::Subtract(to, to, scaled),
                _ => Operation::Add(to, to, scaled),
            });
            return self.release(scaled.1);
        }
        match self.value(value) {
            Value::Scalar(scalar) => self.push(Operation::Right(to, *change, to, scalar)),
            Value::Tile(place) => {
                self.push(Operation::Both(to, *change, [to, place]));
                self.release(place);
            }
        }
    }

    fn state(&self, name: &str) -> Option<Place> {
        let mut states = self.made.program.states.iter();
        let place = states.position(|state| state.name == name);
        place.map(|place| self.states[place])
    }

    /// Where the value of an expression is, computed into scratch where it is not there yet.
    fn value(&mut self, node: &Node) -> Value {
        if let Expr::Name(name) = &node.expr {
            let local = self.locals.iter().rev().find(|(own, _)| own == name);
            match (name.as_str(), local, self.state(name)) {
                ("p", ..) => return Value::Tile(self.p),
                ("g", ..) => return Value::Tile(self.gradient),
                (_, Some((_, value)), _) => return *value,
                (_, _, Some(state)) => return Value::Tile(state),
                _ => {}
            }
        }
        if self.made.program.level(node) < Level::Element {
            return Value::Scalar(self.scalar(node));
        }
        let to = self.take();
        self.compute(node, to);
        Value::Tile(to)
    }

    /// A choice between a tile and itself.
    fn copy(&mut self, to: Place, from: Place) {
        self.push(Operation::Select(to, Comparison::Equal, [from; 4]));
    }

    /// As [`Maker::value`], with scalars filled into a tile.
    fn tile(&mut self, node: &Node) -> Place {
        match self.value(node) {
            Value::Tile(place) => place,
            Value::Scalar(scalar) => {
                let to = self.take();
                self.push(Operation::Fill(to, scalar));
                to
            }
        }
    }

    /// A product of a scalar and a tile.
    fn scaled(&mut self, node: &Node) -> Option<(usize, Place)> {
        let Expr::Binary(Binary::Multiply, pair) = &node.expr else {
            return None;
        };
        let [a, b] = [0, 1].map(|side| self.made.program.level(&pair[side]) < Level::Element);
        let (scalar, tile) = match (a, b) {
            (true, false) => (&pair[0], &pair[1]),
            (false, true) => (&pair[1], &pair[0]),
            _ => return None,
        };
        let scalar = self.scalar(scalar);
        Some((scalar, self.tile(tile)))
    }

    /// The operations that leave the value of an expression in `to`; only the last of them writes there.
    fn compute(&mut self, node: &Node, to: Place) {
        let read = match &node.expr {
            Expr::Number(_) | Expr::Name(_) => match self.value(node) {
                Value::Scalar(scalar) => {
                    self.push(Operation::Fill(to, scalar));
                    vec![]
                }
                Value::Tile(place) => {
                    self.copy(to, place);
                    vec![]
                }
            },
            _ if self.made.program.level(node) < Level::Element => {
                let scalar = self.scalar(node);
                self.push(Operation::Fill(to, scalar));
                vec![]
            }
            Expr::Negate(x) => {
                let place = self.tile(x);
                self.push(Operation::Negate(to, place));
                vec![place]
            }
            Expr::Binary(operator, pair) => self.binary(*operator, pair, to),
            Expr::Call(function, arguments) => {
                let places: Vec<Place> = arguments.iter().map(|x| self.tile(x)).collect();
                let both = [places[0], places[places.len() - 1]];
                self.push(Operation::Call(to, *function, both));
                places
            }
            Expr::Select(comparison, four) => {
                let places = four.each_ref().map(|node| self.tile(node));
                self.push(Operation::Select(to, *comparison, places));
                places.to_vec()
            }
        };
        read.into_iter().for_each(|place| self.release(place));
    }

    fn binary(&mut self, operator: Binary, pair: &[Node; 2], to: Place) -> Vec<Place> {
        let [a, b] = pair;
        if let Binary::Add | Binary::Subtract = operator
            && self.made.program.level(a) == Level::Element
        {
            let left = match operator {
                Binary::Add => self.scaled(a),
                _ => None,
            };
            let right = self.scaled(b);
            match (left, right) {
                (Some(left), Some(right)) => {
                    self.push(Operation::Mix(to, [left, right]));
                    return vec![left.1, right.1];
                }
                (Some(left), None) if self.made.program.level(b) == Level::Element => {
                    let place = self.tile(b);
                    self.push(Operation::Add(to, place, left));
                    return vec![left.1, place];
                }
                (None, Some(right)) => {
                    let place = self.tile(a);
                    self.push(match operator {
                        Binary::Add => Operation::Add(to, place, right),
                        _ => Operation::Subtract(to, place, right),
                    });
                    return vec![right.1, place];
                }
                (Some(left), None) => self.release(left.1),
                (None, None) => {}
            }
        }
        match [self.value(a), self.value(b)] {
            [Value::Tile(a), Value::Tile(b)] => {
                self.push(Operation::Both(to, operator, [a, b]));
                vec![a, b]
            }
            [Value::Tile(a), Value::Scalar(b)] => {
                self.push(Operation::Right(to, operator, a, b));
                vec![a]
            }
            [Value::Scalar(a), Value::Tile(b)] => {
                self.push(Operation::Left(to, operator, a, b));
                vec![b]
            }
            // The level of the whole would be a scalar's.
            [Value::Scalar(_), Value::Scalar(_)] => unreachable!("two scalars are one"),
        }
    }
}
