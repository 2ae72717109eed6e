//! The heats over one set of samples: devices opened, cases raced, rows handed to the book.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::device::{Info, Unavailable};
use crate::error::{Error, Result};
use crate::machine;
use crate::record::{Record, software_label};

use super::book::{Book, FRESH_S, STALE_S};
use super::case::{Case, Entry};
use super::device::{DeviceSpec, is_software};
use super::energy;
use super::heat::{self, Measured, Setting, Starter};
use super::lane::{self, Opened, guarded};
use super::problem::Problem;
use super::progress::Progress;
use super::row::{self, end_badly};
use super::set::Loaded;

/// A race in progress.
pub(super) struct Track<'a> {
    pub book: Book<'a>,
    pub interrupted: &'a AtomicBool,
    pub progress: RefCell<&'a mut dyn Progress>,
}

/// Devices by name: open with the samples on them, or why not.
type Devices<P> = BTreeMap<String, Result<Box<dyn Opened<P>>>>;

/// A case that is not tried: the entry, its id, and why.
pub(super) type Skipped<T> = (Entry<T>, String, String);

/// One case on each of its devices, with what their answers are held against.
pub(super) struct Heat<'a, P: Problem> {
    pub cases: &'a [&'a (Entry<P>, String)],
    pub set: &'a Loaded<P>,
    pub judge: &'a P::Judge,
}

/// A case of a heat whose device is there.
struct Place {
    /// Which of the cases.
    case: usize,
    row: Record,
    /// Seconds to open the device, and to put the samples on it.
    opening_s: (f64, f64),
}

