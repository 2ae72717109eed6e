//! The page: one HTML file that needs nothing else, light or dark as the reader has it.
//!
//! A page is its `SECTIONS` in order, each a function of the [`Report`]; a section with nothing to say is empty. All
//! text from records goes through [`escape`].

use super::chart::Chart;
use super::group::{Group, short_name, to_target_s, word};
use super::{Race, Report, seeds, table};
use crate::record::{Machine, Record, software_label};
use std::fmt::Write;

/// What a page consists of.
const SECTIONS: [fn(&Report) -> String; 4] = [heading, races, reading, machines];

/// The page as text.
pub fn render(report: &Report) -> String {
    let body: String = SECTIONS.iter().map(|section| section(report)).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>gradrace report</title>\n<style>\n{}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        include_str!("page.css")
    )
}

/// Text for HTML and SVG, in elements and in attributes.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML has no other control characters, not even escaped.
            c if c.is_control() && !matches!(c, '\n' | '\t') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

fn heading(report: &Report) -> String {
    let cases: usize = report.races.iter().map(|race| race.group.rows.len()).sum();
    let programs = report
        .programs
        .iter()
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    let mut text = format!(
        "<h1>gradrace report</h1>\n<p class=\"muted\">{cases} cases, measured by gradrace {}</p>\n",
        escape(&programs)
    );
    for race in &report.races {
        if let Some(sentence) = winner(&race.group) {
            let _ = writeln!(text, "<p>{}</p>", escape(&sentence));
        }
    }
    if report.older > 0 {
        let _ = writeln!(
            text,
            "<p class=\"muted\">{}.</p>",
            table::superseded(report.older)
        );
    }
    text
}

/// The result in a sentence; nothing when no case reached the target.
fn winner(group: &Group) -> Option<String> {
    let first = group
        .rows
        .first()
        .filter(|row| to_target_s(row).is_some())?;
    let reached = group
        .rows
        .iter()
        .filter(|row| to_target_s(row).is_some())
        .count();
    Some(format!(
        "{}: {} is first to the target, after {}; {reached} of {} cases reach it.",
        group.title,
        short_name(first),
        table::to_target(first),
        group.rows.len()
    ))
}

fn races(report: &Report) -> String {
    report
        .races
        .iter()
        .map(|race| section(report, race))
        .collect()
}

fn section(report: &Report, race: &Race) -> String {
    let group = &race.group;
    let mut text = format!("<h2>{}</h2>\n", escape(&group.title));
    let machines: std::collections::BTreeSet<&str> =
        report.races.iter().map(|race| race.group.machine).collect();
    if machines.len() > 1 {
        let known = report
            .machines
            .iter()
            .find(|m| m.fingerprint == group.machine);
        let cpu = known
            .map(|machine| format!(", {}", machine.cpu))
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "<p class=\"muted\">machine {}{}</p>",
            escape(group.machine),
            escape(&cpu)
        );
    }
    text += &over_seeds(group);
    text += &results(group);
    let notes = group.notes();
    if !notes.is_empty() {
        text += "<ul>\n";
        for note in &notes {
            let _ = writeln!(text, "<li>{}</li>", escape(note));
        }
        text += "</ul>\n";
    }
    text += &figure(&race.times);
    if !race.curves.is_empty() {
        text += "<h3>Convergence</h3>\n<div class=\"charts\">\n";
        text.extend(race.curves.iter().flatten().map(figure));
        text += "</div>\n";
    }
    if !race.images.is_empty() {
        text += "<h3>Components</h3>\n";
        text.extend(race.images.iter().map(figure));
    }
    text
}

type Cell = fn(&Group, &Record) -> String;

/// The table's columns after the case's name.
const COLUMNS: [(&str, Cell); 11] = [
    ("to target", |_, row| table::to_target(row)),
    ("slower", table::slower),
    ("solve [q1, q3]", |_, row| table::solve(row)),
    ("device", |_, row| table::device(row)),
    ("iterations", |_, row| table::iterations(row)),
    ("sine", |_, row| table::sine(row)),
    ("test error", |_, row| table::test_error(row)),
    ("best", |_, row| table::best_error(row)),
    ("residual", |_, row| table::residual(row)),
    ("rate, of peak", |_, row| table::rate(row)),
    ("end to end", |_, row| table::end_to_end(row)),
];

