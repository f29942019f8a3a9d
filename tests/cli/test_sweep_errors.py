"""fastfa sweep: an error is one line; a full disk or a signal ends a sweep that goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from fastfa.cli import runs
from sweep_cases import BASE, SWEEP, bits, lines, sweep, write

pytest.importorskip("joblib", reason="needs joblib (fastfa[sweep])")
pytestmark = pytest.mark.usefixtures("restore_threads")  # one job trains in this process


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        (BASE, [], "no table [sweep]"),
        (BASE + "[sweep]\nlearning = [1]", [], "unknown key 'learning'"),
        (BASE + "[sweep]\nlr = 3", [], "it must be a list of values"),
        (BASE + "[sweep]\nlr = {low = 1, high = 2}", [], "it must be a list of values"),
        (BASE + "[sweep]\nlr = []", [], "at least one value"),
        (BASE + "[sweep]\nlr = [1, 1.0]", [], "differ from each other"),
        (BASE + "[sweep]\nlr = ['a']", [], "it must be a number"),
        (BASE + "[sweep]\nlr = [0.1, -1.0]", [], "(with lr=-1.0)"),
        (BASE + "[sweep]\nactivation = ['tanh', 'sinus']", [], "(with activation=sinus)"),
        (BASE + "[sweep]\nseed = [1]", [], "seed is the same for all"),
        (BASE + "[sweep]\nseeds = 0", [], "seeds was 0"),
        (BASE + "[sweep]\nseeds = true", [], "seeds was True"),
        (BASE + "[sweep]\nseeds = [1, 1]", [], "seeds was [1, 1]"),
        (BASE + "[sweep]\nseeds = [-1]", [], "seeds was [-1]"),
        (BASE + "[sweep]\nseeds = []", [], "seeds was []"),
        (BASE + "out = 'x'\n[sweep]\nseeds = 1", [], "give --out on the command line"),
        (
            BASE + "momentum = 0.5\n[sweep]\noptimizer = ['sgd', 'adam']",
            [],
            "(with optimizer=adam)",
        ),
        (BASE.replace("mnist-mini", "nowhere") + SWEEP, [], "nowhere"),
        (BASE + SWEEP, ["--lr", "0.1"], "[sweep] says what it is"),
        (BASE + SWEEP, ["--jobs", "0"], "jobs was 0"),
        (BASE + SWEEP, ["--jobs", "1000"], "their product must be at most"),
        (BASE + SWEEP, ["--jobs", "2", "--threads", "1000"], "their product must be at most"),
        (BASE + SWEEP, ["--threads", "0"], "threads was 0"),
        ("lr = ", [], "sweep.toml"),
    ],
)
def test_an_error_is_one_line_and_leaves_no_folder(tmp_path, capsys, text, arguments, message):
    assert sweep(write(tmp_path, text), tmp_path / "o", *arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert message in err
    assert not (tmp_path / "o").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_scheduler_that_does_not_answer_is_one_line(tmp_path, run_python):
    pytest.importorskip("distributed", reason="needs distributed (fastfa[dask])")
    words = ["sweep", str(write(tmp_path)), "--out", str(tmp_path / "o"), "--scheduler"]
    done = subprocess.run(
        [sys.executable, "-m", "fastfa", *words, "tcp://127.0.0.1:9"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "fastfa: error: [sweep] scheduler was 'tcp://127.0.0.1:9'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("module", "extra", "arguments"),
    [("joblib", "sweep", []), ("distributed", "dask", ["--scheduler", "tcp://x:1"])],
)
def test_a_missing_package_is_told_with_its_extra(
    tmp_path, capsys, monkeypatch, module, extra, arguments
):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == module else find(name, *a)
    )
    assert sweep(write(tmp_path), tmp_path / "o", *arguments) == 1
    assert f"pip install 'fastfa[{extra}]'" in capsys.readouterr().err


def test_a_full_disk_ends_a_sweep_that_goes_on(tmp_path, capsys, monkeypatch, tiny_sweep):
    import errno

    from fastfa import history

    json_line, written = history.json_line, []

    def full(line):
        written.append(line)
        if len(written) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return json_line(line)

    monkeypatch.setattr(history, "json_line", full)
    assert sweep(tiny_sweep, tmp_path / "o", "--jobs", 1) == 1
    err = capsys.readouterr().err
    assert (
        "runs.jsonl could not be written: No space left on device; the same command goes on" in err
    )
    assert len(err.splitlines()) == 1
    assert len(lines(tmp_path / "o")) == 2
    assert sweep(tiny_sweep, tmp_path / "o", "--jobs", 1) == 0
    assert len(bits(tmp_path / "o")) == 4


def test_a_signal_ends_a_sweep_that_goes_on(tmp_path, capsys, monkeypatch, tiny_sweep):
    execute = runs.execute

    def stop(run, *arguments):
        if run.seed == 1:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        return execute(run, *arguments)

    monkeypatch.setattr(runs, "execute", stop)
    assert sweep(tiny_sweep, tmp_path / "o", "--jobs", 1) == 128 + signal.SIGTERM
    assert "fastfa: interrupted (SIGTERM); 2 of 4 runs are in" in capsys.readouterr().err
    monkeypatch.undo()
    assert sweep(tiny_sweep, tmp_path / "o", "--jobs", 1) == 0
    assert len(bits(tmp_path / "o")) == 4
