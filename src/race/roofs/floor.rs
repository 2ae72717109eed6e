//! The least time that the roofs of a device allow for some work, and what share of it a solve reached.
//!
//! Every kernel's part of the work takes at least the time of its bytes or that of its operations, whichever is longer
//! (the roofline of Williams, Waterman and Patterson, 2009), and the parts follow each other. Bytes are held against the
//! bandwidth of a buffer as large as what one launch moves: what a launch finds in a cache it may read at the cache's
//! pace; passes that write, against passes that write. Operations are held against the product on the same kind of numbers; those that zeros saved are not counted.

use std::collections::BTreeMap;

use crate::record::{Arithmetic, Bandwidth, Part, Peak, Rate, Work};

/// The least time for this work under these roofs, in seconds, and the name of the roof that takes most of it; `None` where
/// a roof is missing.
pub fn floor(work: &Work, peak: &Peak) -> Option<(f64, String)> {
    let whole = [Part {
        kernel: String::new(),
        launches: 1.0,
        bytes: work.bytes,
        flops: work.flops + work.skipped_flops,
        arithmetic: Arithmetic::F32,
        updates: false,
    }];
    let parts = match work.parts.is_empty() {
        true => &whole[..],
        false => &work.parts,
    };
    let products = |part: &&Part| part.kernel.starts_with("gemm") || part.kernel.is_empty();
    let dense: f64 = parts.iter().filter(products).map(|part| part.flops).sum();
    let done = 1.0 - work.skipped_flops / dense.max(work.skipped_flops).max(1.0);
    let mut by_roof: BTreeMap<&str, f64> = BTreeMap::new();
    for part in parts {
        let (gb_per_s, level) = bandwidth(peak, part);
        let bytes_s = part.bytes / gb_per_s / 1e9;
        let flops = match products(&part) {
            true => part.flops * done,
            false => part.flops,
        };
        let (gflop_per_s, name) = match part.arithmetic {
            Arithmetic::F32 => (Some(peak.gemm_gflop_per_s), "f32"),
            Arithmetic::F64 => (peak.f64_gflop_per_s, "f64"),
            // Without integer products bytes are widened.
            Arithmetic::Integer => match peak.integer_gop_per_s {
                Some(roof) => (Some(roof), "integer"),
                None => (Some(peak.gemm_gflop_per_s), "f32"),
            },
        };
        let flops_s = flops / gflop_per_s? / 1e9;
        match flops_s > bytes_s {
            true => *by_roof.entry(name).or_default() += flops_s,
            false => *by_roof.entry(level).or_default() += bytes_s,
        }
    }
    let (name, _) = by_roof.iter().max_by(|a, b| a.1.total_cmp(b.1))?;
    let seconds = by_roof.values().sum();
    Some((seconds, (*name).to_string()))
}

/// The most that a buffer as large as what a launch moves is read at, or updated at, in 1e9 bytes per second, and where it lies: of
/// the sizes that were measured, the best of those from the next smaller one on, since a larger buffer is never faster but by
/// mistake.
fn bandwidth<'a>(peak: &'a Peak, part: &Part) -> (f64, &'a str) {
    // What is written was read before, so that the buffers are about half as large as what moves.
    let moved = part.bytes / part.launches.max(1.0);
    let bytes = if part.updates { moved / 2.0 } else { moved };
    let pace = |stream: &Bandwidth| match part.updates {
        true => stream.most(),
        false => stream.gb_per_s,
    };
    let first = peak.streams.iter().rposition(|s| s.bytes <= bytes);
    let from = &peak.streams[first.unwrap_or(0).min(peak.streams.len())..];
    let best = from.iter().max_by(|a, b| pace(a).total_cmp(&pace(b)));
    match best {
        Some(stream) if pace(stream) > peak.stream_gb_per_s => (pace(stream), &stream.level),
        _ => (peak.stream_gb_per_s, "memory"),
    }
}

