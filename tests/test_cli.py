"""The command line: settings and where they come from, files a run leaves, errors and exits."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import fastfa as fa
import numpy as np
import pytest
from fastfa import trainer as trainer_module
from fastfa.cli import main
from fastfa.cli.settings import SETTINGS, parse_schedule, read_config
from fastfa.data._digest import digest
from fastfa.history import History
from fastfa.schedules import Constant, Cosine, Exponential, Plateau, Steps, Warmup

QUICK = ("mnist-mini", "--hidden", "20", "--epochs", "2", "--lr", "0.5")


def train(*arguments):
    return main(["train", *map(str, arguments)])


def settings_of(folder):
    return json.loads((folder / "config.json").read_text())["settings"]


# ---- train ---------------------------------------------------------------------------------------


def test_train_ends_with_a_summary_line(capsys):
    assert train(*QUICK, "--quiet") == 0
    out, err = capsys.readouterr()
    history_end = out.splitlines()[-1]
    for word in ("test error", "at epoch 2", "lowest", "samples/s", " s"):
        assert word in history_end
    assert len(out.splitlines()) == 1
    assert err == ""


def test_train_prints_a_line_an_epoch(capsys):
    assert train(*QUICK, "--validation", 0.1) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    for number, line in enumerate(lines[:2], start=1):
        assert line.startswith(f"epoch   {number}")
        assert "train error" in line
        assert "validation error" in line
        assert "test error" in line


def test_train_leaves_files_that_agree_with_each_other(tmp_path, capsys):
    out = tmp_path / "new" / "run"
    assert train(*QUICK, "--hidden", 10, "--out", out) == 0
    history = History.from_jsonl(out / "history.jsonl")
    assert history["epoch"] == [1, 2]
    with open(out / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["test_error"]) for row in rows] == history["test_error"]

    net = fa.Network(
        784,
        [fa.Dense(units, "logistic") for units in (20, 10, 10)],
        loss="cross_entropy",
        seed=99,
    )
    with np.load(out / "weights.npz", allow_pickle=False) as weights:
        net.load_state_dict(dict(weights))
    data = fa.data.load("mnist-mini")
    error = fa.metrics.error_rate(net, data.test.x, data.test.labels)
    assert error == pytest.approx(history["test_error"][-1])

    config = json.loads((out / "config.json").read_text())
    assert config["settings"]["hidden"] == [20, 10]
    assert config["seeds"] == [0]
    assert config["versions"]["fastfa"] == fa.build_info()["version"]
    assert config["machine"]["isa"] == fa.build_info()["isa"]
    assert config["machine"]["threads"] == fa.get_num_threads()
    assert config["data"] == {
        "name": "mnist-mini", "train": 6000, "test": 1000, "sha256": digest(data),
        "class_names": list("0123456789"),
    }  # fmt: skip


def test_train_draws_a_curve_where_matplotlib_is(tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="figures need matplotlib")
    assert train(*QUICK, "--out", tmp_path) == 0
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_train_says_that_matplotlib_is_missing_and_goes_on(tmp_path, capsys, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert train(*QUICK, "--out", tmp_path) == 0
    assert "pip install 'fastfa[plots]'" in capsys.readouterr().err
    assert (tmp_path / "weights.npz").exists()
    assert not (tmp_path / "curve.png").exists()


def test_train_does_what_the_library_does(tmp_path, capsys):
    options = ("--feedback-scale", 0.3, "--weight-scale", 0.05, "--momentum", 0.5, "--seed", 4)
    more = ("--weight-decay", 1e-4, "--batch-size", 50, "--schedule", "steps:2=0.05")
    assert train(*QUICK, *options, *more, "--out", tmp_path) == 0
    data = fa.data.load("mnist-mini")
    net = fa.Network(
        784,
        [fa.Dense(units, "logistic", weight_scale=0.05) for units in (20, 10)],
        feedback=fa.Feedback("uniform", scale=0.3),
        loss="cross_entropy",
        seed=4,
    )
    fa.Trainer(
        net,
        fa.SGD(0.5, momentum=0.5, weight_decay=1e-4),
        batch_size=50,
        epochs=2,
        seed=4,
        schedule={2: 0.05},
        progress=False,
    ).fit(data.train)
    with np.load(tmp_path / "weights.npz") as weights:
        for name, array in net.state_dict().items():
            np.testing.assert_array_equal(weights[name], array, err_msg=name)


@pytest.mark.parametrize("rule", ["bp", "fa", "dfa", "shallow"])
def test_every_rule_trains(rule, capsys):
    assert train(*QUICK, "--feedback", rule, "--quiet") == 0


def test_normalised_inputs_and_tanh_targets(tmp_path, capsys):
    tanh = ("--activation", "tanh", "--output-activation", "tanh", "--loss", "squared_error")
    arguments = ("--normalise", "--targets", -0.8, 0.8, "--lr", 0.01, "--dtype", "float64")
    assert train(*QUICK, *tanh, *arguments, "--out", tmp_path) == 0
    data = fa.data.load("mnist-mini")
    train_x = fa.data.normalise(data.train.x)
    layers = [fa.Dense(20, "tanh"), fa.Dense(10, "tanh")]
    net = fa.Network(784, layers, loss="squared_error", dtype="float64")
    trainer = fa.Trainer(net, fa.SGD(0.01), epochs=2, targets=(-0.8, 0.8), progress=False)
    test_x = fa.data.normalise(data.test.x, train_x.mean, train_x.sd)
    own = trainer.fit((train_x.x, data.train.labels), test=(test_x.x, data.test.labels))
    with np.load(tmp_path / "weights.npz") as weights:
        np.testing.assert_array_equal(weights["weights.0"], net.weights[0])
    assert History.from_jsonl(tmp_path / "history.jsonl")["test_loss"] == own["test_loss"]


def test_early_stopping_keeps_the_best_weights_and_says_so(tmp_path, capsys):
    arguments = ("--validation", 0.2, "--early-stopping", 1, "--epochs", 40, "--lr", 3)
    assert train(*QUICK, *arguments, "--quiet", "--out", tmp_path) == 0
    history = History.from_jsonl(tmp_path / "history.jsonl")
    best = history.best("validation_error")
    assert len(history) == best["epoch"] + 1 < 40
    assert f"kept the weights of epoch {best['epoch']}," in capsys.readouterr().out
    assert settings_of(tmp_path)["early_stopping"] == 1


def test_runs_repeat_with_seeds_that_count_up(tmp_path, capsys):
    assert train(*QUICK, "--runs", 2, "--seed", 7, "--quiet", "--out", tmp_path / "two") == 0
    out = capsys.readouterr().out
    assert train(*QUICK, "--seed", 8, "--quiet", "--out", tmp_path / "one") == 0
    with open(tmp_path / "two" / "runs.csv", newline="") as file:
        runs = list(csv.DictReader(file))
    assert [run["seed"] for run in runs] == ["7", "8"]
    errors = [float(run["test_error"]) for run in runs]
    assert f"mean {np.mean(errors):.2%}" in out
    assert all(f"{error:.2%}" in out for error in errors)
    second = History.from_jsonl(tmp_path / "two" / "seed-8" / "history.jsonl")
    alone = History.from_jsonl(tmp_path / "one" / "history.jsonl")
    assert second["test_loss"] == alone["test_loss"]
    assert errors[1] == alone["test_error"][-1]


def test_results_are_not_overwritten_unless_told(tmp_path, capsys):
    assert train(*QUICK, "--out", tmp_path) == 0
    before = (tmp_path / "history.jsonl").read_bytes()
    assert train(*QUICK, "--out", tmp_path) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "history.jsonl").read_bytes() == before
    assert train(*QUICK, "--epochs", 1, "--out", tmp_path, "--overwrite") == 0
    assert len(History.from_jsonl(tmp_path / "history.jsonl")) == 1


def test_threads_are_set(restore_threads, capsys):
    assert train(*QUICK, "--threads", 1) == 0
    assert fa.get_num_threads() == 1


# ---- settings from a file ------------------------------------------------------------------------


def write(path, text):
    path.write_text(text)
    return path


def test_the_command_line_wins_over_the_file_and_the_file_over_the_defaults(tmp_path, capsys):
    text = 'dataset = "mnist-mini"\nhidden = [9]\nlr = 0.25\nepochs = 5\nnormalise = true\n'
    file = write(tmp_path / "c.toml", text)
    assert train("--config", file, "--epochs", 1, "--no-normalise", "--out", tmp_path / "o") == 0
    settings = settings_of(tmp_path / "o")
    assert (settings["hidden"], settings["lr"]) == ([9], 0.25)
    assert (settings["epochs"], settings["normalise"]) == (1, False)
    assert settings["batch_size"] == 100


def test_a_runs_own_config_repeats_it(tmp_path, capsys):
    assert train(*QUICK, "--seed", 3, "--out", tmp_path / "a") == 0
    config = tmp_path / "a" / "config.json"
    assert train("--config", config, "--out", tmp_path / "b") == 0
    first, second = (History.from_jsonl(tmp_path / name / "history.jsonl") for name in "ab")
    assert first["test_loss"] == second["test_loss"]


def test_the_example_file_is_valid():
    example = Path(__file__).parents[1] / "examples" / "train.toml"
    settings = read_config(example)
    assert settings["hidden"] == [1000]
    parse_schedule(settings["schedule"])


def test_every_setting_can_stand_in_a_file(tmp_path):
    samples = {int: 3, float: 0.5, str: "x", bool: True}
    expected = {}
    for setting in [setting for group in SETTINGS.values() for setting in group]:
        value = samples[setting.kind]
        expected[setting.name] = value if setting.count is None else [value, value]
    lines = [f"{name} = {json.dumps(value)}" for name, value in expected.items()]
    assert read_config(write(tmp_path / "c.toml", "\n".join(lines))) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("leraning_rate = 1", "unknown key 'leraning_rate'"),
        ("batchsize = 10", "did you mean batch_size"),
        ("batch-sise = 10", "did you mean batch_size"),
        ("epochs = 1.5", "epochs was 1.5; it must be an integer"),
        ("epochs = true", "epochs was True; it must be an integer"),
        ("lr = 'fast'", "lr was 'fast'; it must be a number"),
        ("normalise = 1", "normalise was 1; it must be true or false"),
        ("hidden = 100", "hidden was 100; it must be a list"),
        ("hidden = [100, 0.5]", "hidden was"),
        ("targets = [0, 0.5, 1]", "targets was"),
        ("[network]\nhidden = [10]", "unknown key 'network'"),
        ("lr = ", "c.toml"),
        ("lr = 1\nlr = 2", "c.toml"),
    ],
)
def test_a_malformed_file_is_one_clear_line(tmp_path, capsys, text, message):
    file = write(tmp_path / "c.toml", text)
    assert train("mnist-mini", "--config", file) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "c.toml" in err
    assert message in err


@pytest.mark.parametrize("text", ["{}", "[]", '{"settings": 3}', "{oops", '{"settings": {"a": 1}}'])
def test_a_malformed_config_json_is_one_clear_line(tmp_path, capsys, text):
    file = write(tmp_path / "config.json", text)
    assert train("mnist-mini", "--config", file) == 1
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "config.json" in err


def test_a_warm_up_comes_before_the_schedule(tmp_path, capsys):
    flags = (*QUICK, "--schedule", "cosine", "--warmup-updates", 9, "--warmup-start", 0.1)
    flags = (*flags, "--epochs", 2, "--hidden", 8, "--lr", 0.1, "--save", tmp_path / "run.st")
    assert train(*flags) == 0
    trainer = fa.load(tmp_path / "run.st")
    assert trainer.schedule == Warmup(Cosine(2, initial=0.1), updates=9, start=0.1)
    for wrong, words in (
        (("--warmup-start", 0.5), "warmup_start was 0.5"),
        (("--warmup-updates", 0), "warmup_updates was 0"),
        (("--warmup-updates", 3, "--warmup-epochs", 3), "one of them must be given"),
    ):
        assert train(*QUICK, *wrong) == 1
        assert words in capsys.readouterr().err


def test_schedules_are_read_from_their_text():
    assert parse_schedule("constant") == Constant()
    assert parse_schedule("plateau") == Plateau()
    assert parse_schedule("plateau:factor=0.5, patience=2,monitor=train_loss") == Plateau(
        factor=0.5, patience=2, monitor="train_loss"
    )
    assert parse_schedule("exponential:0.9") == Exponential(0.9)
    assert parse_schedule("cosine", 7) == Cosine(7)
    assert parse_schedule("cosine:epochs=5,min_lr=1e-4", 7) == Cosine(5, min_lr=1e-4)
    assert parse_schedule("steps:10=0.01,20=1e-3") == Steps({10: 0.01, 20: 0.001})


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "sine",
            "cosine:3",
            "cosine:epochs=0",
            "constant:1",
            "steps",
            "steps:1",
            "steps:a=1",
            "steps:0=1",
            "steps:3=-1",
        ),
        *("exponential", "exponential:x", "plateau:speed=1", "plateau:patience=x"),
        "plateau:monitor=test_loss",
    ],
)
def test_an_unreadable_schedule_is_an_error(text, capsys):
    assert train(*QUICK, "--schedule", text) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


# ---- errors and exits ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere"),
        ([], "no dataset was named"),
        ([*QUICK, "--lr", "-1"], "lr"),
        ([*QUICK, "--epochs", "0"], "epochs was 0"),
        ([*QUICK, "--runs", "0"], "runs was 0"),
        ([*QUICK, "--hidden", "0"], "units"),
        ([*QUICK, "--activation", "sinus"], "sinus"),
        ([*QUICK, "--loss", "hinge"], "hinge"),
        ([*QUICK, "--feedback", "magic"], "magic"),
        ([*QUICK, "--feedback-matrix", "magic"], "magic"),
        ([*QUICK, "--validation", "1.5"], "validation was 1.5"),
        ([*QUICK, "--early-stopping", "3"], "--validation"),
        ([*QUICK, "--config", "no-such-file.toml"], "no-such-file.toml"),
    ],
)
def test_a_users_error_is_one_line_and_exit_1_and_leaves_no_folder(
    tmp_path, capsys, arguments, message
):
    assert train(*arguments, "--out", tmp_path / "o") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("fastfa: error: ")
    assert message in err
    assert not (tmp_path / "o").exists()


def test_a_dataset_that_is_not_there_says_where_it_was_looked_for(tmp_path, capsys, monkeypatch):
    for name in ("FASTFA_DATA", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    (tmp_path / "mine").mkdir()
    assert train("fashion-mnist", "--root", tmp_path / "mine") in (0, 1)
    err = capsys.readouterr().err
    if err:  # some systems have Fashion-MNIST installed
        assert str(tmp_path / "mine") in err
        assert "fastfa data fetch fashion-mnist" in err


def test_divergence_is_told_and_keeps_what_there_was(tmp_path, capsys):
    linear = ("--activation", "relu", "--output-activation", "linear", "--loss", "squared_error")
    bad = (*QUICK, *linear, "--lr", 0.01, "--epochs", 5, "--schedule", "steps:3=1e6")
    assert train(*bad, "--feedback", "bp", "--quiet", "--out", tmp_path) == 1
    err = capsys.readouterr().err
    assert err.startswith("fastfa: error: ")
    assert "step" in err
    history = History.from_jsonl(tmp_path / "history.jsonl")
    assert history["epoch"][:2] == [1, 2]
    with np.load(tmp_path / "weights.npz", allow_pickle=False) as weights:
        assert all(np.isfinite(weights[name]).all() for name in weights)


def test_an_interrupt_is_exit_130_and_keeps_what_there_was(tmp_path, capsys, monkeypatch):
    order = trainer_module.Trainer._order

    def interrupt(self, epoch, n):
        if epoch == 2:
            raise KeyboardInterrupt
        return order(self, epoch, n)

    monkeypatch.setattr(trainer_module.Trainer, "_order", interrupt)
    assert train(*QUICK, "--out", tmp_path) == 130
    assert "interrupted" in capsys.readouterr().err
    assert History.from_jsonl(tmp_path / "history.jsonl")["epoch"] == [1]
    assert (tmp_path / "weights.npz").exists()


def test_ctrl_c_in_the_compiled_loop_ends_a_run_that_keeps_its_files(tmp_path):
    endless = "train mnist-mini --hidden 1000 --batch-size 1 --epochs 1000000 --out"
    # A shell may start background jobs with Ctrl-C ignored; the handler is Python's usual one.
    source = (
        "import signal, sys; from fastfa.cli import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"sys.exit(main({[*endless.split(), str(tmp_path)]!r}))"
    )
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", source],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "FASTFA_NUM_THREADS": "1"},
    )
    try:
        process.stdout.readline()  # the first epoch is over, the second one runs
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=300)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert err == "fastfa: interrupted\n"
    assert len(History.from_jsonl(tmp_path / "history.jsonl")) >= 1
    with np.load(tmp_path / "weights.npz", allow_pickle=False) as weights:
        assert all(np.isfinite(weights[name]).all() for name in weights)


@pytest.mark.parametrize("arguments", [["--traceback", "train"], ["train", "--traceback"]])
def test_traceback_shows_where_an_error_comes_from(arguments):
    with pytest.raises(ValueError, match="no dataset was named"):
        main(arguments)


@pytest.mark.parametrize(
    "arguments",
    [[], ["fly"], ["train", "--lr", "fast"], ["train", "--no-such-option"], ["info", "extra"]],
)
def test_wrong_arguments_are_exit_2(arguments, capsys):
    assert main(arguments) == 2
    assert "usage: fastfa" in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["train"], ["demo"], ["data"], ["info"]])
def test_help_is_exit_0(command, capsys):
    assert main([*command, "--help"]) == 0
    assert "usage: fastfa" in capsys.readouterr().out


def test_every_setting_is_an_option(capsys):
    main(["train", "--help"])
    text = capsys.readouterr().out
    for setting in [setting for group in SETTINGS.values() for setting in group]:
        assert f"--{setting.name.replace('_', '-')}" in text


# ---- info ----------------------------------------------------------------------------------------


def test_info_is_a_table_of_the_build(capsys):
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    info = fa.build_info()
    assert len(out.splitlines()) == len(info) + 1  # and the GPUs
    for value in (info["version"], info["isa"], info["eigen"], *info["isa_available"]):
        assert value in out


def test_info_as_json_is_the_build(capsys):
    assert main(["info", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told.pop("gpus")
    assert told == fa.build_info()


class Gpu:
    name = "NVIDIA H100"
    cuda_compute_capability = (9, 0)
    memory_info = SimpleNamespace(total=80 * 2**30, free=79.5 * 2**30)


def cuda_core(monkeypatch, devices):
    """A cuda.core that finds these devices, or raises this error."""

    class NvmlError(Exception):
        pass

    def get_all_devices():
        if isinstance(devices, list):
            return iter(devices)
        raise devices

    system = SimpleNamespace(
        NvmlError=NvmlError,
        Device=SimpleNamespace(get_all_devices=get_all_devices),
        get_kernel_mode_driver_version=lambda: (580, 65, 6),
    )
    core = ModuleType("cuda.core")
    core.system = system
    package = ModuleType("cuda")
    for module in (package, core):
        monkeypatch.setitem(sys.modules, module.__name__, module)


def test_info_tells_of_gpus(capsys, monkeypatch):
    cuda_core(monkeypatch, [Gpu, Gpu])
    assert main(["info"]) == 0
    gpu = "NVIDIA H100 (compute capability 9.0, 80.0 GiB, 79.5 free, driver 580.65.6)"
    assert capsys.readouterr().out.splitlines()[-1].endswith(f"  {gpu}, {gpu}")
    for devices, told in (
        ([], "none"),
        (RuntimeError("no driver"), "none that can be used: no dri"),
    ):
        cuda_core(monkeypatch, devices)
        assert main(["info", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["gpus"].startswith(told)


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"fastfa {fa.build_info()['version']}\n"


def test_the_package_runs_as_a_module(run_python):
    command = [sys.executable, "-W", "error", "-m", "fastfa", "info"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "version" in done.stdout


def test_help_imports_neither_plots_nor_progress_bars(run_python):
    run_python(
        "import sys; from fastfa.cli import main\n"
        "assert main(['--help']) == 0\n"
        "late = {'matplotlib', 'tqdm', 'tomllib', 'urllib.request'} & set(sys.modules)\n"
        "assert not late, late"
    )
