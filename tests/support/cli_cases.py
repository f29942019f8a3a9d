"""Short runs of `fastfa train` on the digits that are embedded."""

from __future__ import annotations

import json

from fastfa.cli import main

PLAIN = ("--optimizer", "sgd", "--batch-size", "100")  # and logistic units
PLAIN += ("--activation", "logistic", "--output-activation", "logistic")
QUICK = ("mnist-mini", "--hidden", "20", "--epochs", "2", "--lr", "0.5", *PLAIN)


def train(*arguments):
    return main(["train", *map(str, arguments)])


def settings_of(folder):
    return json.loads((folder / "config.json").read_text())["settings"]


def write(path, text):
    path.write_text(text)
    return path
