use super::super::pass::{CHAINED, MAX_THREADS, TEAM_THREADS};
use super::super::source;
use super::request::{CHUNK, THREADS, WARP};
use super::*;
use crate::device::constants::assert_values;
use crate::kernel::{Family, Product, table};

/// A small card and a large one.
fn tunings() -> [Tuning; 3] {
    [2, 20, 132].map(|multiprocessors| Tuning {
        multiprocessors,
        shared_bytes: 48 << 10,
        chained: CHAINED,
    })
}

#[test]
fn every_case_becomes_passes_within_the_limits_of_a_grid() {
    for tuning in tunings() {
        for row in table() {
            for (sizes, scalars) in row.cases.iter().chain([&row.benchmark]) {
                let passes = passes(&tuning, row.kernel, sizes, scalars);
                let passes = passes.unwrap_or_else(|e| panic!("{} {sizes:?}: {e}", row.name));
                for pass in passes {
                    for (blocks, most) in pass.grid.iter().zip(MAX_GRID) {
                        assert!((1..=most).contains(&(*blocks as usize)), "{pass:?}");
                    }
                    assert!(pass.block.is_multiple_of(32) || pass.block == 1, "{pass:?}");
                    assert!(pass.block <= 1024 && pass.shared <= 48 << 10, "{pass:?}");
                }
            }
        }
    }
}

#[test]
fn sizes_beyond_a_grid_or_32_bits_are_refused_with_a_word() {
    let tuning = tunings()[0];
    let refused = |sizes: &[usize]| {
        let passes = passes(
            &tuning,
            Kernel::Product(Product::SamplesF32),
            sizes,
            &[0.0, 1.0, 1.0],
        );
        passes.expect_err("too large").to_string()
    };
    let rows = refused(&[4, 8, 1 << 26]);
    assert!(rows.contains("65535"), "{rows}");
    let samples = refused(&[1 << 33, 8, 1]);
    assert!(samples.contains("2^32"), "{samples}");
}

#[test]
fn a_row_launches_the_entries_that_its_unit_holds() {
    for tuning in tunings() {
        for row in table() {
            for (sizes, scalars) in row.cases.iter().chain([&row.benchmark]) {
                let passes = passes(&tuning, row.kernel, sizes, scalars).expect("it fits");
                for pass in passes {
                    let text = pass.unit.text();
                    let held = source::entries(&text).contains(&pass.entry);
                    assert!(held, "{} needs {}", row.name, pass.entry);
                }
            }
        }
    }
}

#[test]
fn a_small_product_is_one_launch_and_that_of_mnist_two() {
    let tuning = tunings()[2];
    let entries = |product, sizes: &[usize]| -> Vec<&str> {
        let passes = passes(&tuning, Kernel::Product(product), sizes, &[0.0, 1.0, 1.0]);
        let passes = passes.expect("it fits");
        passes.iter().map(|pass| pass.entry).collect()
    };
    let small = entries(Product::SamplesF32, &[1000, 64, 1]);
    assert_eq!(small, ["samples_product_f32"]);
    let mnist = entries(Product::SamplesU8, &[60000, 784, 1]);
    assert_eq!(mnist, ["samples_product_u8", "product_sum"]);
    let several = entries(Product::SamplesU8, &[60000, 784, 10]);
    assert_eq!(several, ["samples_products_u8", "product_sum"]);
    let long = entries(Product::SamplesF32, &[5000, 20_000, 1]);
    assert_eq!(
        long,
        [
            "project_f32",
            "project_sum",
            "product_lift_f32",
            "product_sum"
        ]
    );
}

#[test]
fn the_numbers_here_are_those_of_the_kernels() {
    let same = |family: Family, known: &[(&str, usize)]| {
        assert_values(family.name(), &source::unit(family), known);
    };
    same(Family::Stream, &[("THREADS", THREADS)]);
    same(
        Family::Product,
        &[
            ("WARP", WARP),
            ("THREADS", THREADS),
            ("TEAM_THREADS", TEAM_THREADS),
            ("TILE_QUADS", product::TILE_QUADS),
            ("TILE", product::TILE),
            ("SHORT", product::SHORT),
            ("SUM_QUADS", product::SUM_QUADS),
        ],
    );
    same(
        Family::Gram,
        &[
            ("TILE", gram::TILE),
            ("DEPTH", gram::DEPTH),
            ("THREADS", gram::TILE_THREADS),
            ("SUM_THREADS", THREADS),
            ("CHUNK", CHUNK),
        ],
    );
    same(Family::Block, &[("MAX_THREADS", MAX_THREADS)]);
    same(Family::Rules, &[("THREADS", THREADS)]);
    same(Family::Network, &[("THREADS", THREADS), ("WARP", WARP)]);
}
