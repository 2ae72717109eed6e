"""Makes golden sequences in f64 with PyTorch, Keras, JAX and optax, for gradrace's tests.

src/optimizer/golden.json: iterates of every update rule and variant on f(x) = |x|^2, from the framework whose form it is, and the
factors of PyTorch's schedules.
src/mlp/golden.json: a small network by automatic differentiation: first gradient and the losses of every rule. PyTorch's
numbers are stored after JAX's were found to be the same.
"""

import argparse
import json
import os
from pathlib import Path

# TensorFlow and PyTorch do not go into one process.
os.environ["KERAS_BACKEND"] = "jax"

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import torch

import program
from rules import RULES, torch_optimizer

jax.config.update("jax_enable_x64", True)

keras.config.set_floatx("float64")

VERSIONS = {
    "torch": torch.__version__.split("+")[0],
    "keras": keras.__version__,
    "jax": jax.__version__,
    "optax": optax.__version__,
}
DECAYS = [0.0, 0.01]

START = [1.0, 2.0, 3.0]
STEPS = 12
# Large enough to move, small enough to stay.
RATE = 0.05
RATES = {"adagrad": 1.0, "adadelta": 1.0, "adam": 0.3, "lion": 0.02, "lars": 20.0}

N, D, CLASSES, LAYERS, BATCH = 48, 12, 3, [7, 5], 12
UNIT = 1 / 16  # of a sample's element; a power of two, so that the products with it are exact
PARAMETER_UNIT = 1 / 32
TRAINING_STEPS = 20
TRAINING_RATES = {"sgd": 0.2, "momentum": 0.05, "nesterov": 0.05, "adagrad": 0.05, "rmsprop": 0.01, "adam": 0.02}
AGREED = 1e-12  # between two frameworks


# Rule, what it is called in the framework, and its optimizer. PyTorch's has the parameters, the rate and the weight decay;
# optax's and Keras's the rate and the weight decay, which is apart from the gradient where the rule's is and 0 elsewhere.
TORCH = {
    "sgd": lambda p, **more: torch.optim.SGD(p, **more),
    "momentum": lambda p, **more: torch.optim.SGD(p, momentum=0.9, **more),
    "momentum:dampened": lambda p, **more: torch.optim.SGD(p, momentum=0.9, dampening=0.5, **more),
    "nesterov": lambda p, **more: torch.optim.SGD(p, momentum=0.9, nesterov=True, **more),
    "adagrad": lambda p, **more: torch.optim.Adagrad(p, **more),
    "rmsprop": lambda p, **more: torch.optim.RMSprop(p, **more),
    "rmsprop:momentum": lambda p, **more: torch.optim.RMSprop(p, momentum=0.9, **more),
    "rmsprop:centred": lambda p, **more: torch.optim.RMSprop(p, centered=True, **more),
    "adam": lambda p, **more: torch.optim.Adam(p, **more),
    "adamw": lambda p, **more: torch.optim.AdamW(p, **more),
    "adamax": lambda p, **more: torch.optim.Adamax(p, **more),
    "amsgrad": lambda p, **more: torch.optim.Adam(p, amsgrad=True, **more),
    "adadelta": lambda p, **more: torch.optim.Adadelta(p, **more),
}
OPTAX = {
    "sgd": optax.sgd,
    "momentum": lambda rate: optax.sgd(rate, momentum=0.9),
    "nesterov": lambda rate: optax.sgd(rate, momentum=0.9, nesterov=True),
    "adagrad:optax": optax.adagrad,
    "rmsprop": lambda rate: optax.rmsprop(rate, decay=0.99, eps=1e-8, eps_in_sqrt=False),
    "rmsprop:optax": optax.rmsprop,
    "adam": optax.adam,
    "nadam": optax.nadam,
    "lars": optax.lars,
}
OPTAX_APART = {"adamw": optax.adamw, "lion": optax.lion, "lamb": optax.lamb}
KERAS = {
    "momentum:keras": lambda rate: keras.optimizers.SGD(rate, momentum=0.9),
    "nesterov:keras": lambda rate: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
    "adagrad:keras": keras.optimizers.Adagrad,
    "rmsprop:keras": keras.optimizers.RMSprop,
    "adam:keras": keras.optimizers.Adam,
}


