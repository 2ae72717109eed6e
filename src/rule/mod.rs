//! The language of update rules and of schedules: a rule is one small file, and everything else is made from it.
//!
//! A file ([`read`]) states parameters, states and a few statements over them and over `p` (a parameter of the problem), `g`
//! (its gradient), `rate` (the learning rate), `t` (the number of the step, from 1) and `weight_decay`. Unless a rule names
//! the weight decay itself, `g + weight_decay * p` takes the place of g, as in PyTorch. From it come
//!
//! - the f64 reference, an interpreter ([`Program::evaluate`]);
//! - Rust, which the build compiles into the program ([`rust`]), CUDA ([`cuda`]) and WGSL ([`wgsl`]);
//! - the bytes and operations of its row of the kernel table;
//! - how PCA treats it: whether it scales elements one by one, whether it has a velocity, whether its steps shrink.
//!
//! # The language
//!
//! A file has `name`, `about` (a sentence), `source` (the paper), `rate` (where the learning rate of networks starts from),
//! `parameters` with their defaults, `states`, and `update`: statements, one a line or with semicolons between, `#` before a
//! comment.
//!
//! A statement is `name = expression`, `name += expression` or `name -= expression`. It may change `p` and the states; any other
//! name gets its value once. Expressions have `+ - * / ^`, `sqrt abs sign min max exp log expm1`, `select(a < b, x, y)` with
//! `< <= > >= == !=`, and `norm(x)`, the 2-norm over all elements. A state is a `velocity`, which moves with the parameters and
//! is kept tangent on the sphere, or a `square`, which does not; `"square from 0.1"` says where it starts. States whose
//! absolute value is under [`FLUSH`] become 0.
//!
//! What does not depend on the element (bias corrections, norms) is computed once a step. A parameter named `weight_decay` is
//! the weight decay where the case gives none.
//!
//! A schedule, which says how the learning rate changes from step to step, is such a file too ([`read_schedules`]).
//!
//! The build script includes this module too: it names nothing else of the crate.

mod check;
mod evaluate;
mod expression;
mod file;
mod nature;
mod norm;
mod parse;
mod program;
mod schedule;
#[cfg(test)]
mod tests;
mod write;

pub use evaluate::{FLUSH, Step};
pub use expression::{Binary, Comparison, Expr, Function, Node};
pub use file::{Fault, Kind, State};
pub use parse::Statement;
pub use program::{Level, MOST_NORMS, MOST_STATES, OWN, Program, read};
pub use schedule::{Formula, read_schedules};
pub use write::{Measured, Named, Plan, cuda, defaults, math, rust, starts, wgsl};
