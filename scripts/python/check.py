"""Compares gradrace's eigenpairs with NumPy's SVD of the centred samples in f64, on awkward matrices.

Every matrix is solved by deflation, subspace and direct with everything else left at its default; those with a gap in
their spectrum also by each of the six rules, by both operators. A table is printed; exit status 1 when one is off.
"""

import argparse
import itertools
import sys
import tempfile
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

import program
import reference
from reference import Error, Reference

RULES = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"]
# What an f32 solve that stops at a tolerance of 1e-6 owes, and what a dense solve in f64 of f32 samples owes.
ITERATIVE = Error(eigenvalue=1e-4, sine=1e-3, residual=1e-3, orthogonality=1e-4)
DENSE = Error(eigenvalue=1e-6, sine=1e-5, residual=1e-5, orthogonality=1e-5)


@dataclass
class Matrix:
    name: str
    x: np.ndarray
    k: int
    rules: bool = False  # a clear gap: every rule owes the answer
    standardize: bool = False  # correlations in place of covariances


def with_spectrum(random, n, d, variances, mean=0.0):
    """n x d samples whose covariance has these eigenvalues, then zeros."""
    rank = len(variances)
    left = random.standard_normal((n, rank))
    left = np.linalg.qr(left - left.mean(axis=0))[0]
    right = np.linalg.qr(random.standard_normal((d, rank)))[0]
    return (left * np.sqrt(np.array(variances) * (n - 1))) @ right.T + mean


