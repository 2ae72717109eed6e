//! Observation of a run on a device. The owner of the clock sees the state at every look and decides whether to
//! continue. Both problems use it.

use crate::error::Result;

/// What the host sees at a look; the device is synchronised. `S` is the problem's snapshot of its state.
pub struct Look<'a, S> {
    /// Steps so far, over all components.
    pub iteration: u64,
    /// Passes so far.
    pub passes: f64,
    /// Component being sought, 0-based; always 0 if all are sought together or there are none.
    pub component: usize,
    /// Whether this is the last look of the solve, which sees the answer itself.
    pub last: bool,
    /// Reads the state from the device.
    pub snapshot: &'a mut dyn FnMut() -> Result<S>,
}

/// Whether to continue after a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Continue.
    Continue,
    /// A limit of the caller is reached (time, Ctrl-C): finish with the state so far.
    Stop,
}

/// Called at every look: the implementation stops its clock on entry and restarts it on return. `S` is the problem's snapshot.
pub trait Watch<S> {
    /// Receives the state and decides whether to continue.
    ///
    /// # Errors
    /// An error ends the solve and is returned by it.
    fn look(&mut self, look: Look<'_, S>) -> Result<Next>;
}

/// A watch that ignores every look and never stops.
#[derive(Debug, Clone, Copy)]
pub struct Blind;

impl<S> Watch<S> for Blind {
    fn look(&mut self, _: Look<'_, S>) -> Result<Next> {
        Ok(Next::Continue)
    }
}

/// Why a solve ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ended {
    /// Every component met the tolerance.
    Converged,
    /// A component stopped improving at the floor of the arithmetic, above the tolerance.
    Floor,
    /// `max_iterations` or `epochs` was reached.
    Iterations,
    /// The watch asked to stop.
    Stopped,
    /// The state is no longer finite.
    Diverged,
}
