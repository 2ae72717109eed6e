//! Races on AWS. A folder of tests, since each of them needs the aws client in .venv-aws, which scripts/test installs.
#![cfg(target_os = "linux")]

#[path = "cli/program/mod.rs"]
mod program;

#[path = "aws/account.rs"]
mod account;
#[path = "aws/needs_aws.rs"]
mod needs_aws;
