//! The result table: for the terminal, and in Markdown for a page of text; and the records as they are, in JSON.

use super::group::{Group, groups, short_name, to_target_s, word};
use super::{quantity, seeds};
use crate::record::{Record, Status, statistics};
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
    value: fn(&Group, &Record) -> String,
}

const COLUMNS: [Column; 12] = [
    Column {
        name: "case",
        spare: 0,
        value: |_, row| short_name(row),
    },
    Column {
        name: "status",
        spare: 4,
        value: |_, row| word(row.status).into(),
    },
    Column {
        name: "to target",
        spare: 0,
        value: |_, row| to_target(row),
    },
    Column {
        name: "slower",
        spare: 0,
        value: slower,
    },
    Column {
        name: "solve [q1, q3]",
        spare: 1,
        value: |_, row| solve(row),
    },
    Column {
        name: "device",
        spare: 6,
        value: |_, row| device(row),
    },
    Column {
        name: "iterations",
        spare: 3,
        value: |_, row| iterations(row),
    },
    Column {
        name: "sine",
        spare: 0,
        value: |_, row| sine(row),
    },
    Column {
        name: "test error",
        spare: 0,
        value: |_, row| test_error(row),
    },
    Column {
        name: "best",
        spare: 4,
        value: |_, row| best_error(row),
    },
    Column {
        name: "residual",
        spare: 5,
        value: |_, row| residual(row),
    },
    Column {
        name: "rate, of peak",
        spare: 2,
        value: |_, row| rate(row),
    },
];

/// Space between two columns.
const GAP: usize = 2;

