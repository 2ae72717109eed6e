//! How busy the machine is, and what the program's threads lose to others.

use std::fs;

/// Counters since the program or the system began; what lies between two readings is what was lost in between.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Load {
    /// Processor seconds of all threads of the program.
    pub cpu_s: f64,
    /// Seconds for which its living threads were ready and waited for a core, summed.
    pub waited_s: f64,
    /// Seconds that the host of a virtual machine gave to others while its cores had work, summed over cores.
    pub stolen_s: f64,
    /// Switches that the threads did not ask for.
    pub switches: u64,
    /// Threads of all programs that run or are ready now, without the one that asks.
    pub running: u32,
    /// Clock of the cores now, MHz, the mean; `None` where the system does not report it.
    pub mhz: Option<f64>,
}

/// Reads the counters; `None` where the system has none (only Linux has).
pub fn load() -> Option<Load> {
    // Waiting first: what this reading itself costs comes after it.
    let waited_s = waited_s()?;
    let (cpu_s, switches) = used()?;
    let stat = fs::read_to_string("/proc/stat").ok()?;
    Some(Load {
        cpu_s,
        waited_s,
        stolen_s: stolen_s(&stat).unwrap_or(0.0),
        switches,
        running: running(&stat).unwrap_or(1).saturating_sub(1),
        mhz: mhz(),
    })
}

/// The second number of `schedstat` is nanoseconds on a run queue.
fn waited_s() -> Option<f64> {
    let mut nanoseconds = 0.0;
    for task in fs::read_dir("/proc/self/task").ok()?.flatten() {
        // A thread may end meanwhile.
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let waited = text
            .split_whitespace()
            .nth(1)
            .and_then(|word| word.parse::<f64>().ok());
        nanoseconds += waited.unwrap_or(0.0);
    }
    Some(nanoseconds / 1e9)
}

#[cfg(target_os = "linux")]
fn used() -> Option<(f64, u64)> {
    // SAFETY: rusage is plain numbers, for which all zeros are valid; the pointer is to a live one.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) == 0).then_some(usage)
    }?;
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    let cpu_s = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    Some((cpu_s, usage.ru_nivcsw.try_into().unwrap_or(0)))
}

#[cfg(not(target_os = "linux"))]
fn used() -> Option<(f64, u64)> {
    None
}

/// The eighth number of the first line, in clock ticks.
fn stolen_s(stat: &str) -> Option<f64> {
    let ticks = stat.lines().next()?.split_whitespace().nth(8)?;
    Some(ticks.parse::<f64>().ok()? / ticks_per_s())
}

fn running(stat: &str) -> Option<u32> {
    let line = stat
        .lines()
        .find_map(|line| line.strip_prefix("procs_running "));
    line?.trim().parse().ok()
}

#[cfg(unix)]
fn ticks_per_s() -> f64 {
    // SAFETY: a plain question.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    if ticks > 0 { ticks as f64 } else { 100.0 }
}

#[cfg(not(unix))]
fn ticks_per_s() -> f64 {
    100.0
}

/// Mean of the clocks that the system reports as they are now.
fn mhz() -> Option<f64> {
    let folder = fs::read_dir("/sys/devices/system/cpu/cpufreq").ok()?;
    let khz = |entry: fs::DirEntry| -> Option<f64> {
        let text = fs::read_to_string(entry.path().join("scaling_cur_freq")).ok()?;
        text.trim().parse().ok()
    };
    let all: Vec<f64> = folder.flatten().filter_map(khz).collect();
    let mean = all.iter().sum::<f64>() / all.len() as f64 / 1e3;
    (!all.is_empty()).then_some(mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stolen_time_and_threads_that_run_are_read_off_the_system() {
        let stat = "cpu  1 2 3 4 5 6 7 250 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0\nprocs_running 3\nprocs_blocked 0\n";
        assert_eq!(stolen_s(stat), Some(250.0 / ticks_per_s()));
        assert_eq!(running(stat), Some(3));
        assert_eq!((stolen_s(""), running("")), (None, None));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn work_shows_in_the_counters() {
        let before = load().unwrap();
        // Some tenths of a second, far above the microseconds in which the system counts.
        let mut sum = 0u64;
        for i in 0..100_000_000 {
            sum = std::hint::black_box(sum + i);
        }
        let after = load().unwrap();
        assert!(sum > 0 && after.cpu_s > before.cpu_s);
    }
}
