"""The settings of ``fastfa train``: the name, type, default and help of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import optim


@dataclass(frozen=True)
class Setting:
    """One setting: its name and type, its default, and how it is told to a user.

    ``count`` is how many values it takes: None for one value, ``"+"`` for a list, 2 for a pair. An
    item of a list with ``tables`` may be a table in a file, where it is text on the command line.
    """

    name: str
    kind: type
    default: Any
    help: str
    metavar: str | None = None
    count: str | int | None = None
    tables: bool = False


def _of_optimizers() -> list[Setting]:
    """The optimizer and the settings of all of them, as `fastfa.optim` has them."""
    rates = ", ".join(f"{name} {kind._rate:g}" for name, kind in optim.BY_NAME.items())
    _, words, metavar = optim.SETTINGS["lr"]
    rows = [
        Setting("optimizer", str, "adam", optim.either(list(optim.BY_NAME)), "NAME"),
        Setting("lr", float, None, f"{words}; default: {rates}", metavar),
    ]
    for name, (_, words, metavar) in optim.SETTINGS.items():
        own = optim.owners(name)
        if not own:
            continue
        values = list(own.values())
        if values[0] is None:  # no limit
            rows.append(Setting(name, float, None, f"{words}; default: none", metavar))
            continue
        same = len(set(values)) == 1
        # What is off by default, or a word, stands in a run's settings; a number where it is given.
        default = values[0] if same and (not values[0] or isinstance(values[0], str)) else None
        if len(own) < len(optim.BY_NAME):
            words = f"of {optim.either(list(own))}: {words}"
        if default is None:
            each = (f"{n} {value:g}" for n, value in own.items())
            words += f"; default: {values[0] if same else ', '.join(each)}"
        rows.append(Setting(name, type(values[0]), default, words, metavar or None))
    return rows


# fmt: off
SETTINGS: dict[str, tuple[Setting, ...]] = {
    "network": (
        Setting("hidden", int, [1000], "units of the hidden layers: several numbers, or the "
                "option several times", "UNITS", "+"),
        Setting("layers", str, None, "the hidden layers from the input up, in place of --hidden: "
                "dense:UNITS, local:MAPSxHEIGHTxWIDTH (locally connected, patches of that size), "
                "conv:MAPSxHEIGHTxWIDTH, pool:max:SIZE, pool:average:SIZE, dropout:RATE, "
                "recurrent:UNITS (one, for sequences); "
                "each with name=value after commas, such as local:6x6x6,stride=2,activation=tanh",
                "LAYER", "+", tables=True),
        Setting("activation", str, None, "of the hidden layers: logistic, tanh, relu, "
                "leaky_relu, hard_tanh, softplus, elu, gelu, silu or linear; default: relu, with the "
                "route target (drtp) or a recurrent layer tanh", "NAME"),
        Setting("output_activation", str, None, "of the output layer: logistic, softmax, "
                "tanh, linear, ...; default: softmax, with squared_error logistic, for regression "
                "linear", "NAME"),
        Setting("leaky_slope", float, None, "of leaky_relu below zero; default: 1/20", "SLOPE"),
        Setting("loss", str, None, "cross_entropy or squared_error; default: cross_entropy, for "
                "regression squared_error", "NAME"),
        Setting("weight_scale", float, None, "omega: initial weights are uniform in (-omega, "
                "omega); default: 1/sqrt(inputs of a unit)", "OMEGA"),
        Setting("density", float, 1.0, "the share of each dense layer's weights that "
                "exists", "SHARE"),
        Setting("bias", bool, True, "whether layers have biases"),
        Setting("dtype", str, "float32", "float32 or float64", "NAME"),
        Setting("matmul_precision", str, "float32", "float32, or bf16: factors of large products "
                "are rounded to 8 bits", "NAME"),
    ),
    "feedback": (
        Setting("feedback", str, "fa", "the learning rule: bp, fa, dfa, drtp, shallow, sparse_fa, "
                "usf, brsf, frsf, kp, dkp, wm, pbp, or np (node perturbation); for sequences rflo, "
                "bptt or random_bptt, which also set the recurrent layer's recurrent_feedback", "RULE"),
        Setting("feedback_matrix", str, None, "what carries the error instead of the rule's own "
                "matrix: uniform, normal, orthogonal, sparse, low_rank, binary, ternary, hadamard, "
                "procedural, sign, transpose, pseudoinverse, zero", "KIND"),
        Setting("feedback_route", str, None, "layerwise, direct from the output, or target",
                "ROUTE"),
        Setting("feedback_scale", float, None, "beta: the size of the feedback weights; default: "
                "errors of equal magnitude reach every layer", "BETA"),
        Setting("feedback_gain", float, None, "the same as a multiple of the output error",
                "GAIN"),
        Setting("feedback_growth", float, None, "how much larger errors are from layer to layer "
                "downwards; default: 1", "FACTOR"),
        Setting("feedback_scale_rule", str, None, "equal_error, where errors are equal after the "
                "units' slope (default), or equal_before_slope", "NAME"),
        Setting("feedback_calibrate", int, None, "measure errors on N training examples first, "
                "and give B the size that has feedback_gain and feedback_growth there", "N"),
        Setting("feedback_density", float, None, "of sparse and ternary matrices: the share that "
                "isn't zero", "SHARE"),
        Setting("feedback_rank", int, None, "of low_rank matrices", "RANK"),
        Setting("feedback_magnitude", str, None, "of sign matrices: uniform, fixed or redrawn",
                "NAME"),
        Setting("feedback_refresh", int, None, "pseudoinverse anew every N steps; default: 1",
                "N"),
        Setting("feedback_storage", str, None, "bf16: two bytes for each number of a fixed B that is "
                "kept as a matrix; default: the dtype's", "NAME"),
        Setting("plasticity", str, None, "how feedback weights change: fixed, kolen_pollack or "
                "weight_mirror; default: the rule's own", "NAME"),
        Setting("mirror_growth", float, None, "of the weight mirror: how B grows, in (0, 1]; "
                "default: 0.01", "RATE"),
        Setting("mirror_decay", float, None, "how B decays in each of its phases, in [0, 1]; "
                "default: 0", "RATE"),
        Setting("mirror_noise", float, None, "standard deviation of its noise; default: 0.0289",
                "SD"),
        Setting("mirror_every", int, None, "steps between its phases; default: 1", "N"),
        Setting("perturbation", float, None, "sigma: the noise of node perturbation (feedback np); "
                "default: 0.01", "SIGMA"),
        Setting("perturbation_layers", str, None, "which layers have noise: all (default), or "
                "hidden: the output learns from its error", "NAME"),
        Setting("perturbation_noise_on", str, None, "what hidden layers' noise is added to: "
                "pre_activation (default) or activation", "NAME"),
    ),
    "training": (
        *_of_optimizers(),
        Setting("batch_size", int, 32, "examples in an update; 1 is online learning", "N"),
        Setting("epochs", int, 20, "passes through the training set", "N"),
        Setting("update", str, "sequence", "of networks in time: sequence, an update from whole "
                "sequences; step, at every step (rflo); or window, from windows of them", "NAME"),
        Setting("window", int, None, "of networks in time that learn by windows: its steps", "N"),
        Setting("carry", bool, False, "of networks in time: whether sequences go on from the state in "
                "which the epoch before has ended"),
        Setting("shuffle", bool, True, "whether each epoch has an order of its own"),
        Setting("schedule", str, "constant", "constant, plateau, plateau:factor=0.1,patience=3, "
                "exponential:0.95, cosine or steps:10=0.01,20=0.001 (epoch=rate)", "SCHEDULE"),
        Setting("warmup_updates", int, None, "rates that grow to those of the schedule in the "
                "first N updates", "N"),
        Setting("warmup_epochs", int, None, "the same in the first N epochs", "N"),
        Setting("warmup_start", float, None, "where they begin, as a share of the schedule's; "
                "default: 0", "SHARE"),
        Setting("early_stopping", int, None, "stop after N epochs without a lower validation "
                "error, and keep the best weights", "N"),
        Setting("seed", int, 0, "of weights, feedback, shuffles and the validation split", "N"),
        Setting("runs", int, 1, "repeat with this many seeds, counting from --seed", "N"),
        Setting("threads", int, None, "of the compiled core; default: its own choice", "N"),
    ),
    "data": (
        Setting("target", str, None, "of a table: the column to predict, by its name or place (-1 is "
                "the last); of an IDX file of images: the file of their labels", "COLUMN"),
        Setting("task", str, None, "classification or regression; default: what the target's values "
                "say, if they leave no doubt", "TASK"),
        Setting("test", str, None, "file with the test examples of your own data", "FILE"),
        Setting("held_out", float, None, "without it: the share of your own data that is held out as "
                "test set; default: 0.2", "FRACTION"),
        Setting("split_seed", int, 0, "of the choice of these examples", "N"),
        Setting("ignore", str, None, "columns of a table that are left out", "COLUMN", "+"),
        Setting("sequence", str, None, "of a table: the column that says which sequence a row belongs "
                "to", "COLUMN"),
        Setting("at_end", bool, False, "of a table with sequences: whether only the target in a "
                "sequence's last row counts"),
        Setting("header", bool, None, "whether the first line of a CSV file names its columns; "
                "default: whether it is words"),
        Setting("validation", float, None, "split this fraction off the training set",
                "FRACTION"),
        Setting("targets", float, None, "target values of wrong and right class; default: 0 1, "
                "with tanh outputs -0.9 0.9", "LOW HIGH", 2),
        Setting("normalise", bool, None, "whether to shift and scale the inputs to mean 0 and "
                "standard deviation 1 (of the training set): of a table each column, of images all "
                "pixels of a channel together; default: of tables only"),
        Setting("augment", str, "none", "elastic: train each epoch on elastic distortions of its "
                "own; crop: on crops within a border, and mirror images; or none", "NAME"),
        Setting("augment_alpha", float, None, "size of the distortions, in pixels; default: 34; 0 "
                "leaves only what follows", "ALPHA"),
        Setting("augment_sigma", float, None, "how smooth they are, in pixels; default: 4",
                "SIGMA"),
        Setting("augment_translate", float, None, "shift by up to so many pixels; default: 0",
                "PIXELS"),
        Setting("augment_rotate", float, None, "turn by up to so many degrees; default: 0",
                "DEGREES"),
        Setting("augment_scale", float, None, "grow or shrink by up to this fraction; default: 0",
                "FRACTION"),
        Setting("augment_padding", int, None, "of crop: pixels of the border; default: 4", "PIXELS"),
        Setting("augment_flip", float, None, "of crop: the share of mirror images; default: 0.5",
                "SHARE"),
        Setting("augment_fill", float, None, "the value outside an image; default: what 0, the "
                "digits' background, is after --normalise", "VALUE"),
        Setting("root", str, None, "folder to look in for data first", "DIR"),
    ),
    "output": (
        Setting("out", str, None, "folder for history, weights, settings and curve", "DIR"),
        Setting("save", str, None, "checkpoint of the run, written anew after each epoch; --resume "
                "goes on from it. With --runs it must have {seed} in its name", "FILE"),
    ),
}
# fmt: on

DATASET = Setting(
    "dataset",
    str,
    None,
    "mnist, fashion-mnist, mnist-mini, or another that `fastfa data list` shows; or a file of your own "
    "(.csv, .tsv, .npz, .amat, .libsvm, .svm), or a folder such as MNIST/raw",
)
OWN_DATA = frozenset(
    {"target", "task", "test", "held_out", "split_seed", "ignore", "header", "sequence", "at_end"}
)
"""The settings that say how a file of one's own is read."""
NAMES = frozenset(
    {DATASET.name, *(setting.name for settings in SETTINGS.values() for setting in settings)}
)
