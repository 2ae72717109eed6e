//! One measurement of the roofs of a device.
//!
//! Of every roof the best of several runs counts: it is what the device can do, not what it does on average. Short launches
//! are recorded and replayed many at a time, as a solve does.

use crate::device::{Device, Element, Gemm, Launch, Slice};
use crate::error::{Error, Result};
use crate::kernel::{Gram, Kernel, Stream, control};
use crate::machine::{Cache, caches};
use crate::optimizer::Rule;
use crate::race::clock::timed;
use crate::record::statistics::median;
use crate::record::{Bandwidth, Peak};

use super::probe::Probe;

/// Smallest stream of memory, in bytes. It is no larger because the memory that a run takes is itself a result.
const STREAM_BYTES: usize = 96 << 20;
/// A stream of memory is this many times as large as the last-level cache.
const CACHES: usize = 3;
/// Stream of a CUDA card: many times its cache, and long beside a launch.
const STREAM_BYTES_CUDA: usize = 1 << 30;
/// Streams of buffers that may lie in a cache: three quarters of the usual sizes of one, since a buffer as large as its cache
/// does not stay in it whole.
const CACHED_BYTES: [usize; 6] = [24 << 10, 96 << 10, 384 << 10, 3 << 19, 6 << 20, 24 << 20];
/// Bytes that are read in one replay of a small stream, at most [`MOST_LAUNCHES`] launches.
const REPLAY_BYTES: usize = 8 << 20;
const MOST_LAUNCHES: u64 = 64;
/// Where the sizes of the caches are unknown, a buffer that is read so many times as fast as memory counts as cached.
const FASTER: f64 = 1.25;
/// Order of the square matrices that are multiplied: large enough for every BLAS, 12 MB in all.
const ORDER: usize = 1024;
/// The same on a CUDA card, which would be done with the other before it is warm: 200 MB in all.
const ORDER_CUDA: usize = 4096;
/// Rows and columns of the bytes whose covariance is formed; the time of fewer rows is taken off that of more, since what is
/// done once a product is no part of its pace.
const BYTES_ROWS: [usize; 2] = [1024, 6144];
const BYTES_COLUMNS: usize = 784;
/// Order of the products in f64, on a card, and how many the two runs make whose times are subtracted.
const ORDER_F64: [usize; 2] = [768, 4096];
const F64_TIMES: [usize; 2] = [1, 3];
/// How long to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Long enough to find the roofs: about a second in all.
    Whole,
    /// Long enough to see whether the machine still reaches roofs that are known: a quarter of a second.
    Brief,
}

impl Effort {
    /// Time for a roof, in seconds, after a first run that does not count.
    fn roof_s(self) -> f64 {
        match self {
            Self::Whole => 0.1,
            Self::Brief => 0.01,
        }
    }

    /// Time for a stream, which may lie in a cache.
    fn stream_s(self, cached: bool) -> f64 {
        match (self, cached) {
            (_, false) => self.roof_s(),
            (Self::Whole, true) => 0.03,
            (Self::Brief, true) => 0.003,
        }
    }
}

/// Measures every roof once; `label` is the device as in a case id.
///
/// # Errors
/// As the device says.
pub fn measure<D: Device>(device: &mut D, label: String, effort: Effort) -> Result<Peak> {
    let card = device.info().kind == "cuda";
    let caches = match device.info().kind {
        "cpu" => caches(),
        _ => Vec::new(),
    };
    let (stream_gb_per_s, streams) = streams(device, &caches, effort)?;
    let order = if card { ORDER_CUDA } else { ORDER };
    let gemm_s = product(device, order, effort)?;
    let integer_gop_per_s = match device.info().kind {
        "cpu" => Some(bytes(device, effort)?),
        _ => None,
    };
    let info = device.info();
    Ok(Peak {
        device: label,
        name: info.name.clone(),
        driver: info.driver.clone(),
        software: info.software,
        stream_gb_per_s,
        gemm_gflop_per_s: 2.0 * (order as f64).powi(3) / gemm_s / 1e9,
        streams,
        integer_gop_per_s,
        f64_gflop_per_s: double(device, effort)?,
        probe_s: probe(device, effort)?,
        measurements: 1,
        ..Peak::default()
    })
}

