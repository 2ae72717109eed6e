//! Eigenvectors of the dual back to samples: the second half of the panel path, with the projections given.

use super::panels;
use super::task::{Rows, Task};
use crate::device::Launch;
use crate::device::cpu::buffer::Buffer;
use crate::device::cpu::cores::Cores;
use crate::device::cpu::sample::Sample;
use crate::kernel::named;

/// `out = beta out + w sum_i u[:, first + i] y_i`.
pub fn run<T: Sample>(cores: &mut Cores, launch: &Launch<'_, Buffer>) {
    let [n, d, m, total, first] = named(launch.sizes);
    let [beta, weight] = named(launch.scalars);
    let [x, mean, u, out] = named(launch.buffers);
    let (x, u, mut out) = (T::of(x), u.f32(), out.f32_mut());
    assert!(x.len() >= n * d && out.len() == m * d && u.len() == m * total && first + n <= total);
    let mut projections = std::mem::take(&mut cores.projections);
    projections.clear();
    for i in 0..n {
        projections.extend((0..m).map(|a| weight * u[a * total + first + i]));
    }
    let task = Task {
        rows: Rows::All(n),
        d,
        m,
        beta,
        weight_in: 1.0,
        weight_out: 1.0,
        mean: &mean.f32(),
        v: &[],
    };
    panels::sums(cores, &task, &x, &projections, &mut out);
    cores.projections = projections;
}
