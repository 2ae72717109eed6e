"""Races NumPy and scikit-learn against gradrace on MNIST (60,000 x 784), ten components, in one run.

Every round visits every competitor once, in a seeded order of its own, so that a machine that warms up or is disturbed
disturbs all alike. A peer with one thread and one with all are two processes; so are gradrace's. Every answer of every
solve is compared with NumPy's f64 eigh of the exact covariance. Raw samples go to results/<machine>/peers.json, a table
to standard output.
"""

import argparse
import json
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

import mnist
import program
import reference

K = 10
SOLVES = {
    "seed": "seed algorithm, matrix-free",
    "covariance": "seed algorithm on the covariance, forming it included",
    "direct": "dense eigensolver",
}
PRODUCTS = {"one column": "A v, f32", "sixteen columns": "A V with 16 columns, f32"}
JOBS = SOLVES | PRODUCTS
PEER_JOBS = {
    "seed": ("numpy", "samples"),
    "covariance": ("numpy", "covariance"),
    "direct": ("scikit-learn", "sklearn"),
    "one column": ("numpy", "one_column"),
    "sixteen columns": ("numpy", "sixteen_columns"),
}
PRODUCT_REPEATS = 5  # of a bare product, a round
STEPS = 60  # of the step sequence whose time a product stands for
NEVER = "1e-30"  # a tolerance that stops nothing
COMMON = ["--problem", "pca", "--device", "cpu", "--repeats", "1"]
DEFLATION = ["--method", "deflation", "--optimizer", "sgd"]
OURS = {
    "seed": [*DEFLATION, "--operator", "samples", "--components", str(K)],
    "covariance": [*DEFLATION, "--operator", "covariance", "--components", str(K)],
    "direct": ["--method", "direct", "--components", str(K)],
    "one column": [*DEFLATION, "--operator", "samples", "--components", "1", "--tolerance", NEVER],
    "sixteen columns": ["--method", "subspace", "--optimizer", "sgd", "--operator", "samples"]
    + ["--components", "16", "--tolerance", NEVER],
}
BIG = ["--data", "spectrum:n=500,d=1000000", "--components", "5", "--operator", "samples"]
BIG += ["--time-limit", "900"]  # two passes over 2 GB a step; the default of 120 s is for MNIST


@dataclass
class Competitor:
    """One program at one job with one number of threads; raw samples, one a solve."""

    job: str
    program: str
    threads: int
    seconds: list[float] = field(default_factory=list)
    passes: list[float | None] = field(default_factory=list)
    errors: list[dict] = field(default_factory=list)
    peak_bytes: list[int] = field(default_factory=list)


class Worker:
    """A peer's process (worker.py) with its own number of BLAS threads."""

    def __init__(self, threads: int, images: Path):
        names = ["OPENBLAS", "OMP", "MKL", "VECLIB_MAXIMUM", "BLIS"]
        environment = os.environ | {f"{name}_NUM_THREADS": str(threads) for name in names}
        # A pool that waits for its next call must not spin on cores that another competitor is timed on.
        environment |= {"OPENBLAS_THREAD_TIMEOUT": "4", "OMP_WAIT_POLICY": "passive"}
        script = Path(__file__).with_name("worker.py")
        pipe = subprocess.PIPE
        command = [sys.executable, str(script), str(images)]
        self.process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)
        self.versions = self.answer()

    def answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            sys.exit("peers: a NumPy process ended early; see its lines above")
        return json.loads(line)

    def solve(self, job: str, save: Path, warm=False) -> dict:
        request = {"job": job, "warm": warm, "save": str(save)}
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return self.answer()

    def end(self):
        self.process.stdin.close()
        self.process.wait()


