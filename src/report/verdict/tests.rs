use super::text::{markdown, terminal};
use super::*;
use crate::record::{Noise, Status, fixture};

const A: [f64; 5] = [1.00, 1.01, 1.02, 1.03, 1.30];

fn timed(samples: &[f64]) -> Record {
    let mut record = fixture::race().remove(0);
    record.time.as_mut().unwrap().to_target_s = samples.to_vec();
    record
}

/// Eight rounds whose levels differ by a percent, all repeats times a factor.
fn rounds(factor: f64) -> Vec<Record> {
    let levels = [1.0, 1.01, 0.99, 1.005, 0.995, 1.01, 1.0, 0.99];
    levels
        .map(|level| timed(&A.map(|time| factor * level * time)))
        .to_vec()
}

fn against(a: &[Record], b: &[Record]) -> Comparison {
    compare(a, b, &Terms::default())
}

fn only(a: &Record, b: &Record) -> Pair {
    against(std::slice::from_ref(a), std::slice::from_ref(b))
        .cases
        .remove(0)
}

#[test]
fn rounds_apart_are_a_verdict_and_rounds_alike_are_the_same() {
    let found = |factor| against(&rounds(1.0), &rounds(factor)).cases.remove(0);
    assert_eq!(found(1.1).verdict, Finding::Slower);
    assert_eq!(found(0.9).verdict, Finding::Faster);
    let same = found(1.01);
    assert_eq!(same.verdict, Finding::Same);
    assert!(same.paired && same.rounds == 8 && same.next.is_none());
    let (low, ratio, high) = (same.low.unwrap(), same.ratio.unwrap(), same.high.unwrap());
    assert!(low < ratio && ratio < high && (ratio - 1.01).abs() < 0.003);
}

#[test]
fn the_threshold_decides_what_matters() {
    // Another order, or each pair would say the same.
    let mut slow = rounds(1.1);
    slow.reverse();
    let found = |threshold| {
        let terms = Terms {
            threshold,
            ..Terms::default()
        };
        compare(&rounds(1.0), &slow, &terms).cases.remove(0)
    };
    assert_eq!(found(0.05).verdict, Finding::Slower);
    assert_eq!(found(0.2).verdict, Finding::Same);
    let open = found(0.1);
    assert_eq!(open.verdict, Finding::Ambiguous);
    assert!(open.next.unwrap().contains("--threshold"));
    let open = found(0.11);
    assert!(open.rounds_needed.is_some_and(|rounds| rounds > 8));
    assert!(open.next.unwrap().contains("--run"));
}

#[test]
fn one_round_a_side_leaves_room_for_drift() {
    let pair = only(&timed(&A), &timed(&A));
    assert_eq!((pair.verdict, pair.ratio), (Finding::Ambiguous, Some(1.0)));
    let next = pair.next.unwrap();
    assert!(
        next.contains("5 % a round") && next.contains("compare --run"),
        "{next}"
    );
    // What no drift explains is found all the same.
    assert_eq!(
        only(&timed(&A), &timed(&A.map(|t| 1.5 * t))).verdict,
        Finding::Slower
    );
}

#[test]
fn what_chance_gives_depends_on_no_order_of_the_cases() {
    let mut a = rounds(1.0);
    let alone = against(&a, &rounds(1.02)).cases.remove(0);
    a.extend(fixture::race().split_off(1));
    let among = against(&a, &rounds(1.02)).cases.remove(0);
    assert_eq!(alone, among);
}

#[test]
fn a_target_that_only_one_side_reaches_decides_and_one_that_none_does_is_ambiguous() {
    let mut missed = timed(&[]);
    missed.status = Status::Stalled;
    missed.reason = Some("no improvement".into());
    let slower = only(&timed(&A), &missed);
    assert_eq!((slower.verdict, slower.ratio), (Finding::Slower, None));
    let next = slower.next.unwrap();
    assert!(next.contains("stalled, no improvement"), "{next}");
    assert_eq!(only(&missed, &timed(&A)).verdict, Finding::Faster);
    let none = only(&missed, &missed);
    assert_eq!(none.verdict, Finding::Ambiguous);
    assert!(none.next.unwrap().contains("--max-iterations"));
}

