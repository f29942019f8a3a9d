"""Checkpoint files: whole or not there, and read with suspicion."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import capi
import checkpoint_cases as cases
import fastfa as fa
import numpy as np
import pytest
from fastfa import _core
from fastfa.checkpoint import file as checkpoint_file
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load_file, save_file


def small(feedback="kp", seed=1):
    layers = [fa.Dense(3, "tanh"), fa.Dense(2)]
    net = fa.Network(2, layers, feedback=feedback, seed=seed)
    net.step(np.eye(2), np.eye(2), fa.SGD(0.1, momentum=0.5))
    return net


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


# ---- writing -----------------------------------------------------------------------------------


def test_the_mode_of_a_file_is_kept_and_a_new_one_follows_the_umask(path):
    old = os.umask(0o027)
    try:
        fa.save(path, small())
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
    finally:
        os.umask(old)
    path.chmod(0o604)
    fa.save(path, small(seed=2))
    assert stat.S_IMODE(path.stat().st_mode) == 0o604
    assert fa.load(path).seed == 2


def test_a_link_stays_and_its_file_is_replaced(tmp_path, path):
    fa.save(path, small())
    link = tmp_path / "link"
    link.symlink_to(path)
    fa.save(link, small(seed=2))
    assert link.is_symlink()
    assert fa.load(path).seed == 2


FULL = """
import resource, signal
import fastfa as fa
from test_checkpoint_files import small
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
try:
    fa.save({path!r}, small(seed=2))
except OSError as error:
    print(error.strerror)
"""


def test_a_full_disk_leaves_the_old_file_whole(tmp_path, path, run_python):
    fa.save(path, small())
    before = path.read_bytes()
    assert run_python(FULL.format(path=str(path))).strip() == "File too large"
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_at_any_step_leaves_the_old_file_whole(tmp_path, path, monkeypatch, step):
    fa.save(path, small())
    before = path.read_bytes()

    def fail(*_):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(OSError, match="Input/output error"):
            fa.save(path, small(seed=2))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


def test_file_and_folder_are_synced_before_and_after_the_rename(path, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(number):
        done.append("folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "file")
        fsync(number)

    def note_replace(*paths):
        done.append("rename")
        replace(*paths)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    fa.save(path, small())
    assert done == ["file", "rename", "folder"]


KILLED = """
import os, sys
import numpy as np
from fastfa.atomic import atomic_write
with atomic_write({path!r}) as file:
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    sys.stdin.readline()
"""


def writer(path):
    """A process that is in the middle of writing ``path``."""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED.format(path=str(path))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "writing\n"
    return process


def ended(process, how):
    how(process)
    process.wait(timeout=300)
    process.stdin.close()
    process.stdout.close()


def c_save(path):
    net = capi.Network(2, [capi.Layer(units=2)])
    assert net.call("save", os.fsencode(path)) == 0, capi.last_error()


SAVES = {"python": lambda path: fa.save(path, small()), "c": c_save}


@pytest.mark.parametrize("save", SAVES)
def test_what_killed_saves_left_is_removed_by_the_next_and_nothing_else(tmp_path, path, save):
    for process in [writer(path), writer(path)]:
        ended(process, lambda process: process.kill())
    (tmp_path / f".{path.name}.4711-0.tmp").write_bytes(b"of C++, before")
    assert len(os.listdir(tmp_path)) == 3
    others = [".net.safetensors.tmp", ".net.safetensors.abcdefgh.tmp", ".other.0123abcd.tmp",
              ".net.safetensors.x.0123abcd.tmp", "net.safetensors.0123abcd.tmp"]  # fmt: skip
    for name in others:
        (tmp_path / name).write_bytes(b"not ours")
    (tmp_path / f".{path.name}.00000000.tmp").mkdir()
    (tmp_path / f".{path.name}.11111111.tmp").symlink_to(tmp_path / others[0])
    others += [f".{path.name}.00000000.tmp", f".{path.name}.11111111.tmp"]
    SAVES[save](path)
    assert sorted(os.listdir(tmp_path)) == sorted([path.name, *others])


@pytest.mark.parametrize("save", SAVES)
def test_a_file_that_a_live_process_is_writing_stays(tmp_path, path, save):
    process = writer(path)
    SAVES[save](path)
    assert len(os.listdir(tmp_path)) == 2
    ended(process, lambda process: process.stdin.write("go on\n") and process.stdin.flush())
    assert process.returncode == 0
    assert path.read_bytes() == b"half"
    assert os.listdir(tmp_path) == [path.name]


SAVERS = """
import sys
import fastfa as fa
from test_checkpoint_files import SAVES
for _ in range(30):
    SAVES[sys.argv[1]]({path!r})
