use crate::record::Accuracy;

use super::*;
use crate::race::problem::pca::PcaDraft;
use crate::race::task::Draft;

fn case() -> Case<Pca> {
    Draft::default()
        .settled()
        .with(PcaDraft::default().settled())
}

fn outcome(ended: Ended) -> Outcome {
    Outcome {
        ended,
        eigenvalues: vec![1.0],
        components: vec![1.0],
        residuals: vec![0.0],
        iterations: 7,
        passes: 7.0,
        cost: Default::default(),
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
    let case = case();
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
    let case = case();
    let reason = |outcome: &Outcome, assessment: &Assessment| {
        verdict(&case, outcome, assessment, None).1.unwrap()
    };
    let mut stalled = outcome(Ended::Floor);
    stalled.residual = 3e-4;
    let mut off = assessment(Some(1e-9), 0.0, &[]);
    (off.accuracy.component_sine, off.worst) = (Some(2e-2), Some((4, 2e-2)));
    let words = reason(&stalled, &off);
    assert!(
        words.contains("residual of 3.0e-4") && words.contains("component 5 at a sine of 2.0e-2"),
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
    let case = case();
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
    let case = case();
    let (status, reason) = verdict(
        &case,
        &outcome(Ended::Converged),
        &assessment(Some(1e-9), 0.0, &[]),
        Some("repeat 2 gave other bits than repeat 1".into()),
    );
    assert_eq!(status, Status::Failed);
    assert!(reason.unwrap().contains("repeat 2"));
}
