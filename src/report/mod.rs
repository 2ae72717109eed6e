//! Charts, tables and the page: pure functions of records.
//!
//! [`table`] is what the terminal shows, [`chart`] draws SVG, [`page`] puts both into one self-contained HTML file.
//! [`group`] decides for all of them which records race against each other. Nothing here knows a device or measures
//! anything; the same records always give the same bytes.

pub mod chart;
pub mod group;
pub mod lecun;
pub mod page;
pub mod quantity;
pub mod seeds;
pub mod table;
pub mod verdict;

use crate::error::{Error, Result};
use crate::record::file::safe_name;
use crate::record::read::Components;
use crate::record::{Machine, Record, Status, software_label};
use chart::{Chart, curves, images, times};
use group::{Group, short_id, short_name};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Everything a page shows, drawn and in order; its sections are functions of this.
#[derive(Debug)]
pub struct Report<'a> {
    /// One task on one machine each, with its charts.
    pub races: Vec<Race<'a>>,
    /// Facts of the machines, as far as they are known.
    pub machines: &'a [Machine],
    /// Versions of the program that measured.
    pub programs: BTreeSet<&'a str>,
    /// Measurements left out because a later one of the same case is there.
    pub older: usize,
}

/// A group of competitors with what is drawn of it.
#[derive(Debug)]
pub struct Race<'a> {
    /// The competitors.
    pub group: Group<'a>,
    /// Time to target of every case.
    pub times: Chart,
    /// Error against iterations, passes and seconds: three charts a method, operator and device.
    pub curves: Vec<[Chart; 3]>,
    /// Components as images: the answer of `direct` and that of the fastest other case, where they are known.
    pub images: Vec<Chart>,
}

impl<'a> Report<'a> {
    /// Groups the records and draws every chart.
    ///
    /// # Errors
    /// `Error::Failed` when the drawing library gives up.
    pub fn new(
        records: &'a [Record],
        machines: &'a [Machine],
        components: &Components,
    ) -> Result<Self> {
        let (groups, older) = group::groups(records);
        let mut names = Names::default();
        let races = groups
            .into_iter()
            .map(|group| Race::new(group, components, &mut names))
            .collect::<Result<_>>()?;
        let programs = records
            .iter()
            .map(|record| record.program.as_str())
            .collect();
        Ok(Self {
            races,
            machines,
            programs,
            older,
        })
    }

    /// Every chart, in the order of the page.
    pub fn charts(&self) -> impl Iterator<Item = &Chart> {
        self.races.iter().flat_map(|race| {
            std::iter::once(&race.times)
                .chain(race.curves.iter().flatten())
                .chain(&race.images)
        })
    }
}

impl<'a> Race<'a> {
    fn new(group: Group<'a>, components: &Components, names: &mut Names) -> Result<Self> {
        let times = times::chart(names.take(&group, "times"), &group)?;
        let mut all = Vec::new();
        for (id, families) in group.curves() {
            let title = id.clone() + software_label(families[0].first().device.software);
            let [by_step, by_pass, by_time] = curves::Against::ALL.map(|against| {
                let name = names.take(&group, &format!("{id}/{}", against.word()));
                curves::chart(name, &title, &families, against)
            });
            all.push([by_step?, by_pass?, by_time?]);
        }
        let known = |row: &&&Record| {
            components.contains_key(&(row.machine.clone(), row.case.clone()))
                && !matches!(row.status, Status::Diverged | Status::Failed)
        };
        let direct = group
            .rows
            .iter()
            .filter(|row| row.method == "direct")
            .find(known);
        let other = group
            .rows
            .iter()
            .filter(|row| row.method != "direct")
            .find(known);
        let images = direct
            .into_iter()
            .chain(other)
            .filter_map(|row| {
                let values = &components[&(row.machine.clone(), row.case.clone())];
                let image = row.data.as_ref()?.image?;
                let drawn = image.0 * image.1 == values.ncols();
                drawn.then(|| {
                    let name = names.take(&group, &format!("{}/components", short_id(row)));
                    let title = short_name(row);
                    images::chart(name, &title, values.view(), image, &row.eigenvalues)
                })
            })
            .collect();
        Ok(Self {
            group,
            times,
            curves: all,
            images,
        })
    }
}

/// File names that are given once.
#[derive(Default)]
struct Names(BTreeSet<String>);

impl Names {
    /// The name of a chart of a group; a number is added where another group (machine, target) has the same.
    fn take(&mut self, group: &Group, what: &str) -> String {
        let name = safe_name(&format!("{}/{what}", group.id));
        let free = (1..).map(|n| {
            if n == 1 {
                name.clone()
            } else {
                format!("{name}_{n}")
            }
        });
        let name = free
            .into_iter()
            .find(|name| !self.0.contains(name))
            .unwrap_or(name);
        self.0.insert(name.clone());
        name
    }
}

