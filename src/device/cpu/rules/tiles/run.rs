//! Operations over tiles.

use std::mem::MaybeUninit;

use super::super::functions::{abs, exp, expm1, flush, log, max, min, power, sign, sqrt};
use super::{Operation, Place, TILE};
use crate::rule::{Binary, Comparison, Function, MOST_NORMS};

/// Lanes of a sum of squares.
const LANES: usize = 8;

/// `to[i] = f(a[i], ..)` for so many elements; a tile that is read may be the one that is written. Compilers make vectors of a
/// loop whose pointers are one or apart, and cannot know which: the usual two ways stand here as loops of their own.
#[inline(always)]
unsafe fn each<const N: usize>(
    len: usize,
    to: *mut f32,
    mut from: [*mut f32; N],
    f: impl Fn([f32; N]) -> f32,
) {
    // SAFETY: the caller's promise of `len` elements, which are at most TILE.
    unsafe {
        let mut copy = [MaybeUninit::<f32>::uninit(); TILE];
        let copy = copy.as_mut_ptr().cast::<f32>();
        if from.iter().skip(1).any(|a| *a == to) {
            copy.copy_from_nonoverlapping(to, len);
            from.iter_mut()
                .skip(1)
                .filter(|a| **a == to)
                .for_each(|a| *a = copy);
        }
        if from.first() == Some(&to) {
            for i in 0..len {
                let mut read = from.map(|a| a.add(i).cast_const());
                read[0] = to.add(i);
                *to.add(i) = f(read.map(|a| *a));
            }
        } else {
            for i in 0..len {
                *to.add(i) = f(from.map(|a| *a.add(i)));
            }
        }
    }
}

/// Runs one operation on the first `len` elements of its tiles.
#[inline(always)]
pub(super) unsafe fn run(
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
                    Function::Norm | Function::Cos | Function::Floor => {
                        unreachable!(
                            "a norm is computed before, and schedules alone have the others"
                        )
                    }
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
            Operation::AddProduct(to, a, [b, c]) => {
                each(len, place(to), [a, b, c].map(place), |[a, b, c]| a + b * c);
            }
            Operation::ScaledProduct(to, (x, a), b) => {
                let x = scalars[x];
                each(len, place(to), [a, b].map(place), |[a, b]| x * a * b);
            }
            Operation::MixProduct(to, (x, a), (y, b), c) => {
                let (x, y) = (scalars[x], scalars[y]);
                let from = [a, b, c].map(place);
                each(len, place(to), from, |[a, b, c]| x * a + y * b * c);
            }
            Operation::ScaledTwice(to, a, [x, y]) => {
                let (x, y) = (scalars[x], scalars[y]);
                each(len, place(to), [place(a)], |[a]| a * x * y);
            }
            Operation::Root(to, (x, a), added) => {
                let (to, x, a) = (place(to), scalars[x], [place(a)]);
                match added {
                    Some(y) => {
                        let y = scalars[y];
                        each(len, to, a, |[a]| sqrt(x * a) + y);
                    }
                    None => each(len, to, a, |[a]| sqrt(x * a)),
                }
            }
            Operation::Quotient(to, (a, [x, y]), b) => {
                let (x, y) = (scalars[x], scalars[y]);
                each(len, place(to), [a, b].map(place), |[a, b]| a * x * y / b);
            }
            Operation::LessQuotient(to, from, (a, [x, y]), b) => {
                let (x, y) = (scalars[x], scalars[y]);
                let from = [from, a, b].map(place);
                each(len, place(to), from, |[p, a, b]| p - a * x * y / b);
            }
            Operation::LessSum(to, from, r, a, (x, b)) => {
                let (r, x) = (scalars[r], scalars[x]);
                let from = [from, a, b].map(place);
                each(len, place(to), from, |[p, a, b]| p - r * (a + x * b));
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
