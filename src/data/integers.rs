//! Integers that f64 cannot represent: above 2^53 it rounds them, so a deviation of 1000 from 2^60 would lose digits.
//!
//! Samples only need deviations. The first row is therefore subtracted from each column in integer arithmetic, and the
//! differences are converted to f64. That is exact if no two values of a column are more than 2^53 apart.

/// Above this magnitude, f64 does not represent every integer.
const HELD: u128 = 1 << 53;
/// Integers above this magnitude are not treated exactly, so that differences fit in i128.
const MOST: u128 = 1 << 100;

/// Converts row-major integers to f64. If any is beyond 2^53, subtracts the first row from all rows and returns it as
/// the second value, one number per column; otherwise the second value is empty.
pub(super) fn widened<T: Copy + Into<i128>>(x: Vec<T>, columns: usize) -> (Vec<f64>, Vec<f64>) {
    let held = |x: &T| (*x).into().unsigned_abs() <= HELD;
    if x.iter().all(held) {
        return (x.into_iter().map(|x| x.into() as f64).collect(), Vec::new());
    }
    let first: Vec<i128> = x.iter().take(columns).map(|&x| x.into()).collect();
    let left = |(i, x): (usize, T)| (x.into() - first[i % columns]) as f64;
    let values = x.into_iter().enumerate().map(left).collect();
    (values, first.iter().map(|&x| x as f64).collect())
}

/// Parses a decimal integer if f64, which rounds it to `rounded`, may not represent it.
pub(super) fn beyond_f64(text: &str, rounded: f64) -> Option<i128> {
    if rounded.abs() < HELD as f64 {
        return None;
    }
    let whole: i128 = text.parse().ok()?;
    (whole.unsigned_abs() <= MOST).then_some(whole)
}

/// Like [`widened`], for numbers of which only some are integers beyond f64. `exact` lists those with their positions,
/// in order. Columns without any stay unchanged.
pub(super) fn restored(
    mut values: Vec<f64>,
    exact: &[(usize, i128)],
    columns: usize,
) -> (Vec<f64>, Vec<f64>) {
    if exact.is_empty() {
        return (values, Vec::new());
    }
    let mut first: Vec<Option<i128>> = vec![None; columns];
    for (place, _) in exact {
        // A non-integer loses its fraction here but keeps it in its difference.
        first[place % columns] = Some(values[place % columns] as i128);
    }
    for (place, whole) in exact.iter().take_while(|(place, _)| *place < columns) {
        first[*place] = Some(*whole);
    }
    let mut exact = exact.iter().peekable();
    for (i, value) in values.iter_mut().enumerate() {
        let own = exact.next_if(|(place, _)| *place == i);
        let Some(first) = first[i % columns] else {
            continue;
        };
        *value = match own {
            Some((_, whole)) => (whole - first) as f64,
            None if value.fract() == 0.0 && value.abs() <= MOST as f64 => {
                (*value as i128 - first) as f64
            }
            None => *value - first as f64,
        };
    }
    let origin = first.iter().map(|x| x.unwrap_or(0) as f64).collect();
    (values, origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviations_are_exact_and_small_integers_stay_as_they_are() {
        assert_eq!(
            widened(vec![3i64, -1 << 53], 1),
            (vec![3.0, -(2f64.powi(53))], vec![])
        );
        let far = 1i64 << 60;
        let (values, first) = widened(vec![far + 1, 5, far - 999, 7], 2);
        assert_eq!(values, [0.0, 0.0, -1000.0, 2.0]);
        assert_eq!(first, [2f64.powi(60), 5.0]);
        let (values, _) = widened(vec![u64::MAX, 0, u64::MAX - 3], 1);
        assert_eq!(values, [0.0, -(2f64.powi(64)), -3.0]);
    }

    #[test]
    fn columns_without_large_integers_stay_unchanged() {
        let far = 1i128 << 70;
        let values = vec![far as f64, 0.1, far as f64, 0.3, 0.5, 0.7];
        let exact = [(0, far + 1), (2, far + 4)];
        let (values, first) = restored(values, &exact, 2);
        assert_eq!(values, [0.0, 0.1, 3.0, 0.3, -(far as f64), 0.7]);
        assert_eq!(first, [far as f64, 0.0]);
        assert_eq!(restored(vec![0.5], &[], 1), (vec![0.5], vec![]));
        // The first row has a smaller number in this column.
        let (values, first) = restored(vec![3.0, far as f64], &[(1, far + 3)], 1);
        assert_eq!((values, first), (vec![0.0, far as f64], vec![3.0]));
    }

    #[test]
    fn only_plain_integers_beyond_f64_are_parsed_exactly() {
        for (text, whole) in [
            ("9007199254740993", Some(9_007_199_254_740_993)),
            ("-9007199254740993", Some(-9_007_199_254_740_993)),
            ("9007199254740991", None),
            ("1e18", None),
            ("9007199254740993.5", None),
            ("99999999999999999999999999999999999999", None),
        ] {
            let rounded = text.parse().expect("a number");
            assert_eq!(beyond_f64(text, rounded), whole, "{text}");
        }
    }
}
