//! The page: one HTML file that needs nothing else, light or dark as the reader has it.
//!
//! A page is its `SECTIONS` in order, each a function of the [`Report`]; a section with nothing to say is empty. All text from
//! records goes through [`escape`]; beyond that the page's own policy lets a browser load nothing and run no script but
//! the one that is written here, by its hash. That script sorts tables and hides lines; the page is whole without it.

mod across;
mod race;
mod summary;

use super::chart::Chart;
use super::{Report, group};
use crate::record::{Instance, Machine, software_label};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// What a page consists of.
const SECTIONS: [fn(&Report) -> String; 11] = [
    summary::heading,
    summary::answers,
    summary::contents,
    race::sections,
    across::profiles,
    across::growths,
    across::roofs,
    across::benchmarks,
    across::lecun,
    across::cost,
    closing,
];

const SCRIPT: &str = include_str!("page.js");

/// The page as text.
pub fn render(report: &Report) -> String {
    let body: String = SECTIONS.iter().map(|section| section(report)).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'sha256-{}'\">\n\
         <title>gradrace report</title>\n<style>\n{}</style>\n</head>\n<body>\n{body}<script>{SCRIPT}</script>\n\
         </body>\n</html>\n",
        base64(&Sha256::digest(SCRIPT.as_bytes())),
        include_str!("page.css")
    )
}

/// Bytes in base 64, as a policy writes a hash.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |index: usize| u32::from(three.get(index).copied().unwrap_or_default());
        let all = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            text.push(match digit <= three.len() {
                true => char::from(DIGITS[(all >> (18 - 6 * digit) & 63) as usize]),
                false => '=',
            });
        }
    }
    text
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

fn figure(chart: &Chart) -> String {
    format!("<figure>{}</figure>\n", chart.svg)
}

/// A list of sentences; nothing for none.
fn list(sentences: &[String]) -> String {
    if sentences.is_empty() {
        return String::new();
    }
    let item = |sentence: &String| format!("<li>{}</li>\n", escape(sentence));
    format!(
        "<ul>\n{}</ul>\n",
        sentences.iter().map(item).collect::<String>()
    )
}

/// A table that a script may sort; cells are escaped here.
fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = "<div class=\"scroll\"><table class=\"sorts words\">\n<tr>".to_string();
    for head in heads {
        let _ = write!(text, "<th>{head}</th>");
    }
    text += "</tr>\n";
    for row in rows {
        text += "<tr>";
        for cell in row {
            let _ = write!(text, "<td>{}</td>", escape(cell));
        }
        text += "</tr>\n";
    }
    text + "</table></div>\n"
}

/// Where the section of a group begins.
fn anchor(index: usize) -> String {
    format!("task{}", index + 1)
}

fn closing(report: &Report) -> String {
    reading(report) + &machines(report)
}

fn reading(_: &Report) -> String {
    "<h2 id=\"reading\">How to read this</h2>\n<ul>\n\
     <li><b>to target</b>: median time of solving until the answer's error was at or under the target, or how the case \
     ended without it. <b>slower</b>: that time against the fastest case of the same task.</li>\n\
     <li><b>solve</b>: median time until the method itself stopped, with the quartiles of the repeats. It begins with the \
     data on the device; <b>end to end</b> adds setup and transfer. <b>device</b>: what of it the device computed by its own \
     clock, where it has one; the rest is the host, and waiting.</li>\n\
     <li><b>(software)</b>: an emulation of a GPU on the processor. It shows that the answer is right, not how fast a GPU \
     is.</li>\n\
     <li><b>sine</b>: of the largest principal angle between the components found and the reference's: 0 is the same \
     subspace, 1 an orthogonal direction. &lt; is a bound that the residuals give, where there is no reference. <b>(7 of 8)</b>: \
     of eight components asked for, seven are large enough beside the first for f64 to tell them from rounding; the case is \
     <b>unresolved</b>, and these seven are right.</li>\n\
     <li><b>residual</b>: the largest |A v - lambda v| / lambda_1, computed anew in f64 for every answer.</li>\n\
     <li><b>test error</b>: of a network at the end of training, on samples that it never saw, scored again in f64; <b>best\
     </b>: the least on the way, which no one could have known.</li>\n\
     <li><b>rate</b>: the fewest bytes or operations that the steps need, per second, as a share of what the same device \
     reached in the same run: by a stream read (GB/s) or a matrix product (GFLOP/s), whichever binds. Data that stays in \
     cache can pass the stream's 100 %, sums of bytes, done in integers, that of the matrix product.</li>\n\
     <li><b>energy</b>: joules to the target at the mean power of a pass of solves, of the card (NVML) or of the \
     processor's packages (RAPL), idle share included; empty where no counter can be read.</li>\n\
     <li><b>threads</b>, <b>clock</b>, <b>repeats</b>: the processor's threads that computed, whose clock the times go by, and \
     how many times each was taken. A <b>#</b> is the row's number in the list of commands below the charts.</li>\n\
     <li>A colour is an update rule, in every chart; dashes tell lines of one rule apart, and hatched bars are software \
     adapters. Bands are quartiles over seeds. With scripts allowed, a click on a head sorts a table, and one on a name in \
     a legend hides its line; a pointer on a dot is told its value.</li>\n\
     <li>In the charts the strong line is the error of all components together, 1 until a deflation has its last one; the \
     faint line is the error of the component being sought. A full dot is where the target was met; an open one, where a \
     case ended without it: there its limit came, or it stopped by itself.</li>\n\
     <li>A component's sign is free; its picture is turned so that its largest entry is orange.</li>\n</ul>\n"
        .into()
}

