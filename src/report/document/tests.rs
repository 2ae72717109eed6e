use super::super::page::render;
use super::*;
use crate::record::fixture::{self, complete};
use crate::record::{Record, Status};

#[test]
fn a_software_adapter_is_labelled_in_every_chart_and_no_file_name() {
    let mut records = fixture::race();
    records.retain(|record| record.device.threads == Some(8));
    for record in &mut records {
        record.device.kind = "wgpu".into();
        record.device.software = true;
        let id = record.case.replace("/cpu/", "/wgpu:0/");
        fixture::rename(record, id);
    }
    // Roofs are of a machine's devices, whatever raced.
    let results = Results {
        machines: vec![],
        ..complete(records)
    };
    let report = Report::new(&results, &Prices::default()).unwrap();
    assert!(report.charts().count() > 5);
    for chart in report.charts() {
        assert!(chart.svg.contains("wgpu:0"), "{}", chart.name);
        let named = chart.svg.matches("wgpu:0").count();
        let labelled = chart.svg.matches("(software)").count();
        assert_eq!(named, labelled, "{}", chart.name);
        assert!(!chart.name.contains("software"), "{}", chart.name);
    }
}

#[test]
fn the_same_records_give_the_same_bytes() {
    let results = complete(fixture::race());
    let page = || render(&Report::new(&results, &Prices::default()).unwrap());
    assert_eq!(page(), page());
}

#[test]
fn two_machines_get_charts_of_their_own() {
    let mut records = fixture::race();
    let mut other = records.clone();
    other
        .iter_mut()
        .for_each(|record| record.machine = "other".into());
    records.extend(other);
    let results = fixture::results(records);
    let report = Report::new(&results, &Prices::default()).unwrap();
    let names: Vec<&str> = report.charts().map(|chart| chart.name.as_str()).collect();
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(names.len(), distinct.len());
    assert!(names.contains(&"pca_mnist_k10_times_2"), "{names:?}");
}

#[test]
fn components_that_are_no_images_or_wrong_answers_are_not_drawn() {
    let images = |change: fn(&mut Record)| {
        let mut results = complete(fixture::race());
        results.records.iter_mut().for_each(change);
        let report = Report::new(&results, &Prices::default()).unwrap();
        let components = report.chapters[0].charts(Place::Components);
        components
            .filter(|chart| chart.name.contains("components"))
            .count()
    };
    assert!(images(|_| ()) > 0);
    assert_eq!(
        images(|record| record.data.as_mut().unwrap().image = None),
        0
    );
    assert_eq!(images(|record| record.status = Status::Failed), 0);
}
