//! Numbers that `kernels/` and `shaders/` repeat from Rust: one list, which both languages are held against.

use std::collections::HashMap;

use crate::kernel::{ATTEMPTS, FLUSH, LEAST_DIVISOR, VANISHED, control};

/// `f32::MAX` as both languages write it.
const LARGEST: f64 = 3.402_823_47e38;

/// Name and value of each.
fn repeated() -> Vec<(&'static str, f64)> {
    vec![
        ("STOP", control::STOP as f64),
        ("STEP", control::STEP as f64),
        ("RATE", control::RATE as f64),
        ("SCALE", control::SCALE as f64),
        ("RHO", control::RHO as f64),
        ("RESIDUAL", control::RESIDUAL as f64),
        ("TOLERANCE", control::TOLERANCE as f64),
        ("CRITERION", control::CRITERION as f64),
        ("BEST", control::BEST as f64),
        ("BEST_STEP", control::BEST_STEP as f64),
        ("BATCH", control::BATCH as f64),
        ("COUNT", control::COUNT as f64),
        ("SCALE_MEAN", control::SCALE_MEAN as f64),
        ("TOP", control::TOP as f64),
        ("CONVERGED", f64::from(control::CONVERGED)),
        ("FLOOR_REACHED", f64::from(control::FLOOR_REACHED)),
        ("NOT_FINITE", f64::from(control::NOT_FINITE)),
        ("STEP_NOT_FINITE", f64::from(control::STEP_NOT_FINITE)),
        ("BY_RESIDUAL", f64::from(control::BY_RESIDUAL)),
        ("NULL_SHARE", control::NULL_SHARE),
        ("LEAST_SHARE", control::LEAST_SHARE),
        ("NOISE", control::NOISE),
        ("LONGEST", control::LONGEST),
        ("NEAR_FLOOR", control::NEAR_FLOOR),
        ("PLATEAU", control::PLATEAU),
        ("NEAR_BEST", control::NEAR_BEST),
        ("HANDED_OVER", control::HANDED_OVER),
        ("IMPROVEMENT", control::IMPROVEMENT),
        ("PATIENCE", control::PATIENCE),
        ("VANISHED", VANISHED),
        ("ATTEMPTS", ATTEMPTS as f64),
        ("LEAST_DIVISOR", LEAST_DIVISOR),
        ("LARGEST", LARGEST),
        ("FLUSH", FLUSH),
    ]
}

/// Constants with a literal value in a text of either language: `constexpr unsigned NAME = 3;`, `const NAME: f32 = 0.5;`.
fn constants(text: &str) -> HashMap<&str, f64> {
    fn constant(line: &str) -> Option<(&str, f64)> {
        let (declared, value) = declaration(line)?.split_once(" = ")?;
        let name = declared.split(':').next()?.split(' ').next_back()?;
        let value = value.trim_end_matches(';').trim_end_matches(['u', 'f']);
        Some((name, value.parse().ok()?))
    }
    text.lines().filter_map(constant).collect()
}

/// A line that declares a constant, from its type or name on.
fn declaration(line: &str) -> Option<&str> {
    let keywords = ["constexpr ", "const "];
    keywords.iter().find_map(|word| line.strip_prefix(word))
}

/// Asserts that every number of the list occurs in at least one of these texts (stem and text), and in none with another
/// value.
pub(super) fn assert_repeated<T: AsRef<str>>(texts: &[(&str, T)]) {
    for (name, value) in repeated() {
        let mut seen = 0;
        for (stem, text) in texts {
            if let Some(found) = constants(text.as_ref()).get(name) {
                assert_eq!(*found, value, "{name} in {stem}");
                seen += 1;
            }
        }
        assert!(seen > 0, "no file has {name}");
    }
}

/// Asserts that a text has these numbers, which a geometry knows too, under these names.
pub(super) fn assert_values(stem: &str, text: &str, known: &[(&str, usize)]) {
    let constants = constants(text);
    for &(name, value) in known {
        let found = constants.get(name);
        assert_eq!(found, Some(&(value as f64)), "{name} in {stem}");
    }
}

/// Asserts that numbers with an exponent, such as a threshold of 1e-30, occur only in constants: elsewhere no test would
/// compare them.
pub(super) fn assert_named(stem: &str, text: &str) {
    let exponent = |word: &str| {
        let number = word.trim_end_matches(['f', 'u']);
        number.starts_with(|c: char| c.is_ascii_digit())
            && number.contains('e')
            && number.parse::<f64>().is_ok()
    };
    for line in text.lines().filter(|line| declaration(line).is_none()) {
        let code = line.split("//").next().unwrap_or_default();
        let mut words = code.split(|c: char| !(c.is_ascii_alphanumeric() || ".+-_".contains(c)));
        assert!(!words.any(exponent), "{stem}: {line}");
    }
}

mod tests {
    use super::*;

    #[test]
    fn both_languages_write_the_largest_float_alike() {
        assert_eq!(LARGEST as f32, f32::MAX);
    }

    #[test]
    fn constants_of_both_languages_are_read() {
        let text = "constexpr float A = 1e-3f;\nconst B: u32 = 2u;\nlet c = 3.0;\n";
        assert_eq!(constants(text), HashMap::from([("A", 1e-3), ("B", 2.0)]));
    }

    #[test]
    #[should_panic(expected = "x = max(x, 1e+3)")]
    fn a_number_with_an_exponent_is_seen_outside_of_a_constant() {
        assert_named(
            "a",
            "const A: f32 = 1e-3; // 1e-3\n// 1e-3\nx = 0x3e3;\nx = max(x, 1e+3);",
        );
    }
}
