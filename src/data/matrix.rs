//! The gate through which every file passes: shape, finite values, not constant; f64 centred, scaled and narrowed.

use super::{Elements, Samples, parallel, statistics};
use crate::error::{Error, Result};
use crate::machine;
use std::path::Path;

/// Values as a file gives them. Integers other than bytes are widened to f64.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    U8(Vec<u8>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

/// What a file holds: a row-major array with the SHA-256 of the (decompressed) file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Array {
    pub(super) shape: Vec<usize>,
    pub(super) values: Values,
    /// What was taken from the values of each column because f64 does not hold them (see `integers`); empty otherwise.
    pub(super) origin: Vec<f64>,
    pub(super) sha256: String,
}

/// What `values` must be able to say about themselves, whatever their type.
trait Value: Copy + PartialEq + Sync {
    fn finite(self) -> bool;
}
impl Value for u8 {
    fn finite(self) -> bool {
        true
    }
}
impl Value for f32 {
    fn finite(self) -> bool {
        self.is_finite()
    }
}
impl Value for f64 {
    fn finite(self) -> bool {
        self.is_finite()
    }
}

/// Turns the array of file `name` (for messages) into samples with unit 1 and no labels.
///
/// Three dimensions are images, one a row.
pub(super) fn into_samples(name: &str, spec: String, array: Array) -> Result<Samples> {
    let (n, d, image) = match *array.shape.as_slice() {
        [n, d] => (n, d, None),
        // The product cannot overflow: that many values have been read.
        [n, rows, columns] => (n, rows * columns, Some((rows, columns))),
        _ => {
            let shape = array.shape.len();
            return Err(Error::input(format!(
                "{name}: {shape}-d; samples are n x d, one row a sample: reshape it to 2-d"
            )));
        }
    };
    if n == 0 || d == 0 {
        return Err(Error::input(format!(
            "{name}: {n} x {d} is empty; give samples with rows and columns"
        )));
    }
    if n < 2 {
        return Err(Error::input(format!(
            "{name}: one row has no covariance; give 2 rows or more (one row a sample: is it transposed?)"
        )));
    }
    let mut samples = Samples {
        n,
        d,
        elements: Elements::U8(Vec::new()),
        low: Vec::new(),
        unit: 1.0,
        source_scale: 1.0,
        offset: Vec::new(),
        labels: None,
        image,
        spec,
        sha256: array.sha256,
        known: None,
    };
    match array.values {
        Values::U8(x) => {
            check(name, &x, d)?;
            samples.elements = Elements::U8(x);
        }
        Values::F32(x) => {
            check(name, &x, d)?;
            let deviation = statistics::of_reals(&x[..], n, d, machine::cores()).max_deviation;
            if AS_THEY_ARE.contains(&deviation) {
                samples.elements = Elements::F32(x);
            } else {
                let x: Vec<f64> = x.into_iter().map(f64::from).collect();
                narrow(name, &x, array.origin, &mut samples)?;
            }
        }
        Values::F64(x) => {
            check(name, &x, d)?;
            narrow(name, &x, array.origin, &mut samples)?;
        }
    }
    Ok(samples)
}

/// Largest deviations from the mean with which f32 values stay as they are: outside, sums of them overflow in f32, or
/// products vanish.
const AS_THEY_ARE: std::ops::RangeInclusive<f64> = 1e-20..=1e20;

/// Refuses NaN, infinity, and rows that are all the same.
fn check<T: Value>(name: &str, x: &[T], d: usize) -> Result<()> {
    // Whole blocks first, without a branch per element; the place is looked for only where there is one.
    let block = 1 << 16;
    let bad = |(b, x): (usize, &[T])| {
        let clean = x.iter().fold(true, |clean, x| clean & x.finite());
        (!clean).then(|| b * block + x.iter().position(|x| !x.finite()).unwrap_or(0))
    };
    if let Some(at) = x.chunks(block).enumerate().find_map(bad) {
        let (row, column) = (at / d, at % d);
        return Err(Error::input(format!(
            "{name}: row {row}, column {column} (counted from 0) is NaN or infinite; remove or replace such values"
        )));
    }
    let first = &x[..d];
    if x.chunks_exact(d).all(|row| row == first) {
        return Err(Error::input(format!(
            "{name}: all rows are the same: there is no variance to explain; give samples that differ"
        )));
    }
    Ok(())
}

