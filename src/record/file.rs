//! Writing the results folder: `records.jsonl`, `machine.json` and `artifacts/*.npy`.
//!
//! A record is one line, written whole by a single call and flushed, so that a kill costs at most the line it cuts. Opening
//! a folder mends such a line; broken JSON anywhere else is the user's to look at, and an error.

use super::lines::{parse, plain};
use super::{Accuracy, Machine, Record};
use crate::error::{Error, Result};
use ndarray::ArrayView2;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Name of the file of records.
pub const RECORDS: &str = "records.jsonl";
/// Name of the file with the machine's facts.
pub const MACHINE: &str = "machine.json";
/// Folder of the artifacts, as it stands in a record.
pub const ARTIFACTS: &str = "artifacts";
/// Artifact: components, k x d, one row a component, largest eigenvalue first.
pub const COMPONENTS: &str = "components";
/// Artifact: samples on the first two components, one row a sample: two coordinates in the data's units, and the label.
pub const PROJECTIONS: &str = "projections";

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
        let lines = parse(&file)?;
        let mut dropped = None;
        if lines.whole < lines.length {
            records.set_len(lines.whole).map_err(|e| cannot(&file, e))?;
            dropped = Some(format!(
                "dropped the last line of {}, cut short by an earlier stop; its case runs again",
                file.display()
            ));
        } else if !lines.ended {
            // The kill came between a whole record and its newline: the record counts.
            records.write_all(b"\n").map_err(|e| cannot(&file, e))?;
        }
        let folder = Self {
            path: path.to_path_buf(),
            records,
        };
        Ok((
            folder,
            Found {
                records: lines.records,
                dropped,
            },
        ))
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

    /// Writes an artifact ([`COMPONENTS`], [`PROJECTIONS`]) as `.npy` beside the records and names it, relative to the
    /// folder, in its record.
    ///
    /// # Errors
    /// `Error::Input` when it cannot be written.
    pub fn keep(&self, record: &mut Record, kind: &str, values: ArrayView2<f32>) -> Result<()> {
        let part = match kind {
            COMPONENTS => String::new(),
            kind => format!(".{kind}"),
        };
        let name = format!("{ARTIFACTS}/{}{part}.npy", safe_name(&record.case));
        fs::create_dir_all(self.path.join(ARTIFACTS))
            .map_err(|e| self.cannot(ARTIFACTS, &e.to_string()))?;
        ndarray_npy::write_npy(self.path.join(&name), &values)
            .map_err(|e| self.cannot(&name, &e.to_string()))?;
        record.artifacts.insert(kind.into(), name);
        Ok(())
    }

    fn cannot(&self, name: &str, why: &str) -> Error {
        let path = self.path.join(name);
        Error::input(format!(
            "cannot write {}: {why}: free the disk or choose another folder with --out, then go on with --resume",
            path.display()
        ))
    }
}

/// A file name (without extension) for a case id, the same each time, safe on every file system. Where the id itself
/// holds what the name uses in place of a slash, or more than a name can, or ends as if it had been hashed, part of its hash
/// keeps two ids apart.
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
    if exact && name.len() <= 120 && !name.starts_with('.') && !ends_in_hash(&name) {
        return name;
    }
    name.truncate(120);
    format!("{}-{}", name.trim_start_matches('.'), short_hash(case))
}

/// Whether a name ends in a hyphen and eight hex digits.
fn ends_in_hash(name: &str) -> bool {
    let digits = name.rsplit_once('-').map(|(_, digits)| digits);
    digits.is_some_and(|digits| digits.len() == 8 && digits.bytes().all(|c| c.is_ascii_hexdigit()))
}

