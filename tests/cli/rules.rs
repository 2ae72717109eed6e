//! Update rules as a user lists, shows and writes them.

use crate::program::{Place, stderr, stdout, text};

/// A rule of the user's.
const HEAVY: &str = "name = \"heavy\"
about = \"momentum of another make\"
parameters = { mu = 0.85 }
states = { v = \"velocity\" }
update = '''
v = mu * v - rate * g
p += v
'''

[variants.light]
about = \"the same with less of it\"
parameters = { mu = 0.5 }
";

#[test]
fn rules_are_listed_with_their_formulas_and_shown_in_every_language() {
    let place = Place::new();
    let list = stdout(&place.run("rules").code(0));
    for name in ["sgd ", "adam ", "adam:keras ", "lion ", "lamb ", "cosine "] {
        let is_named = |line: &str| line.trim_start().starts_with(name);
        assert!(list.lines().any(is_named), "{list}");
    }
    assert!(
        list.contains("v = mu * v + g; p -= rate * v, with mu = 0.9\n"),
        "{list}"
    );
    for (form, words) in [
        (
            "math",
            &[
                "Kingma and Ba 2015",
                "beta2 = 0.999",
                "28 bytes, 14 operations",
            ][..],
        ),
        ("rust", &["fn adam(", "m = beta1 * m + (1.0 - beta1) * g;"]),
        (
            "cuda",
            &[
                "__global__ void",
                "-expm1f(t * log_beta1)",
                "sqrtf(v * once2)",
            ],
        ),
        (
            "wgsl",
            &[
                "@compute",
                "let beta1 = params.beta1;",
                "v_rw[i] = flush(v);",
            ],
        ),
    ] {
        let shown = stdout(&place.run(&format!("rules show adam --as {form}")).code(0));
        for word in words {
            assert!(shown.contains(word), "{form}: no `{word}` in {shown}");
        }
    }
    let error = stderr(&place.run("rules show adm").code(2));
    assert!(error.contains("did you mean adam?"), "{error}");
    let shown = stdout(&place.run("rules show step").code(0));
    assert!(shown.contains("factor = gamma^floor(parts"), "{shown}");
}

#[test]
fn schedules_are_raced_by_name_or_from_a_file_and_stand_in_the_case_and_the_record() {
    let place = Place::new();
    let mine = "name = \"mine\"\nabout = \"a test\"\nupdate = \"factor = 1 / (1 + t / steps)\"\n";
    place.write("mine.toml", mine.as_bytes());
    let network = "run --problem mlp --data digits:n=300 --layers none --device cpu --threads 1 --batch 50 --epochs 2 --target 0.9 \
                   --repeats 1 --quiet --out m --warm-up 20% --schedule constant,cosine,1/sqrt(t),mine.toml";
    place.run(network).code(0);
    let records = place.records("m");
    let of = |record| (text(record, "case"), text(&record["optimizer"], "schedule"));
    let seen: Vec<_> = records.iter().map(of).collect();
    assert_eq!(seen.len(), 4, "{seen:?}");
    assert!(seen[0].0.contains("/batch50/warmup20%/"), "{seen:?}");
    // 300 training samples, 6 batches an epoch.
    assert_eq!(
        seen[0].1,
        "constant: factor = 1, with steps = 12, warmup = 2"
    );
    assert!(
        seen[1].0.contains("/schedule-cosine/warmup20%/"),
        "{seen:?}"
    );
    assert!(seen[2].1.starts_with("inverse_sqrt: "), "{seen:?}");
    assert!(seen[3].0.contains("/schedule-mine@"), "{seen:?}");
    let pca = "run --data digits:n=300 --components 2 --operator covariance --device cpu --threads 1 --repeats 1 --quiet --out p \
               --optimizer momentum,adam --schedule auto,step --max-iterations 3000";
    place.run(pca).code(0);
    let records = place.records("p");
    let seen: Vec<_> = records.iter().map(of).collect();
    assert_eq!(seen.len(), 4, "{seen:?}");
    for (case, said) in seen {
        match (case.contains("/schedule-step/"), case.contains("/adam/")) {
            (true, _) => assert!(said.contains("steps = 3000"), "{case}: {said}"),
            (false, true) => assert!(said.starts_with("decay:root: "), "{case}: {said}"),
            (false, false) => assert_eq!(said, "constant", "{case}"),
        }
    }
    place.refuses(
        "run --data digits:n=50 --schedule cosin",
        &["did you mean cosine?", "auto", ".toml"],
    );
    place.refuses(
        "run --data digits:n=50 --warm-up 5%%",
        &["warm-up `5%%`", "number of steps"],
    );
    place.write("mine.toml", mine.replace("1 / (1", "1 - (1").as_bytes());
    place.refuses(
        "run --data digits:n=50 --schedule mine.toml",
        &["mine.toml, line 3, column", "factor is -1 at step 1 of 1"],
    );
}

#[test]
fn a_rule_of_the_users_is_raced_from_its_file_and_its_statements_are_in_the_record() {
    let place = Place::new();
    place.write("mine.toml", HEAVY.as_bytes());
    let run = "run --data digits:n=300 --components 2 --device cpu --threads 1 --operator covariance --repeats 1 --quiet --out r \
               --optimizer ./mine.toml,mine.toml:light,momentum";
    place.run(run).code(0);
    let records = place.records("r");
    assert_eq!(records.len(), 3);
    for (record, rule) in records.iter().zip(["heavy", "heavy:light", "momentum"]) {
        let (case, status) = (text(record, "case"), text(record, "status"));
        assert_eq!(status, "reached", "{case}: {}", record["reason"]);
        assert_eq!(text(&record["optimizer"], "name"), rule);
        // A file changes: its statements' hash tells one from the other.
        assert_eq!(
            case.contains(&format!("/{rule}@")),
            rule != "momentum",
            "{case}"
        );
        assert!(!case.contains("mine.toml"), "{case}");
    }
    let optimizer = &records[0]["optimizer"];
    assert_eq!(text(optimizer, "variant"), "v = mu * v - rate * g; p += v");
    assert_eq!(optimizer["parameters"], serde_json::json!({"mu": 0.85}));
    place.write("mine.toml", HEAVY.replace("0.85", "0.8").as_bytes());
    place.run(&run.replace("--out r", "--out s")).code(0);
    let other = place.records("s");
    assert_ne!(text(&other[0], "case"), text(&records[0], "case"));
    assert_eq!(text(&other[2], "case"), text(&records[2], "case"));
    let network = "run --problem mlp --data digits:n=300 --layers none --device cpu --threads 1 --batch 50 --epochs 2 --target 0.9 \
                   --repeats 1 --quiet --optimizer mine.toml,lamb,adamw --out m";
    place.run(network).code(0);
    assert_eq!(place.records("m").len(), 3);
}

#[test]
fn a_rule_that_cannot_be_is_refused_with_its_file_line_and_column() {
    let place = Place::new();
    let run = "run --data digits:n=50 --optimizer bad.toml";
    for (change, words) in [
        (
            ("mu * v -", "nu * v -"),
            ["line 6, column 5", "nu is not defined"],
        ),
        (
            ("p += v", "p += v / (v - v)"),
            ["line 7, column 11", "this is 0 in the first step"],
        ),
        (
            ("p += v", "p += log(v)"),
            ["line 7, column 1", "not finite"],
        ),
        (
            ("v = mu * v - rate * g", "p -= g"),
            ["line 4, column 12", "v is never written"],
        ),
        (
            ("\"heavy\"", "\"adam\""),
            ["bad.toml", "a rule adam comes with the program"],
        ),
        (
            ("p += v", &format!("p += {}v", "(".repeat(10_000))),
            ["line 7", "over 64 brackets"],
        ),
        (
            ("p += v", "p += tanh(v)"),
            ["line 7, column 6", "tanh is no function"],
        ),
        (("about", "abuot"), ["line 2", "unknown field"]),
        (("update", "updates"), ["unknown field", "update"]),
    ] {
        let (from, to) = change;
        place.write("bad.toml", HEAVY.replacen(from, to, 1).as_bytes());
        place.refuses(run, &["bad.toml", words[0], words[1]]);
    }
    place.refuses(
        "run --data digits:n=50 --optimizer no.toml",
        &["no.toml", "cannot read the rule"],
    );
    place.write("mine.toml", HEAVY.as_bytes());
    place.refuses(
        "run --data digits:n=50 --optimizer mine.toml:dark",
        &["no rule heavy:dark", "heavy:light"],
    );
    // Two files of one name would be one competitor.
    place.write("other.toml", HEAVY.replace("0.85", "0.8").as_bytes());
    place.refuses(
        "run --data digits:n=50 --optimizer mine.toml,other.toml",
        &["two rules are named heavy"],
    );
}

#[test]
fn a_rule_that_diverges_is_a_row_with_the_step_and_what_was_not_finite() {
    let place = Place::new();
    let wild = HEAVY.replace(
        "mu * v - rate * g",
        "mu * v - rate * g * exp(100 * (t - 1))",
    );
    place.write("wild.toml", wild.as_bytes());
    place.run("run --data digits:n=300 --components 2 --device cpu --threads 1 --repeats 1 --quiet --out r --optimizer wild.toml").code(0);
    let record = &place.records("r")[0];
    assert_eq!(text(record, "status"), "diverged", "{}", record["reason"]);
    let reason = text(record, "reason");
    assert!(
        reason.contains("step") && reason.contains("not finite"),
        "{reason}"
    );
}
