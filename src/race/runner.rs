//! The whole race: load and check, then heat after heat, each row written as soon as it is known.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::data::split::split;
use crate::data::{self, Request, Samples, Spec, Standardize, Statistics};
use crate::device::Unavailable;
use crate::error::{Error, Result};
use crate::machine::{self, program_version, rented_machine};
use crate::record::file::{Folder, PROJECTIONS};
use crate::record::read::{finished, read};
use crate::record::{Machine, Record, Status};

use super::axes::Entry;
use super::case::{Case, Source};
use super::clock::timed;
use super::device::DeviceSpec;
use super::lane::Material;
use super::name::ProblemKind;
use super::size::{Size, bytes_word};
use super::track::Track;
use super::{device, row};

/// Hears how the race goes.
pub trait Progress {
    /// A word worth keeping: digits stand in for mnist, a cut line was dropped.
    fn note(&mut self, text: &str);
    /// What is being done now.
    fn phase(&mut self, text: &str);
    /// A case begins, or goes on: `done` of `total` rows are written.
    fn case(&mut self, done: usize, total: usize, id: &str);
    /// How far the case is.
    fn step(&mut self, iteration: u64, error: f64);
}

/// What is to be raced, and where the rows go.
pub struct Race {
    /// The cases.
    pub entries: Vec<Entry>,
    /// How samples are found; its spec is not read.
    pub request: Request,
    /// Share of a file's rows that a network is judged by.
    pub test_fraction: Option<f64>,
    /// Results folder.
    pub out: PathBuf,
    /// Whether cases that the folder has under this program are left out.
    pub resume: bool,
    /// Whether cases that this machine cannot hold are skipped rows, as in a suite, and not tried.
    pub skip_large: bool,
    /// Where the components of the one case go, k x d.
    pub save_components: Option<PathBuf>,
}

/// A case that has not run, with what it may take.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Its id.
    pub id: String,
    /// Bytes of memory, see [`Size::bytes`].
    pub bytes: f64,
    /// Seconds, see [`Size::seconds`].
    pub seconds: f64,
}

/// How a race went.
#[derive(Debug)]
pub struct Summary {
    /// The rows of its cases, those of an earlier run that was resumed included.
    pub records: Vec<Record>,
    /// Whether Ctrl-C ended it.
    pub interrupted: bool,
}

impl Summary {
    /// Whether a check failed or a case crashed.
    pub fn failed(&self) -> bool {
        self.records
            .iter()
            .any(|record| record.status == Status::Failed)
    }
}

/// Samples that were loaded and checked, with the cases about them.
pub(super) struct Loaded {
    pub samples: Arc<Samples>,
    /// Whether their columns were brought to zero mean and unit variance.
    pub standardized: bool,
    pub material: Material,
    /// Seconds that the statistics took, where there are any.
    pub statistics_s: f64,
    /// Cases with their ids.
    pub cases: Vec<(Entry, String)>,
}

/// What cases must agree in to be about the same samples.
type Wanted<'a> = (&'a Source, ProblemKind, Standardize);

/// Cases about the same samples, which are loaded now or when their turn comes.
enum Set {
    Here(Loaded),
    Later(Source, Standardize, Vec<(Entry, String)>),
}

impl Set {
    fn cases(&self) -> &[(Entry, String)] {
        match self {
            Self::Here(set) => &set.cases,
            Self::Later(.., cases) => cases,
        }
    }
}

/// Name of the samples in case ids: a file carries eight digits of its SHA-256.
pub(super) fn name(samples: &Samples) -> String {
    let clean = |c: char| {
        if c.is_whitespace() || c.is_control() || c == '/' {
            '_'
        } else {
            c
        }
    };
    match Spec::parse(&samples.spec) {
        Ok(Spec::Path(_)) | Err(_) => {
            let base: String = samples.spec.chars().map(clean).collect();
            format!("{base}-{}", samples.sha256.get(..8).unwrap_or_default())
        }
        Ok(_) => samples.spec.clone(),
    }
}

impl Race {
    /// The cases with what they may take, samples loaded only where a file has to be read for its name. With the second
    /// value, a word about samples that may yet be others.
    ///
    /// # Errors
    /// `Input` when a file cannot be read.
    pub fn plan(&self) -> Result<(Vec<Planned>, Option<String>)> {
        let mut word = None;
        let mut known: BTreeMap<&Source, (String, Option<Size>)> = BTreeMap::new();
        let mut planned = Vec::new();
        for entry in &self.entries {
            let source = &entry.case.source;
            if !known.contains_key(source) {
                known.insert(source, self.look(source, &mut word)?);
            }
            let (name, size) = &known[source];
            planned.push(Planned {
                id: entry.case.id(name),
                bytes: size.map_or(0.0, |size| size.bytes(&entry.case)),
                seconds: size.map_or(0.0, |size| size.seconds(&entry.case, entry.repeats)),
            });
        }
        Ok((planned, word))
    }