/// Narrows finite f64 values: f32 of `(x - mean_j) * 2^e` with the largest magnitude in [0.5, 1], and what rounding took
/// from each. `origin` is what stands between the values and the user's, by column.
fn narrow(name: &str, x: &[f64], origin: Vec<f64>, samples: &mut Samples) -> Result<()> {
    let (n, d) = (samples.n, samples.d);
    let statistics = statistics::of_reals(x, n, d, machine::cores());
    // Eigenvalues are squares in f64 and sums over n of them: outside this range they would overflow or vanish.
    if !(1e-150..1e150).contains(&statistics.max_deviation) {
        return Err(Error::input(format!(
            "{name}: the largest deviation from the mean is {:e}, outside 1e-150 .. 1e150; rescale the data",
            statistics.max_deviation
        )));
    }
    // In this range the exponent field of a double is its binary exponent + 1023; the scale is 2^-(exponent + 1).
    let exponent = (statistics.max_deviation.to_bits() >> 52) - 1023 + 1024;
    let scale = f64::from_bits((1023 + 1023 - exponent) << 52);
    let (mut narrowed, mut low): (Vec<f32>, Vec<f32>) = (zeroed(n, d, name)?, zeroed(n, d, name)?);
    let size = ((1 << 16) / d + 1) * d;
    let outputs = narrowed.chunks_mut(size).zip(low.chunks_mut(size));
    let tasks: Vec<_> = outputs.zip(x.chunks(size)).collect();
    let exact = parallel::map(tasks, machine::cores(), |_, ((high, low), x)| {
        let outputs = high.chunks_exact_mut(d).zip(low.chunks_exact_mut(d));
        let mut exact = true;
        for ((high, low), x) in outputs.zip(x.chunks_exact(d)) {
            let outputs = high.iter_mut().zip(low);
            for (((high, low), x), mean) in outputs.zip(x).zip(&statistics.mean) {
                [*high, *low] = parts((x - mean) * scale);
                exact &= *low == 0.0;
            }
        }
        exact
    });
    if exact.into_iter().all(|exact| exact) {
        low = Vec::new();
    }
    (samples.elements, samples.low) = (Elements::F32(narrowed), low);
    samples.source_scale = scale;
    samples.offset = statistics.mean;
    for (offset, origin) in samples.offset.iter_mut().zip(origin) {
        *offset += origin;
    }
    Ok(())
}

/// A number as two of f32: itself, and what rounding took from it.
pub(super) fn parts(x: f64) -> [f32; 2] {
    let high = x as f32;
    [high, (x - f64::from(high)) as f32]
}

/// n x d zeros, or a word where they do not fit: an allocation that fails would abort the program.
pub(super) fn zeroed<T: Clone + Default>(n: usize, d: usize, name: &str) -> Result<Vec<T>> {
    let fits = |len: &usize| Vec::<T>::new().try_reserve_exact(*len).is_ok();
    match n.checked_mul(d).filter(fits) {
        Some(len) => Ok(vec![T::default(); len]),
        None => Err(Error::input(format!(
            "{name}: {n} x {d} values do not fit in memory; give fewer rows or columns"
        ))),
    }
}

