"""One HTML file that needs no other: what the paper says, what we find, and the figures."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..atomic import atomic_write

_TITLE = "<title>Feedback alignment, reproduced</title>"
_CLASSES = ("reproduced", "differs", "undecided", "data")  # of verdicts, by their first word
_LARGEST = 50_000_000  # bytes of a figure
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto }
body { padding: 0 1rem; color: #222; background: #fff }
h1, h2 { line-height: 1.2 } h2 { margin-top: 3rem } img { max-width: 100%; height: auto }
div { overflow-x: auto } div.claims table { min-width: 38rem }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; font-size: .92rem }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid #ddd }
.reproduced { color: #12692d; font-weight: 600 } .differs { color: #b3261e; font-weight: 600 }
.undecided, .data { color: #6b5900; font-weight: 600 } .small { color: #666; font-size: .85rem }
pre { white-space: pre-wrap; font-size: .82rem; background: #f6f6f6; padding: .6rem }
"""


def write_report(
    path: Path, summaries: Sequence[tuple[Mapping[str, Any], Path]], *, embed: bool = True
) -> None:
    """Write the report.

    Parameters
    ----------
    path
        The HTML file, replaced as a whole.
    summaries
        Of each experiment what `reproduce` returned, and the folder with its figure.
    embed
        Whether figures are in the file; else it shows those that lie beside it.
    """
    try:
        page = _page(summaries, embed=embed)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(
            f"[write_report] a summary was not one of `reproduce`; it must be ({error!r})"
        ) from None
    with atomic_write(path) as file:
        file.write(page.encode(errors="backslashreplace"))


def check_free(path: Path) -> None:
    """Refuse to write over a file that is no report of ours."""
    if os.path.lexists(path):
        ours = False
        if path.is_file():
            with open(path, "rb") as file:
                ours = _TITLE.encode() in file.read(1000)
        if not ours:
            raise ValueError(
                f"[reproduce] out was {str(path.parent)!r}, where {path.name} is no report of fastfa; "
                "name another folder"
            )


def _page(summaries: Sequence[tuple[Mapping[str, Any], Path]], *, embed: bool) -> str:
    body = "".join(_section(summary, folder, embed) for summary, folder in summaries)
    counts = "".join(f"<li>{escape(line)}</li>" for line in counted(each for each, _ in summaries))
    links = "".join(_line(summary) for summary, _ in summaries)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{_TITLE}<style>{_STYLE}</style></head><body>"
        "<h1>Feedback alignment, reproduced</h1>"
        "<p>Lillicrap, Cownden, Tweed &amp; Akerman, Random synaptic feedback weights support error "
        "backpropagation for deep learning, Nature Communications 7:13276 (2016), and its preprint "
        "arXiv:1411.0247. Numbers of ours are means over runs with a 95 % interval (Student's t) "
        f"unless the comparison says otherwise.</p><ul>{counts}</ul>"
        "<div><table><tr><th>experiment</th><th>preset</th><th>runs</th><th>claims reproduced</th></tr>"
        f"{links}</table></div>"
        f"{body}</body></html>\n"
    )


_KINDS = {
    "number": "numbers that the paper prints",
    "words": "statements of the paper in words, figures and theorems, held to bounds of ours",
    "elsewhere": "statements of other papers, held to bounds of ours",
    "ours": "checks of our own",
}


def counted(summaries: Iterable[Mapping[str, Any]]) -> list[str]:
    """How many of the paper's numbers are reproduced, apart from its words and from our own checks."""
    found: dict[str, list[str]] = {kind: [] for kind in _KINDS}
    for summary in summaries:
        for claim in summary["claims"]:
            found.get(claim.get("kind"), found["words"]).append(claim["verdict"])
    lines = []
    for kind, words in found.items():
        others = [f"{words.count(w)} {w}" for w in sorted({*words} - {"reproduced"})]
        told = f"{words.count('reproduced')} of {len(words)} reproduced"
        if words:
            lines.append(f"{_KINDS[kind]}: {', '.join([told, *others])}")
    return lines


