"""TensorBoard events and MLflow runs, read back by the packages themselves."""

from __future__ import annotations

import sys

import fastfa as fa
import numpy as np
import pytest
from fastfa import MLflowLogger, TensorBoardLogger
from fastfa.callbacks import Callback


@pytest.fixture
def problem(rng):
    return rng.normal(size=(40, 6)).astype(np.float32), rng.integers(0, 3, 40)


def make_trainer(callbacks, epochs=4, seed=2):
    net = fa.Network(6, [fa.Dense(5, "tanh"), fa.Dense(3, "logistic")], feedback="fa",
                     loss="cross_entropy", seed=seed)  # fmt: skip
    return fa.Trainer(
        net, fa.SGD(0.1, momentum=0.5), epochs=epochs, batch_size=10, callbacks=callbacks,
        progress=False, seed=seed,
    )  # fmt: skip


def resumed(trainer, epoch):
    """As a trainer is that has finished so many epochs in an earlier process."""
    trainer.epoch = epoch
    return trainer


class Fail(Callback):
    def __init__(self, error, epoch=2):
        self.error, self.epoch = error, epoch

    def on_epoch_end(self, trainer, record):
        if record["epoch"] == self.epoch:
            raise self.error


def test_a_failure_is_told_to_every_callback_with_its_error(problem):
    heard = []

    class Listen(Callback):
        def on_fit_failed(self, trainer, error):
            heard.append((type(error), trainer.epoch))

        def on_fit_end(self, trainer, history):
            heard.append("end")

    with pytest.raises(RuntimeError, match="enough"):
        make_trainer([Listen(), Fail(RuntimeError("enough")), Listen()]).fit(problem)
    assert heard == [(RuntimeError, 1)] * 2


# ---- TensorBoard ---------------------------------------------------------------------------------


def tensorboard():
    return pytest.importorskip("tensorboard", reason="needs tensorboard (fastfa[tensorboard])")


def read_events(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return events


def scalars(folder):
    events = read_events(folder)
    return {
        tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }


def test_tensorboard_reads_every_number_of_the_history(problem, tmp_path):
    tensorboard()
    history = make_trainer([TensorBoardLogger(tmp_path)]).fit(problem, validation=0.25)
    found = scalars(tmp_path)
    assert set(found) == set(history.columns) - {"epoch"}
    for name, values in found.items():
        assert [step for step, _ in values] == [1, 2, 3, 4]
        np.testing.assert_allclose([v for _, v in values], history[name], rtol=1e-6, err_msg=name)
    text = read_events(tmp_path).Tensors("fastfa")[0].tensor_proto.string_val[0].decode()
    for fact in (f"version: {fa.__version__}", "lr: 0.1", "momentum: 0.5", "seed: 2"):
        assert fact in text


def test_tensorboard_shows_each_epoch_once_after_a_resume(problem, tmp_path):
    tensorboard()
    make_trainer([TensorBoardLogger(tmp_path)], epochs=4).fit(problem)
    first = scalars(tmp_path)["train_loss"]
    trainer = resumed(make_trainer([TensorBoardLogger(tmp_path)], epochs=3, seed=5), 2)
    again = trainer.fit(problem)
    expected = [*first[:2], *zip([3, 4, 5], again["train_loss"], strict=True)]
    np.testing.assert_allclose(scalars(tmp_path)["train_loss"], expected, rtol=1e-6)


def test_tensorboard_goes_on_from_a_checkpoint(problem, tmp_path):
    tensorboard()
    path = tmp_path / "run.safetensors"
    callbacks = [TensorBoardLogger(tmp_path / "events"), fa.Checkpoint(path)]
    make_trainer(callbacks, epochs=2).fit(problem)
    history = fa.Trainer.resume(path, problem, epochs=4).history
    found = scalars(tmp_path / "events")["train_loss"]
    assert [step for step, _ in found] == [1, 2, 3, 4]
    np.testing.assert_allclose([v for _, v in found], history["train_loss"], rtol=1e-6)


def test_tensorboard_has_the_epochs_before_a_failure(problem, tmp_path):
    tensorboard()
    with pytest.raises(RuntimeError, match="stop"):
        make_trainer([TensorBoardLogger(tmp_path), Fail(RuntimeError("stop"), 3)]).fit(problem)
    assert [step for step, _ in scalars(tmp_path)["train_error"]] == [1, 2, 3]


# ---- MLflow --------------------------------------------------------------------------------------

# Its database layer uses what SQLAlchemy deprecates; that is between the two.
theirs = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def mlflow():
    pytest.importorskip("mlflow", reason="needs mlflow (fastfa[mlflow])")
    from mlflow import MlflowClient

    return MlflowClient


@pytest.fixture
def uri(tmp_path):
    return f"sqlite:///{tmp_path / 'runs.db'}"


@theirs
def test_mlflow_has_parameters_metrics_and_tags(problem, mlflow, uri):
    logger = MLflowLogger(uri, "digits", run_name="one", params={"note": "x"}, tags={"who": "me"})
    history = make_trainer([logger]).fit(problem, validation=0.25)
    client = mlflow(tracking_uri=uri)
    experiment = client.get_experiment_by_name("digits")
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_id, run.info.status) == (logger.run_id, "FINISHED")
    assert run.info.run_name == "one"
    wanted = {"lr": "0.1", "momentum": "0.5", "batch_size": "10", "loss": "cross_entropy",
              "optimizer": "SGD", "seed": "2", "note": "x", "epochs": "4"}  # fmt: skip
    assert wanted.items() <= run.data.params.items()
    assert "tanh" in run.data.params["layers"]
    tags = {"fastfa.version": fa.__version__, "fastfa.seed": "2", "fastfa.network_seed": "2",
            "fastfa.isa": fa.build_info()["isa"], "who": "me"}  # fmt: skip
    assert tags.items() <= run.data.tags.items()
    assert set(run.data.metrics) == set(history.columns) - {"epoch"}
    for name in run.data.metrics:
        values = client.get_metric_history(logger.run_id, name)
        assert [m.step for m in values] == [1, 2, 3, 4]
        assert [m.value for m in values] == history[name], name


