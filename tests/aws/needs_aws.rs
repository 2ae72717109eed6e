//! scripts/aws as a user calls it, with the real aws client, against Amazon's services on loopback: no account is ever
//! reached. The instances' user data really runs, in a folder.

use std::path::Path;
use std::process::Command;

use super::account::{Account, Ended, SMALL, root};
use serde_json::{Value, json};

/// The race's id, as the launcher says it.
fn race_id(ended: &str) -> String {
    let start = ended.find("gradrace-2").expect("an id");
    ended[start..].chars().take(31).collect()
}

fn json_of(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

fn parameter<'a>(of: &'a Value, name: &str) -> &'a str {
    of["parameters"][name].as_str().unwrap_or_default()
}

/// The lines that have a word.
fn lines<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.contains(word)).collect()
}

#[test]
#[ignore = "needs aws: scripts/test installs the client"]
fn a_race_is_planned_run_collected_and_reported_and_leaves_nothing() {
    let account = Account::new();
    // The checks of whole methods take most of a minute for each machine.
    account.bundle_with("set -- verify --kernels");
    account.set(json!({"play": ["c7i.xlarge", "m7i.xlarge"]}));
    let mut command = account.race(
        "c7i.xlarge,m7i.xlarge",
        "--usd-per-hour c7i.xlarge=0.1785 --usd-per-hour m7i.xlarge=0.2016 --out r/aws --suite quick -- \
         --data digits:n=500 --device cpu --threads all --repeats 1",
    );
    // Here the client is as it is installed.
    let path = std::env::var("PATH").unwrap_or_default();
    command.env(
        "PATH",
        format!("{}:{path}", root().join(".venv-aws/bin").display()),
    );
    let ended = account.run(command);
    let plan = [
        "us-east-1",
        "c7i.xlarge",
        "0.1785",
        "m7i.xlarge",
        "0.2016",
        "USD 0.39",
        account.image(),
        "quick",
        "60 minutes",
    ];
    ended.expect(0, &plan, &[]);
    assert_eq!(ended.error, "", "{ended:#?}");
    let id = race_id(&ended.out);
    // What passes between two looks of the launcher is not seen: verifying lasts seconds here.
    ended.expect(0, &["suite", "done 0"], &[]);
    ended.expect(0, &["left in us-east-1", "r/aws/report.html"], &[]);

    for kind in ["c7i.xlarge", "m7i.xlarge"] {
        let folder = format!("r/aws/{kind}");
        let records = account.place.records(&folder);
        assert!(records.len() > 10, "{kind}: {} records", records.len());
        let machine = json_of(&account.place.path(&folder).join("machine.json"));
        let wanted = json!({
            "provider": "aws", "type": kind, "region": "us-east-1", "spot": false, "image": account.image(),
        });
        assert_eq!(machine["instance"], wanted);
        for file in ["verify.txt", "log.txt"] {
            let text = std::fs::read_to_string(account.place.path(&folder).join(file));
            assert!(!text.expect(file).is_empty(), "{kind}: {file} is empty");
        }
    }
    let report = std::fs::read_to_string(account.place.path("r/aws/report.html")).expect("report");
    for word in ["0.1785 USD an hour (c7i.xlarge", "0.2016 USD an hour (m7i"] {
        assert!(report.contains(word), "no `{word}` in the report");
    }

    machines_are_closed_encrypted_and_end_themselves(&account, &id);
    rights_are_those_of_the_bucket(&account, &id);
    // Those rights are enough: the server holds instances to them.
    let calls = account.calls();
    let theirs = calls.iter().filter(|call| call["by"] == "ASIATEST");
    for call in theirs {
        assert_eq!(call["status"], 200, "{call:#?}");
    }
    account.nothing_left();
    account.no_secret_in_files();
}

