//! One axis: linear or logarithmic, with ticks at round numbers and labels that fit.

/// A range of values, mapped to places on a line, with ticks.
#[derive(Debug, Clone)]
pub struct Axis {
    log: bool,
    /// Range in places: logarithms to base 10, or the values themselves.
    low: f64,
    high: f64,
    /// Values that get a line and a label.
    pub ticks: Vec<f64>,
}

impl Axis {
    /// A logarithmic axis over 0 < low <= high, widened a little where they are nearly the same.
    pub fn log(low: f64, high: f64) -> Self {
        let (mut low, mut high) = (low.log10(), high.log10());
        if high - low < 0.3 {
            (low, high) = (low - 0.15, high + 0.15);
        }
        let (first, last) = (low.floor() as i32, high.ceil() as i32);
        let step = usize::try_from((last - first) / 8 + 1).unwrap_or(1);
        // Over few decades the powers of ten alone are too few.
        let parts: &[f64] = match high - low {
            range if range < 1.1 => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0],
            range if range < 2.5 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let decades = (first..=last).filter(|decade| decade.rem_euclid(step as i32) == 0);
        let ticks = decades
            .flat_map(|decade| parts.iter().map(move |part| part * 10f64.powi(decade)))
            .filter(|tick| (low - 1e-9..=high + 1e-9).contains(&tick.log10()))
            .collect();
        Self {
            log: true,
            low,
            high,
            ticks,
        }
    }

    /// A linear axis from 0 to `high` > 0.
    pub fn linear(high: f64) -> Self {
        Self::between(0.0, high)
    }

    /// A linear axis over low < high.
    pub fn between(low: f64, high: f64) -> Self {
        let rough = (high - low) / 6.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|part| part * power);
        let step = step
            .into_iter()
            .find(|step| *step >= rough)
            .unwrap_or(rough);
        let first = (low / step - 1e-9).ceil() as i64;
        let last = (high / step + 1e-9).floor() as i64;
        let ticks = (first..=last).map(|i| i as f64 * step).collect();
        Self {
            log: false,
            low,
            high,
            ticks,
        }
    }

    /// Linear where the values are within a factor of `spread`, logarithmic where they are not.
    pub fn suited(low: f64, high: f64, spread: f64) -> Self {
        if low > 0.0 && high / low > spread {
            Self::log(low, high)
        } else {
            Self::linear(high)
        }
    }

    /// Whether it is logarithmic.
    pub fn is_log(&self) -> bool {
        self.log
    }

    /// The place of a value, from 0 at the low end to 1 at the high one; what lies outside is put at the end.
    pub fn place(&self, value: f64) -> f64 {
        let value = if self.log {
            value.max(f64::MIN_POSITIVE).log10()
        } else {
            value
        };
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_ticks_are_powers_of_ten_and_few() {
        let axis = Axis::log(1e-8, 1.0);
        let expected: Vec<f64> = (-8..=0).step_by(2).map(|p| 10f64.powi(p)).collect();
        assert_eq!(axis.ticks, expected);
        assert_eq!(Axis::log(1.0, 1000.0).ticks, [1.0, 10.0, 100.0, 1000.0]);
        assert!(Axis::log(1e-30, 1e30).ticks.len() < 10);
    }

    #[test]
    fn a_narrow_log_range_still_has_ticks() {
        for (low, high) in [(0.4, 0.4), (30.0, 70.0), (0.9, 1.1)] {
            assert!(!Axis::log(low, high).ticks.is_empty(), "{low} {high}");
        }
    }

    #[test]
    fn linear_ticks_are_round() {
        assert_eq!(Axis::linear(970.0).ticks, [0.0, 200.0, 400.0, 600.0, 800.0]);
        assert_eq!(Axis::linear(1000.0).ticks.len(), 6);
        assert_eq!(Axis::between(-3.1, 4.9).ticks, [-2.0, 0.0, 2.0, 4.0]);
    }

    #[test]
    fn places_run_from_0_to_1_and_stay_inside() {
        let axis = Axis::log(1e-4, 1.0);
        assert!((axis.place(1e-2) - 0.5).abs() < 1e-12);
        assert_eq!((axis.place(0.0), axis.place(5.0)), (0.0, 1.0));
        assert_eq!(Axis::linear(8.0).place(2.0), 0.25);
    }

    #[test]
    fn the_spread_decides_the_kind() {
        assert!(Axis::suited(1.0, 100.0, 20.0).is_log());
        assert!(!Axis::suited(1.0, 10.0, 20.0).is_log());
        assert!(!Axis::suited(0.0, 10.0, 20.0).is_log());
    }
}
