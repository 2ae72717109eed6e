//! A file of records, line by line.
//!
//! Only the last line of a file may be cut (a kill in mid-write); broken JSON anywhere else, and JSON that is no record,
//! is an error that names the file and the line.

use super::upgrade::upgrade;
use super::{Record, SCHEMA};
use crate::error::{Error, Result};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// A file of records, taken apart.
pub(super) struct Lines {
    /// The records, in file order.
    pub records: Vec<Record>,
    /// Length in bytes of the part that is whole.
    pub whole: u64,
    /// Length in bytes of the file.
    pub length: u64,
    /// Whether its last byte ends a line, or there is none.
    pub ended: bool,
}

/// Takes the lines apart, one at a time: a file may be larger than what its records take. Only the last line may be cut; JSON
/// that is no record is never taken for a cut line.
pub(super) fn parse(file: &Path) -> Result<Lines> {
    let cannot = |e: std::io::Error| {
        Error::input(format!(
            "cannot read records from {}: {}: give a results folder or a .jsonl file of one",
            file.display(),
            plain(&e)
        ))
    };
    let mut reader = BufReader::with_capacity(1 << 16, fs::File::open(file).map_err(cannot)?);
    let mut lines = Lines {
        records: Vec::new(),
        whole: 0,
        length: 0,
        ended: true,
    };
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(cannot)? == 0 {
            break;
        }
        lines.length += line.len() as u64;
        lines.ended = line.ends_with(b"\n");
        if line.iter().all(u8::is_ascii_whitespace) {
            lines.whole = lines.length;
            continue;
        }
        let place = || format!("{}, line {number}", file.display());
        match serde_json::from_slice::<Record>(&line) {
            Ok(mut record) if record.schema <= SCHEMA => {
                upgrade(&mut record);
                lines.records.push(record);
            }
            Ok(record) => return Err(newer(&place(), record.schema)),
            Err(error) => {
                let last = reader.fill_buf().map_err(cannot)?.is_empty();
                if last && !error.is_data() {
                    break;
                }
                // A newer format may lack what this one needs: it is told by its version all the same.
                if let Ok(Version { schema }) = serde_json::from_slice(&line)
                    && schema > SCHEMA
                {
                    return Err(newer(&place(), schema));
                }
                return Err(Error::input(format!(
                    "{}: not a record: {error}: mend or delete this line",
                    place()
                )));
            }
        }
        lines.whole = lines.length;
    }
    Ok(lines)
}

/// What every version of the format has.
#[derive(serde::Deserialize)]
pub(super) struct Version {
    pub schema: u32,
}

pub(super) fn newer(place: &str, schema: u32) -> Error {
    Error::input(format!(
        "{place}: format version {schema} and this program reads up to {SCHEMA}: use the program that wrote it, or a \
         newer one"
    ))
}

/// What the system says, without Rust's number in brackets.
pub(super) fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or(&text)
        .to_lowercase()
}
