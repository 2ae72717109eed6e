//! idx files, the format of MNIST, gzip-compressed or not.
//!
//! ```text
//! 0, 0, type, dimensions     type 08 u8, 09 i8, 0B i16, 0C i32, 0D f32, 0E f64
//! side lengths               u32 each, big-endian
//! values                     big-endian, last side fastest
//! ```

use super::hash::Hashing;
use super::matrix::{Array, Values};
use super::path::io_error;
use crate::error::{Error, Result};
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

/// First bytes of a gzip file.
pub(super) const GZIP: &[u8] = &[0x1f, 0x8b];

/// Whether a (decompressed) file starts like an idx file.
pub(super) fn recognise(start: &[u8]) -> bool {
    matches!(start, [0, 0, 0x08 | 0x09 | 0x0b..=0x0e, 1..=4, ..])
}

/// Opens a file; decompresses it if its first bytes are gzip's.
pub(super) fn open(path: &Path) -> Result<Box<dyn Read>> {
    let mut reader = BufReader::new(File::open(path).map_err(|error| io_error(path, &error))?);
    let start = reader.fill_buf().map_err(|error| io_error(path, &error))?;
    Ok(match start.starts_with(GZIP) {
        true => Box::new(MultiGzDecoder::new(reader)),
        false => Box::new(reader),
    })
}

/// The error for a read that failed inside a file, which may be gzip-compressed.
pub(super) fn broken(name: &str, error: &std::io::Error) -> Error {
    let what = match error.kind() {
        ErrorKind::UnexpectedEof => "truncated".to_string(),
        ErrorKind::InvalidInput | ErrorKind::InvalidData => format!("not valid gzip ({error})"),
        _ => format!("cannot be read ({error})"),
    };
    Error::input(format!("{name}: {what}; fetch or copy it again"))
}

/// Reads an array of 1 to 3 dimensions from `reader` (decompressed); `name` appears in messages.
pub(super) fn read(name: &str, reader: impl Read) -> Result<Array> {
    let mut hashing = Hashing::new(reader);
    let mut word = || -> Result<[u8; 4]> {
        let mut bytes = [0; 4];
        hashing
            .read_exact(&mut bytes)
            .map_err(|error| broken(name, &error))?;
        Ok(bytes)
    };
    let magic = word()?;
    if !recognise(&magic) {
        return Err(Error::input(format!(
            "{name}: wrong magic number {:08x}; an idx file starts with two zero bytes, a type and the number of dimensions",
            u32::from_be_bytes(magic)
        )));
    }
    let [_, _, kind, dimensions] = magic;
    if dimensions > 3 {
        return Err(Error::input(format!(
            "{name}: {dimensions}-d; give one row or one image per sample"
        )));
    }
    let mut shape = Vec::new();
    for _ in 0..dimensions {
        shape.push(u32::from_be_bytes(word()?) as usize);
    }
    let width = match kind {
        0x08 | 0x09 => 1,
        0x0b => 2,
        0x0e => 8,
        _ => 4,
    };
    let expected = shape
        .iter()
        .try_fold(width, |product: usize, side| product.checked_mul(*side));
    // The buffer grows with the bytes present, not with the length that the header claims.
    let mut bytes = Vec::new();
    let limit = expected.map_or(u64::MAX, |expected| (expected as u64).saturating_add(1));
    let found = hashing.by_ref().take(limit).read_to_end(&mut bytes);
    let found = found.map_err(|error| broken(name, &error))?;
    if expected != Some(found) {
        let sides: Vec<_> = shape.iter().map(usize::to_string).collect();
        let fault = if expected.is_some_and(|e| e < found) {
            "too long"
        } else {
            "truncated"
        };
        return Err(Error::input(format!(
            "{name}: {fault} for the {} values that its header announces; fetch or copy it again",
            sides.join(" x ")
        )));
    }
    let values = match kind {
        0x08 => Values::U8(bytes),
        0x09 => Values::F64(bytes.iter().map(|&x| f64::from(x as i8)).collect()),
        0x0b => Values::F64(decode(&bytes, |b| f64::from(i16::from_be_bytes(b)))),
        0x0c => Values::F64(decode(&bytes, |b| f64::from(i32::from_be_bytes(b)))),
        0x0d => Values::F32(decode(&bytes, f32::from_be_bytes)),
        _ => Values::F64(decode(&bytes, f64::from_be_bytes)),
    };
    Ok(Array {
        shape,
        values,
        origin: Vec::new(),
        sha256: hashing.sha256(),
    })
}