fn results(group: &Group) -> String {
    let mut text = "<div class=\"scroll\"><table>\n<tr><th class=\"name\">case</th>".to_string();
    let columns: Vec<(&str, Cell)> = COLUMNS
        .into_iter()
        // Only some devices have a clock of their own, and each problem has errors of its own.
        .filter(|(name, value)| {
            let always = !["device", "sine", "test error", "best", "residual"].contains(name);
            always || group.rows.iter().any(|row| !value(group, row).is_empty())
        })
        .collect();
    for (name, _) in &columns {
        let _ = write!(text, "<th>{name}</th>");
    }
    text += "</tr>\n";
    for row in &group.rows {
        let best = if group.slower(row) == Some(1.0) {
            " best"
        } else {
            ""
        };
        let _ = write!(
            text,
            "<tr class=\"{}{best}\"><td class=\"name\" title=\"{}\">{}</td>",
            word(row.status),
            escape(&row.case),
            escape(&short_name(row))
        );
        for (index, (_, value)) in columns.iter().enumerate() {
            let class = if index == 0 { " class=\"end\"" } else { "" };
            let _ = write!(text, "<td{class}>{}</td>", escape(&value(group, row)));
        }
        text += "</tr>\n";
    }
    text + "</table></div>\n"
}

/// What the seeds of each case have in common, where there are several.
fn over_seeds(group: &Group) -> String {
    let Some(rows) = seeds::summary(group) else {
        return String::new();
    };
    let cells = |tag: &str, row: &[String]| -> String {
        let cell = |text: &String| format!("<{tag}>{}</{tag}>", escape(text));
        format!("<tr>{}</tr>\n", row.iter().map(cell).collect::<String>())
    };
    let body: String = rows.iter().map(|row| cells("td", row)).collect();
    let head = cells("th", &seeds::HEADS.map(String::from));
    format!("<h3>Over seeds</h3>\n<div class=\"scroll\"><table>\n{head}{body}</table></div>\n")
}

fn figure(chart: &Chart) -> String {
    format!("<figure>{}</figure>\n", chart.svg)
}

fn reading(_: &Report) -> String {
    "<h2>How to read this</h2>\n<ul>\n\
     <li><b>to target</b>: median time of solving until the answer's error was at or under the target, or how the case \
     ended without it. <b>slower</b>: that time against the fastest case of the same task.</li>\n\
     <li><b>solve</b>: median time until the method itself stopped, with the quartiles of the repeats. It begins with the \
     data on the device; <b>end to end</b> adds setup and transfer. <b>device</b>: what of it the device computed by its own \
     clock, where it has one; the rest is the host, and waiting.</li>\n\
     <li><b>(software)</b>: an emulation of a GPU on the processor. It shows that the answer is right, not how fast a GPU \
     is.</li>\n\
     <li><b>sine</b>: of the largest principal angle between the components found and the reference's: 0 is the same \
     subspace, 1 an orthogonal direction. Empty where the reference is the residual alone.</li>\n\
     <li><b>residual</b>: the largest |A v - lambda v| / lambda_1, computed anew in f64 for every answer.</li>\n\
     <li><b>test error</b>: of a network at the end of training, on samples that it never saw, scored again in f64; <b>best\
     </b>: the least on the way, which no one could have known.</li>\n\
     <li><b>rate</b>: the fewest bytes or operations that the steps need, per second, as a share of what the same device \
     reached in the same run: by a stream read (GB/s) or a matrix product (GFLOP/s), whichever binds. Data that stays in \
     cache can pass the stream's 100 %, sums of bytes, done in integers, that of the matrix product.</li>\n\
     <li>In the charts the strong line is the error of all components together, 1 until a deflation has its last one; the \
     faint line is the error of the component being sought. A full dot is where the target was met; an open one, where a \
     case ended without it.</li>\n\
     <li>A component's sign is free; its picture is turned so that its largest entry is orange.</li>\n</ul>\n"
        .into()
}

