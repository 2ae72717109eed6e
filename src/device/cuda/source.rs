//! The text of the kernels, embedded: one unit of compilation a file of `kernels/`, its headers put before it, or a chain of
//! entries.
//!
//! NVRTC has no files: the texts are joined, with `#line` so that a compiler's message names the file that it means.

use std::fmt;
use std::rc::Rc;

use super::chain::{self, Part};

/// What is compiled at once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Unit {
    /// A file of `kernels/`, by its stem.
    File(&'static str),
    /// Some entries of a file, by its stem.
    Entries(&'static str, &'static [&'static str]),
    /// Entries that one block runs one after the other.
    Chain(Rc<[Part]>),
}

impl Unit {
    /// What NVRTC compiles, with the headers put in.
    pub fn text(&self) -> String {
        match self {
            Unit::File(stem) => unit(stem),
            Unit::Entries(stem, wanted) => some(stem, wanted),
            Unit::Chain(parts) => chain::text(parts),
        }
    }
}

/// As messages call it.
impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unit::File(stem) | Unit::Entries(stem, _) => write!(f, "kernels/{stem}.cu"),
            Unit::Chain(parts) => {
                let entries: Vec<&str> = parts.iter().map(|part| part.entry).collect();
                write!(f, "the chain of {}", entries.join(", "))
            }
        }
    }
}

/// Stems of the files in `kernels/` that hold entries.
#[cfg(test)]
pub(super) const STEMS: &[&str] = &[
    "stream", "product", "gram", "network", "block", "rules", "control",
];

/// A file of `kernels/` by its name.
macro_rules! file {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../kernels/", $name)))
    };
}

type File = (&'static str, &'static str);

/// What an entry's declaration begins with.
const ENTRY: &str = "extern \"C\" __global__ void";

const PORTABLE: File = file!("portable.h");
const CONTROL: File = file!("control.h");
const SAMPLES: File = file!("samples.h");
pub(super) const CHAIN: File = file!("chain.h");

/// The files of a unit in their order.
fn files(stem: &str) -> Vec<File> {
    match stem {
        "stream" => vec![PORTABLE, file!("stream.cu")],
        "product" => vec![PORTABLE, CONTROL, SAMPLES, file!("product.cu")],
        "gram" => vec![PORTABLE, SAMPLES, file!("gram.cu")],
        "network" => vec![PORTABLE, CONTROL, SAMPLES, file!("network.cu")],
        "block" => vec![PORTABLE, CONTROL, file!("block.cu")],
        "rules" => vec![PORTABLE, CONTROL, file!("rules.cu")],
        "control" => vec![PORTABLE, CONTROL, file!("control.cu")],
        other => unreachable!("no file of kernels/ has the stem {other}"),
    }
}

/// A text, with where it comes from.
fn lined((name, text): &File) -> String {
    format!("#line 1 \"kernels/{name}\"\n{text}")
}

/// What NVRTC compiles for the stem of a file, with the headers put in.
pub(super) fn unit(stem: &str) -> String {
    files(stem).iter().map(lined).collect()
}

/// As [`unit`], with these entries alone: the others become functions, which a compiler drops when nothing calls them,
/// before they cost it time.
fn some(stem: &str, wanted: &[&str]) -> String {
    let text = unit(stem);
    let (before, entries) = split(&text);
    let entries = entries.iter().map(|entry| {
        if wanted.contains(&declaration(entry).0) {
            format!("{ENTRY}{entry}")
        } else {
            format!("static __device__ void{}", unbounded(entry))
        }
    });
    std::iter::once(before.to_string()).chain(entries).collect()
}

/// Every header that entries may need, and that of chains.
pub(super) fn headers() -> String {
    [PORTABLE, CONTROL, SAMPLES, CHAIN]
        .iter()
        .map(lined)
        .collect()
}

/// A file of `kernels/` without its headers.
pub(super) fn file(stem: &str) -> File {
    files(stem).pop().expect("the file itself comes last")
}

/// A text cut at its entries: what stands before the first one, and of each what follows `ENTRY`, up to the next one.
pub(super) fn split(text: &str) -> (&str, Vec<&str>) {
    let mut pieces = text.split(ENTRY);
    let before = pieces.next().unwrap_or_default();
    (before, pieces.collect())
}

/// An entry that [`split`] found, from its name on: its launch bounds suit a kernel alone.
pub(super) fn unbounded(entry: &str) -> &str {
    match entry.trim_start().strip_prefix("__launch_bounds__(") {
        Some(bounds) => bounds.split_once(')').expect("closed").1,
        None => entry,
    }
}

/// Name and list of parameters of an entry that [`split`] found.
pub(super) fn declaration(entry: &str) -> (&str, &str) {
    let (name, rest) = unbounded(entry).split_once('(').expect("parameters");
    (name.trim(), rest.split_once(')').expect("closed").0)
}

/// Names of the entries in a text, in order.
#[cfg(test)]
pub(super) fn entries(text: &str) -> Vec<&str> {
    let entries = split(text).1.into_iter();
    entries.map(|entry| declaration(entry).0).collect()
}

