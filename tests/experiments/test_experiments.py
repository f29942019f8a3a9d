"""The paper's experiments: quick verdicts, statistics that can fail, resuming, errors, the report."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import time

import fastfa as fa
import numpy as np
import pytest
from fastfa.cli import main
from fastfa.data.load import DatasetNotFound

pytest.importorskip("scipy", reason="experiments need SciPy")
experiments = pytest.importorskip("fastfa.experiments")
from fastfa.experiments import Claim, Experiment, Results, _job, get, reproduce  # noqa: E402
from fastfa.experiments import _statistics as statistics  # noqa: E402
from fastfa.experiments._report import write_report  # noqa: E402

# A few seconds each; the others differ from these in their settings more than in their code.
QUICK = ("coupled", "decoupled", "flow-field", "linear", "small-weights", "theory")
# These have small data sets, or none, and a module of tests of their own.
CLASSIFIERS = ("mnist-deep", "mnist-local", "mnist-elastic", "mnist-ten", "mnist-back-image")
ELSEWHERE = (*CLASSIFIERS, "svhn", "timit", "autoencoder")
# What the paper says and we don't find.
DIFFERS: dict[str, list[str]] = {}
SLOW = tuple(name for name in experiments.NAMES if name not in (*QUICK, *ELSEWHERE))


def known_as(monkeypatch, experiment):
    """Every name is that of this experiment."""
    for module in (experiments, _job):
        monkeypatch.setattr(module, "get", lambda name: experiment)


@pytest.fixture(autouse=True)
def one_thread(restore_threads):
    fa.set_num_threads(1)


def claims_that_fail(summary):
    """Those not reproduced; a small data set decides nothing about the error on the whole one."""
    undecided = ("undecided", "mnist-mini is a tenth of the set: no comparison")
    return [
        claim["text"]
        for claim in summary["claims"]
        if claim["verdict"] != "reproduced" and (claim["verdict"], claim["note"]) != undecided
    ]


def toy(run=None, claims=None, **more):
    """An experiment of two conditions whose runs are counted in `ran`."""
    ran = []

    def count(settings, condition, seed):
        ran.append((condition, seed))
        return {"value": seed + (condition == "b")}

    def draw(results):
        from fastfa.plots import new_figure

        return new_figure()

    experiment = Experiment(
        name="linear",
        title="a <toy>",
        where="here",
        presets={"quick": {"runs": 3, "size": 4}, "paper": {"runs": 5, "size": 4}},
        conditions=lambda settings: ["a", "b"],
        run=run or count,
        claims=claims
        or (Claim("b is larger", "1", lambda r: statistics.above(r.of("b", "value"), 0.5)),),
        draw=draw,
        **more,
    )
    return experiment, ran


@pytest.fixture
def toy_experiment(monkeypatch):
    experiment, ran = toy()
    known_as(monkeypatch, experiment)
    return experiment, ran


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


# ---- statistics ----------------------------------------------------------------------------------


def test_interval_is_students(rng):
    from scipy import stats

    values = rng.normal(3, 2, 12)
    mean, low, high = statistics.interval(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (low, high) == pytest.approx((expected.low, expected.high))
    assert mean == pytest.approx(values.mean())


def test_interval_covers_the_truth_as_often_as_it_says(rng):
    covered = [statistics.interval(rng.normal(0, 1, 5)) for _ in range(2000)]
    share = np.mean([low < 0 < high for _, low, high in covered])
    assert 0.93 < share < 0.97


def test_one_run_decides_nothing():
    verdict = statistics.below([1.0], 2.0)
    assert verdict.word == "undecided"
    assert math.isnan(verdict.low)


def test_two_runs_decide_nothing_and_say_so():
    for verdict in (
        statistics.below([1.0, 1.0], 2.0),
        statistics.above([3.0, 3.0], 2.0),
        statistics.around([2.0, 2.0], 2.0, 1.0),
        statistics.log_ratio([1.0, 1.1], [9.0, 9.0]),
    ):
        assert verdict.word == "undecided"
        assert verdict.note.endswith("; 2 runs, a verdict needs 3")


def test_only_a_miss_says_by_how_much():
    for held in (
        statistics.below([1.0, 1.1, 1.2], 2),
        statistics.above([3.0, 3.1, 3.2], 2),
        statistics.around([2.0, 2.1, 2.2], 2, 1),
        statistics.share([1] * 9 + [0], 50),
        statistics.log_ratio([1.0, 1.1, 1.2], [9.0, 9.0, 9.0]),
    ):
        assert held.holds
        assert "off" not in held.note
    assert statistics.below([3.0, 3.0, 3.1], 2).note.endswith("off the bound by +1.03")
    assert statistics.around([4.0, 4.0, 4.3], 2, 1).note.endswith("off by +2.1")


def test_a_p_value_has_no_interval():
    verdict = statistics.significant([1.0, 1.1, 1.2], [5.0, 5.1, 5.2], 0.001)
    assert verdict.word == "reproduced"
    assert verdict.ours == statistics.p_value([1.0, 1.1, 1.2], [5.0, 5.1, 5.2])
    assert math.isnan(verdict.low)
    assert statistics.significant([1.0, 2.0, 3.0], [2.0, 3.0, 4.0], 0.001).word == "differs"


def test_noise_across_the_bound_is_not_reproduced():
    assert statistics.below([0.1, 0.2, 3.0], 1.2).word == "undecided"
    assert statistics.below([0.1, 0.2, 0.3], 1.2).word == "reproduced"
    assert statistics.below([1.3, 1.4, 1.35], 1.2).word == "differs"
    assert statistics.above([1.3, 1.4, 1.35], 1.2).word == "reproduced"
    assert statistics.above([0.1, 0.2, 0.3], 1.2).word == "differs"
    assert statistics.above([0.1, 0.2, 3.0], 0.2).word == "undecided"
    assert statistics.around([88, 91, 90], 90, 10).word == "reproduced"
    assert statistics.around([60, 91, 120], 90, 10).word == "undecided"
    assert statistics.around([70, 71, 72], 90, 10).word == "differs"
    assert statistics.around([110, 111, 112], 90, 10).word == "differs"
    assert statistics.share([1] * 9 + [0], 50).word == "reproduced"
    assert statistics.share([1, 1, 0], 50).word == "undecided"
    assert statistics.share([0] * 9 + [1], 50).word == "differs"
    assert statistics.all_below([1, 2, 3], 3).word == "differs"
    assert statistics.all_above([1, 2, 3], 0.5).word == "reproduced"


def test_log_ratio_is_paired():
    larger = np.array([1.0, 100.0, 10_000.0])
    verdict = statistics.log_ratio(larger * [0.5, 0.55, 0.45], larger)
    assert verdict.word == "reproduced"
    assert 0.35 < verdict.low < verdict.high < 0.65


def test_an_empty_interval_is_refused():
    with pytest.raises(ValueError, match=r"\[interval\] values was empty"):
        statistics.interval([])


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


# ---- the command ---------------------------------------------------------------------------------


def command(*arguments):
    return main(["reproduce", *map(str, arguments)])


def test_list_shows_every_experiment(capsys):
    assert command("--list") == 0
    out = capsys.readouterr().out
    for name in experiments.NAMES:
        assert re.search(rf"^{name} +{re.escape(get(name).title)}", out, re.MULTILINE)


def test_command_prints_verdicts_and_writes_a_report(tmp_path, capsys):
    assert command("theory", "--out", tmp_path, "--runs", 2) == 0
    out = capsys.readouterr().out
    assert "reproduced   Theorem 2: Be ∝ W⁺e" in out
    assert f"report in {tmp_path}" in out
    assert (tmp_path / "theory" / "quick" / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_report_needs_no_other_file(tmp_path, toy_experiment, capsys):
    assert command("linear", "--out", tmp_path) == 0
    page = (tmp_path / "report-quick.html").read_text()
    assert 'src="data:image/png;base64,iVBOR' in page
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    for forbidden in ("<script", "@import", "url(", "<link"):
        assert forbidden not in page
    assert "a &lt;toy&gt;" in page
    assert "reproduced" in page
    assert str(tmp_path) not in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["xro"], "[reproduce] name was 'xro'; it must be one of all, "),
        (["linear", "nonsense"], "[reproduce] name was 'nonsense'"),
        ([], "[reproduce] name was missing"),
        (["linear", "--preset", "fast"], "[reproduce] preset was 'fast'"),
        (["linear", "--runs", "0"], "[reproduce] runs was 0"),
    ],
)
def test_bad_names_end_in_one_line(arguments, message, tmp_path, capsys):
    assert command(*arguments, "--out", tmp_path) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"fastfa: error: {message}")
    assert len(err.splitlines()) == 1


def test_a_folder_that_cannot_be_written_ends_in_one_line(tmp_path, capsys, toy_experiment):
    (tmp_path / "file").write_text("")
    assert command("linear", "--out", tmp_path / "file" / "below") == 1
    err = capsys.readouterr().err
    assert "[reproduce] out was" in err
    assert "it must be a folder that can be written" in err
    assert len(err.splitlines()) == 1
    assert not toy_experiment[1]


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_ends_in_one_line(tmp_path, jobs):
    source = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from fastfa.cli import main\n"
        "if __name__ == '__main__':\n"
        f"    sys.exit(main(['reproduce', 'nonlinear', '--preset', 'paper', '--jobs', '{jobs}', "
        f"'--out', {str(tmp_path)!r}]))\n"
    )
    script = tmp_path / "script.py"
    script.write_text(source)
    running = subprocess.Popen([sys.executable, script], stderr=subprocess.PIPE, text=True)
    runs = tmp_path / "nonlinear" / "paper" / "runs"
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and not list(runs.glob("*.json")):
        time.sleep(0.05)
    assert list(runs.glob("*.json"))
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=300)
    assert running.returncode == 130
    assert err.splitlines() == [
        f"fastfa: interrupted in nonlinear; what is done is in {tmp_path}, "
        "and the same command goes on from there"
    ]
