//! The heats over one set of samples: devices opened, answers checked, rows written.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use ndarray::ArrayView2;

use crate::data::Samples;
use crate::device::Unavailable;
use crate::error::{Error, Result};
use crate::mlp;
use crate::optimizer::Ended;
use crate::pca::{Assessment, Method, Reference, Schedule, plane};
use crate::record::file::{COMPONENTS, Folder, PROJECTIONS};
use crate::record::statistics::median;
use crate::record::{CurvePoint, Machine, Record, Score, Status, software_label};

use super::axes::Entry;
use super::case::Case;
use super::device::{DeviceSpec, is_software};
use super::heat::{self, Entrant, Measured, Setting};
use super::job::{Answer, Job};
use super::lane::{self, Material, Opened, guarded};
use super::observer::Errors;
use super::runner::{Loaded, Progress};
use super::{energy, peaks, row};

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
type Devices = BTreeMap<String, Result<Box<dyn Opened>>>;

impl Track<'_> {
    /// Races every case about one set of samples that is not among the finished.
    pub fn race(&mut self, set: &Loaded, finished: &BTreeSet<String>) -> Result<()> {
        let mut cases: Vec<&(Entry, String)> = set
            .cases
            .iter()
            .filter(|(_, id)| !finished.contains(id))
            .collect();
        let mut devices = Devices::new();
        let mut references: BTreeMap<usize, Result<Reference>> = BTreeMap::new();
        while let Some((first, _)) = cases.first().copied() {
            let (heat, rest) = cases.into_iter().partition(|(entry, _)| {
                entry.case.races(&first.case) && entry.repeats == first.repeats
            });
            cases = rest;
            let k = first.case.components;
            let judge = match &set.material {
                Material::Mlp(test) => Ok(Judge::Test(test)),
                Material::Pca(statistics) => {
                    let reference = references.entry(k).or_insert_with(|| {
                        let progress = self.progress.get_mut();
                        progress.phase("computing the reference in f64");
                        guarded(|| Reference::new(&set.samples, statistics, k))
                    });
                    reference.as_ref().map(Judge::Reference)
                }
            };
            let rows = match judge {
                Ok(judge) => {
                    self.open(&heat, set, &mut devices)?;
                    self.heat(&heat, set, judge, &mut devices)?
                }
                Err(error) => {
                    let mut rows = self.blank(&heat, set);
                    rows.iter_mut().for_each(|row| end_badly(row, error));
                    rows
                }
            };
            for row in rows {
                self.folder.append(&row)?;
                self.records.push(row);
                self.done += 1;
            }
            if self.interrupted.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(())
    }

    /// Writes the rows of cases that are not tried, each with why.
    pub fn skip(&mut self, cases: &[(Entry, String, String)]) -> Result<()> {
        for (entry, id, why) in cases {
            let mut row = row::blank(&entry.case, id, None, &self.origin);
            end_badly(&mut row, &Error::unsupported(why.clone()));
            self.folder.append(&row)?;
            self.records.push(row);
            self.done += 1;
        }
        Ok(())
    }

    /// Opens the devices of a heat that are not open yet, each measured first, once a race.
    fn open(
        &mut self,
        heat: &[&(Entry, String)],
        set: &Loaded,
        devices: &mut Devices,
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
    fn blank(&self, heat: &[&(Entry, String)], set: &Loaded) -> Vec<Record> {
        heat.iter()
            .map(|(entry, id)| row::blank(&entry.case, id, Some(set), &self.origin))
            .collect()
    }

    /// Runs a heat; its rows, or none when Ctrl-C came before its end.
    fn heat(
        &mut self,
        heat: &[&(Entry, String)],
        set: &Loaded,
        judge: Judge<'_>,
        devices: &mut Devices,
    ) -> Result<Vec<Record>> {
        let mut rows = self.blank(heat, set);
        // Places in the heat of those whose device is there.
        let mut places = Vec::new();
        let mut opening = Vec::new();
        for (place, (entry, _)) in heat.iter().enumerate() {
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
        let Some(measured) = self.run(heat, &places, judge, devices) else {
            return Ok(Vec::new());
        };
        for ((place, opening), result) in places.into_iter().zip(opening).zip(measured) {
            let case = &heat[place].0.case;
            match result {
                Ok(measured) => {
                    let setup_s = opening.0 + set.statistics_s;
                    self.fill(
                        &mut rows[place],
                        case,
                        set,
                        measured,
                        judge,
                        (setup_s, opening.1),
                    )?;
                }
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
    fn run(
        &self,
        heat: &[&(Entry, String)],
        places: &[usize],
        judge: Judge<'_>,
        devices: &mut Devices,
    ) -> Option<Vec<Result<Measured>>> {
        let mut by_name: BTreeMap<&str, &mut Box<dyn Opened>> = devices
            .iter_mut()
            .filter_map(|(name, opened)| Some((name.as_str(), opened.as_mut().ok()?)))
            .collect();
        let entrants = places.iter().filter_map(|&place| {
            let case = &heat[place].0.case;
            let opened = by_name.remove(case.device.to_string().as_str())?;
            Some(Entrant {
                case,
                meter: energy::meter(opened.info()),
                lane: opened.lane(),
            })
        });
        let announce = |entrant: usize| {
            let (entry, id) = heat[places[entrant]];
            let software = software_label(is_software(entry.case.device));
            let name = format!("{id}{software}");
            self.progress
                .borrow_mut()
                .case(self.done + entrant, self.total, &name);
        };
        let tell = |iteration: u64, error: f64| {
            self.progress.borrow_mut().step(iteration, error);
        };
        let setting = Setting {
            evaluate: &|case: &Case, snapshot: &[f32], order: usize| {
                judge.errors(case, snapshot, order)
            },
            interrupted: self.interrupted,
            repeats: heat[0].0.repeats,
            announce: &announce,
            tell: &tell,
        };
        heat::run(entrants.collect(), &setting)
    }

    /// Puts what was measured into the row, the answer checked.
    fn fill(
        &mut self,
        row: &mut Record,
        case: &Case,
        set: &Loaded,
        measured: Measured,
        judge: Judge<'_>,
        (setup_s, upload_s): (f64, f64),
    ) -> Result<()> {
        let software = software_label(row.device.software);
        self.progress
            .get_mut()
            .phase(&format!("checking {}{software}", row.case));
        let checked = guarded(|| judge.check(row, case, set, &measured));
        if let Err(error) = checked {
            end_badly(row, &error);
            return Ok(());
        }
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
        let mut to_target_s = measured.to_target_s;
        if row.status == Status::Reached && to_target_s.is_empty() {
            // No curve (the residual is all there is to check): the answer came with the end.
            to_target_s = measured.solve_s.clone();
        }
        let work = measured.answer.work();
        if let Some(solve_s) = median(&measured.solve_s) {
            let label = case.device.to_string();
            let peak = self.machine.peaks.iter().find(|peak| peak.device == label);
            row.rate = Some(peaks::rate(&work, solve_s, peak));
        }
        row.time = Some(row::times(
            (setup_s + measured.prepare_s, upload_s),
            measured.solve_s,
            measured.device_s,
            to_target_s,
            &measured.stopped.to_string(),
        ));
        row.work = Some(work);
        row.energy = measured.energy;
        row.curve = measured.curve;
        match &measured.answer {
            Answer::Pca(outcome) => self.keep(row, &outcome.components, set),
            Answer::Mlp(_) => Ok(()),
        }
    }

    /// Writes the components (k x d) beside the record when they are small, and where the user wants them; and of the first
    /// right answer about these samples, where they have labels, what they look like in its plane.
    fn keep(&self, row: &mut Record, components: &[f64], set: &Loaded) -> Result<()> {
        let d = set.samples.d;
        let Ok(view) = ArrayView2::from_shape((components.len() / d, d), components) else {
            return Ok(());
        };
        if !view.is_empty() && view.len() <= ARTIFACT_NUMBERS {
            let narrow = view.mapv(|x| x as f32);
            self.folder.keep(row, COMPONENTS, narrow.view())?;
        }
        let samples = &set.samples;
        if let Material::Pca(statistics) = &set.material
            && row.status == Status::Reached
            && let Some(name) = row.data.as_ref().map(row::plane_of)
            && !self.placed.borrow().contains(&name)
            && let Some(plane) = plane(samples, statistics, components)
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

/// What an answer is held against.
#[derive(Clone, Copy)]
enum Judge<'a> {
    /// Principal components: LAPACK's, or the known ones.
    Reference(&'a Reference),
    /// A network: test samples.
    Test(&'a Samples),
}

impl Judge<'_> {
    /// Errors of a snapshot, for the curve.
    fn errors(self, case: &Case, snapshot: &[f32], order: usize) -> Option<Errors> {
        match self {
            Self::Reference(reference) => {
                let (component, whole) =
                    reference.snapshot_errors(order, snapshot, case.components)?;
                // Only deflation seeks one component at a time; elsewhere the span is all there is to judge.
                let component = match case.method {
                    Method::Deflation => component,
                    Method::Subspace | Method::Direct => whole,
                };
                Some(Errors {
                    component,
                    whole,
                    losses: None,
                })
            }
            Self::Test(_) => {
                let [error, test_loss, train_loss] = [snapshot[0], snapshot[1], snapshot[2]];
                let error = f64::from(error);
                Some(Errors {
                    component: error,
                    whole: error,
                    losses: Some([test_loss, train_loss].map(f64::from)),
                })
            }
        }
    }

    /// Checks the answer and puts what was found into the row.
    fn check(self, row: &mut Record, case: &Case, set: &Loaded, measured: &Measured) -> Result<()> {
        let changed = measured.changed.clone();
        let auto = case.learning_rate.is_none();
        match (self, &measured.answer, case.job()?) {
            (Self::Reference(reference), Answer::Pca(outcome), Job::Pca(plan)) => {
                let assessment = Assessment::of(outcome, reference);
                (row.status, row.reason) = row::verdict(case, outcome, &assessment, changed);
                if let Some(rule) = case.optimizer {
                    let batches = case.rows().map_or(1, |rows| set.samples.n / rows);
                    let schedule = Schedule::of(&plan, set.samples.d, batches).describe();
                    let rate = outcome.learning_rate;
                    row.optimizer = Some(row::optimizer_facts(rule, rate, auto, schedule));
                }
                row.accuracy = Some(assessment.accuracy);
                row.eigenvalues = outcome.eigenvalues.clone();
                row.reference_eigenvalues = reference.eigenvalues().to_vec();
            }
            (Self::Test(test), Answer::Mlp(outcome), Job::Mlp(plan)) => {
                let classes = mlp::classes(&set.samples, test);
                let assessment = mlp::Assessment::of(outcome, &plan, test, classes);
                (row.status, row.reason) = row::network_verdict(
                    case,
                    (outcome.ended, outcome.iterations),
                    &assessment,
                    changed,
                );
                let (rule, rate) = (plan.rule, plan.learning_rate);
                row.optimizer = Some(row::optimizer_facts(rule, rate, auto, "constant".into()));
                if let Some(network) = &mut row.network {
                    network.parameters = Some(assessment.parameters);
                    let end = Score {
                        epoch: outcome.passes,
                        test_error: assessment.test_error,
                        test_loss: assessment.test_loss,
                        train_loss: outcome.train_loss,
                    };
                    network.end = (outcome.ended != Ended::Diverged).then_some(end);
                    network.best = best(&measured.curve);
                }
            }
            _ => return Err(Error::failed("the answer is one of another problem")),
        }
        Ok(())
    }
}

/// The point of a network's curve with the least test error, the first of several.
fn best(curve: &[CurvePoint]) -> Option<Score> {
    let better = |a: &&CurvePoint, b: &&CurvePoint| a.error.total_cmp(&b.error);
    let point = curve.iter().min_by(better)?;
    Some(Score {
        epoch: point.passes,
        test_error: point.error,
        test_loss: point.test_loss?,
        train_loss: point.train_loss?,
    })
}

/// The row of a case that could not be carried out.
fn end_badly(row: &mut Record, error: &Error) {
    row.status = match error {
        Error::Unsupported(_) => Status::Skipped,
        Error::Failed(_) | Error::Input(_) => Status::Failed,
    };
    row.reason = Some(error.to_string());
}
