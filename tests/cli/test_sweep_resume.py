"""fastfa sweep: killed or cut off, it goes on, and mixes in nothing of another sweep."""

from __future__ import annotations

import json
import os
import signal

import fastfa as fa
import pytest
from cli_cases import cores, start
from fastfa.cli import runs
from sweep_cases import (
    BASE,
    LONGER,
    SWEEP,
    alive,
    bits,
    end,
    lines,
    summary,
    sweep,
    wait_for,
    write,
)

pytest.importorskip("joblib", reason="needs joblib (fastfa[sweep])")
pytestmark = pytest.mark.usefixtures("restore_threads")  # one job trains in this process


@pytest.mark.slow
@pytest.mark.skipif(cores() < 2, reason="needs two cores")
def test_a_killed_processs_runs_are_run_again(tmp_path, capsys):
    path = write(tmp_path, LONGER + SWEEP)
    process = start("sweep", path, tmp_path / "o", "--jobs", 2)
    try:
        for _ in range(3):  # "12 runs", and two runs
            process.stdout.readline()
        worker = int(lines(tmp_path / "o")[0]["where"].split()[0].rpartition(":")[2])
        assert worker != process.pid
        os.kill(worker, signal.SIGKILL)
        _, err = process.communicate(timeout=120)
    finally:
        end(process)
    assert process.returncode == 0, err
    assert "a worker process was killed; its runs begin anew" in err
    assert sweep(path, tmp_path / "here", "--jobs", 1) == 0
    assert bits(tmp_path / "o") == bits(tmp_path / "here")


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    ("blow", "status"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)]
)
def test_a_sweep_that_was_cut_off_goes_on(tmp_path, capsys, jobs, blow, status):
    path = write(tmp_path, LONGER + SWEEP)
    process = start("sweep", path, tmp_path / "o", "--jobs", min(jobs, cores()))
    try:
        for _ in range(4):
            process.stdout.readline()
        workers = {int(x["where"].split()[0].rpartition(":")[2]) for x in lines(tmp_path / "o")}
        if blow == signal.SIGINT:
            os.killpg(process.pid, blow)  # as a terminal does: the workers hear it too
        else:
            process.send_signal(blow)
        _, err = process.communicate(timeout=300)
    finally:
        end(process)
    assert process.returncode == status, err
    wait_for(lambda: not alive(workers))  # nobody goes on computing
    if blow == signal.SIGINT:
        assert "the same command goes on from there" in err.splitlines()[-1], err
        assert "Traceback" not in err  # joblib's workers may have a word of their own
    before = (tmp_path / "o" / "runs.jsonl").read_text()
    assert 3 <= before.count("\n") < 12
    assert sweep(path, tmp_path / "o", "--jobs", 1) == 0
    assert (tmp_path / "o" / "runs.jsonl").read_text().startswith(before)
    assert sweep(path, tmp_path / "here", "--jobs", 1) == 0
    assert bits(tmp_path / "o") == bits(tmp_path / "here")


# ---- going on ------------------------------------------------------------------------------------


def test_only_what_is_missing_runs(tmp_path, capsys, monkeypatch):
    path, file = write(tmp_path), tmp_path / "o" / "runs.jsonl"
    assert sweep(path, tmp_path / "o", "--jobs", 1) == 0
    whole = file.read_text().splitlines(keepends=True)
    file.write_text("".join(whole[:7]) + whole[7][:30])  # cut off in the eighth line
    ran, execute = [], runs.execute
    monkeypatch.setattr(runs, "execute", lambda run, *a: ran.append(run.name) or execute(run, *a))
    assert sweep(path, tmp_path / "o", "--jobs", 1) == 0
    assert ran == [json.loads(line)["run"] for line in whole[7:]]
    assert file.read_text().splitlines(keepends=True)[:7] == whole[:7]
    assert len(bits(tmp_path / "o")) == 12
    ran.clear()
    assert sweep(path, tmp_path / "o", "--jobs", 1) == 0
    assert not ran


