"""Cases for parity.py: a network, what carries its error, and how it is trained, in one record."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import fastfa as fa
import numpy as np

ANYWHERE = ["linear", "logistic", "tanh", "relu", "leaky_relu", "hard_tanh", "softplus", "elu"]
HIDDEN = [*ANYWHERE, "gelu", "silu"]
OUTPUTS = [
    *(("squared_error", name) for name in ANYWHERE),
    ("cross_entropy", "logistic"),
    ("cross_entropy", "softmax"),
]
RULES = ["bp", "fa", "dfa", "shallow", "normal", "direct normal", "array", "direct array"]
# kinds that every route may have, and whose B is drawn or given
KINDS = {
    "uniform": {},
    "normal": {},
    "orthogonal": {},
    "sparse": {},
    "sparse 0.1": {"density": 0.1},
    "low_rank": {"rank": 1},
    "binary": {},
    "ternary": {},
    "ternary 0.2": {"density": 0.2},
    "hadamard": {},
    "procedural": {},
    "array": {},
    "uniform bf16": {"storage": "bf16"},
    "orthogonal bf16": {"storage": "bf16"},
    "array bf16": {"storage": "bf16"},
    "zero": {},
}
ROUTES = ["", "direct ", "target "]
# what depends on the weights above, or changes beside them
TIED = ["bp", "usf", "frsf", "brsf", "pbp", "pseudoinverse 3"]
PLASTIC = [
    "kp",
    "wm",
    "kp normal",
    "direct kp",
    "kp array",
    "direct kp orthogonal",
    "wm fast",
    "wm normal",
    "wm orthogonal",
    "wm array",
]
ALL_RULES = [
    *RULES,
    *(route + kind for route in ROUTES for kind in KINDS),
    "custom",
    "direct custom",
    "target custom",
    *TIED,
    *PLASTIC,
]
# 1, odd numbers, and one below, at and above the widths of vector registers and of tiles
WIDTHS = [1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 127, 129, 257]


@dataclass(frozen=True)
class Case:
    """One network and how it is trained. ``rules`` has one entry for each hidden layer."""

    widths: Sequence[int] = (8, 6, 4)  # input, hidden ..., output
    hidden: Sequence[str] = ("tanh",)
    output: tuple[str, str] = ("squared_error", "linear")  # loss, activation
    rules: Sequence[str] = ("fa",)
    bias: Sequence[bool] = (True, True)
    trainable: Sequence[bool] = (True, True)
    density: Sequence[float] = (1.0, 1.0)
    perturbation: float = 0.0  # σ of node perturbation, which takes the place of the rules
    momentum: float = 0.0
    weight_decay: float = 0.0
    adam: bool = False
    other: str = ""  # "nesterov", "adamw" or "rmsprop" in its place
    limits: Sequence[tuple[str, float]] = ()  # of gradients, settings of the optimizer
    scales: Sequence[
        float
    ] = ()  # each layer's lr_scale, decay_scale, bias_lr_scale, bias_decay_scale
    reduction: str = "mean"
    batch: int = 1
    short: int = 0  # examples missing from the last batch
    drive: str = "epoch"  # or "step", or "both" in turn
    sparse: bool = False  # MNIST-like inputs: most are exactly zero
    seed: int = 0
    image: tuple[int, ...] = ()  # the input's shape, where layers are locally connected
    local: Sequence = ()  # these, from the bottom; see local_cases.py
    device: str = "cpu"
    matmul_library: str = "fastfa"
    weighted: bool = False  # examples have weights, some of them 0


def plain_case(widths: Sequence[int], **changes) -> Case:
    """A Case with these widths; its other sequences are repeated up to the right length."""
    n = len(widths) - 1
    defaults = {"hidden": ("tanh",), "rules": ("fa",), "bias": (True,), "trainable": (True,)}
    defaults["density"] = (1.0,)
    filled = {}
    for name, default in defaults.items():
        values = changes.pop(name, default)
        length = n - 1 if name in ("hidden", "rules") else n
        filled[name] = tuple(itertools.islice(itertools.cycle(values), length))
    return Case(widths=tuple(widths), **filled, **changes)


class Carrier:
    """A user's own feedback: nothing but propagate()."""

    def __init__(self, b: np.ndarray) -> None:
        self.b = b

    def propagate(self, delta: np.ndarray) -> np.ndarray:
        return delta @ self.b.T


def plasticity_of(words: Sequence[str]) -> object:
    """What the words of a rule's name say about learning."""
    if "kp" in words:
        return "kolen_pollack"
    return fa.WeightMirror.average(0.1, noise=0.5, every=3) if "fast" in words else "weight_mirror"


def rule_of(rule: str, n: int, sources: dict[str, int], rng: np.random.Generator):
    """The specification of one rule into a layer of n units; sources: widths by route."""
    if rule in fa.PRESETS:
        return rule
    words = rule.split()
    route = words[0] if words[0] in ("direct", "target") else "layerwise"
    name = rule.removeprefix(route + " ")
    b = rng.standard_normal((n, sources[route])) / np.sqrt(sources[route])
    if name == "custom":
        return fa.Feedback(Carrier(b), route=route)
    if name.startswith("pseudoinverse"):
        return fa.Feedback("pseudoinverse", refresh=int(words[-1]))
    if {"kp", "wm"} & set(words):
        matrix = words[-1] if words[-1] in KINDS else "uniform"
        options = {"array": b} if matrix == "array" else {}
        return fa.Feedback(matrix, route=route, plasticity=plasticity_of(words), **options)
    options = dict(KINDS[name])
    if name.startswith("array"):
        options["array"] = b
    if name == "normal":
        options["scale"] = 1 / np.sqrt(sources[route])
    if name == "low_rank":
        options["rank"] = int(rng.integers(1, min(b.shape) + 1))
    return fa.Feedback(name.split()[0], route=route, **options)


