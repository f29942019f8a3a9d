"""What the settings of ``fastfa train`` describe: a network, its rule, an optimizer, augmentation."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .architecture import build_layers, make
from .dataset import is_in_time, settled
from .settings import default_of, parse_schedule

if TYPE_CHECKING:
    from ..callbacks import Callback, EarlyStopping
    from ..data import CropFlip, Dataset, Distortion
    from ..feedback import Feedback
    from ..network import Network
    from ..optim import Optimizer
    from ..perturbation import NodePerturbation
    from ..trainer import Trainer

NODE_PERTURBATION = "np"  # the rule's name here; its sigma is the setting `perturbation`
SIGMA = 0.01

_PERTURBATION = ("perturbation", "perturbation_layers", "perturbation_noise_on")
_FEEDBACK = (
    "feedback_matrix",
    "feedback_route",
    "feedback_scale",
    "feedback_gain",
    "feedback_growth",
    "feedback_scale_rule",
    "feedback_density",
    "feedback_rank",
    "feedback_magnitude",
    "feedback_refresh",
    "feedback_storage",
    "plasticity",
)
_MIRROR = ("mirror_growth", "mirror_decay", "mirror_noise", "mirror_every")
# The settings of each augmentation, without `augment_`.
_AUGMENT = {
    "elastic": ("alpha", "sigma", "translate", "rotate", "scale", "fill"),
    "crop": ("padding", "flip", "fill"),
}


def build_trainer(
    settings: argparse.Namespace,
    data: Dataset,
    augment: Distortion | CropFlip | None,
    seed: int,
    callbacks: Sequence[Callback] = (),
    *,
    progress: bool = False,
) -> Trainer:
    """The trainer that the settings describe, of a new network with this seed."""
    from .. import Trainer

    settings = settled(settings, data)
    trainer = Trainer(
        build_network(settings, data, seed),
        build_optimizer(settings),
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        shuffle=settings.shuffle,
        seed=seed,
        schedule=_schedule(settings),
        callbacks=callbacks,
        progress=progress,
        augment=augment,
        targets=None if settings.targets is None else tuple(settings.targets),
        update=settings.update,
        window=settings.window,
        carry=settings.carry,
    )
    if settings.feedback_calibrate is not None:
        _calibrate(settings, data, trainer)
    return trainer


def early_stopping(settings: argparse.Namespace, data: Dataset) -> EarlyStopping:
    """What ends training early: by the validation error, or of regression by the loss."""
    from ..callbacks import EarlyStopping

    monitor = f"validation_{'loss' if data.is_regression else 'error'}"
    return EarlyStopping(monitor, patience=settings.early_stopping)


def _schedule(settings: argparse.Namespace) -> Any:
    """The schedule, after a warm-up if there is one."""
    from ..schedules import Warmup

    schedule = parse_schedule(settings.schedule, settings.epochs)
    given = _given(settings, ("warmup_updates", "warmup_epochs", "warmup_start"))
    own = {name.removeprefix("warmup_"): value for name, value in given.items()}
    if own.keys() == {"start"}:
        _refuse(given, "a warm-up, of warmup_updates or warmup_epochs")
    return make("warmup_", Warmup, {"then": schedule} | own) if own else schedule


def _calibrate(settings: argparse.Namespace, data: Dataset, trainer: Trainer) -> None:
    """Give B the size that the first of the examples that are trained on ask for."""
    if is_in_time(settings):
        raise ValueError(
            f"[train] feedback_calibrate was {settings.feedback_calibrate}; it must not be given for a "
            "network in time"
        )
    examples = trainer._prepare(data.train, settings.validation, None)["train"]
    count, most = settings.feedback_calibrate, len(examples.x)
    if not 1 <= count <= most:
        raise ValueError(
            f"[train] feedback_calibrate was {count}; it must be from 1 to {most}, the number of "
            "training examples"
        )
    if settings.feedback_gain is None:
        raise ValueError(
            "[train] feedback_gain was not given beside feedback_calibrate; it must be the size of "
            "the errors, as a multiple of the output's"
        )
    growth = 1.0 if settings.feedback_growth is None else settings.feedback_growth
    trainer.net.calibrate_feedback(
        examples.x[:count], examples.y[:count], gain=settings.feedback_gain, growth=growth
    )


def build_network(settings: argparse.Namespace, data: Dataset, seed: int) -> Network:
    """The network that the settings describe, for this dataset."""
    from .. import Network

    settings = _timed(settings, data)
    net = Network(
        data.image_shape,
        build_layers(settings, data.image_shape, data.outputs),
        feedback=build_feedback(settings),
        loss=settings.loss,
        seed=seed,
        dtype=settings.dtype,
        matmul_precision=settings.matmul_precision,
    )
    if len(data.class_names) == max(net.output_size, 2):
        net.class_names = data.class_names
    return net


def _timed(settings: argparse.Namespace, data: Dataset) -> argparse.Namespace:
    """The settings with the recurrent layer that their rule needs, and only for sequences."""
    from ..data import SequenceDataset
    from ..rules import IN_TIME

    wanted, rule = isinstance(data, SequenceDataset), settings.feedback
    if wanted != is_in_time(settings):
        kinds = ", ".join(layer["kind"] for layer in settings.layers or ())
        given = f"of kinds {kinds}" if kinds else "not given"
        must = (
            "it must have a recurrent layer, such as recurrent:50,tau=10"
            if wanted
            else "without sequences (a file with --sequence, or a task) there must be no recurrent layer"
        )
        raise ValueError(f"[train] layers was {given} with dataset {settings.dataset!r}; {must}")
    if not wanted:
        if rule in IN_TIME:
            _refuse({"feedback": rule}, "a network with a recurrent layer")
        return settings
    if rule == NODE_PERTURBATION:
        raise ValueError("[train] feedback was 'np' for a network in time; it must have a matrix")
    if rule not in IN_TIME:
        return settings
    needed, layers = IN_TIME[rule][1], list(settings.layers)
    for i, layer in enumerate(layers):
        if layer["kind"] != "recurrent":
            continue
        found = layer.get("recurrent_feedback", needed)
        if found != needed:
            raise ValueError(
                f"[train] layers[{i}].recurrent_feedback was {found!r} with feedback {rule!r}; it must "
                f"be {needed!r}, or not be given"
            )
        layers[i] = {**layer, "recurrent_feedback": needed}
    return argparse.Namespace(**{**vars(settings), "layers": layers})


def build_feedback(settings: argparse.Namespace) -> Feedback | NodePerturbation:
    """The rule's own feedback, or one with the parts that were given in place of its own."""
    from .. import PRESETS, Feedback, NodePerturbation, WeightMirror, _check
    from ..rules import IN_TIME

    rules = (*PRESETS, *IN_TIME, NODE_PERTURBATION)
    _check.choice("train", "feedback", settings.feedback, rules)
    parts, mirror = _given(settings, _FEEDBACK), _given(settings, _MIRROR)
    if settings.feedback == NODE_PERTURBATION:
        parts |= _given(settings, ("feedback_calibrate",))
        _refuse(parts | mirror, "a rule with a feedback matrix, which 'np' has not")
        own = _given(settings, _PERTURBATION)
        sigma = own.pop("perturbation", SIGMA)
        return NodePerturbation(
            sigma, **{name.removeprefix("perturbation_"): value for name, value in own.items()}
        )
    _refuse(_given(settings, _PERTURBATION), "feedback 'np'")
    name = settings.feedback
    rule = PRESETS[name] if name in PRESETS else IN_TIME[name][0]
    given = {name.removeprefix("feedback_"): value for name, value in parts.items()}
    own = {name: getattr(rule, name) for name in ("matrix", "route", "plasticity")}
    if given.get("matrix", rule.matrix) == rule.matrix:
        own |= {n: getattr(rule, n) for n in ("density", "rank", "magnitude", "refresh")}
    if "scale_rule" in given:
        if "scale" in given:
            _refuse({"feedback_scale_rule": given["scale_rule"]}, "feedback without feedback_scale")
        given["scale"] = given.pop("scale_rule")
    whole = own | given
    if mirror:
        if whole["plasticity"] != "weight_mirror":
            _refuse(mirror, "plasticity 'weight_mirror'")
        whole["plasticity"] = WeightMirror(
            **{name.removeprefix("mirror_"): value for name, value in mirror.items()}
        )
    return Feedback(**whole)


