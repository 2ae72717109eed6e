//! A rule that is read at run time, on every device: nothing but its file is added.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{compare, methods};
use crate::device::Device;
use crate::device::cpu::Cpu;
use crate::optimizer::Rule;
use crate::pca::{Method, OperatorKind};

/// Every function, operator and comparison that a rule may have, a power of a constant, norms, and a name as C++ has it
/// elsewhere.
const EVERYTHING: &str = "
name = \"everything\"
about = \"every part of the language\"
parameters = { mu = 0.9, decay = 0.999, half = 0.5 }
states = { v = \"velocity\", s = \"square from 0.1\", most = \"square\" }
update = '''
late = 1 - decay^t
warm = min(1, t / 10) * exp(-t / 1000) / (1 + log(t)) * 0.5^(t / 50)
s = decay * s + (1 - decay) * g^2     # a moving average
most = max(most, s)
d = select(abs(g) <= 3, g, 3 * sign(g)) / (sqrt(most / late) + 1e-6)
shrunk = expm1(-abs(d)) * (abs(d) + 1)^half
length = norm(d) + norm(p)
v = mu * v - rate * warm * (d - shrunk / (2 + (s + 1)^2)) / (1 + 1 / length)
p += v - -0.001 * p * select(p != 0, 1, 0)
'''
";

/// A rule of three lines.
const OWN: &str = "
name = \"heavy\"
about = \"momentum of another make\"
parameters = { mu = 0.85 }
states = { v = \"velocity\" }
update = '''
v = mu * v - rate * g
p += v
'''
";

fn read(text: &str) -> Rule {
    Rule::read("rule.toml", text).unwrap_or_else(|e| panic!("{e}"))[0]
}

/// The device's kernels against the rule's f64 reference, and a solve against LAPACK.
fn races<D: Device>(device: &mut D) {
    for text in [EVERYTHING, OWN] {
        let row = read(text).row();
        let mut random = ChaCha8Rng::seed_from_u64(7);
        for (sizes, scalars) in row.cases {
            let compared = compare(device, row, sizes, scalars, &mut random);
            compared.unwrap_or_else(|e| panic!("{} {sizes:?}: {e}", row.name));
        }
    }
    let samples = methods::generated("digits:n=150,seed=2").expect("digits need no file");
    for method in [Method::Deflation, Method::Subspace] {
        let plan = methods::plan(method, OperatorKind::Covariance, read(OWN), 2);
        methods::solve_well(device, &samples, &plan).unwrap_or_else(|e| panic!("{method:?}: {e}"));
    }
}

#[test]
fn a_rule_read_at_run_time_is_raced_on_the_cpu() {
    for threads in [1, 2] {
        races(&mut Cpu::open(threads).expect("there are two"));
    }
}

mod needs_wgpu {
    use super::*;
    use crate::device::wgpu::Wgpu;

    #[test]
    #[ignore = "needs wgpu: scripts/setup installs a software adapter"]
    fn a_rule_read_at_run_time_is_raced_on_an_adapter() {
        races(&mut Wgpu::open(0).expect("an adapter"));
    }
}

mod needs_emulation {
    use super::*;
    use crate::device::cuda::emulated;

    #[test]
    #[ignore = "needs emulation: Linux with a C++ compiler"]
    fn a_rule_read_at_run_time_is_raced_on_the_emulated_kernels() {
        races(&mut emulated::open(false));
    }
}
