"""Wrong use of locally connected layers: errors name the argument, what it was, what it must be."""

from __future__ import annotations

import re

import fastfa as fa
import numpy as np
import pytest

LC = fa.LocallyConnected2D
PAIRS = (0, -1, 1.5, "3", True, None, (0, 2), (2, -1), (2, 1.5), (2,), (1, 2, 3), (), ("a", 2))
WRONG = {
    "maps": (0, -3, 2.5, "6", True, None, (2, 2)),
    "kernel_size": PAIRS,
    "stride": PAIRS,
    "padding": ("full", "VALID", "", 0, None, (1, 1)),
    "activation": ("sinus", 3, None),
    "bias": ("no", 3, None),
    "trainable": ("no", 3, None),
    "weight_scale": (-0.1, np.nan, np.inf, "big"),
}
CASES = [(name, value) for name, values in WRONG.items() for value in values]


def explained(make, *words: str) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        make()
    missing = [word for word in words if not re.search(word, str(caught.value))]
    assert not missing, f"nothing in {str(caught.value)!r} matches {missing}"


@pytest.mark.parametrize(("name", "value"), CASES)
def test_a_wrong_value_is_explained(name, value):
    arguments = {"maps": 3, "kernel_size": 2} | {name: value}
    was = {(0, 2): "0", (2, -1): "-1", (2, 1.5): r"1\.5", ("a", 2): "a"}
    words = was.get(value) if isinstance(value, tuple) else None
    explained(lambda: LC(**arguments), "LocallyConnected2D", name, words or re.escape(str(value)))


def test_values_at_the_edges_are_accepted():
    """A refusal above is for the stated reason."""
    layer = LC(1, [6, 1], stride=np.int64(2), padding="same", weight_scale=0)
    assert (layer.kernel_size, layer.stride) == ((6, 1), (2, 2))
    assert fa.Network((1, 1), [layer]).shapes == ((1, 1), (1, 1, 1))
    assert fa.Network((3, 6, 5), [LC(2, (6, 5))]).shapes[1] == (2, 1, 1)
    assert (LC(2, 3).padding, LC(2, 3).stride, LC(2, 3).activation) == ("valid", (1, 1), "linear")
    assert fa.Network((4, 4), [LC(2, 2, activation="softmax")], loss="cross_entropy").output_size


def test_a_description_is_frozen():
    with pytest.raises(AttributeError):
        LC(2, 3).maps = 4


def rule(*rules, layers=None):
    """A network of two locally connected layers and a dense one with these rules."""
    return fa.Network((5, 5), layers or [LC(2, 2), LC(3, 2), fa.Dense(2)], list(rules))


