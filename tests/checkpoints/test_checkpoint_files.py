"""What a checkpoint holds, and what it can be loaded into."""

from __future__ import annotations

import json

import checkpoint_cases as cases
import fastfa as fa
import numpy as np
import pytest
from checkpoint_cases import small
from fastfa import _core
from safetensors import safe_open
from safetensors.numpy import load_file


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


# ---- what is in a file -------------------------------------------------------------------------


def test_other_tools_can_read_it(path):
    net = small()
    fa.save(path, net)
    arrays = load_file(path)
    np.testing.assert_array_equal(arrays["weights.0"], net.weights[0])
    assert set(arrays) == {
        *(f"{kind}.{i}" for kind in ("weights", "biases") for i in (0, 1)),
        *(f"velocity.{kind}.{i}" for kind in ("weights", "biases") for i in (0, 1)),
        "feedback.0",
        "velocity.feedback.0",
    }
    with safe_open(path, framework="numpy") as file:
        text = json.loads(file.metadata()["fastfa"])
    assert text["schema"] == 1
    assert text["network"]["is"]["layers"][0]["units"] == 3
    assert text["network"]["progress"]["steps"] == 1


def test_equal_states_are_equal_files(tmp_path):
    for name in "ab":
        fa.save(tmp_path / name, small())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    "matrix",
    ["transpose", "procedural", "hadamard", "binary", "ternary", "sign", "zero", "low_rank"],
)
def test_what_the_seed_gives_is_not_in_the_file(path, matrix):
    rank = {"rank": 1} if matrix == "low_rank" else {}
    fa.save(path, small(fa.Feedback(matrix, **rank)))
    assert not [name for name in load_file(path) if "feedback" in name]


@pytest.mark.parametrize("through", ["dense", "local"])
@pytest.mark.parametrize("matrix", [m for m in _core.MATRICES if m != "custom"])
def test_every_kind_of_matrix_comes_back(path, matrix, through):
    layer = fa.LocallyConnected2D(2, 2) if through == "local" else fa.Dense(4)
    if (matrix, through) == ("pseudoinverse", "local"):
        pytest.skip("the core has no pseudoinverse of local layers")
    array = {"array": np.arange(72.0 if through == "local" else 36.0).reshape(9, -1)}
    options = {"low_rank": {"rank": 1}, "array": array}.get(matrix, {})
    net = fa.Network(
        (3, 3),
        [fa.LocallyConnected2D(1, 1), layer, fa.Dense(2)],
        [fa.Feedback(matrix, **options), "fa"],
        seed=7,
    )
    fa.save(path, net)
    again = fa.load(path)
    for mine, theirs in zip(again.feedback_matrices, net.feedback_matrices, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert cases.digest(again) == cases.digest(net)


def test_extremes_of_seeds_and_shapes(path):
    net = fa.Network((2, 1, 3), [fa.Dense(1, bias=False)], seed=2**64 - 1, dtype="float64")
    fa.save(path, net)
    again = fa.load(path)
    assert (again.seed, again.input_shape, again.dtype) == (2**64 - 1, (2, 1, 3), np.float64)
    np.testing.assert_array_equal(again.weights[0], net.weights[0])


def test_second_moments_that_have_overflowed_are_kept(path):
    net = small("fa")
    net.step(np.eye(2), np.eye(2), fa.Adam(0.1))
    net._net.memory("weights", 0, 1)[0, 0] = np.inf
    fa.save(path, net)
    assert fa.load(path)._net.memory("weights", 0, 1)[0, 0] == np.inf


# ---- into something that is there --------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (small(seed=2), r"seed was 1 there and is 2 here"),
        (small("dfa"), r"feedback\[0\]\.plasticity was 'kolen_pollack' there and is 'fixed' here"),
        (
            fa.Network(2, [fa.Dense(4, "tanh"), fa.Dense(2)], "kp", seed=1),
            r"layers\[0\]\.units was 3",
        ),
        (fa.Network(2, [fa.Dense(2)], seed=1), r"feedback was"),
    ],
)
def test_a_changed_network_refuses_and_stays_as_it_was(path, other, words):
    fa.save(path, small())
    before = cases.digest(other)
    with pytest.raises(fa.CheckpointError, match=f"is of another network: {words}"):
        fa.load(path, into=other)
    assert cases.digest(other) == before


def test_a_changed_array_or_trainer_or_kind_refuses(path):
    array = np.arange(6.0).reshape(3, 2)
    fa.save(path, small(fa.Feedback("array", array=array)))
    other = small(fa.Feedback("array", array=array + 1))
    before = cases.digest(other)
    with pytest.raises(fa.CheckpointError, match=r"feedback\[0\]\.array differs"):
        fa.load(path, into=other)
    assert cases.digest(other) == before
    fa.save(path, fa.Trainer(small(), fa.SGD(0.1), epochs=3, batch_size=4))
    with pytest.raises(fa.CheckpointError, match="batch_size was 4 there and is 5 here"):
        fa.load(path, into=fa.Trainer(small(), fa.SGD(0.1), epochs=3, batch_size=5))
    with pytest.raises(fa.CheckpointError, match="a trainer, which doesn't fit into Ensemble"):
        fa.load(path, into=fa.Ensemble([small()]))
    with pytest.raises(TypeError, match=r"\[resume\] into was"):
        fa.Trainer.resume(path, (np.eye(2), np.eye(2)), into=small())
    fa.save(path, small())
    with pytest.raises(fa.CheckpointError, match="holds a network; it must be a trainer"):
        fa.Trainer.resume(path, (np.eye(2), np.eye(2)))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((-1, "none", 0, [-1]), "steps was -1"),
        ((2, "adam", 3, [-1]), "adam_steps 3; it must be"),
        ((2, "velocity", 1, [-1]), "adam_steps was 1; without memory of adam"),
        ((2, "moments", 0, [-1]), "memory was 'moments'"),
        ((2, "none", 0, []), "inverted has 0 entries; it must have 1"),
        ((2, "none", 0, [0]), r"inverted\[0\] was 0; it must be -1"),
    ],
)
def test_the_core_refuses_impossible_progress_and_stays_as_it_was(given, words):
    net = small()
    before = cases.digest(net)
    with pytest.raises(ValueError, match=words):
        net._net.set_progress(*given)
    assert cases.digest(net) == before


def test_a_network_takes_its_state_from_a_trainers_file(path):
    run = cases.trainer("momentum", [fa.Checkpoint(path)], epochs=1)
    run.fit(cases.examples())
    net = cases.trainer("momentum").net
    assert fa.load(path, into=net) is net
    assert cases.digest(net) == cases.digest(run.net)
