//! Bad usage and bad input: one line with the next step, exit status 2, nothing written.

use std::io::Write;

use crate::program::{Place, gapped, stderr};
use ndarray::{Array1, Array3, array};

#[test]
fn unknown_names_are_told_the_nearest() {
    let place = Place::new();
    let digits = "run --data digits:n=50";
    place.refuses(
        &format!("{digits} --optimizer adm"),
        &["`adm`", "did you mean adam?"],
    );
    place.refuses(
        &format!("{digits} --method deflaton"),
        &["did you mean deflation?"],
    );
    place.refuses(
        &format!("{digits} --operator covarance"),
        &["did you mean covariance?"],
    );
    place.refuses(
        &format!("{digits} --gradient projekted"),
        &["did you mean projected?"],
    );
    place.refuses(&format!("{digits} --device cdua"), &["did you mean cuda?"]);
    place.refuses(
        &format!("{digits} --precision f23"),
        &["accepted: f32, f64, tf32"],
    );
    place.refuses("run quik", &["did you mean quick?"]);
    place.refuses("run --data mnst", &["mnst", "did you mean mnist?"]);
    place.refuses("run --data digits:m=50", &["m"]);
    place.refuses("run no/such/suite.toml", &["no/such/suite.toml"]);
}

#[test]
fn values_that_a_parameter_cannot_have_are_refused() {
    let place = Place::new();
    let digits = "run --data digits:n=50";
    place.refuses(&format!("{digits} --components 0"), &["components `0`"]);
    place.refuses(
        &format!("{digits} --components 51"),
        &["50 x 784", "1 to 50"],
    );
    place.refuses(&format!("{digits} --components ten"), &["components `ten`"]);
    place.refuses(&format!("{digits} --batch 51"), &["50 samples"]);
    place.refuses(&format!("{digits} --learning-rate fast"), &["auto"]);
    place.refuses(&format!("{digits} --tolerance=-1"), &["tolerance"]);
    place.refuses(&format!("{digits} --time-limit 0"), &["time-limit"]);
    place.refuses(&format!("{digits} --threads 0"), &["all"]);
    place.refuses(&format!("{digits} --optimizer sgd,"), &["optimizer ``"]);
    place.refuses("run --problem mlpp", &["did you mean mlp?"]);
}

#[test]
fn a_device_asked_for_by_name_that_is_not_there_is_bad_usage() {
    let place = Place::new();
    place.refuses(
        "run --data digits:n=50 --device cuda:0",
        &["cuda:0", "is not there", "CUDA"],
    );
    // No machine has so many.
    place.refuses("run --device cpu,wgpu:99", &["wgpu:99", "no adapter"]);
    place.refuses(
        "run --data digits:n=50 --threads 100000",
        &["100000 threads"],
    );
}

#[test]
fn usage_that_does_not_add_up_is_refused() {
    let place = Place::new();
    let save = "run --data digits:n=50 --save-components V.npy --optimizer sgd,adam";
    place.refuses(save, &["exactly one case", "2"]);
    let save = "run --data digits:n=50 --save-components no/such/V.npy";
    place.refuses(save, &["no/such/V.npy"]);
    place.run("run --data digits:n=50 --resume").code(2);
    place.run("run --frobnicate").code(2);
    place.run("rnu").code(2);
    place.run("").code(2);
}

#[test]
fn files_that_are_not_there_or_not_whole_are_refused() {
    let place = Place::new();
    place.refuses(
        "run --data no/such.npy --components 2",
        &["no/such.npy", "no such file"],
    );
    place.npy("x.npy", &gapped());
    let whole = std::fs::read(place.path("x.npy")).unwrap();
    place.write("cut.npy", &whole[..whole.len() - 9]);
    place.refuses("run --data cut.npy --components 2", &["cut.npy"]);
    place.write("head.npy", &whole[..20]);
    place.refuses("run --data head.npy --components 2", &["head.npy"]);
    place.write("text.npy", b"this is no matrix");
    place.refuses("run --data text.npy --components 2", &["text.npy"]);
    place.write("empty.npy", b"");
    place.refuses("run --data empty.npy --components 2", &["empty.npy"]);

    let idx = |magic: u8, rows: u8| {
        let mut bytes = vec![0, 0, 8, magic, 0, 0, 0, rows, 0, 0, 0, 2];
        bytes.extend([1, 2, 3, 4, 5, 9]);
        bytes
    };
    place.write("short-idx2-ubyte", &idx(2, 9));
    place.refuses(
        "run --data short-idx2-ubyte --components 1",
        &["short-idx2-ubyte"],
    );
    place.write(
        "magic-idx2-ubyte",
        &[7, 7, 7, 7, 0, 0, 0, 3, 0, 0, 0, 2, 1, 2, 3, 4, 5, 9],
    );
    place.refuses("run --data magic-idx2-ubyte --components 1", &["magic"]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&idx(2, 3)).unwrap();
    let gzip = gzip.finish().unwrap();
    place.write("good-idx2-ubyte.gz", &gzip);
    place
        .run("run --data good-idx2-ubyte.gz --components 1 --out good --quiet")
        .code(0);
    place.write("bad-idx2-ubyte.gz", &gzip[..gzip.len() - 6]);
    place.refuses(
        "run --data bad-idx2-ubyte.gz --components 1",
        &["bad-idx2-ubyte.gz"],
    );
}

