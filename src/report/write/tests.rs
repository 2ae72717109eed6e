use super::*;
use crate::record::fixture::{self, complete};

#[test]
fn a_race_leaves_a_page_and_a_file_for_every_chart() {
    let folder = tempfile::tempdir().unwrap();
    write(&complete(fixture::race()), folder.path()).unwrap();
    let mut files: Vec<String> = fs::read_dir(folder.path().join("charts"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    // Times; three charts each for deflation and subspace on the covariance and deflation on the samples, with one
    // thread and all; components of direct and of the fastest, and its spectrum; the profile, and a roof a device.
    assert_eq!(files.len(), 1 + 3 * 6 + 2 + 1 + 1 + 2, "{files:?}");
    assert!(
        files.contains(&"pca_mnist_k10_times.svg".to_string()),
        "{files:?}"
    );
    assert!(files.contains(&"pca_mnist_k10_deflation_covariance_cpu@1_iterations.svg".to_string()));
    for file in files {
        let svg = fs::read_to_string(folder.path().join("charts").join(file)).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    }
    assert!(folder.path().join("report.html").exists());
}

#[test]
fn a_folder_that_cannot_be_written_is_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let message = write(&Results::default(), &file).unwrap_err().to_string();
    assert!(
        message.contains("charts") && !message.contains('\n'),
        "{message}"
    );
}