/// Bandwidth of memory in 1e9 bytes per second, and that of every size of buffer: read, and updated.
fn streams<D: Device>(
    device: &mut D,
    caches: &[Cache],
    effort: Effort,
) -> Result<(f64, Vec<Bandwidth>)> {
    let limit = usize::try_from(device.info().max_buffer_bytes).unwrap_or(usize::MAX);
    let last = caches.last().map_or(0, |cache| cache.bytes);
    let whole = match device.info().kind {
        "cuda" => STREAM_BYTES_CUDA,
        _ => (CACHES * last).max(STREAM_BYTES),
    };
    let whole = whole.min(limit);
    let cached = CACHED_BYTES.into_iter().filter(|bytes| *bytes < whole);
    let sizes: Vec<usize> = cached.chain([whole]).collect();
    // One after the other, so that the memory of both is not taken at once.
    let read = reads(device, &sizes, effort)?;
    let updated = updates(device, &sizes, effort)?;
    let (memory, threads) = (read[read.len() - 1], device.info().threads.unwrap_or(1));
    let of = |(bytes, (gb_per_s, update_gb_per_s)): (usize, (f64, f64))| Bandwidth {
        bytes: bytes as f64,
        gb_per_s,
        update_gb_per_s: Some(update_gb_per_s),
        level: match bytes == whole {
            true => "memory".into(),
            false => level(bytes, caches, threads, gb_per_s > FASTER * memory),
        },
    };
    let rates = read.into_iter().zip(updated);
    Ok((memory, sizes.into_iter().zip(rates).map(of).collect()))
}

/// Bandwidths of reading buffers of these sizes, the last of them the largest.
fn reads<D: Device>(device: &mut D, sizes: &[usize], effort: Effort) -> Result<Vec<f64>> {
    let most = sizes[sizes.len() - 1] / Element::F32.bytes();
    let x = filled(device, most)?;
    let out = device.alloc(Element::F32, 1)?;
    let rate = |bytes: &usize| {
        let len = bytes / Element::F32.bytes();
        let launch = Launch {
            kernel: Kernel::Stream(Stream::Read),
            sizes: &[len],
            scalars: &[],
            buffers: &[&device.view(&x, 0, len), &out],
        };
        bandwidth(device, &launch, effort.stream_s(len < most))
    };
    sizes.iter().map(rate).collect()
}

/// The same of updating one half of a buffer by the other, as a step of gradient descent does: at a rate of 0, so that numbers
/// stay as they are.
fn updates<D: Device>(device: &mut D, sizes: &[usize], effort: Effort) -> Result<Vec<f64>> {
    let most = sizes[sizes.len() - 1] / Element::F32.bytes() / 2;
    let halves = [filled(device, most)?, filled(device, most)?];
    let control = device.alloc(Element::F32, control::LEN)?;
    device.write(&control, 0, Slice::F32(&[0.0; control::LEN]))?;
    let sgd = Rule::named("sgd");
    let rate = |bytes: &usize| {
        let len = bytes / Element::F32.bytes() / 2;
        let [p, g] = halves.each_ref().map(|half| device.view(half, 0, len));
        let launch = Launch {
            kernel: sgd.kernel(),
            sizes: &[len],
            scalars: &sgd.scalars(0.0),
            buffers: &[&control, &p, &g],
        };
        bandwidth(device, &launch, effort.stream_s(len < most))
    };
    sizes.iter().map(rate).collect()
}