/// The error for a file that cannot be opened or read.
pub(super) fn io_error(path: &Path, error: &std::io::Error) -> Error {
    use std::io::ErrorKind;
    let what = match error.kind() {
        ErrorKind::NotFound => return super::spec::missing(path),
        ErrorKind::PermissionDenied => {
            "no permission to read it; change its mode or copy it".to_string()
        }
        _ => format!("cannot be read ({error}); check the path and the disk"),
    };
    Error::input(format!("{}: {what}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(shape: &[usize], values: Values) -> Result<Samples> {
        let array = Array {
            shape: shape.to_vec(),
            values,
            origin: Vec::new(),
            sha256: String::new(),
        };
        into_samples("x", "x".to_string(), array)
    }

    fn refused(shape: &[usize], values: Values) -> String {
        samples(shape, values)
            .expect_err("must be refused")
            .to_string()
    }

    #[test]
    fn bad_matrices_are_refused_with_the_reason() {
        assert!(refused(&[4], Values::U8(vec![1, 2, 3, 4])).contains("1-d"));
        assert!(refused(&[0, 4], Values::U8(vec![])).contains("empty"));
        assert!(refused(&[4, 0], Values::F32(vec![])).contains("empty"));
        assert!(refused(&[1, 2], Values::F32(vec![1.0, 2.0])).contains("one row"));
        assert!(refused(&[2, 2], Values::U8(vec![1, 2, 1, 2])).contains("all rows are the same"));
        assert!(refused(&[2, 2], Values::F64(vec![0.1, 2.0, 0.1, 2.0])).contains("all rows"));
        let nan = refused(&[2, 2], Values::F32(vec![1.0, 2.0, 3.0, f32::NAN]));
        assert!(nan.contains("row 1, column 1 (counted from 0)"), "{nan}");
        let mut far = vec![0.5; 300_000];
        far[200_003] = f64::NEG_INFINITY;
        assert!(refused(&[3000, 100], Values::F64(far)).contains("row 2000, column 3 "));
        assert!(refused(&[2, 1], Values::F64(vec![1e200, 0.0])).contains("rescale"));
        // The sum of the first column overflows; the second alone would do.
        let overflows = vec![1e308, 1.0, -1e308, 2.0];
        assert!(refused(&[2, 2], Values::F64(overflows)).contains("rescale"));
    }

    #[test]
    fn f64_is_centred_and_scaled_by_a_power_of_two() {
        for (shift, size) in [
            (1e4, 1.0),
            (0.0, 1e-20),
            (0.0, 1e20),
            (-3e20, 1e20),
            (1e8, 1e-3),
            (0.0, 3e-140),
        ] {
            let (n, d) = (50, 3);
            let x: Vec<f64> = (0..n * d)
                .map(|i| shift + size * ((i * 7919 % 101) as f64 / 101.0 - 0.3))
                .collect();
            let samples = samples(&[n, d], Values::F64(x.clone())).expect("finite");
            let Elements::F32(elements) = &samples.elements else {
                panic!("f64 becomes f32")
            };
            let largest = elements.iter().fold(0f32, |m, x| m.max(x.abs()));
            assert!((0.5..=1.0).contains(&largest), "{largest}");
            assert_eq!(samples.source_scale.to_bits() << 12, 0, "a power of two");
            for (i, (element, x)) in elements.iter().zip(&x).enumerate() {
                let offset = samples.offset[i % d];
                let deviation = f64::from(*element) / samples.source_scale;
                assert!((deviation - (x - offset)).abs() <= 6e-8 * size, "{x}");
                let whole = samples.element_f64(i) / samples.source_scale;
                assert!((whole - (x - offset)).abs() <= 4e-15 * size, "{x}");
            }
        }
    }

    #[test]
    fn low_parts_are_kept_where_there_are_any() {
        let low = |values| samples(&[4, 1], values).expect("finite").low;
        assert_eq!(
            low(Values::F64(vec![1.0, 2.0, 4.0, 5.0])),
            Vec::<f32>::new()
        );
        assert_eq!(low(Values::F64(vec![0.1, 0.2, 0.4, 0.5])).len(), 4);
        assert_eq!(
            low(Values::F32(vec![0.1, 0.2, 0.4, 0.5])),
            Vec::<f32>::new()
        );
        assert_eq!(low(Values::U8(vec![1, 2, 3, 9])), Vec::<f32>::new());
    }

    #[test]
    fn f32_beyond_what_sums_in_f32_hold_is_narrowed_like_f64() {
        let pattern: Vec<f32> = (0..60).map(|i| (i * 7919 % 101) as f32 - 50.0).collect();
        for (scale, as_it_is) in [
            (1.0, true),
            (1e-20, true),
            (1e18, true),
            (1e-24, false),
            (1e-42, false),
            (1e20, false),
            (5e36, false),
        ] {
            let x: Vec<f32> = pattern.iter().map(|x| x * scale).collect();
            let samples = samples(&[20, 3], Values::F32(x.clone())).expect("finite");
            let Elements::F32(elements) = &samples.elements else {
                panic!("f32 stays f32")
            };
            assert_eq!(*elements == x, as_it_is, "{scale:e}");
            assert_eq!(samples.offset.is_empty(), as_it_is);
            let statistics = statistics::Statistics::of(&samples, 1);
            let size = statistics.max_deviation;
            assert!(as_it_is || (0.5..=1.0).contains(&size), "{scale:e}: {size}");
            for (i, x) in x.iter().enumerate() {
                let offset = samples.offset.get(i % 3).copied().unwrap_or(0.0);
                let value = samples.element_f64(i) * samples.element_value() + offset;
                assert!((value - f64::from(*x)).abs() <= 1e-13 * 50.0 * f64::from(scale));
            }
        }
        // The largest difference that f32 has is no f32.
        let far = samples(&[2, 1], Values::F32(vec![3e38, -3e38])).expect("finite");
        let value = |i| far.element_f64(i) * far.element_value() + far.offset[0];
        assert_eq!(
            [value(0), value(1)],
            [f64::from(3e38f32), -f64::from(3e38f32)]
        );
    }

    #[test]
    fn a_long_column_is_read() {
        let x: Vec<u8> = (0..8_388_608u32).map(|i| (i % 251) as u8).collect();
        let samples = samples(&[8_388_608, 1], Values::U8(x)).expect("bytes");
        assert_eq!((samples.n, samples.d), (8_388_608, 1));
    }

    #[test]
    fn images_are_flattened_one_a_row() {
        let samples = samples(&[2, 2, 3], Values::U8((0..12).collect())).expect("two images");
        assert_eq!((samples.n, samples.d, samples.image), (2, 6, Some((2, 3))));
    }
}
