"""Statistics of the experiments, which can fail: intervals, verdicts, pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("scipy", reason="experiments need SciPy")
experiments = pytest.importorskip("fastfa.experiments")
from fastfa.experiments import _statistics as statistics  # noqa: E402


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