def feedback_of(case: Case, rng: np.random.Generator):
    """One feedback specification for each hidden layer."""
    if case.perturbation:
        return fa.NodePerturbation(case.perturbation)
    n_out = case.widths[-1]
    return [
        rule_of(rule, n, {"layerwise": above, "direct": n_out, "target": n_out}, rng)
        for rule, n, above in zip(case.rules, case.widths[1:-1], case.widths[2:], strict=True)
    ]


def build(case: Case, dtype: str, rng: np.random.Generator) -> fa.Network:
    """The core's network, with biases that are not zero."""
    loss, output = case.output
    layers: list = [
        fa.Dense(units, activation, bias=bias, trainable=trainable, density=density)
        for units, activation, bias, trainable, density in zip(
            case.widths[1:],
            [*case.hidden, output],
            case.bias,
            case.trainable,
            case.density,
            strict=True,
        )
    ]
    for i, patches in enumerate(case.local):
        plain = layers[i]
        layers[i] = patches.layer(plain.activation, bias=plain.bias, trainable=plain.trainable)
    if case.scales:  # turned from layer to layer, so that each has its own
        layers = [replace(each, **scales_of(case, i)) for i, each in enumerate(layers)]
    feedback = feedback_of(case, rng)
    net = fa.Network(
        case.image or case.widths[0],
        layers,
        feedback,
        loss=loss,
        seed=case.seed,
        dtype=dtype,
        device=case.device,
        matmul_library=case.matmul_library,
    )
    for b in net.biases:
        if b is not None:
            b[...] = 0.3 * rng.standard_normal(b.shape)
    return net


def scales_of(case: Case, layer: int) -> dict[str, float]:
    """The layer's factors: those of the case, larger from layer to layer."""
    names = ("lr_scale", "decay_scale", "bias_lr_scale", "bias_decay_scale")
    return {name: (1 + layer) * s for name, s in zip(names, case.scales, strict=True)}


def draw_data(
    case: Case, count: int, dtype: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (count, n_in) and targets (count, n_out), both representable in ``dtype``."""
    n_in, n_out = case.widths[0], case.widths[-1]
    if case.sparse:
        x = rng.integers(1, 256, (count, n_in)) / 255 * (rng.random((count, n_in)) < 0.2)
        x[:, rng.random(n_in) < 0.3] = 0  # like MNIST's borders
        x[rng.random(count) < 0.05] = 0  # and an example with nothing in it
    else:
        x = rng.standard_normal((count, n_in))
    loss, output = case.output
    if output == "softmax":
        y = np.eye(n_out)[rng.integers(0, n_out, count)]
    elif loss == "cross_entropy":
        y = rng.random((count, n_out)).round(1)
    else:
        y = rng.uniform(-1, 1, (count, n_out))
    return x.astype(dtype), y.astype(dtype)


def draw_weights(case: Case, count: int, dtype: str, rng: np.random.Generator) -> np.ndarray | None:
    """What each example counts, (count,), a fifth of them 0; None where the case has no weights."""
    if not case.weighted:
        return None
    weights = rng.uniform(0, 2, count) * (rng.random(count) < 0.8)
    weights[rng.integers(count)] = 1.5  # one at least
    return weights.astype(dtype)


def fan_ins(case: Case) -> list[int]:
    """How many inputs a unit of each layer has; of locally connected ones, the patch."""
    result = list(case.widths[:-1])
    channels = case.image[0] if len(case.image) == 3 else 1
    for i, patches in enumerate(case.local):
        k = patches.kernel
        result[i] = channels * (k * k if isinstance(k, int) else k[0] * k[1])
        channels = patches.maps
    return result


def optimizer_of(case: Case) -> fa.optim.Optimizer:
    """A rate at which steps neither vanish nor blow up, whatever the widths and the batch.

    Adam divides each gradient by its own size, so one that is all rounding error moves as far as
    any other unless ε is of the size of the gradients.
    """
    lr = 0.5 * (1 - case.momentum) / (1 + max(fan_ins(case)))
    if case.perturbation:  # a step's noise is as long as the gradient times √units
        lr /= 10
    limits = dict(case.limits)
    if case.other == "adamw":
        return fa.AdamW(
            0.1 * lr, beta2=0.99, epsilon=1e-2, weight_decay=case.weight_decay, **limits
        )
    if case.other == "rmsprop":
        return fa.RMSprop(0.1 * lr, rho=0.9, epsilon=1e-2, weight_decay=case.weight_decay, **limits)
    if case.adam:
        return fa.Adam(0.1 * lr, beta2=0.99, epsilon=1e-2, weight_decay=case.weight_decay, **limits)
    return fa.SGD(
        lr if case.reduction == "mean" else lr / case.batch,
        momentum=case.momentum,
        weight_decay=case.weight_decay,
        reduction=case.reduction,
        nesterov=case.other == "nesterov",
        **limits,
    )


def twins(case: Case, dtype: str) -> tuple[fa.Network, fa.Network]:
    return tuple(build(case, dtype, np.random.default_rng(case.seed)) for _ in range(2))


def bits(net: fa.Network) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in net.state_dict().items()}
