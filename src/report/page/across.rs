//! What is said over all tasks: profiles, speed-up against size, rooflines, LeCun's table, cost.

use super::parts::{figure, list, table};
use crate::report::document::Report;
use crate::report::family::Family;
use crate::report::markup::escape;
use crate::report::profile::Standing;
use crate::report::table::cells;
use crate::report::{lecun as known, quantity};
use std::fmt::Write;

/// Performance profiles beside geometric means.
pub fn profiles(report: &Report) -> String {
    let mut text = String::new();
    for (profile, chart) in &report.profiles {
        if text.is_empty() {
            text += "<h2 id=\"profiles\">Over all tasks</h2>\n";
        }
        let row = |standing: &Standing| {
            let mean = standing.mean().map(quantity::ratio);
            vec![
                standing.name.clone(),
                format!("{} of {}", standing.solved(), profile.tasks),
                standing.first().to_string(),
                mean.unwrap_or_default(),
            ]
        };
        let rows: Vec<Vec<String>> = profile.standings.iter().map(row).collect();
        text += &figure(chart);
        let heads = ["competitor", "tasks solved", "first", "geometric mean"];
        text += &table(&heads, &rows);
        text += "<p class=\"muted\">A task is a group of cases on one device. The mean is of times against the best of \
                 each task, over the tasks that were solved: read it with their number.</p>\n";
        let mut sentences = Vec::new();
        if !profile.left_out.is_empty() {
            let names = profile.left_out.join(", ");
            sentences.push(format!(
                "Not in every task that counts, and so not compared: {names}."
            ));
        }
        if profile.other_tasks > 0 {
            let n = profile.other_tasks;
            sentences.push(format!(
                "Tasks with too few of these competitors, which do not count: {n}."
            ));
        }
        for sentence in sentences {
            let _ = writeln!(text, "<p class=\"muted\">{}</p>", escape(&sentence));
        }
    }
    text
}

/// Speed-up against size.
pub fn growths(report: &Report) -> String {
    let mut text = String::new();
    for (growth, chart) in &report.growths {
        if text.is_empty() {
            text += "<h2 id=\"growths\">Speed-up against size</h2>\n";
        }
        text += &figure(chart);
        text += &list(&growth.sentences());
    }
    text
}

/// Rooflines.
pub fn roofs(report: &Report) -> String {
    if report.roofs.is_empty() {
        return String::new();
    }
    let charts: String = report.roofs.iter().map(figure).collect();
    format!(
        "<h2 id=\"roofs\">Rooflines</h2>\n<p>Work that each solve did, by the kernel table, under what the same device \
         reached: bandwidths of memory and of the caches (slanted), products on each kind of numbers (level). A dot's share \
         is of the roofs of its own kernels, of which the one that binds is named to a pointer; it may stand above others: \
         small data are read from a cache, sums of bytes run in integers. Files from before schema 4 know the stream and the \
         f32 product alone, and no shares.</p>\n<div class=\"charts\">\n{charts}</div>\n"
    )
}

