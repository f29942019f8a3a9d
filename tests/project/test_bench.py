"""The benchmark's harness: its check must catch wrong learners, its report must keep to the schema.

No test here needs PyTorch or JAX, and none looks at how long anything took.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from bench_cases import BENCH, entry_for, tiny_workload

RULES = [
    ("tanh", "squared_error"),
    ("linear", "squared_error"),
    ("logistic", "squared_error"),
    ("logistic", "cross_entropy"),
]


@pytest.mark.parametrize(("activation", "loss"), RULES)
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("name", ["fastfa", "numpy"])
def test_fastfa_and_numpy_end_where_the_reference_ends(bench, name, batch, activation, loss):
    lr = 0.01 if activation == "linear" else 0.2
    workload = tiny_workload(bench, batch=batch, activation=activation, loss=loss, lr=lr)
    seat = bench.harness.LocalSeat(
        bench.contestants.ENTRIES[name], bench.workloads.make_task(workload), threads=1
    )
    assert seat.check() < 1e-4


def test_reset_and_train_give_the_same_weights_again(bench):
    task = bench.workloads.make_task(tiny_workload(bench))
    for name in ("fastfa", "numpy"):
        contestant = bench.contestants.ENTRIES[name].load(task, 1)
        ends = []
        for _ in range(2):
            contestant.reset()
            contestant.train(10)
            ends.append([p.copy() for p in contestant.parameters()])
        for first, second in zip(*ends, strict=True):
            np.testing.assert_array_equal(first, second)


def test_a_contestant_that_sends_back_the_transpose_is_wrong(bench):
    """Backprop under another name must not pass for feedback alignment."""
    task = bench.workloads.make_task(tiny_workload(bench))
    numpy_entry = bench.contestants.ENTRIES["numpy"]

    def backprop(task, threads):
        contestant = numpy_entry.load(task, threads)
        contestant.feedback_t = contestant.weights[1:]
        return contestant

    seat = bench.harness.LocalSeat(entry_for(bench, "backprop", backprop), task, 1)
    assert seat.check() > 100 * bench.harness.TOLERANCE


def test_a_contestant_that_learns_at_another_rate_is_wrong(bench):
    task = bench.workloads.make_task(tiny_workload(bench))
    numpy_entry = bench.contestants.ENTRIES["numpy"]

    def slightly_off(task, threads):
        contestant = numpy_entry.load(task, threads)
        contestant.eta *= np.float32(1.01)
        return contestant

    seat = bench.harness.LocalSeat(entry_for(bench, "off", slightly_off), task, 1)
    assert seat.check() > bench.harness.TOLERANCE


def play(bench, entries, **settings):
    task = bench.workloads.make_task(tiny_workload(bench))
    chosen = bench.harness.Settings(**({"seconds": 1e-4, "rounds": 3, "threads": 1} | settings))
    return bench.harness.run_workload(
        entries, lambda entry: bench.harness.LocalSeat(entry, task, chosen.threads), chosen
    )


def test_only_right_contestants_are_timed_and_compared(bench):
    entries = bench.contestants.ENTRIES

    def standing_still(task, threads):
        contestant = entries["numpy"].load(task, threads)
        contestant.train = lambda steps: None
        return contestant

    def broken(task, threads):
        raise OSError("no such library\nwith a long trace")

    absent = bench.contestants.Entry("absent", "absent", "A", ("no_such_module_here",), "a peer")
    results = play(
        bench,
        [
            entries["fastfa"], entries["numpy"], absent,
            entry_for(bench, "still", standing_still), entry_for(bench, "broken", broken),
        ],
    )  # fmt: skip
    statuses = {name: result["status"] for name, result in results.items()}
    assert statuses == {
        "fastfa": "ok", "numpy": "ok", "absent": "missing", "still": "wrong", "broken": "failed",
    }  # fmt: skip
    assert results["absent"]["reason"] == "no_such_module_here is not installed"
    assert results["broken"]["reason"] == "OSError: no such library"
    for name in ("absent", "still", "broken"):
        assert "ratio" not in results[name]
        assert "us_per_step" not in results[name]


def test_ratio_is_the_median_of_the_ratios_within_rounds(bench):
    results = {
        "fastfa": {"status": "ok", "us_per_step": [1.0, 2.0, 4.0]},
        "peer": {"status": "ok", "us_per_step": [3.0, 4.0, 20.0]},
    }
    bench.harness._compare(results)
    assert results["peer"]["ratio"] == 3.0  # of 3, 2 and 5; the ratio of medians would be 2
    assert results["peer"]["ratio_range"] == [2.0, 5.0]
    assert results["fastfa"]["median_us_per_step"] == 2.0
    assert "ratio" not in results["fastfa"]


def test_no_ratio_without_a_right_fastfa(bench):
    results = {
        "fastfa": {"status": "wrong", "reason": "update error"},
        "peer": {"status": "ok", "us_per_step": [3.0]},
    }
    bench.harness._compare(results)
    assert "ratio" not in results["peer"]


def test_a_contestant_that_fails_while_timed_leaves_the_others_in(bench):
    entries = bench.contestants.ENTRIES

    def fails_later(task, threads):
        contestant = entries["numpy"].load(task, threads)
        train, calls = contestant.train, []

        def train_or_fail(steps):
            calls.append(steps)
            if len(calls) > 6:
                raise ValueError("gave up")
            train(steps)

        contestant.train = train_or_fail
        return contestant

    results = play(bench, [entry_for(bench, "tired", fails_later), entries["fastfa"]])
    assert results["tired"]["status"] == "failed"
    assert "gave up" in results["tired"]["reason"]
    assert results["fastfa"]["status"] == "ok"
    assert len(results["fastfa"]["us_per_step"]) == 3


def test_run_writes_a_report_that_keeps_to_the_schema(
    bench, monkeypatch, tmp_path, capsys, kept_environment
):
    monkeypatch.setitem(bench.workloads.WORKLOADS, "tiny", tiny_workload(bench))
    absent = bench.contestants.Entry("absent", "absent", "A", ("no_such_module_here",), "a peer")
    monkeypatch.setitem(bench.contestants.ENTRIES, "absent", absent)
    out = tmp_path / "results.json"
    status = bench.run.main(
        ["--workloads", "tiny", "--contestants", "fastfa", "numpy", "absent", "--seconds", "0.0001",
         "--rounds", "2", "--threads", "1", "--out", str(out)]
    )  # fmt: skip
    assert status == 0
    result = json.loads(out.read_text())
    assert bench.report.schema_problems(result) == []
    record = result["workloads"]["tiny"]
    assert record["definition"]["sizes"] == [7, 6, 5, 3]
    assert len(record["contestants"]["numpy"]["us_per_step"]) == 2
    assert record["contestants"]["numpy"]["ratio"] > 0
    assert result["threads"] == 1
    printed = capsys.readouterr().out
    assert "not installed: no_such_module_here" in printed
    assert record["floor"]["kind"] == "products"
    assert record["floor"]["percent"] > 0
    assert bench.report.table("tiny", record) in printed
    assert bench.report.table("tiny", record) in out.with_suffix(".txt").read_text()
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_schema_problems_are_found(bench):
    assert bench.report.schema_problems({"schema": "other", "extra": 1}) != []
    record = {"definition": {}, "data": {}, "steps_per_pass": 1, "foreign_load": None, "floor": {}}
    record["contestants"] = {"a": {"status": "wrong", "ratio": 2.0}, "b": {"status": "fine"}}
    result = dict.fromkeys(bench.report._TOP) | {"schema": bench.report.SCHEMA}
    problems = bench.report.schema_problems(result | {"workloads": {"w": record}})
    assert problems == [
        "w.a: wrong needs a reason and may have no ratio",
        "w.b: status is 'fine'",
    ]


def test_a_wrong_contestant_makes_the_run_fail(
    bench, monkeypatch, tmp_path, capsys, kept_environment
):
    monkeypatch.setitem(bench.workloads.WORKLOADS, "tiny", tiny_workload(bench))
    monkeypatch.setattr(bench.harness, "TOLERANCE", 0.0)
    arguments = ["--workloads", "tiny", "--contestants", "numpy", "--threads", "1", "--no-floor"]
    arguments += ["--out", str(tmp_path / "results.json")]
    assert bench.run.main([*arguments, "--seconds", "0.0001", "--rounds", "1"]) == 1
    assert "WRONG" in capsys.readouterr().out


def test_unknown_names_are_refused_with_the_known_ones(bench, capsys, kept_environment):
    assert bench.run.main(["--workloads", "mnist-onlin", "--threads", "1"]) == 2
    assert "workloads had 'mnist-onlin'; known are mnist-online, " in capsys.readouterr().err


@pytest.mark.parametrize("inputs", ["pixels", "dense"])
def test_dense_twin_has_the_same_digits_without_zeros(bench, monkeypatch, inputs):
    monkeypatch.delenv("FASTFA_DATA", raising=False)
    workload = bench.workloads.WORKLOADS["mnist-online"]
    twin = bench.workloads.WORKLOADS["mnist-online-dense"]
    task = bench.workloads.make_task(workload if inputs == "pixels" else twin)
    assert task.source.name == "mnist-mini"
    assert task.x.shape == (500, 1, 784)
    if inputs == "pixels":
        assert task.source.zero_fraction > 0.7
        assert task.x.min() == 0.0
        assert task.x.max() == 1.0
    else:
        assert task.source.zero_fraction == 0.0
        assert abs(task.x.mean()) < 0.05
        assert abs(task.x.std() - 1) < 0.05
    np.testing.assert_array_equal(task.y.sum(axis=2), 1.0)


def test_every_declared_workload_is_consistent(bench):
    for name, workload in bench.workloads.WORKLOADS.items():
        assert workload.name == name
        assert len(workload.weight_scale) == len(workload.sizes) - 1
        assert workload.steps >= bench.harness.CHECK_STEPS
        if name.startswith("mnist") and not name.endswith("-dense"):
            assert f"{name}-dense" in bench.workloads.WORKLOADS


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity calls")
def test_thread_limit_pins_the_process_and_tells_every_pool(bench, kept_environment):
    processors = bench.machine.limit_threads(1)
    assert os.sched_getaffinity(0) == set(processors)
    assert len(processors) == 1
    assert os.environ["OMP_NUM_THREADS"] == os.environ["OPENBLAS_NUM_THREADS"] == "1"
    with pytest.raises(ValueError, match="threads was 2; it must be at most 1"):
        bench.machine.limit_threads(2)


def test_isolated_contestants_run_in_processes_of_their_own(bench, tmp_path):
    """The command itself, end to end."""
    out = tmp_path / "results.json"
    done = subprocess.run(
        [sys.executable, str(BENCH / "run.py"), "--isolate", "--workloads", "linear-online",
         "--contestants", "fastfa", "numpy", "--seconds", "0.0001", "--rounds", "1",
         "--threads", "1", "--out", str(out)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(out.read_text())
    assert bench.report.schema_problems(result) == []
    assert result["mode"] == "isolated"
    contestants = result["workloads"]["linear-online"]["contestants"]
    assert [entry["status"] for entry in contestants.values()] == ["ok", "ok"]
