"""A peer's side of the race: one process with its own number of BLAS threads, which solves when it is told to.

Reads one JSON request a line, `{"job": name, "warm": bool, "save": file}`, and answers with one JSON line. The samples
are in memory, and centred where a job wants them so, before any clock starts: gradrace's solve times start with the
samples on the device and their mean known.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import scipy
import sklearn
import threadpoolctl
from sklearn.decomposition import PCA

import mnist

K = 10
COLUMNS = 16
ETA = np.float32(100)
TOLERANCE = 1e-6
MOST_PASSES = 20_000
WARM_PASSES = 5


def deflate(product, d: int, most_passes: int):
    """The seed algorithm: one component at a time, plain gradient with a large step, renormalised each step.

    v <- normalise(v + eta * 2 (A v - sum_j lambda_j v_j (v_j . v))), until v changes by less than the tolerance.
    """
    random = np.random.default_rng(1)
    vectors = np.zeros((0, d), dtype=np.float32)
    values = np.zeros(0, dtype=np.float32)
    passes = 0
    for _ in range(K):
        v = random.standard_normal(d).astype(np.float32)
        v /= np.linalg.norm(v)
        while passes < most_passes:
            av = product(v)
            passes += 1
            value = v @ av
            new = v + ETA * 2 * (av - vectors.T @ (values * (vectors @ v)))
            new /= np.linalg.norm(new)
            change = np.linalg.norm(new - v)
            v = new
            if change < TOLERANCE:
                break
        vectors = np.vstack([vectors, v])
        values = np.append(values, value)
    return values, vectors, passes


class Jobs:
    """What can be asked for; every job gives values, vectors and passes, or None for a bare product."""

    def __init__(self, images: np.ndarray):
        pixels = images.astype(np.float32) * np.float32(mnist.UNIT)
        self.centred = (pixels - pixels.mean(axis=0, dtype=np.float64)).astype(np.float32)
        n, d = self.centred.shape
        self.divisor = np.float32(n - 1)
        random = np.random.default_rng(2)
        self.v = random.standard_normal(d).astype(np.float32)
        self.block = random.standard_normal((d, COLUMNS)).astype(np.float32)

    def product(self, v):
        return self.centred.T @ (self.centred @ v) / self.divisor

    def samples(self, most_passes):
        return deflate(self.product, len(self.v), most_passes)

    def covariance(self, most_passes):
        a = self.centred.T @ self.centred / self.divisor
        return deflate(lambda v: a @ v, len(a), most_passes)

    def sklearn(self, _):
        # Centred already: on f32 pixels as they are its own f32 mean costs it three digits (a sine of 2e-4).
        fitted = PCA(K).fit(self.centred)
        return fitted.explained_variance_, fitted.components_, None

    def one_column(self, _):
        self.product(self.v)

    def sixteen_columns(self, _):
        self.product(self.block)


def versions() -> dict:
    blas = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    first = blas[0] if blas else {}
    return {
        "python": sys.version.split()[0],
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
        "blas": " ".join(str(first.get(key)) for key in ["internal_api", "version", "architecture"]),
        "blas_threads": first.get("num_threads"),
    }


def main():
    jobs = Jobs(mnist.load(Path(sys.argv[1])))
    print(json.dumps(versions()), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        job = getattr(jobs, request["job"])
        start = time.perf_counter()
        answer = job(WARM_PASSES if request["warm"] else MOST_PASSES)
        seconds = time.perf_counter() - start
        passes = None
        if answer is not None:
            values, vectors, passes = answer
            np.savez(request["save"], values=values, vectors=vectors)
        print(json.dumps({"seconds": seconds, "passes": passes}), flush=True)


if __name__ == "__main__":
    main()
