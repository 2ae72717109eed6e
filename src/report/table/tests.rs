use super::*;
use crate::record::fixture::{self, networks};
use crate::report::name;

const PLAIN: Style = Style {
    width: 100,
    color: false,
};

#[test]
fn every_case_is_a_row_and_no_line_of_the_table_is_wider_than_asked() {
    let records = fixture::race();
    for width in [80, 100, 140] {
        let text = terminal(&records, Style { width, ..PLAIN });
        for record in &records {
            assert!(text.contains(&name::competitor(record)), "{}", record.case);
        }
        let table = text.split("\n\n").nth(1).unwrap();
        assert!(table.lines().count() >= records.len() + 2);
        assert!(
            table.lines().all(|line| line.chars().count() <= width),
            "{table}"
        );
    }
}

#[test]
fn a_wide_terminal_gets_every_column_and_a_narrow_one_the_result() {
    let mut records = fixture::race();
    records[0].time.as_mut().unwrap().device_s = Some(vec![0.0123, 0.0125, 0.0121]);
    let wide = terminal(
        &records,
        Style {
            width: 160,
            ..PLAIN
        },
    );
    // Principal components have no test error, and one seed each.
    let of_networks = ["seeds", "test error", "best", "images/s"];
    assert!(
        COLUMNS
            .iter()
            .all(|column| { of_networks.contains(&column.name) != wide.contains(column.name) })
    );
    assert!(wide.contains("12.3 ms"));
    let narrow = terminal(&records, Style { width: 60, ..PLAIN });
    assert!(narrow.contains("to target") && narrow.contains("sine"));
    assert!(!narrow.contains("residual  "));
}

#[test]
fn a_column_that_no_device_fills_is_left_out() {
    let wide = terminal(
        &fixture::race(),
        Style {
            width: 160,
            ..PLAIN
        },
    );
    let header = wide.lines().nth(3).unwrap();
    assert!(header.contains("residual") && !header.contains("device"));
}

#[test]
fn the_fastest_is_first_with_1_00_and_the_reasons_are_below() {
    let text = terminal(&fixture::race(), PLAIN);
    let first = text.lines().nth(5).unwrap();
    assert!(
        first.contains("subspace/covariance/nesterov/cpu") && first.contains("1.00x"),
        "{text}"
    );
    assert!(text.contains("no CUDA driver") && text.contains("(software)"));
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn colours_come_only_when_asked_for() {
    let text = terminal(
        &fixture::race(),
        Style {
            color: true,
            ..PLAIN
        },
    );
    assert!(text.contains('\u{1b}'));
}

#[test]
fn markdown_has_as_many_cells_in_every_row() {
    let mut records = fixture::race();
    fixture::rename(&mut records[0], "pca/mnist/a|b/k10/cpu/f32");
    let text = markdown(&records);
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), records.len() + 2);
    assert!(
        rows.iter()
            .all(|row| row.replace("\\|", "").matches('|').count() == 8)
    );
    assert!(text.contains("\\<& co\\>"));
}

#[test]
fn json_is_an_array_of_the_same_records() {
    let records = fixture::race();
    let back: Vec<Record> = serde_json::from_str(&json(&records)).unwrap();
    assert_eq!(back, records);
}

#[test]
fn a_case_with_a_component_that_is_not_resolved_says_so_beside_its_sine() {
    let sine = |record: &Record| {
        let records = [record.clone()];
        cells::sine(&groups(&records).0[0].rows[0])
    };
    let mut record = fixture::race().remove(0);
    let asked = record.components.expect("a pca case");
    assert!(!sine(&record).contains(" of "), "{}", sine(&record));
    let accuracy = record.accuracy.as_mut().expect("it ran");
    accuracy.checked_components = Some(asked - 1);
    record.status = Status::Unresolved;
    let mark = format!("({} of {asked})", asked - 1);
    assert!(sine(&record).ends_with(&mark), "{}", sine(&record));
    assert!(terminal(&[record.clone()], PLAIN).contains("unresolved: a component"));
    record.accuracy.as_mut().expect("it ran").subspace_sine = None;
    assert!(sine(&record).starts_with("< "), "{}", sine(&record));
}

#[test]
fn seeds_are_one_row_with_medians_and_quartiles_and_a_single_seed_is_no_rival() {
    let records = networks();
    let text = terminal(
        &records,
        Style {
            width: 140,
            ..PLAIN
        },
    );
    let rows: Vec<&str> = text.lines().filter(|line| line.contains("/cpu ")).collect();
    assert_eq!(rows.len(), 3, "{text}");
    for words in ["3.00 s [2.50, 3.50]", "1.00x", "2.30 % [2.20, 2.40]"] {
        assert!(rows[0].contains(words), "{words}: {text}");
    }
    assert!(rows[1].contains("3, 2 missed") && rows[1].contains("budget"));
    assert!(
        rows[2].starts_with("budget sgd/cpu (2 of 3 seeds): "),
        "{text}"
    );
    let text = markdown(&records);
    assert!(
        text.contains("| `adam/cpu` | 3 | 3.00 s [2.50, 3.50] | 1.00x |"),
        "{text}"
    );
}

#[test]
fn the_conditions_stand_once_under_the_title() {
    let records = fixture::race();
    for text in [terminal(&records, PLAIN), markdown(&records)] {
        assert_eq!(text.matches("conditions: tolerance 1e-6").count(), 1);
    }
}

#[test]
fn seeds_of_principal_components_are_one_row_too() {
    let mut records: Vec<Record> = (1..=3)
        .map(|seed| {
            let mut record = fixture::race().remove(0);
            record.seed = seed;
            let id = format!("{}/seed{seed}", record.case);
            fixture::rename(&mut record, id);
            record
        })
        .collect();
    records[0].accuracy.as_mut().unwrap().subspace_sine = Some(9e-4);
    let text = terminal(&records, PLAIN);
    assert_eq!(
        text.matches("deflation/covariance/sgd/cpu@1").count(),
        1,
        "{text}"
    );
    let sine = records[1]
        .error()
        .map(crate::report::quantity::error)
        .unwrap();
    assert!(text.contains(&format!("{sine} [")), "{text}");
}

#[test]
fn no_records_make_no_table() {
    assert_eq!(terminal(&[], PLAIN), "");
    assert_eq!(markdown(&[]), "");
}
