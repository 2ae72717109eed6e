//! `.npy` files, read with ndarray-npy.
//!
//! ndarray-npy trusts the header: it allocates what the shape says and parses nested literals without a limit. The
//! length of the header is therefore bounded, and type, shape and length are checked against the file's size, before
//! ndarray-npy reads the data.

use super::hash::Hashing;
use super::integers;
use super::matrix::{Array, Values};
use crate::error::{Error, Result};
use ndarray::ArrayD;
use ndarray_npy::npy::header::Header;
use ndarray_npy::{ReadNpyExt, ReadableElement};
use std::io::{Read, Seek};

/// First bytes of every `.npy` file.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// Longest accepted header in bytes; NumPy's own limit.
const HEADER_LIMIT: usize = 10_000;

/// Reads a 1-d or 2-d array of numbers from `reader`, which holds `bytes` bytes; `name` appears in messages.
pub(super) fn read(name: &str, mut reader: impl Read + Seek, bytes: u64) -> Result<Array> {
    let broken =
        |what: String| Error::input(format!("{name}: {what}; save it again with numpy.save"));
    let header = header(&mut reader).map_err(broken)?;
    let descriptor = match header.type_descriptor.as_string() {
        Some(descriptor) => descriptor.as_str(),
        None => {
            return Err(Error::input(format!(
                "{name}: a structured .npy; save one plain 2-d array"
            )));
        }
    };
    let (kind, width) = element(descriptor).ok_or_else(|| {
        let what = match descriptor.trim_start_matches(['|', '<', '>', '=']) {
            "O" => "Python objects",
            "b1" | "?" => "booleans",
            other => other,
        };
        let next = "convert it with X.astype(\"f4\"), or \"u1\" for bytes";
        Error::input(format!(
            "{name}: holds {what}, not integers, float32 or float64; {next}"
        ))
    })?;
    let shape = header.shape;
    if !(1..=2).contains(&shape.len()) {
        return Err(Error::input(format!(
            "{name}: {}-d; samples are n x d, one row per sample; save X.reshape(len(X), -1)",
            shape.len()
        )));
    }
    let expected = shape.iter().try_fold(width, |product: u64, &side| {
        product.checked_mul(side as u64)
    });
    let start = reader
        .stream_position()
        .map_err(|error| broken(error.to_string()))?;
    let found = bytes.saturating_sub(start);
    if expected != Some(found) {
        let words = expected.map_or("more than any file".to_string(), |bytes| {
            format!("{bytes} bytes")
        });
        let fault = if expected.is_some_and(|e| e < found) {
            "too long"
        } else {
            "truncated"
        };
        return Err(broken(format!(
            "{fault}: its header announces {words} of data, but it has {found}"
        )));
    }
    reader.rewind().map_err(|error| broken(error.to_string()))?;
    let mut hashing = Hashing::new(reader);
    let columns = shape.get(1).copied().unwrap_or(1);
    let mut origin = Vec::new();
    let values = match kind {
        Kind::U8 => array::<u8>(&mut hashing).map(Values::U8),
        Kind::F32 => array::<f32>(&mut hashing).map(Values::F32),
        Kind::F64 => array::<f64>(&mut hashing).map(Values::F64),
        Kind::I8 => widened(array::<i8>(&mut hashing), f64::from),
        Kind::I16 => widened(array::<i16>(&mut hashing), f64::from),
        Kind::I32 => widened(array::<i32>(&mut hashing), f64::from),
        Kind::I64 => array::<i64>(&mut hashing).map(|x| centred(x, columns, &mut origin)),
        Kind::U16 => widened(array::<u16>(&mut hashing), f64::from),
        Kind::U32 => widened(array::<u32>(&mut hashing), f64::from),
        Kind::U64 => array::<u64>(&mut hashing).map(|x| centred(x, columns, &mut origin)),
    };
    Ok(Array {
        shape,
        values: values.map_err(broken)?,
        origin,
        sha256: hashing.sha256(),
    })
}

/// Supported element types.
enum Kind {
    U8,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U16,
    U32,
    U64,
}

/// Element type and width in bytes of a descriptor such as `<f4`.
fn element(descriptor: &str) -> Option<(Kind, u64)> {
    Some(match descriptor {
        "|u1" | "u1" => (Kind::U8, 1),
        "|i1" | "i1" => (Kind::I8, 1),
        "<f4" | ">f4" => (Kind::F32, 4),
        "<f8" | ">f8" => (Kind::F64, 8),
        "<i2" | ">i2" => (Kind::I16, 2),
        "<i4" | ">i4" => (Kind::I32, 4),
        "<i8" | ">i8" => (Kind::I64, 8),
        "<u2" | ">u2" => (Kind::U16, 2),
        "<u4" | ">u4" => (Kind::U32, 4),
        "<u8" | ">u8" => (Kind::U64, 8),
        _ => return None,
    })
}

