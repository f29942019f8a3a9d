"""fastfa reproduce --scheduler: the same bits on a Dask cluster, going on in either place."""

from __future__ import annotations

import json
import shutil

import fastfa as fa
import pytest
from fastfa.cli import main

pytest.importorskip("scipy", reason="experiments need SciPy")
from fastfa.experiments import _job, get, reproduce


@pytest.fixture(autouse=True)
def _threads(restore_threads):
    """A job of a worker sets one thread."""


def command(*arguments):
    return main(["reproduce", *map(str, arguments)])


def files(out, name):
    return {
        path.name: json.loads(path.read_text()) for path in (out / name / "quick/runs").iterdir()
    }


def job(tmp_path, name="theory", data=()):
    experiment = get(name)
    settings = {k: v for k, v in experiment.presets["quick"].items() if k != "runs"}
    condition = experiment.conditions(settings)[0]
    return _job.Job(name, condition, 3, settings, tmp_path / "job.json", dict(data))


# ---- a job somewhere else, without a cluster -----------------------------------------------------


def test_a_job_done_elsewhere_is_the_job_done_here(tmp_path):
    here = job(tmp_path)
    here.run()
    back, content = here.elsewhere(fa.__version__)
    assert back == here
    stored = here.read()
    assert content["where"].endswith(f" {fa.build_info()['isa']}")
    assert {k: v for k, v in content.items() if k not in ("wall_seconds", "where")} == {
        k: v for k, v in stored.items() if k != "wall_seconds"
    }


def test_a_worker_writes_nothing(tmp_path):
    job(tmp_path).elsewhere(fa.__version__)
    assert not list(tmp_path.iterdir())


def test_a_worker_with_another_fastfa_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"a worker has fastfa .*; it must have 9\.9, as here"):
        job(tmp_path).elsewhere("9.9")


def test_a_worker_with_other_data_or_none_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"a worker has other data of the name 'mnist-mini'"):
        job(tmp_path, data={"mnist-mini": "0" * 64}).elsewhere(fa.__version__)
    with pytest.raises(ValueError, match=r"a worker lacks the data 'svhn'"):
        lacks(job(tmp_path, data={"svhn": "0" * 64}))


def lacks(one):
    def missing(name):
        raise _job.DatasetNotFound(f"[load] {name} was not found in\n  nowhere")

    load, _job.load = _job.load, missing
    try:
        one.elsewhere(fa.__version__)
    finally:
        _job.load = load


@pytest.mark.parametrize("module", ["joblib", "distributed"])
def test_a_missing_package_is_told_with_its_extra(tmp_path, capsys, monkeypatch, module):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == module else find(name, *a)
    )
    assert command("theory", "--out", tmp_path / "o", "--scheduler", "tcp://127.0.0.1:9") == 1
    err = capsys.readouterr().err
    assert f"[reproduce] {module} is not installed; get it with: pip install 'fastfa[dask]'" in err
    assert not list((tmp_path / "o").glob("theory/quick/runs/*"))


def test_jobs_and_a_scheduler_exclude_each_other(tmp_path):
    with pytest.raises(
        ValueError, match=r"\[reproduce\] jobs was 2 with a scheduler; it must be 1"
    ):
        reproduce(get("theory"), out=tmp_path, jobs=2, scheduler="tcp://127.0.0.1:9")
    with pytest.raises(TypeError, match=r"\[reproduce\] scheduler was 8786; it must be an address"):
        reproduce(get("theory"), out=tmp_path, scheduler=8786)
    assert not list(tmp_path.iterdir())


# ---- on a cluster --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of Dask
def test_a_dask_cluster_gives_the_same_bits_and_goes_on(tmp_path, capsys, cluster):
    here, there = tmp_path / "here", tmp_path / "dask"
    words = ("coupled", "receptive-fields", "--runs", 3, "--seed", 5)
    assert command(*words, "--out", here) == 0
    told = capsys.readouterr().out
    shutil.copytree(here / "coupled", there / "coupled")
    kept = sorted((there / "coupled/quick/runs").iterdir())[1:]
    for path in kept:
        path.unlink()  # cut off
    address = cluster.scheduler_address
    assert command(*words, "--out", there, "--scheduler", address) == 0
    claims = [line for line in told.splitlines() if line.startswith("  ")]
    assert [line for line in capsys.readouterr().out.splitlines() if line[:2] == "  "] == claims
    workers = set()
    for name in ("coupled", "receptive-fields"):
        mine, theirs = files(here, name), files(there, name)
        assert mine.keys() == theirs.keys()
        assert all(mine[file]["result"] == theirs[file]["result"] for file in mine)
        workers |= {content["where"] for content in theirs.values() if "where" in content}
    assert len(workers) == 2  # both worked
    assert sum("where" not in c for c in files(there, "coupled").values()) == 1  # that of here
    cluster.close()
    assert command(*words, "--out", there, "--scheduler", address) == 0  # nothing is left to do


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_scheduler_that_does_not_answer_is_one_line(tmp_path, capsys):
    pytest.importorskip("distributed", reason="needs distributed (fastfa[dask])")
    assert command("theory", "--out", tmp_path, "--scheduler", "tcp://127.0.0.1:9") == 1
    err = capsys.readouterr().err
    assert "fastfa: error: [reproduce] scheduler was 'tcp://127.0.0.1:9'" in err
    assert "Traceback" not in err
