"""Figures: what they show, their size in a file, and that they need no window."""

from __future__ import annotations

import struct
import sys

import numpy as np
import pytest
from fastfa import _labels, plots
from fastfa.history import History
from fastfa.metrics import MEASURES

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


def test_history_plot_of_one_output_draws_its_losses_as_they_are(matplotlib):
    history = History([{"epoch": k, "train_loss": 2 / k, "test_loss": 3 / k} for k in (1, 2)])
    (ax,) = history.plot().axes
    assert ax.get_ylabel() == "Loss"
    np.testing.assert_allclose(ax.lines[1].get_ydata(), [3, 1.5])
    both = History([{"epoch": 1, "train_loss": 2.0, "train_error": 0.5}])
    assert both.plot().axes[0].get_ylabel() == "Error (%)"
    (ax,) = both.plot(measure="loss").axes
    assert ax.get_ylabel() == "Loss"
    assert ax.lines[0].get_ydata() == [2.0]
    assert ax.lines[0].get_marker() == "o"  # a single epoch has no line
    low, high = ax.get_xlim()
    assert [tick for tick in ax.get_xticks() if low <= tick <= high] == [1]


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


@pytest.mark.parametrize(
    ("key", "text", "drawn"),
    [
        ("test_error", "Test error (%)", 25),
        ("train_loss", "Training loss", 0.25),
        ("lr", "Learning rate", 0.25),
        ("weight_angle.1", "Angle between B and Wᵀ, layer 2 (degrees)", 0.25),
        ("norm_ratio.0", "Length of the update, backprop's = 1, layer 1", 0.25),
        ("my_error", "My error", 0.25),  # which may be no fraction
    ],
)
def test_every_measure_has_its_own_label_and_unit(matplotlib, key, text, drawn):
    history = History([{"epoch": 1, key: 0.25}, {"epoch": 2}, {"epoch": 3, key: -0.5}])
    (ax,) = plots.plot_learning_curves({"mine": history}, key=key).axes
    assert ax.get_ylabel().replace("\n", " ") == text
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [(1, drawn), (3, -2 * drawn)])
    assert ax.get_ylim()[0] <= -2 * drawn


def test_learning_curves_without_a_key_draw_what_all_have(matplotlib):
    other = History([{"epoch": 1, "train_loss": 0.5, "train_error": 0.1}])
    regression = History([{"epoch": 1, "train_loss": 0.5}])
    for second, text in ((other, "Training error (%)"), (regression, "Training loss")):
        histories = {"one": History([RECORDS[0] | {"train_loss": 0.2}]), "two": second}
        (ax,) = plots.plot_learning_curves(histories).axes
        assert ax.get_ylabel() == text
    with pytest.raises(KeyError, match="no record has 'nope'"):
        plots.plot_learning_curves({"one": other}, key="nope")


def test_several_seeds_are_thin_lines_and_their_mean_over_common_epochs(matplotlib):
    longer = History([{"epoch": k, "test_error": 0.1} for k in (1, 2, 3, 4)])
    (ax,) = plots.plot_learning_curves({"fa": [History(RECORDS), longer]}).axes
    first, second, mean = ax.lines
    assert {line.get_color() for line in ax.lines} == {"#1a9641"}
    assert first.get_linewidth() == second.get_linewidth() < mean.get_linewidth()
    np.testing.assert_allclose(mean.get_xydata(), [(1, 20), (2, 12.5), (3, 10)])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["fa"]


def angles(key="angle_bp", values=(90, 80, 70), **more):
    return [
        {"batch": 10 * k, "layer": layer, key: value} | more
        for k, value in enumerate(values)
        for layer in (0, 1)
    ]


def test_angles_have_a_line_a_layer_over_the_examples_seen(matplotlib):
    rows = angles(angle_bp_sd=1.0)
    (ax,) = plots.plot_angles(rows, examples_per_batch=5).axes
    lines = [line for line in ax.lines if line.get_label().startswith("hidden")]
    assert len(lines) == 2
    np.testing.assert_array_equal(lines[0].get_xydata(), [(0, 90), (50, 80), (100, 70)])
    assert ax.get_xlabel() == "Examples seen"
    assert ax.get_ylabel() == "Angle to backprop's update (degrees)"
    (ax,) = plots.plot_angles(rows).axes
    assert ax.get_xlabel() == "Batches seen"
    counted = [row | {"examples": 7 * row["batch"]} for row in rows]
    (ax,) = plots.plot_angles(counted).axes
    assert ax.get_xlabel() == "Examples seen"
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [0, 70, 140])


