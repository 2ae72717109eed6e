//! Projects samples on the first two components, for a scatter plot.

use crate::data::{Samples, Statistics};
use ndarray::Array2;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Most samples to show: more would cover each other.
pub const SHOWN: usize = 1000;

/// Coordinates of at most `SHOWN` samples on the first two components, for plotting.
///
/// The samples are drawn with a fixed seed and keep their order. Each row of the result holds the two coordinates in
/// the user's units and the sample's label. `components`: k x d, row-major.
///
/// Returns `None` without labels, with fewer than two components, or if a coordinate is not finite.
pub fn plane(
    samples: &Samples,
    statistics: &Statistics,
    components: &[f64],
) -> Option<Array2<f32>> {
    let (n, d) = (samples.n, samples.d);
    let labels = samples.labels.as_ref()?;
    let [first, second] = [components.get(..d)?, components.get(d..2 * d)?];
    let mut shown =
        rand::seq::index::sample(&mut ChaCha8Rng::seed_from_u64(1), n, n.min(SHOWN)).into_vec();
    shown.sort_unstable();
    let mut centred = vec![0.0; d];
    let mut values = Vec::with_capacity(3 * shown.len());
    for &row in &shown {
        samples.centred_row_f64(row, &statistics.mean, &mut centred);
        for component in [first, second] {
            let products = centred.iter().zip(component);
            let coordinate: f64 = products.map(|(x, v)| x * v).sum();
            values.push((coordinate * samples.element_value()) as f32);
        }
        values.push(labels[row].into());
    }
    let finite = values.iter().all(|value| value.is_finite());
    Array2::from_shape_vec((shown.len(), 3), values)
        .ok()
        .filter(|_| finite)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Request, load};

    fn digits(n: usize) -> Samples {
        let request = Request {
            spec: format!("digits:n={n}"),
            ..Request::default()
        };
        load(&request).unwrap()
    }

    #[test]
    fn coordinates_are_the_products_of_sample_and_components() {
        let samples = digits(40);
        let statistics = Statistics::of(&samples, 1);
        // Two unit vectors select pixels 400 and 401.
        let mut components = vec![0.0; 2 * samples.d];
        components[400] = 1.0;
        components[samples.d + 401] = 1.0;
        let plane = plane(&samples, &statistics, &components).unwrap();
        assert_eq!(plane.dim(), (40, 3));
        let mut row = vec![0.0; samples.d];
        for (index, place) in plane.outer_iter().enumerate() {
            samples.row_f64(index, &mut row);
            for (axis, pixel) in [400, 401].into_iter().enumerate() {
                let wanted = (row[pixel] - statistics.mean[pixel]) / 255.0;
                assert!((f64::from(place[axis]) - wanted).abs() < 1e-6);
            }
            assert_eq!(place[2], f32::from(samples.labels.as_ref().unwrap()[index]));
        }
    }

    #[test]
    fn of_many_samples_the_same_thousand_of_every_class_are_drawn() {
        let samples = digits(3000);
        let statistics = Statistics::of(&samples, 1);
        let components = vec![0.01; 2 * samples.d];
        let draw = || plane(&samples, &statistics, &components).unwrap();
        assert_eq!(draw(), draw());
        assert_eq!(draw().nrows(), SHOWN);
        for class in 0..10u8 {
            let there = draw()
                .column(2)
                .iter()
                .filter(|label| **label == f32::from(class))
                .count();
            assert!((60..=140).contains(&there), "class {class}: {there}");
        }
    }

    #[test]
    fn there_is_no_plane_without_labels_a_second_component_or_finite_numbers() {
        let mut samples = digits(20);
        let statistics = Statistics::of(&samples, 1);
        let d = samples.d;
        assert!(plane(&samples, &statistics, &vec![0.1; d]).is_none());
        assert!(plane(&samples, &statistics, &vec![f64::NAN; 2 * d]).is_none());
        samples.labels = None;
        assert!(plane(&samples, &statistics, &vec![0.1; 2 * d]).is_none());
    }
}
