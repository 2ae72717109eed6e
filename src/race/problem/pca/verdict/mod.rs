//! How a solve of principal components ended, as a status and in words.

use crate::kernel::resolution;
use crate::optimizer::Ended;
use crate::pca::{Assessment, Fault, Outcome, Standing};
use crate::record::Status;

use super::{How, Pca};
use crate::race::case::{Batch, Case};

/// How a solve ended, and that in words where the status does not say it all.
///
/// `changed`: what was other in a later repeat, which may not be; a failed check like those of the assessment.
pub(super) fn verdict(
    case: &Case<Pca>,
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
    match assessment.standing(case.target, case.task.components) {
        Standing::Right => return (Status::Reached, None),
        Standing::Unresolved(checked) => {
            let reason = unresolved(checked, case.task.components);
            return (Status::Unresolved, Some(reason));
        }
        Standing::Above | Standing::Failed => {}
    }
    let steps = case.task.steps().cloned().unwrap_or_default();
    let missed = missed(case, assessment);
    let residual = format!("{:.1e}", outcome.residual);
    match outcome.ended {
        Ended::Converged => (
            Status::Stalled,
            at(&format!(
                "residual {residual}, within the tolerance of {:e}, but {missed},",
                steps.tolerance
            )),
        ),
        Ended::Floor => (
            Status::Stalled,
            at(&format!(
                "no improvement under a residual of {residual}, and {missed},"
            )),
        ),
        Ended::Iterations if steps.batch != Batch::Full => (
            Status::Budget,
            Some(format!(
                "limit of {} epochs or {} iterations, {missed}",
                steps.epochs, steps.max_iterations
            )),
        ),
        Ended::Iterations => (
            Status::Budget,
            Some(format!(
                "limit of {} iterations, {missed}",
                steps.max_iterations
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
fn place(case: &Case<Pca>, fault: Fault) -> String {
    let Fault {
        component,
        step,
        quantity,
    } = fault;
    let component = match case.task.how {
        How::Deflation(_) => format!(" of component {}", component + 1),
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
fn missed(case: &Case<Pca>, assessment: &Assessment) -> String {
    match assessment.worst {
        Some((component, sine)) if sine.is_nan() || sine > case.target => {
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

#[cfg(test)]
mod tests;
