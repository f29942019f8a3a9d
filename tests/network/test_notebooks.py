"""In a notebook: figures, tables and bars show without settings, tab completion offers what is ours."""

from __future__ import annotations

import inspect
import json
import sys
import typing
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import fastfa as fa
import numpy as np
import pytest
from fastfa import _html
from notebook_cases import executed, needs_kernel, notebook_of

NOTEBOOKS = Path(__file__).parents[2] / "examples" / "notebooks"
X, Y = np.eye(4), np.eye(4)[:, :2]
RECORDS = [{"epoch": k, "train_loss": 1 / k, "train_error": 0.5 / k} for k in range(1, 31)]


def kinds(outputs):
    """What the outputs may be shown as."""
    return {kind for output in outputs for kind in output.get("data", ())}


def printed(outputs):
    return "".join(text for output in outputs for text in output.get("text", ()))


CELLS = {
    "make": "import sys, fastfa as fa, numpy as np\n"
    "X, Y = np.eye(4), np.eye(4)[:, :2]\n"
    "net = fa.Network(4, [fa.Dense(3, 'tanh'), fa.Dense(2)])\n"
    "angles = fa.Alignment(X, Y)\n"
    "trainer = fa.Trainer(net, fa.SGD(0.1), epochs=2, callbacks=[angles])",
    "fit": "history = trainer.fit((X, Y), test=(X, Y))",
    "history": "history",
    "net": "display(net)",
    "ensemble": "fa.Ensemble([net])",
    "plot": "history.plot()",
    "angles": "display(fa.plots.plot_angles(angles.rows))",
    "pyplot": "sys.modules.get('matplotlib.pyplot') is None",
    "inline": "%matplotlib inline\nhistory.plot()",
}


@needs_kernel
def test_everything_is_shown_without_settings(tmp_path):
    out = executed(notebook_of(CELLS), tmp_path)
    for name in ("history", "net", "ensemble"):
        assert "text/html" in kinds(out[name]), name
    for name in ("plot", "angles", "inline"):
        assert len(out[name]) == 1, name
        assert "image/png" in kinds(out[name]), name
    assert "True" in out["pyplot"][0]["data"]["text/plain"]  # no backend was chosen
    for name, outputs in out.items():
        assert "Warning" not in printed(outputs), name
    assert "epoch 2" in printed(out["fit"]) or any("widget" in kind for kind in kinds(out["fit"]))


@needs_kernel
@pytest.mark.skipif(not NOTEBOOKS.is_dir(), reason="examples/ is not part of this checkout")
@pytest.mark.parametrize("name", ["demo", "compare"])
def test_a_notebook_runs(name, tmp_path):
    notebook = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        for full, little in {"EPOCHS = 12": "EPOCHS = 1", "EPOCHS = 5": "EPOCHS = 1",
                             "SEEDS = 5": "SEEDS = 2", "Dense(1000": "Dense(50"}.items():  # fmt: skip
            source = source.replace(full, little)
        cell["source"] = source
    out = executed(notebook, tmp_path)
    assert "image/png" in kinds(out["curves"])
    for outputs in out.values():
        assert "Warning" not in printed(outputs)


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_what_it_printed(path):
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    assert path.stat().st_size < 10_000


# ---- tables ----------------------------------------------------------------------------------------


class Cells(HTMLParser):
    """The text of every cell, row by row, and every tag; it refuses tags that aren't closed."""

    def __init__(self, html):
        super().__init__()
        self.rows, self.tags, self._open = [], [], []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in ("img", "wbr"):
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data


def test_a_network_shows_each_layer_with_its_parameters_and_its_b():
    layers = [fa.Dropout(0.1), fa.LocallyConnected2D(3, 2), fa.Dense(5, "tanh", bias=False)]
    net = fa.Network((4, 4), [*layers, fa.Dropout(0.5), fa.Dense(2)], ["fa", "dfa"], seed=7)
    rows = Cells(net._repr_html_()).rows
    by_name = {row[0]: row for row in rows}
    local, dense = by_name["LocallyConnected2D, linear"], by_name["Dense, tanh"]
    assert local[1:5] == ["3 × 3 × 3", "3 × 3 × 3 × 1 × 2 × 2", "27", f"{27 * 4 + 27:,}"]
    assert dense[1:7] == ["5", "5 × 27", "–", "135", "uniform, route=direct", "5 × 2"]
    assert local[6] == "27 × 5"
    assert [row[0] for row in rows][1::2] == ["input", local[0], "Dropout, 0.5", "total"]
    assert by_name["total"][4] == str(135 + 135 + 12)
    assert by_name["total"][7] == _html._size(sum(net.feedback_bytes))
    assert "seed 7" in net._repr_html_()


def test_weights_that_do_not_exist_are_not_counted():
    net = fa.Network(100, [fa.Dense(100, density=0.3), fa.Dense(2, bias=False)])
    there = np.count_nonzero(net.weights[0])
    assert Cells(net._repr_html_()).rows[2][4] == f"{there + 100:,}"


