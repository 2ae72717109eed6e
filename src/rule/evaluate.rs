//! A rule in f64, evaluated statement by statement: the reference that every device is held against.

use super::expression::{Binary, Expr, Function, Node};
use super::parse::{Statement, Wrong};
use super::program::Program;

/// States under this are set to 0, on every device alike: denormals would slow a CPU's later steps down.
pub const FLUSH: f64 = 1e-30;

/// What a step gives every element.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// Parameters, then the weight decay ([`Program::scalars`]).
    pub scalars: &'a [f64],
    /// Learning rate.
    pub rate: f64,
    /// Number of the step, from 1.
    pub t: f64,
}

/// Values of names in one step.
pub struct Scope<'a> {
    program: &'a Program,
    step: Step<'a>,
    p: f64,
    g: f64,
    states: Vec<f64>,
    locals: Vec<(&'a str, f64)>,
}

impl Program {
    /// The values in a step that are the same for every element: parameters, `rate` and `t`.
    pub fn scope<'a>(&'a self, step: Step<'a>) -> Scope<'a> {
        Scope {
            program: self,
            step,
            p: f64::NAN,
            g: f64::NAN,
            states: Vec::new(),
            locals: Vec::new(),
        }
    }

    /// The values of an element before its statements.
    fn scope_of<'a>(&'a self, step: Step<'a>, (p, g): (f64, f64), states: &[f64]) -> Scope<'a> {
        let decay = step.scalars[self.parameters.len()];
        Scope {
            p,
            g: if self.decays { g } else { g + decay * p },
            states: states.to_vec(),
            ..self.scope(step)
        }
    }

    /// Adds an element's squares to the sums of the norms: statements that need a norm come to nothing here.
    fn add_squares(&self, step: Step<'_>, sums: &mut [f64], (p, g): (f64, f64), states: &[f64]) {
        let mut scope = self.scope_of(step, (p, g), states);
        for norm in &self.norms {
            scope.define(&norm.name, f64::NAN);
        }
        for (place, statement) in self.lowered.iter().enumerate() {
            for (norm, sum) in self.norms.iter().zip(&mut *sums) {
                if norm.before == place {
                    *sum += scope.value(&norm.value).powi(2);
                }
            }
            let value = scope.value(&statement.value);
            scope.assign(statement, value);
        }
    }

    /// One step of one element: p and the states change. `fault` sees every division by 0.
    fn element<'a>(
        &'a self,
        step: Step<'a>,
        norms: &[f64],
        (p, g): (&mut f64, f64),
        states: &mut [f64],
        fault: &mut dyn FnMut(&Node),
    ) {
        let mut scope = self.scope_of(step, (*p, g), states);
        for (norm, value) in self.norms.iter().zip(norms) {
            scope.define(&norm.name, *value);
        }
        for statement in &self.lowered {
            let value = scope.checked(&statement.value, fault);
            scope.assign(statement, value);
        }
        *p = scope.p;
        for (state, new) in states.iter_mut().zip(scope.states) {
            *state = if new.abs() < FLUSH { 0.0 } else { new };
        }
    }

    /// One step: `p` and the states change by the gradient `g`, element by element.
    pub fn evaluate(&self, step: Step<'_>, p: &mut [f64], g: &[f64], states: &mut [Vec<f64>]) {
        let mut own = vec![0.0; states.len()];
        let mut norms = vec![0.0; self.norms.len()];
        for (i, (p, g)) in p
            .iter()
            .zip(g)
            .enumerate()
            .filter(|_| !self.norms.is_empty())
        {
            for (own, state) in own.iter_mut().zip(&*states) {
                *own = state[i];
            }
            self.add_squares(step, &mut norms, (*p, *g), &own);
        }
        norms.iter_mut().for_each(|norm| *norm = norm.sqrt());
        for (i, (p, g)) in p.iter_mut().zip(g).enumerate() {
            for (own, state) in own.iter_mut().zip(&*states) {
                *own = state[i];
            }
            self.element(step, &norms, (p, *g), &mut own, &mut |_| {});
            for (own, state) in own.iter().zip(&mut *states) {
                state[i] = *own;
            }
        }
    }
}

impl Program {
    /// Length of the last of so many steps at rate 1 from a vector of length 1, always the same one, along a gradient of length
    /// 1.
    pub fn step_length(&self, len: usize, steps: usize) -> f64 {
        let scalars = self.scalars(0.0);
        let size = 1.0 / (len as f64).sqrt();
        let start = vec![size; len];
        let signs = (0..len).map(|i| if i % 2 == 0 { size } else { -size });
        let gradient: Vec<f64> = signs.collect();
        let states = self.states.iter().map(|state| vec![state.start; len]);
        let mut states: Vec<Vec<f64>> = states.collect();
        let mut p = start.clone();
        for t in 1..=steps {
            p.clone_from(&start);
            let step = Step {
                scalars: &scalars,
                rate: 1.0,
                t: t as f64,
            };
            self.evaluate(step, &mut p, &gradient, &mut states);
        }
        let moved = p.iter().zip(&start).map(|(a, b)| (a - b).powi(2));
        moved.sum::<f64>().sqrt()
    }
}

impl<'a> Scope<'a> {
    /// Gives a name a value, in place of what it stood for.
    pub fn define(&mut self, name: &'a str, value: f64) {
        self.locals.push((name, value));
    }

    /// The value of an expression; NaN where it depends on the element and no element is given.
    pub fn value(&self, node: &Node) -> f64 {
        self.checked(node, &mut |_| {})
    }

