"""Races NumPy, PyTorch, JAX, TensorFlow and PyTensor against gradrace at training networks on MNIST, in one run.

784-300-100-10 and logistic regression, batch 128, six rules at gradrace's learning rates, one thread and all. Every
round visits every competitor once, in a seeded order of its own; each visit trains from new first weights for some
epochs, each over a new order of the samples; drawing it and gathering the batches are on the clock, the test is not.
Beside them the floor: a step's matrix products alone, by NumPy and by PyTorch. Raw samples go to
results/<machine>/peers-mlp.json, tables to standard output.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path

import mnist
import program
from peers import cores, cpu_model, slug
from rules import RULES

BATCH = 128
NETWORKS = {"300-100": [300, 100], "logistic": []}
WORDS = {"300-100": "784-300-100-10", "logistic": "logistic regression, 784-10"}
INPUTS, CLASSES = mnist.PIXELS, 10
FRAMEWORKS = {
    "jax": ["JAX scan", "JAX per step"],
    "torch": ["PyTorch", "PyTorch compiled"],
    "numpy": ["NumPy"],
    "tensorflow": ["TensorFlow"],
    "pytensor": ["PyTensor"],
}
FLOORS = {"numpy": "products by NumPy", "torch": "products by PyTorch"}
# Where benches/suites/rates.toml has none.
USUAL = {"sgd": 0.1, "momentum": 0.05, "nesterov": 0.05, "adagrad": 0.01, "rmsprop": 0.001, "adam": 0.001}
BUSY = 0.5  # mean number of others at work above which two threads that wait for each other are no measurement
PAUSE = 0.1  # seconds in which the threads of the last competitor go to sleep


@dataclass
class Competitor:
    """One program, network, rule and number of threads; raw samples, one an epoch."""

    network: str
    rule: str | None  # None: bare products
    program: str
    framework: str | None  # None: gradrace
    threads: int
    learning_rate: float | None
    images_per_s: list[float] = field(default_factory=list)
    cores_used: list[float] = field(default_factory=list)
    test_errors: list[float] = field(default_factory=list)
    missing: str | None = None  # why there are no samples


class Worker:
    """A framework's process (network_worker.py)."""

    def __init__(self, framework: str, threads: int, data_dir: Path | None):
        names = ["OPENBLAS", "OMP", "MKL", "NUMBA", "VECLIB_MAXIMUM", "BLIS"]
        environment = os.environ | {f"{name}_NUM_THREADS": str(threads) for name in names}
        # JAX has no setting of its own: its pool is as large as this says.
        environment |= {"NPROC": str(threads), "TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONWARNINGS": "ignore"}
        if threads == 1:
            environment["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
        script = Path(__file__).with_name("network_worker.py")
        command = [sys.executable, str(script), framework, str(threads)]
        command += [str(data_dir)] if data_dir else []
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)
        self.hello = self.answer()
        self.missing = self.hello.get("missing")

    def answer(self) -> dict:
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"missing": "its process ended early"}

    def ask(self, request: dict) -> dict:
        if self.missing:
            return {"missing": self.missing}
        print(json.dumps(request), file=self.process.stdin, flush=True)
        answer = self.answer()
        if "missing" in answer and self.process.poll() is not None:
            self.missing = answer["missing"]
        return answer

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def rates() -> dict[tuple[str, str], float]:
    """As gradrace's `auto`: the tuned ones of this network, else of the default network, else each rule's usual one."""
    tuned = tomllib.loads((program.ROOT / "benches" / "suites" / "rates.toml").read_text()).get("tuned", [])
    found = {}
    for network, layers in NETWORKS.items():
        for rule in RULES:
            found[network, rule] = USUAL[rule]
            for wanted in [NETWORKS["300-100"], layers]:
                for entry in tuned:
                    if entry["layers"] == wanted and entry["batch"] == str(BATCH):
                        winners = {winner["optimizer"]: winner["rate"] for winner in entry["winners"]}
                        found[network, rule] = winners.get(rule, found[network, rule])
    return found


def products_of(network: str) -> list[tuple]:
    """The matrix products of a step: (m, n, k, transpose_a, transpose_b). Nobody computes the input's gradient."""
    widths = [INPUTS, *NETWORKS[network], CLASSES]
    calls = []
    for at, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
        calls.append((BATCH, outputs, inputs, False, False))
        calls.append((inputs, outputs, BATCH, True, False))
        if at:
            calls.append((BATCH, inputs, outputs, False, True))
    return calls


