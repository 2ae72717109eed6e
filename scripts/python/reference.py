"""NumPy's answer in f64, and how far another answer is from it."""

from dataclasses import dataclass

import numpy as np

F32_EPSILON = float(np.finfo(np.float32).eps)
CLUSTER_GAP = 1e-4  # eigenvalues nearer than this, relatively, are twins: any basis of their span is right


@dataclass
class Reference:
    """All eigenpairs of a covariance with divisor n - 1, largest first; one row a vector."""

    covariance: np.ndarray  # d x d
    values: np.ndarray
    vectors: np.ndarray
    order: int  # max(n, d)

    @property
    def floor(self) -> float:
        """Below it an eigenvalue is rounding, for an f32 solve."""
        return self.order * F32_EPSILON * self.values[0]

    @property
    def rank(self) -> int:
        return int(np.sum(self.values > self.floor))


def of_covariance(covariance: np.ndarray, n: int) -> Reference:
    values, vectors = np.linalg.eigh(covariance)
    order = max(n, len(values))
    return Reference(covariance, values[::-1].copy(), vectors.T[::-1].copy(), order)


def of_samples(x: np.ndarray) -> Reference:
    """The covariance of a small matrix, formed whole in f64."""
    x = x.astype(np.float64)
    x -= x.mean(axis=0)
    return of_covariance(x.T @ x / (len(x) - 1), len(x))


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
    return of_covariance((covariance + covariance.T) / 2, n)


@dataclass
class Error:
    """All numbers are dimensionless."""

    eigenvalue: float  # largest relative error; the divisor is no less than the floor
    sine: float  # largest principal angle, of the components above the floor; twins at the boundary count as right
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
    eigenvalue = np.max(np.abs(values - true[:k]) / np.maximum(true[:k], reference.floor))
    kept = min(k, reference.rank)
    m = kept
    while 0 < m < len(true) and true[m - 1] - true[m] <= CLUSTER_GAP * true[m - 1]:
        m += 1
    u = reference.vectors[:m]
    outside = v[:kept] - (v[:kept] @ u.T) @ u
    residual = v @ reference.covariance - values[:, None] * v
    return Error(
        eigenvalue=float(eigenvalue),
        sine=float(np.linalg.norm(outside, 2)) if kept else 0.0,
        residual=float(np.max(np.linalg.norm(residual, axis=1)) / true[0]),
        orthogonality=float(np.max(np.abs(v @ v.T - np.eye(k)))),
    )