/// The rates of a solve of `solve_s` seconds, with its share of what the roofs allow.
pub fn rate(work: &Work, solve_s: f64, peak: Option<&Peak>) -> Rate {
    let gflop_per_s = |flops: f64| flops / solve_s / 1e9;
    let floor = peak.and_then(|peak| floor(work, peak));
    let skipped = (work.skipped_flops > 0.0).then_some(work.flops + work.skipped_flops);
    Rate {
        gb_per_s: work.bytes / solve_s / 1e9,
        gflop_per_s: gflop_per_s(work.flops),
        dense_equivalent_gflop_per_s: skipped.map(gflop_per_s),
        floor_s: floor.as_ref().map(|(seconds, _)| *seconds),
        share_of_peak: floor.as_ref().map(|(seconds, _)| seconds / solve_s),
        peak: floor.map(|(_, name)| name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peak() -> Peak {
        let stream = |bytes, gb_per_s, level: &str| Bandwidth {
            bytes,
            gb_per_s,
            update_gb_per_s: Some(1.5 * gb_per_s),
            level: level.into(),
        };
        Peak {
            stream_gb_per_s: 20.0,
            gemm_gflop_per_s: 100.0,
            integer_gop_per_s: Some(300.0),
            streams: vec![
                stream(1e5, 150.0, "L2"),
                stream(4e6, 60.0, "last level"),
                stream(1e8, 20.0, "memory"),
            ],
            ..Peak::default()
        }
    }

    fn part(launches: f64, bytes: f64, flops: f64, arithmetic: Arithmetic) -> Part {
        Part {
            kernel: "symmetric_product".into(),
            launches,
            bytes,
            flops,
            arithmetic,
            updates: false,
        }
    }

    fn work(parts: Vec<Part>) -> Work {
        Work {
            bytes: parts.iter().map(|part| part.bytes).sum(),
            flops: parts.iter().map(|part| part.flops).sum(),
            parts,
            ..Work::default()
        }
    }

    fn found(work: &Work) -> (f64, String) {
        let (seconds, name) = floor(work, &peak()).unwrap();
        ((seconds * 1e9).round() / 1e9, name)
    }

    #[test]
    fn bytes_are_held_against_the_level_that_a_launch_fits_in() {
        let read = |launches, bytes| work(vec![part(launches, bytes, 1.0, Arithmetic::F32)]);
        assert_eq!(found(&read(1.0, 20e9)), (1.0, "memory".into()));
        assert_eq!(found(&read(1e4, 60e9)), (1.0, "last level".into()));
        assert_eq!(found(&read(1e6, 150e9)), (1.0, "L2".into()));
        // Between two sizes the smaller one's pace is the roof: part of it may lie in the cache.
        assert_eq!(found(&read(1e3, 60e9)), (1.0, "last level".into()));
    }

    #[test]
    fn passes_that_write_are_held_against_passes_that_write() {
        let update = |launches, bytes| {
            let part = Part {
                updates: true,
                ..part(launches, bytes, 1.0, Arithmetic::F32)
            };
            work(vec![part])
        };
        assert_eq!(found(&update(1.0, 30e9)), (1.0, "memory".into()));
        // Buffers of half of what a launch moves.
        assert_eq!(found(&update(1e4, 90e9)), (1.0, "last level".into()));
        assert_eq!(found(&update(225e9 / 6e6, 225e9)), (1.0, "L2".into()));
    }

    #[test]
    fn operations_are_held_against_their_own_kind_and_parts_add_up() {
        let integers = part(1.0, 1.0, 300e9, Arithmetic::Integer);
        let floats = part(1.0, 1.0, 50e9, Arithmetic::F32);
        assert_eq!(
            found(&work(vec![integers.clone(), floats])),
            (1.5, "integer".into())
        );
        let double = part(1.0, 1.0, 1e9, Arithmetic::F64);
        assert_eq!(floor(&work(vec![integers, double]), &peak()), None);
    }

    #[test]
    fn what_zeros_saved_is_not_work_but_is_told() {
        let mut gemm = part(1.0, 1.0, 100e9, Arithmetic::F32);
        gemm.kernel = "gemm 1024x1024x1024".into();
        let mut half = work(vec![gemm]);
        (half.flops, half.skipped_flops) = (60e9, 40e9);
        let rate = rate(&half, 1.0, Some(&peak()));
        assert_eq!(rate.gflop_per_s, 60.0);
        assert_eq!(rate.dense_equivalent_gflop_per_s, Some(100.0));
        assert!((rate.share_of_peak.unwrap() - 0.6).abs() < 1e-9);
    }

    #[test]
    fn without_roofs_there_is_a_rate_and_no_share() {
        let rate = rate(&work(vec![part(1.0, 1e9, 2e9, Arithmetic::F32)]), 2.0, None);
        assert_eq!(
            (rate.gb_per_s, rate.gflop_per_s, rate.share_of_peak),
            (0.5, 1.0, None)
        );
    }
}