def rate_of(rule: str) -> float:
    return RATES.get(rule.split(":")[0], RATE)


def torch_iterates(rule: str, decay: float) -> list[list[float]]:
    x = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimizer = TORCH[rule]([x], lr=rate_of(rule), weight_decay=decay)
    iterates = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        (x @ x).backward()
        optimizer.step()
        iterates.append(x.tolist())
    return iterates


def optax_optimizer(rule: str, rate: float, decay: float) -> optax.GradientTransformation | None:
    if rule in OPTAX_APART:
        return OPTAX_APART[rule](rate, weight_decay=decay)
    if rule not in OPTAX:
        return None
    optimizer = OPTAX[rule](rate)
    return optax.chain(optax.add_decayed_weights(decay), optimizer) if decay else optimizer


def optax_iterates(rule: str, decay: float) -> list[list[float]]:
    optimizer = optax_optimizer(rule, rate_of(rule), decay)
    x = jnp.array(START)
    state = optimizer.init(x)
    iterates = []
    for _ in range(STEPS):
        updates, state = optimizer.update(2 * x, state, x)
        x = optax.apply_updates(x, updates)
        iterates.append(x.tolist())
    return iterates


def keras_iterates(rule: str) -> list[list[float]]:
    x = keras.Variable(START, dtype="float64")
    optimizer = KERAS[rule](rate_of(rule))
    iterates = []
    for _ in range(STEPS):
        optimizer.apply([2 * keras.ops.convert_to_tensor(x)], [x])
        iterates.append(keras.ops.convert_to_numpy(x).tolist())
    return iterates


def sequences() -> list[dict]:
    found = []

    def add(framework, rule, decay, iterates):
        found.append(
            {
                "framework": framework,
                "rule": rule,
                "learning_rate": rate_of(rule),
                "weight_decay": decay,
                "iterates": iterates,
            }
        )

    for decay in DECAYS:
        for rule in TORCH:
            add("torch", rule, decay, torch_iterates(rule, decay))
        for rule in OPTAX | OPTAX_APART:
            add("optax", rule, decay, optax_iterates(rule, decay))
    for rule in KERAS:
        add("keras", rule, 0.0, keras_iterates(rule))
    return found


# Steps of a schedule, a multiple of step's three parts.
SCHEDULED = 12
SCHEDULES = {
    "linear": lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.0, total_iters=SCHEDULED),
    "cosine": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=SCHEDULED),
    "step": lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=SCHEDULED // 3),
    "onecycle": lambda o: torch.optim.lr_scheduler.OneCycleLR(
        o, max_lr=1.0, total_steps=SCHEDULED, cycle_momentum=False
    ),
}


def schedules() -> list[dict]:
    found = []
    for name, schedule in SCHEDULES.items():
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        scheduler = schedule(optimizer)
        factors = []
        for step in range(SCHEDULED):
            factors.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if step + 1 < SCHEDULED:
                scheduler.step()
        found.append({"framework": "torch", "schedule": name, "factors": factors})
    return found


def shapes() -> list[tuple[int, int]]:
    widths = [D, *LAYERS, CLASSES]
    return list(zip(widths, widths[1:]))


def split(parameters):
    """Weights (in x out) and biases of every layer out of the flat vector."""
    at, layers = 0, []
    for inputs, outputs in shapes():
        weights = parameters[at : at + inputs * outputs].reshape(inputs, outputs)
        at += inputs * outputs
        layers.append((weights, parameters[at : at + outputs]))
        at += outputs
    return layers


def torch_loss(parameters, x, y):
    *hidden, (weights, biases) = split(parameters)
    for w, b in hidden:
        x = torch.relu(x @ w + b)
    return torch.nn.functional.cross_entropy(x @ weights + biases, y)