@theirs
def test_mlflow_goes_on_with_a_run_of_the_same_seed_only(problem, mlflow, uri):
    first = MLflowLogger(uri)
    make_trainer([first], epochs=2).fit(problem)
    other = MLflowLogger(uri, run_id=first.run_id)
    with pytest.raises(ValueError, match=r"run_id was .*fastfa.seed 2; it must be one with 3"):
        make_trainer([other], seed=3).fit(problem)
    again = MLflowLogger(uri, run_id=first.run_id)
    resumed(make_trainer([again], epochs=3), 2).fit(problem)
    client = mlflow(tracking_uri=uri)
    assert [m.step for m in client.get_metric_history(first.run_id, "train_loss")] == [
        1,
        2,
        3,
        4,
        5,
    ]
    assert client.get_run(first.run_id).info.status == "FINISHED"


@theirs
def test_mlflow_goes_on_from_a_checkpoint(problem, mlflow, uri, tmp_path):
    path = tmp_path / "run.safetensors"
    first = MLflowLogger(uri)
    make_trainer([first, fa.Checkpoint(path)], epochs=2).fit(problem)
    again = MLflowLogger(uri)
    into = make_trainer([again, fa.Checkpoint(path)], epochs=2)
    history = fa.Trainer.resume(path, problem, epochs=4, into=into).history
    assert again.run_id == first.run_id
    found = mlflow(tracking_uri=uri).get_metric_history(first.run_id, "train_loss")
    assert [(m.step, m.value) for m in found] == [*enumerate(history["train_loss"], start=1)]


@theirs
@pytest.mark.parametrize(
    ("error", "status"), [(RuntimeError("broken"), "FAILED"), (KeyboardInterrupt(), "KILLED")]
)
def test_mlflow_knows_how_a_run_ended(problem, mlflow, uri, error, status):
    logger = MLflowLogger(uri)
    with pytest.raises(type(error)):
        make_trainer([logger, Fail(error)]).fit(problem)
    run = mlflow(tracking_uri=uri).get_run(logger.run_id)
    assert run.info.status == status
    assert type(error).__name__ in run.data.tags["fastfa.error"]
    assert run.data.metrics["train_loss"] > 0  # of the epochs before


# ---- without the packages ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("package", "make"),
    [
        ("tensorboard", lambda: TensorBoardLogger("x")),
        ("mlflow", lambda: MLflowLogger("sqlite:///x.db")),
    ],
)
def test_a_missing_package_is_told_with_its_extra(monkeypatch, package, make):
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"pip install 'fastfa\[{package}\]'"):
        make()


def test_loggers_import_no_package_until_they_are_made(run_python):
    run_python(
        "import sys; import fastfa as fa; fa.TensorBoardLogger; fa.MLflowLogger\n"
        "late = {'tensorboard', 'mlflow', 'optuna', 'joblib', 'distributed'} & set(sys.modules)\n"
        "assert not late, late"
    )
