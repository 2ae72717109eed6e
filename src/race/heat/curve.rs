//! The curve of several repeats: that of the median one, with the band of all.

use crate::race::observer::Seen;
use crate::record::CurvePoint;

/// Puts the times of the median repeat on the points of a curve, of an even number the mean of the two in the middle. The
/// median is that of the time at the point `met`, where the curve meets the target, or of the whole solve where it does not:
/// so that the time at that point is the median of the times to the target, whichever way it is reckoned. A repeat that ended
/// before the last point (it cannot, unless it was stopped) has no say.
pub fn timed(mut curve: Vec<CurvePoint>, met: Option<usize>, repeats: &[Seen]) -> Vec<CurvePoint> {
    let mut whole: Vec<&Seen> = repeats
        .iter()
        .filter(|seen| seen.times_s.len() >= curve.len())
        .collect();
    let key = |seen: &Seen| met.map_or(seen.solve_s, |point| seen.times_s[point]);
    whole.sort_by(|a, b| key(a).total_cmp(&key(b)));
    let Some(last) = whole.len().checked_sub(1) else {
        return curve;
    };
    let (low, high) = (whole[last / 2], whole[last.div_ceil(2)]);
    for (at, point) in curve.iter_mut().enumerate() {
        let (a, b) = (low.times_s[at], high.times_s[at]);
        // As the median is interpolated, to the last bit.
        point.time_s = a + 0.5 * (b - a);
        let times = || whole.iter().map(|seen| seen.times_s[at]);
        let band = (
            times().fold(f64::INFINITY, f64::min),
            times().fold(0.0, f64::max),
        );
        point.band_s = (last > 0).then_some(band);
    }
    curve
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::statistics::median;

    fn curve(points: usize) -> Vec<CurvePoint> {
        let point = |at: usize| CurvePoint {
            iteration: at as u64,
            passes: 1.0,
            time_s: 0.0,
            band_s: None,
            component: 0,
            component_error: 1.0,
            error: 1.0,
            test_loss: None,
            train_loss: None,
        };
        (0..points).map(point).collect()
    }

    fn seen(times_s: &[f64]) -> Seen {
        Seen {
            times_s: times_s.to_vec(),
            solve_s: times_s[times_s.len() - 1],
            ..Seen::default()
        }
    }

    #[test]
    fn the_curve_is_that_of_the_median_repeat_with_the_band_of_all() {
        let repeats = [[0.1, 0.304], [0.3, 0.166], [0.2, 0.189]].map(|times| seen(&times));
        let found = timed(curve(2), Some(1), &repeats);
        assert_eq!((found[0].time_s, found[1].time_s), (0.2, 0.189));
        assert_eq!(found[0].band_s, Some((0.1, 0.3)));
        assert_eq!(found[1].band_s, Some((0.166, 0.304)));
    }

    #[test]
    fn the_point_at_the_target_has_the_median_time_whatever_the_number_of_repeats() {
        for count in 1..9 {
            let repeats: Vec<Seen> = (0..count)
                .map(|i| seen(&[0.1, 0.3 + (0.618 * f64::from(i)).fract() / 7.0, 1.0]))
                .collect();
            let found = timed(curve(3), Some(1), &repeats);
            let times: Vec<f64> = repeats.iter().map(|seen| seen.times_s[1]).collect();
            assert_eq!(Some(found[1].time_s), median(&times), "{count} repeats");
        }
    }

    #[test]
    fn one_repeat_has_no_band_and_a_target_never_met_takes_the_median_solve() {
        let found = timed(curve(1), None, &[seen(&[0.5])]);
        assert_eq!((found[0].time_s, found[0].band_s), (0.5, None));
        let repeats = [[0.3, 1.0], [0.1, 3.0], [0.2, 2.0]].map(|times| seen(&times));
        assert_eq!(timed(curve(2), None, &repeats)[0].time_s, 0.2);
    }
}
