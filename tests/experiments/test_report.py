"""The report of `fastfa reproduce` over a record from elsewhere, and whose results it counts."""

from __future__ import annotations

import json
import os
import re
import signal
from html.parser import HTMLParser

import fastfa as fa
import pytest
from fastfa.cli import main

pytest.importorskip("scipy", reason="experiments need SciPy")
from fastfa import experiments
from fastfa.experiments import Claim, Experiment, _job, reproduce
from fastfa.experiments import _statistics as statistics
from fastfa.experiments._report import write_report

PNG = b"\x89PNG\r\n\x1a\n"
EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>"


def toy(data=(), draw=None, run=None):
    def figure(results):
        raise ImportError("no matplotlib here")

    return Experiment(
        name="linear", title="a toy", where="here",
        presets={"quick": {"runs": 2, "size": 4}, "paper": {"runs": 2, "size": 4}},
        conditions=lambda settings: ["a", "b"],
        run=run or (lambda settings, condition, seed: {"value": seed + (condition == "b")}),
        claims=(Claim("b is larger", "1", lambda r: statistics.above(r.of("b", "value"), 0.5)),),
        draw=draw or figure, data=lambda settings: list(data),
    )  # fmt: skip


def known_as(monkeypatch, experiment):
    """Every name is that of this experiment."""
    for module in (experiments, _job):
        monkeypatch.setattr(module, "get", lambda name: experiment)


@pytest.fixture
def summary(tmp_path, monkeypatch):
    """What `reproduce` finds, with a figure beside it."""

    class Figure:
        def savefig(self, file, format):
            file.write(PNG)

    experiment = toy(draw=lambda results: Figure())
    known_as(monkeypatch, experiment)
    return reproduce(experiment, out=tmp_path)


def place(tmp_path):
    return tmp_path / "linear" / "quick"


