"""The same bits with any number of threads; where that number comes from."""

from __future__ import annotations

import fastfa as fa
import numpy as np
import pytest
from thread_cases import MOMENTUM, SHAPES, data, network

pytestmark = pytest.mark.usefixtures("restore_threads")


def everything(widths, dtype, batch, rule, sgd=MOMENTUM, density=1.0) -> dict[str, np.ndarray]:
    """All that a network can show after a short training."""
    net = network(widths, dtype, rule, density=density)
    count = max(3 * batch // 2, 5)
    x, y = data(widths, count, dtype)
    losses = [net.train_epoch(x, y, sgd, batch_size=batch) for _ in range(2)]
    losses.append(net.step(x[:batch], y[:batch], sgd))
    result = dict(net.state_dict())
    result["losses"] = np.array([*losses, *net.evaluate(x, y)])
    result["forward"] = net.forward(x)
    result.update({f"deltas {i}": d for i, d in enumerate(net.deltas(x, y))})
    result.update({f"feedback {i}": b for i, b in enumerate(net.feedback_matrices)})
    for row in fa.metrics.alignment(net, x, y, pseudobackprop=False):
        result[f"alignment {row.layer}"] = np.hstack(list(row.as_dict().values()))
    return result


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [1, 7, 100])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rule", ["bp", "fa", "dfa"])
def test_any_number_of_threads_gives_the_same_bits(rule, shape, batch, dtype):
    fa.set_num_threads(1)
    alone = everything(SHAPES[shape], dtype, batch, rule)
    for count in (2, 3):
        fa.set_num_threads(count)
        assert fa.get_num_threads() == count
        together = everything(SHAPES[shape], dtype, batch, rule)
        for name, value in alone.items():
            assert value.tobytes() == together[name].tobytes(), (name, count)


DIRECT = {"route": "direct"}
MORE_RULES = {
    "orthogonal": fa.Feedback("orthogonal"),
    "sparse": fa.Feedback("sparse", density=0.1),
    "low_rank": fa.Feedback("low_rank", rank=3),
    "binary": fa.Feedback("binary"),
    "ternary": fa.Feedback("ternary"),
    "hadamard": fa.Feedback("hadamard"),
    "procedural": fa.Feedback("procedural"),
    "direct binary": fa.Feedback("binary", **DIRECT),
    "direct hadamard": fa.Feedback("hadamard", **DIRECT),
    "target procedural": fa.Feedback("procedural", route="target"),
    "drtp": "drtp",
    "usf": "usf",
    "frsf": "frsf",
    "brsf": "brsf",
    "kp": "kp",
    "direct kp": fa.Feedback("uniform", plasticity="kolen_pollack", **DIRECT),
    "wm": "wm",
    "perturbed": fa.NodePerturbation(0.1),
}


@pytest.mark.parametrize("rule", MORE_RULES)
def test_every_kind_of_feedback_gives_the_same_bits(rule):
    """Batches of one and of many, both optimizers, dense and sparse weights, in turn."""
    settings = [
        ("mnist", "float32", 1, MOMENTUM, 1.0),
        ("deep", "float64", 7, fa.Adam(1e-3), 0.5),
        ("deep", "float64", 7, fa.AdamW(1e-3), 0.5),
        ("deep", "float32", 7, fa.RMSprop(1e-3), 0.5),
        ("deep", "float32", 7, fa.SGD(0.01, momentum=0.9, nesterov=True), 0.5),
        ("deep", "float32", 100, MOMENTUM, 1.0),
    ]
    for shape, dtype, batch, optimizer, density in settings:
        seen = []
        for count in (1, 2, 3):
            fa.set_num_threads(count)
            arguments = SHAPES[shape], dtype, batch, MORE_RULES[rule], optimizer, density
            seen.append(everything(*arguments))
        for together in seen[1:]:
            for name, value in seen[0].items():
                assert value.tobytes() == together[name].tobytes(), (name, shape)


