//! Writing a report: the page, and its charts as files.

use super::chart::png::Painter;
use super::cost::Prices;
use super::document::Report;
use super::page;
use crate::error::{Error, Result};
use crate::record::read::Results;
use std::fs;
use std::path::Path;

/// Writes `dir/report.html` and `dir/charts/*.svg`.
///
/// # Errors
/// `Error::Input` when a file cannot be written; `Error::Failed` when a chart cannot be drawn.
pub fn write(results: &Results, dir: &Path) -> Result<()> {
    let report = Report::new(results, &Prices::default())?;
    write_charts(&report, &dir.join("charts"), None)?;
    let path = dir.join("report.html");
    fs::write(&path, page::render(&report)).map_err(|e| cannot(&path, &e))
}

/// Writes every chart of a report into a folder, `NAME.svg` each, and with a painter `NAME.png` beside it.
///
/// # Errors
/// `Error::Input` when a file cannot be written; what [`Painter::paint`] says.
pub fn write_charts(report: &Report, folder: &Path, painter: Option<&Painter>) -> Result<()> {
    fs::create_dir_all(folder).map_err(|e| cannot(folder, &e))?;
    for chart in report.charts() {
        let path = folder.join(format!("{}.svg", chart.name));
        fs::write(&path, &chart.svg).map_err(|e| cannot(&path, &e))?;
        if let Some(painter) = painter {
            let path = folder.join(format!("{}.png", chart.name));
            fs::write(&path, painter.paint(chart)?).map_err(|e| cannot(&path, &e))?;
        }
    }
    Ok(())
}

fn cannot(path: &Path, error: &std::io::Error) -> Error {
    Error::input(format!(
        "cannot write {}: {error}: choose another place with --out",
        path.display()
    ))
}

#[cfg(test)]
mod tests;
