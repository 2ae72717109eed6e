//! The results folder: `records.jsonl`, `machine.json` and `artifacts/*.npy`.
//!
//! A record is one line, written whole by a single call and flushed, so that a kill costs at most the line it cuts. Opening
//! a folder mends such a line; broken JSON anywhere else is the user's to look at, and an error.

use super::{Accuracy, Machine, Record, SCHEMA, Status};
use crate::error::{Error, Result};
use ndarray::{Array2, ArrayView2};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Name of the file of records.
pub const RECORDS: &str = "records.jsonl";
/// Name of the file with the machine's facts.
pub const MACHINE: &str = "machine.json";
/// Folder of the artifacts, as it stands in a record.
pub const ARTIFACTS: &str = "artifacts";

/// Components (k x d, one row a component) by machine fingerprint and case id.
pub type Components = BTreeMap<(String, String), Array2<f32>>;

/// A results folder, open for appending.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    records: File,
}

/// What was in a folder when it was opened.
#[derive(Debug, Default)]
pub struct Found {
    /// The records that are already there, in file order.
    pub records: Vec<Record>,
    /// A word about a last line that was cut off and has been dropped.
    pub dropped: Option<String>,
}

/// What [`read`] found in any number of folders and files.
#[derive(Debug, Default)]
pub struct Results {
    /// All records, in the order of the paths and, within a file, of the lines.
    pub records: Vec<Record>,
    /// The machines beside them; the last one told of each fingerprint.
    pub machines: Vec<Machine>,
    /// The components named by the records.
    pub components: Components,
    /// What is worth a word: a cut last line, an artifact that is gone.
    pub notes: Vec<String>,
}

impl Folder {
    /// Opens a results folder, creating it where needed, and drops a last line that a kill has cut.
    ///
    /// # Errors
    /// `Error::Input` when the folder cannot be made or written, or holds something that is not a record.
    pub fn open(path: &Path) -> Result<(Self, Found)> {
        let cannot = |what: &Path, e: std::io::Error| {
            Error::input(format!(
                "cannot write results to {}: {}: choose another folder with --out",
                what.display(),
                plain(&e)
            ))
        };
        fs::create_dir_all(path).map_err(|e| cannot(path, e))?;
        let file = path.join(RECORDS);
        let mut records = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&file)
            .map_err(|e| cannot(&file, e))?;
        let bytes = fs::read(&file).map_err(|e| cannot(&file, e))?;
        let lines = parse(&file, &bytes)?;
        let mut dropped = None;
        if lines.whole < bytes.len() {
            records.set_len(lines.whole as u64).map_err(|e| cannot(&file, e))?;
            dropped = Some(format!(
                "dropped the last line of {}, cut short by an earlier stop; its case runs again",
                file.display()
            ));
        } else if bytes.last().is_some_and(|&b| b != b'\n') {
            // The kill came between a whole record and its newline: the record counts.
            records.write_all(b"\n").map_err(|e| cannot(&file, e))?;
        }
        let folder = Self { path: path.to_path_buf(), records };
        Ok((folder, Found { records: lines.records, dropped }))
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends one record as one line. What is not finite and has no null in the format is left out first, since JSON
    /// has no such numbers: see [`finite`].
    ///
    /// # Errors
    /// `Error::Input` when the line cannot be written (a full disk).
    pub fn append(&mut self, record: &Record) -> Result<()> {
        let mut line = json(&finite(record.clone()));
        line.push('\n');
        self.records
            .write_all(line.as_bytes())
            .and_then(|()| self.records.flush())
            .map_err(|e| self.cannot(RECORDS, &e.to_string()))
    }

    /// Writes `machine.json`, in place of an older one.
    ///
    /// # Errors
    /// `Error::Input` when it cannot be written.
    pub fn write_machine(&self, machine: &Machine) -> Result<()> {
        let mut text = serde_json::to_string_pretty(machine).expect("plain facts are JSON");
        text.push('\n');
        fs::write(self.path.join(MACHINE), text).map_err(|e| self.cannot(MACHINE, &e.to_string()))
    }

    /// Writes components (k x d, one row a component, largest eigenvalue first) as `.npy` and gives the name for
    /// [`Record::artifacts`], relative to the folder.
    ///
    /// # Errors
    /// `Error::Input` when it cannot be written.
    pub fn write_components(&self, case: &str, components: ArrayView2<f32>) -> Result<String> {
        let name = format!("{ARTIFACTS}/{}.npy", safe_name(case));
        fs::create_dir_all(self.path.join(ARTIFACTS))
            .map_err(|e| self.cannot(ARTIFACTS, &e.to_string()))?;
        ndarray_npy::write_npy(self.path.join(&name), &components)
            .map_err(|e| self.cannot(&name, &e.to_string()))?;
        Ok(name)
    }

