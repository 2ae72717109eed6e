//! The whole race: load and check, then heat after heat, each row written as soon as it is known.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::data::{self, Request, Spec};
use crate::device::Unavailable;
use crate::error::{Error, Result};
use crate::machine::{program_version, rented_machine};
use crate::record::file::{Folder, Found, PROJECTIONS};
use crate::record::read::{finished, read};
use crate::record::{Machine, Peak, Record, Status};

use super::book::Book;
use super::case::{Entry, Source};
use super::device::DeviceSpec;
use super::problem::Problem;
use super::problem::mlp::Mlp;
use super::problem::pca::Pca;
use super::progress::Progress;
use super::roofs::Roofs;
use super::roofs::measure::Effort;
use super::set::{Group, Loader, Set, name};
use super::size::{Size, bytes_word};
use super::task::{AnyEntry, Task};
use super::track::{Skipped, Track};
use super::{device, estimate, lane, row};

/// What is to be raced, and where the rows go.
pub struct Race {
    /// The cases.
    pub entries: Vec<AnyEntry>,
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
    /// Bytes of memory, see [`estimate::bytes`].
    pub bytes: f64,
    /// Seconds, see [`estimate::seconds`].
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
        let mut roofs = Roofs::of(&rented_machine());
        for entry in &self.entries {
            let source = &entry.case.source;
            if !known.contains_key(source) {
                known.insert(source, self.look(source, &mut word)?);
            }
            let (name, size) = &known[source];
            let (case, repeats) = (&entry.case, entry.repeats);
            planned.push(Planned {
                id: case.id(name),
                bytes: size.map_or(0.0, |size| estimate::bytes(case, &size)),
                seconds: size
                    .zip(roofs_of(&mut roofs, case.device))
                    .map_or(0.0, |(size, peak)| {
                        estimate::seconds(case, &size, repeats, &peak)
                    }),
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
            let samples = self.loader().load(source)?.0;
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

    /// Races. Everything that a user can get wrong is found before the folder is touched.
    ///
    /// # Errors
    /// `Input` for a device that was asked for by name and is not there, for samples that cannot be had, for parameters
    /// that do not fit them, and for a folder that cannot be written.
    pub fn run(mut self, interrupted: &AtomicBool, progress: &mut dyn Progress) -> Result<Summary> {
        check_devices(&self.entries)?;
        let machine = rented_machine();
        let large = match self.skip_large {
            true => take_large(&mut self.entries, machine.memory_bytes),
            false => Vec::new(),
        };
        let loader = self.loader();
        let sets = load_all(&self.entries, &loader, interrupted, progress)?;
        if interrupted.load(Ordering::Relaxed) {
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
        let ids: BTreeSet<String> = sets
            .iter()
            .flat_map(|set| set.ids())
            .chain(large.iter().map(|(_, id, _)| id.clone()))
            .collect();
        let done = match self.resume {
            true => finished(&found.records, &program),
            false => BTreeSet::new(),
        };
        let records = earlier(found, &done, &ids);
        let book = Book {
            placed: placed(&records),
            origin: row::Origin {
                machine: machine.fingerprint.clone(),
                program,
            },
            total: ids.len(),
            done: ids.intersection(&done).count(),
            records,
            roofs: Roofs::of(&machine),
            measured: Vec::new(),
            machine: with_known_peaks(machine, &self.out),
            folder: &mut folder,
            save_components: self.save_components.as_deref(),
        };
        let mut track = Track {
            book,
            interrupted,
            progress: RefCell::new(progress),
        };
        track.book.folder.write_machine(&track.book.machine)?;
        track.book.skip(&large)?;
        for set in sets {
            set.race(&loader, &mut track, &done)?;
            if interrupted.load(Ordering::Relaxed) {
                break;
            }
        }
        track.measure_again()?;
        Ok(Summary {
            records: track.book.records,
            interrupted: interrupted.load(Ordering::Relaxed),
        })
    }

    fn loader(&self) -> Loader<'_> {
        Loader {
            request: &self.request,
            test_fraction: self.test_fraction,
            lazy: self.skip_large,
        }
    }
}

/// The roofs of a device, measured where no earlier run kept them; `None` where it is not there.
fn roofs_of(roofs: &mut Roofs, spec: DeviceSpec) -> Option<Peak> {
    let label = spec.to_string();
    if roofs.known(&label).is_none()
        && let Ok(Ok((_, peak))) = lane::measure_peak(spec, Effort::Whole)
    {
        // Busy or not, an estimate is all that it is for.
        let _ = roofs.add(peak);
    }
    roofs.known(&label).cloned()
}

/// The records of an earlier run that a resumed one keeps.
fn earlier(found: Found, done: &BTreeSet<String>, ids: &BTreeSet<String>) -> Vec<Record> {
    let kept = |record: &Record| done.contains(&record.case) && ids.contains(&record.case);
    found.records.into_iter().filter(kept).collect()
}

/// The samples whose plane is drawn already.
fn placed(records: &[Record]) -> BTreeSet<String> {
    let placed = records
        .iter()
        .filter(|record| record.artifacts.contains_key(PROJECTIONS));
    placed
        .filter_map(|record| record.data.as_ref().map(row::plane_of))
        .collect()
}

/// Devices asked for by name must be there.
fn check_devices(entries: &[AnyEntry]) -> Result<()> {
    let named: BTreeMap<String, DeviceSpec> = entries
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

/// Takes out the cases that need more than half of this memory, with why: a suite runs on machines of any size. What a
/// user asks for by flags is tried.
fn take_large(entries: &mut Vec<AnyEntry>, memory_bytes: u64) -> Vec<Skipped<Task>> {
    let most = memory_bytes as f64 / 2.0;
    let mut large = Vec::new();
    if memory_bytes == 0 {
        return large;
    }
    entries.retain(|entry| {
        let Source::Spec(text) = &entry.case.source else {
            return true;
        };
        let spec = Spec::parse(text).ok();
        let Some((spec, size)) = spec.and_then(|spec| Some((spec.clone(), Size::of(&spec)?)))
        else {
            return true;
        };
        let bytes = estimate::bytes(&entry.case, &size);
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

/// Cases of one problem about the same samples, whichever problem it is: not loaded yet.
trait Loads {
    fn load(
        self: Box<Self>,
        loader: &Loader<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Box<dyn Races>>;
}

/// The same, loaded and checked.
trait Races {
    fn ids(&self) -> Vec<String>;

    fn race(
        self: Box<Self>,
        loader: &Loader<'_>,
        track: &mut Track<'_>,
        finished: &BTreeSet<String>,
    ) -> Result<()>;
}

impl<P: Problem> Loads for Group<P> {
    fn load(
        self: Box<Self>,
        loader: &Loader<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Box<dyn Races>> {
        let progress = RefCell::new(progress);
        let set = Group::load(
            *self,
            loader,
            &mut |text| progress.borrow_mut().phase(text),
            &mut |text| progress.borrow_mut().note(text),
        )?;
        Ok(Box::new(set))
    }
}

impl<P: Problem> Races for Set<P> {
    fn ids(&self) -> Vec<String> {
        self.cases().iter().map(|(_, id)| id.clone()).collect()
    }

    fn race(
        self: Box<Self>,
        loader: &Loader<'_>,
        track: &mut Track<'_>,
        finished: &BTreeSet<String>,
    ) -> Result<()> {
        let progress = &track.progress;
        let set = self.here(loader, &mut |text| progress.borrow_mut().phase(text))?;
        track.race(&set, finished)
    }
}

/// Loads every source once and checks its cases against it. All are held until the end of the race, but for those that may
/// wait (see [`Problem::may_wait`]).
fn load_all(
    entries: &[AnyEntry],
    loader: &Loader<'_>,
    interrupted: &AtomicBool,
    progress: &mut dyn Progress,
) -> Result<Vec<Box<dyn Races>>> {
    let mut loaded = Vec::new();
    for group in grouped(entries) {
        loaded.push(group.load(loader, progress)?);
        if interrupted.load(Ordering::Relaxed) {
            break;
        }
    }
    Ok(loaded)
}

/// Groups by problem, samples and what is done to their columns, in the order in which they are first asked for.
fn grouped(entries: &[AnyEntry]) -> Vec<Box<dyn Loads>> {
    let (mut pca, mut mlp) = (Vec::new(), Vec::new());
    for (place, entry) in entries.iter().enumerate() {
        match &entry.case.task {
            Task::Pca(task) => add::<Pca>(&mut pca, place, entry, task),
            Task::Mlp(task) => add::<Mlp>(&mut mlp, place, entry, task),
        }
    }
    let mut groups: Vec<(usize, Box<dyn Loads>)> = Vec::new();
    groups.extend(
        pca.into_iter()
            .map(|(place, group)| (place, Box::new(group) as _)),
    );
    groups.extend(
        mlp.into_iter()
            .map(|(place, group)| (place, Box::new(group) as _)),
    );
    groups.sort_by_key(|(place, _)| *place);
    groups.into_iter().map(|(_, group)| group).collect()
}

/// Adds an entry to the group of its samples; a new one stands at the place of the entry.
fn add<P: Problem>(groups: &mut Vec<(usize, Group<P>)>, place: usize, entry: &AnyEntry, task: &P) {
    let case = &entry.case;
    let typed = Entry {
        case: case.clone().with(task.clone()),
        repeats: entry.repeats,
        named: entry.named,
    };
    let same = |group: &Group<P>| group.source == case.source && group.columns == case.standardize;
    match groups.iter_mut().find(|(_, group)| same(group)) {
        Some((_, group)) => group.entries.push(typed),
        None => groups.push((
            place,
            Group {
                source: case.source.clone(),
                columns: case.standardize,
                entries: vec![typed],
            },
        )),
    }
}

/// The facts of this machine, with the peaks that an earlier run of the same folder measured on it.
fn with_known_peaks(mut machine: Machine, out: &Path) -> Machine {
    if let Ok(results) = read(&[out.to_path_buf()]) {
        let before = results
            .machines
            .into_iter()
            .find(|m| m.fingerprint == machine.fingerprint);
        machine.peaks = before.map(|m| m.peaks).unwrap_or_default();
    }
    machine
}