class Race:
    def __init__(self, images: np.ndarray, folder: Path, program_path: Path | None, data: list[str]):
        self.folder = folder
        self.program_path = program_path
        self.data = data
        self.truth = reference.of_bytes(images, mnist.UNIT)
        self.machine = None
        self.version = None
        self.calls = 0

    def peer(self, one: Competitor, worker: Worker):
        job = PEER_JOBS[one.job][1]
        save = self.folder / "peer.npz"
        for _ in range(PRODUCT_REPEATS if one.job in PRODUCTS else 1):
            # On the path that is timed: the pool wakes, the pages are in.
            worker.solve(job, save, warm=True)
            answer = worker.solve(job, save)
            one.seconds.append(answer["seconds"])
            one.passes.append(answer["passes"])
        if one.job in SOLVES:
            saved = np.load(save)
            one.errors.append(asdict(reference.error(saved["values"], saved["vectors"], self.truth)))

    def ours(self, one: Competitor, file: Path):
        """gradrace has no bare product to call: `STEPS` steps of the method that uses it, by the pass."""
        vectors = self.folder / "ours.npy"
        if one.job in SOLVES:
            arguments = ["--data", "mnist", *self.data, "--save-components", str(vectors)]
        else:
            arguments = ["--data", str(file), "--max-iterations", str(STEPS)]
        run = self.call([*arguments, *OURS[one.job], "--threads", str(one.threads)])
        record = run.records[0]
        passes, seconds = record["work"]["passes"], record["time"]["solve_s"]
        one.peak_bytes.append(run.peak_bytes)
        if one.job in SOLVES:
            one.seconds += seconds
            one.passes += [None if one.job == "direct" else passes] * len(seconds)
            error = reference.error(record["eigenvalues"], np.load(vectors), self.truth)
            one.errors.append(asdict(error))
        else:
            one.seconds += [s / passes for s in seconds]
            one.passes += [1] * len(seconds)

    def call(self, arguments: list[str]) -> program.Run:
        self.calls += 1
        out = self.folder / f"run{self.calls}"
        run = program.run(self.program_path, [*COMMON, *arguments], out)
        if run.status != 0 or len(run.records) != 1 or run.records[0]["time"] is None:
            words = " ".join(arguments)
            sys.exit(f"peers: gradrace run {words}: exit status {run.status}: {run.message}")
        self.version = run.records[0]["program"]
        self.machine = run.machine
        return run


def cpu_model() -> str:
    """As gradrace names it, for the runs without it."""
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    text = Path("/proc/cpuinfo").read_text()
    found = re.search(r"^(?:model name|Model)\s*:\s*(.*)$", text, re.MULTILINE)
    return " ".join(found[1].split()) if found else platform.machine()


def cores() -> int:
    has_affinity = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count()


def slug(cpu: str, cores: int) -> str:
    """A folder's name: `AMD EPYC 7B13` with 2 cores is `amd-epyc-7b13-2c`."""
    words = re.sub(r"\((r|tm)\)|@.*|\b(cpu|processor|\d+-core)\b", " ", cpu.lower())
    return "-".join(re.findall(r"[a-z0-9]+", words)) + f"-{cores}c"


def ratios(competitors: list[Competitor]) -> list[dict]:
    """How many times as long as gradrace each peer takes, by medians, at the same job and threads."""
    ours = {(c.job, c.threads): c for c in competitors if c.program == "gradrace"}
    found = []
    for peer in competitors:
        our = ours.get((peer.job, peer.threads))
        if peer.program != "gradrace" and our:
            ratio = statistics.median(peer.seconds) / statistics.median(our.seconds)
            found.append(
                {"job": peer.job, "threads": peer.threads, "peer": peer.program, "ratio": ratio}
            )
    return found


