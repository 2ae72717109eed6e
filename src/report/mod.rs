//! Charts, tables and the page: pure functions of records.
//!
//! [`table`] is what the terminal shows, [`chart`] draws SVG, [`page`] puts both into one self-contained HTML file.
//! [`group`] decides for all of them which records race against each other. Nothing here knows a device or measures
//! anything; the same records always give the same bytes.

pub mod chart;
pub mod command;
pub mod cost;
pub mod group;
pub mod lecun;
pub mod page;
pub mod png;
pub mod profile;
pub mod quantity;
pub mod roofline;
pub mod seeds;
pub mod speedup;
pub mod table;
pub mod verdict;

use crate::error::{Error, Result};
use crate::record::criterion::Benchmark;
use crate::record::file::safe_name;
use crate::record::read::{Artifacts, Results};
use crate::record::{Machine, Record, Status, software_label};
use chart::{Chart, curves, images, plane, spectrum, times};
use cost::Prices;
use group::{Group, short_id, short_name};
use profile::Profile;
use speedup::Growths;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Bytes of charts in a page. What comes after is left out, and said: a page of everything would take a browser minutes.
const CHART_BYTES: usize = 4_400_000;
/// Bytes that a row of a table takes with its command; the charts make room for them.
const ROW_BYTES: usize = 400;
/// Bytes of charts that there is always room for.
const LEAST_CHART_BYTES: usize = 400_000;

/// Everything a page shows, drawn and in order; its sections are functions of this.
#[derive(Debug)]
pub struct Report<'a> {
    /// One task on one machine each, with its charts.
    pub races: Vec<Race<'a>>,
    /// Standings over all tasks, with their charts.
    pub profiles: Vec<(Profile<'a>, Chart)>,
    /// Speed-up against size, with its charts.
    pub growths: Vec<(Growths<'a>, Chart)>,
    /// What the cases reach of each device's peaks.
    pub roofs: Vec<Chart>,
    /// What `cargo bench` measured.
    pub benchmarks: &'a [Benchmark],
    /// Facts of the machines, as far as they are known.
    pub machines: &'a [Machine],
    /// Dollars an hour.
    pub prices: Prices,
    /// Versions of the program that measured.
    pub programs: BTreeSet<&'a str>,
    /// Measurements left out because a later one of the same case is there.
    pub older: usize,
    /// Charts left out because the page is full.
    pub undrawn: usize,
}

/// A group of competitors with what is drawn of it.
#[derive(Debug)]
pub struct Race<'a> {
    /// The competitors.
    pub group: Group<'a>,
    /// Time to target of every case; `None` where the page is full.
    pub times: Option<Chart>,
    /// Dollars against time to target, where prices are known.
    pub dollars: Option<Chart>,
    /// Error against iterations, passes and seconds: three charts a method, operator and device.
    pub curves: Vec<[Chart; 3]>,
    /// Eigenvalues of the fastest case against the reference's.
    pub spectrum: Option<Chart>,
    /// Samples in the plane of the first two components, where a right answer kept them.
    pub plane: Option<Chart>,
    /// Components as images: the answer of `direct` and that of the fastest other case, where they are known.
    pub images: Vec<Chart>,
}

