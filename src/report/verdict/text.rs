//! A comparison as text: for the terminal and in Markdown.

use super::{Comparison, Pair, Side};
use crate::report::markup::escape_markdown;
use crate::report::quantity;
use crate::report::table::plain;

/// A side's median with its interval, `412 ms [409, 415]`, or how it ended.
fn interval(side: &Side) -> String {
    match (side.median_s, side.min_s, side.q3_s) {
        (Some(median), Some(min), Some(q3)) => quantity::interval(median, min, q3),
        _ => side.status.into(),
    }
}

/// Heads of the columns of `rows`.
pub const HEADS: [&str; 6] = [
    "verdict",
    "case",
    "A [min, q3]",
    "B [min, q3]",
    "B / A",
    "repeats",
];

/// The cases on both sides as a table's rows; with the last, what to do about one.
fn rows(comparison: &Comparison) -> Vec<[String; 6]> {
    let several = !comparison.between_machines && comparison.machines_b.len() > 1;
    let row = |pair: &Pair| {
        let machine = match several {
            true => format!("{}: ", pair.a.machine),
            false => String::new(),
        };
        [
            pair.verdict.word().to_string(),
            machine + &pair.case,
            interval(&pair.a),
            interval(&pair.b),
            pair.ratio.map(|r| format!("{r:.3}")).unwrap_or_default(),
            format!("{}, {}", pair.a.repeats, pair.b.repeats),
        ]
    };
    comparison.cases.iter().map(row).collect()
}

/// What is worth a line below the table: next steps, each once with the cases it is for, and cases on one side only.
fn notes(comparison: &Comparison) -> Vec<String> {
    let mut steps: Vec<(String, Vec<&str>)> = Vec::new();
    for pair in &comparison.cases {
        let Some(next) = &pair.next else { continue };
        let step = format!("{}: {next}", pair.verdict.word());
        match steps.iter_mut().find(|(other, _)| *other == step) {
            Some((_, cases)) => cases.push(&pair.case),
            None => steps.push((step, vec![&pair.case])),
        }
    }
    let mut notes: Vec<String> = steps
        .into_iter()
        .map(|(step, cases)| match cases.len() {
            1 => format!("{step} ({})", cases[0]),
            n => format!("{step} ({} and {} more)", cases[0], n - 1),
        })
        .collect();
    for (side, alone) in [("A", &comparison.only_a), ("B", &comparison.only_b)] {
        let line =
            |(machine, case): &(String, String)| format!("only in {side}: {case} ({machine})");
        notes.extend(alone.iter().map(line));
    }
    notes
}

/// The comparison for the terminal; ends with a newline.
pub fn terminal(comparison: &Comparison) -> String {
    let mut text = format!("{}\n\n", comparison.sentence());
    if !comparison.cases.is_empty() {
        text += &plain(&HEADS, &rows(comparison), 2);
        text.push('\n');
    }
    for note in notes(comparison) {
        text += &format!("{note}\n");
    }
    text + &comparison.counts() + "\n"
}

/// The comparison in Markdown; ends with a newline.
pub fn markdown(comparison: &Comparison) -> String {
    let mut text = format!("{}\n\n", escape_markdown(&comparison.sentence()));
    text += &format!("| {} |\n|:--|:--|--:|--:|--:|--:|\n", HEADS.join(" | "));
    for [verdict, case, rest @ ..] in rows(comparison) {
        let case = case.replace('|', "\\|").replace('`', "'");
        text += &format!("| **{verdict}** | `{case}` | {} |\n", rest.join(" | "));
    }
    text.push('\n');
    for note in notes(comparison) {
        text += &format!("- {}\n", escape_markdown(&note));
    }
    text + "\n" + &comparison.counts() + "\n"
}
