"""The paper's experiments: quick verdicts, results that are kept, used again and reported."""

from __future__ import annotations

import json

import fastfa as fa
import numpy as np
import pytest
from fastfa.data.load import DatasetNotFound

pytest.importorskip("scipy", reason="experiments need SciPy")
experiments = pytest.importorskip("fastfa.experiments")
from experiment_cases import DIFFERS, QUICK, SLOW, claims_that_fail, known_as, toy  # noqa: E402
from fastfa.experiments import Results, get, reproduce  # noqa: E402
from fastfa.experiments import _statistics as statistics  # noqa: E402
from fastfa.experiments._report import write_report  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread(restore_threads):
    fa.set_num_threads(1)


# ---- verdicts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", QUICK)
def test_quick_preset_reproduces_the_paper(name, tmp_path):
    summary = reproduce(get(name), "quick", out=tmp_path)
    assert claims_that_fail(summary) == DIFFERS.get(name, [])


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_slower_quick_preset_reproduces_the_paper(name, tmp_path):
    summary = reproduce(get(name), "quick", out=tmp_path)
    assert claims_that_fail(summary) == DIFFERS.get(name, [])


def without_learning(curves):
    """Results in which nothing was learned: every curve stays where it began."""
    return {
        condition: [
            {
                key: [value[0]] * len(value) if isinstance(value, list | tuple) and value else value
                for key, value in row.items()
            }
            for row in rows
        ]
        for condition, rows in curves.items()
    }


def test_verdicts_of_a_network_that_learns_nothing_are_not_reproduced(tmp_path):
    experiment = get("decoupled")
    settings = {k: v for k, v in experiment.presets["quick"].items() if k != "runs"}
    runs = {
        c: [experiment.run(settings, c, s) for s in (0, 1, 2)] for c in ("once", "many", "together")
    }
    assert all(claim.measure(Results(settings, runs)).holds for claim in experiment.claims[3:5])
    still = Results(settings, without_learning(runs))
    assert not any(claim.measure(still).holds for claim in experiment.claims[3:5])


def test_feedback_alignment_that_is_slower_is_a_difference():
    experiment = get("linear")
    claim = next(c for c in experiment.claims if "as fast" in c.text)
    fast = [{"reached": n} for n in (190, 200, 210)]
    slow = [{"reached": n} for n in (390, 400, 420)]
    assert claim.measure(Results({}, {"fa": fast, "bp": slow})).holds
    verdict = claim.measure(Results({}, {"fa": slow, "bp": fast}))
    assert verdict.word == "differs"
    assert verdict.ours == pytest.approx(2, rel=0.1)
    assert "off the bound by +" in verdict.note


def test_where_a_curve_first_lies_below():
    found = statistics.first_below([1, 2, 4], [[5, 3, 1], [1, 5, 1], [5, 4, 4]], 3.5)
    np.testing.assert_array_equal(found, [2, 1, np.nan])
    assert statistics.log_ratio(found, [1.0, 1.0, 1.0]).word == "undecided"


def test_an_epoch_more_to_learn_is_a_difference():
    (claim,) = (c for c in get("mnist").claims if "as quickly" in c.text)
    quick = [{"error": [5 + i / 9, 2.9, 2.0]} for i in range(3)]
    late = [{"error": [5 + i / 9, 3.1, 2.9]} for i in range(3)]
    for settings, word in (({"data": "mnist"}, "differs"), ({"data": "mnist-mini"}, "undecided")):
        assert claim.measure(Results(settings, {"fa": late, "bp": quick})).word == word
    assert claim.measure(Results({"data": "mnist"}, {"fa": quick, "bp": late})).holds


# ---- the runner ----------------------------------------------------------------------------------


def test_results_tell_how_they_came_about(tmp_path, toy_experiment):
    summary = reproduce(toy_experiment[0], "quick", out=tmp_path, seed=7)
    stored = json.loads((tmp_path / "linear" / "quick" / "results.json").read_text())
    assert stored == summary
    assert stored["seeds"] == [7, 8, 9]
    assert stored["settings"] == {"size": 4}
    assert stored["versions"]["fastfa"] == fa.__version__
    assert stored["machine"]["isa"] == fa.build_info()["isa"]
    assert stored["wall_seconds"] > 0
    assert len(stored["runs"]) == 6
    (claim,) = stored["claims"]
    assert claim["verdict"] == "reproduced"
    assert claim["low"] < claim["ours"] < claim["high"]