class Race:
    def __init__(self, folder: Path, options, program_path: Path | None):
        self.folder = folder
        self.options = options
        self.program_path = program_path
        self.workers = {}
        self.machine = self.version = None
        self.calls = 0

    def visit(self, one: Competitor):
        time.sleep(PAUSE)
        answer = self.ours(one) if one.framework is None else self.peer(one)
        if "missing" in answer:
            one.missing = answer["missing"]
            return
        one.images_per_s += [answer["images"] / s for s in answer["seconds"]]
        if answer["cpu_seconds"]:
            one.cores_used += [c / s for c, s in zip(answer["cpu_seconds"], answer["seconds"])]
        if answer["test_error"] is not None:
            one.test_errors.append(answer["test_error"])

    def peer(self, one: Competitor) -> dict:
        worker = self.workers[one.framework, one.threads]
        request = {"batch": BATCH}
        if one.rule is None:
            return worker.ask(request | {"calls": products_of(one.network)})
        return worker.ask(
            request
            | {
                "program": one.program,
                "layers": [INPUTS, *NETWORKS[one.network], CLASSES],
                "rule": one.rule,
                "rate": one.learning_rate,
                "epochs": self.options.epochs,
                "seed": self.seed,
            }
        )

    def ours(self, one: Competitor) -> dict:
        layers = ",".join(map(str, NETWORKS[one.network])) or "none"
        arguments = ["--problem", "mlp", "--data", "mnist", "--device", "cpu", "--repeats", "1"]
        arguments += ["--layers", layers, "--batch", str(BATCH), "--optimizer", one.rule]
        arguments += ["--learning-rate", repr(one.learning_rate), "--epochs", str(self.options.epochs)]
        arguments += ["--threads", str(one.threads), "--seed", str(self.seed)]
        if self.options.data_dir:
            arguments += ["--data-dir", str(self.options.data_dir)]
        self.calls += 1
        run = program.run(self.program_path, arguments, self.folder / f"run{self.calls}")
        if run.status != 0 or len(run.records) != 1 or run.records[0]["time"] is None:
            sys.exit(f"peers: gradrace run {' '.join(arguments)}: exit status {run.status}: {run.message}")
        record = run.records[0]
        self.version, self.machine = record["program"], run.machine
        seconds = record["time"]["solve_s"]
        return {
            "seconds": seconds,
            "cpu_seconds": [],
            "images": record["work"]["iterations"] * BATCH,
            "test_error": record["network"]["end"]["test_error"],
        }

    def run(self, competitors: list[Competitor]):
        order = random.Random(1)
        for key in sorted({(c.framework, c.threads) for c in competitors if c.framework}):
            self.workers[key] = Worker(*key, self.options.data_dir)
        for number in range(self.options.rounds):
            self.seed = number + 1
            for one in order.sample(competitors, len(competitors)):
                if one.missing is None:
                    what = f"{one.network} {one.rule or ''}: {one.program}@{one.threads}"
                    print(f"round {number + 1}: {what}", file=sys.stderr)
                    self.visit(one)

    def versions(self) -> dict:
        found = {}
        for worker in self.workers.values():
            found |= worker.hello.get("versions", {})
        return {"python": sys.version.split()[0]} | found

    def end(self):
        for worker in self.workers.values():
            worker.end()


def median(one: Competitor | None) -> float | None:
    return statistics.median(one.images_per_s) if one and one.images_per_s else None


def ratios(competitors: list[Competitor]) -> list[dict]:
    """How many times a peer's images per second gradrace trains, by medians; of bare products, the share of them."""
    ours = {(c.network, c.rule, c.threads): median(c) for c in competitors if c.framework is None}
    found = []
    for peer in competitors:
        for rule in RULES if peer.rule is None else [peer.rule]:
            our, theirs = ours.get((peer.network, rule, peer.threads)), median(peer)
            if peer.framework and our and theirs:
                found.append(
                    {
                        "network": peer.network,
                        "rule": rule,
                        "threads": peer.threads,
                        "peer": peer.program,
                        "ratio": our / theirs,
                    }
                )
    return found


def speed_cell(one: Competitor | None) -> str:
    if median(one) is None:
        return ""
    values = [value / 1e3 for value in one.images_per_s]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return f"{middle:.1f} [{low:.1f}, {high:.1f}]"


def row(cells) -> str:
    return "| " + " | ".join(cells) + " |"