#[test]
fn the_machine_is_part_of_the_key_unless_each_side_is_one_of_two() {
    let here = timed(&A);
    let there = Record {
        machine: "other".into(),
        ..here.clone()
    };
    let between = against(std::slice::from_ref(&here), std::slice::from_ref(&there));
    assert!(between.between_machines && between.cases.len() == 1);
    assert!(terminal(&between, 200).contains("compares machines: A is 4f1c0a9e, B is other"));
    // Two machines cannot race in turn.
    assert!(!between.cases[0].next.as_ref().unwrap().contains("--run"));
    let same = against(&[here.clone(), there.clone()], std::slice::from_ref(&there));
    assert!(!same.between_machines);
    assert_eq!(same.cases.len(), 1);
    assert_eq!(same.cases[0].a.machine, "other");
    assert_eq!(same.only_a, [("4f1c0a9e".to_string(), here.case.clone())]);
    assert!(terminal(&same, 200).contains("1 case is only in A: pca/mnist"));
}

#[test]
fn other_samples_under_the_same_name_are_not_compared() {
    let mut other = timed(&A.map(|time| 9.0 * time));
    other.data.as_mut().unwrap().sha256 = "another".into();
    let pair = only(&timed(&A), &other);
    assert_eq!(pair.verdict, Finding::Ambiguous);
    assert_eq!(pair.ratio, None);
    assert!(pair.next.unwrap().contains("SHA-256"));
}

#[test]
fn measurements_by_one_program_are_rounds_and_those_of_the_one_before_are_not() {
    let mut a = rounds(1.0);
    a.iter_mut()
        .for_each(|record| record.program = "0.0.0+older".into());
    a.extend(rounds(1.5).split_off(4));
    let pair = against(&a, &rounds(1.5)).cases.remove(0);
    assert_eq!((pair.a.rounds, pair.b.rounds, pair.rounds), (4, 8, 4));
    assert_eq!(pair.a.repeats, 4 * A.len());
    assert!(!pair.paired);
    assert_eq!(pair.verdict, Finding::Same);
}

#[test]
fn a_case_that_ended_otherwise_the_last_time_is_judged_by_that() {
    let missed = Record {
        status: Status::Budget,
        ..timed(&A)
    };
    let found = against(&[timed(&A)], &[timed(&A), missed]);
    assert_eq!(found.cases[0].verdict, Finding::Slower);
    assert_eq!(found.cases[0].b.repeats, 0);
}

#[test]
fn a_disturbed_repeat_counts_only_where_there_are_too_few_others() {
    let mut record = timed(&[1.0, 1.0, 9.0, 1.0, 9.0]);
    let noise = |disturbed| Noise {
        disturbed,
        ..Noise::default()
    };
    let time = record.time.as_mut().unwrap();
    time.noise = Some([false, false, true, false, true].map(noise).to_vec());
    time.set_aside_s = vec![9.0; 3];
    let found = against(std::slice::from_ref(&record), std::slice::from_ref(&record));
    assert_eq!(
        (found.cases[0].a.repeats, found.cases[0].a.q3_s),
        (3, Some(1.0))
    );
    assert_eq!(found.disturbed, Some(5.0 / 8.0));
    assert!(terminal(&found, 200).contains("warning: 62 % of the repeats were disturbed"));
    record.time.as_mut().unwrap().noise =
        Some([true, false, true, false, true].map(noise).to_vec());
    assert_eq!(only(&record, &record).a.repeats, 5);
}