/// A buffer that was written piece by piece: untouched pages would all be one page of zeros, read from the nearest cache.
fn filled<D: Device>(device: &mut D, len: usize) -> Result<D::Buffer> {
    let buffer = device.alloc(Element::F32, len)?;
    let piece = vec![1.0f32; len.min(1 << 20)];
    for start in (0..len).step_by(piece.len().max(1)) {
        let part = piece.len().min(len - start);
        device.write(&buffer, start, Slice::F32(&piece[..part]))?;
    }
    Ok(buffer)
}

/// The best of a launch's bandwidths within `time_s`, in 1e9 bytes per second.
fn bandwidth<D: Device>(
    device: &mut D,
    launch: &Launch<'_, D::Buffer>,
    time_s: f64,
) -> Result<f64> {
    let bytes = (launch.kernel.row().bytes)(launch.sizes);
    let launches = ((REPLAY_BYTES as f64 / bytes) as u64).clamp(1, MOST_LAUNCHES);
    let recording = device.record(&mut |device| device.launch(launch))?;
    let seconds = best(device, time_s, |device| device.replay(&recording, launches))?;
    Ok(bytes * launches as f64 / seconds / 1e9)
}

/// Where a buffer of so many bytes lies: the first cache that holds it, those of all threads together.
fn level(bytes: usize, caches: &[Cache], threads: usize, faster: bool) -> String {
    if caches.is_empty() {
        return if faster { "cache" } else { "memory" }.into();
    }
    let holds = |cache: &&Cache| bytes <= cache.bytes * threads.div_ceil(cache.shared_by);
    match caches.iter().position(|cache| holds(&cache)) {
        None => "memory".into(),
        Some(place) if place > 1 && place + 1 == caches.len() => "last level".into(),
        Some(place) => format!("L{}", caches[place].level),
    }
}

/// Shortest time of a product of two square matrices in f32, in seconds.
fn product<D: Device>(device: &mut D, order: usize, effort: Effort) -> Result<f64> {
    let gemm = Gemm {
        m: order,
        n: order,
        k: order,
        transpose_a: false,
        transpose_b: false,
        alpha: 1.0,
        beta: 0.0,
    };
    let mut matrix = || {
        let matrix = device.alloc(Element::F32, order * order)?;
        device.write(&matrix, 0, Slice::F32(&vec![0.5; order * order]))?;
        Ok(matrix)
    };
    let (a, b, c) = (matrix()?, matrix()?, matrix()?);
    best(device, effort.roof_s(), |device| {
        device.gemm(&gemm, &a, &b, &c)
    })
}

/// 1e9 operations per second of the covariance of bytes.
fn bytes<D: Device>(device: &mut D, effort: Effort) -> Result<f64> {
    let (row, d) = (Kernel::Gram(Gram::CovarianceU8).row(), BYTES_COLUMNS);
    let most = BYTES_ROWS[1];
    let x = device.alloc_rows(Element::U8, most, d)?;
    let values: Vec<u8> = (0..most * d).map(|i| (i % 251) as u8).collect();
    device.write(&x, 0, Slice::U8(&values))?;
    let mean = device.alloc_rows(Element::F32, 2, d)?;
    device.write(&mean, 0, Slice::F32(&vec![100.0; 2 * d]))?;
    let c = device.alloc_rows(Element::F32, d, d)?;
    let seconds = BYTES_ROWS.map(|n| {
        best(device, effort.roof_s(), |device| {
            device.launch(&Launch {
                kernel: row.kernel,
                sizes: &[n, d],
                scalars: &[0.0, 1.0, 1.0],
                buffers: &[&x, &mean, &c],
            })
        })
    });
    let flops = BYTES_ROWS.map(|n| (row.flops)(&[n, d]));
    let [few, many] = seconds;
    Ok(pace([few?, many?], flops))
}

