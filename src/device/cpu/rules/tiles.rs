//! A rule of the user's on the CPU: its statements as operations over tiles that stay in the L1 cache.
//!
//! Every operation reads and writes tiles of p, g, the states or scratch memory, eight lanes at a time, so that its own cost is
//! spread over a tile. Products and sums round as in compiled code, in the same order. What is the same for every element
//! is a scalar, computed once a step in f64.

use super::functions::{abs, exp, expm1, flush, log, max, min, power, sign, sqrt};
use crate::rule::{
    Binary, Comparison, Expr, Function, Level, MOST_NORMS, MOST_STATES, Measured, Named, Node,
    Plan, Program, Statement, Step,
};

/// Elements of a tile: twenty of them fit an L1 cache of 32 KiB.
const TILE: usize = 256;
/// Lanes at a time.
const LANES: usize = 8;

/// Where a tile lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    P,
    G,
    State(usize),
    Scratch(usize),
}

/// One operation over a tile, what it writes first; numbers are places of scalars.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Operation {
    /// `to = scalar`.
    Fill(Place, usize),
    /// `to = -a`.
    Negate(Place, Place),
    /// `to = f(a, b)`; functions of one argument pass over b.
    Call(Place, Function, [Place; 2]),
    /// `to = a o b`.
    Both(Place, Binary, [Place; 2]),
    /// `to = a o scalar`.
    Right(Place, Binary, Place, usize),
    /// `to = scalar o a`.
    Left(Place, Binary, usize, Place),
    /// `to = a + scalar b`.
    Add(Place, Place, (usize, Place)),
    /// `to = a - scalar b`.
    Subtract(Place, Place, (usize, Place)),
    /// `to = scalar a + scalar b`.
    Mix(Place, [(usize, Place); 2]),
    /// `to = x` where `a` compares to `b`, else `y`.
    Select(Place, Comparison, [Place; 4]),
    /// Small states become 0.
    Flush(usize),
    /// The squares of a are added to the sum of the norm of that number.
    Square(usize, Place),
}

