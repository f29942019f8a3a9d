"""The reference's locally connected layer against its equation; the core against PyTorch."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
import reference_local
from local_cases import Patches, draw_stack, local_case
from parity import disagreements


def by_loops(layer: reference_local.Local, w: np.ndarray, h: np.ndarray) -> np.ndarray:
    """The equation, element by element, for one image (C, H, W); padding as zeros around it."""
    (out_h, out_w), (s_h, s_w) = layer.geometry[0], layer.stride
    pads = [(0, 0)]
    for size, k, s in zip(h.shape[1:], layer.kernel, layer.stride, strict=True):
        total = max((-(-size // s) - 1) * s + k - size, 0) if layer.padding == "same" else 0
        pads.append((total // 2, total - total // 2))
    h = np.pad(h, pads)
    a = np.zeros((layer.maps, out_h, out_w))
    for m, y, x in np.ndindex(a.shape):
        patch = h[:, s_h * y : s_h * y + layer.kernel[0], s_w * x : s_w * x + layer.kernel[1]]
        a[m, y, x] = np.sum(w[m, y, x, :, : patch.shape[1], : patch.shape[2]] * patch)
    return a


def test_the_references_matrix_is_the_layers_equation(rng):
    for seed in range(60):
        shape, (patches,), _ = draw_stack(seed, 300, 1)
        layer = reference_local.of(patches.layer("linear"), shape)
        w, h = rng.standard_normal(layer.shape), rng.standard_normal(layer.image)
        a = by_loops(layer, w, h)
        np.testing.assert_allclose(layer.dense(w) @ h.ravel(), a.ravel(), rtol=1e-12, atol=1e-13)
        delta = rng.standard_normal(layer.units)
        left = np.sum(layer.kept(np.outer(delta, h.ravel())) * w)  # d(δ·a)/dW · W = δ·a
        assert left == pytest.approx(delta @ a.ravel(), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_forward_agrees_with_torchs_unfold(padding, rng):
    torch = pytest.importorskip("torch")
    for image, kernel, stride in (((3, 9, 8), (4, 3), (2, 1)), ((2, 7, 7), (2, 5), (3, 2))):
        layer = fa.LocallyConnected2D(5, kernel, stride=stride, padding=padding)
        net = fa.Network(image, [layer], dtype="float64")
        x = rng.standard_normal((4, *image))
        pads = [(0, 0), (0, 0)]
        for size, k, s in zip(image[1:], kernel, stride, strict=True):
            total = max((-(-size // s) - 1) * s + k - size, 0) if padding == "same" else 0
            pads.append((total // 2, total - total // 2))
        padded = torch.from_numpy(np.pad(x, pads))
        columns = torch.nn.functional.unfold(padded, kernel, stride=stride).numpy()
        w = np.array(net.weights[0])  # (maps, out_h, out_w, C, k_h, k_w)
        w = w.reshape(5, columns.shape[2], columns.shape[1])
        expected = np.einsum("mpk,nkp->nmp", w, columns).reshape(4, -1)
        np.testing.assert_allclose(net.forward(x), expected, rtol=1e-12, atol=1e-12)


# ---- and the comparison sees mistakes ----------------------------------------------------------


def dense_of(change):
    """A matrix of other weights."""
    right = reference_local.Local.dense
    return {"dense": lambda layer, w: right(layer, change(w))}


def kept_of(change):
    """A gradient of other places."""
    right = reference_local.Local.kept
    return {"kept": lambda layer, matrix: change(right(layer, matrix))}


def padding_at_the_beginning() -> dict:
    right = reference_local.Local.geometry.fget

    def geometry(layer):
        out, before = right(layer)
        return out, tuple(n + 1 for n in before)

    return {"geometry": property(geometry)}


MISTAKES = {
    "kernels transposed": dense_of(lambda w: w.swapaxes(4, 5)),
    "kernels mirrored": dense_of(lambda w: w[..., ::-1, ::-1]),
    "positions transposed": dense_of(lambda w: w.swapaxes(1, 2)),
    "channels reversed": dense_of(lambda w: w[:, :, :, ::-1]),
    "shared weights": dense_of(lambda w: np.broadcast_to(w[:, :1, :1], w.shape)),
    "gradients transposed": kept_of(lambda g: g.swapaxes(4, 5)),
    "gradients shared": kept_of(lambda g: np.broadcast_to(g.mean((1, 2), keepdims=True), g.shape)),
    "the odd zero at the beginning": padding_at_the_beginning(),
}


@pytest.mark.parametrize("mistake", [None, *MISTAKES])
def test_the_comparison_sees_a_wrong_equation(mistake, monkeypatch, rng):
    case = local_case((2, 6, 6), [Patches(3, 2, 1, "same"), Patches(2, 2, 2)], 4, batch=5)
    for name, wrong in MISTAKES.get(mistake, {}).items():
        monkeypatch.setattr(reference_local.Local, name, wrong)
    found = disagreements(case, "float64")
    assert bool(found) == (mistake is not None)
    if mistake is not None:
        assert found["weights[0]"] > 1e-6
