//! Kills, interrupts and closed pipes: nothing that was finished is lost, nothing is run twice.

use std::collections::BTreeSet;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::program::{NO_GPU, Place, cache, stderr, text};

/// Some sixty cases of a few milliseconds each.
const MANY: &str = "run --data digits:n=200 --components 2 --repeats 1 --threads 1 --quiet --out r \
                    --optimizer sgd,momentum,adam --method deflation,subspace --seed 1,2,3,4,5,6,7,8,9,10";

/// The program, in the background.
fn spawn(place: &Place, arguments: &str, stdout: Stdio) -> Child {
    let known = place.program("").get_program().to_owned();
    Command::new(known)
        .args(arguments.split_whitespace())
        .current_dir(place.path(""))
        .env_remove("GRADRACE_DATA")
        .env("XDG_CACHE_HOME", cache())
        .envs(NO_GPU)
        .stdout(stdout)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program")
}

/// Waits until the records have so many lines.
fn wait_for_lines(place: &Place, lines: usize) {
    let end = Instant::now() + Duration::from_secs(120);
    while Instant::now() < end {
        let text = std::fs::read_to_string(place.path("r/records.jsonl")).unwrap_or_default();
        if text.lines().count() >= lines {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("no {lines} records in two minutes");
}

fn send(child: &Child, signal: libc::c_int) {
    // SAFETY: a plain system call, on a child that has not been waited for.
    let sent = unsafe { libc::kill(child.id() as libc::pid_t, signal) };
    assert_eq!(sent, 0);
}

/// The whole lines of the records.
fn lines(place: &Place) -> Vec<String> {
    let text = std::fs::read_to_string(place.path("r/records.jsonl")).expect("records");
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(String::from)
        .collect()
}

fn cases(place: &Place) -> Vec<String> {
    place
        .records("r")
        .iter()
        .map(|record| text(record, "case").to_string())
        .collect()
}

#[test]
fn resume_after_kill_9_loses_and_repeats_nothing() {
    let place = Place::new();
    for until in [1, 5, 17] {
        let mut child = spawn(&place, &format!("{MANY} --resume"), Stdio::null());
        wait_for_lines(&place, until);
        send(&child, libc::SIGKILL);
        child.wait().unwrap();
        let before = lines(&place);
        assert!(
            (until..60).contains(&before.len()),
            "{} lines at the kill",
            before.len()
        );
    }
    let before = lines(&place);
    place.run(&format!("{MANY} --resume")).code(0);
    assert_eq!(
        lines(&place)[..before.len()],
        before[..],
        "finished records stay as they are"
    );
    let cases = cases(&place);
    assert_eq!(cases.len(), 60);
    assert_eq!(
        cases.iter().collect::<BTreeSet<_>>().len(),
        60,
        "each case once"
    );
    assert!(place.path("r/report.html").exists());
    place.run(&format!("{MANY} --resume")).code(0);
    assert_eq!(place.records("r").len(), 60, "nothing is left to do");
}

#[test]
fn a_last_line_cut_by_a_kill_is_dropped_with_a_word_and_run_again() {
    let place = Place::new();
    let some =
        "run --data digits:n=200 --components 2 --repeats 1 --quiet --optimizer sgd,adam --out r";
    place.run(some).code(0);
    let file = place.path("r/records.jsonl");
    let whole = std::fs::read(&file).unwrap();
    let first = lines(&place)[0].clone();
    for cut in [1, 100, whole.len() - first.len() - 1] {
        std::fs::write(&file, &whole[..whole.len() - cut]).unwrap();
        let assert = place.run(&format!("{some} --resume")).code(0);
        let dropped = stderr(&assert).contains("dropped the last line");
        // With nothing but the newline missing the record is whole.
        assert_eq!(dropped, cut > 1, "{}", stderr(&assert));
        assert_eq!(lines(&place)[0], first);
        let cases = cases(&place);
        assert_eq!(cases.len(), 2, "{cases:?}");
        assert_ne!(cases[0], cases[1]);
    }
}

#[test]
fn ctrl_c_keeps_what_is_finished_and_writes_the_report() {
    let place = Place::new();
    let mut child = spawn(&place, MANY, Stdio::null());
    wait_for_lines(&place, 3);
    send(&child, libc::SIGINT);
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    let count = place.records("r").len();
    assert!((3..60).contains(&count), "{count}");
    assert!(place.path("r/report.html").exists());
    place.run(&format!("{MANY} --resume")).code(0);
    assert_eq!(cases(&place).iter().collect::<BTreeSet<_>>().len(), 60);
    // A case that was cut short is raced again.
    let again = place
        .records("r")
        .iter()
        .filter(|row| cut_short(row))
        .count();
    assert_eq!(place.records("r").len(), 60 + again);
    assert!(again <= 1, "{again}");
}

/// Whether Ctrl-C ended the repeats of a row.
fn cut_short(row: &serde_json::Value) -> bool {
    row["time"]["stopped"] == "interrupted"
}

#[test]
fn ctrl_c_at_any_moment_keeps_the_solves_that_were_done_and_prints_their_table() {
    // Two devices with long repeats: most moments are in the middle of a heat.
    let two = "run --data digits:n=1000 --components 2 --threads 1,all --device cpu --repeats 20 --quiet --out r \
               --optimizer sgd,momentum,nesterov";
    for (lines, more_ms) in [(0, 400), (1, 120), (3, 50)] {
        let place = Place::new();
        let mut child = spawn(&place, two, Stdio::piped());
        wait_for_lines(&place, lines);
        std::thread::sleep(Duration::from_millis(more_ms));
        send(&child, libc::SIGINT);
        let mut table = String::new();
        let mut stdout = child.stdout.take().expect("a pipe");
        stdout.read_to_string(&mut table).unwrap();
        let code = child.wait().unwrap().code();
        let rows = place.path("r/records.jsonl");
        let rows = if rows.exists() {
            place.records("r")
        } else {
            Vec::new()
        };
        if code == Some(0) {
            assert_eq!(rows.len(), 6, "it was done before Ctrl-C came");
            continue;
        }
        assert_eq!(code, Some(130));
        assert!(rows.len() >= lines, "{} of {lines}", rows.len());
        for row in &rows {
            let repeats = row["time"]["solve_s"].as_array().expect("times").len();
            assert!(repeats > 0 && row["status"] == "reached", "{row}");
            assert!(repeats == 20 || cut_short(row), "{repeats} repeats");
            // What a row is called in the table.
            let rule = text(&row["optimizer"], "name");
            assert!(table.contains(rule), "no {rule} in the table: {table}");
        }
        assert_eq!(table.is_empty(), rows.is_empty());
        place.run(&format!("{two} --resume")).code(0);
        let rows = place.records("r");
        let whole = rows.iter().filter(|row| !cut_short(row));
        let whole: BTreeSet<&str> = whole.map(|row| text(row, "case")).collect();
        assert_eq!(whole.len(), 6, "every case is whole at last");
    }
}

#[test]
fn ctrl_c_ends_a_long_solve_after_the_step() {
    let place = Place::new();
    let long = "run --data digits:n=2000 --components 9 --tolerance 1e-30 --max-iterations 1000000 --optimizer adagrad \
                --time-limit 1000 --quiet --out r";
    let mut child = spawn(&place, long, Stdio::null());
    let end = Instant::now() + Duration::from_secs(60);
    while !place.path("r/machine.json").exists() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_secs(2));
    send(&child, libc::SIGINT);
    let asked = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(
        asked.elapsed() < Duration::from_secs(30),
        "{:?}",
        asked.elapsed()
    );
    assert!(place.records("r").is_empty());
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let place = Place::new();
    for arguments in [
        "schema",
        "data list",
        "run --data digits:n=200 --seed 1,2,3 --dry-run",
    ] {
        let mut child = spawn(&place, arguments, Stdio::piped());
        drop(child.stdout.take());
        let status = child.wait().unwrap();
        let mut errors = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut errors)
            .unwrap();
        assert_eq!(
            (status.code(), errors.as_str()),
            (Some(0), ""),
            "{arguments}"
        );
    }
}

#[test]
fn no_color_is_honoured_in_help_and_errors() {
    let place = Place::new();
    for arguments in ["--help", "run --frobnicate"] {
        let assert = place.program(arguments).env("NO_COLOR", "1").assert();
        let output = assert.get_output();
        assert!(
            !output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b),
            "{arguments}"
        );
    }
}