def build_optimizer(settings: argparse.Namespace) -> Optimizer:
    """The optimizer, with its own settings only."""
    from .. import _check, optim

    name = _check.choice("train", "optimizer", settings.optimizer, tuple(optim.BY_NAME))
    own: dict[str, Any] = {}
    for setting in optim.SETTINGS:
        if setting == "lr":
            continue
        given, known = _given(settings, (setting,)), optim.owners(setting)
        if name not in known:
            _refuse(given, "optimizer " + optim.either([repr(each) for each in known]))
        own |= given
    return optim.BY_NAME[name](settings.lr, **own)


def build_augment(
    settings: argparse.Namespace, data: Dataset, background: float
) -> Distortion | CropFlip | None:
    """What each epoch is to have in place of the training images, or None; ``background`` is what lies
    outside."""
    from .. import _check
    from ..data import CropFlip, Distortion

    chosen = _check.choice("train", "augment", settings.augment, ("none", *_AUGMENT))
    names = {name for names in _AUGMENT.values() for name in names}
    given = _given(settings, [f"augment_{name}" for name in sorted(names)])
    own = {name.removeprefix("augment_"): value for name, value in given.items()}
    for name, value in own.items():
        takers = [repr(kind) for kind, taken in _AUGMENT.items() if name in taken]
        if repr(chosen) not in takers:
            _refuse({f"augment_{name}": value}, f"augment {' or '.join(takers)}")
    if chosen == "none":
        return None
    if min(data.image_shape[1:]) == 1:
        raise ValueError(
            f"[train] augment was {chosen!r} with dataset {data.name!r}; it must be 'none': the "
            "examples are no images"
        )
    kind = Distortion if chosen == "elastic" else CropFlip
    return make("augment_", kind, {"fill": background} | own)


def _given(settings: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """Those of the settings that aren't what they are by default."""
    values = {name: getattr(settings, name) for name in names}
    return {name: value for name, value in values.items() if value != default_of(name)}


def _refuse(given: dict[str, Any], what: str) -> None:
    """Say that a setting stands where nothing would look at it."""
    for name, value in given.items():
        raise ValueError(
            f"[train] {name} was {value!r}; it must not be given: it applies to {what}"
        )
