"""Arrays and streams of other libraries: used where they are, waited for, and refused with a reason."""

from __future__ import annotations

import gc

import fastfa as fa
import numpy as np
import pytest
from device_arrays import PROTOCOLS, ByDlpack, ByInterface, Stream
from devices import ORDERS, emulated, kernels_run
from fastfa import _core

pytestmark = emulated
LAYERS = [fa.Dense(17, "tanh"), fa.Dense(3)]


def network(device: str = ORDERS[0], dtype: str = "float32", **more) -> fa.Network:
    return fa.Network(9, LAYERS, seed=4, dtype=dtype, device=device, **more)


def examples(rng, n: int = 37, dtype: str = "float32") -> tuple[np.ndarray, np.ndarray]:
    return rng.standard_normal((n, 9)).astype(dtype), rng.standard_normal((n, 3)).astype(dtype)


def assert_same(net: fa.Network, other: fa.Network) -> None:
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, other.state_dict()[name])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("make", PROTOCOLS)
def test_learning_and_looking_give_what_they_give_for_numpy(make, dtype, rng):
    x, y = examples(rng, dtype=dtype)
    for ordinal, device in enumerate(ORDERS):
        own, twin = network(device, dtype), network(device, dtype)
        there = make(x, ordinal), make(y, ordinal)
        sgd, order = fa.SGD(0.1, momentum=0.5), rng.permutation(37)
        for args in (there, (there[0], y), (x, there[1])):
            assert own.step(*args, sgd) == twin.step(x, y, sgd)
            losses = [
                net.train_epoch(*given, sgd, batch_size=5, order=order)
                for net, given in ((own, args), (twin, (x, y)))
            ]
            assert losses[0] == losses[1]
        assert_same(own, twin)
        np.testing.assert_array_equal(own.predict(there[0]), twin.predict(x))
        np.testing.assert_array_equal(own.forward(there[0]), twin.forward(x))
        assert own.evaluate(*there) == twin.evaluate(x, y)
        pairs = [(own.activations(there[0]), twin.activations(x))]
        pairs.append((own.deltas(*there), twin.deltas(x, y)))
        for found, expected in pairs:
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_array_equal(a, b)
        found = fa.metrics.alignment(own, *there)[0]
        assert found.angle_bp == fa.metrics.alignment(twin, x, y)[0].angle_bp


@pytest.mark.parametrize("make", PROTOCOLS)
def test_images_and_rows_that_lie_apart(make, rng):
    x, y = rng.standard_normal((20, 2, 3, 4), dtype=np.float32), rng.standard_normal((20, 3))
    nets = [fa.Network((2, 3, 4), LAYERS, device=ORDERS[0]) for _ in range(2)]
    assert nets[0].step(make(x), y, fa.SGD(0.1)) == nets[1].step(x, y, fa.SGD(0.1))
    wide, y = rng.standard_normal((20, 30), dtype=np.float32), y.astype(np.float32)
    nets = [network() for _ in range(2)]
    loss = nets[0].step(make(wide, cols=9), y, fa.SGD(0.1))
    assert loss == nets[1].step(wide[:, :9], y, fa.SGD(0.1))
    assert_same(*nets)


def test_what_comes_out_is_there_too(rng):
    x, _ = examples(rng, 1500)  # two blocks of the calls that only look
    net = network()
    out = net.forward(ByDlpack(x))
    expected = net.forward(x)
    assert isinstance(out, fa.DeviceArray)
    assert (out.shape, out.dtype, out.device, len(out)) == ((1500, 3), np.float32, 0, 1500)
    assert repr(out) == "DeviceArray((1500, 3), float32, device 0)"
    np.testing.assert_array_equal(np.asarray(out), expected)
    np.testing.assert_array_equal(np.asarray(out, dtype="float64"), expected)
    assert np.shares_memory(np.asarray(out), np.asarray(out))
    above = fa.Network(3, LAYERS, device=ORDERS[0])
    np.testing.assert_array_equal(above.forward(out), above.forward(expected))
    assert out.__dlpack_device__() == (2, 0)
    pointer, shape, strides, kind, owner = _core.read_dlpack(out.__dlpack__(stream=1))
    interface = out.__cuda_array_interface__
    assert (pointer, shape, strides, kind) == (interface["data"][0], (1500, 3), (3, 1), "f4")
    del out
    gc.collect()
    np.testing.assert_array_equal(above.forward(ByCapsule(pointer, owner)), above.forward(expected))
    with pytest.raises(BufferError):
        fa.DeviceArray(expected, 0).__dlpack__(copy=True)