@pytest.mark.parametrize("rule", [fa.NodePerturbation(0.1), "zero", "sparse", "custom"])
def test_every_kind_of_feedback_is_shown(rule):
    layers = [fa.Dense(3), fa.Dense(3)]
    if isinstance(rule, str):
        rule = Evil() if rule == "custom" else fa.Feedback(rule)
    html = fa.Network(3, layers, rule)._repr_html_()
    assert "sigma=0.1" in html if isinstance(rule, fa.NodePerturbation) else "3 × 3" in html


class Evil:
    def propagate(self, delta):
        return delta

    def __repr__(self):
        return "<script>alert('1')</script>&amp;"


def test_text_of_others_is_escaped():
    net = fa.Network(3, [fa.Dense(3), fa.Dense(3)], [Evil()])
    record = {"<b>key": "<img src=x onerror=alert(1)>", "none": None, "list": ["<i>"]}
    for thing in (net, fa.Ensemble([net]), fa.History([record])):
        found = Cells(thing._repr_html_())
        assert set(found.tags) <= {"div", "b", "table", "thead", "tbody", "tr", "th", "td", "wbr"}
    assert "<img src=x onerror=alert(1)>" in found.rows[1]  # as text


def test_a_long_history_shows_its_ends_and_says_what_is_between():
    rows = Cells(fa.History(RECORDS)._repr_html_()).rows
    assert [row[0] for row in rows] == [
        "epoch",
        *"123456",
        "… 18 epochs …",
        *map(str, range(25, 31)),
    ]
    assert rows[1] == ["1", "1.000", "50.00%"]
    assert Cells(fa.History()._repr_html_()).rows == [[]]
    ensemble = fa.Ensemble([fa.Network(2, [fa.Dense(2)], seed=s) for s in range(20)])
    assert "… 8 networks …" in ensemble._repr_html_()


def test_a_history_has_its_curves_where_matplotlib_is(monkeypatch):
    pytest.importorskip("matplotlib", reason="figures need matplotlib")
    with_errors, with_losses = fa.History(RECORDS), fa.History([{"epoch": 1, "train_loss": 0.5}])
    for shown in (with_errors, with_losses):
        assert "data:image/png;base64" in shown._repr_html_()
    assert "img" not in fa.History([{"epoch": 1, "lr": 0.5}])._repr_html_()
    for record in ({"train_error": 0.5}, {"epoch": 1, "train_error": {}}):
        assert "img" not in fa.History([record])._repr_html_()
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    html = with_errors._repr_html_()
    assert "img" not in html
    assert "50.00%" in html


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (999_600, "1 MB"),
        (2e9, "2 GB"),
        (4.5e12, "4.5 TB"),
    ],
)
def test_sizes_are_short(value, text):
    assert _html._size(value) == text


# ---- tab completion --------------------------------------------------------------------------------


def offered(module):
    """What tab completion offers in ``module`` and the modules that it leads to, by the dotted name."""
    found = {}
    for name in (name for name in dir(module) if not name.startswith("_")):
        try:
            value = found[f"{module.__name__}.{name}"] = getattr(module, name)
        except ImportError:  # of a package that isn't here
            continue
        if isinstance(value, ModuleType):
            assert value.__name__ == f"{module.__name__}.{name}"  # so it is ours
            found |= offered(value)
    return found


def test_tab_completion_offers_what_is_ours():
    found = offered(fa)
    assert {"fastfa.plots.plot_angles", "fastfa.data.read", "fastfa.metrics.nse"} <= found.keys()
    for name, value in found.items():
        if inspect.isclass(value) or inspect.isroutine(value):
            assert value.__module__.startswith("fastfa"), name
        assert name.rpartition(".")[2] not in {*dir(typing), "annotations", "import_module"}, name


def test_modules_load_when_they_are_named_and_not_before(run_python):
    run_python(
        "import sys, fastfa as fa\n"
        "before = set(sys.modules)\n"
        "late = {'fastfa.plots', 'fastfa.sklearn', 'fastfa.experiments', 'matplotlib', 'sklearn'}\n"
        "assert not late & before, late & before\n"
        "assert fa.plots.new_figure and fa.experiments.get('xor')\n"
        "assert 'matplotlib' not in sys.modules and 'sklearn' not in sys.modules\n"
        "assert 'plots' in dir(fa) and 'sklearn' in dir(fa) and 'Any' not in dir(fa)"
    )


def test_an_extra_that_is_missing_says_how_to_get_it(run_python):
    told = run_python(
        "import sys; sys.modules['sklearn'] = None\n"
        "import fastfa as fa\n"
        "try: fa.sklearn\n"
        "except ImportError as error: print(error)"
    )
    assert "pip install 'fastfa[sklearn]'" in told
