"""What lies in a folder isn't lost: one process at a time, old results aside until new are whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from fastfa.cli import folder as folders
from fastfa.cli import main, replace
from fastfa.cli import train as train_module
from fastfa.data._digest import digest
from fastfa.data.load import load
from fastfa.history import History
from tiny_data import write_tiny


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    """They take most of the time; what they cost when they fail is in test_cli_streams.py."""
    from fastfa.cli import outputs

    monkeypatch.setattr(outputs, "draw", lambda path, make: bool(path.write_bytes(b"a figure")))


@pytest.fixture
def root(tmp_path):
    return write_tiny(tmp_path / "data")


def words(root, *more, out=None, epochs=2):
    own = ["train", "mnist", "--root", root, "--hidden", 4, "--epochs", epochs, "--quiet"]
    return [str(word) for word in [*own, *([] if out is None else ["--out", out]), *more]]


def content(folder):
    """Every file below the folder and its bytes."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def config(folder):
    return json.loads((folder / "config.json").read_text())


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["weights.npz", "history.jsonl", "history.csv", "curve.png", "runs.csv", "config.json",
     "seed-3/weights.npz"],
)  # fmt: skip
@pytest.mark.parametrize("more", [(), ("--overwrite",)])
def test_a_file_of_somebody_elses_is_not_written_over(tmp_path, root, capsys, name, more):
    out = tmp_path / "out"
    (out / name).parent.mkdir(parents=True)
    (out / name).write_text("mine")
    before = content(out)
    assert main(words(root, *more, out=out)) == 1
    assert name in capsys.readouterr().err
    assert content(out) == before


