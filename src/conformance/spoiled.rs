//! Whether the check can be fooled: right answers are spoiled on purpose, and each must be refused, with a reference and without
//! one.

use ndarray::ArrayView2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::methods::{plan, solve};
use super::trials::{Truth, loaded, normal, salaries, tables, with_spectrum};
use crate::data::Statistics;
use crate::device::cpu::Cpu;
use crate::optimizer::Rule;
use crate::pca::{Assessment, Method, OperatorKind, Outcome, Reference, Standing};

/// The default target, of the span and of every component.
const TARGET: f64 = 1e-3;

/// One way to spoil component `i` of an answer.
#[derive(Debug, Clone, Copy)]
enum Spoil {
    Turned,
    Scaled,
    Swapped,
    Replaced,
}

const SPOILS: [Spoil; 4] = [
    Spoil::Turned,
    Spoil::Scaled,
    Spoil::Swapped,
    Spoil::Replaced,
];

/// The answer with one component or eigenvalue spoiled; `None` where the samples leave no room to do so.
fn spoiled(
    right: &Outcome,
    truth: &Truth,
    d: usize,
    how: Spoil,
    random: &mut ChaCha8Rng,
) -> Option<Outcome> {
    let mut outcome = right.clone();
    let k = outcome.eigenvalues.len();
    let i = random.random_range(0..k);
    let row = |outcome: &Outcome, i: usize| outcome.components[i * d..(i + 1) * d].to_vec();
    match how {
        Spoil::Scaled => outcome.eigenvalues[i] *= 1.0 + 1e-4,
        Spoil::Swapped => {
            let j = random.random_range(0..k);
            let (a, b) = (row(&outcome, i), row(&outcome, j));
            outcome.components[i * d..(i + 1) * d].copy_from_slice(&b);
            outcome.components[j * d..(j + 1) * d].copy_from_slice(&a);
            outcome.eigenvalues.swap(i, j);
        }
        Spoil::Turned | Spoil::Replaced => {
            // A direction orthogonal to every component.
            let mut other = normal(random, 1, d).row(0).to_owned();
            for _ in 0..2 {
                for j in 0..k {
                    let v = ndarray::Array1::from(row(right, j));
                    let along = v.dot(&other);
                    other -= &(along * &v);
                }
            }
            let length = other.dot(&other).sqrt();
            if length < 1e-6 {
                return None;
            }
            let angle: f64 = match how {
                Spoil::Turned => 2e-3,
                _ => std::f64::consts::FRAC_PI_2,
            };
            let turned = |(v, w): (&f64, &f64)| angle.cos() * v + angle.sin() * w / length;
            let new: Vec<f64> = row(right, i).iter().zip(&other).map(turned).collect();
            outcome.components[i * d..(i + 1) * d].copy_from_slice(&new);
        }
    }
    // What stays right is not spoiled: a turn inside the space of equal eigenvalues, a swap of twins.
    let rows = ArrayView2::from_shape((k, d), &outcome.components).expect("k x d");
    let wrong = (0..k).any(|j| {
        truth.sine(j, rows.row(j)) > TARGET
            || (outcome.eigenvalues[j] / truth.values[j] - 1.0).abs() > 0.9e-4
    });
    wrong.then_some(outcome)
}

