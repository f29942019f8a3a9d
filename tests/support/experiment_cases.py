"""Which experiments take how long, and one that takes no time."""

from __future__ import annotations

from fastfa import experiments
from fastfa.experiments import Claim, Experiment, _job
from fastfa.experiments import _statistics as statistics

# A few seconds each; the others differ from these in their settings more than in their code.
QUICK = ("coupled", "decoupled", "flow-field", "linear", "small-weights", "theory")
# These have small data sets, or none, and a module of tests of their own.
CLASSIFIERS = ("mnist-deep", "mnist-local", "mnist-elastic", "mnist-ten", "mnist-back-image")
ELSEWHERE = (*CLASSIFIERS, "svhn", "timit", "autoencoder", "conv-local", "rflo", "switch")
# What the paper says and we don't find.
DIFFERS: dict[str, list[str]] = {}
SLOW = tuple(name for name in experiments.NAMES if name not in (*QUICK, *ELSEWHERE))


def known_as(monkeypatch, experiment):
    """Every name is that of this experiment."""
    for module in (experiments, _job):
        monkeypatch.setattr(module, "get", lambda name: experiment)


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
