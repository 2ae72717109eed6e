"""NumPy's answer in f64, and how far another answer is from it."""

from dataclasses import dataclass

import numpy as np

RESOLVED = 2.0**-37  # the law of resolution in f64: a smaller share of the largest eigenvalue has no component of its own
CLUSTER_GAP = 2e-4  # eigenvalues nearer than this, relatively, are twins: any basis of their span is right


@dataclass
class Reference:
    """All eigenpairs of a covariance with divisor n - 1, largest first; one row a vector."""

    covariance: np.ndarray  # d x d
    values: np.ndarray
    vectors: np.ndarray

    @property
    def resolved(self) -> int:
        return int(np.sum(self.values > RESOLVED * self.values[0]))

    def cluster(self, i: int) -> slice:
        """The eigenvalues that share their space with the i-th."""
        first, last = i, i + 1
        while first > 0 and self.values[first - 1] - self.values[first] <= CLUSTER_GAP * self.values[first - 1]:
            first -= 1
        while last < len(self.values) and self.values[last - 1] - self.values[last] <= CLUSTER_GAP * self.values[last - 1]:
            last += 1
        return slice(first, last)


def of_covariance(covariance: np.ndarray) -> Reference:
    values, vectors = np.linalg.eigh(covariance)
    return Reference(covariance, values[::-1].copy(), vectors.T[::-1].copy())


def centred(x: np.ndarray) -> np.ndarray:
    """In f64, exact for integers of 64 bits: the first row is taken away before they are widened."""
    if x.dtype.kind in "iu" and x.dtype.itemsize == 8:
        x = (x.astype(object) - x[0].astype(object)).astype(np.float64)
    x = x.astype(np.float64)
    x = x - x.mean(axis=0)
    return x - x.mean(axis=0)


def of_samples(x: np.ndarray, standardize: bool = False) -> Reference:
    """By the singular values of the centred samples: small eigenvalues are right beside large ones."""
    x = centred(x)
    if standardize:
        deviation = x.std(axis=0, ddof=1)
        x = x / np.where(deviation > 0, deviation, 1.0)
    n, d = x.shape
    sizes, rows = np.linalg.svd(x, full_matrices=True)[1:] if n < d else np.linalg.svd(x, full_matrices=False)[1:]
    values = np.zeros(d)
    values[: len(sizes)] = sizes**2 / (n - 1)
    return Reference(x.T @ x / (n - 1), values, rows)


def of_bytes(x: np.ndarray, unit: float) -> Reference:
    """The covariance of n x d bytes times `unit`, exact up to its last divisions: sums of products of bytes are integers
    under 2^53, which f64 holds."""
    n, d = x.shape
    gram = np.zeros((d, d))
    for block in np.array_split(x, max(1, n // 4096)):
        block = block.astype(np.float64)
        gram += block.T @ block
    total = x.sum(axis=0, dtype=np.float64)
    covariance = (gram - np.outer(total, total) / n) / (n - 1) * unit**2
    return of_covariance((covariance + covariance.T) / 2)


@dataclass
class Error:
    """All numbers are dimensionless."""

    eigenvalue: float  # largest relative error of an eigenvalue that is resolved
    sine: float  # largest angle of the span, and of each component to its own eigenvalue's cluster; of those resolved
    residual: float  # largest |A v - lambda v| / lambda_1: sees a rotated basis of the right span
    orthogonality: float  # largest |V V' - I|

    def within(self, bound: "Error") -> bool:
        return all(getattr(self, name) <= limit for name, limit in vars(bound).items())


def error(values: np.ndarray, vectors: np.ndarray, reference: Reference) -> Error:
    """How far k eigenpairs (k values, k x d vectors) are from the reference's first k."""
    values = np.asarray(values, dtype=np.float64)
    v = np.asarray(vectors, dtype=np.float64)
    k, true = len(values), reference.values
    if not (np.all(np.isfinite(values)) and np.all(np.isfinite(v))):
        return Error(np.inf, np.inf, np.inf, np.inf)
    kept = min(k, reference.resolved)

    def angle(rows: np.ndarray, u: np.ndarray) -> float:
        outside = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        for _ in range(2):
            outside = outside - (outside @ u.T) @ u
        return float(np.linalg.norm(outside, 2))

    sines = [angle(v[i : i + 1], reference.vectors[reference.cluster(i)]) for i in range(kept)]
    span = angle(v[:kept], reference.vectors[: reference.cluster(kept - 1).stop])
    residual = v @ reference.covariance - values[:, None] * v
    return Error(
        eigenvalue=float(np.max(np.abs(values[:kept] / true[:kept] - 1.0))),
        sine=max(*sines, span),
        residual=float(np.max(np.linalg.norm(residual, axis=1)) / true[0]),
        orthogonality=float(np.max(np.abs(v @ v.T - np.eye(k)))),
    )