/// The operations of a rule.
#[derive(Debug)]
pub struct Tiles {
    program: &'static Program,
    operations: Vec<Operation>,
    /// The pass before, for the norms: p and the states are copied into scratch first, since they stay as they are.
    measure: Vec<Operation>,
    /// What the scalars are, in order.
    scalars: Vec<Node>,
    /// Names that the scalars may have, computed before them in order.
    steps: Vec<Named>,
    /// Number of scratch tiles.
    scratch: usize,
}

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
    pub fn of(program: &'static Program) -> Self {
        let plan = Plan::in_f64(program);
        let mut maker = Maker {
            made: Self {
                program,
                operations: Vec::new(),
                measure: Vec::new(),
                scalars: Vec::new(),
                steps: plan.steps.clone(),
                scratch: 0,
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
        maker.made.measure = std::mem::replace(&mut maker.made.operations, operations);
        maker.made
    }

    /// The scalars of a step, in the order of the operations' numbers.
    fn scalars(&self, step: &super::Step<'_>) -> Vec<f32> {
        let scalars: Vec<f64> = step.scalars.iter().map(|x| f64::from(*x)).collect();
        let mut scope = self.program.scope(Step {
            scalars: &scalars,
            rate: f64::from(step.rate),
            t: f64::from(step.t),
        });
        for (norm, value) in self.program.norms.iter().zip(step.norms) {
            scope.define(&norm.name, value);
        }
        for named in &self.steps {
            let value = scope.value(&named.value);
            scope.define(&named.name, value);
        }
        self.scalars
            .iter()
            .map(|node| scope.value(node) as f32)
            .collect()
    }

    /// Runs the operations on all elements, a tile at a time.
    #[inline(always)]
    pub(super) fn run(
        &self,
        step: &super::Step<'_>,
        p: &mut [f32],
        g: &[f32],
        states: [&mut [f32]; MOST_STATES],
    ) {
        let states = states.map(|state| state.as_mut_ptr());
        let all = (p.as_mut_ptr(), g, states);
        self.each(&self.operations, step, p.len(), all, &mut [0.0; MOST_NORMS]);
    }

    /// The sums of squares of the norms over all elements.
    #[inline(always)]
    pub(super) fn squares(
        &self,
        step: &super::Step<'_>,
        p: &[f32],
        g: &[f32],
        states: [&[f32]; MOST_STATES],
    ) -> [f64; MOST_NORMS] {
        let states = states.map(|state| state.as_ptr().cast_mut());
        let mut sums = [0.0; MOST_NORMS];
        let all = (p.as_ptr().cast_mut(), g, states);
        self.each(&self.measure, step, p.len(), all, &mut sums);
        sums
    }

    #[inline(always)]
    fn each(
        &self,
        operations: &[Operation],
        step: &super::Step<'_>,
        len: usize,
        (p, g, states): (*mut f32, &[f32], [*mut f32; MOST_STATES]),
        sums: &mut [f64; MOST_NORMS],
    ) {
        let scalars = self.scalars(step);
        let mut scratch: Vec<f32> = Vec::with_capacity(self.scratch * TILE);
        let scratch = scratch.as_mut_ptr();
        for start in (0..len).step_by(TILE) {
            let place = |place: Place| match place {
                Place::P => p.wrapping_add(start),
                Place::G => g.as_ptr().cast_mut().wrapping_add(start),
                Place::State(state) => states[state].wrapping_add(start),
                Place::Scratch(tile) => scratch.wrapping_add(tile * TILE),
            };
            for operation in operations {
                // SAFETY: p, g and the states have `len` elements, a scratch tile has TILE and is written before it is read.
                // No operation writes g; none of `measure` writes p or a state.
                unsafe { run(*operation, &scalars, (len - start).min(TILE), &place, sums) };
            }
        }
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
        let to = self.take();
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

    /// Frees a scratch tile that no name stands for.
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

/// `to[i] = f(a[i], ..)` for so many elements; a tile that is read may be the one that is written.
#[inline(always)]
unsafe fn each<const N: usize>(
    len: usize,
    to: *mut f32,
    from: [*mut f32; N],
    f: impl Fn([f32; N]) -> f32,
) {
    let whole = len - len % LANES;
    let mut i = 0;
    while i < whole {
        // SAFETY: the caller's promise of `len` elements.
        unsafe {
            let read: [[f32; LANES]; N] =
                std::array::from_fn(|n| from[n].add(i).cast::<[f32; LANES]>().read_unaligned());
            let made: [f32; LANES] =
                std::array::from_fn(|lane| f(std::array::from_fn(|n| read[n][lane])));
            to.add(i).cast::<[f32; LANES]>().write_unaligned(made);
        }
        i += LANES;
    }
    for i in whole..len {
        // SAFETY: as above.
        unsafe { *to.add(i) = f(std::array::from_fn(|n| *from[n].add(i))) };
    }
}

/// Runs one operation on the first `len` elements of its tiles.
#[inline(always)]
unsafe fn run(
    operation: Operation,
    scalars: &[f32],
    len: usize,
    place: &impl Fn(Place) -> *mut f32,
    sums: &mut [f64; MOST_NORMS],
) {
    // SAFETY: the caller's promise of `len` elements in every place.
    unsafe {
        match operation {
            Operation::Fill(to, x) => {
                let x = scalars[x];
                each(len, place(to), [], |[]| x);
            }
            Operation::Negate(to, a) => each(len, place(to), [place(a)], |[a]| -a),
            Operation::Call(to, function, from) => {
                let (to, from) = (place(to), from.map(place));
                match function {
                    Function::Sqrt => each(len, to, from, |[a, _]| sqrt(a)),
                    Function::Abs => each(len, to, from, |[a, _]| abs(a)),
                    Function::Sign => each(len, to, from, |[a, _]| sign(a)),
                    Function::Min => each(len, to, from, |[a, b]| min(a, b)),
                    Function::Max => each(len, to, from, |[a, b]| max(a, b)),
                    Function::Exp => each(len, to, from, |[a, _]| exp(a)),
                    Function::Log => each(len, to, from, |[a, _]| log(a)),
                    Function::Expm1 => each(len, to, from, |[a, _]| expm1(a)),
                    // The check of a rule gives every norm a name.
                    Function::Norm => unreachable!("a norm is computed before"),
                }
            }
            Operation::Both(to, operator, from) => {
                let (to, from) = (place(to), from.map(place));
                match operator {
                    Binary::Add => each(len, to, from, |[a, b]| a + b),
                    Binary::Subtract => each(len, to, from, |[a, b]| a - b),
                    Binary::Multiply => each(len, to, from, |[a, b]| a * b),
                    Binary::Divide => each(len, to, from, |[a, b]| a / b),
                    Binary::Power => each(len, to, from, |[a, b]| power(a, b)),
                }
            }
            Operation::Right(to, operator, a, x) => {
                let (to, a, x) = (place(to), [place(a)], scalars[x]);
                match operator {
                    Binary::Add => each(len, to, a, |[a]| a + x),
                    Binary::Subtract => each(len, to, a, |[a]| a - x),
                    Binary::Multiply => each(len, to, a, |[a]| a * x),
                    Binary::Divide => each(len, to, a, |[a]| a / x),
                    Binary::Power if x == 2.0 => each(len, to, a, |[a]| a * a),
                    Binary::Power if x == 0.5 => each(len, to, a, |[a]| sqrt(a)),
                    Binary::Power => each(len, to, a, |[a]| power(a, x)),
                }
            }
            Operation::Left(to, operator, x, a) => {
                let (to, a, x) = (place(to), [place(a)], scalars[x]);
                match operator {
                    Binary::Add => each(len, to, a, |[a]| x + a),
                    Binary::Subtract => each(len, to, a, |[a]| x - a),
                    Binary::Multiply => each(len, to, a, |[a]| x * a),
                    Binary::Divide => each(len, to, a, |[a]| x / a),
                    Binary::Power => each(len, to, a, |[a]| power(x, a)),
                }
            }
            Operation::Add(to, a, (x, b)) => {
                let x = scalars[x];
                each(len, place(to), [a, b].map(place), |[a, b]| a + x * b);
            }
            Operation::Subtract(to, a, (x, b)) => {
                let x = scalars[x];
                each(len, place(to), [a, b].map(place), |[a, b]| a - x * b);
            }
            Operation::Mix(to, [(x, a), (y, b)]) => {
                let (x, y) = (scalars[x], scalars[y]);
                each(len, place(to), [a, b].map(place), |[a, b]| x * a + y * b);
            }
            Operation::Select(to, comparison, four) => {
                let (to, four) = (place(to), four.map(place));
                match comparison {
                    Comparison::Less => {
                        each(len, to, four, |[a, b, x, y]| if a < b { x } else { y })
                    }
                    Comparison::LessOrEqual => {
                        each(len, to, four, |[a, b, x, y]| if a <= b { x } else { y })
                    }
                    Comparison::Greater => {
                        each(len, to, four, |[a, b, x, y]| if a > b { x } else { y })
                    }
                    Comparison::GreaterOrEqual => {
                        each(len, to, four, |[a, b, x, y]| if a >= b { x } else { y })
                    }
                    Comparison::Equal => {
                        each(len, to, four, |[a, b, x, y]| if a == b { x } else { y })
                    }
                    Comparison::NotEqual => {
                        each(len, to, four, |[a, b, x, y]| if a != b { x } else { y })
                    }
                }
            }
            Operation::Square(norm, a) => {
                let a = std::slice::from_raw_parts(place(a), len);
                let mut lanes = [0.0f32; LANES];
                let (whole, rest) = a.as_chunks::<LANES>();
                for eight in whole {
                    for (lane, x) in lanes.iter_mut().zip(eight) {
                        *lane += x * x;
                    }
                }
                for (lane, x) in lanes.iter_mut().zip(rest) {
                    *lane += x * x;
                }
                sums[norm] += lanes.iter().map(|x| f64::from(*x)).sum::<f64>();
            }
            Operation::Flush(state) => {
                let state = place(Place::State(state));
                each(len, state, [state], |[x]| flush(x));
            }
        }
    }
}
