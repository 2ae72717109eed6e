//! What a solve costs in joules, where the machine tells it: NVIDIA's cards through NVML, processors through RAPL.
//!
//! Counters move every 1 to 100 ms, so that energy is measured in a pass of its own after the repeats, solve after solve
//! for two seconds. It is all that the card, or the processor's packages, used in that time: with the idle cores and the
//! memory where the counter has them, without the rest of the machine.

mod nvml;
mod rapl;

use crate::device::Info;
use crate::record::Energy;

/// Seconds of the pass: the coarsest counter moves twenty times.
pub const PASS_S: f64 = 2.0;

/// Counts the energy of one device.
pub trait Meter {
    /// `nvml` or `rapl`.
    fn source(&self) -> &'static str;

    /// Joules since some moment; `None` when the counter cannot be read.
    fn joules(&mut self) -> Option<f64>;

    /// What the device is now.
    fn state(&mut self) -> State {
        State::default()
    }
}

/// Clock, temperature, and why the device is slower than it could be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Clock of the multiprocessors, MHz.
    pub clock_mhz: Option<u32>,
    /// Temperature, degrees Celsius.
    pub temperature_c: Option<u32>,
    /// Reasons of a lowered clock: `power cap`, `thermal`, `power brake`.
    pub throttle: Vec<&'static str>,
}

/// The meter of a device, where there is one that can be read.
pub fn meter(info: &Info) -> Option<Box<dyn Meter>> {
    if info.kind == "cpu" || info.software {
        return rapl::Rapl::open(std::path::Path::new(rapl::ROOT))
            .map(|meter| Box::new(meter) as _);
    }
    let pci = info.pci.as_deref()?;
    nvml::Nvml::open(pci).map(|meter| Box::new(meter) as _)
}

/// A pass in progress, and what the repeats before it saw.
pub struct Weighing {
    meter: Box<dyn Meter>,
    throttle: Vec<&'static str>,
    /// Repeats after which the clock was found lowered.
    throttled: u64,
    energy: Option<Energy>,
}

impl Weighing {
    /// A pass with this meter.
    pub fn new(meter: Box<dyn Meter>) -> Self {
        Self {
            meter,
            throttle: Vec::new(),
            throttled: 0,
            energy: None,
        }
    }

    /// Asks, right after a repeat, whether the device was held back.
    pub fn look(&mut self) {
        let state = self.meter.state();
        self.throttled += u64::from(!state.throttle.is_empty());
        for reason in state.throttle {
            if !self.throttle.contains(&reason) {
                self.throttle.push(reason);
            }
        }
    }

    /// Weighs `solve`, which gives the seconds of the clock on the wall that it took, again and again; `false` ends early.
    ///
    /// # Errors
    /// Those of `solve`.
    pub fn weigh<E>(
        &mut self,
        mut solve: impl FnMut() -> Result<f64, E>,
        mut on: impl FnMut() -> bool,
    ) -> Result<(), E> {
        let Some(before) = self.meter.joules() else {
            return Ok(());
        };
        let (mut solves, mut seconds) = (0, 0.0);
        while seconds < PASS_S && on() {
            seconds += solve()?;
            solves += 1;
        }
        let after = self.meter.joules();
        let Some(joules) = after.map(|after| after - before).filter(|x| *x > 0.0) else {
            return Ok(());
        };
        if solves > 0 && seconds > 0.0 {
            let state = self.meter.state();
            self.energy = Some(Energy {
                source: self.meter.source().into(),
                joules: joules / solves as f64,
                watts: joules / seconds,
                solves,
                clock_mhz: state.clock_mhz,
                temperature_c: state.temperature_c,
                throttled_repeats: 0,
                throttle: Vec::new(),
            });
        }
        Ok(())
    }

    /// What was weighed.
    pub fn finish(self) -> Option<Energy> {
        let mut energy = self.energy?;
        energy.throttled_repeats = self.throttled;
        energy.throttle = self.throttle.iter().map(ToString::to_string).collect();
        Some(energy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A counter that moves by so much at every reading, on a device that grows hot after a while.
    struct Fake {
        joules: f64,
        step: f64,
        looks: u32,
    }

    impl Meter for Fake {
        fn source(&self) -> &'static str {
            "nvml"
        }
        fn joules(&mut self) -> Option<f64> {
            self.joules += self.step;
            Some(self.joules)
        }
        fn state(&mut self) -> State {
            self.looks += 1;
            State {
                clock_mhz: Some(1410),
                temperature_c: Some(83),
                throttle: if self.looks > 2 {
                    vec!["thermal"]
                } else {
                    vec![]
                },
            }
        }
    }

    fn weighing(step: f64) -> Weighing {
        Weighing::new(Box::new(Fake {
            joules: 7.0,
            step,
            looks: 0,
        }))
    }

    #[test]
    fn joules_are_those_of_one_solve_and_a_throttled_repeat_is_marked() {
        let mut weighing = weighing(600.0);
        (0..3).for_each(|_| weighing.look());
        let weighed: Result<(), ()> = weighing.weigh(|| Ok(0.5), || true);
        weighed.unwrap();
        let energy = weighing.finish().unwrap();
        assert_eq!(
            (energy.joules, energy.watts, energy.solves),
            (150.0, 300.0, 4)
        );
        assert_eq!(energy.throttled_repeats, 1);
        assert_eq!(energy.throttle, ["thermal"]);
        assert_eq!(
            (energy.clock_mhz, energy.temperature_c),
            (Some(1410), Some(83))
        );
    }

    #[test]
    fn a_counter_that_stands_still_or_a_pass_that_was_cut_off_is_no_energy() {
        let mut still = weighing(0.0);
        still.weigh(|| Ok::<_, ()>(0.5), || true).unwrap();
        assert!(still.finish().is_none());
        let mut cut = weighing(1.0);
        cut.weigh(|| Ok::<_, ()>(0.5), || false).unwrap();
        assert!(cut.finish().is_none());
        let mut failing = weighing(1.0);
        assert_eq!(failing.weigh(|| Err("lost"), || true), Err("lost"));
        assert!(failing.finish().is_none());
    }
}