class ByCapsule:
    """An array that nobody but its capsule's owner keeps."""

    def __init__(self, pointer: int, owner: object) -> None:
        self.owner = owner
        self.__cuda_array_interface__ = {
            "shape": (1500, 3), "typestr": "<f4", "data": (pointer, False), "version": 3,
        }  # fmt: skip


def test_the_networks_own_arrays_go_out(rng):
    net = network()
    w = net.on_device(net.weights[0])
    assert w.__cuda_array_interface__["data"][0] == net.weights[0].__array_interface__["data"][0]
    assert w.__cuda_array_interface__["strides"] == net.weights[0].strides
    _, shape, strides, _, _ = _core.read_dlpack(w.__dlpack__())
    assert (shape, strides) == ((17, 9), tuple(s // 4 for s in net.weights[0].strides))
    with pytest.raises(ValueError, match=r"\[on_device\] array isn't in the memory .*'cpu'"):
        network("cpu").on_device(net.weights[0])
    with pytest.raises(ValueError, match=r"\[on_device\] array isn't in the memory"):
        net.on_device(np.zeros(3))
    with pytest.raises(TypeError, match=r"\[on_device\] array was 3"):
        net.on_device(3)
    _, y = examples(rng, 3)
    own = net.on_device(net.feedback_matrices[0].T[:, :9])  # (3, 9), as the core has it
    with pytest.raises(ValueError, match=r"\[step\] X lies in the network's own memory"):
        net.step(own, y, fa.SGD(0.1))
    assert net.forward(own).shape == (3, 3)  # who only looks may


@pytest.mark.parametrize("make", PROTOCOLS)
def test_nothing_is_copied(make, rng):
    x, y = examples(rng)
    net = network()
    for given, copies in (((x, y), 3), ((make(x), y), 2), ((make(x), make(y)), 1)):  # and the order
        before = kernels_run()
        net.train_epoch(*given, fa.SGD(0.1), batch_size=5)
        assert (kernels_run() - before)["(copy)"] == copies


@pytest.mark.parametrize("make", PROTOCOLS)
def test_what_is_still_to_be_written_is_waited_for(make, rng):
    x, y = examples(rng)
    stream = Stream()
    nets = [network() for _ in range(2)]
    there = make(x, stream=stream), make(y, stream=stream)
    assert not np.array_equal(there[0].view, x)  # so there is something to wait for
    assert nets[0].step(*there, fa.SGD(0.1)) == nets[1].step(x, y, fa.SGD(0.1))
    assert_same(*nets)


@pytest.mark.parametrize("given", ["protocol", "handle", "default"])
def test_a_stream_of_the_callers(given, rng):
    x, y = examples(rng)
    stream = Stream()
    if given == "default":
        stream.handle = 1
    nets = [network() for _ in range(2)]
    for _ in range(2):  # before and after the network has its own again
        nets[0].use_stream({"protocol": stream, "handle": stream.handle, "default": 0}[given])
        there = ByInterface(x, stream=stream), ByInterface(y, stream=stream)
        for array in there:
            array.stream = None  # it says nothing: what is on the same stream needs no waiting for
        assert nets[0].step(*there, fa.SGD(0.1)) == nets[1].step(x, y, fa.SGD(0.1))
        epochs = [net.train_epoch(x, y, fa.SGD(0.1), batch_size=2) for net in nets]  # recorded
        assert epochs[0] == epochs[1]
        nets[0].use_stream(None)
    assert_same(*nets)


@pytest.mark.parametrize("stream", ["0", -1, True, 1.5])
def test_a_stream_that_is_none(stream):
    with pytest.raises(TypeError, match=r"\[use_stream\] stream was .* it must be None, a stream"):
        network().use_stream(stream)


def test_a_stream_that_is_not_there(rng):
    net = network()
    with pytest.raises(ValueError, match=r"\[use_stream\] stream was 12345: there is no stream"):
        net.use_stream(12345)
    with pytest.raises(ValueError, match=r"\[use_stream\] the network is on 'cpu'"):
        network("cpu").use_stream(None)
    assert np.isfinite(net.step(*examples(rng), fa.SGD(0.1)))


class Masked(ByInterface):
    @property
    def __cuda_array_interface__(self):
        return {**super().__cuda_array_interface__, "mask": self}


class NotThere(ByInterface):
    """Says that it is a GPU's, and lies in the host's memory."""

    @property
    def __cuda_array_interface__(self):
        return {**super().__cuda_array_interface__, "data": (self.values.ctypes.data, False)}


class Attached(ByDlpack):
    def __dlpack__(self, *, stream=None):
        raise BufferError("it requires a gradient")


BAD = {
    r"\[step\] X has dtype float64; in a GPU's memory it must have .*float32": lambda x: ByDlpack(
        x.astype("float64")
    ),
    r"\[step\] X has dtype int32; .*float32": lambda x: ByInterface(x.astype("int32")),
    r"\[step\] X has shape \(37, 8\); it must be \(N, 9\)": lambda x: ByDlpack(x, cols=8),
    r"\[step\] X has shape \(333,\); it must be \(N, 9\)": lambda x: ByInterface(x.ravel()),
    r"\[step\] X has shape \(0, 9\)": lambda x: ByInterface(x[:0]),
    r"\[step\] X is on GPU 1; the network is on 'cuda-emulated:0'": lambda x: ByDlpack(x, 1),
    r"\[step\] X isn't in the memory of .*'cuda-emulated:0'": lambda x: ByInterface(x, 1),
    r"\[step\] X isn't in the memory": NotThere,
    r"\[step\] X has strides": lambda x: transposed(x),
    r"\[step\] X has a mask": Masked,
    r"\[step\] X was a .*Attached that can't be read in place \(it requires a grad": Attached,
}


def transposed(x: np.ndarray) -> ByInterface:
    array = ByInterface(x.T)
    array.view = array.view.T
    return array


@pytest.mark.parametrize("message", BAD)
def test_what_cannot_be_used_is_refused_before_anything_is_changed(message, rng):
    x, y = examples(rng)
    net = network()
    before = net.state_dict()
    with pytest.raises((ValueError, TypeError), match=message):
        net.step(BAD[message](x), y, fa.SGD(0.1))
    assert net.steps == 0
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_other_calls_name_what_they_refuse(rng):
    x, y = examples(rng)
    net = network()
    with pytest.raises(
        ValueError, match=r"\[train_epoch\] Y has shape \(36, 3\); it must be \(37, 3\)"
    ):
        net.train_epoch(x, ByDlpack(y[:36]), fa.SGD(0.1), batch_size=5)
    with pytest.raises(TypeError, match=r"X was a .*ByDlpack in a GPU's memory; .* on 'cpu'"):
        network("cpu").forward(ByDlpack(x))
    trainer = fa.Trainer(net, fa.SGD(0.1), epochs=1, progress=False)
    with pytest.raises(
        TypeError, match=r"\[fit\] train X was a .*; here it must be in main memory"
    ):
        trainer.fit((ByDlpack(x), y))
    with pytest.raises(TypeError, match=r"\[forward_step\] x was a .*; here it must be"):
        net.forward_step(ByInterface(x))


def test_values_that_are_not_finite_are_found_on_the_device(rng):
    x, y = examples(rng)
    x[30, 2] = np.nan
    net = network()
    with pytest.raises(fa.DivergenceError, match="the input at step 3"):
        net.train_epoch(ByDlpack(x), ByDlpack(y), fa.SGD(0.01), batch_size=10)
    assert net.steps == 3
    assert all(np.isfinite(w).all() for w in net.weights)