    fn cannot(&self, name: &str, why: &str) -> Error {
        let path = self.path.join(name);
        Error::input(format!(
            "cannot write {}: {why}: free the disk or choose another folder with --out, then go on with --resume",
            path.display()
        ))
    }
}

/// Reads any number of results folders and record files; a file's machine facts and artifacts are looked for beside it.
///
/// # Errors
/// `Error::Input` naming the file, and the line where one is at fault.
pub fn read(paths: &[PathBuf]) -> Result<Results> {
    let mut results = Results::default();
    let mut machines = BTreeMap::new();
    for path in paths {
        let file = if path.is_dir() { path.join(RECORDS) } else { path.clone() };
        let folder = file.parent().unwrap_or(Path::new(""));
        let bytes = fs::read(&file).map_err(|e| {
            Error::input(format!(
                "cannot read records from {}: {}: give a results folder or a .jsonl file of one",
                file.display(),
                plain(&e)
            ))
        })?;
        let lines = parse(&file, &bytes)?;
        if lines.whole < bytes.len() {
            results.notes.push(format!("left out the last line of {}: it is cut", file.display()));
        }
        for record in &lines.records {
            read_components(folder, record, &mut results);
        }
        results.records.extend(lines.records);
        if let Some(machine) = read_machine(&folder.join(MACHINE))? {
            machines.insert(machine.fingerprint.clone(), machine);
        }
    }
    results.machines = machines.into_values().collect();
    Ok(results)
}

/// Ids of the cases that need not run again under this program: those with a record that is not `skipped` (what was
/// missing then may be there now). A failed case counts: the same program on the same case fails again.
pub fn finished(records: &[Record], program: &str) -> BTreeSet<String> {
    records
        .iter()
        .filter(|r| r.program == program && r.status != Status::Skipped)
        .map(|r| r.case.clone())
        .collect()
}

/// A file name (without extension) for a case id, the same each time, safe on every file system. Where the id itself
/// holds what the name uses in place of a slash, or more than a name can, part of its hash keeps two ids apart.
pub fn safe_name(case: &str) -> String {
    let mut exact = true;
    let mut name = String::new();
    for c in case.chars() {
        match c {
            '/' => name.push('_'),
            ':' => name.push('-'),
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '=' | '@' | ',' => name.push(c),
            '-' => {
                name.push('-');
                exact = false;
            }
            _ => {
                name.push('_');
                exact = false;
            }
        }
    }
    if exact && name.len() <= 120 && !name.starts_with('.') {
        return name;
    }
    name.truncate(120);
    format!("{}-{}", name.trim_start_matches('.'), short_hash(case))
}

/// First eight hex digits of the SHA-256 of a text.
pub(super) fn short_hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// A record without the numbers that JSON does not have. Optional numbers become null by themselves; the curve ends
/// before the first point that is not finite, and an accuracy or a list of eigenvalues with such a number is left out.
pub fn finite(mut record: Record) -> Record {
    let bad = record.curve.iter().position(|p| {
        ![p.passes, p.time_s, p.component_error, p.error].iter().all(|value| value.is_finite())
    });
    record.curve.truncate(bad.unwrap_or(usize::MAX));
    record.accuracy = record.accuracy.filter(|a: &Accuracy| {
        [a.residual, a.orthogonality, a.explained_variance, a.reconstruction_error]
            .iter()
            .all(|value| value.is_finite())
    });
    record.rate = record.rate.filter(|r| r.gb_per_s.is_finite() && r.gflop_per_s.is_finite());
    for values in [&mut record.eigenvalues, &mut record.reference_eigenvalues] {
        if !values.iter().all(|value| value.is_finite()) {
            values.clear();
        }
    }
    record
}

/// One record, or any other plain value, as one line of JSON.
fn json(record: &Record) -> String {
    serde_json::to_string(record).expect("plain records are JSON")
}

struct Lines {
    records: Vec<Record>,
    /// Length in bytes of the part that is whole.
    whole: usize,
}

