//! The update rules, once over `Device`.

/// An update rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Gradient descent.
    Sgd,
    /// Heavy ball.
    Momentum,
    /// Nesterov's accelerated gradient.
    Nesterov,
    /// AdaGrad.
    Adagrad,
    /// RMSprop.
    Rmsprop,
    /// Adam.
    Adam,
}