def jax_loss(parameters, x, y):
    *hidden, (weights, biases) = split(parameters)
    for w, b in hidden:
        x = jax.nn.relu(x @ w + b)
    return optax.softmax_cross_entropy_with_integer_labels(x @ weights + biases, y).mean()


def torch_training(rule, decay, start, x, y):
    parameters = torch.tensor(start, requires_grad=True)
    x, y = torch.tensor(x), torch.tensor(y)
    optimizer = torch_optimizer(torch, rule, [parameters], TRAINING_RATES[rule], decay)
    losses, first = [], None
    for step in range(TRAINING_STEPS):
        rows = slice(step * BATCH % N, step * BATCH % N + BATCH)
        optimizer.zero_grad()
        loss = torch_loss(parameters, x[rows], y[rows])
        loss.backward()
        first = parameters.grad.tolist() if step == 0 else first
        optimizer.step()
        losses.append(loss.item())
    return losses, first


def jax_training(rule, decay, start, x, y):
    optimizer = optax_optimizer(rule, TRAINING_RATES[rule], decay)
    if optimizer is None:
        return None, None
    parameters = jnp.array(start)
    state = optimizer.init(parameters)
    losses, first = [], None
    for step in range(TRAINING_STEPS):
        rows = slice(step * BATCH % N, step * BATCH % N + BATCH)
        loss, gradient = jax.value_and_grad(jax_loss)(parameters, x[rows], y[rows])
        first = gradient.tolist() if step == 0 else first
        updates, state = optimizer.update(gradient, state, parameters)
        parameters = optax.apply_updates(parameters, updates)
        losses.append(float(loss))
    return losses, first


def network() -> dict:
    i, j = np.arange(N)[:, None], np.arange(D)[None, :]
    samples = (7 * i + 5 * j + i * j) % 17
    labels = (5 * np.arange(N) + np.arange(N) // 4) % CLASSES
    m = np.arange(sum((inputs + 1) * outputs for inputs, outputs in shapes()))
    parameters = (37 * m + m * m // 7) % 41 - 20
    x, start = samples * UNIT, parameters * PARAMETER_UNIT
    trainings = []
    for decay in DECAYS:
        for rule in RULES:
            losses, gradient = torch_training(rule, decay, start, x, labels)
            other_losses, other_gradient = jax_training(rule, decay, start, x, labels)
            for ours, other in [(losses, other_losses), (gradient, other_gradient)]:
                if other is not None:
                    np.testing.assert_allclose(ours, other, rtol=AGREED, atol=AGREED)
            trainings.append(
                {
                    "rule": rule,
                    "learning_rate": TRAINING_RATES[rule],
                    "weight_decay": decay,
                    "losses": losses,
                }
            )
    return {
        "layers": LAYERS,
        "classes": CLASSES,
        "batch": BATCH,
        "unit": UNIT,
        "samples": samples.tolist(),
        "labels": labels.tolist(),
        "parameter_unit": PARAMETER_UNIT,
        "parameters": parameters.tolist(),
        "gradient": gradient,
        "trainings": trainings,
    }


def write(path: Path, content: dict):
    """One line an entry, and one an element of the long lists."""
    head = {"made_by": "scripts/golden", "versions": VERSIONS}
    lines = []
    for key, value in (head | content).items():
        text = json.dumps(value)
        if isinstance(value, list) and isinstance(value[0], (dict, list)):
            text = "[\n  " + ",\n  ".join(json.dumps(element) for element in value) + "\n ]"
        lines.append(f" {json.dumps(key)}: {text}")
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def main():
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    rules = {"function": "|x|^2", "start": START, "sequences": sequences(), "schedules": schedules()}
    write(program.ROOT / "src" / "optimizer" / "golden.json", rules)
    write(program.ROOT / "src" / "mlp" / "golden.json", network())


if __name__ == "__main__":
    main()
