//! Fuses two operations where only the second reads what the first writes, so that it stays in registers. Rounding does not change.

use super::{Operation, Place};
use crate::rule::{Binary, Function};

/// Fuses what can be, but for the first `apart` operations; `one` is the place of the scalar 1.
pub fn fused(operations: Vec<Operation>, apart: usize, one: usize) -> Vec<Operation> {
    let mut all = operations;
    let mut at = apart + 1;
    while at < all.len() {
        let made = (apart..at).rev().find_map(|first| {
            let both = pair(&all[first], &all[at], one)?;
            may_move(&all, first, at).then_some((first, both))
        });
        match made {
            // What comes of it may be fused with another.
            Some((first, both)) => {
                all[at] = both;
                all.remove(first);
                at = (at - 1).max(apart + 1);
            }
            None => at += 1,
        }
    }
    all
}

/// Whether the first of two operations may as well be a part of the second: what it writes is scratch that the second alone reads, and
/// what it reads stays as it is until then.
fn may_move(all: &[Operation], first: usize, second: usize) -> bool {
    let Some(to @ Place::Scratch(_)) = all[first].writes() else {
        return false;
    };
    let reads_it = |o: &Operation| o.reads().contains(&to);
    let writes_it = |o: &Operation| o.writes() == Some(to);
    let read = all[first].reads();
    let changes = |o: &Operation| o.writes().is_some_and(|place| read.contains(&place));
    let between = &all[first + 1..second];
    let is_still = !between
        .iter()
        .any(|o| reads_it(o) || writes_it(o) || changes(o));
    let mut after = all[second + 1..].iter();
    let is_spent = writes_it(&all[second])
        || after
            .find(|o| reads_it(o) || writes_it(o))
            .is_none_or(|o| !reads_it(o));
    is_still && is_spent
}

/// One operation for two, the second of which reads what the first writes.
fn pair(first: &Operation, second: &Operation, one: usize) -> Option<Operation> {
    use Operation as O;
    let between = first.writes()?;
    // Sums and products of two do not depend on the order.
    let other = |[a, b]: [Place; 2]| match (a == between, b == between) {
        (true, false) => Some(b),
        (false, true) => Some(a),
        _ => None,
    };
    Some(match (*first, *second) {
        (O::Both(_, Binary::Multiply, factors), O::Both(to, Binary::Add, terms)) => {
            O::AddProduct(to, other(terms)?, factors)
        }
        (O::Right(_, Binary::Multiply, a, x) | O::Left(_, Binary::Multiply, x, a), second) => {
            match second {
                O::Both(to, Binary::Multiply, factors) => {
                    O::ScaledProduct(to, (x, a), other(factors)?)
                }
                O::Call(to, Function::Sqrt, [of, _]) if of == between => O::Root(to, (x, a), None),
                O::Right(to, Binary::Multiply, of, y) | O::Left(to, Binary::Multiply, y, of)
                    if of == between =>
                {
                    O::ScaledTwice(to, a, [x, y])
                }
                O::Both(to, Binary::Divide, [of, b]) if of == between && b != between => {
                    O::Quotient(to, (a, [x, one]), b)
                }
                _ => return None,
            }
        }
        (O::ScaledTwice(_, a, scalars), O::Both(to, Binary::Divide, [of, b]))
            if of == between && b != between =>
        {
            O::Quotient(to, (a, scalars), b)
        }
        (O::ScaledProduct(_, b, c), O::Add(to, of, a)) if of == between && a.1 != between => {
            O::MixProduct(to, a, b, c)
        }
        (O::Call(_, Function::Sqrt, [a, _]), O::Right(to, Binary::Add, of, x)) if of == between => {
            O::Root(to, (one, a), Some(x))
        }
        (O::Root(_, a, None), O::Right(to, Binary::Add, of, x)) if of == between => {
            O::Root(to, a, Some(x))
        }
        (O::Quotient(_, a, b), O::Both(to, Binary::Subtract, [from, of]))
            if of == between && from != between =>
        {
            O::LessQuotient(to, from, a, b)
        }
        (O::Add(_, a, b), O::Subtract(to, from, (rate, of)))
            if of == between && from != between =>
        {
            O::LessSum(to, from, rate, a, b)
        }
        _ => return None,
    })
}

