"""Output that can't be written, figures that can't be drawn: neither costs a result."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from fastfa.cli import main, streams
from fastfa.history import History
from tiny_data import write_tiny

pytestmark = pytest.mark.skipif(os.name != "posix", reason="streams as POSIX has them")
RESULTS = ("config.json", "history.csv", "history.jsonl", "weights.npz")


@pytest.fixture
def run(tmp_path):
    """Runs a quick training through the shell, within ``tmp_path``; the finished process."""
    root = write_tiny(tmp_path / "data")
    (tmp_path / "quick").mkdir()
    (tmp_path / "quick" / "matplotlib.py").write_text(
        "raise ImportError"
    )  # it takes a second or two

    def shell(after="", *, out="out", env=None, before="", epochs=3, more="", figures=False):
        words = f"train mnist --root {root} --hidden 5 --epochs {epochs} --out '{out}' {more}"
        line = f'{before} "{sys.executable}" -m fastfa {words} {after}'
        own = {k: v for k, v in os.environ.items() if k not in ("PYTHONUTF8", "PYTHONIOENCODING")}
        if not figures:
            path = [str(tmp_path / "quick"), *filter(None, [own.get("PYTHONPATH")])]
            own["PYTHONPATH"] = os.pathsep.join(path)
        return subprocess.run(
            ["bash", "-c", line],
            cwd=tmp_path,
            env={**own, **(env or {})},
            capture_output=True,
            timeout=120,
            check=False,
        )

    return shell


def whole(folder, epochs=3):
    """Whether the folder has the results of a whole training."""
    assert set(RESULTS) <= {path.name for path in folder.iterdir()}
    with np.load(folder / "weights.npz", allow_pickle=False) as weights:
        assert weights.files
    return len(History.from_jsonl(folder / "history.jsonl")) == epochs


# ---- streams -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "status", "words"),
    [
        ("<&- >&-", 1, b"standard output could not be written: Bad file descriptor"),
        (">/dev/full", 1, b"standard output could not be written: No space left"),
        ("2>&-", 0, b""),
        ("| true; exit ${PIPESTATUS[0]}", 141, b""),
    ],
)
def test_a_stream_that_is_closed_or_full_costs_no_result(run, tmp_path, after, status, words):
    done = run(after)
    assert done.returncode == status, done.stderr
    assert words in done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    assert whole(tmp_path / "out")


@pytest.mark.parametrize(
    ("out", "locale"),
    [
        ("café", {"PYTHONIOENCODING": "ascii"}),
        (os.fsdecode(b"caf\xe9"), {"LC_ALL": "C"}),  # which is no UTF-8
    ],
)
def test_a_name_that_the_locale_has_no_letters_for(run, tmp_path, out, locale):
    env = locale | {"PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = run(out=out, env=env, epochs=1)
    assert done.returncode == 0, done.stderr
    assert b"results in caf\\" in done.stdout
    assert whole(tmp_path / out, 1)


def fails(*errors):
    """A stream whose writes raise these errors, one after the other."""

    left = list(errors)

    class Stream(io.StringIO):
        def write(self, text):
            raise left.pop(0)

    return Stream()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 141),
        (OSError(errno.EIO, "Input/output error"), 1),
        (ValueError("I/O operation on closed file"), 1),
    ],
)
@pytest.mark.parametrize(
    "command", [["info"], ["data", "list"], ["--help"], ["reproduce", "--list"]]
)
def test_every_command_ends_with_a_status_that_says_so(monkeypatch, capsys, command, error, status):
    monkeypatch.setattr(sys, "stdout", fails(error))
    assert main(command) == status
    err = capsys.readouterr().err
    assert err.count("could not be written") == (status == 1)


def test_an_error_keeps_its_status_when_output_fails_too(monkeypatch):
    monkeypatch.setattr(sys, "stdout", fails(OSError(5, "gone")))
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["train", "nowhere"]) == 1
    assert main(["fly"]) == 2


def test_what_cannot_be_encoded_is_an_escape():
    below = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    stream = streams.Stream(below)
    stream.write("µs × \udcff\n")
    stream.flush()
    assert below.buffer.getvalue() == b"\\xb5s \\xd7 \\udcff\n"
    assert stream.failure is None


def test_a_stream_that_failed_is_not_written_to_again():
    below = fails(OSError(errno.ENOSPC, "full"))
    stream = streams.Stream(below)
    for _ in range(3):
        assert stream.write("word") == 4
        stream.flush()
    assert stream.failure.errno == errno.ENOSPC
    assert not stream.isatty()


def test_the_streams_of_before_are_back_afterwards(capsys):
    before = sys.stdout, sys.stderr
    assert main(["info"]) == 0
    assert (sys.stdout, sys.stderr) == before


@pytest.mark.parametrize("command", [["--help"], ["train", "--help"], ["data", "list"]])
@pytest.mark.parametrize("columns", ["0", "1", "-3", "x"])
def test_any_width_of_the_terminal(monkeypatch, capsys, command, columns):
    monkeypatch.setenv("COLUMNS", columns)
    assert main(command) == 0


def test_neither_home_nor_terminal_is_needed(run, tmp_path):
    done = run(before="unset HOME XDG_CACHE_HOME;", env={"TERM": "dumb", "COLUMNS": "0"}, epochs=1)
    assert done.returncode == 0, done.stderr
    assert whole(tmp_path / "out", 1)


# ---- full disks ----------------------------------------------------------------------------------


def test_a_limit_on_the_size_of_files_ends_in_an_error(run, tmp_path):
    """Weights of 16 kB don't fit into 8; the history does, and the result is printed."""
    done = run(before="ulimit -f 8;", more="--quiet")
    assert done.returncode == 1
    assert b"weights.npz could not be written: File too large" in done.stderr
    assert b"test error" in done.stdout
    assert b"Traceback" not in done.stderr
    assert len(History.from_jsonl(tmp_path / "out" / "history.jsonl")) == 3
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.endswith(".tmp")]


