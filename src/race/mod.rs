//! The race: cases, suites, heats and their clock, noise and roofs.
//!
//! Flags and the blocks of a [`suite::Suite`] are the same lists, [`axes::Axes`]. Crossed, they give [`task::Draft`]s, which
//! settle into [`case::Case`]s. [`run::Race`] loads and checks everything before anything is written, then runs heat after
//! heat ([`heat`]): one case on each of its devices, first solve with the curve drawn off the clock, then repeats in turn.
//! [`row`] makes a record of a case, `book` fills it in and writes it as soon as a device's part is done. `noise` says what a
//! repeat lost to other programs, [`roofs`] what the devices can do.
//!
//! All that is a problem's own stands in [`problem`], behind one trait: parameters, samples, solve, judge, fields of a
//! record. A heat is generic over it; [`task::Task`] is the one enum of problems.
//!
//! Only this module holds a clock. Enums stand at its edge, where things are named, listed and stored; [`lane`] is the
//! one bridge to the code that is generic over the device. What fails or is not there is a row with a reason, never a
//! gap, and never another device. Nothing here draws.

pub mod axes;
mod book;
pub mod case;
pub mod choice;
pub mod clock;
pub mod defaults;
pub mod device;
mod energy;
pub mod estimate;
pub mod heat;
pub mod lane;
pub mod methodology;
pub mod name;
mod noise;
pub mod observer;
pub mod problem;
pub mod progress;
pub mod rates;
pub mod roofs;
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
