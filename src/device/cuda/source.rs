//! The files of `kernels/`, embedded, one a family with its headers put before it, and what is found in their text. The
//! entries of the update rules are made from the rules' files and appended to theirs.
//!
//! NVRTC has no files: the texts are joined, with `#line` so that a compiler's message names the file that it means.

use crate::kernel::{Family, Rule};
use crate::rule;

use super::pass::Origin;

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

/// The files of a family's unit in their order.
fn files(family: Family) -> Vec<File> {
    match family {
        Family::Stream => vec![PORTABLE, file!("stream.cu")],
        Family::Product => vec![PORTABLE, CONTROL, SAMPLES, file!("product.cu")],
        Family::Gram => vec![PORTABLE, SAMPLES, file!("gram.cu")],
        Family::Block => vec![PORTABLE, CONTROL, file!("block.cu")],
        Family::Rules => vec![PORTABLE, CONTROL, file!("rules.cu")],
        Family::Control => vec![PORTABLE, CONTROL, file!("control.cu")],
        Family::Network => vec![PORTABLE, CONTROL, SAMPLES, file!("network.cu")],
    }
}

/// A text, with where it comes from.
fn lined((name, text): &File) -> String {
    format!("#line 1 \"kernels/{name}\"\n{text}")
}

/// What NVRTC compiles for a family, with the headers put in.
pub(super) fn unit(family: Family) -> String {
    let headers: String = headers_of(family).iter().map(lined).collect();
    headers + &own(Origin::File(family))
}

/// What NVRTC compiles for one rule, with the headers put in.
pub(super) fn unit_of(rule: Rule) -> String {
    let headers: String = headers_of(Family::Rules).iter().map(lined).collect();
    headers + &own(Origin::Rule(rule))
}

/// The headers of a family's file.
fn headers_of(family: Family) -> Vec<File> {
    let mut files = files(family);
    files.pop();
    files
}

/// The text that holds an entry, without headers: a file of `kernels/`, which for the rules ends with those that come with the
/// program, or ends with one rule.
pub(super) fn own(origin: Origin) -> String {
    let file = files(origin.family())
        .pop()
        .expect("the file itself comes last");
    let rules = match origin {
        Origin::File(Family::Rules) => Rule::shipped(),
        Origin::File(_) => &[],
        Origin::Rule(rule) => &[rule],
    };
    let rules = rules.iter().map(|rule| {
        let text = rule::cuda(rule.program());
        format!("#line 1 \"rule {}\"\n{text}", rule.name())
    });
    std::iter::once(lined(&file)).chain(rules).collect()
}

/// As [`unit`], with these entries alone: the others become functions, which a compiler drops when nothing calls them,
/// before they cost it time.
pub(super) fn some(family: Family, wanted: &[&str]) -> String {
    let text = unit(family);
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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use super::super::pass::Unit;
    use super::*;
    use crate::device::constants;
    use crate::kernel::table;

    #[test]
    fn every_row_of_the_table_has_one_entry() {
        let units: Vec<String> = Family::ALL.map(unit).into();
        let entries: Vec<&str> = units.iter().flat_map(|unit| entries(unit)).collect();
        for row in table() {
            let count = entries.iter().filter(|name| **name == row.name).count();
            assert_eq!(count, 1, "{} occurs {count} times in kernels/", row.name);
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
        let units: Vec<String> = Family::ALL.map(unit).into();
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
            Unit::Entries(Family::Product, wanted).text(),
            Unit::File(Family::Product).text(),
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
        assert_eq!(
            kernels,
            Family::ALL.map(|family| family.name().into()).into()
        );
    }

    #[test]
    fn the_control_buffer_is_laid_out_as_the_kernel_table_says() {
        let texts = Family::ALL.map(|family| (family.name(), unit(family)));
        constants::assert_repeated(&texts);
    }

    #[test]
    fn numbers_with_an_exponent_are_constants_with_a_name() {
        for family in Family::ALL {
            constants::assert_named(family.name(), &unit(family));
        }
    }
}