def test_the_axis_of_angles_holds_them_and_their_bands(matplotlib):
    for values, spread, top in (((90, 80), 1, 105), ((90, 120), 1, 180), ((100, 100), 10, 180)):
        (ax,) = plots.plot_angles(angles(values=values, angle_bp_sd=spread)).axes
        assert ax.get_ylim()[0] <= ax.dataLim.y0
        assert top <= ax.get_ylim()[1] < top + 5
    (ax,) = plots.plot_angles(angles(values=(3, 178), angle_bp_sd=5)).axes
    assert (ax.dataLim.y0, ax.dataLim.y1) == (0, 180)  # a band has no impossible angles


def test_a_measure_that_is_no_angle_has_its_own_label_and_scale(matplotlib):
    (ax,) = plots.plot_angles(angles("weight_angle"), key="weight_angle").axes
    assert ax.get_ylabel() == "Angle between B and Wᵀ (degrees)"
    (ax,) = plots.plot_angles(angles("trace_bw", (-200, 0, None)), key="trace_bw").axes
    assert ax.get_ylabel() == "tr(BW)"
    assert ax.get_ylim()[0] < -200
    assert len(ax.lines) == 2  # none at 90


def test_neurons_angles_are_their_mean_and_spread(matplotlib):
    values = (np.array([80.0, 100.0, np.nan]), np.full(3, np.nan))
    (ax,) = plots.plot_angles(angles("neuron_angles", values), key="neuron_angles").axes
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [90, np.nan])
    assert (ax.dataLim.y0, ax.dataLim.y1) == (80, 100)
    assert "units" in ax.get_legend().get_texts()[-1].get_text()


def test_angles_of_several_runs_are_thin_lines_and_their_mean(matplotlib):
    (ax,) = plots.plot_angles([angles(), angles(values=(70, 60))]).axes
    np.testing.assert_array_equal(ax.lines[2].get_xydata(), [(0, 80), (10, 70)])
    assert len(ax.lines) == 7


def test_every_measure_of_alignment_has_a_name():
    named = set(_labels.ANGLES) | set(_labels._OTHERS)
    assert set(MEASURES) <= named


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


def test_a_sequence_is_drawn_where_it_counts(matplotlib):
    target, output = np.arange(10.0).reshape(5, 2), np.ones((5, 2))
    (ax,) = plots.plot_sequence(target, output, mask=[0, 1, 1, 0, 2]).axes
    drawn = [line.get_ydata() for line in ax.lines]
    assert [line.get_linestyle() for line in ax.lines] == ["-", "-", "--", "--"]
    np.testing.assert_array_equal(drawn[1], output[:, 1])
    np.testing.assert_array_equal(drawn[3], [np.nan, 3, 5, np.nan, 9])
    named = [text.get_text() for text in ax.get_legend().get_texts()]
    assert named == ["output 1", "output 2", "target"]
    (ax,) = plots.plot_sequence(target[:, 0], output[:, 0], mask=[0, 0, 0, 0, 1]).axes
    assert ax.lines[1].get_marker() == "o"  # a single step has no line
    for wrong in ((target, output[:4]), (target[None], output[None])):
        with pytest.raises(ValueError, match=r"both must be \(T, k\), or \(T,\), of one sequence"):
            plots.plot_sequence(*wrong)


def test_angles_in_time_are_drawn_of_the_first_the_last_and_some_between(matplotlib):
    rows = [
        {"examples": 10 * k, "angle_bptt_steps": np.array([np.nan, 90 - k, 80 - k])}
        for k in range(11)
    ]
    (ax,) = plots.plot_angles_in_time(rows, lines=3).axes
    drawn = {line.get_label(): line.get_ydata() for line in ax.lines if line.get_label()[0] != "_"}
    assert list(drawn) == ["0", "50", "100"]
    np.testing.assert_array_equal(drawn["50"], [np.nan, 85, 75])
    assert ax.get_ylabel().replace("\n", " ") == "Angle to backprop through time (degrees)"
    (ax,) = plots.plot_angles_in_time(rows, lines=1).axes
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [np.nan, 80, 70])
    from_file = [{"examples": 0, "angle_bptt_steps": [None, 40.0]}]
    (ax,) = plots.plot_angles_in_time(from_file).axes
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [np.nan, 40])