fn machines(report: &Report) -> String {
    let mut text = String::new();
    let known = |group: &&group::Group| {
        let machines = report.machines.iter();
        !machines
            .map(|m| m.fingerprint.as_str())
            .any(|m| m == group.machine)
    };
    let unknown: std::collections::BTreeSet<&str> = report
        .groups()
        .into_iter()
        .filter(known)
        .map(|g| g.machine)
        .collect();
    for machine in unknown {
        let _ = writeln!(
            text,
            "<h2>Machine {}</h2>\n<p class=\"muted\">Its machine.json was not beside the records.</p>",
            escape(machine)
        );
    }
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
    facts.extend(machine.instance.as_ref().map(rented));
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

/// What a machine is rented as, in words.
fn rented(instance: &Instance) -> String {
    let spot = match instance.spot {
        Some(true) => Some("spot"),
        Some(false) => Some("on demand"),
        None => None,
    };
    let image = instance
        .image
        .as_ref()
        .map(|image| format!("image {image}"));
    let kind = format!("rented: {} {}", instance.provider, instance.kind);
    let region = instance.region.clone();
    let facts = [Some(kind), region, spot.map(String::from), image];
    let facts: Vec<String> = facts.into_iter().flatten().collect();
    facts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Record, fixture};
    use crate::report::Prices;

    fn page(records: &[Record]) -> String {
        let results = fixture::results(records.to_vec());
        render(&Report::new(&results, &Prices::default()).unwrap())
    }

    #[test]
    fn the_page_holds_every_case_the_machine_and_the_reasons() {
        let records = fixture::race();
        let page = page(&records);
        for record in &records {
            assert!(page.contains(&format!("class=name>{}<", group::short_name(record))));
            let command = crate::report::command::command(record);
            assert!(page.contains(&escape(&command)), "{command}");
        }
        assert!(page.contains("OpenBLAS 0.3.29") && page.contains("no CUDA driver"));
        assert!(page.contains("25 of 30") && page.contains("(software)"));
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        let page = page(&fixture::race()).replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        for outside in [
            "http:", "https:", "<script ", "<link", "src=", "@import", "url(", "fetch", "eval",
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
        assert!(!page.contains("<b onclick") && page.matches("<script").count() == 1);
        assert!(page.contains("&lt;b onclick=&quot;x&quot;&gt;&amp;"));
    }

    #[test]
    fn the_policy_has_the_hash_of_the_script_and_allows_nothing_else() {
        // echo -n abc | openssl dgst -sha256 -binary | base64
        let digest = base64(&Sha256::digest(b"abc"));
        assert_eq!(digest, "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
        assert_eq!(
            [&b""[..], b"f", b"fo", b"foo"].map(base64),
            ["", "Zg==", "Zm8=", "Zm9v"]
        );
        let page = page(&fixture::race());
        let policy = format!(
            "script-src 'sha256-{}'",
            base64(&Sha256::digest(SCRIPT.as_bytes()))
        );
        assert!(page.contains("default-src 'none'") && page.contains(&policy));
        assert!(page.contains(&format!("<script>{SCRIPT}</script>")));
    }

    #[test]
    fn a_machine_that_left_no_facts_is_said_to_have_none() {
        let mut records = fixture::race();
        records
            .iter_mut()
            .for_each(|record| record.machine = "other".into());
        assert!(page(&records).contains("machine.json was not beside"));
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
        assert!(page.contains("<th>device</th>") && page.contains("<td>12.3 ms"));
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
