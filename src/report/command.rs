//! The command line that races a case again, read off its record.
//!
//! A case's id holds every parameter that is not the default, so that what stands neither there nor in a field of the record
//! is left to the program. Not in a record, and so not here: the share of a file's rows that a network is judged by, the file
//! of labels, and the folder of a file.

use super::group;
use crate::record::Record;

/// `gradrace run --problem pca --data mnist ...`: the flags that give this case and no other.
pub fn command(record: &Record) -> String {
    let mut line = "gradrace run".to_string();
    let mut flag = |name: &str, value: &str| {
        line += &format!(" --{name} {}", quoted(value));
    };
    flag("problem", &record.problem);
    let named = record.case.split('/').nth(1).unwrap_or_default();
    let data = record.data.as_ref().map_or(named, |data| &data.spec);
    flag("data", data);
    let parts: Vec<&str> = record.case.split('/').skip(2).collect();
    let word = parts
        .iter()
        .find_map(|part| part.strip_prefix(group::STANDARDIZE));
    // Before there was a choice, networks took files as they are.
    let as_it_is = record.problem == "mlp"
        && record.data.as_ref().is_some_and(|data| {
            let name = data.spec.split(':').next().unwrap_or_default();
            !data.standardized && !["mnist", "digits", "spectrum"].contains(&name)
        });
    if let Some(word) = word.or(as_it_is.then_some("none")) {
        flag("standardize", word);
    }
    match (&record.network, record.problem.as_str()) {
        (Some(network), _) => {
            let widths: Vec<String> = network.layers.iter().map(usize::to_string).collect();
            match widths.as_slice() {
                [] => flag("layers", "none"),
                widths => flag("layers", &widths.join(",")),
            }
        }
        (None, "mlp") => flag(
            "layers",
            &parts.first().copied().unwrap_or_default().replace('-', ","),
        ),
        _ => flag("method", &record.method),
    }
    if let Some(operator) = &record.operator {
        flag("operator", operator);
    }
    if let Some(rule) = &record.optimizer {
        flag("optimizer", &rule.name);
    }
    if let Some(gradient) = parts.iter().find(|p| ["plain", "projected"].contains(*p)) {
        flag("gradient", gradient);
    }
    if let Some(k) = record.components {
        flag("components", &k.to_string());
    }
    let device = group::device(record);
    match device.split_once('@') {
        Some((kind, threads)) => {
            flag("device", kind);
            flag("threads", threads);
        }
        None => flag("device", device),
    }
    flag("precision", &record.precision);
    for (word, name) in FLAGS {
        let value = |part: &&str| {
            let value = part.strip_prefix(word)?;
            (value == "full" || value.parse::<f64>().is_ok()).then_some(value.to_string())
        };
        if let Some(value) = parts.iter().find_map(value) {
            flag(name, &value);
        }
    }
    let time = record.time.as_ref();
    if let Some(time) = time.filter(|time| time.stopped == "repeats") {
        flag("repeats", &time.solve_s.len().to_string());
    }
    line
}

/// Parts of an id with a value, and the flags they come from.
const FLAGS: [(&str, &str); 9] = [
    ("batch", "batch"),
    ("eta", "learning-rate"),
    ("decay", "weight-decay"),
    ("target", "target"),
    ("tol", "tolerance"),
    ("limit", "time-limit"),
    ("iter", "max-iterations"),
    ("epochs", "epochs"),
    ("seed", "seed"),
];

/// A word as a shell takes it: records come from strangers too, and people paste.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.,:=@+".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_string(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture;
    use crate::report::seeds::tests::networks;

    #[test]
    fn a_command_has_every_parameter_of_the_case() {
        let mut record = fixture::race().remove(0);
        record.case = "pca/mnist/deflation/covariance/sgd/projected/batch64/eta0.5/k10/cpu@1/f32/tol1e-5/limit30/seed2"
            .into();
        record.time.as_mut().unwrap().stopped = "repeats".into();
        assert_eq!(
            command(&record),
            "gradrace run --problem pca --data mnist --method deflation --operator covariance --optimizer sgd --gradient \
             projected --components 10 --device cpu --threads 1 --precision f32 --batch 64 --learning-rate 0.5 \
             --tolerance 1e-5 --time-limit 30 --seed 2 --repeats 5"
        );
    }

    #[test]
    fn a_network_has_its_layers() {
        let mut record = networks().remove(0);
        assert!(command(&record).contains("--problem mlp --data mnist --layers 300 "));
        record.network.as_mut().unwrap().layers = vec![];
        assert!(command(&record).contains("--layers none "));
    }

    #[test]
    fn what_was_done_to_the_columns_is_told_where_it_is_not_the_default() {
        let mut record = fixture::race().remove(0);
        assert!(!command(&record).contains("standardize"));
        record.case += "/standardize-columns";
        assert!(command(&record).contains(" --standardize columns "));
        let mut record = networks().remove(0);
        assert!(!command(&record).contains("standardize"));
        let data = record.data.as_mut().unwrap();
        (data.spec, data.standardized) = ("x.npy".into(), true);
        assert!(!command(&record).contains("standardize"));
        record.data.as_mut().unwrap().standardized = false;
        assert!(command(&record).contains(" --standardize none "));
    }

    #[test]
    fn what_a_shell_would_take_apart_is_quoted() {
        assert_eq!(quoted("spectrum:n=500,d=9"), "spectrum:n=500,d=9");
        assert_eq!(quoted("a b; rm -rf 'x'"), "'a b; rm -rf '\\''x'\\'''");
        assert_eq!(quoted(""), "''");
    }
}
