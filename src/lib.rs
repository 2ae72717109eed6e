//! gradrace races gradient methods across devices and checks every answer.
//!
//! # The flow
//!
//! ```text
//! data ──> race (cases, clock) ──> pca or mlp over a Device ──> record ──> report
//!                                   │  optimizer, kernel table
//!                                   └─ accuracy against LAPACK or the test set, off the clock
//! ```
//!
//! # Layers
//!
//! Imports go one way; a test (`tests/layers.rs`) holds it:
//!
//! `error` -> `record` -> `machine` -> `data, kernel` -> `device` -> `optimizer` -> `pca, mlp` -> `race, conformance` -> `report` -> `cli`.
//!
//! | module | owns | does not |
//! |---|---|---|
//! | [`record`] | what was measured: plain types, files, statistics over samples | know a device |
//! | [`machine`] | what this machine is: facts, instruction sets, cores, cloud instance | measure |
//! | [`data`] | where samples come from | know a problem |
//! | [`kernel`] | the kernel table: one row per device operation, with its f64 reference | run anything |
//! | [`device`] | trait `Device` and its three implementations: cpu, CUDA, wgpu | know an optimizer or a problem |
//! | [`optimizer`] | the update rules, once over `Device`; how a run is watched | own a clock |
//! | [`pca`] | operators, methods, reference, accuracy | own a clock |
//! | [`mlp`] | networks: forward, backward, the training loop, accuracy | own a clock |
//! | [`race`] | cases, suites, heats and their clock, what is a problem's own, measured peaks | draw |
//! | [`conformance`] | kernels and methods against the reference on every device | measure speed |
//! | [`report`] | charts, tables, the page: pure functions of records | know a device |
//! | [`cli`] | the command line as types; one file per command | compute |
//!
//! # What is checked
//!
//! Every component and every network is judged in f64 on the host, off the clock. One law says how small an eigenvalue beside the
//! largest arithmetic resolves, with its derivation and its limits: [`kernel::resolution`].
//!
//! # Devices
//!
//! What is generic is written once over trait [`device::Device`]; a device adds memory, launches of rows of the kernel table
//! and recordings, and nothing else.
//!
//! | device | kernels | a launch | a recording |
//! |---|---|---|---|
//! | [`device::cpu`] | Rust, for each instruction set, chosen when it is opened | a call on a pool of threads | a list of launches |
//! | [`device::cuda`] | `kernels/*.cu`, compiled by NVRTC when first needed, kept in the cache folder | passes of entries on one stream | a CUDA graph, passes of one block in a row as one node |
//! | [`device::wgpu`] | `shaders/*.wgsl`, with pipelines made when first needed | dispatches, gathered until something is read | a list of dispatches, encoded anew |
//!
//! CUDA's libraries are no part of the program: they are probed before anything calls them, and each that is missing is told
//! with what to install. Above the calls stands one small trait, so that tests run the device, its launch geometry and the
//! kernels' own text on the processor. The calls themselves have not run on a card yet.

pub mod cli;
pub mod conformance;
pub mod data;
pub mod device;
pub mod error;
pub mod kernel;
pub mod machine;
pub mod mlp;
pub mod optimizer;
pub mod pca;
pub mod race;
pub mod record;
pub mod report;
