//! Numbers as a person reads them: three digits and a unit.

use crate::record::Rate;
use crate::record::statistics::Quartiles;

/// Seconds with the unit that suits them: `43.1 µs`, `412 ms`, `1.23 s`.
pub fn seconds(value: f64) -> String {
    let (scale, unit) = unit(value);
    format!("{} {unit}", digits(value * scale))
}

/// Seconds for an axis, where ticks are round: `50 ms`, `1.5 s`.
pub fn tick_seconds(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let (scale, unit) = unit(value);
    let text = digits(value * scale);
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text} {unit}")
}

/// A round number as short as it gets: `1`, `0.05`, `1e-3`.
pub fn round(value: f64) -> String {
    if (0.01..1e4).contains(&value) {
        value.to_string()
    } else {
        format!("{value:e}")
    }
}

/// Median and quartiles in one unit, `412 ms [410, 415]`; the median alone when there is one sample, nothing when there
/// is none.
pub fn quartiles(samples: &[f64]) -> String {
    match Quartiles::of(samples) {
        None => String::new(),
        Some(q) if samples.len() == 1 => seconds(q.median),
        Some(q) => interval(q.median, q.q1, q.q3),
    }
}

/// Quartiles of times that are known, `412 ms [410, 415]`; the median alone where nothing lies around it.
pub fn spread(q: &Quartiles) -> String {
    match q.q1 == q.q3 {
        true => seconds(q.median),
        false => interval(q.median, q.q1, q.q3),
    }
}

/// A time and what lies around it in one unit, `412 ms [410, 415]`; an endless one is `missed`.
pub fn interval(middle: f64, low: f64, high: f64) -> String {
    let (scale, unit) = unit(middle);
    let [middle, low, high] = [middle, low, high].map(|value| match value.is_finite() {
        true => digits(value * scale),
        false => "missed".into(),
    });
    format!("{middle} {unit} [{low}, {high}]")
}

/// An error with two digits, `8.1e-5`.
pub fn error(value: f64) -> String {
    if value == 0.0 {
        "0".into()
    } else {
        format!("{value:.1e}")
    }
}

/// A share of the test samples, `1.98 %`.
pub fn percent(value: f64) -> String {
    format!("{:.2} %", 100.0 * value)
}

/// A share for an axis: `2 %`, `1.5 %`.
pub fn share(value: f64) -> String {
    let text = format!("{:.2}", 100.0 * value);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A power of ten for an axis: `1e-3`, `1`.
pub fn power(value: f64) -> String {
    format!("{value:e}").replace("1e0", "1")
}

/// A number for an axis: `0.25`, `20`, `20k`.
pub fn tick(value: f64) -> String {
    match value {
        value if value >= 1e3 => count(value),
        value => {
            let text = format!("{value:.3}");
            text.trim_end_matches('0').trim_end_matches('.').to_string()
        }
    }
}

/// Dollars with two digits, `1.2e-4 USD`, or `0.35 USD` from a cent on.
pub fn dollars(value: f64) -> String {
    match value {
        value if value >= 0.01 || value == 0.0 => format!("{value:.2} USD"),
        value => format!("{value:.1e} USD"),
    }
}

/// Joules with three digits: `21.3 mJ`, `1.52 kJ`.
pub fn joules(value: f64) -> String {
    match value {
        value if value >= 1e3 => format!("{} kJ", digits(value / 1e3)),
        value if value < 1.0 => format!("{} mJ", digits(value * 1e3)),
        value => format!("{} J", digits(value)),
    }
}

/// A ratio of times, `1.00x`, `12.3x`, `142x`.
pub fn ratio(value: f64) -> String {
    format!("{}x", digits(value))
}

/// A count, short enough for an axis: `500`, `20k`, `1.5M`.
pub fn count(value: f64) -> String {
    for (scale, unit) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] {
        if value >= scale {
            let text = format!("{:.2}", value / scale);
            return format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'));
        }
    }
    format!("{value:.0}")
}

/// The rate that binds, with its share of what the roofs allow: `21.1 GB/s 68 %`.
pub fn rate(rate: &Rate) -> String {
    let (mut text, _) = bare_rate(rate);
    if let Some(share) = rate.share_of_peak {
        text += &format!(" {:.0} %", 100.0 * share);
    }
    text
}

/// The same with the rate of a dense way that took as long: `96.0 GFLOP/s 52 %, dense-equivalent 150`.
pub fn rate_with_zeros(of: &Rate) -> String {
    rate(of) + &dense(of)
}

/// The same with the roof that takes most of the least time: `96.0 GFLOP/s 52 % (f32), dense-equivalent 150`.
pub fn rate_with_roof(of: &Rate) -> String {
    let roof = of.peak.as_ref().filter(|_| of.share_of_peak.is_some());
    let roof = roof.map(|roof| format!(" ({roof})"));
    rate(of) + &roof.unwrap_or_default() + &dense(of)
}

