"""Peers that train networks, each as its own users write it.

A trainer holds the samples as its framework has them best, before any clock starts. `start` sets a network and a rule
to their first state and keeps what is compiled; `epoch` trains over an order of batches (batches x size, indices into the
samples) and returns when all of it is done; `parameters` gives weights (in x out) and biases for the test. The first
epoch of a kind compiles what there is to compile.
"""

import numpy as np

import mnist
import rules

FLOAT_COPY = "rows of an f32 copy, by index"


def layers_of(parameters):
    """Pairs of weights and biases out of the flat list."""
    return list(zip(parameters[::2], parameters[1::2]))


class Numpy:
    """By hand; states and gradients are new arrays, the update itself is in place."""

    data = FLOAT_COPY
    programs = ["NumPy"]

    def __init__(self, images, labels, threads):
        self.x = images.astype(np.float32) * np.float32(mnist.UNIT)
        self.y = labels.astype(np.int64)

    def start(self, program, initial, rule, rate):
        parameters = [p.copy() for p in initial]
        state = {
            "t": 0,
            "m": [np.zeros_like(p) for p in parameters],
            "v": [np.zeros_like(p) for p in parameters],
        }
        return {"parameters": parameters, "rule": rule, "rate": np.float32(rate), "state": state}

    def gradients(self, parameters, x, y):
        layers = layers_of(parameters)
        values = [x]
        for w, b in layers[:-1]:
            values.append(np.maximum(values[-1] @ w + b, 0))
        w, b = layers[-1]
        delta = values[-1] @ w + b
        delta -= delta.max(axis=1, keepdims=True)
        np.exp(delta, out=delta)
        delta /= delta.sum(axis=1, keepdims=True)
        delta[np.arange(len(y)), y] -= 1
        delta /= len(y)
        gradients = []
        for at in reversed(range(len(layers))):
            gradients = [values[at].T @ delta, delta.sum(axis=0), *gradients]
            if at:
                delta = (delta @ layers[at][0].T) * (values[at] > 0)
        return gradients

    def update(self, run, gradients):
        rate, state = run["rate"], run["state"]
        state["t"] += 1
        t, epsilon = state["t"], np.float32(1e-8)
        beta1, beta2, decay = np.float32(rules.MOMENTUM), np.float32(0.999), np.float32(rules.DECAY)
        for p, g, m, v in zip(run["parameters"], gradients, state["m"], state["v"]):
            match run["rule"]:
                case "sgd":
                    p -= rate * g
                case "momentum":
                    m *= beta1
                    m += g
                    p -= rate * m
                case "nesterov":
                    m *= beta1
                    m += g
                    p -= rate * (g + beta1 * m)
                case "adagrad":
                    v += g * g
                    p -= rate * g / (np.sqrt(v) + np.float32(1e-10))
                case "rmsprop":
                    v *= decay
                    v += (1 - decay) * g * g
                    p -= rate * g / (np.sqrt(v) + epsilon)
                case "adam":
                    m *= beta1
                    m += (1 - beta1) * g
                    v *= beta2
                    v += (1 - beta2) * g * g
                    step = np.float32(rate / (1 - 0.9**t))
                    p -= step * m / (np.sqrt(v) * np.float32((1 - 0.999**t) ** -0.5) + epsilon)

    def epoch(self, run, order):
        for rows in order:
            self.update(run, self.gradients(run["parameters"], self.x[rows], self.y[rows]))

    def parameters(self, run):
        return run["parameters"]

    def products(self, calls):
        """These products, `(m, n, k, transpose_a, transpose_b)`, ready to be called with nothing around them."""

        def prepare(m, n, k, transpose_a, transpose_b):
            a = np.ones((k, m) if transpose_a else (m, k), np.float32)
            b = np.ones((n, k) if transpose_b else (k, n), np.float32)
            out = np.empty((m, n), np.float32)
            return (a.T if transpose_a else a), (b.T if transpose_b else b), out

        return [(np.matmul, prepare(*call)) for call in calls]


