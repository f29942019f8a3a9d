"""The first hour: five tasks of somebody who has just installed fastfa, each in fifteen lines at most.

The functions named `task_…` are a stranger's scripts. Their lines are counted.
"""

from __future__ import annotations

import csv
import inspect
import os
from pathlib import Path

import fastfa as fa
import numpy as np
import pytest
from notebook_cases import executed, needs_kernel, notebook_of

MOST_LINES = 15


def lines_of(*functions):
    """The lines that a user would write: without `def`, comments and empty ones."""
    found = []
    for function in functions:
        body = inspect.getsource(function).splitlines()[1:]
        found += [
            line for line in body if line.strip() and not line.strip().startswith(('"""', "#"))
        ]
    return found


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---- a CSV file: its learning curve, and the angles of each layer ------------------------------------


def task_csv():
    data = fa.data.normalise_dataset(fa.data.read_dataset("plants.csv", target="species")).data
    layers = [fa.Dense(30, "tanh"), fa.Dense(20, "tanh"), fa.Dense(data.classes, "softmax")]
    net = fa.Network(data.train.x.shape[1], layers, "fa", "cross_entropy")
    angles = fa.Alignment(data.test.x, data.test.labels)
    trainer = fa.Trainer(net, fa.Adam(0.01), epochs=20, callbacks=[angles])
    history = trainer.fit(data.train, test=data.test)
    history.plot().savefig("curve.png")
    fa.plots.plot_angles(angles.rows).savefig("angles.png")
    print([row["angle_bp"] for row in angles.rows[-2:]])
    return history


