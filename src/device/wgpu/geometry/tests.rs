use std::collections::BTreeMap;

use super::super::pass::buffer_of;
use super::super::shader::{text, variables};
use super::*;
use crate::device::constants::assert_values;
use crate::kernel::{Block, Family, Gram, Product, table};

fn tunings() -> [Tuning; 2] {
    [false, true].map(|software| Tuning {
        software,
        width: if software { 64 } else { 256 },
        groups: if software { 32 } else { 1024 },
        max_width: 256,
        memory: 16 << 10,
        max_bytes: 128 << 20,
    })
}

#[test]
fn no_dispatch_of_any_case_has_more_groups_than_there_can_be() {
    for tuning in tunings() {
        for row in table() {
            for (sizes, scalars) in row.cases.iter().chain([&row.benchmark]) {
                let passes = passes(&tuning, row.kernel, sizes, scalars);
                let passes = passes.unwrap_or_else(|e| panic!("{} {sizes:?}: {e}", row.name));
                for pass in passes {
                    assert!(pass.groups.iter().all(|g| (1..=MAX_GROUPS).contains(g)));
                }
            }
        }
    }
}

#[test]
fn loops_that_a_software_adapter_would_end_are_split_or_refused() {
    let [_, software] = tunings();
    let ones = [1.0; 3];
    let long = |kernel, sizes: &[usize], scalars| passes(&software, kernel, sizes, scalars);
    for (kernel, sizes, scalars) in [
        (
            Kernel::Product(Product::SamplesU8),
            &[1 << 20, 784, 1][..],
            &ones[..],
        ),
        (
            Kernel::Product(Product::SamplesF32),
            &[1 << 21, 4, 10],
            &ones,
        ),
        (Kernel::Gram(Gram::CovarianceU8), &[1 << 20, 784], &ones),
        (
            Kernel::Gram(Gram::DualF32),
            &[500, 500, 1_000_000, 500, 0, 0],
            &ones[1..],
        ),
        (Kernel::Block(Block::Retract), &[1_000_000, 1], &ones[..1]),
        (Kernel::Block(Block::ProjectOut), &[1_000_000, 10], &[]),
    ] {
        let passes = long(kernel, sizes, scalars).unwrap_or_else(|e| panic!("{kernel:?}: {e}"));
        assert!(passes.iter().all(|pass| pass.turns <= TURNS), "{kernel:?}");
    }
    let refused = long(Kernel::Block(Block::Orthonormalise), &[1_000_000, 100], &[]);
    let error = refused
        .expect_err("10^8 numbers in one workgroup")
        .to_string();
    assert!(error.contains("65535"), "{error}");
}

#[test]
fn a_dispatch_that_would_need_more_groups_is_refused_with_a_word() {
    let sizes = [4, 1 << 26, 2];
    for tuning in tunings() {
        let refused = passes(
            &tuning,
            Kernel::Product(Product::SamplesF32),
            &sizes,
            &[0.0, 1.0, 1.0],
        );
        let error = refused.expect_err("2^26 columns").to_string();
        assert!(error.contains("65535"), "{error}");
    }
}

#[test]
fn workgroup_memory_of_a_row_in_registers_stays_under_the_limit() {
    for tuning in tunings() {
        for d in [1, 31, 784, 785, 1024, 4096] {
            let spread = product::Spread::of(&tuning, d).expect("it fits in registers");
            let (width, columns) = (spread.width, spread.columns);
            assert!(
                4 * width * columns >= d && spread.rows * columns <= 16,
                "{d}"
            );
            assert!(spread.bytes() <= tuning.memory);
        }
        assert_eq!(product::Spread::of(&tuning, 4097), None);
    }
}
#[test]
fn an_entry_is_given_every_buffer_that_it_binds() {
    let mut bound: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for tuning in tunings() {
        for row in table() {
            for (sizes, scalars) in row.cases.iter().chain([&row.benchmark]) {
                let passes = passes(&tuning, row.kernel, sizes, scalars).expect("it fits");
                for Pass {
                    entry, bindings, ..
                } in passes
                {
                    let names = bound.entry(entry).or_insert_with(|| variables(entry));
                    for name in names.iter().map(|variable| buffer_of(variable)) {
                        let given = bindings.iter().any(|(given, _)| *given == name);
                        // Products over all samples have no list, and a lift is in no step that could stop.
                        let spared = ["rows", "control"].contains(&name)
                            && row.buffers.iter().all(|buffer| buffer.name != name);
                        assert!(given || spared, "{}: {entry} binds {name}", row.name);
                    }
                }
            }
        }
    }
}

#[test]
fn the_numbers_here_are_those_of_the_shaders() {
    let same = |stem: &str, known: &[(&str, usize)]| assert_values(stem, text(stem), known);
    let chunk = ("CHUNK", request::CHUNK);
    same(Family::Product.name(), &[("FOLD", product::FOLD), chunk]);
    same(Family::Gram.name(), &[chunk]);
    same(Family::Network.name(), &[("LANES", network::LANES)]);
    same("gemm", &[chunk]);
    same("gemm_direct", &[chunk]);
}