    /// Name and size of samples.
    fn look(&self, source: &Source, word: &mut Option<String>) -> Result<(String, Option<Size>)> {
        let Source::Spec(text) = source else {
            if data::mnist::find(self.request.data_dir.as_deref()).is_none() {
                let text = "mnist is not here: it will be fetched, or digits stand in";
                *word = Some(text.to_string());
            }
            return Ok(("mnist".to_string(), Size::of(&Spec::Mnist)));
        };
        let spec = Spec::parse(text)?;
        if let Spec::Path(_) = spec {
            let samples = self.load(source)?.0;
            let size = Size {
                n: samples.n,
                d: samples.d,
                value_bytes: (samples.bytes() + size_of_val(&samples.low[..]))
                    / (samples.n * samples.d),
            };
            return Ok((name(&samples), Some(size)));
        }
        Ok((spec.to_string(), Size::of(&spec)))
    }

    /// Takes out the cases that need more than half of this memory, with why: a suite runs on machines of any size. What a
    /// user asks for by flags is tried.
    fn take_large(&mut self, memory_bytes: u64) -> Vec<(Entry, String, String)> {
        let most = memory_bytes as f64 / 2.0;
        let mut large = Vec::new();
        if !self.skip_large || memory_bytes == 0 {
            return large;
        }
        self.entries.retain(|entry| {
            let Source::Spec(text) = &entry.case.source else {
                return true;
            };
            let spec = Spec::parse(text).ok();
            let Some((spec, size)) = spec.and_then(|spec| Some((spec.clone(), Size::of(&spec)?)))
            else {
                return true;
            };
            let bytes = size.bytes(&entry.case);
            if bytes <= most {
                return true;
            }
            let why = format!(
                "it takes {} and half of the memory is {}: run it on a machine with more",
                bytes_word(bytes),
                bytes_word(most)
            );
            large.push((entry.clone(), entry.case.id(&spec.to_string()), why));
            false
        });
        large
    }

    /// Races. Everything that a user can get wrong is found before the folder is touched.
    ///
    /// # Errors
    /// `Input` for a device that was asked for by name and is not there, for samples that cannot be had, for parameters
    /// that do not fit them, and for a folder that cannot be written.
    pub fn run(mut self, interrupted: &AtomicBool, progress: &mut dyn Progress) -> Result<Summary> {
        self.check_devices()?;
        let machine = rented_machine();
        let large = self.take_large(machine.memory_bytes);
        let loaded = self.load_all(interrupted, progress)?;
        let stopped = || interrupted.load(Ordering::Relaxed);
        if stopped() {
            return Ok(Summary {
                records: Vec::new(),
                interrupted: true,
            });
        }
        let program = program_version();
        let (mut folder, found) = Folder::open(&self.out)?;
        if let Some(word) = &found.dropped {
            progress.note(word);
        }
        let done = match self.resume {
            true => finished(&found.records, &program),
            false => BTreeSet::new(),
        };
        let ids: BTreeSet<&String> = loaded
            .iter()
            .flat_map(|set| set.cases().iter().map(|(_, id)| id))
            .chain(large.iter().map(|(_, id, _)| id))
            .collect();
        let kept = |record: &Record| done.contains(&record.case) && ids.contains(&record.case);
        let records: Vec<Record> = found.records.into_iter().filter(kept).collect();
        let placed = records
            .iter()
            .filter(|record| record.artifacts.contains_key(PROJECTIONS));
        let placed = placed.filter_map(|record| record.data.as_ref().map(row::plane_of));
        let mut track = Track {
            placed: RefCell::new(placed.collect()),
            origin: row::Origin {
                machine: machine.fingerprint.clone(),
                program,
            },
            total: ids.len(),
            done: ids.iter().filter(|id| done.contains(**id)).count(),
            records,
            machine: with_known_peaks(machine, &self.out),
            folder: &mut folder,
            save_components: self.save_components.as_deref(),
            interrupted,
            progress: RefCell::new(progress),
        };
        track.folder.write_machine(&track.machine)?;
        track.skip(&large)?;
        for set in loaded {
            let set = match set {
                Set::Here(set) => set,
                Set::Later(source, columns, cases) => {
                    let progress = track.progress.get_mut();
                    progress.phase("loading the samples");
                    // These samples are known by name: only memory can be wanting.
                    let (samples, _) = self.load(&source)?;
                    measured(samples, columns, cases)?
                }
            };
            track.race(&set, &done)?;
            if stopped() {
                break;
            }
        }
        Ok(Summary {
            records: track.records,
            interrupted: stopped(),
        })
    }

    /// Devices asked for by name must be there.
    fn check_devices(&self) -> Result<()> {
        let named: BTreeMap<String, DeviceSpec> = self
            .entries
            .iter()
            .filter(|entry| entry.named)
            .map(|entry| (entry.case.device.to_string(), entry.case.device))
            .collect();
        for (name, spec) in named {
            if let Err(Unavailable { why, remedy }) = device::open(spec) {
                return Err(Error::input(format!(
                    "device {name} is not there: {why}: {remedy}"
                )));
            }
        }
        Ok(())
    }

