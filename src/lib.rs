//! gradrace races gradient methods across devices and checks every answer.
//!
//! # The flow
//!
//! ```text
//! data ──> race (cases, clock) ──> pca over a Device ──> record ──> report
//!                                   │  optimizer, kernel table
//!                                   └─ accuracy against LAPACK, off the clock
//! ```
//!
//! # Layers
//!
//! Imports go one way; a test (`tests/layers.rs`) holds it:
//!
//! `error, record, data, kernel` -> `device` -> `optimizer` -> `pca` -> `race, conformance` -> `report` -> `cli`.
//!
//! | module | owns | does not |
//! |---|---|---|
//! | [`record`] | what was measured: plain types, files, machine facts, statistics | know a device |
//! | [`data`] | where samples come from | know a problem |
//! | [`kernel`] | the kernel table: one row per device operation, with its f64 reference | run anything |
//! | [`device`] | trait `Device` and its implementations | know an optimizer or a problem |
//! | [`optimizer`] | the update rules, once over `Device` | own a clock |
//! | [`pca`] | operators, methods, reference, accuracy | own a clock |
//! | [`race`] | cases, suites, the runner and its clock, measured peaks | draw |
//! | [`conformance`] | kernels and methods against the reference on every device | measure speed |
//! | [`report`] | charts, tables, the page: pure functions of records | know a device |
//! | [`cli`] | the command line as types; one file per command | compute |
pub mod cli;
pub mod conformance;
pub mod data;
pub mod device;
pub mod error;
pub mod kernel;
pub mod mlp;
pub mod optimizer;
pub mod pca;
pub mod race;
pub mod record;
pub mod report;
