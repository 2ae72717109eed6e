//! Which devices the benchmarks run on, and what they are called: on the CPU one thread and all.

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use gradrace::machine;
use gradrace::race::device::{self, DeviceSpec, Threads};

/// The CPU with one thread, then every device found.
pub fn devices() -> Vec<DeviceSpec> {
    let one = DeviceSpec::cpu(Threads::Count(1));
    let found = device::present().into_iter().map(|found| found.spec);
    let all = found.filter(|spec| *spec != DeviceSpec::cpu(Threads::All) || machine::cores() > 1);
    std::iter::once(one).chain(all).collect()
}

/// A device's name in the output.
pub fn label(spec: DeviceSpec) -> String {
    match spec.threads {
        Threads::All if spec == DeviceSpec::cpu(Threads::All) => {
            format!("cpu@{}", machine::cores())
        }
        _ if device::is_software(spec) => format!("{spec} (software)"),
        _ => spec.to_string(),
    }
}

/// A group with the settings of all: ten samples in most of a second; with `--quick` a tenth of one, and intervals from a
/// twentieth of the resamples, which would take longer than what they are of.
pub fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (milliseconds, resamples) = if quick { (100, 5000) } else { (800, 100_000) };
    let mut group = criterion.benchmark_group(name);
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(milliseconds))
        .nresamples(resamples);
    group
}
