//! What each list of [`Axes`] is: how it is typed, how a suite is narrowed by it, how its words are read, and what they set.

use super::Axes;
use crate::data::{Spec, split_list};
use crate::error::Result;
use crate::race::case::Source;
use crate::race::name::{Named, rule, schedule};
use crate::race::task::Draft;
use crate::race::words::{
    batch, layers, positive, rate, seed, split, warm_up, weight_decay, whole,
};

/// One list of [`Axes`].
pub struct Parameter {
    /// The list.
    pub list: fn(&mut Axes) -> &mut Vec<String>,
    /// The words of the flag as it was typed.
    pub split: fn(&[String]) -> Result<Vec<String>>,
    /// Whether flags narrow a suite to some of its own words, rather than replace them.
    pub choice: bool,
    /// What its words are for.
    pub used: Use,
}

/// What words are for.
#[derive(Clone, Copy)]
pub enum Use {
    /// Each sets something of a case.
    Case(fn(&mut Draft, &str) -> Result<()>),
    /// Where, or how often, cases are measured.
    Measuring,
}

type List = fn(&mut Axes) -> &mut Vec<String>;
type Set = fn(&mut Draft, &str) -> Result<()>;

/// A choice among names.
const fn choice(list: List, set: Set) -> Parameter {
    Parameter {
        choice: true,
        ..value(list, set)
    }
}

/// A value.
const fn value(list: List, set: Set) -> Parameter {
    Parameter {
        list,
        split: |flag| Ok(flag.iter().flat_map(|text| split(text)).collect()),
        choice: false,
        used: Use::Case(set),
    }
}

const fn measuring(list: List) -> Parameter {
    Parameter {
        used: Use::Measuring,
        ..value(list, |_, _| Ok(()))
    }
}

/// Every list, in the order in which they are crossed: the first varies slowest.
pub const PARAMETERS: &[Parameter] = &[
    choice(
        |a| &mut a.problem,
        |d, w| Named::parse(w).map(|x| d.problem = x),
    ),
    Parameter {
        split: |flag| flag.first().map_or(Ok(Vec::new()), |text| split_list(text)),
        ..value(|a| &mut a.data, |d, w| source(w).map(|x| d.source = x))
    },
    value(
        |a| &mut a.standardize,
        |d, w| Named::parse(w).map(|x| d.standardize = x),
    ),
    Parameter {
        // A network's own words hold commas: the flag is repeated instead.
        split: |flag| Ok(flag.to_vec()),
        ..value(
            |a| &mut a.layers,
            |d, w| layers(w).map(|x| d.mlp.layers = x),
        )
    },
    value(
        |a| &mut a.weight_decay,
        |d, w| weight_decay(w).map(|x| d.mlp.weight_decay = Some(x)),
    ),
    choice(
        |a| &mut a.method,
        |d, w| Named::parse(w).map(|x| d.pca.method = x),
    ),
    choice(
        |a| &mut a.operator,
        |d, w| Named::parse(w).map(|x| d.pca.steps.operator = x),
    ),
    value(|a| &mut a.batch, |d, w| batch(w).map(|x| d.set_batch(x))),
    choice(|a| &mut a.optimizer, |d, w| rule(w).map(|x| d.set_rule(x))),
    choice(
        |a| &mut a.gradient,
        |d, w| Named::parse(w).map(|x| d.pca.gradient = Some(x)),
    ),
    value(
        |a| &mut a.learning_rate,
        |d, w| rate(w).map(|x| d.set_learning_rate(x)),
    ),
    choice(
        |a| &mut a.schedule,
        |d, w| schedule(w).map(|x| d.set_schedule(x)),
    ),
    value(
        |a| &mut a.warm_up,
        |d, w| warm_up(w).map(|x| d.set_warm_up(x)),
    ),
    value(
        |a| &mut a.components,
        |d, w| whole("components", w).map(|x| d.pca.components = x),
    ),
    value(
        |a| &mut a.precision,
        |d, w| Named::parse(w).map(|x| d.precision = Some(x)),
    ),
    value(
        |a| &mut a.target,
        |d, w| positive("target", w).map(|x| d.target = Some(x)),
    ),
    value(
        |a| &mut a.tolerance,
        |d, w| positive("tolerance", w).map(|x| d.pca.steps.tolerance = x),
    ),
    value(
        |a| &mut a.max_iterations,
        |d, w| whole("max-iterations", w).map(|x| d.pca.steps.max_iterations = x as u64),
    ),
    value(
        |a| &mut a.time_limit,
        |d, w| positive("time-limit", w).map(|x| d.time_limit_s = x),
    ),
    value(
        |a| &mut a.epochs,
        |d, w| whole("epochs", w).map(|x| d.set_epochs(x as u64)),
    ),
    value(|a| &mut a.seed, |d, w| seed(w).map(|x| d.seed = x)),
    measuring(|a| &mut a.device),
    measuring(|a| &mut a.threads),
    measuring(|a| &mut a.repeats),
];

/// Samples: equal specs become equal words; a path stays as it is, to be opened.
fn source(text: &str) -> Result<Source> {
    Ok(Source::Spec(match Spec::parse(text)? {
        Spec::Path(_) => text.to_string(),
        spec => spec.to_string(),
    }))
}
