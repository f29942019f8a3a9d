"""What C++ and C save and load: safetensors files, strictly read, written whole or not at all."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import stat
import struct
from pathlib import Path

import fastfa as fa
import numpy as np
import pytest
from capi import STATUS, Feedback, Layer, Network, last_error

NAMES = {"F32": np.float32, "F64": np.float64}


def network(seed=1, dtype=0, matrix=b"uniform") -> Network:
    layers = [Layer(units=5, activation=b"tanh"), Layer(units=4, bias=0), Layer(units=3)]
    net = Network(6, layers, [Feedback(matrix=matrix)], seed=seed, dtype=dtype)
    assert net.status == 0, last_error()
    return net


def like(net: Network, seed: int) -> fa.Network:
    dtype = np.dtype(net.dtype).name
    layers = [fa.Dense(5, "tanh"), fa.Dense(4, bias=False), fa.Dense(3)]
    return fa.Network(6, layers, seed=seed, dtype=dtype)


def read(path: Path) -> dict[str, np.ndarray]:
    """The format, read by its description."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    assert length % 8 == 0
    header = json.loads(data[8 : 8 + length])
    assert set(header.pop("__metadata__")) == {"fastfa"}
    found = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = np.frombuffer(data[8 + length + begin : 8 + length + end], NAMES[entry["dtype"]])
        found[name] = values.reshape(entry["shape"])
    return found


def written(arrays: dict[str, np.ndarray], **changes) -> bytes:
    """A file of these arrays; changes replace entries of the header."""
    header, data = {"__metadata__": {"made": 'by "a test" \u00e9'}}, b""
    for name, a in arrays.items():
        a = np.ascontiguousarray(a)
        kind = {np.dtype(v): k for k, v in NAMES.items()}.get(a.dtype, "I32")
        offsets = [len(data), len(data) + a.nbytes]
        header[name] = {"dtype": kind, "shape": list(a.shape), "data_offsets": offsets}
        data += a.tobytes()
    header |= changes
    text = json.dumps({k: v for k, v in header.items() if v is not None}).encode()
    return struct.pack("<Q", len(text)) + text + data


def assert_state(net: Network, expected: dict[str, np.ndarray]) -> None:
    found = net.state()
    assert found.keys() == expected.keys()
    for name, value in found.items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


@pytest.mark.parametrize("dtype", [0, 1])
def test_what_is_saved_is_pythons_state_dict(dtype, tmp_path):
    net = network(dtype=dtype)
    path = tmp_path / "net.safetensors"
    assert net.call("save", os.fsencode(path)) == 0, last_error()
    found, state = read(path), like(net, 1).state_dict()
    assert found.keys() == state.keys()
    for name, value in state.items():
        assert found[name].tobytes() == value.tobytes(), name
    other = network(seed=2, dtype=dtype)
    assert other.call("load", os.fsencode(path)) == 0, last_error()
    assert_state(other, state)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net.safetensors"]


