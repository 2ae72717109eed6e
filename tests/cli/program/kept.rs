//! The kept measurements: every folder of `results/` but the one that git ignores. Tests hold what is true of all of them,
//! whichever they are.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// Every file of that name, in a steady order.
pub fn files(name: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    let mut folders = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() && path != root.join("local") {
                folders.push(path);
            } else if path.file_name().is_some_and(|file| file == name) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The records of a file.
pub fn records(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).expect("records");
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// Folders with records.
pub fn races() -> Vec<PathBuf> {
    let files = files("records.jsonl").into_iter();
    let filled = files.filter(|file| !records(file).is_empty());
    filled
        .filter_map(|file| Some(file.parent()?.to_path_buf()))
        .collect()
}

/// A record of which that is true.
pub fn record(wanted: impl Fn(&Value) -> bool) -> Value {
    let mut all = files("records.jsonl").into_iter().flat_map(|f| records(&f));
    all.find(wanted).expect("results/ has such a record")
}

/// A record that reached its target.
pub fn reached() -> Value {
    record(|record| record["status"] == "reached")
}

/// The facts of every machine.
pub fn machines() -> Vec<Value> {
    let text = |file: PathBuf| std::fs::read_to_string(file).expect("facts");
    let files = files("machine.json").into_iter().map(text);
    files
        .map(|text| serde_json::from_str(&text).expect("JSON"))
        .collect()
}
