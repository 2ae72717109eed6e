//! The result table: for the terminal, and in Markdown for a page of text; and the records as they are, in JSON.

pub mod cells;

use super::family::Family;
use super::group::{Group, groups};
use super::markup::escape_markdown;
use crate::record::{Record, Status};
use comfy_table::{Attribute, Cell, CellAlignment, Color, LineStyle, Table, presets};
use std::io::IsTerminal;

/// How the terminal wants its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Columns of characters; columns of the table are left out to fit, in the order of what they tell least.
    pub width: usize,
    /// Whether colours may be used.
    pub color: bool,
}

impl Style {
    /// What standard output takes: the terminal's width, colours unless `NO_COLOR` is set; 100 columns, plain, elsewhere.
    pub fn of_stdout() -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let terminal = std::io::stdout().is_terminal();
        let width = Table::new().width().map_or(100, usize::from);
        Self {
            width,
            color: terminal && !no_color,
        }
    }
}

/// One column of the table.
struct Column {
    name: &'static str,
    /// Columns with smaller numbers are put in first where there is room; 0 is always there.
    spare: u8,
    value: fn(&Group, &Family) -> String,
}

const COLUMNS: [Column; 14] = [
    Column {
        name: "competitor",
        spare: 0,
        value: |_, row| row.name.clone(),
    },
    Column {
        name: "seeds",
        spare: 0,
        value: |_, row| cells::seeds(row),
    },
    Column {
        name: "status",
        spare: 4,
        value: |_, row| row.median().status.word().into(),
    },
    Column {
        name: "to target",
        spare: 0,
        value: |_, row| cells::to_target(row),
    },
    Column {
        name: "slower",
        spare: 0,
        value: cells::slower,
    },
    Column {
        name: "solve [q1, q3]",
        spare: 1,
        value: |_, row| cells::solve(row),
    },
    Column {
        name: "device",
        spare: 6,
        value: |_, row| cells::device(row),
    },
    Column {
        name: "iterations",
        spare: 3,
        value: |_, row| cells::iterations(row),
    },
    Column {
        name: "sine",
        spare: 0,
        value: |_, row| cells::sine(row),
    },
    Column {
        name: "test error",
        spare: 0,
        value: |_, row| cells::test_error(row),
    },
    Column {
        name: "best",
        spare: 4,
        value: |_, row| cells::best_error(row),
    },
    Column {
        name: "images/s",
        spare: 5,
        value: |_, row| cells::images(row),
    },
    Column {
        name: "residual",
        spare: 5,
        value: |_, row| cells::residual(row),
    },
    Column {
        name: "rate, of peak",
        spare: 2,
        value: |_, row| cells::rate(row),
    },
];

/// Space between two columns.
const GAP: usize = 2;

/// The table for the terminal, groups one below the other, each with its notes; ends with a newline.
pub fn terminal(records: &[Record], style: Style) -> String {
    let (groups, older) = groups(records);
    let mut text = String::new();
    for group in &groups {
        text += &format!("{}\n", group.title);
        text += &group
            .conditions()
            .map(|line| line + "\n")
            .unwrap_or_default();
        text.push('\n');
        text += &block(group, style);
        text.push('\n');
        for note in group.notes() {
            text += &format!("{note}\n");
        }
        if group.fastest_s().is_some() {
            text += "slower: time to target against the fastest; ";
            if group.rows.iter().any(Family::has_seeds) {
                text += "[q1, q3]: quartiles over seeds where there are several; ";
            }
            text += match group.classifies() {
                true => "test error: at the end of training, best: the least on the way\n",
                false => "sine: angle to the reference's subspace\n",
            };
        }
        if group.records().any(|row| row.status == Status::Unresolved) {
            text += "unresolved: a component asked for is too small beside the largest for f64 to tell; (checked of asked)\n";
        }
        text.push('\n');
    }
    if older > 0 {
        text += &format!("{}\n\n", superseded(older));
    }
    text.pop();
    text
}

/// The words for measurements that later ones of the same competitors replace.
pub(super) fn superseded(older: usize) -> String {
    format!("{older} older measurements of the same competitors are not shown")
}