#[test]
fn the_check_refuses_a_thousand_spoiled_answers_and_accepts_a_thousand_right_ones() {
    let mut cpu = Cpu::open(1).expect("one thread is always there");
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let tables = tables();
    let (mut refused, mut accepted) = (0, 0);
    let answers: Vec<_> = tables
        .iter()
        .map(|(name, x, single, k)| {
            let samples = loaded(x, *single);
            let truth = Truth::of(&match single {
                true => x.mapv(|x| f64::from(x as f32)),
                false => x.clone(),
            });
            let statistics = Statistics::of(&samples, 1);
            let reference = Reference::new(&samples, &statistics, *k).expect("LAPACK");
            // Right answers of three ways: in f64, in f32 with its last step where it needs one.
            let ways = [
                plan(
                    Method::Direct,
                    OperatorKind::Covariance,
                    Rule::named("sgd"),
                    *k,
                ),
                plan(
                    Method::Deflation,
                    OperatorKind::Samples,
                    Rule::named("sgd"),
                    *k,
                ),
                plan(
                    Method::Subspace,
                    OperatorKind::Covariance,
                    Rule::named("sgd"),
                    *k,
                ),
            ];
            let right = ways.map(|plan| solve(&mut cpu, &samples, &plan).expect(name).0);
            (name, samples, truth, reference, right, *k)
        })
        .collect();
    while refused < 1000 || accepted < 1000 {
        for (name, samples, truth, reference, right, k) in &answers {
            let right = &right[random.random_range(0..right.len())];
            let standing = Assessment::of(right, reference).standing(TARGET, *k);
            assert_eq!(standing, Standing::Right, "{name}");
            accepted += 1;
            for how in SPOILS {
                let Some(bad) = spoiled(right, truth, samples.d, how, &mut random) else {
                    continue;
                };
                let standing = Assessment::of(&bad, reference).standing(TARGET, *k);
                assert_ne!(standing, Standing::Right, "{name}: {how:?}");
                refused += 1;
            }
        }
    }
}

#[test]
fn without_a_reference_the_residuals_refuse_what_is_spoiled_and_find_a_component_that_was_missed() {
    let mut cpu = Cpu::open(1).expect("one thread is always there");
    let mut random = ChaCha8Rng::seed_from_u64(13);
    for (name, x, k) in [
        (
            "decaying",
            with_spectrum(&mut random, 300, 24, &[1.0, 0.7, 0.4, 0.2, 0.1]),
            3,
        ),
        (
            "a ratio of 1e-7",
            with_spectrum(&mut random, 300, 24, &[1.0, 1e-3, 1e-7, 1e-8]),
            3,
        ),
        ("salary, age, children", salaries(4), 3),
    ] {
        let samples = loaded(&x, false);
        let truth = Truth::of(&x);
        let statistics = Statistics::of(&samples, 1);
        let reference = Reference::without_pairs(&samples, &statistics, k);
        let direct = plan(
            Method::Direct,
            OperatorKind::Covariance,
            Rule::named("sgd"),
            k,
        );
        let right = solve(&mut cpu, &samples, &direct).expect(name).0;
        let standing = |outcome: &Outcome| Assessment::of(outcome, &reference).standing(TARGET, k);
        assert_eq!(standing(&right), Standing::Right, "{name}");
        for how in SPOILS {
            for _ in 0..25 {
                if let Some(bad) = spoiled(&right, &truth, samples.d, how, &mut random) {
                    assert_ne!(standing(&bad), Standing::Right, "{name}: {how:?}");
                }
            }
        }
        // A direction without variance in place of the second: its residual is 0, and it is no component past the rank.
        if samples.d > 5 {
            let past = plan(
                Method::Direct,
                OperatorKind::Covariance,
                Rule::named("sgd"),
                6,
            );
            let past = solve(&mut cpu, &samples, &past).expect(name).0;
            let d = samples.d;
            let mut null = right.clone();
            null.components[d..2 * d].copy_from_slice(&past.components[5 * d..6 * d]);
            null.eigenvalues[1] = past.eigenvalues[5];
            assert_eq!(standing(&null), Standing::Above, "{name}: no variance");
        }
        // The second eigenvector left out: every residual is 0, and it is wrong.
        let all = plan(
            Method::Direct,
            OperatorKind::Covariance,
            Rule::named("sgd"),
            samples.d.min(4),
        );
        let all = solve(&mut cpu, &samples, &all).expect(name).0;
        if all.eigenvalues.len() > k {
            let d = samples.d;
            let mut missing = right.clone();
            missing.components.drain(d..2 * d);
            missing
                .components
                .extend_from_slice(&all.components[k * d..(k + 1) * d]);
            missing.eigenvalues.remove(1);
            missing.eigenvalues.push(all.eigenvalues[k]);
            assert_ne!(
                standing(&missing),
                Standing::Right,
                "{name}: one is missing"
            );
        }
    }
}
