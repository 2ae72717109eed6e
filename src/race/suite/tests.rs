use sha2::{Digest, Sha256};

use super::super::case::Source;
use super::super::device::{DeviceSpec, Found};
use super::super::words::split;
use super::*;

fn found(name: &str, software: bool) -> Found {
    let spec = DeviceSpec::parse(name).unwrap();
    Found { spec, software }
}

fn cpu() -> Vec<Found> {
    vec![found("cpu", false)]
}

/// The devices of a suite's cases, each once, with the number of cases on it.
fn devices(suite: &Suite, device: &str, present: &Present<'_>) -> Vec<(String, usize)> {
    let flags = Axes {
        device: if device.is_empty() {
            Vec::new()
        } else {
            split(device)
        },
        ..Axes::default()
    };
    let mut counts: Vec<(String, usize)> = Vec::new();
    for entry in suite.entries(&flags, present).unwrap_or_default() {
        let name = entry.case.device.to_string();
        match counts.iter_mut().find(|(other, _)| *other == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    counts
}

#[test]
fn every_embedded_suite_parses_and_has_cases() {
    assert_eq!(Suite::list().count(), EMBEDDED.len());
    for (name, suite) in Suite::list() {
        assert!(
            suite.shows.ends_with('.'),
            "{name} says what it shows in a sentence"
        );
        assert!(
            !suite.entries(&Axes::default(), &cpu).unwrap().is_empty(),
            "{name}"
        );
    }
}

#[test]
fn quick_races_all_rules_by_both_methods_the_seed_job_and_direct_with_one_thread_and_all() {
    let entries = Suite::find("quick")
        .unwrap()
        .entries(&Axes::default(), &cpu)
        .unwrap();
    assert_eq!(entries.len(), 2 * (6 * 2 + 1 + 1));
    let ids: Vec<_> = entries.iter().map(|entry| entry.case.id("mnist")).collect();
    for id in [
        "pca/mnist/deflation/covariance/adam/k10/cpu@1/f32",
        "pca/mnist/subspace/covariance/nesterov/k10/cpu/f32",
        "pca/mnist/deflation/samples/sgd/k10/cpu@1/f32",
        "pca/mnist/direct/k10/cpu/f64",
    ] {
        assert!(
            ids.iter().any(|other| other == id),
            "{id} is not in {ids:?}"
        );
    }
}

#[test]
fn a_software_adapter_runs_the_block_made_for_it_and_no_other() {
    let suite = Suite::parse(
        "x",
        "shows = 'a'\n[[cases]]\nmethod = ['deflation', 'subspace']\n\
         [[cases]]\nsoftware = true\ncomponents = 3\n",
    )
    .unwrap();
    let both = || {
        let gpu = [found("wgpu:0", false), found("wgpu:1", true)];
        [cpu(), gpu.to_vec()].concat()
    };
    let count = |names: &[(&str, usize)]| -> Vec<(String, usize)> {
        names.iter().map(|(n, c)| (n.to_string(), *c)).collect()
    };
    let on = |device, present: &Present<'_>| devices(&suite, device, present);
    assert_eq!(on("", &cpu), count(&[("cpu", 2)]));
    let all = count(&[("cpu", 3), ("wgpu:0", 2), ("wgpu:1", 1)]);
    assert_eq!(on("", &both), all);
    assert_eq!(on("all", &both), all);
    assert_eq!(on("wgpu:1", &both), count(&[("wgpu:1", 1)]));
    assert_eq!(on("wgpu:0", &both), count(&[("wgpu:0", 2)]));
    assert_eq!(on("cpu", &both), count(&[("cpu", 2)]));
    let named = count(&[("cpu", 3), ("wgpu:1", 1)]);
    assert_eq!(on("cpu,wgpu:1", &both), named);
}

#[test]
fn a_suite_without_such_a_block_takes_a_software_adapter_by_name_alone() {
    let with = |device| {
        let text = format!("shows = 'a'\n[[cases]]\n{device}");
        Suite::parse("x", &text).unwrap()
    };
    let present = || vec![found("cpu", false), found("wgpu:0", true)];
    let names = |suite: &Suite, device: &str| -> Vec<String> {
        let counts = devices(suite, device, &present);
        counts.into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names(&with(""), ""), ["cpu"]);
    assert_eq!(names(&with(""), "wgpu:0"), ["wgpu:0"]);
    let own = with("device = ['cpu', 'wgpu:0']");
    assert_eq!(names(&own, ""), ["cpu", "wgpu:0"]);
    assert_eq!(names(&own, "all"), ["cpu"]);
}

#[test]
fn quick_gives_a_gpu_the_whole_race_and_a_software_adapter_a_small_one() {
    let quick = Suite::find("quick").unwrap();
    let gpu = || vec![found("cpu", false), found("wgpu:0", false)];
    let software = || vec![found("cpu", false), found("wgpu:0", true)];
    assert_eq!(devices(&quick, "wgpu:0", &gpu)[0].1, 6 * 2 + 1 + 1);
    let flags = Axes {
        device: split("wgpu:0"),
        ..Axes::default()
    };
    let entries = quick.entries(&flags, &software).unwrap();
    assert_eq!(entries.len(), 2 * (6 + 1));
    for entry in entries {
        let id = entry.case.id("x");
        assert!(
            id.contains("/k3/wgpu:0/") && entry.case.time_limit_s <= 30.0,
            "{id}"
        );
    }
}

#[test]
fn flags_narrow_a_suite_down_to_nothing_with_a_word() {
    let quick = Suite::find("quick").unwrap();
    let flags = |optimizer, method| Axes {
        optimizer: split(optimizer),
        method: split(method),
        ..Axes::default()
    };
    let left = quick.entries(&flags("sgd,adam", "subspace"), &cpu).unwrap();
    assert_eq!(left.len(), 4);
    let error = quick
        .entries(&flags("adm", "subspace"), &cpu)
        .unwrap_err()
        .to_string();
    assert!(error.contains("did you mean adam?"), "{error}");
    let components = split("10");
    let none = Suite {
        shows: String::new(),
        cases: vec![],
    };
    assert!(
        none.entries(
            &Axes {
                components,
                ..Axes::default()
            },
            &cpu
        )
        .is_err()
    );
}

#[test]
fn a_file_that_is_no_suite_is_told_with_the_line() {
    let error = Suite::parse("x.toml", "shows = 'a'\n[[cases]]\noptimiser = ['sgd']\n");
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("x.toml, line 3") && error.contains("optimiser"),
        "{error}"
    );
    assert!(error.contains("did you mean optimizer?"), "{error}");
    assert!(error.contains("accepted: problem, data,"), "{error}");
    let error = Suite::find("quik").unwrap_err().to_string();
    assert!(error.contains("did you mean quick?"), "{error}");
    let error = Suite::find("no/such.toml").unwrap_err().to_string();
    assert!(error.contains("no/such.toml"), "{error}");
}

/// Ids of entries, one a line, samples named as they are asked for.
fn lines(entries: &[AnyEntry]) -> String {
    let line = |entry: &AnyEntry| match &entry.case.source {
        Source::Default => entry.case.id("mnist") + "\n",
        Source::Spec(spec) => entry.case.id(spec) + "\n",
    };
    entries.iter().map(line).collect()
}

fn sha256(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Records are found again by their ids: these are what they were before `Case` had a task. Where a change of ids is
/// meant, compare the lists by `gradrace run --dry-run` and put the new digests here.
#[test]
fn the_ids_of_every_suite_are_what_they_were() {
    let mut ids = String::new();
    for (name, suite) in Suite::list() {
        for software in [false, true] {
            let present = || {
                let gpu = [found("cuda:0", false), found("wgpu:0", software)];
                [cpu(), gpu.to_vec()].concat()
            };
            for (device, threads) in [("cpu,cuda:0,wgpu:0", "1,all"), ("all", "all")] {
                let flags = Axes {
                    device: split(device),
                    threads: split(threads),
                    ..Axes::default()
                };
                let entries = suite.entries(&flags, &present).unwrap();
                ids += &format!("{name} {software} {device}\n{}", lines(&entries));
            }
        }
    }
    assert_eq!(ids.lines().count(), 2650);
    assert_eq!(
        sha256(&ids),
        "ea2c711037604a0ca0e62275cb1c3e0cb73c4aa1c89ade42a4cbd8a28c43243b"
    );
}

#[test]
fn the_ids_of_crossed_flags_and_their_order_are_what_they_were() {
    let list = split;
    let all = Axes {
        problem: list("pca,mlp"),
        method: list("deflation,subspace,direct"),
        operator: list("samples,covariance"),
        batch: list("full,128,64"),
        optimizer: list("sgd,adam"),
        threads: list("1,all"),
        ..Axes::default()
    };
    let crossed = [
        Axes {
            gradient: list("plain,projected"),
            learning_rate: list("auto,0.2"),
            components: list("10,3"),
            ..all.clone()
        },
        Axes {
            data: list("mnist,x.npy"),
            standardize: list("auto,none,columns"),
            layers: vec!["none".into(), "300,100".into(), "7".into()],
            weight_decay: list("0,1e-4"),
            ..all.clone()
        },
        Axes {
            tolerance: list("1e-6,0.001"),
            target: list("0.05,1e-3,0.03"),
            max_iterations: list("20000,500"),
            time_limit: list("120,2.5"),
            ..all.clone()
        },
        Axes {
            epochs: list("20,5"),
            seed: list("1,2"),
            precision: list("f32,f64,tf32"),
            device: list("cpu,cuda:1,wgpu:0"),
            repeats: list("3"),
            ..all
        },
    ];
    let lines = |flags: &Axes| lines(&flags.entries(true, &cpu).unwrap());
    let ids: String = crossed.iter().map(lines).collect();
    assert_eq!(ids.lines().count(), 2430);
    assert_eq!(
        sha256(&ids),
        "98328d76b48ce345a1a82ea5e40b0f796063fc854c9787b386d12d56ad9bb40e"
    );
}
