//! Devices crossed with threads: on which devices the cases of a list run.

use crate::error::{Error, Result};

use super::device::{DeviceSpec, Found, Threads};
use super::name::Kind;
use super::words::whole;

/// Tells which devices there are; asked only where a list of devices leaves it open.
pub type Present<'a> = dyn Fn() -> Vec<Found> + 'a;

/// A device of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The device.
    pub spec: DeviceSpec,
    /// Whether it, or the number of its threads, was named rather than found.
    pub by_name: bool,
    /// Whether it is there as a software emulation of a GPU.
    pub software: bool,
}

/// The devices of a list, or all that are there where it is empty, each cpu once a number of threads.
///
/// # Errors
/// `Input` for an unknown device or no number of threads.
pub fn devices(
    device: &[String],
    threads: &[String],
    present: &Present<'_>,
) -> Result<Vec<Choice>> {
    let threads: Vec<Threads> = threads
        .iter()
        .map(|text| count(text))
        .collect::<Result<_>>()?;
    let mut choices: Vec<Choice> = vec![];
    for text in device {
        match text.as_str() {
            "all" => choices.extend(all(present)),
            text => choices.push(named(DeviceSpec::parse(text)?, present)),
        }
    }
    if choices.is_empty() {
        choices.extend(all(present));
    }
    let crossed = choices
        .into_iter()
        .flat_map(|choice| match choice.spec.kind {
            Kind::Cpu if !threads.is_empty() => threads
                .iter()
                .map(|&threads| Choice {
                    spec: DeviceSpec {
                        threads,
                        ..choice.spec
                    },
                    by_name: choice.by_name || threads != Threads::All,
                    ..choice
                })
                .collect(),
            _ => vec![choice],
        });
    Ok(crossed.collect())
}

fn all(present: &Present<'_>) -> impl Iterator<Item = Choice> {
    present().into_iter().map(|found| Choice {
        spec: found.spec,
        by_name: false,
        software: found.software,
    })
}

fn named(spec: DeviceSpec, present: &Present<'_>) -> Choice {
    let software = spec.kind == Kind::Wgpu && all(present).any(|c| c.spec == spec && c.software);
    Choice {
        spec,
        by_name: true,
        software,
    }
}

fn count(text: &str) -> Result<Threads> {
    if text == "all" {
        return Ok(Threads::All);
    }
    whole("threads", text).map(Threads::Count).map_err(|_| {
        Error::input(format!(
            "threads `{text}`: give `all` or a whole number from 1"
        ))
    })
}
