"""Runs gradrace: builds it, calls it, reads its records, and tells its peak memory."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Run:
    """One call of the program."""

    status: int
    message: str  # last line of standard error
    records: list[dict]
    machine: dict | None
    peak_bytes: int  # largest resident set


def build() -> Path:
    """Sets up and builds; the program's path."""
    environment = os.environ | {"PATH": f"{os.environ['PATH']}:{cargo_home() / 'bin'}"}
    subprocess.run([ROOT / "scripts" / "setup"], check=True)
    command = ["cargo", "build", "--release", "--locked", "--offline"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "gradrace"


def cargo_home() -> Path:
    return Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))


# Runs a command and writes its peak memory: from an interpreter of its own, since a child starts with its parent's peak,
# and a parent that holds the images would be what is measured. wait4, since getrusage tells the largest of all children.
MEASURE = """
import os, subprocess, sys
child = subprocess.Popen(sys.argv[2:])
_, status, usage = os.wait4(child.pid, 0)
open(sys.argv[1], "w").write(str(usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status) & 255)
"""


def run(program: Path, arguments: list[str], out: Path) -> Run:
    """`gradrace run ARGUMENTS --quiet --out OUT`. What it prints is kept off the terminal."""
    out.parent.mkdir(parents=True, exist_ok=True)
    log = out.with_name(out.name + ".log")
    peak = out.with_name(out.name + ".peak")
    command = [str(program), "run", *arguments, "--quiet", "--out", str(out)]
    with log.open("w") as stderr:
        measured = [sys.executable, "-S", "-c", MEASURE, str(peak), *command]
        status = subprocess.run(measured, stdout=subprocess.DEVNULL, stderr=stderr).returncode
    lines = log.read_text().strip().splitlines()
    return Run(
        status=status,
        message=lines[-1] if lines else "",
        records=read_records(out / "records.jsonl"),
        machine=read_json(out / "machine.json"),
        peak_bytes=int(peak.read_text()) * (1 if sys.platform == "darwin" else 1024),
    )


def read_records(path: Path) -> list[dict]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def read_json(path: Path):
    return json.loads(path.read_text()) if path.exists() else None
