//! How a run on a device is watched from outside: whoever owns the clock sees the state at every look, and says whether to
//! go on. Both problems share it.

use crate::error::Result;

/// What the host may see at a look; the device is synchronised. `S` is the problem's snapshot of its state.
pub struct Look<'a, S> {
    /// Steps so far, over all components.
    pub iteration: u64,
    /// Passes so far.
    pub passes: f64,
    /// Component being sought, 0-based (0 throughout where all are sought at once, or none).
    pub component: usize,
    /// Whether this is the last look of the solve: the answer itself.
    pub last: bool,
    /// Reads the state from the device.
    pub snapshot: &'a mut dyn FnMut() -> Result<S>,
}

/// Whether to go on after a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Go on.
    Continue,
    /// A limit that the caller keeps (time, Ctrl-C) has come: finish with what there is.
    Stop,
}

/// Called at every look: the caller stops its clock on entry and starts it again on return. `S` is the problem's snapshot.
pub trait Watch<S> {
    /// Sees the state; says whether to go on.
    ///
    /// # Errors
    /// Ends the solve with that error.
    fn look(&mut self, look: Look<'_, S>) -> Result<Next>;
}

/// Looks at nothing and never stops.
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
    /// `max_iterations` or `epochs` came first.
    Iterations,
    /// The watch said stop.
    Stopped,
    /// The state is no longer finite.
    Diverged,
}
