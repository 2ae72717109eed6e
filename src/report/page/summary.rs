//! What stands on top: which measurements these are, and the answers in short.

use super::parts::{anchor, list, table};
use crate::record::{MOST_SHARE, Record, Status};
use crate::report::document::Report;
use crate::report::family::Family;
use crate::report::group::Group;
use crate::report::markup::escape;
use crate::report::speedup::Span;
use crate::report::table::superseded;
use crate::report::{name as names, quantity};
use std::fmt::Write;

/// The title, and what was measured by what.
pub fn heading(report: &Report) -> String {
    let competitors: usize = report
        .chapters
        .iter()
        .map(|chapter| chapter.group.rows.len())
        .sum();
    let programs = report.programs.iter().copied().collect::<Vec<_>>();
    let mut text = format!(
        "<h1>gradrace report</h1>\n<p class=\"muted\">{competitors} competitors, measured by gradrace {}</p>\n",
        escape(&programs.join(", "))
    );
    if report.older > 0 {
        let words = superseded(report.older);
        let _ = writeln!(text, "<p class=\"muted\">{words}.</p>");
    }
    if report.undrawn > 0 {
        let _ = writeln!(
            text,
            "<p class=\"muted\">{} charts are left out, so that the page stays small: make a page of fewer records.</p>",
            report.undrawn
        );
    }
    text
}

/// Who won every task and by how much; is the GPU worth it; how near is the limit.
pub fn answers(report: &Report) -> String {
    let groups = report.chapters.iter().map(|chapter| &chapter.group);
    let winners: Vec<Vec<String>> = groups.filter_map(winner).collect();
    if winners.is_empty() {
        return String::new();
    }
    let heads = [
        "task",
        "first to the target",
        "after [q1, q3]",
        "next",
        "behind by [q1, q3]",
        "reach it",
    ];
    let mut text = "<h2 id=\"answers\">Who gets there first</h2>\n".to_string();
    text += &table(&heads, &winners);
    text += "<p class=\"muted\">Behind by: the next competitor's time over the first one's; the interval divides the \
             quartiles crosswise. Where it holds 1, the order is not settled.</p>\n";
    let devices: Vec<String> = report
        .chapters
        .iter()
        .flat_map(|r| worth(&r.group))
        .collect();
    text += "<h2 id=\"worth\">Is the GPU worth it?</h2>\n";
    text += &list(&devices);
    if !report
        .groups()
        .iter()
        .any(|group| group.records().any(is_gpu))
    {
        text += "<p>No case here ran on a hardware GPU: software adapters show that the answers are right, not how \
                 fast a GPU is.</p>\n";
    }
    let nearest = nearest(report);
    if !nearest.is_empty() {
        text += "<h2 id=\"limit\">How near is the limit?</h2>\n";
        text += &list(&nearest);
    }
    text
}

/// The row of a task among the winners; nothing when no case reached the target.
fn winner(group: &Group) -> Option<Vec<String>> {
    let (first, next) = (group.rows.first()?, group.rows.get(1));
    let times = first.to_target()?;
    let reached = group.rows.iter().filter(|row| row.to_target_s().is_some());
    let next = next.and_then(|next| Some((next, next.to_target()?)));
    let behind = next.as_ref().map(|(_, next)| {
        let ratio = next.median / times.median;
        let (low, high) = (next.q1 / times.q3, next.q3 / times.q1);
        // Endless where seeds of the next one miss the target.
        let high = match high.is_finite() {
            true => format!("{high:.2}"),
            false => "missed".into(),
        };
        format!("{ratio:.2}x [{low:.2}, {high}]")
    });
    Some(vec![
        group.title.clone(),
        first.name.clone(),
        quantity::spread(&times),
        next.map(|(next, _)| next.name.clone()).unwrap_or_default(),
        behind.unwrap_or_default(),
        format!("{} of {}", reached.count(), group.rows.len()),
    ])
}

fn is_gpu(row: &Record) -> bool {
    row.device.kind != "cpu" && !row.device.software && row.status != Status::Skipped
}

