//! A comparison as text: for the terminal and in Markdown.

use super::fold::{fold, wrap};
use super::{Comparison, Pair, Side, looks};
use crate::report::markup::escape_markdown;
use crate::report::quantity;
use crate::report::table::plain;
use std::collections::BTreeSet;

/// Cases named of those that are on one side only.
const EXAMPLES: usize = 2;
/// Share of disturbed repeats from which there is a word about it: some are always.
const DISTURBED: f64 = 0.01;
/// Characters for a case's id under which other columns are left out.
const ROOM: usize = 24;

/// A column of the terminal's table.
struct Column {
    head: &'static str,
    /// Left out before those with smaller numbers where the width is too small; those with 0 stay.
    spare: u8,
    value: fn(&Pair) -> String,
}

/// The columns beside the case.
const COLUMNS: [Column; 5] = [
    Column {
        head: "verdict",
        spare: 0,
        value: |pair| pair.verdict.word().into(),
    },
    Column {
        head: "A",
        spare: 2,
        value: |pair| time(&pair.a),
    },
    Column {
        head: "B",
        spare: 2,
        value: |pair| time(&pair.b),
    },
    Column {
        head: "B / A [low, high]",
        spare: 0,
        value: ratio,
    },
    Column {
        head: "rounds",
        spare: 1,
        value: rounds,
    },
];

/// A side's median, or how it ended.
fn time(side: &Side) -> String {
    side.median_s
        .map_or_else(|| side.status.into(), quantity::seconds)
}

/// A side's median with its least sample and third quartile, `412 ms [409, 415]`, or how it ended.
fn interval(side: &Side) -> String {
    match (side.median_s, side.min_s, side.q3_s) {
        (Some(median), Some(min), Some(q3)) => quantity::interval(median, min, q3),
        _ => side.status.into(),
    }
}

fn ratio(pair: &Pair) -> String {
    match (pair.ratio, pair.low, pair.high) {
        (Some(ratio), Some(low), Some(high)) => format!("{ratio:.3} [{low:.3}, {high:.3}]"),
        _ => String::new(),
    }
}

/// Rounds of A and B, and of how many more there may be a verdict: `8`, `8, 5`, `8 of 40`.
fn rounds(pair: &Pair) -> String {
    let had = match pair.a.rounds == pair.b.rounds {
        true => pair.rounds.to_string(),
        false => format!("{}, {}", pair.a.rounds, pair.b.rounds),
    };
    match pair.rounds_needed {
        Some(needed) => format!("{had} of {needed}"),
        None => had,
    }
}

/// The case, with its machine where there are several.
fn name(comparison: &Comparison, pair: &Pair) -> String {
    match !comparison.between_machines && comparison.machines_b.len() > 1 {
        true => format!("{}: {}", pair.a.machine, pair.case),
        false => pair.case.clone(),
    }
}

/// What stands above the table, one sentence each.
fn sentences(comparison: &Comparison) -> Vec<String> {
    let list = |machines: &BTreeSet<String>| {
        let names: Vec<&str> = machines.iter().map(String::as_str).collect();
        names.join(", ")
    };
    let (a, b) = (list(&comparison.machines_a), list(&comparison.machines_b));
    let what = match comparison.between_machines {
        true => format!("compares machines: A is {a}, B is {b}"),
        false => format!("compares runs of the same machine ({b})"),
    };
    let devices = match comparison.map.as_slice() {
        [] => String::new(),
        map => format!("; devices, A = B: {}", map.join(", ")),
    };
    let mut sentences = vec![
        what + &devices,
        format!(
            "B / A: time to target of B over that of A with its {:.0} % interval; SLOWER and FASTER lie beyond {}, SAME lies within",
            100.0 * (1.0 - looks::ERROR),
            quantity::share(comparison.threshold)
        ),
    ];
    sentences.extend(comparison.measured.clone());
    sentences
}