def test_a_history_that_cannot_be_written_for_a_while_is_whole_in_the_end(
    tmp_path, capsys, monkeypatch
):
    root, out = write_tiny(tmp_path / "data"), tmp_path / "out"
    from fastfa.callbacks import loggers

    def line(record):
        if record["epoch"] in (2, 3):
            raise OSError(errno.ENOSPC, "No space left on device")
        return json.dumps(record) + "\n"

    monkeypatch.setattr(loggers, "json_line", line)
    arguments = ["train", "mnist", "--root", str(root), "--hidden", "5", "--epochs", "5"]
    assert main([*arguments, "--out", str(out), "--quiet"]) == 0
    err = capsys.readouterr().err
    assert err.count("history.jsonl could not be written") == 1
    assert "training goes on" in err
    assert whole(out, 5)


def test_a_checkpoint_that_cannot_be_written_ends_no_training(tmp_path, capsys, monkeypatch):
    root, out = write_tiny(tmp_path / "data"), tmp_path / "out"
    from fastfa.checkpoint import file

    def full(path):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(file, "atomic_write", full)
    arguments = ["train", "mnist", "--root", str(root), "--hidden", "5", "--epochs", "3", "--quiet"]
    arguments += ["--out", str(out), "--save", str(tmp_path / "run.st")]
    assert main(arguments) == 1
    assert "run.st could not be written: No space left" in capsys.readouterr().err
    assert whole(out)


def test_any_error_in_training_leaves_what_there_is(tmp_path, capsys, monkeypatch):
    root, out = write_tiny(tmp_path / "data"), tmp_path / "out"
    from fastfa import trainer as module

    order = module.Trainer._order

    def no_memory(self, epoch, n):
        if epoch == 3:
            raise MemoryError
        return order(self, epoch, n)

    monkeypatch.setattr(module.Trainer, "_order", no_memory)
    arguments = ["train", "mnist", "--root", str(root), "--hidden", "5", "--epochs", "4"]
    assert main([*arguments, "--out", str(out), "--quiet"]) == 1
    assert "not enough memory" in capsys.readouterr().err
    assert whole(out, 2)


