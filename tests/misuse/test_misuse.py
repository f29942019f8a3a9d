"""The registry of misuse: each wrong call is told the argument, its value, and what it must be.

The rows are in tests/support/misuse_rows. A public name without a row fails below: whoever adds one says
there what its misuse is told.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import fastfa as fa
import numpy as np
import pytest
from fastfa import data, metrics
from misuse_rows import ROWS

X = np.arange(15.0).reshape(5, 3) / 15
Y = np.eye(2)[[0, 1, 0, 1, 1]]
labels = np.array([0, 1, 0, 1, 1])
X_t, Y_t = np.zeros((2, 5, 4)), np.zeros((2, 5, 2))
sgd = fa.SGD(0.1)
WITHOUT = {
    "Comparison": "compare makes it",
    "CheckpointError": "an error",
    "DeviceArray": "made by networks on devices alone",
    "DeviceError": "an error",
    "DivergenceError": "an error",
    "Evaluation": "made by evaluate",
    "Schedule": "abstract; what subclasses give is checked by Trainer.fit (a row of it)",
    "StepState": "made by forward_step",
    "TensorBoardLogger": "needs TensorBoard: tests/training/test_loggers.py",
    "build_info": "takes nothing",
    "get_cmake_dir": "takes nothing",
    "get_include": "takes nothing",
    "get_library_dir": "takes nothing",
    "get_num_threads": "takes nothing",
    "data.DataFile": "of the registry",
    "data.DatasetInfo": "of the registry",
    "data.DatasetNotFound": "an error",
    "data.FetchError": "an error",
    "data.IdxError": "an error",
    "data.Normalised": "made by normalise",
    "data.NormalisedDataset": "made by normalise_dataset",
    "metrics.LayerAlignment": "made by alignment",
    "metrics.check_measures": "called by alignment and Alignment",
}


class Custom:
    """Feedback that is code."""

    def propagate(self, delta):
        return delta


class Names(dict):
    """What the calls speak of, made when they do."""

    def __init__(self, tmp: Path) -> None:
        super().__init__(fa=fa, np=np, X=X, Y=Y, labels=labels, sgd=sgd, tmp=tmp, X_t=X_t, Y_t=Y_t)
        self["net"] = self.fresh()
        self["net_t"] = fa.Network(4, [fa.Recurrent(3), fa.Dense(2)])

    def __missing__(self, name):
        if name == "sk":
            return pytest.importorskip("fastfa.sklearn", exc_type=ImportError)
        try:
            return getattr(self, name)
        except AttributeError:
            raise KeyError(name) from None

    @staticmethod
    def fresh():
        return fa.Network(3, [fa.Dense(4, "tanh"), fa.Dense(2)])

    def stepped(self):
        net = self.fresh()
        net.forward_step(X)
        return net

    def trainer(self, **more):
        return fa.Trainer(self.fresh(), sgd, **({"epochs": 1, "progress": False} | more))

    def saved(self, what):
        fa.save(self["tmp"] / "saved.safetensors", what)
        return self["tmp"] / "saved.safetensors"

    def file(self, text, name="file.txt"):
        (self["tmp"] / name).write_text(text, encoding="utf-8")
        return self["tmp"] / name

    @staticmethod
    def custom():
        rule = fa.Feedback(Custom())
        return fa.Network(3, [fa.Dense(3), fa.Dense(2)], feedback=rule)

    @staticmethod
    def bad_every():
        callback = fa.Callback()
        callback.every = 0
        return callback


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("call", "text"), ROWS, ids=[call for call, _ in ROWS])
def test_it_is_told(call, text, tmp_path):
    with pytest.raises(Exception) as raised:  # noqa: PT011
        eval(call, {}, Names(tmp_path))
    message = raised.value.args[0] if isinstance(raised.value, KeyError) else str(raised.value)
    said = f"{type(raised.value).__name__}: {message}".replace(str(tmp_path), "{tmp}")
    if text.endswith(" …"):
        assert said.startswith(text[:-2])
    else:
        assert said.split(" object at 0x")[0] == text


def test_every_public_name_has_a_row():
    calls = "\n".join(call for call, _ in ROWS)
    public = {name: getattr(fa, name) for name in fa.__all__}
    public |= {f"data.{name}": getattr(data, name) for name in data.__all__}
    public |= {
        f"metrics.{name}": value
        for name, value in vars(metrics).items()
        if getattr(value, "__module__", "") == metrics.__name__ and not name.startswith("_")
    }
    names = {
        name for name, value in public.items() if callable(value) and not inspect.ismodule(value)
    }
    missing = {name for name in names if not re.search(rf"\bfa\.{re.escape(name)}\b", calls)}
    assert missing == WITHOUT.keys(), "without a row, or said to be and not so"
    methods = {
        name for name, value in vars(fa.Network).items() if callable(value) and name[0] != "_"
    }
    assert not {name for name in methods if not re.search(rf"\.{name}\(", calls)}