/// The table for the terminal, groups one below the other, each with its notes; ends with a newline.
pub fn terminal(records: &[Record], style: Style) -> String {
    let (groups, older) = groups(records);
    let mut text = String::new();
    for group in &groups {
        text += &format!("{}\n\n", group.title);
        text += &block(group, style);
        text.push('\n');
        if let Some(rows) = seeds::summary(group) {
            text += "over seeds:\n\n";
            text += &plain(&seeds::HEADS, &rows, 1);
            text.push('\n');
        }
        for note in group.notes() {
            text += &format!("{note}\n");
        }
        if group.slower(group.rows[0]).is_some() {
            text += "slower: time to target against the fastest; ";
            text += match group.classifies() {
                true => "test error: at the end of training, best: the least on the way\n",
                false => "sine: angle to the reference's subspace\n",
            };
        }
        if group
            .rows
            .iter()
            .any(|row| row.status == Status::Unresolved)
        {
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

/// The words for measurements that a later one of the same case replaces.
pub(super) fn superseded(older: usize) -> String {
    format!("{older} older measurements of the same cases are not shown")
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
        if !matches!(columns[index].name, "case" | "status") {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt() + "\n"
}

/// A plain table with a rule under its head; all but the first `left` columns stand to the right.
pub(super) fn plain<const N: usize>(
    heads: &[&str; N],
    rows: &[[String; N]],
    left: usize,
) -> String {
    let mut table = Table::new();
    table.force_no_tty();
    table.load_style(presets::NOTHING.header_separator(LineStyle::none().fill('─')));
    table.set_header(heads);
    rows.iter().for_each(|row| {
        table.add_row(row);
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

fn paint(cell: Cell, group: &Group, row: &Record) -> Cell {
    match row.status {
        Status::Diverged | Status::Failed => cell.fg(Color::Red),
        Status::Skipped => cell.add_attribute(Attribute::Dim),
        Status::Budget | Status::Stalled | Status::Unresolved => cell.fg(Color::Yellow),
        Status::Reached if group.slower(row) == Some(1.0) => cell.fg(Color::Green),
        Status::Reached => cell,
    }
}

/// The table in Markdown with the columns that a reader of a page needs; groups one below the other.
pub fn markdown(records: &[Record]) -> String {
    let mut text = String::new();
    for group in groups(records).0 {
        text += &format!("**{}**\n\n", escape_markdown(&group.title));
        if let Some(rows) = seeds::summary(&group) {
            text += &format!("| {} |\n", seeds::HEADS.join(" | "));
            text += "|:--|--:|--:|--:|--:|--:|--:|\n";
            for [name, rest @ ..] in rows {
                let name = name.replace('|', "\\|");
                text += &format!("| `{name}` | {} |\n", rest.join(" | "));
            }
            text.push('\n');
            continue;
        }
        let error = if group.classifies() {
            "test error"
        } else {
            "sine"
        };
        text += &format!(
            "| case | to target | slower | solve [q1, q3] | iterations | {error} | rate, of peak |\n"
        );
        text += "|:--|--:|--:|--:|--:|--:|--:|\n";
        for row in &group.rows {
            let cells = [
                format!("`{}`", short_name(row).replace('|', "\\|")),
                to_target(row),
                slower(&group, row),
                solve(row),
                iterations(row),
                sine(row) + &test_error(row),
                rate(row),
            ];
            text += &format!("| {} |\n", cells.join(" | "));
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

/// The time to the target, or how the case ended without it.
pub(super) fn to_target(row: &Record) -> String {
    match to_target_s(row) {
        Some(time) => quantity::seconds(time),
        None if row.status == Status::Reached => "reached".into(),
        None => word(row.status).into(),
    }
}

pub(super) fn slower(group: &Group, row: &Record) -> String {
    group.slower(row).map(quantity::ratio).unwrap_or_default()
}

pub(super) fn solve(row: &Record) -> String {
    row.time
        .as_ref()
        .map(|time| quantity::quartiles(&time.solve_s))
        .unwrap_or_default()
}

/// The median of what the device computed by its own clock.
pub(super) fn device(row: &Record) -> String {
    let time = row.time.as_ref();
    time.and_then(|time| statistics::median(time.device_s.as_ref()?))
        .map(quantity::seconds)
        .unwrap_or_default()
}

pub(super) fn iterations(row: &Record) -> String {
    // A dense eigensolver has no steps of its own to count.
    let work = row.work.as_ref().filter(|_| row.optimizer.is_some());
    work.map(|work| work.iterations.to_string())
        .unwrap_or_default()
}

/// The sine of the span, or the bound that residuals give where there is no reference; with the components that were checked
/// where others were asked for: `8.4e-6 (7 of 8)`.
pub(super) fn sine(row: &Record) -> String {
    let Some(accuracy) = &row.accuracy else {
        return String::new();
    };
    let sine = match (accuracy.subspace_sine, accuracy.component_sine) {
        (Some(sine), _) => quantity::error(sine),
        (None, Some(bound)) => format!("< {}", quantity::error(bound)),
        (None, None) => String::new(),
    };
    match accuracy.checked_components.zip(row.components) {
        Some((checked, asked)) if checked < asked => format!("{sine} ({checked} of {asked})"),
        _ => sine,
    }
}

/// The test error of a network at the end of training.
pub(super) fn test_error(row: &Record) -> String {
    let end = row.network.as_ref().and_then(|network| network.end);
    end.map(|score| quantity::percent(score.test_error))
        .unwrap_or_default()
}

/// The least test error of its curve.
pub(super) fn best_error(row: &Record) -> String {
    let best = row.network.as_ref().and_then(|network| network.best);
    best.map(|score| quantity::percent(score.test_error))
        .unwrap_or_default()
}

pub(super) fn residual(row: &Record) -> String {
    row.accuracy
        .as_ref()
        .map(|a| quantity::error(a.residual))
        .unwrap_or_default()
}

pub(super) fn rate(row: &Record) -> String {
    row.rate.as_ref().map(quantity::rate).unwrap_or_default()
}

/// Setup, upload and the median solve: what a user waits for in all.
pub(super) fn end_to_end(row: &Record) -> String {
    let total = row
        .time
        .as_ref()
        .and_then(|time| Some(time.setup_s + time.upload_s + statistics::median(&time.solve_s)?));
    total.map(quantity::seconds).unwrap_or_default()
}

/// Keeps what a reason says from being taken for markup or for another cell.
pub(super) fn escape_markdown(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if "\\`*_[]<>|#".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture;

    const PLAIN: Style = Style {
        width: 100,
        color: false,
    };

    #[test]
    fn every_case_is_a_row_and_no_line_of_the_table_is_wider_than_asked() {
        let records = fixture::race();
        for width in [80, 100, 140] {
            let text = terminal(&records, Style { width, ..PLAIN });
            for record in &records {
                assert!(text.contains(&short_name(record)), "{}", record.case);
            }
            let table = text.split("\n\n").nth(1).unwrap();
            assert!(table.lines().count() >= records.len() + 2);
            assert!(
                table.lines().all(|line| line.chars().count() <= width),
                "{table}"
            );
        }
    }

    #[test]
    fn a_wide_terminal_gets_every_column_and_a_narrow_one_the_result() {
        let mut records = fixture::race();
        records[0].time.as_mut().unwrap().device_s = Some(vec![0.0123, 0.0125, 0.0121]);
        let wide = terminal(
            &records,
            Style {
                width: 160,
                ..PLAIN
            },
        );
        // Principal components have no test error.
        let of_networks = ["test error", "best"];
        assert!(
            COLUMNS
                .iter()
                .all(|column| { of_networks.contains(&column.name) != wide.contains(column.name) })
        );
        assert!(wide.contains("12.3 ms"));
        let narrow = terminal(&records, Style { width: 60, ..PLAIN });
        assert!(narrow.contains("to target") && narrow.contains("sine"));
        assert!(!narrow.contains("residual  "));
    }

    #[test]
    fn a_column_that_no_device_fills_is_left_out() {
        let wide = terminal(
            &fixture::race(),
            Style {
                width: 160,
                ..PLAIN
            },
        );
        let header = wide.lines().nth(2).unwrap();
        assert!(header.contains("residual") && !header.contains("device"));
    }

    #[test]
    fn the_fastest_is_first_with_1_00_and_the_reasons_are_below() {
        let text = terminal(&fixture::race(), PLAIN);
        let first = text.lines().nth(4).unwrap();
        assert!(
            first.contains("subspace/covariance/nesterov/cpu") && first.contains("1.00x"),
            "{text}"
        );
        assert!(text.contains("no CUDA driver") && text.contains("(software)"));
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn colours_come_only_when_asked_for() {
        let text = terminal(
            &fixture::race(),
            Style {
                color: true,
                ..PLAIN
            },
        );
        assert!(text.contains('\u{1b}'));
    }

    #[test]
    fn markdown_has_as_many_cells_in_every_row() {
        let mut records = fixture::race();
        records[0].case = "pca/mnist/a|b/k10/cpu/f32".into();
        let text = markdown(&records);
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(rows.len(), records.len() + 2);
        assert!(
            rows.iter()
                .all(|row| row.replace("\\|", "").matches('|').count() == 8)
        );
        assert!(text.contains("\\<& co\\>"));
    }

    #[test]
    fn json_is_an_array_of_the_same_records() {
        let records = fixture::race();
        let back: Vec<Record> = serde_json::from_str(&json(&records)).unwrap();
        assert_eq!(back, records);
    }

    #[test]
    fn a_case_with_a_component_that_is_not_resolved_says_so_beside_its_sine() {
        let mut record = fixture::race().remove(0);
        let asked = record.components.expect("a pca case");
        assert!(!sine(&record).contains(" of "), "{}", sine(&record));
        let accuracy = record.accuracy.as_mut().expect("it ran");
        accuracy.checked_components = Some(asked - 1);
        record.status = Status::Unresolved;
        let mark = format!("({} of {asked})", asked - 1);
        assert!(sine(&record).ends_with(&mark), "{}", sine(&record));
        assert!(terminal(&[record.clone()], PLAIN).contains("unresolved: a component"));
        record.accuracy.as_mut().expect("it ran").subspace_sine = None;
        assert!(sine(&record).starts_with("< "), "{}", sine(&record));
    }

    #[test]
    fn no_records_make_no_table() {
        assert_eq!(terminal(&[], PLAIN), "");
        assert_eq!(markdown(&[]), "");
    }
}
