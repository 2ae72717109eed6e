//! What draws while there is room, and gives every chart a name of its own.

use super::svg::Chart;
use crate::error::Result;
use crate::record::file::safe_name;
use crate::record::read::Artifacts;
use crate::report::cost::Prices;
use crate::report::group::Group;
use std::collections::BTreeSet;

/// What the charts of a task are drawn from.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The task.
    pub group: &'a Group<'a>,
    /// Arrays of its records, where they are known.
    pub artifacts: &'a Artifacts,
    /// Dollars an hour.
    pub prices: &'a Prices,
}

/// Gives names, each once, and draws while there is room.
#[derive(Debug)]
pub struct Pen {
    names: BTreeSet<String>,
    room: usize,
    undrawn: usize,
}

impl Pen {
    /// A pen with room for so many bytes of charts.
    pub fn new(room: usize) -> Self {
        Self {
            names: BTreeSet::new(),
            room,
            undrawn: 0,
        }
    }

    /// Charts that there was no room for.
    pub fn undrawn(&self) -> usize {
        self.undrawn
    }

    /// Draws where there is room; a chart may pass its end.
    ///
    /// # Errors
    /// What `chart` says.
    pub fn draw(&mut self, chart: impl FnOnce() -> Result<Chart>) -> Result<Option<Chart>> {
        self.draw_some(|| chart().map(Some))
    }

    /// The same for what may be no chart.
    ///
    /// # Errors
    /// What `chart` says.
    pub fn draw_some(
        &mut self,
        chart: impl FnOnce() -> Result<Option<Chart>>,
    ) -> Result<Option<Chart>> {
        if self.room == 0 {
            self.undrawn += 1;
            return Ok(None);
        }
        self.draw_always(chart)
    }

    /// Draws where there is no room too.
    ///
    /// # Errors
    /// What `chart` says.
    pub fn draw_always(
        &mut self,
        chart: impl FnOnce() -> Result<Option<Chart>>,
    ) -> Result<Option<Chart>> {
        let chart = chart()?;
        let size = chart.as_ref().map_or(0, |chart| chart.svg.len());
        self.room = self.room.saturating_sub(size);
        Ok(chart)
    }

    /// The name of a chart of a task; see [`Pen::name`].
    pub fn name_in(&mut self, group: &Group, what: &str) -> String {
        self.name(&format!("{}/{what}", group.id))
    }

    /// The name of a chart; a number is added where another one (of another machine, another target) has the same.
    pub fn name(&mut self, what: &str) -> String {
        let name = safe_name(what);
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
