//! The rows of a race: answers checked, rates reckoned, everything written as soon as it is known.

use std::collections::BTreeSet;
use std::path::Path;

use ndarray::ArrayView2;

use crate::error::{Error, Result};
use crate::record::file::{COMPONENTS, Folder, PROJECTIONS};
use crate::record::statistics::median;
use crate::record::{MOST_SHARE, Machine, Rate, Record, Status, Times, Work};

use super::case::{AsSettings, Case, Entry, Source};
use super::clock::Age;
use super::device::DeviceSpec;
use super::heat::Measured;
use super::lane::{self, guarded};
use super::problem::{Answer, Problem, Solved};
use super::roofs::measure::Effort;
use super::roofs::{Roofs, floor};
use super::row::{self, end_badly};
use super::set::Loaded;
use super::track::{Heat, Skipped};

/// Components of more numbers than this are not kept beside the record (4 MB).
const ARTIFACT_NUMBERS: usize = 1_000_000;
/// Seconds after which the roofs of a device are measured anew before its next heat.
pub const STALE_S: f64 = 60.0;
/// Seconds after which they are measured anew at the end.
pub const FRESH_S: f64 = 2.0;

/// Where the rows of a race go, and what they share.
pub(super) struct Book<'a> {
    pub origin: row::Origin,
    /// Rows to be written in all, and written so far, those of an earlier run included.
    pub total: usize,
    pub done: usize,
    pub records: Vec<Record>,
    pub machine: Machine,
    pub roofs: Roofs,
    /// Devices whose roofs were measured, and when they were last.
    pub measured: Vec<(DeviceSpec, Age)>,
    pub folder: &'a mut Folder,
    pub save_components: Option<&'a Path>,
    /// SHA-256 of the samples whose places in a plane are kept: once a race, all right answers having the same.
    pub placed: BTreeSet<String>,
}

impl Book<'_> {
    /// Writes the rows of cases that are not tried, each with why. Only what is known by its spec is skipped without being
    /// loaded.
    ///
    /// # Errors
    /// `Input` when a row cannot be written.
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

    /// The row of a case before it is run.
    pub fn blank<P: Problem>(&self, (entry, id): &(Entry<P>, String), set: &Loaded<P>) -> Record {
        row::blank_in(&entry.case, id, set, &self.origin)
    }

    /// Writes a row.
    ///
    /// # Errors
    /// `Input` when it cannot be written.
    pub fn write(&mut self, row: Record) -> Result<()> {
        self.folder.append(&row)?;
        self.records.push(row);
        self.done += 1;
        Ok(())
    }

    /// Seconds since the roofs of a device were last measured; infinite where they were not.
    pub fn age_s(&self, spec: DeviceSpec) -> f64 {
        let found = self.measured.iter().find(|(other, _)| *other == spec);
        found.map_or(f64::INFINITY, |(_, age)| age.seconds())
    }

    /// Measures the roofs of a device. Returns a word when they fall short of what it reached before. A device that is not
    /// there, or cannot do it, has no roofs: its rows say why.
    ///
    /// # Errors
    /// `Input` when the machine's facts cannot be written.
    pub fn measure(&mut self, spec: DeviceSpec) -> Result<Option<String>> {
        self.measured.retain(|(other, _)| *other != spec);
        self.measured.push((spec, Age::now()));
        let known = self.roofs.known(&spec.to_string()).is_some();
        let effort = if known { Effort::Brief } else { Effort::Whole };
        let Ok(Ok((_, mut peak))) = lane::measure_peak(spec, effort) else {
            return Ok(None);
        };
        // A brief measurement that falls short may have met a hiccup.
        if known
            && self.roofs.doubts(&peak)
            && let Ok(Ok((_, longer))) = lane::measure_peak(spec, Effort::Whole)
        {
            peak = longer;
        }
        let word = self.roofs.add(peak);
        let label = spec.to_string();
        self.machine.peaks.retain(|peak| peak.device != label);
        self.machine.peaks.extend(self.roofs.peak(&label));
        self.folder.write_machine(&self.machine)?;
        Ok(word)
    }

    /// Puts what was measured into the row, the answer checked. `open_s` and `upload_s`: seconds to open the device, and to
    /// put the samples on it.
    ///
    /// # Errors
    /// `Input` when something cannot be written.
    pub fn fill<P: Problem>(
        &mut self,
        row: &mut Record,
        case: &Case<P>,
        heat: &Heat<'_, P>,
        measured: Measured<P::Answer>,
        (open_s, upload_s): (f64, f64),
    ) -> Result<()> {
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
            self.rate(row, case.device, &work, solve_s)?;
        }
        row.time = Some(Times {
            setup_s: open_s + set.statistics_s + measured.prepare_s,
            upload_s,
            solve_s: measured.solve_s,
            device_s: measured.device_s,
            noise: measured.noise,
            set_aside_s: measured.set_aside_s,
            to_target_s,
            clock: "host".into(),
            stopped: measured.stopped.to_string(),
        });
        row.work = Some(work);
        row.energy = measured.energy;
        row.curve = measured.curve;
        self.keep(row, set, &measured.answer)
    }

    /// Puts the rates of the median solve in. A share of more than the roofs allow is a mistake: of a roof that was measured on a
    /// busy machine, which is then measured again, or of the program, which the row then says.
    fn rate(
        &mut self,
        row: &mut Record,
        spec: DeviceSpec,
        work: &Work,
        solve_s: f64,
    ) -> Result<()> {
        let label = spec.to_string();
        let over = |rate: &Rate| rate.share_of_peak.is_some_and(|share| share > MOST_SHARE);
        let mut rate = floor::rate(work, solve_s, self.roofs.peak(&label).as_ref());
        if over(&rate) {
            self.measure(spec)?;
            rate = floor::rate(work, solve_s, self.roofs.peak(&label).as_ref());
        }
        if over(&rate) && row.reason.is_none() {
            row.reason = Some(format!(
                "{:.0} % of what the roofs of {label} allow: the roofs were measured on a busy machine, or the work is counted \
                 wrongly: race again when nothing else runs",
                100.0 * rate.share_of_peak.unwrap_or_default()
            ));
        }
        row.rate = Some(rate);
        Ok(())
    }

    /// Writes the components (k x d), where an answer has any, beside the record when they are small, and where the user wants
    /// them; and of the first right answer about these samples, where they have labels, what they look like in its plane.
    fn keep<P: Problem>(
        &mut self,
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
            && !self.placed.contains(&name)
            && let Some(plane) = P::plane(&set.samples, &set.material, answer)
        {
            self.folder.keep(row, PROJECTIONS, plane.view())?;
            self.placed.insert(name);
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