NETWORKS = {
    "below it a number of inputs": (
        lambda: fa.Network(25, [LC(2, 2)]),
        [r"layers\[0\]", "25", "H"],
    ),
    "below it a dense layer": (
        lambda: fa.Network((5, 5), [LC(2, 2), fa.Dense(9), LC(2, 2)]),
        [r"layers\[2\]", "9", "H, W|LocallyConnected2D"],
    ),
    "a kernel higher than the image": (
        lambda: fa.Network((5, 9), [LC(2, (6, 2))]),
        [r"layers\[0\]", "kernel_size", r"\(6, 2\)", r"\(5, 9\)"],
    ),
    "a kernel wider than the image": (
        lambda: fa.Network((3, 9, 5), [LC(2, (2, 6))]),
        [r"layers\[0\]", "kernel_size", r"\(2, 6\)", r"\(9, 5\)"],
    ),
    "a kernel larger than the layer below": (
        lambda: fa.Network((5, 5), [LC(2, 3, stride=2), LC(2, 3)]),
        [r"layers\[1\]", "kernel_size", r"\(3, 3\)", r"\(2, 2\)"],
    ),
    "softmax inside": (
        lambda: fa.Network((5, 5), [LC(2, 3, activation="softmax"), fa.Dense(2)]),
        ["softmax", "layers?", "output|last"],
    ),
    "an image of four dimensions": (
        lambda: fa.Network((1, 2, 5, 5), [LC(2, 3)]),
        ["input", r"\(1, 2, 5, 5\)", "must"],
    ),
    "weights that do not fit float32": (
        lambda: fa.Network((5, 5), [LC(2, 3, weight_scale=1e300)]),
        ["weight_scale", r"1e\+?300", "float32"],
    ),
    "the pseudoinverse through it": (
        lambda: rule("pbp", "fa"),
        [r"feedback\[0\]", "pseudoinverse", "locally connected|LocallyConnected2D"],
    ),
    "the weight mirror through it": (
        lambda: rule("wm", "fa"),
        [r"feedback\[0\]", "weight_mirror", "locally connected|LocallyConnected2D"],
    ),
    "a mirror of dense feedback through it": (
        lambda: rule(fa.Feedback("normal", plasticity=fa.WeightMirror()), "fa"),
        [r"feedback\[0\]", "weight_mirror", "locally connected|LocallyConnected2D"],
    ),
    "the pseudoinverse below a local output": (
        lambda: rule("pbp", layers=[fa.LocallyConnected2D(2, 2), LC(2, 2)]),
        [r"feedback\[0\]", "pseudoinverse", "locally connected|LocallyConnected2D"],
    ),
    "an array shaped as the weights above": (
        lambda: rule(fa.Feedback("array", array=np.ones((27, 32))), "fa"),
        [r"feedback\[0\]", "array", r"\(27, 32\)", r"\(32, 27\)"],
    ),
    "a rank that the units don't allow": (
        lambda: rule(fa.Feedback("low_rank", rank=28), "fa"),
        [r"feedback\[0\]", "rank", "28", "27"],
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_that_cannot_be_is_explained(name):
    make, words = NETWORKS[name]
    explained(make, *words)


@pytest.mark.parametrize("wrong", ["pbp", "wm"])
def test_refused_feedback_leaves_the_network_as_it_was(wrong):
    net = rule("kp", "fa")
    x, y = np.ones((4, 5, 5)), np.ones((4, 2))
    net.step(x, y, fa.SGD(0.01, momentum=0.9))
    before, feedback = net.state_dict(), net.feedback
    for call in (net.set_feedback, lambda r: net.deltas(x, y, feedback=r)):
        explained(lambda call=call: call([wrong, "fa"]), r"feedback\[0\]", "local|Local")
    assert net.feedback == feedback
    after = net.state_dict()
    assert all(after[name].tobytes() == before[name].tobytes() for name in before)
    net.step(x, y, fa.SGD(0.01, momentum=0.9))
    rule("fa", wrong)  # where a dense layer is above, it is there


X = {
    "an image too small": np.ones((4, 4, 5)),
    "the image's transpose": np.ones((4, 3, 5, 4)),
    "a channel too many": np.ones((4, 4, 4, 5)),
    "one image without N": np.ones((3, 4, 5)),
    "flat, one too few": np.ones((4, 59)),
    "no images": np.ones((0, 3, 4, 5)),
}


@pytest.mark.parametrize("call", ["forward", "step"])
@pytest.mark.parametrize("name", X)
def test_wrong_images_are_explained(name, call):
    net = fa.Network((3, 4, 5), [LC(2, 2), fa.Dense(2)])
    x, before = X[name], net.state_dict()
    arguments = () if call == "forward" else (np.ones((len(x), 2)), fa.SGD(0.1))
    explained(
        lambda: getattr(net, call)(x, *arguments), "X", re.escape(str(x.shape)), "60", "3, 4, 5"
    )
    assert all(np.array_equal(before[k], v) for k, v in net.state_dict().items())
    assert net.steps == 0


def test_a_wrong_state_changes_nothing():
    net = rule("kp", "fa")
    good = net.state_dict()
    wrongs = {
        "weights.0": good["weights.0"].reshape(32, 4),
        "weights.1": good["weights.1"][..., :1],
        "feedback.0": np.ones((32, 27)),
        "biases.0": good["biases.0"].reshape(2, 4, 4),
    }
    for name, array in wrongs.items():
        explained(
            lambda name=name, array=array: net.load_state_dict(
                {k: v + 1 for k, v in good.items()} | {name: array}
            ),
            name,
            re.escape(str(array.shape)),
            re.escape(str(good[name].shape)),
        )
    bad = good["weights.0"].copy()
    bad[1, 2, 3, 0, 1, 1] = np.nan
    explained(lambda: net.load_state_dict(good | {"weights.0": bad}), r"weights\.0")
    assert all(np.array_equal(good[k], v) for k, v in net.state_dict().items())


def test_divergence_is_found_before_the_update():
    net = rule("fa", "fa")
    net.weights[0][0, 0, 0, 0, 0, 0] = np.inf
    before = net.state_dict()
    with pytest.raises(fa.DivergenceError):
        net.step(np.ones((4, 5, 5)), np.ones((4, 2)), fa.SGD(0.1))
    after = net.state_dict()
    assert all(after[name].tobytes() == before[name].tobytes() for name in before)
    assert net.steps == 0


def test_a_layer_too_large_for_memory_is_refused():
    """Sizes are multiplied without overflow, and nothing is allocated in vain."""
    for layer, image in (
        (LC(2**31 - 1, 5), (200, 200)),
        (LC(2**20, 100, padding="same"), (200, 200)),
    ):
        with pytest.raises((ValueError, MemoryError), match=r"(?i)\[|memory"):
            fa.Network(image, [layer, fa.Dense(2)])
