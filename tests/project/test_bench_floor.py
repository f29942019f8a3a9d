"""What the benchmark adds to times: the floor, other rules, ensembles, and the chart of growth.

No test here looks at how long anything took.
"""

from __future__ import annotations

import importlib
import json

import fastfa as fa
import numpy as np
import pytest
from bench_cases import BENCH, entry_for, tiny_workload

pytestmark = pytest.mark.skipif(not BENCH.is_dir(), reason="bench/ is not part of this checkout")


def product_floor(bench, seconds, sizes=(4, 3, 3, 3, 2), **more):
    """A ProductFloor whose libraries take the given times, in seconds, for (kind, piece)."""

    def library(own):
        def make(kind, n_in, n_out, batch):
            return [[lambda repeats, t=t: t] for t in own[kind]]

        return make

    bench.floor.products.available = lambda threads: {n: library(s) for n, s in seconds.items()}
    return bench.floor.ProductFloor(sizes, 2, bench.harness.Settings(1e-4, 2, 1), **more)


def test_floor_adds_up_the_best_of_each_product(bench):
    floor = product_floor(
        bench,
        {
            "a": {"layer": [1e-6, 8e-6], "feedback": [5e-6]},
            "b": {"layer": [4e-6, 3e-6], "feedback": [6e-6]},
            "whole": {"layer": [5e-6], "feedback": [9e-6]},
        },
    )
    for _ in range(2):
        floor.sample()
    result = floor.result([31.0, 62.0])
    # four layers at 1 + 3 (a's forward, b's update; whole needs 5), three feedbacks at 5
    assert result["us_per_step"] == [31.0, 31.0]
    assert result["percent"] == 75.0
    assert result["percent_range"] == [50.0, 100.0]
    counts = {part["product"]: part["times_per_step"] for part in result["parts"]}
    assert counts == {
        "layer 4 to 3": 1, "layer 3 to 3": 2, "layer 3 to 2": 1,
        "feedback 3 to 3": 2, "feedback 2 to 3": 1,
    }  # fmt: skip
    assert {part["best"] for part in result["parts"]} == {"a + b", "a"}
    assert "fastfa is at 75 % of it (50–100)" in bench.floor.line(result)


def test_dense_layers_on_top_of_others_send_errors_below(bench):
    seconds = {"a": {"layer": [1e-6, 1e-6], "feedback": [5e-6]}}
    floor = product_floor(bench, seconds, sizes=(6, 3, 2), learns_below=True)
    floor.sample()
    result = floor.result(None)
    counts = {part["product"]: part["times_per_step"] for part in result["parts"]}
    assert counts == {
        "layer 6 to 3": 1,
        "layer 3 to 2": 1,
        "feedback 3 to 6": 1,
        "feedback 2 to 3": 1,
    }
    assert result["us_per_step"] == [14.0]


def test_a_library_that_does_both_products_at_once_may_win(bench):
    floor = product_floor(
        bench,
        {
            "a": {"layer": [2e-6, 2e-6], "feedback": [5e-6]},
            "whole": {"layer": [3e-6], "feedback": [9e-6]},
        },
    )
    floor.sample()
    result = floor.result(None)
    assert result["median_us_per_step"] == 4 * 3 + 3 * 5
    assert "percent" not in result


def test_products_have_the_shapes_of_a_step(bench, monkeypatch):
    """NumPy's forward, update and feedback, by what they are asked to multiply."""
    seen = []
    dot = np.dot

    def watched(a, b, out=None):
        seen.append((a.shape, b.shape))
        return dot(a, b, out=out)

    monkeypatch.setattr(bench.products.np, "dot", watched)
    forward, update = bench.products._numpy("layer", 7, 5, 4)
    seen.clear()
    for alternatives in (forward, update):
        for timer in alternatives:
            assert timer(1) > 0
    assert seen == [((4, 7), (7, 5)), ((4, 7), (7, 5)), ((5, 4), (4, 7)), ((7, 4), (4, 5))]
    assert len(bench.products._numpy("feedback", 5, 7, 4)) == 1
    for kind in ("layer", "feedback"):
        ((timer,),) = bench.products._fastfa(kind, 7, 5, 4)
        assert timer(1) > 0


def test_online_floor_counts_the_bytes_of_a_step(bench, monkeypatch):
    monkeypatch.setattr(bench.floor, "SMALLEST_SWEEP", 0)
    workload = tiny_workload(bench, batch=1)
    settings = bench.harness.Settings(1e-4, 1, 1)
    floor = bench.floor.floor_for(bench.workloads.make_task(workload), settings)
    floor.sample()
    result = floor.result([1.0])
    w, b = 7 * 6 + 6 * 5 + 5 * 3, 6 * 5 + 5 * 3
    assert result["bytes_per_step"] == 4 * (2 * w + b)
    assert result["swept_bytes"] == 4 * w
    assert result["percent"] > 0


