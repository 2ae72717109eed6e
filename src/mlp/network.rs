//! The network: the layout of its parameters, and forward and backward passes as launches, generic over the device.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::problem::{Problem, Set};
use crate::device::{Device, Element, Gemm, Slice, VIEW_ALIGNMENT};
use crate::error::Result;
use crate::kernel::{self, Kernel};
use crate::optimizer::{Cost, launch, read};

/// Widths of all layers, from the inputs to the classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// A network from d inputs through hidden layers to the classes.
    pub fn new(d: usize, hidden: &[usize], classes: usize) -> Self {
        Self([&[d], hidden, &[classes]].concat())
    }

    /// Inputs and outputs of every layer.
    pub fn layers(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.0.windows(2).map(|w| (w[0], w[1]))
    }

    /// Number of parameters: weights and biases.
    pub fn parameters(&self) -> usize {
        self.layers().map(|(i, o)| (i + 1) * o).sum()
    }

    /// Width of the widest layer, including the input.
    pub fn widest(&self) -> usize {
        self.0.iter().copied().max().unwrap_or(1)
    }

    /// Offsets of the weights and biases of every layer, aligned as views require, and the total length.
    pub(super) fn offsets(&self) -> (Vec<[usize; 2]>, usize) {
        let mut at = 0;
        let mut take = |len: usize| {
            let start = at;
            at += len.next_multiple_of(VIEW_ALIGNMENT);
            start
        };
        let offsets = self.layers().map(|(i, o)| [take(i * o), take(o)]).collect();
        (offsets, at)
    }

    /// Initial weights and biases in the device layout: He's initialisation, gaps 0.
    pub(super) fn initial(&self, seed: u64) -> Vec<f32> {
        let (offsets, len) = self.offsets();
        let mut values = vec![0.0; len];
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for ((inputs, outputs), [weights, _]) in self.layers().zip(offsets) {
            let deviation = (2.0 / inputs as f64).sqrt();
            for value in &mut values[weights..][..inputs * outputs] {
                let x: f64 = StandardNormal.sample(&mut random);
                *value = (deviation * x) as f32;
            }
        }
        values
    }
}

/// All parameters, or all gradients: one buffer and views of each layer.
pub(super) struct Parameters<D: Device> {
    pub all: D::Buffer,
    pub len: usize,
    layers: Vec<[D::Buffer; 2]>,
}

impl<D: Device> Parameters<D> {
    pub fn alloc(device: &mut D, shape: &Shape) -> Result<Self> {
        let (offsets, len) = shape.offsets();
        let all = device.alloc(Element::F32, len)?;
        device.write(&all, 0, Slice::F32(&vec![0.0; len]))?;
        let layers = shape.layers().zip(offsets);
        let layers = layers.map(|((i, o), [weights, biases])| {
            [
                device.view(&all, weights, i * o),
                device.view(&all, biases, o),
            ]
        });
        Ok(Self {
            layers: layers.collect(),
            all,
            len,
        })
    }

    /// Weights, then biases, layer by layer, without the gaps.
    pub fn read(&self, device: &mut D, shape: &Shape) -> Result<Vec<f32>> {
        let mut values = Vec::with_capacity(shape.parameters());
        for ((i, o), [weights, biases]) in shape.layers().zip(&self.layers) {
            values.extend(read(device, weights, i * o)?);
            values.extend(read(device, biases, o)?);
        }
        Ok(values)
    }
}

/// What a gather reads from: a list of samples, and a control buffer with the current batch number.
pub(super) struct Source<'a, D: Device> {
    pub set: &'a Set<D>,
    pub control: &'a D::Buffer,
    pub rows: &'a D::Buffer,
    /// Samples per batch.
    pub batch: usize,
    /// Offset of this chunk within the batch.
    pub offset: usize,
}

/// Activations of a chunk of rows: the input first, the logits last.
pub(super) struct Activations<D: Device> {
    pub rows: usize,
    values: Vec<D::Buffer>,
}

impl<D: Device> Activations<D> {
    pub fn alloc(device: &mut D, shape: &Shape, rows: usize) -> Result<Self> {
        let values = shape
            .0
            .iter()
            .map(|&h| device.alloc(Element::F32, rows * h));
        let values = values.collect::<Result<Vec<_>>>()?;
        let activations = Self { rows, values };
        // A missing sample leaves its row unchanged, so the rows must hold finite numbers.
        let zeros = vec![0.0; rows * shape.0[0]];
        device.write(&activations.values[0], 0, Slice::F32(&zeros))?;
        Ok(activations)
    }

    /// A view of the first `rows` rows.
    pub fn part(&self, device: &mut D, shape: &Shape, rows: usize) -> Self {
        let values = self.values.iter().zip(&shape.0);
        let values = values.map(|(all, &h)| device.view(all, 0, rows * h));
        Self {
            rows,
            values: values.collect(),
        }
    }

    /// The last activations: logits, and after the loss its gradient with respect to them.
    pub fn last(&self) -> &D::Buffer {
        &self.values[self.values.len() - 1]
    }
}

