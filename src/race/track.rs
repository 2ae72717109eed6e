//! The heats over one set of samples: devices opened, answers checked, rows written.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use ndarray::ArrayView2;

use crate::device::Unavailable;
use crate::error::{Error, Result};
use crate::record::file::{COMPONENTS, Folder, PROJECTIONS};
use crate::record::statistics::median;
use crate::record::{Machine, Record, Status, software_label};

use super::case::{AsSettings, Case, Entry, Source};
use super::device::{DeviceSpec, is_software};
use super::heat::{self, Measured, Setting, Starter};
use super::lane::{self, Opened, guarded};
use super::problem::{Answer, Problem, Solved};
use super::progress::Progress;
use super::row::{self, end_badly};
use super::set::Loaded;
use super::{energy, floor};

/// Components of more numbers than this are not kept beside the record (4 MB).
const ARTIFACT_NUMBERS: usize = 1_000_000;

/// Where the rows of a race go, and what they share.
pub(super) struct Track<'a> {
    pub origin: row::Origin,
    /// Rows to be written in all, and written so far, those of an earlier run included.
    pub total: usize,
    pub done: usize,
    pub records: Vec<Record>,
    pub machine: Machine,
    pub folder: &'a mut Folder,
    pub save_components: Option<&'a Path>,
    pub interrupted: &'a AtomicBool,
    pub progress: RefCell<&'a mut dyn Progress>,
    /// SHA-256 of the samples whose places in a plane are kept: once a race, all right answers having the same.
    pub placed: RefCell<BTreeSet<String>>,
}

/// Devices by name: open with the samples on them, or why not.
type Devices<P> = BTreeMap<String, Result<Box<dyn Opened<P>>>>;

/// A case that is not tried: the entry, its id, and why.
pub(super) type Skipped<T> = (Entry<T>, String, String);