def test_a_folder_with_other_files_keeps_them(tmp_path, root, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    for more in ((), ("--overwrite",), ("--overwrite", "--runs", 2), ("--overwrite",)):
        assert main(words(root, *more, out=out)) == 0
        (out / "seed-1").mkdir(exist_ok=True)
        (out / "seed-1" / "notes.txt").write_text("mine")
    assert {name for name in content(out) if name.endswith(".txt")} == {
        "notes.txt",
        "seed-1/notes.txt",
    }


@pytest.mark.parametrize("name", ["weights.npz", "history.csv", "config.json"])
def test_a_folder_where_a_file_must_be_is_told_before_training(tmp_path, root, capsys, name):
    (tmp_path / "out" / name).mkdir(parents=True)
    assert main(words(root, "--overwrite", out=tmp_path / "out")) == 1
    assert f"{name} is not a file" in capsys.readouterr().err


def test_a_file_where_a_folder_must_be_is_told_before_training(tmp_path, root, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "seed-1").write_text("mine")
    assert main(words(root, "--runs", 2, out=tmp_path / "out")) == 1
    assert "seed-1 is a file; it must be a folder" in capsys.readouterr().err
    assert main(words(root, out=tmp_path / "out" / "seed-1")) == 1
    assert "it must be a folder that can be written" in capsys.readouterr().err
    assert main(words(root, "--save", tmp_path / "out")) == 1
    assert "is a folder; it must be a file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        ["train"],
        ["tune", "c.toml"],
        ["sweep", "c.toml"],
        ["compare"],
        ["reproduce", "linear"],
        ["demo"],
        ["bench"],
    ],
)
def test_an_empty_name_is_not_the_current_folder(tmp_path, root, capsys, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    search = "[search]\nlr = [0.1]\n" if command[0] == "tune" else "[sweep]\nlr = [0.1]\n"
    (tmp_path / "c.toml").write_text(f'dataset = "mnist"\nroot = "{root}"\nhidden = [4]\n{search}')
    before = sorted(os.listdir(tmp_path))
    own = words(root)[1:] if command in (["train"], ["compare"]) else []
    assert main([*command, *own, "--out", ""]) == 1
    assert f"[{command[0]}] out was ''" in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize(
    "name", ["a b", "a?b", "per%cent", "new\nline", "{x}", "#", "$HOME", "caf\u00e9", "\udcff"]
)
def test_any_other_name_is_a_name(tmp_path, root, capsys, name):
    out = tmp_path / name
    save = tmp_path / f"{name}.st".replace("{x}", "")  # whose braces are for {epoch} and {seed}
    assert main(words(root, "--save", save, out=out, epochs=1)) == 0
    assert (out / "weights.npz").exists()
    assert save.exists()
    settings = config(out)["settings"]
    assert settings["out"] == str(out)
    assert main(["train", "--config", str(out / "config.json"), "--overwrite", "--quiet"]) == 0


def test_a_tilde_is_the_home_folder_also_in_a_file(tmp_path, root, capsys, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    file = tmp_path / "c.toml"
    file.write_text('out = "~/there"\nsave = "~/run.st"\n')
    assert main(words(root, "--config", file, epochs=1)) == 0
    assert sorted(os.listdir(tmp_path / "home")) == ["run.st", "there"]
    assert main(words(root, out="~no-such-user-here/x")) == 1
    assert "[train] out was '~no-such-user-here/x'; it must be a path" in capsys.readouterr().err


def test_a_name_with_a_zero_is_refused(tmp_path, root, capsys):
    file = tmp_path / "c.toml"
    for name in ("out", "save", "root"):
        file.write_text(f'{name} = "a\\u0000b"\n')
        own = words(root, "--config", file)
        assert main(own if name != "root" else ["train", "mnist", "--config", str(file)]) == 1
        assert f"[train] {name} was 'a\\x00b'; it must be a path" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_refused_before_training(tmp_path, root, capsys):
    (tmp_path / "out").mkdir(mode=0o500)
    for more in ({"out": tmp_path / "out"}, {"out": tmp_path / "out" / "below"}):
        assert main(words(root, **more)) == 1
        assert "it must be a folder that can be written" in capsys.readouterr().err
    assert main(words(root, "--save", tmp_path / "out" / "run.st")) == 1
    assert "it must be a file that can be written" in capsys.readouterr().err


# ---- old results and new ones --------------------------------------------------------------------


def test_fewer_runs_leave_nothing_of_the_others(tmp_path, root, capsys):
    out = tmp_path / "out"
    assert main(words(root, "--runs", 3, out=out)) == 0
    assert main(words(root, "--runs", 2, "--overwrite", out=out)) == 0
    assert {name.split("/")[0] for name in content(out)} == {
        "config.json", "runs.csv", "seed-0", "seed-1"
    }  # fmt: skip
    assert main(words(root, "--overwrite", out=out)) == 0
    assert sorted(content(out)) == [
        "config.json", "curve.png", "history.csv", "history.jsonl", "weights.npz"
    ]  # fmt: skip


class Killed(BaseException):
    """Stands for a kill -9 within this process."""


@pytest.mark.parametrize("moment", range(1, 9))
def test_a_kill_leaves_the_old_results_whole(tmp_path, root, capsys, monkeypatch, moment):
    """At every rename, and in the training: what is in OUT and aside is all that was there, and a
    configuration never stands beside weights of another run."""
    out, left = tmp_path / "out", [moment]
    assert main(words(root, "--seed", 1, out=out)) == 0
    before = content(out)

    def count():
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    rename, trained = os.rename, train_module._Job._train_claimed

    def renaming(*paths):
        count()
        rename(*paths)

    def training(self, run):
        count()
        return trained(self, run)

    monkeypatch.setattr(replace.os, "rename", renaming)
    monkeypatch.setattr(train_module._Job, "_train", training)
    monkeypatch.setattr(replace, "_put_back", lambda *_: None)  # a kill puts nothing back
    try:
        status = main(words(root, "--seed", 2, "--overwrite", out=out))
    except Killed:
        status = None
    monkeypatch.undo()
    there = content(out)
    if status == 0:
        assert moment > 6
        assert config(out)["seeds"] == [2]
        assert sorted(there) == sorted(before)
        return
    aside = {name: there.get(name, there.get(f"replaced-1/{name}")) for name in before}
    if (out / "config.json").exists() and config(out)["seeds"] == [2]:
        aside = {name: there[f"replaced-1/{name}"] for name in before}
        assert "weights.npz" not in there
    assert aside == before
    assert main(words(root, "--seed", 2, out=out)) == 1  # they are not taken for nothing
    assert "--overwrite" in capsys.readouterr().err
    assert main(words(root, "--seed", 2, "--overwrite", out=out)) == 0
    assert sorted(content(out)) == sorted(before)


def test_what_was_interrupted_keeps_the_old_aside_and_says_where(
    tmp_path, root, capsys, monkeypatch
):
    out = tmp_path / "out"
    assert main(words(root, out=out)) == 0
    before = content(out)
    order = train_module.build_trainer

    def interrupted(*arguments, **named):
        trainer = order(*arguments, **named)

        def stop(epoch, n):
            if epoch == 2:
                raise KeyboardInterrupt
            return np.arange(n)

        trainer._order = stop
        return trainer

    monkeypatch.setattr(train_module, "build_trainer", interrupted)
    assert main(words(root, "--overwrite", out=out)) == 130
    assert f"what was to be replaced is in {out / 'replaced-1'}" in capsys.readouterr().err
    assert content(out / "replaced-1") == before
    assert (out / "weights.npz").exists()
    monkeypatch.undo()
    assert main(words(root, "--overwrite", out=out)) == 0
    assert sorted(content(out)) == sorted(before)


def test_what_fails_before_it_has_trained_changes_nothing(tmp_path, root, capsys, monkeypatch):
    out = tmp_path / "out"
    assert main(words(root, "--runs", 2, out=out)) == 0
    before = content(out)

    def no_memory(*_, **__):
        raise MemoryError

    monkeypatch.setattr("fastfa.trainer.Trainer.fit", no_memory)
    assert main(words(root, "--overwrite", out=out)) == 1
    assert content(out) == before
    assert main(words(root, out=tmp_path / "new")) == 1
    assert not (tmp_path / "new").exists()


def test_resume_goes_on_with_the_same_run_only(tmp_path, root, capsys):
    out, save = tmp_path / "out", tmp_path / "run.st"
    assert main(words(root, "--save", save, out=out)) == 0
    other = tmp_path / "other"
    assert main(words(root, "--lr", 0.7, out=other)) == 0
    before = content(other)
    assert main(words(root, "--save", save, "--resume", out=other, epochs=3)) == 1
    assert "results of another run (lr was 0.7, is 0.001)" in capsys.readouterr().err
    assert content(other) == before
    assert main(words(root, "--save", save, "--resume", out=out, epochs=3)) == 0
    assert History.from_jsonl(out / "history.jsonl")["epoch"] == [1, 2, 3]
    assert config(out)["settings"]["epochs"] == 3


# ---- one process at a time -----------------------------------------------------------------------


def test_a_folder_and_a_checkpoint_serve_one_process_at_a_time(tmp_path, root, capsys):
    with folders.claimed("sweep", str(tmp_path / "out")):
        assert main(words(root, out=tmp_path / "out")) == 1
        assert "another fastfa sweep is at work" in capsys.readouterr().err
        assert os.listdir(tmp_path / "out") == [".lock"]
    assert not (tmp_path / "out").exists()  # nothing was written
    with folders.claimed_file("train", "save", tmp_path / "run.st"):
        for more in ((), ("--resume",), ("--overwrite",)):
            assert main(words(root, "--save", tmp_path / "run.st", *more)) == 1
            assert "another fastfa train is at work" in capsys.readouterr().err
    assert main(words(root, "--save", tmp_path / "run.st", out=tmp_path / "out")) == 0
    assert not [name for name in os.listdir(tmp_path) if "lock" in name]


def test_a_lock_ends_with_its_process(tmp_path, root, capsys):
    """However that ends."""
    source = (
        "import sys, time; from fastfa.cli.folder import claimed\n"
        f"with claimed('train', {str(tmp_path / 'out')!r}): print('mine', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "mine\n"
    assert main(words(root, out=tmp_path / "out")) == 1
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert (tmp_path / "out" / ".lock").exists()
    assert main(words(root, out=tmp_path / "out")) == 0


def test_only_one_of_many_gets_a_lock(tmp_path):
    """Though each removes the file in the end, which another may have opened already."""
    inside, most, got = [], [0], []

    def work():
        mine = 0
        while mine < 40:
            try:
                lock = folders._lock(tmp_path / "x.lock", "test")
            except folders._Busy:
                continue
            inside.append(1)
            most[0] = max(most[0], len(inside))
            got.append(1)
            mine += 1
            inside.pop()
            folders._unlock(lock, tmp_path / "x.lock")

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert len(got) == 6 * 40
    assert not os.listdir(tmp_path)


def test_a_file_system_without_locks_is_told(tmp_path, root, capsys, monkeypatch):
    import errno
    import fcntl

    def none(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    assert main(words(root, out=tmp_path / "out")) == 0
    assert "can't be locked" in capsys.readouterr().err


# ---- which data ----------------------------------------------------------------------------------


def test_a_configuration_has_a_digest_of_its_data(tmp_path, root, capsys):
    other = write_tiny(tmp_path / "other", seed=1)
    marks = []
    for number, each in enumerate((root, other, root)):
        assert main(words(each, "--normalise", out=tmp_path / str(number))) == 0
        marks.append(config(tmp_path / str(number))["data"]["sha256"])
    assert marks[0] == marks[2] != marks[1]
    assert marks[1] == digest(load("mnist", root=other))
    save = ("--save", tmp_path / "run.st")
    assert main(words(root, *save, out=tmp_path / "o")) == 0
    (tmp_path / "run.st").unlink()
    capsys.readouterr()
    assert main(words(other, *save, "--resume", out=tmp_path / "o")) == 1
    assert "results of another run (data was" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["train", "tune", "sweep", "data"])
def test_a_root_that_is_not_there_is_an_error(tmp_path, root, capsys, monkeypatch, command):
    monkeypatch.setenv("FASTFA_DATA", str(root))
    file = tmp_path / "c.toml"
    table = "[search]" if command == "tune" else "[sweep]"
    file.write_text(f'dataset = "mnist"\nhidden = [4]\n{table}\nlr = [0.1]\n')
    own = {"train": ["mnist"], "data": ["list"]}.get(command, [str(file)])
    for gone in (tmp_path / "none", file):
        assert main([command, *own, "--root", str(gone)]) == 1
        assert f"root was {str(gone)!r}" in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == ["c.toml", "data"]