impl<'a> Report<'a> {
    /// Groups the records and draws the charts: first what is drawn over all tasks, then the times of every task, then the
    /// rest, until the page is full.
    ///
    /// # Errors
    /// `Error::Failed` when the drawing library gives up.
    pub fn new(results: &'a Results, prices: &Prices) -> Result<Self> {
        let Results {
            records,
            machines,
            artifacts,
            benchmarks,
            ..
        } = results;
        let (groups, older) = group::groups(records);
        let prices = prices.clone().on(machines);
        let room = CHART_BYTES.saturating_sub(records.len() * ROW_BYTES);
        let mut pen = Pen {
            names: BTreeSet::new(),
            room: room.max(LEAST_CHART_BYTES),
            undrawn: 0,
        };
        let all: Vec<&Group> = groups.iter().collect();
        let mut profiles = Vec::new();
        for profile in profile::profiles(&all) {
            let name = pen.name("", &format!("profile/{}", profile.problem));
            let chart = pen.draw(|| profile.chart(name))?;
            profiles.extend(chart.map(|chart| (profile, chart)));
        }
        let mut growths = Vec::new();
        for growth in speedup::growths(&all) {
            let name = pen.name("", &format!("speedup/{}", growth.title));
            let chart = pen.draw(|| growth.chart(name))?;
            growths.extend(chart.map(|chart| (growth, chart)));
        }
        let roofs = roofline::charts(&all, machines, |what| pen.name("", what))?;
        pen.room = pen
            .room
            .saturating_sub(roofs.iter().map(|c| c.svg.len()).sum());
        let mut races = Vec::new();
        for group in groups {
            let name = pen.name(&group.id, "times");
            let times = pen.draw(|| times::chart(name, &group))?;
            races.push(Race {
                group,
                times,
                dollars: None,
                curves: Vec::new(),
                spectrum: None,
                plane: None,
                images: Vec::new(),
            });
        }
        for race in &mut races {
            race.draw(&mut pen, artifacts, &prices)?;
        }
        let programs = records.iter().map(|record| record.program.as_str());
        Ok(Self {
            races,
            profiles,
            growths,
            roofs,
            benchmarks,
            machines,
            prices,
            programs: programs.collect(),
            older,
            undrawn: pen.undrawn,
        })
    }

    /// Every chart, in the order of the page.
    pub fn charts(&self) -> impl Iterator<Item = &Chart> {
        let over = self.profiles.iter().map(|(_, chart)| chart);
        let over = over.chain(self.growths.iter().map(|(_, chart)| chart));
        let races = self.races.iter().flat_map(|race| {
            race.times
                .iter()
                .chain(&race.dollars)
                .chain(race.curves.iter().flatten())
                .chain(&race.spectrum)
                .chain(&race.plane)
                .chain(&race.images)
        });
        races.chain(over).chain(&self.roofs)
    }

    /// The groups.
    pub fn groups(&self) -> Vec<&Group<'a>> {
        self.races.iter().map(|race| &race.group).collect()
    }
}

impl<'a> Race<'a> {
    /// Draws all but the times.
    fn draw(&mut self, pen: &mut Pen, artifacts: &Artifacts, prices: &Prices) -> Result<()> {
        let group = &self.group;
        let key = |row: &Record| (row.machine.clone(), row.case.clone());
        let known = |row: &&&Record| {
            artifacts.components.contains_key(&key(row))
                && !matches!(row.status, Status::Diverged | Status::Failed)
        };
        let direct = |row: &&&Record| row.method == "direct";
        let solver = group.rows.iter().filter(direct).find(known);
        let other = group.rows.iter().filter(|row| !direct(row)).find(known);
        for row in solver.into_iter().chain(other) {
            let values = &artifacts.components[&key(row)];
            let image = row.data.as_ref().and_then(|data| data.image);
            let Some(image) = image.filter(|image| image.0 * image.1 == values.ncols()) else {
                continue;
            };
            let name = pen.name(&group.id, &format!("{}/components", short_id(row)));
            let title = short_name(row);
            let draw = || {
                let eigenvalues = &row.eigenvalues;
                Ok(images::chart(
                    name,
                    &title,
                    values.view(),
                    image,
                    eigenvalues,
                ))
            };
            self.images.extend(pen.draw(draw)?);
        }
        let placed = group.rows.iter().find_map(|row| {
            let samples = artifacts.projections.get(&key(row))?;
            (row.status == Status::Reached).then_some((row, samples))
        });
        if let Some((row, samples)) = placed {
            let name = pen.name(&group.id, &format!("{}/plane", short_id(row)));
            self.plane = pen.draw_some(|| plane::chart(name, row, samples.view()))?;
        }
        let name = pen.name(&group.id, "dollars");
        self.dollars = pen.draw_some(|| prices.chart(name, group))?;
        let shown = group.rows.iter().find(|row| {
            row.status == Status::Reached
                && row.eigenvalues.len() > 1
                && row.reference_eigenvalues.len() > 1
        });
        if let Some(row) = shown {
            let name = pen.name(&group.id, &format!("{}/spectrum", short_id(row)));
            self.spectrum = pen.draw_some(|| spectrum::chart(name, row))?;
        }
        for (id, families) in group.curves() {
            let title = id.clone() + software_label(families[0].first().device.software);
            let mut drawn = Vec::new();
            for against in curves::Against::ALL {
                let name = pen.name(&group.id, &format!("{id}/{}", against.word()));
                drawn.extend(pen.draw(|| curves::chart(name, &title, &families, against))?);
            }
            self.curves.extend(<[Chart; 3]>::try_from(drawn).ok());
        }
        Ok(())
    }
}

