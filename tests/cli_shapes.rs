//! Right answers on awkward matrices, by every method: held against an eigendecomposition in f64 made here.

mod program;

use ndarray::{Array2, ShapeBuilder, s};
use program::{Place, components, covariance, eigenvalues, gapped, normal, residual, text};

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
    let told = program::stdout(&assert);
    assert.code(0);
    assert!(records.len() >= 5, "{told}");
    let c = covariance(x, unit);
    let known = eigenvalues(&c);
    for record in &records {
        let case = text(record, "case");
        assert_eq!(text(record, "status"), "reached", "{told}");
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
