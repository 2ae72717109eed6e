//! What is fuzzed: every parser of a file or of words that a user or a stranger gives. Any bytes must give a value or one line
//! of error, and what was read must keep its promises; a panic, an overflow or an abort is a finding.
//!
//! `tests/fuzz.rs` runs these functions over the corpus and over mutations of it; `scripts/fuzz` runs them under libFuzzer.

use std::path::PathBuf;

use gradrace::data::{self, Elements, Request, Samples, Spec, split_list};
use gradrace::error::{Error, Result};
use gradrace::race::suite::Suite;
use gradrace::record::file::Folder;
use gradrace::record::read::read;
use tempfile::TempDir;

/// A parser with what must hold of whatever it is given.
pub type Target = fn(&[u8]);

/// The targets by name: `corpus/NAME/` has the inputs to begin with.
pub const TARGETS: [(&str, Target); 8] = [
    ("idx", idx),
    ("npy", npy),
    ("csv", csv),
    ("labels", labels),
    ("spec", spec),
    ("records", records),
    ("suite", suite),
    ("machine", machine),
];

thread_local! {
    /// The files that a target writes for an input.
    static FOLDER: TempDir = tempfile::tempdir().expect("a folder for the inputs");
}

/// Writes the bytes to a file of that name, and gives its path.
fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = FOLDER.with(|folder| folder.path().join(name));
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder for the input");
    // ext4 waits for the disk when a file is truncated and written again.
    let _ = std::fs::remove_file(&path);
    std::fs::write(&path, bytes).expect("a file for the input");
    path
}

/// What was read, or nothing where it was refused as bad input in one line.
fn read_or_refused<T>(result: Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(Error::Input(message)) => {
            assert_eq!(message.lines().count(), 1, "one line: {message:?}");
            None
        }
        Err(other) => panic!("not told as bad input: {other}"),
    }
}

/// Loads samples from a file of that name, and checks what [`Samples`] promises.
fn samples(name: &str, bytes: &[u8], labels: Option<PathBuf>) {
    let request = Request {
        spec: file(name, bytes).display().to_string(),
        labels,
        quiet: true,
        ..Request::default()
    };
    let Some(samples) = read_or_refused(data::load(&request)) else {
        return;
    };
    let Samples { n, d, .. } = samples;
    assert!(n >= 2 && d >= 1, "{n} x {d}");
    match &samples.elements {
        Elements::U8(x) => assert_eq!(x.len(), n * d),
        Elements::F32(x) => {
            assert_eq!(x.len(), n * d);
            assert!(x.iter().all(|x| x.is_finite()));
        }
    }
    assert!(samples.low.is_empty() || samples.low.len() == n * d);
    assert!(samples.offset.is_empty() || samples.offset.len() == d);
    assert!(samples.labels.is_none_or(|labels| labels.len() == n));
}

fn idx(bytes: &[u8]) {
    samples("x-idx", bytes, None);
}

fn npy(bytes: &[u8]) {
    samples("x.npy", bytes, None);
}

fn csv(bytes: &[u8]) {
    samples("x.csv", bytes, None);
}

/// Labels of four samples, in any of the formats that labels may have.
fn labels(bytes: &[u8]) {
    samples(
        "four.csv",
        b"1,2\n3,5\n5,4\n7,9\n",
        Some(file("labels.csv", bytes)),
    );
}

/// A list of specs; what one is written as in a record is read as the same again.
fn spec(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for piece in read_or_refused(split_list(&text)).unwrap_or_default() {
        let parsed = read_or_refused(Spec::parse(&piece));
        if let Some(spec) = parsed.filter(|spec| !matches!(spec, Spec::Path(_))) {
            let written = spec.to_string();
            assert_eq!(
                Spec::parse(&written).ok().as_ref(),
                Some(&spec),
                "{written}"
            );
        }
    }
}

/// A file of records: what is read can be written, and is then read as the same.
fn records(bytes: &[u8]) {
    let path = file("records/records.jsonl", bytes);
    let Some(results) = read_or_refused(read(std::slice::from_ref(&path))) else {
        return;
    };
    let folder = path.parent().expect("a folder");
    let (mut kept, found) = Folder::open(folder).expect("what is read can be gone on with");
    assert_eq!(found.records, results.records);
    if let Some(first) = results.records.first() {
        kept.append(first).expect("a line");
        let again = read(&[path]).expect("what was written is read").records;
        assert_eq!(again.len(), results.records.len() + 1);
        assert_eq!(again.last(), Some(first));
    }
}

/// A suite in a file.
fn suite(bytes: &[u8]) {
    let path = file("suite.toml", bytes);
    read_or_refused(Suite::find(&path.display().to_string()));
}

/// The facts of a machine, beside no record.
fn machine(bytes: &[u8]) {
    file("machine/records.jsonl", b"");
    let path = file("machine/machine.json", bytes);
    let folder = path.parent().expect("a folder").to_path_buf();
    if let Some(results) = read_or_refused(read(&[folder])) {
        assert!(results.machines.len() <= 1);
    }
}
