"""A user's script has types: mypy, in its strict mode, finds what is wrong in it and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

pytest.importorskip("mypy", reason="mypy is not installed (fastfa[dev])")

# A line that ends in `# wrong: code` must have just this error.
SCRIPTS = {
    "typical": """
from pathlib import Path

import fastfa as fa
import numpy as np
from fastfa import metrics, plots

X = np.zeros((20, 4), np.float32)
Y = np.zeros((20, 2), np.float32)
net = fa.Network(4, [fa.Dense(8, "tanh"), fa.Dropout(0.2), fa.Dense(2)], feedback="fa", seed=1)
sizes = [8, 8]
net = fa.Network(4, [*[fa.Dense(n, "relu") for n in sizes], fa.Dense(2)], ["fa", fa.Feedback("sign")])
images = fa.Network((1, 8, 8), [fa.LocallyConnected2D(2, 3), fa.Dense(2)], fa.NodePerturbation(0.1))
layers: list[fa.layers.Layer] = [fa.Dense(8), fa.Dropout(0.5)]
layers.append(fa.Dense(2))
net = fa.Network(4, layers, loss="squared_error", dtype="float64")
loss: float = net.step(X, Y, fa.SGD(0.1, momentum=0.9))
loss += net.train_epoch(X, Y, fa.Adam(0.001), batch_size=5)
first: np.ndarray = net.forward(X)[0]
h: list[np.ndarray] = net.activations(X)
net.weights[0][...] = 0.5 * net.weights[0]
net.biases[0][...] = 0
units: tuple[int, ...] = net.shapes[-1]
activation: str = str(net.layers[0].activation)
measured = net.evaluate(X, Y)
total: float = measured.loss + measured.error_rate
angle: float = metrics.alignment(net, X, Y)[0].angle_bp
net.load_state_dict(net.state_dict())
net.forward_step(X)
net.apply_error(Y, fa.SGD(0.1))
best = fa.BestWeights("train_loss")
loggers: list[fa.Callback] = [best, fa.CSVLogger("h.csv")]
trainer = fa.Trainer(net, fa.SGD(0.1), epochs=3, schedule={2: 0.01}, callbacks=loggers)
history: fa.History = trainer.fit((X, Y), validation=0.1)
epochs: int = trainer.epoch + len(history.records) + best.epoch
lr: float = trainer.optimizer.lr
fa.save(Path("net.safetensors"), net)
losses: np.ndarray = fa.Ensemble([net, net]).train_epoch(X, Y, [fa.SGD(0.1)] * 2, batch_size=1)
data = fa.data.from_arrays(X, np.zeros(20, int))
plots.plot_history(history).savefig("h.png")


class Stop(fa.Callback):
    def on_epoch_end(self, trainer: fa.Trainer, record: dict[str, object]) -> None:
        trainer.stop()


class Slow(fa.Schedule):
    def lr(self, epoch: int, history: fa.History) -> float:
        return 0.1 / epoch


class Sent:
    def propagate(self, delta: np.ndarray) -> np.ndarray:
        return delta


net.set_feedback(Sent())
net.set_feedback([Sent()])
net.set_feedback(fa.Feedback(Sent(), route="direct"))
fa.Trainer(net, fa.Adam(0.1), epochs=1, schedule=Slow(), callbacks=[Stop()])
""",
    "mistaken": """
import fastfa as fa

fa.Dense("8")  # wrong: arg-type
fa.Dense(8, "sigmoidal")  # wrong: arg-type
fa.Network(4, [fa.Dense(2), 3])  # wrong: list-item
fa.Network(4, [fa.Dense(2)], loss="mean")  # wrong: arg-type
net = fa.Network(4, [fa.Dense(2)])
net.weight  # wrong: attr-defined
net.step([[0.0] * 4], [[0.0] * 2])  # wrong: call-arg
fa.Feedback("unifrom")  # wrong: arg-type
fa.Trainer(net, fa.SGD(0.1), epochs="3")  # wrong: arg-type
net.steps + "1"  # wrong: operator
""",
}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The errors of each script: {line: code}."""
    folder = tmp_path_factory.mktemp("typed")
    for name, text in SCRIPTS.items():
        (folder / f"{name}.py").write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary"]
    done = subprocess.run(
        [*command, *(f"{name}.py" for name in SCRIPTS)], cwd=folder, capture_output=True, text=True
    )
    assert not done.stderr, done.stderr
    errors = {name: {} for name in SCRIPTS}
    for line in done.stdout.splitlines():
        match = re.fullmatch(r"(\w+)\.py:(\d+): error: .*\[([\w-]+)\]", line)
        if ": error:" in line:
            assert match, line
            errors[match[1]][int(match[2])] = match[3]
    return errors


@pytest.mark.parametrize("name", SCRIPTS)
def test_mypy_finds_what_is_wrong_in_a_script_and_nothing_else(found, name):
    lines = enumerate(SCRIPTS[name].splitlines(), start=1)
    wrong = {i: line.partition("# wrong: ")[2] for i, line in lines if "# wrong: " in line}
    assert found[name] == wrong
