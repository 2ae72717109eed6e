//! What is worth a word below a table: how and why rows ended that did not reach the target, what was noticed while they were
//! measured, counts of iterations that differ between devices, conditions that differ.

use super::conditions::{conditions, names};
use super::group::Group;
use super::name;
use crate::record::{Record, Status};
use std::collections::HashMap;

/// The fewest repeats that the note on a disturbed table suggests.
const REPEATS: usize = 20;

impl Group<'_> {
    /// What is worth a word below the table, a line each.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.endings();
        notes.extend(self.different_counts());
        notes.extend(self.records().filter_map(throttled));
        notes.extend(self.disturbed());
        notes.extend(self.different_conditions());
        notes
    }

    /// How and why rows ended, and what their records say of how they were measured.
    fn endings(&self) -> Vec<String> {
        let mut endings: Vec<(Status, &str, Vec<&Record>)> = Vec::new();
        for row in self.records() {
            let reason = match (row.status, row.reason.as_deref()) {
                (Status::Reached, None) => continue,
                (_, None) => "no reason recorded",
                (_, Some(reason)) => reason,
            };
            let ending = endings
                .iter_mut()
                .find(|(s, r, _)| (*s, *r) == (row.status, reason));
            match ending {
                Some((_, _, rows)) => rows.push(row),
                None => endings.push((row.status, reason, vec![row])),
            }
        }
        let note = |(status, reason, rows): (Status, &str, Vec<&Record>)| {
            format!("{status} {}: {reason}", names(self, &rows))
        };
        endings.into_iter().map(note).collect()
    }

    /// The same mathematics takes the same steps everywhere: more than 5 % off the CPU's count is flagged, not praised.
    fn different_counts(&self) -> Vec<String> {
        let counted = |row: &Record| {
            let work = row.work.as_ref();
            work.filter(|_| row.status == Status::Reached)
                .map(|work| work.iterations)
        };
        // The same seed under the same limits of steps; those of time and repeats change no count of what got there.
        let same = |row: &Record| {
            let [tolerance, iterations, epochs, ..] = conditions(row);
            let limits = (tolerance, iterations, epochs);
            (name::algorithm(row), row.seed, limits)
        };
        let mut cpu: HashMap<_, u64> = HashMap::new();
        for row in self.records().filter(|row| row.device.label == "cpu") {
            cpu.extend(counted(row).map(|count| (same(row), count)));
        }
        let flagged = |row: &Record| {
            let (here, there) = (counted(row)?, *cpu.get(&same(row))?);
            let off = (here as f64 - there as f64) / (there as f64).max(1.0);
            (off.abs() > 0.05).then(|| {
                format!(
                    "flagged {}: {here} iterations where the CPU takes {there} ({:+.0} %)",
                    names(self, &[row]),
                    100.0 * off
                )
            })
        };
        self.records().filter_map(flagged).collect()
    }

    /// What the rows lost to other programs, in a line with what to do about it; `None` where they lost nothing.
    fn disturbed(&self) -> Option<String> {
        let (mut repeats, mut lost, mut rows, mut dirty, mut most) = (0, 0, 0, 0, 0);
        for row in &self.rows {
            let times = row.rows.iter().filter_map(|record| record.time.as_ref());
            let (mut made_again, mut kept) = (0, 0);
            for time in times {
                let noise = time.noise.as_deref().unwrap_or_default();
                made_again += time.set_aside_s.len();
                kept += noise.iter().filter(|noise| noise.disturbed).count();
                repeats += noise.len() + time.set_aside_s.len();
                most = most.max(noise.len());
            }
            lost += made_again + kept;
            rows += usize::from(made_again + kept > 0);
            dirty += usize::from(kept > 0);
        }
        let rows = match rows {
            0 => return None,
            1 => "1 row".to_string(),
            rows => format!("{rows} rows"),
        };
        let lost =
            format!("disturbed: {lost} of {repeats} repeats in {rows} lost time to other programs");
        Some(match dirty {
            0 => format!("{lost} and were made again; close them before the next race"),
            dirty => {
                let rows = if dirty == 1 { "row" } else { "rows" };
                let repeats = REPEATS.max(2 * most);
                format!(
                    "{lost} ({dirty} {rows} could not be measured clean); close them, or race again with --repeats {repeats}"
                )
            }
        })
    }
}

