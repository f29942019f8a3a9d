"""One training run of bench/rules.py, in whatever process it is asked for."""

from __future__ import annotations

import json
import math
import statistics
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from typing import Any

import fastfa as fa
import numpy as np

from measuring import machine, record
from rule_table.settings import NETWORKS, Choice, Setup

PROBE = 500  # the last training examples: never trained on, angles are measured on them

_DRAWN = ("fa", "dfa", "drtp", "kp", "wm")  # rules whose B a network's `start` draws
_MATRIX_OPTIONS = {"sparse": {"density": 0.1}, "low_rank": {"rank": 64}}


@dataclass(frozen=True)
class Run:
    network: str
    rule: str
    dataset: str
    split: str  # test: train on all but the probe | validation: on the first five sixths
    seed: int  # of weights, B and shuffles
    epochs: int
    choice: Choice

    def identity(self) -> dict[str, Any]:
        """What must be equal for a finished run to count as this one; JSON's own types."""
        values = asdict(self)
        del values["choice"]["source"]
        setup = asdict(NETWORKS[self.network])
        kept = (
            "sizes", "hidden", "output", "batch", "inputs", "start", "gain", "schedule", "shuffle",
            "refresh",
        )  # fmt: skip
        values["setup"] = {key: setup[key] for key in kept}
        return json.loads(json.dumps(values))


def train(run: Run) -> dict[str, Any]:
    """Train and measure; a record that says what happened, whatever happened."""
    result: dict[str, Any] = {"identity": run.identity(), "source": run.choice.source}
    result["date"] = datetime.now(UTC).isoformat(timespec="seconds")
    result["cpu"] = machine.describe_machine()["cpu"]
    result["fastfa"] = fa.__version__
    try:
        return record.plain(result | {"status": "ok"} | _train(run))
    except fa.DivergenceError as problem:
        return result | {"status": "diverged", "reason": str(problem)}
    except Exception as problem:  # one rule's failure must not take the others with it
        return result | {"status": "failed", "reason": f"{type(problem).__name__}: {problem}"}


def _train(run: Run) -> dict[str, Any]:
    setup = NETWORKS[run.network]
    examples, measured, probe = _examples(run.dataset, setup.inputs, run.split)
    net = build(run)
    optimizer = _optimizer(run.choice)
    trainer = fa.Trainer(
        net, optimizer, batch_size=setup.batch, epochs=run.epochs, shuffle=setup.shuffle,
        seed=run.seed, progress=False, schedule=_schedule(run),
    )  # fmt: skip
    if run.rule == "wm" and setup.mirror == "published":  # phases alone: nothing else moves
        still = fa.data.one_hot(examples[1], 10)
        net.train_epoch(examples[0], still, fa.SGD(0.0), batch_size=setup.batch)
    # Measured after every epoch; nothing decides by it.
    history = trainer.fit(examples, **{run.split: measured})
    errors = history[f"{run.split}_error"]
    layers = [row.as_dict() for row in fa.metrics.alignment(net, *probe)]
    return {
        "feedback": _describe(net.feedback),
        "optimizer": repr(optimizer),
        "threads": fa.get_num_threads(),
        "trained_on": len(examples[0]),
        "error": errors[-1],
        "errors": errors,
        "train_error": history["train_error"][-1],
        "train_loss": history["train_loss"][-1],
        "samples_per_s": round(statistics.median(history["samples_per_second"]), 1),
        "training_seconds": round(sum(history["seconds"]), 2),
        "feedback_bytes": list(net.feedback_bytes),
        "alignment": [
            {key: value for key, value in row.items() if np.ndim(value) == 0} for row in layers
        ],
    }


@lru_cache(maxsize=1)
def _examples(dataset: str, inputs: str, split: str) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """(x, labels) to train on, (x, labels) to measure, (x, y) of the probe."""
    data = fa.data.load(dataset)
    x, labels = data.train.x, data.train.labels
    rest = len(labels) - PROBE
    train = rest if split == "test" else len(labels) * 5 // 6
    test_x, test_labels = (data.test.x, data.test.labels) if split == "test" else (x, labels)
    if split == "validation":
        test_x, test_labels = x[train:], labels[train:]
    if inputs == "standardised":
        own = fa.data.normalise(x[:train])
        x, test_x = (fa.data.normalise(part, own.mean, own.sd).x for part in (x, test_x))
    probe = (x[rest:], fa.data.one_hot(labels[rest:], data.classes))
    return (x[:train], labels[:train]), (test_x, test_labels), probe