/// Gives names, each once, and draws while there is room.
struct Pen {
    names: BTreeSet<String>,
    room: usize,
    undrawn: usize,
}

impl Pen {
    fn draw(&mut self, chart: impl FnOnce() -> Result<Chart>) -> Result<Option<Chart>> {
        self.draw_some(|| chart().map(Some))
    }

    fn draw_some(
        &mut self,
        chart: impl FnOnce() -> Result<Option<Chart>>,
    ) -> Result<Option<Chart>> {
        if self.room == 0 {
            self.undrawn += 1;
            return Ok(None);
        }
        let chart = chart()?;
        let size = chart.as_ref().map_or(0, |chart| chart.svg.len());
        self.room = self.room.saturating_sub(size);
        Ok(chart)
    }

    /// The name of a chart; a number is added where another group (machine, target) has the same.
    fn name(&mut self, group: &str, what: &str) -> String {
        let name = match group {
            "" => safe_name(what),
            group => safe_name(&format!("{group}/{what}")),
        };
        let free = (1..).map(|n| {
            if n == 1 {
                name.clone()
            } else {
                format!("{name}_{n}")
            }
        });
        let name = free
            .into_iter()
            .find(|name| !self.names.contains(name))
            .unwrap_or(name);
        self.names.insert(name.clone());
        name
    }
}

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
/// `Error::Input` when a file cannot be written; what [`png::Painter::paint`] says.
pub fn write_charts(report: &Report, folder: &Path, painter: Option<&png::Painter>) -> Result<()> {
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
mod tests {
    use super::*;
    use crate::record::fixture;

    /// Results with components for every answer.
    fn results(records: Vec<Record>) -> Results {
        let all = records.iter().filter(|record| record.accuracy.is_some());
        let components = all
            .map(|r| ((r.machine.clone(), r.case.clone()), fixture::components()))
            .collect();
        Results {
            artifacts: Artifacts {
                components,
                ..Artifacts::default()
            },
            ..fixture::results(records)
        }
    }

    #[test]
    fn a_race_leaves_a_page_and_a_file_for_every_chart() {
        let folder = tempfile::tempdir().unwrap();
        write(&results(fixture::race()), folder.path()).unwrap();
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
        // Roofs are of a machine's devices, whatever raced.
        let results = Results {
            machines: vec![],
            ..results(records)
        };
        let report = Report::new(&results, &Prices::default()).unwrap();
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
        let results = results(fixture::race());
        let page = || page::render(&Report::new(&results, &Prices::default()).unwrap());
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
        let results = fixture::results(records);
        let report = Report::new(&results, &Prices::default()).unwrap();
        let names: Vec<&str> = report.charts().map(|chart| chart.name.as_str()).collect();
        let distinct: BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(names.len(), distinct.len());
        assert!(names.contains(&"pca_mnist_k10_times_2"), "{names:?}");
    }

    #[test]
    fn components_that_are_no_images_or_wrong_answers_are_not_drawn() {
        let images = |change: fn(&mut Record)| {
            let mut results = results(fixture::race());
            results.records.iter_mut().for_each(change);
            let report = Report::new(&results, &Prices::default()).unwrap();
            report.races[0].images.len()
        };
        assert!(images(|_| ()) > 0);
        assert_eq!(
            images(|record| record.data.as_mut().unwrap().image = None),
            0
        );
        assert_eq!(images(|record| record.status = Status::Failed), 0);
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
}
