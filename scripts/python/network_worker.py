"""A peer's side of the race of networks: one process for one framework with its own number of threads.

Arguments: framework, threads, data folder or nothing. Reads one JSON request a line, trains or times products, and
answers with one JSON line. A network trained is tested here, off the clock. Whatever the frameworks print goes to
standard error.
"""

import importlib.metadata
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

import mnist
import trainers

WARM_BATCHES = 40
PRODUCT_ROUNDS = 200
PACKAGES = {
    "numpy": ["numpy"],
    "torch": ["torch"],
    "jax": ["jax", "jaxlib", "optax"],
    "tensorflow": ["tensorflow-cpu", "keras"],
    "pytensor": ["pytensor", "numba"],
}


def first_parameters(layers: list[int], seed: int) -> list[np.ndarray]:
    """He's, as gradrace's; flat list of weights (in x out) and biases."""
    random = np.random.default_rng(seed)
    parameters = []
    for inputs, outputs in zip(layers, layers[1:]):
        weights = random.standard_normal((inputs, outputs)) * np.sqrt(2 / inputs)
        parameters += [weights.astype(np.float32), np.zeros(outputs, np.float32)]
    return parameters


class Worker:
    def __init__(self, framework: str, threads: int, data_dir: Path | None):
        images, labels, test, self.test_labels = mnist.load_all(data_dir)
        self.n = len(images)
        self.test = test.astype(np.float32) * np.float32(mnist.UNIT)
        self.trainer = trainers.TRAINERS[framework](images, labels, threads)

    def train(self, request: dict) -> dict:
        batch, seed = request["batch"], request["seed"]
        batches = self.n // batch
        initial = first_parameters(request["layers"], seed)
        program, rule, rate = (request[key] for key in ["program", "rule", "rate"])
        order_random = np.random.default_rng(seed)

        def order():
            return order_random.permutation(self.n)[: batches * batch].reshape(batches, batch)

        def start():
            return self.trainer.start(program, initial, rule, rate)

        # On the path that is timed: what there is to compile is compiled, threads are awake. A scan is compiled for its
        # length.
        run = start()
        self.trainer.epoch(run, order() if "scan" in program else order()[:WARM_BATCHES])
        run = start()
        seconds, cpu_seconds = [], []
        for _ in range(request["epochs"]):
            cpu, clock = time.process_time(), time.perf_counter()
            self.trainer.epoch(run, order())
            seconds.append(time.perf_counter() - clock)
            cpu_seconds.append(time.process_time() - cpu)
        return {
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
            "images": batches * batch,
            "test_error": self.test_error(self.trainer.parameters(run)),
        }

    def test_error(self, parameters) -> float:
        *hidden, (weights, biases) = trainers.layers_of(parameters)
        x = self.test
        for w, b in hidden:
            x = np.maximum(x @ w + b, 0)
        return float(np.mean((x @ weights + biases).argmax(axis=1) != self.test_labels))

    def products(self, request: dict) -> dict:
        calls = self.trainer.products(request["calls"])

        def go(rounds):
            for _ in range(rounds):
                for call, (a, b, out) in calls:
                    call(a, b, out=out)

        go(WARM_BATCHES)
        cpu, clock = time.process_time(), time.perf_counter()
        go(PRODUCT_ROUNDS)
        seconds = time.perf_counter() - clock
        return {
            "seconds": [seconds],
            "cpu_seconds": [time.process_time() - cpu],
            "images": PRODUCT_ROUNDS * request["batch"],
            "test_error": None,
        }


def main():
    # Answers keep the real standard output; what libraries print there must not get between them.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(content: dict):
        print(json.dumps(content), file=answers, flush=True)

    framework, threads = sys.argv[1], int(sys.argv[2])
    try:
        worker = Worker(framework, threads, Path(sys.argv[3]) if sys.argv[3:] else None)
        versions = {name: importlib.metadata.version(name) for name in PACKAGES[framework]}
    except Exception as error:  # Whatever a framework raises is why it has no rows.
        return answer({"missing": f"{type(error).__name__}: {error}"})
    answer({"versions": versions, "programs": worker.trainer.programs, "data": worker.trainer.data})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer(worker.products(request) if "calls" in request else worker.train(request))
        except Exception as error:
            answer({"missing": f"{type(error).__name__}: {str(error).strip().splitlines()[-1]}"})


if __name__ == "__main__":
    main()
