//! What is worth a word below a table: how and why rows ended that did not reach the target, counts of iterations that
//! differ between devices, clocks that were lowered.

use super::group::Group;
use super::name;
use crate::record::{Record, Status};
use std::collections::HashMap;

impl Group<'_> {
    /// What is worth a word below the table: how and why rows ended that did not reach the target, and counts of
    /// iterations that differ between devices.
    pub fn notes(&self) -> Vec<String> {
        let mut endings: Vec<(Status, &str, Vec<String>)> = Vec::new();
        for row in self.rows.iter().filter(|row| row.status != Status::Reached) {
            let reason = row.reason.as_deref().unwrap_or("no reason recorded");
            let ending = endings
                .iter_mut()
                .find(|(s, r, _)| (*s, *r) == (row.status, reason));
            match ending {
                Some((_, _, names)) => names.push(name::competitor(row)),
                None => endings.push((row.status, reason, vec![name::competitor(row)])),
            }
        }
        let mut notes: Vec<String> = endings
            .into_iter()
            .map(|(status, reason, names)| {
                let more = match names.len() {
                    1 => String::new(),
                    n => format!(" and {} more", n - 1),
                };
                format!("{} {}{more}: {reason}", status, names[0])
            })
            .collect();
        notes.extend(self.different_counts());
        notes.extend(self.rows.iter().filter_map(|row| throttled(row)));
        notes
    }

    /// The same mathematics takes the same steps everywhere: more than 5 % off the CPU's count is flagged, not praised.
    fn different_counts(&self) -> Vec<String> {
        let counted = |row: &Record| {
            let work = row.work.as_ref();
            work.filter(|_| row.status == Status::Reached)
                .map(|work| work.iterations)
        };
        let mut cpu: HashMap<String, u64> = HashMap::new();
        for row in self.rows.iter().filter(|row| row.device.label == "cpu") {
            cpu.extend(counted(row).map(|count| (name::without_device(row), count)));
        }
        let flagged = |row: &&Record| {
            let (here, there) = (counted(row)?, *cpu.get(&name::without_device(row))?);
            let off = (here as f64 - there as f64) / (there as f64).max(1.0);
            (off.abs() > 0.05).then(|| {
                let name = name::competitor(row);
                format!(
                    "flagged {name}: {here} iterations where the CPU takes {there} ({:+.0} %)",
                    100.0 * off
                )
            })
        };
        self.rows.iter().filter_map(flagged).collect()
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
    use crate::record::{Energy, fixture};

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
        assert!(
            notes
                .iter()
                .any(|n| n.contains("and 1 more: no CUDA driver")),
            "{notes:?}"
        );
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
        let words = "flagged subspace/covariance/sgd/wgpu:0/limit5 (software)";
        assert!(flagged[0].starts_with(words), "{flagged:?}");
    }
}