def matrices() -> list[Matrix]:
    random = np.random.default_rng(1)

    def decaying(n, d, **more):
        return with_spectrum(random, n, d, 0.6 ** np.arange(min(n - 1, d, 12)), **more)

    def f32(x):
        return x.astype(np.float32)

    base = decaying(200, 24)
    constant = decaying(400, 31)
    constant[:, 3:30:3] = 7.5
    steps = np.round(40 * base)
    twins = [4.0, 2.0, 2.0, 2.0, 1.0, 0.5, 0.25]

    def orders(last, count):
        return 10.0 ** -np.linspace(0, last, count)

    people = np.random.default_rng(1)
    salaries = [people.normal(40000, 15000, 300), people.normal(40, 12, 300), people.poisson(1.5, 300)]
    salaries = np.stack(salaries, 1)
    outlier = random.standard_normal((200, 3))
    outlier[17, 1] = 1e5
    extreme = outlier.copy()
    extreme[17, 1] = 1e8
    scaled = with_spectrum(random, 150, 6, [4.0, 2.0, 1.0, 0.5, 0.25, 0.125]) * [1e3, 1, 1e-2, 30, 0.1, 1e2]
    scaled += [1e6, -3, 0, 1e3, 0.5, -2e4]
    whole = random.integers(-1000, 1000, (300, 4))
    return [
        Matrix("salary, age; two asked", salaries, 2, rules=True),
        Matrix("salary, age, children", salaries, 3, rules=True),
        Matrix("the same, standardised", salaries, 3, rules=True, standardize=True),
        Matrix("the same as f32", f32(salaries), 3),
        Matrix("an outlier of 1e5", outlier, 3, rules=True),
        Matrix("an outlier of 1e8", extreme, 3),
        Matrix("six units, offsets", scaled, 4, rules=True),
        Matrix("a ratio of 1e-4", with_spectrum(random, 300, 24, orders(4, 5)), 5, rules=True),
        Matrix("a ratio of 1e-7", with_spectrum(random, 300, 24, orders(7, 6)), 6, rules=True),
        Matrix("a ratio of 1e-10", with_spectrum(random, 300, 24, orders(10, 6)), 6, rules=True),
        Matrix("a ratio of 1e-10, wide", with_spectrum(random, 24, 90, orders(10, 6)), 6),
        Matrix("a ratio of 1e-14", with_spectrum(random, 300, 24, [1.0, 0.5, 1e-14]), 3),
        Matrix("tall, the last 0.5 %", f32(with_spectrum(random, 200_000, 4, [1.0, 0.02, 0.01, 0.005])), 4),
        Matrix("8,388,608 x 1, u8", random.integers(0, 256, (1 << 23, 1), dtype=np.uint8), 1),
        Matrix("deviations of 1e37, f32", f32(base * 1e37), 5),
        Matrix("deviations of 1e-40, f32", f32(base * 1e-38), 3),
        Matrix("2^60 and 1000, i64", 2**60 + whole, 4),
        Matrix("near 2^64, u64", (whole + 1000).astype(np.uint64) + np.uint64(2**64 - 3000), 4),
        Matrix("tall 1000 x 64", f32(decaying(1000, 64)), 5, rules=True),
        Matrix("wide 40 x 300", f32(decaying(40, 300)), 5, rules=True),
        Matrix("rank 3", f32(with_spectrum(random, 500, 33, [3.0, 2.0, 1.0])), 3, rules=True),
        Matrix("rank 3, five asked", f32(with_spectrum(random, 500, 33, [3.0, 2.0, 1.0])), 5),
        Matrix("rank 3, wide, five asked", f32(with_spectrum(random, 20, 90, [3.0, 2.0, 1.0])), 5),
        Matrix("constant columns", f32(constant), 5, rules=True),
        Matrix("twins inside", f32(with_spectrum(random, 300, 20, twins)), 5),
        Matrix("twins at the boundary", f32(with_spectrum(random, 300, 20, twins)), 2),
        Matrix("all eigenvalues equal", f32(with_spectrum(random, 100, 8, [2.0] * 8)), 3),
        Matrix("noise 300 x 50", f32(random.standard_normal((300, 50))), 5),
        Matrix("mean 1e4, deviation 1", f32(decaying(800, 20, mean=1e4)), 5, rules=True),
        Matrix("mean 1e4, f64", decaying(800, 20, mean=1e4), 5),
        Matrix("values of 1e-20", f32(base * 1e-20), 5, rules=True),
        Matrix("values of 1e20", f32(base * 1e20), 5, rules=True),
        Matrix("values of 1e-20, f64", base * 1e-20, 5),
        Matrix("values of 1e20, f64", base * 1e20, 5),
        Matrix("Fortran order", np.asfortranarray(f32(base)), 5),
        Matrix("Fortran order, f64", np.asfortranarray(base), 5),
        Matrix("big-endian f32", base.astype(">f4"), 5),
        Matrix("big-endian f64", base.astype(">f8"), 5),
        Matrix("f64", base, 5),
        Matrix("u8", (steps - steps.min()).clip(0, 255).astype(np.uint8), 5, rules=True),
        Matrix("i16", (100 * steps).astype(np.int16), 5),
        Matrix("big-endian i16, Fortran", np.asfortranarray((100 * steps).astype(">i2")), 5),
        Matrix("d = 1", f32(random.standard_normal((50, 1))), 1),
        Matrix("n = 2", f32(random.standard_normal((2, 5))), 1),
        Matrix("n = 2, u8", random.integers(0, 256, (2, 40), dtype=np.uint8), 1),
        Matrix("d = 31", f32(decaying(150, 31)), 5, rules=True),
        Matrix("d = 33", f32(decaying(150, 33)), 5, rules=True),
        Matrix("d = 257", f32(decaying(300, 257)), 5, rules=True),
    ]


class Table:
    """Rows as they come; counts those that are off."""

    HEAD = ["matrix", "how", "status", "eigenvalue", "sine", "residual", "orthogonal", ""]

    def __init__(self, only_bad: bool):
        self.only_bad = only_bad
        self.bad = self.all = 0
        self.line(self.HEAD)

    @staticmethod
    def line(cells):
        widths = [25, 30, 10, 10, 10, 10, 10, 3]
        print("  ".join(str(cell).ljust(w) for cell, w in zip(cells, widths)).rstrip(), flush=True)

    def add(self, matrix: str, how: str, status: str, error: Error | None, good: bool):
        self.all += 1
        self.bad += not good
        if not good or not self.only_bad:
            numbers = [f"{value:.1e}" for value in astuple(error)] if error else ["-"] * 4
            self.line([matrix, how, status, *numbers, "ok" if good else "OFF"])