def number(claim: Mapping[str, Any]) -> str:
    """Our number with its interval, ``1.3 (1.1 to 1.5) %``; a dash where there is none."""
    if claim.get("ours") is None:
        return "–"
    unit = {"": "", "°": "°", "x": " ×", "%": " %", "points": " points"}[claim["unit"]]
    if claim["low"] is None:
        return f"{claim['ours']:.3g}{unit}"
    return f"{claim['ours']:.3g} ({claim['low']:.3g} to {claim['high']:.3g}){unit}"


def _line(summary: Mapping[str, Any]) -> str:
    name = escape(summary["experiment"])
    words = [claim["verdict"] for claim in summary["claims"]]
    others = "".join(f", {words.count(w)} {_word(w)}" for w in sorted({*words} - {"reproduced"}))
    verdicts = f"{words.count('reproduced')} of {len(words)}{others}"
    return (
        f'<tr><td><a href="#{name}">{name}</a></td><td>{escape(summary["preset"])}</td>'
        f"<td>{len(summary['seeds'])}</td><td>{verdicts}</td></tr>"
    )


def _section(summary: Mapping[str, Any], folder: Path, embed: bool) -> str:
    rows = "".join(
        f"<tr><td>{escape(claim['text'])}</td><td>{escape(claim['paper'])}</td>"
        f"<td>{escape(number(claim))}</td><td>{_word(claim['verdict'])}"
        f'<br><span class="small">{escape(claim["note"])}</span></td></tr>'
        for claim in summary["claims"]
    )
    name, where = escape(summary["experiment"]), escape(summary["where"] + _chosen(summary))
    return (
        f'<h2 id="{name}">{name}: {escape(summary["title"])}</h2>'
        f'<p class="small">{where}</p>{_figure(summary, folder, embed)}'
        '<div class="claims"><table>'
        "<tr><th>claim</th><th>the paper</th><th>ours</th><th>verdict</th></tr>"
        f"{rows}</table></div>{_provenance(summary)}"
    )


def _chosen(summary: Mapping[str, Any]) -> str:
    chosen = summary.get("chosen")
    return f". Settings chosen on the outcome: {chosen}" if chosen else ""


def _figure(summary: Mapping[str, Any], folder: Path, embed: bool) -> str:
    name = summary["figure"]
    if not name:
        return f"<p>{escape(str(summary.get('no_figure', 'No figure.')))}</p>"
    if not isinstance(name, str) or not _is_picture(folder, name):
        return f"<p>Its figure, {escape(repr(name))}, is no PNG file in its folder.</p>"
    if embed:
        source = f"data:image/png;base64,{base64.b64encode((folder / name).read_bytes()).decode()}"
    else:
        source = quote(name)
    with open(
        folder / name, "rb"
    ) as file:  # drawn with 200 dots an inch: shown at its size on paper
        width = int.from_bytes(file.read(20)[16:], "big") // 2
    shown = f' width="{width}"' if width else ""
    return f'<img{shown} alt="{escape(summary["title"])}" src="{escape(source)}">'


def _is_picture(folder: Path, name: str) -> bool:
    """Whether it is the name of a PNG file in the folder itself. A record may come from elsewhere, and a
    report is passed on: it must not take other files along."""
    path = folder / name
    if name != os.path.basename(name) or path.is_symlink() or not path.is_file():
        return False
    with open(path, "rb") as file:
        return file.read(8) == b"\x89PNG\r\n\x1a\n" and path.stat().st_size <= _LARGEST


def _provenance(summary: Mapping[str, Any]) -> str:
    seeds = summary["seeds"]
    versions = ", ".join(f"{name} {value}" for name, value in summary["versions"].items())
    machine = ", ".join(f"{name} {value}" for name, value in summary["machine"].items())
    took = f"{summary.get('job_seconds', 0.0):.1f} s of computing"
    return (
        f'<p class="small">{len(seeds)} runs, seeds {int(seeds[0])} to {int(seeds[-1])}, {took}. '
        f"{escape(versions)}. {escape(machine)}.</p><details><summary>settings</summary>"
        f"<pre>{escape(json.dumps(summary['settings'], indent=1))}</pre></details>"
    )


def _word(verdict: str) -> str:
    kind = next((each for each in _CLASSES if verdict.split()[:1] == [each]), "")
    return f'<span class="{kind}">{escape(verdict)}</span>'
