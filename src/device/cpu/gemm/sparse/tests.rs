use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::device::cpu::Cpu;

fn random(rng: &mut ChaCha8Rng, len: usize, zeros: f64) -> Vec<f32> {
    let value = |_| {
        let x = rng.random_range(-1.0..1.0);
        if rng.random_bool(zeros) { 0.0 } else { x }
    };
    (0..len).map(value).collect()
}

fn gemm(m: usize, n: usize, k: usize, transpose_a: bool, beta: f32) -> Gemm {
    Gemm {
        m,
        n,
        k,
        transpose_a,
        transpose_b: false,
        alpha: 0.75,
        beta,
    }
}

#[test]
fn a_product_that_skips_zeros_is_that_of_f64_whatever_the_shape() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for isa in Isa::available() {
        let mut cpu = Cpu::open_with(crate::machine::cores().min(2), isa).unwrap();
        for (m, n, k) in [
            (1, 1, 1),
            (4, 24, 31),
            (31, 33, 257),
            (128, 300, 784),
            (257, 10, 33),
            (6, 49, 64),
            (523, 24, 2100),
        ] {
            for (transposed, beta) in [(false, 0.0), (true, 0.0), (false, 1.0), (true, -0.5)] {
                let gemm = gemm(m, n, k, transposed, beta);
                let a = random(&mut rng, m * k, 0.9);
                let b = random(&mut rng, k * n, 0.0);
                let old = if beta == 0.0 {
                    vec![f32::NAN; m * n]
                } else {
                    random(&mut rng, m * n, 0.0)
                };
                let mut c = old.clone();
                multiply(&mut cpu.cores, &gemm, &a, &b, &mut c);
                let operand = Operand::new(&gemm, &a);
                for (at, found) in c.iter().enumerate() {
                    let (i, j) = (at / n, at % n);
                    let term = |t| f64::from(operand.at(i, t)) * f64::from(b[t * n + j]);
                    let mut expected = 0.75 * (0..k).map(term).sum::<f64>();
                    if beta != 0.0 {
                        expected += f64::from(beta) * f64::from(old[at]);
                    }
                    assert!(
                        (f64::from(*found) - expected).abs() < 1e-5,
                        "{isa:?} {m} x {n} x {k} {transposed} {beta}: ({i}, {j}) {found} {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn one_thread_and_two_give_the_same_bits() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let gemm = gemm(131, 300, 129, true, 0.0);
    let (a, b) = (
        random(&mut rng, 131 * 129, 0.8),
        random(&mut rng, 129 * 300, 0.0),
    );
    let mut products = [1, crate::machine::cores().min(2)].map(|threads| {
        let mut c = vec![0.0; 131 * 300];
        multiply(
            &mut Cpu::open(threads).unwrap().cores,
            &gemm,
            &a,
            &b,
            &mut c,
        );
        c
    });
    let other = products[1].split_off(0);
    assert_eq!(products[0], other);
}

#[test]
fn zeros_are_skipped_where_they_are_shared_and_what_is_not_a_number_is_not() {
    let mut a = vec![0.0f32; 40 * 100];
    let gemm = gemm(40, 24, 100, false, 0.0);
    assert!(pays(&gemm, &a));
    // One row of four without zeros: nothing is shared.
    for row in a.chunks_exact_mut(400) {
        row[..100].fill(1.0);
    }
    assert!(!pays(&gemm, &a));
    assert!(!pays(
        &Gemm {
            transpose_b: true,
            ..gemm
        },
        &a
    ));
    a.fill(0.0);
    a[5] = f32::NAN;
    let mut c = vec![0.0; 40 * 24];
    let mut cpu = Cpu::open(1).unwrap();
    multiply(&mut cpu.cores, &gemm, &a, &vec![1.0; 2400], &mut c);
    assert!(c[..24].iter().all(|x| x.is_nan()) && c[4 * 24..].iter().all(|x| *x == 0.0));
    // All but one term of the first four rows.
    let skipped = (40 * 100 - 4) * 24 * 2;
    assert_eq!(cpu.cores.skipped_flops, f64::from(skipped));
}
