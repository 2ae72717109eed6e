//! What the race asks of a problem. All that is a problem's own stands in its module: parameters, words, size, samples, the
//! solve on a device, the judge and the fields of a record.
//!
//! The type that holds the parameters of a case implements [`Settings`], which needs no device and no samples, and
//! [`Problem`], which names the types of everything else. A race is generic over it, so that an answer cannot meet the judge
//! of another problem.

use std::fmt::Debug;
use std::sync::Arc;

use ndarray::Array2;

use crate::data::{Request, Samples, Spec, Standardize};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::optimizer::{Ended, Watch};
use crate::record::{CurvePoint, Record, Work};

use super::case::{Case, Settings};
use super::clock::Spacing;
use super::observer::Errors;

pub mod mlp;
pub mod pca;

/// The answer of a solve.
pub trait Answer: Debug + Clone + PartialEq {
    /// Why the solve ended.
    fn ended(&self) -> Ended;

    /// The work of the solve.
    fn work(&self) -> Work;

    /// Whether two answers are the same to the last bit.
    fn same_bits(&self, other: &Self) -> bool;
}

/// A solve that is to be checked.
pub struct Solved<'a, A> {
    /// The answer.
    pub answer: &'a A,
    /// The curve of the first solve.
    pub curve: &'a [CurvePoint],
    /// What was other in a later repeat, which may not be: a failed check.
    pub changed: Option<String>,
}

/// A problem; the implementing type holds its parameters in a case.
pub trait Problem: Settings + Debug + Clone + PartialEq + 'static {
    /// What is held back of the samples when they are loaded.
    type Held;
    /// What a solve needs besides the samples.
    type Material: Debug;
    /// What a device is asked to do.
    type Plan;
    /// What a watch sees of the state.
    type Snapshot;
    /// What comes out.
    type Answer: Answer;
    /// What an answer is held against.
    type Judge;
    /// The samples on a device.
    type OnDevice<D: Device + 'static>: 'static;
    /// A plan that is ready to run.
    type Ready<'a, D: Device + 'static>;

    /// Whether all that a device does in a solve is solving: then its own clock says how long that takes.
    const DEVICE_TIME: bool;
    /// What is being done while the judge is made, where that takes long.
    const JUDGING: Option<&'static str>;

    /// Takes from the samples what is held back.
    ///
    /// # Errors
    /// `Input` when the samples do not suit the problem.
    fn divide(
        samples: Samples,
        columns: Standardize,
        request: &Request,
        test_fraction: Option<f64>,
    ) -> Result<(Samples, Self::Held)>;

    /// The samples as they are solved for and what a solve needs besides them, with the seconds that its making takes.
    ///
    /// # Errors
    /// `Input` when they do not fit in memory.
    fn material(
        samples: Samples,
        columns: Standardize,
        held: Self::Held,
    ) -> Result<(Samples, Self::Material, f64)>;

    /// Whether samples may be loaded when their turn comes: their spec says all that can be wrong with a case.
    fn may_wait(spec: &Spec) -> bool;

    /// Whether the parameters fit n samples of dimension d.
    ///
    /// # Errors
    /// `Input` with what would fit.
    fn check_shape(&self, shape: (usize, usize), spec: &str) -> Result<()>;

    /// Which looks of a solve become points of the curve.
    fn spacing(&self) -> Spacing;

    /// What a device is to do, with the learning rate that `auto` stands for.
    ///
    /// # Errors
    /// `Unsupported` when there is no such precision.
    fn plan(case: &Case<Self>) -> Result<Self::Plan>;

    /// Puts the samples on a device.
    ///
    /// # Errors
    /// As the device says.
    fn upload<D: Device + 'static>(
        device: &mut D,
        samples: &Arc<Samples>,
        material: &Self::Material,
    ) -> Result<Self::OnDevice<D>>;

    /// Makes a plan ready to run.
    ///
    /// # Errors
    /// As the device says.
    fn prepare<'a, D: Device + 'static>(
        device: &mut D,
        samples: &'a Self::OnDevice<D>,
        plan: &Self::Plan,
    ) -> Result<Self::Ready<'a, D>>;

    /// Solves.
    ///
    /// # Errors
    /// As the device says, or what the watch returns.
    fn solve<D: Device + 'static>(
        ready: &mut Self::Ready<'_, D>,
        device: &mut D,
        watch: &mut dyn Watch<Self::Snapshot>,
    ) -> Result<Self::Answer>;

    /// Cases about the same samples with the same key have the same judge.
    fn judge_key(&self) -> usize;

    /// What the answers of this case are held against.
    ///
    /// # Errors
    /// `Failed` when the reference cannot be computed.
    fn judge(&self, samples: &Arc<Samples>, material: &Self::Material) -> Result<Self::Judge>;

    /// Errors of a snapshot, for the curve; `None` when there is nothing to hold it against.
    fn errors(case: &Case<Self>, judge: &Self::Judge, snapshot: &Self::Snapshot) -> Option<Errors>;

    /// Says of a row what is known of the samples besides their facts.
    fn describe_samples(material: &Self::Material, row: &mut Record);

    /// Checks the answer and puts what was found into the row.
    ///
    /// # Errors
    /// As [`Problem::plan`].
    fn check(
        row: &mut Record,
        case: &Case<Self>,
        samples: &Samples,
        judge: &Self::Judge,
        solved: Solved<'_, Self::Answer>,
    ) -> Result<()>;

    /// Components of an answer, k x d, where it has any.
    fn components(_: &Self::Answer) -> Option<&[f64]> {
        None
    }

    /// The samples in the plane of an answer, where it has one and they have labels.
    fn plane(_: &Samples, _: &Self::Material, _: &Self::Answer) -> Option<Array2<f32>> {
        None
    }
}

/// Whether a mini-batch is no larger than the samples are many.
fn check_batch(rows: Option<usize>, n: usize, spec: &str) -> Result<()> {
    match rows {
        Some(rows) if rows > n => Err(Error::input(format!(
            "batch {rows}: {spec} has {n} samples: give --batch 1 to {n}, or full"
        ))),
        _ => Ok(()),
    }
}