def build(run: Run) -> fa.Network:
    setup = NETWORKS[run.network]
    scale = _WEIGHT_SCALE[setup.start]
    activations = (setup.hidden,) * (len(setup.sizes) - 2) + (setup.output,)
    layers = [
        fa.Dense(n_out, activation, weight_scale=scale(n_in, n_out))
        for (n_in, n_out), activation in zip(pairwise(setup.sizes), activations, strict=True)
    ]
    return fa.Network(
        setup.sizes[0], layers, _feedback(run, setup), loss="cross_entropy", seed=run.seed
    )


def _feedback(run: Run, setup: Setup) -> Any:
    base, _, matrix = run.rule.partition("-")
    if base == "np":
        return fa.NodePerturbation(run.choice.sigma)
    if base == "pbp":
        return fa.Feedback("pseudoinverse", refresh=setup.refresh)
    preset = fa.PRESETS[base]
    shapes = [
        (n, setup.sizes[-1] if preset.route in ("direct", "target") else n_source)
        for n, n_source in pairwise(setup.sizes[1:])
    ]
    if matrix:
        return [_other_matrix(matrix, preset.route, min(shape), setup.gain) for shape in shapes]
    if setup.start not in _B_SCALE or base not in _DRAWN:
        if base == "wm":
            preset = fa.Feedback(preset.matrix, plasticity=_mirror(setup))
        return _with_gain(preset, setup.gain)
    kind, scale = _B_SCALE[setup.start]
    plasticity = _mirror(setup) if base == "wm" else preset.plasticity
    return [
        fa.Feedback(kind, scale=scale(*shape), route=preset.route, plasticity=plasticity)
        for shape in shapes
    ]


_EQUAL = "equal_before_slope"  # the default when the tables on record were made


def _mirror(setup: Setup) -> fa.WeightMirror:
    return fa.WeightMirror() if setup.mirror == "published" else fa.WeightMirror.average()


def _other_matrix(matrix: str, route: str, most: int, gain: float | None) -> fa.Feedback:
    options = dict(_MATRIX_OPTIONS.get(matrix, {}))
    if "rank" in options:
        options["rank"] = min(options["rank"], most)
    return fa.Feedback(matrix, scale=_EQUAL, route=route, gain=gain, **options)


def _with_gain(rule: fa.Feedback, gain: float | None) -> fa.Feedback:
    """The preset with this gain, if it is drawn."""
    if rule.scale is None:
        return rule
    given = {
        name: getattr(rule, name)
        for name in ("matrix", "route", "plasticity", "density", "magnitude")
    }
    return fa.Feedback(scale=_EQUAL, gain=gain, **given)


def _schedule(run: Run) -> dict[int, float]:
    """{epoch: η} from the shares of the epochs in the network's schedule."""
    steps = NETWORKS[run.network].schedule
    lr = run.choice.lr
    return {1: lr} | {1 + round(share * run.epochs): lr * factor for share, factor in steps}


# glorot: U(−√(6/(n_in + n_out)), …), for B too. fan_sum: variance 1/(n_in + n_out), B normal.
_WEIGHT_SCALE = {
    "default": lambda n_in, n_out: None,
    "paper": lambda n_in, n_out: 0.05,
    "glorot": lambda n_in, n_out: math.sqrt(6 / (n_in + n_out)),
    "fan_sum": lambda n_in, n_out: math.sqrt(3 / (n_in + n_out)),
}
_B_SCALE = {
    "glorot": ("uniform", lambda n, n_source: math.sqrt(6 / (n + n_source))),
    "fan_sum": ("normal", lambda n, n_source: math.sqrt(1 / (n + n_source))),
}


def _optimizer(choice: Choice) -> Any:
    if choice.beta2 is None:
        return fa.SGD(choice.lr, weight_decay=choice.weight_decay)
    return fa.Adam(
        choice.lr, beta2=choice.beta2, epsilon=choice.epsilon, weight_decay=choice.weight_decay
    )


def _describe(feedback: Any) -> str:
    """The network's feedback, each kind once."""
    rules = feedback if isinstance(feedback, tuple) else (feedback,)
    return ", ".join(dict.fromkeys(repr(rule) for rule in rules))
