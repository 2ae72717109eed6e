//! The race: cases, suites, the runner and its clock, measured peaks.
//!
//! Words become [`words::Words`] and [`axes::Axes`], lists that are crossed into [`case::Case`]s, by flags alone or under the blocks of a
//! [`suite::Suite`]. [`runner::Race`] loads and checks everything before anything is written, then runs heat after heat
//! ([`heat`]): one case on each of its devices, first solve with the curve drawn off the clock, then repeats in turn.
//! [`row`] makes a record of what was measured.
//!
//! Only this module holds a clock. Enums stand at its edge, where things are named, listed and stored; [`lane`] is the
//! one bridge to the code that is generic over the device. What fails or is not there is a row with a reason, never a
//! gap, and never another device. Nothing here draws.

pub mod axes;
pub mod case;
pub mod choice;
pub mod clock;
pub mod defaults;
pub mod device;
mod energy;
pub mod estimate;
pub mod heat;
pub mod lane;
pub mod name;
pub mod observer;
pub mod peaks;
pub mod problem;
pub mod progress;
pub mod rates;
pub mod row;
pub mod run;
mod set;
pub mod size;
mod stop;
pub mod suite;
pub mod task;
mod track;
pub mod tune;
pub mod words;
