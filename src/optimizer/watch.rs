//! How a run on a device is watched from outside: whoever owns the clock sees the state at every look, and says whether to
//! go on. Both problems share it.

use crate::error::Result;

/// What the host may see at a look; the device is synchronised.
pub struct Look<'a> {
    /// Steps so far, over all components.
    pub iteration: u64,
    /// Passes so far.
    pub passes: f64,
    /// Component being sought, 0-based (0 throughout where all are sought at once, or none).
    pub component: usize,
    /// Length of a row of the snapshot: d, or n where the operator is the n x n Gram matrix; of a network, its three numbers.
    pub order: usize,
    /// Whether this is the last look of the solve: the answer itself.
    pub last: bool,
    /// Reads the state. PCA: the components so far, the one being sought included, rows x `order`. A network: test error (a
    /// fraction), test loss and training loss, evaluated on the device.
    pub snapshot: &'a mut dyn FnMut() -> Result<Vec<f32>>,
}

/// Whether to go on after a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Continue,
    /// A limit that the caller keeps (time, Ctrl-C) has come: finish with what there is.
    Stop,
}

/// Called at every look: the caller stops its clock on entry and starts it again on return.
pub trait Watch {
    /// Sees the state; says whether to go on.
    ///
    /// # Errors
    /// Ends the solve with that error.
    fn look(&mut self, look: Look<'_>) -> Result<Verdict>;
}

/// Looks at nothing and never stops.
#[derive(Debug, Clone, Copy)]
pub struct Blind;

impl Watch for Blind {
    fn look(&mut self, _: Look<'_>) -> Result<Verdict> {
        Ok(Verdict::Continue)
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
