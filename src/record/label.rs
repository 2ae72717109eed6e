//! What is read off a record in more than one place: the parts of its id, its error, its time to target.

use super::asked::Word;
use super::{Record, Status, statistics};

impl Status {
    /// The status as it stands in the records.
    pub fn word(self) -> &'static str {
        match self {
            Self::Reached => "reached",
            Self::Budget => "budget",
            Self::Stalled => "stalled",
            Self::Unresolved => "unresolved",
            Self::Diverged => "diverged",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

impl Record {
    /// Median time to the target in seconds; `None` when it was not reached.
    pub fn to_target_s(&self) -> Option<f64> {
        let reached = self.status == Status::Reached;
        statistics::median(&self.time.as_ref().filter(|_| reached)?.to_target_s)
    }

    /// Median time of solving in seconds; `None` when the case did not run.
    pub fn solve_s(&self) -> Option<f64> {
        statistics::median(&self.time.as_ref()?.solve_s)
    }

    /// The error of the final answer: the sine of the largest principal angle, or the test error of a network.
    pub fn error(&self) -> Option<f64> {
        let sine = self.accuracy.as_ref().and_then(|a| a.subspace_sine);
        let network = self.network.as_ref();
        sine.or(network.and_then(|network| Some(network.end?.test_error)))
    }

    /// Whether it is a network, judged by its test error.
    pub fn classifies(&self) -> bool {
        self.network.is_some()
    }

    /// Whether the columns were brought to zero mean and unit variance. A file is always loaded, so that where there are no
    /// samples what was asked for says it.
    pub fn standardized(&self) -> bool {
        match &self.data {
            Some(data) => data.standardized,
            None => self.asked.get("standardize") == Some("columns"),
        }
    }

    /// What tells a competitor apart within its task, in the order of its id: what the task says (problem, samples, what is
    /// sought of them) and the default precision are left out.
    pub fn own_words(&self) -> Vec<Word> {
        let mut words = self.asked.words();
        let shared = ["problem", "layers", "components", "standardize"];
        let default = |word: &Word| word.flag == "precision" && word.text == "f32";
        words.retain(|word| !(shared.contains(&word.flag) || default(word)));
        words
    }
}
