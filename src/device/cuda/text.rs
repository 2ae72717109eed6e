//! The text of a unit, as a compiler gets it.
//!
//! A chain's is made from the files of `kernels/` and compiled like them. `__restrict__` is taken out, since it promises what
//! one pass keeps and a chain does not: the compiler would read an input, which an earlier pass writes, through a cache that
//! need not see that.

use super::pass::{CHAIN_ENTRY, Origin, Part, Unit};
use super::source;

impl Unit {
    /// What NVRTC compiles, with the headers put in.
    pub fn text(&self) -> String {
        match self {
            Unit::File(family) => source::unit(*family),
            Unit::Rule(rule) => source::unit_of(*rule),
            Unit::Entries(family, wanted) => source::some(*family, wanted),
            Unit::Chain(parts) => chain(parts),
        }
    }
}

/// The namespace of a part.
fn namespace(part: &Part) -> String {
    match part.origin {
        Origin::File(family) => format!("{}_{}", family.name(), part.threads),
        Origin::Rule(rule) => format!("{}_{}", rule.row().name, part.threads),
    }
}

/// A chain; see `kernels/chain.h`.
fn chain(parts: &[Part]) -> String {
    let mut text = source::headers();
    for (place, part) in parts.iter().enumerate() {
        let namespace = namespace(part);
        if parts[..place]
            .iter()
            .all(|p| self::namespace(p) != namespace)
        {
            text += &format!(
                "namespace {namespace} {{\nconstexpr uint3 blockIdx = {{0, 0, 0}}, gridDim = {{1, 1, 1}}, \
                 blockDim = {{{}, 1, 1}};\n{}}}\n",
                part.threads,
                functions(part.origin)
            );
        }
    }
    let threads = parts.iter().map(|part| part.threads).max();
    let threads = threads.unwrap_or_default();
    let mut parameters = Vec::new();
    let mut calls = Vec::new();
    for part in parts {
        let first = parameters.len();
        parameters.extend(types(part));
        let names: Vec<String> = (first..parameters.len()).map(|i| format!("p{i}")).collect();
        let guard = match part.threads < threads {
            true => format!("if (threadIdx.x < {}) ", part.threads),
            false => String::new(),
        };
        let (namespace, entry) = (namespace(part), part.entry);
        calls.push(format!(
            "    {guard}{namespace}::{entry}({});\n",
            names.join(", ")
        ));
    }
    let parameters = parameters.iter().enumerate();
    let parameters: Vec<String> = parameters.map(|(i, kind)| format!("{kind}p{i}")).collect();
    text += &format!(
        "#line 1 \"{CHAIN_ENTRY}\"\nextern \"C\" __global__ void __launch_bounds__({threads}) {CHAIN_ENTRY}({}) {{\n{}}}\n",
        parameters.join(", "),
        calls.join("    __syncthreads();\n")
    );
    text
}

/// A text with its entries as functions that a chain calls, line by line.
fn functions(origin: Origin) -> String {
    let text = source::own(origin);
    let (before, entries) = source::split(&text);
    let entries = entries
        .iter()
        .map(|entry| source::unbounded(entry))
        .map(|entry| format!("static __device__ __forceinline__ void{entry}"));
    let text: String = std::iter::once(before.to_string()).chain(entries).collect();
    text.replace("__restrict__", "")
        .replace("__syncthreads()", "part_barrier()")
}

/// Types of an entry's parameters, each with what stands between it and the name.
fn types(part: &Part) -> Vec<String> {
    let text = source::own(part.origin);
    let (_, entries) = source::split(&text);
    let mut declared = entries.into_iter().map(source::declaration);
    let (_, list) = declared
        .find(|(name, _)| *name == part.entry)
        .expect("an entry of its file");
    list.split(',')
        .map(|parameter| {
            let name = parameter.rfind([' ', '*', '\n']).map_or(0, |at| at + 1);
            let kind = parameter[..name].replace("__restrict__", "");
            kind.trim_start().to_string()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::chain::examples;
    use super::*;

    #[test]
    fn the_text_of_a_chain_calls_its_parts_with_their_threads_and_a_barrier_between() {
        let unit = &examples()[0];
        let text = unit.text();
        assert_eq!(source::entries(&text), [CHAIN_ENTRY]);
        let calls = text.split_once(" chain(").expect("its entry").1;
        let order = [
            "product_256::batch_product_u8(p0, p1, ",
            "if (threadIdx.x < 1) control_1::advance(",
            "if (threadIdx.x < 32) block_32::deflate(",
            "if (threadIdx.x < 32) block_32::ascent(",
            "    adam_256::adam(",
            "if (threadIdx.x < 32) block_32::retract(",
        ];
        let places: Vec<usize> = order
            .iter()
            .map(|call| {
                calls
                    .find(call)
                    .unwrap_or_else(|| panic!("{call} is not in {calls}"))
            })
            .collect();
        assert!(places.is_sorted(), "{calls}");
        assert_eq!(calls.matches("__syncthreads();").count(), order.len() - 1);
        assert!(!text.contains("__restrict__"));
        // A file stands once for each number of threads.
        assert_eq!(text.matches("#line 1 \"kernels/block.cu\"").count(), 1);
    }
}