def test_an_error_that_nobody_foresaw_is_one_line(tmp_path, capsys, monkeypatch):
    from fastfa.cli import info

    def broken():
        raise RuntimeError("of a kind of its own")

    monkeypatch.setattr(info, "gpus", broken)
    assert main(["info"]) == 1
    err = capsys.readouterr().err
    assert err == "fastfa: error: RuntimeError: of a kind of its own (--traceback shows where)\n"


# ---- figures -------------------------------------------------------------------------------------


@pytest.fixture
def broken_figures(monkeypatch):
    """matplotlib fails as it does where TeX is wanted and missing."""
    figure = pytest.importorskip("matplotlib.figure", reason="figures need matplotlib")

    def savefig(self, *_, **__):
        raise RuntimeError(
            "Failed to process string with tex because latex could not be found\nmore"
        )

    monkeypatch.setattr(figure.Figure, "savefig", savefig)


def test_a_figure_that_fails_costs_no_run(tmp_path, capsys, broken_figures):
    root, out = write_tiny(tmp_path / "data"), tmp_path / "out"
    arguments = ["train", "mnist", "--root", str(root), "--hidden", "5", "--epochs", "3"]
    arguments += ["--out", str(out), "--runs", "2", "--quiet"]
    assert main(arguments) == 1
    told, err = capsys.readouterr()
    assert "over 2 seeds" in told
    assert err.splitlines() == [
        f"fastfa: error: {out}/seed-{seed}/curve.png was not drawn: Failed to process string with tex "
        "because latex could not be found"
        for seed in (0, 1)
    ]
    for seed in (0, 1):
        assert len(History.from_jsonl(out / f"seed-{seed}" / "history.jsonl")) == 3
        assert (out / f"seed-{seed}" / "weights.npz").exists()
    assert (out / "runs.csv").exists()


def test_a_signal_that_a_library_wraps_still_ends_the_command(tmp_path, capsys, monkeypatch):
    """As Python 3.11 wraps what comes while a class of matplotlib's is made."""
    from fastfa._interrupts import Stopped

    def plot(self):
        raise RuntimeError("Error calling __set_name__") from Stopped(15)

    monkeypatch.setattr(History, "plot", plot)
    root, out = write_tiny(tmp_path / "data"), tmp_path / "out"
    arguments = ["train", "mnist", "--root", str(root), "--hidden", "5", "--epochs", "3"]
    assert main([*arguments, "--out", str(out), "--quiet"]) == 128 + 15
    err = capsys.readouterr().err
    assert "interrupted (SIGTERM)" in err
    assert "was not drawn" not in err
    assert len(History.from_jsonl(out / "history.jsonl")) == 3
    assert (out / "weights.npz").exists()


def test_a_demo_without_its_figure_says_so(tmp_path, capsys, monkeypatch, broken_figures):
    from fastfa.cli import demo

    monkeypatch.setattr(demo, "HIDDEN", 5)
    monkeypatch.setattr(demo, "BATCH_SIZE", 500)
    assert main(["demo", "--epochs", "1", "--out", str(tmp_path / "demo.png")]) == 1
    told, err = capsys.readouterr()
    assert "test error" in told
    assert "figure in" not in told
    assert "demo.png was not drawn: Failed to process" in err


def test_a_backend_that_does_not_exist_costs_only_the_figure(run, tmp_path):
    pytest.importorskip("matplotlib", reason="figures need matplotlib")
    done = run(env={"MPLBACKEND": "nonsense"}, more="--quiet", epochs=1, figures=True)
    assert done.returncode == 1
    assert b"curve.png was not drawn: " in done.stderr
    assert b"nonsense" in done.stderr
    assert whole(tmp_path / "out", 1)