/// Takes the lines apart. Only the last may be cut; JSON that is no record is never taken for a cut line.
fn parse(file: &Path, bytes: &[u8]) -> Result<Lines> {
    let mut records = Vec::new();
    let mut whole = 0;
    for (index, line) in bytes.split_inclusive(|&b| b == b'\n').enumerate() {
        let end = whole + line.len();
        if line.iter().all(u8::is_ascii_whitespace) {
            whole = end;
            continue;
        }
        let place = || format!("{}, line {}", file.display(), index + 1);
        match serde_json::from_slice::<Record>(line) {
            Ok(record) if record.schema == SCHEMA => records.push(record),
            Ok(record) => {
                return Err(Error::input(format!(
                    "{}: format version {} and this program reads {SCHEMA}: use the program that wrote it",
                    place(),
                    record.schema
                )));
            }
            Err(error) if end == bytes.len() && !error.is_data() => break,
            Err(error) => {
                return Err(Error::input(format!(
                    "{}: not a record: {error}: mend or delete this line",
                    place()
                )));
            }
        }
        whole = end;
    }
    Ok(Lines { records, whole })
}

fn read_machine(file: &Path) -> Result<Option<Machine>> {
    let Ok(text) = fs::read_to_string(file) else {
        return Ok(None);
    };
    serde_json::from_str(&text).map(Some).map_err(|e| {
        Error::input(format!(
            "{}: not a machine's facts: {e}: delete it, and the next run writes it anew",
            file.display()
        ))
    })
}

/// Adds the components that a record names; a file that is gone or is no k x d array of f32 costs a note only. Names
/// that lead out of the folder are refused: records come from strangers too.
fn read_components(folder: &Path, record: &Record, results: &mut Results) {
    let Some(name) = record.artifacts.get("components") else {
        return;
    };
    let inside = Path::new(name).components().all(|c| matches!(c, std::path::Component::Normal(_)));
    let array = if inside {
        ndarray_npy::read_npy(folder.join(name)).map_err(|e| e.to_string())
    } else {
        Err("it lies outside the results folder".into())
    };
    match array {
        Ok(array) => {
            results.components.insert((record.machine.clone(), record.case.clone()), array);
        }
        Err(why) => results.notes.push(format!("no components of {}: {name}: {why}", record.case)),
    }
}

