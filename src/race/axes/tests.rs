use super::super::device::{DeviceSpec, Found, Threads};
use super::super::words::split;
use super::*;

fn cpu() -> Vec<Found> {
    vec![Found {
        spec: DeviceSpec::cpu(Threads::All),
        software: false,
    }]
}

fn ids(axes: &Axes) -> Vec<String> {
    axes.entries(true, &cpu)
        .unwrap()
        .iter()
        .map(|entry| entry.case.id("x"))
        .collect()
}

#[test]
fn lists_are_crossed_and_equal_cases_are_one() {
    let axes = Axes {
        method: split("deflation,direct"),
        optimizer: split("sgd,adam"),
        threads: split("1,all"),
        ..Axes::default()
    };
    let ids = ids(&axes);
    assert_eq!(ids.len(), 6, "{ids:?}");
    assert_eq!(ids[0], "pca/x/deflation/samples/sgd/k10/cpu@1/f32");
    assert_eq!(ids[5], "pca/x/direct/k10/cpu/f64");
}

#[test]
fn auto_is_the_case_that_it_stands_for() {
    let ids = |problem: &str, data: &str| {
        ids(&Axes {
            problem: split(problem),
            data: split(data),
            standardize: split("auto,none,columns"),
            threads: split("1"),
            ..Axes::default()
        })
    };
    let pca = "pca/x/deflation/samples/sgd/k10/cpu@1/f32";
    let columns = format!("{pca}/standardize-columns");
    assert_eq!(ids("pca", "x.npy"), [pca, &columns]);
    let mlp = "mlp/x/300-100/sgd/cpu@1/f32";
    let none = format!("{mlp}/standardize-none");
    assert_eq!(ids("mlp", "x.npy"), [mlp, &none]);
    let columns = format!("{mlp}/standardize-columns");
    for images in ["mnist", "digits", "."] {
        assert_eq!(ids("mlp", images), [mlp, &columns]);
    }
}

#[test]
fn flags_narrow_the_choices_of_a_block_and_replace_the_rest() {
    let block = Axes {
        method: split("deflation,subspace"),
        optimizer: split("sgd,adam,momentum"),
        components: split("10"),
        ..Axes::default()
    };
    let flags = Axes {
        method: split("subspace,direct"),
        components: split("3"),
        gradient: split("plain"),
        ..Axes::default()
    };
    let narrowed = flags.narrow(&block).unwrap();
    assert_eq!(narrowed.method, split("subspace"));
    assert_eq!(narrowed.optimizer, block.optimizer);
    assert_eq!(narrowed.components, split("3"));
    assert_eq!(narrowed.gradient, split("plain"));
    let flags = Axes {
        optimizer: split("rmsprop"),
        ..Axes::default()
    };
    assert_eq!(flags.narrow(&block), None);
}

#[test]
fn a_device_is_named_when_it_or_its_threads_are() {
    let named = |device: &str, threads: &str| {
        let list = |text: &str| {
            if text.is_empty() {
                Vec::new()
            } else {
                split(text)
            }
        };
        let axes = Axes {
            device: list(device),
            threads: list(threads),
            ..Axes::default()
        };
        axes.entries(true, &cpu)
            .unwrap()
            .iter()
            .map(|entry| entry.named)
            .collect::<Vec<_>>()
    };
    assert_eq!(named("", ""), [false]);
    assert_eq!(named("all", "1,all"), [true, false]);
    assert_eq!(named("cpu,cuda:0", ""), [true, true]);
}

#[test]
fn a_value_that_a_parameter_cannot_have_is_refused_in_one_line() {
    let one = |set: fn(&mut Axes, Vec<String>), text: &str| {
        let mut axes = Axes::default();
        set(&mut axes, split(text));
        let error = axes.entries(true, &cpu).expect_err(text).to_string();
        assert_eq!(error.lines().count(), 1);
        error
    };
    assert!(one(|a, w| a.components = w, "0").contains("components `0`"));
    assert!(one(|a, w| a.components = w, "3,,4").contains("components ``"));
    assert!(one(|a, w| a.learning_rate = w, "fast").contains("auto"));
    assert!(one(|a, w| a.target = w, "-1").contains("above 0"));
    assert!(one(|a, w| a.tolerance = w, "nan").contains("above 0"));
    assert!(one(|a, w| a.batch = w, "0").contains("full"));
    assert!(one(|a, w| a.threads = w, "0").contains("all"));
    assert!(one(|a, w| a.seed = w, "-1").contains("seed"));
    assert!(one(|a, w| a.repeats = w, "1,2").contains("one number"));
    assert!(one(|a, w| a.problem = w, "pka").contains("did you mean pca?"));
    assert!(one(|a, w| a.standardize = w, "colums").contains("did you mean columns?"));
    assert!(one(|a, w| a.layers = w, "0").contains("from 1"));
    assert!(one(|a, w| a.weight_decay = w, "-1").contains("from 0"));
    assert!(one(|a, w| a.optimizer = w, "momentun").contains("did you mean momentum?"));
}
