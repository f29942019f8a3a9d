"""A network's description, its tensors by name, and the way back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _check, _core
from .._class_names import check_names
from ..feedback import Feedback
from ..layers import Activation, Weighted
from ..layers.recurrent import is_in_time, recurrent_place
from ..network import _arguments
from ..network._stacked import stacked
from ..perturbation import NodePerturbation
from .describe import (
    LAYERS,
    Tensors,
    build,
    build_feedback,
    describe,
    describe_feedback,
    difference,
    needs_array,
    of_today,
    pack,
)
from .file import Mismatch, Shape

if TYPE_CHECKING:
    from ..network import Network
    from ..network.parameters import Parameters
    from ..rules import Rules

_PARTS = ("weights", "biases", "feedback")
# Their names by the core's words for what an optimizer remembers, and the core's numbers of them.
_MOMENTS: dict[str, dict[str, int]] = {
    "none": {},
    "velocity": {"velocity": 0},
    "adam": {"adam_m": 0, "adam_v": 1},
    "squares": {"squares": 1},
}

Described = dict[str, Any]


def describe_network(net: Network, prefix: str = "") -> tuple[Described, Tensors]:
    """What the network is and how far it has come; all its arrays, by their names in the file.

    Raises
    ------
    ValueError
        If its feedback or an activation is code of the caller's, or a parameter isn't finite.
    """
    for i, layer in enumerate(net.layers):
        if isinstance(layer.activation, Activation):
            raise ValueError(
                f"layers[{i}].activation was {layer.activation}; it must be one of fastfa's: your own "
                "is code, which a checkpoint can't hold (the state_dict() of the network can be saved)"
            )
        own = getattr(layer, "recurrent_feedback", None)
        if isinstance(own, Feedback) and own._kind == "custom":
            _refuse_code(f"layers[{i}].recurrent_feedback", own)
    for i, rule in enumerate(net.feedback if isinstance(net.feedback, tuple) else ()):
        if rule._kind == "custom":
            _refuse_code(f"feedback[{i}]", rule)
    return state_of(net, net.feedback, "save", prefix)


def _refuse_code(name: str, rule: Feedback) -> None:
    raise ValueError(
        f"{name} was {rule.matrix!r}; it must be a matrix of fastfa's: an object with propagate() is "
        "code, which a checkpoint can't hold (the state_dict() of the network can be saved)"
    )


def state_of(
    net: Parameters, rules: Rules, where: str, prefix: str = ""
) -> tuple[Described, Tensors]:
    """`describe_network` with these rules in place of the network's; ``where`` is for errors."""
    tensors = {prefix + name: array for name, array in net._arrays().items()}
    for name, array in tensors.items():
        _check.finite(where, name, array)
    steps, memory, adam_steps, inverted = net._net.progress()
    tensors |= {prefix + name: array for name, array in _memory(net).items()}
    for i, rule in enumerate(rules if isinstance(rules, tuple) else ()):
        if rule.array is not None:
            tensors[f"{prefix}given.{i}"] = rule.array
    in_time = _b_rec(net.layers)
    if isinstance(in_time, Feedback) and in_time.array is not None:
        tensors[f"{prefix}given.recurrent"] = in_time.array
    progress = {"steps": steps, "memory": memory, "adam_steps": adam_steps, "inverted": inverted}
    described: Described = {"is": _configuration(net, rules), "progress": progress}
    state = {f"state.{name}": array for name, array in _state(net).items()}
    if state:
        for name, array in state.items():
            _check.finite(where, name, array)
        tensors |= {prefix + name: array for name, array in state.items()}
        described["state"] = {
            "examples": len(state["state.hidden"]),
            "traces": "state.traces" in state,
        }
    if net.class_names:
        described["class_names"] = list(net.class_names)
    return described, tensors


def _configuration(net: Parameters, rules: Rules) -> Described:
    described: list[Described] = []
    for layer, pooling, rate in zip((None, *net.layers), net.pooling, net.dropout, strict=True):
        described += [] if layer is None else [describe(layer)]
        described += map(describe, pooling)
        if rate:
            described.append({"kind": "Dropout", "rate": rate})
    feedback = (
        [describe_feedback(rule) for rule in rules] if isinstance(rules, tuple) else describe(rules)
    )
    configuration = {
        "input": list(net.input_shape),
        "layers": described,
        "feedback": feedback,
        "loss": net.loss,
        "seed": net.seed,
        "dtype": net.dtype.name,
        "device": net.device,
    }
    if net.matmul_precision != "float32":
        configuration["matmul_precision"] = net.matmul_precision
    if net.matmul_library != "fastfa":
        configuration["matmul_library"] = net.matmul_library
    return pack(configuration, "", {})


def _b_rec(layers: Sequence[Weighted]) -> Any:
    """B_rec of the recurrent layer among these; None: there is none."""
    at = recurrent_place(layers)
    return None if at is None else getattr(layers[at], "recurrent_feedback", None)


def _state(net: Parameters) -> dict[str, np.ndarray]:
    """Where a recurrent layer is in time: h, traces if there are any, delayed inputs. Views."""
    core = net._net
    found = {"hidden": core.state(), "traces": core.traces(), "past_inputs": core.past_inputs()}
    return {name: array for name, array in found.items() if array is not None}