def test_a_csv_file(rng, capsys):
    pytest.importorskip("matplotlib")
    kinds = rng.integers(0, 3, 300)
    with open("plants.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["height in mm", "leaves", "species"])
        for kind in kinds:
            row = [900 + 300 * kind + rng.normal() * 40, 3 - kind + rng.normal() * 0.3]
            writer.writerow([*row, ["fern", "moss", "reed"][kind]])
    history = task_csv()
    assert history["test_error"][-1] < 0.05
    angles = [float(word) for word in capsys.readouterr().out.strip(" []\n").split(",")]
    assert len(angles) == 2
    assert all(0 < angle < 90 for angle in angles)
    assert all(Path(name).stat().st_size > 5000 for name in ("curve.png", "angles.png"))
    assert len(lines_of(task_csv)) <= MOST_LINES


# ---- four rules are compared on Fashion-MNIST, with three seeds, intervals and p-values --------------


def task_rules():
    data = fa.data.load("fashion-mnist")
    train, test = data.train.take(range(2000)), data.test.take(range(1000))
    found = fa.compare(["bp", "fa", "dfa", "shallow"], train, test=test, seeds=3, epochs=3)
    print(found)
    found.plot().savefig("rules.png")
    found.save_html("rules.html")
    return found


@pytest.mark.skipif("FASTFA_DATA" not in os.environ, reason="needs FASTFA_DATA with fashion-mnist")
def test_four_rules(capsys):
    pytest.importorskip("scipy")
    pytest.importorskip("matplotlib")
    try:
        found = task_rules()
    except fa.data.DatasetNotFound:
        pytest.skip("FASTFA_DATA has no fashion-mnist")
    rows = found.table()
    assert [(row["contestant"], row["n"]) for row in rows] == [
        *((rule, 3) for rule in ("bp", "fa", "dfa", "shallow")),
    ]
    assert all(row["low"] < row["mean"] < row["high"] for row in rows)
    differences = found.differences()
    assert [0 <= row["p_holm"] <= 1 for row in differences] == [True] * 3
    assert differences[2]["mean"] > 0  # shallow is behind
    assert "95 % interval" in capsys.readouterr().out
    assert Path("rules.html").stat().st_size > 10_000
    assert len(lines_of(task_rules)) <= MOST_LINES


# ---- one's own feedback, activation and loss --------------------------------------------------------


class Dropping:
    """Feedback of my own: every weight of B sends only half of the time."""

    def __init__(self, b):
        self.b, self.rng = b, np.random.default_rng(0)

    def propagate(self, delta):
        return delta @ (self.b * self.rng.integers(0, 2, self.b.shape)).T


def absolute(output, target):
    error = target - output
    return np.abs(error).sum(1), np.sign(error)


def task_own(x, y):
    feedback = Dropping(np.random.default_rng(1).normal(size=(50, 2)))
    bump = fa.Activation(lambda a: np.exp(-(a**2)), lambda a: -2 * a * np.exp(-(a**2)))
    net = fa.Network(5, [fa.Dense(50, bump), fa.Dense(2)], feedback)
    trainer = fa.Trainer(net, fa.SGD(0.01), batch_size=10, epochs=20, loss=absolute)
    return trainer.fit((x, y), validation=0.2)


def test_ones_own_feedback_activation_and_loss(rng):
    x = rng.normal(size=(300, 5))
    history = task_own(x, np.stack([np.sin(x[:, 0]), x[:, 1] * x[:, 2]], 1))
    assert history["validation_loss"][-1] < 0.7 * history["validation_loss"][0]
    parts = (Dropping.__init__, Dropping.propagate, absolute, task_own)
    assert len(lines_of(*parts)) + 5 <= MOST_LINES  # the lines with class and def


# ---- the neighbours -------------------------------------------------------------------------------


def error_with(lr, callbacks=()):
    digits = fa.data.load("mnist-mini")
    layers = [fa.Dense(20, "tanh"), fa.Dense(10, "softmax")]
    net = fa.Network(784, layers, "fa", "cross_entropy")
    trainer = fa.Trainer(net, fa.Adam(lr), epochs=1, callbacks=callbacks, progress=False)
    return trainer.fit(digits.train, validation=0.2)["validation_error"][-1], net


def task_optuna(study):
    study.optimize(lambda trial: error_with(trial.suggest_float("lr", 1e-4, 1e-1))[0], n_trials=3)


def task_dask(client):
    return client.gather(client.map(error_with, [0.001, 0.01]))


def task_tensorboard():
    return error_with(0.01, [fa.TensorBoardLogger("board")])


def task_onnx(net):
    fa.interop.onnx.export(net, "net.onnx")


def task_pipeline(Pipeline, StandardScaler, GridSearchCV, X, y):
    steps = [
        ("scale", StandardScaler()),
        ("net", fa.sklearn.FeedbackAlignmentClassifier()),
    ]
    return GridSearchCV(Pipeline(steps), {"net__feedback": ["bp", "fa"]}, cv=2).fit(X, y)


def test_optuna():
    study = pytest.importorskip("optuna").create_study()
    task_optuna(study)
    assert len(study.trials) == 3
    assert 0 < study.best_value < 0.5


def test_dask(cluster):
    from distributed import Client

    with Client(cluster) as client:
        (first, net), (second, _) = task_dask(client)
    assert {first, second} == {error_with(0.001)[0], error_with(0.01)[0]}
    assert isinstance(net, fa.Network)


def test_tensorboard():
    pytest.importorskip("tensorboard")
    task_tensorboard()
    assert list(Path("board").glob("events.out.tfevents.*"))


def test_onnx():
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    net = error_with(0.01)[1]
    task_onnx(net)
    session = runtime.InferenceSession("net.onnx", providers=["CPUExecutionProvider"])
    x = fa.data.load("mnist-mini").test.x[:9]
    (out,) = session.run(None, {session.get_inputs()[0].name: x.reshape(9, *net.input_shape)})
    np.testing.assert_allclose(out, net.forward(x), atol=1e-5)


def test_a_pipeline_with_a_search():
    sklearn = pytest.importorskip("sklearn")
    from sklearn.datasets import load_wine
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    assert sklearn
    X, y = load_wine(return_X_y=True)
    search = task_pipeline(Pipeline, StandardScaler, GridSearchCV, X, y)
    assert search.best_score_ > 0.9
    assert search.best_params_["net__feedback"] in ("bp", "fa")


def test_all_neighbours_together_are_short():
    tasks = (task_optuna, task_dask, task_tensorboard, task_onnx, task_pipeline)
    assert len(lines_of(error_with, *tasks)) <= MOST_LINES


# ---- a notebook -----------------------------------------------------------------------------------

NOTEBOOK = {
    "data": "import fastfa as fa\n"
    "digits = fa.data.load('mnist-mini')\n"
    "layers = [fa.Dense(50, 'tanh'), fa.Dense(10, 'softmax')]\n"
    "net = fa.Network(784, layers, 'fa', 'cross_entropy')\n"
    "net",
    "train": "angles = fa.Alignment(digits.test.x[:100], digits.test.labels[:100])\n"
    "trainer = fa.Trainer(net, fa.Adam(0.001), epochs=2, callbacks=[angles])\n"
    "trainer.fit(digits.train, test=digits.test)",
    "curve": "trainer.history.plot()",
    "angles": "fa.plots.plot_angles(angles.rows)",
}


@needs_kernel
def test_a_notebook(folder):
    out = executed(notebook_of(NOTEBOOK), folder)
    shown = {name: {k for o in outputs for k in o.get("data", ())} for name, outputs in out.items()}
    assert "text/html" in shown["data"]
    assert "text/html" in shown["train"]
    assert "image/png" in shown["curve"]
    assert "image/png" in shown["angles"]
    assert sum(len(source.splitlines()) for source in NOTEBOOK.values()) <= MOST_LINES
