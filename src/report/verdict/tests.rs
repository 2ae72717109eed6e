use super::text::{markdown, terminal};
use super::*;
use crate::record::{Status, fixture};

fn timed(samples: &[f64]) -> Record {
    let mut record = fixture::race().remove(0);
    record.time.as_mut().unwrap().to_target_s = samples.to_vec();
    record
}

fn found(a: &[f64], b: &[f64]) -> (Finding, Option<String>) {
    let mut found = compare(&[timed(a)], &[timed(b)]);
    let pair = found.cases.remove(0);
    (pair.verdict, pair.next)
}

const A: [f64; 5] = [1.00, 1.01, 1.02, 1.03, 1.30];

#[test]
fn disjoint_intervals_with_medians_apart_are_a_verdict_and_everything_else_is_the_same() {
    let scaled = |factor: f64| A.map(|time| time * factor);
    assert_eq!(found(&A, &scaled(1.2)).0, Finding::Slower);
    assert_eq!(found(&scaled(1.2), &A).0, Finding::Faster);
    assert_eq!(found(&A, &A).0, Finding::Same);
    // Disjoint, but within 3 %.
    let quiet = [1.0, 1.0, 1.0, 1.0, 1.0];
    assert_eq!(found(&quiet, &quiet.map(|t| t * 1.029)).0, Finding::Same);
    assert_eq!(found(&quiet, &quiet.map(|t| t * 1.031)).0, Finding::Slower);
    // Medians 10 % apart, but the intervals overlap.
    let wide = [0.9, 1.0, 1.12, 1.3, 1.4];
    assert_eq!(found(&A, &wide).0, Finding::Same);
}

#[test]
fn the_slow_tail_of_a_side_does_not_make_an_overlap() {
    // The largest sample of A lies among those of B; its third quartile does not.
    let b = [1.10, 1.11, 1.12, 1.13, 1.14];
    assert_eq!(found(&A, &b).0, Finding::Slower);
}

#[test]
fn too_few_repeats_are_ambiguous_with_what_to_do_next() {
    let (verdict, next) = found(&A[..4], &A);
    assert_eq!(verdict, Finding::Ambiguous);
    let next = next.unwrap();
    assert!(
        next.contains("fewer than 5 repeats") && next.contains("--repeats 10"),
        "{next}"
    );
}

#[test]
fn a_target_that_only_one_side_reaches_decides_and_one_that_none_does_is_ambiguous() {
    let mut missed = timed(&[]);
    missed.status = Status::Stalled;
    missed.reason = Some("no improvement".into());
    let verdict = |a: &Record, b: &Record| {
        let found = compare(std::slice::from_ref(a), std::slice::from_ref(b));
        (found.cases[0].verdict, found.cases[0].next.clone().unwrap())
    };
    let (slower, next) = verdict(&timed(&A), &missed);
    assert_eq!(slower, Finding::Slower);
    assert!(next.contains("stalled, no improvement"), "{next}");
    assert_eq!(verdict(&missed, &timed(&A)).0, Finding::Faster);
    let (none, next) = verdict(&missed, &missed);
    assert_eq!(none, Finding::Ambiguous);
    assert!(next.contains("--max-iterations"), "{next}");
}

#[test]
fn the_machine_is_part_of_the_key_unless_each_side_is_one_of_two() {
    let here = timed(&A);
    let there = Record {
        machine: "other".into(),
        ..here.clone()
    };
    let between = compare(std::slice::from_ref(&here), std::slice::from_ref(&there));
    assert!(between.between_machines && between.cases.len() == 1);
    assert!(
        between
            .sentence()
            .contains("compares machines: A is 4f1c0a9e, B is other")
    );
    let same = compare(&[here.clone(), there.clone()], std::slice::from_ref(&there));
    assert!(!same.between_machines);
    assert_eq!(same.cases.len(), 1);
    assert_eq!(same.cases[0].a.machine, "other");
    assert_eq!(same.only_a, [("4f1c0a9e".to_string(), here.case.clone())]);
    assert!(terminal(&same).contains("only in A: pca/mnist"));
}

#[test]
fn other_samples_under_the_same_name_are_not_compared() {
    let mut other = timed(&A);
    other.data.as_mut().unwrap().sha256 = "another".into();
    let found = compare(&[timed(&A)], &[other]);
    assert_eq!(found.cases[0].verdict, Finding::Ambiguous);
}

#[test]
fn measurements_by_one_program_count_together_and_those_of_the_one_before_do_not() {
    let slow = timed(&A.map(|time| 1.1 * time));
    let older = Record {
        program: "0.0.0+older".into(),
        ..slow.clone()
    };
    let found = compare(&[older, timed(&A)], &[timed(&A)]);
    assert_eq!(found.cases[0].a.repeats, A.len());
    assert_eq!(found.counts(), "0 SLOWER, 0 FASTER, 1 SAME, 0 AMBIGUOUS");
    // A machine that drifts: each side alone would be another.
    let (a, b) = (timed(&A), slow);
    assert_eq!(
        compare(std::slice::from_ref(&a), std::slice::from_ref(&b)).count(Finding::Slower),
        1
    );
    let found = compare(&[a.clone(), b.clone()], &[b, a]);
    assert_eq!(found.cases[0].a.repeats, 2 * A.len());
    assert_eq!(found.counts(), "0 SLOWER, 0 FASTER, 1 SAME, 0 AMBIGUOUS");
}

#[test]
fn a_case_that_ended_otherwise_the_last_time_is_judged_by_that() {
    let missed = Record {
        status: Status::Budget,
        ..timed(&A)
    };
    let found = compare(&[timed(&A)], &[timed(&A), missed]);
    assert_eq!(found.cases[0].verdict, Finding::Slower);
    assert_eq!(found.cases[0].b.repeats, 0);
}

#[test]
fn a_whole_race_against_itself_is_the_same_and_slowed_it_is_slower() {
    let records = fixture::race();
    let mut slowed = records.clone();
    for time in slowed.iter_mut().filter_map(|record| record.time.as_mut()) {
        time.to_target_s.iter_mut().for_each(|time| *time *= 1.2);
    }
    let reached = records.iter().filter(|r| r.to_target_s().is_some()).count();
    assert_eq!(compare(&records, &records).count(Finding::Same), reached);
    assert_eq!(compare(&records, &slowed).count(Finding::Slower), reached);
    assert_eq!(compare(&slowed, &records).count(Finding::Faster), reached);
}

#[test]
fn markdown_keeps_its_cells_whatever_a_case_is_called() {
    let mut record = timed(&A);
    record.case = "pca/a|b`c/k1".into();
    let text = markdown(&compare(&[record.clone()], &[record]));
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
    let cells = |row: &&str| row.replace("\\|", "").matches('|').count() == 7;
    assert!(rows.len() == 3 && rows.iter().all(cells), "{text}");
}