/// First eight hex digits of the SHA-256 of a text.
pub(crate) fn short_hash(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A record without the numbers that JSON does not have. Optional numbers become null by themselves; the curve ends
/// before the first point that is not finite, and an accuracy or a list of eigenvalues with such a number is left out.
pub fn finite(mut record: Record) -> Record {
    let bad = record.curve.iter().position(|p| {
        ![p.passes, p.time_s, p.component_error, p.error]
            .iter()
            .all(|value| value.is_finite())
    });
    record.curve.truncate(bad.unwrap_or(usize::MAX));
    record.accuracy = record.accuracy.filter(|a: &Accuracy| {
        [
            a.residual,
            a.orthogonality,
            a.explained_variance,
            a.reconstruction_error,
        ]
        .iter()
        .all(|value| value.is_finite())
    });
    if let Some(network) = &mut record.network {
        for score in [&mut network.end, &mut network.best] {
            *score = score.filter(|s| {
                [s.test_error, s.test_loss, s.train_loss]
                    .iter()
                    .all(|value| value.is_finite())
            });
        }
    }
    record.rate = record
        .rate
        .filter(|r| r.gb_per_s.is_finite() && r.gflop_per_s.is_finite());
    for values in [&mut record.eigenvalues, &mut record.reference_eigenvalues] {
        if !values.iter().all(|value| value.is_finite()) {
            values.clear();
        }
    }
    record
}

/// One record, or any other plain value, as one line of JSON.
pub(super) fn json(record: &Record) -> String {
    serde_json::to_string(record).expect("plain records are JSON")
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::super::read::read;
    use super::*;
    use std::collections::BTreeSet;

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
        assert_eq!(
            read(&[results.path().join(RECORDS)]).unwrap().records,
            records
        );
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
            assert_eq!(
                fs::read_to_string(&file).unwrap(),
                format!("{first}{second}")
            );
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
        assert_eq!(
            read(&[folder.path().to_path_buf()]).unwrap().records,
            records[..2]
        );
    }

    #[test]
    fn broken_json_in_the_middle_names_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let good = line(&fixture::race()[0]);
        fs::write(
            folder.path().join(RECORDS),
            format!("{good}{{\"schema\"\n{good}"),
        )
        .unwrap();
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
    fn a_folder_that_cannot_be_made_says_what_where_and_what_next() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let message = Folder::open(&file.join("results")).unwrap_err().to_string();
        assert!(
            message.contains("file/results") && message.contains("--out"),
            "{message}"
        );
        assert!(!message.contains("os error"), "{message}");
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
    fn components_come_back_beside_their_record() {
        let folder = tempfile::tempdir().unwrap();
        let (mut results, _) = Folder::open(folder.path()).unwrap();
        let mut record = fixture::race().remove(0);
        let components = fixture::components();
        let plane = components.slice(ndarray::s![..4, ..3]);
        results
            .keep(&mut record, COMPONENTS, components.view())
            .unwrap();
        results.keep(&mut record, PROJECTIONS, plane).unwrap();
        results.append(&record).unwrap();
        results.write_machine(&fixture::machine()).unwrap();
        let read = read(&[folder.path().to_path_buf()]).unwrap();
        let key = (record.machine.clone(), record.case.clone());
        assert_eq!(read.artifacts.components[&key], components);
        assert_eq!(read.artifacts.projections[&key], plane);
        assert_eq!(read.machines, [fixture::machine()]);
        assert!(read.notes.is_empty());
    }

    #[test]
    fn names_of_cases_are_safe_stable_and_distinct() {
        assert_eq!(
            safe_name("pca/mnist/deflation/covariance/adam/k10/cpu@1/f32"),
            "pca_mnist_deflation_covariance_adam_k10_cpu@1_f32"
        );
        let long = "x".repeat(400);
        let ids = [
            "a/b",
            "a_b",
            "a:b",
            "a-b",
            "a b",
            "../b",
            ".b",
            "größe",
            long.as_str(),
        ];
        let names: BTreeSet<String> = ids.iter().map(|id| safe_name(id)).collect();
        assert_eq!(names.len(), ids.len());
        for name in names {
            assert!(
                name.len() < 140 && !name.starts_with('.') && name.is_ascii(),
                "{name}"
            );
            assert!(!name.contains(['/', '\\', ':', ' ']), "{name}");
        }
    }
}
