"""Ways of calling fastfa with nothing said but the rule, and what each then gets."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import fastfa as fa
from fastfa.cli.build import SIGMA, build_trainer
from fastfa.cli.settings import resolve

from default_table.sets import Loaded
from measuring import machine

RULES = (*fa.PRESETS, "np")  # np: node perturbation


def train(loaded: Loaded, way: str, rule: str, seed: int) -> dict[str, Any]:
    """One run and its test error in %, of regression the share of the variance left unexplained."""
    begun = time.perf_counter()
    try:
        error = 100 * WAYS[way](loaded, rule, seed)
    except fa.DivergenceError:
        error = math.inf
    return {
        "set": loaded.name,
        "way": way,
        "rule": rule,
        "seed": seed,
        "error": round(error, 4) if math.isfinite(error) else None,  # None: it diverged
        "seconds": round(time.perf_counter() - begun, 2),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": machine.describe_machine()["cpu"],
        "isa": fa.build_info()["isa"],
    }


def _command(loaded: Loaded, rule: str, seed: int) -> float:
    """`fastfa train SET --feedback RULE`."""
    given = {"dataset": loaded.name, "feedback": rule}
    if loaded.epochs is not None:
        given["epochs"] = loaded.epochs
    trainer = build_trainer(resolve({}, given), loaded.data, None, seed)
    return _last(trainer.fit(loaded.data.train, test=loaded.data.test), loaded)


def _compare(loaded: Loaded, rule: str, seed: int) -> float:
    """`fa.compare`, whose networks a `Trainer` trains."""
    rules = {rule: _feedback(rule)}
    epochs = {} if loaded.epochs is None else {"epochs": loaded.epochs}
    found = fa.compare(rules, loaded.data, seeds=[seed], angles=False, progress=False, **epochs)
    if found.diverged.get(rule):
        raise fa.DivergenceError(found.diverged[rule][seed])
    return _last(found.histories[rule][seed], loaded)


def _estimator(loaded: Loaded, rule: str, seed: int) -> float:
    """scikit-learn's way."""
    from fastfa.sklearn import FeedbackAlignmentClassifier, FeedbackAlignmentRegressor

    regression = loaded.baseline is not None
    kind = FeedbackAlignmentRegressor if regression else FeedbackAlignmentClassifier
    model = kind(feedback=_feedback(rule), random_state=seed)
    model.fit(loaded.data.train.x, loaded.data.train.labels)
    test = loaded.data.test
    if regression:
        wrong = model.predict(test.x) - test.labels
        return 0.5 * float((wrong**2).mean()) / loaded.baseline
    return 1 - model.score(test.x, test.labels)


def _feedback(rule: str) -> Any:
    return fa.NodePerturbation(SIGMA) if rule == "np" else rule


def _last(history: fa.History, loaded: Loaded) -> float:
    if loaded.baseline is None:
        return history["test_error"][-1]
    return history["test_loss"][-1] / loaded.baseline


WAYS: dict[str, Callable[[Loaded, str, int], float]] = {
    "command": _command,
    "compare": _compare,
    "estimator": _estimator,
}
