//! Reading results: any number of folders and files, and which cases are finished.

use super::criterion::{Benchmark, benchmarks};
use super::file::{COMPONENTS, MACHINE, PROJECTIONS, RECORDS};
use super::lines::{Version, newer, parse};
use super::upgrade::upgrade_machine;
use super::{INTERRUPTED, KernelRate, Machine, Record, SCHEMA, Status};
use crate::error::{Error, Result};
use ndarray::Array2;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Artifacts of a file that are gone by name; of more only the number is told.
const NAMED: usize = 3;

/// Arrays by machine fingerprint and case id.
pub type Arrays = BTreeMap<(String, String), Array2<f32>>;

/// The arrays that records name.
#[derive(Debug, Default)]
pub struct Artifacts {
    /// k x d, one row a component.
    pub components: Arrays,
    /// One row a sample: its coordinates on the first two components, and its label.
    pub projections: Arrays,
}

impl Artifacts {
    /// The components of a record, where they are known.
    pub fn components_of(&self, record: &Record) -> Option<&Array2<f32>> {
        self.components.get(&key(record))
    }

    /// The projections of a record, where they are known.
    pub fn projections_of(&self, record: &Record) -> Option<&Array2<f32>> {
        self.projections.get(&key(record))
    }
}

fn key(record: &Record) -> (String, String) {
    (record.machine.clone(), record.case.clone())
}

/// What [`read`] found in any number of folders and files.
#[derive(Debug, Default)]
pub struct Results {
    /// All records, in the order of the paths and, within a file, of the lines.
    pub records: Vec<Record>,
    /// The machines beside them: of each fingerprint what was told last, with the peaks of every device ever told.
    pub machines: Vec<Machine>,
    /// The arrays named by the records.
    pub artifacts: Artifacts,
    /// What `cargo bench` measured, where a path was Criterion's folder.
    pub benchmarks: Vec<Benchmark>,
    /// What is worth a word: a cut last line, an artifact that is gone.
    pub notes: Vec<String>,
}

/// Reads any number of results folders and record files, and Criterion's folders (`target/criterion`); a file's machine
/// facts and artifacts are looked for beside it.
///
/// # Errors
/// `Error::Input` naming the file, and the line where one is at fault.
pub fn read(paths: &[PathBuf]) -> Result<Results> {
    let mut results = Results::default();
    let mut machines = BTreeMap::new();
    for path in paths {
        let file = if path.is_dir() {
            path.join(RECORDS)
        } else {
            path.clone()
        };
        if path.is_dir() && !file.exists() {
            let found = benchmarks(path)?;
            if !found.is_empty() {
                results.benchmarks.extend(found);
                continue;
            }
        }
        let folder = file.parent().unwrap_or(Path::new(""));
        let lines = parse(&file)?;
        if lines.whole < lines.length {
            results.notes.push(format!(
                "left out the last line of {}: it is cut",
                file.display()
            ));
        }
        let mut gone = Vec::new();
        for record in &lines.records {
            gone.extend(read_artifacts(folder, record, &mut results.artifacts));
        }
        let more = gone.len().saturating_sub(NAMED);
        results.notes.extend(gone.into_iter().take(NAMED));
        if more > 0 {
            let file = file.display();
            results
                .notes
                .push(format!("and {more} more are gone beside {file}"));
        }
        results.records.extend(lines.records);
        if let Some(machine) = read_machine(&folder.join(MACHINE))? {
            let before = machines.insert(machine.fingerprint.clone(), machine.clone());
            keep_rates(&mut machines, before, &machine.fingerprint);
        }
    }
    results.machines = machines.into_values().collect();
    Ok(results)
}

/// Ids of the cases that need not run again under this program: those with a record that is not `skipped` (what was
/// missing then may be there now), nor of a case that Ctrl-C cut short. A failed case counts: the same program on the same
/// case fails again.
pub fn finished(records: &[Record], program: &str) -> BTreeSet<String> {
    records
        .iter()
        .filter(|r| r.program == program && r.status != Status::Skipped)
        .filter(|r| {
            r.time
                .as_ref()
                .is_none_or(|time| time.stopped != INTERRUPTED)
        })
        .map(|r| r.case.clone())
        .collect()
}