def test_safetensors_itself_reads_and_writes_the_same(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    net, path = network(), tmp_path / "net.safetensors"
    assert net.call("save", os.fsencode(path)) == 0
    found, state = numpy.load_file(path), like(net, 1).state_dict()
    assert found.keys() == state.keys()
    for name, value in state.items():
        np.testing.assert_array_equal(found[name], value)
    state = like(net, 9).state_dict()
    numpy.save_file(state, path, metadata={"of": "seed 9"})
    assert net.call("load", os.fsencode(path)) == 0, last_error()
    assert_state(net, state)


def test_feedback_that_is_not_stored_is_not_in_the_file(tmp_path):
    path = tmp_path / "net"
    assert network(matrix=b"transpose").call("save", os.fsencode(path)) == 0
    assert not [name for name in read(path) if "feedback" in name]
    assert network().call("load", os.fsencode(path)) == STATUS["BAD_FILE"]
    assert "it lacks 'feedback.0'" in last_error()


GOOD = like(network(), 9).state_dict()
W = {"dtype": "F32", "shape": [5, 6], "data_offsets": [0, 120]}


def with_text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def with_replaced(old: bytes, new: bytes) -> bytes:
    data = written(GOOD)
    (length,) = struct.unpack("<Q", data[:8])
    text = data[8 : 8 + length]
    assert old in text
    text = text.replace(old, new, 1)
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


def nan() -> dict:
    bad = {name: np.array(a) for name, a in GOOD.items()}
    bad["biases.2"][1] = np.nan
    return bad


BAD = {
    "empty": (b"", "ends too early"),
    "seven bytes": (b"1234567", "ends too early"),
    "endless header": (
        struct.pack("<Q", 2**63) + b"{}",
        "header has a length of 9223372036854775808",
    ),
    "long header": (struct.pack("<Q", 3) + b"{}", "header has a length of 3 bytes; 2 are possible"),
    "no object": (with_text("[]"), r"there is no '{'"),
    "no end": (with_text('{"a": {'), r"there is no '\"'"),
    "two objects": (with_text("{}{}"), "more than one object"),
    "nothing": (with_text("{}"), "it lacks 'weights.0'"),
    "comma": (with_text('{"a": {"dtype": "F32",}}'), r"there is no '\"'"),
    "string": (with_text('{"a'), "a string does not end"),
    "escape": (with_text('{"\\q": 1}'), "unknown escape"),
    "half": (with_text('{"\\ud800": 1}'), "half a character"),
    "control": (with_text('{"a\n": 1}'), "control character"),
    "negative": (with_replaced(b"[0, 120]", b"[-1, 120]"), "no whole number"),
    "fraction": (with_replaced(b"[0, 120]", b"[0.5, 120]"), r"there is no '\]'"),
    "huge": (with_replaced(b"[0, 120]", b"[0, 99999999999999999999]"), "number is too large"),
    "backwards": (with_replaced(b"[0, 120]", b"[120, 0]"), "bad data_offsets"),
    "three offsets": (with_replaced(b"[0, 120]", b"[0, 60, 120]"), "bad data_offsets"),
    "overlap": (with_replaced(b"[0, 120]", b"[0, 124]"), "overlap or leave gaps"),
    "gap": (with_replaced(b"[0, 120]", b"[4, 120]"), "overlap or leave gaps"),
    "twice": (with_replaced(b"biases.0", b"weights.0"), "'weights.0' is there twice"),
    "key twice": (
        with_replaced(b'"shape": [5, 6]', b'"shape": [5, 6], "shape": [5, 6]'),
        "has 'shape', which it must not or only once",
    ),
    "unknown key": (with_replaced(b'"shape": [5, 6]', b'"more": 1'), "has 'more'"),
    "no shape": (with_replaced(b'"shape": [5, 6], ', b""), "lacks one of dtype, shape"),
    "metadata": (with_text('{"__metadata__": {"a": 1}}'), r"there is no '\"'"),
    "cut": (written(GOOD)[:-1], "its tensors take"),
    "more": (written(GOOD) + b"x", "its tensors take"),
    "extra": (
        written({**GOOD, "weights.7": np.zeros(2, "f4")}),
        "has 'weights.7', which the network",
    ),
    "missing": (written({k: v for k, v in GOOD.items() if k != "biases.0"}), "it lacks 'biases.0'"),
    "dtype": (written({k: v.astype("f8") for k, v in GOOD.items()}), "dtype F64; it must be F32"),
    "integers": (written({**GOOD, "biases.0": np.zeros(5, "i4")}), "has dtype I32"),
    "shape": (
        written({**GOOD, "weights.0": GOOD["weights.0"].T}),
        r"shape \(6, 5\); it must be \(5, 6\)",
    ),
    "bytes": (
        written(GOOD, **{"weights.0": {**W, "data_offsets": [0, 124]}})[:] + b"1234",
        "overlap or leave gaps",
    ),
    "nan": (written(nan()), "'biases.2' has a value that is not finite"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_told_and_nothing_is_changed(case, tmp_path):
    data, told = BAD[case]
    path = tmp_path / "bad.safetensors"
    path.write_bytes(data)
    net = network()
    before = net.state()
    assert net.call("load", os.fsencode(path)) == STATUS["BAD_FILE"], last_error()
    assert re.search(told, last_error()), last_error()
    assert str(path) in last_error()
    assert_state(net, before)


def test_the_good_file_of_these_cases_is_good(tmp_path):
    path = tmp_path / "good"
    path.write_bytes(written(GOOD))
    net = network()
    assert net.call("load", os.fsencode(path)) == 0, last_error()
    assert_state(net, GOOD)


def test_no_flipped_byte_and_no_cut_does_harm(tmp_path):
    """Either the file is refused, or it had the same header to begin with and other values."""
    path = tmp_path / "flipped"
    good = written(GOOD)
    (length,) = struct.unpack("<Q", good[:8])
    net = network()
    accepted = 0
    for at in range(8 + length):
        for value in (0x20, good[at] ^ 0x81):
            path.write_bytes(good[:at] + bytes([value]) + good[at + 1 :])
            status = net.call("load", os.fsencode(path))
            assert status in (0, STATUS["BAD_FILE"]), (at, value, last_error())
            accepted += status == 0
            if status == 0:
                assert_state(net, GOOD)
    assert 0 < accepted < 0.2 * 2 * (8 + length)  # spaces, and the text of the metadata
    for end in range(0, len(good), 7):
        path.write_bytes(good[:end])
        assert net.call("load", os.fsencode(path)) == STATUS["BAD_FILE"]


def test_the_system_says_no(tmp_path):
    net = network()
    for call in ("load", "save"):
        assert net.call(call, os.fsencode(tmp_path / "nowhere" / "net")) == STATUS["IO"]
        assert "No such file" in last_error()
    assert net.call("load", os.fsencode(tmp_path)) == STATUS["IO"]
    assert net.call("save", os.fsencode(tmp_path)) == STATUS["IO"]
    assert list(tmp_path.iterdir()) == []


def test_a_link_that_leads_nowhere_yet_is_followed(tmp_path):
    (tmp_path / "below").mkdir()
    link, second = tmp_path / "link", tmp_path / "below" / "second"
    link.symlink_to("below/second")
    second.symlink_to(tmp_path / "file")
    assert network().call("save", os.fsencode(link)) == 0, last_error()
    assert link.is_symlink()
    assert second.is_symlink()
    assert (tmp_path / "file").is_file()


def test_what_is_no_file_is_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert network().call("save", os.fsencode(pipe)) == STATUS["IO"]
    assert "cannot put a file in the place of" in last_error()
    with pytest.raises(OSError, match="a file can't take its place"):
        fa.save(pipe, fa.Network(2, [fa.Dense(2)]))
    with pytest.raises(IsADirectoryError):
        fa.save(tmp_path, fa.Network(2, [fa.Dense(2)]))
    assert pipe.is_fifo()
    assert os.listdir(tmp_path) == ["pipe"]


def test_the_mode_of_a_file_and_a_link_to_it_are_kept(tmp_path):
    net, real, link = network(), tmp_path / "real", tmp_path / "link"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to(real)
    assert net.call("save", os.fsencode(link)) == 0, last_error()
    assert link.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert read(real).keys() == net.state().keys()
    fresh = tmp_path / "fresh"
    before = os.umask(0o027)
    try:
        assert net.call("save", os.fsencode(fresh)) == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(fresh.stat().st_mode) == 0o640


def test_a_full_disk_leaves_the_old_file(tmp_path):
    """A limit on the size of files stands for it."""
    net, path = network(), tmp_path / "net"
    assert net.call("save", os.fsencode(path)) == 0
    old = path.read_bytes()
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limit[1]))
    try:
        status, told = network(seed=3).call("save", os.fsencode(path)), last_error()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert status == STATUS["IO"]
    assert "File too large" in told
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["net"]
