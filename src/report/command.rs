//! The command line that races a case again: the flags that its record was asked for with.
//!
//! Not in a record, and so not here: the share of a file's rows that a network is judged by, the file of labels, and the
//! folder of a file.

use super::family::Family;
use super::markup::quoted;
use crate::record::Record;

/// The flags, in the order in which a person looks for them.
const FLAGS: [&str; 23] = [
    "problem",
    "data",
    "standardize",
    "layers",
    "method",
    "operator",
    "optimizer",
    "gradient",
    "components",
    "device",
    "threads",
    "precision",
    "batch",
    "learning-rate",
    "schedule",
    "warm-up",
    "weight-decay",
    "target",
    "tolerance",
    "time-limit",
    "max-iterations",
    "epochs",
    "seed",
];

/// `gradrace run --problem pca --data mnist ...`: the flags that give this case and no other. What is no flag is left out:
/// records come from strangers too.
pub fn command(record: &Record) -> String {
    line(record, record.asked.get("seed"))
}

/// The commands that give a competitor's cases: one for all its seeds, unless they were asked for differently.
pub fn commands(row: &Family) -> Vec<String> {
    let mut seeds: Vec<(String, Vec<u64>, &Record)> = Vec::new();
    for record in &row.rows {
        let rest = line(record, None);
        match seeds.iter_mut().find(|(other, ..)| *other == rest) {
            Some((_, seeds, _)) => seeds.push(record.seed),
            None => seeds.push((rest, vec![record.seed], record)),
        }
    }
    let whole = |(_, mut seeds, record): (String, Vec<u64>, &Record)| match seeds.as_slice() {
        [_] => command(record),
        _ => {
            seeds.sort_unstable();
            let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
            line(record, Some(&seeds.join(",")))
        }
    };
    seeds.into_iter().map(whole).collect()
}

fn line(record: &Record, seed: Option<&str>) -> String {
    let asked = FLAGS.iter().filter_map(|flag| {
        let value = match *flag {
            "seed" => seed,
            flag => record.asked.get(flag),
        };
        Some((*flag, value?.to_string()))
    });
    let time = record.time.as_ref();
    let time = time.filter(|time| time.stopped == "repeats");
    let repeats = time.map(|time| ("repeats", time.solve_s.len().to_string()));
    let mut line = "gradrace run".to_string();
    for (flag, value) in asked.chain(repeats) {
        line += &format!(" --{flag} {}", quoted(&value));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture::{self, networks};
    use crate::report::group::groups;

    #[test]
    fn a_command_has_every_parameter_of_the_case() {
        let mut record = fixture::race().remove(0);
        let id = "pca/mnist/deflation/covariance/sgd/projected/batch64/eta0.5/k10/cpu@1/f32/tol1e-5/limit30/seed2";
        fixture::rename(&mut record, id);
        record.time.as_mut().unwrap().stopped = "repeats".into();
        assert_eq!(
            command(&record),
            "gradrace run --problem pca --data mnist --method deflation --operator covariance --optimizer sgd --gradient \
             projected --components 10 --device cpu --threads 1 --precision f32 --batch 64 --learning-rate 0.5 \
             --tolerance 1e-5 --time-limit 30 --seed 2 --repeats 5"
        );
    }

    #[test]
    fn every_flag_of_a_record_is_in_its_command() {
        let mut record = fixture::race().remove(0);
        for flag in FLAGS {
            record.asked.set(flag, "x");
        }
        for flag in FLAGS {
            assert!(command(&record).contains(&format!(" --{flag} x")), "{flag}");
        }
        record.asked.set("exec", "rm");
        assert!(!command(&record).contains(" rm"));
    }

    #[test]
    fn seeds_of_a_competitor_are_one_command_unless_they_differ_in_more() {
        let mut records = networks();
        let of = |records: &[Record]| commands(&groups(records).0[0].rows[0]);
        let [all] = of(&records).try_into().expect("one command");
        assert_eq!(all, command(&records[1]) + " --seed 1,2,3");
        records[2].asked.set("time-limit", 9);
        let two = of(&records);
        assert_eq!(two.len(), 2);
        assert!(
            two.iter()
                .any(|line| line.ends_with("--time-limit 9 --seed 2"))
        );
    }

    #[test]
    fn a_network_has_its_layers() {
        let mut record = networks().remove(0);
        assert!(command(&record).contains("--problem mlp --data mnist --layers 300 "));
        fixture::rename(&mut record, "mlp/mnist/none/sgd/cpu/f32");
        assert!(command(&record).contains("--layers none "));
        fixture::rename(&mut record, "mlp/mnist/300-100/sgd/cpu/f32");
        assert!(command(&record).contains("--layers 300,100 "));
    }

    #[test]
    fn what_was_done_to_the_columns_is_told_where_it_is_not_the_default() {
        let mut record = fixture::race().remove(0);
        assert!(!command(&record).contains("standardize"));
        let id = record.case.clone() + "/standardize-columns";
        fixture::rename(&mut record, id);
        assert!(command(&record).contains(" --standardize columns "));
    }
}
