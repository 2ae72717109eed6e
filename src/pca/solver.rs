//! Runs a plan on a device.

use std::marker::PhantomData;

use super::{Outcome, Plan, Problem, Watch};
use crate::device::Device;
use crate::error::{Error, Result};

/// A plan with its buffers and recordings on a device: what can be done before the clock starts.
pub struct Solver<D: Device> {
    device: PhantomData<D>,
}

impl<D: Device> Solver<D> {
    /// Allocates and records (setup, not solve).
    ///
    /// # Errors
    /// `Unsupported` or `Failed`, as the device says.
    pub fn prepare(device: &mut D, problem: &Problem<D>, plan: &Plan) -> Result<Self> {
        let _ = (device, problem, plan);
        Ok(Self {
            device: PhantomData,
        })
    }

    /// One solve, from the start vectors to the Rayleigh-Ritz step; may be called again and gives the same bits.
    ///
    /// # Errors
    /// As the device says, or what the watch returns.
    pub fn solve(&mut self, device: &mut D, watch: &mut dyn Watch) -> Result<Outcome> {
        let _ = (device, watch);
        Err(Error::failed("not built yet"))
    }
}
