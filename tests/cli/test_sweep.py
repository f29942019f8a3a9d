"""fastfa sweep: what it trains and sums up, with the same bits in processes and on Dask."""

from __future__ import annotations

import importlib.util
import os
import signal
import threading
import time

import fastfa as fa
import numpy as np
import pytest
from cli_cases import cores
from fastfa.cli import runs
from sweep_cases import BASE, LONGER, SWEEP, bits, lines, summary, sweep, write

pytest.importorskip("joblib", reason="needs joblib (fastfa[sweep])")
pytestmark = pytest.mark.usefixtures("restore_threads")  # one job trains in this process


def test_every_combination_meets_every_seed(tmp_path, capsys):
    assert sweep(write(tmp_path), tmp_path / "o", "--jobs", 1) == 0
    found = lines(tmp_path / "o")
    assert {(x["feedback"], x["lr"], x["seed"]) for x in found} == {
        (f, lr, s) for f in ("bp", "fa") for lr in (0.1, 0.3) for s in (0, 1, 2)
    }
    assert len(found) == 12
    assert [x["seed"] for x in found] == [0] * 4 + [1] * 4 + [2] * 4


def test_a_run_is_what_the_library_trains(tmp_path, capsys):
    assert sweep(write(tmp_path), tmp_path / "o", "--jobs", 1) == 0
    (line,) = (
        x for x in lines(tmp_path / "o") if (x["feedback"], x["lr"], x["seed"]) == ("fa", 0.3, 2)
    )
    data = fa.data.load("mnist-mini")
    net = fa.Network(data.image_shape, [fa.Dense(20, "tanh"), fa.Dense(10, "logistic")],
                     feedback="fa", loss="cross_entropy", seed=2)  # fmt: skip
    trainer = fa.Trainer(net, fa.SGD(0.3), epochs=2, seed=2, progress=False)
    record = trainer.fit(data.train, test=data.test).records[-1]
    assert line["weights_sha256"] == runs.digest(net)
    assert (line["test_error"], line["train_loss"]) == (record["test_error"], record["train_loss"])
    assert line["epochs"] == 2
    assert line["diverged"] is None


def test_the_summary_has_mean_sd_and_n(tmp_path, capsys):
    assert sweep(write(tmp_path), tmp_path / "o", "--jobs", 1) == 0
    told = capsys.readouterr().out
    rows = summary(tmp_path / "o")
    assert len(rows) == 4
    for row in rows:
        own = [x for x in lines(tmp_path / "o")
               if (x["feedback"], str(x["lr"])) == (row["feedback"], row["lr"])]  # fmt: skip
        errors = [x["test_error"] for x in own]
        assert row["n"] == "3"
        assert float(row["test_error_mean"]) == pytest.approx(np.mean(errors), rel=1e-12)
        assert float(row["test_error_sd"]) == pytest.approx(np.std(errors, ddof=1), rel=1e-9)
        assert f"feedback={row['feedback']} lr={row['lr']}  {np.mean(errors):.2%}" in told


def test_the_summary_compares_with_the_first_in_pairs(tmp_path, capsys):
    stats = pytest.importorskip("scipy.stats")
    assert sweep(write(tmp_path), tmp_path / "o", "--jobs", 1) == 0
    told = capsys.readouterr().out
    errors = {}
    for line in sorted(lines(tmp_path / "o"), key=lambda line: line["seed"]):
        errors.setdefault((line["feedback"], str(line["lr"])), []).append(line["test_error"])
    first, *others = summary(tmp_path / "o")
    assert first["difference"] == first["p"] == ""
    base = np.array(errors["bp", "0.1"])
    for row in others:
        own = np.array(errors[row["feedback"], row["lr"]])
        test = stats.ttest_rel(own, base)
        assert float(row["difference"]) == pytest.approx((own - base).mean())
        assert float(row["p"]) == pytest.approx(test.pvalue)
        limits = [float(row["difference_low"]), float(row["difference_high"])]
        assert limits == pytest.approx(list(test.confidence_interval()))
        limits = stats.t.interval(0.95, 2, own.mean(), stats.sem(own))
        assert float(row["test_error_high"]) == pytest.approx(limits[1])
        assert f"{100 * (own - base).mean():+.2f} points" in told
    adjusted = [float(row["p_holm"]) for row in others]
    p = sorted(float(row["p"]) for row in others)
    assert min(adjusted) == pytest.approx(min(1, 3 * p[0]))


def test_without_scipy_the_summary_has_no_intervals(tmp_path, capsys, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "scipy" else found(name)
    )
    assert sweep(write(tmp_path), tmp_path / "o", "--jobs", 1) == 0
    assert "no intervals" in capsys.readouterr().err
    assert "difference" not in summary(tmp_path / "o")[0]