class Tags(HTMLParser):
    """All that a browser would look at beside text."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def report(tmp_path, summary, embed):
    write_report(tmp_path / "r.html", [(summary, place(tmp_path))], embed=embed)
    return (tmp_path / "r.html").read_text()


# ---- a record from elsewhere ---------------------------------------------------------------------


def poisoned(value):
    """The record with every text in it replaced, but for what a number is a number of."""
    if isinstance(value, dict):
        return {
            key: item if key in ("unit", "figure") else poisoned(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [poisoned(item) for item in value]
    return EVIL if isinstance(value, str) else value


@pytest.mark.parametrize("embed", [True, False])
def test_no_text_of_a_record_is_html(tmp_path, summary, embed):
    clean = report(tmp_path, summary, embed)
    page = report(tmp_path, poisoned(summary) | {EVIL: EVIL}, embed)
    assert "<script" not in page
    tags, usual = Tags(page).found, Tags(clean).found
    assert [tag for tag, _ in tags] == [tag for tag, _ in usual]
    for (_, own), (_, their) in zip(tags, usual, strict=True):
        assert own.keys() == their.keys()  # no attribute of the record's own making
        assert own.get("class") in (their.get("class"), "")
    for key in ("machine", "versions", "settings"):
        assert "<script" not in report(tmp_path, summary | {key: {EVIL: EVIL}}, embed)


@pytest.mark.parametrize("embed", [True, False])
@pytest.mark.parametrize(
    "name",
    ["../secret.png", "/etc/hostname", "{tmp}/secret.png", "http://example.org/x.png", "//h/x.png",
     "link.png", "text.png", "missing.png", "..", ".", "data:text/html,x", "x.png\" onload=\"a",
     "\0", 7, ["figure.png"]],
)  # fmt: skip
def test_a_figure_is_a_picture_in_its_folder_or_none(tmp_path, summary, name, embed):
    (tmp_path / "linear" / "secret.png").write_bytes(PNG + b"secret")
    (place(tmp_path) / "link.png").symlink_to(tmp_path / "linear" / "secret.png")
    (place(tmp_path) / "text.png").write_text("secret")
    name = name.format(tmp=tmp_path / "linear") if isinstance(name, str) else name
    page = report(tmp_path, summary | {"figure": name}, embed)
    assert "img" not in [tag for tag, _ in Tags(page).found]
    assert "is no PNG file in its folder" in page


def test_a_figure_in_its_folder_is_shown_whatever_its_name(tmp_path, summary):
    name = "50% a?b#c'd\"&.png"
    (place(tmp_path) / name).write_bytes(PNG)
    (source,) = re.findall('src="([^"]*)"', report(tmp_path, summary | {"figure": name}, False))
    assert source == "50%25%20a%3Fb%23c%27d%22%26.png"
    assert 'src="data:image/png;base64,iVBORw0KGgo=' in report(tmp_path, summary, True)


@pytest.mark.parametrize(
    "change",
    [{"claims": 3}, {"seeds": []}, {"seeds": [EVIL, EVIL]}, {"machine": 3}, {"experiment": None},
     {"job_seconds": "long"}, {"claims": [{"verdict": "x"}]}],
)  # fmt: skip
def test_what_is_no_record_is_refused(tmp_path, summary, change):
    with pytest.raises(ValueError, match=r"\[write_report\] a summary was not one of `reproduce`"):
        report(tmp_path, summary | change, True)
    assert not (tmp_path / "r.html").exists()


# ---- the command ---------------------------------------------------------------------------------


@pytest.fixture
def command(tmp_path, monkeypatch):
    def run(experiment=None, *more):
        known_as(monkeypatch, experiment or toy())
        return main(["reproduce", "linear", "--out", str(tmp_path / "o"), *more])

    return run


def test_a_figure_that_fails_costs_only_itself(tmp_path, command, capsys):
    def broken(results):
        raise RuntimeError("latex could not be found\nand more")

    assert command(toy(draw=broken)) == 1
    out, err = capsys.readouterr()
    assert "reproduced   b is larger" in out or "undecided" in out
    assert err == "fastfa: error: the figure of linear was not drawn: latex could not be found\n"
    stored = json.loads((tmp_path / "o/linear/quick/results.json").read_text())
    assert stored["figure"] is None
    assert stored["no_figure"] == "latex could not be found"
    assert "latex could not be found" in (tmp_path / "o/report-quick.html").read_text()


def test_a_broken_record_in_the_folder_is_one_line(tmp_path, command, capsys):
    for text in ("[", "[" * 100_000, "3", "{}"):
        (tmp_path / "o/theory/quick").mkdir(parents=True, exist_ok=True)
        (tmp_path / "o/theory/quick/results.json").write_text(text)
        assert command() == 1
        err = capsys.readouterr().err
        assert len(err.splitlines()) == 1
        assert err.startswith("fastfa: error: [")


def test_a_page_of_somebody_elses_is_not_written_over(tmp_path, command, capsys):
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "report-quick.html").write_text("mine")
    assert command() == 1
    assert "report-quick.html is no report of fastfa" in capsys.readouterr().err
    assert os.listdir(tmp_path / "o") == ["report-quick.html"]
    (tmp_path / "o" / "report-quick.html").unlink()
    assert command() == command() == 0


def test_one_process_at_a_time(tmp_path, command, capsys):
    from fastfa.cli.folder import claimed

    with claimed("reproduce", str(tmp_path / "o")):
        assert command() == 1
    assert "another fastfa reproduce is at work" in capsys.readouterr().err


def test_a_signal_ends_it_and_it_goes_on(tmp_path, command, capsys):
    def stop(settings, condition, seed):
        if seed:
            os.kill(os.getpid(), signal.SIGTERM)
            for _ in range(500):
                signal.sigtimedwait([], 0.01)
        return {"value": seed}

    assert command(toy(run=stop)) == 128 + signal.SIGTERM
    err = capsys.readouterr().err
    assert err.startswith("fastfa: interrupted (SIGTERM) in linear; what is done is in ")
    assert len(list((tmp_path / "o/linear/quick/runs").iterdir())) == 2
    assert command() == 0


# ---- which data, which version -------------------------------------------------------------------


def test_results_with_other_data_or_of_another_version_are_not_counted(
    tmp_path, monkeypatch, capsys
):
    sets = {"mnist-mini": fa.data.load("mnist-mini")}
    monkeypatch.setattr(_job, "load", sets.get)
    experiment = toy(data=["mnist-mini"])
    known_as(monkeypatch, experiment)
    first = reproduce(experiment, out=tmp_path)
    assert first["data"].keys() == {"mnist-mini"}
    assert len(first["data"]["mnist-mini"]) == 64
    stored = {path: path.read_bytes() for path in place(tmp_path).rglob("*.json")}
    import dataclasses

    data = sets["mnist-mini"]
    sets["mnist-mini"] = dataclasses.replace(data, train=data.train.take(range(100)))
    with pytest.raises(ValueError, match=r"is a result with another data: it was .*name another"):
        reproduce(experiment, out=tmp_path)
    sets["mnist-mini"] = data
    monkeypatch.setattr(_job, "build_info", lambda: fa.build_info() | {"version": "9.9"})
    with pytest.raises(ValueError, match=r"is a result with another fastfa: it was .* is \"9\.9\""):
        reproduce(experiment, out=tmp_path)
    assert {path: path.read_bytes() for path in stored} == stored


def test_the_table_of_experiments_counts_the_claims_that_are_reproduced(tmp_path, summary):
    claim = summary["claims"][0]
    words = ["reproduced", "undecided", "differs", "reproduced", "undecided"]
    page = report(
        tmp_path, summary | {"claims": [claim | {"verdict": word} for word in words]}, True
    )
    row = re.sub(r"<.*?>", "", next(r for r in page.split("<tr>") if 'href="#linear"' in r))
    assert "2 of 5, 1 differs, 2 undecided" in row
