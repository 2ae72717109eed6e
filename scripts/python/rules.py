"""The six update rules with gradrace's constants, in each framework's own optimizer.

A framework is imported by who calls, so that one that is not there takes nothing else down. PyTorch's forms are gradrace's;
where another has no such form (epsilon inside the root), it runs its own: the work is the same.
"""

RULES = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"]
MOMENTUM = 0.9
DECAY = 0.99


def torch_optimizer(torch, rule: str, parameters, rate: float, weight_decay: float = 0.0, **more):
    """`more` says how it is computed: fused, foreach."""
    more |= {"lr": rate, "weight_decay": weight_decay}
    match rule:
        case "sgd":
            return torch.optim.SGD(parameters, **more)
        case "momentum":
            return torch.optim.SGD(parameters, momentum=MOMENTUM, **more)
        case "nesterov":
            return torch.optim.SGD(parameters, momentum=MOMENTUM, nesterov=True, **more)
        case "adagrad":
            return torch.optim.Adagrad(parameters, eps=1e-10, **more)
        case "rmsprop":
            return torch.optim.RMSprop(parameters, alpha=DECAY, eps=1e-8, **more)
        case "adam":
            return torch.optim.Adam(parameters, betas=(0.9, 0.999), eps=1e-8, **more)


def optax_optimizer(optax, rule: str, rate: float):
    match rule:
        case "sgd":
            return optax.sgd(rate)
        case "momentum":
            return optax.sgd(rate, momentum=MOMENTUM)
        case "nesterov":
            return optax.sgd(rate, momentum=MOMENTUM, nesterov=True)
        case "adagrad":
            return optax.adagrad(rate, initial_accumulator_value=0.0, eps=1e-10)
        case "rmsprop":
            return optax.rmsprop(rate, decay=DECAY, eps=1e-8, eps_in_sqrt=False)
        case "adam":
            return optax.adam(rate, b1=0.9, b2=0.999, eps=1e-8)


def keras_optimizer(keras, rule: str, rate: float):
    match rule:
        case "sgd":
            return keras.optimizers.SGD(rate)
        case "momentum":
            return keras.optimizers.SGD(rate, momentum=MOMENTUM)
        case "nesterov":
            return keras.optimizers.SGD(rate, momentum=MOMENTUM, nesterov=True)
        case "adagrad":
            return keras.optimizers.Adagrad(rate, initial_accumulator_value=0.0, epsilon=1e-10)
        case "rmsprop":
            return keras.optimizers.RMSprop(rate, rho=DECAY, epsilon=1e-8)
        case "adam":
            return keras.optimizers.Adam(rate, beta_1=0.9, beta_2=0.999, epsilon=1e-8)
