"""What bench/rules.py trains: networks, rules, hyper-parameters and the published numbers.

Everything that was chosen stands here, with where it comes from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

PRESETS = (
    "bp", "fa", "dfa", "drtp", "shallow", "sparse_fa", "usf", "brsf", "frsf", "kp", "wm", "pbp",
)  # fmt: skip
#: fa and dfa with other matrices than the uniform one, at the hyper-parameters of fa and dfa.
MATRICES = (
    "fa-normal", "fa-orthogonal", "fa-sparse", "fa-low_rank", "fa-binary", "fa-ternary",
    "fa-hadamard", "fa-procedural", "dfa-binary", "dfa-procedural",
)  # fmt: skip
RULES = (*PRESETS, *MATRICES, "np")  # np: NodePerturbation, which needs far smaller rates
GROUPS = {"presets": PRESETS, "matrices": MATRICES}


@dataclass(frozen=True)
class Setup:
    """A network, its data and its protocol. The loss is cross-entropy, so output deltas are e."""

    sizes: tuple[int, ...]  # units of input, hidden and output layers
    hidden: str  # activation of the hidden layers
    output: str  # logistic | softmax
    batch: int
    epochs: int
    rates: tuple[float, ...]  # η that --sweep tries
    dataset: str = "mnist"
    inputs: str = "pixels"  # in [0, 1] | standardised: mean 0 and sd 1 over all training pixels
    start: str = "default"  # default: fastfa's own | paper: ω = 0.05 | glorot | fan_sum (run.py)
    gain: float | None = None  # of drawn feedback with equal_error; default: fastfa's own
    schedule: tuple[
        tuple[float, float], ...
    ] = ()  # (share of the epochs done, factor of η from then)
    shuffle: bool = True
    refresh: int = 1  # steps between two pseudoinverses, for pbp
    # of wm. average: fa.WeightMirror.average() | published: fa.WeightMirror(), and as many phases before
    # the first epoch as an epoch has, as in the authors' code
    mirror: str = "average"
    rules: tuple[str, ...] = PRESETS

    @property
    def title(self) -> str:
        sizes = "-".join(str(n) for n in self.sizes)
        return f"{sizes} {self.hidden}, {self.output} output, batch {self.batch}"


NETWORKS = {
    # gain 0.365 is β = 0.2 of a uniform B, the value of docs/results/mnist-784-1000-10.json
    "wide": Setup(
        (784, 1000, 10), "logistic", "logistic", 1, 25, rates=(0.03, 0.1, 0.3),
        start="paper", gain=0.365, schedule=((0.6, 0.1), (0.84, 0.01)), refresh=100,
    ),
    "deep": Setup(
        (784, 256, 256, 256, 256, 10), "tanh", "softmax", 100, 40,
        rates=(0.03, 0.1, 0.3, 1.0), refresh=10,
    ),
    "bartunov": Setup(
        (784, 256, 256, 256, 256, 256, 10), "tanh", "softmax", 64, 500, rates=(5e-5, 1.5e-4, 5e-4),
        start="glorot", rules=("bp", "fa", "dfa"),
    ),
    "akrout": Setup(
        (784, 500, 10), "logistic", "logistic", 128, 400, rates=(0.05, 0.1, 0.2, 0.3),
        start="fan_sum", shuffle=False, mirror="published", rules=("bp", "fa", "wm", "kp"),
    ),
    "ccl": Setup(
        (784, 256, 256, 256, 256, 256, 10), "tanh", "softmax", 256, 100,
        rates=(0.01, 0.02, 0.05, 0.1, 0.2, 0.4), dataset="fashion-mnist", inputs="standardised",
        rules=("bp", "fa", "dfa", "drtp"),
    ),
}  # fmt: skip
OWN = ("wide", "deep")


@dataclass(frozen=True)
class Choice:
    """Hyper-parameters: SGD, or Adam where β2 is given (β1 = 0.9)."""

    lr: float  # η
    weight_decay: float = 0.0  # γ
    beta2: float | None = None
    epsilon: float | None = None
    sigma: float | None = None  # of node perturbation's noise
    source: str = "sweep"  # sweep | published | guess: not searched yet

    @property
    def label(self) -> str:
        parts = [f"{self.lr:g}"]
        if self.weight_decay:
            parts.append(f"γ {self.weight_decay:g}")
        return ", ".join(parts)


# `sweep`: chosen with
#     python bench/rules.py --sweep --networks wide --epochs 10 --out sweep.json
#     python bench/rules.py --sweep --networks deep --epochs 20 --out sweep.json
# (and 3 for dfa, drtp and shallow, 0.0003 … 0.01 for pbp, at the edges of the rates), which trains on
# the first 50,000 training digits, seed 0, and compares the errors of the fixed last epoch on the other
# 10,000; the test set is not read. γ of kp is set, not searched: B − Wᵀ shrinks like exp(−ηγ·steps)
# (Kolen & Pollack 1994), and this many steps must be enough. All other γ are 0.
_GUESS = "guess"
HYPER: dict[str, dict[str, Choice]] = {
    "wide": {
        "bp": Choice(0.1),
        "fa": Choice(0.1),
        "dfa": Choice(0.1),
        "drtp": Choice(0.1),
        "shallow": Choice(0.1),
        "sparse_fa": Choice(0.1, source="as fa"),
        "usf": Choice(0.1),
        "brsf": Choice(0.1, source="as usf"),
        "frsf": Choice(0.1, source="as usf"),
        "kp": Choice(0.1, weight_decay=1e-4),
        "wm": Choice(0.3),
        "pbp": Choice(0.1, source="as bp"),
        "np": Choice(1e-3, sigma=0.1, source=_GUESS),
    },
    "deep": {
        "bp": Choice(0.3),
        "fa": Choice(0.3),
        "dfa": Choice(3.0),
        "drtp": Choice(3.0),
        "shallow": Choice(3.0),
        "sparse_fa": Choice(1.0),
        "usf": Choice(0.3),
        "brsf": Choice(0.3),
        "frsf": Choice(0.3),
        "kp": Choice(0.1, weight_decay=2e-3),
        "wm": Choice(0.3),
        "pbp": Choice(3e-4),
        "np": Choice(1e-3, sigma=0.1, source=_GUESS),
    },
    # Bartunov et al. 2018, table 5 (Adam, β1 = 0.9)
    "bartunov": {
        "bp": Choice(1.52e-4, beta2=0.999, epsilon=1e-8, source="published"),
        "fa": Choice(1.68e-4, beta2=0.999, epsilon=1e-4, source="published"),
        "dfa": Choice(1.649e-3, beta2=0.95, epsilon=1e-3, source="published"),
    },
    # Akrout et al.'s own run.sh; its Kolen–Pollack decays nothing
    "akrout": {
        "bp": Choice(0.2, source="published"),
        "fa": Choice(0.2, source="published"),
        "wm": Choice(0.05, source="published"),
        "kp": Choice(0.3, source="published"),
    },
    # Kao & Hariharan 2024 print the grid of rates, not the chosen ones; this is its largest
    "ccl": {
        "bp": Choice(0.4, source=_GUESS),
        "fa": Choice(0.4, source=_GUESS),
        "dfa": Choice(0.4, source=_GUESS),
        "drtp": Choice(0.4, source=_GUESS),
    },
}


def choice_for(network: str, rule: str) -> Choice | None:
    """The declared hyper-parameters; None where a network has none for this rule."""
    table = HYPER[network]
    found = table.get(rule) or table.get(rule.partition("-")[0])
    return replace(found, source=f"as {rule.partition('-')[0]}") if found and "-" in rule else found


@dataclass(frozen=True)
class Published:
    """What somebody else printed, and how they came by it."""

    source: str
    error: dict[str, float]  # test error, %
    epochs: int
    protocol: str
    differences: str  # between their run and ours


PUBLISHED = {
    "bartunov": Published(
        "Bartunov et al., NeurIPS 2018, tables 1 and 5",
        {"bp": 1.48, "fa": 1.85, "dfa": 2.75},
        500,
        "lowest test error of 500 epochs; rates, β2 and ε from 60 random configurations",
        "we don't know their batch size (ours: 64) nor how they draw B (ours: Glorot, as W); "
        "our runs leave 500 training digits out as the probe",
    ),
    "akrout": Published(
        "Akrout et al., NeurIPS 2019: results.json of their code",
        {"bp": 1.75, "fa": 3.66, "wm": 2.03, "kp": 1.72},
        100,
        "test accuracy (98.25, 96.34, 97.97, 98.28 %) after the 100th epoch of their 400 (there: 98.50, "
        "97.80, 98.49, 98.45 %), one seed, batches in the file's order, short last batch left out",
        "W is uniform with the variance of their normal one (B is normal, as theirs); our biases "
        "start at 0 and learn at η, theirs at η/128; our last batch is short; 500 training digits "
        "are left out",
    ),
    "ccl": Published(
        "Kao & Hariharan, NeurIPS 2024 (Counter-Current Learning)",
        {"bp": 10.42, "fa": 12.62, "dfa": 12.65, "drtp": 17.97},
        100,
        "test accuracy (89.58 ± 0.25, 87.38 ± 0.12, 87.35 ± 0.99, 82.03 ± 0.56 %), 5 seeds; rates "
        "from a grid; their code keeps the network of the lowest loss on a tenth of the training "
        "set, clips gradients, and has five hidden layers",
        "no clipping; the rate is the largest of their grid, not chosen; the last epoch is reported; "
        "B has fastfa's default scale; batch 256 is that of their code",
    ),
}
