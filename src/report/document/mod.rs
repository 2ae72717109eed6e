//! Everything that a page shows, drawn and in order.

use super::chart::pen::{Pen, Subject};
use super::chart::{self, Chart, OF_A_TASK, Place};
use super::cost::Prices;
use super::group::{Group, groups};
use super::profile::{Profile, profiles};
use super::roofline::roofs;
use super::speedup::{Growths, growths};
use crate::error::Result;
use crate::record::Machine;
use crate::record::criterion::Benchmark;
use crate::record::read::{Artifacts, Results};
use std::collections::BTreeSet;

/// Bytes of charts in a page. What comes after is left out, and said: a page of everything would take a browser minutes.
const CHART_BYTES: usize = 4_400_000;
/// Bytes that a row of a table takes with its command; the charts make room for them.
const ROW_BYTES: usize = 400;
/// Bytes of charts that there is always room for.
const LEAST_CHART_BYTES: usize = 400_000;

/// Everything a page shows; its sections are functions of this.
#[derive(Debug)]
pub struct Report<'a> {
    /// One task on one machine each, with its charts.
    pub chapters: Vec<Chapter<'a>>,
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

/// A task with what is drawn of it.
#[derive(Debug)]
pub struct Chapter<'a> {
    /// The competitors.
    pub group: Group<'a>,
    /// Its charts, one list for each line of [`OF_A_TASK`].
    charts: [Vec<Chart>; OF_A_TASK.len()],
}

impl Chapter<'_> {
    /// The charts that stand in a place, in their order.
    pub fn charts(&self, wanted: Place) -> impl Iterator<Item = &Chart> {
        let all = OF_A_TASK.iter().zip(&self.charts);
        let there = all.filter(move |((place, _), _)| *place == wanted);
        there.flat_map(|(_, charts)| charts)
    }
}

impl<'a> Report<'a> {
    /// Groups the records and draws the charts: first what is drawn over all tasks, then the times of every task, then the
    /// rest, curves last, until the page is full.
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
        let (groups, older) = groups(records);
        let prices = prices.clone().on(machines);
        let room = CHART_BYTES.saturating_sub(records.len() * ROW_BYTES);
        let mut pen = Pen::new(room.max(LEAST_CHART_BYTES));
        let all: Vec<&Group> = groups.iter().collect();
        let (profiles, growths) = (profiles_of(&all, &mut pen)?, growths_of(&all, &mut pen)?);
        let roofs = roofs_of(&all, machines, &mut pen)?;
        let mut chapters: Vec<Chapter> = groups.into_iter().map(Chapter::undrawn).collect();
        for chapter in &mut chapters {
            chapter.draw(&[Place::Times], artifacts, &prices, &mut pen)?;
        }
        for chapter in &mut chapters {
            let rest = [Place::Cost, Place::Components, Place::Convergence];
            chapter.draw(&rest, artifacts, &prices, &mut pen)?;
        }
        let programs = records.iter().map(|record| record.program.as_str());
        Ok(Self {
            chapters,
            profiles,
            growths,
            roofs,
            benchmarks,
            machines,
            prices,
            programs: programs.collect(),
            older,
            undrawn: pen.undrawn(),
        })
    }

    /// Every chart.
    pub fn charts(&self) -> impl Iterator<Item = &Chart> {
        let over = self.profiles.iter().map(|(_, chart)| chart);
        let over = over.chain(self.growths.iter().map(|(_, chart)| chart));
        let chapters = self
            .chapters
            .iter()
            .flat_map(|chapter| &chapter.charts)
            .flatten();
        chapters.chain(over).chain(&self.roofs)
    }

    /// The groups.
    pub fn groups(&self) -> Vec<&Group<'a>> {
        self.chapters.iter().map(|chapter| &chapter.group).collect()
    }
}

impl<'a> Chapter<'a> {
    /// A task of which nothing is drawn yet.
    fn undrawn(group: Group<'a>) -> Self {
        Self {
            group,
            charts: Default::default(),
        }
    }

    /// Draws what stands in these places, one place after the other.
    fn draw(
        &mut self,
        places: &[Place],
        artifacts: &Artifacts,
        prices: &Prices,
        pen: &mut Pen,
    ) -> Result<()> {
        let subject = Subject {
            group: &self.group,
            artifacts,
            prices,
        };
        for place in places {
            for (charts, (there, draw)) in self.charts.iter_mut().zip(OF_A_TASK) {
                if there == place {
                    *charts = draw(subject, pen)?;
                }
            }
        }
        Ok(())
    }
}

fn profiles_of<'a>(groups: &[&Group<'a>], pen: &mut Pen) -> Result<Vec<(Profile<'a>, Chart)>> {
    let mut drawn = Vec::new();
    for profile in profiles(groups) {
        let name = pen.name(&format!("profile/{}", profile.problem));
        let chart = pen.draw(|| chart::profile::chart(name, &profile))?;
        drawn.extend(chart.map(|chart| (profile, chart)));
    }
    Ok(drawn)
}

fn growths_of<'a>(groups: &[&Group<'a>], pen: &mut Pen) -> Result<Vec<(Growths<'a>, Chart)>> {
    let mut drawn = Vec::new();
    for growth in growths(groups) {
        let name = pen.name(&format!("speedup/{}", growth.title));
        let chart = pen.draw(|| chart::growth::chart(name, &growth))?;
        drawn.extend(chart.map(|chart| (growth, chart)));
    }
    Ok(drawn)
}

fn roofs_of(groups: &[&Group], machines: &[Machine], pen: &mut Pen) -> Result<Vec<Chart>> {
    let mut drawn = Vec::new();
    for roof in roofs(groups, machines) {
        let name = pen.name(&format!("roofline/{}/{}", roof.machine, roof.peak.device));
        // There are few, and they say most in the least room.
        drawn.extend(pen.draw_always(|| chart::roofline::chart(name, &roof).map(Some))?);
    }
    Ok(drawn)
}

#[cfg(test)]
mod tests;
