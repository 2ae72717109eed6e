//! Shares and times as they are typed.

use crate::error::{Error, Result};

/// A share over 0 and under 1: `3%`, `3` and `0.03` are the same. A number without the sign is a share where it is under 1, and
/// percent from 1 on.
///
/// # Errors
/// `Input` with what is accepted.
pub fn share(flag: &str, text: &str) -> Result<f64> {
    let (number, percent) = match text.trim().strip_suffix('%') {
        Some(number) => (number.trim_end(), true),
        None => (text.trim(), false),
    };
    let value: Option<f64> = number.parse().ok();
    let share = value.map(|value| match percent || value >= 1.0 {
        true => value / 100.0,
        false => value,
    });
    share
        .filter(|share| *share > 0.0 && *share < 1.0)
        .ok_or_else(|| {
            Error::input(format!(
                "--{flag} `{text}`: give a percentage over 0 % and under 100 %: 3%, or 0.03"
            ))
        })
}

/// Seconds above 0: `90`, `90s`, `20m` or `1.5h`.
///
/// # Errors
/// `Input` with what is accepted.
pub fn seconds(flag: &str, text: &str) -> Result<f64> {
    let text = text.trim();
    let units = [("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let unit = units
        .iter()
        .find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, *scale)));
    let (number, scale) = unit.unwrap_or((text, 1.0));
    let value: Option<f64> = number.trim().parse().ok();
    let value = value.map(|value| value * scale);
    value.filter(|s| s.is_finite() && *s > 0.0).ok_or_else(|| {
        Error::input(format!(
            "--{flag} `{text}`: give a time above 0: seconds, or 90s, 20m, 1h"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_read_in_every_form_and_nothing_else_is() {
        for text in ["3%", "3 %", "3", "0.03", "3.0"] {
            let read = share("threshold", text).unwrap();
            assert!((read - 0.03).abs() < 1e-12, "{text}");
        }
        assert_eq!(share("threshold", "0.5%").unwrap(), 0.005);
        for text in ["", "0", "-1", "100", "100%", "nan", "x", "%"] {
            assert!(share("threshold", text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_is_read_with_its_unit_and_nothing_else_is() {
        let read = |text| seconds("time-limit", text).unwrap();
        assert_eq!([read("90"), read("90s"), read("1.5m")], [90.0; 3]);
        assert_eq!(read("1h"), 3600.0);
        for text in ["", "0", "-5", "h", "1d", "inf", "nan"] {
            assert!(seconds("time-limit", text).is_err(), "{text}");
        }
    }
}
