//! Right answers on awkward matrices, by every method: held against an eigendecomposition in f64 made here.

use crate::program::{Place, components, covariance, eigenvalues, gapped, normal, residual, text};
use ndarray::{Array2, ShapeBuilder, s};

/// Races all methods and operators (and `more`) on X and checks every answer: residual against the covariance, in units
/// of `unit`, eigenvalues, orthogonality; none may fail a check of its own.
fn right(x: &Array2<f64>, k: usize, unit: f64, more: &str) {
    let place = Place::new();
    place.npy("x.npy", x);
    check(&place, x, k, unit, more);
}

fn check(place: &Place, x: &Array2<f64>, k: usize, unit: f64, more: &str) {
    let methods = "--method deflation,subspace,direct --operator samples,covariance";
    let limits = "--repeats 1 --quiet --out r";
    let assert = place.run(&format!(
        "run --data x.npy --components {k} {methods} {more} {limits}"
    ));
    let records = place.records("r");
    let told = crate::program::stdout(&assert);
    assert.code(0);
    assert!(records.len() >= 5, "{told}");
    let c = covariance(x, unit);
    let known = eigenvalues(&c);
    for record in &records {
        let case = text(record, "case");
        // Components past the rank are named.
        let rank = known.iter().filter(|x| **x > 1e-11 * known[0]).count();
        let status = if k > rank { "unresolved" } else { "reached" };
        assert_eq!(text(record, "status"), status, "{told}");
        assert_eq!(
            record["accuracy"]["checked_components"],
            k.min(rank),
            "{told}"
        );
        let artifact = record["artifacts"]["components"]
            .as_str()
            .expect("components");
        let v = components(&place.path("r").join(artifact));
        assert_eq!(v.dim(), (k, x.ncols()), "{case}");
        let (residual, orthogonality) = residual(&c, v.view());
        assert!(
            residual < 2e-3 && orthogonality < 1e-4,
            "{case}: {residual:e} {orthogonality:e}"
        );
        for (i, value) in record["eigenvalues"].as_array().unwrap().iter().enumerate() {
            let error = (value.as_f64().unwrap() / unit / unit - known[i]).abs() / known[0];
            assert!(error < 1e-4, "{case}: eigenvalue {i} is off by {error:e}");
        }
    }
}

#[test]
fn every_rule_on_data_with_a_gap() {
    right(
        &gapped(),
        5,
        1.0,
        "--optimizer sgd,momentum,nesterov,adagrad,rmsprop,adam",
    );
}

#[test]
fn fewer_samples_than_dimensions() {
    let scales: Vec<f64> = (0..60).map(|j| 0.8f64.powi(j)).collect();
    right(&normal(20, &scales, 3), 4, 1.0, "");
}

#[test]
fn fortran_order() {
    let place = Place::new();
    let x = gapped();
    let mut turned = Array2::zeros(x.raw_dim().f());
    turned.assign(&x);
    place.npy("x.npy", &turned);
    check(&place, &x, 3, 1.0, "");
}

#[test]
fn a_mean_of_1e4_against_a_deviation_of_1() {
    right(&(gapped() + 1e4), 3, 1.0, "");
}

#[test]
fn tiny_and_huge_values() {
    right(&(gapped() * 1e-20), 3, 1e-20, "");
    right(&(gapped() * 1e20), 3, 1e20, "");
}

#[test]
fn fewer_independent_columns_than_components() {
    let mut x = gapped();
    let copy = x.slice(s![.., ..4]).to_owned();
    for block in 1..5 {
        x.slice_mut(s![.., 4 * block..4 * block + 4]).assign(&copy);
    }
    right(&x, 6, 1.0, "");
}

#[test]
fn constant_columns() {
    let mut x = gapped();
    x.column_mut(2).fill(7.25);
    x.column_mut(9).fill(0.0);
    right(&x, 3, 1.0, "");
}

#[test]
fn equal_eigenvalues() {
    // Columns are plus and minus the unit vectors: twins, inside the span and at its boundary.
    let x = Array2::from_shape_fn((24, 6), |(i, j)| {
        let size = [3.0, 3.0, 2.0, 1.0, 1.0, 0.5][j];
        if i / 4 == j {
            if i % 2 == 0 { size } else { -size }
        } else {
            0.0
        }
    });
    for k in [2, 3, 4, 5] {
        right(&x, k, 1.0, "");
    }
}