/// What binds, bytes or operations, per second, with its unit.
fn bare_rate(rate: &Rate) -> (String, &'static str) {
    let (value, unit) = match rate.peak.as_deref() {
        Some("f32" | "f64") => (rate.gflop_per_s, "GFLOP/s"),
        Some("integer") => (rate.gflop_per_s, "GOP/s"),
        _ => (rate.gb_per_s, "GB/s"),
    };
    (format!("{} {unit}", digits(value)), unit)
}

/// What zeros saved, as a rate; its unit only where the rate beside it has another.
fn dense(rate: &Rate) -> String {
    let Some(dense) = rate.dense_equivalent_gflop_per_s else {
        return String::new();
    };
    let unit = match bare_rate(rate).1 {
        "GB/s" => " GFLOP/s",
        _ => "",
    };
    format!(", dense-equivalent {}{unit}", digits(dense))
}

/// Three significant digits without an exponent; whole numbers from 100 on.
fn digits(value: f64) -> String {
    // What rounds up to the next power of ten takes one decimal less: 9.999 is 10.0.
    let decimals = match value.abs() {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

fn unit(seconds: f64) -> (f64, &'static str) {
    match seconds.abs() {
        v if v >= 0.9995 => (1.0, "s"),
        v if v >= 0.9995e-3 => (1e3, "ms"),
        0.0 => (1.0, "s"),
        _ => (1e6, "µs"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_take_three_digits_and_the_unit_that_suits() {
        let cases = [
            (0.0, "0.00 s"),
            (4.31e-5, "43.1 µs"),
            (0.00099996, "1.00 ms"),
            (0.41234, "412 ms"),
            (0.9999, "1.00 s"),
            (9.999, "10.0 s"),
            (1234.5, "1234 s"),
        ];
        for (value, text) in cases {
            assert_eq!(seconds(value), text);
        }
    }

    #[test]
    fn round_numbers_lose_their_zeros_and_only_those() {
        let ticks = [0.0, 0.05, 1.5, 10.0, 100.0, 2e-4].map(tick_seconds);
        assert_eq!(ticks, ["0", "50 ms", "1.5 s", "10 s", "100 s", "200 µs"]);
        assert_eq!(
            [1.0, 0.05, 1e-3, 5e-4].map(round),
            ["1", "0.05", "1e-3", "5e-4"]
        );
    }

    #[test]
    fn joules_take_three_digits() {
        assert_eq!(
            [0.0213, 12.34, 1520.0].map(joules),
            ["21.3 mJ", "12.3 J", "1.52 kJ"]
        );
    }

    #[test]
    fn ticks_are_short() {
        assert_eq!([0.02, 0.015, 1.0].map(share), ["2 %", "1.5 %", "100 %"]);
        assert_eq!([1e-3, 1.0].map(power), ["1e-3", "1"]);
        assert_eq!([0.25, 20.0, 5e4].map(tick), ["0.25", "20", "50k"]);
    }

    #[test]
    fn quartiles_share_the_unit_of_the_median() {
        assert_eq!(quartiles(&[0.9, 1.0, 1.1]), "1.00 s [0.95, 1.05]");
        assert_eq!(quartiles(&[0.25]), "250 ms");
        assert_eq!(quartiles(&[]), "");
    }

    #[test]
    fn counts_are_short() {
        for (value, text) in [
            (1.0, "1"),
            (970.0, "970"),
            (20_000.0, "20k"),
            (1_500_000.0, "1.5M"),
        ] {
            assert_eq!(count(value), text);
        }
    }

    #[test]
    fn a_rate_is_that_of_the_peak_that_binds() {
        let mut value = Rate {
            gb_per_s: 21.06,
            gflop_per_s: 410.0,
            share_of_peak: Some(0.679),
            peak: Some("memory".into()),
            ..Rate::default()
        };
        assert_eq!(rate(&value), "21.1 GB/s 68 %");
        value.peak = Some("f32".into());
        assert_eq!(rate(&value), "410 GFLOP/s 68 %");
        assert_eq!(rate_with_roof(&value), "410 GFLOP/s 68 % (f32)");
        value.dense_equivalent_gflop_per_s = Some(650.0);
        let dense = "410 GFLOP/s 68 %, dense-equivalent 650";
        assert_eq!(rate_with_zeros(&value), dense);
        value.peak = Some("last level".into());
        assert_eq!(
            rate_with_roof(&value),
            "21.1 GB/s 68 % (last level), dense-equivalent 650 GFLOP/s"
        );
        value.share_of_peak = None;
        value.peak = None;
        assert_eq!(rate(&value), "21.1 GB/s");
    }

    #[test]
    fn an_endless_quartile_is_a_miss() {
        assert_eq!(interval(2.0, 1.5, f64::INFINITY), "2.00 s [1.50, missed]");
    }
}
