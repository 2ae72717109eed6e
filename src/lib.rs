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
//! A module imports only modules to its left:
//!
//! `error` -> `rule`, `record` -> `machine` -> `data`, `kernel` -> `device` -> `optimizer` -> `pca`, `mlp` -> `race`, `conformance` ->
//! `report` -> `cli`
//!
//! | module | owns | leaves to others |
//! |---|---|---|
//! | [`error`] | the error type, and exit statuses | |
//! | [`rule`] | the language of update rules: a file of a few lines becomes a reference, Rust, CUDA and WGSL | running anything |
//! | [`record`] | what was measured: plain types, files, statistics over samples | devices |
//! | [`machine`] | what this machine is: facts, instruction sets, cores, cloud instance | measuring it |
//! | [`data`] | where samples come from | problems |
//! | [`kernel`] | the kernel table: one row per device operation, with its f64 reference | running anything |
//! | [`device`] | trait `Device` and its three implementations: cpu, CUDA, wgpu | optimizers and problems |
//! | [`optimizer`] | the update rules, once over `Device`; how a run is watched | the clock |
//! | [`pca`] | operators, methods, reference, accuracy | the clock |
//! | [`mlp`] | networks: forward, backward, the training loop, accuracy | the clock |
//! | [`race`] | cases, suites, heats and their clock, the parts of a race that differ by problem, noise, roofs | drawing |
//! | [`conformance`] | kernels and methods against the reference on every device | measuring speed |
//! | [`report`] | charts, tables, the page: pure functions of records | devices, and every layer but `record` |
//! | [`cli`] | the command line as types; one file per command | computing |
//!
//! `tests/layers.rs` fails on an import against this order and on a file of more than 450 lines, and `tests/circles.rs` on a circle of
//! imports of more than two files.
//!
//! # How it measures
//!
//! [`race::methodology`] is the page about times, noise, roofs, verdicts and known biases.
//!
//! # The kernel table and its seven families
//!
//! Rows of the [`kernel`] table belong to a family: stream, product, gram, block, rules, control or network. Each family has one
//! file of that name on every floor: `src/kernel`, `src/device/cpu`, `src/device/cuda/geometry`, `src/device/wgpu/geometry`,
//! `kernels` and `shaders`. So the name of a kernel's family is the name of every file that implements it. The family of the
//! rules holds only what is around a rule's statements: its rows and entries are made from `src/optimizer/rules/*.toml`.
//!
//! # What is checked
//!
//! Every component and every network is checked in f64 on the host, off the clock. [`kernel::resolution`] derives how small an
//! eigenvalue may be, next to the largest one, before arithmetic of a given precision can no longer resolve it.
//!
//! # Devices
//!
//! Algorithms are written once, generic over the trait [`device::Device`]. A device adds memory, launches of rows of the kernel
//! table, and recordings of launches.
//!
//! | device | kernels | a launch | a recording |
//! |---|---|---|---|
//! | [`device::cpu`] | Rust, compiled for each instruction set; the best one is chosen when the device opens | a call on a pool of threads | a list of launches |
//! | [`device::cuda`] | `kernels/*.cu`, compiled by NVRTC on first use and cached on disk | passes of entries on one stream | a CUDA graph; consecutive passes of one block become one node |
//! | [`device::wgpu`] | `shaders/*.wgsl`, with pipelines created on first use | dispatches, collected until something is read | a list of dispatches, encoded again for each replay |
//!
//! The program loads CUDA's libraries at run time; `gradrace devices` lists what is missing and how to install it. The CUDA device
//! talks to the driver through one small trait, so that tests can run the device, its launch geometry and the kernels' own text
//! on the processor. The driver calls themselves have not run on a card yet.

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
pub mod rule;
