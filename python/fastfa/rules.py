"""Rules by name, and one rule for each hidden layer from what a user gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import _check, _core
from ._feedback_arguments import propagates
from .feedback import CustomFeedback, Feedback
from .layers import Weighted
from .layers.recurrent import RecurrentFeedbackName, recurrent_place
from .perturbation import NodePerturbation

#: Published rules by name.
PRESETS: dict[str, Feedback] = {
    "bp": Feedback("transpose"),  # backprop
    "fa": Feedback("uniform"),  # feedback alignment
    "dfa": Feedback("uniform", route="direct"),  # direct feedback alignment
    "drtp": Feedback("uniform", route="target"),  # direct random target projection
    "shallow": Feedback("zero"),  # the output layer alone learns
    "sparse_fa": Feedback("sparse", density=0.5),  # the paper's removal of half of B
    "usf": Feedback("sign"),  # sign symmetry: uniform magnitudes
    "brsf": Feedback("sign", magnitude="redrawn"),  # magnitudes drawn for every batch
    "frsf": Feedback("sign", magnitude="fixed"),  # magnitudes drawn once
    "kp": Feedback("uniform", plasticity="kolen_pollack"),  # Kolen–Pollack
    "dkp": Feedback("uniform", route="direct", plasticity="kolen_pollack"),  # direct Kolen–Pollack
    "wm": Feedback("uniform", plasticity="weight_mirror"),  # weight mirror
    "pbp": Feedback("pseudoinverse"),  # pseudobackprop
}

#: Rules of networks with a recurrent layer: B into hidden layers, and its ``recurrent_feedback``.
IN_TIME: dict[str, tuple[Feedback, RecurrentFeedbackName]] = {
    "rflo": (Feedback("normal", route="direct"), "zero"),  # random feedback local online learning
    "bptt": (Feedback("transpose"), "transpose"),  # backprop through time
    "random_bptt": (
        Feedback("normal", route="direct"),
        "random",
    ),  # with random matrices on both paths
}

Rule = str | Feedback | CustomFeedback
FeedbackLike = Rule | Sequence[Rule] | NodePerturbation
Rules = tuple[Feedback, ...] | NodePerturbation


def one_rule(value: Any, name: str, where: str) -> Feedback:
    """A Feedback from a name, a Feedback or an object with propagate()."""
    if isinstance(value, Feedback):
        return value
    if isinstance(value, str):
        return PRESETS[_check.choice(where, name, value, tuple(PRESETS))]
    if propagates(value):
        return Feedback(value)
    raise TypeError(
        f"[{where}] {name} was {value!r}; it must be a Feedback, an object with propagate(delta) "
        f"or one of {', '.join(PRESETS)}"
    )


def resolve(feedback: FeedbackLike, hidden: int, where: str = "Network") -> Rules:
    """One Feedback per hidden layer from a name, a Feedback, an object with propagate(), or one of
    these for each layer. A NodePerturbation stands for the whole network and stays what it is."""
    if isinstance(feedback, NodePerturbation):
        return feedback
    if not isinstance(feedback, Sequence) or isinstance(feedback, str) or propagates(feedback):
        return (one_rule(feedback, "feedback", where),) * hidden
    if len(feedback) != hidden:
        raise ValueError(
            f"[{where}] feedback has {len(feedback)} entries; the network has {hidden} hidden "
            "layers and needs one for each"
        )
    return tuple(one_rule(value, f"feedback[{i}]", where) for i, value in enumerate(feedback))


def in_time(feedback: FeedbackLike, layers: Sequence[Weighted], where: str) -> FeedbackLike:
    """What a name of `IN_TIME` stands for, if the network's recurrent layer is the one it needs."""
    if not isinstance(feedback, str) or feedback not in IN_TIME:
        return feedback
    rule, needed = IN_TIME[feedback]
    place = recurrent_place(layers)
    found = None if place is None else getattr(layers[place], "recurrent_feedback", None)
    if found != needed:
        own = "out a recurrent layer" if place is None else f" recurrent_feedback {found!r}"
        raise ValueError(
            f"[{where}] feedback was {feedback!r} for a network with{own}; it must have a Recurrent "
            f"with recurrent_feedback={needed!r}"
        )
    return rule


def specs(rules: Rules) -> tuple[list[_core.FeedbackSpec], _core.Perturbation]:
    """(feedback, perturbation) as the core takes them: one of the two is empty or of sigma 0."""
    if isinstance(rules, NodePerturbation):
        return [], rules._spec()
    return [rule._spec() for rule in rules], _core.Perturbation()