#[test]
fn an_mnist_that_is_not_mnist_is_refused_not_replaced() {
    let place = Place::new();
    let names = [
        "train-images-idx3",
        "train-labels-idx1",
        "t10k-images-idx3",
        "t10k-labels-idx1",
    ];
    for name in names {
        let dimensions = if name.contains("images") { 3 } else { 1 };
        let mut bytes = vec![0, 0, 8, dimensions, 0, 0, 0, 1];
        if dimensions == 3 {
            bytes.extend([0, 0, 0, 1, 0, 0, 0, 1]);
        }
        bytes.push(1);
        place.write(&format!("{name}-ubyte"), &bytes);
    }
    place.refuses("run --data-dir . --data mnist", &["SHA-256"]);
    place.refuses("run --data-dir .", &["SHA-256"]);
    place.refuses("run --data mnist", &["mnist"]);
}

#[test]
fn matrices_that_are_none_are_refused() {
    let place = Place::new();
    let mut x = gapped();
    x[[17, 3]] = f64::NAN;
    place.npy("nan.npy", &x);
    place.refuses("run --data nan.npy --components 2", &["row 17", "column 3"]);
    x[[17, 3]] = f64::INFINITY;
    place.npy("inf.npy", &x);
    place.refuses("run --data inf.npy --components 2", &["row 17", "column 3"]);
    ndarray_npy::write_npy(place.path("one.npy"), &Array1::<f64>::zeros(5)).unwrap();
    place.refuses("run --data one.npy --components 1", &["one.npy"]);
    ndarray_npy::write_npy(place.path("three.npy"), &Array3::<f64>::zeros((5, 4, 3))).unwrap();
    place.refuses("run --data three.npy --components 1", &["three.npy"]);
    place.npy("none.npy", &ndarray::Array2::zeros((0, 4)));
    place.refuses("run --data none.npy --components 1", &["none.npy"]);
    place.npy("constant.npy", &ndarray::Array2::from_elem((9, 4), 2.5));
    place.refuses("run --data constant.npy --components 1", &["constant.npy"]);
    place.npy("row.npy", &array![[1.0, 2.0, 3.0]]);
    place.refuses("run --data row.npy --components 1", &["row.npy"]);
    let header = "{'descr': '|O', 'fortran_order': False, 'shape': (2, 2), }";
    let mut object = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    object.extend(format!("{header:<117}\n").bytes());
    object.extend([0; 32]);
    place.write("object.npy", &object);
    place.refuses("run --data object.npy --components 1", &["object.npy"]);
}

#[test]
fn tables_that_are_none_are_refused_with_the_line() {
    let place = Place::new();
    place.write("ragged.csv", b"1,2,3\n4,5,6\n7,8\n");
    place.refuses("run --data ragged.csv --components 1", &["line 3"]);
    place.write("words.csv", b"a,b\n1,2\n3,x\n");
    place.refuses("run --data words.csv --components 1", &["line 3"]);
    place.write("empty.csv", b"");
    place.refuses("run --data empty.csv --components 1", &["empty"]);
}

#[test]
fn an_output_folder_that_cannot_be_written_is_refused() {
    let place = Place::new();
    place.write("taken", b"a file");
    let assert = place
        .run("run --data digits:n=50 --components 2 --out taken")
        .code(2);
    let error = stderr(&assert);
    assert!(
        error.contains("taken") && error.contains("--out"),
        "{error}"
    );
    assert_eq!(error.lines().count(), 1, "{error}");
    place
        .run("run --data digits:n=50 --components 2 --out taken/below")
        .code(2);
    std::fs::create_dir(place.path("other")).unwrap();
    place.write("other/records.jsonl", b"{\"no\": \"record\"}\n");
    let assert = place
        .run("run --data digits:n=50 --components 2 --out other")
        .code(2);
    assert!(stderr(&assert).contains("line 1"));
}
