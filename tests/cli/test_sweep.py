"""fastfa sweep: every run once, the same bits everywhere, whatever is killed on the way."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time

import fastfa as fa
import numpy as np
import pytest
from fastfa.cli import main, runs

pytest.importorskip("joblib", reason="needs joblib (fastfa[sweep])")

BASE = """
dataset = "mnist-mini"
hidden = [20]
epochs = 2
activation = "tanh"
"""
SWEEP = """
[sweep]
seeds = 3
feedback = ["bp", "fa"]
lr = [0.1, 0.3]
"""
LONGER = BASE.replace("[20]", "[300]").replace("epochs = 2", "epochs = 4")


def write(tmp_path, text=BASE + SWEEP, name="sweep.toml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def sweep(path, out, *arguments):
    return main(["sweep", str(path), "--out", str(out), *map(str, arguments)])


def lines(out):
    with open(out / "runs.jsonl") as file:
        return [json.loads(line) for line in file]


def bits(out):
    """What must be the same everywhere, by run."""
    found = {line["run"]: line for line in lines(out)}
    assert len(found) == len(lines(out))  # each once
    return {
        name: {k: v for k, v in line.items() if k not in runs.TIMING}
        for name, line in found.items()
    }


def summary(out):
    with open(out / "summary.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(autouse=True)
def _threads(restore_threads):
    """A sweep with one job trains in this process."""


# ---- what it does --------------------------------------------------------------------------------


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
    text = BASE.replace("tanh", "relu") + 'output_activation = "linear"\nloss = "squared_error"\n'
    text += 'feedback = "bp"\n[sweep]\nlr = [0.01, 1e8]\nseeds = 2\n'
    assert sweep(write(tmp_path, text), tmp_path / "o", "--jobs", 1) == 0
    assert "(2 diverged)" in capsys.readouterr().out
    good, bad = summary(tmp_path / "o")
    assert (good["n"], good["diverged"], bad["n"], bad["diverged"]) == ("2", "0", "0", "2")
    assert all("step" in x["diverged"] for x in lines(tmp_path / "o") if x["lr"] > 1)
    assert bad["pairs"] == "0"
    assert bad["p"] == ""


# ---- here, in processes, on Dask: the same bits --------------------------------------------------


def cores():
    return len(os.sched_getaffinity(0))


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


# ---- processes of this machine -------------------------------------------------------------------


def start(path, out, *arguments):
    words = ["sweep", str(path), "--out", str(out), *map(str, arguments)]
    source = (
        "import signal, sys; from fastfa.cli import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"sys.exit(main({words!r}))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", source],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def alive(pids):
    return [pid for pid in pids if os.path.exists(f"/proc/{pid}")]


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def end(process):
    process.kill()
    process.wait()
    process.stdout.close()
    process.stderr.close()


@pytest.mark.slow
@pytest.mark.skipif(cores() < 2, reason="needs two cores")
def test_a_killed_processs_runs_are_run_again(tmp_path, capsys):
    path = write(tmp_path, LONGER + SWEEP)
    process = start(path, tmp_path / "o", "--jobs", 2)
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
    process = start(path, tmp_path / "o", "--jobs", min(jobs, cores()))
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


# ---- errors --------------------------------------------------------------------------------------


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


# ---- its data, its folder ------------------------------------------------------------------------


@pytest.fixture
def tiny(tmp_path):
    """A sweep of four runs that take milliseconds."""
    from tiny_data import write_tiny

    root = write_tiny(tmp_path / "data")
    text = f'dataset = "mnist"\nroot = "{root}"\nhidden = [4]\nepochs = 1\n'
    return write(tmp_path, text + "[sweep]\nseeds = 2\nlr = [0.1, 0.3]\n")


def test_other_data_of_the_same_name_are_not_averaged_with_these(tmp_path, capsys, tiny):
    from fastfa.data._digest import digest
    from tiny_data import write_tiny

    out = tmp_path / "o"
    assert sweep(tiny, out, "--jobs", 1) == 0
    mark = digest(fa.data.load("mnist", root=tmp_path / "data"))
    assert json.loads((out / "sweep.json").read_text())["data"] == {"mnist": mark}
    assert {line["data_sha256"] for line in lines(out)} == {mark}
    before = (out / "runs.jsonl").read_text()
    other = write_tiny(tmp_path / "other", seed=1)
    tiny.write_text(tiny.read_text().replace("seeds = 2", "seeds = 3"))
    capsys.readouterr()
    assert sweep(tiny, out, "--jobs", 1, "--root", other) == 1
    assert f"mnist was {json.dumps(mark)}, is " in capsys.readouterr().err
    assert (out / "runs.jsonl").read_text() == before
    assert sweep(tiny, out, "--jobs", 1, "--root", write_tiny(tmp_path / "same")) == 0
    assert {row["n"] for row in summary(out)} == {"3"}


def test_a_worker_with_other_data_is_refused(tmp_path):
    (run,) = runs.list_runs({"dataset": "mnist-mini"}, {}, {}, [0])
    with pytest.raises(ValueError, match=r"a worker has other data of the name 'mnist-mini'"):
        runs.execute(run, fa.get_num_threads(), fa.__version__, None)


@pytest.mark.parametrize("name", ["runs.jsonl", "summary.csv"])
def test_files_of_somebody_elses_are_not_written_over(tmp_path, capsys, tiny, name):
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / name).write_text("mine")
    assert sweep(tiny, tmp_path / "o", "--jobs", 1) == 1
    assert f"{name} has no sweep.json beside it" in capsys.readouterr().err
    assert os.listdir(tmp_path / "o") == [name]
    assert (tmp_path / "o" / name).read_text() == "mine"


def test_a_full_disk_ends_a_sweep_that_goes_on(tmp_path, capsys, monkeypatch, tiny):
    import errno

    from fastfa import history

    json_line, written = history.json_line, []

    def full(line):
        written.append(line)
        if len(written) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return json_line(line)

    monkeypatch.setattr(history, "json_line", full)
    assert sweep(tiny, tmp_path / "o", "--jobs", 1) == 1
    err = capsys.readouterr().err
    assert (
        "runs.jsonl could not be written: No space left on device; the same command goes on" in err
    )
    assert len(err.splitlines()) == 1
    assert len(lines(tmp_path / "o")) == 2
    assert sweep(tiny, tmp_path / "o", "--jobs", 1) == 0
    assert len(bits(tmp_path / "o")) == 4


def test_a_signal_ends_a_sweep_that_goes_on(tmp_path, capsys, monkeypatch, tiny):
    execute = runs.execute

    def stop(run, *arguments):
        if run.seed == 1:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        return execute(run, *arguments)

    monkeypatch.setattr(runs, "execute", stop)
    assert sweep(tiny, tmp_path / "o", "--jobs", 1) == 128 + signal.SIGTERM
    assert "fastfa: interrupted (SIGTERM); 2 of 4 runs are in" in capsys.readouterr().err
    monkeypatch.undo()
    assert sweep(tiny, tmp_path / "o", "--jobs", 1) == 0
    assert len(bits(tmp_path / "o")) == 4