def _memory(net: Parameters) -> dict[str, np.ndarray]:
    """The optimizer's memory of every parameter, and inverses that are kept: views."""
    _, memory, _, inverted = net._net.progress()
    found: dict[str, np.ndarray] = {}
    for name, moment in _MOMENTS[memory].items():
        for part in _PARTS:
            for i in net._fed if part == "feedback" else range(len(net.layers)):
                array = net._net.memory(part, i, moment)
                if array is not None:
                    found[f"{name}.{part}.{i}"] = array
        if net._learns_in_time:
            array = net._net.memory("feedback", len(net.layers) - 1, moment)
            if array is not None:
                found[f"{name}.feedback.recurrent"] = array
    for i, since in enumerate(inverted):
        if since >= 0:
            inverse = net._net.kept_inverse(i)
            assert inverse is not None  # since when it is kept says that it is
            found[f"inverse.{i}"] = inverse
    return found


_WHERE = ("device", "matmul_precision", "matmul_library")  # not what a network is


class NetworkPlan:
    """A described network before it is built: what it is made from, and which tensors it needs.

    Nothing here takes memory that grows with the network, so a file can be refused before any is.
    ``make`` makes a network, as the class does.
    """

    def __init__(
        self, described: Described, make: Callable[..., Network], prefix: str = ""
    ) -> None:
        self._make = make
        self.prefix, self.progress = prefix, described["progress"]
        self.class_names = check_names("load", described.get("class_names", []))
        own = dict(described["is"])
        if isinstance(own["feedback"], list):
            own["feedback"] = [of_today(rule) for rule in own["feedback"]]
        self.configuration = dict(own)
        self.input = tuple(own.pop("input"))
        self._layers = own.pop("layers")
        self.layers = [build(layer, *LAYERS) for layer in self._layers]
        self.feedback = own.pop("feedback")
        self.rest = own
        self.dtype = _arguments.dtype(own["dtype"])
        self._weighted, dropout, pooling = _arguments.layers(self.layers)
        shape = _arguments.input_shape(_input(self.input))
        self._stack = stacked(shape, self._weighted, dropout, pooling)
        hidden = len(self._weighted) - 1
        self.fed = range(hidden if isinstance(self.feedback, list) else 0)
        if isinstance(self.feedback, list) and len(self.feedback) != hidden:
            raise ValueError(f"it has {len(self.feedback)} feedbacks for {hidden} hidden layers")
        count = max(math.prod(self._stack.shapes[-1]), 2)
        if self.class_names and len(self.class_names) != count:
            raise ValueError(f"it has {len(self.class_names)} class_names for {count} classes")
        self._check_progress()
        self.state = described.get("state")
        if self.state is not None and not is_in_time(self._weighted):
            raise ValueError("it has a state, and no recurrent layer")
        self.needed, self.possible = self._tensors()
        self.other: set[str] = set()

    def _check_progress(self) -> None:
        """Refuse what the core would, before anything is read or changed."""
        own, where = self.progress, "progress"
        steps = _check.integer(where, "steps", own["steps"], 0, 2**62)
        memory = _check.choice(where, "memory", own["memory"], tuple(_MOMENTS))
        _check.integer(where, "adam_steps", own["adam_steps"], 0, steps if memory == "adam" else 0)
        if len(own["inverted"]) != len(self.fed):
            raise ValueError(f"inverted has {len(own['inverted'])} entries for {len(self.fed)} B")
        for i, since in enumerate(own["inverted"]):
            keeps = (
                self.feedback[i]["matrix"] == "pseudoinverse" and self.feedback[i]["refresh"] > 1
            )
            _check.integer(where, f"inverted[{i}]", since, -1, steps if keeps else -1)

    def _tensors(self) -> tuple[dict[str, Shape], dict[str, Shape]]:
        units = [math.prod(shape) for shape in self._stack.shapes]
        parameters: dict[str, tuple[int, ...]] = {}
        possible: dict[str, tuple[int, ...]] = {}
        extra: dict[str, Shape] = {}
        learn: set[str] = set()
        for i, layer in enumerate(self._weighted):
            below = self._stack.below[i]
            own = {f"weights.{i}": layer.weight_shape(below)}
            if layer.bias:
                own[f"biases.{i}"] = layer._bias_shape(below)
            parameters |= own
            learn |= own.keys() if layer.trainable else set()
        for i in self.fed:
            given = needs_array(self.feedback[i])
            rule = build_feedback(self.feedback[i], np.zeros((1, 1)) if given else None)
            source = units[i + 2] if rule.route == "layerwise" else units[-1]
            above, below = self._weighted[i + 1], self._stack.below[i + 1]
            dense: tuple[int, ...] = (math.prod(below), source)
            traits = _core.MATRICES[self.feedback[i]["matrix"]]
            if traits.stored_dense and rule.storage is None:
                parameters[f"feedback.{i}"] = (
                    above._stored_feedback(traits.of_pattern, below)
                    if rule.route == "layerwise"
                    else dense
                )
            elif rule.matrix == "sparse":
                possible[f"feedback.{i}"] = dense  # stored dense unless it is very sparse
            if rule.plasticity == "kolen_pollack":
                learn.add(f"feedback.{i}")
            if self.progress["inverted"][i] >= 0:
                parameters[f"inverse.{i}"] = dense
            if given:
                extra[f"{self.prefix}given.{i}"] = Shape(np.dtype(np.float64), dense)
        at, in_time = recurrent_place(self._weighted), _b_rec(self._weighted)
        if at is not None and isinstance(in_time, Feedback):
            n = units[at + 1]
            if in_time.plasticity == "kolen_pollack":
                parameters["feedback.recurrent"] = (n, n)
                learn.add("feedback.recurrent")
            if in_time.array is not None:
                extra[f"{self.prefix}given.recurrent"] = Shape(np.dtype(np.float64), (n, n))
        if self.state is not None:
            examples = _check.integer("state", "examples", self.state["examples"], 1, 2**31 - 1)
            assert at is not None  # or there would be no state
            n = units[at + 1]
            extra[f"{self.prefix}state.hidden"] = Shape(self.dtype, (examples, n))
            if _check.flag("state", "traces", self.state["traces"]):
                rows = examples * (math.prod(self._stack.below[at]) + n + 1)
                extra[f"{self.prefix}state.traces"] = Shape(self.dtype, (rows, n))
            late = examples * getattr(self._weighted[at], "input_delay", 0)
            if late:
                below = (late, math.prod(self._stack.below[at]))
                extra[f"{self.prefix}state.past_inputs"] = Shape(self.dtype, below)
        moments = _MOMENTS[self.progress["memory"]]
        parameters |= {f"{moment}.{name}": parameters[name] for moment in moments for name in learn}
        return self._shaped(parameters) | extra, self._shaped(possible)

    def _shaped(self, shapes: dict[str, tuple[int, ...]]) -> dict[str, Shape]:
        return {self.prefix + name: Shape(self.dtype, shape) for name, shape in shapes.items()}

    def build(self, tensors: Mapping[str, np.ndarray]) -> Network:
        """The network, with the tensors of the file in it."""
        feedback: list[Feedback] | NodePerturbation
        if isinstance(self.feedback, list):
            feedback = [
                build_feedback(rule, tensors.get(f"{self.prefix}given.{i}"))
                for i, rule in enumerate(self.feedback)
            ]
        else:
            feedback = build(self.feedback, NodePerturbation)
        given = tensors.get(f"{self.prefix}given.recurrent")
        layers = [build(layer, *LAYERS, array=given) for layer in self._layers]
        net = self._make(_input(self.input), layers, feedback=feedback, **self.rest)
        self.write(net, tensors)
        return net

    def check_like(self, net: Network) -> None:
        """Refuse a network that is another one than the described, wherever both compute."""
        saved, own = self.configuration, _configuration(net, net.feedback)
        saved, own = ({k: v for k, v in c.items() if k not in _WHERE} for c in (saved, own))
        found = difference(saved, own)
        if found is not None:
            raise Mismatch(f"another network: {found}")

    def write(self, net: Network, tensors: Mapping[str, np.ndarray]) -> None:
        """Put the state into a network of this description."""
        start = len(self.prefix)
        own = {n[start:]: a for n, a in tensors.items() if n.startswith(self.prefix)}
        for i in self.fed:
            given = net._rules[i].array
            if given is not None and not np.array_equal(given, own[f"given.{i}"]):
                raise Mismatch(f"another network: feedback[{i}].array differs")
        array = getattr(_b_rec(net.layers), "array", None)
        if array is not None and not np.array_equal(array, own["given.recurrent"]):
            raise Mismatch("another network: the array of recurrent_feedback differs")
        moments = {n: own[n] for n in own if n.partition(".")[0] in _REMEMBERED}
        for name, array in moments.items():
            _check_moment(name, array)
        state = {n: own[n] for n in own if n.partition(".")[0] == "state"}
        for name, array in state.items():
            _check.finite("load", name, array)
        net.load_state_dict({n: own[n] for n in own if n.partition(".")[0] in _PARTS})
        net._net.set_progress(**self.progress)
        net.class_names = self.class_names
        for name, view in _memory(net).items():
            view[...] = moments[name]
        if is_in_time(self._weighted):
            net.reset()
        if self.state is not None:
            net._net.begin_state(self.state["examples"])
            views = _state(net)
            for name, array in state.items():
                views[name.partition(".")[2]][...] = array


_REMEMBERED = {"inverse", *(name for moments in _MOMENTS.values() for name in moments)}


def _check_moment(name: str, array: np.ndarray) -> None:
    if not name.startswith(("adam_v", "squares")):
        _check.finite("load", name, array)
    elif not (array >= 0).all():  # a square may have overflowed, but is never NaN
        raise ValueError(
            f"{name} has a value that is negative or NaN; it must be a mean of squares"
        )


def _input(shape: tuple[int, ...]) -> int | tuple[int, ...]:
    return shape[0] if len(shape) == 1 else shape