/// What is worth a line below the table: next steps, each once with the cases it is for; what is on one side only; disturbance.
fn notes(comparison: &Comparison) -> Vec<String> {
    let mut steps: Vec<(String, Vec<&Pair>)> = Vec::new();
    for pair in &comparison.cases {
        let Some(next) = &pair.next else { continue };
        let step = format!("{}: {next}", pair.verdict.word());
        match steps.iter_mut().find(|(other, _)| *other == step) {
            Some((_, pairs)) => pairs.push(pair),
            None => steps.push((step, vec![pair])),
        }
    }
    let mut notes: Vec<String> = steps
        .into_iter()
        .map(|(step, pairs)| {
            let needed: BTreeSet<usize> = pairs.iter().filter_map(|p| p.rounds_needed).collect();
            let needed = match (needed.first(), needed.last()) {
                (Some(least), Some(most)) if least < most => {
                    format!("; about {least} to {most} rounds would do")
                }
                (Some(one), _) => format!("; about {one} rounds would do"),
                _ => String::new(),
            };
            let cases = match pairs.as_slice() {
                [one] => one.case.clone(),
                all => format!("{} and {} more", all[0].case, all.len() - 1),
            };
            format!("{step}{needed} ({cases})")
        })
        .collect();
    for (side, alone) in [("A", &comparison.only_a), ("B", &comparison.only_b)] {
        let examples: Vec<&str> = alone.iter().take(EXAMPLES).map(|one| &*one.1).collect();
        let examples = examples.join(", ");
        match alone.len() {
            0 => {}
            1 => notes.push(format!("1 case is only in {side}: {examples}")),
            n if n <= EXAMPLES => notes.push(format!("{n} cases are only in {side}: {examples}")),
            n => notes.push(format!("{n} cases are only in {side}, as {examples}")),
        }
    }
    if let Some(share) = comparison.disturbed.filter(|&share| share >= DISTURBED) {
        notes.push(format!(
            "warning: {:.0} % of the repeats were disturbed by other programs: stop them, or expect wide intervals",
            100.0 * share
        ));
    }
    notes
}

/// The comparison for the terminal, no line wider than `width` (from 48 characters on); ends with a newline.
pub fn terminal(comparison: &Comparison, width: usize) -> String {
    let mut text = String::new();
    for sentence in sentences(comparison) {
        text += &wrap(&sentence, width);
    }
    text.push('\n');
    if !comparison.cases.is_empty() {
        text += &table(comparison, width);
        text.push('\n');
    }
    for note in notes(comparison) {
        text += &wrap(&note, width);
    }
    text + &wrap(&comparison.counts(), width)
}

fn table(comparison: &Comparison, width: usize) -> String {
    let names: Vec<String> = comparison
        .cases
        .iter()
        .map(|p| name(comparison, p))
        .collect();
    let longest = names.iter().map(|n| n.chars().count()).max().unwrap_or(0);
    let mut most = COLUMNS.iter().map(|column| column.spare).max().unwrap_or(0);
    let (columns, room) = loop {
        let columns: Vec<&Column> = COLUMNS.iter().filter(|c| c.spare <= most).collect();
        let room = width.saturating_sub(columns.iter().map(|c| taken(comparison, c)).sum());
        if room >= longest.min(ROOM) || most == 0 {
            break (columns, room);
        }
        most -= 1;
    };
    let mut heads = vec![columns[0].head, "case"];
    heads.extend(columns[1..].iter().map(|column| column.head));
    let row = |(pair, name): (&Pair, &String)| {
        let mut cells: Vec<String> = columns.iter().map(|c| (c.value)(pair)).collect();
        cells.insert(1, fold(name, room.max(ROOM / 2)));
        cells
    };
    let rows: Vec<Vec<String>> = comparison.cases.iter().zip(&names).map(row).collect();
    plain(&heads, &rows, 2)
}

/// Characters that a column takes, the space beside it included.
fn taken(comparison: &Comparison, column: &Column) -> usize {
    let cells = comparison.cases.iter().map(column.value);
    let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
    widest.max(column.head.chars().count()) + 2
}

/// Heads of the columns in Markdown.
const HEADS: [&str; 6] = [
    "verdict",
    "case",
    "A [min, q3]",
    "B [min, q3]",
    "B / A [low, high]",
    "rounds",
];

/// The comparison in Markdown; ends with a newline.
pub fn markdown(comparison: &Comparison) -> String {
    let mut text = String::new();
    for sentence in sentences(comparison) {
        text += &format!("{}\n\n", escape_markdown(&sentence));
    }
    text += &format!("| {} |\n|:--|:--|--:|--:|--:|--:|\n", HEADS.join(" | "));
    for pair in &comparison.cases {
        let case = name(comparison, pair).replace('|', "\\|").replace('`', "'");
        let cells = [
            interval(&pair.a),
            interval(&pair.b),
            ratio(pair),
            rounds(pair),
        ];
        text += &format!(
            "| **{}** | `{case}` | {} |\n",
            pair.verdict.word(),
            cells.join(" | ")
        );
    }
    text.push('\n');
    for note in notes(comparison) {
        text += &format!("- {}\n", escape_markdown(&note));
    }
    text + "\n" + &comparison.counts() + "\n"
}