class Torch:
    """Eager, and with the network compiled; the optimizer is PyTorch's fused one where there is one."""

    data = FLOAT_COPY
    programs = ["PyTorch", "PyTorch compiled"]

    def __init__(self, images, labels, threads):
        import torch

        self.torch = torch
        torch.set_num_threads(threads)
        self.x = torch.from_numpy(images.astype(np.float32) * np.float32(mnist.UNIT))
        self.y = torch.from_numpy(labels.astype(np.int64))
        self.made = {}

    def start(self, program, initial, rule, rate):
        torch = self.torch
        key = (program, len(initial))
        if key not in self.made:
            modules = []
            for w in initial[::2]:
                modules += [torch.nn.Linear(*w.shape), torch.nn.ReLU()]
            model = torch.nn.Sequential(*modules[:-1])
            called = torch.compile(model) if program == "PyTorch compiled" else model
            self.made[key] = (model, called)
        model, called = self.made[key]
        with torch.no_grad():
            for p, value in zip(model.parameters(), initial):
                p.copy_(torch.from_numpy(value.T))
        # RMSprop has no fused form on the CPU.
        how = {"foreach": True} if rule == "rmsprop" else {"fused": True}
        optimizer = rules.torch_optimizer(torch, rule, model.parameters(), rate, **how)
        return {"model": model, "called": called, "optimizer": optimizer}

    def epoch(self, run, order):
        cross_entropy = self.torch.nn.functional.cross_entropy
        model, optimizer = run["called"], run["optimizer"]
        for rows in self.torch.from_numpy(order):
            optimizer.zero_grad(set_to_none=True)
            cross_entropy(model(self.x[rows]), self.y[rows]).backward()
            optimizer.step()

    def parameters(self, run):
        return [p.detach().numpy().T for p in run["model"].parameters()]

    def products(self, calls):
        torch = self.torch

        def prepare(m, n, k, transpose_a, transpose_b):
            a = torch.ones((k, m) if transpose_a else (m, k))
            b = torch.ones((n, k) if transpose_b else (k, n))
            return (a.t() if transpose_a else a), (b.t() if transpose_b else b)

        def call(a, b, out):
            return torch.mm(a, b, out=out)

        return [(call, (*prepare(*c), torch.empty(c[0], c[1]))) for c in calls]


class Jax:
    """One compiled step, called for each batch; and the whole epoch as one compiled scan. optax's rules."""

    data = FLOAT_COPY
    programs = ["JAX per step", "JAX scan"]

    def __init__(self, images, labels, threads):
        import jax
        import jax.numpy as jnp
        import optax

        self.jax, self.jnp, self.optax = jax, jnp, optax
        self.x = jnp.asarray(images.astype(np.float32) * np.float32(mnist.UNIT))
        self.y = jnp.asarray(labels.astype(np.int32))
        self.made = {}

    def loss(self, parameters, x, y):
        *hidden, (weights, biases) = layers_of(parameters)
        for w, b in hidden:
            x = self.jax.nn.relu(x @ w + b)
        losses = self.optax.softmax_cross_entropy_with_integer_labels(x @ weights + biases, y)
        return losses.mean()

    def make(self, rule, rate):
        jax, optax = self.jax, self.optax
        optimizer = rules.optax_optimizer(optax, rule, rate)

        def step(trained, x, y, rows):
            parameters, state = trained
            gradients = jax.grad(self.loss)(parameters, x[rows], y[rows])
            updates, state = optimizer.update(gradients, state, parameters)
            return optax.apply_updates(parameters, updates), state

        def scan(trained, x, y, order):
            return jax.lax.scan(lambda t, rows: (step(t, x, y, rows), None), trained, order)[0]

        return {
            "optimizer": optimizer,
            "JAX per step": jax.jit(step, donate_argnums=0),
            "JAX scan": jax.jit(scan, donate_argnums=0),
        }

    def start(self, program, initial, rule, rate):
        key = (rule, rate)
        if key not in self.made:
            self.made[key] = self.make(rule, rate)
        made = self.made[key]
        parameters = [self.jnp.array(p) for p in initial]
        trained = (parameters, made["optimizer"].init(parameters))
        return {"trained": trained, "call": made[program], "scan": program == "JAX scan"}

    def epoch(self, run, order):
        trained, call = run["trained"], run["call"]
        order = order.astype(np.int32)
        for rows in [order] if run["scan"] else order:
            trained = call(trained, self.x, self.y, rows)
        run["trained"] = self.jax.block_until_ready(trained)

    def parameters(self, run):
        return [np.asarray(p) for p in run["trained"][0]]


