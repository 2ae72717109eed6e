//! The update rules, written once over [`Device`].
//!
//! A rule is a file in `rules/` ([`crate::rule`] says how it is read): a row of the kernel table is made from it, which reads
//! its rate and step number from the control buffer. Frameworks differ in details, so results hold the statements
//! themselves. A rule does not depend on the problem, which defines the gradient and chooses the rate.

#[cfg(test)]
mod golden;
mod schedule;
mod watch;
mod work;

use crate::device::{Device, Element, Slice};
use crate::error::Result;
use crate::kernel::Kernel;

pub use crate::kernel::Rule;
pub use schedule::{Schedule, WarmUp};
pub use watch::{Blind, Ended, Look, Next, Watch};
pub use work::{Cost, launch, read, shuffled};

/// A rule's states on a device.
pub struct States<D: Device> {
    rule: Rule,
    len: usize,
    /// In the rule's order.
    pub buffers: Vec<D::Buffer>,
}

impl<D: Device> States<D> {
    /// Memory for the states of `len` parameters; [`States::start`] fills it.
    ///
    /// # Errors
    /// As [`Device::alloc`].
    pub fn alloc(device: &mut D, rule: Rule, len: usize) -> Result<Self> {
        let buffers = (0..rule.states()).map(|_| device.alloc(Element::F32, len));
        Ok(Self {
            rule,
            len,
            buffers: buffers.collect::<Result<_>>()?,
        })
    }

    /// What the states are before the first step.
    ///
    /// # Errors
    /// As [`Device::write`].
    pub fn start(&self, device: &mut D) -> Result<()> {
        for (state, buffer) in self.rule.program().states.iter().zip(&self.buffers) {
            let start = vec![state.start as f32; self.len];
            device.write(buffer, 0, Slice::F32(&start))?;
        }
        Ok(())
    }

    /// The states that move with the parameters: on the sphere they are kept in the tangent space.
    pub fn velocities(&self) -> impl Iterator<Item = &D::Buffer> {
        self.rule
            .program()
            .velocities()
            .map(|place| &self.buffers[place])
    }

    /// Launches one update of `p` with the gradient `g`.
    ///
    /// # Errors
    /// As [`Device::launch`].
    pub fn update(
        &self,
        device: &mut D,
        cost: &mut Cost,
        weight_decay: f64,
        buffers: [&D::Buffer; 3],
    ) -> Result<()> {
        let kernel = self.rule.kernel();
        let buffers: Vec<&D::Buffer> = buffers.into_iter().chain(&self.buffers).collect();
        let (sizes, scalars) = ([self.len], self.rule.scalars(weight_decay));
        launch(device, cost, kernel, &sizes, &scalars, &buffers)
    }
}

impl Rule {
    /// The rule's row of the kernel table.
    pub const fn kernel(self) -> Kernel {
        Kernel::Rules(self)
    }

    /// Scalars of the kernel row. Unless the rule names it, a `weight_decay` w adds w p to the gradient, as in PyTorch.
    pub fn scalars(self, weight_decay: f64) -> Vec<f32> {
        let exact = self.program().scalars(weight_decay);
        exact.iter().map(|x| *x as f32).collect()
    }
}
