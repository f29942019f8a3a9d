"""Numbers, files of settings and names of storage, as people and machines write them."""

from __future__ import annotations

import math
import os

import pytest
from fastfa.cli import main
from fastfa.cli.numeric import integer, number
from fastfa.cli.settings import read_config, shown
from fastfa.cli.table import SETTINGS
from tiny_data import write_tiny

NUMERIC = [s for group in SETTINGS.values() for s in group if s.kind in (int, float)]


@pytest.fixture
def root(tmp_path):
    return write_tiny(tmp_path / "data")


# ---- on the command line -------------------------------------------------------------------------


@pytest.mark.parametrize("setting", NUMERIC, ids=lambda setting: setting.name)
def test_a_number_that_cannot_be_counted_with_is_refused_by_name(setting, capsys):
    values = ["1e400", "nan", "inf", "٣", "1e", "", "9" * 5000]
    values += ["9" * 23, "1.5"] if setting.kind is int else ["9" * 400]
    option = f"--{setting.name.replace('_', '-')}"
    for value in values:
        own = [option, value, value] if setting.count == 2 else [f"{option}={value}"]
        assert main(["train", "mnist-mini", *own]) == 2
        err = capsys.readouterr().err.splitlines()[-1]
        assert f"argument {option}: was '{value[:30]}" in err
        assert "64 bits" in err or "finite" in err
        assert len(err) < 200


@pytest.mark.parametrize(
    "command",
    [
        ["tune", "c.toml", "--trials"], ["tune", "c.toml", "--timeout"], ["tune", "c.toml", "--jobs"],
        ["tune", "c.toml", "--seed"], ["sweep", "c.toml", "--jobs"], ["reproduce", "linear", "--runs"],
        ["reproduce", "linear", "--seed"], ["reproduce", "linear", "--jobs"], ["demo", "--epochs"],
        ["demo", "--threads"], ["demo", "--seed"], ["bench", "--rounds"], ["bench", "--seconds"],
        ["bench", "--threads"], ["compare", "mnist-mini", "--seeds"],
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", ["9" * 400, "nan", "٣"])
def test_every_command_reads_numbers_alike(command, value, capsys):
    assert main([*command, value]) == 2
    assert f"argument {command[-1]}: was " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--seed", "-1"],
            "[train] seed was -1; it must be an integer in [0, 18446744073709551615]",
        ),
        (["--seed", str(2**64 - 1), "--runs", "2"], "[train] seed was 18446744073709551615"),
        (["--runs", "1000001"], "[train] runs was 1000001; it must be an integer in [1, 1000000]"),
        (["--epochs", "9" * 19], "[train] epochs was 9999999999999999999"),
        (["--layers", "dense:" + "9" * 23], "[train] layers[0].units was"),
        (["--layers", "dense:٣"], "[train] layers[0].units was '٣'; it must be an integer"),
        (["--layers", "dropout:nan"], "[train] layers[0].rate was 'nan'; it must be a number"),
        (["--layers", "local:2x1e9x2"], "[train] layers[0].kernel_size was"),
        (["--schedule", "steps:2=1e400"], "[train] schedule was 'steps:2=1e400'"),
        (["--schedule", f"steps:{'9' * 30}=1"], "[train] schedule was 'steps:999"),
        (["--schedule", "exponential:nan"], "[train] schedule was 'exponential:nan'"),
    ],
)
def test_a_number_out_of_range_is_told_before_anything_is_written(
    tmp_path, root, capsys, arguments, words
):
    out = tmp_path / "out"
    assert main(["train", "mnist", "--root", str(root), "--out", str(out), *arguments]) == 1
    err = capsys.readouterr().err
    assert words in err
    assert len(err.splitlines()) == 1
    assert not out.exists()


def test_numbers_are_read_as_python_reads_them():
    assert [integer(text) for text in ("7", "-7", "+7", "1_000", " 7 ")] == [7, -7, 7, 1000, 7]
    assert [number(text) for text in ("1", "-2.5e-3", ".5", "1_0")] == [1.0, -0.0025, 0.5, 10.0]
    assert integer(str(2**64 - 1)) == 2**64 - 1
    for text in (str(2**64), str(-(2**63) - 1), "1.0", "٣", "0x10"):
        with pytest.raises(ValueError, match=r"64 bits|invalid literal"):
            integer(text)