fn machines(report: &Report) -> String {
    let mut text = String::new();
    for machine in report.machines {
        let _ = writeln!(
            text,
            "<h2>Machine {}</h2>\n<ul>",
            escape(&machine.fingerprint)
        );
        for fact in facts(machine) {
            let _ = writeln!(text, "<li>{}</li>", escape(&fact));
        }
        text += "</ul>\n";
    }
    text
}

fn facts(machine: &Machine) -> Vec<String> {
    let gib = machine.memory_bytes as f64 / f64::from(1 << 30);
    let mut facts = vec![
        format!(
            "{}, {} cores usable, {gib:.1} GiB",
            machine.cpu, machine.cores
        ),
        format!("instruction sets: {}", machine.isa.join(", ")),
        machine.os.clone(),
        machine.blas.clone(),
        machine.rustc.clone(),
    ];
    facts.extend(machine.peaks.iter().map(|peak| {
        let driver = match &peak.driver {
            Some(driver) => format!(", {}, {driver}", peak.name),
            None => String::new(),
        };
        format!(
            "{}{}{driver}: stream read {:.1} GB/s, f32 matrix product {:.0} GFLOP/s",
            peak.device,
            software_label(peak.software),
            peak.stream_gb_per_s,
            peak.gemm_gflop_per_s
        )
    }));
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture;
    use crate::record::read::Components;

    fn page(records: &[Record]) -> String {
        let (machines, known) = ([fixture::machine()], Components::new());
        render(&Report::new(records, &machines, &known).unwrap())
    }

    #[test]
    fn the_page_holds_every_case_the_machine_and_the_reasons() {
        let records = fixture::race();
        let page = page(&records);
        for record in &records {
            assert!(page.contains(&format!("title=\"{}\"", record.case)));
        }
        assert!(page.contains("OpenBLAS 0.3.29") && page.contains("no CUDA driver"));
        assert!(page.contains("25 of 30 cases reach it") && page.contains("(software)"));
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        let page = page(&fixture::race()).replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        for outside in [
            "http:", "https:", "<script", "<link", "src=", "@import", "url(",
        ] {
            assert!(!page.contains(outside), "{outside}");
        }
    }

    #[test]
    fn nothing_from_a_record_becomes_markup() {
        let attack = "<b onclick=\"x\">&'";
        let mut records = fixture::race();
        for record in &mut records {
            record.case = format!("pca/{attack}/{attack}/k10/cpu/f32");
            record.reason = Some(attack.into());
            record.method = attack.into();
            record.operator = Some(attack.into());
            record.program = attack.into();
            record.data.as_mut().unwrap().dtype = attack.into();
            record.machine = attack.into();
        }
        records.last_mut().unwrap().case += "2";
        let page = page(&records);
        assert!(!page.contains("<b onclick"));
        assert!(page.contains("&lt;b onclick=&quot;x&quot;&gt;&amp;"));
    }

    #[test]
    fn controls_do_not_break_the_charts() {
        assert_eq!(escape("a\u{1b}[1m\n"), "a\u{fffd}[1m\n");
    }

    #[test]
    fn the_devices_own_time_is_a_column_where_there_is_one() {
        let mut records = fixture::race();
        assert!(!page(&records).contains("<th>device</th>"));
        records[0].time.as_mut().unwrap().device_s = Some(vec![0.0123]);
        let page = page(&records);
        assert!(page.contains("<th>device</th>") && page.contains("<td>12.3 ms</td>"));
    }

    #[test]
    fn the_peaks_of_a_software_adapter_are_labelled_and_those_of_a_card_have_its_driver() {
        let mut machine = fixture::machine();
        machine.peaks[0].device = "wgpu:0".into();
        machine.peaks[0].software = true;
        assert!(
            facts(&machine)
                .iter()
                .any(|fact| fact.starts_with("wgpu:0 (software): stream"))
        );
        machine.peaks[1].device = "cuda:0".into();
        machine.peaks[1].name = "NVIDIA L4".into();
        machine.peaks[1].driver = Some("CUDA 13.0".into());
        assert!(
            facts(&machine)
                .iter()
                .any(|fact| fact.starts_with("cuda:0, NVIDIA L4, CUDA 13.0: stream"))
        );
    }

    #[test]
    fn no_records_still_make_a_page() {
        assert!(page(&[]).contains("0 cases"));
    }
}
