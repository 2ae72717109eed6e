//! The end of a page: how to read it, and which machines measured.

use crate::record::{Instance, Machine, software_label};
use crate::report::document::Report;
use crate::report::group::Group;
use crate::report::markup::escape;
use std::fmt::Write;

/// How to read the page.
pub fn reading(_: &Report) -> String {
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

/// The facts of every machine.
pub fn machines(report: &Report) -> String {
    let mut text = String::new();
    let known = |group: &&Group| {
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
    use crate::record::fixture;

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
}
