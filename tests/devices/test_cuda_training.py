"""Whole networks on the emulated device: every rule, trainings, divergence, what is refused."""

from __future__ import annotations

import itertools
import subprocess
import sys
from dataclasses import replace

import fastfa as fa
import numpy as np
import pytest
from devices import ORDERS, emulated
from local_cases import THROUGH, Patches, local_case
from parity import check, relative_error
from parity_cases import ALL_RULES, HIDDEN, OUTPUTS, plain_case

pytestmark = emulated
DEVICE = ORDERS[0]
# The reference's own W⁺ differs too much for a W as ill-conditioned as these are.
WELL_POSED = [rule for rule in ALL_RULES if rule not in ("pbp", "pseudoinverse 3")]
BATCHES = itertools.cycle([1, 2, 9, 33])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rule", WELL_POSED)
def test_every_rule(rule, dtype):
    for order, batch in zip(ORDERS, BATCHES, strict=False):
        case = plain_case((6, 35, 17, 5), rules=(rule,), batch=batch, short=batch // 2)
        check(replace(case, device=order), dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("library", ["fastfa", "cublas"])
def test_every_activation_loss_and_optimizer(output, dtype, library):
    optimizers = [
        {},
        {"momentum": 0.9},
        {"adam": True},
        {"reduction": "sum"},
        {"weight_decay": 0.1},
    ]
    for hidden, optimizer, batch in zip(HIDDEN, 2 * optimizers, BATCHES, strict=False):
        case = plain_case((7, 11, 9, 4), hidden=(hidden,), output=output, batch=batch, **optimizer)
        check(replace(case, device=DEVICE, drive="both", matmul_library=library), dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("library", ["fastfa", "cublas"])
@pytest.mark.parametrize("other", ["nesterov", "adamw", "rmsprop"])
def test_the_other_optimizers(other, library, dtype):
    own = {"other": other, "momentum": 0.9 * (other == "nesterov"), "weight_decay": 0.1}
    for rule, batch in zip(("fa", "kp", "direct kp", "bp"), BATCHES, strict=False):
        case = plain_case((7, 11, 9, 4), rules=(rule,), density=(0.7,), batch=batch, **own)
        check(replace(case, device=DEVICE, drive="both", matmul_library=library), dtype)
    patches = (Patches(2, 3, padding="same"), Patches(3, (2, 1), stride=2))
    case = local_case((5, 4), patches, 3, rules=("kp",), batch=3, **own)
    check(replace(case, device=DEVICE), dtype)


@pytest.mark.parametrize("rule", [rule for rule in THROUGH if " " not in rule])
def test_locally_connected_layers(rule):
    patches = (Patches(2, 3, padding="same"), Patches(3, (2, 1), stride=2))
    case = local_case((5, 4), patches, 3, rules=(rule,), batch=3, device=ORDERS[2])
    check(case, "float64")


@pytest.mark.parametrize("rule", ["pbp", "pseudoinverse 3"])
def test_the_pseudoinverse(rule):
    check(plain_case((6, 33, 5), rules=(rule,), batch=3, device=DEVICE), "float64")


@pytest.mark.parametrize("change", [{"perturbation": 0.5}, {"bias": (False,)},
                                    {"trainable": (False, True)}, {"density": (0.4,)},
                                    {"sparse": True}])  # fmt: skip
def test_what_else_a_network_may_have(change):
    check(plain_case((9, 17, 5, 4), batch=5, device=DEVICE, **change), "float64")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_training_on_digits_equals_the_cpus(dtype):
    """Three epochs of the embedded digits: the same history, weights and test error."""
    digits = fa.data.load("mnist-mini")
    histories, nets = [], []
    for device in ("cpu", DEVICE):
        net = fa.Network(
            digits.train.x.shape[1],
            [fa.Dense(30, "logistic"), fa.Dense(10, "logistic")],
            fa.Feedback("uniform", scale=0.2),
            loss="cross_entropy",
            dtype=dtype,
            device=device,
        )
        trainer = fa.Trainer(net, fa.SGD(0.5, momentum=0.5, weight_decay=1e-5), batch_size=50,
                             epochs=3, progress=False)  # fmt: skip
        histories.append(trainer.fit(digits.train, test=digits.test))
        nets.append(net)
    tolerance = 1e-10 if dtype == "float64" else 1e-3
    for w, expected in zip(nets[1].weights, nets[0].weights, strict=True):
        assert relative_error(w, np.float64(expected)) < tolerance
    for record, expected in zip(histories[1].records, histories[0].records, strict=True):
        assert abs(record["train_loss"] - expected["train_loss"]) < tolerance
        assert abs(record["test_error"] - expected["test_error"]) <= (dtype == "float32") * 0.002
    assert histories[1].records[-1]["test_error"] < 0.25


@pytest.mark.parametrize(
    ("optimizer", "dtype"), [(fa.SGD(1e6, momentum=0.9), "float64"), (fa.Adam(1e9), "float32")]
)
def test_divergence_is_found_where_the_cpu_finds_it(optimizer, dtype, rng):
    """Also in the middle of an epoch, which the device has long run ahead of."""
    x, y = rng.standard_normal((400, 8)), rng.standard_normal((400, 3))
    found = []
    for device in ("cpu", DEVICE):
        net = fa.Network(8, [fa.Dense(20, "relu"), fa.Dense(3)], device=device, dtype=dtype)
        order = np.tile(np.arange(400), 100)
        for _ in range(2):  # and a second time
            with pytest.raises(fa.DivergenceError) as error:
                net.train_epoch(x, y, optimizer, batch_size=4, order=order)
            assert error.value.step == net.steps
        found.append((error.value.layer, error.value.step, str(error.value), net))
    assert found[0][:3] == found[1][:3]
    for w, expected in zip(found[1][3].weights, found[0][3].weights, strict=True):
        np.testing.assert_allclose(w, expected, rtol=1e-6 if dtype == "float64" else 1e-3)
        assert np.isfinite(w).all()


def test_bad_data_leaves_the_network_as_it_was(rng):
    net = fa.Network(5, [fa.Dense(7, "tanh"), fa.Dense(2)], device=DEVICE)
    before = net.state_dict()
    x, y = rng.standard_normal((6, 5)), rng.standard_normal((6, 2))
    x[4, 2] = 1e30
    with pytest.raises(fa.DivergenceError, match="the input at step 0: an input"):
        net.step(x, y, fa.SGD(0.1))
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    net.step(x[:4], y[:4], fa.SGD(0.1))
    assert net.steps == 1


def test_views_show_and_change_what_the_device_has(rng):
    net = fa.Network(5, [fa.Dense(7, "tanh"), fa.Dense(2)], device=DEVICE, dtype="float64")
    twin = fa.Network(5, [fa.Dense(7, "tanh"), fa.Dense(2)], dtype="float64")
    x, y = rng.standard_normal((6, 5)), rng.standard_normal((6, 2))
    w = net.weights[0]
    for each in (net, twin):
        each.weights[0][...] = 0.25
        each.step(x, y, fa.SGD(0.1))
    assert relative_error(w, twin.weights[0]) < 1e-12
    assert (w != 0.25).any()
    state = net.state_dict()
    twin.load_state_dict(state)
    np.testing.assert_allclose(twin.forward(x), net.forward(x), rtol=1e-12)
    net.set_feedback("dfa")
    twin.set_feedback("dfa")
    for delta, expected in zip(net.deltas(x, y), twin.deltas(x, y), strict=True):
        np.testing.assert_allclose(delta, expected, rtol=1e-10, atol=1e-14)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_importing_and_training_on_the_cpu_touch_no_driver():
    source = (
        "import fastfa as fa, numpy as np\n"
        "net = fa.Network(3, [fa.Dense(2)]); net.step(np.ones((2, 3)), np.ones((2, 2)), fa.SGD(0.1))\n"
        "fa.build_info()\n"
        "loaded = open('/proc/self/maps').read()\n"
        "assert 'libcuda' not in loaded and 'fastfa_cuda' not in loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", source], check=True, timeout=120)


@pytest.mark.parametrize("device", ["cuda-emulated:7", "cuda:999"])
def test_a_device_that_is_not_there(device):
    with pytest.raises(fa.DeviceError, match=f"device '{device}' isn't to be had: .*"):
        fa.Network(3, [fa.Dense(2)], device=device)


@pytest.mark.parametrize("device", ["cuda:", "cuda:x", "cuda:1234", "gpu", "", 0, None])
def test_a_device_that_is_none(device):
    with pytest.raises(
        (ValueError, TypeError), match=r"device was .*'cpu', 'cuda' or 'cuda:<number>'"
    ):
        fa.Network(3, [fa.Dense(2)], device=device)


@pytest.mark.parametrize("devices", [(DEVICE, "cpu"), ("cpu", DEVICE), ORDERS[:2]])
def test_what_one_device_learned_another_goes_on_with(devices, rng, tmp_path):
    """Weights, feedback that learns, and the optimizer's memory."""
    layers = [fa.Dense(7, "tanh"), fa.Dense(2)]
    x, y = rng.standard_normal((6, 5)), rng.standard_normal((6, 2))
    more = [{} if device == "cpu" else {"matmul_library": "cublas"} for device in devices]
    nets = [
        fa.Network(5, layers, "kp", dtype="float64", device=device, **options)
        for device, options in zip(devices, more, strict=True)
    ]
    optimizer = fa.Adam(0.01)
    nets[0].step(x, y, optimizer)
    fa.save(tmp_path / "net.fastfa", nets[0])
    assert fa.load(tmp_path / "net.fastfa", into=nets[1]) is nets[1]
    for net in nets:
        net.step(x, y, optimizer)
    for name, array in nets[1].state_dict().items():
        assert relative_error(array, np.array(nets[0].state_dict()[name])) < 1e-12
    assert nets[1].device == devices[1]
