"""Reading a checkpoint: any bytes are loaded whole or refused by name."""

from __future__ import annotations

import json
import os

import checkpoint_cases as cases
import fastfa as fa
import numpy as np
import pytest
from checkpoint_cases import small
from fastfa.checkpoint import file as checkpoint_file
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a small checkpoint and the digest of what it holds."""
    path = tmp_path_factory.mktemp("whole") / "net.safetensors"
    fa.save(path, small())
    return path.read_bytes(), cases.digest(small())


def assert_refused_or_equal(path, data, digest):
    """Whether it was loaded, after looking at what was loaded or what was said."""
    path.write_bytes(data)
    loaded = loaded_or_refused(path)
    if loaded is not None:
        assert cases.digest(loaded) == digest
    return loaded is not None


def loaded_or_refused(path):
    """What is in the file; None after the named error, which names the file."""
    said = None
    try:
        return fa.load(path)
    except fa.CheckpointError as error:
        said = error
    assert str(said).startswith(f"[checkpoint] {path} ")
    assert said.path == str(path)
    return None


def test_a_file_that_is_not_there_or_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        fa.load(tmp_path / "none")
    with pytest.raises(fa.CheckpointError, match="is not a regular file"):
        fa.load(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(fa.CheckpointError, match="is not a regular file"):
        fa.load(tmp_path / "pipe")


def test_a_file_cut_at_any_byte_is_refused(path, whole):
    data, digest = whole
    for length in range(len(data)):
        assert not assert_refused_or_equal(path, data[:length], digest), length
    assert assert_refused_or_equal(path, data, digest)
    assert not assert_refused_or_equal(path, data + b"\0", digest)


def test_a_bit_flipped_in_any_byte_is_refused_or_harmless(path, whole):
    data, digest = whole
    begin = 8 + int.from_bytes(data[:8], "little")
    for at in range(len(data)):
        flipped = bytearray(data)
        flipped[at] ^= 1 << at % 8
        equal = assert_refused_or_equal(path, bytes(flipped), digest)
        assert not (equal and at >= begin), f"a bit of a tensor, byte {at}"


@given(
    edits=st.lists(
        st.tuples(st.integers(0, 10**6), st.binary(min_size=1, max_size=9), st.booleans()),
        min_size=1,
        max_size=4,
    )
)
def test_files_with_bytes_overwritten_and_put_in(tmp_path_factory, whole, edits):
    data, digest = bytearray(whole[0]), whole[1]
    for at, new, insert in edits:
        at %= len(data)
        data[at : at if insert else at + len(new)] = new
    assert_refused_or_equal(tmp_path_factory.getbasetemp() / "edited", bytes(data), digest)


@given(data=st.binary(max_size=300), length=st.integers(0, 2**64 - 1), framed=st.booleans())
def test_files_of_any_bytes(tmp_path_factory, data, length, framed):
    path = tmp_path_factory.getbasetemp() / "bytes"
    path.write_bytes(length.to_bytes(8, "little") + data if framed else data)
    with pytest.raises(fa.CheckpointError):
        fa.load(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def places(value, here=()):
    """Every place of a JSON value, as the keys that lead there."""
    yield here
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*here, key))


def replaced(value, place, new):
    if not place:
        return new
    value = value.copy()
    value[place[0]] = replaced(value[place[0]], place[1:], new)
    return value


@given(choice=st.integers(0, 10**6), new=JSON)
def test_descriptions_with_anything_anywhere(tmp_path_factory, choice, new):
    """The digest is right here, so what is wrong must be found by looking."""
    folder = tmp_path_factory.getbasetemp()
    run = cases.trainer("momentum", [fa.Checkpoint(folder / "run")], epochs=1)
    content, tensors = checkpoint_content(run)
    everywhere = list(places(content))[1:]
    crafted = replaced(content, everywhere[choice % len(everywhere)], new)
    checkpoint_file.write(folder / "crafted", crafted, tensors)
    loaded_or_refused(folder / "crafted")


def checkpoint_content(what):
    from fastfa.checkpoint.saving import described

    return described("", what)


def craft(path, change, what=None):
    """A checkpoint whose description and tensors were changed, with the right digest."""
    content, tensors = checkpoint_content(what or small())
    content = json.loads(json.dumps(content))
    change(content, tensors)
    checkpoint_file.write(path, content, tensors)


def _set(*place, to):
    def change(content, tensors):
        for key in place[:-1]:
            content = content[key]
        content[place[-1]] = to

    return change


def _tensor(name, to):
    def change(content, tensors):
        if to is None:
            del tensors[name]
        else:
            tensors[name] = to

    return change


IS, PROGRESS = ("network", "is"), ("network", "progress")
W0 = np.zeros((3, 2), np.float32)


def mirrors_of(net):
    """Its weight mirrors, all by their settings."""
    named = {"weight_mirror": fa.WeightMirror()}
    return [named.get(rule.plasticity, rule.plasticity) for rule in net.feedback]


EARLIER = {"kind": "WeightMirror", "lr": 0.1, "noise": 0.5, "every": 3}


@pytest.mark.parametrize(
    ("written", "mirror"),
    [
        ("weight_mirror", fa.WeightMirror.average()),
        (EARLIER, fa.WeightMirror.average(0.1, noise=0.5, every=3)),
        (EARLIER | {"lr": None}, fa.WeightMirror.average(noise=0.5, every=3)),
    ],
)
def test_a_weight_mirror_of_an_earlier_file_is_the_average_that_it_was(path, written, mirror):
    craft(path, _set(*IS, "feedback", 0, "plasticity", to=written), small("wm"))
    net = fa.load(path)
    assert mirrors_of(net)[0] == mirror
    rule = fa.Feedback("uniform", plasticity=mirror)
    own = small([rule, *net.feedback[1:]])
    fa.load(path, into=own)  # the same network, said as it is today
    with pytest.raises(fa.CheckpointError, match="another network"):
        fa.load(path, into=small("wm"))


@pytest.mark.parametrize(
    "plasticity", ["weight_mirror", fa.WeightMirror(growth=0.5), fa.WeightMirror.average(0.2)]
)
def test_a_weight_mirror_of_today_comes_back(path, plasticity):
    net = small(fa.Feedback("uniform", plasticity=plasticity))
    fa.save(path, net)
    assert [rule.plasticity for rule in fa.load(path).feedback] == [
        rule.plasticity for rule in net.feedback
    ]
    assert mirrors_of(fa.load(path)) == mirrors_of(net)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_set("kind", to="model"), "holds 'model'; it must be one of network"),
        (_set("network", to=None), "wrong description"),
        (_set(*IS, "layers", to=[]), "wrong description"),
        (_set(*IS, "layers", 0, "units", to=2**31), "it must be an integer in"),
        (
            _set(*IS, "layers", 0, "units", to=10**9),
            r"by its description it must be float32 of shape",
        ),
        (_set(*IS, "layers", 0, "units", to="3"), "units was '3'; it must be"),
        (_set(*IS, "layers", 0, "kind", to="Conv"), "kind was 'Conv'; it must be one of"),
        (_set(*IS, "layers", 0, "colour", to=1), "colour"),
        (_set(*IS, "input", to=[10**6]), "by its description"),
        (_set(*IS, "seed", to=-1), "seed was -1"),
        (_set(*IS, "dtype", to="float64"), "must be float64"),
        (_set(*IS, "feedback", 0, "route", to="direct"), None),  # that is as good a network
        (_set(*IS, "feedback", to=[]), "0 feedbacks for 1 hidden"),
        (_set(*PROGRESS, "steps", to=-1), "steps was -1"),
        (_set(*PROGRESS, "steps", to=1e300), "steps was"),
        (_set(*PROGRESS, "memory", to="adam"), "lacks adam_m"),
        (_set(*PROGRESS, "memory", to="none"), "has velocity"),
        (_set(*PROGRESS, "adam_steps", to=3), "adam_steps was 3"),
        (_set(*PROGRESS, "inverted", to=[0]), r"inverted\[0\] was 0"),
        (_set("more", to=1), None),
        (_tensor("weights.0", None), r"lacks weights\.0, float32 of shape \(3, 2\)"),
        (_tensor("weights.9", W0), r"has weights\.9, of which its description doesn't speak"),
        (_tensor("weights.0", W0.T), r"shape \(2, 3\); by its description it must be float32 of"),
        (_tensor("weights.0", W0.astype(float)), "float64 of shape"),
        (_tensor("weights.0", W0 * np.nan), r"weights\.0 has nan"),
        (_tensor("velocity.weights.0", W0 * np.nan), r"velocity\.weights\.0 has nan"),
    ],
)
def test_files_that_speak_of_what_is_not_there(path, change, words):
    craft(path, change)
    if words is None:
        fa.load(path)
        return
    with pytest.raises(fa.CheckpointError, match=words) as caught:
        fa.load(path)
    assert str(path) in str(caught.value)


def _write_text(path, text):
    save_file({"weights.0": W0}, path, {"fastfa": text})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "wrong description"),
        ("[1]", "wrong description"),
        ("{" * 5000, "wrong description"),
        ("[" * 100000 + "]" * 100000, "wrong description"),
        ('{"schema": NaN}', "NaN is no number of JSON"),
        ('{"schema": ' + "9" * 5000 + "}", "wrong description"),
        (
            '{"schema": 2, "version": "9.0"}',
            r"has schema 2 \(written by fastfa '9.0'\).*reads schema 1",
        ),
        ('{"schema": true}', "has schema True"),
        ("{}", "has schema None"),
        ('{"schema": 1}', "holds None"),
        ('{"schema": 1, "kind": ["network"]}', "wrong description"),
    ],
)
def test_texts_of_other_kinds(path, text, words):
    _write_text(path, text)
    with pytest.raises(fa.CheckpointError, match=words):
        fa.load(path)


def test_safetensors_of_others(path):
    save_file({"weight": np.zeros((2, 2))}, path)
    with pytest.raises(fa.CheckpointError, match="but not a checkpoint of fastfa"):
        fa.load(path)
    save_file({"weight": np.zeros((2, 2))}, path, {"format": "pt"})
    with pytest.raises(fa.CheckpointError, match="but not a checkpoint of fastfa"):
        fa.load(path)


HUGE = """
import resource, sys
import fastfa as fa
from fastfa.checkpoint.network import NetworkPlan
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**28,) * 2)
try:
    fa.load({path!r})
except fa.CheckpointError as error:
    print(error)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="no /proc to ask")
@pytest.mark.parametrize("feedback", ["fa", "bp"])
def test_no_memory_is_taken_for_what_the_file_does_not_hold(path, run_python, feedback):
    """16 GB by the description, some hundred bytes by the file, 256 MB allowed."""

    def change(content, tensors):
        for layer in content["network"]["is"]["layers"]:
            layer["units"] = 2**16

    craft(path, change, small(feedback))
    said = run_python(HUGE.format(path=str(path)))
    assert "by its description it must be float32 of shape (65536," in said
