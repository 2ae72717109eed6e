//! Races as a user runs them: what is printed, what is written, with which exit status.

use crate::program::{Place, components, covariance, gapped, residual, stderr, stdout, text};

const TINY: &str = "run --data digits:n=200 --components 3 --repeats 2 --quiet";

#[test]
fn a_race_prints_a_table_and_leaves_records_machine_charts_and_page() {
    let place = Place::new();
    let assert = place
        .run(&format!("{TINY} --method deflation,direct --out r"))
        .code(0);
    let table = stdout(&assert);
    assert!(
        table.contains("deflation/samples/sgd/cpu") && table.contains("direct/cpu"),
        "{table}"
    );
    assert!(
        !table.contains('\u{1b}'),
        "no colours into a pipe: {table:?}"
    );
    let records = place.records("r");
    assert_eq!(records.len(), 2);
    let sgd = &records[0];
    assert_eq!(
        text(sgd, "case"),
        "pca/digits:n=200/deflation/samples/sgd/k3/cpu/f32"
    );
    assert_eq!(text(sgd, "status"), "reached");
    assert_eq!(sgd["time"]["solve_s"].as_array().unwrap().len(), 2);
    assert_eq!(sgd["time"]["to_target_s"].as_array().unwrap().len(), 2);
    assert_eq!(sgd["data"]["n"], 200);
    assert_eq!(sgd["eigenvalues"].as_array().unwrap().len(), 3);
    assert!(sgd["accuracy"]["subspace_sine"].as_f64().unwrap() < 1e-3);
    assert!(sgd["rate"]["share_of_peak"].as_f64().unwrap() > 0.0);
    let curve = sgd["curve"].as_array().unwrap();
    assert!(curve.len() > 5);
    assert!(
        curve
            .windows(2)
            .all(|w| w[0]["time_s"].as_f64() <= w[1]["time_s"].as_f64())
    );
    assert_eq!(curve[0]["error"], 1.0);
    for record in &records {
        let artifact = record["artifacts"]["components"].as_str().unwrap();
        assert_eq!(components(&place.path("r").join(artifact)).dim(), (3, 784));
    }
    let machine = std::fs::read_to_string(place.path("r/machine.json")).unwrap();
    let machine: serde_json::Value = serde_json::from_str(&machine).unwrap();
    assert_eq!(machine["fingerprint"], sgd["machine"]);
    assert_eq!(machine["peaks"][0]["device"], "cpu");
    let page = std::fs::read_to_string(place.path("r/report.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("deflation/samples/sgd"));
    assert!(std::fs::read_dir(place.path("r/charts")).unwrap().count() > 2);
}

#[test]
fn records_follow_the_schema_that_the_program_prints() {
    let place = Place::new();
    place
        .run(&format!("{TINY} --optimizer sgd,adam --out r"))
        .code(0);
    let schema = stdout(&place.run("schema").code(0));
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for record in place.records("r") {
        assert!(
            validator.is_valid(&record),
            "{:?}",
            validator.iter_errors(&record).next()
        );
    }
}

#[test]
fn json_is_the_records_and_nothing_else_on_standard_output() {
    let place = Place::new();
    let assert = place.run(&format!("{TINY} --format json --out r")).code(0);
    let printed: serde_json::Value = serde_json::from_str(&stdout(&assert)).unwrap();
    assert_eq!(printed.as_array().unwrap(), &place.records("r"));
    // A busy machine is worth a note, quiet or not.
    let busy = |line: &str| line.starts_with("note: cpu: this machine reached");
    assert!(stderr(&assert).lines().all(busy), "{}", stderr(&assert));
}

#[test]
fn no_path_host_or_user_name_enters_what_is_written() {
    let place = Place::new();
    std::fs::create_dir(place.path("secret-folder")).unwrap();
    place.npy("secret-folder/x.npy", &gapped());
    let arguments = "run --components 2 --repeats 1 --quiet --out r --data";
    let mut command = place.program(arguments);
    command
        .arg(place.path("secret-folder/x.npy"))
        .assert()
        .code(0);
    let record = &place.records("r")[0];
    let case = text(record, "case");
    let digits = &record["data"]["sha256"].as_str().unwrap()[..8];
    assert!(case.starts_with(&format!("pca/x.npy-{digits}/")), "{case}");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let mut names = vec![
        "secret-folder".to_string(),
        place.path("").display().to_string(),
    ];
    names.extend(
        [host.trim().to_string()]
            .into_iter()
            .filter(|host| host.len() > 3),
    );
    for file in ["records.jsonl", "machine.json", "report.html"] {
        let text = std::fs::read_to_string(place.path("r").join(file)).unwrap();
        for name in &names {
            assert!(
                !text.contains(name.trim_end_matches('/')),
                "{name} is in {file}"
            );
        }
    }
}

#[test]
fn components_are_saved_one_row_each_largest_eigenvalue_first() {
    let place = Place::new();
    let x = gapped();
    place.npy("X.npy", &x);
    let arguments = "run --data X.npy --problem pca --method deflation --components 5 --device cpu --out D \
                     --save-components V.npy --quiet";
    place.run(arguments).code(0);
    let v = components(&place.path("V.npy"));
    assert_eq!(v.dim(), (5, 20));
    let c = covariance(&x, 1.0);
    let (residual, orthogonality) = residual(&c, v.view());
    assert!(
        residual < 1e-4 && orthogonality < 1e-4,
        "{residual:e} {orthogonality:e}"
    );
    let quotients: Vec<f64> = v.outer_iter().map(|v| v.dot(&c.dot(&v))).collect();
    assert!(quotients.is_sorted_by(|a, b| a > b), "{quotients:?}");
    for row in v.outer_iter() {
        let largest = row
            .iter()
            .fold(0.0f64, |m, x| if x.abs() > m.abs() { *x } else { m });
        assert!(largest > 0.0, "{row}");
    }
}

#[test]
fn a_dry_run_lists_the_cases_and_writes_nothing() {
    let place = Place::new();
    let lists = "--method deflation,direct --optimizer sgd,adam --threads 1,all";
    let assert = place
        .run(&format!("run --data digits:n=200 {lists} --dry-run"))
        .code(0);
    let text = stdout(&assert);
    assert_eq!(text.lines().count(), 8, "{text}");
    assert!(
        text.starts_with("pca/digits:n=200/deflation/samples/sgd/k10/cpu@1/f32\t157 kB, about "),
        "{text}"
    );
    assert!(
        text.contains("pca/digits:n=200/direct/k10/cpu/f64\t") && text.ends_with("\n6 cases\n"),
        "{text}"
    );
    let assert = place.run("run --dry-run").code(0);
    assert!(stdout(&assert).contains("pca/mnist/subspace/covariance/nesterov/k10/cpu/f32"));
    assert!(
        stderr(&assert).contains("digits"),
        "mnist is not here, and that is said"
    );
    assert!(!place.path("results").exists());
    place.npy("X.npy", &gapped());
    let assert = place.run("run --data X.npy --dry-run").code(0);
    assert!(stdout(&assert).starts_with("pca/X.npy-"));
}

#[test]
fn a_suite_skips_what_the_memory_cannot_hold_with_its_size_and_runs_the_rest() {
    let place = Place::new();
    let huge = "spectrum:n=1000000,d=1000000";
    let suite = format!(
        "shows = 'sizes'\n[[cases]]\ndata = ['spectrum:n=60,d=9', '{huge}', 'spectrum:n=90,d=9']\n\
         components = 2\nrepeats = 1\n"
    );
    place.write("s.toml", suite.as_bytes());
    let listed = stdout(&place.run("run ./s.toml --dry-run").code(0));
    assert!(listed.contains("\t4000.0 GB, about "), "{listed}");
    place.run("run ./s.toml --quiet --out s").code(0);
    let records = place.records("s");
    let statuses: Vec<&str> = records
        .iter()
        .map(|record| text(record, "status"))
        .collect();
    assert_eq!(statuses, ["skipped", "reached", "reached"]);
    let reason = text(&records[0], "reason");
    assert!(
        reason.contains("4000.0 GB") && reason.contains("half of the memory"),
        "{reason}"
    );
    let page = std::fs::read_to_string(place.path("s/report.html")).unwrap();
    assert!(page.contains("half of the memory"));
    place.refuses(&format!("run --data {huge} --components 2"), &["memory"]);
}

#[test]
fn a_list_of_samples_takes_keys_to_the_name_before_them() {
    let place = Place::new();
    let data = "digits:n=200,seed=3,spectrum:n=50,d=9,digits:n=300";
    let assert = place
        .run(&format!("run --data {data} --components 2 --dry-run"))
        .code(0);
    let text = stdout(&assert);
    assert!(text.contains("pca/digits:n=200,seed=3/") && text.contains("pca/spectrum:n=50,d=9/"));
    assert!(text.ends_with("3 cases\n"), "{text}");
}

#[test]
fn what_a_device_lacks_is_a_skipped_row_and_no_error() {
    let place = Place::new();
    place
        .run(&format!(
            "{TINY} --precision f64 --method deflation,direct --out r"
        ))
        .code(0);
    let records = place.records("r");
    assert_eq!(
        (text(&records[0], "status"), text(&records[1], "status")),
        ("skipped", "reached")
    );
    assert!(text(&records[0], "reason").contains("f32"));
    place.write(
        "s.toml",
        b"shows = 'a missing device'\n[[cases]]\ndevice = ['cpu', 'cuda:0']\ncomponents = 2\n",
    );
    place
        .run("run ./s.toml --data digits:n=200 --repeats 1 --quiet --out s")
        .code(0);
    let records = place.records("s");
    let card = records
        .iter()
        .find(|row| text(row, "case").contains("cuda:0"));
    let card = card.expect("a row for the missing device");
    assert_eq!(text(card, "status"), "skipped");
    assert!(text(card, "reason").contains("CUDA"));
}

#[test]
fn a_missed_target_and_a_rule_that_diverges_are_rows_and_no_error() {
    let place = Place::new();
    place
        .run(&format!("{TINY} --max-iterations 2 --out r"))
        .code(0);
    let record = &place.records("r")[0];
    assert_eq!(text(record, "status"), "budget");
    assert!(
        text(record, "reason").contains("2 iterations"),
        "{}",
        record["reason"]
    );
    assert_eq!(record["time"]["to_target_s"].as_array().unwrap().len(), 0);
    let rate = "--optimizer momentum --learning-rate 1e38";
    let assert = place
        .run(&format!("{TINY} {rate} --max-iterations 200 --out d"))
        .code(0);
    let record = &place.records("d")[0];
    let status = text(record, "status");
    assert!(
        ["diverged", "budget", "stalled"].contains(&status),
        "{status}: {}",
        stdout(&assert)
    );
}

#[test]
fn a_suite_is_narrowed_by_flags() {
    let place = Place::new();
    let flags = "--optimizer sgd,adam --method subspace --threads 1 --components 2";
    let assert = place
        .run(&format!("run quick {flags} --data digits:n=200 --dry-run"))
        .code(0);
    let text = stdout(&assert);
    let ids: Vec<&str> = text
        .lines()
        .filter_map(|line| Some(line.split_once('\t')?.0))
        .collect();
    let expected = ["sgd", "adam"]
        .map(|rule| format!("pca/digits:n=200/subspace/covariance/{rule}/k2/cpu@1/f32"));
    assert_eq!(ids, expected);
    let flags = format!("{flags} --data digits:n=200 --repeats 1 --quiet");
    let assert = place.run(&format!("run quick {flags} --out r")).code(0);
    assert!(stdout(&assert).starts_with("quick: Which update rule"));
    assert_eq!(place.records("r").len(), 2);
}

#[test]
fn records_gather_in_a_folder_and_the_page_shows_the_last_of_each() {
    let place = Place::new();
    place.run(&format!("{TINY} --out r")).code(0);
    place.run(&format!("{TINY} --out r")).code(0);
    assert_eq!(place.records("r").len(), 2);
    let assert = place.run("report r -o page.html").code(0);
    assert_eq!(stdout(&assert), "page.html\n");
    assert!(
        std::fs::read_to_string(place.path("page.html"))
            .unwrap()
            .contains("<svg")
    );
    place.run("report no-such-folder").code(2);
    place.run("report").code(2);
}

#[test]
fn the_default_folder_is_stamped_with_the_time() {
    let place = Place::new();
    place.run(TINY).code(0);
    let mut folders = std::fs::read_dir(place.path("results/local")).unwrap();
    let name = folders
        .next()
        .unwrap()
        .unwrap()
        .file_name()
        .into_string()
        .unwrap();
    assert!(name.starts_with("20") && name.ends_with('Z'), "{name}");
    place.run("report").code(0);
    assert!(place.path("report.html").exists());
}

#[test]
fn samples_are_listed_and_looked_at() {
    let place = Place::new();
    let list = stdout(&place.run("data list").code(0));
    assert!(
        list.contains("spectrum") && list.contains("data fetch mnist"),
        "{list}"
    );
    let info = stdout(&place.run("data info digits:n=200").code(0));
    assert!(
        info.contains("200 x 784") && info.contains("28 x 28"),
        "{info}"
    );
    place.run("data info nothing.npy").code(2);
    place.run("data fetch imagenet").code(2);
    place.run("data fetch mnist --quiet").code(2);
}

#[test]
fn missing_devices_are_told_with_the_remedy() {
    let place = Place::new();
    let text = stdout(&place.run("devices").code(0));
    assert!(text.contains("cpu@1") && text.contains("GB/s"), "{text}");
    let cuda = text.lines().find(|line| line.starts_with("cuda:0"));
    let cuda = cuda.expect("a device that is missing has a line");
    assert!(cuda.contains("missing") && cuda.contains("CUDA"), "{text}");
    let listed = stdout(&place.run("devices --no-peaks").code(0));
    assert!(
        !listed.contains("GB/s") && listed.contains(cuda),
        "{listed}"
    );
    let names = |text: &str| -> Vec<String> {
        let words = text
            .lines()
            .filter_map(|line| line.split_whitespace().next());
        words.map(String::from).collect()
    };
    assert_eq!(names(&text), names(&listed));
}

#[test]
fn verify_checks_the_devices_that_are_asked_for_and_the_kernels_alone() {
    let place = Place::new();
    let text = stdout(&place.run("verify --device cpu --kernels --all").code(0));
    assert!(text.contains("cpu@1 portable: ") && text.contains(" 0 fail"));
    for other in ["wgpu", "cuda", "direct on"] {
        assert!(!text.contains(other), "{other}: {text}");
    }
    for (device, word) in [
        ("cuda:0", "CUDA"),
        ("cpu,wgpu:99", "wgpu:99"),
        ("gpu", "gpu"),
    ] {
        let assert = place
            .run(&format!("verify --device {device}"))
            .code(2)
            .stdout("");
        let error = stderr(&assert);
        assert!(
            error.starts_with("error: ") && error.contains(word),
            "{error}"
        );
    }
}
