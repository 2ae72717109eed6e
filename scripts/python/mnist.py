"""The training images of MNIST, from where gradrace looks for them."""

import gzip
import hashlib
import os
import sys
from pathlib import Path

import numpy as np

NAME = "train-images-idx3-ubyte"
SHA256 = "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"  # decompressed
UNIT = 1 / 255
PIXELS = 28 * 28


def find(data_dir: Path | None) -> Path:
    """The file, plain or gzipped: in `data_dir`, in $GRADRACE_DATA, in the user's cache folder."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gradrace"
    given = [data_dir, os.environ.get("GRADRACE_DATA"), cache]
    for folder in (Path(folder) for folder in given if folder):
        for path in (folder / sub / (NAME + end) for sub in ["", "mnist"] for end in ["", ".gz"]):
            if path.is_file():
                return path
    sys.exit(f"peers: no {NAME} here: `gradrace data fetch mnist`, or set GRADRACE_DATA to its folder")


def load(path: Path) -> np.ndarray:
    """60,000 x 784 bytes."""
    content = path.read_bytes()
    content = gzip.decompress(content) if path.suffix == ".gz" else content
    if hashlib.sha256(content).hexdigest() != SHA256:
        sys.exit(f"peers: {path.name} is not MNIST's (SHA-256): `gradrace data fetch mnist` again")
    return np.frombuffer(content, dtype=np.uint8, offset=16).reshape(-1, PIXELS)