/// Writes `dir/report.html` and `dir/charts/*.svg`.
///
/// # Errors
/// `Error::Input` when a file cannot be written; `Error::Failed` when a chart cannot be drawn.
pub fn write(
    records: &[Record],
    machines: &[Machine],
    components: &Components,
    dir: &Path,
) -> Result<()> {
    let report = Report::new(records, machines, components)?;
    let charts = dir.join("charts");
    fs::create_dir_all(&charts).map_err(|e| cannot(&charts, &e))?;
    for chart in report.charts() {
        let path = charts.join(format!("{}.svg", chart.name));
        fs::write(&path, &chart.svg).map_err(|e| cannot(&path, &e))?;
    }
    let path = dir.join("report.html");
    fs::write(&path, page::render(&report)).map_err(|e| cannot(&path, &e))
}

fn cannot(path: &Path, error: &std::io::Error) -> Error {
    Error::input(format!(
        "cannot write {}: {error}: choose another place with --out",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture;

    fn components(records: &[Record]) -> Components {
        let all = records.iter().filter(|record| record.accuracy.is_some());
        all.map(|r| ((r.machine.clone(), r.case.clone()), fixture::components()))
            .collect()
    }

    #[test]
    fn a_race_leaves_a_page_and_a_file_for_every_chart() {
        let folder = tempfile::tempdir().unwrap();
        let records = fixture::race();
        write(
            &records,
            &[fixture::machine()],
            &components(&records),
            folder.path(),
        )
        .unwrap();
        let mut files: Vec<String> = fs::read_dir(folder.path().join("charts"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        // Times; three charts each for deflation and subspace on the covariance and deflation on the samples, with one
        // thread and all; components of direct and of the fastest.
        assert_eq!(files.len(), 1 + 3 * 6 + 2, "{files:?}");
        assert!(
            files.contains(&"pca_mnist_k10_times.svg".to_string()),
            "{files:?}"
        );
        assert!(
            files.contains(&"pca_mnist_k10_deflation_covariance_cpu@1_iterations.svg".to_string())
        );
        for file in files {
            let svg = fs::read_to_string(folder.path().join("charts").join(file)).unwrap();
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        }
        assert!(folder.path().join("report.html").exists());
    }

    #[test]
    fn a_software_adapter_is_labelled_in_every_chart_and_no_file_name() {
        let mut records = fixture::race();
        records.retain(|record| record.device.threads == Some(8));
        for record in &mut records {
            record.case = record.case.replace("/cpu/", "/wgpu:0/");
            record.device.kind = "wgpu".into();
            record.device.software = true;
        }
        let known = components(&records);
        let report = Report::new(&records, &[], &known).unwrap();
        assert!(report.charts().count() > 5);
        for chart in report.charts() {
            assert!(chart.svg.contains("wgpu:0"), "{}", chart.name);
            let named = chart.svg.matches("wgpu:0").count();
            let labelled = chart.svg.matches("(software)").count();
            assert_eq!(named, labelled, "{}", chart.name);
            assert!(!chart.name.contains("software"), "{}", chart.name);
        }
    }

    #[test]
    fn the_same_records_give_the_same_bytes() {
        let records = fixture::race();
        let (machine, known) = ([fixture::machine()], components(&records));
        let page = || page::render(&Report::new(&records, &machine, &known).unwrap());
        assert_eq!(page(), page());
    }

    #[test]
    fn two_machines_get_charts_of_their_own() {
        let mut records = fixture::race();
        let mut other = records.clone();
        other
            .iter_mut()
            .for_each(|record| record.machine = "other".into());
        records.extend(other);
        let known = Components::new();
        let report = Report::new(&records, &[], &known).unwrap();
        let names: Vec<&str> = report.charts().map(|chart| chart.name.as_str()).collect();
        let distinct: BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(names.len(), distinct.len());
        assert!(names.contains(&"pca_mnist_k10_times_2"), "{names:?}");
    }

    #[test]
    fn components_that_are_no_images_or_wrong_answers_are_not_drawn() {
        let mut records = fixture::race();
        let known = components(&records);
        for record in &mut records {
            record.data.as_mut().unwrap().image = None;
        }
        assert!(
            Report::new(&records, &[], &known).unwrap().races[0]
                .images
                .is_empty()
        );
        let mut records = fixture::race();
        records
            .iter_mut()
            .for_each(|record| record.status = Status::Failed);
        assert!(
            Report::new(&records, &[], &known).unwrap().races[0]
                .images
                .is_empty()
        );
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_one_clear_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let message = write(&[], &[], &Components::new(), &file)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("charts") && !message.contains('\n'),
            "{message}"
        );
    }
}