class Tensorflow:
    """A step in a tf.function, called for each batch; Keras's rules."""

    data = FLOAT_COPY
    programs = ["TensorFlow"]

    def __init__(self, images, labels, threads):
        import keras
        import tensorflow

        self.tf, self.keras = tensorflow, keras
        tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)
        self.x = tensorflow.constant(images.astype(np.float32) * np.float32(mnist.UNIT))
        self.y = tensorflow.constant(labels.astype(np.int32))
        self.made = {}

    def make(self, initial, rule, rate):
        tf = self.tf
        variables = [tf.Variable(p) for p in initial]
        optimizer = rules.keras_optimizer(self.keras, rule, rate)
        optimizer.build(variables)

        @tf.function
        def step(rows):
            x, y = tf.gather(self.x, rows), tf.gather(self.y, rows)
            with tf.GradientTape() as tape:
                *hidden, (weights, biases) = layers_of(variables)
                for w, b in hidden:
                    x = tf.nn.relu(x @ w + b)
                logits = x @ weights + biases
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)
                loss = tf.reduce_mean(losses)
            optimizer.apply(tape.gradient(loss, variables))

        first_states = [(v, v.numpy()) for v in optimizer.variables]
        return {"variables": variables, "states": first_states, "step": step}

    def start(self, program, initial, rule, rate):
        key = (len(initial), rule, rate)
        if key not in self.made:
            self.made[key] = self.make(initial, rule, rate)
        run = self.made[key]
        for variable, value in [*zip(run["variables"], initial), *run["states"]]:
            variable.assign(value)
        return run

    def epoch(self, run, order):
        for rows in self.tf.constant(order.astype(np.int32)):
            run["step"](rows)
        run["variables"][0].numpy()

    def parameters(self, run):
        return [v.numpy() for v in run["variables"]]


class Pytensor:
    """Theano's heir: one compiled function with updates of shared variables, called for each batch; rules by hand."""

    data = FLOAT_COPY
    programs = ["PyTensor"]

    def __init__(self, images, labels, threads):
        import pytensor
        import pytensor.tensor

        pytensor.config.floatX = "float32"
        self.pytensor, self.pt = pytensor, pytensor.tensor
        self.x = pytensor.shared(images.astype(np.float32) * np.float32(mnist.UNIT), borrow=True)
        self.y = pytensor.shared(labels.astype(np.int32), borrow=True)
        self.made = {}

    def make(self, shapes, rule):
        pt, shared = self.pt, self.pytensor.shared
        zeros = [np.zeros(shape, np.float32) for shape in shapes]
        parameters = [shared(p) for p in zeros]
        m, v = [shared(p) for p in zeros], [shared(p) for p in zeros]
        rate, t = shared(np.float32(0)), shared(np.float32(0))
        rows = pt.lvector()
        x, y = self.x[rows], self.y[rows]
        *hidden, (weights, biases) = layers_of(parameters)
        for w, b in hidden:
            x = pt.maximum(x @ w + b, np.float32(0))
        loss = -pt.special.log_softmax(x @ weights + biases, axis=1)[pt.arange(y.shape[0]), y].mean()
        gradients = pt.grad(loss, parameters)
        updates = []
        for p, g, m_, v_ in zip(parameters, gradients, m, v):
            updates += self.update(rule, rate, t + 1, p, g, m_, v_)
        if rule == "adam":
            updates.append((t, t + np.float32(1)))
        step = self.pytensor.function([rows], [], updates=updates)
        return {"step": step, "parameters": parameters, "rate": rate, "states": [*m, *v, t]}

    def update(self, rule, rate, t, p, g, m, v):
        pt = self.pt
        beta1, beta2, decay = np.float32(rules.MOMENTUM), np.float32(0.999), np.float32(rules.DECAY)
        one, epsilon = np.float32(1), np.float32(1e-8)
        match rule:
            case "sgd":
                return [(p, p - rate * g)]
            case "momentum":
                new = beta1 * m + g
                return [(m, new), (p, p - rate * new)]
            case "nesterov":
                new = beta1 * m + g
                return [(m, new), (p, p - rate * (g + beta1 * new))]
            case "adagrad":
                new = v + g * g
                return [(v, new), (p, p - rate * g / (pt.sqrt(new) + np.float32(1e-10)))]
            case "rmsprop":
                new = decay * v + (one - decay) * g * g
                return [(v, new), (p, p - rate * g / (pt.sqrt(new) + epsilon))]
            case "adam":
                first = beta1 * m + (one - beta1) * g
                second = beta2 * v + (one - beta2) * g * g
                correct1, correct2 = one / (one - beta1**t), one / (one - beta2**t)
                step = rate * first * correct1 / (pt.sqrt(second * correct2) + epsilon)
                return [(m, first), (v, second), (p, p - step)]

    def start(self, program, initial, rule, rate):
        shapes = tuple(p.shape for p in initial)
        if (shapes, rule) not in self.made:
            self.made[shapes, rule] = self.make(shapes, rule)
        made = self.made[shapes, rule]
        for shared, p in zip(made["parameters"], initial):
            shared.set_value(p)
        for state in made["states"]:
            state.set_value(np.zeros_like(state.get_value()))
        made["rate"].set_value(np.float32(rate))
        return made

    def epoch(self, run, order):
        for rows in order:
            run["step"](rows)

    def parameters(self, run):
        return [p.get_value() for p in run["parameters"]]


TRAINERS = {"numpy": Numpy, "torch": Torch, "jax": Jax, "tensorflow": Tensorflow, "pytensor": Pytensor}
