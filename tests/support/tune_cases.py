"""A search over a few small trainings, and what it left."""

from __future__ import annotations

import csv
import os
import subprocess
import sys

from fastfa.cli import main

BASE = """
dataset = "mnist-mini"
hidden = [20]
epochs = 3
validation = 0.25
optimizer = "sgd"
"""
SEARCH = """
[search]
lr = { low = 0.01, high = 3.0, log = true }
momentum = { low = 0.0, high = 0.9 }
activation = ["logistic", "tanh"]
batch_size = { low = 20, high = 200, step = 20 }
"""


def write(tmp_path, text=BASE + SEARCH, name="tune.toml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def tune(path, out, *arguments):
    return main(["tune", str(path), "--out", str(out), *map(str, arguments)])


def rows(out):
    with open(out / "trials.csv", newline="") as file:
        return list(csv.DictReader(file))


def timeless(out):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows(out)]


def cores():
    return len(os.sched_getaffinity(0))


def start(path, out, *arguments):
    """The command in a process of its own, whose Ctrl-C is Python's usual one."""
    words = ["tune", str(path), "--out", str(out), *map(str, arguments)]
    source = (
        "import signal, sys; from fastfa.cli import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"sys.exit(main({words!r}))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", source],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def end(process):
    process.kill()
    process.wait()
    process.stdout.close()
    process.stderr.close()