"""


def test_savers_of_one_file_do_not_disturb_each_other(tmp_path, path):
    """Two processes in Python, one in C, and two threads here: every save succeeds, nothing is left."""
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(__file__)}
    others = [
        subprocess.Popen(
            [sys.executable, "-c", SAVERS.format(path=str(path)), kind], env=environment
        )
        for kind in ("python", "c", "python")
    ]
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(fa.save, path, small()) for _ in range(30)]:
            done.result()
    assert [process.wait(timeout=120) for process in others] == [0, 0, 0]
    assert os.listdir(tmp_path) == [path.name]
    fa.save(path, small())
    assert fa.load(path).seed == 1


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        fa.save(tmp_path / "none" / "net.safetensors", small())


class Own:
    def propagate(self, delta):
        return delta[:, [0, 0, 0]]


def test_code_of_the_callers_cannot_be_saved(tmp_path, path):
    with pytest.raises(
        fa.CheckpointError, match=r"can't be written: feedback\[0\] was .*propagate"
    ):
        fa.save(path, small(Own()))
    run = fa.Trainer(small(Own()), fa.SGD(0.1), epochs=1, callbacks=[fa.Checkpoint(path)])
    with pytest.raises(fa.CheckpointError, match=r"feedback\[0\]"):
        run.fit((np.eye(2), np.eye(2)))
    assert run.net.steps == 1
    assert os.listdir(tmp_path) == []


def test_what_is_no_network_and_weights_that_are_not_finite_are_refused(tmp_path, path):
    with pytest.raises(
        fa.CheckpointError, match=r"what was .*it must be a Network, an Ensemble or a Trainer"
    ):
        fa.save(path, {"weights": 1})
    net = small()
    net.weights[0][1, 1] = np.nan
    with pytest.raises(fa.CheckpointError, match=r"weights\.0 has nan at \[1, 1\]"):
        fa.save(path, net)

    class Odd(fa.Callback):
        def state_dict(self):
            return {"set": {1, 2}}

    run = fa.Trainer(small(), fa.SGD(0.1), epochs=1, callbacks=[Odd()])
    with pytest.raises(fa.CheckpointError, match=r"callbacks\.0\.state\.set is a set; it must be"):
        fa.save(path, run)
    assert os.listdir(tmp_path) == []


# ---- files of others ---------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["c", "safetensors"])
def test_arrays_without_a_description_go_through_load_state_dict(path, how):
    net = small("fa")
    if how == "c":
        twin = capi.Network(
            2, [capi.Layer(units=3, activation=b"tanh"), capi.Layer(units=2)],
            [capi.Feedback(matrix=b"uniform")],
        )  # fmt: skip
        assert twin.call("save", os.fsencode(path)) == 0, capi.last_error()
    else:
        save_file(net.state_dict(), path)
    with pytest.raises(fa.CheckpointError, match=r"without its description.*net.load_state_dict\("):
        fa.load(path)
    net.load_state_dict(load_file(path))


DATA = np.eye(2), np.eye(2)


def writing(folder):
    """One of each callback that writes, beside a checkpoint elsewhere."""
    folder.mkdir(exist_ok=True)
    return {
        "CSVLogger": fa.CSVLogger(folder / "victim.csv"),
        "JSONLLogger": fa.JSONLLogger(folder / "victim.jsonl"),
        "Checkpoint": fa.Checkpoint(folder / "victim.safetensors"),
        "Checkpoints": fa.Checkpoint(folder / "victim-{epoch:03d}.safetensors"),
    }


def saved(path, *callbacks):
    run = fa.Trainer(small("fa"), fa.SGD(0.1), epochs=1, callbacks=callbacks, progress=False)
    fa.save(path, run)


@pytest.mark.parametrize("kind", ["CSVLogger", "JSONLLogger", "Checkpoint", "Checkpoints"])
def test_a_file_names_no_place_outside_its_folder_without_consent(tmp_path, kind):
    run, home = tmp_path / "run", tmp_path / "home"
    run.mkdir()
    path = run / "from somebody.safetensors"
    callback = writing(home)[kind]
    saved(path, fa.CSVLogger(run / "first.csv"), callback)
    victim = home / os.path.basename(callback.path).format(epoch=0)
    victim.write_text("precious")
    with pytest.raises(ValueError, match="comes from a checkpoint") as caught:
        fa.Trainer.resume(path, DATA, epochs=2)
    told = str(caught.value)
    assert told.startswith(
        f"[fit] {kind.removesuffix('s')} comes from a checkpoint in {run} and writes"
    )
    assert str(home) in told
    assert "write_outside=True" in told
    assert victim.read_text() == "precious"
    assert os.listdir(home) == [victim.name]
    assert os.listdir(run) == [path.name]  # not even what it may write, of what comes before
    loaded = fa.load(path)  # it can be looked at, and its network used
    assert type(loaded.callbacks[1]) is type(callback)
    assert loaded.net.forward(DATA[0]).shape == (2, 2)
    with pytest.raises(ValueError, match="write_outside=True"):
        loaded.fit(DATA)
    assert victim.read_text() == "precious"
    for trusted in (
        fa.load(path, write_outside=True),
        fa.Trainer.resume(path, DATA, epochs=2, write_outside=True),
    ):
        trusted.fit(DATA)
    assert len(os.listdir(home)) >= 1
    assert any(entry.read_bytes() != b"precious" for entry in home.iterdir())
    loaded.callbacks = ()
    loaded.fit(DATA)


def test_events_for_tensorboard_need_consent_too(tmp_path):
    (tmp_path / "run").mkdir()
    path, events = tmp_path / "run" / "run.safetensors", tmp_path / "events"
    with mock.patch("fastfa.trackers._import"):  # whether tensorboard is there is no matter here
        saved(path, fa.TensorBoardLogger(events))
        with pytest.raises(ValueError, match=r"\[fit\] TensorBoardLogger comes from a checkpoint"):
            fa.Trainer.resume(path, DATA, epochs=2)
    assert not events.exists()


def test_the_ways_out_of_a_folder(tmp_path, monkeypatch):
    """By .., by a link, by a path that is relative to somewhere else, by a link that an epoch names."""
    run, home = tmp_path / "run", tmp_path / "home"
    run.mkdir(), home.mkdir(), (tmp_path / "run-2").mkdir()
    path = run / "run.safetensors"
    (run / "link.csv").symlink_to(home / "victim.csv")
    (run / "folder").symlink_to(home)
    monkeypatch.chdir(home)
    for name in (
        run / ".." / "home" / "a.csv", run / "link.csv", run / "folder" / "a.csv", "a.csv",
        tmp_path / "run-2" / "a.csv", "../home/a.csv",
    ):  # fmt: skip
        saved(path, fa.CSVLogger(name))
        with pytest.raises(ValueError, match=r"\[fit\] CSVLogger comes from a checkpoint"):
            fa.Trainer.resume(path, DATA, epochs=2)
    assert os.listdir(home) == []
    (run / "2").symlink_to(home)
    (run / "1").mkdir()
    (run / "0").mkdir()
    saved(path, fa.Checkpoint(run / "{epoch}" / "a.st"))
    with pytest.raises(ValueError, match=r"\[fit\] Checkpoint comes from .*/2/a.st"):
        fa.Trainer.resume(path, DATA, epochs=2)
    assert os.listdir(home) == []


def test_a_folder_that_was_moved_or_is_named_by_a_link_is_its_own(tmp_path, monkeypatch):
    run = tmp_path / "run"
    run.mkdir()
    (tmp_path / "link").symlink_to(run)
    path = run / "run.safetensors"
    (run / "logs").mkdir()
    saved(path, fa.CSVLogger(tmp_path / "link" / "h.csv"), fa.JSONLLogger(run / "logs" / "h.jsonl"))
    fa.Trainer.resume(tmp_path / "link" / "run.safetensors", DATA, epochs=1)
    monkeypatch.chdir(run)
    saved("run.safetensors", fa.CSVLogger("new.csv"), fa.Checkpoint("run.safetensors"))
    fa.Trainer.resume("run.safetensors", DATA, epochs=2)
    assert {"h.csv", "new.csv"} <= set(os.listdir(run))


def test_what_is_loaded_into_a_trainer_of_ones_own_writes_where_that_says(tmp_path):
    run, home = tmp_path / "run", tmp_path / "home"
    run.mkdir()
    path = run / "run.safetensors"
    saved(path, *writing(home).values())
    mine = list(writing(home).values())
    own = fa.Trainer(small("fa"), fa.SGD(0.1), epochs=1, callbacks=mine, progress=False)
    fa.Trainer.resume(path, DATA, epochs=1, into=own)
    assert "victim.csv" in os.listdir(home)
    with pytest.raises(TypeError, match=r"\[load\] write_outside was 'yes'"):
        fa.load(path, write_outside="yes")


def test_a_path_that_would_take_gigabytes_is_refused(tmp_path):
    for name in ("{epoch:9999999999}", "{epoch.real}", "{epoch!r:>1000}", "{epoch[0]}", "{"):
        with pytest.raises(ValueError, match=r"\[Checkpoint\] path was .*braces in it must be"):
            fa.Checkpoint(tmp_path / name)


# ---- reading -----------------------------------------------------------------------------------


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
from fastfa.checkpoint.network import Plan
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
