//! Training and test samples on a device.

use std::sync::Arc;

use crate::data::Samples;
use crate::device::{Block, Device, Element, Slice};
use crate::error::{Error, Result};

/// One set of samples on a device.
pub(super) struct Set<D: Device> {
    pub n: usize,
    pub blocks: Vec<Block<D::Buffer>>,
    /// Class of every sample.
    pub labels: D::Buffer,
}

/// Training and test samples on a device.
pub struct Problem<D: Device> {
    pub(super) train: Set<D>,
    pub(super) test: Set<D>,
    pub(super) d: usize,
    pub(super) classes: usize,
    /// Whether the elements are bytes.
    pub(super) bytes: bool,
    /// Value of one element unit: scales pixels to 0..1.
    pub(super) weight: f32,
}

impl<D: Device> Problem<D> {
    /// Uploads both sets to the device (counted as transfer, not as solve).
    ///
    /// # Errors
    /// `Failed` if they do not fit, `Input` if they differ in size or type or lack labels.
    pub fn upload(device: &mut D, train: &Arc<Samples>, test: &Arc<Samples>) -> Result<Self> {
        if (train.d, train.dtype()) != (test.d, test.dtype()) {
            return Err(Error::input(format!(
                "{}: training and test samples differ in size or type; use samples of one data set",
                train.spec
            )));
        }
        let classes = classes(train, test);
        Ok(Self {
            train: set(device, train)?,
            test: set(device, test)?,
            d: train.d,
            classes,
            bytes: train.dtype() == "u8",
            weight: train.element_value() as f32,
        })
    }
}

/// Number of classes: one more than the largest label in either set, at least two.
pub fn classes(train: &Samples, test: &Samples) -> usize {
    let labels = |samples: &Samples| samples.labels.iter().flatten().copied().max();
    let top = labels(train).max(labels(test)).unwrap_or(0);
    (usize::from(top) + 1).max(2)
}

fn set<D: Device>(device: &mut D, samples: &Arc<Samples>) -> Result<Set<D>> {
    let Some(labels) = &samples.labels else {
        return Err(Error::input(format!(
            "{} has no labels, which a classifier needs; give them with --labels FILE",
            samples.spec
        )));
    };
    let blocks = Block::upload(device, samples)?;
    let classes: Vec<u32> = labels.iter().map(|&label| u32::from(label)).collect();
    let labels = device.alloc(Element::U32, samples.n)?;
    device.write(&labels, 0, Slice::U32(&classes))?;
    Ok(Set {
        n: samples.n,
        blocks,
        labels,
    })
}