/// 1e9 operations per second of products in f64; `None` where the device has none.
fn double<D: Device>(device: &mut D, effort: Effort) -> Result<Option<f64>> {
    if let Err(Error::Unsupported(_)) = device.square_f64(1, 1) {
        return Ok(None);
    }
    let order = ORDER_F64[usize::from(device.info().kind == "cuda")];
    let one = (order * order) as f64 * (order + 1) as f64;
    let [few, many] = F64_TIMES.map(|times| {
        best(device, effort.roof_s(), |device| {
            device.square_f64(order, times)
        })
    });
    Ok(Some(pace(
        [few?, many?],
        F64_TIMES.map(|times| times as f64 * one),
    )))
}

/// 1e9 operations per second of what a longer run does beyond a shorter one; that of the longer one where noise leaves
/// nothing between them.
fn pace(seconds: [f64; 2], flops: [f64; 2]) -> f64 {
    let whole = flops[1] / seconds[1];
    let more = (flops[1] - flops[0]) / (seconds[1] - seconds[0]);
    match more > whole && more < 1.5 * whole {
        true => more / 1e9,
        false => whole / 1e9,
    }
}

/// Seconds of the short product that judges the pace of repeats: of a CPU, whose cores others may share.
fn probe<D: Device>(device: &mut D, effort: Effort) -> Result<Option<f64>> {
    if device.info().kind != "cpu" {
        return Ok(None);
    }
    let probe = Probe::new(device)?;
    let looks = match effort {
        Effort::Whole => 15,
        Effort::Brief => 3,
    };
    // The median, since a repeat is held against what is usual, not against a stroke of luck.
    let seconds: Result<Vec<f64>> = (0..looks).map(|_| probe.seconds(device)).collect();
    Ok(median(&seconds?))
}

/// Shortest time of several runs of `work` within `time_s`, each ended synchronised.
fn best<D: Device>(
    device: &mut D,
    time_s: f64,
    mut work: impl FnMut(&mut D) -> Result<()>,
) -> Result<f64> {
    let mut run = |device: &mut D| {
        let (result, seconds) = timed(|| work(device).and_then(|()| device.synchronise()));
        result.map(|()| seconds.max(1e-9))
    };
    run(device)?;
    let (mut best, mut spent) = (f64::INFINITY, 0.0);
    while spent < time_s {
        let seconds = run(device)?;
        best = best.min(seconds);
        spent += seconds;
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu::Cpu;

    #[test]
    fn a_buffer_lies_in_the_first_cache_that_holds_it() {
        let cache = |level, kib: usize, shared_by| Cache {
            level,
            bytes: kib << 10,
            shared_by,
        };
        let caches = [cache(1, 32, 1), cache(2, 512, 1), cache(3, 16384, 4)];
        let at = |kib: usize, threads| level(kib << 10, &caches, threads, false);
        assert_eq!([at(24, 1), at(40, 1), at(40, 2)], ["L1", "L2", "L1"]);
        assert_eq!([at(513, 1), at(513, 2)], ["last level", "L2"]);
        assert_eq!([at(17000, 4), at(17000, 5)], ["memory", "last level"]);
        assert_eq!(level(1, &[], 1, true), "cache");
        assert_eq!(level(1, &[], 1, false), "memory");
    }

    #[test]
    fn what_is_done_once_a_product_is_no_part_of_its_pace() {
        // One second before 2e9 operations a second.
        assert_eq!(pace([2.0, 5.0], [2e9, 8e9]), 2.0);
        // Noise: the longer run was no longer.
        assert_eq!(pace([2.0, 2.0], [2e9, 8e9]), 4.0);
    }

    #[test]
    fn every_roof_of_a_cpu_is_measured() {
        let peak = measure(&mut Cpu::open(1).unwrap(), "cpu@1".into(), Effort::Brief).unwrap();
        assert!(peak.streams.is_sorted_by(|a, b| a.bytes < b.bytes));
        assert_eq!(peak.streams.last().unwrap().level, "memory");
        let roofs = [
            peak.gemm_gflop_per_s,
            peak.integer_gop_per_s.unwrap(),
            peak.f64_gflop_per_s.unwrap(),
        ];
        assert!(roofs.iter().all(|roof| roof.is_finite() && *roof > 0.0));
    }
}