/// One case on each of its devices, with what their answers are held against.
struct Heat<'a, P: Problem> {
    cases: &'a [&'a (Entry<P>, String)],
    set: &'a Loaded<P>,
    judge: &'a P::Judge,
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
            let rows = match judge {
                Ok(judge) => {
                    self.open(&heat, set, &mut devices)?;
                    let cases = &heat;
                    self.heat(&Heat { cases, set, judge }, &mut devices)?
                }
                Err(error) => {
                    let mut rows = self.blank(&heat, set);
                    rows.iter_mut().for_each(|row| end_badly(row, error));
                    rows
                }
            };
            for row in rows {
                self.write(row)?;
            }
            if self.interrupted.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(())
    }

    /// Writes the rows of cases that are not tried, each with why. Only what is known by its spec is skipped without being
    /// loaded.
    pub fn skip<T: AsSettings>(&mut self, cases: &[Skipped<T>]) -> Result<()> {
        for (entry, id, why) in cases {
            let spec = match &entry.case.source {
                Source::Spec(spec) => spec,
                Source::Default => "mnist",
            };
            let mut row = row::blank(&entry.case, (id, spec, spec), &self.origin);
            end_badly(&mut row, &Error::unsupported(why.clone()));
            self.write(row)?;
        }
        Ok(())
    }

    fn write(&mut self, row: Record) -> Result<()> {
        self.folder.append(&row)?;
        self.records.push(row);
        self.done += 1;
        Ok(())
    }

    /// Opens the devices of a heat that are not open yet, each measured first, once a race.
    fn open<P: Problem>(
        &mut self,
        heat: &[&(Entry<P>, String)],
        set: &Loaded<P>,
        devices: &mut Devices<P>,
    ) -> Result<()> {
        for spec in heat.iter().map(|(entry, _)| entry.case.device) {
            let label = spec.to_string();
            if devices.contains_key(&label) {
                continue;
            }
            self.measure(spec, &label)?;
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

    fn measure(&mut self, spec: DeviceSpec, label: &str) -> Result<()> {
        if self.machine.peaks.iter().any(|peak| peak.device == label) {
            return Ok(());
        }
        let software = software_label(is_software(spec));
        let phase = format!("measuring the peaks of {label}{software}");
        self.progress.get_mut().phase(&phase);
        // A device that is not there, or cannot do it, has no peak: its rows say why.
        if let Ok(Ok((_, peak))) = lane::measure_peak(spec) {
            self.machine.peaks.push(peak);
            self.folder.write_machine(&self.machine)?;
        }
        Ok(())
    }

    /// The rows of a heat before it is run.
    fn blank<P: Problem>(&self, heat: &[&(Entry<P>, String)], set: &Loaded<P>) -> Vec<Record> {
        heat.iter()
            .map(|(entry, id)| row::blank_in(&entry.case, id, set, &self.origin))
            .collect()
    }

    /// Runs a heat; its rows, or none when Ctrl-C came before its end.
    fn heat<P: Problem>(
        &mut self,
        heat: &Heat<'_, P>,
        devices: &mut Devices<P>,
    ) -> Result<Vec<Record>> {
        let mut rows = self.blank(heat.cases, heat.set);
        // Places in the heat of those whose device is there.
        let mut places = Vec::new();
        let mut opening = Vec::new();
        for (place, (entry, _)) in heat.cases.iter().enumerate() {
            match devices.get(&entry.case.device.to_string()) {
                Some(Ok(opened)) => {
                    rows[place].device = row::device_facts(entry.case.device, opened.info());
                    places.push(place);
                    opening.push(opened.opening_s());
                }
                Some(Err(error)) => end_badly(&mut rows[place], error),
                None => {}
            }
        }
        let Some(measured) = self.run(heat, &places, devices) else {
            return Ok(Vec::new());
        };
        for ((place, opening), result) in places.into_iter().zip(opening).zip(measured) {
            let case = &heat.cases[place].0.case;
            match result {
                Ok(measured) => self.fill(&mut rows[place], case, heat, measured, opening)?,
                Err(error) => {
                    end_badly(&mut rows[place], &error);
                    if matches!(error, Error::Failed(_)) {
                        // What a failure leaves of a device is not trusted: the next heat opens it anew.
                        devices.remove(&case.device.to_string());
                    }
                }
            }
        }
        Ok(rows)
    }

    /// The heat itself, on the devices that are there; `None` when Ctrl-C came before its end.
    fn run<P: Problem>(
        &self,
        heat: &Heat<'_, P>,
        places: &[usize],
        devices: &mut Devices<P>,
    ) -> Option<Vec<Result<Measured<P::Answer>>>> {
        let mut by_name: BTreeMap<&str, &mut Box<dyn Opened<P>>> = devices
            .iter_mut()
            .filter_map(|(name, opened)| Some((name.as_str(), opened.as_mut().ok()?)))
            .collect();
        let starters = places.iter().filter_map(|&place| {
            let case = &heat.cases[place].0.case;
            let opened = by_name.remove(case.device.to_string().as_str())?;
            Some(Starter {
                case,
                meter: energy::meter(opened.info()),
                lane: opened.lane(),
            })
        });
        let announce = |starter: usize| {
            let (entry, id) = heat.cases[places[starter]];
            let software = software_label(is_software(entry.case.device));
            let name = format!("{id}{software}");
            self.progress
                .borrow_mut()
                .case(self.done + starter, self.total, &name);
        };
        let tell = |iteration: u64, error: f64| {
            self.progress.borrow_mut().step(iteration, error);
        };
        let setting = Setting {
            evaluate: &|case: &Case<P>, snapshot: &P::Snapshot| {
                P::errors(case, heat.judge, snapshot)
            },
            interrupted: self.interrupted,
            repeats: heat.cases[0].0.repeats,
            announce: &announce,
            tell: &tell,
        };
        heat::run(starters.collect(), &setting)
    }

    /// Puts what was measured into the row, the answer checked. `open_s` and `upload_s`: seconds to open the device, and to
    /// put the samples on it.
    fn fill<P: Problem>(
        &mut self,
        row: &mut Record,
        case: &Case<P>,
        heat: &Heat<'_, P>,
        measured: Measured<P::Answer>,
        (open_s, upload_s): (f64, f64),
    ) -> Result<()> {
        let software = software_label(row.device.software);
        self.progress
            .get_mut()
            .phase(&format!("checking {}{software}", row.case));
        let solved = Solved {
            answer: &measured.answer,
            curve: &measured.curve,
            changed: measured.changed.clone(),
        };
        let set = heat.set;
        let checked = guarded(|| P::check(row, case, &set.samples, heat.judge, solved));
        if let Err(error) = checked {
            end_badly(row, &error);
            return Ok(());
        }
        remark(row, &measured);
        let mut to_target_s = measured.to_target_s;
        if row.status == Status::Reached && to_target_s.is_empty() {
            // No curve (the residual is all there is to check): the answer came with the end.
            to_target_s = measured.solve_s.clone();
        }
        let work = measured.answer.work();
        if let Some(solve_s) = median(&measured.solve_s) {
            let label = case.device.to_string();
            let peak = self.machine.peaks.iter().find(|peak| peak.device == label);
            row.rate = Some(floor::rate(&work, solve_s, peak));
        }
        row.time = Some(row::times(
            (open_s + set.statistics_s + measured.prepare_s, upload_s),
            measured.solve_s,
            measured.device_s,
            to_target_s,
            &measured.stopped.to_string(),
        ));
        row.work = Some(work);
        row.energy = measured.energy;
        row.curve = measured.curve;
        self.keep(row, set, &measured.answer)
    }

    /// Writes the components (k x d), where an answer has any, beside the record when they are small, and where the user wants
    /// them; and of the first right answer about these samples, where they have labels, what they look like in its plane.
    fn keep<P: Problem>(
        &self,
        row: &mut Record,
        set: &Loaded<P>,
        answer: &P::Answer,
    ) -> Result<()> {
        let d = set.samples.d;
        let Some(components) = P::components(answer) else {
            return Ok(());
        };
        let Ok(view) = ArrayView2::from_shape((components.len() / d, d), components) else {
            return Ok(());
        };
        if !view.is_empty() && view.len() <= ARTIFACT_NUMBERS {
            let narrow = view.mapv(|x| x as f32);
            self.folder.keep(row, COMPONENTS, narrow.view())?;
        }
        if row.status == Status::Reached
            && let Some(name) = row.data.as_ref().map(row::plane_of)
            && !self.placed.borrow().contains(&name)
            && let Some(plane) = P::plane(&set.samples, &set.material, answer)
        {
            self.folder.keep(row, PROJECTIONS, plane.view())?;
            self.placed.borrow_mut().insert(name);
        }
        if let Some(path) = self.save_components {
            ndarray_npy::write_npy(path, &view).map_err(|e| {
                let place = path.display();
                Error::input(format!(
                    "cannot write {place}: {e}: choose another --save-components"
                ))
            })?;
        }
        Ok(())
    }
}

/// Says of a row whose answer stands how it was measured, where that was not as usual.
fn remark<A>(row: &mut Record, measured: &Measured<A>) {
    if measured.cold && row.reason.is_none() && row.status != Status::Diverged {
        row.reason = Some("timed once, cold: it lasts too long for a warm-up".into());
    }
    if let Some(energy) = measured.energy.as_ref().filter(|e| e.throttled_repeats > 0)
        && row.reason.is_none()
    {
        row.reason = Some(format!(
            "throttled ({}) in {} of {} repeats",
            energy.throttle.join(", "),
            energy.throttled_repeats,
            measured.solve_s.len()
        ));
    }
}