@pytest.mark.parametrize("batch", [1, 7, 100])
@pytest.mark.parametrize("rule", [rule for rule in MORE_RULES if rule != "wm"])
def test_every_kind_of_feedback_through_local_layers_gives_the_same_bits(rule, batch):
    optimizer, dtype = (fa.Adam(1e-3), "float64") if batch == 7 else (MOMENTUM, "float32")
    seen = []
    for count in (1, 2, 3):
        fa.set_num_threads(count)
        seen.append(everything(SHAPES["local"], dtype, batch, MORE_RULES[rule], optimizer))
    for together in seen[1:]:
        for name, value in seen[0].items():
            assert value.tobytes() == together[name].tobytes(), name


def test_the_pseudoinverse_gives_the_same_bits():
    """By itself, for it takes long; and the angle to it."""
    x, y = data((50, 70, 60, 5), 30, "float32")
    seen = []
    for count in (1, 2, 3):
        fa.set_num_threads(count)
        net = network((50, 70, 60, 5), "float32", fa.Feedback("pseudoinverse", refresh=2))
        net.train_epoch(x, y, fa.SGD(0.1), batch_size=6)
        rows = fa.metrics.alignment(net, x, y, pseudobackprop=True)
        angles = np.array([row.angle_pbp for row in rows])
        seen.append([*net.weights, *net.deltas(x, y), *net.feedback_matrices, angles])
    for together in seen[1:]:
        for left, right in zip(seen[0], together, strict=True):
            assert left.tobytes() == right.tobytes()


def test_the_number_of_threads_may_change_while_a_network_lives():
    x, y = data(SHAPES["mnist"], 30, "float32")
    nets = [network(SHAPES["mnist"], "float32") for _ in range(2)]
    for count in (1, 3, 2, 1, 2):
        fa.set_num_threads(count)
        nets[0].train_epoch(x, y, fa.SGD(0.1), batch_size=4)
    fa.set_num_threads(1)
    for _ in range(5):
        nets[1].train_epoch(x, y, fa.SGD(0.1), batch_size=4)
    np.testing.assert_array_equal(nets[0].weights[0], nets[1].weights[0])


@pytest.mark.parametrize("count", ["1", "2", "3"])
def test_the_environment_sets_the_number_of_threads(count, run_python):
    source = "import fastfa as fa; print(fa.get_num_threads(), fa.build_info()['threads'])"
    assert run_python(source, env={"FASTFA_NUM_THREADS": count}).split() == [count, count]


@pytest.mark.parametrize("wrong", ["0", "-1", "two", "1.5"])
def test_a_wrong_number_of_threads_in_the_environment_is_explained(wrong, run_python):
    source = f"""
import sys
try:
    import fastfa as fa
    fa.get_num_threads()
except Exception as error:
    assert "FASTFA_NUM_THREADS" in str(error), error
    assert {wrong!r} in str(error), error
    sys.exit(0)
sys.exit("it was taken")
"""
    run_python(source, env={"FASTFA_NUM_THREADS": wrong})


def test_a_process_ends_while_its_thread_team_sleeps(run_python):
    source = """
import numpy as np, fastfa as fa
fa.set_num_threads(3)
net = fa.Network(784, [fa.Dense(1000, "tanh"), fa.Dense(10, "linear")], "fa")
net.train_epoch(np.ones((20, 784)), np.ones((20, 10)), fa.SGD(1e-4), batch_size=5)
print("done")
"""
    assert run_python(source, timeout=300).split() == ["done"]


@pytest.mark.parametrize("threads", [1, 2])
def test_training_leaves_the_callers_subnormal_numbers_alone(threads):
    """The core flushes subnormal numbers while it computes, and only then."""
    fa.set_num_threads(threads)
    net = fa.Network(784, [fa.Dense(1000, "tanh"), fa.Dense(10, "linear")], "fa")
    net.train_epoch(np.ones((20, 784)), np.ones((20, 10)), fa.SGD(1e-4), batch_size=5)
    tiny = np.full(64, 1e-40, np.float32)
    assert (tiny * np.float32(0.5) > 0).all()
    with pytest.raises(ValueError, match="X"):
        net.forward(np.ones((2, 3)))
    net.weights[0][...] = np.nan
    with pytest.raises(fa.DivergenceError):
        net.forward(np.ones((2, 784)))
    assert (tiny * np.float32(0.5) > 0).all()