def test_tiny_networks_have_no_floor_and_say_why(bench):
    task = bench.workloads.make_task(bench.workloads.WORKLOADS["linear-online"])
    floor = bench.floor.floor_for(task, bench.harness.Settings())
    assert "W takes 3.1 KiB" in bench.floor.line(floor.result([1.0]))


@pytest.mark.parametrize(("name", "rule"), [("fastfa-dfa", "dfa"), ("fastfa-bp", "bp")])
def test_other_rules_are_checked_against_their_own_reference(bench, name, rule):
    task = bench.workloads.make_task(tiny_workload(bench))
    entry = bench.contestants.ENTRIES[name]
    assert entry.rule == rule
    assert bench.harness.LocalSeat(entry, task, 1).check() < 1e-4
    taken_for_fa = entry_for(bench, "posing", entry.load)
    assert bench.harness.LocalSeat(taken_for_fa, task, 1).check() > 10 * bench.harness.TOLERANCE


def test_other_rules_take_part_in_ten_layers_only(bench):
    def names(workload):
        workload = bench.workloads.WORKLOADS[workload]
        return {e.name for e in bench.contestants.entries_for(workload, known)}

    known = bench.contestants.known_names()
    assert {"fastfa", "fastfa-dfa", "fastfa-bp", "jax", "sklearn"} <= names("mnist-ten-batch100")
    assert "fastfa-dfa" not in names("mnist-batch100")
    assert names("replicas-20") == {"fastfa", "fastfa-loop", "torch-manual", "jax"}
    assert bench.workloads.WORKLOADS["mnist-ten-batch100"].sizes == (784, *[1000] * 10, 10)


def test_who_is_not_checked_says_so_and_the_pair_is_compared(bench):
    entries = [
        bench.contestants.ENTRIES["fastfa"],
        entry_for(bench, "other", bench.contestants.ENTRIES["numpy"].load, checked=False),
        entry_for(bench, "second", bench.contestants.ENTRIES["numpy"].load, against="fastfa"),
    ]
    task = bench.workloads.make_task(tiny_workload(bench))
    settings = bench.harness.Settings(1e-4, 2, 1)
    found = bench.harness.run_workload(
        entries, lambda entry: bench.harness.LocalSeat(entry, task, 1), settings
    )
    assert found["other"]["status"] == "ok"
    assert found["other"]["update_error"] is None
    assert found["second"]["against"]["name"] == "fastfa"
    assert found["second"]["against"]["ratio"] == pytest.approx(
        np.median(np.divide(found["fastfa"]["us_per_step"], found["second"]["us_per_step"])),
        abs=1e-4,
    )
    floor = bench.floor.NoFloor("a test").result(None)
    record = bench.report.workload_record(task.workload, {"detail": "", "zero_fraction": 0}, None,
                                          found, floor)  # fmt: skip
    table = bench.report.table("tiny", record)
    assert "other: test's other; its weights are not checked" in table
    assert "times as long as second" in table


def test_replicas_start_apart_and_are_checked_one_by_one(bench):
    workload = tiny_workload(bench, batch=1, replicas=3)
    task = bench.workloads.make_task(workload)
    assert len(task.start) == 3 * 6
    assert not np.array_equal(task.replicas[0].weights[0], task.replicas[1].weights[0])
    assert task.replicas[2].x is task.x
    entry = bench.contestants.ENSEMBLE_ENTRIES["fastfa-loop"]
    assert bench.harness.LocalSeat(entry, task, 1).check() < 1e-4

    def forgets_the_last(task, threads):
        contestant = entry.load(task, threads)
        put = contestant.parameters
        contestant.parameters = lambda: put()[:12] + task.replicas[2].start
        return contestant

    assert bench.harness.LocalSeat(entry_for(bench, "x", forgets_the_last), task, 1).check() > 0.5


@pytest.mark.skipif(hasattr(fa, "Ensemble"), reason="this fastfa has Ensemble")
def test_without_ensemble_its_contestant_is_not_available(bench):
    reason = bench.contestants.ENSEMBLE_ENTRIES["fastfa"].missing()
    assert reason == "not available: this fastfa has no Ensemble"


@pytest.mark.skipif(not hasattr(fa, "Ensemble"), reason="this fastfa has no Ensemble")
def test_an_ensemble_ends_where_its_replicas_end(bench):
    task = bench.workloads.make_task(tiny_workload(bench, batch=1, replicas=3))
    entry = bench.contestants.ENSEMBLE_ENTRIES["fastfa"]
    assert bench.harness.LocalSeat(entry, task, 1).check() < 1e-4