@pytest.mark.parametrize("text", ["seeds = [7, 3]", "seeds = [7, 3]\nbatch_size = [50]"])
def test_seeds_may_be_listed_and_a_grid_may_be_a_point(tmp_path, capsys, text):
    assert sweep(write(tmp_path, BASE + f"[sweep]\n{text}\n"), tmp_path / "o", "--jobs", 1) == 0
    assert [x["seed"] for x in lines(tmp_path / "o")] == [7, 3]
    assert len(summary(tmp_path / "o")) == 1


def test_seeds_count_from_that_of_the_file(tmp_path, capsys):
    path = write(tmp_path, BASE + "seed = 40\n[sweep]\nseeds = 2\n")
    assert sweep(path, tmp_path / "o", "--jobs", 1) == 0
    assert [x["seed"] for x in lines(tmp_path / "o")] == [40, 41]


def test_early_stopping_tells_what_was_kept(tmp_path, capsys):
    text = (
        BASE.replace("epochs = 2", "epochs = 30")
        + "validation = 0.2\nearly_stopping = 1\nlr = 3.0\n"
    )
    assert sweep(write(tmp_path, text + "[sweep]\nseeds = 2\n"), tmp_path / "o", "--jobs", 1) == 0
    assert "kept test error" in capsys.readouterr().out
    for line in lines(tmp_path / "o"):
        assert line["kept_epoch"] <= line["epochs"] < 30
        assert line["kept_validation_error"] <= line["validation_error"]


def test_divergence_is_a_result(tmp_path, capsys):
    text = BASE.replace("tanh", "relu").replace("logistic", "linear") + 'loss = "squared_error"\n'
    text += 'feedback = "bp"\n[sweep]\nlr = [0.01, 1e8]\nseeds = 2\n'
    assert sweep(write(tmp_path, text), tmp_path / "o", "--jobs", 1) == 0
    assert "(2 diverged)" in capsys.readouterr().out
    good, bad = summary(tmp_path / "o")
    assert (good["n"], good["diverged"], bad["n"], bad["diverged"]) == ("2", "0", "0", "2")
    assert all("step" in x["diverged"] for x in lines(tmp_path / "o") if x["lr"] > 1)
    assert bad["pairs"] == "0"
    assert bad["p"] == ""


# ---- here, in processes, on Dask: the same bits --------------------------------------------------


def test_jobs_and_threads_change_nothing(tmp_path, capsys):
    path = write(tmp_path)
    assert sweep(path, tmp_path / "one", "--jobs", 1, "--threads", 1) == 0
    assert sweep(path, tmp_path / "many", "--jobs", cores()) == 0
    assert bits(tmp_path / "one") == bits(tmp_path / "many")
    used = {
        line["where"].rpartition(" threads")[0].rsplit(" ", 1)[1]
        for line in lines(tmp_path / "many")
    }
    assert used == {"1"}


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of Dask
def test_a_dask_cluster_gives_the_same_bits(tmp_path, capsys, cluster):
    path = write(tmp_path)
    assert sweep(path, tmp_path / "here", "--jobs", 1) == 0
    assert sweep(path, tmp_path / "dask", "--scheduler", cluster.scheduler_address) == 0
    assert bits(tmp_path / "here") == bits(tmp_path / "dask")
    assert (tmp_path / "here/summary.csv").read_text() == (
        tmp_path / "dask/summary.csv"
    ).read_text()
    assert len({line["where"] for line in lines(tmp_path / "dask")}) == 2  # both worked


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_killed_dask_workers_run_is_run_again(tmp_path, capsys, cluster):
    from distributed import Client

    path = write(tmp_path, LONGER + SWEEP)
    assert sweep(path, tmp_path / "here", "--jobs", 1) == 0
    killed = []

    def kill_one_at_work():
        with Client(cluster, set_as_default=False) as client:
            pids = client.run(os.getpid)
            while not killed:
                count = len(lines(out)) if (out := tmp_path / "dask" / "runs.jsonl").exists() else 0
                at_work = {name: tasks for name, tasks in client.processing().items() if tasks}
                if count >= 2 and at_work:
                    name, tasks = at_work.popitem()
                    os.kill(pids[name], signal.SIGKILL)
                    killed.append(tasks)
                time.sleep(0.02)

    def lines(path):
        return path.read_text().splitlines()

    thread = threading.Thread(target=kill_one_at_work)
    thread.start()
    try:
        assert sweep(path, tmp_path / "dask", "--scheduler", cluster.scheduler_address) == 0
    finally:
        killed.append(None)
        thread.join()
    assert killed[0]
    for task in killed[0]:
        begun = [
            t for t in cluster.scheduler.transition_log if (t[0], t[2]) == (task, "processing")
        ]
        assert len(begun) == 2, task
    assert bits(tmp_path / "here") == bits(tmp_path / "dask")