impl Operation {
    /// The tile that it writes.
    fn writes(&self) -> Option<Place> {
        Some(match *self {
            Self::Fill(to, _)
            | Self::Negate(to, _)
            | Self::Call(to, ..)
            | Self::Both(to, ..)
            | Self::Right(to, ..)
            | Self::Left(to, ..)
            | Self::Add(to, ..)
            | Self::Subtract(to, ..)
            | Self::Mix(to, _)
            | Self::Select(to, ..)
            | Self::AddProduct(to, ..)
            | Self::ScaledProduct(to, ..)
            | Self::MixProduct(to, ..)
            | Self::ScaledTwice(to, ..)
            | Self::Root(to, ..)
            | Self::Quotient(to, ..)
            | Self::LessQuotient(to, ..)
            | Self::LessSum(to, ..) => to,
            Self::Flush(state) => Place::State(state),
            Self::Square(..) => return None,
        })
    }

    /// The tiles that it reads.
    fn reads(&self) -> Vec<Place> {
        match *self {
            Self::Fill(..) => vec![],
            Self::Negate(_, a)
            | Self::Right(_, _, a, _)
            | Self::Left(_, _, _, a)
            | Self::ScaledTwice(_, a, _)
            | Self::Root(_, (_, a), _)
            | Self::Square(_, a) => vec![a],
            Self::Flush(state) => vec![Place::State(state)],
            Self::Call(_, _, both) | Self::Both(_, _, both) => both.to_vec(),
            Self::Add(_, a, (_, b)) | Self::Subtract(_, a, (_, b)) => vec![a, b],
            Self::Mix(_, [(_, a), (_, b)])
            | Self::ScaledProduct(_, (_, a), b)
            | Self::Quotient(_, (a, _), b) => vec![a, b],
            Self::AddProduct(_, a, [b, c]) => vec![a, b, c],
            Self::MixProduct(_, (_, a), (_, b), c) => vec![a, b, c],
            Self::LessQuotient(_, from, (a, _), b) | Self::LessSum(_, from, _, a, (_, b)) => {
                vec![from, a, b]
            }
            Self::Select(_, _, four) => four.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Tiles;
    use super::*;
    use crate::kernel::Rule;

    /// Names of a rule's operations.
    fn names(rule: &str) -> String {
        let tiles = Tiles::of(Rule::named(rule).program());
        let name = |operation: &Operation| {
            let text = format!("{operation:?}");
            text.split('(').next().unwrap_or_default().to_string()
        };
        let names: Vec<String> = tiles.operations.iter().map(name).collect();
        names.join(" ")
    }

    #[test]
    fn the_usual_rules_take_few_passes_over_a_tile() {
        // The first is the weight decay.
        assert_eq!(names("sgd"), "Add Subtract");
        assert_eq!(names("momentum"), "Add Add Subtract Flush");
        assert_eq!(names("nesterov"), "Add Add LessSum Flush");
        assert_eq!(names("adagrad"), "Add AddProduct Root LessQuotient Flush");
        assert_eq!(
            names("adam"),
            "Add Mix MixProduct Root LessQuotient Flush Flush"
        );
    }

    #[test]
    fn what_is_read_again_is_not_fused_away() {
        let [p, g, t] = [Place::P, Place::G, Place::Scratch(0)];
        let product = Operation::Both(t, Binary::Multiply, [g, g]);
        let sum = Operation::Both(p, Binary::Add, [p, t]);
        let one = fused(vec![product, sum], 0, 0);
        assert_eq!(one, [Operation::AddProduct(p, p, [g, g])]);
        let again = Operation::Both(p, Binary::Subtract, [p, t]);
        assert_eq!(fused(vec![product, sum, again], 0, 0).len(), 3);
        // Written anew before it is read.
        let fill = Operation::Fill(t, 0);
        assert_eq!(fused(vec![product, sum, fill, again], 0, 0).len(), 3);
        let square = Operation::Both(p, Binary::Add, [t, t]);
        assert_eq!(fused(vec![product, square], 0, 0).len(), 2);
        // What is read changes before it would be read.
        let changed = Operation::Negate(g, g);
        assert_eq!(fused(vec![product, changed, sum], 0, 0).len(), 3);
    }
}
