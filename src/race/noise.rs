//! What a repeat lost to other programs, and whether it counts.
//!
//! A thread that is ready and waits, and a core that the host of a virtual machine gives to another guest, make a solve
//! longer than the program is. Both are counters of the system, read before and after each repeat, off the clock. What no
//! counter says, the pace of the cores by a short product shows ([`super::roofs::probe`]).

use crate::machine::Load;
use crate::record::Noise;

/// Share of the time of its cores that a repeat may lose and still count. A quiet machine loses a tenth of that.
const MOST_LOST: f64 = 0.02;
/// What may be lost however short the repeat, in seconds a core: the system's own ticks take a few microseconds.
const TICKS_S: f64 = 10e-6;

/// Pace of the cores under which a repeat is disturbed: two cores that are the halves of one go at some 0.5 each, and on a quiet
/// machine the pace stays above 0.8.
const SLOWEST: f64 = 0.7;

/// What lies between two readings around a repeat of `wall_s` seconds. `cores` are those that the repeat uses; `None` where
/// waiting says nothing, because the device's own threads wait for each other (a software adapter).
pub fn between(
    before: &Load,
    after: &Load,
    wall_s: f64,
    cores: Option<usize>,
    pace: Option<f64>,
) -> Noise {
    let waited_s = (after.waited_s - before.waited_s).max(0.0);
    let stolen_s = (after.stolen_s - before.stolen_s).max(0.0);
    let lost = cores
        .is_some_and(|cores| waited_s + stolen_s > cores as f64 * (MOST_LOST * wall_s + TICKS_S));
    let disturbed = lost || pace.is_some_and(|pace| pace < SLOWEST);
    Noise {
        wall_s,
        cpu_s: (after.cpu_s - before.cpu_s).max(0.0),
        waited_s,
        stolen_s,
        switches: after.switches.saturating_sub(before.switches),
        others: after.running,
        mhz: after.mhz,
        pace,
        disturbed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_that_waited_for_others_is_disturbed() {
        let before = Load::default();
        let after = |waited_s, stolen_s| Load {
            waited_s,
            stolen_s,
            cpu_s: 0.2,
            ..before
        };
        let found = |load: Load, cores| between(&before, &load, 0.1, cores, None).disturbed;
        assert!(!found(after(0.0015, 0.0), Some(1)));
        assert!(found(after(0.0025, 0.0), Some(1)) && found(after(0.0, 0.01), Some(1)));
        // Two cores may lose twice as much.
        assert!(!found(after(0.0035, 0.0), Some(2)) && found(after(0.005, 0.0), Some(2)));
        assert!(!found(after(0.1, 0.0), None));
        let paced = |pace| between(&before, &before, 0.1, Some(1), Some(pace)).disturbed;
        assert!(paced(0.55) && !paced(0.9));
        assert!((between(&before, &after(0.1, 0.0), 0.1, None, None).cpu_s - 0.2).abs() < 1e-12);
    }
}
