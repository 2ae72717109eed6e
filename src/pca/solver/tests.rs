// Rules compare and hash by name, which never changes.
#![allow(clippy::mutable_key_type)]

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use super::*;
use crate::data::{Request, Samples, Statistics, load};
use crate::device::cpu::Cpu;
use crate::device::{Info, Launch};
use crate::optimizer::{Blind, Rule, WarmUp};
use crate::pca::OperatorKind;

type Buffer = <Cpu as Device>::Buffer;

/// A launch made while recording.
struct Noted {
    kernel: Kernel,
    sizes: Vec<usize>,
    scalars: Vec<f32>,
    buffers: Vec<Buffer>,
}

/// The CPU device, which also notes what is compiled and launched.
struct Noting {
    cpu: Cpu,
    recording: Option<Vec<Noted>>,
    warmed: HashSet<Kernel>,
    launched: HashSet<Kernel>,
}

impl Device for Noting {
    type Buffer = Buffer;
    type Recording = Vec<Noted>;

    fn info(&self) -> &Info {
        self.cpu.info()
    }

    fn alloc(&mut self, element: Element, len: usize) -> Result<Buffer> {
        self.cpu.alloc(element, len)
    }

    fn warm(&mut self, kernels: &[Kernel]) -> Result<()> {
        self.warmed.extend(kernels);
        Ok(())
    }

    fn write(&mut self, buffer: &Buffer, offset: usize, data: Slice<'_>) -> Result<()> {
        self.cpu.write(buffer, offset, data)
    }

    fn read(&mut self, buffer: &Buffer, offset: usize, into: SliceMut<'_>) -> Result<()> {
        self.cpu.read(buffer, offset, into)
    }

    fn view(&mut self, buffer: &Buffer, offset: usize, len: usize) -> Buffer {
        self.cpu.view(buffer, offset, len)
    }

    fn launch(&mut self, launch: &Launch<'_, Buffer>) -> Result<()> {
        self.launched.insert(launch.kernel);
        let Some(recording) = &mut self.recording else {
            return self.cpu.launch(launch);
        };
        recording.push(Noted {
            kernel: launch.kernel,
            sizes: launch.sizes.to_vec(),
            scalars: launch.scalars.to_vec(),
            buffers: launch.buffers.iter().map(|b| (*b).clone()).collect(),
        });
        Ok(())
    }

    fn gemm(&mut self, gemm: &Gemm, a: &Buffer, b: &Buffer, c: &Buffer) -> Result<()> {
        assert!(self.recording.is_none(), "a step has no matrix product");
        self.cpu.gemm(gemm, a, b, c)
    }

    fn record(&mut self, steps: &mut dyn FnMut(&mut Self) -> Result<()>) -> Result<Vec<Noted>> {
        self.recording = Some(Vec::new());
        steps(self)?;
        Ok(self.recording.take().unwrap_or_default())
    }

    fn replay(&mut self, recording: &Vec<Noted>, times: u64) -> Result<()> {
        for noted in (0..times).flat_map(|_| recording) {
            let buffers: Vec<&Buffer> = noted.buffers.iter().collect();
            self.cpu.launch(&Launch {
                kernel: noted.kernel,
                sizes: &noted.sizes,
                scalars: &noted.scalars,
                buffers: &buffers,
            })?;
        }
        Ok(())
    }

    fn synchronise(&mut self) -> Result<()> {
        self.cpu.synchronise()
    }

    fn upload(&mut self, samples: &Arc<Samples>, range: Range<usize>) -> Result<Buffer> {
        self.cpu.upload(samples, range)
    }

    fn gram(&mut self, samples: &Samples, statistics: &Statistics) -> Result<Vec<f64>> {
        self.cpu.gram(samples, statistics)
    }

    fn eigh(&mut self, a: &mut [f64], order: usize) -> Result<Vec<f64>> {
        self.cpu.eigh(a, order)
    }
}

/// The kernels that preparing and solving launch, and those compiled before the first launch.
fn kernels(samples: &Arc<Samples>, plan: &Plan) -> (HashSet<Kernel>, HashSet<Kernel>) {
    let mut device = Noting {
        cpu: Cpu::open(1).expect("one thread is always there"),
        recording: None,
        warmed: HashSet::new(),
        launched: HashSet::new(),
    };
    let statistics = Statistics::of(samples, 1);
    let problem = Problem::upload(&mut device, samples, &statistics).expect("it fits");
    let mut solver = Solver::prepare(&mut device, &problem, plan).expect("it fits");
    let warmed = device.warmed.clone();
    solver.solve(&mut device, &mut Blind).expect("it solves");
    assert_eq!(device.warmed, warmed, "nothing is compiled while solving");
    (device.launched, warmed)
}

#[test]
fn a_solve_compiles_exactly_the_kernels_it_launches_and_before_it_starts() {
    let sets = [
        "digits:n=800,seed=2",
        "digits:n=40,seed=2",
        "spectrum:n=60,d=9,decay=0.5,seed=5",
        "spectrum:n=31,d=57,decay=0.6,seed=4",
    ];
    let mut all = HashSet::new();
    for spec in sets {
        let samples = Arc::new(
            load(&Request {
                spec: spec.into(),
                quiet: true,
                ..Request::default()
            })
            .expect("it is made here"),
        );
        let ways = [
            (OperatorKind::Samples, None),
            (OperatorKind::Samples, Some(8)),
            (OperatorKind::Covariance, None),
        ];
        for method in [Method::Deflation, Method::Subspace, Method::Direct] {
            for ((operator, batch), rule) in ways
                .iter()
                .flat_map(|way| Rule::plain().map(|rule| (*way, rule)))
            {
                let plan = Plan {
                    method,
                    operator,
                    rule,
                    gradient: None,
                    learning_rate: None,
                    schedule: None,
                    warm_up: WarmUp::None,
                    components: 2,
                    batch,
                    epochs: 1,
                    tolerance: 1e-6,
                    max_iterations: 3,
                    seed: 1,
                };
                let (launched, warmed) = kernels(&samples, &plan);
                assert_eq!(launched, warmed, "{spec}: {plan:?}");
                all.extend(launched);
            }
        }
    }
    let never: Vec<&str> = crate::kernel::table()
        .filter(|row| !all.contains(&row.kernel) && !is_variant(row.kernel))
        .map(|row| row.name)
        .collect();
    // Stream is for measuring peaks, the others belong to networks.
    let others = [
        "stream_read",
        "gather_f32",
        "gather_u8",
        "bias_relu",
        "softmax_loss",
        "relu_backward",
        "score",
    ];
    assert_eq!(never, others, "every row of a solve was seen");
}

/// Whether a row is another form of a rule that has been seen.
fn is_variant(kernel: Kernel) -> bool {
    matches!(kernel, Kernel::Rules(rule) if rule.name().contains(':'))
}