fn machines_are_closed_encrypted_and_end_themselves(account: &Account, id: &str) {
    let instances = account.instances();
    assert_eq!(instances.len(), 2);
    for instance in &instances {
        let wanted = [
            ("MetadataOptions.HttpTokens", "required"),
            ("MetadataOptions.HttpPutResponseHopLimit", "1"),
            ("InstanceInitiatedShutdownBehavior", "terminate"),
            ("BlockDeviceMapping.1.DeviceName", "/dev/sda1"),
            ("BlockDeviceMapping.1.Ebs.VolumeType", "gp3"),
            ("BlockDeviceMapping.1.Ebs.Encrypted", "true"),
            ("BlockDeviceMapping.1.Ebs.DeleteOnTermination", "true"),
            ("NetworkInterface.1.AssociatePublicIpAddress", "true"),
            ("NetworkInterface.1.DeleteOnTermination", "true"),
            ("ImageId", account.image()),
            ("MaxCount", "1"),
            ("KeyName", ""),
            ("InstanceMarketOptions.MarketType", ""),
        ];
        for (name, value) in wanted {
            assert_eq!(parameter(instance, name), value, "{name}: {instance:#?}");
        }
        let gigabytes: u32 = parameter(instance, "BlockDeviceMapping.1.Ebs.VolumeSize")
            .parse()
            .expect("a size");
        assert!(gigabytes >= 75, "the image alone needs 75 GB");
        assert_ne!(parameter(instance, "ClientToken"), "");
        assert_eq!(
            instance["rules"],
            json!({"in": [], "out": ["tcp 443-443 0.0.0.0/0"]})
        );

        // A timer before anything else, shorter than the plan's limit, and its own end.
        let shutdowns = instance["shutdowns"].as_array().expect("a list");
        let timer = shutdowns[0].as_str().and_then(|a| a.strip_prefix("-h +"));
        let minutes: u32 = timer.expect("a timer").parse().expect("minutes");
        assert!(minutes <= 60, "{shutdowns:?}");
        assert_eq!(shutdowns.last(), Some(&json!("-h now")));
        assert_eq!(instance["state"], "terminated");
        assert!(!instance["running"].as_bool().expect("running"));

        // What is there when an instance has started, with its tags.
        let there = instance["there"].as_array().expect("a list");
        let tagged = there.iter().filter(|thing| thing["kind"] != "interface");
        for thing in tagged.clone() {
            assert_eq!(thing["tags"]["gradrace-race"], *id, "{thing}");
        }
        let mut kinds: Vec<&str> = tagged.filter_map(|thing| thing["kind"].as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let wanted = [
            "bucket",
            "instance",
            "instance profile",
            "role",
            "security group",
            "volume",
        ];
        assert_eq!(kinds, wanted);
    }
    let tokens = instances
        .iter()
        .map(|instance| parameter(instance, "ClientToken"));
    let tokens: std::collections::BTreeSet<&str> = tokens.collect();
    assert_eq!(tokens.len(), 2, "a token each");
}

fn rights_are_those_of_the_bucket(account: &Account, id: &str) {
    let policies = account.calls_of("PutRolePolicy");
    assert_eq!(policies.len(), 1);
    let document: Value =
        serde_json::from_str(parameter(&policies[0], "PolicyDocument")).expect("JSON");
    let mut rights: Vec<String> = document["Statement"]
        .as_array()
        .expect("statements")
        .iter()
        .map(|right| {
            format!(
                "{} {} {}",
                right["Effect"], right["Action"], right["Resource"]
            )
        })
        .collect();
    rights.sort_unstable();
    let wanted = [
        format!("\"Allow\" \"s3:GetObject\" \"arn:aws:s3:::{id}/in/*\""),
        format!("\"Allow\" \"s3:PutObject\" \"arn:aws:s3:::{id}/out/*\""),
    ];
    assert_eq!(rights, wanted);
    for action in ["AttachRolePolicy", "AuthorizeSecurityGroupIngress"] {
        assert!(account.calls_of(action).is_empty(), "{action}");
    }
    let closed = account.calls_of("PUT bucket publicAccessBlock");
    let closed = parameter(&closed[0], "body");
    assert_eq!(closed.matches(">true<").count(), 4, "{closed}");
    let encrypted = account.calls_of("PUT bucket encryption");
    assert!(parameter(&encrypted[0], "body").contains("AES256"));
    let ends = account.calls_of("PUT bucket lifecycle");
    assert!(parameter(&ends[0], "body").contains("<Days>7</Days>"));
}

#[test]
#[ignore = "needs aws: scripts/test installs the client"]
fn what_cannot_start_is_said_plainly_and_the_other_types_go_on() {
    let account = Account::new();
    account.small_bundle();
    account.set(json!({
        "play": ["m7i.xlarge"],
        "refuse": [
            {"action": "RunInstances", "type": "c7i.xlarge", "code": "InsufficientInstanceCapacity", "status": 500,
             "message": "We currently do not have sufficient c7i.xlarge capacity in the Availability Zone you requested"},
            {"action": "RunInstances", "type": "m7i.xlarge", "zone": "us-east-1a", "status": 500,
             "code": "InsufficientInstanceCapacity"},
            {"action": "RunInstances", "type": "m7i.xlarge", "zone": "us-east-1b", "code": "Unsupported",
             "message": "Your requested instance type (m7i.xlarge) is not supported in your requested Availability Zone"},
            {"action": "RunInstances", "type": "g5.xlarge", "code": "VcpuLimitExceeded",
             "message": "You have requested more vCPU capacity than your current vCPU limit of 0 allows"},
            {"action": "RunInstances", "type": "c7a.xlarge", "code": "InvalidParameterCombination",
             "message": "a reason of the service's own"},
            // A look that fails is no end.
            {"action": "DescribeInstances", "after": 1, "times": 1, "status": 503, "code": "RequestLimitExceeded",
             "message": "Request limit exceeded"},
        ],
    }));
    let ended = account.run(account.race(
        "c7i.xlarge,g5.xlarge,c7a.xlarge,m7i.xlarge",
        &format!(
            "--usd-per-hour c7i.xlarge=0.2 --usd-per-hour m7i.xlarge=0.2 --usd-per-hour c7a.xlarge=0.2 -- {SMALL}"
        ),
    ));
    ended.expect(
        1,
        &["nothing tagged"],
        &[
            "no capacity for c7i.xlarge in any zone of us-east-1",
            "L-DB2E81BA",
            "aws service-quotas request-service-quota-increase --service-code ec2 --quota-code L-DB2E81BA \
             --desired-value 4 --region us-east-1",
            "a reason of the service's own",
            "Request limit exceeded",
        ],
    );
    for kind in ["c7i.xlarge", "g5.xlarge", "c7a.xlarge"] {
        assert_eq!(lines(&ended.error, kind).len(), 1, "{kind}: {ended:#?}");
    }
    // Every zone was asked where that helps, and one alone where it does not.
    let asked = |kind: &str| {
        let calls = account.calls_of("RunInstances");
        let zones: std::collections::BTreeSet<String> = calls
            .iter()
            .filter(|call| call["type"] == kind)
            .map(|call| call["zone"].to_string())
            .collect();
        zones.len()
    };
    assert_eq!([asked("c7i.xlarge"), asked("g5.xlarge")], [6, 1]);
    assert_eq!(account.instance("m7i.xlarge")["zone"], "us-east-1c");
    assert_eq!(account.instances().len(), 1);
    assert_eq!(account.place.records("results/m7i.xlarge").len(), 1);
    assert!(account.place.path("results/report.html").is_file());
    for kind in ["c7i.xlarge", "g5.xlarge", "c7a.xlarge"] {
        let folder = account.place.path("results").join(kind);
        assert!(!folder.exists(), "an empty folder for {kind}");
    }
    account.nothing_left();
    account.no_secret_in_files();
}

#[test]
#[ignore = "needs aws: scripts/test installs the client"]
fn a_spot_race_in_another_region_tags_its_requests_and_says_which_quota_or_price_refuses() {
    let account = Account::new();
    account.small_bundle();
    account.set(json!({
        "play": ["c7i.xlarge"],
        // Groups and profiles of a machine that is not quite gone cannot be removed.
        "terminating_s": 2,
        "refuse": [
            // A new profile is not known everywhere at once.
            {"action": "RunInstances", "type": "c7i.xlarge", "times": 2, "code": "InvalidParameterValue",
             "message": "Value (x) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"},
            {"action": "RunInstances", "type": "g5.xlarge", "spot": true, "code": "MaxSpotInstanceCountExceeded",
             "message": "Max spot instance count exceeded"},
            {"action": "RunInstances", "type": "m7i.xlarge", "spot": true, "code": "InsufficientInstanceCapacity",
             "status": 500, "message": "There is no Spot capacity available that matches your request."},
            {"action": "RunInstances", "type": "c7a.xlarge", "spot": true, "code": "SpotMaxPriceTooLow",
             "message": "Your Spot request price of 0.01 is lower than the minimum required"},
        ],
    }));
    let prices =
        ["c7i", "g5", "m7i", "c7a"].map(|family| format!("--usd-per-hour {family}.xlarge=0.25"));
    // The image is the region's own, by its parameter.
    let mut command = account.command("race", "--types c7i.xlarge,g5.xlarge,m7i.xlarge,c7a.xlarge");
    command
        .args("--yes --bundle bundle.tar.gz --spot --region eu-central-1".split(' '))
        .args(prices.iter().flat_map(|price| price.split(' ')))
        .arg("--")
        .args(SMALL.split_whitespace());
    let ended = account.run(command);
    ended.expect(
        1,
        &["eu-central-1", "spot", "USD 1.00", "nothing tagged"],
        &["L-3819A6DF", "no capacity for m7i.xlarge", "price"],
    );
    for kind in ["g5.xlarge", "m7i.xlarge", "c7a.xlarge"] {
        assert_eq!(lines(&ended.error, kind).len(), 1, "{kind}: {ended:#?}");
    }
    let instance = account.instance("c7i.xlarge");
    assert_eq!(instance["region"], "eu-central-1");
    assert_eq!(parameter(&instance, "ImageId"), account.image());
    let wanted = [
        ("MarketType", "spot"),
        ("SpotOptions.SpotInstanceType", "one-time"),
        ("SpotOptions.InstanceInterruptionBehavior", "terminate"),
    ];
    for (name, value) in wanted {
        let name = format!("InstanceMarketOptions.{name}");
        assert_eq!(parameter(&instance, &name), value, "{name}");
    }
    let there = instance["there"].as_array().expect("a list");
    let request = there.iter().find(|thing| thing["kind"] == "spot request");
    let request = request.expect("a spot request");
    assert_eq!(
        request["tags"]["gradrace-race"],
        race_id(&ended.out),
        "{request}"
    );
    let machine = json_of(&account.place.path("results/c7i.xlarge/machine.json"));
    assert_eq!(machine["instance"]["spot"], true);
    assert_eq!(machine["instance"]["region"], "eu-central-1");
    account.nothing_left();
}

#[test]
#[ignore = "needs aws: scripts/test installs the client"]
fn a_gpu_machine_without_a_working_driver_fails_and_does_not_race_on_its_processor() {
    let account = Account::new();
    account.bundle_with("set -- verify --kernels");
    account.set(json!({"play": ["g4dn.xlarge"]}));
    let ended = account.run(account.race("g4dn.xlarge", &format!("-- {SMALL}")));
    ended.expect(1, &["0.526", "nothing tagged"], &["g4dn.xlarge"]);
    let log = std::fs::read_to_string(account.place.path("results/g4dn.xlarge/log.txt"));
    assert!(log.expect("the log").contains("cuda:0: fail"));
    let folder = account.place.path("results/g4dn.xlarge");
    assert!(!folder.join("records.jsonl").exists());
    account.nothing_left();
}

#[test]
#[ignore = "needs aws: scripts/test installs the client"]
fn at_the_limit_a_race_stops_with_what_it_has_and_a_machine_that_never_reported_is_removed() {
    let account = Account::new();
    // One hangs after its first records, the other does not even start its user data.
    let program = env!("CARGO_BIN_EXE_gradrace");
    account.bundle(&format!(
        "#!/bin/sh\nif [ \"$1\" != verify ]; then '{program}' \"$@\"; fi\n\
         if [ \"$1\" = run ]; then sleep 600; fi\n"
    ));
    account.set(json!({"play": ["m7i.xlarge"]}));
    let mut command = account.race(
        "c7i.xlarge,m7i.xlarge",
        &format!("--usd-per-hour c7i.xlarge=0.2 --usd-per-hour m7i.xlarge=0.2 -- {SMALL}"),
    );
    command.env("GRADRACE_AWS_LIMIT_S", "40");
    let ended = account.run(command);
    ended.expect(1, &["nothing tagged"], &[]);
    let silent = lines(&ended.error, "c7i.xlarge").concat();
    assert!(silent.contains("limit"), "{ended:#?}");
    let stopped = lines(&ended.error, "m7i.xlarge").concat();
    assert!(stopped.contains("limit"), "{ended:#?}");
    assert_eq!(account.place.records("results/m7i.xlarge").len(), 1);
    assert!(account.place.path("results/report.html").is_file());
    for kind in ["c7i.xlarge", "m7i.xlarge"] {
        assert_eq!(account.instance(kind)["state"], "terminated");
    }
    account.nothing_left();
}

#[test]
#[ignore = "needs aws: scripts/test installs the client"]
fn after_the_launcher_is_killed_machines_end_themselves_and_clean_removes_the_rest() {
    let account = Account::new();
    account.small_bundle();
    account.set(json!({"play": ["c7i.xlarge"]}));
    let running = account.start(account.race(
        "c7i.xlarge,m7i.xlarge",
        &format!("--usd-per-hour c7i.xlarge=0.2 --usd-per-hour m7i.xlarge=0.2 -- {SMALL}"),
    ));
    account.wait("both have started", |account| {
        account.instances().len() == 2
    });
    running.signal(libc::SIGKILL);
    let killed = running.end();
    assert_eq!(killed.status, None);
    let id = race_id(&killed.out);

    // One does its work, and ends; the other hangs, and its timer ends it.
    account.wait("c7i.xlarge has ended itself", |account| {
        account.instance("c7i.xlarge")["state"] == "terminated"
    });
    assert_eq!(account.instance("m7i.xlarge")["state"], "running");
    let clean = |arguments: &str| account.run(account.command("clean", arguments));
    let before = account.left();

    let listed = clean("--dry-run");
    listed.expect(0, &[&id, "instance", "role", "security-group"], &[]);
    clean("--race gradrace-20260101-000000-000000 --yes").expect(0, &["nothing"], &[]);
    clean("--region eu-west-1 --yes").expect(0, &["nothing"], &[]);
    clean("").expect(2, &[], &["--yes"]);
    clean("--race wrong").refused(&["--race wrong"]);
    clean("--nothing").refused(&["--nothing"]);
    assert_eq!(account.left(), before, "clean was not asked to remove");

    // Versions and the marks of what was deleted hold a bucket as well; somebody else's bucket is not ours to touch.
    for call in [
        format!("put-bucket-versioning --bucket {id} --versioning-configuration Status=Enabled"),
        format!("put-object --bucket {id} --key out/x --body bundle.tar.gz"),
        format!("put-object --bucket {id} --key out/x --body bundle.tar.gz"),
        format!("delete-object --bucket {id} --key out/x"),
        "create-bucket --bucket gradrace-of-somebody-else".to_string(),
    ] {
        account
            .run(account.command_at(account.client(), &format!("s3api {call}")))
            .expect(0, &[], &[]);
    }
    let removed = clean("--yes");
    removed.expect(0, &[&id, "nothing tagged is left"], &[]);
    assert_eq!(account.left(), ["bucket gradrace-of-somebody-else"]);
    assert_eq!(account.instance("m7i.xlarge")["state"], "terminated");
    clean("--yes").expect(0, &["nothing tagged is left"], &[]);
}

#[test]
#[ignore = "needs aws: scripts/test installs the client"]
fn a_machine_that_its_timer_ends_or_that_is_taken_away_is_gone_for_good_and_said() {
    let account = Account::new();
    account.bundle("#!/bin/sh\nsleep 600\n");
    account.set(json!({"play": ["c7i.xlarge", "m7i.xlarge"]}));
    let running = account.start(account.race(
        "c7i.xlarge,m7i.xlarge",
        &format!(
            "--usd-per-hour c7i.xlarge=0.2 --usd-per-hour m7i.xlarge=0.2 --limit 20 -- {SMALL}"
        ),
    ));
    // fetch, verify
    account.wait_for_status("c7i.xlarge", 2);
    account.wait_for_status("m7i.xlarge", 2);
    let instance = account.instance("c7i.xlarge");
    let timer = instance["shutdowns"][0].as_str().expect("a timer");
    let minutes: u32 = timer["-h +".len()..].parse().expect("minutes");
    assert!((10..20).contains(&minutes), "{timer}");
    account.end_instance("c7i.xlarge", "timer");
    assert_eq!(account.instance("c7i.xlarge")["state"], "terminated");
    account.end_instance("m7i.xlarge", "terminate");
    let ended = running.end();
    ended.expect(1, &["nothing tagged"], &[]);
    for kind in ["c7i.xlarge", "m7i.xlarge"] {
        let said = lines(&ended.error, kind).concat();
        assert!(said.contains("before it was done"), "{ended:#?}");
    }
    account.nothing_left();
}

#[test]
#[ignore = "needs aws: scripts/test installs the client"]
fn ctrl_c_and_term_remove_everything_that_was_made() {
    let account = Account::new();
    account.bundle("#!/bin/sh\nsleep 600\n");
    account.set(json!({"play": ["c7i.xlarge"]}));
    let race = || {
        let arguments = format!("--usd-per-hour c7i.xlarge=0.2 -- {SMALL}");
        account.start(account.race("c7i.xlarge", &arguments))
    };
    let running = race();
    account.wait_for_status("c7i.xlarge", 1);
    running.signal(libc::SIGINT);
    running.end().expect(130, &["nothing tagged"], &[]);
    assert!(
        !account.instance("c7i.xlarge")["running"]
            .as_bool()
            .expect("running")
    );
    account.nothing_left();

    // On the way, with a call in flight.
    let before = account.calls_of("PUT bucket").len();
    let running = race();
    account.wait("a second bucket", |account| {
        account.calls_of("PUT bucket").len() > before
    });
    running.signal(libc::SIGTERM);
    running.end().expect(143, &["nothing tagged"], &[]);
    account.nothing_left();
    account.no_secret_in_files();
}

#[test]
#[ignore = "needs aws: scripts/test installs the client"]
fn a_failure_on_the_way_removes_what_was_made_and_what_cannot_be_removed_is_named() {
    let account = Account::new();
    account.small_bundle();
    let denied = |action: &str| json!({"action": action, "status": 403, "code": "AccessDenied", "message": "not for you"});
    account.set(json!({"refuse": [denied("CreateSecurityGroup"), denied("DELETE bucket")]}));
    let ended = account.run(account.race(
        "c7i.xlarge",
        &format!("--usd-per-hour c7i.xlarge=0.2 -- {SMALL}"),
    ));
    assert!(matches!(ended.status, Some(1 | 2)), "{ended:#?}");
    assert!(ended.error.contains("not for you"), "{ended:#?}");
    let id = race_id(&ended.out);
    let left = format!("bucket {id}");
    assert_eq!(account.left(), std::slice::from_ref(&left));
    assert!(ended.error.contains(&left), "{ended:#?}");
    let command = format!("scripts/aws/clean --race {id} --region us-east-1");
    assert!(ended.error.contains(&command), "{ended:#?}");
    assert!(account.instances().is_empty());

    let clean = || account.run(account.command("clean", &format!("--race {id} --yes")));
    clean().expect(1, &[], &[&left]);
    account.set(json!({"refuse": []}));
    clean().expect(0, &["nothing tagged"], &[]);
    account.nothing_left();
}

/// A race that asks and must end before anything is made.
fn refused_before_anything(account: &Account, command: Command, words: &[&str]) -> Ended {
    let ended = account.run(command);
    ended.refused(words);
    let made = account.calls();
    let made = made.iter().filter(|call| {
        let action = call["action"].as_str().expect("an action");
        ["Create", "Run", "PUT", "POST"]
            .iter()
            .any(|word| action.starts_with(word))
    });
    assert_eq!(made.count(), 0, "{:#?}", account.calls());
    account.nothing_left();
    ended
}

#[test]
#[ignore = "needs aws: scripts/test installs the client"]
fn credentials_and_regions_that_do_not_serve_are_said_in_a_line_before_anything_is_made() {
    let account = Account::new();
    account.small_bundle();
    let race = || account.race("g4dn.xlarge", "");
    let sts = |code: &str| {
        let message = format!("The security token included in the request is {code}");
        account.set(json!({"refuse": [
            {"service": "sts", "status": 403, "code": code, "message": message},
        ]}));
    };
    sts("ExpiredToken");
    refused_before_anything(&account, race(), &["expired", "again"]);
    let mut command = account.command("clean", "--yes");
    command.env("AWS_REGION", "us-east-1");
    refused_before_anything(&account, command, &["expired", "again"]);
    sts("InvalidClientTokenId");
    refused_before_anything(&account, race(), &["InvalidClientTokenId", "us-east-1"]);
    // A reason that is told as it is, but for the key in it.
    account.set(json!({"refuse": [
        {"service": "sts", "status": 500, "code": "InternalFailure", "message": format!("{} is not served", account.key())},
    ]}));
    refused_before_anything(&account, race(), &["is not served", "hidden"]);
    account.set(json!({"refuse": []}));

    let mut command = race();
    for name in [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
    ] {
        command.env_remove(name);
    }
    refused_before_anything(&account, command, &["no AWS credentials", "aws configure"]);

    // A region that there is not has no address.
    let prices = "--usd-per-hour g4dn.xlarge=0.5";
    let mut command = account.race("g4dn.xlarge", &format!("--region xx-nowhere-1 {prices}"));
    command.env("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9");
    refused_before_anything(&account, command, &["xx-nowhere-1"]);
    let command = account.race("g4dn.xlarge", &format!("--region nowhere {prices}"));
    refused_before_anything(&account, command, &["nowhere"]);
    let mut command = race();
    command.env_remove("AWS_REGION");
    refused_before_anything(&account, command, &["no region", "--region"]);

    account.set(json!({"no_default_vpc": "us-east-1"}));
    let words = ["no default VPC", "aws ec2 create-default-vpc"];
    refused_before_anything(&account, race(), &words);
}

#[test]
#[ignore = "needs aws: scripts/test installs the client"]
fn a_race_that_nobody_agreed_to_is_not_started() {
    let account = Account::new();
    account.small_bundle();
    let race = || account.command("race", "--types g4dn.xlarge --bundle bundle.tar.gz");
    refused_before_anything(&account, race(), &["--yes"]);
    for word in ["n", "", "what"] {
        let ended = account.answer(race(), word);
        ended.expect(2, &["Go on? [y/N]", "nothing was started"], &[]);
        account.nothing_left();
    }
    assert!(account.calls_of("CreateRole").is_empty());
}

#[test]
#[ignore = "needs aws: scripts/test installs the client"]
fn wrong_usage_and_plans_that_cannot_be_are_refused_without_a_call() {
    let account = Account::new();
    account.small_bundle();
    account.place.write("notes.txt", b"no bundle");
    account.place.write("notes.tar.gz", b"no bundle");
    std::fs::create_dir_all(account.place.path("results/g6.xlarge")).expect("a folder");
    account
        .place
        .write("results/g6.xlarge/records.jsonl", b"{}\n");
    let tar = Command::new("tar")
        .args(["-czf", "empty.tar.gz", "notes.txt"])
        .current_dir(account.place.path(""))
        .status();
    assert!(tar.expect("tar").success());
    let cases = [
        ("", "--types"),
        ("--types", "--types"),
        ("--types ,", "--types"),
        ("--types g4dn.xlarge --sopt", "--sopt"),
        ("--types g4dn", "g4dn"),
        ("--types g4dn.xlarge,g4dn.xlarge", "twice"),
        ("--types p3.2xlarge", "sm_70"),
        ("--types p3dn.24xlarge", "sm_70"),
        ("--types c7g.xlarge", "Arm"),
        ("--types g5g.xlarge", "Arm"),
        ("--types t4g.micro", "Arm"),
        ("--types m7gd.large", "Arm"),
        (
            "--types c7i.4xlarge --region us-east-1",
            "--usd-per-hour c7i.4xlarge=X",
        ),
        // The table's prices are another region's.
        (
            "--types g4dn.xlarge --region eu-west-1",
            "--usd-per-hour g4dn.xlarge=X",
        ),
        ("--types g4dn.xlarge --usd-per-hour g4dn.xlarge", "TYPE=X"),
        ("--types g4dn.xlarge --usd-per-hour g4dn.xlarge=-1", "-1"),
        ("--types g4dn.xlarge --usd-per-hour g4dn.xlarge=nan", "nan"),
        ("--types g4dn.xlarge,g5.xlarge --max-usd 1.53", "1.54"),
        ("--types p5.48xlarge", "55.04"),
        ("--types g4dn.xlarge --max-usd much", "much"),
        ("--types g4dn.xlarge --limit 0", "--limit"),
        ("--types g4dn.xlarge --limit soon", "soon"),
        ("--types g4dn.xlarge --image here", "here"),
        ("--types g4dn.xlarge --suite nothing", "nothing"),
        ("--types g4dn.xlarge --bundle missing.tar.gz", "missing"),
        ("--types g4dn.xlarge --bundle notes.txt", "notes.txt"),
        ("--types g4dn.xlarge --bundle notes.tar.gz", "notes.tar.gz"),
        ("--types g4dn.xlarge --bundle empty.tar.gz", "empty.tar.gz"),
        (
            "--types g6.xlarge --bundle bundle.tar.gz",
            "results/g6.xlarge",
        ),
        ("--types g4dn.xlarge -- --out elsewhere", "--out"),
    ];
    for (arguments, word) in cases {
        // The same with a client and credentials, and for the plan alone.
        for more in ["--yes", "--dry-run"] {
            let (before, after) = arguments.split_once(" -- ").unwrap_or((arguments, ""));
            let after = if after.is_empty() {
                String::new()
            } else {
                format!("-- {after}")
            };
            let all = format!("{more} {before} {after}");
            let ended = account.run(account.command("race", &all));
            assert_eq!(ended.status, Some(2), "{all}: {ended:#?}");
            let error = &ended.error;
            assert!(error.starts_with("error: "), "{all}: {ended:#?}");
            assert_eq!(error.lines().count(), 1, "{all}: {ended:#?}");
            assert!(error.contains(word), "{all}: no `{word}` in {error}");
        }
    }
    assert!(account.calls().is_empty());
}

/// A PATH of everything that is on this one but these.
fn path_without(account: &Account, missing: &[&str]) -> String {
    let folder = account.place.path("path");
    std::fs::create_dir(&folder).expect("a folder");
    for from in ["/usr/bin", "/bin"] {
        for entry in std::fs::read_dir(from).expect("a folder") {
            let entry = entry.expect("an entry");
            let name = entry.file_name().to_string_lossy().into_owned();
            if !missing.iter().any(|missing| name.starts_with(missing)) {
                // /bin may be /usr/bin.
                let _ = std::os::unix::fs::symlink(entry.path(), folder.join(&name));
            }
        }
    }
    folder.display().to_string()
}

#[test]
#[ignore = "needs aws: scripts/test installs the client"]
fn a_dry_run_needs_no_credentials_no_client_and_no_network() {
    let account = Account::new();
    let path = path_without(&account, &["aws", "python", "perl", "jq", "curl", "wget"]);
    let bare = |arguments: &str| {
        let mut command = account.command("race", arguments);
        command
            .env_clear()
            .env("PATH", &path)
            .env("HOME", account.place.path("home"))
            .env("TMPDIR", account.place.path("tmp"));
        account.run(command)
    };
    let ended = bare("--types g4dn.xlarge,g5.xlarge --dry-run --limit 30");
    ended.expect(
        0,
        &[
            "us-east-1",
            "g4dn.xlarge",
            "T4",
            "0.526",
            "g5.xlarge",
            "A10G",
            "1.006",
            "30 minutes",
            // (0.526 + 1.006) / 2 is 0.766, and up to the cent.
            "USD 0.77",
            "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id",
            "standard",
        ],
        &[],
    );
    assert_eq!(ended.error, "");
    let spot = bare("--types g4dn.xlarge --dry-run --spot --max-usd 0.53");
    spot.expect(0, &["spot", "USD 0.53"], &[]);
    bare("--types g4dn.xlarge --region us-east-1 --yes").refused(&["aws client", "install"]);
    bare("--help").expect(0, &["--max-usd"], &[]);
    assert!(account.calls().is_empty());
    assert!(!account.place.path("results").exists());
    account.no_secret_in_files();
}

#[test]
#[ignore = "needs aws: scripts/test installs the client"]
fn prices_are_rewritten_when_every_answer_came_and_only_then() {
    let account = Account::new();
    // A tree of its own: the script rewrites the table beside it.
    for folder in ["tree/scripts/aws", "tree/src/report"] {
        std::fs::create_dir_all(account.place.path(folder)).expect("a folder");
    }
    for file in ["scripts/aws/prices", "scripts/aws/lib.sh"] {
        let to = account.place.path("tree").join(file);
        std::fs::copy(root().join(file), to).expect("a copy");
    }
    let table = account.place.path("tree/src/report/prices.json");
    let before = r#"{
  "date": "2026-07-27",
  "what": "AWS on-demand Linux",
  "region": "us-east-1",
  "machines": [
    {"type": "g4dn.xlarge", "gpu": "T4", "gpus": 1, "vcpus": 4, "usd_per_hour": 0.526},
    {"type": "g5.xlarge", "gpu": "A10G", "gpus": 1, "vcpus": 4, "usd_per_hour": 1.006},
    {"type": "p5e.48xlarge", "gpu": "H200", "gpus": 8, "vcpus": 192, "usd_per_hour": 39.8},
    {"type": "c7i.xlarge", "gpu": null, "gpus": 0, "vcpus": 4, "usd_per_hour": null},
    {"type": "c7i.4xlarge", "gpu": null, "gpus": 0, "vcpus": 16, "usd_per_hour": null}
  ]
}
"#;
    std::fs::write(&table, before).expect("a file");
    let read = || std::fs::read_to_string(&table).expect("the table");
    let command = |arguments: &str| {
        account.command_at(&account.place.path("tree/scripts/aws/prices"), arguments)
    };
    // p5e is listed without a price, and c7i.4xlarge is not listed.
    account.set(json!({"prices": {
        "g4dn.xlarge": 0.526, "g5.xlarge": 1.1, "p5e.48xlarge": null, "c7i.xlarge": 0.1785,
    }}));

    let mut unreachable = command("");
    unreachable.env("AWS_ENDPOINT_URL_PRICING", "http://127.0.0.1:9");
    account.run(unreachable).expect(1, &[], &["no prices"]);
    account.set(json!({"refuse": [
        {"service": "pricing", "after": 3, "status": 400, "code": "ThrottlingException", "message": "Rate exceeded"},
    ]}));
    account
        .run(command(""))
        .expect(1, &[], &["Rate exceeded", "stays as it is"]);
    account.set(json!({"refuse": []}));
    account
        .run(command("--region xx-nowhere-1"))
        .expect(1, &[], &["xx-nowhere-1"]);
    let differs = account.run(command("--check"));
    differs.expect(1, &["g5.xlarge", "1.006", "1.1", "c7i.xlarge"], &[]);
    assert!(
        lines(&differs.out, "g4dn.xlarge").is_empty(),
        "{differs:#?}"
    );
    assert_eq!(read(), before, "nothing was to be written");

    let today = || {
        let day = Command::new("date").args(["-u", "+%Y-%m-%d"]).output();
        String::from_utf8(day.expect("date").stdout).expect("text")
    };
    let days = [today(), {
        account.run(command("")).expect(0, &["us-east-1"], &[]);
        today()
    }];
    let written = json_of(&table)["date"].clone();
    let written = written.as_str().expect("a day");
    assert!(days.iter().any(|day| day.trim() == written), "{written}");
    let after = before
        .replace("2026-07-27", written)
        .replace("1.006", "1.1")
        .replace("39.8", "null")
        .replacen(
            r#"4, "usd_per_hour": null"#,
            r#"4, "usd_per_hour": 0.1785"#,
            1,
        );
    assert_eq!(read(), after);
    account.run(command("--check")).expect(0, &["right"], &[]);
}

#[test]
#[ignore = "needs aws: scripts/test installs the client"]
fn every_script_tells_its_options() {
    let account = Account::new();
    for (script, words) in [
        ("race", vec!["--types", "--dry-run", "--usd-per-hour"]),
        ("clean", vec!["--race", "--dry-run"]),
        ("prices", vec!["--check", "--region"]),
    ] {
        account
            .run(account.command(script, "--help"))
            .expect(0, &words, &[]);
    }
    assert!(root().join("scripts/aws/instance").is_file());
}