/// A word about repeats that ran at a lowered clock.
fn throttled(row: &Record) -> Option<String> {
    let energy = row.energy.as_ref().filter(|e| e.throttled_repeats > 0)?;
    Some(format!(
        "throttled {}: the clock was lowered after {} repeats ({})",
        name::competitor(row),
        energy.throttled_repeats,
        energy.throttle.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::super::group::groups;
    use crate::record::{Energy, Noise, Record, fixture};

    #[test]
    fn notes_give_every_ending_once_and_flag_other_counts() {
        let mut records = fixture::race();
        let mut second = records[records.len() - 2].clone();
        let id = second.case.replace("sgd", "adam");
        fixture::rename(&mut second, id);
        records.push(second);
        let work = records[0].work.as_mut().unwrap();
        work.iterations = work.iterations * 11 / 10;
        let notes = groups(&records).0[0].notes();
        let both =
            "skipped deflation/samples/adam/cuda:0, deflation/samples/sgd/cuda:0: no CUDA driver";
        assert!(notes.iter().any(|n| n.starts_with(both)), "{notes:?}");
        assert!(
            notes
                .iter()
                .any(|n| n.starts_with("diverged subspace/covariance/rmsprop/cpu@1"))
        );
        let flagged: Vec<_> = notes.iter().filter(|n| n.starts_with("flagged")).collect();
        assert_eq!(flagged.len(), 1, "{notes:?}");
        assert!(
            flagged[0].contains("deflation/covariance/sgd/cpu@1"),
            "{flagged:?}"
        );
    }

    #[test]
    fn repeats_at_a_lowered_clock_are_told() {
        let mut records = fixture::race();
        records[0].energy = Some(Energy {
            source: "nvml".into(),
            joules: 12.0,
            watts: 300.0,
            solves: 5,
            clock_mhz: None,
            temperature_c: None,
            throttled_repeats: 2,
            throttle: vec!["thermal".into()],
        });
        let notes = groups(&records).0[0].notes();
        let told = |note: &String| {
            note.starts_with("throttled deflation") && note.ends_with("2 repeats (thermal)")
        };
        assert!(notes.iter().any(told), "{notes:?}");
    }

    #[test]
    fn counts_of_an_adapter_are_held_against_those_of_the_cpu() {
        let cpu = fixture::race()
            .into_iter()
            .find(|r| r.case == "pca/mnist/subspace/covariance/sgd/k10/cpu/f32")
            .unwrap();
        let flags = |factor: f64| {
            let mut adapter = cpu.clone();
            adapter.device.kind = "wgpu".into();
            adapter.device.software = true;
            let id = cpu.case.replace("/cpu/", "/wgpu:0/") + "/limit5";
            fixture::rename(&mut adapter, id);
            let work = adapter.work.as_mut().unwrap();
            work.iterations = (work.iterations as f64 * factor) as u64;
            let mut cpu = cpu.clone();
            let id = cpu.case.clone() + "/limit5";
            fixture::rename(&mut cpu, id);
            groups(&[cpu, adapter]).0[0].notes()
        };
        assert_eq!(flags(1.04), Vec::<String>::new());
        let flagged = flags(0.9);
        assert_eq!(flagged.len(), 1, "{flagged:?}");
        let words = "flagged subspace/covariance/sgd/wgpu:0 (software): ";
        assert!(flagged[0].starts_with(words), "{flagged:?}");
    }

    #[test]
    fn seeds_and_tolerances_that_differ_have_counts_of_their_own() {
        let two = |change: fn(&mut Record)| {
            let mut records: Vec<Record> = ["cpu@1", "cpu"]
                .iter()
                .map(|device| {
                    let id = format!("pca/mnist/subspace/covariance/sgd/k10/{device}/f32");
                    let mut race = fixture::race().into_iter();
                    race.find(|row| row.case == id).unwrap()
                })
                .collect();
            records[0].work.as_mut().unwrap().iterations *= 2;
            change(&mut records[0]);
            let notes = groups(&records).0[0].notes();
            notes.iter().filter(|n| n.starts_with("flagged")).count()
        };
        assert_eq!(two(|_| ()), 1);
        assert_eq!(two(|record| record.seed = 2), 0);
        assert_eq!(two(|record| record.limits.tolerance = Some(1e-4)), 0);
    }

    #[test]
    fn what_a_record_that_reached_its_target_says_of_itself_is_told() {
        let mut records = fixture::race();
        records[0].reason = Some("its share of the roofs is 112 %, above 103 %".into());
        let notes = groups(&records).0[0].notes();
        let words = "reached deflation/covariance/sgd/cpu@1: its share of the roofs is 112 %";
        assert!(notes.iter().any(|n| n.starts_with(words)), "{notes:?}");
    }

    #[test]
    fn repeats_that_lost_time_are_counted_with_what_to_do() {
        let mut records = fixture::race();
        let told = |records: &[Record]| {
            let notes = groups(records).0[0].notes();
            notes.into_iter().find(|note| note.starts_with("disturbed"))
        };
        let noise = |disturbed| Noise {
            disturbed,
            ..Noise::default()
        };
        records[0].time.as_mut().unwrap().noise = Some(vec![noise(false); 5]);
        assert_eq!(told(&records), None);
        records[0].time.as_mut().unwrap().set_aside_s = vec![0.1];
        let again =
            "disturbed: 1 of 6 repeats in 1 row lost time to other programs and were made again";
        assert!(told(&records).unwrap().starts_with(again));
        records[1].time.as_mut().unwrap().noise = Some(vec![noise(true); 4]);
        assert_eq!(
            told(&records).unwrap(),
            "disturbed: 5 of 10 repeats in 2 rows lost time to other programs (1 row could not be measured clean); \
             close them, or race again with --repeats 20"
        );
    }
}