/// Reads the header, bounded in length and nesting, and leaves the reader at the first byte of the data.
fn header(reader: &mut (impl Read + Seek)) -> std::result::Result<Header, String> {
    let mut start = Vec::new();
    let limit = HEADER_LIMIT as u64 + 12;
    reader
        .by_ref()
        .take(limit)
        .read_to_end(&mut start)
        .map_err(|error| error.to_string())?;
    if !start.starts_with(MAGIC) {
        return Err("not an .npy file: its first bytes are not those of the format".to_string());
    }
    // Magic (6 bytes), version (2), header length (2 bytes in version 1, 4 in later ones).
    let length = match start.get(6..12) {
        Some(&[1, _, a, b, ..]) => 10 + usize::from(u16::from_le_bytes([a, b])),
        Some(&[2 | 3, _, a, b, c, d]) => {
            12usize.saturating_add(u32::from_le_bytes([a, b, c, d]) as usize)
        }
        Some(&[major, minor, ..]) => return Err(format!("unknown .npy version {major}.{minor}")),
        _ => return Err("truncated in its header".to_string()),
    };
    if length > HEADER_LIMIT {
        return Err(format!("its header is longer than {HEADER_LIMIT} bytes"));
    }
    let Some(text) = start.get(..length) else {
        return Err("truncated in its header".to_string());
    };
    // A valid header has one dictionary and one tuple; the parser recurses once per bracket.
    if text[8..]
        .iter()
        .filter(|byte| b"([{".contains(byte))
        .count()
        > 8
    {
        return Err("its header is nested too deeply for an array of numbers".to_string());
    }
    let header = Header::from_reader(&mut &text[..]).map_err(|error| {
        let words = error.to_string();
        format!(
            "bad .npy header ({})",
            words.lines().next().unwrap_or_default().trim()
        )
    })?;
    reader
        .seek(std::io::SeekFrom::Start(length as u64))
        .map_err(|error| error.to_string())?;
    Ok(header)
}

/// The elements in row-major order. Only a Fortran-ordered array is copied.
fn array<T: ReadableElement + Clone>(reader: impl Read) -> std::result::Result<Vec<T>, String> {
    let array = ArrayD::<T>::read_npy(reader).map_err(|error| error.to_string())?;
    let array = match array.is_standard_layout() {
        true => array,
        false => array.as_standard_layout().into_owned(),
    };
    Ok(array.into_raw_vec_and_offset().0)
}

/// Converts integers, which may exceed 2^53, to f64; stores what was subtracted from each column in `origin`.
fn centred<T: Copy + Into<i128>>(values: Vec<T>, columns: usize, origin: &mut Vec<f64>) -> Values {
    let (values, first) = integers::widened(values, columns);
    *origin = first;
    Values::F64(values)
}