/// Of a machine told before, the peaks and the kernels that it is not told to have now: a folder knows those of its own race.
fn keep_rates(machines: &mut BTreeMap<String, Machine>, before: Option<Machine>, name: &str) {
    let (Some(before), Some(now)) = (before, machines.get_mut(name)) else {
        return;
    };
    for peak in before.peaks {
        if now.peaks.iter().all(|other| other.device != peak.device) {
            now.peaks.push(peak);
        }
    }
    let key = |rate: &KernelRate| (rate.kernel.clone(), rate.device.clone());
    for rate in before.kernels {
        if now.kernels.iter().all(|other| key(other) != key(&rate)) {
            now.kernels.push(rate);
        }
    }
}

fn read_machine(file: &Path) -> Result<Option<Machine>> {
    let Ok(text) = fs::read_to_string(file) else {
        return Ok(None);
    };
    if let Ok(Version { schema }) = serde_json::from_str(&text)
        && schema > SCHEMA
    {
        return Err(newer(&file.display().to_string(), schema));
    }
    let mut machine: Machine = serde_json::from_str(&text).map_err(|e| {
        Error::input(format!(
            "{}: not a machine's facts: {e}: delete it, and the next run writes it anew",
            file.display()
        ))
    })?;
    upgrade_machine(&mut machine);
    Ok(Some(machine))
}

