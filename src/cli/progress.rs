//! The live progress bar on standard error.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::race::progress::Progress;

use super::output::tell;

/// A bar over the rows of a race; hidden when standard error is no terminal. It is drawn only where the race tells of
/// itself, off the clock: no thread of its own takes a core from what is measured.
pub struct Bar {
    bar: ProgressBar,
    id: String,
}

impl Bar {
    /// A bar, or none when `quiet`.
    pub fn new(quiet: bool) -> Self {
        let target = match quiet {
            true => ProgressDrawTarget::hidden(),
            false => ProgressDrawTarget::stderr(),
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let style = ProgressStyle::with_template("{elapsed:>4} {bar:24} {pos}/{len} {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self {
            bar,
            id: String::new(),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Bar {
    fn note(&mut self, text: &str) {
        self.bar.suspend(|| tell(&format!("note: {text}")));
    }

    fn phase(&mut self, text: &str) {
        self.bar.set_message(text.to_string());
        self.bar.tick();
    }

    fn case(&mut self, done: usize, total: usize, id: &str) {
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
        self.id = id.to_string();
        self.phase(id);
    }

    fn step(&mut self, iteration: u64, error: f64) {
        let error = if error.is_nan() {
            String::new()
        } else {
            format!(", error {error:.1e}")
        };
        self.bar
            .set_message(format!("{} step {iteration}{error}", self.id));
    }
}