/// Launches `C = alpha op(A) op(B) + beta C` and counts its work.
fn multiply<D: Device>(
    device: &mut D,
    cost: &mut Cost,
    gemm: Gemm,
    [a, b, c]: [&D::Buffer; 3],
) -> Result<()> {
    cost.add_gemm(&gemm);
    device.gemm(&gemm, a, b, c)
}

fn product(m: usize, n: usize, k: usize) -> Gemm {
    Gemm {
        m,
        n,
        k,
        transpose_a: false,
        transpose_b: false,
        alpha: 1.0,
        beta: 0.0,
    }
}

/// Computes the logits of a chunk, without the bias of the last layer, which the loss adds.
pub(super) fn forward<D: Device>(
    device: &mut D,
    cost: &mut Cost,
    problem: &Problem<D>,
    source: &Source<'_, D>,
    shape: &Shape,
    parameters: &Parameters<D>,
    activations: &Activations<D>,
) -> Result<()> {
    let rows = activations.rows;
    let kernel = gather(problem);
    for block in &source.set.blocks {
        launch(
            device,
            cost,
            kernel,
            &[
                block.n,
                problem.d,
                rows,
                source.batch,
                source.offset,
                block.first,
            ],
            &[problem.weight],
            &[
                source.control,
                &block.x,
                source.rows,
                &activations.values[0],
            ],
        )?;
    }
    let count = parameters.layers.len();
    for (l, (inputs, outputs)) in shape.layers().enumerate() {
        let [weights, biases] = &parameters.layers[l];
        let (a, z) = (&activations.values[l], &activations.values[l + 1]);
        multiply(
            device,
            cost,
            product(rows, outputs, inputs),
            [a, weights, z],
        )?;
        if l + 1 < count {
            let sizes = [rows, outputs];
            launch(
                device,
                cost,
                Kernel::Network(kernel::Network::BiasRelu),
                &sizes,
                &[],
                &[z, biases],
            )?;
        }
    }
    Ok(())
}

/// The gather kernel for the element type of these samples.
pub(super) fn gather<D: Device>(problem: &Problem<D>) -> Kernel {
    if problem.bytes {
        Kernel::Network(kernel::Network::GatherU8)
    } else {
        Kernel::Network(kernel::Network::GatherF32)
    }
}

/// Computes the loss of a chunk and the gradient with respect to all parameters. `deltas` has the shape of the
/// activations; its first and last entries are not used. With `beta` 1 the gradient is added to the existing one.
#[allow(clippy::too_many_arguments)] // Each is a separate input of the step.
pub(super) fn backward<D: Device>(
    device: &mut D,
    cost: &mut Cost,
    problem: &Problem<D>,
    source: &Source<'_, D>,
    shape: &Shape,
    [parameters, gradients]: [&Parameters<D>; 2],
    [activations, deltas]: [&Activations<D>; 2],
    losses: (&D::Buffer, usize),
    beta: f32,
) -> Result<()> {
    let rows = activations.rows;
    let last = parameters.layers.len() - 1;
    launch(
        device,
        cost,
        Kernel::Network(kernel::Network::SoftmaxLoss),
        &[
            rows,
            problem.classes,
            source.batch,
            source.offset,
            source.set.n,
            losses.1,
        ],
        &[beta],
        &[
            source.control,
            &source.set.labels,
            source.rows,
            &parameters.layers[last][1],
            activations.last(),
            &gradients.layers[last][1],
            losses.0,
        ],
    )?;
    let mut delta = activations.last();
    let layers: Vec<_> = shape.layers().collect();
    for (l, (inputs, outputs)) in layers.into_iter().enumerate().rev() {
        let weights = Gemm {
            transpose_a: true,
            beta,
            ..product(inputs, outputs, rows)
        };
        let a = &activations.values[l];
        multiply(device, cost, weights, [a, delta, &gradients.layers[l][0]])?;
        if l > 0 {
            let below = Gemm {
                transpose_b: true,
                ..product(rows, inputs, outputs)
            };
            let next = &deltas.values[l];
            multiply(device, cost, below, [delta, &parameters.layers[l][0], next])?;
            launch(
                device,
                cost,
                Kernel::Network(kernel::Network::ReluBackward),
                &[rows, inputs],
                &[beta],
                &[a, next, &gradients.layers[l - 1][1]],
            )?;
            delta = next;
        }
    }
    Ok(())
}

/// Adds the errors and the loss of a chunk to `totals`.
pub(super) fn score<D: Device>(
    device: &mut D,
    cost: &mut Cost,
    problem: &Problem<D>,
    source: &Source<'_, D>,
    (parameters, activations): (&Parameters<D>, &Activations<D>),
    listed: usize,
    totals: &D::Buffer,
) -> Result<()> {
    let biases = &parameters.layers[parameters.layers.len() - 1][1];
    launch(
        device,
        cost,
        Kernel::Network(kernel::Network::Score),
        &[activations.rows, problem.classes, source.set.n, listed],
        &[],
        &[
            source.control,
            &source.set.labels,
            source.rows,
            biases,
            activations.last(),
            totals,
        ],
    )
}