def test_the_reference_is_remembered_for_one_task_only(bench):
    first, second = (
        bench.workloads.make_task(tiny_workload(bench), seed=seed) for seed in range(2)
    )
    one = bench.reference.expected(first, 3)
    assert bench.reference.expected(first, 3) is one
    assert bench.reference.expected(first, 3, "bp") is not one
    other = bench.reference.expected(second, 3)
    assert not np.array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[0], bench.reference.expected(first, 3)[0])


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ([1.0, 4.0, 16.0, 64.0], []),  # steep, but even
        ([1.0, 1.1, 2.0, 4.0, 8.0], []),  # from overhead to work
        ([1.0, 2.0, 8.0, 16.0, 32.0], [(2, 4)]),
        ([1.0, 1.0, 5.0, 1.0, 1.0], [(2, 4)]),  # one slow size
        ([1.0, 2.0, 4.0, 16.0], [(4, 8)]),
        ([1.0, None, 4.0, 8.0], []),
        ([1.0, 9.0], []),
    ],
)
def test_cliffs_stand_out_from_the_growth_beside_them(bench, values, where):
    sizes = [2**k for k in range(len(values))]
    found = bench.trend.cliffs(sizes, values)
    assert [(cliff["from"], cliff["to"]) for cliff in found] == where


def test_growth_measures_every_axis_and_draws(
    bench, monkeypatch, tmp_path, capsys, kept_environment
):
    monkeypatch.setattr(bench.points, "_some", lambda sizes, quick: sizes[:1])
    out = tmp_path / "growth.json"
    arguments = ["--quick", "--rounds", "1", "--seconds", "0.0001", "--threads", "1"]
    assert bench.growth.main([*arguments, "--out", str(out)]) == 0
    result = json.loads(out.read_text())
    assert set(result["axes"]) == set(bench.growth.AXES)
    assert result["schema"] == bench.growth.SCHEMA
    for axis, found in result["axes"].items():
        if axis == "replicas" and not hasattr(fa, "Ensemble"):
            assert "no Ensemble" in found["reason"]
            continue
        for series in found["series"].values():
            assert len(series["sizes"]) == len(series["values"])
            assert all(value > 0 for value in series["values"])
    assert len(result["axes"]["memory"]["series"]["adam"]["ratios"]) == 1
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert "× (weights + feedback + optimizer + h and δ of a batch): " in printed
    assert bench.growth.main(["--report", "--out", str(out)]) == 0
    assert "width: 64-w-w-10 tanh, by w\n" in capsys.readouterr().out


def test_axes_train_what_they_say(bench, monkeypatch):
    """Each point has its own size: a closure over a loop's variable would give all the last one."""
    built = []
    monkeypatch.setattr(bench.points, "_dense", lambda *a, **more: built.append((a, more)))
    for axis in (bench.points._width, bench.points._depth):
        for sizes, make in axis(False)[1].values():
            make(sizes[1])
    widths, depths = built[:2], built[2:]
    assert [(a[0][1], a[1]) for a, _ in widths] == [(64, 1), (64, 100)]
    assert [(len(a[0]) - 2, more["feedback"]) for a, more in depths] == [(2, "fa"), (2, "dfa")]


def test_peak_memory_knows_what_is_needed(bench):
    memory = importlib.import_module("growing.memory")
    threads = fa.get_num_threads()
    found = memory.main(50, "adam", threads)
    parameters = 64 * 50 + 50 + 50 * 50 + 50 + 50 * 10 + 10
    assert found["parameters"] == parameters
    assert found["needed_bytes"]["optimizer"] == 8 * parameters
    assert found["needed_bytes"]["activations"] == 4 * 2 * 100 * 110


def test_the_chart_of_ratios_has_plain_names_for_all(bench):
    assert {*bench.chart.NAMES, "fastfa"} == set(bench.contestants.known_names())
    definition = {"sizes": [784, *[1000] * 10, 10], "inputs": "dense", "batch": 100, "replicas": 1}
    record = {"definition": definition, "contestants": {"fastfa": {"median_us_per_step": 13021.0}}}
    assert (
        bench.chart.title(record)
        == "standardised digits, 784-(1000 × 10)-10, batches of 100: 13 ms"
    )
    record = {
        "definition": definition
        | {"sizes": [30, 20, 10], "inputs": "normal", "batch": 1, "replicas": 20}
    }
    many = "random inputs, 20 networks 30-20-10, one at a time"
    assert bench.chart.title(record | {"contestants": {}}) == many