/// Adds the arrays that a record names; a file that is gone or is no matrix of f32 costs a note only, which is given back.
/// Names that lead out of the folder are refused: records come from strangers too.
fn read_artifacts(folder: &Path, record: &Record, artifacts: &mut Artifacts) -> Vec<String> {
    let kinds = [
        (COMPONENTS, &mut artifacts.components),
        (PROJECTIONS, &mut artifacts.projections),
    ];
    let mut notes = Vec::new();
    for (kind, arrays) in kinds {
        let Some(name) = record.artifacts.get(kind) else {
            continue;
        };
        let inside = Path::new(name)
            .components()
            .all(|c| matches!(c, std::path::Component::Normal(_)));
        let array = if inside {
            ndarray_npy::read_npy(folder.join(name)).map_err(|e| e.to_string())
        } else {
            Err("it lies outside the results folder".into())
        };
        match array {
            Ok(array) => {
                arrays.insert(key(record), array);
            }
            Err(why) => notes.push(format!("no {kind} of {}: {name}: {why}", record.case)),
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::super::file::json;
    use super::super::fixture;
    use super::*;

    fn line(record: &Record) -> String {
        json(record) + "\n"
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
    fn a_record_of_a_newer_format_is_refused_by_version() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record {
            schema: SCHEMA + 1,
            ..fixture::race().remove(0)
        };
        fs::write(folder.path().join(RECORDS), line(&record)).unwrap();
        let message = read(&[folder.path().to_path_buf()])
            .unwrap_err()
            .to_string();
        let newer = format!("version {}", SCHEMA + 1);
        assert!(message.contains(&newer), "{message}");
        // Also where it has nothing else in common with ours, and in the machine's facts.
        let text = format!("{{\"schema\": {}}}\n", SCHEMA + 1);
        fs::write(folder.path().join(RECORDS), &text).unwrap();
        let message = |folder: &Path| read(&[folder.to_path_buf()]).unwrap_err().to_string();
        let words = message(folder.path());
        assert!(
            words.contains(&newer) && words.contains("line 1"),
            "{words}"
        );
        fs::write(folder.path().join(RECORDS), "").unwrap();
        fs::write(folder.path().join(MACHINE), &text).unwrap();
        let words = message(folder.path());
        assert!(words.contains(&newer) && words.contains(MACHINE), "{words}");
    }

    #[test]
    fn records_and_machines_from_before_gpus_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut record = serde_json::to_value(&fixture::race()[0]).unwrap();
        record["time"].as_object_mut().unwrap().remove("device_s");
        let mut machine = serde_json::to_value(fixture::machine()).unwrap();
        let peak = machine["peaks"][0].as_object_mut().unwrap();
        for field in ["software", "name", "driver"] {
            peak.remove(field).expect("it is written");
        }
        fs::write(folder.path().join(RECORDS), format!("{record}\n")).unwrap();
        fs::write(folder.path().join(MACHINE), machine.to_string()).unwrap();
        let results = read(&[folder.path().to_path_buf()]).unwrap();
        assert_eq!(results.records, fixture::race()[..1]);
        assert_eq!(results.machines, [fixture::machine()]);
    }

    #[test]
    fn records_from_before_the_flags_were_in_them_are_read_off_their_ids() {
        let folder = tempfile::tempdir().unwrap();
        let new = fixture::race();
        let old = |record: &Record| {
            let mut value = serde_json::to_value(record).unwrap();
            value["schema"] = 2.into();
            for field in ["samples", "asked"] {
                value.as_object_mut().unwrap().remove(field).expect(field);
            }
            value["device"].as_object_mut().unwrap().remove("label");
            // Two roofs, by their names of then.
            if let Some(peak) = value["rate"]["peak"].as_str() {
                let old = if peak == "memory" { "stream" } else { "gemm" };
                value["rate"]["peak"] = old.into();
            }
            if let Some(rule) = value["optimizer"].as_object_mut() {
                rule.remove("parameters").expect("it is written");
                rule.insert("momentum".into(), 0.9.into());
            }
            value.to_string() + "\n"
        };
        let text: String = new.iter().map(old).collect();
        fs::write(folder.path().join(RECORDS), text).unwrap();
        let mut read = read(&[folder.path().to_path_buf()]).unwrap().records;
        // Their shares are of roofs that did not hold.
        for (record, new) in read.iter_mut().zip(&new) {
            let (Some(rate), Some(now)) = (&record.rate, &new.rate) else {
                continue;
            };
            let memory = now.peak.as_deref() == Some("memory");
            let peak = if memory { "memory" } else { "f32" };
            assert_eq!(
                (rate.share_of_peak, rate.peak.as_deref()),
                (None, Some(peak))
            );
            record.rate.clone_from(&new.rate);
        }
        assert_eq!(read, new);
    }

    #[test]
    fn a_machine_told_twice_keeps_the_peaks_of_every_device() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a", "b"].map(|name| folder.path().join(name));
        let mut machine = fixture::machine();
        for (path, device) in paths.iter().zip(["cpu@1", "cpu"]) {
            fs::create_dir(path).unwrap();
            fs::write(path.join(RECORDS), line(&fixture::race()[0])).unwrap();
            machine.peaks = fixture::machine().peaks;
            machine.peaks.retain(|peak| peak.device == device);
            fs::write(path.join(MACHINE), serde_json::to_string(&machine).unwrap()).unwrap();
        }
        let machines = read(&paths).unwrap().machines;
        let devices: Vec<&str> = machines[0]
            .peaks
            .iter()
            .map(|p| p.device.as_str())
            .collect();
        assert_eq!((machines.len(), devices), (1, vec!["cpu", "cpu@1"]));
    }

    #[test]
    fn missing_records_say_which_file() {
        let folder = tempfile::tempdir().unwrap();
        let message = read(&[folder.path().to_path_buf()])
            .unwrap_err()
            .to_string();
        assert!(message.contains(RECORDS), "{message}");
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
    fn an_artifact_that_is_gone_or_outside_costs_a_note_only() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["artifacts/gone.npy", "../elsewhere.npy", "/etc/x.npy"] {
            let mut record = fixture::race().remove(0);
            record.artifacts.insert("components".into(), name.into());
            fs::write(folder.path().join(RECORDS), line(&record)).unwrap();
            let read = read(&[folder.path().to_path_buf()]).unwrap();
            assert_eq!(
                (
                    read.records.len(),
                    read.artifacts.components.len(),
                    read.notes.len()
                ),
                (1, 0, 1)
            );
        }
    }

    #[test]
    fn of_many_artifacts_that_are_gone_the_first_are_named_and_the_rest_counted() {
        let folder = tempfile::tempdir().unwrap();
        let mut record = fixture::race().remove(0);
        record
            .artifacts
            .insert(COMPONENTS.into(), "artifacts/gone.npy".into());
        fs::write(folder.path().join(RECORDS), line(&record).repeat(9)).unwrap();
        let notes = read(&[folder.path().to_path_buf()]).unwrap().notes;
        assert_eq!(notes.len(), NAMED + 1, "{notes:?}");
        assert!(notes[NAMED].contains("6 more"), "{notes:?}");
    }
}
