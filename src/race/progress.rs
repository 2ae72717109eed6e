//! How a race tells how it goes.

/// Hears how the race goes.
pub trait Progress {
    /// A word worth keeping: digits stand in for mnist, a cut line was dropped.
    fn note(&mut self, text: &str);
    /// What is being done now.
    fn phase(&mut self, text: &str);
    /// A case begins, or goes on: `done` of `total` rows are written.
    fn case(&mut self, done: usize, total: usize, id: &str);
    /// How far the case is.
    fn step(&mut self, iteration: u64, error: f64);
}