/// What the system says, without Rust's number in brackets.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn line(record: &Record) -> String {
        json(record) + "\n"
    }

    #[test]
    fn records_come_back_as_they_were_appended() {
        let folder = tempfile::tempdir().unwrap();
        let records = fixture::race();
        let (mut results, found) = Folder::open(&folder.path().join("a/b")).unwrap();
        assert!(found.records.is_empty() && found.dropped.is_none());
        for record in &records {
            results.append(record).unwrap();
        }
        let (_, found) = Folder::open(results.path()).unwrap();
        assert_eq!(found.records, records);
        assert_eq!(read(&[results.path().join(RECORDS)]).unwrap().records, records);
    }

    #[test]
    fn a_last_line_cut_anywhere_is_dropped_and_the_rest_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(RECORDS);
        let records = fixture::race();
        let (first, second) = (line(&records[0]), line(&records[1]));
        for cut in [1, second.len() / 2, second.len() - 2] {
            fs::write(&file, format!("{first}{}", &second[..cut])).unwrap();
            let (mut results, found) = Folder::open(folder.path()).unwrap();
            assert_eq!(found.records, records[..1]);
            assert!(found.dropped.unwrap().contains(RECORDS));
            assert_eq!(fs::read_to_string(&file).unwrap(), first);
            results.append(&records[1]).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), format!("{first}{second}"));
        }
    }

    #[test]
    fn a_whole_record_that_lacks_its_newline_is_kept_and_finished() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(RECORDS);
        let records = fixture::race();
        fs::write(&file, line(&records[0]).trim_end()).unwrap();
        let (mut results, found) = Folder::open(folder.path()).unwrap();
        assert_eq!((found.records.len(), found.dropped), (1, None));
        results.append(&records[1]).unwrap();
        assert_eq!(read(&[folder.path().to_path_buf()]).unwrap().records, records[..2]);
    }

    #[test]
    fn reading_leaves_a_cut_line_in_the_file_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(RECORDS);
        let text = line(&fixture::race()[0]) + "{\"schema\": 1, \"ca";
        fs::write(&file, &text).unwrap();
        let results = read(std::slice::from_ref(&file)).unwrap();
        assert_eq!((results.records.len(), results.notes.len()), (1, 1));
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }

    #[test]
    fn broken_json_in_the_middle_names_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let good = line(&fixture::race()[0]);
        fs::write(folder.path().join(RECORDS), format!("{good}{{\"schema\"\n{good}")).unwrap();
        let message = Folder::open(folder.path()).unwrap_err().to_string();
        assert!(message.contains("records.jsonl, line 2"), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }

    #[test]
    fn another_document_is_never_truncated() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(RECORDS);
        for text in ["{\"name\": \"something else\"}\n", "[1, 2]"] {
            fs::write(&file, text).unwrap();
            assert!(matches!(Folder::open(folder.path()), Err(Error::Input(_))));
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
    }

    #[test]
    fn a_record_of_a_newer_format_is_refused_by_version() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record { schema: SCHEMA + 1, ..fixture::race().remove(0) };
        fs::write(folder.path().join(RECORDS), line(&record)).unwrap();
        let message = read(&[folder.path().to_path_buf()]).unwrap_err().to_string();
        assert!(message.contains("version 2"), "{message}");
    }

    #[test]
    fn a_folder_that_cannot_be_made_says_what_where_and_what_next() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let message = Folder::open(&file.join("results")).unwrap_err().to_string();
        assert!(message.contains("file/results") && message.contains("--out"), "{message}");
        assert!(!message.contains("os error"), "{message}");
    }

    #[test]
    fn missing_records_say_which_file() {
        let folder = tempfile::tempdir().unwrap();
        let message = read(&[folder.path().to_path_buf()]).unwrap_err().to_string();
        assert!(message.contains(RECORDS), "{message}");
    }

    #[test]
    fn numbers_that_json_lacks_never_make_a_line_that_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut record = fixture::race().remove(0);
        let points = record.curve.len();
        record.curve[points - 1].error = f64::NAN;
        record.accuracy.as_mut().unwrap().residual = f64::INFINITY;
        record.eigenvalues[0] = f64::NAN;
        let (mut results, _) = Folder::open(folder.path()).unwrap();
        results.append(&record).unwrap();
        let (_, found) = Folder::open(folder.path()).unwrap();
        assert_eq!(found.records[0].curve.len(), points - 1);
        assert_eq!(found.records[0].accuracy, None);
        assert!(found.records[0].eigenvalues.is_empty());
    }

    #[test]
    fn only_a_skipped_case_or_another_program_runs_again() {
        let mut records = fixture::race();
        records.truncate(6);
        let statuses = [
            Status::Reached,
            Status::Budget,
            Status::Stalled,
            Status::Diverged,
            Status::Failed,
            Status::Skipped,
        ];
        for (record, status) in records.iter_mut().zip(statuses) {
            record.status = status;
        }
        let done = finished(&records, &records[0].program);
        assert_eq!(done.len(), 5);
        assert!(!done.contains(&records[5].case));
        assert!(finished(&records, "0.0.0+other").is_empty());
    }

    #[test]
    fn components_come_back_beside_their_record() {
        let folder = tempfile::tempdir().unwrap();
        let (mut results, _) = Folder::open(folder.path()).unwrap();
        let mut record = fixture::race().remove(0);
        let components = fixture::components();
        let name = results.write_components(&record.case, components.view()).unwrap();
        record.artifacts.insert("components".into(), name);
        results.append(&record).unwrap();
        results.write_machine(&fixture::machine()).unwrap();
        let read = read(&[folder.path().to_path_buf()]).unwrap();
        assert_eq!(read.components[&(record.machine.clone(), record.case.clone())], components);
        assert_eq!(read.machines, [fixture::machine()]);
        assert!(read.notes.is_empty());
    }

    #[test]
    fn an_artifact_that_is_gone_or_outside_costs_a_note_only() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["artifacts/gone.npy", "../elsewhere.npy", "/etc/x.npy"] {
            let mut record = fixture::race().remove(0);
            record.artifacts.insert("components".into(), name.into());
            fs::write(folder.path().join(RECORDS), line(&record)).unwrap();
            let read = read(&[folder.path().to_path_buf()]).unwrap();
            assert_eq!((read.records.len(), read.components.len(), read.notes.len()), (1, 0, 1));
        }
    }

    #[test]
    fn names_of_cases_are_safe_stable_and_distinct() {
        assert_eq!(
            safe_name("pca/mnist/deflation/covariance/adam/k10/cpu@1/f32"),
            "pca_mnist_deflation_covariance_adam_k10_cpu@1_f32"
        );
        let long = "x".repeat(400);
        let ids = ["a/b", "a_b", "a:b", "a-b", "a b", "../b", ".b", "größe", long.as_str()];
        let names: BTreeSet<String> = ids.iter().map(|id| safe_name(id)).collect();
        assert_eq!(names.len(), ids.len());
        for name in names {
            assert!(name.len() < 140 && !name.starts_with('.') && name.is_ascii(), "{name}");
            assert!(!name.contains(['/', '\\', ':', ' ']), "{name}");
        }
    }
}