impl Track<'_> {
    /// Races every case about one set of samples that is not among the finished.
    pub fn race<P: Problem>(&mut self, set: &Loaded<P>, finished: &BTreeSet<String>) -> Result<()> {
        let mut cases: Vec<&(Entry<P>, String)> = set
            .cases
            .iter()
            .filter(|(_, id)| !finished.contains(id))
            .collect();
        let mut devices = Devices::new();
        let mut judges: BTreeMap<usize, Result<P::Judge>> = BTreeMap::new();
        while let Some((first, _)) = cases.first().copied() {
            let (heat, rest): (Vec<_>, Vec<_>) = cases.into_iter().partition(|(entry, _)| {
                entry.case.races(&first.case) && entry.repeats == first.repeats
            });
            cases = rest;
            let task = &first.case.task;
            let judge = judges.entry(task.judge_key()).or_insert_with(|| {
                if let Some(phase) = P::JUDGING {
                    self.progress.get_mut().phase(phase);
                }
                guarded(|| task.judge(&set.samples, &set.material))
            });
            match judge {
                Ok(judge) => {
                    self.open(&heat, set, &mut devices)?;
                    let cases = &heat;
                    self.heat(&Heat { cases, set, judge }, &mut devices)?;
                }
                Err(error) => {
                    for case in &heat {
                        let mut row = self.book.blank(case, set);
                        end_badly(&mut row, error);
                        self.book.write(row)?;
                    }
                }
            }
            if self.interrupted.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(())
    }

    /// Measures the roofs of every device of the race once more, where the last time is not just now.
    pub fn measure_again(&mut self) -> Result<()> {
        let devices: Vec<DeviceSpec> = self.book.measured.iter().map(|(spec, _)| *spec).collect();
        for spec in devices {
            if !self.interrupted.load(Ordering::Relaxed) {
                self.measure(spec, FRESH_S)?;
            }
        }
        Ok(())
    }

    /// Measures the roofs of a device unless that was done less than so many seconds ago.
    fn measure(&mut self, spec: DeviceSpec, stale_s: f64) -> Result<()> {
        if self.book.age_s(spec) < stale_s {
            return Ok(());
        }
        let software = software_label(is_software(spec));
        let progress = self.progress.get_mut();
        progress.phase(&format!("measuring the peaks of {spec}{software}"));
        if let Some(word) = self.book.measure(spec)? {
            progress.note(&word);
        }
        Ok(())
    }

    /// Opens the devices of a heat that are not open yet, each measured first.
    fn open<P: Problem>(
        &mut self,
        heat: &[&(Entry<P>, String)],
        set: &Loaded<P>,
        devices: &mut Devices<P>,
    ) -> Result<()> {
        for spec in heat.iter().map(|(entry, _)| entry.case.device) {
            self.measure(spec, STALE_S)?;
            let label = spec.to_string();
            if devices.contains_key(&label) {
                continue;
            }
            let software = software_label(is_software(spec));
            let phase = format!("opening {label}{software}");
            self.progress.get_mut().phase(&phase);
            let opened = match lane::open(spec, &set.samples, &set.material) {
                Ok(opened) => opened,
                Err(Unavailable { why, remedy }) => {
                    Err(Error::unsupported(format!("{why}: {remedy}")))
                }
            };
            devices.insert(label, opened);
        }
        Ok(())
    }

    /// The cases of a heat whose device is there; the rows of the others are written.
    fn places<P: Problem>(
        &mut self,
        heat: &Heat<'_, P>,
        devices: &Devices<P>,
    ) -> Result<Vec<Place>> {
        let mut places = Vec::new();
        for (case, of) in heat.cases.iter().enumerate() {
            let mut row = self.book.blank(of, heat.set);
            let spec = of.0.case.device;
            match devices.get(&spec.to_string()) {
                Some(Ok(opened)) => {
                    row.device = row::device_facts(spec, opened.info());
                    let opening_s = opened.opening_s();
                    places.push(Place {
                        case,
                        row,
                        opening_s,
                    });
                }
                Some(Err(error)) => {
                    end_badly(&mut row, error);
                    self.book.write(row)?;
                }
                None => {}
            }
        }
        Ok(places)
    }

    /// Runs a heat; the row of a device is written as soon as its part is done.
    fn heat<P: Problem>(&mut self, heat: &Heat<'_, P>, devices: &mut Devices<P>) -> Result<()> {
        let places = self.places(heat, devices)?;
        let Self {
            book,
            interrupted,
            progress,
        } = self;
        let mut by_name: BTreeMap<&str, &mut Box<dyn Opened<P>>> = devices
            .iter_mut()
            .filter_map(|(name, opened)| Some((name.as_str(), opened.as_mut().ok()?)))
            .collect();
        let starters = places.iter().filter_map(|place| {
            let case = &heat.cases[place.case].0.case;
            let opened = by_name.remove(case.device.to_string().as_str())?;
            Some(Starter {
                case,
                meter: energy::meter(opened.info()),
                cores: cores(opened.info()),
                probe_s: book
                    .roofs
                    .peak(&case.device.to_string())
                    .and_then(|peak| peak.probe_s),
                lane: opened.lane(),
            })
        });
        let starters = starters.collect();
        let (before, total) = (book.done, book.total);
        let announce = |starter: usize| {
            let row = &places[starter].row;
            let name = format!("{}{}", row.case, software_label(row.device.software));
            progress.borrow_mut().case(before + starter, total, &name);
        };
        let tell = |iteration: u64, error: f64| progress.borrow_mut().step(iteration, error);
        let setting = Setting {
            evaluate: &|case: &Case<P>, snapshot: &P::Snapshot| {
                P::errors(case, heat.judge, snapshot)
            },
            interrupted,
            repeats: heat.cases[0].0.repeats,
            announce: &announce,
            tell: &tell,
            load: &machine::load,
        };
        let mut broken = Vec::new();
        let mut done = |starter: usize, result: Result<Measured<P::Answer>>| {
            let place = &places[starter];
            let mut row = place.row.clone();
            let case = &heat.cases[place.case].0.case;
            match result {
                Ok(measured) => {
                    let software = software_label(row.device.software);
                    let phase = format!("checking {}{software}", row.case);
                    progress.borrow_mut().phase(&phase);
                    book.fill(&mut row, case, heat, measured, place.opening_s)?;
                }
                Err(error) => {
                    end_badly(&mut row, &error);
                    if matches!(error, Error::Failed(_)) {
                        broken.push(case.device.to_string());
                    }
                }
            }
            book.write(row)
        };
        heat::run(starters, &setting, &mut done)?;
        // What a failure leaves of a device is not trusted: the next heat opens it anew.
        for name in broken {
            devices.remove(&name);
        }
        Ok(())
    }
}

/// Cores that a solve keeps busy: those of the threads, or the one that feeds a card. The threads of a software adapter wait
/// for each other.
fn cores(info: &Info) -> Option<usize> {
    match info.software {
        true => None,
        false => Some(info.threads.unwrap_or(1)),
    }
}