/// `constexpr unsigned NAME = 3;` and `constexpr float NAME = 0.5f;` of a text.
#[cfg(test)]
pub(super) fn constants(text: &str) -> std::collections::HashMap<&str, f64> {
    fn constant(line: &str) -> Option<(&str, f64)> {
        let rest = line.strip_prefix("constexpr ")?;
        let (name, value) = rest.split_once(' ')?.1.split_once(" = ")?;
        let value = value.trim_end_matches(';').trim_end_matches(['u', 'f']);
        Some((name, value.parse().ok()?))
    }
    text.lines().filter_map(constant).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use super::*;
    use crate::kernel::{FLUSH, VANISHED, control, table};

    #[test]
    fn every_row_of_the_table_has_one_entry() {
        let units: Vec<String> = STEMS.iter().map(|stem| unit(stem)).collect();
        let entries: Vec<&str> = units.iter().flat_map(|unit| entries(unit)).collect();
        for row in table() {
            let count = entries.iter().filter(|name| **name == row.name).count();
            assert_eq!(count, 1, "{} stands in kernels/ {count} times", row.name);
        }
        let distinct: BTreeSet<&&str> = entries.iter().collect();
        assert_eq!(distinct.len(), entries.len(), "an entry stands twice");
    }

    /// Parameters of the entries of a text by name: `const float *v` is `v`.
    fn parameters(text: &str) -> HashMap<String, Vec<String>> {
        let last = |parameter: &str| {
            let mut words = parameter.split([' ', '*', '\n']);
            words.rfind(|w| !w.is_empty()).map(String::from)
        };
        let entries = split(text).1.into_iter().map(declaration);
        entries
            .map(|(name, list)| (name.to_string(), list.split(',').filter_map(last).collect()))
            .collect()
    }

    #[test]
    fn the_parameters_of_a_rows_entry_begin_with_the_rows_own() {
        let units: Vec<String> = STEMS.iter().map(|stem| unit(stem)).collect();
        let all: HashMap<String, Vec<String>> =
            units.iter().flat_map(|unit| parameters(unit)).collect();
        for row in table() {
            let buffers = row.buffers.iter().map(|buffer| buffer.name);
            let expected: Vec<&str> = buffers
                .chain(row.sizes.iter().copied())
                .chain(row.scalars.iter().copied())
                .collect();
            let found = &all[row.name];
            assert!(found.len() >= expected.len(), "{}: {found:?}", row.name);
            assert_eq!(found[..expected.len()], expected, "{}", row.name);
        }
    }

    #[test]
    fn a_unit_of_some_entries_has_no_others_and_the_lines_of_the_file() {
        let wanted = &["lift_u8", "lift_sum"];
        let [some, whole] = [
            Unit::Entries("product", wanted).text(),
            Unit::File("product").text(),
        ];
        assert_eq!(entries(&some), wanted);
        assert_eq!(some.lines().count(), whole.lines().count());
        assert_eq!(some.matches("__launch_bounds__").count(), wanted.len());
    }

    /// Stems of the files in a folder of the repository with this extension.
    fn stems(folder: &str, extension: &str) -> BTreeSet<String> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        std::fs::read_dir(folder)
            .expect("it is in the repository")
            .map(|entry| entry.expect("readable").path())
            .filter(|path| path.extension().is_some_and(|e| e == extension))
            .filter_map(|path| Some(path.file_stem()?.to_str()?.to_string()))
            .collect()
    }

    #[test]
    fn kernels_and_shaders_have_the_same_stems() {
        let mut shaders = stems("shaders", "wgsl");
        // WGSL has no headers, and no library with a matrix product.
        for other in ["samples", "tile", "gemm"] {
            assert!(shaders.remove(other), "{other}.wgsl");
        }
        let kernels = stems("kernels", "cu");
        assert_eq!(kernels, shaders);
        assert_eq!(kernels, STEMS.iter().map(|s| s.to_string()).collect());
    }

    #[test]
    fn the_control_buffer_is_laid_out_as_the_kernel_table_says() {
        let known = [
            ("STOP", control::STOP as f64),
            ("STEP", control::STEP as f64),
            ("RATE", control::RATE as f64),
            ("BASE_RATE", control::BASE_RATE as f64),
            ("SCHEDULE_POWER", control::SCHEDULE_POWER as f64),
            ("SCHEDULE_TIME", control::SCHEDULE_TIME as f64),
            ("SCALE", control::SCALE as f64),
            ("RHO", control::RHO as f64),
            ("RESIDUAL", control::RESIDUAL as f64),
            ("TOLERANCE", control::TOLERANCE as f64),
            ("CRITERION", control::CRITERION as f64),
            ("BEST", control::BEST as f64),
            ("BEST_STEP", control::BEST_STEP as f64),
            ("BATCH", control::BATCH as f64),
            ("COUNT", control::COUNT as f64),
            ("SCALE_MEAN", control::SCALE_MEAN as f64),
            ("TOP", control::TOP as f64),
            ("CONVERGED", f64::from(control::CONVERGED)),
            ("FLOOR_REACHED", f64::from(control::FLOOR_REACHED)),
            ("NOT_FINITE", f64::from(control::NOT_FINITE)),
            ("STEP_NOT_FINITE", f64::from(control::STEP_NOT_FINITE)),
            ("BY_RESIDUAL", f64::from(control::BY_RESIDUAL)),
            ("NULL_SHARE", control::NULL_SHARE),
            ("LEAST_SHARE", control::LEAST_SHARE),
            ("NOISE", control::NOISE),
            ("LONGEST", control::LONGEST),
            ("NEAR_FLOOR", control::NEAR_FLOOR),
            ("PLATEAU", control::PLATEAU),
            ("NEAR_BEST", control::NEAR_BEST),
            ("HANDED_OVER", control::HANDED_OVER),
            ("IMPROVEMENT", control::IMPROVEMENT),
            ("PATIENCE", control::PATIENCE),
            ("VANISHED", VANISHED),
            ("FLUSH", FLUSH),
        ];
        let text: String = ["block", "rules"].map(unit).concat();
        let constants = constants(&text);
        for (name, value) in known {
            assert_eq!(constants.get(name), Some(&value), "{name}");
        }
    }
}
