//! Records from before the flags of a case were in them: read off the id.
//!
//! The only place in the program that takes an id apart. Ids of schema 1 and 2 are all of one form, so that what is read
//! here never grows.

use super::asked::{Asked, PARAMETERS};
use super::{Machine, Rate, Record, SCHEMA};

/// The first version whose records hold the flags, the name of the samples and the label of the device.
const FLAGS: u32 = 3;
/// The first version whose shares are of roofs that hold: before it, one measurement, disturbed or not, was the roof of all.
const ROOFS: u32 = 4;

/// Fills in what a record of an older version lacks; one of this version stays as it is.
pub(super) fn upgrade(record: &mut Record) {
    if record.schema < FLAGS {
        from_id(record);
    }
    if record.schema < ROOFS
        && let Some(rate) = &mut record.rate
    {
        without_share(rate);
    }
    record.schema = SCHEMA;
}

/// The same for a machine's facts.
pub(super) fn upgrade_machine(machine: &mut Machine) {
    if machine.schema < ROOFS {
        let rates = machine.kernels.iter_mut().map(|kernel| &mut kernel.rate);
        rates.for_each(without_share);
    }
    machine.schema = SCHEMA;
}

/// Takes the share away and keeps which of two roofs was used more, by its present name.
fn without_share(rate: &mut Rate) {
    rate.share_of_peak = None;
    rate.peak = match rate.peak.as_deref() {
        Some("stream") => Some("memory".into()),
        Some("gemm") => Some("f32".into()),
        _ => None,
    };
}

/// Puts in the fields what the id says. A part that is none of an id is left out: records come from strangers too.
pub(super) fn from_id(record: &mut Record) {
    let mut parts = record.case.split('/').skip(1);
    record.samples = parts.next().unwrap_or_default().into();
    let mut asked = Asked::default();
    asked.set("problem", &record.problem);
    let spec = record.data.as_ref().map(|data| &data.spec);
    asked.set("data", spec.unwrap_or(&record.samples));
    asked.set("precision", &record.precision);
    let first = parts.next().unwrap_or_default();
    let network = record.problem == "mlp";
    match network {
        true => asked.set("layers", first.replace('-', ",")),
        false => asked.set("method", first),
    }
    // Names without a word of their own, in their order.
    let mut names = match (network, first) {
        (true, _) => ["optimizer"].iter(),
        (false, "direct") => [].iter(),
        (false, _) => ["operator", "optimizer"].iter(),
    };
    asked.set("device", &record.device.kind);
    for part in parts {
        if let Some((flag, value)) = valued(part) {
            asked.set(flag, value);
        } else if let Some(rest) = device(part, &record.device.kind) {
            match rest.strip_prefix('@') {
                Some(threads) => asked.set("threads", threads),
                None => asked.set("device", part),
            }
        } else if ["plain", "projected"].contains(&part) {
            asked.set("gradient", part);
        } else if part != record.precision
            && let Some(flag) = names.next()
        {
            asked.set(flag, part);
        }
    }
    // Before there was a choice, networks took files as they are.
    let as_it_is = network
        && record.data.as_ref().is_some_and(|data| {
            let name = data.spec.split(':').next().unwrap_or_default();
            !data.standardized && !["mnist", "digits", "spectrum"].contains(&name)
        });
    if as_it_is && asked.get("standardize").is_none() {
        asked.set("standardize", "none");
    }
    record.device.label = asked.device();
    record.asked = asked;
}

/// The flag and the value of a part that has a word before its value.
fn valued(part: &str) -> Option<(&'static str, &str)> {
    let worded = PARAMETERS.iter().filter(|of| !of.word.is_empty());
    let value = |word: &str, flag| {
        let value = part.strip_prefix(word)?;
        let fits = match flag {
            "standardize" => true,
            "batch" if value == "full" => true,
            _ => value.parse::<f64>().is_ok(),
        };
        fits.then_some(value)
    };
    let mut found = worded.filter_map(|of| Some((of.flag, value(of.word, of.flag)?)));
    found.next()
}

/// What follows the kind of the device in the part that names it: `@1`, `:0` or nothing.
fn device<'a>(part: &'a str, kind: &str) -> Option<&'a str> {
    let rest = part.strip_prefix(kind)?;
    (rest.is_empty() || rest.starts_with(['@', ':'])).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn of(id: &str, change: impl FnOnce(&mut Record)) -> Record {
        let mut record = fixture::race().remove(0);
        change(&mut record);
        fixture::rename(&mut record, id);
        record
    }

    #[test]
    fn what_an_id_says_gives_the_same_id() {
        for record in fixture::race() {
            assert_eq!(record.asked.id(&record.samples), record.case);
        }
        let id = "pca/x.npy-0123abcd/deflation/samples/sgd/projected/batch256/eta0.2/k3/cpu@1/f64/target1e-3/tol1e-8/\
                  limit2.5/iter500/epochs5/seed2/standardize-columns";
        let record = of(id, |record| record.precision = "f64".into());
        assert_eq!(record.asked.id(&record.samples), id);
        assert_eq!(record.asked.get("learning-rate"), Some("0.2"));
        assert_eq!(record.asked.get("gradient"), Some("projected"));
        assert_eq!(record.device.label, "cpu@1");
        let id = "mlp/mnist/300-100/adam/batchfull/eta0.5/wgpu:1/f32/decay1e-4/epochs100";
        let record = of(id, |record| {
            record.problem = "mlp".into();
            record.device.kind = "wgpu".into();
        });
        assert_eq!(record.asked.id(&record.samples), id);
        assert_eq!(record.asked.get("layers"), Some("300,100"));
        assert_eq!(record.asked.get("weight-decay"), Some("1e-4"));
        assert_eq!(record.asked.get("device"), Some("wgpu:1"));
    }

    #[test]
    fn a_network_from_before_there_was_a_choice_took_a_file_as_it_is() {
        let standardize = |spec: &str, standardized| {
            let record = of("mlp/x/300/adam/cpu/f32", |record| {
                record.problem = "mlp".into();
                let data = record.data.as_mut().expect("samples");
                (data.spec, data.standardized) = (spec.into(), standardized);
            });
            record.asked.get("standardize").map(String::from)
        };
        assert_eq!(standardize("x.npy", false).as_deref(), Some("none"));
        assert_eq!(standardize("x.npy", true), None);
        assert_eq!(standardize("digits:n=9", false), None);
    }

    #[test]
    fn a_record_of_this_version_stays_as_it_is_and_no_id_stops_an_older_one() {
        let mut record = fixture::race().remove(0);
        record.asked.set("seed", 9);
        let before = record.clone();
        upgrade(&mut record);
        assert_eq!(record, before);
        for id in ["", "/", "pca", "////", "pca/a/b/c/d/e/f/g", "a/cpu/cpu@/k"] {
            record.schema = 1;
            record.case = id.into();
            upgrade(&mut record);
            assert_eq!((record.case.as_str(), record.schema), (id, SCHEMA));
        }
    }
}
