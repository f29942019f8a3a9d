"""Callbacks that tell TensorBoard and MLflow what is measured. Both packages are optional."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np

from .callbacks import BuiltIn, Writing

if TYPE_CHECKING:
    from .history import History, Record
    from .trainer import Trainer

_MLFLOW_LONGEST = 6000  # characters of a parameter's value


def describe(trainer: Trainer) -> dict[str, str]:
    """What is trained and how, as names and texts: what a run is filed under."""
    net, optimizer = trainer.net, trainer.optimizer
    rules = net.feedback if isinstance(net.feedback, tuple) else (net.feedback,)
    facts: dict[str, Any] = {
        "input": net.input_shape,
        "layers": list(net.layers),
        "dropout": net.dropout,
        "feedback": [str(rule) for rule in rules],
        "loss": net.loss,
        "dtype": net.dtype,
        "optimizer": type(optimizer).__name__,
        **dataclasses.asdict(optimizer),
        "schedule": trainer.schedule,
        "batch_size": trainer.batch_size,
        "epochs": trainer.epochs,
        "shuffle": trainer.shuffle,
        "augment": trainer.augment,
        "network_seed": net.seed,
        "seed": trainer.seed,
    }
    return {name: str(value) for name, value in facts.items()}


@final
class TensorBoardLogger(Writing):
    """Writes each number of an epoch's record as a scalar for TensorBoard, the epoch being the step.

    ``tensorboard --logdir FOLDER`` shows it. The writer is the ``tensorboard`` package's own;
    neither TensorFlow nor PyTorch is needed. Settings stand under Text, as ``fastfa``.

    Parameters
    ----------
    folder
        Where event files go; made if it isn't there. Use one folder a run. A trainer that resumes
        a run goes on in the run's folder: what was written of epochs that it trains again is hidden.

    Raises
    ------
    ImportError
        If tensorboard isn't installed.
    """

    _of_one: ClassVar[bool] = True
    folder: Path

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        _import("TensorBoardLogger", "tensorboard", "tensorboard.compat.proto.event_pb2")
        self._set(folder=Path(folder))
        self._writer: Any = None

    def __getstate__(self) -> dict[str, Any]:
        if self._writer is not None:
            raise TypeError(
                "[TensorBoardLogger] a fit is running, whose open file can't be copied or pickled: do "
                "so before fit or after"
            )
        return dict(vars(self))

    def _check_fit(self, trainer: Trainer, keys: Collection[str], complete: bool) -> None:
        self._check_path(self.folder)

    def _arguments(self) -> dict[str, Any]:
        return {"folder": os.fspath(self.folder)}

    def on_fit_begin(self, trainer: Trainer) -> None:
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.plugins.text.metadata import create_summary_metadata
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
        from tensorboard.util.tensor_util import make_tensor_proto

        self._writer = EventFileWriter(str(self.folder))
        # Readers forget what an earlier process wrote of this step and later ones.
        self._add(trainer.epoch + 1, session_log=SessionLog(status=SessionLog.START))
        text = "".join(f"    {name}: {value}\n" for name, value in _facts(trainer).items())
        value = {
            "tag": "fastfa",
            "tensor": make_tensor_proto(text, dtype=np.object_),
            "metadata": create_summary_metadata(display_name="fastfa", description=""),
        }
        self._summary(trainer.epoch, [value])

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        numbers = _numbers(record)
        self._summary(
            record["epoch"], [{"tag": name, "simple_value": x} for name, x in numbers.items()]
        )

    def on_fit_end(self, trainer: Trainer, history: History) -> None:
        self._close()

    def on_fit_failed(self, trainer: Trainer, error: BaseException) -> None:
        self._close()

    def _summary(self, step: int, values: list[dict[str, Any]]) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._add(step, summary=Summary(value=[Summary.Value(**value) for value in values]))
        self._writer.flush()

    def _add(self, step: int, **what: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._writer.add_event(Event(wall_time=time.time(), step=step, **what))

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


@final
class MLflowLogger(BuiltIn):
    """Keeps a run in MLflow: settings as parameters, the record's numbers as metrics of each epoch.

    The tags ``fastfa.version``, ``fastfa.isa``, ``fastfa.seed`` (of the trainer) and
    ``fastfa.network_seed`` say what it takes to get the same bits again. The run ends as FINISHED,
    as FAILED after an exception, or as KILLED after Ctrl-C. Global settings of MLflow are neither
    read nor changed.

    Parameters
    ----------
    uri
        The tracking store: ``sqlite:///runs.db``, a folder, or a server's address.
    experiment
        Its name there; made if it isn't there.
    run_name
        The run's name; MLflow makes one up if None.
    run_id
        A run to go on with; else a new one is made. A trainer that resumes from a checkpoint goes on
        with the run that it was in (into a trainer with an MLflowLogger: `Trainer.resume`).
    params, tags
        More of them, as a mapping from names to anything with a ``str``.

    Attributes
    ----------
    run_id : str or None
        The run's identifier, from the start of the first ``fit`` on. Later fits continue the run.

    Raises
    ------
    ImportError
        If mlflow isn't installed.
    ValueError
        At the start of ``fit``, if the run to go on with was of another seed.
    """

    _of_one: ClassVar[bool] = True
    uri: str
    experiment: str
    run_name: str | None
    run_id: str | None
    params: dict[str, Any]
    tags: dict[str, Any]

    def __init__(
        self,
        uri: str,
        experiment: str = "fastfa",
        *,
        run_name: str | None = None,
        run_id: str | None = None,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> None:
        for name, value in (("uri", uri), ("experiment", experiment)):
            if not isinstance(value, str) or not value:
                raise ValueError(f"[MLflowLogger] {name} was {value!r}; it must be a text")
        _import("MLflowLogger", "mlflow", "mlflow")
        self._set(uri=uri, experiment=experiment, run_name=run_name, run_id=run_id)
        self._set(params=dict(params or {}), tags=dict(tags or {}))
        self._client: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_client": None}  # a connection, which each fit makes

    def state_dict(self) -> dict[str, Any]:
        return {"run_id": self.run_id}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._set(run_id=state["run_id"] or self.run_id)

    def on_fit_begin(self, trainer: Trainer) -> None:
        from mlflow import MlflowClient
        from mlflow.entities import Param

        self._client = MlflowClient(tracking_uri=self.uri)
        facts = _facts(trainer)
        tags = {f"fastfa.{k}": facts[k] for k in ("version", "isa", "seed", "network_seed")}
        if self.run_id is None:
            run = self._client.create_run(
                self._experiment_id(),
                run_name=self.run_name,
                tags=tags | {str(k): str(v) for k, v in self.tags.items()},
            )
            self._set(run_id=run.info.run_id)
        run = self._client.get_run(self.run_id)
        for name in ("fastfa.seed", "fastfa.network_seed"):
            if run.data.tags.get(name, tags[name]) != tags[name]:
                raise ValueError(
                    f"[MLflowLogger] run_id was {self.run_id!r}, a run with {name} "
                    f"{run.data.tags[name]}; it must be one with {tags[name]}"
                )
        self._client.update_run(self.run_id, status="RUNNING")
        known = run.data.params  # can't be changed, and needn't be: what a run began with
        params = describe(trainer) | {str(k): str(v) for k, v in self.params.items()}
        self._client.log_batch(
            self.run_id,
            params=[Param(k, v[:_MLFLOW_LONGEST]) for k, v in params.items() if k not in known],
        )

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        from mlflow.entities import Metric

        now, step = int(time.time() * 1000), record["epoch"]
        metrics = [Metric(name, value, now, step) for name, value in _numbers(record).items()]
        self._client.log_batch(self.run_id, metrics=metrics)

    def on_fit_end(self, trainer: Trainer, history: History) -> None:
        self._client.set_terminated(self.run_id, "FINISHED")

    def on_fit_failed(self, trainer: Trainer, error: BaseException) -> None:
        if self._client is None or self.run_id is None:
            return
        self._client.set_tag(self.run_id, "fastfa.error", f"{type(error).__name__}: {error}"[:500])
        killed = isinstance(error, KeyboardInterrupt)
        self._client.set_terminated(self.run_id, "KILLED" if killed else "FAILED")

    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name(self.experiment)
        if found is not None:
            return found.experiment_id
        return self._client.create_experiment(self.experiment)


def _facts(trainer: Trainer) -> dict[str, str]:
    from .runtime import build_info

    info = build_info()
    return {"version": info["version"], "isa": info["isa"]} | describe(trainer)


def _numbers(record: Record) -> dict[str, float]:
    """The record's numbers; its epoch is the step."""
    return {
        name: float(value)
        for name, value in record.items()
        if name != "epoch" and isinstance(value, int | float | np.number)
    }


def _import(kind: str, extra: str, module: str) -> ModuleType:
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            f"[{kind}] {extra} is not installed: pip install 'fastfa[{extra}]'"
        ) from error
