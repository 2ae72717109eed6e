//! From what was measured to a record.

use std::collections::BTreeMap;

use crate::device::Info;
use crate::kernel::resolution;
use crate::mlp;
use crate::optimizer::{Ended, Rule};
use crate::pca::{Assessment, Fault, Method, Outcome, Standing};
use crate::record::{
    DataFacts, DeviceFacts, Limits, Network, OptimizerFacts, Record, SCHEMA, Status, Times,
};

use super::case::{Case, Source};
use super::device::{DeviceSpec, is_software};
use super::lane::Material;
use super::name::{Named, ProblemKind};
use super::runner::{self, Loaded};

/// What all rows of a race share.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Fingerprint of the machine.
    pub machine: String,
    /// Program version and commit.
    pub program: String,
}

/// The row of a case that has not run: skipped, until more is known. `set` is missing where the samples were not loaded.
pub(super) fn blank(case: &Case, id: &str, set: Option<&Loaded>, origin: &Origin) -> Record {
    let test_n = match set.map(|set| &set.material) {
        Some(Material::Mlp(test)) => test.n,
        _ => 0,
    };
    let pca = case.problem == ProblemKind::Pca;
    let (spec, samples) = match (set, &case.source) {
        (Some(set), _) => (set.samples.spec.clone(), runner::name(&set.samples)),
        // Only what is known by its spec is skipped without being loaded.
        (None, Source::Spec(spec)) => (spec.clone(), spec.clone()),
        (None, Source::Default) => ("mnist".into(), "mnist".into()),
    };
    Record {
        schema: SCHEMA,
        case: id.to_string(),
        samples,
        asked: case.asked(&spec),
        status: Status::Skipped,
        reason: None,
        problem: case.problem.name().into(),
        data: set.map(|set| DataFacts {
            spec: set.samples.spec.clone(),
            n: set.samples.n,
            d: set.samples.d,
            dtype: set.samples.dtype().into(),
            standardized: set.standardized,
            sha256: set.samples.sha256.clone(),
            image: set.samples.image,
        }),
        method: match pca {
            true => case.method.name().into(),
            false => "backpropagation".into(),
        },
        operator: case.operator.map(|operator| operator.name().into()),
        optimizer: None,
        gradient: case.gradient.map(|gradient| gradient.name().into()),
        components: pca.then_some(case.components),
        batch: case.batch.map(|batch| batch.to_string()),
        precision: case.precision().name().into(),
        seed: case.seed,
        device: DeviceFacts {
            label: case.device.to_string(),
            kind: case.device.kind.name().into(),
            index: case.device.index,
            name: String::new(),
            software: is_software(case.device),
            threads: case.device.counted(),
            isa: None,
        },
        machine: origin.machine.clone(),
        program: origin.program.clone(),
        limits: Limits {
            target: case.target(),
            tolerance: pca.then_some(case.tolerance),
            max_iterations: pca.then_some(case.max_iterations),
            time_limit_s: case.time_limit_s,
        },
        time: None,
        work: None,
        rate: None,
        energy: None,
        accuracy: None,
        network: (!pca).then(|| Network {
            layers: case.layers.clone().unwrap_or_default(),
            parameters: None,
            weight_decay: case.weight_decay,
            epochs: case.epochs,
            test_n,
            end: None,
            best: None,
        }),
        eigenvalues: Vec::new(),
        reference_eigenvalues: Vec::new(),
        artifacts: BTreeMap::new(),
        curve: Vec::new(),
    }
}

