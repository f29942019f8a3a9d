"""The way back to a trainer: from its description, and from what its callbacks kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import _check
from .. import callbacks as _callbacks
from ..callbacks import BuiltIn, Callback
from ..data.crop_flip import AUGMENTATIONS
from ..history import History, check_records
from ..network import Network
from ..optim import OPTIMIZERS
from ..trackers import TensorBoardLogger
from ..training.examples import FitPlan
from .callback import Checkpoint
from .describe import SCHEDULES, Tensors, build, difference, packed_tensors, unpack
from .file import Mismatch
from .network import Described, NetworkPlan
from .trainer import Missing, configuration_of, name_of

if TYPE_CHECKING:
    from ..trainer import Trainer

# Not MLflowLogger: a file from elsewhere is not to say which server this machine talks to.
_BUILT_IN: dict[str, type[Callback]] = {
    each.__name__: each
    for each in (
        Checkpoint,
        _callbacks.Alignment,
        _callbacks.AlignmentInTime,
        _callbacks.AveragedWeights,
        _callbacks.BestWeights,
        _callbacks.CSVLogger,
        _callbacks.EarlyStopping,
        _callbacks.JSONLLogger,
        TensorBoardLogger,
    )
}
_KEEP_WEIGHTS = ("AveragedWeights", "BestWeights", "EarlyStopping")  # and may end a fit with them
_MAY_DIFFER = (
    "epochs",
    "progress",
    "schedule_after",
)  # of a trainer that a checkpoint is loaded into


def _build_part(description: Any, what: str, *classes: type) -> Any:
    if "custom" in description:
        return Missing(what, str(description["custom"]))
    return build(description, *classes)


def _build_callback(described: Described, tensors: Tensors) -> Callback:
    kind, own = described["kind"], unpack(described, tensors)
    if not isinstance(own["state"], dict):
        raise TypeError(f"the state of callback {kind!r} is no object")
    if own["arguments"] is None:
        return Missing("callback", str(kind), own["state"])
    if kind not in _BUILT_IN:
        raise ValueError(f"a callback was {kind!r}; it must be one of {', '.join(_BUILT_IN)}")
    callback = _BUILT_IN[kind](**own["arguments"])
    callback.load_state_dict(own["state"])
    return callback


class TrainerPlan:
    """A described trainer before it is built; see `fastfa.checkpoint.network.NetworkPlan`."""

    def __init__(self, content: Described, make: Callable[..., Trainer]) -> None:
        self._make = make
        self.network = NetworkPlan(content["network"], Network)
        described = content["trainer"]
        self.configuration, self.progress = described["is"], described["progress"]
        self.callbacks = described["callbacks"]
        self.needed, self.possible = self.network.needed, self.network.possible
        self.other = packed_tensors(self.callbacks) | packed_tensors(self.progress["history"])

    def build(self, tensors: Tensors) -> Trainer:
        """The trainer, with all that the file says of it."""
        own = dict(self.configuration)
        own["optimizer"] = build(own["optimizer"], *OPTIMIZERS)
        own["schedule"] = _build_part(own["schedule"], "schedule", *SCHEDULES)
        if own["augment"] is not None:
            own["augment"] = _build_part(own["augment"], "augmentation", *AUGMENTATIONS)
        if "loss" in own:
            own["loss"] = _build_part(own["loss"], "loss")
        own.pop("schedule_after", None)
        callbacks = [_build_callback(each, tensors) for each in self.callbacks]
        net = self.network.build(tensors)
        trainer = self._make(net, own.pop("optimizer"), **own, callbacks=callbacks)
        self._advance(trainer, tensors)
        return trainer

    def check_like(self, trainer: Trainer) -> None:
        """Refuse a trainer that is another one than the described, or lacks a callback with state."""
        self.network.check_like(trainer.net)
        saved, own = dict(self.configuration), configuration_of(trainer)
        for name in _MAY_DIFFER:
            saved.pop(name, None), own.pop(name, None)
        found = difference(saved, own)
        if found is not None:
            raise Mismatch(f"another trainer: {found}")
        names = [name_of(callback) for callback in trainer.callbacks]
        for described in self.callbacks:
            if not described["state"]:
                continue
            if described["kind"] not in names:
                raise Mismatch(f"another trainer, which had a callback {described['kind']!r}")
            names.remove(described["kind"])

    def write(self, trainer: Trainer, tensors: Tensors) -> None:
        """Put the state into a trainer of this description. Callbacks find theirs by their class."""
        left = list(trainer.callbacks)
        pairs = []
        for described in filter(lambda each: each["state"], self.callbacks):
            callback = next(each for each in left if name_of(each) == described["kind"])
            left.remove(callback)
            pairs.append((callback, unpack(described["state"], tensors)))
        self.network.write(trainer.net, tensors)
        for callback, state in pairs:
            callback.load_state_dict(state)
        self._advance(trainer, tensors)

    @property
    def is_over(self) -> bool:
        """Whether the last epoch of a fit was done, but not yet what follows it."""
        own = self.progress
        return own["fit"] is not None and (own["stopped"] or own["epoch"] >= own["fit"]["end"])

    def end(self, what: Trainer | Network, tensors: Tensors) -> None:
        """Bring the trainer, or the network alone, to where the fit has ended."""
        if isinstance(what, Network):
            keeping = [each for each in self.callbacks if each["kind"] in _KEEP_WEIGHTS]
            net, callbacks = what, [_build_callback(each, tensors) for each in keeping]
        else:
            net, callbacks = what.net, list(what.callbacks)
            what._plan = None
        for callback in callbacks:
            if isinstance(callback, BuiltIn):
                callback._end_with(net)

    def _advance(self, trainer: Trainer, tensors: Tensors) -> None:
        own, fit = self.progress, self.progress["fit"]
        epoch = _check.integer("progress", "epoch", own["epoch"], 0)
        plan = None
        if fit is not None:
            end = _check.integer("progress", "end", fit["end"], epoch)
            plan = FitPlan(end, dict(fit["examples"]))
        batch = _check.integer("progress", "batch", own["batch"], 0)
        # Files of before examples were counted: right unless the last batches of epochs were smaller.
        examples = own.get("examples", batch * trainer.batch_size)
        examples = _check.integer("progress", "examples", examples, 0)
        stopped = _check.flag("progress", "stopped", own["stopped"])
        history = History(check_records(unpack(own["history"], tensors)))
        after = self.configuration.get("schedule_after", 0)
        trainer._after = _check.integer("progress", "schedule_after", after, 0, epoch)
        trainer._set(optimizer=build(own["optimizer"], *OPTIMIZERS), history=history)
        trainer._set(epoch=epoch, batch=batch, examples=examples)
        trainer._plan, trainer._stopping, trainer._within = plan, stopped, None
