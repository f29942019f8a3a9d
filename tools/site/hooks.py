"""What the site does with the repository's Markdown: links out of docs/, and formulas without scripts.

A page says what a reader of the repository sees, so its links are those of the repository. Here a link
to a file outside docs/ becomes one to a copy of it in the site: a page for Markdown, the file itself
for a notebook, text for the rest.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.plugins import get_plugin_logger
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    *("ARCHITECTURE.md", "CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "SECURITY.md", "CHANGELOG.md"),
    *("bench/README.md", "bench/NOTES.md"),
)
FOLDERS = {"docs/results/reproduce": "gallery.md"}  # where a link to a folder leads
README = "index.md"  # the site's front page stands for the repository's
_LINK = re.compile(r"(!?\[[^\]]*\])\(([^)\s]+)\)")
_FENCE = re.compile(r"^(```.*?^```)", re.S | re.M)
_FORMULA = re.compile(
    r'<(span|div) class="arithmatex">\s*(?:\\\((.*?)\\\)|\\\[(.*?)\\\])\s*</\1>', re.S
)
log = get_plugin_logger("fastfa")


def on_files(files: Files, config: Any) -> Files:
    """Add the repository's own pages, and the files that pages link to."""
    linked = set(PAGES)
    for source in [*PAGES, *(f"docs/{f.src_uri}" for f in files.documentation_pages())]:
        text = _FENCE.sub("", (ROOT / source).read_text(encoding="utf-8"))
        linked |= {t for _, link in _LINK.findall(text) if (t := _target(source, link)) is not None}
    for name in sorted(linked):
        if not name.startswith("docs/") and name != "README.md" and (ROOT / name).is_file():
            content = (ROOT / name).read_bytes()
            files.append(File.generated(config, _in_site(name), content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links of the repository become links of the site; code stays as it is."""
    uri = page.file.src_uri
    source = uri.removeprefix("repository/") if uri.startswith("repository/") else f"docs/{uri}"

    def moved(match: re.Match[str]) -> str:
        name = _target(source, match[2])
        if name is None:
            return match[0]
        _, sep, anchor = match[2].partition("#")
        if not (ROOT / name).exists():
            log.warning("%s links to %s, which doesn't exist", source, match[2])
        there = os.path.relpath(_in_site(name), os.path.dirname(uri) or ".")
        return f"{match[1]}({there}{sep}{anchor})"

    parts = _FENCE.split(markdown)
    return "".join(p if p.startswith("```") else _LINK.sub(moved, p) for p in parts)


def on_page_content(html: str, page: Any, **_: Any) -> str:
    """Formulas as MathML, which browsers draw themselves."""

    def drawn(match: re.Match[str]) -> str:
        tex = re.sub(
            r"&(amp|lt|gt);",
            lambda m: {"amp": "&", "lt": "<", "gt": ">"}[m[1]],
            match[2] or match[3],
        )
        if match[1] == "span":
            return convert(tex)
        return f'<div class="formula">{convert(tex, display="block")}</div>'

    html = _FORMULA.sub(drawn, html)
    if "arithmatex" in html:
        log.warning("%s has a formula that stayed TeX", page.file.src_uri)
    return html


def _target(source: str, link: str) -> str | None:
    """The file or folder of the repository that a link in `source` leads to; None for others."""
    path = link.partition("#")[0]
    if not path or re.match(r"[a-z]+:", path):
        return None
    return os.path.normpath(os.path.join(os.path.dirname(source), path))


def _in_site(name: str) -> str:
    if name in FOLDERS:
        return FOLDERS[name]
    if name == "README.md":
        return README
    if name.startswith("docs/"):
        return name.removeprefix("docs/")
    # A notebook is something to take away; the rest is text to read.
    return f"repository/{name}" if name.endswith((".md", ".ipynb")) else f"repository/{name}.txt"