/// Our test errors beside LeCun's.
pub fn lecun(report: &Report) -> String {
    let mut rows = Vec::new();
    for group in report.groups() {
        for family in &group.rows {
            let Some(row) = known::row_of(family.median()) else {
                continue;
            };
            rows.push(beside(row, family));
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    let heads = [
        "network",
        "test error in LeCun's table",
        "ours, last epoch [q1, q3]",
        "seeds",
        "rule, device",
        "epochs",
    ];
    format!(
        "<h2 id=\"lecun\">Beside LeCun's table</h2>\n{}<p class=\"muted\">MNIST without preprocessing and without \
         distortions. His networks were trained with other losses and nonlinearities, and most in 1998: the rows say where a \
         plain network of that shape stood, not what a rule is worth.</p>\n",
        table(&heads, &rows)
    )
}

fn beside(row: &known::Row, family: &Family) -> Vec<String> {
    let record = family.median();
    let rule = record.optimizer.as_ref().map(|rule| rule.name.clone());
    let epochs = record.network.as_ref().map(|n| n.epochs.to_string());
    vec![
        row.network.to_string(),
        quantity::percent(row.error),
        cells::test_error(family),
        family.rows.len().to_string(),
        format!("{}, {}", rule.unwrap_or_default(), record.device.label),
        epochs.unwrap_or_default(),
    ]
}

/// Prices, and what has none.
pub fn cost(report: &Report) -> String {
    let sentences = report.prices.sentences(&report.groups(), report.machines);
    format!(
        "<h2 id=\"cost\">Dollars to target</h2>\n{}<p class=\"muted\">The table of prices is of {} ({}, {}). A machine that \
         told what it is rented as has the price of that type, as a whole; of others, the GPU names the type with one of \
         its kind. A case without a price has no cost, not one of 0.</p>\n",
        list(&sentences),
        escape(&report.prices.date),
        escape(&report.prices.what),
        escape(&report.prices.region)
    )
}

/// What `cargo bench` measured, where its folder was given.
pub fn benchmarks(report: &Report) -> String {
    if report.benchmarks.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = report
        .benchmarks
        .iter()
        .map(|of| {
            let rate =
                |amount: f64, unit| format!("{} {unit}", quantity::count(amount / of.seconds));
            let bytes = of
                .bytes
                .map(|bytes| format!("{:.1} GB/s", bytes / of.seconds / 1e9));
            let elements = of.elements.map(|elements| rate(elements, "a second"));
            let (low, high) = of.interval_s;
            vec![
                of.group.clone(),
                of.device.clone(),
                quantity::seconds(of.seconds),
                format!("[{}, {}]", quantity::seconds(low), quantity::seconds(high)),
                bytes.or(elements).unwrap_or_default(),
            ]
        })
        .collect();
    let heads = [
        "benchmark",
        "device",
        "median",
        "its interval",
        "throughput",
    ];
    format!(
        "<h2 id=\"benchmarks\">Measured alone by cargo bench</h2>\n<p class=\"muted\">Criterion's medians of each benchmark's \
         last run, with their 95 % intervals. Criterion keeps no facts of the machine: they are those of the machine \
         whose target/criterion was given.</p>\n{}",
        table(&heads, &rows)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;
    use crate::record::criterion::Benchmark;
    use crate::record::fixture::{self, networks};
    use crate::record::read::Results;
    use crate::report::cost::Prices;

    fn with(records: &[Record], look: impl Fn(&Report) -> String) -> String {
        let results = fixture::results(records.to_vec());
        look(&Report::new(&results, &Prices::default()).unwrap())
    }

    #[test]
    fn profiles_stand_beside_their_means_and_name_who_is_left_out() {
        let text = with(&fixture::race(), profiles);
        assert!(text.contains("subspace/covariance/nesterov") && text.contains("geometric mean"));
        assert_eq!(with(&networks(), profiles), "");
    }

    #[test]
    fn networks_on_mnist_stand_beside_the_rows_of_lecun() {
        let text = with(&networks(), lecun);
        assert!(
            text.contains("4.70 %") && text.contains("2.30 % [2.20, 2.40]"),
            "{text}"
        );
        assert_eq!(with(&fixture::race(), lecun), "");
    }

    #[test]
    fn rooflines_are_there_for_devices_with_peaks() {
        assert_eq!(with(&fixture::race(), roofs).matches("<svg").count(), 2);
    }

    #[test]
    fn what_cargo_bench_measured_stands_in_a_table_where_it_was_given() {
        assert_eq!(with(&fixture::race(), benchmarks), "");
        let row = |bytes, elements| Benchmark {
            group: "step <b>".into(),
            device: "cpu@1".into(),
            seconds: 2e-3,
            interval_s: (1.9e-3, 2.2e-3),
            bytes,
            elements,
        };
        let results = Results {
            benchmarks: vec![row(Some(2e6), None), row(None, Some(64.0)), row(None, None)],
            ..fixture::results(fixture::race())
        };
        let text = benchmarks(&Report::new(&results, &Prices::default()).unwrap());
        for words in [
            "step &lt;b&gt;",
            "2.00 ms",
            "[1.90 ms, 2.20 ms]",
            "1.0 GB/s",
            "a second",
        ] {
            assert!(text.contains(words), "no `{words}` in {text}");
        }
    }

    #[test]
    fn what_has_no_price_is_named() {
        let text = with(&fixture::race(), cost);
        assert!(
            text.contains("no price is known") && text.contains("2026"),
            "{text}"
        );
    }
}
