//! Roofs of a device, measured in the run that quotes them.

use std::time::Duration;

use crate::device::{Device, Element, Gemm, Launch, Slice};
use crate::error::Result;
use crate::kernel::{Kernel, Stream};
use crate::record::Peak;

use super::clock::timed;

/// Smallest stream, in bytes. It is no larger because the memory that a run takes is itself a result.
const STREAM_BYTES: usize = 96 << 20;
/// A stream is this many times as large as the last-level cache that the system tells of.
const CACHES: usize = 3;
/// Stream of a CUDA card: many times its cache, and long beside a launch.
const STREAM_BYTES_CUDA: usize = 1 << 30;
/// Order of the square matrices that are multiplied: large enough for every BLAS, 12 MB in all.
const ORDER: usize = 1024;
/// The same on a CUDA card, which would be done with the other before it is warm: 200 MB in all.
const ORDER_CUDA: usize = 4096;
/// Time for each of the two, in seconds, after a first run that does not count.
const TIME_S: f64 = 0.25;

/// Measures both peaks; `label` is the device as in a case id. The best of several runs counts: a peak is what the
/// device can do, not what it does on average.
///
/// # Errors
/// As the device says.
pub fn measure<D: Device>(device: &mut D, label: String) -> Result<Peak> {
    let limit = usize::try_from(device.info().max_buffer_bytes).unwrap_or(usize::MAX);
    let (bytes, order) = if device.info().kind == "cuda" {
        (STREAM_BYTES_CUDA, ORDER_CUDA)
    } else {
        ((CACHES * last_level_cache()).max(STREAM_BYTES), ORDER)
    };
    let bytes = bytes.min(limit);
    let row = Kernel::Stream(Stream::Read).row();
    let sizes = [bytes / Element::F32.bytes()];
    let x = device.alloc(Element::F32, sizes[0])?;
    let out = device.alloc(Element::F32, 1)?;
    // Written piece by piece: untouched pages would all be one page of zeros, read from the nearest cache.
    let piece = vec![1.0f32; sizes[0].min(1 << 20)];
    for start in (0..sizes[0]).step_by(piece.len()) {
        let len = piece.len().min(sizes[0] - start);
        device.write(&x, start, Slice::F32(&piece[..len]))?;
    }
    let stream_s = best(device, |device| {
        let buffers = [&x, &out];
        device.launch(&Launch {
            kernel: row.kernel,
            sizes: &sizes,
            scalars: &[],
            buffers: &buffers,
        })
    })?;
    drop((x, out));

    let (m, n, k) = (order, order, order);
    let gemm = Gemm {
        m,
        n,
        k,
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
    let gemm_s = best(device, |device| device.gemm(&gemm, &a, &b, &c))?;
    Ok(Peak {
        device: label,
        name: device.info().name.clone(),
        driver: device.info().driver.clone(),
        software: device.info().software,
        stream_gb_per_s: (row.bytes)(&sizes) / stream_s / 1e9,
        gemm_gflop_per_s: 2.0 * (order as f64).powi(3) / gemm_s / 1e9,
        ..Peak::default()
    })
}

/// Shortest time of several runs of `work`, ended synchronised.
fn best<D: Device>(device: &mut D, mut work: impl FnMut(&mut D) -> Result<()>) -> Result<f64> {
    let mut run = |device: &mut D| {
        let (result, seconds) = timed(|| work(device).and_then(|()| device.synchronise()));
        result.map(|()| seconds.max(Duration::from_nanos(1).as_secs_f64()))
    };
    run(device)?;
    let (mut best, mut spent) = (f64::INFINITY, 0.0);
    while spent < TIME_S {
        let seconds = run(device)?;
        best = best.min(seconds);
        spent += seconds;
    }
    Ok(best)
}

/// Size in bytes of the last-level cache, as Linux tells it; 0 where nothing is known.
fn last_level_cache() -> usize {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/cpu0/cache/index3/size");
    let kib = text
        .ok()
        .and_then(|text| text.trim().strip_suffix('K')?.parse::<usize>().ok());
    kib.unwrap_or(0) << 10
}