def test_a_changed_sweep_is_refused_and_more_seeds_are_not(tmp_path, capsys):
    assert sweep(write(tmp_path), tmp_path / "o", "--jobs", 1) == 0
    before = (tmp_path / "o" / "runs.jsonl").read_text()
    for old, new, told in (
        ("lr = [0.1, 0.3]", "lr = [0.1, 0.5]", "lr was [0.1, 0.3], is [0.1, 0.5]"),
        ("epochs = 2", "epochs = 3", "epochs was 2, is 3"),
        ("seeds = 3", "seeds = 2", "seeds was [0, 1, 2], is [0, 1]"),
    ):
        changed = write(tmp_path, (BASE + SWEEP).replace(old, new), "other.toml")
        capsys.readouterr()
        assert sweep(changed, tmp_path / "o") == 1
        assert told in capsys.readouterr().err
        assert (tmp_path / "o" / "runs.jsonl").read_text() == before
    more = write(tmp_path, (BASE + SWEEP).replace("seeds = 3", "seeds = 4"))
    assert sweep(more, tmp_path / "o", "--jobs", 1) == 0
    assert (tmp_path / "o" / "runs.jsonl").read_text().startswith(before)
    assert {row["n"] for row in summary(tmp_path / "o")} == {"4"}


def test_a_file_of_other_runs_is_refused(tmp_path, capsys):
    out = tmp_path / "o"
    assert sweep(write(tmp_path), out, "--jobs", 1) == 0
    (out / "runs.jsonl").write_text("hello\n")
    assert sweep(write(tmp_path), out) == 1
    assert "line 1 was 'hello'" in capsys.readouterr().err
    (out / "sweep.json").unlink()
    assert sweep(write(tmp_path), out) == 1
    assert "has no sweep.json beside it" in capsys.readouterr().err
    (out / "sweep.json").write_text("[]")
    assert sweep(write(tmp_path), out) == 1
    assert "is not of a sweep" in capsys.readouterr().err
    assert (out / "runs.jsonl").read_text() == "hello\n"


@pytest.mark.parametrize("name", ["sweep.json", "runs.jsonl"])
def test_a_pipe_is_no_record_of_runs(tmp_path, capsys, name):
    out = tmp_path / "o"
    out.mkdir()
    if name == "runs.jsonl":
        assert sweep(write(tmp_path), out, "--jobs", 1) == 0
        (out / name).unlink()
    os.mkfifo(out / name)
    assert sweep(write(tmp_path), out, "--jobs", 1) == 1
    told = "is not of a sweep" if name == "sweep.json" else "is not a regular file; it must be one"
    assert f"[sweep] {out / name} {told}" in capsys.readouterr().err


def test_a_worker_with_another_fastfa_is_refused(tmp_path):
    (run,) = runs.list_runs({"dataset": "mnist-mini"}, {}, {}, [0])
    with pytest.raises(ValueError, match=r"a worker has fastfa .*; it must have 9\.9"):
        runs.execute(run, 1, "9.9", None)


def test_other_data_of_the_same_name_are_not_averaged_with_these(tmp_path, capsys, tiny_sweep):
    from fastfa.data._digest import digest
    from tiny_data import write_tiny

    out = tmp_path / "o"
    assert sweep(tiny_sweep, out, "--jobs", 1) == 0
    mark = digest(fa.data.load("mnist", root=tmp_path / "data"))
    assert json.loads((out / "sweep.json").read_text())["data"] == {"mnist": mark}
    assert {line["data_sha256"] for line in lines(out)} == {mark}
    before = (out / "runs.jsonl").read_text()
    other = write_tiny(tmp_path / "other", seed=1)
    tiny_sweep.write_text(tiny_sweep.read_text().replace("seeds = 2", "seeds = 3"))
    capsys.readouterr()
    assert sweep(tiny_sweep, out, "--jobs", 1, "--root", other) == 1
    assert f"mnist was {json.dumps(mark)}, is " in capsys.readouterr().err
    assert (out / "runs.jsonl").read_text() == before
    assert sweep(tiny_sweep, out, "--jobs", 1, "--root", write_tiny(tmp_path / "same")) == 0
    assert {row["n"] for row in summary(out)} == {"3"}


def test_a_worker_with_other_data_is_refused(tmp_path):
    (run,) = runs.list_runs({"dataset": "mnist-mini"}, {}, {}, [0])
    with pytest.raises(ValueError, match=r"a worker has other data of the name 'mnist-mini'"):
        runs.execute(run, fa.get_num_threads(), fa.__version__, None)


@pytest.mark.parametrize("name", ["runs.jsonl", "summary.csv"])
def test_files_of_somebody_elses_are_not_written_over(tmp_path, capsys, tiny_sweep, name):
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / name).write_text("mine")
    assert sweep(tiny_sweep, tmp_path / "o", "--jobs", 1) == 1
    assert f"{name} has no sweep.json beside it" in capsys.readouterr().err
    assert os.listdir(tmp_path / "o") == [name]
    assert (tmp_path / "o" / name).read_text() == "mine"