# ---- in a file -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lr = 1" + "0" * 400, "lr was 1000"),
        ("lr = 1" + "0" * 5000, "c.toml"),
        ("lr = 0x" + "f" * 5000, "lr was a huge int; it must be a finite number"),
        ("lr = 1e400", "lr was inf; it must be a finite number"),
        ("lr = nan", "lr was nan; it must be a finite number"),
        ("epochs = " + "9" * 23, "epochs was 99999999999999999999999; it must be an integer of at"),
        ("seed = -" + "9" * 23, "seed was -99999999999999999999999; it must be an integer of at"),
        ("hidden = [10, " + "9" * 23 + "]", "each item an integer of at most 64 bits"),
        ("targets = [-inf, 1]", "each item a finite number"),
        ("a = " + "[" * 5000 + "]" * 5000, "nested too deep"),
        ("lr = " + "{a=" * 5000 + "1" + "}" * 5000, "nested too deep"),
        ("lr = '" + "x" * 100_000 + "'", "(100,002 characters); it must be a number"),
        ("lr = 1979-05-27", "lr was datetime.date(1979, 5, 27); it must be a number"),
        ("x" * 11_000_000, "it is longer than 10,000,000 bytes"),
        (b"lr = 1\xff", "c.toml: 'utf-8' codec can't decode"),
        ("\x00", "c.toml"),
    ],
    ids=range(16),
)
def test_a_file_that_cannot_be_used_is_one_named_line(tmp_path, capsys, text, words):
    file = tmp_path / "c.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert main(["train", "mnist-mini", "--config", str(file)]) == 1
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert len(err) < 400
    assert "[config] " in err
    assert "c.toml" in err
    assert words in err


def test_a_json_file_nested_deep_is_one_named_line(tmp_path, capsys):
    file = tmp_path / "config.json"
    file.write_text('{"settings": ' + "[" * 100_000)
    assert main(["train", "mnist-mini", "--config", str(file)]) == 1
    assert "[config] " in (err := capsys.readouterr().err)
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("name", ["tune", "sweep"])
def test_tables_are_read_as_carefully(tmp_path, capsys, name):
    table = {"tune": "[search]", "sweep": "[sweep]"}[name]
    file = tmp_path / "c.toml"
    for value in ("1" + "0" * 400, "0x" + "f" * 5000, "inf"):
        file.write_text(f'dataset = "mnist-mini"\n{table}\nlr = [{value}]\n')
        assert main([name, str(file), "--out", str(tmp_path / "o")]) == 1
        assert "it must be a finite number" in (err := capsys.readouterr().err)
        assert len(err) < 400
    file.write_text('dataset = "mnist-mini"\n[sweep]\nseeds = [' + "9" * 23 + "]\n")
    if name == "sweep":
        assert main([name, str(file), "--out", str(tmp_path / "o")]) == 1
        assert "seed" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path, capsys):
    for name, text in (("c.toml", "lr = 0.5\n"), ("config.json", '{"settings": {"lr": 0.5}}')):
        (tmp_path / name).write_text(text, encoding="utf-8-sig")
        assert read_config(tmp_path / name) == {"lr": 0.5}


def test_what_is_shown_of_a_value_is_short():
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    for value in (10**6000, deep, "x" * 10**6, math.inf):
        assert len(shown(value)) < 100
    assert shown([1, 2]) == "[1, 2]"


def test_settings_may_come_through_a_pipe(tmp_path, capsys):
    """As of a shell's ``--config <(...)``: it is read to its end, and no further than a limit."""
    reading, writing = os.pipe()
    os.write(writing, b"epochs = 0")
    os.close(writing)
    try:
        assert main(["train", "mnist-mini", "--config", f"/dev/fd/{reading}"]) == 1
    finally:
        os.close(reading)
    assert "epochs was 0" in capsys.readouterr().err


def test_a_pipe_is_no_earlier_runs_config(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "config.json").symlink_to(tmp_path / "pipe")
    assert main(["train", "mnist-mini", "--out", str(tmp_path / "out")]) == 1
    assert "but no config.json of fastfa train" in capsys.readouterr().err
