//! The check of a rule: every name has a value where it is used, everything that is declared is used, and the first step is
//! finite.

use std::collections::BTreeMap;

use super::evaluate::first_step;
use super::expression::{Binary, Expr, Function, Node};
use super::file::Stated;
use super::parse::{Statement, Wrong, statements};
use super::program::{MOST_CONSTANTS, MOST_PARAMETERS, MOST_STATES, OWN, Program};
use super::write::Plan;

/// Words of Rust, C++, CUDA and WGSL, and names that the hand-written text around a rule has.
const RESERVED: &str = "\
    abs alias alignas alignof as asm async atomic auto await become bitcast bool box break case catch char class \
    concept const const_assert const_cast constexpr continue continuing control crate cube decltype default delete \
    diagnostic discard do double dyn else enable enum exp explicit expm1 export extern f16 f32 f64 fallthrough false \
    final float float2 float3 float4 flush fn for friend frozen gen global goto groups i i32 id if impl in inline int \
    len let log long loop macro match max min mod module move mut mutable namespace new noexcept norm null nullptr \
    operator override package params power priv private protected ptr pub public ref register requires return rule \
    scalars select self shared short sign signed sizeof sqrt square start_of states static static_assert struct super \
    switch template texture this thread throw trait true try type typedef typeid typename u32 union unsafe unsigned \
    unsized use using var vec2 vec3 vec4 virtual void volatile wchar_t where while wide workgroup yield";

impl Program {
    /// Checks what a file states.
    ///
    /// # Errors
    /// What is wrong and where.
    pub(super) fn check(stated: &Stated) -> Result<Self, Wrong> {
        let inside = |wrong: Wrong| wrong.after(stated.start);
        let mut program = Self::named(stated, &OWN)?;
        if let Some(at) = program.calling(&[Function::Cos, Function::Floor]) {
            let what = "cos and floor are for schedules: not every GPU has them to f32's precision";
            return Err(inside(Wrong::at(at, what)));
        }
        program.lower().map_err(inside)?;
        program.check_use(stated)?;
        first_step(&program).map_err(inside)?;
        Ok(program)
    }

    /// What a file states, once every name in it has a value: a rule, or a schedule, by the names that it has without declaring
    /// them.
    ///
    /// # Errors
    /// What is wrong and where.
    pub(super) fn named(stated: &Stated, own: &'static [&'static str]) -> Result<Self, Wrong> {
        let inside = |wrong: Wrong| wrong.after(stated.start);
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
            let is_decay =
                name == "weight_decay" && what == "parameter" && own.contains(&name.as_str());
            refuse_reserved(name, at, own, is_decay)?;
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
                "there is no statement: write one, name = expression",
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
        program.check_names(own).map_err(inside)?;
        Ok(program)
    }

    /// Where a statement first calls one of these.
    pub(super) fn calling(&self, functions: &[Function]) -> Option<usize> {
        let called = |node: &Node| matches!(&node.expr, Expr::Call(f, _) if functions.contains(f));
        self.statements.iter().find_map(|statement| {
            let mut left = vec![&statement.value];
            while let Some(node) = left.pop() {
                if called(node) {
                    return Some(node.at);
                }
                left.extend(node.children().into_iter().rev());
            }
            None
        })
    }

    /// Every name has a value where it is used, and every local gets one once.
    fn check_names(&mut self, own: &[&str]) -> Result<(), Wrong> {
        for (place, statement) in self.statements.clone().iter().enumerate() {
            let Statement {
                target,
                at,
                change,
                value,
            } = statement;
            let is_p = target == "p" && own.contains(&"p");
            let is_local = !is_p && !self.is_state(target);
            self.check_values(statement, place, own)?;
            if !is_local {
                continue;
            }
            if self.is_parameter(target) || own.contains(&target.as_str()) {
                let what = format!(
                    "{target} is given and stays as it is: choose another name for the new value"
                );
                return Err(Wrong::at(*at, what));
            }
            refuse_reserved(target, *at, own, false)?;
            if self.levels.contains_key(target) {
                let what = format!(
                    "{target} has a value already: choose another name (only p and states change)"
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

    fn check_values(&self, statement: &Statement, place: usize, own: &[&str]) -> Result<(), Wrong> {
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
            let is_known = own.contains(&name.as_str())
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
                    let mut known: Vec<&str> = own.to_vec();
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

    /// Every parameter is used.
    pub(super) fn check_parameters(&self, stated: &Stated) -> Result<(), Wrong> {
        let unused = stated
            .parameters
            .iter()
            .find(|(name, ..)| self.statements.iter().all(|s| !s.value.names(name)));
        unused.map_or(Ok(()), |(name, _, at)| {
            let what = format!("the parameter {name} is not used: remove it");
            Err(Wrong::at(*at, what))
        })
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
        self.check_parameters(stated)?;
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
}

fn refuse_reserved(name: &str, at: usize, own: &[&str], allowed: bool) -> Result<(), Wrong> {
    let is_own = own.contains(&name) && !allowed;
    // Names that the program makes.
    let is_made = name.starts_with("log_") || name.starts_with("norm_");
    if is_own || is_made || RESERVED.split_whitespace().any(|word| word == name) {
        let what = format!(
            "{name} has a meaning of its own here or in a language that the rule becomes: choose another name"
        );
        return Err(Wrong::at(at, what));
    }
    Ok(())
}
