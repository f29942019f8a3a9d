"""``fastfa demo``: three rules side by side, a table and a figure."""

from __future__ import annotations

import re
import struct

import pytest
from fastfa.cli import demo, main
from fastfa.data import load


@pytest.fixture
def quick(monkeypatch):
    """A narrow hidden layer, so that an epoch takes a fraction of a second."""
    monkeypatch.setattr(demo, "HIDDEN", 100)


def test_the_demo_prints_a_table_and_draws_a_figure(quick, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="figures need matplotlib")
    path = tmp_path / "demo.png"
    assert main(["demo", "--epochs", "1", "--out", str(path)]) == 0
    out = capsys.readouterr().out
    rows = re.findall(r"^(BP|FA|shallow) +(\d+\.\d\d)% +([\d,]+)   (.*)$", out, re.MULTILINE)
    assert [row[0] for row in rows] == ["BP", "FA", "shallow"]
    first, last = map(float, rows[1][3].split(" -> "))
    assert 75 < first < 105
    assert last < first - 15
    width, height = struct.unpack(">II", path.read_bytes()[16:24])
    assert (width, height) == (1920, 720)


def test_several_seeds_are_in_table_and_figure(quick, tmp_path, capsys, monkeypatch):
    pytest.importorskip("matplotlib", reason="figures need matplotlib")
    figures = []
    draw = demo._figure

    def kept(*given):
        figures.append(draw(*given))
        return figures[0]

    monkeypatch.setattr(demo, "_figure", kept)
    arguments = ["--seeds", "2", "--out", str(tmp_path / "demo.png")]
    assert main(["demo", "--epochs", "1", *arguments]) == 0
    assert "means of 2 seeds" in capsys.readouterr().out
    errors, angles = figures[0].axes
    thin, other, mean = (line.get_ydata()[0] for line in errors.lines[:3])
    assert mean == pytest.approx((thin + other) / 2)
    assert thin != other
    assert len(angles.lines) == 4
    assert main(["demo", "--seeds", "0"]) != 0


def test_the_demo_without_matplotlib_still_has_its_table(quick, tmp_path, capsys, monkeypatch):
    import sys

    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["demo", "--epochs", "1", "--out", str(tmp_path / "demo.png")]) == 0
    out, err = capsys.readouterr()
    assert "shallow" in out
    assert "pip install 'fastfa[plots]'" in err


def test_a_figure_of_an_unknown_kind_is_refused_before_training(quick, tmp_path, capsys):
    assert main(["demo", "--epochs", "1", "--out", str(tmp_path / "demo.docx")]) == 1
    out, err = capsys.readouterr()
    assert "training" not in out
    assert ".docx" in err


def test_the_three_networks_start_from_the_same_weights():
    data = load("mnist-mini")
    nets = [demo.build_network(name, data, seed=3) for name in demo.RULES]
    for net in nets[1:]:
        for mine, others in zip(net.weights, nets[0].weights, strict=True):
            assert (mine[...] == others[...]).all()


def test_feedback_alignment_learns_almost_as_well_as_backprop_and_shallow_does_not(quick):
    data = load("mnist-mini")
    last = {
        name: demo.train(name, data, epochs=4, seed=0)[0]["test_error"][-1] for name in demo.RULES
    }
    assert last["BP"] < 0.10
    assert last["FA"] < last["BP"] + 0.03
    assert last["shallow"] > last["BP"] + 0.02
