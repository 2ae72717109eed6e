//! `gradrace report` as a user runs it, and its page in a headless Chromium.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use crate::program::{Place, kept, stderr, stdout, text};
use gradrace::record::SCHEMA;
use serde_json::Value;

#[test]
fn the_page_of_all_results_is_whole_and_its_charts_are_files_on_request() {
    let place = Place::new();
    let mut report = place.program("report -o page.html --charts charts");
    report.args(kept::races()).assert().code(0);
    let page = std::fs::read_to_string(place.path("page.html")).expect("a page");
    for words in [
        "Who gets there first",
        "Is the GPU worth it?",
        "Dollars to target",
        "The command that makes each row again",
    ] {
        assert!(page.contains(words), "{words}");
    }
    // Shares of roofs from before schema 4 are not read.
    let shared = |record: &Value| {
        let share = record["schema"].as_u64() >= Some(4) && record["status"] == "reached";
        share && record["rate"]["share_of_peak"].is_number()
    };
    let mut all = kept::files("records.jsonl").into_iter();
    let shares = all.any(|file| kept::records(&file).iter().any(shared));
    assert_eq!(page.contains("How near is the limit?"), shares);
    for folder in kept::races() {
        let facts = std::fs::read_to_string(folder.join("machine.json")).expect("facts");
        let facts: Value = serde_json::from_str(&facts).expect("JSON");
        let head = format!("Machine {}", text(&facts, "fingerprint"));
        assert!(page.contains(&head), "{head}");
    }
    let charts = std::fs::read_dir(place.path("charts"))
        .expect("charts")
        .count();
    assert_eq!(page.matches("<svg class=\"chart\"").count(), charts);
    // A chart of times for every task; a page that a browser opens at once.
    assert!(charts >= page.matches("<h2 id=\"task").count());
    assert!(page.len() < 5_000_000, "{}", page.len());
    assert!(!page.contains("NaN") && !page.contains("undefined"));
}

#[test]
fn the_command_of_a_row_gives_the_cases_of_its_records() {
    let place = Place::new();
    let mut report = place.program("report -o page.html");
    report.args(kept::races()).assert().code(0);
    let page = std::fs::read_to_string(place.path("page.html")).expect("a page");
    let files = kept::files("records.jsonl").into_iter();
    let ids: BTreeSet<(String, String)> = files
        .flat_map(|file| kept::records(&file))
        .map(|record| ["machine", "case"].map(|field| text(&record, field).to_string()))
        .map(|[machine, case]| (machine, case))
        .collect();
    let commands: Vec<&str> = page
        .split("<code>gradrace ")
        .skip(1)
        .filter_map(|rest| rest.split("</code>").next())
        .collect();
    let rows = page.matches("<td class=name>").count();
    assert!(rows > 0 && commands.len() >= rows);
    // Each start of the program costs time: the library's tests hold it of every record.
    for command in commands.iter().step_by(commands.len().div_ceil(10)) {
        let printed = stdout(&place.run(&format!("{command} --dry-run")).code(0));
        for line in printed.lines().filter(|line| line.contains('\t')) {
            let id = line.split('\t').next().expect("a case");
            assert!(
                ids.iter().any(|(_, known)| known == id),
                "{command} gives {id}"
            );
        }
    }
}

#[test]
fn dollars_are_shown_for_what_has_a_price_and_a_wrong_one_is_refused() {
    let place = Place::new();
    let folder = kept::races().remove(0);
    let machine = text(&kept::reached(), "machine").to_string();
    let prices = format!("report -o page.html --usd-per-hour {machine}=3.6");
    let mut report = place.program(&prices);
    report.args(kept::races()).assert().code(0);
    let page = std::fs::read_to_string(place.path("page.html")).expect("a page");
    assert!(page.contains("<th>USD</th>") && page.contains("3.6 USD an hour"));
    let mut report = place.program("report -o other.html --usd-per-hour cheap");
    let assert = report.arg(&folder).assert().code(2);
    assert!(stderr(&assert).contains("NAME=X") && !place.path("other.html").exists());
}

/// A Chromium.
fn chromium() -> &'static str {
    let names = ["chromium", "chromium-browser", "google-chrome", "chrome"];
    let runs = |name: &&&str| {
        let version = Command::new(name).arg("--version").output();
        version.is_ok_and(|output| output.status.success())
    };
    names.iter().find(runs).copied().expect("a Chromium")
}

/// Opens a file in a Chromium with no way to the network.
fn browse(place: &Place, name: &str, file: &str, flags: &[&str]) -> Output {
    let profile = place.path("profile");
    Command::new(name)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--enable-logging=stderr",
            "--hide-scrollbars",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(flags)
        .arg(format!("file://{}", place.path(file).display()))
        .output()
        .expect("Chromium runs")
}

/// What the page said on the console: errors of its script, and what its policy forbade.
fn console(output: &Output) -> Vec<String> {
    let errors = String::from_utf8_lossy(&output.stderr);
    let lines = errors.lines().filter(|line| line.contains("CONSOLE"));
    lines.map(String::from).collect()
}