def judge(table: Table, matrix: Matrix, truth: Reference, record: dict, vectors: Path):
    """Compares one record's eigenvalues, and the components in a file, with the reference."""
    rule = (record.get("optimizer") or {}).get("name")
    how = " ".join(word for word in [record["method"], record.get("operator"), rule] if word)
    values = record["eigenvalues"]
    if len(values) != matrix.k or not vectors.exists():
        table.add(matrix.name, how, record["status"], None, False)
        print(f"    {record.get('reason') or 'no eigenvalues or components'}")
        return
    v = np.load(vectors)
    shape = (matrix.k, matrix.x.shape[1])
    if v.shape != shape:
        table.add(matrix.name, how, record["status"], None, False)
        print(f"    components are {v.shape}, not {shape}")
        return
    error = reference.error(values, v, truth)
    bound = DENSE if record["method"] == "direct" else ITERATIVE
    status = "reached" if truth.resolved >= matrix.k else "unresolved"
    good = error.within(bound) and record["status"] == status
    table.add(matrix.name, how, record["status"], error, good)


def check(table: Table, program_path: Path, matrix: Matrix, folder: Path, rules: bool):
    file = folder / "X.npy"
    np.save(file, matrix.x)
    truth = reference.of_samples(matrix.x, matrix.standardize)
    common = ["--data", str(file), "--problem", "pca", "--components", str(matrix.k)]
    common += ["--device", "cpu", "--repeats", "1"]
    if matrix.standardize:
        common += ["--standardize", "columns"]
    for method in ["deflation", "subspace", "direct"]:
        vectors = folder / f"{method}.npy"
        arguments = [*common, "--method", method, "--save-components", str(vectors)]
        run = program.run(program_path, arguments, folder / method)
        if run.status != 0 or len(run.records) != 1:
            table.add(matrix.name, method, f"exit {run.status}", None, False)
            print(f"    {run.message}")
        else:
            judge(table, matrix, truth, run.records[0], vectors)
    if not (rules and matrix.rules):
        return
    lists = ["--method", "deflation,subspace", "--operator", "samples,covariance"]
    out = folder / "rules"
    run = program.run(program_path, [*common, *lists, "--optimizer", ",".join(RULES)], out)
    expected = set(itertools.product(["deflation", "subspace"], ["samples", "covariance"], RULES))
    for record in run.records:
        expected.discard((record["method"], record["operator"], record["optimizer"]["name"]))
        judge(table, matrix, truth, record, out / record["artifacts"].get("components", "none"))
    for missing in sorted(expected):
        table.add(matrix.name, " ".join(missing), f"exit {run.status}", None, False)
    if run.status != 0:
        table.add(matrix.name, "all rules", f"exit {run.status}", None, False)
        print(f"    {run.message}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, help="gradrace to check; by default it is built")
    parser.add_argument("--only", metavar="TEXT", default="", help="matrices whose name has this")
    parser.add_argument("--no-rules", action="store_true", help="the default rule alone")
    parser.add_argument("--only-bad", action="store_true", help="print what is off alone")
    options = parser.parse_args()
    program_path = options.program.absolute() if options.program else program.build()
    chosen = [matrix for matrix in matrices() if options.only in matrix.name]
    if not chosen:
        parser.error(f"no matrix has {options.only!r} in its name")
    table = Table(options.only_bad)
    for matrix in chosen:
        with tempfile.TemporaryDirectory() as folder:
            check(table, program_path, matrix, Path(folder), not options.no_rules)
    print(f"{table.all - table.bad} of {table.all} agree with NumPy {np.__version__}")
    sys.exit(1 if table.bad else 0)


if __name__ == "__main__":
    main()