def table(competitors: list[Competitor], found: list[dict]) -> str:
    by_peer = {(r["job"], r["threads"], r["peer"]): r["ratio"] for r in found}
    lines = [
        "| job | program | threads | median ms | quartiles ms | passes | sine | eigenvalue error | gradrace is faster by |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for one in competitors:
        ms = [1e3 * s for s in one.seconds]
        low, _, high = statistics.quantiles(ms, n=4, method="inclusive") if len(ms) > 1 else ms * 3
        worst = {k: max(e[k] for e in one.errors) for k in ["sine", "eigenvalue"]} if one.errors else {}
        ratio = by_peer.get((one.job, one.threads, one.program))
        cells = [
            JOBS[one.job],
            one.program,
            str(one.threads),
            f"{statistics.median(ms):.2f}",
            f"{low:.2f} to {high:.2f}",
            f"{one.passes[0]:g}" if one.job in SOLVES and one.passes[0] else "",
            f"{worst['sine']:.0e}" if worst else "",
            f"{worst['eigenvalue']:.0e}" if worst else "",
            f"{ratio:.1f}x" if ratio else "",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def big(race: Race) -> dict:
    """The job that has neither Gram matrix in memory: its peak, and how good its answer is."""
    run = race.call([*BIG, *DEFLATION])
    record = run.records[0]
    return {
        "command": " ".join(["gradrace run", *COMMON, *BIG, *DEFLATION]),
        "peak_bytes": run.peak_bytes,
        "status": record["status"],
        "solve_s": record["time"]["solve_s"],
        "work": record["work"],
        "accuracy": record["accuracy"],
    }


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("machine", nargs="?", help="folder under results/; by default from processor and cores")
    parser.add_argument("--problem", choices=["pca", "mlp"], default="pca", help="mlp: networks, with options of its own")
    parser.add_argument("--rounds", type=int, default=5, help="visits of every competitor (5)")
    parser.add_argument("--jobs", default=",".join(JOBS), help=f"of {', '.join(JOBS)}; all")
    parser.add_argument("--big", action="store_true", help="also 500 x 1,000,000 samples (4 GB of memory)")
    parser.add_argument("--peers-only", action="store_true", help="without gradrace")
    parser.add_argument("--program", type=Path, help="gradrace to race; by default it is built")
    parser.add_argument("--data-dir", type=Path, help="where MNIST is looked for first")
    parser.add_argument("--out", type=Path, help="file; by default results/<machine>/peers.json")
    options = parser.parse_args()
    options.jobs = options.jobs.split(",")
    unknown = [job for job in options.jobs if job not in JOBS]
    if unknown or options.rounds < 1:
        parser.error(f"unknown job {unknown[0]!r}" if unknown else "--rounds must be at least 1")
    return options


def main():
    options = parse()
    path = mnist.find(options.data_dir)
    images = mnist.load(path)
    program_path = None
    if not options.peers_only:
        program_path = options.program.absolute() if options.program else program.build()
    threads = sorted({1, cores()})
    competitors = [
        Competitor(job, who, count)
        for job in options.jobs
        for count in threads
        for who in ([] if options.peers_only else ["gradrace"]) + [PEER_JOBS[job][0]]
    ]
    order = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        data = ["--data-dir", str(options.data_dir)] if options.data_dir else []
        race = Race(images, folder, program_path, data)
        file = folder / "pixels.npy"
        if program_path and set(options.jobs) & set(PRODUCTS):
            np.save(file, images.astype(np.float32) * np.float32(mnist.UNIT))
        workers = {count: Worker(count, path) for count in threads}
        for number in range(options.rounds):
            for one in order.sample(competitors, len(competitors)):
                print(f"round {number + 1}: {one.job}: {one.program}@{one.threads}", file=sys.stderr)
                if one.program == "gradrace":
                    race.ours(one, file)
                else:
                    race.peer(one, workers[one.threads])
        versions = workers[threads[-1]].versions
        for worker in workers.values():
            worker.end()
        big_job = big(race) if options.big and program_path else None
    found = ratios(competitors)
    machine = race.machine or {"cpu": cpu_model(), "cores": cores()}
    name = options.machine or slug(machine["cpu"], machine["cores"])
    result = {
        "made_by": "scripts/peers",
        "program": race.version,
        "machine": machine,
        "versions": versions,
        "data": {"spec": "mnist", "n": len(images), "d": images.shape[1], "sha256": mnist.SHA256},
        "components": K,
        "rounds": options.rounds,
        "competitors": [asdict(one) for one in competitors],
        "ratios": found,
        "big": big_job,
    }
    out = options.out or program.ROOT / "results" / name / "peers.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")
    print(table(competitors, found))
    for one in competitors:
        if one.job == "seed" and one.peak_bytes:
            peak, samples = max(one.peak_bytes) / 1e6, images.nbytes / 1e6
            print(f"\npeak memory, gradrace@{one.threads}, matrix-free: {peak:.0f} MB, {samples:.0f} of it the samples")
    if big_job:
        peak, residual = big_job["peak_bytes"] / 1e9, big_job["accuracy"]["residual"]
        print(f"\n500 x 1,000,000: peak memory {peak:.2f} GB, residual {residual:.0e}")
    print(f"raw samples: {out}", file=sys.stderr)


if __name__ == "__main__":
    main()