/// A results folder in which every word is an attack.
fn hostile(place: &Place) {
    let attack = "</title></style><script>document.title='owned'</script>\
                  <img src=http://127.0.0.1:9/x onerror=alert(1)>'\"&";
    let solved = |record: &Value| {
        let all = ["optimizer", "accuracy", "rate"];
        record["status"] == "reached" && all.iter().all(|part| record[part].is_object())
    };
    let mut record = kept::record(solved);
    let object = record.as_object_mut().expect("a record");
    for field in [
        "reason",
        "operator",
        "gradient",
        "batch",
        "machine",
        "program",
        "precision",
    ] {
        object.insert(field.into(), attack.into());
    }
    object.insert(
        "case".into(),
        format!("pca/{attack}/{attack}/k10/cpu").into(),
    );
    for (part, field) in [
        ("data", "spec"),
        ("data", "dtype"),
        ("optimizer", "name"),
        ("optimizer", "variant"),
        ("device", "name"),
        ("device", "kind"),
        ("time", "clock"),
        ("time", "stopped"),
        ("rate", "peak"),
        ("accuracy", "reference"),
    ] {
        record[part][field] = attack.into();
    }
    record["artifacts"] = serde_json::json!({});
    let mut missed = record.clone();
    missed["status"] = "budget".into();
    missed["case"] = format!("pca/{attack}/other{attack}/k10/cpu").into();
    missed["method"] = attack.into();
    // The same attack in the fields that only newer records have.
    let mut newer = record.clone();
    newer["schema"] = SCHEMA.into();
    for field in ["case", "samples"] {
        newer[field] = attack.into();
    }
    newer["device"]["label"] = attack.into();
    newer["asked"] =
        serde_json::json!({"data": attack, "method": attack, "device": attack, attack: attack});
    let lines = format!("{record}\n{missed}\n{newer}\n");
    std::fs::create_dir(place.path("hostile")).expect("a folder");
    place.write("hostile/records.jsonl", lines.as_bytes());
    let measured = |machine: &Value| machine["peaks"][0].is_object();
    let mut machine = kept::machines()
        .into_iter()
        .find(measured)
        .expect("a machine with peaks");
    for field in ["cpu", "os", "blas", "rustc", "fingerprint"] {
        machine[field] = attack.into();
    }
    machine["peaks"][0]["name"] = attack.into();
    machine["peaks"][0]["driver"] = attack.into();
    machine["peaks"][0]["device"] = "cpu".into();
    place.write("hostile/machine.json", machine.to_string().as_bytes());
}

#[test]
fn a_record_from_a_stranger_puts_no_markup_into_the_page() {
    let place = Place::new();
    hostile(&place);
    place
        .run("report hostile -o page.html --charts charts")
        .code(0);
    let mut texts = vec![std::fs::read_to_string(place.path("page.html")).expect("a page")];
    for entry in std::fs::read_dir(place.path("charts"))
        .expect("charts")
        .flatten()
    {
        texts.push(std::fs::read_to_string(entry.path()).expect("a chart"));
    }
    assert!(texts.len() > 3);
    for text in texts {
        assert!(!text.contains("<img") && !text.contains("<script>document"));
    }
}

mod needs_chromium {
    use super::*;

    #[test]
    #[ignore = "needs chromium"]
    fn a_record_from_a_stranger_runs_no_script_in_a_browser() {
        let place = Place::new();
        hostile(&place);
        place.run("report hostile -o page.html").code(0);
        let output = browse(&place, chromium(), "page.html", &["--dump-dom"]);
        assert_eq!(console(&output), Vec::<String>::new());
        let page = String::from_utf8_lossy(&output.stdout);
        assert!(page.contains("<title>gradrace report</title>"));
        assert!(page.contains("&lt;script&gt;document.title='owned'"));
    }

    #[test]
    #[ignore = "needs chromium"]
    fn a_browser_opens_the_page_with_its_script_and_without_and_asks_nobody_for_anything() {
        let name = chromium();
        let place = Place::new();
        let mut report = place.program("report -o page.html");
        report.args(kept::races()).assert().code(0);
        let written = std::fs::read_to_string(place.path("page.html")).expect("a page");

        let log = place.path("net.json");
        let log_flag = format!("--log-net-log={}", log.display());
        let output = browse(&place, name, "page.html", &["--dump-dom", &log_flag]);
        assert_eq!(console(&output), Vec::<String>::new());
        let page = String::from_utf8_lossy(&output.stdout);
        // The script ran, and added nothing that the page does not show without it.
        assert!(page.contains("role=\"button\"") && !written.contains("role=\"button\""));
        for part in ["<svg class=\"chart\"", "<tr", "<figure", "<circle", "<code"] {
            assert_eq!(
                page.matches(part).count(),
                written.matches(part).count(),
                "{part}"
            );
        }
        let requests = std::fs::read_to_string(&log).expect("a log of requests");
        // What a Chromium asks its makers by itself; of the page nothing may go anywhere.
        let own = ["google.com", "googleapis.com", "gstatic.com", "gvt1.com"];
        for url in requests
            .split("\"url\":\"")
            .skip(1)
            .filter_map(|r| r.split('"').next())
        {
            let host = url.split("//").nth(1).unwrap_or_default();
            let host = host.split('/').next().unwrap_or_default();
            let browsers = own.iter().any(|name| host.ends_with(name));
            assert!(url.starts_with("file:") || browsers, "{url}");
        }

        // A frame in a sandbox is how this browser can be told, from outside, to run no script of the page.
        place.write(
            "off.html",
            b"<iframe sandbox src=page.html width=390 height=1600></iframe>",
        );
        for (file, window) in [("page.html", "1300,1600"), ("off.html", "420,1640")] {
            let picture = place.path(&format!("{file}.png"));
            let flags = [
                format!("--screenshot={}", picture.display()),
                format!("--window-size={window}"),
            ];
            let output = browse(&place, name, file, &[&flags[0], &flags[1]]);
            let said = console(&output);
            let off = |line: &String| line.contains("Blocked script execution");
            match file {
                "page.html" => assert!(said.is_empty(), "{said:?}"),
                _ => assert!(said.len() == 1 && off(&said[0]), "{said:?}"),
            }
            let bytes = std::fs::metadata(&picture).expect("a picture").len();
            assert!(
                bytes > 40_000,
                "{file}: an empty page has fewer bytes than {bytes}"
            );
        }
    }
}
