"""ONNX: exported networks against ONNX Runtime."""

# ruff: noqa: E402 (what may be missing is asked for first)
from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
from interop_cases import AGREE, HIDDEN, OUTPUT, difference, inputs, loss_for, networks

onnx = pytest.importorskip("onnx", reason="needs the onnx package")
ort = pytest.importorskip("onnxruntime", reason="needs ONNX Runtime")

import fastfa.interop.onnx as interop
from onnx.reference import ReferenceEvaluator


def has_erf(path) -> bool:
    return any(node.op_type == "Erf" for node in onnx.load(path).graph.node)


def agreement(path, dtype: str) -> float:
    """The peers' Erf is of float32, whatever it is given."""
    return AGREE["float32" if has_erf(path) else dtype]


def run(path, x: np.ndarray) -> np.ndarray:
    if has_erf(path) and x.dtype == np.float64:  # ONNX Runtime has no such Erf
        (out,) = ReferenceEvaluator(str(path)).run(["Y"], {"X": x})
        return out
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (out,) = session.run(["Y"], {"X": x})
    return out


@pytest.mark.parametrize(("make", "seed", "dtype"), networks(24))
def test_onnx_runtime_computes_what_the_network_does(make, seed, dtype, tmp_path):
    net = make(seed, dtype)
    interop.export(net, tmp_path / "net.onnx")
    for n in (1, 5, 33):
        x = inputs(net, n)
        out = run(tmp_path / "net.onnx", x)
        assert out.dtype == dtype
        assert difference(out, net.forward(x)) < agreement(tmp_path / "net.onnx", dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", OUTPUT)
def test_every_activation(activation, dtype, tmp_path):
    hidden = activation if activation in HIDDEN else "tanh"
    net = fa.Network(
        (5, 6),
        [
            fa.LocallyConnected2D(3, 3, padding="same", activation=hidden),
            fa.Dense(8, hidden),
            fa.Dropout(0.5),
            fa.Dense(4, activation),
        ],
        loss=loss_for(activation),
        dtype=dtype,
    )
    interop.export(net, tmp_path / "net.onnx")
    x = 5 * inputs(net, 20)
    assert difference(run(tmp_path / "net.onnx", x), net.forward(x)) < agreement(
        tmp_path / "net.onnx", dtype
    )


def test_the_model_says_what_it_is(tmp_path):
    net = fa.Network((2, 5, 6), [fa.LocallyConnected2D(3, 3), fa.Dense(4)], "dfa", seed=7)
    interop.export(net, tmp_path / "net.onnx")
    model = onnx.load(tmp_path / "net.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert (model.producer_name, model.producer_version) == ("fastfa", fa.__version__)
    assert {p.key: p.value for p in model.metadata_props} == {
        "loss": "squared_error",
        "seed": "7",
        "steps": "0",
        "layers": "; ".join(map(repr, net.layers)),
        "feedback": repr(net.feedback),
    }
    (x,), (y,) = model.graph.input, model.graph.output
    sizes = [[d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in (x, y)]
    assert sizes == [["N", 2, 5, 6], ["N", 4]]
    assert sum(c.name == "slope" for c in model.graph.initializer) == 0
    assert len(model.SerializeToString()) < 2 * sum(w.nbytes for w in net.weights) + 4000


def test_a_file_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    net = fa.Network(3, [fa.Dense(2)])
    monkeypatch.setattr(interop, "MAX_BYTES", 23)
    with pytest.raises(ValueError, match="24 bytes of weights"):
        interop.export(net, tmp_path / "net.onnx")
    with pytest.raises(TypeError, match=r"\[export\] net"):
        interop.export("net", tmp_path / "net.onnx")
    with pytest.raises(TypeError, match=r"\[to_model\] net"):
        interop.to_model("net")
    assert not list(tmp_path.iterdir())