/// Eigenvalues of the only case that these flags give.
fn found(place: &Place, flags: &str) -> Vec<f64> {
    place
        .run(&format!(
            "run {flags} --device cpu --threads 1 --repeats 1 --quiet --out r"
        ))
        .code(0);
    let record = place.records("r").pop().expect("a record");
    let status = text(&record, "status");
    assert_eq!(status, "reached", "{flags}: {}", record["reason"]);
    let values = record["eigenvalues"].as_array().expect("a list");
    values
        .iter()
        .map(|x| x.as_f64().expect("a number"))
        .collect()
}

#[test]
fn standardized_columns_give_the_correlation_matrix() {
    let place = Place::new();
    let mut x = normal(80, &[1.0, 2.0, 3.0, 4.0], 5);
    for (j, scale) in [1e-6, 1.0, 1e7, 3.0].into_iter().enumerate() {
        let first = x.column(0).to_owned();
        x.column_mut(j)
            .zip_mut_with(&first, |x, first| *x = scale * (*x + first) + scale);
    }
    let c = covariance(&x, 1.0);
    let r =
        ndarray::Array2::from_shape_fn((4, 4), |(i, j)| c[[i, j]] / (c[[i, i]] * c[[j, j]]).sqrt());
    place.npy("x.npy", &x);
    for method in ["direct", "subspace"] {
        let flags = format!("--data x.npy --method {method} --components 3 --standardize columns");
        for (value, right) in found(&place, &flags).iter().zip(eigenvalues(&r)) {
            assert!(
                (value / right - 1.0).abs() < 1e-5,
                "{method}: {value} {right}"
            );
        }
    }
    let record = place.records("r").pop().expect("a record");
    assert_eq!(record["data"]["standardized"], true);
    assert!(text(&record, "case").ends_with("/standardize-columns"));
}

#[test]
fn small_eigenvalues_of_an_f64_file_are_those_of_its_own_numbers() {
    let place = Place::new();
    let scales = [1.0, 1e-2, 1e-4, 1e-5];
    let (x, turn) = (normal(300, &scales, 9), normal(4, &[1.0; 4], 10));
    // Turned, so that no column is small by itself.
    let (q, _) = ndarray_linalg::QR::qr(&turn).expect("four columns");
    let x = x.dot(&q);
    place.npy("x.npy", &x);
    let right = eigenvalues(&covariance(&x, 1.0));
    for method in ["direct", "deflation", "subspace"] {
        let flags = format!("--data x.npy --method {method} --components 4");
        let values = found(&place, &flags);
        let error = (values[3] / right[3] - 1.0).abs();
        assert!(error < 1e-5, "{method}: {values:?} {right:?}");
    }
}

#[test]
fn integers_and_f32_at_the_ends_of_their_range_are_as_good_as_any() {
    let place = Place::new();
    let x = normal(60, &[1000.0, 300.0, 100.0], 3).mapv(f64::round);
    let right = eigenvalues(&covariance(&x, 1.0));
    let holds = |unit: f64, what: &str| {
        let flags = format!("--data {what} --method deflation,direct --components 3");
        place
            .run(&format!(
                "run {flags} --device cpu --threads 1 --repeats 1 --quiet --out {what}.r"
            ))
            .code(0);
        for record in place.records(&format!("{what}.r")) {
            assert_eq!(
                text(&record, "status"),
                "reached",
                "{what}: {}",
                record["reason"]
            );
            for (value, right) in record["eigenvalues"]
                .as_array()
                .expect("a list")
                .iter()
                .zip(&right)
            {
                let ratio = value.as_f64().expect("a number") / unit / unit / right;
                assert!((ratio - 1.0).abs() < 1e-5, "{what}: {ratio}");
            }
        }
    };
    let far = x.mapv(|x| (1i64 << 60) + x as i64);
    ndarray_npy::write_npy(place.path("i8.npy"), &far).expect("a file");
    holds(1.0, "i8.npy");
    let top = x.mapv(|x| u64::MAX - 10_000 + (x as i64 + 5_000) as u64);
    ndarray_npy::write_npy(place.path("u8.npy"), &top).expect("a file");
    holds(1.0, "u8.npy");
    let line = |row: ndarray::ArrayView1<i64>| {
        let words: Vec<String> = row.iter().map(i64::to_string).collect();
        words.join(",") + "\n"
    };
    let lines: String = far.outer_iter().map(line).collect();
    place.write("far.csv", lines.as_bytes());
    holds(1.0, "far.csv");
    for (unit, name) in [(1e34, "large.npy"), (1e-38, "small.npy")] {
        let scaled = x.mapv(|x| (x * unit) as f32);
        ndarray_npy::write_npy(place.path(name), &scaled).expect("a file");
        holds(unit, name);
    }
}