fn block(group: &Group, style: Style) -> String {
    let mut columns: Vec<&Column> = COLUMNS.iter().collect();
    let mut cells: Vec<Vec<String>> = columns
        .iter()
        .map(|column| {
            group
                .rows
                .iter()
                .map(|row| (column.value)(group, row))
                .collect()
        })
        .collect();
    // A column without a single value says nothing; then the columns that can be spared, until the table fits.
    for index in (0..columns.len()).rev() {
        if cells[index].iter().all(String::is_empty) {
            columns.remove(index);
            cells.remove(index);
        }
    }
    let kept = fitting(&columns, &cells, style.width);
    let columns: Vec<&Column> = kept.iter().map(|&index| columns[index]).collect();
    let cells: Vec<&Vec<String>> = kept.iter().map(|&index| &cells[index]).collect();

    let mut table = Table::new();
    table.force_no_tty();
    if style.color {
        table.enforce_styling();
    }
    table.load_style(presets::NOTHING.header_separator(LineStyle::none().fill('─')));
    table.set_header(
        columns
            .iter()
            .map(|c| Cell::new(c.name).add_attribute(Attribute::Bold)),
    );
    for (index, row) in group.rows.iter().enumerate() {
        table.add_row(
            cells
                .iter()
                .map(|column| paint(Cell::new(&column[index]), group, row)),
        );
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        let last = index + 1 == columns.len();
        column.set_padding((0, if last { 0 } else { GAP as u16 }));
        if !matches!(columns[index].name, "competitor" | "status") {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt() + "\n"
}

/// A plain table with a rule under its head; all but the first `left` columns stand to the right.
pub(super) fn plain(heads: &[&str], rows: &[impl AsRef<[String]>], left: usize) -> String {
    let mut table = Table::new();
    table.force_no_tty();
    table.load_style(presets::NOTHING.header_separator(LineStyle::none().fill('─')));
    table.set_header(heads);
    rows.iter().for_each(|row| {
        table.add_row(row.as_ref());
    });
    for (index, column) in table.column_iter_mut().enumerate() {
        let last = index + 1 == heads.len();
        column.set_padding((0, if last { 0 } else { GAP as u16 }));
        if index >= left {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt() + "\n"
}

/// Indices of the columns that fit: first those that stay, then, in the order of what they tell, each that there is
/// still room for.
fn fitting(columns: &[&Column], cells: &[Vec<String>], room: usize) -> Vec<usize> {
    let length = |text: &str| text.chars().count();
    let width = |index: usize| {
        let widest = cells[index]
            .iter()
            .map(|cell| length(cell))
            .max()
            .unwrap_or(0);
        widest.max(length(columns[index].name)) + GAP
    };
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by_key(|&index| columns[index].spare);
    let mut used = 0;
    let mut kept = Vec::new();
    for index in order {
        if columns[index].spare == 0 || used + width(index) <= room + GAP {
            used += width(index);
            kept.push(index);
        }
    }
    kept.sort_unstable();
    kept
}

fn paint(cell: Cell, group: &Group, row: &Family) -> Cell {
    match row.median().status {
        Status::Diverged | Status::Failed => cell.fg(Color::Red),
        Status::Skipped => cell.add_attribute(Attribute::Dim),
        Status::Budget | Status::Stalled | Status::Unresolved => cell.fg(Color::Yellow),
        Status::Reached if group.slower(row) == Some(1.0) => cell.fg(Color::Green),
        Status::Reached => cell,
    }
}

/// A column in Markdown: its head and its cells.
type Plain = (&'static str, fn(&Group, &Family) -> String);

/// What a reader of a page of text needs; what no row has is left out, but for those that every table has.
const MARKDOWN: [Plain; 10] = [
    ("seeds", |_, row| cells::seeds(row)),
    ("to target", |_, row| cells::to_target(row)),
    ("slower", cells::slower),
    ("solve [q1, q3]", |_, row| cells::solve(row)),
    ("iterations", |_, row| cells::iterations(row)),
    ("sine", |_, row| cells::sine(row)),
    ("test error", |_, row| cells::test_error(row)),
    ("best", |_, row| cells::best_error(row)),
    ("images/s", |_, row| cells::images(row)),
    ("rate, of peak", |_, row| cells::rate_with_zeros(row)),
];

/// The table in Markdown with the columns that a reader of a page needs; groups one below the other.
pub fn markdown(records: &[Record]) -> String {
    let mut text = String::new();
    for group in groups(records).0 {
        text += &format!("**{}**\n\n", escape_markdown(&group.title));
        if let Some(line) = group.conditions() {
            text += &format!("{}\n\n", escape_markdown(&line));
        }
        let cells = |value: fn(&Group, &Family) -> String| -> Vec<String> {
            group.rows.iter().map(|row| value(&group, row)).collect()
        };
        let columns = MARKDOWN.map(|(head, value)| (head, cells(value)));
        let there = |(head, cells): &(&str, Vec<String>)| {
            *head == "to target" || cells.iter().any(|cell| !cell.is_empty())
        };
        let columns: Vec<(&str, Vec<String>)> = columns.into_iter().filter(there).collect();
        let heads: Vec<&str> = columns.iter().map(|(head, _)| *head).collect();
        text += &format!("| competitor | {} |\n", heads.join(" | "));
        text += &format!("|:--|{}\n", "--:|".repeat(heads.len()));
        for (index, row) in group.rows.iter().enumerate() {
            let name = row.name.replace('|', "\\|");
            let cells: Vec<&str> = columns.iter().map(|(_, of)| of[index].as_str()).collect();
            text += &format!("| `{name}` | {} |\n", cells.join(" | "));
        }
        for note in group.notes() {
            text += &format!("\n{}\n", escape_markdown(&note));
        }
        text.push('\n');
    }
    text.pop();
    text
}

/// The records as a JSON array, for `--format json`.
pub fn json(records: &[Record]) -> String {
    serde_json::to_string_pretty(records).expect("plain records are JSON") + "\n"
}

#[cfg(test)]
mod tests;
