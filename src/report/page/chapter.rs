//! One task: who won, the table, the notes, the charts, the commands.

use super::parts::{anchor, figure, list};
use crate::record::Status;
use crate::report::chart::Place;
use crate::report::command::commands;
use crate::report::document::{Chapter, Report};
use crate::report::family::Family;
use crate::report::group::Group;
use crate::report::markup::escape;
use crate::report::table::cells;
use crate::report::{cost, quantity};
use std::fmt::Write;

/// Every task.
pub fn sections(report: &Report) -> String {
    let machines: std::collections::BTreeSet<&str> = report
        .chapters
        .iter()
        .map(|chapter| chapter.group.machine)
        .collect();
    let chapters = report.chapters.iter().enumerate();
    chapters
        .map(|(index, chapter)| section(report, index, chapter, machines.len() > 1))
        .collect()
}

fn section(report: &Report, index: usize, chapter: &Chapter, several: bool) -> String {
    let group = &chapter.group;
    let (id, title) = (anchor(index), escape(&group.title));
    let mut text = format!("<h2 id=\"{id}\">{title}</h2>\n");
    if several {
        let mut known = report.machines.iter();
        let known = known.find(|m| m.fingerprint == group.machine);
        let cpu = known.map(|machine| format!(", {}", machine.cpu));
        let _ = writeln!(
            text,
            "<p class=\"muted\">machine {}{}</p>",
            escape(group.machine),
            escape(&cpu.unwrap_or_default())
        );
    }
    if let Some(line) = group.conditions() {
        let _ = writeln!(text, "<p class=\"muted\">{}</p>", escape(&line));
    }
    text += &results(report, group);
    text += &list(&group.notes());
    let charts = |place| -> String { chapter.charts(place).map(figure).collect() };
    text += &charts(Place::Times);
    text += &charts(Place::Cost);
    let (convergence, components) = (charts(Place::Convergence), charts(Place::Components));
    if !convergence.is_empty() {
        text += "<h3>Convergence</h3>\n<div class=\"charts\">\n";
        text += &convergence;
        text += "</div>\n";
    }
    if !components.is_empty() {
        text += "<h3>Components</h3>\n";
        text += &components;
    }
    text + &again(group)
}

type Cell = fn(&Report, &Group, &Family) -> String;

/// The table's columns after the number and the competitor's name.
const COLUMNS: [(&str, Cell); 18] = [
    ("seeds", |_, _, row| cells::seeds(row)),
    ("to target", |_, _, row| cells::to_target(row)),
    ("slower", |_, group, row| cells::slower(group, row)),
    ("solve [q1, q3]", |_, _, row| cells::solve(row)),
    ("device", |_, _, row| cells::device(row)),
    ("iterations", |_, _, row| cells::iterations(row)),
    ("sine", |_, _, row| cells::sine(row)),
    ("test error", |_, _, row| cells::test_error(row)),
    ("best", |_, _, row| cells::best_error(row)),
    ("images/s", |_, _, row| cells::images(row)),
    ("residual", |_, _, row| cells::residual(row)),
    ("rate, of peak", |_, _, row| cells::rate_with_roof(row)),
    ("end to end", |_, _, row| cells::end_to_end(row)),
    ("USD", |report, _, row| {
        let dollars = report.prices.to_target(row);
        dollars.map(quantity::dollars).unwrap_or_default()
    }),
    ("energy", |_, _, row| {
        let joules = cost::joules_to_target(row);
        joules.map(quantity::joules).unwrap_or_default()
    }),
    ("threads", |_, _, row| {
        let threads = row.median().device.threads;
        threads.map(|n| n.to_string()).unwrap_or_default()
    }),
    ("clock", |_, _, row| {
        let time = row.median().time.as_ref();
        time.map(|time| time.clock.clone()).unwrap_or_default()
    }),
    ("repeats", |_, _, row| {
        let times = row.rows.iter().filter_map(|seed| seed.time.as_ref());
        let repeats: usize = times.map(|time| time.solve_s.len()).sum();
        match repeats {
            0 => String::new(),
            repeats => repeats.to_string(),
        }
    }),
];

/// Columns that are always there; the others only where a row has a value.
const ALWAYS: [&str; 5] = [
    "to target",
    "slower",
    "solve [q1, q3]",
    "rate, of peak",
    "end to end",
];

/// End tags that HTML leaves out are left out: ten thousand rows are a page's greater part.
fn results(report: &Report, group: &Group) -> String {
    let mut text =
        "<div class=\"scroll\"><table class=\"sorts\">\n<tr><th>#</th><th class=\"name\">competitor</th>"
            .to_string();
    let columns: Vec<(&str, Vec<String>)> = COLUMNS
        .into_iter()
        .map(|(name, value)| {
            let rows = group.rows.iter();
            (name, rows.map(|row| value(report, group, row)).collect())
        })
        .filter(|(name, cells): &(&str, Vec<String>)| {
            ALWAYS.contains(name) || cells.iter().any(|cell| !cell.is_empty())
        })
        .collect();
    for (name, _) in &columns {
        let _ = write!(text, "<th>{name}</th>");
    }
    text += "</tr>\n";
    for (index, row) in group.rows.iter().enumerate() {
        let class = match (group.slower(row), row.median().status) {
            (Some(1.0), _) => " class=best",
            (_, Status::Reached) => "",
            (_, status) => &format!(" class={}", status),
        };
        let name = escape(&row.name);
        let _ = write!(text, "<tr{class}><td>{}<td class=name>{name}", index + 1);
        for (_, cells) in &columns {
            let _ = write!(text, "<td>{}", escape(&cells[index]));
        }
        text.push('\n');
    }
    text + "</table></div>\n"
}

/// The commands of every row, by the row's number: one for all seeds, unless they were asked for differently.
fn again(group: &Group) -> String {
    let mut text =
        "<details><summary>The command that makes each row again</summary>\n<ol>\n".to_string();
    for row in &group.rows {
        text += "<li>";
        for command in commands(row) {
            let _ = write!(text, "<code>{}</code> ", escape(&command));
        }
        text.push('\n');
    }
    text + "</ol>\n</details>\n"
}
