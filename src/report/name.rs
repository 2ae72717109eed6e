//! How a person reads a record: the names of competitors, algorithms and devices, and the titles of tasks. All are made
//! here, of fields.

use super::quantity;
use crate::record::{Record, Word, software_label};

/// A competitor within its task: `deflation/covariance/sgd/cpu@1`, with a word for an emulated device.
pub fn competitor(record: &Record) -> String {
    plain_competitor(record) + software_label(record.device.software)
}

/// The same for a file name, which has no labels.
pub fn plain_competitor(record: &Record) -> String {
    joined(record.own_words())
}

/// What competes over tasks and devices: method, operator, rule and its parameters.
pub fn algorithm(record: &Record) -> String {
    let mut words = record.own_words();
    words.retain(|word| word.flag != "device");
    joined(words)
}

/// The device, with a word for an emulation.
pub fn device(record: &Record) -> String {
    record.device.label.clone() + software_label(record.device.software)
}

/// What the curves of a chart share: method, operator, device, and the precision where it is not the default.
pub fn curves(record: &Record) -> String {
    let operator = record.operator.as_deref();
    let precision = Some(record.precision.as_str()).filter(|name| *name != "f32");
    let parts = [Some(record.method.as_str()), operator];
    let parts = parts
        .into_iter()
        .chain([Some(record.device.label.as_str()), precision]);
    parts.flatten().collect::<Vec<_>>().join("/")
}

/// The rule, or the method where there is none.
pub fn rule(record: &Record) -> &str {
    let rule = record.optimizer.as_ref();
    rule.map_or(record.method.as_str(), |rule| rule.name.as_str())
}

/// Hidden layers of a network, `300-100`, or the number of components, `k10`: what is sought of the samples.
pub fn sought(record: &Record) -> String {
    match record.components {
        Some(k) => format!("k{k}"),
        None => {
            let layers = record.asked.get("layers").unwrap_or_default();
            layers.replace(',', "-")
        }
    }
}

/// A task for file names and for sentences about it: `pca/mnist/k10`.
pub fn task(record: &Record) -> String {
    let columns = match record.standardized() {
        true => "/standardized",
        false => "",
    };
    let Record {
        problem, samples, ..
    } = record;
    format!("{problem}/{samples}{columns}/{}", sought(record))
}

/// A task in words; `loaded` is a record of it whose samples were, where there is one.
pub fn title(record: &Record, loaded: Option<&Record>) -> String {
    let columns = match record.standardized() {
        true => ", standardized",
        false => "",
    };
    let size = loaded
        .and_then(|record| record.data.as_ref())
        .map(|d| format!(" ({} x {}, {}{columns})", d.n, d.d, d.dtype))
        .unwrap_or_default();
    let what = match record.components {
        Some(k) => format!("k = {k}"),
        None => format!("hidden layers {}", sought(record)),
    };
    let Record {
        problem, samples, ..
    } = record;
    let target = quantity::round(record.limits.target);
    format!("{problem} of {samples}{size}, {what}, target {target}")
}

fn joined(words: Vec<Word>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| word.text).collect();
    words.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture;

    #[test]
    fn names_keep_what_is_not_shared() {
        let mut record = fixture::race().remove(0);
        let id = "pca/mnist/deflation/samples/adam/eta0.5/k10/cpu@1/f32/tol1e-5/limit30/seed2";
        fixture::rename(&mut record, id);
        assert_eq!(competitor(&record), "deflation/samples/adam/eta0.5/cpu@1");
        assert_eq!(algorithm(&record), "deflation/samples/adam/eta0.5");
        assert_eq!(record.device.label, "cpu@1");
        record.precision = "f64".into();
        record.device.software = true;
        fixture::rename(&mut record, "pca/cpu.npy-0123abcd/direct/k10/cpu/f64");
        assert_eq!(competitor(&record), "direct/cpu/f64 (software)");
        assert_eq!(plain_competitor(&record), "direct/cpu/f64");
        assert_eq!(algorithm(&record), "direct/f64");
        assert_eq!(record.device.label, "cpu");
    }
}
