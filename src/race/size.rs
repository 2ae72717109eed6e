//! The size of samples that are known by name, and sizes and times as a person reads them.

use crate::data::Spec;

/// The samples of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Number of samples.
    pub n: usize,
    /// Dimension.
    pub d: usize,
    /// Bytes of a value in memory.
    pub value_bytes: usize,
}

impl Size {
    /// The size of samples that are known by name; `None` for a file, which has to be read.
    pub fn of(spec: &Spec) -> Option<Self> {
        let size = |n, d, value_bytes| Some(Self { n, d, value_bytes });
        match spec {
            Spec::Mnist => size(60_000, 784, 1),
            Spec::Made(made) => {
                let (n, d, value_bytes) = made.size();
                size(n, d, value_bytes)
            }
            Spec::Path(_) => None,
        }
    }
}

/// Bytes as a person reads them: `47 MB`, `3.1 GB`.
pub fn bytes_word(bytes: f64) -> String {
    match bytes {
        b if b >= 1e9 => format!("{:.1} GB", b / 1e9),
        b if b >= 1e6 => format!("{:.0} MB", b / 1e6),
        b => format!("{:.0} kB", (b / 1e3).ceil()),
    }
}

/// Seconds as a person reads an estimate: `0.4 s`, `28 s`, `3 min`.
pub fn seconds_word(seconds: f64) -> String {
    match seconds {
        s if s >= 100.0 => format!("{:.0} min", s / 60.0),
        s if s < 9.95 => format!("{s:.1} s"),
        s => format!("{:.0} s", s.ceil()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_short() {
        assert_eq!(
            [47.04e6, 3.136e9, 900.0].map(bytes_word),
            ["47 MB", "3.1 GB", "1 kB"]
        );
        assert_eq!(
            [0.42, 27.2, 180.0].map(seconds_word),
            ["0.4 s", "28 s", "3 min"]
        );
    }
}
