//! The program as a user runs it: one program of tests, since each would link all of gradrace.

mod compare;
mod cuda;
mod input;
mod mlp;
#[cfg(unix)]
mod process;
mod program;
mod report;
mod rules;
mod run;
mod shapes;
mod wgpu;
