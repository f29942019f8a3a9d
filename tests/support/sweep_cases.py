"""A sweep of a few small runs, and what it left."""

from __future__ import annotations

import csv
import json
import os
import time

from fastfa.cli import main, runs

BASE = """
dataset = "mnist-mini"
hidden = [20]
epochs = 2
activation = "tanh"
output_activation = "logistic"
optimizer = "sgd"
batch_size = 100
"""
SWEEP = """
[sweep]
seeds = 3
feedback = ["bp", "fa"]
lr = [0.1, 0.3]
"""
LONGER = BASE.replace("[20]", "[300]").replace("epochs = 2", "epochs = 4")


def write(tmp_path, text=BASE + SWEEP, name="sweep.toml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def sweep(path, out, *arguments):
    return main(["sweep", str(path), "--out", str(out), *map(str, arguments)])


def lines(out):
    with open(out / "runs.jsonl") as file:
        return [json.loads(line) for line in file]


def bits(out):
    """What must be the same everywhere, by run."""
    found = {line["run"]: line for line in lines(out)}
    assert len(found) == len(lines(out))  # each once
    return {
        name: {k: v for k, v in line.items() if k not in runs.TIMING}
        for name, line in found.items()
    }


def summary(out):
    with open(out / "summary.csv", newline="") as file:
        return list(csv.DictReader(file))


def alive(pids):
    def is_there(pid):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True

    return [pid for pid in pids if is_there(pid)]


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def end(process):
    process.kill()
    process.wait()
    process.stdout.close()
    process.stderr.close()
