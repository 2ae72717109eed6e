//! What is read off a record in more than one place: the parts of its id, its error, its time to target.

use super::asked::Word;
use super::{Record, Status, statistics};

/// What a task says of all its competitors: the samples and what is sought of them.
const TASK: [&str; 4] = ["problem", "layers", "components", "standardize"];

/// How long a case may go on and how exact it must be, and the seed: conditions of a measurement and samples of a
/// competitor, never part of who it is.
const CONDITIONS: [&str; 6] = [
    "target",
    "tolerance",
    "time-limit",
    "max-iterations",
    "epochs",
    "seed",
];

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

    /// Whether it is solved in steps, from a seed to a limit: everything but `direct`.
    pub fn has_steps(&self) -> bool {
        self.asked.get("optimizer").is_some()
    }

    /// What tells a competitor apart within its task, in the order of its id: method, operator, rule with its parameters,
    /// batch, device and precision. What the task says, the conditions, the seed and the default precision are left out.
    pub fn own_words(&self) -> Vec<Word> {
        let mut words = self.asked.words();
        let default = |word: &Word| word.flag == "precision" && word.text == "f32";
        words.retain(|word| {
            !(TASK.contains(&word.flag) || CONDITIONS.contains(&word.flag) || default(word))
        });
        words
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;

    #[test]
    fn conditions_and_seeds_tell_no_competitors_apart() {
        let mut record = fixture::race().remove(0);
        let words = record.own_words();
        let id = record.case.clone() + "/target1e-4/tol1e-5/limit30/iter50/epochs2/seed7";
        fixture::rename(&mut record, id);
        assert_eq!(record.own_words(), words);
        let id = record.case.replace("/sgd/", "/sgd/eta0.5/");
        fixture::rename(&mut record, id);
        assert_eq!(record.own_words().len(), words.len() + 1);
    }
}
