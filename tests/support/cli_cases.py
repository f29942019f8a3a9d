"""Short runs of `fastfa train` on the digits that are embedded."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
from fastfa.cli import main

PLAIN = ("--optimizer", "sgd", "--batch-size", "100")  # and logistic units
PLAIN += ("--activation", "logistic", "--output-activation", "logistic")
QUICK = ("mnist-mini", "--hidden", "20", "--epochs", "2", "--lr", "0.5", *PLAIN)


def train(*arguments):
    return main(["train", *map(str, arguments)])


def config_of(folder):
    return json.loads((folder / "config.json").read_text())


def settings_of(folder):
    return config_of(folder)["settings"]


def weights_of(folder):
    with np.load(folder / "weights.npz", allow_pickle=False) as weights:
        return dict(weights)


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def write(path, text):
    path.write_text(text)
    return path


def cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def start(command, path, out, *arguments):
    """The command in a process of its own, whose Ctrl-C is Python's usual one."""
    words = [command, str(path), "--out", str(out), *map(str, arguments)]
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
