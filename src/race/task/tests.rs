use super::*;
use crate::error::Error;
use crate::pca::{Gradient, Method, OperatorKind};
use crate::race::problem::Problem;

/// A case of a draft that is changed.
fn case(change: impl FnOnce(&mut Draft)) -> AnyCase {
    let mut draft = Draft::default();
    change(&mut draft);
    draft.settled()
}

#[test]
fn the_id_of_the_defaults_holds_no_parameter() {
    let case = case(|draft| draft.set_rule(Rule::named("momentum")));
    assert_eq!(
        case.id("mnist"),
        "pca/mnist/deflation/samples/momentum/k10/cpu/f32"
    );
}

#[test]
fn every_parameter_that_is_not_the_default_stands_in_the_id() {
    let case = case(|draft| {
        draft.pca.gradient = Some(Gradient::Projected);
        draft.set_learning_rate(Some(0.2));
        draft.set_batch(Batch::Rows(256));
        draft.set_epochs(5);
        draft.pca.components = 3;
        draft.device = DeviceSpec::cpu(Threads::Count(1));
        draft.precision = Some(Precision::F64);
        draft.seed = 2;
        draft.target = Some(1e-3);
        draft.pca.steps.tolerance = 1e-8;
        draft.pca.steps.max_iterations = 500;
        draft.time_limit_s = 2.5;
    });
    assert_eq!(
        case.id("x.npy-0123abcd"),
        "pca/x.npy-0123abcd/deflation/samples/sgd/projected/batch256/eta0.2/k3/cpu@1/f64/target1e-3/tol1e-8/\
         limit2.5/iter500/epochs5/seed2"
    );
}

#[test]
fn the_id_of_a_network_holds_its_layers_and_what_is_not_the_default() {
    let mut draft = Draft {
        problem: ProblemKind::Mlp,
        ..Draft::default()
    };
    draft.set_rule(Rule::named("adam"));
    assert_eq!(
        draft.clone().settled().id("mnist"),
        "mlp/mnist/300-100/adam/cpu/f32"
    );
    draft.mlp.layers = vec![];
    draft.mlp.weight_decay = Some(1e-4);
    draft.set_batch(Batch::Full);
    draft.set_learning_rate(Some(0.5));
    draft.set_epochs(100);
    draft.pca.components = 3;
    draft.pca.steps.tolerance = 0.1;
    assert_eq!(
        draft.settled().id("mnist"),
        "mlp/mnist/none/adam/batchfull/eta0.5/cpu/f32/decay1e-4/epochs100"
    );
}

#[test]
fn what_a_case_does_not_use_makes_no_other_case() {
    let direct = |rule, seed, tolerance| {
        case(|draft| {
            draft.pca.method = Method::Direct;
            draft.set_rule(rule);
            draft.seed = seed;
            draft.pca.steps.tolerance = tolerance;
            draft.set_batch(Batch::Rows(9));
        })
    };
    assert_eq!(
        direct(Rule::named("sgd"), 1, 1e-6),
        direct(Rule::named("adam"), 2, 1e-3)
    );
    assert_eq!(
        direct(Rule::named("sgd"), 1, 1e-6).id("mnist"),
        "pca/mnist/direct/k10/cpu/f64"
    );
    let covariance = |batch: Option<Batch>| {
        case(|draft| {
            draft.pca.steps.operator = OperatorKind::Covariance;
            batch.into_iter().for_each(|batch| draft.set_batch(batch));
            draft.set_epochs(3);
        })
    };
    assert_eq!(covariance(Some(Batch::Rows(64))), covariance(None));
    let plain = case(|draft| draft.pca.gradient = Some(Gradient::Plain));
    assert_eq!(plain, Draft::default().settled());
}

#[test]
fn cases_on_two_devices_race_and_others_do_not() {
    let one = case(|draft| draft.device = DeviceSpec::cpu(Threads::Count(1)));
    assert!(one.races(&Draft::default().settled()));
    assert!(!one.races(&case(|draft| draft.seed = 2)));
}

#[test]
fn another_precision_is_refused_not_replaced() {
    let task = PcaDraft::default().settled();
    let case = case(|draft| draft.precision = Some(Precision::F64)).with(task);
    assert!(matches!(Pca::plan(&case), Err(Error::Unsupported(why)) if why.contains("f64")));
}
