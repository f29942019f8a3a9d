"""Figures: what they show, their size in a file, and that they need no window."""

from __future__ import annotations

import struct
import sys

import numpy as np
import pytest
from fastfa import plots
from fastfa.history import History

RECORDS = [
    {"epoch": k, "train_error": 0.5 / k, "validation_error": 0.4 / k, "test_error": 0.3 / k}
    for k in (1, 2, 3)
]


@pytest.fixture
def matplotlib():
    return pytest.importorskip("matplotlib", reason="figures need matplotlib")


def test_a_missing_matplotlib_is_an_error_that_says_how_to_get_it(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'fastfa\[plots\]'"):
        History(RECORDS).plot()


def test_a_history_without_errors_is_not_drawn():
    with pytest.raises(ValueError, match="at least one epoch"):
        History().plot()


def test_history_plot_draws_each_set_in_percent_with_labelled_axes(matplotlib):
    (ax,) = History(RECORDS).plot().axes
    assert ax.get_xlabel() == "Epochs"
    assert ax.get_ylabel() == "Error (%)"
    drawn = {line.get_label(): line.get_ydata() for line in ax.lines}
    assert drawn.keys() == {"training, while learning", "validation", "test"}
    np.testing.assert_allclose(drawn["test"], [30, 15, 10])


def test_history_plot_draws_on_the_axes_it_is_given(matplotlib):
    figure = plots.new_figure(2)
    assert History(RECORDS).plot(figure.axes[1]) is figure
    assert not figure.axes[0].lines
    assert len(figure.axes[1].lines) == 3


def test_rules_have_the_papers_colours(matplotlib):
    history = History(RECORDS)
    names = ("BP", "FA", "shallow", "mine")
    figure = plots.plot_learning_curves(dict.fromkeys(names, history))
    black, green, grey, other = [line.get_color() for line in figure.axes[0].lines]
    assert black == "#000000"
    red, bright, blue = (int(green[i : i + 2], 16) for i in (1, 3, 5))
    assert bright > 2 * red
    assert bright > 2 * blue
    assert grey[1:3] == grey[3:5] == grey[5:7]
    assert other not in (black, green, grey)


def test_angles_have_a_line_a_layer_over_the_examples_seen(matplotlib):
    rows = [
        {"batch": b, "layer": layer, "angle_bp": 90.0 - b, "angle_bp_sd": 1.0}
        for b in (0, 10, 20)
        for layer in (0, 1)
    ]
    (ax,) = plots.plot_angles(rows, examples_per_batch=5).axes
    lines = [line for line in ax.lines if line.get_label().startswith("hidden")]
    assert len(lines) == 2
    np.testing.assert_array_equal(lines[0].get_xdata(), [0, 50, 100])
    np.testing.assert_array_equal(lines[0].get_ydata(), [90, 80, 70])
    assert "degrees" in ax.get_ylabel()
    with pytest.raises(ValueError, match="rows was empty"):
        plots.plot_angles([])


def test_a_saved_figure_has_the_size_it_was_made_with(matplotlib, tmp_path):
    figure = plots.new_figure(2, width=3.0, height=2.0)
    figure.savefig(tmp_path / "f.png")
    width, height = struct.unpack(">II", (tmp_path / "f.png").read_bytes()[16:24])
    assert (width, height) == (1200, 400)


def test_drawing_leaves_pyplot_alone(matplotlib, run_python):
    run_python(
        "import sys; from fastfa.history import History\n"
        "History([{'epoch': 1, 'test_error': 0.5}]).plot()\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