#[test]
fn devices_are_held_against_each_other_where_they_are_mapped() {
    let records = fixture::race();
    let map = Map::parse("cpu@1=cpu").unwrap();
    let terms = Terms {
        map: &map,
        ..Terms::default()
    };
    let found = compare(&records, &records, &terms);
    let pair = found
        .cases
        .iter()
        .find(|p| p.case.contains("/sgd/"))
        .unwrap();
    assert!(pair.case.contains("/cpu@1=cpu/"), "{}", pair.case);
    assert_eq!(pair.verdict, Finding::Faster);
    let median = |device: &str| {
        let id = pair.case.replace("cpu@1=cpu", device);
        let record = records.iter().find(|record| record.case == id).unwrap();
        record.to_target_s()
    };
    assert_eq!(
        (pair.a.median_s, pair.b.median_s),
        (median("cpu@1"), median("cpu"))
    );
    assert!(terminal(&found, 200).contains("devices, A = B: cpu@1=cpu"));
}

#[test]
fn no_line_is_wider_than_the_terminal_and_what_is_missing_is_one_line() {
    let records = fixture::race();
    let mut others = records.clone();
    for record in &mut others[4..] {
        record.case += "/limit60";
    }
    let found = against(&records, &others);
    for width in [48, 60, 80, 100, 140] {
        let text = terminal(&found, width);
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest.unwrap() <= width, "{width}: {text}");
        let missing = text.replace('\n', " ");
        assert_eq!(missing.matches("only in A").count(), 1, "{text}");
    }
    let text = terminal(&found, 200);
    assert!(text.contains("26 cases are only in A, as "), "{text}");
    assert!(
        text.contains(" A ") && text.contains(&found.cases[0].case),
        "{text}"
    );
    assert_eq!(found.only_a.len(), 26);
}

#[test]
fn a_whole_race_against_itself_is_no_worse_and_slowed_by_half_it_is_slower() {
    let records = fixture::race();
    let mut slowed = records.clone();
    for time in slowed.iter_mut().filter_map(|record| record.time.as_mut()) {
        time.to_target_s.iter_mut().for_each(|time| *time *= 1.5);
    }
    let reached = records.iter().filter(|r| r.to_target_s().is_some()).count();
    let itself = against(&records, &records);
    assert_eq!(
        itself.count(Finding::Slower) + itself.count(Finding::Faster),
        0
    );
    assert_eq!(against(&records, &slowed).count(Finding::Slower), reached);
    assert_eq!(against(&slowed, &records).count(Finding::Faster), reached);
}

#[test]
fn markdown_keeps_its_cells_whatever_a_case_is_called() {
    let mut record = timed(&A);
    record.case = "pca/a|b`c/k1".into();
    let text = markdown(&against(&[record.clone()], &[record]));
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
    let cells = |row: &&str| row.replace("\\|", "").matches('|').count() == 7;
    assert!(rows.len() == 3 && rows.iter().all(cells), "{text}");
}

#[test]
fn a_pair_of_rounds_of_which_one_was_disturbed_throughout_is_left_out() {
    let noise = |disturbed| Noise {
        disturbed,
        ..Noise::default()
    };
    let told = |records: Vec<Record>, busy: &[usize]| -> Vec<Record> {
        let mark = |(round, mut record): (usize, Record)| {
            let time = record.time.as_mut().unwrap();
            let disturbed = busy.contains(&round);
            if disturbed {
                time.to_target_s.iter_mut().for_each(|time| *time *= 2.0);
            }
            time.noise = Some(vec![noise(disturbed); time.to_target_s.len()]);
            record
        };
        records.into_iter().enumerate().map(mark).collect()
    };
    let found = |a: &[usize], b: &[usize]| {
        let (a, b) = (told(rounds(1.0), a), told(rounds(1.0), b));
        against(&a, &b).cases.remove(0)
    };
    let pair = found(&[1], &[1, 5]);
    assert_eq!((pair.verdict, pair.rounds), (Finding::Same, 6));
    assert_eq!(pair.ratio, Some(1.0));
    // Too few would be left: all count.
    assert_eq!(found(&[0, 1, 2], &[3, 4]).rounds, 8);
}