def test_a_run_that_was_cut_off_goes_on(tmp_path, monkeypatch):
    experiment, ran = toy()
    cut, broken = toy(run=lambda settings, condition, seed: stop_at(seed))[0], []

    def stop_at(seed):
        if seed == 1:
            raise KeyboardInterrupt
        broken.append(seed)
        return {"value": 100}

    known_as(monkeypatch, cut)
    with pytest.raises(KeyboardInterrupt):
        reproduce(cut, "quick", out=tmp_path)
    assert broken == [0, 0]
    known_as(monkeypatch, experiment)
    summary = reproduce(experiment, "quick", out=tmp_path)
    assert ran == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]
    assert [run["result"]["value"] for run in summary["runs"]] == [100, 100, 1, 2, 2, 3]


def test_nothing_runs_twice_and_nothing_foreign_is_used(tmp_path, toy_experiment):
    experiment, ran = toy_experiment
    reproduce(experiment, "quick", out=tmp_path)
    reproduce(experiment, "quick", out=tmp_path)
    assert len(ran) == 6
    files = sorted((tmp_path / "linear" / "quick" / "runs").iterdir())
    files[0].write_text(files[0].read_text()[:40])  # torn
    other = json.loads(files[1].read_text())
    files[1].write_text(json.dumps(other | {"seed": 99}))
    ran.clear()
    reproduce(experiment, "quick", out=tmp_path)
    assert len(ran) == 2
    reproduce(experiment, "quick", out=tmp_path, runs=4)
    assert ran[2:] == [("a", 3), ("b", 3)]


def test_what_another_network_is_given_changes_nobodys_runs(tmp_path, toy_experiment):
    experiment, ran = toy_experiment
    preset = experiment.presets["quick"]
    preset["nets"] = {"a": {"rate": 1}, "b": {"rate": 1}}
    reproduce(experiment, "quick", out=tmp_path)
    preset["nets"] = {"a": {"rate": 1}, "b": {"rate": 2}}
    ran.clear()
    summary = reproduce(experiment, "quick", out=tmp_path)
    assert ran == [("b", 0), ("b", 1), ("b", 2)]
    assert summary["settings"]["nets"] == preset["nets"]


def test_other_settings_are_other_runs(tmp_path, toy_experiment, monkeypatch):
    experiment, ran = toy_experiment
    reproduce(experiment, "quick", out=tmp_path)
    experiment.presets["quick"]["size"] = 5
    reproduce(experiment, "quick", out=tmp_path)
    assert len(ran) == 12


def test_processes_find_the_same_results(tmp_path):
    experiment = get("theory")
    alone = reproduce(experiment, "quick", out=tmp_path / "1", runs=1)
    together = reproduce(experiment, "quick", out=tmp_path / "2", runs=1, jobs=2)
    results = [[run["result"] for run in summary["runs"]] for summary in (alone, together)]
    assert results[0] == results[1]


def test_missing_data_is_a_verdict(tmp_path, monkeypatch):
    def not_found(name):
        raise DatasetNotFound(f"[load] {name} was not found in\n  nowhere")

    monkeypatch.setattr("fastfa.experiments._job.load", not_found)
    experiment, ran = toy(data=lambda settings: ["svhn"])
    summary = reproduce(experiment, "quick", out=tmp_path)
    assert not ran
    assert summary["claims"][0]["verdict"] == "data not available"
    assert summary["claims"][0]["note"] == "[load] svhn was not found in nowhere"
    write_report(tmp_path / "report.html", [(summary, tmp_path)])
    assert "data not available" in (tmp_path / "report.html").read_text()


def test_a_report_may_show_the_figures_beside_it(tmp_path, toy_experiment):
    experiment, _ = toy_experiment
    summary = reproduce(experiment, "quick", out=tmp_path) | {"figure": "beside.png"}
    (tmp_path / "beside.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    write_report(tmp_path / "report.html", [(summary, tmp_path)], embed=False)
    assert 'src="beside.png"' in (tmp_path / "report.html").read_text()


def test_numbers_without_matplotlib(tmp_path, toy_experiment, monkeypatch):
    def missing(results):
        raise ImportError("[plots] matplotlib is not installed")

    object.__setattr__(toy_experiment[0], "draw", missing)
    summary = reproduce(toy_experiment[0], "quick", out=tmp_path)
    assert summary["figure"] is None
    write_report(tmp_path / "report.html", [(summary, tmp_path)])
    assert "matplotlib is not installed" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"preset": "fast"}, r"\[reproduce\] preset was 'fast'; it must be one of quick, paper"),
        ({"runs": 0}, r"\[reproduce\] runs was 0"),
        ({"seed": -1}, r"\[reproduce\] seed was -1"),
        ({"jobs": 0}, r"\[reproduce\] jobs was 0"),
    ],
)
def test_bad_arguments(given, message, tmp_path, toy_experiment):
    with pytest.raises(ValueError, match=message):
        reproduce(toy_experiment[0], out=tmp_path, **given)