    fn checked(&self, node: &Node, fault: &mut dyn FnMut(&Node)) -> f64 {
        value(node, &|name| self.named(name), fault)
    }

    fn assign(&mut self, statement: &'a Statement, value: f64) {
        let name = statement.target.as_str();
        let place = match name {
            "p" => &mut self.p,
            name => match self.program.states.iter().position(|s| s.name == name) {
                Some(place) => &mut self.states[place],
                None => return self.locals.push((name, value)),
            },
        };
        *place = match statement.change {
            Some(Binary::Subtract) => *place - value,
            Some(_) => *place + value,
            None => value,
        };
    }

    /// # Panics
    /// For a name that the check of a rule refuses.
    fn named(&self, name: &str) -> f64 {
        let parameters = self.program.parameters.iter();
        let states = self.program.states.iter();
        let (of_parameter, of_state) = (
            parameters
                .zip(self.step.scalars)
                .find(|((own, _), _)| own == name),
            states.zip(&self.states).find(|(own, _)| own.name == name),
        );
        match name {
            "p" => self.p,
            "g" => self.g,
            "rate" => self.step.rate,
            "t" => self.step.t,
            "weight_decay" => self.step.scalars[self.program.parameters.len()],
            _ => of_parameter
                .map(|(_, value)| *value)
                .or(of_state.map(|(_, value)| *value))
                .or_else(|| {
                    let mut locals = self.locals.iter().rev();
                    locals
                        .find(|(own, _)| *own == name)
                        .map(|(_, value)| *value)
                })
                .unwrap_or_else(|| panic!("{name} passed the check and has no value")),
        }
    }
}

/// The value of an expression, of names as `named` says. `fault` sees every division by 0.
pub(super) fn value(node: &Node, named: &dyn Fn(&str) -> f64, fault: &mut dyn FnMut(&Node)) -> f64 {
    match &node.expr {
        Expr::Number(x) => *x,
        Expr::Name(name) => named(name),
        Expr::Negate(x) => -value(x, named, fault),
        Expr::Binary(operator, pair) => {
            let [a, b] = [0, 1].map(|side| value(&pair[side], named, fault));
            match operator {
                Binary::Add => a + b,
                Binary::Subtract => a - b,
                Binary::Multiply => a * b,
                Binary::Divide => {
                    if b == 0.0 {
                        fault(&pair[1]);
                    }
                    a / b
                }
                Binary::Power => power(a, b),
            }
        }
        Expr::Call(function, arguments) => {
            let mut values = arguments.iter().map(|x| value(x, named, fault));
            let a = values.next().unwrap_or(f64::NAN);
            let b = values.next().unwrap_or(f64::NAN);
            call(*function, a, b)
        }
        Expr::Select(comparison, four) => {
            let [a, b] = [0, 1].map(|side| value(&four[side], named, fault));
            let chosen = if comparison.holds(a, b) { 2 } else { 3 };
            value(&four[chosen], named, fault)
        }
    }
}

fn power(a: f64, b: f64) -> f64 {
    match b {
        2.0 => a * a,
        0.5 => a.sqrt(),
        _ => a.powf(b),
    }
}

fn call(function: Function, a: f64, b: f64) -> f64 {
    match function {
        Function::Sqrt => a.sqrt(),
        Function::Abs => a.abs(),
        Function::Sign if a > 0.0 => 1.0,
        Function::Sign if a < 0.0 => -1.0,
        // 0, and NaN.
        Function::Sign => a,
        Function::Min => {
            if a < b {
                a
            } else {
                b
            }
        }
        Function::Max => {
            if a > b {
                a
            } else {
                b
            }
        }
        Function::Exp => a.exp(),
        Function::Log => a.ln(),
        Function::Expm1 => a.exp_m1(),
        Function::Cos => a.cos(),
        Function::Floor => a.floor(),
        // The check of a rule gives every norm a name.
        Function::Norm => f64::NAN,
    }
}

/// Gradients that a first step is tried with: both signs, large and small, and 0, which pixels without ink have.
const TRIED: [f64; 5] = [0.75, -1.25, 1e-3, -40.0, 0.0];

/// Refuses a rule whose first step divides by 0 or is not finite.
pub(super) fn first_step(program: &Program) -> Result<(), Wrong> {
    let scalars = program.scalars(program.weight_decay);
    let step = Step {
        scalars: &scalars,
        rate: program.rate,
        t: 1.0,
    };
    for g in TRIED {
        let mut states: Vec<f64> = program.states.iter().map(|state| state.start).collect();
        let mut zero: Option<Node> = None;
        let mut p = 0.5;
        let mut norms = vec![0.0; program.norms.len()];
        program.add_squares(step, &mut norms, (p, g), &states);
        norms.iter_mut().for_each(|norm| *norm = norm.sqrt());
        program.element(step, &norms, (&mut p, g), &mut states, &mut |node| {
            zero.get_or_insert_with(|| node.clone());
        });
        if let Some(zero) = zero {
            let what = format!(
                "this is 0 in the first step of an element whose gradient is {g}, and something is divided by it: add a \
                 small number"
            );
            return Err(Wrong::at(zero.at, what));
        }
        let last = |name: &str| {
            let writing = program.statements.iter().rev().find(|s| s.target == name);
            writing.map_or(0, |statement| statement.at)
        };
        let names = program.states.iter().map(|state| state.name.as_str());
        for (name, value) in names.zip(&states).chain([("p", &p)]) {
            if !value.is_finite() {
                let what = format!(
                    "{name} is not finite after the first step of an element whose gradient is {g}"
                );
                return Err(Wrong::at(last(name), what));
            }
        }
    }
    Ok(())
}
