//! The end of a page: how to read it, and which machines measured.

use crate::record::{Instance, Machine, Peak, software_label};
use crate::report::document::Report;
use crate::report::group::Group;
use crate::report::markup::escape;
use crate::report::roofline::limits;
use std::fmt::Write;

/// How to read the page.
pub fn reading(_: &Report) -> String {
    "<h2 id=\"reading\">How to read this</h2>\n<ul>\n\
     <li>A row is a competitor: method, operator, rule with its parameters, batch, precision, device. Limits and tolerances \
     are <b>conditions</b>, said under the title where all rows share them and below the table where not. <b>Seeds</b> are samples \
     of one competitor: times and errors are medians with quartiles over them, and a seed that missed the target counts as one \
     without end.</li>\n\
     <li><b>to target</b>: median time of solving until the answer's error was at or under the target, or how the case \
     ended without it. <b>slower</b>: that time against the fastest competitor of the same task.</li>\n\
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
     <li><b>rate</b>: bytes or operations of the steps per second, whichever binds; the percentage is the least time that the \
     measured roofs of the device allow for that work over the time taken, with the roof that takes most of it in brackets: \
     memory or a cache (last level, L2, L1) for bytes, products on f32, f64 or integers for operations. \
     <b>dense-equivalent</b> counts operations that zeros saved too: the rate of a dense way that took as long.</li>\n\
     <li><b>energy</b>: joules to the target at the mean power of a pass of solves, of the card (NVML) or of the \
     processor's packages (RAPL), idle share included; empty where no counter can be read.</li>\n\
     <li><b>threads</b>, <b>clock</b>, <b>repeats</b>: the processor's threads that computed, whose clock the times go by, and \
     how many times each was taken. A <b>#</b> is the row's number in the list of commands below the charts.</li>\n\
     <li>A colour is an update rule, in every chart; dashes tell lines of one rule apart, and hatched bars are software \
     adapters. A curve is that of the median repeat, of several seeds the median seed's; its band spans all repeats. With scripts \
     allowed, a click on a head sorts a table, and one on a name in \
     a legend hides its line; a pointer on a dot is told its value.</li>\n\
     <li>In the charts the strong line is the error of all components together, 1 until a deflation has its last one; the \
     faint line is the error of the component being sought. A full dot is where the target was met, at the table's time; \
     records from before schema 4 have the curve of their first repeat, which may pass beside it. An open dot is where a \
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
    facts.extend(machine.peaks.iter().map(roofs));
    facts.extend(machine.peaks.iter().filter_map(disturbed));
    facts
}

/// Every roof of a device in words, with how far its measurements lie apart.
fn roofs(peak: &Peak) -> String {
    let driver = match &peak.driver {
        Some(driver) => format!(", {}, {driver}", peak.name),
        None => String::new(),
    };
    let limits: Vec<String> = limits(peak).iter().map(|limit| limit.label()).collect();
    let spread = match (peak.measurements, peak.spread) {
        (measurements, Some(spread)) => format!(
            "; {measurements} measurements, whose f32 products lie {:.1} % apart",
            100.0 * spread
        ),
        (1, None) => "; measured once".into(),
        _ => String::new(),
    };
    let device = &peak.device;
    let software = software_label(peak.software);
    format!("{device}{software}{driver}: {}{spread}", limits.join(", "))
}

/// A line about roofs whose measurement something else disturbed.
fn disturbed(peak: &Peak) -> Option<String> {
    let told = peak.disturbed.as_ref()?;
    Some(format!(
        "disturbed roofs of {}: {told}; close other programs and race again",
        peak.device
    ))
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
    fn the_roofs_of_a_software_adapter_are_labelled_and_those_of_a_card_have_its_driver() {
        let mut machine = fixture::machine();
        machine.peaks[0].device = "wgpu:0".into();
        machine.peaks[0].software = true;
        machine.peaks[1].device = "cuda:0".into();
        machine.peaks[1].name = "NVIDIA L4".into();
        machine.peaks[1].driver = Some("CUDA 13.0".into());
        let facts = facts(&machine);
        for words in [
            "wgpu:0 (software): memory 15.5 GB/s, f32 product 140 GFLOP/s",
            "cuda:0, NVIDIA L4, CUDA 13.0: memory 31.0 GB/s",
        ] {
            assert!(facts.iter().any(|fact| fact.starts_with(words)), "{words}");
        }
    }

    #[test]
    fn every_roof_stands_with_its_spread_and_a_disturbed_one_with_what_to_do() {
        let mut machine = fixture::machine();
        machine.peaks[1] = crate::report::roofline::tests::levels();
        machine.peaks[1].disturbed = Some("199 GFLOP/s before, 101 now".into());
        let facts = facts(&machine);
        assert!(facts.contains(
            &"cpu: memory 31.0 GB/s, last level 60.0 GB/s, L2 150.0 GB/s, f32 product 980 GFLOP/s, f64 product 490 \
              GFLOP/s, integer product 2000 GOP/s; 3 measurements, whose f32 products lie 1.5 % apart"
                .into()
        ), "{facts:?}");
        let line = "disturbed roofs of cpu: 199 GFLOP/s before, 101 now; close other programs";
        assert!(facts.iter().any(|fact| fact.starts_with(line)), "{facts:?}");
    }
}
