"""A search over a few small trainings, and what it left."""

from __future__ import annotations

import csv

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


def end(process):
    process.kill()
    process.wait()
    process.stdout.close()
    process.stderr.close()
