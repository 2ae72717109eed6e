//! `.csv` files: comma-separated decimal numbers, one row per sample, with or without a header line.
//!
//! The first line is a header if none of its fields is a number. A first line that mixes numbers and words is refused,
//! because treating it as a header would silently drop a row with a typing error. Integers beyond the range of f64 are
//! kept exactly (see `integers`).

use super::hash::Hashing;
use super::integers;
use super::matrix::{Array, Values};
use crate::error::{Error, Result};
use std::io::Read;

/// Reads a 2-d array from `reader`; `name` appears in messages.
pub(super) fn read(name: &str, reader: impl Read) -> Result<Array> {
    let mut hashing = Hashing::new(reader);
    let mut lines = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(&mut hashing);
    let (mut values, mut rows, mut columns) = (Vec::new(), 0, None);
    let mut exact = Vec::new();
    let mut record = csv::ByteRecord::new();
    loop {
        // Only I/O errors can occur here: records are raw bytes and may have any length.
        match lines.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                let first = error.to_string();
                let first = first.lines().next().unwrap_or_default();
                return Err(Error::input(format!(
                    "{name}: cannot be read ({first}); check the disk"
                )));
            }
        }
        let line = record.position().map_or(0, csv::Position::line);
        let fail = |what: String| Error::input(format!("{name}: line {line}: {what}"));
        let first = columns.is_none();
        let expected = *columns.get_or_insert(record.len());
        if first && !record.iter().any(|field| number(field).is_some()) {
            continue;
        }
        if record.len() != expected {
            let found = record.len();
            let what = format!(
                "{found} fields where the lines before have {expected}; complete or remove it"
            );
            return Err(fail(what));
        }
        for (column, field) in record.iter().enumerate() {
            let value = number(field).ok_or_else(|| {
                let text = String::from_utf8_lossy(field);
                let text: String = text.chars().filter(|c| !c.is_control()).take(30).collect();
                let hint = match (text.is_empty(), first) {
                    (true, _) => "fill it in or remove the line",
                    (_, true) => "a header line has no numbers, every other line has only numbers",
                    (_, false) => "write decimal numbers separated by commas",
                };
                fail(format!(
                    "field {} is `{text}`, not a number; {hint}",
                    column + 1
                ))
            })?;
            let text = std::str::from_utf8(field).unwrap_or_default();
            exact.extend(integers::beyond_f64(text, value).map(|whole| (values.len(), whole)));
            values.push(value);
        }
        rows += 1;
    }
    drop(lines);
    let columns = columns.unwrap_or(0);
    let (values, origin) = integers::restored(values, &exact, columns);
    Ok(Array {
        shape: vec![rows, columns],
        values: Values::F64(values),
        origin,
        sha256: hashing.sha256(),
    })
}

fn number(field: &[u8]) -> Option<f64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Array> {
        read("x.csv", text.as_bytes())
    }

    fn numbers(text: &str) -> (Vec<usize>, Vec<f64>) {
        let array = parse(text).expect(text);
        match array.values {
            Values::F64(values) => (array.shape, values),
            _ => panic!("decimal numbers are f64"),
        }
    }

    #[test]
    fn a_header_line_is_skipped_and_a_row_of_numbers_is_not() {
        let right = (vec![2, 2], vec![1.0, -2.5, 3e4, 0.0]);
        for text in [
            "1,-2.5\n3e4,0\n",
            "1, -2.5\r\n3e4 ,0",
            "a,b\n1,-2.5\n3e4,0\n",
            "\"a, b\",\n1,-2.5\n\n3e4,0\n",
            "\u{feff}1,-2.5\n3e4,0\n",
        ] {
            assert_eq!(numbers(text), right, "{text:?}");
        }
        assert_eq!(numbers("").0, [0, 0]);
        assert_eq!(numbers("a,b\n").0, [0, 2]);
    }

    #[test]
    fn integers_beyond_f64_are_read_to_the_last_digit() {
        let text = "a,b\n1152921504606847976,0.5\n1152921504606845976,1.5\n1152921504606846977,2\n";
        let array = parse(text).expect("three rows");
        let right = [0.0, 0.5, -2000.0, 1.5, -999.0, 2.0];
        assert_eq!(array.values, Values::F64(right.to_vec()));
        assert_eq!(array.origin, [1152921504606847976i64 as f64, 0.0]);
    }

    #[test]
    fn errors_name_the_line() {
        for (text, word) in [
            ("1,2\n3\n", "line 2: 1 fields where the lines before have 2"),
            ("a,b\n1,2\n3,x\n", "line 3: field 2 is `x`"),
            ("a,b,c\n1,2\n", "line 2: 2 fields"),
            ("1,x\n1,2\n", "line 1: field 2 is `x`"),
            ("1,2\n3,\n", "line 2: field 2 is ``"),
            ("1,2\na,b\n", "line 2: field 1"),
            ("1;2\n3;4\n", "line 2"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(word), "{error}");
            assert_eq!(error.lines().count(), 1);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_errors_are_one_line(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Err(error) = read("x.csv", bytes.as_slice()) {
                prop_assert_eq!(error.to_string().lines().count(), 1);
            }
        }

        #[test]
        fn numbers_survive_a_round_trip_through_text(x in prop::collection::vec(prop::num::f64::NORMAL, 6)) {
            // Integers in this range are read another way, and Rust prints every number of that size as an integer.
            prop_assume!(!x.iter().any(|x| (2f64.powi(53)..=2f64.powi(100)).contains(&x.abs())));
            let text = format!("{},{},{}\n{:e},{:e},{:e}\n", x[0], x[1], x[2], x[3], x[4], x[5]);
            prop_assert_eq!(numbers(&text), (vec![2, 3], x));
        }
    }
}