fn decode<const W: usize, T>(bytes: &[u8], value: impl Fn([u8; W]) -> T) -> Vec<T> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|chunk| value(*chunk))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    pub(crate) fn file(kind: u8, shape: &[u32], data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, kind, shape.len() as u8];
        shape
            .iter()
            .for_each(|side| bytes.extend_from_slice(&side.to_be_bytes()));
        bytes.extend_from_slice(data);
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn every_type_is_read() {
        for (kind, data, right) in [
            (0x08, vec![1, 255], Values::U8(vec![1, 255])),
            (0x09, vec![1, 255], Values::F64(vec![1.0, -1.0])),
            (0x0b, vec![0, 1, 255, 255], Values::F64(vec![1.0, -1.0])),
            (
                0x0c,
                vec![0, 0, 0, 1, 255, 255, 255, 255],
                Values::F64(vec![1.0, -1.0]),
            ),
            (
                0x0d,
                [1f32.to_be_bytes(), (-1f32).to_be_bytes()].concat(),
                Values::F32(vec![1.0, -1.0]),
            ),
            (
                0x0e,
                [1f64.to_be_bytes(), (-1f64).to_be_bytes()].concat(),
                Values::F64(vec![1.0, -1.0]),
            ),
        ] {
            let array = read("x", file(kind, &[2, 1], &data).as_slice()).expect("a whole file");
            assert_eq!((array.shape, array.values), (vec![2, 1], right));
        }
    }

    #[test]
    fn gzip_is_recognised_by_its_bytes_and_a_truncated_file_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("images");
        let plain = file(8, &[2, 2, 2], &[1, 2, 3, 4, 5, 6, 7, 8]);
        let load = |bytes: &[u8]| {
            std::fs::write(&path, bytes).expect("a temporary file");
            read("x", open(&path)?)
        };
        assert_eq!(
            load(&plain).expect("plain"),
            load(&gzip(&plain)).expect("gzip")
        );
        let whole = gzip(&plain);
        for keep in 2..whole.len() {
            assert!(
                load(&whole[..keep]).is_err(),
                "{keep} of {} bytes",
                whole.len()
            );
        }
        let mut flipped = whole.clone();
        flipped[whole.len() - 6] ^= 1;
        assert!(
            load(&flipped)
                .expect_err("bad check sum")
                .to_string()
                .contains("gzip")
        );
    }

    #[test]
    fn wrong_headers_and_lengths_are_refused_with_the_reason() {
        for (bytes, word) in [
            (vec![1, 2, 3, 4], "wrong magic number 01020304"),
            (vec![0, 0, 8], "truncated"),
            (file(8, &[2, 2], &[1, 2, 3]), "truncated for the 2 x 2"),
            (file(8, &[2, 2], &[1, 2, 3, 4, 5]), "too long"),
            (file(8, &[1, 1, 1, 1], &[1]), "4-d"),
            (file(14, &[u32::MAX, u32::MAX, u32::MAX], &[1]), "truncated"),
        ] {
            let error = read("x", bytes.as_slice()).expect_err(word).to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(kind in 7u8..16, dimensions in 0u8..6, tail in prop::collection::vec(0u8..4, 0..80)) {
            let _ = read("x", [&[0, 0, kind, dimensions], tail.as_slice()].concat().as_slice());
            let _ = read("x", tail.as_slice());
        }

        #[test]
        fn every_truncation_is_refused(keep in 0usize..18) {
            let bytes = file(8, &[3, 2], &[1, 2, 3, 4, 5, 6]);
            prop_assert!(read("x", &bytes[..keep]).is_err());
        }
    }
}
