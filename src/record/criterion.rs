//! What `cargo bench` left: Criterion's `benchmark.json` and `estimates.json` of the last run of each benchmark.

use crate::error::{Error, Result};
use serde::Deserialize;
use std::fs;
use std::path::Path;

/// One benchmark on one device.
#[derive(Debug, Clone, PartialEq)]
pub struct Benchmark {
    /// Group: what is measured, named like a case where it is one.
    pub group: String,
    /// The device's name in it.
    pub device: String,
    /// Median seconds of one execution.
    pub seconds: f64,
    /// Ends of the median's interval, in seconds, at the confidence Criterion was asked for (95 % by default).
    pub interval_s: (f64, f64),
    /// Bytes an execution moves, where it was told.
    pub bytes: Option<f64>,
    /// Elements an execution does (images, operations), where it was told.
    pub elements: Option<f64>,
}

#[derive(Deserialize)]
struct Name {
    group_id: String,
    function_id: Option<String>,
    throughput: Option<Throughput>,
}

#[derive(Deserialize)]
struct Throughput {
    #[serde(rename = "Bytes")]
    bytes: Option<f64>,
    #[serde(rename = "Elements")]
    elements: Option<f64>,
}

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
    confidence_interval: Interval,
}

#[derive(Deserialize)]
struct Interval {
    lower_bound: f64,
    upper_bound: f64,
}

/// Folders between Criterion's own and a benchmark's last run: group, function, `new`.
const DEPTH: usize = 3;

/// The last run of every benchmark in Criterion's folder (`target/criterion`), by name; none where it is no such folder.
///
/// # Errors
/// `Error::Input` naming a file that is damaged.
pub fn benchmarks(folder: &Path) -> Result<Vec<Benchmark>> {
    let mut found = Vec::new();
    walk(folder, DEPTH, &mut found)?;
    found.sort_by(|a, b| (&a.group, &a.device).cmp(&(&b.group, &b.device)));
    Ok(found)
}

fn walk(folder: &Path, depth: usize, found: &mut Vec<Benchmark>) -> Result<()> {
    if folder.file_name().is_some_and(|name| name == "new")
        && folder.join("benchmark.json").is_file()
    {
        found.push(benchmark(folder)?);
        return Ok(());
    }
    if depth == 0 {
        return Ok(());
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        // Links are not followed: a folder may hold itself.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), depth - 1, found)?;
        }
    }
    Ok(())
}

fn benchmark(folder: &Path) -> Result<Benchmark> {
    let name: Name = json(&folder.join("benchmark.json"))?;
    let Estimates { median } = json(&folder.join("estimates.json"))?;
    // Criterion's unit is the nanosecond.
    let seconds = |nanoseconds: f64| nanoseconds * 1e-9;
    let Interval {
        lower_bound,
        upper_bound,
    } = median.confidence_interval;
    Ok(Benchmark {
        group: name.group_id,
        device: name.function_id.unwrap_or_default(),
        seconds: seconds(median.point_estimate),
        interval_s: (seconds(lower_bound), seconds(upper_bound)),
        bytes: name.throughput.as_ref().and_then(|of| of.bytes),
        elements: name.throughput.as_ref().and_then(|of| of.elements),
    })
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let fail = |what: String| {
        Error::input(format!(
            "{}: {what}: run `cargo bench` again, or leave the folder out",
            path.display()
        ))
    };
    let text = fs::read_to_string(path).map_err(|error| fail(super::lines::plain(&error)))?;
    serde_json::from_str(&text).map_err(|error| fail(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder as Criterion 0.8 leaves it, abridged.
    fn folder() -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        for (group, device, median) in [
            ("step, adam", "cpu@2", 43456.6),
            ("advance", "cpu@1", 900.0),
        ] {
            let run = place.path().join(group).join(device).join("new");
            fs::create_dir_all(&run).unwrap();
            let name = serde_json::json!({"group_id": group, "function_id": device, "value_str": null,
                "throughput": {"Bytes": 2458624}, "full_id": "x", "directory_name": "x", "title": "x"});
            let interval = serde_json::json!({"confidence_level": 0.95, "lower_bound": median - 5.0,
                "upper_bound": median + 5.0});
            let median = serde_json::json!({"median": {"confidence_interval": interval,
                "point_estimate": median, "standard_error": 1.0}, "slope": null});
            fs::write(run.join("benchmark.json"), name.to_string()).unwrap();
            fs::write(run.join("estimates.json"), median.to_string()).unwrap();
        }
        place
    }

    #[test]
    fn every_benchmark_is_found_by_name_in_seconds() {
        let place = folder();
        let found = benchmarks(place.path()).unwrap();
        let names: Vec<&str> = found.iter().map(|found| found.group.as_str()).collect();
        assert_eq!(names, ["advance", "step, adam"]);
        let step = &found[1];
        assert!((step.seconds - 43456.6e-9).abs() < 1e-15);
        assert!(step.interval_s.0 < step.seconds && step.seconds < step.interval_s.1);
        assert_eq!(
            (step.device.as_str(), step.bytes, step.elements),
            ("cpu@2", Some(2458624.0), None)
        );
    }

    #[test]
    fn what_is_no_such_folder_holds_none_and_a_damaged_file_is_named() {
        let place = folder();
        assert!(benchmarks(&place.path().join("gone")).unwrap().is_empty());
        let file = place.path().join("advance/cpu@1/new/estimates.json");
        fs::write(&file, "{").unwrap();
        let error = benchmarks(place.path()).unwrap_err().to_string();
        assert!(
            error.contains("estimates.json") && error.lines().count() == 1,
            "{error}"
        );
    }
}