    fn load(&self, source: &Source) -> Result<(Samples, Option<String>)> {
        match source {
            Source::Default => data::default_samples(&self.request),
            Source::Spec(_) => Ok((data::load(&self.request(source))?, None)),
        }
    }

    fn request(&self, source: &Source) -> Request {
        let spec = match source {
            Source::Default => String::new(),
            Source::Spec(spec) => spec.clone(),
        };
        Request {
            spec,
            ..self.request.clone()
        }
    }

    /// Loads every source once and checks its cases against it. All are held until the end of the race, but for the spectra of
    /// a suite: their name says all that can be wrong with a case, and a suite has more of them than memory holds.
    fn load_all(&self, interrupted: &AtomicBool, progress: &mut dyn Progress) -> Result<Vec<Set>> {
        let mut sources: Vec<(Wanted<'_>, Vec<Entry>)> = Vec::new();
        for entry in &self.entries {
            let case = &entry.case;
            let wanted = (&case.source, case.problem, case.standardize());
            match sources.iter_mut().find(|(other, _)| *other == wanted) {
                Some((_, entries)) => entries.push(entry.clone()),
                None => sources.push((wanted, vec![entry.clone()])),
            }
        }
        let mut loaded = Vec::new();
        for ((source, problem, columns), entries) in sources {
            if let Some((spec, size)) = later(source, problem).filter(|_| self.skip_large) {
                for entry in &entries {
                    check_shape(&entry.case, (size.n, size.d), &spec)?;
                }
                let id = |entry: Entry| {
                    let id = entry.case.id(&spec);
                    (entry, id)
                };
                let cases = entries.into_iter().map(id).collect();
                loaded.push(Set::Later(source.clone(), columns, cases));
                continue;
            }
            progress.phase(match source {
                Source::Default => "loading mnist",
                Source::Spec(_) => "loading the samples",
            });
            let (samples, word) = self.load(source)?;
            if let Some(word) = word {
                progress.note(&word);
            }
            let (samples, test) = match problem {
                ProblemKind::Pca => (samples, None),
                ProblemKind::Mlp => {
                    let request = self.request(source);
                    let split = columns.split(split(samples, &request, self.test_fraction)?)?;
                    (split.train, Some(split.test))
                }
            };
            for entry in &entries {
                check_shape(&entry.case, (samples.n, samples.d), &samples.spec)?;
            }
            let name = name(&samples);
            let id = |entry: Entry| {
                let id = entry.case.id(&name);
                (entry, id)
            };
            let cases = entries.into_iter().map(id).collect();
            loaded.push(Set::Here(match test {
                None => measured(samples, columns, cases)?,
                Some(test) => Loaded {
                    samples: Arc::new(samples),
                    standardized: columns == Standardize::Columns,
                    material: Material::Mlp(Arc::new(test)),
                    statistics_s: 0.0,
                    cases,
                },
            }));
            if interrupted.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(loaded)
    }
}

/// Samples of principal components, standardized where that is asked for, with their statistics.
fn measured(samples: Samples, columns: Standardize, cases: Vec<(Entry, String)>) -> Result<Loaded> {
    let samples = columns.whole(samples)?;
    let (statistics, statistics_s) = timed(|| Statistics::of(&samples, machine::cores()));
    Ok(Loaded {
        samples: Arc::new(samples),
        standardized: columns == Standardize::Columns,
        material: Material::Pca(statistics),
        statistics_s,
        cases,
    })
}

/// Name and size of samples that need not be there before the race begins.
fn later(source: &Source, problem: ProblemKind) -> Option<(String, Size)> {
    let Source::Spec(text) = source else {
        return None;
    };
    let spec = Spec::parse(text).ok()?;
    let spectrum = matches!(spec, Spec::Spectrum(_)) && problem == ProblemKind::Pca;
    Some((spec.to_string(), Size::of(&spec).filter(|_| spectrum)?))
}

fn check_shape(case: &Case, (n, d): (usize, usize), spec: &str) -> Result<()> {
    let (k, most) = (case.components, n.min(d));
    if case.problem == ProblemKind::Pca && k > most {
        return Err(Error::input(format!(
            "components {k}: {spec} is {n} x {d} and has at most {most}: give --components 1 to {most}"
        )));
    }
    match case.rows() {
        Some(rows) if rows > n => Err(Error::input(format!(
            "batch {rows}: {spec} has {n} samples: give --batch 1 to {n}, or full"
        ))),
        _ => Ok(()),
    }
}

/// The facts of this machine, with the peaks that an earlier run of the same folder measured on it.
fn with_known_peaks(mut machine: Machine, out: &std::path::Path) -> Machine {
    if let Ok(results) = read(&[out.to_path_buf()]) {
        let before = results
            .machines
            .into_iter()
            .find(|m| m.fingerprint == machine.fingerprint);
        machine.peaks = before.map(|m| m.peaks).unwrap_or_default();
    }
    machine
}
