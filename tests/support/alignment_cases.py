"""Networks of every rule, the fields of an alignment, and examples to measure it on."""

from __future__ import annotations

import fastfa as fa

FIELDS = [
    "layer",
    "angle_bp",
    "angle_bp_sd",
    "angle_bp_layer",
    "angle_pbp",
    "angle_pbp_sd",
    "weight_angle",
    "neuron_angles",
    "trace_bw",
    "descent",
    "descent_positive",
    "trace_abe",
    "norm_ratio",
    "gradient_angle",
]


class Carrier:
    """A custom feedback without toarray()."""

    def __init__(self, b):
        self.b = b

    def propagate(self, delta):
        return delta @ self.b.T


def carriers(widths, rng, route="layerwise"):
    above = widths[2:] if route == "layerwise" else [widths[-1]] * (len(widths) - 2)
    return [
        fa.Feedback(Carrier(rng.standard_normal((n, m))), route=route)
        for n, m in zip(widths[1:-1], above, strict=True)
    ]


RULES = {
    "bp": "bp",
    "fa": "fa",
    "dfa": "dfa",
    "drtp": "drtp",
    "usf": "usf",
    "brsf": "brsf",
    "pbp": "pbp",
    "kp": "kp",
    "wm": "wm",
    "direct kp": fa.Feedback("uniform", route="direct", plasticity="kolen_pollack"),
    "binary": fa.Feedback("binary"),
    "direct hadamard": fa.Feedback("hadamard", route="direct"),
    "target procedural": fa.Feedback("procedural", route="target"),
    "low_rank": fa.Feedback("low_rank", rank=2),
    "shallow": "shallow",
    "custom": carriers,
    "direct custom": lambda widths, rng: carriers(widths, rng, "direct"),
    "mixed": lambda widths, rng: ["dfa", fa.Feedback("sparse", density=0.2), "drtp"],
}
SHAPES = {"small": (6, 9, 8, 5, 4), "wide": (20, 130, 33, 65, 3)}
PROBES = [1, 7, 100, 130, 300]


def network(rule, widths, rng, *, dtype="float64", hidden="tanh") -> fa.Network:
    given = RULES.get(rule, rule) if isinstance(rule, str) else rule
    layers = [fa.Dense(n, hidden) for n in widths[1:-1]] + [fa.Dense(widths[-1], "linear")]
    feedback = given(widths, rng) if callable(given) else given
    net = fa.Network(widths[0], layers, feedback, seed=2, dtype=dtype)
    for b in net.biases:
        b[...] = 0.2 * rng.standard_normal(b.shape)
    return net


def probe(widths, count, rng):
    x, y = rng.standard_normal((count, widths[0])), rng.uniform(-1, 1, (count, widths[-1]))
    return x, y
