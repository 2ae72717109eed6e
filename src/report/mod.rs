//! Charts, tables and the page: pure functions of records.
//!
//! [`group`] decides for all of them which records race against each other, and [`name`] how a person reads them. The other
//! analyses ([`family`], [`speedup`], [`profile`], [`roofline`], [`cost`], [`verdict`]) draw nothing; [`chart`]
//! draws SVG of them, [`table`] is what the terminal shows, and [`page`] puts both into one self-contained HTML file.
//! Nothing here knows a device or measures anything; the same records always give the same bytes.

pub mod chart;
pub mod command;
mod conditions;
pub mod cost;
pub mod document;
pub mod family;
pub mod group;
pub mod lecun;
pub mod markup;
pub mod name;
mod notes;
pub mod page;
pub mod profile;
pub mod quantity;
pub mod roofline;
pub mod speedup;
pub mod table;
pub mod verdict;
mod write;

pub use document::{Chapter, Report};
pub use write::{write, write_charts};
