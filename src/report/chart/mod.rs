//! Charts as SVG. What is drawn of every task is the list [`OF_A_TASK`]; what is drawn over all of them is [`profile`],
//! [`growth`] and [`roofline`].
//!
//! [`plot`] is the frame that the charts of lines and dots share, [`style`] their colours and letters, [`svg`] their
//! document. A new chart of a task is a file here and a line in the list: the page and the folder of charts follow.

pub mod axis;
pub mod curves;
pub mod dollars;
pub mod growth;
pub mod images;
pub mod pen;
pub mod plane;
pub mod plot;
pub mod png;
pub mod profile;
pub mod roofline;
pub mod spectrum;
pub mod style;
pub mod svg;
pub mod times;

use crate::error::Result;
use pen::{Pen, Subject};
pub use svg::Chart;

/// Where a chart of a task stands on the page, from top to bottom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// First of all: who gets there, and when.
    Times,
    /// What that costs.
    Cost,
    /// Under the head of that name.
    Convergence,
    /// Under the head of that name.
    Components,
}

/// Draws one kind of chart of a task: as many as there are of it, none where there is nothing to draw or no room.
pub type Draw = fn(Subject, &mut Pen) -> Result<Vec<Chart>>;

/// The charts of a task, in the order of the page.
pub const OF_A_TASK: &[(Place, Draw)] = &[
    (Place::Times, times::draw),
    (Place::Cost, dollars::draw),
    (Place::Convergence, curves::draw),
    (Place::Components, spectrum::draw),
    (Place::Components, plane::draw),
    (Place::Components, images::draw),
];