/// Names the samples whose plane was drawn, so that it is drawn once.
pub fn plane_of(data: &DataFacts) -> String {
    match data.standardized {
        true => format!("{} standardized", data.sha256),
        false => data.sha256.clone(),
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

/// The update rule as it ran.
pub fn optimizer_facts(rule: Rule, rate: f64, auto: bool, schedule: String) -> OptimizerFacts {
    OptimizerFacts {
        name: rule.name().into(),
        learning_rate: rate,
        auto,
        momentum: rule.momentum(),
        second_moment_decay: rule.decay(),
        epsilon: rule.epsilon(),
        variant: rule.variant().into(),
        schedule,
    }
}

/// How a solve ended, and that in words where the status does not say it all.
///
/// `changed`: what was other in a later repeat, which may not be; a failed check like those of the assessment.
pub fn verdict(
    case: &Case,
    outcome: &Outcome,
    assessment: &Assessment,
    changed: Option<String>,
) -> (Status, Option<String>) {
    let at = |what: &str| Some(format!("{what} after {} iterations", outcome.iterations));
    if outcome.ended == Ended::Diverged {
        let place = outcome.fault.map(|fault| place(case, fault));
        return (Status::Diverged, place.or_else(|| at("not finite")));
    }
    let failures: Vec<_> = assessment.failures.iter().cloned().chain(changed).collect();
    if !failures.is_empty() {
        return (Status::Failed, Some(failures.join("; ")));
    }
    match assessment.standing(case.target(), case.components) {
        Standing::Right => return (Status::Reached, None),
        Standing::Unresolved(checked) => {
            let reason = unresolved(checked, case.components);
            return (Status::Unresolved, Some(reason));
        }
        Standing::Above | Standing::Failed => {}
    }
    let missed = missed(case, assessment);
    let residual = format!("{:.1e}", outcome.residual);
    match outcome.ended {
        Ended::Converged => (
            Status::Stalled,
            at(&format!(
                "residual {residual}, within the tolerance of {:e}, but {missed},",
                case.tolerance
            )),
        ),
        Ended::Floor => (
            Status::Stalled,
            at(&format!(
                "no improvement under a residual of {residual}, and {missed},"
            )),
        ),
        Ended::Iterations if case.rows().is_some() => (
            Status::Budget,
            Some(format!(
                "limit of {} epochs or {} iterations, {missed}",
                case.epochs, case.max_iterations
            )),
        ),
        Ended::Iterations => (
            Status::Budget,
            Some(format!(
                "limit of {} iterations, {missed}",
                case.max_iterations
            )),
        ),
        Ended::Stopped => (
            Status::Budget,
            at(&format!("time limit of {} s, {missed},", case.time_limit_s)),
        ),
        Ended::Diverged => (Status::Diverged, None),
    }
}

/// Where a solve ceased to be finite.
fn place(case: &Case, fault: Fault) -> String {
    let Fault {
        component,
        step,
        quantity,
    } = fault;
    let component = match case.method {
        Method::Deflation => format!(" of component {}", component + 1),
        _ => String::new(),
    };
    format!("the {quantity} is not finite at step {step}{component}")
}

/// Which components have no answer of their own.
fn unresolved(checked: usize, asked: usize) -> String {
    let share = resolution::least_share(resolution::F64);
    let numbers = match checked + 1 == asked {
        true => format!("eigenvalue {asked} is"),
        false => format!("eigenvalues {} to {asked} are", checked + 1),
    };
    format!(
        "{checked} of {asked} components checked: {numbers} under {share:.1e} of the largest, where f64 tells no component from rounding"
    )
}

/// What is above the target: the component with the largest angle of its own, or the span.
fn missed(case: &Case, assessment: &Assessment) -> String {
    match assessment.worst {
        Some((component, sine)) if sine.is_nan() || sine > case.target() => {
            // Without a reference it is a bound.
            let most = match assessment.accuracy.subspace_sine {
                Some(_) => "",
                None => "at most ",
            };
            format!("component {} at a sine of {most}{sine:.1e}", component + 1)
        }
        _ => match assessment.accuracy.subspace_sine {
            Some(sine) => format!("the span at a sine of {sine:.1e}"),
            None => "nothing to hold it against".into(),
        },
    }
}

/// The same of a network, after so many steps: its test error at the end is held against the target.
pub fn network_verdict(
    case: &Case,
    (ended, steps): (Ended, u64),
    assessment: &mlp::Assessment,
    changed: Option<String>,
) -> (Status, Option<String>) {
    if ended == Ended::Diverged {
        let reason = format!("the training loss is not finite at step {steps}");
        return (Status::Diverged, Some(reason));
    }
    let failures: Vec<_> = assessment.failures.iter().cloned().chain(changed).collect();
    if !failures.is_empty() {
        return (Status::Failed, Some(failures.join("; ")));
    }
    if assessment.test_error <= case.target() {
        return (Status::Reached, None);
    }
    let limit = match ended {
        Ended::Stopped => format!("time limit of {} s", case.time_limit_s),
        _ => format!("{} epochs", case.epochs),
    };
    let error = 100.0 * assessment.test_error;
    (
        Status::Budget,
        Some(format!("{limit}, test error {error:.2} %")),
    )
}

/// Puts the times in: raw samples, one a repeat.
pub fn times(
    (setup_s, upload_s): (f64, f64),
    solve_s: Vec<f64>,
    device_s: Option<Vec<f64>>,
    to_target_s: Vec<f64>,
    stopped: &str,
) -> Times {
    Times {
        setup_s,
        upload_s,
        solve_s,
        device_s,
        to_target_s,
        clock: "host".into(),
        stopped: stopped.into(),
    }
}

#[cfg(test)]
mod tests {
    use crate::record::Accuracy;

    use super::*;

    fn outcome(ended: Ended) -> Outcome {
        Outcome {
            ended,
            eigenvalues: vec![1.0],
            components: vec![1.0],
            residuals: vec![0.0],
            iterations: 7,
            passes: 7.0,
            bytes: 1.0,
            flops: 1.0,
            host_passes: 0.0,
            learning_rate: 1.0,
            residual: 0.0,
            fault: None,
        }
    }

    fn assessment(sine: Option<f64>, residual: f64, failures: &[&str]) -> Assessment {
        Assessment {
            accuracy: Accuracy {
                reference: "lapack".into(),
                eigenvalue_error: sine,
                subspace_sine: sine,
                residual,
                orthogonality: 0.0,
                explained_variance: 0.5,
                reconstruction_error: 1.0,
                component_sine: sine.or(Some(residual)),
                checked_components: Some(10),
                reference_error: None,
            },
            worst: Some((0, sine.unwrap_or(residual))),
            failures: failures.iter().map(|text| text.to_string()).collect(),
        }
    }

    #[test]
    fn the_status_follows_from_the_end_the_checks_and_the_target() {
        let case = Case::default().settled();
        let status = |ended, sine, residual, failures: &[&str]| {
            let assessment = assessment(sine, residual, failures);
            verdict(&case, &outcome(ended), &assessment, None).0
        };
        assert_eq!(
            status(Ended::Converged, Some(1e-4), 1.0, &[]),
            Status::Reached
        );
        assert_eq!(
            status(Ended::Iterations, Some(1e-4), 1.0, &[]),
            Status::Reached
        );
        assert_eq!(status(Ended::Converged, None, 1e-4, &[]), Status::Reached);
        assert_eq!(status(Ended::Converged, None, 1e-2, &[]), Status::Stalled);
        assert_eq!(status(Ended::Floor, Some(1e-2), 0.0, &[]), Status::Stalled);
        assert_eq!(
            status(Ended::Iterations, Some(1e-2), 0.0, &[]),
            Status::Budget
        );
        assert_eq!(status(Ended::Stopped, Some(1e-2), 0.0, &[]), Status::Budget);
        assert_eq!(
            status(Ended::Converged, Some(1e-9), 0.0, &["off"]),
            Status::Failed
        );
        assert_eq!(
            status(Ended::Diverged, Some(f64::NAN), f64::NAN, &["nan"]),
            Status::Diverged
        );
        // A target that nothing can be held against is not reached.
        assert_eq!(
            status(Ended::Converged, Some(f64::NAN), 0.0, &[]),
            Status::Stalled
        );
    }

    #[test]
    fn reasons_say_which_component_is_off_and_where_a_solve_stopped() {
        let case = Case::default().settled();
        let reason = |outcome: &Outcome, assessment: &Assessment| {
            verdict(&case, outcome, assessment, None).1.unwrap()
        };
        let mut stalled = outcome(Ended::Floor);
        stalled.residual = 3e-4;
        let mut off = assessment(Some(1e-9), 0.0, &[]);
        (off.accuracy.component_sine, off.worst) = (Some(2e-2), Some((4, 2e-2)));
        let words = reason(&stalled, &off);
        assert!(
            words.contains("residual of 3.0e-4")
                && words.contains("component 5 at a sine of 2.0e-2"),
            "{words}"
        );
        stalled.ended = Ended::Converged;
        let words = reason(&stalled, &off);
        assert!(words.contains("within the tolerance of 1e-6"), "{words}");
        let mut diverged = outcome(Ended::Diverged);
        diverged.fault = Some(Fault {
            component: 2,
            step: 9,
            quantity: "gradient",
        });
        let words = reason(&diverged, &off);
        assert_eq!(words, "the gradient is not finite at step 9 of component 3");
    }

    #[test]
    fn a_component_that_is_not_resolved_is_never_reached() {
        let case = Case::default().settled();
        let mut short = assessment(Some(1e-9), 0.0, &[]);
        short.accuracy.checked_components = Some(8);
        let (status, reason) = verdict(&case, &outcome(Ended::Converged), &short, None);
        assert_eq!(status, Status::Unresolved);
        let reason = reason.unwrap();
        assert!(
            reason.starts_with("8 of 10 components checked: eigenvalues 9 to 10 are"),
            "{reason}"
        );
    }

    #[test]
    fn other_bits_in_a_later_repeat_are_a_failed_check() {
        let case = Case::default().settled();
        let (status, reason) = verdict(
            &case,
            &outcome(Ended::Converged),
            &assessment(Some(1e-9), 0.0, &[]),
            Some("repeat 2 gave other bits than repeat 1".into()),
        );
        assert_eq!(status, Status::Failed);
        assert!(reason.unwrap().contains("repeat 2"));
    }
}
