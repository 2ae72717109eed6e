//! The update rules, written once over [`Device`].
//!
//! Every rule is a row of the kernel table that computes `p -= RATE direction(g)` and reads its rate and step number
//! from the control buffer. Frameworks differ in details, so results name the variant ([`Rule::variant`]). A rule does
//! not depend on the problem, which defines the gradient and chooses the rate.

#[cfg(test)]
mod golden;
mod watch;
mod work;

use crate::device::{Device, Launch};
use crate::error::Result;
use crate::kernel::{Kernel, Rules};

pub use watch::{Blind, Ended, Look, Next, Watch};
pub use work::{Cost, launch, read, shuffled};

/// An update rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// Gradient descent (Robbins and Monro 1951 with mini-batches).
    Sgd,
    /// Heavy ball (Polyak 1964), decay 0.9.
    Momentum,
    /// Nesterov's accelerated gradient (Nesterov 1983, as Sutskever et al. 2013), decay 0.9.
    Nesterov,
    /// AdaGrad (Duchi, Hazan and Singer 2011).
    Adagrad,
    /// RMSprop (Tieleman and Hinton 2012), decay 0.99.
    Rmsprop,
    /// Adam (Kingma and Ba 2015), decays 0.9 and 0.999.
    Adam,
}

/// What is known of a rule besides its row of the kernel table.
struct Facts {
    name: &'static str,
    row: Rules,
    momentum: Option<f64>,
    decay: Option<f64>,
    epsilon: Option<f64>,
    variant: &'static str,
    is_elementwise: bool,
    usual_rate: f64,
}

/// A rule without states.
const PLAIN: Facts = Facts {
    name: "sgd",
    row: Rules::Sgd,
    momentum: None,
    decay: None,
    epsilon: None,
    variant: "p -= rate g",
    is_elementwise: false,
    usual_rate: 0.1,
};

impl Rule {
    /// Every rule.
    pub const ALL: [Rule; 6] = [
        Rule::Sgd,
        Rule::Momentum,
        Rule::Nesterov,
        Rule::Adagrad,
        Rule::Rmsprop,
        Rule::Adam,
    ];

    const fn facts(self) -> Facts {
        match self {
            Rule::Sgd => PLAIN,
            Rule::Momentum => Facts {
                name: "momentum",
                row: Rules::Momentum,
                momentum: Some(0.9),
                variant: "PyTorch: v = mu v + g; p -= rate v",
                usual_rate: 0.05,
                ..PLAIN
            },
            Rule::Nesterov => Facts {
                name: "nesterov",
                row: Rules::Nesterov,
                momentum: Some(0.9),
                variant: "PyTorch: v = mu v + g; p -= rate (g + mu v)",
                usual_rate: 0.05,
                ..PLAIN
            },
            Rule::Adagrad => Facts {
                name: "adagrad",
                row: Rules::Adagrad,
                epsilon: Some(1e-10),
                variant: "PyTorch: accumulator from 0, epsilon outside the root",
                is_elementwise: true,
                usual_rate: 0.01,
                ..PLAIN
            },
            Rule::Rmsprop => Facts {
                name: "rmsprop",
                row: Rules::Rmsprop,
                decay: Some(0.99),
                epsilon: Some(1e-8),
                variant: "PyTorch: epsilon outside the root",
                is_elementwise: true,
                usual_rate: 0.001,
                ..PLAIN
            },
            Rule::Adam => Facts {
                name: "adam",
                row: Rules::Adam,
                momentum: Some(0.9),
                decay: Some(0.999),
                epsilon: Some(1e-8),
                variant: "PyTorch: bias-corrected, epsilon outside the root",
                is_elementwise: true,
                usual_rate: 0.001,
            },
        }
    }

    /// Name on the command line and in records.
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// The rule's row of the kernel table.
    pub const fn kernel(self) -> Kernel {
        Kernel::Rules(self.facts().row)
    }

    /// Decay of the velocity or of the first moment, if the rule has one.
    pub const fn momentum(self) -> Option<f64> {
        self.facts().momentum
    }

    /// Decay of the second moment, if the rule has one.
    pub const fn decay(self) -> Option<f64> {
        self.facts().decay
    }

    /// Constant added to the denominator, if the rule has one.
    pub const fn epsilon(self) -> Option<f64> {
        self.facts().epsilon
    }

    /// Formula or framework convention of this variant.
    pub const fn variant(self) -> &'static str {
        self.facts().variant
    }

    /// Whether the rule scales every element by the history of that element.
    pub const fn is_elementwise(self) -> bool {
        self.facts().is_elementwise
    }

    /// Learning rate that the rule's paper or framework starts from, for networks.
    pub const fn usual_rate(self) -> f64 {
        self.facts().usual_rate
    }

    /// Whether the first state is a velocity: a vector that moves with the parameters, not a sum of squares.
    pub const fn has_velocity(self) -> bool {
        self.momentum().is_some()
    }

    /// Scalars of the kernel row. A `weight_decay` w adds w p to the gradient, as in PyTorch.
    pub fn scalars(self, weight_decay: f64) -> Vec<f32> {
        let exact = self.exact_scalars(weight_decay);
        exact.iter().map(|x| *x as f32).collect()
    }

    /// The scalars of [`Rule::scalars`] before rounding to f32, for the reference functions.
    pub(crate) fn exact_scalars(self, weight_decay: f64) -> Vec<f64> {
        let own = [self.momentum(), self.decay(), self.epsilon()];
        let own = own.into_iter().flatten();
        own.chain([weight_decay]).collect()
    }

    /// Launches one update of `p` (`len` elements) with the gradient `g`; `states` are two buffers of `len` elements,
    /// initially zero.
    ///
    /// # Errors
    /// As [`Device::launch`].
    pub fn launch<D: Device>(
        self,
        device: &mut D,
        len: usize,
        weight_decay: f64,
        [control, p, g]: [&D::Buffer; 3],
        states: [&D::Buffer; 2],
    ) -> Result<()> {
        let kernel = self.kernel();
        let buffers = [control, p, g, states[0], states[1]];
        device.launch(&Launch {
            kernel,
            sizes: &[len],
            scalars: &self.scalars(weight_decay),
            buffers: &buffers[..kernel.row().buffers.len()],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_passes_the_number_of_scalars_that_its_row_takes() {
        for rule in Rule::ALL {
            assert_eq!(
                rule.scalars(0.0).len(),
                rule.kernel().row().scalars.len(),
                "{}",
                rule.name()
            );
            assert_eq!(rule.name(), rule.kernel().row().name);
        }
    }
}