/// Converts integers that f64 represents exactly.
fn widened<T>(
    values: std::result::Result<Vec<T>, String>,
    widen: impl Fn(T) -> f64,
) -> std::result::Result<Values, String> {
    Ok(Values::F64(values?.into_iter().map(widen).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, ShapeBuilder, array as matrix};
    use ndarray_npy::WriteNpyExt;
    use proptest::prelude::*;
    use std::io::Cursor;

    fn parse(bytes: &[u8]) -> Result<Array> {
        read("x.npy", Cursor::new(bytes), bytes.len() as u64)
    }

    fn file(descriptor: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let text =
            format!("{{'descr': {descriptor}, 'fortran_order': {order}, 'shape': {shape}, }}\n");
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&[1, 0]);
        bytes.extend_from_slice(&(text.len() as u16).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
        bytes.extend_from_slice(data);
        bytes
    }

    #[test]
    fn fortran_order_and_either_byte_order_give_the_same_rows() {
        let (x, y) = (
            [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0],
            [1.0f32, 4.0, 2.0, 5.0, 3.0, 6.0],
        );
        let bytes = |x: [f32; 6], swap: bool| -> Vec<u8> {
            let bytes = |x: f32| {
                if swap {
                    x.to_be_bytes()
                } else {
                    x.to_le_bytes()
                }
            };
            x.into_iter().flat_map(bytes).collect()
        };
        for (descriptor, order, data) in [
            ("'<f4'", "False", bytes(x, false)),
            ("'>f4'", "False", bytes(x, true)),
            ("'<f4'", "True", bytes(y, false)),
            ("'>f4'", "True", bytes(y, true)),
        ] {
            let array = parse(&file(descriptor, order, "(2, 3)", &data)).expect(descriptor);
            assert_eq!(array.shape, [2, 3]);
            assert_eq!(
                array.values,
                Values::F32(x.to_vec()),
                "{descriptor} {order}"
            );
        }
    }

    #[test]
    fn every_integer_type_is_read() {
        fn check<T: Clone + ndarray_npy::WritableElement>(array: Array2<T>) {
            let mut bytes = Vec::new();
            array.write_npy(&mut bytes).expect("memory");
            let values = parse(&bytes).expect("an integer file").values;
            assert_eq!(values, Values::F64(vec![1.0, 2.0, 3.0, 100.0]));
        }
        check::<i8>(matrix![[1, 2], [3, 100]]);
        check::<i16>(matrix![[1, 2], [3, 100]]);
        check::<i32>(matrix![[1, 2], [3, 100]]);
        check::<i64>(matrix![[1, 2], [3, 100]]);
        check::<u16>(matrix![[1, 2], [3, 100]]);
        check::<u32>(matrix![[1, 2], [3, 100]]);
        check::<u64>(matrix![[1, 2], [3, 100]]);
        check::<f64>(matrix![[1.0, 2.0], [3.0, 100.0]]);
        let mut fortran = Vec::new();
        let array = Array2::from_shape_vec((2, 2).f(), vec![1u8, 3, 2, 100]).expect("2 x 2");
        array.write_npy(&mut fortran).expect("memory");
        assert_eq!(
            parse(&fortran).expect("bytes").values,
            Values::U8(vec![1, 2, 3, 100])
        );
    }

    #[test]
    fn integers_beyond_f64_are_read_to_the_last_digit_in_either_order() {
        fn check<T: Copy + Into<i128> + ndarray_npy::WritableElement>(rows: Array2<T>) {
            let mut fortran = Array2::from_elem(rows.raw_dim().f(), rows[[0, 0]]);
            fortran.assign(&rows);
            for array in [rows.clone(), fortran] {
                let mut bytes = Vec::new();
                array.write_npy(&mut bytes).expect("memory");
                let read = parse(&bytes).expect("an integer file");
                let Values::F64(values) = read.values else {
                    panic!("integers are f64")
                };
                for (value, (place, x)) in values.iter().zip(rows.indexed_iter()) {
                    let first: i128 = rows[[0, place.1]].into();
                    assert_eq!(*value as i128, (*x).into() - first);
                    assert_eq!(read.origin[place.1], first as f64);
                }
            }
        }
        let far = 1i64 << 60;
        check::<i64>(matrix![
            [far + 1000, -far],
            [far - 1000, 7 - far],
            [far + 1, 900 - far]
        ]);
        let top = u64::MAX;
        check::<u64>(matrix![
            [top, top - 3],
            [top - 1, top],
            [top - 1001, top - 2]
        ]);
        let mut small = Vec::new();
        matrix![[1i64 << 53, -5]]
            .write_npy(&mut small)
            .expect("memory");
        assert_eq!(parse(&small).expect("small").origin, Vec::<f64>::new());
    }

    #[test]
    fn what_is_not_a_matrix_of_numbers_is_refused_with_the_reason() {
        for (bytes, word) in [
            (file("'|O'", "False", "(2, 2)", &[0; 9]), "Python objects"),
            (file("'|b1'", "False", "(2, 2)", &[0; 4]), "booleans"),
            (file("'<f2'", "False", "(2, 2)", &[0; 8]), "f2"),
            (
                file("[('a', '<f4')]", "False", "(2,)", &[0; 8]),
                "structured",
            ),
            (file("'|u1'", "False", "(2, 2, 2)", &[0; 8]), "3-d"),
            (file("'|u1'", "False", "()", &[0; 1]), "0-d"),
            (file("'|u1'", "False", "(2, 3)", &[0; 5]), "truncated"),
            (file("'|u1'", "False", "(2, 3)", &[0; 7]), "too long"),
            (
                file("'<f8'", "False", "(4294967295, 4294967295)", &[0; 7]),
                "truncated",
            ),
            (
                file(&"(".repeat(5000), "False", "(2, 3)", &[0; 6]),
                "nested",
            ),
            (b"PK\x03\x04 a zip file".to_vec(), "not an .npy"),
            (MAGIC.to_vec(), "truncated"),
        ] {
            let error = parse(&bytes).expect_err(word).to_string();
            assert!(error.contains(word), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(tail in prop::collection::vec(any::<u8>(), 0..200), version in 0u8..4) {
            let _ = parse(&tail);
            let mut bytes = MAGIC.to_vec();
            bytes.extend_from_slice(&[version, 0, tail.len() as u8, 0, 0, 0]);
            bytes.extend_from_slice(&tail);
            let _ = parse(&bytes);
        }

        #[test]
        fn a_changed_byte_gives_an_array_or_a_one_line_error(at in 0usize..80, byte in any::<u8>()) {
            let mut bytes = file("'<f4'", "False", "(3, 2)", &[1; 24]);
            if let Some(old) = bytes.get_mut(at) {
                *old = byte;
            }
            if let Err(error) = parse(&bytes) {
                prop_assert_eq!(error.to_string().lines().count(), 1);
            }
        }

        #[test]
        fn every_truncation_is_refused(keep in 0usize..90) {
            let bytes = file("'<f4'", "False", "(3, 2)", &[1; 24]);
            prop_assume!(keep < bytes.len());
            prop_assert!(parse(&bytes[..keep]).is_err());
        }
    }
}
