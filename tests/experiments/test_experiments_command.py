"""fastfa reproduce: its list, its report, and its errors in one line."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import pytest
from fastfa.cli import main

pytest.importorskip("scipy", reason="experiments need SciPy")
experiments = pytest.importorskip("fastfa.experiments")
from fastfa.experiments import get  # noqa: E402


def command(*arguments):
    return main(["reproduce", *map(str, arguments)])


def test_list_shows_every_experiment(capsys):
    assert command("--list") == 0
    out = capsys.readouterr().out
    for name in experiments.NAMES:
        assert re.search(rf"^{name} +{re.escape(get(name).title)}", out, re.MULTILINE)


def test_command_prints_verdicts_and_writes_a_report(tmp_path, capsys):
    assert command("theory", "--out", tmp_path, "--runs", 2) == 0
    out = capsys.readouterr().out
    assert "reproduced   Theorem 2: Be ∝ W⁺e" in out
    assert f"report in {tmp_path}" in out
    assert (tmp_path / "theory" / "quick" / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_report_needs_no_other_file(tmp_path, toy_experiment, capsys):
    assert command("linear", "--out", tmp_path) == 0
    page = (tmp_path / "report-quick.html").read_text()
    assert 'src="data:image/png;base64,iVBOR' in page
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    for forbidden in ("<script", "@import", "url(", "<link"):
        assert forbidden not in page
    assert "a &lt;toy&gt;" in page
    assert "reproduced" in page
    assert str(tmp_path) not in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["xro"], "[reproduce] name was 'xro'; it must be one of all, "),
        (["linear", "nonsense"], "[reproduce] name was 'nonsense'"),
        ([], "[reproduce] name was missing"),
        (["linear", "--preset", "fast"], "[reproduce] preset was 'fast'"),
        (["linear", "--runs", "0"], "[reproduce] runs was 0"),
    ],
)
def test_bad_names_end_in_one_line(arguments, message, tmp_path, capsys):
    assert command(*arguments, "--out", tmp_path) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"fastfa: error: {message}")
    assert len(err.splitlines()) == 1


def test_a_folder_that_cannot_be_written_ends_in_one_line(tmp_path, capsys, toy_experiment):
    (tmp_path / "file").write_text("")
    assert command("linear", "--out", tmp_path / "file" / "below") == 1
    err = capsys.readouterr().err
    assert "[reproduce] out was" in err
    assert "it must be a folder that can be written" in err
    assert len(err.splitlines()) == 1
    assert not toy_experiment[1]


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_ends_in_one_line(tmp_path, jobs):
    source = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from fastfa.cli import main\n"
        "if __name__ == '__main__':\n"
        f"    sys.exit(main(['reproduce', 'nonlinear', '--preset', 'paper', '--jobs', '{jobs}', "
        f"'--out', {str(tmp_path)!r}]))\n"
    )
    script = tmp_path / "script.py"
    script.write_text(source)
    running = subprocess.Popen([sys.executable, script], stderr=subprocess.PIPE, text=True)
    runs = tmp_path / "nonlinear" / "paper" / "runs"
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and not list(runs.glob("*.json")):
        time.sleep(0.05)
    assert list(runs.glob("*.json"))
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=300)
    assert running.returncode == 130
    assert err.splitlines() == [
        f"fastfa: interrupted in nonlinear; what is done is in {tmp_path}, "
        "and the same command goes on from there"
    ]
