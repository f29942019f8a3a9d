"""Writing a checkpoint: the old file or the new one, whatever fails."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import fastfa as fa
import numpy as np
import pytest
from checkpoint_cases import small
from fastfa.atomic import atomic_write
from savers import SAVES


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


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
from checkpoint_cases import small
from fastfa.atomic import atomic_write
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


def test_on_macos_the_drive_is_asked_to_write_too(path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    asked = []
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", lambda number, command: asked.append(command))
    with atomic_write(path) as file:
        file.write(b"all")
    assert asked == [51]
    assert path.read_bytes() == b"all"


def test_without_locks_a_file_is_closed_before_it_is_renamed(path, monkeypatch):
    """Windows, which has none of Unix' locks, renames no file that Python has open."""
    closed, rename = [], os.replace

    def note_replace(source, target):
        closed.append(file.closed)
        rename(source, target)

    monkeypatch.setattr("fastfa.atomic.fcntl", None)
    monkeypatch.setattr(os, "replace", note_replace)
    with atomic_write(path) as file:
        file.write(b"all")
    assert closed == [True]
    assert path.read_bytes() == b"all"


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
from savers import SAVES
for _ in range(30):
    SAVES[sys.argv[1]]({path!r})
"""


def test_savers_of_one_file_do_not_disturb_each_other(tmp_path, path):
    """Two processes in Python, one in C, and two threads here: every save succeeds, nothing is left."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
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
