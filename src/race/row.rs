//! From what was measured to a record: what rows of every problem share.

use std::collections::BTreeMap;

use crate::device::Info;
use crate::error::Error;
use crate::optimizer::Rule;
use crate::record::{DataFacts, DeviceFacts, Limits, OptimizerFacts, Record, SCHEMA, Status};
use crate::rule;

use super::case::{AsSettings, Case};
use super::device::{DeviceSpec, is_software};
use super::name::Named;
use super::problem::Problem;
use super::set::Loaded;

/// What all rows of a race share.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Fingerprint of the machine.
    pub machine: String,
    /// Program version and commit.
    pub program: String,
}

/// The row of a case that has not run: skipped, until more is known. `spec` and `samples` are the spec of the samples and
/// their name in the id.
pub(super) fn blank<T: AsSettings>(
    case: &Case<T>,
    (id, spec, samples): (&str, &str, &str),
    origin: &Origin,
) -> Record {
    let task = case.task.settings();
    let mut row = Record {
        schema: SCHEMA,
        case: id.to_string(),
        samples: samples.into(),
        asked: case.asked(spec),
        status: Status::Skipped,
        reason: None,
        problem: task.kind().name().into(),
        data: None,
        method: String::new(),
        operator: None,
        optimizer: None,
        gradient: None,
        components: None,
        batch: None,
        precision: case.precision.name().into(),
        seed: case.seed,
        device: wanted_device(case.device),
        machine: origin.machine.clone(),
        program: origin.program.clone(),
        limits: Limits {
            target: case.target,
            tolerance: None,
            max_iterations: None,
            time_limit_s: case.time_limit_s,
        },
        time: None,
        work: None,
        rate: None,
        energy: None,
        accuracy: None,
        network: None,
        eigenvalues: Vec::new(),
        reference_eigenvalues: Vec::new(),
        artifacts: BTreeMap::new(),
        curve: Vec::new(),
    };
    task.describe(&mut row);
    row
}

/// The same of a case whose samples are there.
pub(super) fn blank_in<P: Problem>(
    case: &Case<P>,
    id: &str,
    set: &Loaded<P>,
    origin: &Origin,
) -> Record {
    let samples = &set.samples;
    let mut row = blank(case, (id, &samples.spec, &set.name), origin);
    row.data = Some(DataFacts {
        spec: samples.spec.clone(),
        n: samples.n,
        d: samples.d,
        dtype: samples.dtype().into(),
        standardized: set.standardized,
        sha256: samples.sha256.clone(),
        image: samples.image,
    });
    P::describe_samples(&set.material, &mut row);
    row
}

/// The row of a case that could not be carried out.
pub(super) fn end_badly(row: &mut Record, error: &Error) {
    row.status = match error {
        Error::Unsupported(_) => Status::Skipped,
        Error::Failed(_) | Error::Input(_) => Status::Failed,
    };
    row.reason = Some(error.to_string());
}

/// Names the samples whose plane was drawn, so that it is drawn once.
pub fn plane_of(data: &DataFacts) -> String {
    match data.standardized {
        true => format!("{} standardized", data.sha256),
        false => data.sha256.clone(),
    }
}

/// A device that was asked for and is not open.
fn wanted_device(spec: DeviceSpec) -> DeviceFacts {
    DeviceFacts {
        label: spec.to_string(),
        kind: spec.kind.name().into(),
        index: spec.index,
        name: String::new(),
        software: is_software(spec),
        threads: spec.counted(),
        isa: None,
    }
}

/// The facts of an open device, labelled as the case asks for it.
pub fn device_facts(spec: DeviceSpec, info: &Info) -> DeviceFacts {
    DeviceFacts {
        label: spec.to_string(),
        kind: info.kind.into(),
        index: info.index,
        name: info.name.clone(),
        software: info.software,
        threads: info.threads,
        isa: info.isa.map(String::from),
    }
}

/// The update rule as it ran; `auto` says where a rate comes from that was not given.
pub fn optimizer_facts(
    rule: Rule,
    rate: f64,
    auto: Option<String>,
    schedule: String,
) -> OptimizerFacts {
    let program = rule.program();
    let statements = rule::math(program).replace('\n', "; ");
    OptimizerFacts {
        name: rule.name().into(),
        learning_rate: rate,
        auto: auto.is_some(),
        rate_from: auto,
        parameters: program.parameters.iter().cloned().collect(),
        variant: [vec![statements], rule::starts(program)]
            .concat()
            .join("; "),
        schedule,
    }
}