/// The best of each GPU against the best of the CPU with all threads and with one, by solving and from end to end.
fn worth(group: &Group) -> Vec<String> {
    let best = |wanted: &dyn Fn(&Record) -> bool, span: Span| {
        let rows = group.rows.iter().filter(|row| wanted(row.median()));
        let time_s = |row: &Family| row.middle_of(|seed| span.time_s(seed));
        rows.filter_map(|row| Some((time_s(row)?, row.median())))
            .min_by(|a, b| a.0.total_cmp(&b.0))
    };
    let mut names: Vec<&str> = group
        .records()
        .filter(|row| is_gpu(row))
        .map(|row| row.device.label.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    let mut sentences = Vec::new();
    for name in names {
        for span in [Span::Solve, Span::EndToEnd] {
            let Some((here_s, row)) = best(&|row| row.device.label == name, span) else {
                continue;
            };
            let against: Vec<String> = ["cpu", "cpu@1"]
                .into_iter()
                .filter_map(|cpu| {
                    let (cpu_s, best) = best(&|row| row.device.label == cpu, span)?;
                    let threads = best.device.threads.unwrap_or(1);
                    let ratio = quantity::ratio(cpu_s / here_s);
                    Some(format!(
                        "{ratio} as fast as the best on {threads} threads of the CPU"
                    ))
                })
                .collect();
            if !against.is_empty() {
                sentences.push(format!(
                    "{}: {} ({}), {}: {}",
                    group.title,
                    names::competitor(row),
                    row.device.name,
                    span.word(),
                    against.join(", ")
                ));
            }
        }
    }
    // Without a GPU, what the threads bring.
    if sentences.is_empty() {
        let all = best(&|row| row.device.label == "cpu", Span::Solve);
        let one = best(&|row| row.device.label == "cpu@1", Span::Solve);
        if let (Some((all_s, row)), Some((one_s, _))) = (all, one) {
            sentences.push(format!(
                "{}: the best with {} threads is {} as fast as the best with one",
                group.title,
                row.device.threads.unwrap_or(1),
                quantity::ratio(one_s / all_s)
            ));
        }
    }
    sentences
}

/// On every device the case that comes nearest to what its roofs allow. What passes them is left out: it is a mistake, and
/// has a note of its own.
fn nearest(report: &Report) -> Vec<String> {
    let groups = report.groups();
    let rows = || {
        groups
            .iter()
            .flat_map(|group| group.records().map(move |row| (*group, row)))
    };
    let mut devices: Vec<(&str, &str)> = rows()
        .map(|(group, row)| (group.machine, row.device.label.as_str()))
        .collect();
    devices.sort_unstable();
    devices.dedup();
    let sentence = |(machine, name): (&str, &str)| {
        let share = |row: &Record| {
            row.rate
                .as_ref()?
                .share_of_peak
                .filter(|s| *s <= MOST_SHARE)
        };
        let here = rows().filter(|(group, row)| {
            let reached = row.status == Status::Reached;
            group.machine == machine && row.device.label == name && reached
        });
        let (group, row, _) = here
            .filter_map(|(group, row)| Some((group, row, share(row)?)))
            .max_by(|a, b| a.2.total_cmp(&b.2))?;
        Some(format!(
            "{name} of machine {machine}: {} of {} works at {} of what the roofs allow",
            names::competitor(row),
            group.id,
            quantity::rate_with_roof(row.rate.as_ref()?)
        ))
    };
    devices.into_iter().filter_map(sentence).collect()
}

/// What is where.
pub fn contents(report: &Report) -> String {
    let mut text = "<nav><h2>Contents</h2>\n<ul>\n".to_string();
    let mut item = |id: &str, words: &str| {
        let _ = writeln!(text, "<li><a href=\"#{id}\">{}</a></li>", escape(words));
    };
    for (index, chapter) in report.chapters.iter().enumerate() {
        item(&anchor(index), &chapter.group.title);
    }
    for (there, id, words) in [
        (!report.profiles.is_empty(), "profiles", "Over all tasks"),
        (
            !report.growths.is_empty(),
            "growths",
            "Speed-up against size",
        ),
        (!report.roofs.is_empty(), "roofs", "Rooflines"),
        (
            !report.benchmarks.is_empty(),
            "benchmarks",
            "Measured alone by cargo bench",
        ),
        (
            !super::across::lecun(report).is_empty(),
            "lecun",
            "Beside LeCun's table",
        ),
        (true, "cost", "Dollars to target"),
        (true, "reading", "How to read this"),
    ] {
        if there {
            item(id, words);
        }
    }
    text + "</ul></nav>\n"
}