def tables(competitors: list[Competitor]) -> str:
    by_key = {(c.network, c.rule, c.program, c.threads): c for c in competitors}
    programs = list(dict.fromkeys(c.program for c in competitors if c.rule))
    floors = list(dict.fromkeys(c.program for c in competitors if not c.rule))
    rules = list(dict.fromkeys(c.rule for c in competitors if c.rule))
    lines = []
    for network in dict.fromkeys(c.network for c in competitors):
        lines += [
            f"**{WORDS[network]}, batch {BATCH}: thousands of images trained per second, median [quartiles]**",
            "",
        ]
        lines.append(row(["rule", "threads", *programs, "gradrace / best peer"]))
        lines.append("|:--|--:|" + "--:|" * (len(programs) + 1))
        threads = sorted({c.threads for c in competitors})
        for rule in rules:
            for count in threads:
                these = [by_key.get((network, rule, name, count)) for name in programs]
                our = median(by_key.get((network, rule, "gradrace", count)))
                peers = [median(c) for c in these if c and c.framework and median(c)]
                ratio = f"{our / max(peers):.2f}x" if our and peers else ""
                lines.append(row([rule, str(count), *map(speed_cell, these), ratio]))
        lines.append("")
        for count in threads:
            words = []
            for name in floors:
                floor = by_key.get((network, None, name, count))
                if speed := median(floor):
                    words.append(f"{name} {speed / 1e3:.1f} thousand images/s ({1e6 * BATCH / speed:.0f} us)")
            if words:
                lines.append(
                    f"A step's matrix products alone, {count} thread{'s' * (count > 1)}: {'; '.join(words)}.  "
                )
        lines.append("")
        lines += [f"**{WORDS[network]}: test error %, median over seeds and threads**", ""]
        lines.append(row(["rule", "learning rate", *programs]))
        lines.append("|:--|--:|" + "--:|" * len(programs))
        for rule in rules:
            cells = []
            for name in programs:
                found = [by_key.get((network, rule, name, count)) for count in threads]
                errors = [error for c in found if c for error in c.test_errors]
                cells.append(f"{100 * statistics.median(errors):.2f}" if errors else "")
            rate = next(c.learning_rate for c in competitors if (c.network, c.rule) == (network, rule))
            lines.append(row([rule, f"{rate:g}", *cells]))
        lines.append("")
    reasons = {(c.program, c.missing) for c in competitors if c.missing}
    lines += [f"{name} has cells without samples: {reason}  " for name, reason in sorted(reasons)]
    return "\n".join(lines).rstrip()


def parse():
    def words(known):
        def of(text):
            chosen = text.split(",")
            unknown = [word for word in chosen if word not in known]
            if unknown:
                raise argparse.ArgumentTypeError(f"unknown {unknown[0]!r}: of {', '.join(known)}")
            return chosen

        return of

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("machine", nargs="?", help="folder under results/; by default from processor and cores")
    parser.add_argument(
        "--problem", choices=["mlp"], default="mlp", help="networks; without it scripts/peers races pca"
    )
    parser.add_argument("--rounds", type=int, default=3, help="visits of every competitor (3)")
    parser.add_argument("--epochs", type=int, default=1, help="epochs of a visit (1)")
    parser.add_argument(
        "--networks", type=words(NETWORKS), default=list(NETWORKS), help=f"of {', '.join(NETWORKS)}; all"
    )
    parser.add_argument("--rules", type=words(RULES), default=RULES, help=f"of {', '.join(RULES)}; all")
    parser.add_argument(
        "--peers", type=words(FRAMEWORKS), default=list(FRAMEWORKS), help=f"of {', '.join(FRAMEWORKS)}; all"
    )
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, cores()}), help="1 and all")
    parser.add_argument("--peers-only", action="store_true", help="without gradrace")
    parser.add_argument("--program", type=Path, help="gradrace to race; by default it is built")
    parser.add_argument("--data-dir", type=Path, help="where MNIST is looked for first")
    parser.add_argument("--out", type=Path, help="file; by default results/<machine>/peers-mlp.json")
    options = parser.parse_args()
    if options.rounds < 1 or options.epochs < 1:
        parser.error("--rounds and --epochs must be at least 1")
    return options


def line_up(options) -> list[Competitor]:
    learning_rates = rates()
    found = []
    for network in options.networks:
        for threads in options.threads:
            for framework in options.peers:
                if framework in FLOORS:
                    found.append(Competitor(network, None, FLOORS[framework], framework, threads, None))
            for rule in options.rules:
                entries = [] if options.peers_only else [("gradrace", None)]
                entries += [(name, framework) for framework in options.peers for name in FRAMEWORKS[framework]]
                rate = learning_rates[network, rule]
                found += [Competitor(network, rule, name, framework, threads, rate) for name, framework in entries]
    return found


def main():
    options = parse()
    mnist.load_all(options.data_dir)  # Told here, once, when it is not there.
    program_path = None
    if not options.peers_only:
        program_path = options.program.absolute() if options.program else program.build()
    competitors = line_up(options)
    load = os.getloadavg()[0]
    if load > BUSY:
        words = f"peers: others are at work here (load {load:.1f}): all that spins for its other thread will look slow"
        print(words, file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        race = Race(Path(folder), options, program_path)
        try:
            race.run(competitors)
            versions = race.versions()
            data = {framework: worker.hello.get("data") for (framework, _), worker in race.workers.items()}
        finally:
            race.end()
    machine = race.machine or {"cpu": cpu_model(), "cores": cores()}
    name = options.machine or slug(machine["cpu"], machine["cores"])
    result = {
        "made_by": "scripts/peers --problem mlp",
        "program": race.version,
        "machine": machine,
        "versions": versions,
        "data": {"spec": "mnist", "sha256": mnist.SHA256, "on_hand": data},
        "load_before": load,
        "batch": BATCH,
        "epochs": options.epochs,
        "rounds": options.rounds,
        "competitors": [asdict(one) for one in competitors],
        "ratios": ratios(competitors),
    }
    out = options.out or program.ROOT / "results" / name / "peers-mlp.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")
    print(tables(competitors))
    print(f"raw samples: {out}", file=sys.stderr)


if __name__ == "__main__":
    main()
