"""MNIST's files, from where gradrace looks for them."""

import gzip
import hashlib
import os
import sys
from pathlib import Path

import numpy as np

NAME = "train-images-idx3-ubyte"
SHA256 = "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"  # decompressed
# All four, in the order of `load_all`.
FILES = {
    NAME: SHA256,
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
UNIT = 1 / 255
PIXELS = 28 * 28


def find(data_dir: Path | None, name: str = NAME) -> Path:
    """The file, plain or gzipped: in `data_dir`, in $GRADRACE_DATA, in the user's cache folder."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gradrace"
    given = [data_dir, os.environ.get("GRADRACE_DATA"), cache]
    for folder in (Path(folder) for folder in given if folder):
        for path in (folder / sub / (name + end) for sub in ["", "mnist"] for end in ["", ".gz"]):
            if path.is_file():
                return path
    sys.exit(f"peers: no {name} here: `gradrace data fetch mnist`, or set GRADRACE_DATA to its folder")


def read(path: Path, sha256: str) -> bytes:
    content = path.read_bytes()
    content = gzip.decompress(content) if path.suffix == ".gz" else content
    if hashlib.sha256(content).hexdigest() != sha256:
        sys.exit(f"peers: {path.name} is not MNIST's (SHA-256): `gradrace data fetch mnist` again")
    return content


def images(content: bytes) -> np.ndarray:
    return np.frombuffer(content, dtype=np.uint8, offset=16).reshape(-1, PIXELS)


def load(path: Path) -> np.ndarray:
    """60,000 x 784 bytes."""
    return images(read(path, SHA256))


def load_all(data_dir: Path | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Images and labels for training, then for the test, as bytes."""
    train, train_labels, test, test_labels = (read(find(data_dir, name), sha256) for name, sha256 in FILES.items())
    labels = [np.frombuffer(content, dtype=np.uint8, offset=8) for content in [train_labels, test_labels]]
    return images(train), labels[0], images(test), labels[1]
